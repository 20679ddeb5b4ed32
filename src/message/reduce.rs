//! A recording that is old enough to be kept as its sections alone, and a small copy of the whole: what is to be done, and what was.
//!
//! ```text
//! reducer ──Wish::Reduce──► librarian: which one, and what of it          ──Task──► reducer
//! reducer: writes drafts beside the recordings                            ──Reduced──► librarian: names, sidecars, the old one goes
//! ```

use std::path::PathBuf;

/// What stays of a recording as a whole, beside its sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// An Ogg Opus of it.
    Opus,
    /// Nothing.
    Sections,
}

/// One recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    pub name: String,
    pub bytes: u64,
    /// Of its row when that was decided.
    pub version: u64,
    /// It was elsewhere then, and must be still.
    pub is_uploaded: bool,
    pub rate_hz: u32,
    pub frames: u64,
    pub left: Left,
    /// Whole seconds of the recording, half open, oldest first: its sections with what is around them.
    pub parts: Vec<(u64, u64)>,
    /// With less room on the disk it is left for another time.
    pub floor_bytes: u64,
    /// So many days old it had to be.
    pub days: f64,
}

/// What was made for it, all of it on the disk; or some of it, so that nobody waits long for the librarian.
#[derive(Clone, Debug, PartialEq)]
pub struct Reduced {
    pub task: Task,
    /// Of the whole file, as hexadecimal digits.
    pub sha256: String,
    pub pieces: Vec<Piece>,
    /// Names that earlier pieces were given.
    pub placed: Vec<String>,
    /// Of the whole, where that stays. Comes last.
    pub copy: Option<Copied>,
    /// These are the last: the recording goes.
    pub is_last: bool,
}

/// The recording as Ogg Opus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    pub draft: PathBuf,
    /// At 48 kHz.
    pub frames: u64,
    pub channels: u8,
    pub bytes: u64,
}

/// A section, or several that follow each other closely, in the recording's own format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub draft: PathBuf,
    /// Its first frame in the recording.
    pub from: u64,
    pub frames: u64,
    pub bytes: u64,
}
