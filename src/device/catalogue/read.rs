//! The ones that ask. A reader opens the file for reading only, and again when another stands in its place.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params, params_from_iter};

use super::row::{self, COLUMNS, Parts, unsigned};
use super::schema::VERSION;
use super::{Failure, connect, write};
use crate::format::civil::parse_utc;
use crate::format::sidecar::KEPT;
use crate::message::analysis::Centibel;
use crate::message::library::{Date, Day, DayRow, FileRow, FilesPage, FilesQuery, GapRow, Trouble};
use crate::time::{SECOND_NS, Wall};

/// Files of a page, at most.
pub const MAX_LIMIT: usize = 1_000;

/// Longer than any path: no name has it as a part.
const MAX_TEXT_BYTES: usize = 4_096;

/// No local time is further from UTC than this.
const OFFSET_NS: i64 = 26 * 3_600 * SECOND_NS;

pub struct Reader {
    path: PathBuf,
    /// Which file is open.
    open: Option<((u64, u64), Connection)>,
    /// Set when the catalogue is found damaged, for whoever can make it anew.
    doubt: Arc<AtomicBool>,
}

/// In the details of a section that was cut out of a recording ([`SECTION`](crate::format::reduced::SECTION)).
const SECTION_REASON: &str = "\"end_reason\":\"section\"";

impl Reader {
    /// The file need not exist yet: until it does, answers are [`Trouble::Busy`].
    pub fn new(path: &Path, doubt: Arc<AtomicBool>) -> Reader {
        Reader { path: path.to_owned(), open: None, doubt }
    }

    pub fn find(&mut self, name: &str) -> Result<FileRow, Trouble> {
        let entry = self.ask(|db| write::find(db, name))?;
        entry.map(|entry| entry.row).ok_or(Trouble::Absent)
    }

    /// Newest first, both dates included.
    pub fn days(&mut self, from: Option<&str>, to: Option<&str>) -> Result<Vec<DayRow>, Trouble> {
        self.ask(|db| {
            let text = format!(
                "SELECT {DAY_COLUMNS} FROM days WHERE date >= coalesce(?1, '') AND date <= coalesce(?2, '~') \
                 GROUP BY date ORDER BY date DESC"
            );
            let mut statement = db.prepare_cached(&text)?;
            let days = statement.query_map(params![from, to], day_row)?;
            Ok(days.collect::<Result<_, _>>()?)
        })
    }

    pub fn day(&mut self, date: &str) -> Result<Day, Trouble> {
        let day = self.ask(|db| {
            // Its parts must be of one moment.
            let tx = db.unchecked_transaction()?;
            let text = format!("SELECT {DAY_COLUMNS} FROM days WHERE date = ?1 GROUP BY date");
            let row = tx.prepare_cached(&text)?.query_row([date], day_row).optional()?;
            let Some(row) = row else { return Ok(None) };
            let text = format!("SELECT {COLUMNS} FROM files WHERE date = ?1 ORDER BY start_us, name");
            Ok(Some(Day {
                row,
                files: file_rows(&tx, &text, vec![Value::from(date.to_owned())])?,
                gaps: gaps(&tx, date)?,
                watched: Vec::new(),
            }))
        })?;
        day.ok_or(Trouble::Absent)
    }

    pub fn files(&mut self, query: &FilesQuery) -> Result<FilesPage, Trouble> {
        let cursor = match query.cursor.as_deref().map(cursor_of) {
            None => None,
            Some(Some(cursor)) => Some(cursor),
            Some(None) => return Err(Trouble::Unclear("cursor is none that a page of this list ended with.".into())),
        };
        if query.q.contains('\0') || query.q.len() > MAX_TEXT_BYTES {
            return Ok(FilesPage { files: Vec::new(), total: 0, next: None });
        }
        let limit = query.limit.clamp(1, MAX_LIMIT);
        self.ask(|db| {
            let tx = db.unchecked_transaction()?;
            let total = total(&tx, query)?;
            let mut wanted = Wanted::of(query);
            if let Some((start_us, name)) = cursor {
                wanted.and("(start_us, name) < (?, ?)", [start_us.into(), name.to_owned().into()]);
            }
            let text = format!(
                "SELECT {COLUMNS} FROM files{} ORDER BY start_us DESC, name DESC LIMIT {}",
                wanted.condition,
                limit.saturating_add(1)
            );
            let mut files = file_rows(&tx, &text, wanted.values)?;
            let more = files.len() > limit;
            files.truncate(limit);
            let next = files.last().filter(|_| more).map(|last| format!("{}~{}", last.start.micros(), last.name));
            Ok(FilesPage { files, total, next })
        })
    }

    /// All that there are, in order; without the empty one.
    pub fn sources(&mut self) -> Result<Vec<String>, Trouble> {
        self.ask(|db| {
            let mut statement = db.prepare_cached("SELECT DISTINCT source FROM days WHERE source <> '' ORDER BY source")?;
            let sources = statement.query_map([], |row| row.get(0))?;
            Ok(sources.collect::<Result<_, _>>()?)
        })
    }

    /// Files of a source, or of any, that have sound of [from, to): oldest first, at most `MAX_LIMIT`. Without those that were cut
    /// out of others.
    pub fn between(&mut self, source: Option<&str>, from: Wall, to: Wall) -> Result<Vec<FileRow>, Trouble> {
        self.ask(|db| {
            let mut wanted = Wanted::default();
            // The end is no column: a file lasts a day at most, or begins a day before.
            wanted.and("start_us < ? AND start_us >= ?", [to.micros().into(), from.plus_ns(-86_400 * SECOND_NS).micros().into()]);
            // With gaps in it, it lasts longer: that is looked at below.
            wanted.and("(frames = 0 OR gaps > 0 OR start_us + duration_ms * 1000 >= ?)", [from.micros().into()]);
            if let Some(source) = source {
                wanted.and("source = ?", [source.to_owned().into()]);
            }
            wanted.and("details NOT LIKE ?", [format!("%\"end_reason\":\"{KEPT}\"%").into()]);
            let text = format!("SELECT {COLUMNS} FROM files{} ORDER BY start_us, name LIMIT {MAX_LIMIT}", wanted.condition);
            let mut files = file_rows(db, &text, wanted.values)?;
            files.retain(|file| file.frames == 0 || end(file) > from);
            Ok(without_pieces(files))
        })
    }

    /// Asks the file that stands there now.
    pub(super) fn ask<T>(&mut self, question: impl FnOnce(&Connection) -> Result<T, Failure>) -> Result<T, Trouble> {
        let answer = self.connection().and_then(question);
        answer.map_err(|failure| {
            self.open = None;
            if let Failure::Damaged(_) = failure {
                self.doubt.store(true, Relaxed);
            }
            log::debug!(target: "catalogue", "{}: {failure}", self.path.display());
            Trouble::Busy(2)
        })
    }

    fn connection(&mut self) -> Result<&Connection, Failure> {
        let identity = write::identity(&self.path).ok_or_else(|| Failure::Failed("it is not there".into()))?;
        if self.open.as_ref().is_none_or(|(open, _)| *open != identity) {
            self.open = None;
            let db = connect(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            db.execute_batch("PRAGMA query_only = ON")?;
            let version: i32 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            if version != VERSION {
                // Just being made, or left by another version.
                return Err(Failure::Failed(format!("version {version}")));
            }
            self.open = Some((identity, db));
        }
        let (_, db) = self.open.as_ref().ok_or_else(|| Failure::Failed("not open".into()))?;
        Ok(db)
    }
}

/// Sections that were cut out of a recording are heard in what is left of that; where nothing is, in themselves.
fn without_pieces(files: Vec<FileRow>) -> Vec<FileRow> {
    let is_piece = |file: &FileRow| file.details.contains(SECTION_REASON);
    let wholes: Vec<(String, Wall, Wall)> =
        files.iter().filter(|file| !is_piece(file)).map(|file| (file.source.clone(), file.start, end(file))).collect();
    let is_within = |file: &FileRow| {
        let within =
            |(source, from, to): &(String, Wall, Wall)| *source == file.source && *from <= file.start && file.start < *to;
        wholes.iter().any(within)
    };
    files.into_iter().filter(|file| !is_piece(file) || !is_within(file)).collect()
}

/// When the last frame ended, gaps counted.
fn end(file: &FileRow) -> Wall {
    let lost = file.gaps.iter().fold(0_i64, |sum, gap| sum.saturating_add(gap.end.since(gap.start).max(0)));
    file.start.plus_ns((file.duration_ms() as i64).saturating_mul(1_000_000)).plus_ns(lost)
}

/// In the order of [`DayRow`].
const DAY_COLUMNS: &str = "date, sum(files), sum(duration_ms), sum(bytes), sum(sections), sum(to_review), sum(gaps), max(best)";

fn day_row(row: &Row<'_>) -> rusqlite::Result<DayRow> {
    Ok(DayRow {
        date: row.get(0)?,
        files: unsigned(row.get(1)?),
        duration_ms: unsigned(row.get(2)?),
        bytes: unsigned(row.get(3)?),
        sections: unsigned(row.get(4)?),
        to_review: unsigned(row.get(5)?),
        gaps: unsigned(row.get(6)?),
        best: row.get::<_, Option<i16>>(7)?.map(Centibel),
        watched_ms: 0,
    })
}

pub(super) fn file_rows(db: &Connection, text: &str, values: Vec<Value>) -> Result<Vec<FileRow>, Failure> {
    let mut parts = Parts::of(db)?;
    let mut statement = db.prepare_cached(text)?;
    let files = statement.query_map(params_from_iter(values), |found| row::read(found, &mut parts).map(|entry| entry.row))?;
    Ok(files.collect::<Result<_, _>>()?)
}

fn gaps(db: &Connection, date: &str) -> Result<Vec<GapRow>, Failure> {
    let text = "SELECT source, start_us, end_us, frames_lost, reason FROM gaps WHERE date = ?1 ORDER BY start_us";
    let mut statement = db.prepare_cached(text)?;
    let gaps = statement.query_map([date], row::gap)?;
    Ok(gaps.collect::<Result<_, _>>()?)
}

/// How many files there are on all pages. Without a text to look for the days know it.
fn total(db: &Connection, query: &FilesQuery) -> Result<u64, Failure> {
    if !query.q.is_empty() {
        let wanted = Wanted::of(query);
        let text = format!("SELECT count(*) FROM files{}", wanted.condition);
        let count: i64 = db.prepare_cached(&text)?.query_row(params_from_iter(wanted.values), |row| row.get(0))?;
        return Ok(unsigned(count));
    }
    let text = "SELECT coalesce(sum(files), 0) FROM days WHERE date >= coalesce(?1, '') AND date <= coalesce(?2, '~') \
                AND source = coalesce(?3, source)";
    let count: i64 = db.prepare_cached(text)?.query_row(params![query.from, query.to, query.source], |row| row.get(0))?;
    Ok(unsigned(count))
}

/// The condition of a list, and its values in order.
#[derive(Default)]
struct Wanted {
    condition: String,
    values: Vec<Value>,
}

impl Wanted {
    fn of(query: &FilesQuery) -> Wanted {
        let mut wanted = Wanted::default();
        // The start bounds let the index of the list's order be used, the date decides; its plus keeps SQLite from walking the
        // index of days, which would have to be sorted.
        if let Some(from) = &query.from {
            wanted.and("+date >= ?", [from.clone().into()]);
            if let Some(midnight) = midnight(from) {
                wanted.and("start_us >= ?", [midnight.plus_ns(-OFFSET_NS).micros().into()]);
            }
        }
        if let Some(to) = &query.to {
            wanted.and("+date <= ?", [to.clone().into()]);
            if let Some(midnight) = midnight(to) {
                wanted.and("start_us <= ?", [midnight.plus_ns(86_400 * SECOND_NS + OFFSET_NS).micros().into()]);
            }
        }
        if let Some(source) = &query.source {
            wanted.and("source = ?", [source.clone().into()]);
        }
        if !query.q.is_empty() {
            wanted.and(r"coalesce(folded, name) LIKE ? ESCAPE '\'", [pattern(&query.q).into()]);
        }
        wanted
    }

    fn and<const N: usize>(&mut self, condition: &str, values: [Value; N]) {
        self.condition.push_str(if self.condition.is_empty() { " WHERE " } else { " AND " });
        self.condition.push_str(condition);
        self.values.extend(values);
    }
}

fn midnight(date: &Date) -> Option<Wall> {
    parse_utc(&format!("{date}T00:00:00Z"))
}

/// For LIKE: this text anywhere, whatever its case.
fn pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.to_lowercase().chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

fn cursor_of(text: &str) -> Option<(i64, &str)> {
    let (start_us, name) = text.split_once('~')?;
    Some((start_us.parse().ok()?, name))
}
