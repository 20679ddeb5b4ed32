//! The catalogue: an index over a folder of recordings, in SQLite, so that a question costs milliseconds whatever the folder holds.
//!
//! It is a cache. The files and their sidecars are the truth; what is of another version or damaged is deleted and made anew by
//! whoever keeps the folder. One [`Writer`] for each file; any number of [`Reader`]s, which never wait for it. Nothing here
//! looks at the folder itself.
//!
//! Memory: 256 KiB of pages for each connection, no mapping of the file; every list comes in the order of an index, so that nothing is
//! sorted. A days table is kept with every change, so that calendars and totals need not count.

mod read;
mod retention;
mod row;
mod schema;
mod tier;
mod uploads;
mod write;

use std::path::Path;
use std::time::Duration;
use std::{fmt, io};

use rusqlite::{Connection, ErrorCode, OpenFlags};

pub use read::Reader;
pub use uploads::{Backlog, Waiting};
pub use write::{Batch, Writer, local_date};

use crate::message::library::{FileRow, Upload};
use crate::time::Wall;

/// Of another process that writes (`rebuild` beside a server), and of a checkpoint.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the catalogue knows of a file on disk, to see whether it is still so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub name: String,
    pub bytes: u64,
    pub modified: Wall,
    pub beside: Beside,
    pub is_open: bool,
}

/// When the files beside a recording were written, in nanoseconds since 1970; 0 for one that is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    pub sidecar_ns: i64,
    pub profile_ns: i64,
}

/// A row and the state of the disk that it was made from.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub row: FileRow,
    pub beside: Beside,
    /// What its sidecar says of copies elsewhere; `None`: what the catalogue knows of them stays.
    pub copies: Option<Vec<Upload>>,
}

/// Why the catalogue did not do as asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It is damaged, or of another version: delete it and make it anew.
    Damaged(String),
    /// It is not there (yet), or its disk does not do as asked: try again.
    Failed(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Damaged(why) => write!(f, "the catalogue is damaged: {why}"),
            Failure::Failed(why) => write!(f, "the catalogue cannot be used: {why}"),
        }
    }
}

impl std::error::Error for Failure {}

impl From<rusqlite::Error> for Failure {
    fn from(e: rusqlite::Error) -> Failure {
        use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error};
        let is_damage = match &e {
            FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..) | Utf8Error(..) => true,
            // `Unknown` is SQLITE_ERROR: with statements that are tested, a table that is not there.
            other => matches!(
                other.sqlite_error_code(),
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown | ErrorCode::ConstraintViolation)
            ),
        };
        if is_damage { Failure::Damaged(e.to_string()) } else { Failure::Failed(e.to_string()) }
    }
}

impl From<io::Error> for Failure {
    fn from(e: io::Error) -> Failure {
        Failure::Failed(e.to_string())
    }
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, Failure> {
    // No URI: a `?` in a path is a character. No mutex: a connection belongs to one thread at a time.
    let db = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(PATIENCE)?;
    db.set_prepared_statement_cache_capacity(24);
    db.execute_batch("PRAGMA cache_size = -256; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;")?;
    Ok(db)
}
