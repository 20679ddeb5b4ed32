//! Makes room: deletes what is older than it should be, and the oldest when the disk fills. What goes next is decided by
//! [`crate::policy::retention`]; what goes, goes as if a person had deleted it.
//!
//! Looked after every few seconds, whenever a recording has begun or ended, and at once when the store says that its disk is full
//! ([`Wish::Room`](crate::message::library::Wish::Room)). The store never waits for it.

use std::time::{Duration, Instant};

use super::change::failed;
use super::shelf::PROFILE;
use super::{Librarian, Refused};
use crate::device::catalogue::{Failure, Writer};
use crate::device::disk::RealDisk;
use crate::device::folder::{Room, room};
use crate::message::analysis::Centibel;
use crate::message::library::Trouble;
use crate::message::page::{Deleted, Retention};
use crate::policy::retention::{Candidate, Next, Reason, Rules, Shelf};
use crate::policy::tier::Tiers;
use crate::time::Wall;

/// Between two looks at the room of the disk.
const EVERY: Duration = Duration::from_secs(10);
/// Deleted in one go: then others have their turn.
const AT_ONCE: usize = 32;
/// That cannot be deleted, in one go.
const REFUSED: usize = 32;
/// Of a deletion that fails again and again.
const TOLD_EVERY: Duration = Duration::from_secs(3_600);

/// How a folder is kept.
#[derive(Clone)]
pub struct Keeping {
    pub rules: Rules,
    pub tiers: Tiers,
    /// Whether the time of day can be relied upon.
    pub is_clock_right: fn() -> bool,
}

/// The state of it.
#[derive(Default)]
pub struct Care {
    due: Option<Instant>,
    told: Option<Instant>,
    /// The disk is full, and what is known does not help: what nobody told of may.
    wants_look: bool,
}

/// What one go came to.
#[derive(Debug, Default, PartialEq)]
pub struct Round {
    pub gone: Vec<(Candidate, Reason)>,
    /// There is more to delete.
    pub is_more: bool,
    pub is_stuck: bool,
    /// At the end, if what was deleted has given back its bytes.
    pub free_bytes: u64,
    pub floor_bytes: u64,
    /// Of all sources together.
    pub bytes_per_hour: f64,
}

/// Whether anything is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Delete,
    /// Only the catalogue hears of it.
    DryRun,
}

/// Who knows what there is, and deletes.
pub trait Hands {
    fn writer(&self) -> Result<&Writer, Failure>;

    /// How many bytes that gave back.
    fn discard(&mut self, candidate: &Candidate, reason: &Reason) -> Result<u64, Refused>;
}

/// One go. `now`: `None` while nobody knows whether the clock is right. What the hands refuse is passed over.
pub fn round<H: Hands>(
    hands: &mut H,
    rules: &Rules,
    now: Option<Wall>,
    free_bytes: u64,
    floor_bytes: u64,
) -> Result<Round, Refused> {
    let mut round = Round { free_bytes, floor_bytes, ..Round::default() };
    let mut refused = Vec::new();
    while round.gone.len() < AT_ONCE && refused.len() < REFUSED {
        let mut order = Order { writer: hands.writer()?, high_score: rules.high_score, refused: &refused };
        match rules.next(now, round.free_bytes < floor_bytes, &mut order)? {
            Next::Nothing => return Ok(round),
            Next::Stuck => {
                round.is_stuck = true;
                return Ok(round);
            }
            Next::Delete(candidate, reason) => match hands.discard(&candidate, &reason) {
                Ok(bytes) => {
                    round.free_bytes = round.free_bytes.saturating_add(bytes);
                    round.gone.push((candidate, reason));
                }
                Err(_) => refused.push(candidate.name),
            },
        }
    }
    round.is_more = !round.gone.is_empty();
    Ok(round)
}

/// The catalogue without what cannot be deleted just now.
struct Order<'a> {
    writer: &'a Writer,
    high_score: Centibel,
    refused: &'a [String],
}

impl Order<'_> {
    fn find(&self, ask: impl Fn(usize) -> Result<Option<Candidate>, Failure>) -> Result<Option<Candidate>, Failure> {
        for behind in 0..=self.refused.len() {
            match ask(behind)? {
                Some(candidate) if self.refused.contains(&candidate.name) => {}
                found => return Ok(found),
            }
        }
        Ok(None)
    }
}

impl Shelf for Order<'_> {
    type Error = Failure;

    fn sources(&mut self) -> Result<Vec<String>, Failure> {
        self.writer.sources()
    }

    fn oldest(&mut self, source: &str, is_uploaded: bool, from: Wall) -> Result<Option<Candidate>, Failure> {
        self.find(|behind| self.writer.oldest_of(source, is_uploaded, from, self.high_score, behind))
    }

    fn first(&mut self) -> Result<Option<Candidate>, Failure> {
        self.find(|behind| self.writer.first_to_go(self.high_score, behind))
    }
}

/// The librarian's own hands.
struct Own<'a> {
    librarian: &'a mut Librarian,
    how: How,
    now: Wall,
}

impl Hands for Own<'_> {
    fn writer(&self) -> Result<&Writer, Failure> {
        self.librarian.writer()
    }

    fn discard(&mut self, candidate: &Candidate, reason: &Reason) -> Result<u64, Refused> {
        let done = self.librarian.discard(candidate, reason, self.how, self.now);
        done.inspect_err(|why| self.librarian.complain(&candidate.name, why))
    }
}

impl Librarian {
    /// The time for the next look; `None` where nothing is ever deleted.
    pub(super) fn room_due(&self) -> Option<Instant> {
        let is_kept = self.settings.retention.is_some() && !self.settings.read_only;
        is_kept.then(|| self.care.due.unwrap_or_else(Instant::now))
    }

    /// Once: the folder is to be looked through now.
    pub(super) fn wants_look(&mut self) -> bool {
        std::mem::take(&mut self.care.wants_look)
    }

    pub(super) fn look_soon(&mut self) {
        self.care.due = None;
    }

    /// If it is time for it. `is_urgent`: somebody could not write. While the catalogue is filled for the first time nobody
    /// knows what is oldest, and only what is urgent is done.
    pub(super) fn make_room(&mut self, now: Wall, is_urgent: bool) {
        if !is_urgent && (self.is_new || self.room_due().is_none_or(|due| due > Instant::now())) {
            return;
        }
        self.care.due = Some(Instant::now() + EVERY);
        match self.retain(now, How::Delete, 0) {
            Ok(round) => {
                if round.is_more {
                    self.look_soon();
                }
                self.care.wants_look = is_urgent && round.is_stuck;
                self.show(&round, now);
            }
            Err(refused) => _ = self.refuse(refused),
        }
    }

    /// One go. The catalogue must be true to the folder. `given_back`: bytes that count as free, of a dry run so far.
    pub fn retain(&mut self, now: Wall, how: How, given_back: u64) -> Result<Round, Refused> {
        let Some(Keeping { rules, tiers, is_clock_right }) = self.settings.retention.clone() else { return Ok(Round::default()) };
        if self.settings.read_only && how == How::Delete {
            return Err(Trouble::ReadOnly.into());
        }
        match self.writer()?.rank_by(rules.high_score) {
            // On a full disk: then it takes longer.
            Ok(()) | Err(Failure::Failed(_)) => {}
            Err(damaged) => return Err(damaged.into()),
        }
        let bytes_per_hour = self.bytes_per_hour(&rules)?;
        let Room { free_bytes, total_bytes } = room(&self.shelf.root).map_err(failed)?;
        let floor_bytes = rules.floor_bytes(bytes_per_hour, total_bytes);
        let clock = is_clock_right().then_some(now);
        let (spent, bytes) = self.let_spent_go(&tiers, clock, how, now)?;
        let mut hands = Own { librarian: self, how, now };
        let free_bytes = free_bytes.saturating_add(given_back).saturating_add(bytes);
        let mut round = round(&mut hands, &rules, clock, free_bytes, floor_bytes)?;
        round.is_more |= !spent.is_empty();
        round.gone.splice(..0, spent);
        if how == How::Delete {
            self.forget_heard(&round.gone, round.is_stuck && rules.makes_room, now)?;
        }
        Ok(Round { bytes_per_hour, ..round })
    }

    /// How many bytes it gave back.
    pub(super) fn discard(&mut self, candidate: &Candidate, reason: &Reason, how: How, now: Wall) -> Result<u64, Refused> {
        let name = candidate.name.as_str();
        let beside = RealDisk.open_to_read(&self.shelf.beside(name, PROFILE)).ok();
        let beside = beside.and_then(|file| crate::format::ReadAt::len(&file).ok()).unwrap_or(0);
        let bytes = candidate.bytes.saturating_add(beside);
        if how == How::DryRun {
            self.forget(name, None)?;
            return Ok(bytes);
        }
        match self.delete(name, now, Some(reason)) {
            Ok(_) => {
                log::info!(target: "librarian", "{name}: deleted, {reason}");
                Ok(bytes)
            }
            Err(refused) => {
                // It may be gone, locked or open since the catalogue heard of it last.
                self.look(name, now)?;
                Err(refused)
            }
        }
    }

    /// What comes in an hour: by the last recordings of each source.
    pub(super) fn bytes_per_hour(&self, rules: &Rules) -> Result<f64, Failure> {
        let writer = self.writer()?;
        let each = rules.sources.iter().map(|source| {
            let known = writer.bytes_per_hour(&source.name)?;
            Ok::<_, Failure>(known.unwrap_or(source.expected_bytes_per_hour))
        });
        each.sum()
    }

    /// Once an hour: it is tried again every few seconds.
    fn complain(&mut self, name: &str, why: &Refused) {
        let is_usual = matches!(why, Refused::Trouble(Trouble::Absent | Trouble::Locked | Trouble::Open));
        if is_usual || self.care.told.is_some_and(|at| at.elapsed() < TOLD_EVERY) {
            return;
        }
        self.care.told = Some(Instant::now());
        log::warn!(target: "librarian", "{name}: cannot be deleted: {why:?}; check the rights of its folder and the disk");
    }

    /// For the status, and for whoever must do something.
    fn show(&self, round: &Round, now: Wall) {
        let mut shown = self.shared.retention.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let shown = shown.get_or_insert_with(Retention::default);
        shown.floor_bytes = round.floor_bytes;
        for (candidate, reason) in &round.gone {
            shown.deleted += 1;
            shown.deleted_bytes = shown.deleted_bytes.saturating_add(candidate.bytes);
            shown.note(Deleted { name: candidate.name.clone(), at: now, reason: reason.to_string() });
        }
        let makes_room = self.settings.retention.as_ref().is_some_and(|keeping| keeping.rules.makes_room);
        let stuck = &self.shared.stuck;
        // While the catalogue is filled for the first time, more will come.
        if round.is_stuck && makes_room && !self.is_new {
            let text = "The disk is nearly full, and nothing more may be deleted: unlock recordings, or make room.";
            if stuck.raise(text) {
                log::error!(target: "librarian", "{}: {text}", self.shelf.root.display());
            }
        } else if stuck.clear() {
            log::info!(target: "librarian", "{}: there is room again", self.shelf.root.display());
        }
    }
}
