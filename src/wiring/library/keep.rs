//! The last seconds of a source, cut out while it records. Read from the disk alone: capture, encoder and store are asked for nothing.
//!
//! **What is in it.** At least the last N seconds before the asking: from the whole unit (sample of a WAV, coded frame of a FLAC,
//! frame or page of a station) in which they begin to the newest unit that the store has written. What a microphone heard just now
//! is on its way for about a second (the encoder gathers so long), so it is waited for, three seconds at most: what was heard before
//! the asking is in it, and as much as 1 s of what came after it. When that was, is told by the file's start, its frames and the
//! measured drift, so to some milliseconds. A station's sound is as late as its server; there its newest frame is the end.
//! Across a boundary the parts are one file as soon as the one before is closed; a disk that takes longer than three seconds for it
//! gives a file for each.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use super::excerpt::{lost_ns_before, ns_of};
use super::folder::Folder;
use super::stretch::Stretch;
use super::{Shelves, extension, gone};
use crate::device::clock::{Clock, RealClock};
use crate::device::disk::{Disk, DiskFile, RealDisk};
use crate::format::Flaw;
use crate::format::civil::Civil;
use crate::format::growing::growing;
use crate::format::sidecar::KEPT;
use crate::message::library::{Answer, FileRow, FileState, Kept, Trouble, Wish};
use crate::message::page::SourceStatus;
use crate::policy::mark;
use crate::time::{SECOND_NS, Wall};

/// Hidden, so that nobody takes what is in it for recordings. A fall may leave something there.
const DRAFTS: &str = ".marks";
const PATIENCE: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// What a station sent is on the disk after so long: its lane gathers for a quarter of a second.
const STATION: Duration = Duration::from_millis(500);
/// One file of a source may end and the next begin so much apart by their clocks.
const SLACK_NS: i64 = 10 * SECOND_NS;
/// Those that come while so many are at it wait for another time: others want to be answered too.
const AT_ONCE: usize = 2;
/// Written and synced in such portions, so that no sync of a recording waits behind a whole clip.
const PORTION_BYTES: u64 = 4 << 20;
/// Left free on the disk: a clip must not cost the recording its room.
const ROOM_BYTES: u64 = 64 << 20;

/// How many are at it.
#[derive(Default)]
pub struct Keeping(AtomicUsize);

struct Seat<'a>(&'a AtomicUsize);

impl Keeping {
    fn sit(&self) -> Option<Seat<'_>> {
        let taken = self.0.fetch_add(1, Relaxed);
        let seat = Seat(&self.0);
        (taken < AT_ONCE).then_some(seat)
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Of a start that was long ago. By whoever records there, before anything is kept.
pub fn sweep(root: &Path) {
    match std::fs::remove_dir_all(root.join(DRAFTS)) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => log::warn!(target: "http", "{DRAFTS}: not swept: {e}"),
        _ => {}
    }
}

/// How far the newest recording of a source is.
struct Reach {
    row: FileRow,
    end: Wall,
    /// Its frames can be told at once.
    is_counted: bool,
}

impl Shelves {
    pub(super) fn keep_of(&self, source: &str, seconds: u32, note: &str) -> Result<Vec<FileRow>, Trouble> {
        let asked = RealClock.look().wall;
        if self.settings.read_only {
            return Err(Trouble::ReadOnly);
        }
        let _seat = self.keeping.sit().ok_or(Trouble::Busy(2))?;
        let (rows, from) = self.heard(source, asked, seconds)?;
        let mut stretches = self.folder.stretches(rows, from, Wall(i64::MAX))?;
        let mut clips = Vec::new();
        for stretch in &mut stretches {
            let kept = Box::new(self.folder.kept(stretch, asked, seconds, note)?);
            let draft = kept.draft.clone();
            let answer = self.ask(Wish::Keep(kept)).inspect_err(|_| discard(&draft))?;
            if let Answer::File(row) = answer {
                clips.push((*row).clone());
            }
        }
        if clips.is_empty() { Err(Trouble::Nothing) } else { Ok(clips) }
    }

    /// The newest recordings of a source, when what was heard before the asking is in them; and from when on they are wanted.
    fn heard(&self, source: &str, asked: Wall, seconds: u32) -> Result<(Vec<FileRow>, Wall), Trouble> {
        let began = Instant::now();
        loop {
            let status = (self.sources)().into_iter().find(|status| status.name == source).ok_or(Trouble::Absent)?;
            let rows = self.newest(&status, asked, seconds)?;
            let is_over = began.elapsed() >= PATIENCE;
            let reach = status.file.as_ref().and_then(|file| rows.iter().find(|row| row.name == *file));
            let reach = reach.and_then(|row| self.folder.reach(row.clone()));
            let others_closed = rows.iter().all(|row| row.state != FileState::Open || status.file.as_ref() == Some(&row.name));
            let from = match &reach {
                Some(Reach { row, end, is_counted }) => {
                    let drift_ppm = status.drift_ppm.unwrap_or_default();
                    let asked = mark::in_file(asked, row.start, drift_ppm);
                    let is_in = if *is_counted { *end >= asked } else { began.elapsed() >= STATION };
                    (is_in && others_closed || is_over).then(|| mark::begins(asked, *end, seconds, *is_counted))
                }
                // Nothing is recorded just now: what falls into these seconds all the same is wanted.
                None => (status.file.is_none() && others_closed || is_over).then(|| mark::begins(asked, asked, seconds, true)),
            };
            match from {
                Some(_) if rows.is_empty() => return Err(Trouble::Nothing),
                Some(from) => return Ok((rows, from)),
                None => thread::sleep(LOOK_EVERY),
            }
        }
    }

    /// As they are now: the librarian hears of what begins and ends a little later.
    fn newest(&self, status: &SourceStatus, asked: Wall, seconds: u32) -> Result<Vec<FileRow>, Trouble> {
        let from = asked.plus_ns(-i64::from(seconds) * SECOND_NS - SLACK_NS);
        let look = || self.read(|reader| reader.between(Some(&status.name), from, asked.plus_ns(SLACK_NS)));
        let rows = look()?;
        let open = rows.iter().filter(|row| row.state == FileState::Open).map(|row| &row.name);
        let missing = status.file.iter().filter(|file| !rows.iter().any(|row| row.name == **file));
        let stale: Vec<&String> = open.filter(|name| status.file.as_ref() != Some(name)).chain(missing).collect();
        if stale.is_empty() {
            return Ok(rows);
        }
        for name in stale {
            self.ask(Wish::Look { name: name.clone() })?;
        }
        look()
    }
}

impl Folder {
    /// `None` while nothing can be read of it.
    fn reach(&self, row: FileRow) -> Option<Reach> {
        let file = self.open_file(&row).ok()?;
        let counted = growing(&file, extension(&row.name)).ok()?.frames.filter(|_| row.rate_hz > 0);
        let mut row = self.with_gaps(row);
        match counted {
            Some(frames) => row.frames = frames,
            None => row = self.measured(row),
        }
        let ns = ns_of(row.frames, row.rate_hz).saturating_add(lost_ns_before(&row, row.frames));
        let end = row.start.plus_ns(i64::try_from(ns).unwrap_or(i64::MAX));
        Some(Reach { row, end, is_counted: counted.is_some() })
    }

    /// Written beside the recordings.
    fn kept(&self, stretch: &mut Stretch, asked: Wall, seconds: u32, note: &str) -> Result<Kept, Trouble> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let session = format!("{KEPT}-{}-{}", asked.micros(), NUMBER.fetch_add(1, Relaxed));
        self.label(stretch, &session);
        let (first, parts) = (stretch.first().ok_or(Trouble::Nothing)?, stretch.parts());
        let room = RealDisk.free_bytes(&self.root).map_err(gone)?;
        if room < stretch.bytes().saturating_add(ROOM_BYTES) {
            return Err(Trouble::Failed("There is not enough room on the disk.".into()));
        }
        let local = Civil::at(stretch.from, first.utc_offset_s);
        let (frames, rate_hz) = stretch.length();
        Ok(Kept {
            draft: self.draft(stretch, &session).map_err(super::flaw)?,
            session,
            stem: mark::stem(&first.name, local.hour_minute_second()),
            parts,
            start: stretch.from,
            frames,
            rate_hz,
            gaps: stretch.gaps().collect(),
            asked,
            seconds,
            note: note.to_owned(),
        })
    }

    fn draft(&self, stretch: &Stretch, name: &str) -> Result<PathBuf, Flaw> {
        let folder = self.root.join(DRAFTS);
        RealDisk.create_dirs(&folder)?;
        let path = folder.join(format!("{name}.part"));
        write(stretch, &path).inspect_err(|_| discard(&path))?;
        Ok(path)
    }
}

/// On the disk when it returns.
fn write(stretch: &Stretch, path: &Path) -> Result<(), Flaw> {
    let file = RealDisk.create(path)?;
    let (mut at, mut synced) = (0, 0);
    stretch.write(&mut |bytes| {
        file.write_at(at, bytes)?;
        at += bytes.len() as u64;
        if at - synced >= PORTION_BYTES {
            file.sync()?;
            synced = at;
        }
        Ok(())
    })?;
    Ok(file.sync()?)
}

fn discard(draft: &Path) {
    let _ = RealDisk.remove(draft); // it is swept away at the next start
}
