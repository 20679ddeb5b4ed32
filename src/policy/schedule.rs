//! When a source is recorded: windows of the day, on some days, and of them a part.
//!
//! Whether it is on is a function of the wall time and of nothing else: no counter runs, so a restart, a clock that is set and
//! a change of the zone's offset need no care. Called by the captures, through [`Hours`], and by `soundpost check`. How a rule is
//! written stands in `schedule/words`.
//!
//! # Rules
//! * A window belongs to the local date on which it begins; days, dates and every n-th day choose among those dates. Windows
//!   may overlap. Without windows, the whole of each chosen day is one.
//! * It ends on the same date or on the next. `22:00..06:00` ends on the next, as its end is not later by the clock. Of two
//!   events of the sun the order of a day decides, of one event their offsets. Between a clock and the sun, sunrise and the
//!   dawns count as 03:00 where they begin a window and as 12:00 where they end one, sunset and the dusks as 12:00 and 24:00,
//!   each with its offset. A window whose end then comes first is empty that day: `sunset..21:00` in a northern June.
//! * Where the sun does not rise or set, events are at noon or at midnight ([`sun`]): `sunset..sunrise` is the whole
//!   polar night and nothing of the polar day.
//! * In the hour that is repeated in autumn a window begins at the first and ends at the last time that the clock shows it; in
//!   the one that is skipped in spring both are the moment of the change.
//! * A duty of 60 s in 5 min counts from the beginning of its window, anew in each: the first minute is always recorded.
//!   Without windows that is the local midnight.

mod hours;
mod missed;
mod words;

use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::AmbiguousOffset;

pub use self::hours::Hours;
pub use self::missed::Part;
pub use self::words::{parse_dates, parse_days, parse_duty, parse_every, parse_windows};
use super::Invalid;
use super::split::{Zone, timestamp};
use super::sun::{self, Event, Place};
use crate::time::{SECOND_NS, Wall};

/// A window may be of a date so many days ago: the noon of the sun is up to 12 h from that of the zone, its events as far from
/// that, an offset adds 12 h, and it may end on the next date.
const BEFORE_DAYS: i64 = 2;
/// In the same way, one may begin so many days before its date.
const AFTER_DAYS: i64 = 1;
/// A 29th of February may be eight years away; a window that never comes is not sought for ever.
const HORIZON_DAYS: i64 = 9 * 366;
/// Parts that follow each other without a pause and are looked through at once.
const JOINED: usize = 400;
const DAY_S: i64 = 86_400;

/// As written, without a zone and a place.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// None: whole days.
    pub windows: Vec<Window>,
    pub days: Days,
    /// None: all.
    pub dates: Vec<Dates>,
    pub every: Every,
    pub duty: Option<Duty>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub begin: Point,
    pub end: Point,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Seconds of the local clock, 24:00 at most.
    Clock(u32),
    /// And seconds from it.
    Sun(Event, i32),
}

/// Days of the week: bit 0 is Monday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days(pub u8);

/// Both ends belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dates {
    /// (month, day) of every year; it may go over the end of the year.
    Yearly((i8, i8), (i8, i8)),
    Once(Date, Date),
}

/// The day `since`, and each n-th before and after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Every {
    pub days: u16,
    pub since: Date,
}

/// 0 < on_s < of_s
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duty {
    pub on_s: u32,
    pub of_s: u32,
}

impl Rules {
    pub const ALWAYS: Rules = Rules { windows: Vec::new(), days: Days::ALL, dates: Vec::new(), every: Every::DAILY, duty: None };

    pub fn is_always(&self) -> bool {
        *self == Rules::ALWAYS
    }

    pub fn needs_place(&self) -> bool {
        self.windows.iter().any(|window| [window.begin, window.end].iter().any(|point| matches!(point, Point::Sun(..))))
    }

    fn admit(&self, date: Date) -> bool {
        self.days.has(date) && self.every.has(date) && (self.dates.is_empty() || self.dates.iter().any(|dates| dates.has(date)))
    }
}

impl Days {
    pub const ALL: Days = Days(0x7f);

    fn has(self, date: Date) -> bool {
        self.0 >> date.weekday().to_monday_zero_offset() & 1 == 1
    }
}

impl Every {
    pub const DAILY: Every = Every { days: 1, since: jiff::civil::date(2000, 1, 1) };

    fn has(self, date: Date) -> bool {
        i64::from((date - self.since).get_days()).rem_euclid(i64::from(self.days.max(1))) == 0
    }
}

impl Dates {
    fn has(&self, date: Date) -> bool {
        let day = (date.month(), date.day());
        match *self {
            Dates::Once(first, last) => (first..=last).contains(&date),
            Dates::Yearly(first, last) if first <= last => (first..=last).contains(&day),
            Dates::Yearly(first, last) => day >= first || day <= last,
        }
    }
}

impl Window {
    const WHOLE_DAY: Window = Window { begin: Point::Clock(0), end: Point::Clock(DAY_S as u32) };

    /// The end is that of the date after the one on which it begins.
    fn ends_next_day(&self) -> bool {
        match (self.begin, self.end) {
            (Point::Sun(begin, from), Point::Sun(end, to)) if begin == end => to <= from,
            (Point::Sun(begin, _), Point::Sun(end, _)) => end < begin,
            (begin, end) => {
                let hours = |point: Point, morning: i64, evening: i64| match point {
                    Point::Clock(second) => i64::from(second),
                    Point::Sun(event, offset_s) if event.is_morning() => morning * 3_600 + i64::from(offset_s),
                    Point::Sun(_, offset_s) => evening * 3_600 + i64::from(offset_s),
                };
                hours(end, 12, 24) <= hours(begin, 3, 12)
            }
        }
    }
}

/// [begin, end)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub begin: Wall,
    pub end: Wall,
}

/// Holds from the moment that was asked for until `until` at least; there one asks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub is_on: bool,
    pub until: Wall,
}

/// Rules at a place, in a zone.
#[derive(Clone, Debug)]
pub struct Schedule {
    rules: Rules,
    zone: Zone,
    /// Asked only when the rules name the sun.
    place: Place,
}

impl Schedule {
    pub fn new(rules: Rules, zone: Zone, place: Option<Place>) -> Result<Schedule, Invalid> {
        if rules.needs_place() && place.is_none() {
            return Err(Invalid("schedule names the sun: it needs latitude and longitude in [site]".into()));
        }
        Ok(Schedule { rules, zone, place: place.unwrap_or(Place { latitude: 0.0, longitude: 0.0 }) })
    }

    pub fn is_on(&self, at: Wall) -> bool {
        self.end_of(at).is_some()
    }

    /// When that is over which holds at `at`: `None` if it holds as far as one can see.
    pub fn next_change(&self, at: Wall) -> Option<Wall> {
        let Some(mut end) = self.end_of(at) else { return self.next_begin(at) };
        for _ in 0..JOINED {
            match self.end_of(end) {
                Some(later) => end = later,
                None => return Some(end),
            }
        }
        None
    }

    /// As [`is_on`](Self::is_on) and [`next_change`](Self::next_change), for one who asks again in time.
    pub fn look(&self, at: Wall) -> Standing {
        let day = at.plus_ns(DAY_S * SECOND_NS);
        match self.end_of(at) {
            Some(end) => Standing { is_on: true, until: end },
            None => Standing { is_on: false, until: self.next_begin(at).unwrap_or(day) },
        }
    }

    /// When it is on next after `at`, at which it is not.
    pub fn next_begin(&self, at: Wall) -> Option<Wall> {
        let mut date = self.first_date(at);
        let mut best: Option<(Wall, Date)> = None;
        for _ in 0..HORIZON_DAYS {
            if best.is_some_and(|(_, last)| date > last) {
                break;
            }
            for window in self.windows_of(date) {
                let begin = self.begin_after(window, at);
                if let Some(begin) = begin.filter(|begin| best.is_none_or(|(first, _)| *begin < first)) {
                    best = Some((begin, self.date_of(begin).saturating_add(AFTER_DAYS.days())));
                }
            }
            date = date.saturating_add(1.day());
        }
        best.map(|(begin, _)| begin)
    }

    /// The windows that begin on this date, the duty left aside, in their order; empty ones are left out.
    pub fn windows_of(&self, date: Date) -> Vec<Span> {
        if !self.rules.admit(date) {
            return Vec::new();
        }
        let whole = [Window::WHOLE_DAY];
        let windows = if self.rules.windows.is_empty() { &whole[..] } else { &self.rules.windows };
        let spans = windows.iter().map(|window| {
            let last = if window.ends_next_day() { date.saturating_add(1.day()) } else { date };
            Span { begin: self.instant(window.begin, date, false), end: self.instant(window.end, last, true) }
        });
        let mut spans: Vec<Span> = spans.filter(|span| span.begin < span.end).collect();
        spans.sort_by_key(|span| span.begin);
        spans
    }

    pub fn date_of(&self, at: Wall) -> Date {
        self.zone.to_datetime(timestamp(at)).date()
    }

    /// `Mon 2026-11-30 22:00:00`, by its own clock.
    pub fn shown(&self, at: Wall) -> String {
        self.zone.to_datetime(timestamp(at)).strftime("%a %Y-%m-%d %H:%M:%S").to_string()
    }

    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    fn first_date(&self, at: Wall) -> Date {
        self.date_of(at).saturating_sub(BEFORE_DAYS.days())
    }

    /// When the part that holds at `at` ends, of several the last.
    fn end_of(&self, at: Wall) -> Option<Wall> {
        let first = self.first_date(at);
        let dates = (0..=BEFORE_DAYS + AFTER_DAYS).map(|n| first.saturating_add(n.days()));
        dates.flat_map(|date| self.windows_of(date)).filter_map(|window| self.end_in(window, at)).max()
    }

    fn end_in(&self, window: Span, at: Wall) -> Option<Wall> {
        if at < window.begin || at >= window.end {
            return None;
        }
        let Some(Duty { on_s, of_s }) = self.rules.duty else { return Some(window.end) };
        let (on_ns, of_ns) = (i64::from(on_s) * SECOND_NS, i64::from(of_s) * SECOND_NS);
        let into_ns = at.since(window.begin) % of_ns;
        (into_ns < on_ns).then(|| at.plus_ns(on_ns - into_ns).min(window.end))
    }

    /// When the first part of the window begins that begins after `at`.
    fn begin_after(&self, window: Span, at: Wall) -> Option<Wall> {
        if at < window.begin {
            return Some(window.begin);
        }
        let of_ns = i64::from(self.rules.duty?.of_s) * SECOND_NS;
        let next = at.plus_ns(of_ns - at.since(window.begin) % of_ns);
        Some(next).filter(|next| *next < window.end)
    }

    fn instant(&self, point: Point, date: Date, is_end: bool) -> Wall {
        match point {
            Point::Clock(second) => self.clock(date, second, is_end),
            Point::Sun(event, offset_s) => {
                let noon = self.clock(date, 12 * 3_600, false);
                sun::event(event, self.place, noon).plus_ns(i64::from(offset_s) * SECOND_NS)
            }
        }
    }

    /// When the local clock shows it: of two times the first, or at an end the last; where it is skipped, the change.
    fn clock(&self, date: Date, second: u32, is_end: bool) -> Wall {
        let date = date.saturating_add((i64::from(second) / DAY_S).days());
        let civil = DateTime::from_parts(date, Time::MIN).saturating_add((i64::from(second) % DAY_S).seconds());
        let utc = |offset: jiff::tz::Offset| offset.to_timestamp(civil);
        let at = match self.zone.to_ambiguous_timestamp(civil).offset() {
            AmbiguousOffset::Unambiguous { offset } => utc(offset),
            AmbiguousOffset::Fold { before, after } => utc(if is_end { after } else { before }),
            AmbiguousOffset::Gap { after, .. } => utc(after).map(|at| {
                let change = self.zone.following(at).next();
                change.map_or(at, |change| change.timestamp())
            }),
        };
        let ns = at.map_or(i128::MAX, |at| at.as_nanosecond());
        Wall(i64::try_from(ns).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests;
