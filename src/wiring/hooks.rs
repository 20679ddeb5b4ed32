//! The seat of the programs that are run for finished recordings, and what it knows of recordings: their sidecars.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_channel::Sender;
use serde_json::{Value, json};

use super::retention::analyses;
use super::start;
use crate::actor::hooks::{Desk, Hooks, INBOX, Job};
use crate::actor::librarian::shelf::{SECOND, SIDECAR, Shelf};
use crate::config::source::OnClose;
use crate::config::{Config, SourceConfig};
use crate::device::clock::{Clock, RealClock};
use crate::device::disk::real_path;
use crate::device::folder;
use crate::device::program::Ended;
use crate::device::turns::Turns;
use crate::format::sidecar::rfc3339;
use crate::policy::hook::Names;
use crate::status::{ActorStatus, Alarm, Alarms, Machine};
use crate::supervisor::{Body, Seat};
use crate::time::{SECOND_NS, Wall};

pub const STACK: usize = 192 << 10;
/// A disk may stand still for so long; a program that runs is looked at all the time.
const LIMIT_MS: u64 = 120_000;
/// Key of the sidecar: that a program was run, and how it ended.
pub const KEY: &str = "on_close";
/// A recording that was not analysed by then never will be.
const PATIENCE_NS: i64 = 15 * 60 * SECOND_NS;
/// What is older is left alone: a program that was configured today is not run for the recordings of a year.
const LATEST_NS: i64 = 24 * 3_600 * SECOND_NS;
/// Taken up in one look.
const MOST_MISSED: usize = 64;

pub fn is_wanted(config: &Config) -> bool {
    start::recorded(config).any(|source| source.lane.on_close.is_some())
}

/// Who runs programs, and hears of sources that come later. It has a seat from the first source on that wants one.
pub struct Post {
    book: Arc<Mutex<Book>>,
    /// Until it has a seat.
    hooks: Option<Hooks<Sidecars>>,
}

impl Post {
    /// And where finished recordings are to be told. `told`: whoever wants to hear of a sidecar that has changed.
    pub fn new(
        config: &Config,
        (alarms, machine): (&Alarms, &Arc<Machine>),
        (stop, turns): (&Arc<AtomicBool>, &Arc<Turns>),
        told: Sender<PathBuf>,
    ) -> (Post, Sender<PathBuf>) {
        let (finished, inbox) = async_channel::bounded(INBOX);
        let trouble: Arc<Alarm> = Arc::default();
        alarms.watch("", &trouble);
        let book: Arc<Mutex<Book>> = Arc::default();
        let desk = Sidecars { book: book.clone(), turns: turns.clone(), told };
        let hooks = Hooks { desk, inbox, machine: machine.clone(), trouble, stop: stop.clone() };
        let post = Post { book, hooks: Some(hooks) };
        start::recorded(config).for_each(|source| post.enter(config, source));
        (post, finished)
    }

    /// The seat, once: when a source wants it.
    pub fn seat(&mut self) -> Option<Seat> {
        if open(&self.book).programs.is_empty() {
            return None;
        }
        let hooks = self.hooks.take()?;
        // What was told before there was a program is not for it.
        while hooks.inbox.try_recv().is_ok() {}
        // One at a time, whatever becomes of its predecessor.
        let hooks = Arc::new(Mutex::new(hooks));
        let actor = Arc::new(ActorStatus::default());
        let row = actor.clone();
        let make = move || -> Body {
            let (hooks, row) = (hooks.clone(), row.clone());
            Box::new(move || hooks.lock().unwrap_or_else(PoisonError::into_inner).run(&row))
        };
        Some(Seat::side("hooks", actor, (STACK, LIMIT_MS), make))
    }

    /// A source that is recorded from now on. What one that has gone left keeps its program.
    pub fn enter(&self, config: &Config, source: &SourceConfig) {
        let mut book = open(&self.book);
        let Some(on_close) = &source.lane.on_close else {
            book.programs.remove(&source.name);
            return;
        };
        book.programs.insert(source.name.clone(), on_close.clone());
        let root = real_path(&source.lane.output_directory);
        let shelf = Shelf { analyses: analyses(config, &root), root };
        if !book.shelves.contains(&shelf) {
            book.shelves.push(shelf);
        }
    }
}

#[derive(Default)]
struct Book {
    /// Of each source that has one.
    programs: HashMap<String, OnClose>,
    shelves: Vec<Shelf>,
}

fn open(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Sidecars {
    book: Arc<Mutex<Book>>,
    turns: Arc<Turns>,
    told: Sender<PathBuf>,
}

impl Sidecars {
    fn place<'a>(&self, file: &'a Path) -> Option<(Shelf, &'a str)> {
        let below = |shelf: &Shelf| file.strip_prefix(&shelf.root).ok().and_then(Path::to_str);
        open(&self.book).shelves.iter().find_map(|shelf| below(shelf).map(|name| (shelf.clone(), name)))
    }

    fn job_at(&self, file: &Path, now: Wall) -> Option<Job> {
        let (shelf, name) = self.place(file)?;
        let sidecar = shelf.sidecar(name)?;
        let on_close = open(&self.book).programs.get(&sidecar.source)?.clone();
        let other = &sidecar.other;
        // A piece of a recording that somebody kept is not looked through again.
        if sidecar.is_begun() || other.contains_key(KEY) || other.contains_key("mark") || other.contains_key("piece_of") {
            return None;
        }
        let found = folder::look(&shelf.root, name).filter(|found| !found.is_part)?;
        if sidecar.sections.is_none() && now.since(found.modified) < PATIENCE_NS {
            return None;
        }
        let beside = [SIDECAR, SECOND].map(|ending| shelf.beside(name, ending));
        let own = beside.iter().find(|path| shelf.is_own(path)).unwrap_or(&beside[0]); // there are two
        let result = shelf.beside(name, "");
        let [file_text, own, result] = [file, own, &result].map(|path| path.to_string_lossy().into_owned());
        let names = Names { file: &file_text, sidecar: &own, result: &result, source: &sidecar.source };
        Some(Job {
            source: sidecar.source.as_str().into(),
            file: file.to_owned(),
            words: on_close.program.words(names),
            folder: shelf.root.clone(),
            limit: Duration::from_secs_f64(on_close.timeout_seconds),
        })
    }
}

impl Desk for Sidecars {
    fn job(&mut self, file: &Path) -> Option<Job> {
        self.job_at(file, RealClock.look().wall)
    }

    fn missed(&mut self) -> Vec<PathBuf> {
        let (now, mut missed) = (RealClock.look().wall, Vec::new());
        let shelves = open(&self.book).shelves.clone();
        for shelf in &shelves {
            let mut visit = |found: folder::Found<'_>| {
                let is_recent = (0..LATEST_NS).contains(&now.since(found.modified));
                let path = shelf.root.join(found.name);
                if is_recent && !found.is_part && self.job_at(&path, now).is_some() {
                    missed.push(path);
                }
                if missed.len() < MOST_MISSED { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            };
            if let Err(e) = folder::walk(&shelf.root, &shelf.analyses, &mut visit, &mut |_| ()) {
                log::debug!("{}: not looked through: {e}", shelf.root.display());
            }
        }
        missed
    }

    fn done(&mut self, job: &Job, ended: &Ended, took: Duration) {
        let Some((shelf, name)) = self.place(&job.file) else { return };
        let turn = self.turns.wait(&shelf.beside(name, SIDECAR));
        // It may be gone by now, and its sidecar with it.
        let (Some(mut sidecar), Some(_)) = (shelf.sidecar(name), folder::look(&shelf.root, name)) else { return };
        let (code, why) = match ended {
            Ended::Exit(code) => (Value::from(*code), Value::Null),
            Ended::Signal(signal) => (Value::Null, format!("signal {signal}").into()),
            Ended::Overdue => (Value::Null, "overdue".into()),
            Ended::Stopped => return,
            Ended::NotStarted(why) => (Value::Null, why.as_str().into()),
        };
        let seconds = (took.as_secs_f64() * 1_000.0).round() / 1_000.0;
        let at = rfc3339(RealClock.look().wall);
        let entry = json!({"program": job.words.first(), "exit": code, "trouble": why, "seconds": seconds, "at": at});
        sidecar.other.insert(KEY.to_owned(), entry);
        if let Err(e) = shelf.put_sidecar(name, &sidecar) {
            log::warn!("{name}: its sidecar does not say that on_close was run ({e}): it may be run again");
        }
        drop(turn);
        // Who misses it finds the change at the next look through the folder.
        let _ = self.told.try_send(job.file.clone());
    }
}
