//! The end of a file: its data, then its header and sidecar, then its name, each on disk before the next begins.
//!
//! Many lanes end their files in the same second. They queue here and are committed together, so that sixteen files on a slow
//! card cost three syncs and not sixty-four. Each step is remembered in the [`Closing`], and none is done twice.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::lane::OpenFile;
use super::naming::Places;
use super::repair::folder;
use crate::device::disk::{Disk, DiskFile, read_small};
use crate::format::sidecar::{LIMIT_BYTES, Sidecar, Unread};
use crate::message::{self, ClockState, Identity};
use crate::time::Mono;

/// Files of one commit.
pub const TOGETHER: usize = 32;

/// From so many files on, one sync of the whole file system is cheaper than one of each.
pub const SYNC_ALL_FROM: usize = 3;

const RETRY_NS: i64 = 500_000_000;

/// A file whose sidecar cannot be written for so long gets its name without one.
const SIDECAR_PATIENCE_NS: i64 = 10_000_000_000;

pub struct Closing<F> {
    pub lane: usize,
    pub open: OpenFile<F>,
    pub closing: Box<message::Closing>,
    pub since: Mono,
    pub retry_at: Mono,
    step: Step,
    sidecar: Option<F>,
    /// Trouble with it has been said.
    pub told: bool,
    /// It failed in a way that must not be tried for ever.
    pub falls: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Data,
    Header,
    Surely,
    Name,
    Named,
    Done,
    /// Somebody took the file away, or its disk: nothing more can be done for it.
    Vanished,
}

/// What a commit has to say.
pub enum Event {
    /// The file stands under this path, and the sidecar beside it if it has one.
    /// With its session if its clock was not synced: its start may have to be corrected.
    Finished { file: PathBuf, sidecar: PathBuf, unsynced: Option<Arc<str>> },
    /// Trouble, in one line, said once a file.
    Trouble(String),
}

impl<F: DiskFile> Closing<F> {
    pub fn new(lane: usize, open: OpenFile<F>, closing: Box<message::Closing>, now: Mono) -> Closing<F> {
        Closing { lane, open, closing, since: now, retry_at: now, step: Step::Data, sidecar: None, told: false, falls: 0 }
    }

    /// The wall clock was set meanwhile: the sidecar is written (again). False if the file has its name already: then its
    /// sidecar is to be corrected as that of any finished file.
    pub fn correct(&mut self, by_ns: i64) -> bool {
        if self.step >= Step::Named {
            return false;
        }
        self.open.corrected_ns = self.open.corrected_ns.saturating_add(by_ns);
        if self.step == Step::Surely || self.step == Step::Name {
            self.step = Step::Header;
        }
        true
    }

    fn sidecar(&self, software: &str) -> Sidecar {
        let name = self.open.name.to_string_lossy().into_owned();
        let mut sidecar = Sidecar::new(name, &self.open.new.identity, &self.closing, software);
        sidecar.suspect = self.open.suspect;
        sidecar.sure_frames = self.open.sure_frames.map(|sure| sure.min(sidecar.frames));
        if self.open.corrected_ns != 0 {
            sidecar.correct(self.open.corrected_ns);
        }
        sidecar
    }

    /// The disk did not sync something of this file.
    fn doubt(&mut self) {
        self.open.suspect = true;
        self.open.sure_frames.get_or_insert(self.open.synced_frames);
    }

    /// Writes the header's last words and the sidecar. The sidecar may be torn by a power cut: while the file has not got its
    /// name, repair reads it with that in mind.
    fn describe<D: Disk<File = F>>(&mut self, disk: &D, places: &Places, software: &str, now: Mono) -> io::Result<()> {
        for (at, bytes) in &self.open.patches {
            self.open.file.write_at(*at, bytes)?;
        }
        self.sidecar = match self.write_sidecar(disk, places, software) {
            Err(e) if now.since(self.since) < SIDECAR_PATIENCE_NS => return Err(e),
            Err(e) => {
                log::error!(target: "store", "{}: finished without a sidecar: {e}; make room or check the disk", self.open.name.display());
                None
            }
            Ok(file) => file,
        };
        Ok(())
    }

    fn write_sidecar<D: Disk<File = F>>(&self, disk: &D, places: &Places, software: &str) -> io::Result<Option<F>> {
        let path = places.sidecar(&self.open.name);
        disk.create_dirs(folder(&path))?;
        let file = match disk.create(&path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                if let Some(whose) = others(disk, &path, &self.open.new.identity)? {
                    log::warn!(target: "store", "{}: {whose}; it is kept, and {} has no sidecar", path.display(), self.open.name.display());
                    return Ok(None);
                }
                let file = disk.open(&path)?;
                file.truncate(0)?;
                file
            }
            other => other?,
        };
        file.write_at(0, &self.sidecar(software).write())?;
        Ok(Some(file))
    }

    fn later(&mut self, now: Mono) {
        self.retry_at = now.plus_ns(RETRY_NS);
    }
}

/// Whose this sidecar is, if it is not to be written over: another program's, or another recording's.
pub fn others<D: Disk>(disk: &D, path: &Path, identity: &Identity) -> io::Result<Option<&'static str>> {
    Ok(match Sidecar::read(&read_small(disk, path, LIMIT_BYTES)?) {
        Err(Unread::Foreign) => Some("written by another program"),
        Ok(there) if !there.begins_as(identity) => Some("it describes another recording"),
        Ok(_) | Err(Unread::Broken) => None,
    })
}

/// Takes the first files of the queue as far as the disk lets them come, and those that are done out of it.
pub fn commit<D: Disk>(
    disk: &D,
    places: &Places,
    software: &str,
    queue: &mut VecDeque<Closing<D::File>>,
    now: Mono,
    event: &mut dyn FnMut(usize, Event),
) {
    sync_data(disk, places, queue, now, event);
    for closing in due(queue, now).filter(|c| c.step == Step::Header) {
        match closing.describe(disk, places, software, now) {
            Ok(()) => closing.step = Step::Surely,
            Err(e) => trouble(closing, now, "cannot be described", &e, event),
        }
    }
    sync_description(disk, places, queue, now, event);
    for closing in due(queue, now).filter(|c| c.step == Step::Name) {
        match give_name(disk, places, closing) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound && vanished(disk, places, closing) => {
                let part = closing.open.part.display();
                let text =
                    format!("{part}: it is not there any more: somebody removed it, or its disk is gone; it cannot be finished");
                event(closing.lane, Event::Trouble(text));
                closing.step = Step::Vanished;
            }
            Err(e) => trouble(closing, now, "cannot get its name", &e, event),
        }
    }
    sync_names(disk, places, queue, now, event);
    for closing in queue.iter().take(TOGETHER).filter(|c| c.step == Step::Done) {
        let (file, sidecar) = (places.root.join(&closing.open.name), places.sidecar(&closing.open.name));
        let identity = &closing.open.new.identity;
        let unsynced = (identity.clock == ClockState::Unsynced).then(|| identity.session.clone());
        event(closing.lane, Event::Finished { file, sidecar, unsynced });
    }
    queue.retain(|closing| closing.step < Step::Done);
}

fn due<F>(queue: &mut VecDeque<Closing<F>>, now: Mono) -> impl Iterator<Item = &mut Closing<F>> {
    queue.iter_mut().take(TOGETHER).filter(move |c| c.retry_at <= now)
}

fn count<F>(queue: &mut VecDeque<Closing<F>>, now: Mono, step: Step) -> usize {
    due(queue, now).filter(|c| c.step == step).count()
}

fn trouble<F>(closing: &mut Closing<F>, now: Mono, what: &str, e: &io::Error, event: &mut dyn FnMut(usize, Event))
where
    F: DiskFile,
{
    closing.later(now);
    if !std::mem::replace(&mut closing.told, true) {
        event(
            closing.lane,
            Event::Trouble(format!(
                "{} {what}: {e}; it is tried again: make room or check the disk",
                closing.open.part.display()
            )),
        );
    }
}

/// A file that the disk failed to sync is finished all the same, and says so. What failed is not synced again: the kernel has
/// already forgotten what it could not write.
fn sync_data<D: Disk>(
    disk: &D,
    places: &Places,
    queue: &mut VecDeque<Closing<D::File>>,
    now: Mono,
    event: &mut dyn FnMut(usize, Event),
) {
    let together = count(queue, now, Step::Data) >= SYNC_ALL_FROM && disk.sync_all(&places.root).is_ok();
    for closing in due(queue, now).filter(|c| c.step == Step::Data) {
        // The name too, or a sidecar could be left without its file.
        let synced = if together { Ok(()) } else { closing.open.file.sync().and_then(|()| sync_part_name(disk, &closing.open)) };
        closing.step = Step::Header;
        match synced {
            Ok(()) => (closing.open.synced, closing.open.synced_frames) = (closing.open.at, closing.open.frames),
            Err(e) => {
                closing.doubt();
                event(closing.lane, Event::Trouble(not_synced(&closing.open.part, &e)));
            }
        }
    }
}

/// A file that ended before its first sync.
fn sync_part_name<D: Disk>(disk: &D, open: &OpenFile<D::File>) -> io::Result<()> {
    if open.named { Ok(()) } else { disk.sync_dir(folder(&open.part)) }
}

fn sync_description<D: Disk>(
    disk: &D,
    places: &Places,
    queue: &mut VecDeque<Closing<D::File>>,
    now: Mono,
    event: &mut dyn FnMut(usize, Event),
) {
    let all = || -> io::Result<()> {
        disk.sync_all(&places.root)?;
        if places.analyses.starts_with(&places.root) { Ok(()) } else { disk.sync_all(&places.analyses) }
    };
    let together = count(queue, now, Step::Surely) >= SYNC_ALL_FROM && all().is_ok();
    for closing in due(queue, now).filter(|c| c.step == Step::Surely) {
        let synced = if together { Ok(()) } else { sync_each(disk, places, closing) };
        closing.sidecar = None;
        match synced {
            Err(e) if !closing.open.suspect => {
                // The sidecar is to say so, so it is written once more; what fails then is only noted.
                closing.doubt();
                closing.step = Step::Header;
                closing.later(now);
                event(closing.lane, Event::Trouble(not_synced(&closing.open.part, &e)));
            }
            _ => closing.step = Step::Name,
        }
    }
}

fn sync_each<D: Disk>(disk: &D, places: &Places, closing: &Closing<D::File>) -> io::Result<()> {
    if !closing.open.patches.is_empty() {
        closing.open.file.sync()?;
    }
    if let Some(sidecar) = &closing.sidecar {
        sidecar.sync()?;
        disk.sync_dir(folder(&places.sidecar(&closing.open.name)))?;
    }
    Ok(())
}

/// Whether the file is gone; then its sidecar goes too.
fn vanished<D: Disk>(disk: &D, places: &Places, closing: &Closing<D::File>) -> bool {
    if !matches!(disk.kind(&closing.open.part), Ok(None)) {
        return false;
    }
    let sidecar = places.sidecar(&closing.open.name);
    if matches!(disk.kind(&sidecar), Ok(Some(_))) && matches!(others(disk, &sidecar, &closing.open.new.identity), Ok(None)) {
        let _ = disk.remove(&sidecar); // an orphan is harmless
    }
    true
}

/// Should a stranger have taken the name meanwhile, the file gets the next free one, described anew.
fn give_name<D: Disk>(disk: &D, places: &Places, closing: &mut Closing<D::File>) -> io::Result<()> {
    let target = places.root.join(&closing.open.name);
    match disk.rename(&closing.open.part, &target) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            let stem = closing.open.name.with_extension("");
            let free = places.free_name(disk, &stem, closing.open.new.container.extension())?;
            let sidecar = places.sidecar(&closing.open.name);
            if disk.kind(&sidecar)?.is_some() && others(disk, &sidecar, &closing.open.new.identity)?.is_none() {
                disk.remove(&sidecar)?;
            }
            closing.open.name = free;
            closing.step = Step::Header;
        }
        other => {
            other?;
            closing.step = Step::Named;
        }
    }
    Ok(())
}

fn sync_names<D: Disk>(
    disk: &D,
    places: &Places,
    queue: &mut VecDeque<Closing<D::File>>,
    now: Mono,
    event: &mut dyn FnMut(usize, Event),
) {
    let together = count(queue, now, Step::Named) >= SYNC_ALL_FROM && disk.sync_all(&places.root).is_ok();
    for closing in due(queue, now).filter(|c| c.step == Step::Named) {
        let target = places.root.join(&closing.open.name);
        if let Err(e) = if together { Ok(()) } else { disk.sync_dir(folder(&target)) } {
            // Not tried again; after a power cut the old name may be back, and repair gives the new one again.
            event(closing.lane, Event::Trouble(not_synced(&target, &e)));
        }
        closing.step = Step::Done;
    }
}

pub fn not_synced(path: &Path, e: &io::Error) -> String {
    format!("{}: the disk failed to keep what it was given: {e}; check or replace the disk", path.display())
}
