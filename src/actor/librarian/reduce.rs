//! Keeps old recordings in less: says which one is next ([`crate::policy::tier`]), and puts what was made of it in its place.
//!
//! What is made are drafts, beside the recordings and on the disk, by somebody who has time (`reducer`). Here each gets what belongs
//! beside it, then its name; a few at a time, so that nobody waits long; the whole comes last, and only when all of that is on
//! the disk does the recording go. A power cut in between leaves the recording as it was, and perhaps pieces of it, which are
//! replaced when it is begun anew.

use std::io;
use std::path::{Path, PathBuf};

use super::change::failed;
use super::labels::Tables;
use super::retention::{How, Keeping};
use super::shelf::{PROFILE, SIDECAR, Shelf, folder, put_on};
use super::{Librarian, Refused};
use crate::device::catalogue::{Failure, Writer};
use crate::device::disk::{Disk, RealDisk};
use crate::device::folder::room;
use crate::format::civil::Civil;
use crate::format::profile;
use crate::format::reduced::{self, Whole};
use crate::format::sidecar::Sidecar;
use crate::format::{ReadAt, fill_at, opus_copy};
use crate::message::analysis::Profile;
use crate::message::library::{Answer, FileRow, Trouble};
use crate::message::page::{Deleted, Retention};
use crate::message::reduce::{Left, Reduced, Task};
use crate::policy::name::with_suffix;
use crate::policy::retention::{Candidate, Reason};
use crate::policy::tier::{self, Form, Tiers};
use crate::time::{SECOND_NS, Wall};

/// That cannot be had just now, in one go.
const REFUSED: usize = 8;
/// Opus files that go in one go.
const AT_ONCE: usize = 32;
/// Names that are tried.
const NAMES: u32 = 1_000;

/// Something that gets its name, with what belongs beside it: the sidecar last.
pub struct Placing {
    pub draft: PathBuf,
    pub name: String,
    pub beside: Vec<(PathBuf, Vec<u8>)>,
}

/// In this order; all of it on the disk when it returns. What had such a name before is replaced: it is another attempt's.
pub fn place<D: Disk>(disk: &D, shelf: &Shelf, all: &[Placing]) -> io::Result<()> {
    for one in all {
        one.beside.iter().try_for_each(|(path, bytes)| put_on(disk, path, bytes))?;
        disk.replace(&one.draft, &shelf.root.join(&one.name))?;
    }
    // A name that moves from one folder to another stays when both are synced.
    let both = |one: &Placing| [folder(&shelf.root.join(&one.name)).to_owned(), folder(&one.draft).to_owned()];
    let mut folders: Vec<PathBuf> = all.iter().flat_map(both).collect();
    folders.sort();
    folders.dedup();
    folders.iter().try_for_each(|folder| disk.sync_dir(folder))
}

/// The catalogue without what cannot be had just now.
struct Order<'a> {
    writer: &'a Writer,
    refused: &'a [String],
}

impl tier::Shelf for Order<'_> {
    type Error = Failure;

    fn sources(&mut self) -> Result<Vec<String>, Failure> {
        self.writer.sources()
    }

    fn oldest(&mut self, source: &str, form: Form, is_uploaded: bool, from: Wall) -> Result<Option<Candidate>, Failure> {
        for behind in 0..=self.refused.len() {
            match self.writer.oldest_in(source, form, is_uploaded, from, behind)? {
                Some(candidate) if self.refused.contains(&candidate.name) => {}
                found => return Ok(found),
            }
        }
        Ok(None)
    }
}

/// Of a recording of which nothing is cut out.
fn task_of(row: &FileRow, left: Left, days: f64) -> Task {
    Task {
        name: row.name.clone(),
        bytes: row.bytes,
        version: row.version,
        is_uploaded: row.uploaded_at.is_some(),
        rate_hz: row.rate_hz,
        frames: row.frames,
        left,
        parts: Vec::new(),
        floor_bytes: 0,
        days,
    }
}

impl Librarian {
    /// Opus files of which only the sections stay, and the bytes that they gave back.
    pub(super) fn let_spent_go(
        &mut self,
        tiers: &Tiers,
        clock: Option<Wall>,
        how: How,
        now: Wall,
    ) -> Result<(Vec<(Candidate, Reason)>, u64), Refused> {
        let (mut gone, mut bytes, mut refused) = (Vec::new(), 0, Vec::new());
        let Some(clock) = clock.filter(|_| tiers.is_on()) else { return Ok((gone, bytes)) };
        self.rank_by_tier()?;
        while gone.len() < AT_ONCE && refused.len() < REFUSED {
            let mut order = Order { writer: self.writer()?, refused: &refused };
            let Some((candidate, reason)) = tiers.spent(clock, &mut order)? else { break };
            match self.discard(&candidate, &reason, how, now) {
                Ok(given_back) => {
                    bytes += given_back;
                    gone.push((candidate, reason));
                }
                Err(_) => refused.push(candidate.name),
            }
        }
        Ok((gone, bytes))
    }

    fn rank_by_tier(&self) -> Result<(), Refused> {
        match self.writer()?.rank_by_tier() {
            // On a full disk: then it takes longer.
            Ok(()) | Err(Failure::Failed(_)) => Ok(()),
            Err(damaged) => Err(damaged.into()),
        }
    }

    /// The next recording that is to be kept in less; `None` also while room must be made, which comes first, or where there is no
    /// room for what is made. `given_back`: bytes that count as free, of a dry run so far.
    pub fn next_to_reduce(&mut self, now: Wall, how: How, given_back: u64) -> Result<Option<Task>, Refused> {
        let Some(Keeping { rules, tiers, is_clock_right }) = self.settings.retention.clone() else { return Ok(None) };
        if !tiers.is_on() || self.is_new || !is_clock_right() || (self.settings.read_only && how == How::Delete) {
            return Ok(None);
        }
        let space = room(&self.shelf.root).map_err(failed)?;
        let free_bytes = space.free_bytes.saturating_add(given_back);
        let floor_bytes = rules.floor_bytes(self.bytes_per_hour(&rules)?, space.total_bytes);
        self.rank_by_tier()?;
        let mut refused = Vec::new();
        while refused.len() < REFUSED {
            let mut order = Order { writer: self.writer()?, refused: &refused };
            let Some((candidate, left, days)) = tiers.next(now, &mut order)? else { return Ok(None) };
            match self.task(&candidate.name, left, days, floor_bytes, now) {
                Ok(Some(task)) => {
                    let fits = free_bytes >= floor_bytes.saturating_add(most_bytes(&task));
                    return Ok(Some(task).filter(|_| fits || how == How::DryRun));
                }
                Ok(None) if how == How::Delete => self.leave_full(&candidate.name, left, days, now)?,
                Ok(None) => {}
                Err(_) => self.look(&candidate.name, now)?,
            }
            refused.push(candidate.name);
        }
        Ok(None)
    }

    /// Of a dry run: only the catalogue hears that it is done.
    pub fn pass_over(&mut self, name: &str) -> Result<(), Refused> {
        self.forget(name, None)
    }

    /// `None`: nearly all of it stands out.
    fn task(&self, name: &str, left: Left, days: f64, floor_bytes: u64, now: Wall) -> Result<Option<Task>, Refused> {
        let row = self.closed(name, now)?.row;
        let parts = tier::parts(&row.sections, row.frames, row.rate_hz);
        Ok(parts.map(|parts| Task { parts, floor_bytes, ..task_of(&row, left, days) }))
    }

    /// It says so, and is not looked at again.
    fn leave_full(&mut self, name: &str, left: Left, days: f64, now: Wall) -> Result<(), Refused> {
        let row = self.closed(name, now)?.row;
        let task = task_of(&row, left, days);
        let done = Reduced { task, sha256: String::new(), pieces: Vec::new(), placed: Vec::new(), copy: None, is_last: true };
        self.may_write_analyses()?;
        let turn = self.settings.turns.wait(&self.shelf.beside(name, SIDECAR));
        let (sidecar, profile) = (self.sidecar_for(&row), self.profile(name)?);
        let whole = Whole { sidecar: &sidecar, done: &done, at: now, uploaded_at: row.uploaded_at, profile: &profile };
        self.shelf.put_sidecar(name, &whole.full()).map_err(failed)?;
        drop(turn);
        log::info!(target: "librarian", "{name}: older than {days} days, and stays as it is: nearly all of it stands out");
        self.look(name, now)
    }

    fn profile(&self, name: &str) -> Result<Profile, Refused> {
        let spoilt = || Trouble::Failed("Its profile cannot be read.".into());
        let file = RealDisk.open_to_read(&self.shelf.beside(name, PROFILE)).map_err(failed)?;
        let len = usize::try_from(file.len().map_err(failed)?).ok().filter(|len| *len <= profile::LIMIT_BYTES);
        let mut bytes = vec![0; len.ok_or_else(spoilt)?];
        let have = fill_at(&file, 0, &mut bytes).map_err(failed)?;
        Ok(profile::read(&bytes[..have]).map_err(|_| spoilt())?)
    }

    /// A few pieces, or the last of all: then the recording goes. Whatever is refused leaves it as it was.
    pub(super) fn reduced(&mut self, done: &Reduced, now: Wall) -> Result<Answer, Refused> {
        let task = &done.task;
        if self.settings.read_only {
            return Err(Trouble::ReadOnly.into());
        }
        self.may_write_analyses()?;
        let row = self.closed(&task.name, now)?.row;
        if row.marks.locked {
            return Err(Trouble::Locked.into());
        }
        if row.version != task.version || (task.is_uploaded && row.uploaded_at.is_none()) {
            return Err(Trouble::Failed("The recording is another than the one that was to be reduced.".into()).into());
        }
        let turn = self.settings.turns.wait(&self.shelf.beside(&task.name, SIDECAR));
        let sidecar = self.shelf.sidecar(&task.name).ok_or(Trouble::Absent)?;
        let profile = self.profile(&task.name)?;
        let whole = Whole { sidecar: &sidecar, done, at: now, uploaded_at: row.uploaded_at, profile: &profile };
        let mut names = self.place_pieces(&whole)?;
        if done.is_last {
            names.extend(self.place_copy(&whole, &names)?);
            self.shelf.remove(&task.name).map_err(failed)?;
        }
        drop(turn);
        if done.is_last {
            self.forget(&task.name, Some(&Reason::Reduced { days: task.days, left: task.left }))?;
        }
        names.iter().try_for_each(|name| self.look(name, now))?;
        if done.is_last {
            self.tell_reduced(&row, &names, done, now)?;
        }
        Ok(Answer::Placed(names))
    }

    fn place_pieces(&self, whole: &Whole<'_>) -> Result<Vec<String>, Refused> {
        let task = &whole.done.task;
        let (_, extension) = task.name.rsplit_once('.').ok_or(Trouble::Absent)?;
        let (mut all, mut names) = (Vec::new(), Vec::new());
        for piece in &whole.done.pieces {
            let (mut sidecar, profile) = whole.piece(piece);
            // It begins with the unit in which its first second does.
            let begins = sidecar.start.plus_ns(SECOND_NS / 2);
            let local = Civil::at(begins, sidecar.utc_offset_s).hour_minute_second();
            // Its session names the recording, and the place in it.
            let is_same = |other: &Sidecar| reduced::from(other).is_some() && other.session == sidecar.session;
            let name = self.free_name(&tier::stem(&task.name, local), extension, &names, &is_same)?;
            sidecar.file.clone_from(&name);
            all.push(self.placing(&piece.draft, &name, &sidecar, profile::write(&profile)));
            names.push(name);
        }
        place(&RealDisk, &self.shelf, &all).map_err(failed)?;
        Ok(names)
    }

    fn place_copy(&self, whole: &Whole<'_>, last: &[String]) -> Result<Option<String>, Refused> {
        let Some(copied) = &whole.done.copy else { return Ok(None) };
        let task = &whole.done.task;
        let of = whole.sidecar;
        let is_same = |other: &Sidecar| {
            reduced::fact(other).is_some() && other.session == of.session && other.first_frame == of.first_frame
        };
        let name = self.free_name(tier::whole_stem(&task.name), "opus", &[], &is_same)?;
        let sections = whole.done.placed.iter().chain(last).cloned().collect();
        let sidecar = whole.copy(&name, copied, sections);
        let mut placing = self.placing(&copied.draft, &name, &sidecar, profile::write(whole.profile));
        // What other programs found in it holds still.
        for (tool, path) in Tables::default().of(&self.shelf, &task.name) {
            let table = std::fs::read(&path).map_err(failed)?;
            placing.beside.insert(0, (self.shelf.beside(&name, &format!(".{tool}.csv")), table));
        }
        place(&RealDisk, &self.shelf, &[placing]).map_err(failed)?;
        Ok(Some(name))
    }

    fn placing(&self, draft: &Path, name: &str, sidecar: &Sidecar, profile: Vec<u8>) -> Placing {
        let beside = vec![(self.shelf.beside(name, PROFILE), profile), (self.shelf.place_of_sidecar(name), sidecar.write())];
        Placing { draft: draft.to_owned(), name: name.to_owned(), beside }
    }

    /// The first that nobody has, or an earlier attempt that was cut off.
    fn free_name(
        &self,
        stem: &str,
        extension: &str,
        taken: &[String],
        is_same: &dyn Fn(&Sidecar) -> bool,
    ) -> Result<String, Refused> {
        for n in 1..=NAMES {
            let name = format!("{}.{extension}", with_suffix(stem, n));
            if taken.contains(&name) {
                continue;
            }
            let is_free = match self.shelf.sidecar(&name) {
                Some(other) => is_same(&other),
                None => !self.shelf.is_there(&name).map_err(failed)?,
            };
            if is_free {
                return Ok(name);
            }
        }
        Err(Trouble::Failed("There is no free name for it.".into()).into())
    }

    fn tell_reduced(&self, row: &FileRow, names: &[String], done: &Reduced, now: Wall) -> Result<(), Refused> {
        let (task, writer) = (&done.task, self.writer()?);
        let mut left = 0;
        for name in done.placed.iter().chain(names) {
            left += writer.find(name)?.map_or(0, |entry| entry.row.bytes);
        }
        let reason = Reason::Reduced { days: task.days, left: task.left };
        let mb = |bytes: u64| bytes as f64 / 1e6;
        let pieces = done.placed.len() + names.len() - usize::from(done.copy.is_some());
        log::info!(
            target: "librarian",
            "{}: reduced, {reason}: {:.1} MB to {:.1} MB, {pieces} pieces",
            task.name, mb(row.bytes), mb(left)
        );
        let mut shown = self.shared.retention.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let shown = shown.get_or_insert_with(Retention::default);
        shown.reduced += 1;
        shown.reduced_bytes = shown.reduced_bytes.saturating_add(row.bytes.saturating_sub(left));
        shown.last_reduced = Some(Deleted { name: task.name.clone(), at: now, reason: reason.to_string() });
        Ok(())
    }
}

/// Of all that is made for it.
fn most_bytes(task: &Task) -> u64 {
    let seconds = (task.frames / u64::from(task.rate_hz.max(1))).max(1);
    let kept: u64 = task.parts.iter().map(|(from, to)| to - from).sum();
    let pieces = u128::from(task.bytes) * u128::from(kept.min(seconds)) / u128::from(seconds);
    let copy = if task.left == Left::Opus { opus_copy::most_bytes(seconds, 2) } else { 0 };
    u64::try_from(pieces).unwrap_or(u64::MAX).saturating_add(task.bytes / 16).saturating_add(copy)
}
