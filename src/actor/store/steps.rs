//! What the store does between two messages: one step after the other, as `choice.rs` chooses them.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::analysed;
use super::begun::{self, Begun};
use super::closing::{self, Event, not_synced};
use super::core::Core;
use super::correct::Correction;
use super::lane::{micros_since, next_sync};
use super::root::Files;
use crate::device::disk::{Disk, DiskFile};
use crate::message::{Cause, ClockState};
use crate::time::Mono;

/// How long a refused step waits.
pub const RETRY_NS: i64 = 500_000_000;
/// Somebody else is at a sidecar: he needs as long as a small file takes.
pub(super) const TURN_NS: i64 = 50_000_000;

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

    pub(super) fn finished(&self, lane: usize, file: std::path::PathBuf) {
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

    pub(super) fn hint(&self, file: std::path::PathBuf) {
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

    fn settle_restart(&mut self, lane: usize) {
        let Some(of) = self.lanes.get_mut(lane) else { return };
        let ended =
            self.roots.get(of.root).and_then(|r| r.ended.iter().find(|(source, _)| **source == *of.source)).map(|(_, end)| *end);
        for gap in of.restart.settle(ended, of.schedule.as_ref()) {
            self.enter_gap(lane, gap);
        }
    }
}
