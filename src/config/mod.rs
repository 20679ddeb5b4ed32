//! soundpost.ini to typed values: key, unit, default, range. Read once, by the command line, before anything is wired.
//!
//! A field box must record whatever was typed on its card: reading never fails as a whole. All problems are found at once,
//! each with its line; a broken source is left out and the others stay; a broken setting falls back to its default.
//! Nothing here opens a device, looks for a recording or writes a log line: only [`Config::load`] reads a file, and folders are
//! compared as they stand on the disk.
//!
//! ```text
//! bytes ─ini─► sections, keys, lines ─reader + keys─► settings, source ─► Config   (+ problems, + what `check` shows)
//! ```

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

pub mod check;
pub mod difference;
pub mod environment;
pub mod help;
pub mod ini;
pub mod keys;
pub mod mask;
mod nearest;
pub mod problem;
pub mod reader;
pub mod script;
mod section;
pub mod settings;
pub mod source;
pub mod storage;
pub mod trigger;
pub mod upload;
pub mod url;
pub mod value;

pub use environment::Environment;
pub use problem::{Problem, Severity};
pub use settings::{Analysis, General, Heartbeat, Live, Notify, Position, Site, Web};
pub use source::{BitDepth, FilenameTime, LaneSettings, Pace, RawBits, RawPcm, Repeat, SourceConfig, SourceKind, StreamFormat};
pub use storage::Storage;

use ini::{Ini, Section};
use problem::{Problems, quoted};
use reader::{Effective, Inherited, Report};
use section::{is_target, read_source, read_target, settings_name, settings_section};
use source::SourceType;
use upload::Target;

use crate::device::disk::real_path;

/// More than any machine records; every source costs threads and memory.
pub const MAX_SOURCES: usize = 256;
/// Names become thread names, tags and parts of addresses.
pub const MAX_NAME_CHARS: usize = 100;

#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub general: General,
    /// In the order of the file; names differ.
    pub sources: Vec<SourceConfig>,
    /// Sources that are left out, for the status of the program.
    pub broken_sources: Vec<BrokenSource>,
    pub web: Web,
    pub analysis: Analysis,
    pub storage: Storage,
    pub live: Live,
    pub notify: Notify,
    pub site: Site,
    /// Where recordings are sent; names differ.
    pub uploads: Vec<Target>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenSource {
    pub name: String,
    pub line: u32,
    /// The first of its errors.
    pub reason: String,
}

/// A configuration, and everything there is to say about its file.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    pub config: Config,
    /// In the order of lines.
    pub problems: Vec<Problem>,
    /// Every key with its value and where that came from.
    pub effective: Vec<Effective>,
}

impl Parsed {
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(|p| p.severity == Severity::Error)
    }
}

/// A file that cannot be read: one line for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}

impl Config {
    pub fn load(path: &Path, environment: &Environment) -> Result<Parsed, Unreadable> {
        let name = path.display().to_string();
        match read_limited(path) {
            Ok(bytes) if bytes.len() > ini::MAX_BYTES => {
                Err(Unreadable(format!("{name}: larger than {} bytes: is it the right file?", ini::MAX_BYTES)))
            }
            Ok(bytes) => Ok(Config::parse(&bytes, &name, environment)),
            Err(error) => Err(Unreadable(match error.kind() {
                io::ErrorKind::NotFound => format!("{name}: no such file; name yours with -c FILE, or try record --demo"),
                io::ErrorKind::PermissionDenied => format!("{name}: not readable by this user: change its owner or mode"),
                io::ErrorKind::IsADirectory => format!("{name}: a directory; name the file in it"),
                _ => format!("{name}: cannot be read: {error}"),
            })),
        }
    }

    /// `file_name` is what messages call the file. Any bytes are accepted.
    pub fn parse(text: &[u8], file_name: &str, environment: &Environment) -> Parsed {
        let mut report = Report::new(file_name, environment);
        let ini = ini::parse(text, &mut report.problems);
        let (general, inherited) = settings_section("general", &ini, &mut report, settings::general);
        let (storage, stored) = settings_section("storage", &ini, &mut report, Storage::read);
        let inherited = inherited.and(stored);
        let mut config = Config {
            general,
            sources: Vec::new(),
            broken_sources: Vec::new(),
            web: settings_section("web", &ini, &mut report, settings::web).0,
            analysis: settings_section("analysis", &ini, &mut report, settings::analysis).0,
            storage,
            live: settings_section("live", &ini, &mut report, settings::live).0,
            notify: settings_section("notify", &ini, &mut report, settings::notify).0,
            site: settings_section("site", &ini, &mut report, settings::site).0,
            uploads: Vec::new(),
        };
        config.read_targets(&ini, &mut report);
        for section in ini.sections.iter().filter(|s| settings_name(s).is_none() && !is_target(s)) {
            config.add(section, &inherited, &mut report);
        }
        config.compare_sources(&mut report.problems);
        config.find_monitored(&mut report);
        config.expect_sources(&mut report.problems);
        report.unused_variables();
        Parsed { config, problems: report.problems.finish(), effective: report.effective }
    }

    /// What `record --demo` uses, as a file would say it.
    pub const DEMO: &'static str = "[general]\nsplit_minutes = 1\nlog_file = none\n[demo]\ntype = demo\n";

    /// What `record --demo` uses: nothing but a generated source, recorded into `output_directory`.
    pub fn demo(output_directory: &Path) -> Config {
        let mut config = Config::parse(Config::DEMO.as_bytes(), "demo", &Environment::default()).config;
        config.general.lane.output_directory = output_directory.to_path_buf();
        for source in &mut config.sources {
            source.lane.output_directory = output_directory.to_path_buf();
        }
        config
    }

    fn read_targets(&mut self, ini: &Ini, report: &mut Report) {
        let line = ini.sections.iter().find(|s| settings_name(s) == Some("upload")).map_or(0, |s| s.line);
        let (first, inherited) = settings_section("upload", ini, report, |reader| upload::read("upload", line, false, reader));
        let others = ini.sections.iter().filter(|s| is_target(s)).filter_map(|s| read_target(s, &inherited, report));
        let targets: Vec<Target> = first.into_iter().chain(others).collect();
        for target in targets {
            let problem = if self.uploads.iter().any(|other| other.name == target.name) {
                Some("is there twice")
            } else if self.uploads.len() >= upload::MAX_TARGETS {
                Some("is one target too many")
            } else if target.needs_place() && self.site.position.is_none() {
                Some("names the sun in upload_window: it needs latitude and longitude in [site]")
            } else {
                None
            };
            match problem {
                Some(what) => {
                    let text = format!("[{}] {what}: nothing is uploaded there", quoted(&target.name));
                    report.problems.error(target.line, &target.name, text);
                }
                None => self.uploads.push(target),
            }
        }
    }

    /// A section that is none of the settings.
    fn add(&mut self, section: &Section, inherited: &Inherited, report: &mut Report) {
        let reason = match self.name_problem(&section.name) {
            Some(reason) => {
                report.problems.error(section.line, &section.name, reason.clone());
                reason
            }
            None => match read_source(section, inherited, report) {
                Ok(Some(source)) if source.lane.schedule.needs_place() && self.site.position.is_none() => {
                    let reason = "schedule names the sun: it needs latitude and longitude in [site]".to_owned();
                    report.problems.error(report.line_of(&section.name, "schedule"), &section.name, reason.clone());
                    reason
                }
                Ok(Some(source)) => match trigger::misfit(&source, &self.analysis, report) {
                    Some((key, reason)) => {
                        report.problems.error(report.line_of(&section.name, key), &section.name, reason.clone());
                        reason
                    }
                    None => return self.sources.push(source),
                },
                Ok(None) => return,
                Err(reason) => reason,
            },
        };
        if self.broken_sources.len() < MAX_SOURCES {
            self.broken_sources.push(BrokenSource { name: section.name.clone(), line: section.line, reason });
        }
    }

    fn name_problem(&self, name: &str) -> Option<String> {
        if name.is_empty() {
            Some("section without a name".to_owned())
        } else if name.contains(char::is_control) {
            Some(format!("the name of section [{}] has a control character", quoted(name)))
        } else if name.chars().nth(MAX_NAME_CHARS).is_some() {
            Some(format!("the name of section [{}] is longer than {MAX_NAME_CHARS} characters", quoted(name)))
        } else if self.sources.len() >= MAX_SOURCES {
            Some(format!("more than {MAX_SOURCES} sources: [{}] is left out", quoted(name)))
        } else {
            None
        }
    }

    /// Two sources that would fight for names, of files or of variables.
    fn compare_sources(&self, problems: &mut Problems) {
        let mut files: HashMap<(PathBuf, &str), &str> = HashMap::new();
        let mut variables: HashMap<String, &str> = HashMap::new();
        for source in &self.sources {
            let name = quoted(&source.name);
            let lane = &source.lane;
            let place = (real_path(&lane.output_directory), lane.filename_pattern.as_str());
            if let Some(other) = files.insert(place, &source.name) {
                let text = format!(
                    "[{name}] and [{}] write the same filename_pattern into the same folder: their files differ only by -2, -3 …",
                    quoted(other)
                );
                problems.warn(source.line, &source.name, text);
            }
            if let Some(other) = variables.insert(environment::override_name(&source.name, ""), &source.name) {
                let text = format!("[{name}] and [{}] have the same names in the environment", quoted(other));
                problems.warn(source.line, &source.name, text);
            }
        }
    }

    /// A source that is not there, or cannot be heard, is not: that is no reason to record nothing.
    fn find_monitored(&mut self, report: &mut Report) {
        let Some(name) = &self.general.monitor else { return };
        let why = match self.sources.iter().find(|source| source.name == *name) {
            Some(SourceConfig { kind: SourceKind::Stream { .. }, .. }) => "is a station, which is not heard here".to_owned(),
            Some(_) => return,
            None => {
                let near = nearest::nearest(name, self.sources.iter().map(|source| source.name.as_str()));
                format!("is no source{}", reader::did_you_mean(near))
            }
        };
        let text = format!("monitor: [{}] {why}", quoted(name));
        report.problems.warn(report.line_of("general", "monitor"), "general", text);
        self.general.monitor = None;
    }

    fn expect_sources(&self, problems: &mut Problems) {
        if !self.sources.is_empty() {
        } else if self.broken_sources.is_empty() {
            problems.error(0, "", format!("no source: add a section such as [mic] with type = {}", SourceType::WANTS));
        } else {
            problems.error(0, "", "no source is left: each of them has an error");
        }
    }
}

/// One byte more than is allowed, at most.
fn read_limited(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let mut bytes = Vec::new();
    file.take(ini::MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
