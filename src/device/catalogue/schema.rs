//! The tables. Another meaning of any column is another [`VERSION`].

/// `user_version` of the file.
pub const VERSION: i32 = 3;

/// Times are UTC in microseconds or nanoseconds since 1970 as their names say; `date` is local.
///
/// `files.folded` is what one looks for, in lower case: the name, and on lines of their own what programs found. It is there only if the
/// name does not do: where there are labels, or letters beyond ASCII, whose case LIKE does not know. `gaps.file` is 0 for gaps between files. `sections` and
/// `gaps` lie in the order in which they are asked for. `days` holds the sums over the files of a source on a day, and
/// the gaps between them.
///
/// `files.uploaded_at` is in microseconds: when the last of all `targets` had its copy. `uploads.state` is 0 for what was begun (the note is
/// the target's own number), 1 for a copy that was looked after, 2 for what a target does not want (the note says why).
pub const TABLES: &str = "
CREATE TABLE files(
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    folded TEXT,
    source TEXT NOT NULL,
    start_us INTEGER NOT NULL,
    utc_offset_s INTEGER NOT NULL,
    date TEXT NOT NULL,
    frames INTEGER NOT NULL,
    rate_hz INTEGER NOT NULL,
    channels INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL,
    sidecar_ns INTEGER NOT NULL,
    profile_ns INTEGER NOT NULL,
    state INTEGER NOT NULL,
    reviewed INTEGER NOT NULL,
    locked INTEGER NOT NULL,
    note TEXT NOT NULL,
    trouble TEXT,
    sections INTEGER NOT NULL,
    gaps INTEGER NOT NULL,
    best INTEGER,
    details TEXT NOT NULL,
    version INTEGER NOT NULL,
    uploaded_at INTEGER
) STRICT;
CREATE INDEX files_by_start ON files(start_us DESC, name DESC, folded);
CREATE INDEX files_by_source ON files(source, start_us DESC, name DESC);
CREATE INDEX files_by_day ON files(date, start_us, name);
CREATE INDEX files_by_age ON files(source, (uploaded_at IS NULL), start_us, name) WHERE state > 0 AND locked = 0 AND source <> '';
CREATE INDEX files_to_analyse ON files(start_us DESC, name DESC) WHERE state = 1 AND trouble IS NULL;
CREATE INDEX files_to_upload ON files(start_us, name, sections) WHERE uploaded_at IS NULL AND state > 0;

CREATE TABLE sections(
    file INTEGER NOT NULL,
    first_window INTEGER NOT NULL,
    end_window INTEGER NOT NULL,
    score INTEGER NOT NULL,
    lo_hz REAL,
    hi_hz REAL,
    PRIMARY KEY(file, first_window, end_window)
) STRICT, WITHOUT ROWID;

CREATE TABLE gaps(
    file INTEGER NOT NULL,
    n INTEGER NOT NULL,
    date TEXT NOT NULL,
    source TEXT NOT NULL,
    start_us INTEGER NOT NULL,
    end_us INTEGER NOT NULL,
    frames_lost INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY(file, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX gaps_by_day ON gaps(date, start_us);

CREATE TABLE uploads(
    name TEXT NOT NULL,
    target TEXT NOT NULL,
    state INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    key TEXT NOT NULL,
    checksum TEXT NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY(name, target)
) STRICT, WITHOUT ROWID;
CREATE INDEX uploads_by_time ON uploads(target, at_us) WHERE state = 1;

CREATE TABLE targets(name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;

CREATE TABLE days(
    date TEXT NOT NULL,
    source TEXT NOT NULL,
    files INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    sections INTEGER NOT NULL,
    to_review INTEGER NOT NULL,
    gaps INTEGER NOT NULL,
    best INTEGER,
    PRIMARY KEY(date, source)
) STRICT, WITHOUT ROWID;
";
