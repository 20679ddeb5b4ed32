//! What the store does between two messages: the choice of one step, and the step.
//!
//! The choice is made of times and lengths alone. What must not wait (retries, syncs) comes first; what may wait (finishing files,
//! repairs, corrections) only while the inbox is less than a quarter full, for everything here stalls on a slow disk.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::analysed;
use super::begun::{self, Begun};
use super::closing::{self, Event, SYNC_ALL_FROM, not_synced};
use super::core::{Core, MANY};
use super::correct::Correction;
use super::lane::{micros_since, next_sync};
use super::rename::{self, Renamed};
use super::repair::{self, Finished};
use super::restart;
use super::root::Files;
use crate::device::disk::{Disk, DiskFile};
use crate::message::{Cause, ClockState};
use crate::time::Mono;

/// How long a refused step waits.
/// Between two looks whether a file has been read.
const LOOK_NS: i64 = 100_000_000;
pub const RETRY_NS: i64 = 500_000_000;
/// Somebody else is at a sidecar: he needs as long as a small file takes.
const TURN_NS: i64 = 50_000_000;

/// A busy store lets a sync wait so long past its time; then more of them are done at once.
const SYNC_LATE_NS: i64 = 700_000_000;

/// A busy store lets a finished file wait so long.
const CLOSE_LATE_NS: i64 = 5_000_000_000;

/// A file that cannot be repaired so often waits for the next start.
pub const REPAIR_TRIES: u32 = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    OpenRoot(usize),
    SyncFile(usize),
    SyncRoot(usize),
    Commit(usize),
    Ledger(usize),
    Repair(usize),
    Correct(usize),
    /// An analysis can be written beside its file.
    Analysis(usize),
    /// A stretch that was heard can be entered.
    Watch(usize),
    /// The gap before the first file of a lane can be told.
    Restart(usize),
}

/// Nothing waits for this folder.
pub fn is_done<D: Disk>(root: &super::root::Root<D>) -> bool {
    root.closings.is_empty()
        && root.jobs.is_empty()
        && root.ledger.is_empty()
        && root.corrections.is_empty()
        && root.watches.is_empty()
        && !root.analyses.is_due()
}

impl<D: Disk> Core<D> {
    /// What is most urgent now, if anything is.
    pub fn choose(&self, now: Mono, calm: bool) -> Option<Step> {
        let late = if calm { 0 } else { SYNC_LATE_NS };
        let first_root = |is: &dyn Fn(&super::root::Root<D>) -> bool| self.roots.iter().position(is);
        if let Some(lane) = self.due_lanes(now.plus_ns(-late)).next() {
            // The first one's turn brings all of its folder along that are due by now.
            let root = self.lanes.get(lane).map_or(0, |of| of.root);
            let here = |by: Mono| self.due_lanes(by).filter(|l| self.lanes.get(*l).is_some_and(|of| of.root == root)).count();
            // Of many lanes those take part too that would be due soon: one sync of all, and not one of each after the other.
            let soon = self.lanes.get(lane).map_or(now, |of| now.plus_ns(of.sync_ns / 2));
            let together = here(now) >= SYNC_ALL_FROM || here(soon) >= MANY;
            return Some(if together { Step::SyncRoot(root) } else { Step::SyncFile(lane) });
        }
        if let Some(root) =
            first_root(&|r| r.closings.iter().any(|c| c.retry_at <= now && (calm || now.since(c.since) > CLOSE_LATE_NS)))
        {
            return Some(Step::Commit(root));
        }
        if !calm {
            return None;
        }
        if let Some(root) = first_root(&|r| !r.ledger.is_empty() && r.is_open() && r.ledger_retry_at <= now) {
            return Some(Step::Ledger(root));
        }
        if let Some(root) = first_root(&|r| !r.is_open() && r.retry_at <= now) {
            return Some(Step::OpenRoot(root));
        }
        if let Some(root) = first_root(&|r| r.jobs.iter().any(|job| job.retry_at <= now)) {
            return Some(Step::Repair(root));
        }
        if let Some(lane) = self.lanes.iter().position(|of| self.knows_restart(of.root) && of.restart.is_due()) {
            return Some(Step::Restart(lane));
        }
        if let Some(root) = first_root(&|r| r.is_open() && r.watches.is_due(now)) {
            return Some(Step::Watch(root));
        }
        if let Some(root) = first_root(&|r| !r.corrections.is_empty() && r.retry_at <= now) {
            return Some(Step::Correct(root));
        }
        first_root(&|r| r.is_open() && r.analyses.is_due() && r.analyses.retry_at <= now).map(Step::Analysis)
    }

    /// When `choose` will next have something, if no message comes before.
    pub fn next_due(&self) -> Option<Mono> {
        let syncs = self.lanes.iter().filter_map(|of| of.open.as_ref().filter(|open| open.dirty).map(|open| open.next_sync));
        let roots = self.roots.iter().flat_map(|r| {
            let closings = r.closings.iter().map(|c| c.retry_at).min();
            let jobs = r.jobs.iter().map(|job| job.retry_at).min();
            let ledger = (!r.ledger.is_empty() && r.is_open()).then_some(r.ledger_retry_at);
            let others = (!r.is_open() || !r.corrections.is_empty()).then_some(r.retry_at);
            let watches = r.watches.next_due().filter(|_| r.is_open());
            [closings, jobs, ledger, others, watches].into_iter().flatten()
        });
        let restarts = self.lanes.iter().filter(|of| of.restart.is_due() && self.knows_restart(of.root)).map(|_| Mono(0));
        let analyses = self.roots.iter().filter(|r| r.is_open() && r.analyses.is_due()).map(|r| r.analyses.retry_at);
        syncs.chain(roots).chain(restarts).chain(analyses).min()
    }

    /// Nothing is left to do, however long one waits.
    pub fn is_idle(&self) -> bool {
        self.roots.iter().all(|r| !r.is_open() || is_done(r))
    }

    fn knows_restart(&self, root: usize) -> bool {
        // Files of this process that wait to be finished tell nothing about the time before it.
        self.roots.get(root).is_some_and(|r| r.is_open() && r.jobs.iter().all(|job| job.after.is_some()))
    }

    fn due_lanes(&self, now: Mono) -> impl Iterator<Item = usize> + '_ {
        let lanes = self.lanes.iter().enumerate();
        lanes
            .filter(move |(_, of)| of.open.as_ref().is_some_and(|open| open.dirty && open.next_sync <= now))
            .map(|(lane, _)| lane)
    }

    pub fn execute(&mut self, step: Step, now: Mono) {
        match step {
            Step::SyncFile(lane) => self.sync_file(lane, now),
            Step::SyncRoot(root) => self.sync_root(root, now),
            Step::Commit(root) => self.commit(root, now),
            Step::Ledger(root) => self.write_ledger(root, now),
            Step::Repair(root) => self.repair_one(root, now),
            Step::Correct(root) => self.correct_one(root, now),
            Step::Analysis(root) => self.keep_analysis(root, now),
            Step::Watch(root) => self.keep_watch(root, now),
            Step::Restart(lane) => self.settle_restart(lane),
            Step::OpenRoot(root) => {
                let opened = self.open_root(root);
                let Some(folder) = self.roots.get_mut(root) else { return };
                match opened {
                    Err(_) => folder.retry_at = now.plus_ns(RETRY_NS),
                    Ok(()) => {
                        folder.told = false;
                        log::info!(target: "store", "{}: the folder is there now", folder.files.places.root.display());
                    }
                }
            }
        }
    }

    fn sync_file(&mut self, lane: usize, now: Mono) {
        let lanes = self.lanes.len();
        let Some(of) = self.lanes.get_mut(lane) else { return };
        let Some(open) = &mut of.open else { return };
        let Some(Files { places, fresh }) = self.roots.get_mut(of.root).map(|root| &mut root.files) else { return };
        open.next_sync = next_sync(now, lane, lanes, of.sync_ns);
        let began = Instant::now();
        begun::sync(&self.disk, places, fresh, open, &self.formats.software);
        let mut synced = open.file.sync();
        if synced.is_ok() && !open.named {
            synced = fresh.sync_name(&self.disk, &open.part);
            open.named = synced.is_ok();
        }
        of.status.sync.took(micros_since(began));
        match synced {
            Ok(()) => self.synced(lane),
            Err(e) => {
                // Never again for the same data: the kernel has dropped what it could not write, and would now say all is well.
                open.dirty = false;
                open.suspect = true;
                let first = open.sure_frames.is_none();
                open.sure_frames.get_or_insert(open.synced_frames);
                let text = not_synced(&open.part, &e);
                of.status.ask_cut(Cause::Disk);
                if first {
                    self.alarm(lane, |status| &status.finish, &text);
                }
            }
        }
    }

    /// Many at once: one sync of everything, and if that fails each by itself, to learn which.
    fn sync_root(&mut self, root: usize, now: Mono) {
        let Some(Files { places, fresh }) = self.roots.get_mut(root).map(|folder| &mut folder.files) else { return };
        let mut begun = false;
        let open = self.lanes.iter_mut().filter(|of| of.root == root).filter_map(|of| of.open.as_mut());
        for open in open.filter(|open| open.dirty) {
            begun::begin(&self.disk, places, fresh, open, &self.formats.software);
            begun |= open.begun == Begun::Written;
        }
        let began = Instant::now();
        let synced = self.roots.get_mut(root).map_or(Ok(()), |folder| folder.files.sync_all(&self.disk, begun));
        let (lanes, took_us) = (self.lanes.len(), micros_since(began));
        for lane in 0..lanes {
            if !self.is_dirty(lane, root) {
                continue;
            }
            if synced.is_err() {
                self.sync_file(lane, now);
                continue;
            }
            if let Some(of) = self.lanes.get_mut(lane) {
                of.status.sync.took(took_us);
                if let Some(open) = &mut of.open {
                    open.named = true;
                    if open.begun == Begun::Written {
                        open.begun = Begun::Durable;
                    }
                    // From here on they are synced together.
                    open.next_sync = now.plus_ns(of.sync_ns);
                }
            }
            self.synced(lane);
        }
    }

    fn is_dirty(&self, lane: usize, root: usize) -> bool {
        self.lanes.get(lane).is_some_and(|of| of.root == root && of.open.as_ref().is_some_and(|open| open.dirty))
    }

    fn commit(&mut self, root: usize, now: Mono) {
        let Some(folder) = self.roots.get_mut(root) else { return };
        let mut events = Vec::new();
        closing::commit(&self.disk, &mut folder.files, &self.formats.software, &mut folder.closings, now, &mut |lane, event| {
            events.push((lane, event));
        });
        let (mut done, mut alarms) = (Vec::new(), Vec::new());
        for (lane, event) in events {
            match event {
                Event::Trouble(text) => alarms.push((lane, text)),
                Event::Finished { name, identity } => {
                    let places = &folder.files.places;
                    if identity.clock == ClockState::Unsynced {
                        self.unsynced.note(lane, &identity.session, &places.sidecar(&name));
                        // Its start may have been corrected after it got its name.
                        if self.lanes.get(lane).is_some_and(|of| of.rename.is_some()) {
                            folder.corrections.push_back(Correction::new(lane, places.sidecar(&name), &identity.session, 0));
                        }
                    }
                    let file = places.root.join(&name);
                    folder.analyses.named(lane, false, identity.session, identity.first_frame, name);
                    done.push((lane, file));
                }
            }
        }
        alarms.into_iter().for_each(|(lane, text)| self.alarm(lane, |status| &status.finish, &text));
        done.into_iter().for_each(|(lane, file)| self.finished(lane, file));
    }

    /// An analysis is a hint: one that cannot be kept is made again from the file.
    fn keep_analysis(&mut self, root: usize, now: Mono) {
        let Some(folder) = self.roots.get_mut(root) else { return };
        let Some(sidecar) = folder.analyses.next_name().map(|name| folder.files.places.sidecar(name)) else { return };
        let Some(_turn) = self.turns.take(&sidecar) else {
            folder.analyses.retry_at = now.plus_ns(TURN_NS);
            return;
        };
        let Some((analysed, name)) = folder.analyses.take() else { return };
        match analysed::write(&self.disk, &folder.files.places, &name, &analysed) {
            Ok(true) => {
                log::debug!(target: "store", "analysed {}: {} sections", name.display(), analysed.sections.len());
                let file = folder.files.places.root.join(name);
                if !analysed.is_watch {
                    self.hint(file);
                }
            }
            Ok(false) => log::debug!(target: "store", "{}: not what was analysed", name.display()),
            Err(e) => log::warn!(target: "store", "{}: its analysis is not kept: {e}; it is made again later", name.display()),
        }
    }

    /// What was heard and not recorded has no file: its sidecar stands alone.
    fn keep_watch(&mut self, root: usize, now: Mono) {
        let Some(folder) = self.roots.get_mut(root) else { return };
        let Some((lane, identity, kept)) = folder.watches.write(&self.disk, &folder.files.places, &self.formats.software, now)
        else {
            return;
        };
        match kept {
            Ok(name) => {
                if identity.clock == ClockState::Unsynced {
                    self.unsynced.note(lane, &identity.session, &folder.files.places.sidecar(&name));
                }
                log::debug!(target: "store", "entered {}", name.display());
                folder.analyses.named(lane, true, identity.session, identity.first_frame, name);
            }
            Err(e) => log::warn!(target: "store", "{}: what was heard is not entered: {e}", identity.source),
        }
    }

    fn finished(&self, lane: usize, file: std::path::PathBuf) {
        if let Some(of) = self.lanes.get(lane) {
            of.status.files_closed.fetch_add(1, Relaxed);
            self.all_is_well(lane);
            log::info!(target: &of.source, "recorded {}", file.display());
        }
        self.hint(file);
    }

    /// Its header says now whose it is.
    pub(super) fn begun(&self, lane: usize) {
        let Some((root, open)) = self.lanes.get(lane).and_then(|of| Some((of.root, of.open.as_ref()?))) else { return };
        let folder = self.roots.get(root).map(|root| &root.files.places.root);
        folder.into_iter().for_each(|folder| self.hint(folder.join(&open.name)));
    }

    fn hint(&self, file: std::path::PathBuf) {
        for recorded in &self.recorded {
            // Who misses it finds the file in the folder.
            let _ = recorded.try_send(file.clone());
        }
    }

    fn write_ledger(&mut self, root: usize, now: Mono) {
        let Some(folder) = self.roots.get_mut(root) else { return };
        match folder.ledger.write(&self.disk) {
            Ok(()) => folder.ledger_told = false,
            Err(e) => {
                folder.ledger_retry_at = now.plus_ns(RETRY_NS);
                if !std::mem::replace(&mut folder.ledger_told, true) {
                    let root = folder.files.places.root.display();
                    log::error!(target: "store", "{root}/gaps.csv: {e}; its lines wait in memory: make room or check the disk");
                }
            }
        }
    }

    fn repair_one(&mut self, root: usize, now: Mono) {
        let Some(folder) = self.roots.get_mut(root) else { return };
        let Some(at) = folder.jobs.iter().position(|job| job.retry_at <= now) else { return };
        let Some(job) = folder.jobs.get_mut(at) else { return };
        // Counted before the try, so that a file on which the store falls is not tried for ever.
        job.tries += 1;
        job.retry_at = now.plus_ns(RETRY_NS);
        let result = repair::finish(&self.disk, &folder.files.places, &self.formats, job);
        let part = job.part.display();
        match &result {
            Ok(Finished::Kept(kept)) => match &kept.rest {
                None => log::warn!(target: "store", "{}: repaired, {} frames", kept.file.display(), kept.frames),
                Some(rest) => {
                    let (file, frames, rest) = (kept.file.display(), kept.frames, rest.display());
                    log::warn!(target: "store", "{file}: repaired, {frames} frames; damaged after them, and the sound behind is kept in {rest}");
                }
            },
            Ok(Finished::Empty) => log::info!(target: "store", "{part}: removed, it held no sound"),
            Ok(Finished::Foreign(why)) => log::warn!(target: "store", "{part}: left alone: {why}"),
            Ok(Finished::Gone | Finished::Whole) => {}
            Ok(Finished::Reading) => {
                job.tries -= 1;
                // One file is read at a time: the others of the folder wait for it.
                folder.jobs.iter_mut().for_each(|job| job.retry_at = job.retry_at.max(now.plus_ns(LOOK_NS)));
                folder.jobs.swap(0, at);
                return;
            }
            Err(e) if job.tries >= REPAIR_TRIES => {
                log::error!(target: "store", "{part}: cannot be repaired now: {e}; it is tried again at the next start");
            }
            Err(e) => {
                log::debug!(target: "store", "{part}: {e}");
                return;
            }
        }
        let Some(job) = folder.jobs.remove(at) else { return };
        match result {
            Ok(Finished::Kept(kept)) if job.after.is_none() => {
                restart::note_end(&mut folder.ended, &kept.identity.source, kept.end);
                self.hint(kept.file);
            }
            Ok(Finished::Kept(kept)) => {
                let lane = job.after.as_ref().map_or(0, |after| after.lane);
                if kept.identity.clock == ClockState::Unsynced {
                    self.unsynced.note(lane, &kept.identity.session, &kept.sidecar);
                }
                self.settle_job(job, kept.frames);
                self.finished(lane, kept.file);
            }
            Ok(Finished::Empty | Finished::Gone | Finished::Reading | Finished::Whole | Finished::Foreign(_)) => {
                self.settle_job(job, 0)
            }
            Err(_) => {
                // What was synced will be found by the next repair.
                let synced = job.after.as_ref().map_or(0, |after| after.synced);
                self.settle_job(job, synced);
            }
        }
    }

    fn correct_one(&mut self, root: usize, now: Mono) {
        let Some(folder) = self.roots.get_mut(root) else { return };
        let Some(correction) = folder.corrections.front_mut() else { return };
        let turns = self.turns.clone();
        let Some(_turn) = turns.take(&correction.sidecar) else {
            folder.retry_at = now.plus_ns(TURN_NS);
            return;
        };
        match correction.write(&self.disk) {
            Ok(()) => {
                if let Some(done) = folder.corrections.pop_front() {
                    self.rename(root, &done);
                }
            }
            Err(e) => {
                log::debug!(target: "store", "{}: not corrected yet: {e}", correction.sidecar.display());
                folder.retry_at = now.plus_ns(RETRY_NS);
            }
        }
    }

    /// Where that is wished for, the file gets the name that it would have had. Whatever keeps it from it, it stays what it is.
    fn rename(&mut self, root: usize, done: &Correction) {
        let (Some(folder), Some(of)) = (self.roots.get_mut(root), self.lanes.get(done.lane)) else { return };
        match rename::rename(&self.disk, &folder.files.places, &done.sidecar, of.rename.as_ref()) {
            Ok(None) => {}
            Ok(Some(Renamed { from, to, is_watch })) => {
                self.unsynced.note(done.lane, &done.session, &folder.files.places.sidecar(&to));
                folder.analyses.renamed(&from, &to);
                if is_watch {
                    return;
                }
                log::info!(target: "store", "{} is {} by the clock that was set", from.display(), to.display());
                let paths = [from, to].map(|name| folder.files.places.root.join(name));
                paths.into_iter().for_each(|path| self.hint(path));
            }
            Err(e) => log::warn!(target: "store", "{}: keeps its name: {e}", done.sidecar.display()),
        }
    }

    /// The store fell while it did this; if it falls again over the same thing, that is set aside.
    pub fn fell(&mut self, step: Step, now: Mono) {
        let later = now.plus_ns(RETRY_NS);
        match step {
            // Its next time is set already, and a new file has been asked for.
            Step::SyncFile(_) => {}
            Step::Restart(lane) => {
                if let Some(of) = self.lanes.get_mut(lane) {
                    of.restart = restart::Restart::Done;
                }
            }
            _ => self.root_fell(step, now, later),
        }
    }

    fn root_fell(&mut self, step: Step, now: Mono, later: Mono) {
        let (Step::OpenRoot(at)
        | Step::SyncRoot(at)
        | Step::Commit(at)
        | Step::Ledger(at)
        | Step::Repair(at)
        | Step::Correct(at)
        | Step::Watch(at)) = step
        // an analysis is dropped
        else {
            return;
        };
        let Some(folder) = self.roots.get_mut(at) else { return };
        match step {
            Step::OpenRoot(_) => folder.retry_at = later,
            Step::Ledger(_) => folder.ledger_retry_at = later,
            Step::Correct(_) => _ = folder.corrections.pop_front(),
            Step::Watch(_) => folder.watches.drop_first(),
            Step::Repair(_) => {
                // The job was put off and counted before it was tried; it may fall once more.
                let tried = folder.jobs.iter_mut().find(|job| job.retry_at > now && job.tries > 0);
                tried.into_iter().for_each(|job| job.tries = job.tries.saturating_add(REPAIR_TRIES / 2));
            }
            Step::Commit(_) => {
                let Some(first) = folder.closings.iter().position(|c| c.retry_at <= now) else { return };
                let Some(closing) = folder.closings.get_mut(first) else { return };
                (closing.retry_at, closing.falls) = (later, closing.falls + 1);
                if closing.falls > 1 {
                    log::error!(target: "store", "{}: set aside; the next start finishes it", closing.open.part.display());
                    folder.closings.remove(first);
                }
            }
            Step::SyncRoot(_) => {
                let open = self.lanes.iter_mut().filter(|of| of.root == at).filter_map(|of| of.open.as_mut());
                open.for_each(|open| open.next_sync = later);
            }
            Step::SyncFile(_) | Step::Restart(_) | Step::Analysis(_) => {}
        }
    }

    fn settle_restart(&mut self, lane: usize) {
        let Some(of) = self.lanes.get_mut(lane) else { return };
        let ended =
            self.roots.get(of.root).and_then(|r| r.ended.iter().find(|(source, _)| **source == *of.source)).map(|(_, end)| *end);
        for gap in of.restart.settle(ended, of.schedule.as_ref()) {
            self.enter_gap(lane, gap);
        }
    }
}
