//! What a person can ask of a folder of recordings, and what is answered: the boundary between the pages and whoever keeps the
//! folder. Times are UTC; a day is the local date of a file's start.
//!
//! ```text
//! http, analyser, store ──Ask──► librarian ──Event──► whoever listens (a slow one loses, and it is counted)
//! ```

use std::path::PathBuf;
use std::sync::Arc;

use super::analysis::{Analysis, Centibel, Detection, Section};
use super::reduce::{Reduced, Task};
use crate::time::Wall;

/// A calendar date as people write it: `2026-05-22`.
pub type Date = String;

/// A recording, as a list shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct FileRow {
    /// Path below the folder, with `/`.
    pub name: String,
    /// Section of the configuration that it came from; empty when nobody knows.
    pub source: String,
    pub start: Wall,
    /// Of local time from UTC at `start`.
    pub utc_offset_s: i32,
    /// 0 while nobody knows.
    pub frames: u64,
    /// 0 while nobody knows.
    pub rate_hz: u32,
    pub channels: u8,
    pub bytes: u64,
    /// As of the file system, to see that it changed.
    pub modified: Wall,
    pub state: FileState,
    pub sections: Arc<[Section]>,
    pub gaps: Arc<[GapRow]>,
    pub marks: Marks,
    /// When the last of all targets had a copy that was looked after, or another program said so; `None` while it is only here.
    pub uploaded_at: Option<Wall>,
    /// Why it could not be analysed, in one line.
    pub trouble: Option<Arc<str>>,
    /// Keys of the sidecar that are shown as they are: quality, end_reason, clock, recovered … A JSON object, `{}` if there are none.
    pub details: Arc<str>,
    /// Another number when the file or its analysis is another; marks do not count. It is made from what is on the disk, so that
    /// what a browser has kept for a year is not taken for something else when the catalogue was made anew.
    pub version: u64,
}

impl FileRow {
    /// Of the sound in it, without gaps; 0 while nobody knows. At most thirty years, whatever a header says.
    pub fn duration_ms(&self) -> u64 {
        let ms = u128::from(self.frames) * 1_000 / u128::from(self.rate_hz.max(1));
        if self.rate_hz == 0 { 0 } else { ms.min(1_000_000_000_000) as u64 }
    }

    /// Highest score of its sections.
    pub fn best(&self) -> Option<Centibel> {
        self.sections.iter().map(|section| section.score).max()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// Being recorded.
    Open,
    /// Closed; not yet analysed.
    Closed,
    /// Its profile is there.
    Analysed,
}

impl FileState {
    pub const fn name(self) -> &'static str {
        match self {
            FileState::Open => "open",
            FileState::Closed => "closed",
            FileState::Analysed => "analysed",
        }
    }
}

/// What a person said of a recording; lives in the sidecar.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    pub reviewed: bool,
    pub locked: bool,
    pub note: String,
}

/// One change of [`Marks`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    Reviewed(bool),
    Locked(bool),
    Note(String),
}

/// A gap inside a file, or between files.
#[derive(Clone, Debug, PartialEq)]
pub struct GapRow {
    pub source: String,
    pub start: Wall,
    pub end: Wall,
    pub frames_lost: u64,
    pub reason: String,
}

/// A day as the calendar shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayRow {
    pub date: Date,
    pub files: u64,
    pub duration_ms: u64,
    pub bytes: u64,
    pub sections: u64,
    /// Sections of files that are not reviewed.
    pub to_review: u64,
    pub gaps: u64,
    pub best: Option<Centibel>,
    /// That triggered sources were heard, recorded or not.
    pub watched_ms: u64,
}

impl DayRow {
    pub const fn empty(date: Date) -> DayRow {
        DayRow { date, files: 0, duration_ms: 0, bytes: 0, sections: 0, to_review: 0, gaps: 0, best: None, watched_ms: 0 }
    }
}

/// A stretch in which a triggered source was heard, recorded or not.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchedRow {
    /// Path below the folder of the analyses, without the endings of its sidecar and its profile.
    pub name: String,
    pub source: String,
    pub start: Wall,
    pub utc_offset_s: i32,
    pub frames: u64,
    pub rate_hz: u32,
}

impl WatchedRow {
    pub fn duration_ms(&self) -> u64 {
        let ms = u128::from(self.frames) * 1_000 / u128::from(self.rate_hz.max(1));
        ms.min(1_000_000_000_000) as u64
    }
}

/// A day and what it is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Day {
    pub row: DayRow,
    /// Oldest first.
    pub files: Vec<FileRow>,
    /// Of files and between them.
    pub gaps: Vec<GapRow>,
    /// Oldest first.
    pub watched: Vec<WatchedRow>,
}

/// Newest first by (start, name).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilesQuery {
    /// Local dates, both included.
    pub from: Option<Date>,
    pub to: Option<Date>,
    /// Part of a name, whatever its case.
    pub q: String,
    pub source: Option<String>,
    /// Where the last page ended.
    pub cursor: Option<String>,
    /// 1 to 1000.
    pub limit: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct FilesPage {
    pub files: Vec<FileRow>,
    /// That match, on all pages.
    pub total: u64,
    /// Nothing when this is the last.
    pub next: Option<String>,
}

/// Why a wish was not fulfilled. The text is one sentence for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The question itself makes no sense.
    Unclear(String),
    Absent,
    /// Being recorded.
    Open,
    /// The clock is synced: nobody knows better.
    Synced,
    /// Nothing is recorded here: the machine's clock is left alone.
    NoRecorder,
    /// The source has recorded nothing yet, or not lately.
    Nothing,
    Locked,
    /// Nothing may be written here.
    ReadOnly,
    /// Not now; in so many seconds.
    Busy(u32),
    Failed(String),
}

/// To the librarian, in one bounded queue; who asks waits for room there.
#[derive(Debug)]
pub struct Ask {
    pub wish: Wish,
    /// `None`: nobody waits. Has room for one answer.
    pub reply: Option<async_channel::Sender<Result<Answer, Trouble>>>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    /// On disk before it is answered, with the file as it is now.
    Set { name: String, mark: Mark },
    /// The recording and all that belongs to it.
    Delete { name: String },
    /// Makes a recording of what was cut out; on disk before it is answered, with the recording.
    Keep(Box<Kept>),
    /// What an analysis found; answered when it is on disk, with the file as it is now.
    Analysed { name: String, found: Box<Found> },
    /// It cannot be analysed; it is not offered again before it changes.
    Unfit { name: String, why: String },
    /// The newest recording that needs an analysis; with `count` how many there are, too.
    Next { count: bool },
    /// Which recording is to be kept in less, and what of it, while there is nothing else to do.
    Reduce,
    /// That was made ready: it takes the recording's place. On disk before it is answered, with the names of the pieces.
    Reduced(Box<Reduced>),
    /// The disk is full: what may go, goes now.
    Room,
    /// Something was done to this recording: opened, closed, corrected. By its finished name.
    Look { name: String },
    /// A target has a copy that was looked after; on disk before it is answered.
    Uploaded { name: String, copy: Box<Upload> },
    /// Begun and not finished: what the target calls it. Losing it costs sending it anew.
    Sending { name: String, target: String, token: String },
    /// A target does not want this one.
    Unwanted { name: String, target: String, why: String },
    /// Compare all with the folder now; answered when it is done.
    Scan,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Done,
    File(Arc<FileRow>),
    Next { name: Option<String>, waiting: Option<u64> },
    Reduce(Option<Box<Task>>),
    Placed(Vec<String>),
}

/// What stands at a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// By the name of its section.
    pub target: String,
    /// When it was looked after.
    pub at: Wall,
    pub key: String,
    /// Of the recording here.
    pub bytes: u64,
    /// Of what was sent, where that was something else: the FLAC of a WAV.
    pub sent_bytes: Option<u64>,
    /// What was compared: `sha256:…`, `md5:…` or `size`.
    pub checksum: String,
}

/// Below the folder of sidecars: what triggered sources were only heard of, a folder for each local day.
pub const WATCHES: &str = ".watch";

/// Sound of a source that is to stay: cut out already, and on the disk.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// Where it lies, in a hidden folder below that of the recordings.
    pub draft: PathBuf,
    /// A run of its own.
    pub session: String,
    /// Path below the folder that it gets if that is free, without extension.
    pub stem: String,
    /// What it was cut from, oldest first; never empty.
    pub parts: Vec<KeptPart>,
    pub start: Wall,
    pub frames: u64,
    pub rate_hz: u32,
    /// Inside it.
    pub gaps: Vec<GapRow>,
    /// When somebody asked for the last so many seconds.
    pub asked: Wall,
    pub seconds: u32,
    pub note: String,
}

/// Frames `from..to` of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptPart {
    pub name: String,
    pub from: u64,
    pub to: u64,
}

/// What an analysis of a whole recording found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub analysis: Analysis,
    /// By which the sections are.
    pub detection: Detection,
    pub sections: Vec<Section>,
    /// Of the file, for one whose header does not say: (rate in Hz, channels, frames).
    pub sound: Option<(u32, u8, u64)>,
}

/// What the meter of a source shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Meter {
    pub source: String,
    pub level: Option<Centibel>,
    pub peak: Option<Centibel>,
    pub is_clipped: bool,
}

/// What happened in the folder.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Opened(Arc<FileRow>),
    Closed(Arc<FileRow>),
    Analysed(Arc<FileRow>),
    Changed(Arc<FileRow>),
    Deleted {
        name: String,
        /// Why it was deleted by itself; `None` if somebody did it.
        reason: Option<String>,
    },
    Uploaded {
        file: Arc<FileRow>,
        target: String,
    },
    Gap(GapRow),
    Level(Vec<Meter>),
    Alarm {
        since: Wall,
        text: String,
        /// It does not hold any more.
        over: bool,
    },
    Work {
        what: &'static str,
        done: u64,
        total: u64,
    },
}
