//! What answers the page: the catalogue for lists, the files for sound, the librarian for changes.
//!
//! Every call reads for itself; nothing is kept between calls but an open catalogue. Names are looked up in the catalogue before
//! they become paths.

mod excerpt;
pub mod folder;
pub mod keep;
mod picture;
mod pump;
mod spectrogram;
pub mod stretch;
mod watched;

use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use async_channel::Sender;
use folder::Folder;

use crate::actor::http::clerk::Clerk;
use crate::actor::http::library::{Library, Opened, Piece};
use crate::actor::librarian::{self, labels};
use crate::device::catalogue::Reader;
use crate::device::clock::{Clock, RealClock};
use crate::device::disk::{RealDisk, RealFile};
use crate::format::growing::growing;
use crate::format::profile::View;
use crate::format::{Flaw, ReadAt, fill_at, profile};
use crate::message::analysis::{Centibel, Detection, Label};
use crate::message::clock::ClockSet;
use crate::message::library::{
    Answer, Ask, Day, DayRow, FileRow, FileState, FilesPage, FilesQuery, Mark, Trouble, WatchedRow, Wish,
};
use crate::message::page::{self, AnalysisView, ClipRate, Disk, Excerpt, SourceStatus, SpectrogramWish, Status, Work};
use crate::policy::split::Zone;
use crate::signal::{floor, section};
use crate::status::upload::TargetStatus;
use crate::status::{Alarms, Machine};
use crate::time::{SECOND_NS, Wall};
use crate::web::json;
use crate::wiring::backlog::Progress;
use crate::wiring::reference::Reference;

/// Threads that mark a day's sections anew, at most; each holds a profile.
const MARKERS: usize = 4;
const MARKER_STACK: usize = 256 << 10;
/// How long a change may take: the librarian may be looking through a large folder.
const PATIENCE: Duration = Duration::from_secs(20);
/// Endings of what belongs to a recording.
const SIDECARS: [&str; 2] = [".analysis.json", ".soundpost.json"];

/// What is told once.
pub struct Settings {
    pub mode: &'static str,
    pub root: PathBuf,
    pub analyses: PathBuf,
    pub catalogue: PathBuf,
    pub read_only: bool,
    pub detection: Detection,
    pub pre_roll_ms: u32,
    pub post_roll_ms: u32,
    pub zone: Zone,
    pub machine: Arc<Machine>,
    /// How uploads stand.
    pub uploads: Vec<Arc<TargetStatus>>,
}

/// What the sources do now; nothing is recorded when there are none.
pub type Sources = Box<dyn Fn() -> Vec<SourceStatus> + Send + Sync>;

pub struct Shelves {
    settings: Settings,
    folder: Folder,
    reader: Mutex<Reader>,
    asks: Sender<Ask>,
    shared: Arc<librarian::Shared>,
    progress: Arc<Progress>,
    sources: Sources,
    alarms: Arc<Alarms>,
    keeping: keep::Keeping,
    watches: watched::Watches,
    clerk: Option<Arc<dyn Clerk>>,
    reference: Reference,
}

impl Shelves {
    pub fn new(
        settings: Settings,
        asks: Sender<Ask>,
        shared: Arc<librarian::Shared>,
        progress: Arc<Progress>,
        sources: Sources,
        alarms: Arc<Alarms>,
    ) -> Shelves {
        let reader = Mutex::new(Reader::new(&settings.catalogue, shared.doubt.clone()));
        let folder = Folder { root: settings.root.clone(), analyses: settings.analyses.clone() };
        let watches = watched::Watches::new(&settings.analyses);
        Shelves {
            settings,
            folder,
            reader,
            asks,
            shared,
            progress,
            sources,
            alarms,
            keeping: Default::default(),
            clerk: None,
            watches,
            reference: Reference::default(),
        }
    }

    /// With whoever keeps the configuration.
    pub fn with(self, clerk: Option<Arc<dyn Clerk>>) -> Shelves {
        Shelves { clerk, ..self }
    }

    fn read<T>(&self, question: impl FnOnce(&mut Reader) -> Result<T, Trouble>) -> Result<T, Trouble> {
        question(&mut self.reader.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn ask(&self, wish: Wish) -> Result<Answer, Trouble> {
        let (reply, answer) = async_channel::bounded(1);
        self.asks.try_send(Ask { wish, reply: Some(reply) }).map_err(|_| Trouble::Busy(2))?;
        let waited = smol::future::or(async { answer.recv().await.ok() }, async {
            smol::Timer::after(PATIENCE).await;
            None
        });
        smol::future::block_on(waited).unwrap_or(Err(Trouble::Busy(10)))
    }

    /// Of a recording that has its name.
    fn closed(&self, name: &str) -> Result<FileRow, Trouble> {
        let row = self.file(name)?;
        if row.state == FileState::Open { Err(Trouble::Open) } else { Ok(row) }
    }

    fn profile_bytes(&self, row: &FileRow) -> Result<Vec<u8>, Trouble> {
        if row.state != FileState::Analysed {
            return Err(Trouble::Busy(5));
        }
        let file = RealDisk.open_to_read(&self.folder.beside_path(&row.name, ".profile")).map_err(gone)?;
        whole(&file, profile::LIMIT_BYTES as u64)
    }

    /// All of a day at once, with several threads.
    fn all_anew(&self, rows: &mut [FileRow], detection: &Detection) -> Result<(), Trouble> {
        let threads = thread::available_parallelism().map_or(1, usize::from).min(MARKERS);
        let share = rows.len().div_ceil(threads).max(1);
        thread::scope(|scope| {
            for some in rows.chunks_mut(share) {
                let mark = move || some.iter_mut().for_each(|row| self.found_anew(row, detection));
                let builder = thread::Builder::new().name("marks".into()).stack_size(MARKER_STACK);
                builder.spawn_scoped(scope, mark).map_err(|_| Trouble::Busy(1))?;
            }
            Ok(())
        })
    }

    /// What other programs found in it; the catalogue knows which did.
    fn labels(&self, row: &FileRow) -> Vec<(String, Label)> {
        let of = |tool: String| {
            let found = labels::read(&self.folder.beside_path(&row.name, &format!(".{tool}.csv"))).unwrap_or_default();
            found.into_iter().map(move |label| (tool.clone(), label))
        };
        labels::tools(&row.details).into_iter().flat_map(of).collect()
    }

    /// With sections as another margin or detector marks them; a file without a profile keeps those that it has.
    fn found_anew(&self, row: &mut FileRow, detection: &Detection) {
        let Ok(bytes) = self.profile_bytes(row) else { return };
        let Ok(view) = intact(&bytes) else { return };
        row.sections = sections(&view, detection).into();
    }
}

fn sections(view: &View<'_>, detection: &Detection) -> Vec<crate::message::analysis::Section> {
    section::find(&view.levels(), view.detection(), &view.detection_edges, detection)
}

fn intact(bytes: &[u8]) -> Result<View<'_>, Flaw> {
    let view = View::parse(bytes)?;
    if view.is_intact() { Ok(view) } else { Err(Flaw::IllFormed("the checksum of the profile")) }
}

fn whole(file: &dyn ReadAt, limit_bytes: u64) -> Result<Vec<u8>, Trouble> {
    let len = file.len().map_err(gone)?;
    let len = usize::try_from(len).ok().filter(|len| *len as u64 <= limit_bytes);
    let mut bytes = vec![0; len.ok_or_else(|| Trouble::Failed("The file is too large to be ours.".into()))?];
    let have = fill_at(file, 0, &mut bytes).map_err(gone)?;
    bytes.truncate(have);
    Ok(bytes)
}

fn gone(e: std::io::Error) -> Trouble {
    match e.kind() {
        std::io::ErrorKind::NotFound => Trouble::Absent,
        _ => Trouble::Failed(format!("The disk did not do as asked: {e}.")),
    }
}

fn flaw(flaw: Flaw) -> Trouble {
    match flaw {
        Flaw::Io(e) => gone(e),
        flaw => Trouble::Failed(format!("The recording cannot be used: it is {flaw}.")),
    }
}

pub fn extension(name: &str) -> &str {
    name.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map_or("", |(_, extension)| extension)
}

/// A file behind a head of its own.
struct Patched {
    head: Vec<u8>,
    file: RealFile,
    len: u64,
}

impl ReadAt for Patched {
    fn len(&self) -> std::io::Result<u64> {
        Ok(self.len)
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        let left = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX).min(buf.len());
        match usize::try_from(at).ok().and_then(|at| self.head.get(at..)).filter(|rest| !<[u8]>::is_empty(rest)) {
            Some(rest) => {
                let n = rest.len().min(left);
                buf[..n].copy_from_slice(&rest[..n]);
                Ok(n)
            }
            None => self.file.read_at(at, &mut buf[..left]),
        }
    }
}

impl Library for Shelves {
    fn days(&self, from: Option<&str>, to: Option<&str>) -> Result<Vec<DayRow>, Trouble> {
        let days = self.read(|reader| reader.days(from, to))?;
        Ok(self.watches.add_to(days, from, to))
    }

    fn day(&self, date: &str, detection: Option<Detection>) -> Result<Day, Trouble> {
        let mut day = self.day_of(date)?;
        if let Some(detection) = detection {
            self.all_anew(&mut day.files, &detection)?;
            day.row.sections = day.files.iter().map(|row| row.sections.len() as u64).sum();
            let unreviewed = day.files.iter().filter(|row| !row.marks.reviewed);
            day.row.to_review = unreviewed.map(|row| row.sections.len() as u64).sum();
            day.row.best = day.files.iter().filter_map(FileRow::best).max();
        }
        Ok(day)
    }

    fn picture(&self, date: &str) -> Result<Vec<u8>, Trouble> {
        let day = self.day_of(date)?;
        let rates = day.files.iter().map(|row| row.rate_hz).chain(day.watched.iter().map(|row| row.rate_hz));
        let mut picture = picture::Picture::new(rates);
        for row in &day.watched {
            let path = self.folder.beside_path(&row.name, ".profile");
            let bytes = RealDisk.open_to_read(&path).map_err(gone).and_then(|file| whole(&file, profile::LIMIT_BYTES as u64));
            // One of which nothing was heard to its end has none.
            let Ok(bytes) = bytes else { continue };
            intact(&bytes).iter().for_each(|view| picture.add(row.start, row.utc_offset_s, view));
        }
        for row in day.files.iter().filter(|row| row.state == FileState::Analysed) {
            if let Ok(bytes) = self.profile_bytes(row) {
                intact(&bytes).iter().for_each(|view| picture.add(row.start, row.utc_offset_s, view));
            }
        }
        Ok(picture.finish())
    }

    fn files(&self, query: &FilesQuery) -> Result<FilesPage, Trouble> {
        self.read(|reader| reader.files(query))
    }

    fn file(&self, name: &str) -> Result<FileRow, Trouble> {
        self.read(|reader| reader.find(name))
    }

    fn analysis(&self, name: &str, detection: Option<Detection>) -> Result<AnalysisView, Trouble> {
        let row = self.closed(name)?;
        let bytes = self.profile_bytes(&row)?;
        let view = intact(&bytes).map_err(flaw)?;
        let detection = detection.unwrap_or(self.settings.detection);
        let levels = view.levels();
        let sidecar = self.folder.sidecar(name);
        let quality = sidecar.as_ref().and_then(|it| it.quality.as_ref()).map(|found| found.quality());
        let indices = sidecar.as_ref().and_then(|it| it.indices.as_ref());
        Ok(AnalysisView {
            name: name.to_owned(),
            version: json::version(&row),
            sections: sections(&view, &detection).into(),
            detection,
            floor: floor::floors(&levels).into_iter().map(Centibel).collect(),
            quality: quality.unwrap_or_default(),
            labels: self.labels(&row),
            indices: indices.iter().flat_map(|found| &found.minutes).map(|minute| minute.indices()).collect(),
        })
    }

    fn profile(&self, name: &str) -> Result<Opened, Trouble> {
        let row = self.closed(name)?;
        if row.state != FileState::Analysed {
            return Err(Trouble::Busy(5));
        }
        let file = RealDisk.open_to_read(&self.folder.beside_path(name, ".profile")).map_err(gone)?;
        let len = file.len().map_err(gone)?;
        Ok(Opened { bytes: Box::new(file), len, version: Some(json::version(&row)) })
    }

    fn spectrogram(&self, wish: &SpectrogramWish) -> Result<Option<Vec<u8>>, Trouble> {
        let row = self.closed(&wish.name)?;
        let file = self.folder.open_file(&row)?;
        spectrogram::draw(Box::new(file), extension(&row.name), wish).map_err(flaw)
    }

    fn open(&self, name: &str) -> Result<Opened, Trouble> {
        let row = self.file(name)?;
        let file = self.folder.open_file(&row)?;
        if row.state == FileState::Open {
            let growing = growing(&file, extension(name)).map_err(flaw)?;
            let len = growing.len;
            return Ok(Opened { bytes: Box::new(Patched { head: growing.head, file, len }), len, version: None });
        }
        let len = file.len().map_err(gone)?;
        Ok(Opened { bytes: Box::new(file), len, version: Some(json::version(&row)) })
    }

    fn beside(&self, name: &str) -> Result<Vec<(String, Opened)>, Trouble> {
        let row = self.file(name)?;
        let mut found = Vec::new();
        for ending in SIDECARS {
            let Ok(file) = RealDisk.open_to_read(&self.folder.beside_path(&row.name, ending)) else { continue };
            let len = file.len().map_err(gone)?;
            found.push((format!("{}{ending}", row.name), Opened { bytes: Box::new(file), len, version: None }));
        }
        Ok(found)
    }

    fn clip(&self, what: &Excerpt, rate: ClipRate) -> Result<Option<Piece>, Trouble> {
        self.clip_of(what, rate == ClipRate::Source)
    }

    fn cut(&self, what: &Excerpt) -> Result<Option<Piece>, Trouble> {
        self.cut_of(what)
    }

    fn mark(&self, name: &str, mark: Mark) -> Result<FileRow, Trouble> {
        match self.ask(Wish::Set { name: name.to_owned(), mark })? {
            Answer::File(row) => Ok((*row).clone()),
            Answer::Done | Answer::Next { .. } | Answer::Reduce(_) | Answer::Placed(_) => self.file(name),
        }
    }

    fn keep(&self, source: &str, seconds: u32, note: &str) -> Result<Vec<FileRow>, Trouble> {
        self.keep_of(source, seconds, note)
    }

    fn delete(&self, name: &str) -> Result<(), Trouble> {
        self.ask(Wish::Delete { name: name.to_owned() }).map(|_| ())
    }

    fn set_clock(&self, now: Wall) -> Result<ClockSet, Trouble> {
        if self.settings.mode != "record" {
            return Err(Trouble::NoRecorder);
        }
        let before = RealClock.look();
        if before.synced {
            return Err(Trouble::Synced);
        }
        let by = RealClock.set(now).map_err(gone)?;
        Ok(ClockSet { by: by.name(), moved_s: now.since(before.wall) as f64 / SECOND_NS as f64 })
    }

    fn status(&self) -> Status {
        let Settings { mode, root, read_only, detection, pre_roll_ms, post_roll_ms, zone, .. } = &self.settings;
        let look = RealClock.look();
        let timestamp = jiff::Timestamp::from_microsecond(look.wall.micros()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let sources = (self.sources)();
        let disk = disk(root, &sources);
        let retention = self.shared.retention.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Status {
            mode,
            folder: root.display().to_string(),
            read_only: *read_only,
            now: look.wall,
            time_zone: zone.iana_name().unwrap_or("local").to_owned(),
            utc_offset_s: zone.to_offset(timestamp).seconds(),
            clock_synced: look.synced,
            clock_source: crate::device::clock::source(),
            clock_reference: self.reference.look(),
            disk,
            retention,
            detection: *detection,
            pre_roll_ms: *pre_roll_ms,
            post_roll_ms: *post_roll_ms,
            work: self.work(),
            uploads: self.settings.uploads.iter().map(|target| target.look()).collect(),
            alarms: self.raised(look.wall),
            health: self.settings.machine.look(),
            sources,
        }
    }

    fn detection(&self) -> Detection {
        self.settings.detection
    }

    fn zone(&self) -> Zone {
        self.settings.zone.clone()
    }

    fn clerk(&self) -> Option<&dyn Clerk> {
        self.clerk.as_deref()
    }
}

impl Shelves {
    /// Of recordings and of what was heard besides; a day of either is one.
    fn day_of(&self, date: &str) -> Result<Day, Trouble> {
        let watched = self.watches.of(date);
        let mut day = match self.read(|reader| reader.day(date)) {
            Err(Trouble::Absent) if !watched.is_empty() => {
                Day { row: DayRow::empty(date.to_owned()), files: Vec::new(), gaps: Vec::new(), watched: Vec::new() }
            }
            other => other?,
        };
        day.row.watched_ms = watched.iter().map(WatchedRow::duration_ms).sum();
        day.watched = watched;
        Ok(day)
    }

    /// What a person should know, the oldest first.
    fn raised(&self, now: Wall) -> Vec<page::Alarm> {
        self.alarms.raised().into_iter().map(|raised| page::Alarm { since: raised.since(now), text: raised.text }).collect()
    }

    /// What runs now and takes long.
    fn work(&self) -> Option<Work> {
        let (done, total) = (self.shared.done.load(Relaxed), self.shared.total.load(Relaxed));
        if total > 0 {
            return Some(Work { what: "scan", done, total });
        }
        let (done, total) = (self.progress.done.load(Relaxed), self.progress.total.load(Relaxed));
        (done < total).then_some(Work { what: "analyse", done, total })
    }
}

/// Room of the file system, and how long it lasts if what is recorded now stays as it is.
fn disk(root: &std::path::Path, sources: &[SourceStatus]) -> Disk {
    room(root, sources.iter().map(|source| source.bytes_per_hour).sum())
}

/// `bytes_per_hour`: of all sources.
pub fn room(root: &std::path::Path, bytes_per_hour: f64) -> Disk {
    let Ok(room) = rustix::fs::statvfs(root) else { return Disk::default() };
    let free_bytes = room.f_bavail.saturating_mul(room.f_frsize);
    Disk {
        free_bytes,
        total_bytes: room.f_blocks.saturating_mul(room.f_frsize),
        hours_left: (bytes_per_hour > 0.0).then(|| free_bytes as f64 / bytes_per_hour),
    }
}
