//! Changes of single recordings: marks, deletion, analyses, and looks at what others did.

use std::io;
use std::sync::Arc;

use super::entry::{self, ANALYSED_BYTES, Seen, entry, foreign_sidecar, is_open, tells_length};
use super::shelf::SIDECAR;
use super::{Librarian, Refused, labels};
use crate::device::catalogue::{Beside, Entry};
use crate::device::folder::{self, Found as FoundFile, PART};
use crate::format::sidecar::Sidecar;
use crate::format::{found, profile};
use crate::message::library::{Answer, Event, FileRow, FileState, Found, Mark, Trouble};
use crate::policy::retention::Reason;
use crate::time::Wall;

/// A note is a few sentences.
const NOTE_BYTES: usize = 64 << 10;

impl Librarian {
    pub(super) fn set(&mut self, name: &str, mark: &Mark, now: Wall) -> Result<Answer, Refused> {
        if matches!(mark, Mark::Note(note) if note.len() > NOTE_BYTES) {
            return Err(Trouble::Unclear("A note has at most 64 KiB.".into()).into());
        }
        let fresh = self.closed(name, now)?;
        self.may_write_analyses()?;
        let turn = self.settings.turns.wait(&self.shelf.beside(name, SIDECAR));
        let mut sidecar = self.sidecar_for(&fresh.row);
        entry::set(&mut sidecar, mark);
        self.shelf.put_sidecar(name, &sidecar).map_err(failed)?;
        drop(turn);
        self.refresh(name, now)
    }

    /// `why`: the reason, if nobody asked for it.
    pub(super) fn delete(&mut self, name: &str, now: Wall, why: Option<&Reason>) -> Result<Answer, Refused> {
        let fresh = self.closed(name, now)?;
        if self.settings.read_only {
            return Err(Trouble::ReadOnly.into());
        }
        if fresh.row.marks.locked {
            return Err(Trouble::Locked.into());
        }
        let turn = self.settings.turns.wait(&self.shelf.beside(name, SIDECAR));
        self.shelf.remove(name).map_err(failed)?;
        drop(turn);
        self.forget(name, why)?;
        Ok(Answer::Done)
    }

    pub(super) fn analysed(&mut self, name: &str, found: &Found, now: Wall) -> Result<Answer, Refused> {
        let fresh = self.closed(name, now)?;
        self.may_write_analyses()?;
        let turn = self.settings.turns.wait(&self.shelf.beside(name, SIDECAR));
        let mut sidecar = self.sidecar_for(&fresh.row);
        if let Some((rate, channels, frames)) = found.sound.filter(|_| !tells_length(Some(&sidecar))) {
            (sidecar.sample_rate, sidecar.channels, sidecar.frames) = (rate, channels, frames);
        }
        sidecar.tell(found::Found::new(&found.analysis, &found.detection, found.sections.clone()));
        sidecar.other.insert(ANALYSED_BYTES.into(), fresh.row.bytes.into());
        // The sidecar last: it says that the profile is there.
        self.shelf.put_profile(name, &profile::write(&found.analysis.profile)).map_err(failed)?;
        self.shelf.put_sidecar(name, &sidecar).map_err(failed)?;
        drop(turn);
        self.refresh(name, now)
    }

    pub(super) fn unfit(&mut self, name: &str, why: &str) -> Result<Answer, Refused> {
        let Some(mut known) = self.writer()?.find(name)? else { return Err(self.not_known().into()) };
        let line: String = why.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect();
        known.row.trouble = Some(line.into());
        self.put(&known)?;
        let row = Arc::new(known.row);
        self.tell(&Event::Changed(row.clone()));
        Ok(Answer::File(row))
    }

    /// The recording as it is on disk now, whatever the catalogue says.
    pub(super) fn look(&mut self, name: &str, now: Wall) -> Result<(), Refused> {
        if self.shelf.root.join(name).starts_with(&self.shelf.analyses) {
            return Ok(());
        }
        let old = self.writer()?.find(name)?;
        self.tables.borrow_mut().forget();
        match folder::look(&self.shelf.root, name) {
            Some(found) => {
                self.settle_bookmarks(&found, now)?;
                let fresh = self.read(found, old.as_ref(), now);
                self.put(&fresh)?;
                self.tell_change(old.as_ref(), &Arc::new(fresh.row));
                Ok(())
            }
            None if old.is_some() => self.forget(name, None),
            None => Ok(()),
        }
    }

    pub(super) fn read(&self, found: FoundFile<'_>, old: Option<&Entry>, now: Wall) -> Entry {
        let beside = self.stamps(found.name);
        let mut sidecar = if beside.sidecar_ns == 0 { self.begun(&found) } else { self.shelf.sidecar(found.name) };
        if let Some(sidecar) = &mut sidecar {
            self.bookmarks.add_to(sidecar, found.name);
        }
        self.is_restless.set(self.is_restless.get() || (!found.is_part && is_open(&found, sidecar.as_ref(), now)));
        let sound = if tells_length(sidecar.as_ref()) || is_open(&found, sidecar.as_ref(), now) {
            None
        } else {
            self.prober.probe(&self.shelf.root.join(found.name), found.extension)
        };
        let name = found.name;
        let mut entry =
            entry(Seen { found, beside, sidecar, targets: &self.settings.targets, sound, now }, old, &self.settings.zone);
        if let Some(details) = labels::with(&entry.row.details, &self.tables.borrow_mut().of(&self.shelf, name)) {
            entry.row.details = details.into();
        }
        entry
    }

    /// Other numbers when what stands beside a recording is other.
    pub(super) fn stamps(&self, name: &str) -> Beside {
        let beside = self.shelf.stamps(name);
        let labels = self.tables.borrow_mut().stamp(&self.shelf, name);
        Beside { sidecar_ns: beside.sidecar_ns ^ labels.rotate_left(2), ..beside }
    }

    /// What would stand in the sidecar of a recording that says itself who it is, and has none before it is finished.
    pub(super) fn begun(&self, found: &FoundFile<'_>) -> Option<Sidecar> {
        let path = self.shelf.root.join(format!("{}{PART}", found.name));
        let identity = found.is_part.then(|| self.prober.identity(&path, found.extension)).flatten()?;
        Some(Sidecar::begun(found.name.to_owned(), &identity, &self.settings.software))
    }

    pub(super) fn put(&mut self, entry: &Entry) -> Result<(), Refused> {
        let mut batch = self.writer_mut()?.batch()?;
        batch.put(entry)?;
        Ok(batch.commit()?)
    }

    pub(super) fn forget(&mut self, name: &str, why: Option<&Reason>) -> Result<(), Refused> {
        let mut batch = self.writer_mut()?.batch()?;
        let was_there = batch.remove(name)?;
        batch.commit()?;
        if was_there {
            self.tell(&Event::Deleted { name: name.to_owned(), reason: why.map(Reason::to_string) });
        }
        Ok(())
    }

    /// What a listener hears of it.
    pub(super) fn tell_change(&self, old: Option<&Entry>, row: &Arc<FileRow>) {
        let before = old.map(|old| old.row.state);
        if old.is_some_and(|old| old.row == **row) {
            return;
        }
        self.tell(&match (before, row.state) {
            (None, FileState::Open) => Event::Opened(row.clone()),
            (None | Some(FileState::Open), FileState::Closed) => Event::Closed(row.clone()),
            (None | Some(FileState::Open | FileState::Closed), FileState::Analysed) => Event::Analysed(row.clone()),
            _ => Event::Changed(row.clone()),
        });
    }

    pub(super) fn refresh(&mut self, name: &str, now: Wall) -> Result<Answer, Refused> {
        self.look(name, now)?;
        let row = self.writer()?.find(name)?.ok_or(Trouble::Absent)?.row;
        Ok(Answer::File(Arc::new(row)))
    }

    /// As it is on disk now, if its recorder is through with it.
    pub(super) fn closed(&self, name: &str, now: Wall) -> Result<Entry, Refused> {
        // A name from outside is looked up before it is made a path.
        let Some(old) = self.writer()?.find(name)? else { return Err(self.not_known().into()) };
        let found = folder::look(&self.shelf.root, name).ok_or(Trouble::Absent)?;
        let fresh = self.read(found, Some(&old), now);
        if fresh.row.state == FileState::Open { Err(Trouble::Open.into()) } else { Ok(fresh) }
    }

    /// While the catalogue is filled for the first time, it may yet come.
    fn not_known(&self) -> Trouble {
        if self.is_new { Trouble::Busy(5) } else { Trouble::Absent }
    }

    pub(super) fn sidecar_for(&self, row: &FileRow) -> Sidecar {
        self.shelf.sidecar(&row.name).unwrap_or_else(|| foreign_sidecar(row, &self.settings.software))
    }

    pub(super) fn may_write_analyses(&self) -> Result<(), Refused> {
        let is_inside = self.shelf.analyses.starts_with(&self.shelf.root);
        if self.settings.read_only && is_inside { Err(Trouble::ReadOnly.into()) } else { Ok(()) }
    }
}

pub(super) fn failed(e: io::Error) -> Trouble {
    match e.kind() {
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Trouble::ReadOnly,
        io::ErrorKind::StorageFull => Trouble::Failed("The disk is full.".into()),
        io::ErrorKind::NotFound => Trouble::Absent,
        _ => Trouble::Failed(format!("The disk did not do as asked: {e}.")),
    }
}
