//! Recordings that nobody has analysed yet: streams, files that others made, what the taps or a power cut lost. One after the other,
//! of each folder in turn the newest first, when nothing more urgent wants the processor.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use async_channel::Sender;

use crate::actor::analyser::Reading;
use crate::actor::side;
use crate::device::clock::{Clock, RealClock};
use crate::device::disk::RealDisk;
use crate::message::analysis::Detection;
use crate::message::folders::{Folder, Folders};
use crate::message::library::{Answer, Found, Trouble, Wish};
use crate::signal::{Scope, sections};
use crate::status::{ActorStatus, State};
use crate::time::SECOND_NS;

/// They are counted again after so many.
const COUNT_EVERY: u64 = 100;

/// For so long somebody else may be about to tell what is in a recording.
const FRESH_S: i64 = 2;

/// How far it is, in recordings.
#[derive(Debug, Default)]
pub struct Progress {
    pub done: AtomicU64,
    pub total: AtomicU64,
}

pub struct Backlog {
    pub folders: Arc<Folders>,
    pub detection: Detection,
    /// Somebody else may be about to tell of a recording: it is waited for a little while.
    pub is_patient: bool,
    pub progress: Arc<Progress>,
    /// Who runs programs for recordings, as soon as it is known what is in them; what does not fit is found in the folder.
    pub told: Option<Sender<PathBuf>>,
    pub actor: Arc<ActorStatus>,
    pub stop: Arc<AtomicBool>,
}

/// It got its name a moment ago.
fn is_fresh(path: &Path) -> bool {
    let changed_s = path.symlink_metadata().map_or(i64::MIN, |of| of.ctime());
    (0..FRESH_S).contains(&(RealClock.look().wall.0.div_euclid(SECOND_NS).saturating_sub(changed_s)))
}

/// What comes next.
struct Next {
    /// The number of its folder.
    at: usize,
    folder: Folder,
    name: String,
    /// How many there are in all folders, if they were counted.
    waiting: Option<u64>,
}

impl Backlog {
    /// Until it is to stop, or nobody answers any more. `life` is the one that the thread was started for.
    pub fn run(&self, life: u32) {
        // What is recorded comes first.
        let _ = rustix::process::setpriority_process(None, 15);
        let (mut turn, mut counted_at) = (0, None);
        while self.goes_on(life) {
            self.actor.begin();
            let done = self.progress.done.load(Relaxed);
            let count = counted_at.is_none_or(|at| done - at >= COUNT_EVERY || done >= self.progress.total.load(Relaxed));
            let Some(Next { at, folder, name, waiting }) = self.next(turn, count) else {
                self.progress.total.store(done, Relaxed);
                counted_at = None;
                self.rest(life);
                continue;
            };
            turn = at + 1;
            if self.is_patient && is_fresh(&folder.root.join(&name)) {
                self.rest(life);
                continue;
            }
            if let Some(waiting) = waiting {
                self.progress.total.store(done + waiting, Relaxed);
                counted_at = Some(done);
            }
            let wish = match self.analyse(&folder, &name, life) {
                Ok(Some(found)) => Wish::Analysed { name: name.clone(), found: Box::new(found) },
                Ok(None) => return,
                Err(why) => {
                    log::warn!(target: "analyser", "{name}: not analysed: {why}");
                    Wish::Unfit { name: name.clone(), why }
                }
            };
            self.progress.done.fetch_add(1, Relaxed);
            let path = folder.root.join(&name);
            match self.ask(&folder, wish) {
                Ok(_) => self.told.iter().for_each(|told| _ = told.try_send(path.clone())),
                Err(Trouble::Absent | Trouble::Open) => {}
                Err(_) => self.rest(life),
            }
        }
    }

    fn goes_on(&self, life: u32) -> bool {
        side::goes_on(&self.actor, &self.stop, life) && self.folders.are_kept()
    }

    fn rest(&self, life: u32) {
        side::rest(&self.actor, || self.goes_on(life));
    }

    /// The newest of the first folder that has one, from that of this number on.
    fn next(&self, turn: usize, count: bool) -> Option<Next> {
        let mut folders: Vec<(usize, Folder)> = self.folders.after(0).into_iter().enumerate().collect();
        let first = turn % folders.len().max(1);
        folders.rotate_left(first);
        let (mut found, mut waiting) = (None, None::<u64>);
        for (at, folder) in folders {
            let Ok(Answer::Next { name, waiting: here }) = self.ask(&folder, Wish::Next { count }) else { continue };
            waiting = here.map(|here| here + waiting.unwrap_or(0)).or(waiting);
            found = found.or(name.map(|name| (at, folder, name)));
            if found.is_some() && !count {
                break;
            }
        }
        found.map(|(at, folder, name)| Next { at, folder, name, waiting })
    }

    fn ask(&self, folder: &Folder, wish: Wish) -> Result<Answer, Trouble> {
        side::ask(&self.actor, &folder.asks, wish, State::Busy)
    }

    /// `None` when it is to stop.
    fn analyse(&self, folder: &Folder, name: &str, life: u32) -> Result<Option<Found>, String> {
        let file = RealDisk.open_to_read(&folder.root.join(name)).map_err(|e| e.to_string())?;
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
