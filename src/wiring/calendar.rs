//! The next two weeks of each source that has a schedule, for the page: its days with their windows and the sun.

use jiff::ToSpan;
use jiff::civil::Date;

use super::start;
use crate::config::Config;
use crate::message::settings::{Calendar, CalendarDay};
use crate::policy::schedule::{Schedule, Span};
use crate::policy::sun::{self, Event, Place};
use crate::time::{SECOND_NS, Wall};

pub const DAYS: i64 = 14;
/// A window may begin so many days before the one that it reaches into.
const BEFORE: i64 = 2;

pub fn of(config: &Config, now: Wall) -> Vec<Calendar> {
    let place = config.site.position.map(Into::into);
    let planned = config.sources.iter().filter(|source| !source.lane.schedule.is_always());
    let with = planned.filter_map(|source| Some((source.name.clone(), start::schedule(source, config).ok()?)));
    with.map(|(source, schedule)| one(source, &schedule, place, now)).collect()
}

fn one(source: String, schedule: &Schedule, place: Option<Place>, now: Wall) -> Calendar {
    let today = schedule.date_of(now);
    Calendar {
        source,
        time_zone: schedule.zone().iana_name().unwrap_or("local").to_owned(),
        duty: schedule.rules().duty.map(|duty| (duty.on_s, duty.of_s)),
        is_on: schedule.is_on(now),
        until: schedule.next_change(now),
        days: (0..DAYS).map(|n| day(schedule, today.saturating_add(n.days()), place)).collect(),
    }
}

fn day(schedule: &Schedule, date: Date, place: Option<Place>) -> CalendarDay {
    let (begin, end) = (midnight(schedule, date), midnight(schedule, date.saturating_add(1.day())));
    let dates = (-BEFORE..=0).map(|n| date.saturating_add(n.days()));
    let mut windows: Vec<(Wall, Wall)> = Vec::new();
    let mut spans: Vec<Span> = dates.flat_map(|date| schedule.windows_of(date)).collect();
    spans.sort_by_key(|span| span.begin);
    for (from, to) in spans.into_iter().map(|span| (span.begin.max(begin), span.end.min(end))).filter(|(from, to)| from < to) {
        match windows.last_mut() {
            Some((_, last)) if from <= *last => *last = to.max(*last),
            _ => windows.push((from, to)),
        }
    }
    let (sunrise, sunset) = place.and_then(|place| sun(place, begin, end)).unzip();
    CalendarDay { date: date.to_string(), begin, end, windows, sunrise, sunset }
}

/// `None` while the sun stays where it is, above or below.
fn sun(place: Place, begin: Wall, end: Wall) -> Option<(Wall, Wall)> {
    let noon = begin.plus_ns(end.since(begin) / 2);
    let (rise, set) = (sun::event(Event::Sunrise, place, noon), sun::event(Event::Sunset, place, noon));
    let up_s = set.since(rise) / SECOND_NS;
    (up_s > 1 && up_s < 86_340).then_some((rise, set))
}

fn midnight(schedule: &Schedule, date: Date) -> Wall {
    let at = date.at(0, 0, 0, 0);
    let at = schedule.zone().to_ambiguous_timestamp(at).compatible().map_or(i128::MAX, |at| at.as_nanosecond());
    Wall(i64::try_from(at).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;
    use crate::format::civil::utc_text;

    /// `DATE FROM-TO … sun RISE-SET` of some days from `now` on, in UTC.
    fn told(keys: &str, latitude: f64, now: &str, days: usize) -> Vec<String> {
        let text =
            format!("[site]\nlatitude = {latitude}\nlongitude = 13.4\n[mic]\ntype = tone\ntime_zone = Europe/Berlin\n{keys}\n");
        let config = Config::parse(text.as_bytes(), "t", &Environment::default()).config;
        let now: jiff::Timestamp = now.parse().expect("a time");
        let found = of(&config, Wall(now.as_nanosecond() as i64));
        assert_eq!(found.len(), 1);
        let clock = |at: Wall| utc_text(at)[11..16].to_owned();
        let line = |day: &CalendarDay| {
            let windows: Vec<String> = day.windows.iter().map(|(from, to)| format!("{}-{}", clock(*from), clock(*to))).collect();
            let sun = day.sunrise.zip(day.sunset).map_or("none".into(), |(rise, set)| format!("{}-{}", clock(rise), clock(set)));
            let hours = day.end.since(day.begin) / SECOND_NS / 3_600;
            format!("{} {hours} h {} sun {sun}", day.date, windows.join(" "))
        };
        found[0].days.iter().take(days).map(line).collect()
    }

    #[test]
    fn a_night_stands_on_both_of_its_days() {
        let lines = told("schedule = 22:00..06:00", 52.5, "2026-07-01T10:00:00Z", 2);
        assert_eq!(lines[0], "2026-07-01 24 h 22:00-04:00 20:00-22:00 sun 02:47-19:32");
        assert!(lines[1].starts_with("2026-07-02 24 h 22:00-04:00 20:00-22:00"), "{}", lines[1]);
    }

    #[test]
    fn the_day_the_clock_is_changed_is_an_hour_longer() {
        let lines = told("schedule = 00:00..24:00", 52.5, "2026-10-24T10:00:00Z", 3);
        let hours: Vec<&str> = lines.iter().map(|line| &line[11..15]).collect();
        assert_eq!(hours, ["24 h", "25 h", "24 h"]);
    }

    #[test]
    fn days_that_are_left_out_are_empty_and_the_polar_sun_stays() {
        let lines = told("schedule = 10:00..11:00\nschedule_every = 2 since 2026-06-20", 70.0, "2026-06-20T10:00:00Z", 2);
        assert_eq!(lines, ["2026-06-20 24 h 08:00-09:00 sun none", "2026-06-21 24 h  sun none"]);
        assert!(told("schedule = 10:00..11:00", 70.0, "2026-12-21T10:00:00Z", 1)[0].ends_with("sun none"));
    }
}
