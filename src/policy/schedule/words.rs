//! How the rules of a schedule are written.
//!
//! | key | examples |
//! |---|---|
//! | `schedule` | `22:00..06:00`, `sunrise-30m..sunrise+2h sunset..23:30`, `nautical-dusk..nautical-dawn` |
//! | `schedule_days` | `mon,wed`, `fri-sun` |
//! | `schedule_dates` | `03-01..06-30`, `12-24`, `2026-05-01..2026-05-14` |
//! | `schedule_every` | `3`, `3 since 2026-05-01` |
//! | `duty` | `60s/5m` |

use jiff::civil::Date;

use super::{Dates, Days, Duty, Every, Point, Window};
use crate::policy::Invalid;
use crate::policy::sun::Event;

/// More than anybody writes; each is looked at for each decision.
const MOST_WINDOWS: usize = 32;
const MOST_DATES: usize = 64;
/// An offset from the sun beyond this is a clock time that was meant.
const MOST_OFFSET_S: u32 = 12 * 3_600;
const DAY_S: u32 = 86_400;

fn wrong<T>(text: impl Into<String>) -> Result<T, Invalid> {
    Err(Invalid(text.into()))
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', ',', '\n', '\t', '\r']).filter(|part| !part.is_empty())
}

pub fn parse_windows(text: &str) -> Result<Vec<Window>, Invalid> {
    let windows: Vec<Window> = parts(text).map(window).collect::<Result<_, _>>()?;
    if windows.len() > MOST_WINDOWS { wrong(format!("more than {MOST_WINDOWS} windows")) } else { Ok(windows) }
}

fn window(text: &str) -> Result<Window, Invalid> {
    let Some((begin, end)) = text.split_once("..") else {
        return wrong(format!("{text} is no window (want one such as 22:00..06:00 or sunrise-30m..sunrise+2h)"));
    };
    let window = Window { begin: point(begin)?, end: point(end)? };
    match window.begin {
        Point::Clock(DAY_S) => wrong(format!("{text} begins at 24:00: write 00:00")),
        _ => Ok(window),
    }
}

fn point(text: &str) -> Result<Point, Invalid> {
    let word = text.to_ascii_lowercase();
    let event = Event::WORDS.iter().find_map(|(name, event)| Some((*event, word.strip_prefix(name)?)));
    let Some((event, rest)) = event else { return clock(text).map(Point::Clock) };
    let offset = match rest.split_at_checked(1) {
        None => Some(0),
        Some(("+", length)) => length_s(length).and_then(|s| i32::try_from(s).ok()),
        Some(("-", length)) => length_s(length).and_then(|s| i32::try_from(s).ok()).map(|s| -s),
        Some(_) => None,
    };
    match offset {
        Some(offset_s) if offset_s.unsigned_abs() <= MOST_OFFSET_S => Ok(Point::Sun(event, offset_s)),
        _ => wrong(format!("{text}: want an offset such as +2h or -1h30m behind the word, 12h at most")),
    }
}

/// `HH:MM` or `HH:MM:SS`, 24:00 at most.
fn clock(text: &str) -> Result<u32, Invalid> {
    let number = |part: &str| Some(part).filter(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_digit()))?.parse().ok();
    let numbers: Option<Vec<u32>> = text.split(':').map(number).collect();
    let second = match numbers.as_deref() {
        Some(&[hour, minute]) if minute < 60 => Some(hour * 3_600 + minute * 60),
        Some(&[hour, minute, second]) if minute < 60 && second < 60 => Some(hour * 3_600 + minute * 60 + second),
        _ => None,
    };
    match second.filter(|s| *s <= DAY_S) {
        Some(second) => Ok(second),
        None => {
            let words: Vec<&str> = Event::WORDS.iter().map(|(word, _)| *word).collect();
            wrong(format!("{text} is no time (want HH:MM, or one of {}, with an offset such as -30m)", words.join(", ")))
        }
    }
}

/// Such as `90s`, `5m`, `1h30m`.
fn length_s(text: &str) -> Option<u32> {
    let (mut rest, mut total) = (text, 0_u32);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u32 = rest[..digits].parse().ok()?;
        let unit = match rest[digits..].chars().next()? {
            'h' => 3_600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[digits + 1..]; // the unit is one byte
    }
    (!text.is_empty()).then_some(total)
}

pub fn parse_days(text: &str) -> Result<Days, Invalid> {
    let mut days = 0;
    for part in parts(text) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut day, last) = (weekday(first)?, weekday(last)?);
        days |= 1 << day;
        while day != last {
            day = (day + 1) % 7;
            days |= 1 << day;
        }
    }
    Ok(if days == 0 { Days::ALL } else { Days(days) })
}

fn weekday(text: &str) -> Result<u8, Invalid> {
    const NAMES: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let word = text.to_ascii_lowercase();
    match NAMES.iter().position(|name| word.len() >= 3 && name.starts_with(&word)) {
        Some(day) => Ok(day as u8), // below 7
        None => wrong(format!("{text} is no day (want mon, tue, wed, thu, fri, sat, sun or a range such as mon-fri)")),
    }
}

pub fn parse_dates(text: &str) -> Result<Vec<Dates>, Invalid> {
    let dates: Vec<Dates> = parts(text).map(dates).collect::<Result<_, _>>()?;
    if dates.len() > MOST_DATES { wrong(format!("more than {MOST_DATES} dates")) } else { Ok(dates) }
}

fn dates(text: &str) -> Result<Dates, Invalid> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    match (full_date(first), full_date(last), month_day(first), month_day(last)) {
        (Some(first), Some(last), ..) if first <= last => Ok(Dates::Once(first, last)),
        (Some(_), Some(_), ..) => wrong(format!("{text} ends before it begins")),
        (_, _, Some(first), Some(last)) => Ok(Dates::Yearly(first, last)),
        _ => wrong(format!("{text} is no date (want 03-01..06-30 for every year, 12-24, or 2026-05-01..2026-05-14)")),
    }
}

fn full_date(text: &str) -> Option<Date> {
    Some(text).filter(|t| t.len() == 10)?.parse().ok()
}

/// Of a leap year: the 29th of February is a date that comes now and then.
fn month_day(text: &str) -> Option<(i8, i8)> {
    let date = full_date(&format!("2000-{text}"))?;
    Some((date.month(), date.day()))
}

pub fn parse_every(text: &str) -> Result<Every, Invalid> {
    let (days, since) = match text.split_once(" since ") {
        Some((days, since)) => (days, full_date(since.trim())),
        None => (text, Some(Every::DAILY.since)),
    };
    match (days.trim().trim_end_matches('d').parse(), since) {
        (Ok(days @ 1..=366), Some(since)) => Ok(Every { days, since }),
        _ => wrong("want a number of days, 1 to 366, and where to count from: 3, or 3 since 2026-05-01"),
    }
}

/// `None` also for all of the time.
pub fn parse_duty(text: &str) -> Result<Option<Duty>, Invalid> {
    if text.is_empty() {
        return Ok(None);
    }
    let lengths = text.split_once('/').and_then(|(on, of)| Some((length_s(on.trim())?, length_s(of.trim())?)));
    match lengths {
        Some((on_s, of_s)) if on_s > 0 && on_s <= of_s && of_s <= DAY_S => Ok((on_s < of_s).then_some(Duty { on_s, of_s })),
        _ => wrong("want what is recorded of what, such as 60s/5m: at least 1s of at most 24h"),
    }
}
