//! What a message does to the lanes and folders, when the disk takes it. Nothing waits here: what the disk refuses comes back.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::correct::Unsynced;
use super::lane::{Lane, Tail, gap_between};
use super::naming::Places;
use super::repair::Job;
use super::restart::Restart;
use super::root::Root;
use super::steps::is_done;
use super::{Formats, LaneSettings, Settings};
use crate::device::Fault;
use crate::device::disk::{Disk, DiskFile};
use crate::device::turns::Turns;
use crate::message::library::{Ask, Wish};
use crate::message::{Cause, Container, Reason};
use crate::status::{Alarm, LaneStatus};
use crate::time::Mono;

/// Lanes of a folder from which on they are many.
pub const MANY: usize = 8;

pub struct Core<D: Disk> {
    pub disk: D,
    pub lanes: Vec<Lane<D::File>>,
    pub roots: Vec<Root<D>>,
    pub unsynced: Unsynced,
    pub formats: Formats,
    pub recorded: Vec<async_channel::Sender<PathBuf>>,
    pub turns: Arc<Turns>,
}

impl<D: Disk> Core<D> {
    /// Every folder is opened, or a line says why not; it is tried again later.
    pub fn new(disk: D, settings: Settings) -> (Core<D>, Vec<Fault>) {
        let mut roots: Vec<Root<D>> = Vec::new();
        let mut lanes = Vec::new();
        let rows: Vec<(PathBuf, Option<PathBuf>)> =
            settings.lanes.iter().map(|lane| (lane.root.clone(), lane.analyses.clone())).collect();
        for lane in settings.lanes {
            let is_shared = |dir: &PathBuf| rows.iter().any(|(root, other)| *root != lane.root && other.as_ref() == Some(dir));
            let places = match lane.analyses {
                Some(dir) if is_shared(&dir) => Places::shared(lane.root, &dir),
                analyses => Places::new(lane.root, analyses),
            };
            let root = roots.iter().position(|root| root.files.places.root == places.root).unwrap_or_else(|| {
                roots.push(Root::new(places));
                roots.len() - 1
            });
            lanes.push(Lane {
                source: lane.source,
                root,
                sync_ns: lane.sync_ns.max(1),
                cue: lane.cue,
                schedule: lane.schedule,
                rename: lane.rename,
                status: lane.status,
                short: lane.short,
                open: None,
                prepared: None,
                restart: Restart::Waiting,
                orphans: 0,
                known_lost: 0,
                tail: None,
            });
        }
        let mut core = Core {
            disk,
            lanes,
            roots,
            unsynced: Unsynced::default(),
            formats: settings.formats,
            recorded: settings.recorded,
            turns: settings.turns,
        };
        let faults = (0..core.roots.len()).filter_map(|root| core.open_root(root).err()).collect();
        (core, faults)
    }

    /// One more lane. Its folder is opened, if it is another one; should that fail, it is tried again later.
    pub fn add(&mut self, settings: LaneSettings) {
        let dir = settings.analyses.as_ref();
        let is_shared = dir.is_some_and(|_| self.roots.iter().any(|root| root.files.places.root != settings.root));
        let places = match settings.analyses {
            Some(dir) if is_shared => Places::shared(settings.root, &dir),
            analyses => Places::new(settings.root, analyses),
        };
        let known = self.roots.iter().position(|root| root.files.places.root == places.root);
        let root = known.unwrap_or(self.roots.len());
        // In a folder that has been looked through, there is nothing to be told of the time before it.
        let restart = if known.is_some() { Restart::Done } else { Restart::Waiting };
        let (sync_ns, cue, status) = (settings.sync_ns.max(1), settings.cue, settings.status);
        self.lanes.push(Lane {
            source: settings.source,
            root,
            sync_ns,
            cue,
            schedule: settings.schedule,
            rename: settings.rename,
            status,
            short: settings.short,
            open: None,
            prepared: None,
            restart,
            orphans: 0,
            known_lost: 0,
            tail: None,
        });
        if known.is_none() {
            self.roots.push(Root::new(places));
            let _ = self.open_root(root); // it has said so itself
        }
    }

    pub fn open_root(&mut self, root: usize) -> Result<(), Fault> {
        let Some(folder) = self.roots.get_mut(root) else { return Ok(()) };
        let here = self.lanes.iter().filter(|lane| lane.root == root);
        let sources: Vec<_> = here.map(|lane| (lane.source.to_string(), lane.schedule.is_some())).collect();
        let result = folder.open(&self.disk, &sources);
        if let Err(fault) = &result {
            if !std::mem::replace(&mut folder.told, true) {
                log::error!(target: "store", "{fault}");
            }
        }
        result
    }

    /// The frames of a file that had to be given up are known now, and so is what went missing after it.
    pub fn settle_job(&mut self, job: Job, frames: u64) {
        let Some(after) = job.after else { return };
        let lane = after.lane;
        let undelivered = after.delivered.saturating_sub(frames);
        let tail = Tail { identity: after.identity, frames, reason: after.reason, faulted: true, pauses: false };
        match after.next {
            Some(next) => {
                if let Some(gap) = gap_between(&tail, after.known_lost, undelivered, &next) {
                    self.enter_gap(lane, gap);
                }
            }
            None => {
                if let Some(of) = self.lanes.get_mut(lane) {
                    of.orphans = of.orphans.saturating_add(undelivered);
                    of.tail = Some(tail);
                }
            }
        }
    }

    pub fn alarm(&self, lane: usize, which: fn(&LaneStatus) -> &Alarm, text: &str) {
        if let Some(of) = self.lanes.get(lane) {
            of.status.alarms.fetch_add(1, Relaxed);
            which(&of.status).raise(text);
            log::error!(target: "store", "{}: {text}", of.source);
        }
    }

    /// A hint: should the queue be full, the next failure says it again.
    pub fn ask_for_room(&self, lane: usize) {
        if let Some(short) = self.lanes.get(lane).and_then(|of| of.short.as_ref()) {
            let _ = short.try_send(Ask { wish: Wish::Room, reply: None });
        }
    }

    /// The disk has kept something of this lane: unless a file still cannot be finished, an alarm about that is over.
    pub fn all_is_well(&self, lane: usize) {
        let is_stuck = self.roots.iter().flat_map(|root| &root.closings).any(|closing| closing.is_stuck(lane));
        if let Some(of) = self.lanes.get(lane).filter(|of| !is_stuck && of.status.finish.is_raised()) {
            of.status.finish.clear();
            log::info!(target: "store", "{}: the disk keeps what it is given again", of.source);
        }
    }

    /// Everything that is still open at the end, so that nothing is left for a repair.
    pub fn end_lane(&mut self, lane: usize) {
        self.give_up(lane, Cause::Fault, Reason::Fault);
        if let Some(of) = self.lanes.get_mut(lane) {
            of.discard_prepared(&self.disk);
        }
    }

    /// A folder in which nothing is left to do says so.
    pub fn close_root(&mut self, root: usize) {
        let Some(root) = self.roots.get_mut(root).filter(|root| root.is_open() && is_done(root)) else { return };
        if let Err(e) = root.close() {
            log::error!(target: "store", "{}: its end is not noted: {e}", root.files.places.root.display());
        }
        root.retry_at = Mono(i64::MAX); // not opened again: this is the end
    }

    /// What was thrown away at the end; true if something was.
    pub fn tell_orphans(&mut self) -> bool {
        let mut told = false;
        for lane in 0..self.lanes.len() {
            if let Some(gap) = self.lanes.get_mut(lane).and_then(|of| of.gap_at_end()) {
                self.enter_gap(lane, gap);
                told = true;
            }
        }
        told
    }

    /// Marks what was synced; a growing WAV's header then vouches for it.
    pub fn synced(&mut self, lane: usize) {
        let formats = &self.formats;
        self.all_is_well(lane);
        let Some(open) = self.lanes.get_mut(lane).and_then(|of| of.open.as_mut()) else { return };
        (open.synced, open.synced_frames, open.dirty) = (open.at, open.frames, false);
        let header = open.new.header_bytes;
        let grows = open.new.identity.format.pcm().filter(|_| open.new.container == Container::Wav);
        let Some(format) = grows else { return };
        if open.synced <= u64::from(header) || !open.patches.is_empty() {
            return;
        }
        for (at, bytes) in (formats.size_patches)(header, open.synced, format.frame_bytes()) {
            // The next sync makes it last; should it fail, the header vouches for less than there is.
            if let Err(e) = open.file.write_at(at, &bytes) {
                log::debug!(target: "store", "{}: header not brought up to date: {e}", open.part.display());
            }
        }
    }
}
