//! Keeping the last seconds of a source: how many there may be, when they begin, and what the recording of them is called.

use core::ops::RangeInclusive;

use crate::time::{SECOND_NS, Wall};

/// That may be asked for.
pub const SECONDS: RangeInclusive<u32> = 1..=3_600;
/// Where nothing is said.
pub const USUAL_SECONDS: u32 = 30;

/// When a moment is, as a file counts time: from its start, by the nominal rate of a device that is really so much faster.
pub fn in_file(at: Wall, start: Wall, drift_ppm: f64) -> Wall {
    let into = at.since(start);
    at.plus_ns((into as f64 * drift_ppm / 1e6) as i64) // saturates
}

/// When the sound that is kept begins. `end`: of what has been written, as the file counts time; of frames that are told cheaply
/// nothing newer than the asking counts, of a station, whose time is that of its server, the newest is the end.
pub fn begins(asked: Wall, end: Wall, seconds: u32, is_counted: bool) -> Wall {
    let until = if is_counted { end.min(asked) } else { end };
    until.plus_ns(-i64::from(seconds) * SECOND_NS)
}

/// The recording of what was kept, behind the one that it is from: `wood/20241225_140000_mark_143012` for hour, minute and second
/// of local time. Without extension; taken names get a number behind it as all do.
pub fn stem(file: &str, (hour, minute, second): (i64, i64, i64)) -> String {
    let place = file.rfind('/').map_or(0, |at| at + 1);
    let end = file.get(place..).and_then(|last| last.rfind('.')).map_or(file.len(), |at| place + at);
    format!("{}_mark_{hour:02}{minute:02}{second:02}", file.get(..end).unwrap_or(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_behind_their_files() {
        let check = |file: &str, clock, want: &str| assert_eq!(stem(file, clock), want);
        check("20241225_140000.flac", (14, 30, 12), "20241225_140000_mark_143012");
        check("a.b/20241225_140000-2.mp3", (0, 0, 9), "a.b/20241225_140000-2_mark_000009");
        check("a.b/c", (1, 2, 3), "a.b/c_mark_010203");
        check("a.b.wav", (23, 59, 59), "a.b_mark_235959");
        check("ä.wav", (23, 59, 59), "ä_mark_235959");
    }

    #[test]
    fn a_device_that_is_fast_is_ahead() {
        let s = |seconds: f64| Wall((seconds * 1e9) as i64);
        let check = |at: f64, ppm: f64, want: f64| {
            let found = in_file(s(at), s(1_000.0), ppm);
            assert!(found.since(s(want)).abs() < 1_000, "{at} s at {ppm} ppm: {found:?}");
        };
        check(1_000.0, 100.0, 1_000.0);
        check(4_600.0, 0.0, 4_600.0);
        check(4_600.0, 100.0, 4_600.36);
        check(4_600.0, -100.0, 4_599.64);
    }

    #[test]
    fn so_many_seconds_whatever_is_written() {
        let s = |seconds: i64| Wall(seconds * SECOND_NS);
        let check = |asked, end, is_counted, want| assert_eq!(begins(s(asked), s(end), 30, is_counted), s(want));
        check(100, 101, true, 70);
        check(100, 98, true, 68);
        check(100, 107, false, 77);
        check(100, 98, false, 68);
    }
}
