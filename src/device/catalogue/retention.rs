//! The recordings that may go, in the order in which they go: an answer is a look into an index, whatever the folder holds.

use rusqlite::{OptionalExtension, Row, params};

use super::row::unsigned;
use super::{Failure, Writer};
use crate::message::analysis::Centibel;
use crate::policy::retention::{Candidate, Rank};
use crate::time::Wall;

/// What may go at all: finished, not locked, and recorded by us.
const MAY_GO: &str = "state > 0 AND locked = 0 AND source <> ''";

/// Files of a source that tell how much an hour of it takes.
const LAST_FILES: u32 = 3;

/// What [`crate::policy::retention::Evidence::rank`] says, for the index. The score is a literal there, so that the index itself is in order.
fn rank(high_score: Centibel) -> String {
    format!(
        "(uploaded_at IS NULL) * 3 + CASE WHEN state = 2 AND sections = 0 THEN 0 WHEN reviewed = 0 AND best >= {} THEN 2 ELSE 1 END",
        high_score.0
    )
}

impl Writer {
    /// Makes the order ready if it was another's: takes a second where there are many recordings, otherwise nothing.
    pub fn rank_by(&self, high_score: Centibel) -> Result<(), Failure> {
        let wanted = format!("files_to_go_{}", i32::from(high_score.0) + 32_768);
        let text = "SELECT name FROM sqlite_master WHERE type = 'index' AND name LIKE 'files\\_to\\_go\\_%' ESCAPE '\\'";
        let others: Vec<String> = self.db.prepare(text)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        for other in others.iter().filter(|name| **name != wanted) {
            self.db.execute_batch(&format!("DROP INDEX {other}"))?;
        }
        let rank = rank(high_score);
        Ok(self
            .db
            .execute_batch(&format!("CREATE INDEX IF NOT EXISTS {wanted} ON files({rank}, start_us, name) WHERE {MAY_GO}"))?)
    }

    /// The oldest of the lowest rank, behind so many others of that order.
    pub fn first_to_go(&self, high_score: Centibel, behind: usize) -> Result<Option<Candidate>, Failure> {
        let rank = rank(high_score);
        let text = format!(
            "SELECT name, source, start_us, bytes, {rank} FROM files WHERE {MAY_GO} ORDER BY {rank}, start_us, name LIMIT 1 OFFSET ?1"
        );
        Ok(self.db.prepare_cached(&text)?.query_row([behind as i64], candidate).optional()?)
    }

    /// Of a source, uploaded or not: the oldest that began at or after this, behind so many others.
    pub fn oldest_of(
        &self,
        source: &str,
        is_uploaded: bool,
        from: Wall,
        high_score: Centibel,
        behind: usize,
    ) -> Result<Option<Candidate>, Failure> {
        let text = format!(
            "SELECT name, source, start_us, bytes, {} FROM files WHERE {MAY_GO} AND source = ?1 AND (uploaded_at IS NULL) = ?2 \
             AND start_us >= ?3 ORDER BY start_us, name LIMIT 1 OFFSET ?4",
            rank(high_score)
        );
        let values = params![source, !is_uploaded, from.micros(), behind as i64];
        Ok(self.db.prepare_cached(&text)?.query_row(values, candidate).optional()?)
    }

    /// Of all that we recorded and that is there.
    pub fn oldest_start(&self) -> Result<Option<Wall>, Failure> {
        let text = "SELECT min(start_us) FROM files WHERE source <> ''";
        let micros: Option<i64> = self.db.prepare_cached(text)?.query_row([], |row| row.get(0))?;
        Ok(micros.map(Wall::from_micros))
    }

    /// Sources that have recordings.
    pub fn sources(&self) -> Result<Vec<String>, Failure> {
        // From one to the next, and not through all that each has.
        let text = "WITH RECURSIVE each(source) AS (SELECT min(source) FROM files WHERE source > '' UNION ALL \
                    SELECT (SELECT min(source) FROM files WHERE source > each.source) FROM each WHERE source IS NOT NULL) \
                    SELECT source FROM each WHERE source IS NOT NULL";
        let mut statement = self.db.prepare_cached(text)?;
        let sources = statement.query_map([], |row| row.get(0))?;
        Ok(sources.collect::<Result<_, _>>()?)
    }

    /// What an hour of a source took in its last recordings; `None` before there is a second of it.
    pub fn bytes_per_hour(&self, source: &str) -> Result<Option<f64>, Failure> {
        let text = format!(
            "SELECT sum(bytes), sum(duration_ms) FROM (SELECT bytes, duration_ms FROM files WHERE source = ?1 AND state > 0 \
             ORDER BY start_us DESC, name DESC LIMIT {LAST_FILES})"
        );
        let sums: (Option<i64>, Option<i64>) =
            self.db.prepare_cached(&text)?.query_row([source], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(match sums {
            (Some(bytes), Some(ms)) if ms >= 1_000 => Some(bytes as f64 * 3_600_000.0 / ms as f64),
            _ => None,
        })
    }
}

pub(super) fn candidate(row: &Row<'_>) -> rusqlite::Result<Candidate> {
    Ok(Candidate {
        name: row.get(0)?,
        source: row.get(1)?,
        start: Wall::from_micros(row.get(2)?),
        bytes: unsigned(row.get(3)?),
        rank: Rank(row.get(4)?),
    })
}
