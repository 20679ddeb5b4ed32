//! The end of a file: its data, then its header and sidecar, then its name, each on disk before the next begins.
//!
//! Many lanes end their files in the same second. They queue here and are committed together, so that sixteen files on a slow
//! card cost three syncs and not sixty-four. Each step is remembered in the [`Closing`], and none is done twice.
//!
//! The sidecar of a stream's recording replaces the one that was begun with the file, which alone says whose it is: it is made
//! under a passing name, and on disk with the data before it takes the place.

mod commit;

pub use commit::commit;

use std::io;
use std::path::{Path, PathBuf};

use super::begun::Begun;
use super::lane::OpenFile;
use super::naming::{CUE, DRAFT, Places, dotted};
use super::repair::{create_draft, folder};
use super::root::Files;
use crate::device::clock;
use crate::device::disk::{Disk, DiskFile, read_small};
use crate::format::bookmark;
use crate::format::cue;
use crate::format::sidecar::{LIMIT_BYTES, Sidecar, Unread};
use crate::message::{self, Identity};
use crate::time::Mono;

/// Files of one commit.
pub const TOGETHER: usize = 128;

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
    draft: Draft,
    cue: Cue<F>,
    /// Path below the root of the name that it could not get: what was begun beside it goes when the file has another one.
    stale: Option<PathBuf>,
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

/// The new sidecar of a file that has one already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Draft {
    Missing,
    Written,
    Synced,
    Placed,
}

/// The cue sheet.
enum Cue<F> {
    Unwanted,
    Wanted,
    Written(F),
}

/// What a commit has to say.
pub enum Event {
    /// The file stands under this path below the root.
    Finished { name: PathBuf, identity: Identity },
    /// Trouble, in one line, said once a file.
    Trouble(String),
}

impl<F: DiskFile> Closing<F> {
    /// It waits for others until `retry_at`.
    pub fn new(
        lane: usize,
        open: OpenFile<F>,
        closing: Box<message::Closing>,
        cue: bool,
        retry_at: Mono,
        now: Mono,
    ) -> Closing<F> {
        let has_titles = !closing.titles.is_empty();
        Closing {
            lane,
            open,
            closing,
            since: now,
            retry_at,
            step: Step::Data,
            sidecar: None,
            draft: Draft::Missing,
            cue: if cue && has_titles { Cue::Wanted } else { Cue::Unwanted },
            stale: None,
            told: false,
            falls: 0,
        }
    }

    /// One of this lane that the disk has refused to finish so far.
    pub fn is_stuck(&self, lane: usize) -> bool {
        self.lane == lane && self.told
    }

    /// A sidecar was begun with the file.
    fn is_begun(&self) -> bool {
        self.open.begun != Begun::Needless
    }

    /// The wall clock was set meanwhile: the sidecar is written (again). False if the file has its name already: then its
    /// sidecar is to be corrected as that of any finished file.
    pub fn correct(&mut self, by_ns: i64) -> bool {
        if self.step >= Step::Named {
            return false;
        }
        self.open.corrected_ns = self.open.corrected_ns.saturating_add(by_ns);
        self.draft = Draft::Missing;
        if self.step == Step::Surely || self.step == Step::Name {
            self.step = Step::Header;
        }
        true
    }

    fn sidecar<D: Disk>(&self, disk: &D, places: &Places, software: &str) -> Sidecar {
        let name = self.open.name.to_string_lossy().into_owned();
        let mut sidecar = Sidecar::new(name, &self.open.new.identity, &self.closing, software);
        sidecar.timed_by(clock::source());
        sidecar.suspect = self.open.suspect;
        sidecar.sure_frames = self.open.sure_frames.map(|sure| sure.min(sidecar.frames));
        if self.open.corrected_ns != 0 {
            sidecar.correct(self.open.corrected_ns);
        }
        add_bookmarks(disk, places, &mut sidecar);
        sidecar
    }

    /// The disk did not sync something of this file.
    fn doubt(&mut self) {
        self.draft = Draft::Missing;
        self.open.suspect = true;
        self.open.sure_frames.get_or_insert(self.open.synced_frames);
    }

    /// Writes the header's last words and the sidecar. The sidecar may be torn by a power cut: while the file has not got its
    /// name, repair reads it with that in mind.
    fn describe<D: Disk<File = F>>(&mut self, disk: &D, files: &mut Files, software: &str, now: Mono) -> io::Result<()> {
        for (at, bytes) in &self.open.patches {
            self.open.file.write_at(*at, bytes)?;
        }
        let written = match self.is_begun() {
            true => self.place_draft(disk, files, software).map(|()| None),
            false => self.write_sidecar(disk, files, software),
        };
        self.sidecar = match written {
            Err(e) if now.since(self.since) < SIDECAR_PATIENCE_NS => return Err(e),
            Err(e) => {
                log::error!(target: "store", "{}: finished without a sidecar: {e}; make room or check the disk", self.open.name.display());
                None
            }
            Ok(file) => file,
        };
        if let Err(e) = self.write_cue(disk, &files.places) {
            log::warn!(target: "store", "{}: finished without a cue sheet: {e}", self.open.name.display());
            self.cue = Cue::Unwanted;
        }
        Ok(())
    }

    fn write_sidecar<D: Disk<File = F>>(&self, disk: &D, files: &mut Files, software: &str) -> io::Result<Option<F>> {
        let path = files.places.sidecar(&self.open.name);
        files.fresh.make(disk, folder(&path))?;
        let file = match disk.create(&path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                if self.is_barred(disk, &path)? {
                    return Ok(None);
                }
                let file = disk.open(&path)?;
                file.truncate(0)?;
                file
            }
            other => other?,
        };
        file.write_at(0, &self.sidecar(disk, &files.places, software).write())?;
        Ok(Some(file))
    }

    /// Somebody else's sidecar is in the way, which is said.
    fn is_barred<D: Disk>(&self, disk: &D, path: &Path) -> io::Result<bool> {
        let whose = others(disk, path, &self.open.new.identity)?;
        if let Some(whose) = whose {
            log::warn!(target: "store", "{}: {whose}; it is kept, and {} has no sidecar", path.display(), self.open.name.display());
        }
        Ok(whose.is_some())
    }

    /// Under its passing name.
    fn write_draft<D: Disk<File = F>>(&mut self, disk: &D, files: &mut Files, software: &str) -> io::Result<()> {
        let path = files.places.sidecar(&self.open.name);
        files.fresh.make(disk, folder(&path))?;
        let (_, file) = create_draft(disk, &path)?;
        file.write_at(0, &self.sidecar(disk, &files.places, software).write())?;
        (self.sidecar, self.draft) = (Some(file), Draft::Written);
        Ok(())
    }

    /// After an error it is written anew: nobody knows what the disk has of it.
    fn sync_draft(&mut self) -> io::Result<()> {
        self.draft = Draft::Missing;
        let Some(file) = self.sidecar.take() else { return Ok(()) };
        file.sync()?;
        self.draft = Draft::Synced;
        Ok(())
    }

    /// The sidecar takes the place of the one that was begun.
    fn place_draft<D: Disk<File = F>>(&mut self, disk: &D, files: &mut Files, software: &str) -> io::Result<()> {
        if self.draft == Draft::Placed {
            return Ok(());
        }
        if self.draft == Draft::Missing {
            self.write_draft(disk, files, software)?;
        }
        if self.draft == Draft::Written {
            self.sync_draft()?;
        }
        let path = files.places.sidecar(&self.open.name);
        let draft = draft_of(&path);
        if disk.kind(&path)?.is_some() && self.is_barred(disk, &path)? {
            let _ = disk.remove(&draft); // it is in nobody's way
            self.draft = Draft::Missing;
            return Ok(());
        }
        disk.replace(&draft, &path)?;
        self.draft = Draft::Placed;
        Ok(())
    }

    /// Nobody waits for it: what goes wrong with it is only said.
    fn write_cue<D: Disk<File = F>>(&mut self, disk: &D, places: &Places) -> io::Result<()> {
        let identity = &self.open.new.identity;
        let (Cue::Wanted, Some(codec)) = (&self.cue, identity.format.codec()) else { return Ok(()) };
        let path = cue_of(places, &self.open.name);
        let name = self.open.name.file_name().unwrap_or_default().to_string_lossy();
        let text = cue::sheet(&name, codec, identity.format.rate, &self.closing.titles);
        let file = disk.create(&path)?;
        if let Err(e) = file.write_at(0, text.as_bytes()) {
            drop(file);
            let _ = disk.remove(&path); // half a list is none
            return Err(e);
        }
        self.cue = Cue::Written(file);
        Ok(())
    }

    fn later(&mut self, now: Mono) {
        self.retry_at = now.plus_ns(RETRY_NS);
    }
}

/// What somebody marked in it while it was recorded. Should the list be unreadable now, the librarian brings them later.
pub fn add_bookmarks<D: Disk>(disk: &D, places: &Places, sidecar: &mut Sidecar) {
    let lists = bookmark::read(&read_small(disk, &places.analyses.join(bookmark::LIST), LIMIT_BYTES).unwrap_or_default());
    let name = sidecar.file.clone();
    bookmark::add(sidecar, &lists, &name);
}

fn draft_of(sidecar: &Path) -> PathBuf {
    dotted(sidecar, DRAFT)
}

fn cue_of(places: &Places, name: &Path) -> PathBuf {
    places.root.join(name.with_extension(CUE))
}

/// Whose this sidecar is, if it is not to be written over: another program's, or another recording's.
pub fn others<D: Disk>(disk: &D, path: &Path, identity: &Identity) -> io::Result<Option<&'static str>> {
    Ok(match Sidecar::read(&read_small(disk, path, LIMIT_BYTES)?) {
        Err(Unread::Foreign) => Some("written by another program"),
        Ok(there) if !there.begins_as(identity) => Some("it describes another recording"),
        Ok(_) | Err(Unread::Broken) => None,
    })
}

pub fn not_synced(path: &Path, e: &io::Error) -> String {
    format!("{}: the disk failed to keep what it was given: {e}; check or replace the disk", path.display())
}
