//! Calendar dates of an instant and back, by plain arithmetic, for the headers of files.
//! Time zones with rules are not known here: the caller says how far local time is from UTC.

use std::fmt;

use crate::time::{SECOND_NS, Wall};

const DAY_NS: i64 = 86_400 * SECOND_NS;

/// What a wall calendar and a clock of some offset show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    pub ns_of_day: i64,
}

impl Civil {
    /// `utc_offset_s` is added to UTC; offsets of a day and more are not real and count as a day.
    pub fn at(wall: Wall, utc_offset_s: i32) -> Civil {
        let offset_ns = i64::from(utc_offset_s.clamp(-86_400, 86_400)) * SECOND_NS;
        let local = i128::from(wall.0) + i128::from(offset_ns);
        // A hundred thousand days at most: an i64 of nanoseconds is 292 years each way.
        let days = local.div_euclid(i128::from(DAY_NS)) as i64;
        let ns_of_day = local.rem_euclid(i128::from(DAY_NS)) as i64;
        let (year, month, day) = date_of(days);
        Civil { year, month, day, ns_of_day }
    }

    pub fn hour_minute_second(self) -> (i64, i64, i64) {
        let s = self.ns_of_day / SECOND_NS;
        (s / 3_600, s / 60 % 60, s % 60)
    }
}

/// RFC 3339 without zone, to the microsecond, rounded down: `2024-12-25T14:00:00.000000`.
impl fmt::Display for Civil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (h, m, s) = self.hour_minute_second();
        let us = self.ns_of_day / 1_000 % 1_000_000;
        write!(f, "{:04}-{:02}-{:02}T{h:02}:{m:02}:{s:02}.{us:06}", self.year, self.month, self.day)
    }
}

/// `2024-12-25T13:00:00.000000Z`.
pub fn utc_text(wall: Wall) -> String {
    format!("{}Z", Civil::at(wall, 0))
}

/// `2024-12-25T14:00:00.000000+01:00`; seconds of the offset, which no zone has had for a century, are left out of the
/// offset and of the time alike, so that the instant stays true.
pub fn local_text(wall: Wall, utc_offset_s: i32) -> String {
    let minutes = utc_offset_s.clamp(-86_399, 86_399) / 60;
    format!("{}{}", Civil::at(wall, minutes * 60), offset_text(utc_offset_s))
}

/// `+01:00`, without seconds.
pub fn offset_text(utc_offset_s: i32) -> String {
    let minutes = utc_offset_s.clamp(-86_399, 86_399) / 60;
    let (sign, away) = if minutes < 0 { ('-', -minutes) } else { ('+', minutes) };
    format!("{sign}{:02}:{:02}", away / 60, away % 60)
}

/// The way back from [`utc_text`]; any number of digits after the point, `None` for anything else.
pub fn parse_utc(text: &str) -> Option<Wall> {
    let text = text.strip_suffix('Z')?;
    let (date, time) = text.split_once('T')?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [year, month, day] = three(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = three(time, ':', [2, 2, 2])?;
    let real = (1..=12).contains(&month) && day >= 1 && hour < 24 && minute < 60 && second < 60;
    if !real || fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let days = days_of(year, month, day);
    if date_of(days) != (year, month as u8, day as u8) {
        return None; // the 31st of a month that has 30 days
    }
    let ns = fraction.bytes().chain(std::iter::repeat(b'0')).take(9).fold(0, |ns, b| ns * 10 + i128::from(b - b'0'));
    let seconds = i128::from(days) * 86_400 + i128::from(hour * 3_600 + minute * 60 + second);
    i64::try_from(seconds * i128::from(SECOND_NS) + ns).ok().map(Wall)
}

/// Three numbers of fixed width between separators.
fn three(text: &str, separator: char, widths: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; 3];
    for (number, width) in numbers.iter_mut().zip(widths) {
        let part = parts.next().filter(|p| p.len() == width && p.bytes().all(|b| b.is_ascii_digit()))?;
        *number = part.parse().ok()?;
    }
    if parts.next().is_some() { None } else { Some(numbers) }
}

// Both ways count from 0000-03-01, so that the leap day is the last day of its year and 400 years are one era.
const ERA_DAYS: i64 = 146_097;
const EPOCH_DAYS: i64 = 719_468;

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    year.div_euclid(400) * ERA_DAYS + day_of_era - EPOCH_DAYS
}

fn date_of(days: i64) -> (i64, u8, u8) {
    let days = days + EPOCH_DAYS;
    let day_of_era = days.rem_euclid(ERA_DAYS);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = (shifted_month + 2) % 12 + 1;
    let year = days.div_euclid(ERA_DAYS) * 400 + year_of_era + i64::from(month <= 2);
    (year, month as u8, day as u8) // 1..=12 and 1..=31 by construction
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, seconds: i64) {
        assert_eq!(parse_utc(text), Some(Wall(seconds * SECOND_NS)), "{text}");
        assert_eq!(utc_text(Wall(seconds * SECOND_NS)), text);
    }

    #[test]
    fn known_instants() {
        check("1970-01-01T00:00:00.000000Z", 0);
        check("1969-12-31T23:59:59.000000Z", -1);
        check("2000-02-29T00:00:00.000000Z", 951_782_400);
        check("2024-12-25T14:00:00.000000Z", 1_735_135_200);
        check("2100-03-01T00:00:00.000000Z", 4_107_542_400);
        check("1900-02-28T00:00:00.000000Z", -2_203_977_600);
    }

    #[test]
    fn every_day_of_four_centuries_follows_its_yesterday() {
        let mut yesterday = date_of(-200_000);
        for days in -199_999..100_000 {
            let today = date_of(days);
            assert_eq!(days_of(today.0, today.1.into(), today.2.into()), days);
            let next_day = (today.0, today.1) == (yesterday.0, yesterday.1) && today.2 == yesterday.2 + 1;
            let next_month = today.2 == 1 && today.1 == yesterday.1 % 12 + 1 && yesterday.2 >= 28;
            assert!(next_day || next_month, "{yesterday:?} {today:?}");
            yesterday = today;
        }
    }

    #[test]
    fn local_time_names_the_same_instant() {
        let at = Wall(1_735_135_200 * SECOND_NS + 123_456_789);
        assert_eq!(local_text(at, 3_600), "2024-12-25T15:00:00.123456+01:00");
        assert_eq!(local_text(at, -12_600), "2024-12-25T10:30:00.123456-03:30");
        assert_eq!(local_text(at, 0), "2024-12-25T14:00:00.123456+00:00");
        assert_eq!(local_text(at, 3_600 + 59), "2024-12-25T15:00:00.123456+01:00");
    }

    #[test]
    fn the_ends_of_time_are_dates_too() {
        for wall in [Wall(i64::MIN), Wall(i64::MAX)] {
            for offset in [i32::MIN, 0, i32::MAX] {
                assert!(local_text(wall, offset).len() >= 32);
            }
        }
    }

    #[test]
    fn what_is_no_instant() {
        for text in [
            "",
            "Z",
            "2024-12-25",
            "2024-12-25T14:00:00",
            "2024-13-01T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "2024-1-01T00:00:00Z",
            "2024-12-25T24:00:00Z",
            "2024-12-25T14:00:00.Z",
            "2024-12-25T14:00:00.1xZ",
            "9999-01-01T00:00:00Z",
            "+024-12-25T14:00:00Z",
            "2024-12-25-01T14:00:00Z",
            "2024-12-25T14:00:60Z",
        ] {
            assert_eq!(parse_utc(text), None, "{text}");
        }
    }
}
