use jiff::Timestamp;

use super::*;

pub const BERLIN: (&str, Option<Place>) = ("Europe/Berlin", Some(Place { latitude: 52.52, longitude: 13.405 }));
const TROMSO: (&str, Option<Place>) = ("Europe/Oslo", Some(Place { latitude: 69.65, longitude: 18.96 }));
pub const UTC: (&str, Option<Place>) = ("UTC", None);

/// `22:00..06:00; days mon-fri; duty 60s/5m`
fn rules(text: &str) -> Rules {
    let mut rules = Rules::ALWAYS;
    for part in text.split(';').map(str::trim) {
        match part.split_once(' ').unwrap_or((part, "")) {
            ("days", days) => rules.days = parse_days(days).expect("days"),
            ("dates", dates) => rules.dates = parse_dates(dates).expect("dates"),
            ("every", every) => rules.every = parse_every(every).expect("every"),
            ("duty", duty) => rules.duty = parse_duty(duty).expect("duty"),
            _ => rules.windows = parse_windows(part).expect("windows"),
        }
    }
    rules
}

pub fn schedule(text: &str, (zone, place): (&str, Option<Place>)) -> Schedule {
    let zone = crate::policy::split::zone_named(zone).expect("a zone");
    Schedule::new(rules(text), zone, place).expect("a place")
}

pub fn wall(text: &str) -> Wall {
    let at: Timestamp = text.parse().expect("RFC 3339");
    Wall(i64::try_from(at.as_nanosecond()).expect("in range"))
}

/// What holds at `from` (UTC) and the changes after it, as `DDTHH:MM` of the local clock with its offset's hours; as many as
/// `want` names.
#[track_caller]
fn check(text: &str, at: (&str, Option<Place>), from: &str, want: &str) {
    let schedule = schedule(text, at);
    let mut now = wall(from);
    let mut found = vec![if schedule.is_on(now) { "on" } else { "off" }.to_owned()];
    for _ in want.split(' ').skip(1) {
        let Some(next) = schedule.next_change(now) else {
            found.push("never".into());
            break;
        };
        assert!(next > now && schedule.is_on(next) != schedule.is_on(now), "{text}: no change at {next:?}");
        now = next;
        found.push(timestamp(now).to_zoned(schedule.zone.clone()).strftime("%dT%H:%M").to_string());
    }
    assert_eq!(found.join(" "), want, "{text} from {from}");
}

#[test]
fn windows_of_the_clock() {
    check("06:00..08:30", UTC, "2026-03-01T00:00:00Z", "off 01T06:00 01T08:30 02T06:00");
    check("22:00..06:00", UTC, "2026-03-01T00:00:00Z", "on 01T06:00 01T22:00 02T06:00");
    check("22:00..24:00 00:00..02:00", UTC, "2026-03-01T12:00:00Z", "off 01T22:00 02T02:00");
    check("06:00..06:00", UTC, "2026-03-01T12:00:00Z", "on never");
    check("06:00..09:00, 08:00..10:00, 10:00..11:00", UTC, "2026-03-01T00:00:00Z", "off 01T06:00 01T11:00 02T06:00");
    check("", UTC, "2026-03-01T12:00:00Z", "on never");
    check("07:00..08:00", UTC, "2026-03-01T07:00:00Z", "on 01T08:00");
    check("07:00..08:00", UTC, "2026-03-01T08:00:00Z", "off 02T07:00");
}

#[test]
fn days_and_dates_choose_where_a_window_begins() {
    // The 1st of March 2026 is a Sunday.
    check("22:00..06:00; days mon,tue", UTC, "2026-03-01T00:00:00Z", "off 02T22:00 03T06:00 03T22:00 04T06:00 09T22:00");
    check("; days sat-mon", UTC, "2026-03-01T12:00:00Z", "on 03T00:00 07T00:00 10T00:00");
    check("; dates 03-03..03-04", UTC, "2026-03-01T12:00:00Z", "off 03T00:00 05T00:00 03T00:00");
    check("; dates 12-30..01-02", UTC, "2026-12-01T12:00:00Z", "off 30T00:00 03T00:00 30T00:00");
    check("; dates 2026-03-03..2026-03-04", UTC, "2026-03-01T12:00:00Z", "off 03T00:00 05T00:00 never");
    check("; dates 02-29", UTC, "2026-03-01T12:00:00Z", "off 29T00:00 01T00:00 29T00:00");
    check("; dates 02-29", UTC, "2097-01-01T12:00:00Z", "off 29T00:00");
    check("; dates 02-28..03-01", UTC, "2028-02-01T12:00:00Z", "off 28T00:00 02T00:00");
    check(
        "05:00..06:00; every 3 since 2026-03-02",
        UTC,
        "2026-03-01T00:00:00Z",
        "off 02T05:00 02T06:00 05T05:00 05T06:00 08T05:00",
    );
    check("05:00..06:00; every 2", UTC, "1999-12-31T00:00:00Z", "off 01T05:00 01T06:00 03T05:00");
    check("; dates 2020-01-01..2020-01-02; days mon", UTC, "2026-03-01T00:00:00Z", "off never");
}

#[test]
fn clocks_that_are_changed() {
    // The 29th of March has no 02:00 to 03:00, the 25th of October has it twice.
    check("22:00..06:00", BERLIN, "2026-03-28T12:00:00Z", "off 28T22:00 29T06:00");
    check("02:30..04:00", BERLIN, "2026-03-28T22:00:00Z", "off 29T03:00 29T04:00 30T02:30");
    check("02:10..02:50", BERLIN, "2026-03-28T22:00:00Z", "off 30T02:10");
    check("01:30..02:30", BERLIN, "2026-03-28T22:00:00Z", "off 29T01:30 29T03:00");
    check("02:10..02:50", BERLIN, "2026-10-24T22:00:00Z", "off 25T02:10 25T02:50 26T02:10");
    let autumn = schedule("02:10..02:50", BERLIN);
    assert_eq!(autumn.next_begin(wall("2026-10-24T22:00:00Z")), Some(wall("2026-10-25T00:10:00Z")));
    assert_eq!(autumn.next_change(wall("2026-10-25T00:10:00Z")), Some(wall("2026-10-25T01:50:00Z")));
    // Midnight is skipped in Beirut, and all of the 30th of December 2011 in Samoa.
    check("; days sun", ("Asia/Beirut", None), "2026-03-28T12:00:00Z", "off 29T01:00 30T00:00");
    check("; dates 2011-12-30", ("Pacific/Apia", None), "2011-12-29T12:00:00Z", "off never");
    check("20:00..04:00", ("Pacific/Apia", None), "2011-12-29T12:00:00Z", "on 29T04:00 29T20:00 31T04:00");
}

#[test]
fn windows_of_the_sun() {
    check("sunrise-30m..sunrise+2h", BERLIN, "2026-06-21T00:00:00Z", "off 21T04:13 21T06:43 22T04:13");
    check("sunset..sunrise", BERLIN, "2026-12-21T12:00:00Z", "off 21T15:53 22T08:15");
    check("sunset..23:00", BERLIN, "2026-12-21T12:00:00Z", "off 21T15:53 21T23:00");
    check("22:00..sunrise", BERLIN, "2026-12-21T12:00:00Z", "off 21T22:00 22T08:15");
    check("nautical-dusk..nautical-dawn", BERLIN, "2026-12-21T12:00:00Z", "off 21T17:20 22T06:49");
    check("sunrise..sunset", BERLIN, "2026-12-21T12:00:00Z", "on 21T15:53 22T08:15");
    // Empty in July, and not the rest of the day.
    check("sunset..21:00", BERLIN, "2026-07-30T12:00:00Z", "off 01T20:58 01T21:00 02T20:56");
    check("06:30..sunrise", BERLIN, "2026-09-07T12:00:00Z", "off 09T06:30 09T06:30 10T06:30 10T06:32");
}

#[test]
fn polar_day_and_night() {
    check("sunset..sunrise", TROMSO, "2026-11-20T12:00:00Z", "on 21T10:06 21T12:52 22T10:14");
    let (night, day) = (schedule("sunset..sunrise", TROMSO), schedule("sunrise..sunset", TROMSO));
    for hour in 0..480 {
        let (winter, summer) = (wall("2026-12-10T00:00:00Z"), wall("2026-06-10T00:00:00Z"));
        let later = hour * 3_600 * SECOND_NS;
        assert!(night.is_on(winter.plus_ns(later)) && !day.is_on(winter.plus_ns(later)));
        assert!(!night.is_on(summer.plus_ns(later)));
        let _ = day.is_on(summer.plus_ns(later));
    }
    check("sunrise-30m..sunrise+30m", TROMSO, "2026-12-21T00:00:00Z", "off 21T11:12 21T12:12 22T11:12");
}

#[test]
fn a_part_of_the_time() {
    check(
        "06:00..06:12; duty 1m/5m",
        UTC,
        "2026-03-01T00:00:00Z",
        "off 01T06:00 01T06:01 01T06:05 01T06:06 01T06:10 01T06:11 02T06:00",
    );
    check("06:00..06:10; duty 4m/6m", UTC, "2026-03-01T06:07:00Z", "on 01T06:10 02T06:00");
    check("; duty 10m/7h", UTC, "2026-03-01T20:00:00Z", "off 01T21:00 01T21:10 02T00:00 02T00:10 02T07:00");
    check("06:00..07:00 06:01..07:00; duty 1m/2m", UTC, "2026-03-01T05:00:00Z", "off 01T06:00 01T07:00");
    assert_eq!(parse_duty("5m/5m"), Ok(None));
}

#[test]
fn what_is_not_understood() {
    for (text, piece) in [
        ("22:00", "22:00 is no window"),
        ("22:00..6:00", "6:00 is no time"),
        ("22:00..24:01", "24:01 is no time"),
        ("24:00..06:00", "write 00:00"),
        ("22:60..06:00", "22:60 is no time"),
        ("sunrise..sunset+", "want an offset"),
        ("sunrise..sunset2h", "want an offset"),
        ("sunrise-13h..sunset", "12h at most"),
        ("moonrise..sunset", "moonrise is no time"),
    ] {
        let said = parse_windows(text).expect_err(text).0;
        assert!(said.contains(piece), "{text}: {said}");
    }
    assert!(parse_days("mo").is_err() && parse_days("mon-").is_err());
    assert!(parse_dates("02-30").is_err() && parse_dates("2026-05-02..2026-05-01").is_err() && parse_dates("5-1").is_err());
    assert!(parse_every("0").is_err() && parse_every("3 since May").is_err());
    for duty in ["60/5m", "0s/5m", "6m/5m", "1m/25h", "1m"] {
        assert!(parse_duty(duty).is_err(), "{duty}");
    }
    assert!(Schedule::new(rules("dawn..dusk"), Zone::UTC, None).is_err());
}

/// Every minute of some weeks of each: what was said to change next does, and nothing else.
#[test]
fn the_next_change_is_the_next_change() {
    const WINDOWS: [&str; 9] = [
        "22:00..06:00",
        "02:15..02:45",
        "sunrise-30m..sunrise+2h",
        "sunset..sunrise",
        "dawn..10:00",
        "00:00..24:00",
        "23:50..00:10",
        "astronomical-dusk..astronomical-dawn",
        "sunset-1h..01:30",
    ];
    const RULES: [&str; 7] = [
        "",
        "; days fri-mon",
        "; dates 03-20..04-10 10-20..11-05",
        "; every 3",
        "; duty 7m/20m",
        "; days sun; duty 1h/90m",
        "; dates 12-25..02-29",
    ];
    const PLACES: [(&str, f64, f64); 8] = [
        ("Europe/Berlin", 52.52, 13.4),
        ("Europe/Oslo", 69.65, 18.96),
        ("Australia/Lord_Howe", -31.55, 159.1),
        ("Asia/Kolkata", 28.6, 77.2),
        ("America/New_York", 40.7, -74.0),
        ("Pacific/Kiritimati", 1.9, -157.4),
        ("America/Santiago", -53.2, -70.9),
        ("UTC", 78.2, 179.9),
    ];
    let mut seed = 0x5EED_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    for _ in 0..40 {
        let windows = (0..=random(2)).map(|_| WINDOWS[random(WINDOWS.len())]).collect::<Vec<_>>().join(" ");
        let text = windows + RULES[random(RULES.len())];
        let (zone, latitude, longitude) = PLACES[random(PLACES.len())];
        let schedule = schedule(&text, (zone, Some(Place { latitude, longitude })));
        // Half of them about a change of the clock.
        let begin = match random(4) {
            0 => wall("2026-03-25T00:00:00Z"),
            1 => wall("2026-10-22T00:00:00Z"),
            _ => wall("2024-01-01T00:00:00Z").plus_ns(random(3_650) as i64 * DAY_S * SECOND_NS),
        };
        let (mut is_on, mut next) = (schedule.is_on(begin), schedule.next_change(begin));
        for minute in 1..3 * 1_440 {
            let at = begin.plus_ns(minute * 60 * SECOND_NS);
            while next.is_some_and(|change| change <= at) {
                is_on = !is_on;
                next = schedule.next_change(next.unwrap_or(at));
            }
            assert_eq!(schedule.is_on(at), is_on, "{text} in {zone} at {}", timestamp(at));
            if minute % 10 != 0 {
                continue;
            }
            let standing = schedule.look(at);
            assert!(standing.is_on == is_on && standing.until > at && next.is_none_or(|change| standing.until <= change));
        }
    }
}
