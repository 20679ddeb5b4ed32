//! One value of the file, as text, to a typed value. Pure; knows no key and no section.

use std::fmt;
use std::path::PathBuf;

/// Why a text is no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Not what the key wants: its own description says it all.
    Unwanted,
    /// More can be said. Never holds a piece of the value when that may be secret.
    Because(String),
}

pub(super) fn because<T>(text: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong::Because(text.into()))
}

/// A number with a fraction, from `min` to `max`.
pub fn real(text: &str, min: f64, max: f64) -> Result<f64, Wrong> {
    // NaN is in no range.
    text.parse().ok().filter(|n| (min..=max).contains(n)).ok_or(Wrong::Unwanted)
}

/// A whole number from `min` to `max`.
pub fn whole<N: TryFrom<u64>>(text: &str, min: u64, max: u64) -> Result<N, Wrong> {
    let n: u64 = text.parse().map_err(|_| Wrong::Unwanted)?;
    if n < min || n > max {
        return Err(Wrong::Unwanted);
    }
    N::try_from(n).map_err(|_| Wrong::Unwanted)
}

/// A count of bytes, with a unit or without: K, M, G, T and KiB … are powers of 1024, kB, MB, GB, TB of 1000.
pub fn bytes(text: &str) -> Result<u64, Wrong> {
    let unit_at = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let unit = unit.trim_start().to_ascii_lowercase();
    let (letter, base) =
        match unit.strip_suffix("ib").map(|letter| (letter, 1_024.0)).or(unit.strip_suffix('b').map(|l| (l, 1e3))) {
            None => (unit.as_str(), 1_024.0),
            Some(known) => known,
        };
    let power = ["", "k", "m", "g", "t"].iter().position(|known| *known == letter).ok_or(Wrong::Unwanted)?;
    // At most a pebibyte.
    Ok((real(number, 0.0, 1e15)? * f64::powi(base, power as i32)).min(1e15) as u64)
}

/// What Python's getboolean takes.
pub fn flag(text: &str) -> Result<bool, Wrong> {
    let words =
        [("yes", true), ("true", true), ("on", true), ("1", true), ("no", false), ("false", false), ("off", false), ("0", false)];
    choice(text, &words)
}

/// One of some words, in any case.
pub fn choice<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, Wrong> {
    words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)).map(|&(_, value)| value).ok_or(Wrong::Unwanted)
}

/// Any text on one line. Control characters would end in file names, metadata and C strings.
pub fn word(text: &str) -> Result<String, Wrong> {
    if text.is_empty() {
        Err(Wrong::Unwanted)
    } else if text.contains('\n') {
        because("goes on over several lines")
    } else if text.contains(char::is_control) {
        because("has a control character")
    } else {
        Ok(text.to_owned())
    }
}

pub fn path(text: &str) -> Result<PathBuf, Wrong> {
    word(text).map(PathBuf::from)
}

/// Nothing, or what `parse` makes of it.
pub fn optional<T>(text: &str, parse: impl FnOnce(&str) -> Result<T, Wrong>) -> Result<Option<T>, Wrong> {
    if text.is_empty() || text.eq_ignore_ascii_case("none") { Ok(None) } else { parse(text).map(Some) }
}

/// As [`optional`], for what a person may name: there `none` is a name like any other.
pub fn unless_empty<T>(text: &str, parse: impl FnOnce(&str) -> Result<T, Wrong>) -> Result<Option<T>, Wrong> {
    if text.is_empty() { Ok(None) } else { parse(text).map(Some) }
}

/// A text that no message, log or dump may show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn parse(text: &str) -> Result<Secret, Wrong> {
        word(text).map(Secret)
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Checked against the time zone database of this machine.
pub fn time_zone(text: &str) -> Result<Option<String>, Wrong> {
    if text.is_empty() || text.eq_ignore_ascii_case("system") {
        return Ok(None);
    }
    let name = word(text)?;
    match crate::policy::split::zone_named(&name) {
        Ok(zone) if !zone.is_unknown() => Ok(Some(name)),
        _ => because("is no time zone that this machine knows (want a name such as Europe/Berlin, UTC or system)"),
    }
}

/// Codes as of strftime, folders separated by `/`. What the codes produce is made safe when a name is made.
pub fn filename_pattern(text: &str) -> Result<String, Wrong> {
    let text = word(text)?;
    if text.starts_with('/') || text.ends_with('/') {
        return because("begins or ends with /; want a name below output_directory, such as %Y/%m/%d/%H%M%S");
    }
    if text.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return because("has an empty folder name, . or ..; want a name below output_directory");
    }
    let at = jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC);
    let unknown = codes(&text).find(|code| jiff::fmt::strtime::format(code, &at).is_err());
    match unknown {
        None => Ok(text.clone()),
        Some(code) => because(format!("{} is not a strftime code (%% stands for a plain %)", super::problem::quoted(code))),
    }
}

/// The pieces of a pattern that begin with `%`, up to their letter.
fn codes(pattern: &str) -> impl Iterator<Item = &str> {
    let mut rest = pattern;
    std::iter::from_fn(move || {
        let code = &rest[rest.find('%')?..];
        let is_modifier = |c: char| "-_0^#:.".contains(c) || c.is_ascii_digit();
        let letter = code.char_indices().skip(1).find(|&(_, c)| !is_modifier(c));
        let end = letter.map_or(code.len(), |(at, c)| at + c.len_utf8());
        rest = &code[end..];
        Some(&code[..end])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let cases =
            [("0.5", Some(0.5)), ("1440", Some(1440.0)), ("+1e1", Some(10.0)), ("0", None), ("1441", None), ("nan", None)];
        for (text, want) in cases.into_iter().chain(["inf", "1e999", "", "1 2", "0,5", "5 min"].map(|t| (t, None))) {
            assert_eq!(real(text, 0.001, 1440.0).ok(), want, "for {text:?}");
        }
        for (text, want) in
            [("8", Some(8)), ("0", Some(0)), ("9", None), ("-1", None), ("1.0", None), ("99999999999999999999", None)]
        {
            assert_eq!(whole::<u32>(text, 0, 8).ok(), want, "for {text:?}");
        }
        assert_eq!(whole::<u8>("300", 0, 1_000), Err(Wrong::Unwanted));
    }

    #[test]
    fn units() {
        let cases =
            [("0", 0), ("1500", 1_500), ("2G", 2 << 30), ("1.5 GiB", 3 << 29), ("500 MB", 500_000_000), ("64m", 64 << 20)];
        for (text, want) in
            cases.into_iter().chain([("10b", 10), ("1kb", 1_000), ("1 K", 1_024), ("9999999T", 1_000_000_000_000_000)])
        {
            assert_eq!(bytes(text), Ok(want), "for {text:?}");
        }
        for text in ["", "G", "-1", "1 2", "2 Gigs", "1e3", "5%", "ib", "1..2M", "\u{20ac}"] {
            assert_eq!(bytes(text), Err(Wrong::Unwanted), "for {text:?}");
        }
    }

    #[test]
    fn flags() {
        for (text, want) in
            [("Yes", Some(true)), ("ON", Some(true)), ("1", Some(true)), ("False", Some(false)), ("0", Some(false)), ("2", None)]
        {
            assert_eq!(flag(text).ok(), want, "for {text:?}");
        }
    }

    #[test]
    fn words() {
        assert_eq!(word("a b").as_deref(), Ok("a b"));
        assert_eq!(word("a\0b"), because("has a control character"));
        assert_eq!(word("a\nb"), because("goes on over several lines"));
        assert_eq!(optional("None", word), Ok(None));
        assert_eq!(unless_empty("none", word), Ok(Some("none".to_owned())));
        assert_eq!(format!("{:?}", Secret::parse("hunter2")), "Ok(Secret(***))");
    }

    #[test]
    fn zones() {
        assert_eq!(time_zone("Europe/Berlin"), Ok(Some("Europe/Berlin".to_owned())));
        assert_eq!(time_zone("UTC"), Ok(Some("UTC".to_owned())));
        assert_eq!(time_zone("System"), Ok(None));
        assert!(time_zone("Europe/Nowhere").is_err());
        assert!(time_zone("../../etc/passwd").is_err());
        assert!(time_zone("Etc/Unknown").is_err());
    }

    #[test]
    fn patterns() {
        let documented = "%a %A %w %d %b %B %m %y %Y %H %I %p %M %S %f %z %Z %j %U %W %c %x %X %% %G %u %V"; // by Python
        for good in [documented, "%Y%m%d_%H%M%S", "%Y/%m/%d/rec_%H%M%S", "100%%_%H", "%-d.%b %j ü", "%s", "plain"] {
            assert_eq!(filename_pattern(good).as_deref(), Ok(good));
        }
        for (bad, code) in [("%Y%J", "%J"), ("50%", "%"), ("%H%é", "%é"), ("% Y", "% ")] {
            assert_eq!(filename_pattern(bad), because(format!("{code} is not a strftime code (%% stands for a plain %)")));
        }
        for bad in ["/abs", "a//b", "../x", "a/./b", "dir/", ""] {
            assert!(filename_pattern(bad).is_err(), "{bad}");
        }
    }
}
