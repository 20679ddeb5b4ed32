//! Files of before: what a power cut or a wrong clock left of them is put right, one file at a time.

use super::core::Core;
use super::correct::Correction;
use super::rename::{self, Renamed};
use super::repair::{self, Finished};
use super::restart;
use super::steps::{REPAIR_TRIES, RETRY_NS, TURN_NS};
use crate::device::disk::Disk;
use crate::message::ClockState;
use crate::time::Mono;

/// Between two looks whether a file has been read.
const LOOK_NS: i64 = 100_000_000;

impl<D: Disk> Core<D> {
    pub(super) fn repair_one(&mut self, root: usize, now: Mono) {
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

    pub(super) fn correct_one(&mut self, root: usize, now: Mono) {
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
}
