//! Analyses that came for files of this process: kept until the file has its name, then written beside it.
//!
//! They come while the file is being finished or a little later, so both are remembered for a while: what waits for its file,
//! and where the newest files of each lane stand. An analysis of a file that turns out shorter than what was analysed, or that
//! had to be repaired, is thrown away: the file is analysed from the disk.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::naming::{PROFILE, Places};
use super::repair::{create_draft, folder, replace};
use crate::device::disk::{Disk, DiskFile, read_small};
use crate::format::found::Found;
use crate::format::profile;
use crate::format::sidecar::{LIMIT_BYTES, Sidecar};
use crate::message::Analysed;
use crate::message::analysis::{Profile, WINDOWS_PER_SECOND};
use crate::time::Mono;

/// Files of a folder that are remembered: several for each lane, for some are short.
const REMEMBERED: usize = 64;
/// Analyses of a lane that wait for their files: of so many hours of sound, for each of these holds megabytes, and more means that the disk
/// has stood still for long.
const WAITING_HOURS: u64 = 2;
/// Of a lane whose files are short.
const WAITING: usize = 32;
/// Of a lane whose files are longer than that.
const AT_LEAST: usize = 2;

/// Of one folder.
#[derive(Default)]
pub struct Analyses {
    /// Somebody else had the sidecar of the next one: not before then.
    pub retry_at: Mono,
    waiting: VecDeque<(usize, Arc<Analysed>)>,
    named: VecDeque<Named>,
}

/// A file that has its name.
struct Named {
    lane: usize,
    is_watch: bool,
    session: Arc<str>,
    first_frame: u64,
    /// Path below the root.
    name: PathBuf,
}

impl Named {
    fn is_of(&self, lane: usize, analysed: &Analysed) -> bool {
        self.lane == lane
            && self.is_watch == analysed.is_watch
            && self.session == analysed.session
            && self.first_frame == analysed.first_frame
    }
}

impl Analyses {
    pub fn push(&mut self, lane: usize, analysed: Arc<Analysed>) {
        let windows = |analysed: &Analysed| analysed.analysis.profile.levels.len() as u64;
        loop {
            let of_lane = || self.waiting.iter().filter(|(of, _)| *of == lane).map(|(_, waits)| windows(waits));
            let is_room = windows(&analysed) + of_lane().sum::<u64>() <= WAITING_HOURS * 3_600 * WINDOWS_PER_SECOND;
            if of_lane().count() < WAITING && (is_room || of_lane().count() < AT_LEAST) {
                break;
            }
            let oldest = self.waiting.iter().position(|(of, _)| *of == lane);
            oldest.map(|at| self.waiting.remove(at));
        }
        self.waiting.push_back((lane, analysed));
    }

    /// A file has its name from now on.
    pub fn named(&mut self, lane: usize, is_watch: bool, session: Arc<str>, first_frame: u64, name: PathBuf) {
        if self.named.len() >= REMEMBERED {
            self.named.pop_front();
        }
        self.named.push_back(Named { lane, is_watch, session, first_frame, name });
    }

    /// It has another name from now on.
    pub fn renamed(&mut self, from: &Path, to: &Path) {
        self.named.iter_mut().filter(|named| named.name == from).for_each(|named| named.name = to.to_path_buf());
    }

    /// Whether one of those that wait can be written.
    pub fn is_due(&self) -> bool {
        self.next().is_some()
    }

    fn next(&self) -> Option<(usize, usize)> {
        let of = |(lane, analysed): &(usize, Arc<Analysed>)| self.named.iter().position(|named| named.is_of(*lane, analysed));
        self.waiting.iter().enumerate().find_map(|(waits, analysed)| Some((waits, of(analysed)?)))
    }

    /// The file of the one that can be written, as a path below the root.
    pub fn next_name(&self) -> Option<&Path> {
        let (_, named) = self.next()?;
        self.named.get(named).map(|named| named.name.as_path())
    }

    /// One that can be written, with its file's path below the root.
    pub fn take(&mut self) -> Option<(Arc<Analysed>, PathBuf)> {
        let (waits, named) = self.next()?;
        let (_, analysed) = self.waiting.remove(waits)?;
        Some((analysed, self.named.remove(named)?.name))
    }
}

/// Writes the profile, then what was found into the sidecar, which alone says that there is a profile to be trusted. False if
/// the file is not, or not any more, what was analysed.
pub fn write<D: Disk>(disk: &D, places: &Places, name: &Path, analysed: &Analysed) -> io::Result<bool> {
    let path = places.sidecar(name);
    let bytes = match read_small(disk, &path, LIMIT_BYTES) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other?,
    };
    let is_meant = |sidecar: &Sidecar| {
        let frames = sidecar.frames == analysed.analysis.profile.frames && !sidecar.recovered;
        frames && sidecar.session == *analysed.session && sidecar.first_frame == analysed.first_frame
    };
    let Some(mut sidecar) = Sidecar::read(&bytes).ok().filter(is_meant) else { return Ok(false) };
    write_profile(disk, &places.beside(name, PROFILE), &analysed.analysis.profile)?;
    sidecar.tell(Found::new(&analysed.analysis, &analysed.detection, analysed.sections.clone()));
    replace(disk, &path, &sidecar.write())?;
    Ok(true)
}

/// Not synced: should a power cut tear it, its checksum says so, and it is made anew.
fn write_profile<D: Disk>(disk: &D, path: &Path, profile: &Profile) -> io::Result<()> {
    disk.create_dirs(folder(path))?;
    let (draft, file) = create_draft(disk, path)?;
    let (mut at, mut written) = (0, Ok(()));
    profile::write_to(profile, &mut |bytes| {
        if written.is_ok() {
            written = file.write_at(at, bytes);
            at += bytes.len() as u64;
        }
    });
    written?;
    drop(file);
    disk.replace(&draft, path)
}
