//! What the page asks of whoever keeps the recordings. Every call may read files, none waits for a network or a person; many
//! are made at once, from several threads.

use std::io;

use super::clerk::Clerk;
use crate::format::ReadAt;
use crate::message::analysis::Detection;
use crate::message::clock::ClockSet;
use crate::message::library::{Day, DayRow, FileRow, FilesPage, FilesQuery, GapRow, Mark, Trouble};
use crate::message::page::{AnalysisView, ClipRate, Excerpt, SpectrogramWish, Status};
use crate::policy::split::Zone;
use crate::time::Wall;

/// A folder of recordings. A `name` is looked up, never joined to a path.
pub trait Library: Send + Sync {
    /// Newest first; local dates, both included.
    fn days(&self, from: Option<&str>, to: Option<&str>) -> Result<Vec<DayRow>, Trouble>;
    /// `detection`: other than what the sections were stored with.
    fn day(&self, date: &str, detection: Option<Detection>) -> Result<Day, Trouble>;
    /// `SPDP` and what follows.
    fn picture(&self, date: &str) -> Result<Vec<u8>, Trouble>;
    fn files(&self, query: &FilesQuery) -> Result<FilesPage, Trouble>;
    fn file(&self, name: &str) -> Result<FileRow, Trouble>;
    fn analysis(&self, name: &str, detection: Option<Detection>) -> Result<AnalysisView, Trouble>;
    fn profile(&self, name: &str) -> Result<Opened, Trouble>;
    /// `SPSG` and what follows; `None` when the file has no such time.
    fn spectrogram(&self, wish: &SpectrogramWish) -> Result<Option<Vec<u8>>, Trouble>;
    /// The bytes of a recording, also while it grows: then as many as are playable now, behind a header that fits.
    fn open(&self, name: &str) -> Result<Opened, Trouble>;
    /// What stands beside a recording and goes into a zip with it: names and bytes.
    fn beside(&self, name: &str) -> Result<Vec<(String, Opened)>, Trouble>;
    /// A WAV of 16 bits, at most ten minutes long; `None` when there is no such time.
    fn clip(&self, what: &Excerpt, rate: ClipRate) -> Result<Option<Piece>, Trouble>;
    /// In the codec of the recording, not encoded again; `None` when there is no such time.
    fn cut(&self, what: &Excerpt) -> Result<Option<Piece>, Trouble>;
    /// On the disk when it returns.
    fn mark(&self, name: &str, mark: Mark) -> Result<FileRow, Trouble>;
    /// The last seconds of a source, up to now, as recordings of their own, which nothing deletes: one, or one for each side of a
    /// hole. On the disk when it returns; what was heard just now is waited for. The source is one of [`Library::status`].
    fn keep(&self, source: &str, seconds: u32, note: &str) -> Result<Vec<FileRow>, Trouble>;
    fn delete(&self, name: &str) -> Result<(), Trouble>;
    /// The time of somebody who knows it becomes the recorder's, unless its clock is synced.
    fn set_clock(&self, now: Wall) -> Result<ClockSet, Trouble>;
    fn status(&self) -> Status;
    /// As configured.
    fn detection(&self) -> Detection;
    /// Of times that are written without one.
    fn zone(&self) -> Zone;
    /// `None` where nothing is configured by a file.
    fn clerk(&self) -> Option<&dyn Clerk> {
        None
    }
}

/// Bytes that can be read anywhere, as many as they were when they were opened.
pub struct Opened {
    pub bytes: Box<dyn ReadAt + Send>,
    pub len: u64,
    /// Changes with the bytes; `None` while they grow.
    pub version: Option<String>,
}

/// What was cut out.
pub struct Piece {
    /// The range that it really has.
    pub truth: Excerpt,
    /// In it; silence in a clip.
    pub gaps: Vec<GapRow>,
    /// To be saved under.
    pub name: String,
    pub len: u64,
    /// Exactly so many bytes, made while they are read. Read by one of few threads: it may take time, but wait for nobody.
    pub body: Box<dyn io::Read + Send>,
    /// Changes with what it was cut from.
    pub version: Option<String>,
}
