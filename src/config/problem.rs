//! What is wrong with a configuration, one line each. Nothing in this folder fails as a whole or logs: it collects these.

use std::fmt;
use std::sync::Arc;

/// More than a reader would ever go through; a hostile file cannot fill the memory with complaints.
pub const MAX_PROBLEMS: usize = 500;

/// Characters of a user's text that a message repeats.
const QUOTED_CHARS: usize = 60;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Something is not as it was meant, and everything is recorded all the same.
    Warning,
    /// Something does not happen: a source is left out, or a setting falls back to its default.
    Error,
}

/// One finding. Its `Display` is the whole line for the user: `soundpost.ini:12: unknown key …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Name of the file as the user gave it, or `environment`.
    pub file: Arc<str>,
    /// Counted from 1; 0 when no single line is to blame.
    pub line: u32,
    pub severity: Severity,
    /// Empty when it is about the file as a whole.
    pub section: String,
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.text),
            line => write!(f, "{}:{line}: {}", self.file, self.text),
        }
    }
}

/// The growing list of one file.
pub struct Problems {
    file: Arc<str>,
    list: Vec<Problem>,
    /// Those that no longer fitted, and the gravest of them.
    more: Option<(usize, Severity)>,
}

impl Problems {
    pub fn new(file: &str) -> Problems {
        Problems { file: file.into(), list: Vec::new(), more: None }
    }

    pub fn warn(&mut self, line: u32, section: &str, text: impl Into<String>) {
        self.add(self.file.clone(), line, Severity::Warning, section, text.into());
    }

    pub fn error(&mut self, line: u32, section: &str, text: impl Into<String>) {
        self.add(self.file.clone(), line, Severity::Error, section, text.into());
    }

    /// About a variable of the environment, which has no line.
    pub fn environment(&mut self, severity: Severity, section: &str, text: impl Into<String>) {
        self.add("environment".into(), 0, severity, section, text.into());
    }

    fn add(&mut self, file: Arc<str>, line: u32, severity: Severity, section: &str, text: String) {
        if self.list.len() < MAX_PROBLEMS {
            self.list.push(Problem { file, line, severity, section: section.to_owned(), text });
        } else {
            let (count, gravest) = self.more.unwrap_or((0, severity));
            self.more = Some((count.saturating_add(1), gravest.max(severity)));
        }
    }

    /// What is added now is only counted: not worth much thought.
    pub fn is_full(&self) -> bool {
        self.list.len() >= MAX_PROBLEMS
    }

    /// In the order of lines; what has no line comes last.
    pub fn finish(mut self) -> Vec<Problem> {
        self.list.sort_by_key(|p| if p.line == 0 { u32::MAX } else { p.line });
        if let Some((count, severity)) = self.more {
            let text = format!("and {count} more of that kind");
            self.list.push(Problem { file: self.file, line: 0, severity, section: String::new(), text });
        }
        self.list
    }
}

/// A user's text inside a message: never long, never able to move a terminal's cursor.
pub fn quoted(text: &str) -> String {
    let mut out: String = text.chars().take(QUOTED_CHARS).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(QUOTED_CHARS).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_the_gravest_is_kept() {
        let mut problems = Problems::new("a.ini");
        for line in 1..=600 {
            problems.warn(line, "", "w");
        }
        problems.error(601, "", "e");
        let list = problems.finish();
        assert_eq!(list.len(), MAX_PROBLEMS + 1);
        let last = list.last().expect("the line that counts the rest");
        assert_eq!((last.to_string().as_str(), last.severity), ("a.ini: and 101 more of that kind", Severity::Error));
    }

    #[test]
    fn quotes_are_short_and_harmless() {
        assert_eq!(quoted("a\u{1b}[2Jb"), "a\u{fffd}[2Jb");
        assert_eq!(quoted(&"ü".repeat(61)), "ü".repeat(60) + "…");
    }
}
