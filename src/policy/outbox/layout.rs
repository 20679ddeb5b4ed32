//! Under which name a recording stands at a target.
//!
//! Usual is what Hive made common: `site=…/source=…/date=…/NAME`. DuckDB, Spark and Athena read the folders' names as columns, so
//! that the sidecars of a whole fleet are one table. What such a name must not hold is escaped as Hive does it, `%3A`.

use crate::policy::Invalid;

pub const USUAL: &str = "site={site}/source={source}/date={date}/{name}";
/// Beside the recordings of a day: one object a line for each recording, gap and section.
pub const EVENTS: &str = "events.jsonl";
/// What S3 takes at most.
const MAX_KEY_BYTES: usize = 1_024;
/// Ends with the file's name, so that what belongs to a recording stands beside it.
const NAMES: [&str; 7] = ["site", "source", "date", "year", "month", "day", "name"];

/// What a template may name of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names<'a> {
    pub site: &'a str,
    pub source: &'a str,
    /// Local: `2024-12-25`.
    pub date: &'a str,
    /// Path below the folder of the recordings.
    pub file: &'a str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout(String);

impl Layout {
    pub fn parse(text: &str) -> Result<Layout, Invalid> {
        let invalid = |why: &str| Err(Invalid(why.to_owned()));
        if text.starts_with('/') || text.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return invalid("has an empty folder name, . or ..; want a path such as {site}/{date}/{name}");
        }
        if !text.ends_with("{name}") || text.matches("{name}").count() > 1 {
            return invalid("does not end with {name}, which keeps files apart");
        }
        if text.contains(|c: char| c.is_control() || c == '\\') {
            return invalid("has a control character or \\");
        }
        let mut rest = text;
        while let Some(open) = rest.find(['{', '}']) {
            let inside = rest[open..].strip_prefix('{').and_then(|rest| rest.split_once('}'));
            match inside {
                Some((name, after)) if NAMES.contains(&name) => rest = after,
                _ => return Err(Invalid(format!("has braces around something unknown; want one of {{{}}}", NAMES.join("}, {")))),
            }
        }
        Ok(Layout(text.to_owned()))
    }

    /// The whole key of a recording; `None` where it is longer than any server takes.
    pub fn key(&self, names: &Names) -> Option<String> {
        let file = names.file.rsplit('/').next().unwrap_or(names.file);
        let mut parts = names.date.splitn(3, '-');
        let [year, month, day] = [(); 3].map(|()| parts.next().unwrap_or_default());
        let values = [names.site, names.source, names.date, year, month, day, file];
        let (mut key, mut rest) = (String::new(), self.0.as_str());
        while let Some((before, (name, after))) = rest.split_once('{').and_then(|(b, r)| Some((b, r.split_once('}')?))) {
            key.push_str(before);
            let value = NAMES.iter().zip(values).find(|(known, _)| **known == name).map_or("", |(_, value)| value);
            escape(value, &mut key);
            rest = after;
        }
        key.push_str(rest);
        // Room for the endings of what belongs to a recording.
        (key.len() + 32 <= MAX_KEY_BYTES).then_some(key)
    }

    /// Of the list of events of the day that a recording belongs to. A layout that does not keep days and sources apart has them in
    /// the list's name, or one would take another's place.
    pub fn events_key(&self, names: &Names) -> Option<String> {
        let has = |parts: &[&str]| parts.iter().all(|part| self.0.contains(part));
        let mut file = EVENTS.to_owned();
        if !has(&["{date}"]) && !has(&["{year}", "{month}", "{day}"]) {
            file = format!("{}-{file}", names.date);
        }
        if !has(&["{source}"]) && !names.source.is_empty() {
            file = format!("{}-{file}", names.source.replace('/', "_"));
        }
        self.key(&Names { file: &file, ..*names })
    }
}

/// As Hive does it, and what FAT does not take. A value is never empty, `.` or `..`.
fn escape(value: &str, out: &mut String) {
    match value {
        "" => out.push_str("__HIVE_DEFAULT_PARTITION__"),
        "." => out.push_str("%2E"),
        ".." => out.push_str("%2E%2E"),
        _ => {
            for c in value.chars() {
                if c.is_ascii_control() || "\"#%'*/:=?\\{}[]^<>|".contains(c) {
                    out.push_str(&format!("%{:02X}", c as u32)); // ASCII, all of them
                } else {
                    out.push(c);
                }
            }
        }
    }
}

impl Default for Layout {
    fn default() -> Layout {
        Layout(USUAL.to_owned())
    }
}

impl std::fmt::Display for Layout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: Names<'_> = Names { site: "Hainich 3", source: "mic", date: "2024-12-25", file: "2024/20241225_140000.flac" };

    #[test]
    fn keys() {
        for (template, names, want) in [
            (USUAL, NAMES, "site=Hainich 3/source=mic/date=2024-12-25/20241225_140000.flac"),
            ("{year}/{month}/{day}/{source}-{name}", NAMES, "2024/12/25/mic-20241225_140000.flac"),
            ("{name}", Names { file: "a:b=ü.wav", ..NAMES }, "a%3Ab%3Dü.wav"),
            ("{site}/{name}", Names { site: "", ..NAMES }, "__HIVE_DEFAULT_PARTITION__/20241225_140000.flac"),
            ("{site}/{name}", Names { site: "..", ..NAMES }, "%2E%2E/20241225_140000.flac"),
            ("{site}/{name}", Names { site: "../x", ..NAMES }, "..%2Fx/20241225_140000.flac"),
        ] {
            let layout = Layout::parse(template).expect(template);
            assert_eq!(layout.key(&names).as_deref(), Some(want));
        }
        let day = Layout::default().events_key(&NAMES);
        assert_eq!(day.as_deref(), Some("site=Hainich 3/source=mic/date=2024-12-25/events.jsonl"));
        for (template, want) in [
            ("{year}/{month}/{day}/{source}-{name}", "2024/12/25/mic-events.jsonl"),
            ("{date}/{name}", "2024-12-25/mic-events.jsonl"),
            ("{source}/{name}", "mic/2024-12-25-events.jsonl"),
            ("{year}/{name}", "2024/mic-2024-12-25-events.jsonl"),
        ] {
            assert_eq!(Layout::parse(template).expect(template).events_key(&NAMES).as_deref(), Some(want));
        }
        let long = "x".repeat(1_020);
        assert_eq!(Layout::default().key(&Names { file: &long, ..NAMES }), None);
    }

    #[test]
    fn templates_that_are_none() {
        for (text, part) in [
            ("", "empty"),
            ("/{name}", "empty"),
            ("a/../{name}", ".."),
            ("{name}/x", "does not end"),
            ("{name}{name}", "does not end"),
            ("{nmae}/{name}", "unknown"),
            ("a}/{name}", "unknown"),
            ("a\\{name}", "control"),
        ] {
            let why = Layout::parse(text).expect_err(text).0;
            assert!(why.contains(part), "{text}: {why}");
        }
    }
}
