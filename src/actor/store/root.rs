//! An output folder as long as the recorder runs: its lock, its mark, and the work that waits for a quiet moment.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};

use super::analysed::Analyses;
use super::begun;
use super::closing::Closing;
use super::correct::Correction;
use super::fresh::Fresh;
use super::ledger::Ledger;
use super::naming::{Places, finished_name};
use super::repair::Job;
use super::restart;
use super::watched::Watches;
use crate::device::disk::{Disk, DiskFile, Kind, read_small};
use crate::device::{Fault, FaultKind};
use crate::time::{Mono, Wall};

/// Lock, volume id and state of the folder, and where its sidecars are. The four lines have a fixed length below a sector, so
/// that writing them anew cannot tear.
pub const MARK: &str = ".soundpost";
const ID_DIGITS: usize = 32;

/// For the path of the sidecars; a longer one is not remembered.
const ANALYSES_BYTES: usize = 384;

/// Where its files stand, and which folders of them the disk does not surely keep yet.
pub struct Files {
    pub places: Places,
    pub fresh: Fresh,
}

impl Files {
    /// Everything of the folder stays after a power cut, sidecars elsewhere too if they are asked for: those first.
    pub fn sync_all<D: Disk>(&mut self, disk: &D, with_sidecars: bool) -> io::Result<()> {
        if with_sidecars && !self.places.analyses.starts_with(&self.places.root) {
            disk.sync_all(&self.places.analyses)?;
            self.fresh.synced(&self.places.analyses);
        }
        disk.sync_all(&self.places.root)?;
        self.fresh.synced(&self.places.root);
        Ok(())
    }
}

pub struct Root<D: Disk> {
    pub files: Files,
    pub ledger: Ledger<D::File>,
    pub closings: VecDeque<Closing<D::File>>,
    pub jobs: VecDeque<Job>,
    pub corrections: VecDeque<Correction>,
    pub analyses: Analyses,
    pub watches: Watches,
    /// Where the sound of each source ended before this start, as far as it did not end in good order.
    pub ended: Vec<(String, Wall)>,
    pub id: String,
    mark: Option<D::File>,
    pub retry_at: Mono,
    pub ledger_retry_at: Mono,
    pub ledger_told: bool,
    /// What keeps it from being opened has been said.
    pub told: bool,
}

impl<D: Disk> Root<D> {
    pub fn new(places: Places) -> Root<D> {
        Root {
            ledger: Ledger::new(&places.root),
            files: Files { places, fresh: Fresh::default() },
            closings: VecDeque::new(),
            jobs: VecDeque::new(),
            corrections: VecDeque::new(),
            analyses: Analyses::default(),
            watches: Watches::default(),
            ended: Vec::new(),
            id: String::new(),
            mark: None,
            retry_at: Mono(0),
            ledger_retry_at: Mono(0),
            ledger_told: false,
            told: false,
        }
    }

    pub fn is_open(&self) -> bool {
        self.mark.is_some()
    }

    /// Takes the folder for this process and finds what the last one left unfinished.
    pub fn open(&mut self, disk: &D, sources: &[restart::Asked]) -> Result<(), Fault> {
        let root = self.files.places.root.clone();
        let fault = |what: &str, e: io::Error| refusal(&root, what, &e);
        disk.create_dirs(&root).map_err(|e| fault("cannot create the folder", e))?;
        let (mark, id, left_open) = take_mark(disk, &self.files.places)?;
        let unfinished = find_parts(disk, &self.files.places).map_err(|e| fault("cannot list the folder", e))?;
        for folder in &unfinished.others {
            log::info!(target: "store", "{}: a recorder's own folder; what is unfinished there is left to it", folder.display());
        }
        // Only a folder that was left in the middle of recording is worth a look at older sidecars.
        if left_open {
            // Who was killed may have made folders that no sync covers yet. And should a begun sidecar stay, it is in nobody's way.
            let _ = self.files.sync_all(disk, false);
            if let Err(e) = begun::sweep(disk, &self.files.places, begun::LAST) {
                log::debug!(target: "store", "{}: not looked through: {e}", self.files.places.analyses.display());
            }
            self.ended = restart::newest_ends(disk, &self.files.places, sources);
        }
        let only_source = if let [(only, _)] = sources { Some(only.clone()) } else { None };
        self.jobs.extend(unfinished.jobs.into_iter().map(|job| Job { only_source: only_source.clone(), ..job }));
        self.id = id;
        self.mark = Some(mark);
        Ok(())
    }

    /// In good order: the next start finds nothing missing. Not after trouble, for then something may be.
    pub fn close(&mut self) -> io::Result<()> {
        if let Some(mark) = &self.mark {
            mark.write_at(0, mark_text(&self.id, false, &self.files.places).as_bytes())?;
            mark.sync()?;
        }
        self.mark = None;
        Ok(())
    }
}

/// What stands in an output folder.
pub struct Unfinished {
    pub jobs: Vec<Job>,
    /// Folders below that are output folders themselves.
    pub others: Vec<PathBuf>,
}

/// Every recording below the folder that was not finished. Its sidecars are not looked at, nor what is hidden, nor folders
/// with a mark of their own: another recorder may be writing there, and it knows them under other names.
pub fn find_parts<D: Disk>(disk: &D, places: &Places) -> io::Result<Unfinished> {
    let mut parts: Vec<PathBuf> = Vec::new();
    let mut others: Vec<PathBuf> = Vec::new();
    disk.list(&places.root, &mut |path, kind| {
        if kind == Kind::File && finished_name(path).is_some() {
            parts.push(path.to_path_buf());
        }
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if kind != Kind::Dir || path == places.analyses || hidden {
            return false;
        }
        let is_other = has_mark(disk, path);
        if is_other {
            others.push(path.to_path_buf());
        }
        !is_other
    })?;
    parts.sort();
    others.sort();
    Ok(Unfinished { jobs: parts.into_iter().map(Job::found).collect(), others })
}

/// Lock of a folder that somebody else may be recording to; see [`not_locked`] for what its errors mean.
pub fn lock<D: Disk>(disk: &D, root: &Path) -> io::Result<D::File> {
    disk.lock(&root.join(MARK))
}

pub fn not_locked(root: &Path, e: &io::Error) -> Fault {
    match e.kind() {
        io::ErrorKind::WouldBlock => Fault::new(
            FaultKind::Config,
            format!(
                "{}: another recorder is writing here (it holds {MARK}); stop it or choose another output_directory",
                root.display()
            ),
        ),
        _ => refusal(root, "cannot write to the folder", e),
    }
}

fn has_mark<D: Disk>(disk: &D, folder: &Path) -> bool {
    matches!(disk.kind(&folder.join(MARK)), Ok(Some(Kind::File)))
}

/// The nearest folder above with a mark of ours.
pub fn find_root<D: Disk>(disk: &D, from: &Path) -> Option<PathBuf> {
    from.ancestors().find(|dir| has_mark(disk, dir)).map(Path::to_path_buf)
}

/// Locks, reads and renews the mark: (lock, volume id, left open by a kill or a power cut).
fn take_mark<D: Disk>(disk: &D, places: &Places) -> Result<(D::File, String, bool), Fault> {
    let root = &places.root;
    let mark = lock(disk, root).map_err(|e| not_locked(root, &e))?;
    let text = read_small(disk, &root.join(MARK), 4_096).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).map(str::trim).unwrap_or_default();
    let known = value("id ");
    let is_id = known.len() == ID_DIGITS && known.bytes().all(|b| b.is_ascii_hexdigit());
    let id = if is_id { known.to_owned() } else { random_id() };
    let left_open = value("state ") == "recording";
    let renew = || -> io::Result<()> {
        mark.write_at(0, mark_text(&id, true, places).as_bytes())?;
        mark.sync()?;
        disk.sync_dir(root)
    };
    renew().map_err(|e| refusal(root, "cannot write to the folder", &e))?;
    Ok((mark, id, left_open))
}

fn mark_text(id: &str, recording: bool, places: &Places) -> String {
    let state = if recording { "recording" } else { "closed" };
    let mut text = format!("soundpost 1\nid {id}\nstate {state:9}\nanalyses ");
    let end = text.len() + ANALYSES_BYTES;
    text.push_str(remembered(places).unwrap_or_default());
    // Spaces of one byte each, whatever the path is made of.
    text.extend(std::iter::repeat_n(' ', end.saturating_sub(text.len())));
    text.push('\n');
    text
}

/// The folder of the sidecars, if it is not the usual one: below the output folder without its path, so that both can be moved.
fn remembered(places: &Places) -> Option<&str> {
    let path = places.analyses.strip_prefix(&places.root).unwrap_or(&places.analyses);
    let text = path.to_str().filter(|text| *text != "analyses" && text.len() <= ANALYSES_BYTES)?;
    (!text.contains(char::is_control) && text.trim_end() == text).then_some(text)
}

/// Where the recordings of this folder and their sidecars are, by the text of its mark. A mark of an earlier version, or one that
/// is torn, tells of the usual place.
pub fn places_of(root: PathBuf, mark: &[u8]) -> Places {
    let whole_lines = mark.split_inclusive(|b| *b == b'\n').filter(|line| line.ends_with(b"\n"));
    let told = whole_lines.filter_map(|line| std::str::from_utf8(line).ok()?.strip_prefix("analyses ")).next();
    let analyses = told.map(str::trim_end).filter(|path| !path.is_empty()).map(|path| root.join(path));
    Places::new(root, analyses)
}

/// The standard library seeds each of these from the system's random numbers.
fn random_id() -> String {
    let half = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", half(), half())
}

fn refusal(root: &Path, what: &str, e: &io::Error) -> Fault {
    let kind = match e.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FaultKind::Full,
        io::ErrorKind::NotFound => FaultKind::Gone,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::NotADirectory => FaultKind::Config,
        _ => FaultKind::Retry,
    };
    let advice = match e.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "let this user write there or choose another output_directory"
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists | io::ErrorKind::IsADirectory => {
            "something else stands in its way: move it or choose another output_directory"
        }
        _ => "check the disk and its mount",
    };
    Fault::new(kind, format!("{}: {what}: {e}; {advice}", root.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_remembers_where_the_sidecars_are() {
        let check = |analyses: &str, told: &str, want: &str| {
            let text = mark_text("0123", true, &Places::new("/r".into(), Some(analyses.into())));
            assert!(text.len() < 512 && text.contains(&format!("analyses {told} ")), "{text}");
            assert_eq!(text.len(), mark_text("0123", false, &Places::new("/r".into(), None)).len());
            assert_eq!(places_of("/r".into(), text.as_bytes()).analyses, Path::new(want));
            // Torn, it tells nothing wrong.
            let torn = &text.as_bytes()[..text.len() - 1];
            assert_eq!(places_of("/r".into(), torn).analyses, Path::new("/r/analyses"));
        };
        check("/r/analyses", "", "/r/analyses");
        check("/meta/r-1", "/meta/r-1", "/meta/r-1");
        check("/r/deep/sidecars", "deep/sidecars", "/r/deep/sidecars");
        check("/mä ta", "/mä ta", "/mä ta");
        check(&format!("/{}", "x".repeat(500)), "", "/r/analyses");
        assert_eq!(places_of("/r".into(), b"soundpost 1\nid 1\nstate closed   \n").analyses, Path::new("/r/analyses"));
    }
}
