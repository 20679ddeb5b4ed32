//! The values of one section: from the environment, from the file, from `[general]` or `[storage]`, or the default, in this order.
//!
//! Getting a value never fails: what is wrong goes on the list of problems and the default takes its place, so that one pass
//! finds everything. Whoever reads a source asks afterwards whether there were errors.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

use super::environment::{Environment, expand, override_name};
use super::ini::Section;
use super::keys::{About, Key, List, Shown};
use super::nearest::nearest;
use super::problem::{Problems, Severity, quoted};
use super::url::{host_of, masked};
use super::value::Wrong;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    Line(u32),
    /// The variable.
    Environment(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::Line(line) => write!(f, "line {line}"),
            Origin::Environment(name) => f.write_str(name),
        }
    }
}

/// One line of the effective configuration, fit to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    pub section: String,
    pub key: &'static str,
    pub value: String,
    pub origin: Origin,
    /// Tells two values apart, of secrets too, and says nothing of either.
    pub mark: u64,
}

/// What is gathered while a whole file is read.
pub struct Report<'a> {
    pub environment: &'a Environment,
    pub problems: Problems,
    pub effective: Vec<Effective>,
    /// Names of variables that mean or would mean something.
    overrides: BTreeSet<String>,
    /// Sections that were never read: of their variables nothing is known.
    skipped: Vec<String>,
    marks: RandomState,
}

impl<'a> Report<'a> {
    pub fn new(file: &str, environment: &'a Environment) -> Report<'a> {
        let (overrides, skipped) = (BTreeSet::new(), Vec::new());
        // One key for all that is compared.
        static MARKS: OnceLock<RandomState> = OnceLock::new();
        let marks = MARKS.get_or_init(RandomState::new).clone();
        Report { environment, problems: Problems::new(file), effective: Vec::new(), overrides, skipped, marks }
    }

    /// The section is not read, for a reason that was reported.
    pub fn skip(&mut self, section: &str) {
        self.skipped.push(override_name(section, ""));
        while self.effective.last().is_some_and(|e| e.section == section) {
            self.effective.pop();
        }
    }

    /// Of a key that has been read; 0 if its value stands in no line.
    pub fn line_of(&self, section: &str, key: &str) -> u32 {
        let origin = self.effective.iter().find(|e| e.section == section && e.key == key).map(|e| &e.origin);
        if let Some(Origin::Line(line)) = origin { *line } else { 0 }
    }

    /// Variables that are meant for this program and were of no use: after everything was read.
    pub fn unused_variables(&mut self) {
        let unused =
            |name: &&str| !self.overrides.contains(*name) && !self.skipped.iter().any(|prefix| name.starts_with(prefix.as_str()));
        for name in self.environment.overrides().filter(unused).take(100) {
            let near = nearest(name, self.overrides.iter().map(String::as_str).take(COMPARED_NAMES));
            let text = format!("{} names no section and key{}", quoted(name), did_you_mean(near));
            self.problems.environment(Severity::Warning, "", text);
        }
    }
}

/// Names that a mistyped variable is compared with: a hostile file has many sections.
const COMPARED_NAMES: usize = 5_000;

pub fn did_you_mean(near: Option<&str>) -> String {
    near.map_or_else(String::new, |near| format!(": did you mean '{near}'?"))
}

/// A value that was found, as text.
#[derive(Clone)]
struct Found {
    /// Without blanks at its ends, variables replaced.
    text: String,
    /// As it was written: a variable inside may be a secret.
    written: String,
    origin: Origin,
}

/// The good values of `[general]` and `[storage]`, for sources to take over.
#[derive(Default)]
pub struct Inherited(HashMap<&'static str, Found>);

impl Inherited {
    /// Of two sections; no key is in both.
    pub fn and(mut self, other: Inherited) -> Inherited {
        self.0.extend(other.0);
        self
    }
}

pub struct Reader<'r, 'a> {
    section: &'r str,
    /// The sections of the file that go by this name, in their order.
    own: Vec<&'r Section>,
    inherited: Option<&'r Inherited>,
    good: Inherited,
    errors: Vec<String>,
    report: &'r mut Report<'a>,
}

impl<'r, 'a> Reader<'r, 'a> {
    pub fn new(
        section: &'r str,
        own: Vec<&'r Section>,
        inherited: Option<&'r Inherited>,
        report: &'r mut Report<'a>,
    ) -> Reader<'r, 'a> {
        Reader { section, own, inherited, good: Inherited::default(), errors: Vec::new(), report }
    }

    pub fn get<T>(&mut self, key: &Key<T>) -> T {
        let mut value = None;
        self.choose(&key.about, &mut |text| (key.parse)(text).map(|good| value = Some(good)));
        // Proved for every key by the test `every_default_is_a_value`.
        value.unwrap_or_else(|| unreachable!("the default of {} is a value", key.about.name))
    }

    /// Offers what was found, the nearest first, until something is taken; the default at last. Once for keys of every type.
    fn choose(&mut self, about: &About, take: &mut dyn FnMut(&str) -> Result<(), Wrong>) {
        for found in [self.find(about), self.find_inherited(about)].into_iter().flatten() {
            match take(&found.text) {
                Ok(()) => {
                    self.show(about, (&found.written, &found.text), found.origin.clone());
                    self.good.0.insert(about.name, found);
                    return;
                }
                // An empty value asks for the default: that of the section that gives defaults, if it has one.
                Err(_) if found.text.is_empty() => {}
                Err(wrong) => self.refuse(about, &found, wrong),
            }
        }
        self.show(about, (about.default, about.default), Origin::Default);
        let _ = take(about.default);
    }

    /// Where a key stands, or else its section.
    pub fn line_of(&self, key: &About) -> u32 {
        let section = self.own.first().map_or(0, |s| s.line);
        self.own.iter().rev().find_map(|s| s.get(key.name)).map_or(section, |entry| entry.line)
    }

    /// Whether it stands in the section itself, not in `[general]`.
    pub fn is_own(&self, key: &About) -> bool {
        self.own.iter().any(|section| section.get(key.name).is_some())
    }

    pub fn warn(&mut self, line: u32, text: impl Into<String>) {
        self.report.problems.warn(line, self.section, text);
    }

    pub fn error(&mut self, line: u32, text: impl Into<String>) {
        let text = text.into();
        self.report.problems.error(line, self.section, text.clone());
        self.errors.push(text);
    }

    /// Every entry of the section that is in none of `known`. `elsewhere` says of a key where it would mean something.
    pub fn unknown_keys(&mut self, known: &[List], elsewhere: impl Fn(&str) -> Option<String>) {
        let is_known = |key: &str| known.iter().copied().flatten().any(|about| about.name == key);
        for entry in self.own.iter().flat_map(|s| &s.entries).filter(|e| !is_known(&e.key)) {
            if self.report.problems.is_full() {
                self.report.problems.warn(entry.line, self.section, "unknown key");
                continue;
            }
            let near = nearest(&entry.key, known.iter().copied().flatten().map(|about| about.name));
            let hint = match elsewhere(&entry.key) {
                Some(place) => format!(": {place}"),
                None => did_you_mean(near),
            };
            let text = format!("unknown key '{}' in [{}]{hint}", quoted(&entry.key), quoted(self.section));
            self.report.problems.warn(entry.line, self.section, text);
        }
    }

    /// How many there were so far.
    pub fn errors(&self) -> usize {
        self.errors.len()
    }

    /// The good values, and what was wrong.
    pub fn finish(self) -> (Inherited, Vec<String>) {
        (self.good, self.errors)
    }

    fn find(&mut self, about: &About) -> Option<Found> {
        let name = override_name(self.section, about.name);
        let value = self.report.environment.get(&name).map(str::trim).filter(|value| !value.is_empty());
        self.report.overrides.insert(name.clone());
        if let Some(value) = value {
            return Some(Found { text: value.to_owned(), written: value.to_owned(), origin: Origin::Environment(name) });
        }
        let entry = self.own.iter().rev().find_map(|s| s.get(about.name))?;
        let used = &mut self.report.overrides;
        match expand(&entry.value, self.report.environment, |name| _ = used.insert(name.to_owned())) {
            Ok(text) => Some(Found {
                text: text.trim().to_owned(),
                written: entry.value.trim().to_owned(),
                origin: Origin::Line(entry.line),
            }),
            Err(why) => {
                let text = format!("{}: {why}", about.name);
                self.error(entry.line, text);
                None
            }
        }
    }

    fn find_inherited(&self, about: &About) -> Option<Found> {
        self.inherited.and_then(|general| general.0.get(about.name)).cloned()
    }

    fn refuse(&mut self, about: &About, found: &Found, wrong: Wrong) {
        let name = match &found.origin {
            Origin::Environment(variable) => variable.clone(),
            Origin::Default | Origin::Line(_) => about.name.to_owned(),
        };
        let what = match about.shown {
            Shown::Plain => format!("{name} = {}", quoted(&found.written)),
            Shown::Masked | Shown::Host | Shown::Never => name,
        };
        let text = match wrong {
            Wrong::Unwanted => format!("{what}: want {}", about.wants),
            Wrong::Because(why) => format!("{what}: {why}"),
        };
        match found.origin {
            Origin::Line(line) => self.error(line, text),
            Origin::Environment(_) | Origin::Default => {
                self.report.problems.environment(Severity::Error, self.section, text.clone());
                self.errors.push(text);
            }
        }
    }

    /// `written`, and what it became with its variables.
    fn show(&mut self, about: &About, (written, meant): (&str, &str), origin: Origin) {
        // With a key of this process: what it comes to is of no use elsewhere.
        let mark = self.report.marks.hash_one(meant);
        let value = match about.shown {
            Shown::Never if !written.is_empty() => "***".to_owned(),
            Shown::Masked => masked(written),
            Shown::Host => host_of(written),
            Shown::Plain | Shown::Never => on_one_line(written),
        };
        self.report.effective.push(Effective { section: self.section.to_owned(), key: about.name, value, origin, mark });
    }
}

/// A continued value, with a blank for each new line.
fn on_one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}
