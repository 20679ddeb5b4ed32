//! Finishing what was left unfinished: after a power cut at the next start, after an actor's failure at once.
//!
//! The order makes it safe to be killed anywhere and begun anew: a copy of what will be cut off, if there is sound in it; the
//! sidecar, because it remembers what the file's own header still vouched for; then the bytes; the final name last.

use std::io;
use std::path::{Path, PathBuf};

use super::Formats;
use super::begun;
use super::closing::{add_bookmarks, others};
use super::ledger;
use super::look::{Look, Seen, look};
use super::naming::{DRAFT, Places, dotted, finished_name, known_extension};
use super::rest;
use super::root::{MARK, Unfinished, find_parts, find_root, lock, not_locked, places_of};
use crate::device::disk::{Disk, DiskFile, Kind, read_small};
use crate::format::ReadAt;
use crate::format::mend::{Kept, Mend};
use crate::format::sidecar::{self, LIMIT_BYTES, Sidecar, SidecarGap};
use crate::message::{Cause, ClockState, Closing, Container, GapEntry, Identity, Reason};
use crate::time::{Mono, Wall};

/// A file to finish.
#[derive(Clone, Debug)]
pub struct Job {
    pub part: PathBuf,
    /// Becomes the end reason.
    pub cause: Cause,
    pub suspect: bool,
    pub corrected_ns: i64,
    /// Of a file of this process: what is needed to say how much went missing after it.
    pub after: Option<After>,
    /// The source of its folder, if there is only one.
    pub only_source: Option<String>,
    pub tries: u32,
    pub retry_at: Mono,
    /// It is being read by a thread of its own.
    pub look: Option<Look>,
}

/// A lane's file that lost its encoder, and what came next.
#[derive(Clone, Debug)]
pub struct After {
    pub lane: usize,
    pub identity: Identity,
    pub heard: Vec<GapEntry>,
    /// Frames that were given to the disk, and of them those that were synced.
    pub delivered: u64,
    pub synced: u64,
    /// Frames reported lost since the file began.
    pub known_lost: u64,
    pub next: Option<Identity>,
    pub reason: Reason,
}

impl Job {
    /// Left by an earlier process.
    pub fn found(part: PathBuf) -> Job {
        Job {
            part,
            cause: Cause::Recovered,
            suspect: false,
            corrected_ns: 0,
            after: None,
            only_source: None,
            tries: 0,
            retry_at: Mono(0),
            look: None,
        }
    }
}

/// What became of it.
#[derive(Debug)]
pub enum Finished {
    /// It is no longer there.
    Gone,
    /// It is being read; to be asked again.
    Reading,
    /// It has its final name, and nothing is wrong with it.
    Whole,
    /// Removed: it held no sound.
    Empty,
    /// Left alone, and why.
    Foreign(&'static str),
    Kept(Recovered),
}

#[derive(Debug)]
pub struct Recovered {
    pub identity: Identity,
    /// Path of the recording.
    pub file: PathBuf,
    pub sidecar: PathBuf,
    /// What stood behind damage and was cut off, with sound in it.
    pub rest: Option<PathBuf>,
    pub frames: u64,
    pub end: Wall,
}

/// Finishes one file. One that has its final name already, and was cut off or torn later, keeps it: nothing is renamed, and
/// nothing is removed.
pub fn finish<D: Disk>(disk: &D, places: &Places, formats: &Formats, job: &mut Job) -> io::Result<Finished> {
    let known = |path: &Path| known_extension(path).map(|extension| (path.to_path_buf(), extension));
    let Some((name, extension)) = finished_name(&job.part).or_else(|| known(&job.part)) else {
        return Ok(Finished::Foreign(
            "it is no recording: files ending in .wav, .flac, .mp3, .aac, .ogg or .opus are repaired, with or without .part",
        ));
    };
    let in_place = name == job.part;
    let Some(container) = Container::of_extension(extension) else {
        return Ok(Finished::Foreign("this format is not repaired"));
    };
    let wanted = name.strip_prefix(&places.root).unwrap_or(&name).to_path_buf();
    let file = match disk.open(&job.part) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            if disk.kind(&name)?.is_none() {
                begun::forget(disk, places, &wanted)?;
            }
            return Ok(Finished::Gone);
        }
        other => other?,
    };
    if file.hold().is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock) {
        return Ok(Finished::Foreign("another process is writing it"));
    }
    let seen = match formats.beside {
        true => look(&mut job.look, &file, || disk.open(&job.part), container, formats.mend)?,
        false => Seen::Through((formats.mend)(container, &file)?),
    };
    let kept = match seen {
        Seen::Reading => return Ok(Finished::Reading),
        Seen::Through(mend) => mend,
    };
    let kept = match kept {
        Mend::Foreign(why) => return Ok(Finished::Foreign(why)),
        Mend::Empty if in_place => return Ok(Finished::Foreign("there is not one frame of sound in it")),
        Mend::Empty => {
            drop(file);
            if disk.kind(&name)?.is_none() {
                begun::forget(disk, places, &wanted)?;
            }
            disk.remove(&job.part)?;
            disk.sync_dir(folder(&job.part))?;
            return Ok(Finished::Empty);
        }
        Mend::Keep(kept) => kept,
    };
    if in_place && kept.patches.is_empty() && kept.keep_bytes == file.len()? {
        return Ok(Finished::Whole);
    }
    if in_place && kept.sound_behind {
        return Ok(Finished::Foreign("it is damaged in its middle; to have it repaired nevertheless, add .part to its name"));
    }
    let Some(identity) = identity(disk, places, job, &kept, &file, &wanted, container)? else {
        return Ok(Finished::Foreign("its header names no source"));
    };
    // What this process wrote may not be on disk yet, and the mended header will vouch for all of it.
    if job.after.is_some() {
        job.suspect |= file.sync().is_err();
    }
    let name = match in_place {
        true => wanted.clone(),
        false => free_name(disk, places, &name, extension)?,
    };
    let target = places.root.join(&name);
    let rest = if kept.sound_behind { Some(rest::save(disk, &file, kept.keep_bytes, &target)?) } else { None };
    let about = About { identity: &identity, kept: &kept, name: &name, rest: rest.as_deref() };
    let described = describe(disk, places, formats, job, &about)?;
    apply(&file, &kept)?;
    drop(file);
    if !in_place {
        disk.rename(&job.part, &target)?;
        disk.sync_dir(folder(&target))?;
    }
    if name != wanted {
        begun::forget(disk, places, &wanted)?;
    }
    Ok(Finished::Kept(Recovered {
        identity,
        sidecar: places.sidecar(&name),
        file: target,
        rest,
        frames: kept.frames,
        end: described.end,
    }))
}

/// Whose recording it is: by its header, by this process's memory, by the sidecar that was begun with it. One without all of
/// these is named by what can be told of it, for it must be found again.
fn identity<D: Disk>(
    disk: &D,
    places: &Places,
    job: &Job,
    kept: &Kept,
    file: &D::File,
    name: &Path,
    container: Container,
) -> io::Result<Option<Identity>> {
    if kept.identity.is_some() || !begun::is_nameless(container) {
        return Ok(kept.identity.clone());
    }
    if let Some(after) = &job.after {
        return Ok(Some(after.identity.clone()));
    }
    if let Some(identity) = begun::identity(disk, places, name, container)? {
        return Ok(Some(identity));
    }
    let modified = disk.modified(&job.part)?;
    let identity = begun::estimate(file, container, name, kept.frames, job.only_source.as_deref(), modified);
    log::warn!(
        target: "store",
        "{}: nothing beside it says whose it is; taken for {}'s, ending when it was last written to",
        job.part.display(), identity.source
    );
    Ok(Some(identity))
}

/// The name that the file was on its way to; should a stranger have taken it, the next free one. Below the root.
fn free_name<D: Disk>(disk: &D, places: &Places, name: &Path, extension: &str) -> io::Result<PathBuf> {
    let below = name.strip_prefix(&places.root).unwrap_or(name);
    match disk.kind(name)? {
        None => Ok(below.to_path_buf()),
        Some(_) => places.free_name(disk, &below.with_extension(""), extension),
    }
}

/// What a sidecar is made of.
struct About<'a> {
    identity: &'a Identity,
    kept: &'a Kept,
    /// Of the recording, below the root.
    name: &'a Path,
    rest: Option<&'a Path>,
}

/// Writes the sidecar, or finds the one that an earlier try or the recorder itself has written for exactly these frames.
fn describe<D: Disk>(disk: &D, places: &Places, formats: &Formats, job: &Job, about: &About) -> io::Result<Sidecar> {
    let About { identity, kept, name, .. } = *about;
    let path = places.sidecar(name);
    let there = match read_small(disk, &path, LIMIT_BYTES) {
        Ok(bytes) => Some(Sidecar::read(&bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(e) => return Err(e),
    };
    if let Some(Ok(there)) = &there {
        if there.is_of(identity, kept.frames) {
            return Ok(there.clone());
        }
    }
    let sidecar = compose(disk, places, formats, job, about);
    match there.map_or(Ok(None), |_| others(disk, &path, about.identity))? {
        Some(whose) => {
            log::warn!(target: "store", "{}: {whose}; it is kept, and {} has no sidecar", path.display(), name.display());
        }
        None => replace(disk, &path, &sidecar.write())?,
    }
    Ok(sidecar)
}

fn compose<D: Disk>(disk: &D, places: &Places, formats: &Formats, job: &Job, about: &About) -> Sidecar {
    let About { identity, kept, name, rest } = *about;
    let closing = Closing::new(job.cause, kept.frames, ClockState::Unsynced);
    let mut sidecar = Sidecar::new(name.to_string_lossy().into_owned(), identity, &closing, &formats.software);
    let heard: Vec<(Wall, u64, String)> = match &job.after {
        Some(after) => after.heard.iter().map(|gap| (gap.start, gap.frames_lost, gap.reason.name().to_owned())).collect(),
        None => {
            let latest = sidecar::end(identity, kept.frames, 0).plus_ns(DAY_NS);
            let lines = ledger::recent(disk, &places.root, &identity.source, identity.start, latest);
            lines.into_iter().map(|(start, _, frames, reason)| (start, frames, reason)).collect()
        }
    };
    sidecar.gaps = gaps_inside(identity, kept.frames, &heard);
    sidecar.lost_frames = sidecar.gaps.iter().fold(0, |sum, gap| sum.saturating_add(gap.lost_frames));
    sidecar.end = Wall::from_micros(sidecar::end(identity, kept.frames, sidecar.lost_frames).micros());
    sidecar.recovered = job.after.is_none();
    sidecar.sure_frames = Some(kept.sure_frames.min(kept.frames));
    sidecar.suspect = job.suspect;
    sidecar.rest = rest.map(|rest| rest.strip_prefix(&places.root).unwrap_or(rest).to_string_lossy().into_owned());
    if job.corrected_ns != 0 {
        sidecar.correct(job.corrected_ns);
    }
    add_bookmarks(disk, places, &mut sidecar);
    sidecar
}

/// No file is longer than a day.
const DAY_NS: i64 = 86_400_000_000_000;

/// Gaps by their time, as places in the file: exact but for the drift of the device's clock since the file began.
fn gaps_inside(identity: &Identity, frames: u64, heard: &[(Wall, u64, String)]) -> Vec<SidecarGap> {
    let mut gaps = Vec::new();
    let mut lost = 0_u64;
    for (start, lost_frames, reason) in heard {
        let at_frame = identity.format.rate.frames_in(start.since(identity.start)).saturating_sub(lost);
        if at_frame >= frames || reason == "restart" {
            break;
        }
        gaps.push(SidecarGap { at_frame, lost_frames: *lost_frames, reason: reason.clone() });
        lost = lost.saturating_add(*lost_frames);
    }
    gaps
}

fn apply<F: DiskFile>(file: &F, kept: &Kept) -> io::Result<()> {
    if file.len()? != kept.keep_bytes {
        file.truncate(kept.keep_bytes)?;
    }
    for (at, bytes) in &kept.patches {
        file.write_at(*at, bytes)?;
    }
    file.sync()
}

/// Puts a whole file in the place of what has this name, or nothing of it.
pub fn replace<D: Disk>(disk: &D, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = write_draft(disk, path, bytes)?;
    disk.replace(&draft, path)?;
    disk.sync_dir(folder(path))
}

/// The new content under a passing name, synced.
pub fn write_draft<D: Disk>(disk: &D, path: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    disk.create_dirs(folder(path))?;
    let (draft, file) = create_draft(disk, path)?;
    file.write_at(0, bytes)?;
    file.sync()?;
    Ok(draft)
}

/// An empty file under the passing name of `path`; what somebody was killed over is written anew.
pub fn create_draft<D: Disk>(disk: &D, path: &Path) -> io::Result<(PathBuf, D::File)> {
    let draft = dotted(path, DRAFT);
    let file = match disk.create(&draft) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            let file = disk.open(&draft)?;
            file.truncate(0)?;
            file
        }
        other => other?,
    };
    Ok((draft, file))
}

pub fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

/// One line each, for `soundpost repair`.
#[derive(Debug, Default)]
pub struct Report {
    pub kept: Vec<PathBuf>,
    /// What was cut off from some of them, with sound in it.
    pub rests: Vec<PathBuf>,
    pub removed: Vec<PathBuf>,
    /// Left alone, and why.
    pub left: Vec<(PathBuf, String)>,
    pub failed: Vec<String>,
}

/// `soundpost repair PATH…`: files and folders, while no recorder is writing there. Output folders below a folder are repaired
/// each by itself; those of a running recorder are left alone.
pub fn repair<D: Disk>(disk: &D, paths: &[PathBuf], formats: &Formats) -> Report {
    let mut report = Report::default();
    for path in paths {
        let mut folders = vec![path.clone()];
        while let Some(folder) = folders.pop() {
            match repair_path(disk, &folder, folder == *path, formats, &mut report) {
                Ok(others) => folders.extend(others),
                Err(text) => report.failed.push(text),
            }
        }
    }
    report
}

/// The answer: output folders below that were not looked into.
fn repair_path<D: Disk>(
    disk: &D,
    path: &Path,
    is_named: bool,
    formats: &Formats,
    report: &mut Report,
) -> Result<Vec<PathBuf>, String> {
    let told = |e: io::Error| format!("{}: {e}", path.display());
    let is_dir = match disk.kind(path).map_err(told)? {
        None => return Err(format!("{}: no such file or folder", path.display())),
        Some(kind) => kind == Kind::Dir,
    };
    let from = if is_dir { path } else { folder(path) };
    let marked = find_root(disk, from);
    // A folder without a mark has no recorder, and does not get a mark from being looked at.
    let _lock = match marked.as_ref().map(|root| (root, lock(disk, root))) {
        Some((root, Err(e))) if e.kind() == io::ErrorKind::WouldBlock && !is_named => {
            report.left.push((root.clone(), "another recorder is writing here".to_owned()));
            return Ok(Vec::new());
        }
        Some((root, other)) => Some(other.map_err(|e| not_locked(root, &e).what)?),
        None => None,
    };
    let root = marked.unwrap_or_else(|| from.to_path_buf());
    let mark = read_small(disk, &root.join(MARK), 4_096).unwrap_or_default();
    let places = places_of(root, &mark);
    let mut found = match is_dir {
        false => Unfinished { jobs: vec![Job::found(path.to_path_buf())], others: Vec::new() },
        true => find_parts(disk, &places).map_err(told)?,
    };
    found.others.retain(|folder| folder.starts_with(path));
    // Elsewhere other recorders may have theirs.
    if is_dir && places.analyses.starts_with(&places.root) {
        begun::sweep(disk, &places, usize::MAX).map_err(told)?;
    }
    for mut job in found.jobs.into_iter().filter(|job| job.part.starts_with(path)) {
        match finish(disk, &places, formats, &mut job) {
            Ok(Finished::Kept(kept)) => {
                report.kept.push(kept.file);
                report.rests.extend(kept.rest);
            }
            Ok(Finished::Empty) => report.removed.push(job.part),
            Ok(Finished::Gone | Finished::Reading) => {} // `repair` reads on the spot
            Ok(Finished::Whole) => report.left.push((job.part, "it is whole already".to_owned())),
            // Of a file that was named, that is no answer.
            Ok(Finished::Foreign(why)) if !is_dir => report.failed.push(format!("{}: not repaired: {why}", job.part.display())),
            Ok(Finished::Foreign(why)) => report.left.push((job.part, why.to_owned())),
            Err(e) => report.failed.push(format!("{}: {e}", job.part.display())),
        }
    }
    Ok(found.others)
}
