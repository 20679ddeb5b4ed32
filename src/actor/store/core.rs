//! What a message does to the lanes and folders, when the disk takes it. Nothing waits here: what the disk refuses comes back.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::begun;
use super::closing::Closing;
use super::correct::{Correction, Unsynced};
use super::lane::{Lane, Refusal, Tail, gap_between, next_sync};
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
use crate::message::{Cause, ClockState, Container, GapEntry, NewFile, Reason, ToStore};
use crate::status::{Alarm, LaneStatus};
use crate::time::Mono;

/// Lanes of a folder from which on they are many.
pub const MANY: usize = 8;

const GATHER_NS: i64 = 500_000_000;

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

    /// Does what the message says, or leaves everything as it was and says what the disk refused.
    pub fn take(&mut self, lane: usize, message: &ToStore, now: Mono) -> Result<(), Refusal> {
        match message {
            ToStore::Prepare(_, new) => self.prepare(lane, new),
            ToStore::Open(_, new) => return self.open(lane, new, now),
            ToStore::Data(_, block) => {
                let lanes = self.lanes.len();
                let Some(of) = self.lanes.get_mut(lane) else { return Ok(()) };
                // From then on others can read whose it is; a header may be many blocks long.
                let has_header =
                    |of: &Lane<D::File>| of.open.as_ref().is_none_or(|open| open.at > u64::from(open.new.header_bytes));
                let had = has_header(of);
                of.append(block)?;
                let begins = !had && has_header(of);
                if let Some(open) = of.open.as_mut().filter(|open| !open.dirty) {
                    open.dirty = true;
                    // Who was synced or opened together with others stays together with them.
                    if open.next_sync <= now || open.next_sync > now.plus_ns(of.sync_ns) {
                        open.next_sync = next_sync(now, lane, lanes, of.sync_ns);
                    }
                }
                if begins {
                    self.begun(lane);
                }
            }
            ToStore::Patch(_, at, block) => {
                if let Some(of) = self.lanes.get_mut(lane) {
                    of.patch(*at, block.bytes());
                }
            }
            ToStore::Close(_, closing) => self.close(lane, closing.clone(), now),
            ToStore::Watching(_, identity) => {
                if let Some(of) = self.lanes.get_mut(lane) {
                    of.restart.begin(identity);
                    if identity.clock == ClockState::Synced {
                        of.restart.trust();
                        self.unsynced.forget(lane, &identity.session);
                    }
                }
            }
            ToStore::Watched(_, watched) => {
                let root = self.lanes.get(lane).map(|of| of.root).and_then(|root| self.roots.get_mut(root));
                root.into_iter().for_each(|root| root.watches.push(lane, watched.clone()));
            }
            ToStore::Gap(_, entry) => self.gap(lane, *entry),
            ToStore::Correct(_, session, by_ns) => self.correct(lane, session, *by_ns),
            ToStore::Analysed(_, analysed) => {
                let root = self.lanes.get(lane).map(|of| of.root).and_then(|root| self.roots.get_mut(root));
                root.into_iter().for_each(|root| root.analyses.push(lane, analysed.clone()));
            }
        }
        Ok(())
    }

    fn prepare(&mut self, lane: usize, new: &NewFile) {
        let Some(of) = self.lanes.get_mut(lane) else { return };
        if let Some(root) = self.roots.get_mut(of.root).filter(|root| root.is_open()) {
            of.prepare(&self.disk, &mut root.files, new);
        }
    }

    fn open(&mut self, lane: usize, new: &NewFile, now: Mono) -> Result<(), Refusal> {
        // An encoder that was started anew knows nothing of its old file.
        self.give_up(lane, Cause::Fault, Reason::Fault);
        let Some(of) = self.lanes.get_mut(lane) else { return Ok(()) };
        let Some(root) = self.roots.get_mut(of.root) else { return Ok(()) };
        if !root.is_open() {
            return Err(Refusal::at(&root.files.places.root)(std::io::Error::other("the folder could not be opened")));
        }
        let mut open = of.create(&self.disk, &mut root.files, new)?;
        begun::begin(&self.disk, &root.files.places, &mut root.files.fresh, &mut open, &self.formats.software);
        of.status.set_file(Some(&open.name));
        of.open = Some(open);
        of.restart.begin(&new.identity);
        if new.identity.clock == ClockState::Synced {
            of.restart.trust();
            self.unsynced.forget(lane, &new.identity.session);
        }
        // Whoever asked for a new file has it now.
        of.status.cut_done();
        // The file before may still wait to be finished; then the finishing tells how much is missing in between.
        match root.jobs.iter_mut().filter_map(|job| job.after.as_mut()).find(|after| after.lane == lane && after.next.is_none()) {
            Some(after) => {
                after.known_lost = of.known_lost;
                after.delivered = after.delivered.saturating_add(of.orphans);
                after.next = Some(new.identity.clone());
                (of.orphans, of.known_lost) = (0, 0);
            }
            None => {
                if let Some(gap) = of.gap_before(&new.identity) {
                    self.enter_gap(lane, gap);
                }
            }
        }
        if let Some(of) = self.lanes.get_mut(lane) {
            let due = now.plus_ns(of.sync_ns);
            of.open.iter_mut().for_each(|open| open.next_sync = due);
        }
        Ok(())
    }

    fn close(&mut self, lane: usize, closing: Box<crate::message::Closing>, now: Mono) {
        let gather_ns = self.gather_ns(lane);
        let Some(of) = self.lanes.get_mut(lane) else { return };
        if of.open.as_ref().is_some_and(|open| open.frames == 0) {
            // Not one frame: it is looked at, and removed.
            return self.give_up(lane, closing.cause, Reason::Fault);
        }
        let Some(open) = of.open.take() else { return };
        of.status.set_file(None);
        if closing.frames != open.frames {
            log::debug!(target: "store", "{}: {} frames counted here, {} by the encoder", open.part.display(), open.frames, closing.frames);
        }
        // Kept until the next file, in case its beginning goes missing.
        of.tail = Some(Tail {
            identity: open.new.identity.clone(),
            frames: closing.frames,
            reason: Reason::Fault,
            faulted: false,
            pauses: closing.cause == Cause::Trigger,
        });
        if let Some(root) = self.roots.get_mut(of.root) {
            root.closings.push_back(Closing::new(lane, open, closing, of.cue, now.plus_ns(gather_ns), now));
        }
    }

    /// How long a file that ended waits for others to end: lanes that share a folder do so at the same hour, not quite at
    /// the same moment.
    fn gather_ns(&self, lane: usize) -> i64 {
        let root = self.lanes.get(lane).map(|of| of.root);
        let lanes = self.lanes.iter().filter(|of| Some(of.root) == root).count();
        if lanes >= MANY { GATHER_NS } else { 0 }
    }

    /// A loss that the lane reports.
    fn gap(&mut self, lane: usize, entry: GapEntry) {
        if let Some(of) = self.lanes.get_mut(lane) {
            of.known_lost = of.known_lost.saturating_add(entry.frames_lost);
            if let Some(open) = &mut of.open {
                // A file with more gaps than it can list tells of the first ones only if it has to be repaired.
                let _ = open.heard.push(entry);
            }
        }
        self.enter_gap(lane, entry);
    }

    /// A line of gaps.csv, and the counters.
    pub fn enter_gap(&mut self, lane: usize, entry: GapEntry) {
        let Some(of) = self.lanes.get(lane) else { return };
        of.status.gaps.fetch_add(1, Relaxed);
        of.status.frames_lost.fetch_add(entry.frames_lost, Relaxed);
        if let Some(root) = self.roots.get_mut(of.root) {
            root.ledger.push(&of.source, entry);
        }
    }

    fn correct(&mut self, lane: usize, session: &Arc<str>, by_ns: i64) {
        let Some(of) = self.lanes.get_mut(lane) else { return };
        let Some(root) = self.roots.get_mut(of.root) else { return };
        let is_meant = |new: &NewFile| new.identity.session == *session && new.identity.clock == ClockState::Unsynced;
        if let Some(open) = of.open.as_mut().filter(|open| is_meant(&open.new)) {
            open.corrected_ns = open.corrected_ns.saturating_add(by_ns);
        }
        for closing in root.closings.iter_mut().filter(|c| c.lane == lane && is_meant(&c.open.new)) {
            if !closing.correct(by_ns) {
                let sidecar = root.files.places.sidecar(&closing.open.name);
                root.corrections.push_back(Correction::new(lane, sidecar, session, by_ns));
            }
        }
        root.watches.correct(lane, session, by_ns);
        for job in &mut root.jobs {
            let identity = job.after.as_ref().filter(|after| after.lane == lane).map(|after| &after.identity);
            if identity.is_some_and(|i| i.session == *session && i.clock == ClockState::Unsynced) {
                job.corrected_ns = job.corrected_ns.saturating_add(by_ns);
            }
        }
        root.corrections
            .extend(self.unsynced.of(lane, session).into_iter().map(|sidecar| Correction::new(lane, sidecar, session, by_ns)));
        for gap in of.restart.correct(session, by_ns, of.schedule.as_ref()) {
            self.enter_gap(lane, gap);
        }
    }

    /// The lane's open file, if any, becomes a recording of what it has; what follows needs a new file.
    pub fn give_up(&mut self, lane: usize, cause: Cause, reason: Reason) {
        let Some(of) = self.lanes.get_mut(lane) else { return };
        if let Some(job) = of.give_up(lane, cause, reason) {
            if let Some(root) = self.roots.get_mut(of.root) {
                if cause == Cause::Fault || cause == Cause::Disk {
                    log::error!(target: "store", "{}: {}: its file ends here: {}", of.source, cause.name(), job.part.display());
                }
                // Before what an earlier process left: somebody may be waiting for this one.
                root.jobs.push_front(job);
            }
        }
    }

    /// A message that cannot be carried out, whatever the reason: what it held counts as lost.
    pub fn drop_message(&mut self, lane: usize, message: &ToStore) {
        match message {
            ToStore::Data(_, block) => {
                // Bytes are missing in the middle from here on, so the file must end.
                self.give_up(lane, Cause::Fault, Reason::Fault);
                if let Some(of) = self.lanes.get_mut(lane) {
                    of.orphans = of.orphans.saturating_add(u64::from(block.frames));
                    of.status.ask_cut(Cause::Fault);
                }
            }
            ToStore::Open(..) => {
                if let Some(of) = self.lanes.get(lane) {
                    of.status.ask_cut(Cause::Fault);
                }
            }
            ToStore::Close(..) | ToStore::Patch(..) => self.give_up(lane, Cause::Fault, Reason::Fault),
            ToStore::Gap(_, entry) => self.enter_gap(lane, *entry),
            ToStore::Prepare(..)
            | ToStore::Correct(..)
            | ToStore::Watching(..)
            | ToStore::Watched(..)
            | ToStore::Analysed(..) => {}
        }
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
