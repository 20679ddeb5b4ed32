//! One source's side of the store: its open file, the next one made ready, and what is known of its losses.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::begun::Begun;
use super::naming::{PART, dotted, tame};
use super::rename::Naming;
use super::repair::{After, Job, folder};
use super::restart::Restart;
use super::root::Files;
use crate::device::disk::{Disk, DiskFile};
use crate::format::sidecar;
use crate::message::library::Ask;
use crate::message::{Cause, GAPS_PER_FILE, GapEntry, Identity, NewFile, Reason};
use crate::policy::schedule::Schedule;
use crate::pool::Block;
use crate::status::LaneStatus;
use crate::time::{Mono, Wall};

/// Bytes of patches that a file may have; more is nobody's header.
const PATCH_BYTES: usize = 4 << 20;

/// Races for a name with other programs that are taken up.
const NAME_TRIES: u32 = 8;

pub struct Lane<F> {
    pub source: Arc<str>,
    pub root: usize,
    pub sync_ns: i64,
    pub cue: bool,
    pub schedule: Option<Schedule>,
    pub rename: Option<Naming>,
    pub status: Arc<LaneStatus>,
    /// Who makes room when its disk is full.
    pub short: Option<async_channel::Sender<Ask>>,
    pub open: Option<OpenFile<F>>,
    pub prepared: Option<OpenFile<F>>,
    pub restart: Restart,
    /// Frames that came while no file was open.
    pub orphans: u64,
    /// Frames reported lost since the last file began.
    pub known_lost: u64,
    /// Where the last file ended that lost its encoder.
    pub tail: Option<Tail>,
}

/// The end of a file whose successor is not there yet.
pub struct Tail {
    pub identity: Identity,
    pub frames: u64,
    pub reason: Reason,
    /// It ended by a fault, so that frames may be missing after it that nobody reports.
    pub faulted: bool,
    /// What follows it is not recorded until its trigger finds something.
    pub pauses: bool,
}

/// A file under its passing name. at >= synced; what the header vouches for <= synced.
pub struct OpenFile<F> {
    pub file: F,
    pub part: PathBuf,
    /// Path below the root, without the passing ending.
    pub name: PathBuf,
    pub new: NewFile,
    /// Bytes written.
    pub at: u64,
    pub frames: u64,
    pub synced: u64,
    pub synced_frames: u64,
    pub dirty: bool,
    /// Its name survives a power cut.
    pub named: bool,
    pub next_sync: Mono,
    /// To be written at the close, after the data that they vouch for is on disk.
    pub patches: Vec<(u64, Vec<u8>)>,
    pub suspect: bool,
    /// Frames that were synced before the disk failed to sync.
    pub sure_frames: Option<u64>,
    pub heard: heapless::Vec<GapEntry, GAPS_PER_FILE>,
    pub corrected_ns: i64,
    pub begun: Begun,
}

/// What the disk refused, where.
#[derive(Debug)]
pub struct Refusal {
    pub path: PathBuf,
    pub error: io::Error,
}

impl Refusal {
    /// The path is copied only when there is an error: this stands on the way of every block.
    pub fn at(path: &Path) -> impl FnOnce(io::Error) -> Refusal + '_ {
        move |error| Refusal { path: path.to_path_buf(), error }
    }

    /// Making room helps.
    pub fn is_full(&self) -> bool {
        matches!(self.error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

/// When the file of this lane is to be synced next: each lane has its own moment in the period, so that not all come at once.
pub fn next_sync(now: Mono, lane: usize, lanes: usize, period_ns: i64) -> Mono {
    let period = period_ns.max(1);
    let phase = (period as i128 * lane as i128 / lanes.max(1) as i128) as i64;
    let into = now.0.saturating_sub(phase).rem_euclid(period);
    now.plus_ns(period - into)
}

impl<F: DiskFile> Lane<F> {
    /// Creates the file, unless it was made ready before.
    pub fn create<D: Disk<File = F>>(&mut self, disk: &D, files: &mut Files, new: &NewFile) -> Result<OpenFile<F>, Refusal> {
        if let Some(ready) = self.prepared.take() {
            if ready.new.stem == new.stem && ready.new.container == new.container {
                return Ok(OpenFile { begun: Begun::of(new), new: new.clone(), ..ready });
            }
            drop_prepared(disk, ready);
        }
        create(disk, files, new)
    }

    /// Makes the next file ready; what stood ready before and is another one goes. No harm if it cannot be done now.
    pub fn prepare<D: Disk<File = F>>(&mut self, disk: &D, files: &mut Files, new: &NewFile) {
        match create_if_other(self.prepared.as_ref(), new) {
            false => {}
            true => {
                if let Some(old) = self.prepared.take() {
                    drop_prepared(disk, old);
                }
                match create(disk, files, new) {
                    Ok(ready) => self.prepared = Some(ready),
                    Err(refusal) => log::debug!(target: "store", "{}: not made ready: {}", refusal.path.display(), refusal.error),
                }
            }
        }
    }

    pub fn discard_prepared<D: Disk<File = F>>(&mut self, disk: &D) {
        if let Some(old) = self.prepared.take() {
            drop_prepared(disk, old);
        }
    }

    /// Appends to the open file; without one the frames are counted, and a new file is asked for.
    pub fn append(&mut self, block: &Block) -> Result<(), Refusal> {
        let Some(open) = &mut self.open else {
            self.orphans = self.orphans.saturating_add(u64::from(block.frames));
            self.status.ask_cut(Cause::Fault);
            return Ok(());
        };
        let began = Instant::now();
        open.file.write_at(open.at, block.bytes()).map_err(Refusal::at(&open.part))?;
        open.at = open.at.saturating_add(block.len() as u64);
        open.frames = open.frames.saturating_add(u64::from(block.frames));
        self.status.bytes_written.fetch_add(block.len() as u64, Relaxed);
        self.status.write.took(micros_since(began));
        Ok(())
    }

    pub fn patch(&mut self, at: u64, bytes: &[u8]) {
        let Some(open) = &mut self.open else { return };
        let held: usize = open.patches.iter().map(|(_, bytes)| bytes.len()).sum();
        if held.saturating_add(bytes.len()) <= PATCH_BYTES {
            open.patches.push((at, bytes.to_vec()));
        } else {
            log::error!(target: "store", "{}: more to patch than any header has; its header stays as it is", open.part.display());
        }
    }

    /// The open file lost its encoder or its disk: what it has becomes a recording of its own.
    pub fn give_up(&mut self, lane: usize, cause: Cause, reason: Reason) -> Option<Job> {
        let open = self.open.take()?;
        self.status.set_file(None);
        let after = After {
            lane,
            identity: open.new.identity.clone(),
            heard: open.heard.to_vec(),
            delivered: open.frames,
            synced: open.synced_frames,
            known_lost: self.known_lost,
            next: None,
            reason,
        };
        Some(Job { cause, suspect: open.suspect, corrected_ns: open.corrected_ns, after: Some(after), ..Job::found(open.part) })
    }

    /// The gap before a new file after a fault: exact within a run, else what is known to have been thrown away.
    pub fn gap_before(&mut self, next: &Identity) -> Option<GapEntry> {
        let (orphans, known_lost) = (std::mem::take(&mut self.orphans), std::mem::take(&mut self.known_lost));
        match self.tail.take() {
            Some(tail) if tail.faulted || orphans > 0 => gap_between(&tail, known_lost, orphans, next),
            None if orphans > 0 => {
                let start = next.start.plus_ns(next.format.rate.ns_of(orphans).saturating_neg());
                Some(GapEntry { start, end: next.start, frames_lost: orphans, reason: Reason::Fault })
            }
            Some(_) | None => None,
        }
    }
}

impl<F> Lane<F> {
    /// At the end: what was thrown away for want of a file, after which no file came.
    pub fn gap_at_end(&mut self) -> Option<GapEntry> {
        let frames_lost = std::mem::take(&mut self.orphans);
        if frames_lost == 0 {
            return None;
        }
        let Some(tail) = self.tail.take() else {
            log::error!(target: "store", "{}: {frames_lost} frames came without ever a file to hold them", self.source);
            return None;
        };
        let start = sidecar::end(&tail.identity, tail.frames, self.known_lost);
        let end = start.plus_ns(tail.identity.format.rate.ns_of(frames_lost));
        Some(GapEntry { start, end, frames_lost, reason: tail.reason })
    }
}

/// Frames between the end of a file and the next one that nobody has reported yet.
pub fn gap_between(tail: &Tail, known_lost: u64, orphans: u64, next: &Identity) -> Option<GapEntry> {
    let end = tail.identity.first_frame.saturating_add(tail.frames).saturating_add(known_lost);
    let same_run = tail.identity.session == next.session && !tail.pauses;
    let frames_lost = if same_run { next.first_frame.saturating_sub(end) } else { orphans };
    let length = next.format.rate.ns_of(frames_lost);
    let start: Wall = match tail.pauses {
        true => next.start.plus_ns(length.saturating_neg()),
        false => sidecar::end(&tail.identity, tail.frames, known_lost),
    };
    let end = if same_run { next.start.max(start) } else { start.plus_ns(length) };
    (frames_lost > 0).then_some(GapEntry { start, end, frames_lost, reason: tail.reason })
}

fn create_if_other<F>(ready: Option<&OpenFile<F>>, new: &NewFile) -> bool {
    !ready.is_some_and(|ready| ready.new.stem == new.stem && ready.new.container == new.container)
}

fn create<D: Disk>(disk: &D, files: &mut Files, new: &NewFile) -> Result<OpenFile<D::File>, Refusal> {
    let stem = tame(&new.stem);
    let Files { places, fresh } = files;
    let wanted = places.root.join(&stem);
    let extension = new.container.extension();
    let mut tries = 0;
    let (file, part, name) = loop {
        fresh.make(disk, folder(&wanted)).map_err(Refusal::at(folder(&wanted)))?;
        let name = places.free_name(disk, &stem, extension).map_err(Refusal::at(&wanted))?;
        let part = dotted(&places.root.join(&name), PART);
        tries += 1;
        match disk.create(&part) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && tries < NAME_TRIES => {}
            other => break (other.map_err(Refusal::at(&part))?, part, name),
        }
    };
    // Nobody else knows of it yet, so this succeeds. A repair or a recorder on a folder above or below then leaves it alone.
    file.hold().map_err(Refusal::at(&part))?;
    Ok(OpenFile {
        file,
        part,
        name,
        new: new.clone(),
        at: 0,
        frames: 0,
        synced: 0,
        synced_frames: 0,
        dirty: false,
        named: false,
        next_sync: Mono(0),
        patches: Vec::with_capacity(8),
        suspect: false,
        sure_frames: None,
        heard: heapless::Vec::new(),
        corrected_ns: 0,
        begun: Begun::of(new),
    })
}

/// It is empty; should it stay, the next repair removes it.
fn drop_prepared<D: Disk>(disk: &D, ready: OpenFile<D::File>) {
    let OpenFile { file, part, .. } = ready;
    drop(file);
    if let Err(e) = disk.remove(&part) {
        log::debug!(target: "store", "{}: not removed: {e}", part.display());
    }
}

pub fn micros_since(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lane_has_its_own_moment_in_the_period() {
        let check = |now: i64, lane: usize, want: i64| assert_eq!(next_sync(Mono(now), lane, 4, 5_000), Mono(want));
        check(0, 0, 5_000);
        check(1, 0, 5_000);
        check(4_999, 0, 5_000);
        check(5_000, 0, 10_000);
        check(0, 1, 1_250);
        check(1_250, 1, 6_250);
        check(7_000, 3, 8_750);
        check(-7_000, 0, -5_000);
        assert!(next_sync(Mono(i64::MAX), 1, 2, i64::MAX) >= Mono(0));
    }
}
