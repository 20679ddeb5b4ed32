//! Recordings that nobody has analysed yet: streams, files that others made, what the taps lost. One after the other, the newest
//! first, when nothing more urgent wants the processor.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use async_channel::Sender;

use crate::actor::analyser::Reading;
use crate::actor::side;
use crate::device::disk::RealDisk;
use crate::message::analysis::Detection;
use crate::message::library::{Answer, Ask, Found, Trouble, Wish};
use crate::signal::{Scope, sections};
use crate::status::{ActorStatus, State};

/// They are counted again after so many.
const COUNT_EVERY: u64 = 100;

/// How far it is, in recordings.
#[derive(Debug, Default)]
pub struct Progress {
    pub done: AtomicU64,
    pub total: AtomicU64,
}

pub struct Backlog {
    pub root: PathBuf,
    pub detection: Detection,
    /// Somebody else may be about to tell of a recording: it is waited for a little while.
    pub is_patient: bool,
    pub asks: Sender<Ask>,
    pub progress: Arc<Progress>,
    pub actor: Arc<ActorStatus>,
    pub stop: Arc<AtomicBool>,
}

impl Backlog {
    /// Until it is to stop, or nobody answers any more. `life` is the one that the thread was started for.
    pub fn run(&self, life: u32) {
        // What is recorded comes first.
        let _ = rustix::process::setpriority_process(None, 15);
        let (mut waited_for, mut counted_at) = (String::new(), None);
        while self.goes_on(life) {
            self.actor.begin();
            let done = self.progress.done.load(Relaxed);
            let count = counted_at.is_none_or(|at| done - at >= COUNT_EVERY || done >= self.progress.total.load(Relaxed));
            let Some((name, waiting)) = self.next(count) else {
                self.progress.total.store(done, Relaxed);
                counted_at = None;
                self.rest(life);
                continue;
            };
            if self.is_patient && name != waited_for {
                waited_for = name;
                self.rest(life);
                continue;
            }
            if let Some(waiting) = waiting {
                self.progress.total.store(done + waiting, Relaxed);
                counted_at = Some(done);
            }
            let wish = match self.analyse(&name, life) {
                Ok(Some(found)) => Wish::Analysed { name, found: Box::new(found) },
                Ok(None) => return,
                Err(why) => {
                    log::warn!(target: "analyser", "{name}: not analysed: {why}");
                    Wish::Unfit { name, why }
                }
            };
            self.progress.done.fetch_add(1, Relaxed);
            match self.ask(wish) {
                Ok(_) | Err(Trouble::Absent | Trouble::Open) => {}
                Err(_) => self.rest(life),
            }
        }
    }

    fn goes_on(&self, life: u32) -> bool {
        side::goes_on(&self.actor, &self.stop, life) && !self.asks.is_closed()
    }

    fn rest(&self, life: u32) {
        side::rest(&self.actor, || self.goes_on(life));
    }

    /// The newest, and how many there are if they are to be counted.
    fn next(&self, count: bool) -> Option<(String, Option<u64>)> {
        let Ok(Answer::Next { name, waiting }) = self.ask(Wish::Next { count }) else { return None };
        Some((name?, waiting))
    }

    fn ask(&self, wish: Wish) -> Result<Answer, Trouble> {
        side::ask(&self.actor, &self.asks, wish, State::Busy)
    }

    /// `None` when it is to stop.
    fn analyse(&self, name: &str, life: u32) -> Result<Option<Found>, String> {
        let file = RealDisk.open_to_read(&self.root.join(name)).map_err(|e| e.to_string())?;
        let mut reading =
            Reading::open(Box::new(file), super::library::extension(name), Scope::ALL).map_err(|e| e.to_string())?;
        while reading.step().map_err(|e| e.to_string())? {
            self.actor.beat();
            if !self.goes_on(life) {
                return Ok(None);
            }
        }
        if reading.frames() == 0 {
            return Err("there is no sound in it".into());
        }
        let (info, frames) = (reading.info(), reading.frames());
        let analysis = reading.finish();
        let sections = sections(&analysis.profile, &self.detection);
        let sound = Some((info.rate_hz, info.channels, frames));
        Ok(Some(Found { analysis, detection: self.detection, sections, sound }))
    }
}
