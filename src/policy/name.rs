//! filename_pattern and a time to a relative path without extension, good on ext4, exFAT, NTFS and in a URL.
//!
//! Whether the name is free is the store's question; [`with_suffix`] gives it the names to try.

use jiff::fmt::strtime;

use super::Invalid;
use super::split::{Zone, timestamp};
use crate::time::Wall;

/// File systems hold 255 bytes a segment...
const SEGMENT_BYTES: usize = 255;
/// ... of which the last one needs some for `-12`, `.flac`, `.part` and `.analysis.json`.
const STEM_BYTES: usize = 200;
const PATTERN_BYTES: usize = 255;
/// Sidecars live there (in any case: exFAT does not tell cases apart).
const RESERVED_FOLDER: &str = "analyses";
/// What ISR uses; what holds should a pattern fail on some odd date.
const DEFAULT: &str = "%Y%m%d_%H%M%S";

/// A strftime pattern that has been tried out.
#[derive(Clone, Debug)]
pub struct Pattern {
    segments: Vec<String>,
}

impl Pattern {
    /// `/` makes sub-folders.
    pub fn new(pattern: &str) -> Result<Pattern, Invalid> {
        let refuse = |why: String| Err(Invalid(format!("filename_pattern = {pattern}: {why}")));
        if pattern.len() > PATTERN_BYTES {
            return refuse(format!("longer than {PATTERN_BYTES} bytes"));
        }
        let made = Pattern { segments: pattern.split('/').map(as_python).collect() };
        for segment in &made.segments {
            if let Err(error) = render(segment, Wall(0), &Zone::UTC) {
                return refuse(format!("{error}; write %% for a percent sign"));
            }
        }
        let path = made.path(Wall(0), &Zone::UTC);
        match path.split_once('/') {
            _ if path.is_empty() => refuse("gives an empty name, try %Y%m%d_%H%M%S".into()),
            Some((folder, _)) if folder.eq_ignore_ascii_case(RESERVED_FOLDER) => {
                refuse(format!("the folder {RESERVED_FOLDER} belongs to the sidecars"))
            }
            _ => Ok(made),
        }
    }

    /// The path of a file that starts at `at`, below its output directory, without extension. Never empty.
    pub fn stem(&self, at: Wall, zone: &Zone) -> String {
        let path = self.path(at, zone);
        if path.is_empty() { render(DEFAULT, at, zone).unwrap_or_else(|_| "recording".into()) } else { path }
    }

    fn path(&self, at: Wall, zone: &Zone) -> String {
        let mut path = String::new();
        let last = self.segments.len().saturating_sub(1);
        for (i, segment) in self.segments.iter().enumerate() {
            let text = render(segment, at, zone).or_else(|_| render(DEFAULT, at, zone)).unwrap_or_default();
            let text = sanitised(&text, if i == last { STEM_BYTES } else { SEGMENT_BYTES });
            if !text.is_empty() {
                if !path.is_empty() {
                    path.push('/');
                }
                path.push_str(&text);
            }
        }
        path
    }
}

/// The n-th name to try when the stem is taken: `stem-2`, `stem-3` …; the stem itself for 0 and 1.
pub fn with_suffix(stem: &str, n: u32) -> String {
    if n <= 1 { stem.to_owned() } else { format!("{stem}-{n}") }
}

fn render(segment: &str, at: Wall, zone: &Zone) -> Result<String, jiff::Error> {
    strtime::format(segment, &timestamp(at).to_zoned(zone.clone()))
}

/// In Python %f is always six digits.
fn as_python(segment: &str) -> String {
    let mut out = String::with_capacity(segment.len());
    let mut rest = segment;
    while let Some(at) = rest.find('%') {
        let (plain, directive) = rest.split_at(at);
        out.push_str(plain);
        let mut chars = directive.chars();
        chars.next();
        match chars.next() {
            Some('f') => out.push_str("%6f"),
            Some(c) => out.extend(['%', c]),
            None => out.push('%'),
        }
        rest = chars.as_str();
    }
    out + rest
}

/// One segment without what Windows, exFAT or a shell would stumble over; empty when nothing is left of it.
fn sanitised(text: &str, max_bytes: usize) -> String {
    let clean = |c: char| if c.is_control() || r#"<>:"/\|?*"#.contains(c) { '-' } else { c };
    let text: String = text.chars().map(clean).collect();
    // No "..", no hidden files; Windows drops dots and spaces at the end.
    let mut text = text.trim_matches(['.', ' ']).to_owned();
    if is_device(&text) {
        text.insert(0, '_');
    }
    let end = (0..=max_bytes.min(text.len())).rev().find(|&n| text.is_char_boundary(n)).unwrap_or(0);
    text.truncate(end);
    text.truncate(text.trim_end_matches(['.', ' ']).len());
    text
}

/// Names that Windows keeps for devices, with any extension.
fn is_device(segment: &str) -> bool {
    let base = segment.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    match base.as_str() {
        "CON" | "PRN" | "AUX" | "NUL" => true,
        _ => {
            let digits = base.strip_prefix("COM").or_else(|| base.strip_prefix("LPT"));
            digits.is_some_and(|d| d.len() == 1 && d.chars().all(|c| c.is_ascii_digit()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-12-25 14:07:09.000456 UTC.
    const CHRISTMAS: Wall = Wall(1_735_135_629_000_456_000);

    #[track_caller]
    fn check(pattern: &str, zone: &str, expected: &str) {
        let zone = Zone::get(zone).expect("known zone");
        assert_eq!(Pattern::new(pattern).expect("valid").stem(CHRISTMAS, &zone), expected, "{pattern}");
    }

    #[test]
    fn names() {
        check("%Y%m%d_%H%M%S", "UTC", "20241225_140709");
        check("%Y%m%d_%H%M%S", "Europe/Berlin", "20241225_150709");
        check("radio1_%Y%m%d_%H%M%S", "UTC", "radio1_20241225_140709");
        check("%Y/%m/%d/%H%M%S", "UTC", "2024/12/25/140709");
        check("wood %a %j %-d %s", "UTC", "wood Wed 360 25 1735135629");
        check("%H%M%S.%f", "UTC", "140709.000456");
        check("100%%_%Y", "UTC", "100%_2024");
        check("%Y%m%dT%H%M%S%z", "Asia/Kolkata", "20241225T193709+0530");
        check("Vögel_%Y", "UTC", "Vögel_2024");
    }

    #[test]
    fn nothing_that_a_file_system_refuses() {
        check("%H:%M:%S", "UTC", "14-07-09");
        check("/abs/%Y", "UTC", "abs/2024");
        check("../../etc/%Y", "UTC", "etc/2024");
        check("a//b/./%Y/", "UTC", "a/b/2024");
        check(r"c:\x\%Y?*|<>", "UTC", "c--x-2024-----");
        check("%Y%n%t\u{7}", "UTC", "2024---");
        check("%D", "UTC", "12-25-24");
        check("%Q", "Europe/Berlin", "Europe-Berlin");
        check(".%Y. ", "UTC", "2024");
        check("con/nul.%Y/com1/comb", "UTC", "_con/_nul.2024/_com1/comb");
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let stem = Pattern::new(&"ä".repeat(127)).expect("valid").stem(CHRISTMAS, &Zone::UTC);
        assert_eq!(stem, "ä".repeat(100));
        let long = Pattern::new(&format!("{}/x", "%A".repeat(100))).expect("valid").stem(CHRISTMAS, &Zone::UTC);
        assert_eq!(long.split('/').map(str::len).collect::<Vec<_>>(), [255, 1]);
    }

    #[test]
    fn bad_patterns_are_errors_with_a_text() {
        for pattern in ["%", "x%!", "%Y%", "%5/Y", "%é", "", "/", "..", "./.", "analyses/%Y", "Analyses/%Y", &"x".repeat(256)] {
            let error = Pattern::new(pattern).expect_err(pattern);
            assert!(error.0.starts_with("filename_pattern = ") && !error.0.contains('\n'), "{error}");
        }
    }

    #[test]
    fn odd_years_have_names_too() {
        let pattern = Pattern::new("%y_%Y%m%d").expect("valid");
        for ns in [i64::MIN, -1, 0, i64::MAX] {
            assert!(!pattern.stem(Wall(ns), &Zone::UTC).is_empty());
        }
    }

    #[test]
    fn suffixes() {
        assert_eq!([0, 1, 2, 13].map(|n| with_suffix("a/b", n)), ["a/b", "a/b", "a/b-2", "a/b-13"]);
    }
}
