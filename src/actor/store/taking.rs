//! What a message does to a lane: a file begins, grows and ends, and what is missing is entered.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::begun;
use super::closing::Closing;
use super::core::{Core, MANY};
use super::correct::Correction;
use super::lane::{Lane, Refusal, Tail, next_sync};
use crate::device::disk::Disk;
use crate::message::{Cause, ClockState, GapEntry, NewFile, Reason, ToStore};
use crate::time::Mono;

const GATHER_NS: i64 = 500_000_000;

impl<D: Disk> Core<D> {
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
}
