//! Where what belongs to a recording stands, and how it is changed: whole or not at all, and on the disk when a call returns.

use std::io;
use std::path::{Path, PathBuf};

use super::labels::Tables;
use crate::device::catalogue::Beside;
use crate::device::disk::{Disk, DiskFile, RealDisk, read_small};
use crate::device::folder::modified_ns;
use crate::format::sidecar::{LIMIT_BYTES, Sidecar, Unread};

/// Of the sidecar; another program uses the same name.
pub const SIDECAR: &str = ".analysis.json";
/// Of our sidecar where another program's has the usual name.
pub const SECOND: &str = ".soundpost.json";
pub const PROFILE: &str = ".profile";
/// Of what is made on request.
pub const EXPORTS: [&str; 3] = [".raven.txt", ".labels.txt", ".events.csv"];

/// Folder of recordings, and folder of what is known of them, which mirrors it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shelf {
    pub root: PathBuf,
    pub analyses: PathBuf,
}

impl Shelf {
    /// Of the recording of this name.
    pub fn beside(&self, name: &str, ending: &str) -> PathBuf {
        self.analyses.join(format!("{name}{ending}"))
    }

    /// Of the recording of this name: the finished file, or the one that is being recorded.
    pub fn is_there(&self, name: &str) -> io::Result<bool> {
        let (file, part) = (self.root.join(name), self.root.join(format!("{name}.part")));
        // It may get its name between two looks.
        for path in [&file, &part, &file] {
            if RealDisk.kind(path)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Another number when either sidecar is another.
    pub fn stamps(&self, name: &str) -> Beside {
        let (first, second) = (modified_ns(&self.beside(name, SIDECAR)), modified_ns(&self.beside(name, SECOND)));
        Beside { sidecar_ns: first ^ second.rotate_left(1), profile_ns: modified_ns(&self.beside(name, PROFILE)) }
    }

    /// Ours, wherever it stands.
    pub fn sidecar(&self, name: &str) -> Option<Sidecar> {
        [SIDECAR, SECOND].iter().find_map(|ending| read(&self.beside(name, ending)).ok())
    }

    /// Whether there is a sidecar of ours.
    pub fn is_own(&self, path: &Path) -> bool {
        read(path).is_ok()
    }

    /// Replaces ours, or makes one where no other program's file is harmed.
    pub fn put_sidecar(&self, name: &str, sidecar: &Sidecar) -> io::Result<()> {
        put(&self.place_of_sidecar(name), &sidecar.write())
    }

    /// Where ours stands, or would.
    pub fn place_of_sidecar(&self, name: &str) -> PathBuf {
        let first = self.beside(name, SIDECAR);
        let is_free = match read(&first) {
            Ok(_) => true,
            Err(None) => true,
            // Who wrote something broken is not known.
            Err(Some(Unread::Foreign | Unread::Broken)) => false,
        };
        if is_free { first } else { self.beside(name, SECOND) }
    }

    pub fn put_profile(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        put(&self.beside(name, PROFILE), bytes)
    }

    /// The recording and all that is ours beside it.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        remove(&RealDisk, self, name, &|path| read(path).is_ok())
    }
}

/// The recording first: a power cut in between leaves a sidecar without a recording, which is swept away, and never the other way
/// round. `is_ours` says of a sidecar whether it is.
pub fn remove<D: Disk>(disk: &D, shelf: &Shelf, name: &str, is_ours: &dyn Fn(&Path) -> bool) -> io::Result<()> {
    let file = shelf.root.join(name);
    disk.remove(&file)?;
    disk.sync_dir(folder(&file))?;
    for ending in [SIDECAR, SECOND] {
        let path = shelf.beside(name, ending);
        if is_ours(&path) {
            disk.remove(&path)?;
        }
    }
    let others = EXPORTS.iter().chain([&PROFILE]).map(|ending| shelf.beside(name, ending));
    let tables = Tables::default().of(shelf, name).into_iter().map(|(_, path)| path);
    for path in others.chain(tables).chain([file.with_extension("cue")]) {
        match disk.remove(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    match disk.sync_dir(folder(&shelf.beside(name, SIDECAR))) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// `Err(None)`: there is none.
fn read(path: &Path) -> Result<Sidecar, Option<Unread>> {
    match RealDisk.kind(path) {
        Ok(None) => return Err(None),
        Ok(Some(_)) => {}
        Err(_) => return Err(Some(Unread::Foreign)),
    }
    // What cannot be read is nobody's to change.
    let file = RealDisk.open_to_read(path).map_err(|_| Some(Unread::Foreign))?;
    let bytes = whole(&file).map_err(|_| Some(Unread::Foreign))?;
    Sidecar::read(&bytes).map_err(Some)
}

fn whole(file: &dyn crate::format::ReadAt) -> io::Result<Vec<u8>> {
    let len = usize::try_from(file.len()?).ok().filter(|len| *len <= LIMIT_BYTES).ok_or(io::ErrorKind::FileTooLarge)?;
    let mut bytes = vec![0; len];
    let have = crate::format::fill_at(file, 0, &mut bytes)?;
    bytes.truncate(have);
    Ok(bytes)
}

/// What is in a small file, if it can be read.
pub fn small(path: &Path) -> Vec<u8> {
    read_small(&RealDisk, path, 4_096).or_else(|_| RealDisk.open_to_read(path).and_then(|file| whole(&file))).unwrap_or_default()
}

/// A new file takes the place of what was there; a power cut leaves one of the two.
pub fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    put_on(&RealDisk, path, bytes)
}

pub fn put_on<D: Disk>(disk: &D, path: &Path, bytes: &[u8]) -> io::Result<()> {
    disk.create_dirs(folder(path))?;
    let mut draft = path.as_os_str().to_owned();
    draft.push(".tmp");
    let draft = PathBuf::from(draft);
    match disk.remove(&draft) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let written = disk.create(&draft).and_then(|file| {
        file.write_at(0, bytes)?;
        file.sync()?;
        disk.replace(&draft, path)
    });
    if written.is_err() {
        let _ = disk.remove(&draft);
    }
    written?;
    disk.sync_dir(folder(path))
}

pub fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}
