//! What the splitter is told once and what it says: the words between it and its host.

use std::ops::Range;
use std::sync::Arc;

use crate::message::{Closing, Container, GapAt, GapEntry, Identity};
use crate::policy::split::Zone;

use super::hold::TriggerSettings;

pub struct Settings {
    pub source: Arc<str>,
    pub container: Container,
    pub split_minutes: f64,
    /// Boundaries are those of its clock.
    pub zone: Zone,
    pub name_in_utc: bool,
    pub filename_pattern: String,
    /// How long before a cut the next file is made ready.
    pub prepare_ahead_ms: u32,
    /// Without, everything is recorded.
    pub trigger: Option<TriggerSettings>,
}

/// A file to open, now or soon.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub identity: Identity,
    /// Path without extension, perhaps taken already.
    pub stem: String,
    pub container: Container,
    /// Frames until the boundary: room for the seek table.
    pub expected_frames: u64,
}

/// What happens next in the files of a lane, in this order.
#[derive(Debug, PartialEq)]
pub enum Piece {
    /// The next file will probably be this one. Once a file at most, before its last frames.
    Prepare(Box<Plan>),
    Open(Box<Plan>),
    /// These frames of [`Splitter::block`](super::Splitter::block) belong to the open file.
    Audio {
        frames: Range<usize>,
    },
    /// These frames of the block are in no file.
    Quiet {
        frames: Range<usize>,
    },
    /// Of a triggered lane: what is heard from here on is one stretch, whatever is recorded of it.
    Watch(Box<Plan>),
    /// It is over.
    Watched(Box<Closing>),
    /// Noted in the file: frames are missing before the next audio.
    Gap(GapAt),
    /// A line for gaps.csv.
    Lost(GapEntry),
    Close(Box<Closing>),
    /// The unsynced files of this run began that much later than they say.
    Correct {
        session: Arc<str>,
        by_ns: i64,
    },
}
