//! Keeps the configuration for the page: tells it, checks and writes it, and has the supervisor's lanes follow.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Acquire, Ordering::Release};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_channel::Sender;

use super::{calendar, start};
use crate::actor::http::clerk::Clerk;
use crate::command::check::over_budget;
use crate::config::difference::{Difference, Fate, between};
use crate::config::{Config, Environment, Parsed, Severity, help, mask};
use crate::device::clock::{Clock, RealClock};
use crate::device::settings_file;
use crate::message::settings::{Applied, Calendar, Door, Group, Problem, Settings, Unchanged, Value};

/// What the lanes are to be from now on.
pub struct Change {
    pub config: Config,
    pub difference: Difference,
}

/// Changes that may wait for the supervisor.
pub const CHANGES: usize = 8;

pub struct Keeper {
    /// `None`: what is recorded was not configured by a file.
    path: Option<PathBuf>,
    environment: Environment,
    state: Mutex<State>,
    changes: Sender<Change>,
    /// The page's password as it holds now, and its version, which is looked at with each request.
    door: Mutex<Door>,
    version: AtomicU32,
    /// Of revisions: what they are made of cannot be guessed from them.
    seal: RandomState,
}

struct State {
    /// What was decided with at the start.
    started: Parsed,
    /// What the lanes are told to be.
    applied: Parsed,
}

const NO_FILE: &str = "This recorder was started without a configuration file (record --demo): there is none to change.";

impl Keeper {
    pub fn new(path: Option<PathBuf>, environment: Environment, started: Parsed, changes: Sender<Change>) -> Keeper {
        let state = Mutex::new(State { applied: started.clone(), started });
        let (door, version) = Default::default();
        Keeper { path, environment, state, changes, door, version, seal: RandomState::new() }
    }

    /// Has the file hold that somebody else has changed: SIGHUP.
    pub fn reload(&self) {
        let Some(path) = &self.path else { return log::warn!("{NO_FILE}") };
        match Config::load(path, &self.environment) {
            Err(why) => log::error!("{why}: everything stays as it is"),
            Ok(parsed) => {
                parsed.problems.iter().for_each(|problem| match problem.severity {
                    Severity::Error => log::error!("{problem}"),
                    Severity::Warning => log::warn!("{problem}"),
                });
                let budget = budget_problem(&parsed);
                if let Some(problem) = &budget {
                    log::error!("{}", problem.text);
                }
                if parsed.has_errors() || budget.is_some() {
                    return log::error!("{}: has errors: everything stays as it is", path.display());
                }
                if self.apply(&mut self.state(), parsed).is_err() {
                    log::error!("the recorder is busy with another change: try again");
                }
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self) -> Result<&Path, String> {
        self.path.as_deref().ok_or_else(|| NO_FILE.to_owned())
    }

    fn read(&self) -> Result<(&Path, String), String> {
        let path = self.path()?;
        let name = path.display();
        let bytes = fs::read(path).map_err(|e| format!("{name} cannot be read: {e}."))?;
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").map(<[u8]>::to_vec).unwrap_or(bytes);
        let text = String::from_utf8(bytes).map_err(|_| format!("{name} is not UTF-8: save it as UTF-8 to change it here."))?;
        Ok((path, text))
    }

    fn revision(&self, text: &str) -> String {
        format!("{:016x}", self.seal.hash_one(text))
    }

    fn parse(&self, text: &str) -> Parsed {
        let name = self.path.as_deref().map_or_else(|| "demo".to_owned(), |path| path.display().to_string());
        Config::parse(text.as_bytes(), &name, &self.environment)
    }

    /// With its secrets again, and all that is wrong with it.
    fn understood(&self, text: &str, old: &str) -> (String, Option<Parsed>, Vec<Problem>) {
        let text = text.replace("\r\n", "\n");
        let text = if old.contains("\r\n") { text.replace('\n', "\r\n") } else { text };
        match mask::unmasked(&text, old) {
            Ok(text) => {
                let parsed = self.parse(&text);
                let problems = problems(&parsed).into_iter().chain(budget_problem(&parsed)).collect();
                (text, Some(parsed), problems)
            }
            Err(lost) => {
                let lost = lost.into_iter().map(|lost| Problem {
                    line: lost.line,
                    is_error: true,
                    section: lost.section,
                    text: lost.text,
                });
                let mut all: Vec<Problem> = problems(&self.parse(&text));
                all.extend(lost);
                all.sort_by_key(|problem| if problem.line == 0 { u32::MAX } else { problem.line });
                (text, None, all)
            }
        }
    }

    fn write(
        &self,
        wanted: impl FnOnce(&Path) -> Result<String, Unchanged>,
        revision: Option<&str>,
    ) -> Result<Applied, Unchanged> {
        // One change at a time, from reading to having it hold.
        let mut state = self.state();
        let (path, old) = self.read().map_err(Unchanged::Locked)?;
        if revision.is_some_and(|revision| revision != self.revision(&old)) {
            return Err(Unchanged::Stale);
        }
        if let Some(why) = settings_file::trouble(path) {
            return Err(Unchanged::Locked(why));
        }
        let (text, parsed, problems) = self.understood(&wanted(path)?, &old);
        let parsed = match parsed {
            Some(parsed) if !problems.iter().any(|problem| problem.is_error) => parsed,
            _ => return Err(Unchanged::Wrong(problems)),
        };
        if self.changes.is_full() {
            return Err(Unchanged::Failed("The recorder is busy with another change: try again in a moment.".into()));
        }
        if text != old {
            let failed = |e| Unchanged::Failed(format!("{} could not be written: {e}.", path.display()));
            settings_file::replace(path, old.as_bytes(), text.as_bytes()).map_err(failed)?;
            log::info!("{}: changed on the page; the old one is {}", path.display(), settings_file::backup(path).display());
        }
        let mut applied = self.apply(&mut state, parsed).map_err(|why| Unchanged::Failed(why.into()))?;
        (applied.revision, applied.problems) = (self.revision(&text), problems);
        Ok(applied)
    }

    fn apply(&self, state: &mut State, parsed: Parsed) -> Result<Applied, &'static str> {
        let difference = between(&state.applied, &parsed);
        let mut applied = Applied {
            changed: difference.sources(|fate| matches!(fate, Fate::Changed(_) | Fate::Moved(_))),
            new: difference.sources(|fate| *fate == Fate::New),
            gone: difference.sources(|fate| *fate == Fate::Gone),
            at_once: difference.at_once.clone(),
            restart_needed: between(&state.started, &parsed).restart_needed,
            ..Applied::default()
        };
        if difference.at_once.iter().any(|key| key == "general.log_level") {
            crate::logging::set_level(parsed.config.general.log_level);
        }
        if difference.at_once.iter().any(|key| key.starts_with("web.")) {
            let (web, mut door) = (&parsed.config.web, self.door.lock().unwrap_or_else(PoisonError::into_inner));
            let hash = web.password_hash.as_ref().map(|hash| hash.expose().to_owned());
            *door = Door { version: door.version.wrapping_add(1), hash, session_hours: web.session_hours };
            self.version.store(door.version, Release);
        }
        let change = Change { config: parsed.config.clone(), difference };
        if self.changes.try_send(change).is_err() {
            // Nothing is recorded any more: the program ends.
            let sources = [&mut applied.changed, &mut applied.new, &mut applied.gone].into_iter().flat_map(std::mem::take);
            let sources: Vec<String> = sources.collect();
            applied.restart_needed.extend(sources);
        }
        state.applied = parsed;
        Ok(applied)
    }
}

fn problems(parsed: &Parsed) -> Vec<Problem> {
    let one = |problem: &crate::config::Problem| Problem {
        line: problem.line,
        is_error: problem.severity == Severity::Error,
        section: problem.section.clone(),
        text: problem.text.clone(),
    };
    parsed.problems.iter().map(one).collect()
}

fn budget_problem(parsed: &Parsed) -> Option<Problem> {
    let budget_mb = parsed.config.general.memory_budget_mb;
    let bytes = start::table(&parsed.config).within((budget_mb as usize) << 20).bytes();
    (bytes as u64 > u64::from(budget_mb) << 20).then(|| Problem {
        line: 0,
        is_error: true,
        section: "general".into(),
        text: over_budget(bytes, budget_mb),
    })
}

impl Clerk for Keeper {
    fn look(&self) -> Result<Settings, String> {
        let (path, text) = match &self.path {
            None => (None, Config::DEMO.to_owned()),
            Some(_) => self.read().map(|(path, text)| (Some(path), text))?,
        };
        let parsed = self.parse(&text);
        let state = self.state();
        let pending = between(&state.applied, &parsed);
        let mut restart_needed: BTreeSet<String> = between(&state.started, &parsed).restart_needed.into_iter().collect();
        // Changed by another hand, and nobody was told.
        for (name, fate) in &pending.sources {
            match fate {
                Fate::Unchanged => {}
                Fate::Changed(keys) | Fate::Moved(keys) => restart_needed.extend(keys.iter().map(|key| format!("{name}.{key}"))),
                Fate::New | Fate::Gone => _ = restart_needed.insert(name.clone()),
            }
        }
        if path.is_none() {
            restart_needed.clear();
        }
        let value = |line: &crate::config::reader::Effective| Value {
            section: line.section.clone(),
            key: line.key,
            value: line.value.clone(),
            origin: line.origin.to_string(),
        };
        Ok(Settings {
            file: path.map_or_else(|| "demo".to_owned(), |path| path.display().to_string()),
            text: mask::masked(&text),
            revision: self.revision(&text),
            locked: path.map_or_else(|| Some(NO_FILE.to_owned()), settings_file::trouble),
            has_backup: path.is_some_and(|path| settings_file::backup(path).is_file()),
            values: parsed.effective.iter().map(value).collect(),
            problems: problems(&parsed).into_iter().chain(budget_problem(&parsed)).collect(),
            restart_needed: restart_needed.into_iter().collect(),
        })
    }

    fn groups(&self) -> Vec<Group> {
        help::groups()
    }

    fn check(&self, text: &str) -> Vec<Problem> {
        let old = self.read().map(|(_, old)| old).unwrap_or_default();
        self.understood(text, &old).2
    }

    fn change(&self, text: &str, revision: Option<&str>) -> Result<Applied, Unchanged> {
        self.write(|_| Ok(text.to_owned()), revision)
    }

    fn undo(&self, revision: Option<&str>) -> Result<Applied, Unchanged> {
        let backup = |path: &Path| {
            let backup = settings_file::backup(path);
            let gone = |e| Unchanged::Locked(format!("There is nothing to go back to: {}: {e}.", backup.display()));
            fs::read_to_string(&backup).map_err(gone)
        };
        self.write(backup, revision)
    }

    fn door(&self, seen: u32) -> Option<Door> {
        let is_new = self.version.load(Acquire) != seen;
        is_new.then(|| self.door.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn calendar(&self) -> Vec<Calendar> {
        calendar::of(&self.state().applied.config, RealClock.look().wall)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[web]\nenabled = no\n[mic]\ntype = tone\n[radio]\ntype = stream\nurl = http://h/\npassword = hunter2\n\
                        filename_pattern = r%H%M%S\n";

    struct Desk {
        keeper: Keeper,
        changes: async_channel::Receiver<Change>,
        path: PathBuf,
        _folder: tempfile::TempDir,
    }

    fn desk(text: &str) -> Desk {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("soundpost.ini");
        fs::write(&path, text).expect("written");
        let environment = Environment::default();
        let started = Config::load(&path, &environment).expect("readable");
        let (changes_in, changes) = async_channel::bounded(CHANGES);
        Desk { keeper: Keeper::new(Some(path.clone()), environment, started, changes_in), changes, path, _folder: folder }
    }

    impl Desk {
        fn revision(&self) -> String {
            self.keeper.look().expect("readable").revision
        }

        fn text(&self) -> String {
            fs::read_to_string(&self.path).expect("there")
        }

        /// What the lanes were told, each as `mic Changed(["hz"])`.
        fn told(&self) -> Vec<String> {
            let change = self.changes.try_recv().expect("told");
            let sources = change.difference.sources.iter().filter(|(_, fate)| *fate != Fate::Unchanged);
            sources.map(|(name, fate)| format!("{name} {fate:?}")).collect()
        }
    }

    #[test]
    fn a_change_is_written_and_told_and_can_be_undone() {
        let desk = desk(TEXT);
        let shown = desk.keeper.look().expect("readable");
        assert!(shown.text.contains("password = ***") && !shown.text.contains("hunter2") && shown.locked.is_none());
        assert!(!shown.has_backup && shown.problems.is_empty() && shown.restart_needed.is_empty());
        let wanted = shown.text.replace("type = tone\n", "type = tone\nhz = 440\n").replace("[web]", "[web]\nport = 81");
        let applied = desk.keeper.change(&wanted, Some(&shown.revision)).expect("changed");
        assert_eq!((applied.changed, applied.restart_needed), (vec!["mic".to_owned()], vec!["web.port".to_owned()]));
        assert_eq!(desk.told(), [r#"mic Changed(["hz"])"#]);
        assert!(desk.text().contains("hz = 440") && desk.text().contains("password = hunter2"));
        // Until the next start that stays so, whatever else is changed.
        assert_eq!(desk.keeper.look().expect("readable").restart_needed, ["web.port"]);
        let undone = desk.keeper.undo(Some(&desk.revision())).expect("undone");
        assert_eq!((desk.text().as_str(), undone.restart_needed.len()), (TEXT, 0));
        assert_eq!(desk.told(), [r#"mic Changed(["hz"])"#]);
        desk.keeper.undo(None).expect("undone once more");
        assert!(desk.text().contains("hz = 440"));
    }

    #[test]
    fn what_is_wrong_is_not_written() {
        let desk = desk(TEXT);
        let refused = |text: &str| match desk.keeper.change(text, None) {
            Err(Unchanged::Wrong(problems)) => {
                let errors = problems.iter().filter(|problem| problem.is_error);
                errors.map(|problem| format!("{}: {}", problem.line, problem.text)).collect::<Vec<_>>().join(" | ")
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(&TEXT.replace("= tone", "= tone\nhz = high")), "5: hz = high: want Hz, 1 to 384000");
        assert!(refused("").starts_with("0: no source"));
        assert!(refused("[mic]\ntype = stream\nurl = http://h/\npassword = ***\n").starts_with("4: *** stands for no secret"));
        let huge = format!("[general]\npool_seconds = 600\nmemory_budget_mb = 8\n{TEXT}");
        assert!(refused(&huge).starts_with("0: the sources need "), "{}", refused(&huge));
        assert_eq!(desk.keeper.change(TEXT, Some("another")), Err(Unchanged::Stale));
        assert_eq!((desk.text().as_str(), desk.changes.len()), (TEXT, 0));
        assert!(matches!(desk.keeper.undo(None), Err(Unchanged::Locked(_))), "there is nothing to go back to");
        // A warning passes.
        assert!(desk.keeper.change(&format!("{TEXT}colour = red\n"), None).is_ok_and(|applied| applied.problems.len() == 1));
    }

    #[test]
    fn without_a_file_nothing_is_changed() {
        let parsed = Config::parse(Config::DEMO.as_bytes(), "demo", &Environment::default());
        let keeper = Keeper::new(None, Environment::default(), parsed, async_channel::bounded(1).0);
        let shown = keeper.look().expect("told all the same");
        assert_eq!((shown.text.as_str(), shown.locked.as_deref()), (Config::DEMO, Some(NO_FILE)));
        assert_eq!(keeper.change(Config::DEMO, None), Err(Unchanged::Locked(NO_FILE.into())));
    }

    #[test]
    fn a_file_that_another_hand_changed_holds_when_it_is_told_so() {
        let desk = desk(TEXT);
        fs::write(&desk.path, TEXT.replace("= tone", "= tone\ndbfs = -6")).expect("written");
        assert_eq!(desk.keeper.look().expect("readable").restart_needed, ["mic.dbfs"]);
        desk.keeper.reload();
        assert_eq!(desk.told(), [r#"mic Changed(["dbfs"])"#]);
        assert!(desk.keeper.look().expect("readable").restart_needed.is_empty());
        fs::write(&desk.path, "[mic]\ntype = toon\n").expect("written");
        desk.keeper.reload();
        assert_eq!(desk.changes.len(), 0);
    }
}
