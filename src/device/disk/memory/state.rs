//! What is on the disk, what of it would survive, and what an operation comes to before it is done.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Change, Edit, Failure, Inode, Node, State};

impl Edit {
    pub(super) fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Edit::Write(at, new) => {
                let at = *at as usize;
                if bytes.len() < at + new.len() {
                    bytes.resize(at + new.len(), 0);
                }
                bytes[at..at + new.len()].copy_from_slice(new);
            }
            Edit::Length(len) => bytes.resize(*len as usize, 0),
        }
    }
}

impl Change {
    pub(super) fn apply(&self, names: &mut BTreeMap<PathBuf, Node>) {
        match self {
            Change::Add(path, node) => _ = names.insert(path.clone(), *node),
            Change::Remove(path) => _ = names.remove(path),
            Change::Rename(from, to) => {
                if let Some(node) = names.remove(from) {
                    names.insert(to.clone(), node);
                }
            }
        }
    }

    pub(super) fn dir(&self) -> &Path {
        let (Change::Add(path, _) | Change::Remove(path) | Change::Rename(path, _)) = self;
        path.parent().unwrap_or(Path::new("/"))
    }
}

impl State {
    /// Every operation passes here first: it is remembered, counted, and may fail. `Ok(false)`: a write is to stop half-way.
    pub(super) fn begin(&mut self, path: &Path, is_sync: bool) -> io::Result<()> {
        if self.history.is_some() {
            let mut history = self.history.take().unwrap_or_default();
            history.push(self.clone());
            self.history = Some(history);
        }
        let number = self.operations;
        self.operations += 1;
        if is_sync {
            self.syncs += 1;
            self.elapsed_ns += self.sync_ns;
        }
        let mut failed = Ok(());
        for trouble in self.troubles.iter().filter(|t| (t.from..t.until).contains(&number) && path.starts_with(&t.below)) {
            match trouble.what {
                Failure::NoSpace => failed = Err(io::ErrorKind::StorageFull.into()),
                Failure::Io => failed = Err(io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error())),
                Failure::SyncIo if is_sync => failed = Err(io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error())),
                Failure::SyncIo => {}
                Failure::Panic => panic!("told to panic at operation {number}"),
                Failure::Stall(ns) => self.elapsed_ns += ns,
            }
        }
        failed
    }

    pub(super) fn next(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    pub(super) fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        let sequence = self.next();
        self.unsynced_names.push((sequence, change));
    }

    pub(super) fn edit(&mut self, inode: usize, edit: Edit) {
        let sequence = self.next();
        let inode = Arc::make_mut(&mut self.inodes[inode]);
        edit.apply(&mut inode.bytes);
        inode.unsynced.push((sequence, edit));
    }

    pub(super) fn add(&mut self, path: &Path) -> io::Result<usize> {
        self.dir_exists(path.parent().unwrap_or(Path::new("/")))?;
        if self.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.inodes.push(Arc::default());
        let inode = self.inodes.len() - 1;
        self.change(Change::Add(path.to_path_buf(), Node::File(inode)));
        Ok(inode)
    }

    pub(super) fn dir_exists(&self, dir: &Path) -> io::Result<()> {
        match self.names.get(dir) {
            Some(Node::Dir) => Ok(()),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn file(&self, path: &Path) -> io::Result<usize> {
        match self.names.get(path) {
            Some(Node::File(inode)) => Ok(*inode),
            Some(Node::Dir) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// How many of `more` bytes at `at` still fit below the limits.
    pub(super) fn room(&self, path: &Path, inode: usize, at: u64, more: usize) -> usize {
        let grows = (at + more as u64).saturating_sub(self.inodes[inode].bytes.len() as u64);
        let mut fits = grows;
        for (below, limit) in self.limits.iter().filter(|(below, _)| path.starts_with(below)) {
            fits = fits.min(limit.saturating_sub(self.used(below)));
        }
        more - (grows - fits) as usize
    }

    /// Bytes of the files below this path.
    pub(super) fn used(&self, below: &Path) -> u64 {
        let len = |node: &Node| if let Node::File(inode) = node { self.inodes[*inode].bytes.len() as u64 } else { 0 };
        self.names.range(below.to_path_buf()..).take_while(|(path, _)| path.starts_with(below)).map(|(_, node)| len(node)).sum()
    }

    pub(super) fn sync_inode(&mut self, inode: usize, failed: bool) {
        let inode = Arc::make_mut(&mut self.inodes[inode]);
        for (_, edit) in std::mem::take(&mut inode.unsynced) {
            if !failed {
                edit.apply(&mut inode.durable);
            }
        }
    }

    pub(super) fn sync_names(&mut self, covered: impl Fn(&Path) -> bool) {
        let State { unsynced_names, durable_names, .. } = self;
        unsynced_names.retain(|(_, change)| {
            let now = covered(change.dir());
            if now {
                change.apply(durable_names);
            }
            !now
        });
    }

    pub(super) fn files(
        &self,
        names: &BTreeMap<PathBuf, Node>,
        dir: impl AsRef<Path>,
        of: impl Fn(&Inode) -> &Vec<u8>,
    ) -> Vec<(PathBuf, Vec<u8>)> {
        let below = names.iter().filter(|(path, _)| path.starts_with(dir.as_ref()));
        let files = below.filter_map(|(path, node)| match node {
            Node::File(inode) => Some((path.clone(), of(&self.inodes[*inode]).clone())),
            Node::Dir => None,
        });
        files.collect()
    }
}
