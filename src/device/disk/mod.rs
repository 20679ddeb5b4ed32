//! The disk as the store sees it: everything the store does to the outside world, and nothing else.
//!
//! [`RealDisk`] is the kernel's file system. [`MemoryDisk`] is its stand-in that can lose power, fail at any operation and run
//! full. The store is the only user; which file is written when, and what a failure means, is decided there.
//!
//! What a disk promises after a power cut, and the store counts on: bytes written before [`DiskFile::sync`] stay, names made or
//! changed before [`Disk::sync_dir`] stay, [`Disk::sync_all`] keeps both, a rename happened or did not. Nothing else is promised.

use std::io;
use std::path::Path;

use crate::format::ReadAt;
use crate::time::Wall;

mod memory;
mod real;

pub use memory::{Crash, Failure, MemoryDisk, MemoryFile, Trouble};
pub use real::{RealDisk, RealFile, real_path};

/// What stands in a directory; links are never followed and count as `Other`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    Dir,
    Other,
}

/// An open file. Dropping it closes it.
pub trait DiskFile: ReadAt + Send + 'static {
    /// Writes all of `bytes` at this offset; after an error any part of them may be there, and writing them again is right.
    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()>;
    fn truncate(&self, len: u64) -> io::Result<()>;
    /// What was written stays after a power cut, the length too; not the name (fdatasync). After an error nobody knows what stays.
    fn sync(&self) -> io::Result<()>;
    /// Holds it against every other process until it is closed; `WouldBlock` if another holds it.
    fn hold(&self) -> io::Result<()>;
}

/// Where files live. Paths are absolute or relative to the process, as the configuration gave them.
pub trait Disk: Send {
    type File: DiskFile;

    /// A new empty file; fails if anything has this name.
    fn create(&self, path: &Path) -> io::Result<Self::File>;
    /// An existing regular file, to read and write.
    fn open(&self, path: &Path) -> io::Result<Self::File>;
    /// Opens or creates it and holds it against every other process until dropped; `WouldBlock` if another holds it.
    fn lock(&self, path: &Path) -> io::Result<Self::File>;
    /// What has this name, if anything.
    fn kind(&self, path: &Path) -> io::Result<Option<Kind>>;
    /// Fails with `AlreadyExists` if the new name is taken. Both names are in one directory.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// As `rename`, but what had the name is gone. Only for files that belong to the store.
    fn replace(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes this directory and those above it that are missing, and syncs their names.
    fn create_dirs(&self, dir: &Path) -> io::Result<()>;
    /// As `create_dirs`, but nothing is synced; `made` hears of each one that was missing.
    fn make_dirs(&self, dir: &Path, made: &mut dyn FnMut(&Path)) -> io::Result<()>;
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Everything on the file system that holds `dir` stays after a power cut (syncfs).
    fn sync_all(&self, dir: &Path) -> io::Result<()>;
    /// Tells of everything below `dir` except what is below a directory for which `visit` answers false.
    fn list(&self, dir: &Path, visit: &mut dyn FnMut(&Path, Kind) -> bool) -> io::Result<()>;
    /// When the file was written to for the last time, by the clock of then.
    fn modified(&self, path: &Path) -> io::Result<Wall>;
    /// Bytes that an ordinary user may still write here.
    fn free_bytes(&self, dir: &Path) -> io::Result<u64>;
}

/// The whole file, if it has at most `limit` bytes; `FileTooLarge` otherwise, so that a strange file cannot eat the memory.
pub fn read_small<D: Disk>(disk: &D, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let file = disk.open(path)?;
    let len = usize::try_from(file.len()?).ok().filter(|len| *len <= limit).ok_or(io::ErrorKind::FileTooLarge)?;
    let mut bytes = vec![0; len];
    let mut filled = 0;
    while filled < len {
        match file.read_at(filled as u64, &mut bytes[filled..])? {
            0 => break,
            n => filled += n,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}
