//! A row of the files table and back. Numbers beyond SQLite's 63 bits, which no real file has, become the largest.

use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, Row};

use super::{Beside, Entry};
use crate::message::analysis::{Centibel, Section};
use crate::message::library::{FileRow, FileState, GapRow, Marks};
use crate::time::Wall;

/// In the order in which [`read`] and the writer's statement expect them.
pub const COLUMNS: &str = "id, name, source, start_us, utc_offset_s, frames, rate_hz, channels, bytes, modified_ns, sidecar_ns, \
     profile_ns, state, reviewed, locked, note, trouble, details, version, sections, gaps, uploaded_at";

pub fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

pub fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

pub const fn state_number(state: FileState) -> i64 {
    match state {
        FileState::Open => 0,
        FileState::Closed => 1,
        FileState::Analysed => 2,
    }
}

fn state_of(number: i64) -> FileState {
    match number {
        0 => FileState::Open,
        2 => FileState::Analysed,
        _ => FileState::Closed,
    }
}

/// Statements that fetch what belongs to a file.
pub struct Parts<'db> {
    sections: CachedStatement<'db>,
    gaps: CachedStatement<'db>,
}

impl<'db> Parts<'db> {
    pub fn of(db: &'db Connection) -> rusqlite::Result<Parts<'db>> {
        let sections = "SELECT first_window, end_window, score, lo_hz, hi_hz FROM sections WHERE file = ?1 \
                        ORDER BY first_window, end_window";
        let gaps = "SELECT source, start_us, end_us, frames_lost, reason FROM gaps WHERE file = ?1 ORDER BY n";
        Ok(Parts { sections: db.prepare_cached(sections)?, gaps: db.prepare_cached(gaps)? })
    }

    fn sections(&mut self, id: i64) -> rusqlite::Result<Arc<[Section]>> {
        self.sections.query_map([id], section)?.collect()
    }

    fn gaps(&mut self, id: i64) -> rusqlite::Result<Arc<[GapRow]>> {
        self.gaps.query_map([id], gap)?.collect()
    }
}

fn section(row: &Row<'_>) -> rusqlite::Result<Section> {
    let (lo, hi): (Option<f64>, Option<f64>) = (row.get(3)?, row.get(4)?);
    Ok(Section {
        first_window: row.get(0)?,
        end_window: row.get(1)?,
        score: Centibel(row.get(2)?),
        band_hz: lo.zip(hi).map(|(lo, hi)| (lo as f32, hi as f32)),
    })
}

pub fn gap(row: &Row<'_>) -> rusqlite::Result<GapRow> {
    Ok(GapRow {
        source: row.get(0)?,
        start: Wall::from_micros(row.get(1)?),
        end: Wall::from_micros(row.get(2)?),
        frames_lost: unsigned(row.get(3)?),
        reason: row.get(4)?,
    })
}

/// Of [`COLUMNS`]. Most files have no sections and no gaps and cost no further look.
pub fn read(row: &Row<'_>, parts: &mut Parts<'_>) -> rusqlite::Result<Entry> {
    let id: i64 = row.get(0)?;
    let (sections, gaps): (i64, i64) = (row.get(19)?, row.get(20)?);
    let file = FileRow {
        name: row.get(1)?,
        source: row.get(2)?,
        start: Wall::from_micros(row.get(3)?),
        utc_offset_s: row.get(4)?,
        frames: unsigned(row.get(5)?),
        rate_hz: row.get(6)?,
        channels: row.get(7)?,
        bytes: unsigned(row.get(8)?),
        modified: Wall(row.get(9)?),
        state: state_of(row.get(12)?),
        sections: if sections > 0 { parts.sections(id)? } else { Arc::default() },
        gaps: if gaps > 0 { parts.gaps(id)? } else { Arc::default() },
        marks: Marks { reviewed: row.get(13)?, locked: row.get(14)?, note: row.get(15)? },
        trouble: row.get(16)?,
        details: row.get(17)?,
        uploaded_at: row.get::<_, Option<i64>>(21)?.map(Wall::from_micros),
        // All 64 bits of it, as they are.
        version: row.get::<_, i64>(18)? as u64,
    };
    Ok(Entry { row: file, beside: Beside { sidecar_ns: row.get(10)?, profile_ns: row.get(11)? }, copies: None })
}
