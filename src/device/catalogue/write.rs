//! The one that writes: all changes come in [`Batch`]es, each of which happens whole or not at all.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};

use super::row::{self, COLUMNS, Parts, signed, state_number};
use super::schema::{TABLES, VERSION};
use super::{Beside, Entry, Failure, Known, connect};
use crate::format::civil::Civil;
use crate::format::labels;
use crate::message::analysis::Centibel;
use crate::message::library::{Date, FileRow, GapRow};
use crate::time::{SECOND_NS, Wall};

/// Names of the rows that a file of its own holds beside the catalogue's.
const BESIDE: [&str; 3] = ["", "-wal", "-shm"];

const DAY_NS: i64 = 86_400 * SECOND_NS;

pub struct Writer {
    path: PathBuf,
    pub(super) db: Connection,
    identity: Option<(u64, u64)>,
}

impl Writer {
    /// True if it was made anew: then it is empty. The folder must exist.
    pub fn open(path: &Path) -> Result<(Writer, bool), Failure> {
        let wanted = match open_as(path, VERSION) {
            Ok(db) => return Ok((Writer { path: path.to_owned(), db, identity: identity(path) }, false)),
            Err(Failure::Damaged(why)) => why,
            Err(other) => return Err(other),
        };
        log::debug!(target: "catalogue", "{}: made anew: {wanted}", path.display());
        Ok((Writer { path: path.to_owned(), db: make(path)?, identity: identity(path) }, true))
    }

    /// Empty, and without whatever was wrong with it.
    pub fn renew(self) -> Result<Writer, Failure> {
        let Writer { path, db, .. } = self;
        // A connection that is still open would take the new file's log for its own.
        drop(db);
        Ok(Writer { db: make(&path)?, identity: identity(&path), path })
    }

    /// The file that was opened is the one that stands there.
    pub fn is_current(&self) -> bool {
        self.identity.is_some() && identity(&self.path) == self.identity
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn batch(&mut self) -> Result<Batch<'_>, Failure> {
        Ok(Batch { tx: self.db.transaction_with_behavior(TransactionBehavior::Immediate)? })
    }

    /// The next `limit` files behind this name, by the bytes of their names: for comparing with a folder in the same order.
    pub fn known(&self, after: &str, limit: usize) -> Result<Vec<Known>, Failure> {
        let text = "SELECT name, bytes, modified_ns, sidecar_ns, profile_ns, state = 0 FROM files WHERE name > ?1 ORDER BY name LIMIT ?2";
        let mut statement = self.db.prepare_cached(text)?;
        let known = statement.query_map(params![after, limit as i64], |row| {
            Ok(Known {
                name: row.get(0)?,
                bytes: row::unsigned(row.get(1)?),
                modified: Wall(row.get(2)?),
                beside: Beside { sidecar_ns: row.get(3)?, profile_ns: row.get(4)? },
                is_open: row.get(5)?,
            })
        })?;
        Ok(known.collect::<Result<_, _>>()?)
    }

    pub fn find(&self, name: &str) -> Result<Option<Entry>, Failure> {
        find(&self.db, name)
    }

    /// The newest closed file without a profile that nothing is known against.
    pub fn to_analyse(&self) -> Result<Option<String>, Failure> {
        let text = "SELECT name FROM files WHERE state = 1 AND trouble IS NULL ORDER BY start_us DESC, name DESC LIMIT 1";
        Ok(self.db.prepare_cached(text)?.query_row([], |row| row.get(0)).optional()?)
    }

    /// How many such files there are: takes milliseconds when they are many.
    pub fn count_to_analyse(&self) -> Result<u64, Failure> {
        let text = "SELECT count(*) FROM files WHERE state = 1 AND trouble IS NULL";
        Ok(row::unsigned(self.db.prepare_cached(text)?.query_row([], |row| row.get(0))?))
    }

    /// All files.
    pub fn count(&self) -> Result<u64, Failure> {
        let text = "SELECT coalesce(sum(files), 0) FROM days";
        Ok(row::unsigned(self.db.prepare_cached(text)?.query_row([], |row| row.get(0))?))
    }

    /// Gaps between files.
    pub fn loose_gaps(&self) -> Result<u64, Failure> {
        let text = "SELECT count(*) FROM gaps WHERE file = 0";
        Ok(row::unsigned(self.db.prepare_cached(text)?.query_row([], |row| row.get(0))?))
    }

    /// Whether this gap, give or take `slack_ns`, is one inside a file.
    pub fn has_gap(&self, gap: &GapRow, slack_ns: i64) -> Result<bool, Failure> {
        // The day of a file may be the one before or after.
        let day = |ns: i64| local_date(gap.start.plus_ns(ns), 0);
        let text = "SELECT 1 FROM gaps WHERE date BETWEEN ?1 AND ?2 AND start_us BETWEEN ?3 AND ?4 AND file <> 0 \
                    AND source = ?5 AND frames_lost = ?6 LIMIT 1";
        let mut statement = self.db.prepare_cached(text)?;
        let (from, to) = (day(-2 * DAY_NS), day(2 * DAY_NS));
        let (first, last) = (gap.start.plus_ns(-slack_ns).micros(), gap.start.plus_ns(slack_ns).micros());
        let found = statement.query_row(params![from, to, first, last, gap.source, signed(gap.frames_lost)], |_| Ok(()));
        Ok(found.optional()?.is_some())
    }

    /// Before the catalogue is filled: with a few MiB of pages each of them is written once and not for every row. Until
    /// [`Writer::rest`].
    pub fn hurry(&self) -> Result<(), Failure> {
        Ok(self.db.execute_batch("PRAGMA cache_size = -4096;")?)
    }

    /// After many changes: everything is in the file itself, and memory is given back.
    pub fn rest(&self) -> Result<(), Failure> {
        let text = "PRAGMA wal_checkpoint(TRUNCATE); PRAGMA cache_size = -256; PRAGMA shrink_memory;";
        Ok(self.db.execute_batch(text)?)
    }
}

/// Of the file that has this name now: device and number.
pub(super) fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}

/// An existing catalogue of this version.
fn open_as(path: &Path, version: i32) -> Result<Connection, Failure> {
    if !path.exists() {
        return Err(Failure::Damaged("it is not there".into()));
    }
    let db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let found: i32 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found != version {
        return Err(Failure::Damaged(format!("version {found} instead of {version}")));
    }
    set_up(&db)?;
    // A look at each table: what is torn is mostly torn at its root.
    for table in ["files", "sections", "gaps", "uploads", "targets", "days"] {
        db.query_row(&format!("SELECT 1 FROM {table} LIMIT 1"), [], |_| Ok(())).optional()?;
    }
    Ok(db)
}

fn make(path: &Path) -> Result<Connection, Failure> {
    for ending in BESIDE {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        match fs::remove_file(&name) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e.into()),
            _ => {}
        }
    }
    let db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    set_up(&db)?;
    db.execute_batch(&format!("BEGIN; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;"))?;
    Ok(db)
}

fn set_up(db: &Connection) -> Result<(), Failure> {
    // Answers with the mode that it got, which on a file system without shared memory is another and works too.
    db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    // A power cut may cost the last changes, never the file; and changes are found again.
    Ok(db.execute_batch("PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 4194304;")?)
}

pub(super) fn find(db: &Connection, name: &str) -> Result<Option<Entry>, Failure> {
    let mut parts = Parts::of(db)?;
    let mut statement = db.prepare_cached(&format!("SELECT {COLUMNS} FROM files WHERE name = ?1"))?;
    Ok(statement.query_row([name], |found| row::read(found, &mut parts)).optional()?)
}

/// Changes that happen together. Dropped without [`Batch::commit`], none of them happens.
pub struct Batch<'a> {
    pub(super) tx: Transaction<'a>,
}

/// What a file adds to its day.
#[derive(Clone, PartialEq, Eq)]
struct Share {
    date: Date,
    source: String,
    duration_ms: i64,
    bytes: i64,
    sections: i64,
    reviewed: bool,
    gaps: i64,
    best: Option<i64>,
}

impl Batch<'_> {
    /// What was known of a file of this name is replaced.
    pub fn put(&mut self, entry: &Entry) -> Result<(), Failure> {
        let file = &entry.row;
        let share = Share::of(file);
        let old = self.share(&file.name)?;
        let id = self.put_file(entry, &share, old.as_ref().map(|(id, _)| *id))?;
        let before = old.as_ref().map(|(_, share)| (share.sections, share.gaps)).unwrap_or_default();
        if before.0 > 0 {
            self.tx.prepare_cached("DELETE FROM sections WHERE file = ?1")?.execute([id])?;
        }
        if before.1 > 0 {
            self.tx.prepare_cached("DELETE FROM gaps WHERE file = ?1")?.execute([id])?;
        }
        self.put_sections(id, file)?;
        for (n, gap) in file.gaps.iter().enumerate() {
            self.put_gap(id, n as i64, &share.date, gap)?;
        }
        self.put_copies(entry)?;
        match old {
            Some((_, old)) if old == share => Ok(()),
            Some((_, old)) => {
                self.add(&share, 1)?;
                self.add(&old, -1)
            }
            None => self.add(&share, 1),
        }
    }

    /// False if no file has this name.
    pub fn remove(&mut self, name: &str) -> Result<bool, Failure> {
        let Some((id, share)) = self.share(name)? else { return Ok(false) };
        for text in
            ["DELETE FROM sections WHERE file = ?1", "DELETE FROM gaps WHERE file = ?1", "DELETE FROM files WHERE id = ?1"]
        {
            self.tx.prepare_cached(text)?.execute([id])?;
        }
        self.tx.prepare_cached("DELETE FROM uploads WHERE name = ?1")?.execute([name])?;
        self.add(&share, -1)?;
        Ok(true)
    }

    /// Gaps between files, instead of all that were known; each with its local date.
    pub fn put_loose_gaps(&mut self, gaps: impl Iterator<Item = (Date, GapRow)>) -> Result<(), Failure> {
        let forget = "UPDATE days SET gaps = gaps - (SELECT count(*) FROM gaps WHERE file = 0 AND gaps.date = days.date \
                      AND gaps.source = days.source) WHERE date IN (SELECT date FROM gaps WHERE file = 0)";
        self.tx.execute(forget, [])?;
        self.tx.execute("DELETE FROM gaps WHERE file = 0", [])?;
        for (n, (date, gap)) in gaps.enumerate() {
            self.put_gap(0, n as i64, &date, &gap)?;
            self.change_day(&date, &gap.source, [0, 0, 0, 0, 0, 1], None)?;
        }
        self.tx.execute("DELETE FROM days WHERE files = 0 AND gaps = 0", [])?;
        Ok(())
    }

    pub fn commit(self) -> Result<(), Failure> {
        Ok(self.tx.commit()?)
    }

    fn share(&self, name: &str) -> Result<Option<(i64, Share)>, Failure> {
        let text = "SELECT id, date, source, duration_ms, bytes, sections, reviewed, gaps, best FROM files WHERE name = ?1";
        let mut statement = self.tx.prepare_cached(text)?;
        let read = |row: &rusqlite::Row<'_>| {
            let share = Share {
                date: row.get(1)?,
                source: row.get(2)?,
                duration_ms: row.get(3)?,
                bytes: row.get(4)?,
                sections: row.get(5)?,
                reviewed: row.get(6)?,
                gaps: row.get(7)?,
                best: row.get(8)?,
            };
            Ok((row.get(0)?, share))
        };
        Ok(statement.query_row([name], read).optional()?)
    }

    /// Into the row with this number, or a new one; which one it is.
    fn put_file(&mut self, entry: &Entry, share: &Share, id: Option<i64>) -> Result<i64, Failure> {
        let text = "INSERT INTO files(id, name, folded, source, start_us, utc_offset_s, date, frames, rate_hz, channels, \
                    duration_ms, bytes, modified_ns, sidecar_ns, profile_ns, state, reviewed, locked, note, trouble, sections, gaps, \
                    best, details, version, uploaded_at) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, \
                    ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26) \
                    ON CONFLICT(id) DO UPDATE SET folded = ?3, source = ?4, start_us = ?5, utc_offset_s = ?6, date = ?7, frames = ?8, \
                    rate_hz = ?9, channels = ?10, duration_ms = ?11, bytes = ?12, modified_ns = ?13, sidecar_ns = ?14, \
                    profile_ns = ?15, state = ?16, reviewed = ?17, locked = ?18, note = ?19, trouble = ?20, sections = ?21, \
                    gaps = ?22, best = ?23, details = ?24, version = ?25, uploaded_at = ?26";
        let (file, beside) = (&entry.row, &entry.beside);
        self.tx.prepare_cached(text)?.execute(params![
            id,
            file.name,
            folded(file),
            file.source,
            file.start.micros(),
            file.utc_offset_s,
            share.date,
            signed(file.frames),
            file.rate_hz,
            file.channels,
            share.duration_ms,
            share.bytes,
            file.modified.0,
            beside.sidecar_ns,
            beside.profile_ns,
            state_number(file.state),
            file.marks.reviewed,
            file.marks.locked,
            file.marks.note,
            file.trouble,
            share.sections,
            share.gaps,
            share.best,
            file.details,
            file.version as i64,
            file.uploaded_at.map(Wall::micros),
        ])?;
        Ok(id.unwrap_or_else(|| self.tx.last_insert_rowid()))
    }

    fn put_sections(&mut self, id: i64, file: &FileRow) -> Result<(), Failure> {
        if file.sections.is_empty() {
            return Ok(());
        }
        // A section that is told twice is one.
        let text = "INSERT OR REPLACE INTO sections VALUES(?1, ?2, ?3, ?4, ?5, ?6)";
        let mut statement = self.tx.prepare_cached(text)?;
        for section in file.sections.iter() {
            let (lo, hi) = section.band_hz.map(|(lo, hi)| (f64::from(lo), f64::from(hi))).unzip();
            statement.execute(params![id, section.first_window, section.end_window, section.score.0, lo, hi])?;
        }
        Ok(())
    }

    fn put_gap(&mut self, id: i64, n: i64, date: &str, gap: &GapRow) -> Result<(), Failure> {
        let text = "INSERT INTO gaps VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let (start, end) = (gap.start.micros(), gap.end.micros());
        let mut statement = self.tx.prepare_cached(text)?;
        statement.execute(params![id, n, date, gap.source, start, end, signed(gap.frames_lost), gap.reason])?;
        Ok(())
    }

    /// Adds a share to its day, or takes it away (-1), after the file itself was changed.
    fn add(&mut self, share: &Share, sign: i64) -> Result<(), Failure> {
        let to_review = if share.reviewed { 0 } else { share.sections };
        let sums = [1, share.duration_ms, share.bytes, share.sections, to_review, share.gaps].map(|n| sign * n);
        self.change_day(&share.date, &share.source, sums, share.best.filter(|_| sign > 0))?;
        if sign > 0 {
            return Ok(());
        }
        let key = params![share.date, share.source];
        let gone = "DELETE FROM days WHERE date = ?1 AND source = ?2 AND files = 0 AND gaps = 0";
        self.tx.prepare_cached(gone)?.execute(key)?;
        if share.best.is_some() {
            // The best may have been this file's; only then all files of the day are looked at.
            let text = "UPDATE days SET best = (SELECT max(best) FROM files WHERE date = ?1 AND source = ?2) \
                        WHERE date = ?1 AND source = ?2 AND best <= ?3";
            self.tx.prepare_cached(text)?.execute(params![share.date, share.source, share.best])?;
        }
        Ok(())
    }

    /// `sums`: files, duration_ms, bytes, sections, to_review, gaps.
    fn change_day(&mut self, date: &str, source: &str, sums: [i64; 6], best: Option<i64>) -> Result<(), Failure> {
        let text = "INSERT INTO days VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO UPDATE SET files = files + ?3, \
                    duration_ms = duration_ms + ?4, bytes = bytes + ?5, sections = sections + ?6, to_review = to_review + ?7, \
                    gaps = gaps + ?8, best = CASE WHEN best IS NULL OR ?9 > best THEN ?9 ELSE best END";
        let [files, duration, bytes, sections, to_review, gaps] = sums;
        let mut statement = self.tx.prepare_cached(text)?;
        statement.execute(params![date, source, files, duration, bytes, sections, to_review, gaps, best])?;
        Ok(())
    }
}

impl Share {
    fn of(file: &FileRow) -> Share {
        // As many as there are after those that are told twice became one.
        let mut places: Vec<(u32, u32)> = file.sections.iter().map(|s| (s.first_window, s.end_window)).collect();
        places.sort_unstable();
        places.dedup();
        Share {
            date: local_date(file.start, file.utc_offset_s),
            source: file.source.clone(),
            duration_ms: signed(file.duration_ms()),
            bytes: signed(file.bytes),
            sections: places.len() as i64,
            reviewed: file.marks.reviewed,
            gaps: file.gaps.len() as i64,
            best: file.best().map(|Centibel(score)| i64::from(score)),
        }
    }
}

/// `2024-12-25`.
pub fn local_date(at: Wall, utc_offset_s: i32) -> Date {
    let civil = Civil::at(at, utc_offset_s);
    format!("{:04}-{:02}-{:02}", civil.year, civil.month, civil.day)
}

fn folded(file: &FileRow) -> Option<String> {
    let labels = labels::names_in(&file.details);
    let is_needed = !file.name.is_ascii() || !labels.is_empty();
    is_needed.then(|| [file.name.clone()].into_iter().chain(labels).collect::<Vec<_>>().join("\n").to_lowercase())
}
