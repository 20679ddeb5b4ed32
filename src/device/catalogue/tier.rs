//! The recordings that may be kept in less than they are, in the order of their age: an answer is a look into an index.

use rusqlite::{OptionalExtension, params};

use super::retention::candidate;
use super::{Failure, Writer};
use crate::policy::retention::Candidate;
use crate::policy::tier::Form;
use crate::time::Wall;

/// Analysed, not locked, recorded by us; not reduced yet, and no part of another one. These keys of a sidecar stand in the details.
const WHOLE: &str = "state = 2 AND locked = 0 AND source <> '' AND trouble IS NULL AND instr(details, '\"reduced\":') = 0 \
     AND instr(details, '\"piece_of\":') = 0 AND instr(details, '\"mark\":') = 0";
/// What was left of one as a whole.
const OPUS: &str = "state > 0 AND locked = 0 AND source <> '' AND instr(details, '\"left\":\"opus\"') > 0";
const LOSSLESS: &str = "(name LIKE '%.flac' OR name LIKE '%.wav')";

impl Writer {
    /// Makes the orders ready if they are not: takes a second where there are many recordings, otherwise nothing.
    pub fn rank_by_tier(&self) -> Result<(), Failure> {
        let order = "source, (uploaded_at IS NULL), start_us, name";
        let text = format!(
            "CREATE INDEX IF NOT EXISTS files_to_reduce ON files({order}) WHERE {WHOLE}; \
             CREATE INDEX IF NOT EXISTS files_reduced ON files({order}) WHERE {OPUS}"
        );
        Ok(self.db.execute_batch(&text)?)
    }

    /// Of a source, uploaded or not: the oldest that began at or after this, behind so many others. Its rank is of no meaning.
    pub fn oldest_in(
        &self,
        source: &str,
        form: Form,
        is_uploaded: bool,
        from: Wall,
        behind: usize,
    ) -> Result<Option<Candidate>, Failure> {
        let wanted = match form {
            Form::Whole => WHOLE.to_owned(),
            Form::Lossless => format!("{WHOLE} AND {LOSSLESS}"),
            Form::Opus => OPUS.to_owned(),
        };
        let text = format!(
            "SELECT name, source, start_us, bytes, 0 FROM files WHERE {wanted} AND source = ?1 AND (uploaded_at IS NULL) = ?2 \
             AND start_us >= ?3 ORDER BY start_us, name LIMIT 1 OFFSET ?4"
        );
        let values = params![source, !is_uploaded, from.micros(), behind as i64];
        Ok(self.db.prepare_cached(&text)?.query_row(values, candidate).optional()?)
    }
}
