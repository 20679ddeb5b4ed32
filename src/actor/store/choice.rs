//! What the store does next: a choice that is made of times and lengths alone.
//!
//! What must not wait (retries, syncs) comes first; what may wait (finishing files, repairs, corrections) only while the inbox is less
//! than a quarter full, for everything that is chosen stalls on a slow disk.

use super::closing::SYNC_ALL_FROM;
use super::core::{Core, MANY};
use super::steps::{Step, is_done};
use crate::device::disk::Disk;
use crate::time::Mono;

/// A busy store lets a sync wait so long past its time; then more of them are done at once.
const SYNC_LATE_NS: i64 = 700_000_000;

/// A busy store lets a finished file wait so long.
const CLOSE_LATE_NS: i64 = 5_000_000_000;

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
}
