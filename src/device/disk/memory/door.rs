//! The operations of a disk, as the store knows them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::super::{Disk, DiskFile, Kind};
use super::{Change, Edit, MemoryDisk, MemoryFile, Node};
use crate::format::ReadAt;
use crate::time::Wall;

impl ReadAt for MemoryFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state().inodes[self.inode].bytes.len() as u64)
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let state = self.disk.state();
        let bytes = &state.inodes[self.inode].bytes;
        let rest = usize::try_from(at).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }
}

impl DiskFile for MemoryFile {
    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        if let Err(e) = state.begin(&self.path, false) {
            // A failed write may have written something.
            let half = bytes.len() / 2;
            state.edit(self.inode, Edit::Write(at, bytes[..half].to_vec()));
            return Err(e);
        }
        let fits = state.room(&self.path, self.inode, at, bytes.len());
        if fits > 0 {
            state.edit(self.inode, Edit::Write(at, bytes[..fits].to_vec()));
        }
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.begin(&self.path, false)?;
        state.edit(self.inode, Edit::Length(len));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let result = state.begin(&self.path, true);
        state.sync_inode(self.inode, result.is_err());
        result
    }

    /// No operation: nothing of it is on the disk.
    fn hold(&self) -> io::Result<()> {
        if self.disk.state().locked.insert(self.inode) {
            self.locks.store(true, Relaxed);
        } else if !self.locks.load(Relaxed) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(())
    }
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        if self.locks.load(Relaxed) {
            self.disk.state().locked.remove(&self.inode);
        }
    }
}

impl MemoryDisk {
    /// False if it is there already.
    fn make_dir(&self, dir: &Path) -> io::Result<bool> {
        let mut state = self.state();
        match state.dir_exists(dir) {
            Ok(()) => return Ok(false),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
        state.begin(dir, false)?;
        state.change(Change::Add(dir.to_path_buf(), Node::Dir));
        Ok(true)
    }

    fn handle(&self, inode: usize, path: &Path, locks: bool) -> MemoryFile {
        MemoryFile { disk: self.clone(), inode, path: path.to_path_buf(), locks: AtomicBool::new(locks) }
    }
}

/// From the top down.
fn from_top(dir: &Path) -> Vec<&Path> {
    let mut all: Vec<&Path> = dir.ancestors().collect();
    all.reverse();
    all
}

impl Disk for MemoryDisk {
    type File = MemoryFile;

    fn create(&self, path: &Path) -> io::Result<MemoryFile> {
        let mut state = self.state();
        state.begin(path, false)?;
        let inode = state.add(path)?;
        Ok(self.handle(inode, path, false))
    }

    fn open(&self, path: &Path) -> io::Result<MemoryFile> {
        let inode = self.state().file(path)?;
        Ok(self.handle(inode, path, false))
    }

    fn lock(&self, path: &Path) -> io::Result<MemoryFile> {
        let mut state = self.state();
        state.begin(path, false)?;
        let inode = match state.file(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => state.add(path)?,
            other => other?,
        };
        if !state.locked.insert(inode) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(self.handle(inode, path, true))
    }

    fn kind(&self, path: &Path) -> io::Result<Option<Kind>> {
        Ok(self.state().names.get(path).map(|node| match node {
            Node::File(_) => Kind::File,
            Node::Dir => Kind::Dir,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin(from, false)?;
        state.file(from)?;
        if state.names.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.change(Change::Rename(from.to_path_buf(), to.to_path_buf()));
        Ok(())
    }

    fn replace(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin(from, false)?;
        state.file(from)?;
        state.change(Change::Rename(from.to_path_buf(), to.to_path_buf()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin(path, false)?;
        state.file(path)?;
        state.change(Change::Remove(path.to_path_buf()));
        Ok(())
    }

    fn create_dirs(&self, dir: &Path) -> io::Result<()> {
        for dir in from_top(dir) {
            if self.make_dir(dir)? {
                self.sync_dir(dir.parent().unwrap_or(Path::new("/")))?;
            }
        }
        Ok(())
    }

    fn make_dirs(&self, dir: &Path, made: &mut dyn FnMut(&Path)) -> io::Result<()> {
        for dir in from_top(dir) {
            if self.make_dir(dir)? {
                made(dir);
            }
        }
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin(dir, true)?;
        state.dir_exists(dir)?;
        state.sync_names(|of| of == dir);
        Ok(())
    }

    fn sync_all(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        let result = state.begin(dir, true);
        // Unlike the kernel's, this one stops at the directory that was named: the store must not count on more.
        let inside = state.names.iter().filter(|(path, _)| path.starts_with(dir));
        let inodes: Vec<usize> =
            inside.filter_map(|(_, node)| if let Node::File(inode) = node { Some(*inode) } else { None }).collect();
        // A failed syncfs may have synced what did not fail; here nothing is, and nothing is forgotten: each file's own sync will tell.
        if result.is_ok() {
            inodes.into_iter().for_each(|inode| state.sync_inode(inode, false));
            state.sync_names(|of| of.starts_with(dir));
        }
        result
    }

    fn list(&self, dir: &Path, visit: &mut dyn FnMut(&Path, Kind) -> bool) -> io::Result<()> {
        let names: Vec<(PathBuf, Node)> = {
            let state = self.state();
            state.dir_exists(dir)?;
            state.names.iter().filter(|(path, _)| path.starts_with(dir) && *path != dir).map(|(p, n)| (p.clone(), *n)).collect()
        };
        let mut hidden: Option<PathBuf> = None;
        for (path, node) in names {
            if hidden.as_ref().is_some_and(|h| path.starts_with(h)) {
                continue;
            }
            let kind = if node == Node::Dir { Kind::Dir } else { Kind::File };
            if !visit(&path, kind) && kind == Kind::Dir {
                hidden = Some(path);
            }
        }
        Ok(())
    }

    /// Time does not pass here.
    fn modified(&self, path: &Path) -> io::Result<Wall> {
        self.state().file(path).map(|_| Wall(0))
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        let state = self.state();
        let limits = state.limits.iter().filter(|(below, _)| dir.starts_with(below));
        let free = limits.map(|(below, limit)| limit.saturating_sub(state.used(below)));
        Ok(free.min().unwrap_or(u64::MAX))
    }
}
