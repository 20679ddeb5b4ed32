//! Which recording goes next, and why: by its age, or because the room is needed.
//!
//! Who asks has the recordings in order already, in an index ([`Shelf`]), so that an answer costs a few look-ups whatever the folder
//! holds. It is asked again after each deletion. Never deleted: what is locked, what is being recorded, and files that nobody
//! told whose they are: those were not recorded here.
//!
//! ```text
//! by age    a source's recordings that are older than its days: those that are elsewhere; then, unless that is forbidden, the
//!           others, once none of that source is left that is elsewhere
//! for room  0 elsewhere, nothing stands out      3 only here, nothing stands out      (the oldest of the lowest number)
//!           1 elsewhere                          4 only here
//!           2 elsewhere, a high score that       5 only here, a high score that
//!             nobody has reviewed                  nobody has reviewed
//! ```
//! For room, nothing that is only here goes while anything goes that is elsewhere too; and recording is never stopped while
//! anything is left.

use std::fmt;

use crate::message::analysis::Centibel;
use crate::message::reduce::Left;
use crate::time::{SECOND_NS, Wall};

pub(super) const DAY_NS: f64 = 86_400.0 * SECOND_NS as f64;

/// No clock of a recorder was right before: such a start says nothing about an age.
pub(super) const NO_CLOCK_BEFORE: Wall = Wall(1_577_836_800 * SECOND_NS); // 2020-01-01

/// How the recordings of one folder are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    pub min_free_hours: f64,
    pub min_free_bytes: u64,
    /// Recordings give way when the room is needed.
    pub makes_room: bool,
    pub high_score: Centibel,
    pub sources: Vec<Source>,
    /// Of sources that are not among these.
    pub others: Age,
}

/// One that is recorded into the folder.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    pub name: String,
    pub age: Age,
    /// Before anything is known of its recordings.
    pub expected_bytes_per_hour: f64,
}

/// What age does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Age {
    /// `None`: nothing.
    pub days: Option<f64>,
    pub only_uploaded: bool,
}

/// A recording that may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub name: String,
    pub source: String,
    pub start: Wall,
    pub bytes: u64,
    pub rank: Rank,
}

/// Its place in the order in which room is made: the lowest goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rank(pub u8);

/// What decides a rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    pub is_uploaded: bool,
    /// `None` until it was analysed: then nobody knows that nothing stands out.
    pub sections: Option<u64>,
    pub best: Option<Centibel>,
    pub is_reviewed: bool,
}

impl Evidence {
    pub fn rank(self, high_score: Centibel) -> Rank {
        let sound = match self {
            Evidence { sections: Some(0), .. } => 0,
            Evidence { is_reviewed: false, best: Some(best), .. } if best >= high_score => 2,
            _ => 1,
        };
        Rank(sound + if self.is_uploaded { 0 } else { Rank::ONLY_HERE.0 })
    }
}

impl Rank {
    /// The first that is nowhere else.
    pub const ONLY_HERE: Rank = Rank(3);
    pub const COUNT: u8 = 6;

    pub fn is_uploaded(self) -> bool {
        self < Rank::ONLY_HERE
    }

    const fn words(self) -> &'static str {
        match self.0 {
            0 => "uploaded, and nothing stands out in it",
            1 => "uploaded",
            2 => "uploaded; its high score is not reviewed",
            3 => "nothing stands out in it; it is nowhere else",
            4 => "the oldest; it is nowhere else",
            _ => "nothing else is left; its high score is not reviewed, and it is nowhere else",
        }
    }
}

/// Why a recording goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reason {
    Age {
        days: f64,
    },
    Room(Rank),
    /// It is kept in less: [`tier`](super::tier).
    Reduced {
        days: f64,
        left: Left,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Age { days } => write!(f, "older than {days} days"),
            Reason::Room(rank) => write!(f, "for room: {}", rank.words()),
            Reason::Reduced { days, left: Left::Opus } => {
                write!(f, "older than {days} days: its sections and an Opus of it stay")
            }
            Reason::Reduced { days, left: Left::Sections } => write!(f, "older than {days} days: its sections stay"),
        }
    }
}

/// The recordings that may go, in order.
pub trait Shelf {
    type Error;

    /// Sources that have recordings here.
    fn sources(&mut self) -> Result<Vec<String>, Self::Error>;

    /// The oldest of a source that is elsewhere too, or is not, and began at or after this.
    fn oldest(&mut self, source: &str, is_uploaded: bool, from: Wall) -> Result<Option<Candidate>, Self::Error>;

    /// The oldest of the lowest rank.
    fn first(&mut self) -> Result<Option<Candidate>, Self::Error>;
}

#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    Delete(Candidate, Reason),
    /// All is as it should be.
    Nothing,
    /// There is not enough room, and nothing that may go.
    Stuck,
}

impl Rules {
    /// Bytes that are to stay free, at this rate of all sources; never more than half of the file system, for then every recording
    /// would go as soon as it is finished.
    pub fn floor_bytes(&self, bytes_per_hour: f64, total_bytes: u64) -> u64 {
        let hours = (bytes_per_hour * self.min_free_hours).min(1e18) as u64;
        hours.max(self.min_free_bytes).min(total_bytes / 2)
    }

    /// `now`: `None` while nobody knows whether the clock is right; then nothing has an age.
    /// `is_short`: there is less room than there should be.
    pub fn next<S: Shelf>(&self, now: Option<Wall>, is_short: bool, shelf: &mut S) -> Result<Next, S::Error> {
        if let Some((candidate, days)) = now.map_or(Ok(None), |now| self.expired(now, shelf))? {
            return Ok(Next::Delete(candidate, Reason::Age { days }));
        }
        if !(is_short && self.makes_room) {
            return Ok(if is_short { Next::Stuck } else { Next::Nothing });
        }
        Ok(match shelf.first()? {
            Some(candidate) => {
                let rank = candidate.rank;
                Next::Delete(candidate, Reason::Room(rank))
            }
            None => Next::Stuck,
        })
    }

    fn expired<S: Shelf>(&self, now: Wall, shelf: &mut S) -> Result<Option<(Candidate, f64)>, S::Error> {
        if self.others.days.is_none() && self.sources.iter().all(|source| source.age.days.is_none()) {
            return Ok(None);
        }
        for source in shelf.sources()? {
            let age = self.sources.iter().find(|known| known.name == source).map_or(self.others, |known| known.age);
            let Some(days) = age.days else { continue };
            let before = now.plus_ns(-((days * DAY_NS).min(9e18) as i64));
            let is_old = |candidate: &Candidate| candidate.start < before;
            let uploaded = shelf.oldest(&source, true, NO_CLOCK_BEFORE)?;
            let is_last = uploaded.is_none() && !age.only_uploaded;
            let found = match uploaded.filter(is_old) {
                None if is_last => shelf.oldest(&source, false, NO_CLOCK_BEFORE)?.filter(is_old),
                found => found,
            };
            if let Some(candidate) = found {
                return Ok(Some((candidate, days)));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
