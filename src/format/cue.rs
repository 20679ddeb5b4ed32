//! A cue sheet: the titles of a recording as tracks, for players that know such lists (CDRWIN's format, as everybody reads it).
//!
//! Pure text. Track 1 always begins with the file; a sheet has at most 99 tracks, and titles beyond them are remarks.

use std::fmt::Write;

use crate::message::{Codec, Title};
use crate::time::Rate;

/// More no reader takes.
const TRACKS: usize = 99;

/// Parts of a second in an index.
const PER_SECOND: u64 = 75;

/// `file` is the name of the recording, in the same folder.
pub fn sheet(file: &str, codec: Codec, rate: Rate, titles: &[Title]) -> String {
    // There is no word for other formats; readers take WAVE for "whatever the file is".
    let kind = if codec == Codec::Mp3 { "MP3" } else { "WAVE" };
    let mut text = format!("FILE \"{}\" {kind}\n", safe(file));
    let untitled = titles.first().is_none_or(|first| index(first.at_frame, rate) > 0);
    let mut number = 0;
    if untitled {
        number += 1;
        track(&mut text, number, 0, "");
    }
    for title in titles {
        let at = index(title.at_frame, rate);
        if number < TRACKS {
            number += 1;
            track(&mut text, number, at, &title.text);
        } else {
            let _ = writeln!(text, "REM {} {}", clock(at), safe(&title.text)); // writing to a string cannot fail
        }
    }
    text
}

fn track(text: &mut String, number: usize, at: u64, title: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "  TRACK {number:02} AUDIO");
    let (performer, title) = title.split_once(" - ").map_or((None, title), |(performer, title)| (Some(performer), title));
    if !title.trim().is_empty() {
        let _ = writeln!(text, "    TITLE \"{}\"", safe(title));
    }
    if let Some(performer) = performer.filter(|performer| !performer.trim().is_empty()) {
        let _ = writeln!(text, "    PERFORMER \"{}\"", safe(performer));
    }
    let _ = writeln!(text, "    INDEX 01 {}", clock(at));
}

/// In 75ths of a second, rounded down.
fn index(frame: u64, rate: Rate) -> u64 {
    let parts = u128::from(frame) * u128::from(PER_SECOND) / u128::from(rate.hz());
    u64::try_from(parts).unwrap_or(u64::MAX)
}

/// Minutes go on beyond 99.
fn clock(at: u64) -> String {
    let seconds = at / PER_SECOND;
    format!("{:02}:{:02}:{:02}", seconds / 60, seconds % 60, at % PER_SECOND)
}

/// The format has no way to write a quotation mark inside of two.
fn safe(text: &str) -> String {
    let plain = |c: char| match c {
        '"' => '\'',
        c if c.is_control() => ' ',
        c => c,
    };
    text.chars().map(plain).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Wall;

    fn titles(list: &[(u64, &str)]) -> Vec<Title> {
        list.iter().map(|(at_frame, text)| Title { at_frame: *at_frame, at: Wall(0), text: (*text).into() }).collect()
    }

    fn check(list: &[(u64, &str)], want: &str) {
        let rate = Rate::new(44_100).expect("valid");
        let is = sheet("a.mp3", Codec::Mp3, rate, &titles(list));
        let lines: Vec<&str> = is.lines().skip(1).map(str::trim).collect();
        assert_eq!(lines.join("|"), want, "{list:?}");
    }

    #[test]
    fn a_track_for_each_title() {
        check(&[], "TRACK 01 AUDIO|INDEX 01 00:00:00");
        check(&[(0, "A - B - C")], "TRACK 01 AUDIO|TITLE \"B - C\"|PERFORMER \"A\"|INDEX 01 00:00:00");
        check(&[(588, "x")], "TRACK 01 AUDIO|INDEX 01 00:00:00|TRACK 02 AUDIO|TITLE \"x\"|INDEX 01 00:00:01");
        check(
            &[(44_100 * 61, "x"), (44_100 * 7_200 + 587, "")],
            "TRACK 01 AUDIO|INDEX 01 00:00:00|TRACK 02 AUDIO|TITLE \"x\"|INDEX 01 01:01:00|TRACK 03 AUDIO|INDEX 01 120:00:00",
        );
    }

    #[test]
    fn nothing_breaks_a_line_or_a_quotation() {
        check(
            &[(0, "\"Bob\"\r\nREM x - \u{7}say \"hi\"")],
            "TRACK 01 AUDIO|TITLE \"say 'hi'\"|PERFORMER \"'Bob'  REM x\"|INDEX 01 00:00:00",
        );
        check(&[(0, " - x")], "TRACK 01 AUDIO|TITLE \"x\"|INDEX 01 00:00:00");
        let rate = Rate::new(48_000).expect("valid");
        assert!(sheet("a\n\"b.opus", Codec::Opus, rate, &[]).starts_with("FILE \"a 'b.opus\" WAVE\n"));
        assert!(sheet("a", Codec::Mp3, Rate::MIN, &titles(&[(u64::MAX, "x")])).contains("TRACK 02"));
    }

    #[test]
    fn titles_beyond_99_tracks_are_remarks() {
        let all: Vec<(u64, String)> = (0..120).map(|n| (n * 44_100, format!("t{n}"))).collect();
        let list: Vec<(u64, &str)> = all.iter().map(|(at, text)| (*at, text.as_str())).collect();
        let text = sheet("a.mp3", Codec::Mp3, Rate::new(44_100).expect("valid"), &titles(&list));
        assert_eq!(text.matches("TRACK ").count(), 99);
        assert_eq!(text.matches("REM ").count(), 21);
        assert!(text.ends_with("REM 01:59:00 t119\n"), "{text}");
    }
}
