//! Runs a program for each recording that is finished and analysed, one at a time and at low priority.
//!
//! A side consumer with a bounded queue that nobody waits for. The folder is the truth: what did not fit into the queue, what a kill
//! or a power cut came between, and what was analysed late is found there when nothing else is to be done. That a program was run
//! for a recording, and how it ended, stands in the recording's sidecar, so it is run once.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use async_channel::Receiver;

use crate::device::Fault;
use crate::device::program::{self, Ended};
use crate::policy::hook::Lines;
use crate::status::{ActorStatus, Alarm, Machine, State};

/// Recordings that may wait; more are found in the folder.
pub const INBOX: usize = 64;
/// After the start everything else comes first.
const FIRST_LOOK: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_secs(600);

/// What is to be run for one recording.
#[derive(Clone, Debug)]
pub struct Job {
    pub source: Arc<str>,
    pub file: PathBuf,
    /// Path and arguments.
    pub words: Vec<String>,
    /// In which it runs.
    pub folder: PathBuf,
    pub limit: Duration,
}

/// Who knows the recordings.
pub trait Desk: Send {
    /// `None`: nothing is to be run for this file, or it was already, or not yet.
    fn job(&mut self, file: &Path) -> Option<Job>;
    /// Some of those of the last day for which something should have been run.
    fn missed(&mut self) -> Vec<PathBuf>;
    /// It was run.
    fn done(&mut self, job: &Job, ended: &Ended, took: Duration);
}

pub struct Hooks<D> {
    pub desk: D,
    pub inbox: Receiver<PathBuf>,
    pub machine: Arc<Machine>,
    /// The last one failed.
    pub trouble: Arc<Alarm>,
    pub stop: Arc<AtomicBool>,
}

impl<D: Desk> Hooks<D> {
    /// Until nothing is recorded any more.
    pub fn run(&mut self, actor: &ActorStatus) -> Result<(), Fault> {
        let mut look_at = Instant::now() + FIRST_LOOK;
        while !self.stop.load(Relaxed) {
            actor.enter(State::Idle);
            match self.wait(look_at) {
                Ok(Some(file)) => self.attend(&file, actor),
                Err(_) => break,
                Ok(None) => {
                    actor.begin();
                    actor.enter(State::Device); // a large folder on a slow disk
                    let missed = self.desk.missed();
                    self.machine.hooks_missed.fetch_add(missed.len() as u64, Relaxed);
                    missed.iter().for_each(|file| self.attend(file, actor));
                    look_at = Instant::now() + LOOK_EVERY;
                }
            }
        }
        Ok(())
    }

    fn wait(&self, until: Instant) -> Result<Option<PathBuf>, async_channel::RecvError> {
        smol::future::block_on(smol::future::or(async { self.inbox.recv().await.map(Some) }, async {
            smol::Timer::at(until).await;
            Ok(None)
        }))
    }

    fn attend(&mut self, file: &Path, actor: &ActorStatus) {
        actor.begin();
        actor.enter(State::Device);
        if self.stop.load(Relaxed) {
            return;
        }
        let Some(job) = self.desk.job(file) else { return };
        let (began, mut lines) = (Instant::now(), Lines::default());
        let mut tell = |line: &str| log::info!("[{}] {line}", job.source);
        let ended = program::run(&job.words, &job.folder, job.limit, &self.stop, &mut |piece| {
            actor.beat();
            lines.push(piece, &mut tell);
        });
        lines.end(&mut tell);
        if lines.untold > 0 {
            tell(&format!("… and {} lines more", lines.untold));
        }
        let took = began.elapsed();
        self.judge(&job, &ended, took);
        if ended != Ended::Stopped {
            actor.enter(State::Device);
            self.desk.done(&job, &ended, took);
        }
    }

    fn judge(&self, job: &Job, ended: &Ended, took: Duration) {
        let (source, name, seconds) = (&job.source, job.file.display(), took.as_secs_f64());
        let program = job.words.first().map_or("", String::as_str);
        let how = match ended {
            Ended::Stopped => {
                return log::info!("[{source}] {program} was ended: it is run again for {name} after the next start");
            }
            Ended::Exit(0) => {
                self.machine.hooks_run.fetch_add(1, Relaxed);
                if self.trouble.clear() {
                    log::info!("[{source}] {program} works again");
                }
                return log::info!("[{source}] {program} was run for {name} in {seconds:.1} s");
            }
            Ended::Exit(code) => format!("failed with exit status {code}"),
            Ended::Signal(signal) => format!("was ended by signal {signal}"),
            Ended::Overdue => format!("took more than {:.0} s and was ended (on_close_timeout_seconds)", job.limit.as_secs_f64()),
            Ended::NotStarted(why) => format!("cannot be started: {why}"),
        };
        self.machine.hooks_run.fetch_add(1, Relaxed);
        self.machine.hooks_failed.fetch_add(1, Relaxed);
        log::warn!("[{source}] {program} {how}: {name}");
        self.trouble.raise(format_args!("{source}: on_close: {program} {how}"));
    }
}
