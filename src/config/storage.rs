//! `[storage]`: how long recordings are kept, and what goes first when the room is needed. What concerns single recordings a source
//! may have otherwise.

use super::keys;
use super::reader::Reader;

/// Of every folder that is recorded to.
#[derive(Clone, Debug, PartialEq)]
pub struct Storage {
    pub when_full: WhenFull,
    /// From this score on a recording that nobody has reviewed goes last.
    pub high_score_db: f64,
    /// What a source has that does not say otherwise; and recordings of sources that are in the configuration no more.
    pub kept: Kept,
}

/// How the recordings of a source are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kept {
    /// Sound of so many hours, of all that is recorded into the folder, still fits in; of several sources the largest holds.
    pub min_free_hours: f64,
    pub min_free_bytes: u64,
    /// `None`: until the room is needed.
    pub retention_days: Option<f64>,
    /// Age deletes nothing that is nowhere else. A full disk does, last.
    pub expire_only_uploaded: bool,
    /// Older ones are kept as their sections and an Opus of the whole; `None`: as they are.
    pub full_days: Option<f64>,
    /// After those, as their sections alone; `None`: never.
    pub opus_days: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// Old recordings give way to new ones.
    Delete,
    /// They do not: the sound waits in memory, and then it is lost.
    Stop,
}

impl Storage {
    pub fn read(reader: &mut Reader) -> Storage {
        Storage {
            when_full: reader.get(&keys::WHEN_FULL),
            high_score_db: reader.get(&keys::HIGH_SCORE),
            kept: Kept::read(reader),
        }
    }
}

impl Kept {
    pub fn read(reader: &mut Reader) -> Kept {
        Kept {
            min_free_hours: reader.get(&keys::MIN_FREE_HOURS),
            min_free_bytes: reader.get(&keys::MIN_FREE_BYTES),
            retention_days: reader.get(&keys::RETENTION_DAYS),
            expire_only_uploaded: reader.get(&keys::EXPIRE_ONLY_UPLOADED),
            full_days: reader.get(&keys::FULL_DAYS),
            opus_days: reader.get(&keys::OPUS_DAYS),
        }
    }
}
