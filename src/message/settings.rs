//! What passes between the page and whoever keeps the configuration.

use crate::time::Wall;

/// The configuration as it is now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// As a person would call it.
    pub file: String,
    /// Without its secrets.
    pub text: String,
    /// Changes with the file, secrets included.
    pub revision: String,
    /// Why it cannot be changed, one sentence; `None` if it can.
    pub locked: Option<String>,
    /// There is a file from before the last change.
    pub has_backup: bool,
    /// What the program uses, as far as the file and the environment have changed since: it is not told apart here.
    pub values: Vec<Value>,
    pub problems: Vec<Problem>,
    /// What the file says and the program does not use before its next start: `web.port`.
    pub restart_needed: Vec<String>,
}

/// A key with its value, fit to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    pub section: String,
    pub key: &'static str,
    pub value: String,
    /// `line 12`, the name of a variable, or `default`.
    pub origin: String,
}

/// As `soundpost check` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// From 1; 0 when no line is to blame.
    pub line: u32,
    pub is_error: bool,
    pub section: String,
    pub text: String,
}

/// What became of a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    pub revision: String,
    /// Sources that are begun anew, new ones, and those that end.
    pub changed: Vec<String>,
    pub new: Vec<String>,
    pub gone: Vec<String>,
    /// Settings that hold from now on: `general.log_level`.
    pub at_once: Vec<String>,
    pub restart_needed: Vec<String>,
    /// Warnings.
    pub problems: Vec<Problem>,
}

/// Who is let in, from now on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Door {
    /// 0 as it was at the start; another one whenever it changes.
    pub version: u32,
    /// None lets everybody in.
    pub hash: Option<String>,
    pub session_hours: f64,
}

/// Why a change was not made. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unchanged {
    /// There is no file, or it may not be written: one sentence.
    Locked(String),
    /// The file is not the one that was changed.
    Stale,
    Wrong(Vec<Problem>),
    /// The disk did not do as asked.
    Failed(String),
}

/// A kind of section.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Name of a section, or the type of a source, or `lane`.
    pub name: &'static str,
    pub is_source: bool,
    pub keys: Vec<KeyInfo>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct KeyInfo {
    pub name: &'static str,
    /// Empty for nothing.
    pub default: &'static str,
    /// Completes "want …".
    pub wants: &'static str,
    /// One line; empty if there is none.
    pub help: &'static str,
    pub unit: Option<&'static str>,
    pub range: Option<(f64, f64)>,
    /// If there are only these.
    pub choices: Vec<&'static str>,
    pub is_secret: bool,
}

/// The next days of a source that has a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    pub source: String,
    pub time_zone: String,
    /// Seconds of how many: the part of each window that is recorded.
    pub duty: Option<(u32, u32)>,
    pub is_on: bool,
    /// When that changes, if it ever does.
    pub until: Option<Wall>,
    pub days: Vec<CalendarDay>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalendarDay {
    /// `2026-05-22`
    pub date: String,
    /// Midnight, and the next one: 23, 24 or 25 hours apart.
    pub begin: Wall,
    pub end: Wall,
    /// What is recorded of this day, whenever its window began.
    pub windows: Vec<(Wall, Wall)>,
    /// `None` where it does not, or nobody knows where this is.
    pub sunrise: Option<Wall>,
    pub sunset: Option<Wall>,
}
