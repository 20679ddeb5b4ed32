//! When a recording that others made began, by its name: recorders and people write the time there, each in a way of their own.
//!
//! A date is eight digits or three numbers with one separator, behind it a time of four or six digits or of two or three numbers;
//! `20241225_140000`, `S4A03895_20190522_000000`, `2024-12-25_1430`, `u384_20210426T155651+0200`. The folders count too:
//! `2024/12/25/rec_143000`. The last date with a time wins: what stands before it is a serial number or a place. Which zone a time
//! without offset is of is the caller's question; when a name has none, so is what else to go by.

/// A time as a name tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    pub year: i16,
    /// 1 to 12.
    pub month: i8,
    /// 1 to 31, and real.
    pub day: i8,
    pub hour: i8,
    pub minute: i8,
    pub second: i8,
    /// From UTC, where the name tells it.
    pub utc_offset_s: Option<i32>,
}

/// Years that a recorder may have lived in.
const YEARS: std::ops::RangeInclusive<u32> = 1970..=2199;

/// Longer paths are no file system's.
const MAX_BYTES: usize = 4_096;

/// Of a path below the folder, with `/`.
pub fn start_of(name: &str) -> Option<Named> {
    let name = name.get(..name.len().min(MAX_BYTES))?;
    let (folders, file) = name.rsplit_once('/').unwrap_or(("", name));
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    in_text(stem).or_else(|| in_folders(folders, stem))
}

/// The last date with a time; else the last date, at midnight, if nothing follows that could be one.
fn in_text(text: &str) -> Option<Named> {
    let bytes = text.as_bytes();
    let starts = (0..bytes.len()).rev().filter(|&at| is_digit(bytes, at) && (at == 0 || !is_digit(bytes, at - 1)));
    let mut bare = None;
    for at in starts {
        let Some((date, behind)) = date(bytes, at) else { continue };
        if let Some(named) = timed(date, bytes, behind) {
            return Some(named);
        }
        let is_alone = !is_digit(bytes, behind);
        bare = bare.or(is_alone.then_some(date));
    }
    bare.map(at_midnight)
}

/// Folders of the date, the time in the file's name: `2024/12/25/rec_143000`, `2024-12-25/14.30.00`.
fn in_folders(folders: &str, stem: &str) -> Option<Named> {
    let parts: Vec<&str> = folders.rsplit('/').take(3).collect();
    let one = parts.first().and_then(|last| {
        let at = last.bytes().position(|b| b.is_ascii_digit())?;
        date(last.as_bytes(), at).map(|(date, _)| date)
    });
    let three = || match parts.as_slice() {
        [day, month, year] => real(number(year, 4)?, number(month, 2)?, number(day, 2)?),
        _ => None,
    };
    let date = one.or_else(three)?;
    let bytes = stem.as_bytes();
    let starts = (0..bytes.len()).rev().filter(|&at| is_digit(bytes, at) && (at == 0 || !is_digit(bytes, at - 1)));
    let time = starts.filter_map(|at| clock(bytes, at)).find(|(_, behind)| !is_digit(bytes, *behind));
    Some(time.map_or_else(|| at_midnight(date), |(clock, behind)| with(date, clock, bytes, behind)))
}

type Date = (i16, i8, i8);
type Clock = (i8, i8, i8);

fn at_midnight(date: Date) -> Named {
    with(date, (0, 0, 0), &[], 0)
}

fn with((year, month, day): Date, (hour, minute, second): Clock, bytes: &[u8], behind: usize) -> Named {
    Named { year, month, day, hour, minute, second, utc_offset_s: offset(bytes, behind) }
}

/// The date and the time behind it, with at most one separator between them.
fn timed(date: Date, bytes: &[u8], behind: usize) -> Option<Named> {
    let gap = match bytes.get(behind)? {
        b'_' | b'-' | b'T' | b't' | b' ' | b'.' | b'$' => 1,
        b if b.is_ascii_digit() => 0,
        _ => return None,
    };
    let (clock, behind) = clock(bytes, behind + gap)?;
    // A longer run of digits is a number of something, except for parts of a second right behind six digits.
    (!is_digit(bytes, behind) || gap == 1 && digits_from(bytes, behind) == 3).then(|| with(date, clock, bytes, behind))
}

/// `20241225`, `2024-12-25`; with `-`, `_` or `.`, twice the same. With where it ends.
fn date(bytes: &[u8], at: usize) -> Option<(Date, usize)> {
    let two = |at| digits(bytes, at, 2);
    let year = digits(bytes, at, 4)?;
    match bytes.get(at + 4)? {
        separator @ (b'-' | b'_' | b'.') if bytes.get(at + 7) == Some(separator) => {
            Some((real(year, two(at + 5)?, two(at + 8)?)?, at + 10))
        }
        _ => Some((real(year, two(at + 4)?, two(at + 6)?)?, at + 8)),
    }
}

/// `140000`, `1430`, `14-30-00`, `14h30m00`, `14.30`. With where it ends.
fn clock(bytes: &[u8], at: usize) -> Option<(Clock, usize)> {
    let two = |at| digits(bytes, at, 2);
    let hour = two(at)?;
    let (minute, second, behind) = match bytes.get(at + 2)? {
        separator @ (b'-' | b'_' | b'.' | b':' | b'h' | b'H') => {
            let minute = two(at + 3)?;
            let next = bytes.get(at + 5);
            let goes_on = next == Some(separator) || matches!((separator, next), (b'h' | b'H', Some(b'm' | b'M')));
            match two(at + 6).filter(|_| goes_on) {
                Some(second) => (minute, second, at + 8),
                None => (minute, 0, at + 5),
            }
        }
        _ => match two(at + 4) {
            Some(second) => (two(at + 2)?, second, at + 6),
            None => (two(at + 2)?, 0, at + 4),
        },
    };
    // A leap second is the one before it.
    let clock = (hour as i8, minute as i8, second.min(59) as i8);
    (hour < 24 && minute < 60 && second <= 60).then_some((clock, behind))
}

/// `Z`, `+0100`, `-03:30`, `+01` behind the time or parts of its second. A `-` needs four digits, for `-2` is the second file of a name.
fn offset(bytes: &[u8], at: usize) -> Option<i32> {
    let at = if bytes.get(at) == Some(&b'.') { at + 1 } else { at };
    let at = at + digits_from(bytes, at);
    let sign = match bytes.get(at)? {
        b'Z' | b'z' if !bytes.get(at + 1).is_some_and(u8::is_ascii_alphanumeric) => return Some(0),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let hours = digits(bytes, at + 1, 2)?;
    let colon = usize::from(bytes.get(at + 3) == Some(&b':'));
    let minutes = digits(bytes, at + 3 + colon, 2);
    let width = 2 + minutes.map_or(0, |_| 2 + colon);
    if (minutes.is_none() && sign < 0) || is_digit(bytes, at + 1 + width) {
        return None;
    }
    let minutes = minutes.unwrap_or(0);
    (hours <= 14 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60) as i32)
}

fn real(year: u32, month: u32, day: u32) -> Option<Date> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    // All three fit: the year has four digits, the others two.
    (YEARS.contains(&year) && (1..=days).contains(&day)).then_some((year as i16, month as i8, day as i8))
}

fn is_digit(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_some_and(u8::is_ascii_digit)
}

fn digits_from(bytes: &[u8], at: usize) -> usize {
    bytes.iter().skip(at).take_while(|b| b.is_ascii_digit()).count()
}

/// Of so many digits, which may be part of more.
fn digits(bytes: &[u8], at: usize, count: usize) -> Option<u32> {
    let text = bytes.get(at..at + count)?;
    text.iter().try_fold(0, |number, b| b.is_ascii_digit().then(|| number * 10 + u32::from(b - b'0')))
}

/// All of the text is a number of so many digits.
fn number(text: &str, count: usize) -> Option<u32> {
    digits(text.as_bytes(), 0, count).filter(|_| text.len() == count)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `2024-12-25 14:30:00 +3600`.
    fn text(named: Named) -> String {
        let Named { year, month, day, hour, minute, second, utc_offset_s } = named;
        let offset = utc_offset_s.map_or(String::new(), |s| format!(" {s:+}"));
        format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{offset}")
    }

    #[track_caller]
    fn check(name: &str, want: &str) {
        assert_eq!(start_of(name).map(text).unwrap_or_default(), want, "{name}");
    }

    #[test]
    fn names_that_recorders_and_people_give() {
        check("20241225_140000.flac", "2024-12-25 14:00:00");
        check("20241225_140000-2.flac", "2024-12-25 14:00:00");
        check("radio1_20241225_140000.mp3", "2024-12-25 14:00:00");
        check("S4A03895_20190522_000000.wav", "2019-05-22 00:00:00");
        check("2024-12-25_1430.wav", "2024-12-25 14:30:00");
        check("2024-12-25 14.30.15.wav", "2024-12-25 14:30:15");
        check("2024-12-25_14-30-15.wav", "2024-12-25 14:30:15");
        check("2024-12-25T14:30:15.wav", "2024-12-25 14:30:15");
        check("2024_12_25_14h30m15.wav", "2024-12-25 14:30:15");
        check("20241225T140000+0100.wav", "2024-12-25 14:00:00 +3600");
        check("20241225T140000-03:30.wav", "2024-12-25 14:00:00 -12600");
        check("u384_20210426T155651+0200_x.wav", "2021-04-26 15:56:51 +7200");
        check("20241225T140000Z.wav", "2024-12-25 14:00:00 +0");
        check("20241225T140000.123456Z.wav", "2024-12-25 14:00:00 +0");
        check("20241225140000.wav", "2024-12-25 14:00:00");
        check("20241225_140000_20241225_150000.wav", "2024-12-25 15:00:00");
        check("5D8B1A2C_20200229_235960.wav", "2020-02-29 23:59:59");
        check("SITE-12_20230101$0530.wav", "2023-01-01 05:30:00");
        check("2MM01234_20230101_053000(2).wav", "2023-01-01 05:30:00");
    }

    #[test]
    fn folders_tell_what_the_name_does_not() {
        check("2024/12/25/rec_143000.wav", "2024-12-25 14:30:00");
        check("site/2024/12/25/143000.wav", "2024-12-25 14:30:00");
        check("2024-12-25/14.30.wav", "2024-12-25 14:30:00");
        check("night 2024-12-25/REC0001.wav", "2024-12-25 00:01:00");
        check("20241225/birds.wav", "2024-12-25 00:00:00");
        check("2024/12/25/birds.wav", "2024-12-25 00:00:00");
        check("2024/12/25/20241226_010000.wav", "2024-12-26 01:00:00");
        check("holiday 2024-12-25.mp3", "2024-12-25 00:00:00");
    }

    #[test]
    fn names_that_tell_nothing() {
        for name in [
            "",
            "/",
            ".wav",
            "birds.wav",
            "track 01.mp3",
            "12345678.wav",
            "20241301_000000.wav",
            "20230229.wav",
            "99991231_000000.wav",
            "2024122.wav",
            "202412251.wav",
            "1700000000.wav",
            "2024/13/25/a.wav",
            "2024/12/a.wav",
        ] {
            check(name, "");
        }
        check("20241225_250000.wav", "2024-12-25 00:00:00");
    }

    #[test]
    fn no_name_does_harm() {
        let pieces = ["2024", "12", "-", "_", "T", "+", ".", "/", "ä", "14", "30", "Z", ":", "00", "x"];
        let mut seed = 1_u64;
        for _ in 0..200_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let name: String = (0..8).map(|n| pieces[(seed >> (n * 7)) as usize % pieces.len()]).collect();
            if let Some(named) = start_of(&name) {
                assert!((1..=31).contains(&named.day) && named.hour < 24 && named.second < 60, "{name}");
            }
        }
        assert_eq!(start_of(&"2".repeat(100_000)), None);
        assert_eq!(start_of(&"ä".repeat(5_001)), None);
    }
}
