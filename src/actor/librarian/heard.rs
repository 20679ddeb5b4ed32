//! What triggered sources were only heard of goes with the recordings of its time: a day of it is of no use to anybody once all that
//! was recorded then, and something that was recorded later, has gone.

use std::fs;
use std::io;

use super::entry::offset_at;
use super::{Librarian, Refused};
use crate::device::catalogue::local_date;
use crate::message::library::WATCHES;
use crate::policy::retention::{Candidate, Reason};
use crate::time::Wall;

impl Librarian {
    /// After these have gone. `is_stuck`: they were not enough, and no other recording may go.
    pub(super) fn forget_heard(&self, gone: &[(Candidate, Reason)], is_stuck: bool, now: Wall) -> Result<(), Refused> {
        let date = |at: Wall| local_date(at, offset_at(at, &self.settings.zone));
        let youngest = gone.iter().map(|(candidate, _)| candidate.start).max();
        let before = match (youngest, is_stuck) {
            (None, false) => return Ok(()),
            (Some(youngest), false) => date(self.writer()?.oldest_start()?.map_or(youngest, |oldest| oldest.min(youngest))),
            (_, true) => date(now),
        };
        let mut days = self.heard_days().unwrap_or_default(); // there may be none
        days.sort();
        days.retain(|day| **day < *before);
        // Where nothing else helps, the oldest of them; else all.
        days.truncate(if is_stuck { 1 } else { usize::MAX });
        for day in days {
            match fs::remove_dir_all(self.settings.analyses.join(WATCHES).join(&day)) {
                Ok(()) => log::info!(target: "librarian", "what was only heard on {day}: deleted with what was recorded then"),
                Err(e) => log::warn!(target: "librarian", "what was only heard on {day} cannot be deleted: {e}"),
            }
        }
        Ok(())
    }

    fn heard_days(&self) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(self.settings.analyses.join(WATCHES))?.flatten();
        Ok(entries.filter_map(|entry| entry.file_name().into_string().ok()).collect())
    }
}
