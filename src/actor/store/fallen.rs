//! What becomes of a step over which the store fell.

use super::core::Core;
use super::restart;
use super::steps::{REPAIR_TRIES, RETRY_NS, Step};
use crate::device::disk::Disk;
use crate::time::Mono;

impl<D: Disk> Core<D> {
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
}
