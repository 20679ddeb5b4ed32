//! Which recordings wait for which target, and what stands where.

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, params};

use super::read::file_rows;
use super::row::{self, COLUMNS, signed, unsigned};
use super::write::Batch;
use super::{Entry, Failure, Reader, Writer};
use crate::message::library::{Date, FileRow, GapRow, Trouble};
use crate::policy::outbox::{Order, REFUSED_FOR_NS};
use crate::time::Wall;

const SENDING: i64 = 0;
const THERE: i64 = 1;
const UNWANTED: i64 = 2;

/// Not analysed for so long, a recording is sent as it is.
const PATIENCE_NS: i64 = 3_600 * 1_000_000_000;

/// What a target waits for.
#[derive(Clone, Copy, Debug)]
pub struct Waiting<'a> {
    pub target: &'a str,
    pub order: Order,
    /// Recordings without a section are not sent.
    pub only_sections: bool,
    pub now: Wall,
}

/// How much that is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    pub files: u64,
    pub bytes: u64,
}

impl Waiting<'_> {
    /// Closed, analysed (or not to be for a while), and neither there nor refused lately.
    fn condition(&self) -> (String, Vec<Value>) {
        let sections = if self.only_sections { " AND sections > 0" } else { "" };
        let text = format!(
            "FROM files WHERE uploaded_at IS NULL AND state > 0{sections} AND (state = 2 OR trouble IS NOT NULL OR modified_ns < ?1) \
             AND NOT EXISTS (SELECT 1 FROM uploads WHERE uploads.name = files.name AND target = ?2 AND uploads.bytes = files.bytes \
             AND (uploads.state = {THERE} OR (uploads.state = {UNWANTED} AND at_us > ?3)))"
        );
        let old = self.now.plus_ns(-PATIENCE_NS).0;
        let lately = self.now.plus_ns(-REFUSED_FOR_NS).micros();
        (text, vec![old.into(), self.target.to_owned().into(), lately.into()])
    }
}

impl Reader {
    /// The recording that this target gets next.
    pub fn next_upload(&mut self, waiting: &Waiting) -> Result<Option<FileRow>, Trouble> {
        self.ask(|db| {
            let (condition, values) = waiting.condition();
            let order = if waiting.order == Order::Newest { "start_us DESC, name DESC" } else { "start_us, name" };
            let text = format!("SELECT {COLUMNS} {condition} ORDER BY {order} LIMIT 1");
            Ok(file_rows(db, &text, values)?.pop())
        })
    }

    pub fn upload_backlog(&mut self, waiting: &Waiting) -> Result<Backlog, Trouble> {
        self.ask(|db| {
            let (condition, values) = waiting.condition();
            let text = format!("SELECT count(*), coalesce(sum(bytes), 0) {condition}");
            let (files, bytes): (i64, i64) =
                db.prepare_cached(&text)?.query_row(rusqlite::params_from_iter(values), |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(Backlog { files: unsigned(files), bytes: unsigned(bytes) })
        })
    }

    /// What the target calls what was begun of this recording, as it is now.
    pub fn upload_token(&mut self, row: &FileRow, target: &str) -> Result<Option<String>, Trouble> {
        self.ask(|db| {
            let text = format!("SELECT note FROM uploads WHERE name = ?1 AND target = ?2 AND state = {SENDING} AND bytes = ?3");
            let mut statement = db.prepare_cached(&text)?;
            Ok(statement.query_row(params![row.name, target, signed(row.bytes)], |row| row.get(0)).optional()?)
        })
    }

    /// Where a recording, as it is now, stands at the target.
    pub fn upload_key(&mut self, row: &FileRow, target: &str) -> Result<Option<String>, Trouble> {
        self.ask(|db| {
            let text = format!("SELECT key FROM uploads WHERE name = ?1 AND target = ?2 AND state = {THERE} AND bytes = ?3");
            let mut statement = db.prepare_cached(&text)?;
            Ok(statement.query_row(params![row.name, target, signed(row.bytes)], |row| row.get(0)).optional()?)
        })
    }

    /// (source, date) of recordings that this target got within so many seconds of the last one: their lists of events may not be there.
    pub fn last_uploads(&mut self, target: &str, seconds: i64) -> Result<Vec<(String, Date)>, Trouble> {
        self.ask(|db| {
            let text = format!(
                "SELECT DISTINCT source, date FROM uploads JOIN files USING (name) WHERE target = ?1 AND uploads.state = {THERE} \
                 AND at_us >= (SELECT max(at_us) FROM uploads WHERE target = ?1 AND state = {THERE}) - ?2 LIMIT 1000"
            );
            let mut statement = db.prepare_cached(&text)?;
            let days =
                statement.query_map(params![target, seconds.saturating_mul(1_000_000)], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(days.collect::<Result<_, _>>()?)
        })
    }

    /// Finished recordings of a source on a day, and its gaps, the oldest first.
    pub fn day_of(&mut self, source: &str, date: &str) -> Result<(Vec<FileRow>, Vec<GapRow>), Trouble> {
        self.ask(|db| {
            let text = format!("SELECT {COLUMNS} FROM files WHERE date = ?1 AND source = ?2 AND state > 0 ORDER BY start_us, name");
            let files = file_rows(db, &text, vec![date.to_owned().into(), source.to_owned().into()])?;
            let text = "SELECT source, start_us, end_us, frames_lost, reason FROM gaps WHERE date = ?1 AND source = ?2 ORDER BY start_us";
            let mut statement = db.prepare_cached(text)?;
            let gaps = statement.query_map([date, source], row::gap)?.collect::<Result<_, _>>()?;
            Ok((files, gaps))
        })
    }
}

impl Writer {
    /// From now on a recording counts as uploaded when all of these have it. Others than before: all are counted anew.
    pub fn set_targets(&mut self, targets: &[String]) -> Result<(), Failure> {
        let mut sorted = targets.to_vec();
        sorted.sort();
        let known: Vec<String> = {
            let mut statement = self.db.prepare("SELECT name FROM targets ORDER BY name")?;
            let names = statement.query_map([], |row| row.get(0))?;
            names.collect::<Result<_, _>>()?
        };
        if known == sorted {
            return Ok(());
        }
        let batch = self.batch()?;
        batch.tx.execute("DELETE FROM targets", [])?;
        for target in &sorted {
            batch.tx.execute("INSERT OR IGNORE INTO targets VALUES(?1)", [target])?;
        }
        let text = format!(
            "UPDATE files SET uploaded_at = (SELECT max(at_us) FROM uploads JOIN targets ON target = targets.name \
             WHERE uploads.name = files.name AND uploads.state = {THERE} AND uploads.bytes = files.bytes \
             HAVING count(*) = (SELECT count(*) FROM targets))"
        );
        batch.tx.execute(&text, [])?;
        batch.commit()
    }
}

impl Batch<'_> {
    pub(super) fn put_copies(&mut self, entry: &Entry) -> Result<(), Failure> {
        let Some(copies) = &entry.copies else { return Ok(()) };
        let name = &entry.row.name;
        let forget = format!("DELETE FROM uploads WHERE name = ?1 AND state = {THERE}");
        self.tx.prepare_cached(&forget)?.execute([name])?;
        for copy in copies {
            self.put_upload((name, &copy.target), THERE, (copy.at, copy.bytes), [&copy.key, &copy.checksum, ""])?;
        }
        Ok(())
    }

    /// Begun and not finished.
    pub fn put_sending(&mut self, row: &FileRow, target: &str, token: &str, now: Wall) -> Result<(), Failure> {
        self.put_upload((&row.name, target), SENDING, (now, row.bytes), ["", "", token])
    }

    pub fn put_unwanted(&mut self, row: &FileRow, target: &str, why: &str, now: Wall) -> Result<(), Failure> {
        self.put_upload((&row.name, target), UNWANTED, (now, row.bytes), ["", "", why])
    }

    fn put_upload(
        &mut self,
        (name, target): (&str, &str),
        state: i64,
        (at, bytes): (Wall, u64),
        [key, checksum, note]: [&str; 3],
    ) -> Result<(), Failure> {
        let text = "INSERT OR REPLACE INTO uploads VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let values = params![name, target, state, at.micros(), signed(bytes), key, checksum, note];
        self.tx.prepare_cached(text)?.execute(values)?;
        Ok(())
    }
}
