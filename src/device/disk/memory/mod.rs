//! A disk in memory that keeps apart what was written and what would survive a power cut.
//!
//! Each change stays *unsynced* until a sync covers it; [`MemoryDisk::crash`] makes the disk that the next boot finds, for one of
//! the many things that may have become of the unsynced changes. It also fails, stalls and runs full where a test says so.
//! Time never passes here: what an operation takes is added up for [`MemoryDisk::take_elapsed_ns`].

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile, Kind};
use crate::format::ReadAt;
use crate::time::Wall;

mod crash;

pub use crash::Crash;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    NoSpace,
    Io,
    /// Only syncs fail; what they should have synced is lost at a crash, whatever later syncs say.
    SyncIo,
    /// The store itself has a bug here.
    Panic,
    /// It works, but takes so long.
    Stall(i64),
}

/// A failure of all operations below a path whose number is in a range. Operations are counted from 0; reading is none.
#[derive(Clone, Debug)]
pub struct Trouble {
    pub from: u64,
    pub until: u64,
    pub below: PathBuf,
    pub what: Failure,
}

#[derive(Clone, Default)]
pub struct MemoryDisk(Arc<Mutex<State>>);

pub struct MemoryFile {
    disk: MemoryDisk,
    inode: usize,
    path: PathBuf,
    locks: AtomicBool,
}

#[derive(Clone, Default)]
struct State {
    inodes: Vec<Arc<Inode>>,
    names: BTreeMap<PathBuf, Node>,
    durable_names: BTreeMap<PathBuf, Node>,
    unsynced_names: Vec<(u64, Change)>,
    locked: BTreeSet<usize>,
    /// Orders data and names among each other.
    sequence: u64,
    operations: u64,
    syncs: u64,
    troubles: Vec<Trouble>,
    limits: Vec<(PathBuf, u64)>,
    sync_ns: i64,
    elapsed_ns: i64,
    mark: u64,
    history: Option<Vec<State>>,
}

#[derive(Clone, Default)]
struct Inode {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<(u64, Edit)>,
}

#[derive(Clone)]
enum Edit {
    Write(u64, Vec<u8>),
    Length(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    File(usize),
    Dir,
}

#[derive(Clone)]
enum Change {
    Add(PathBuf, Node),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf),
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
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
    fn apply(&self, names: &mut BTreeMap<PathBuf, Node>) {
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

    fn dir(&self) -> &Path {
        let (Change::Add(path, _) | Change::Remove(path) | Change::Rename(path, _)) = self;
        path.parent().unwrap_or(Path::new("/"))
    }
}

impl MemoryDisk {
    /// A disk with these directories on it, already synced.
    pub fn new(dirs: &[&str]) -> MemoryDisk {
        let mut state = State::default();
        for dir in dirs {
            for above in Path::new(dir).ancestors() {
                state.names.insert(above.to_path_buf(), Node::Dir);
            }
        }
        state.durable_names = state.names.clone();
        MemoryDisk(Arc::new(Mutex::new(state)))
    }

    /// A test may have panicked on purpose while it held the disk.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn trouble(&self, trouble: Trouble) {
        self.state().troubles.push(trouble);
    }

    pub fn no_trouble(&self) {
        self.state().troubles.clear();
    }

    /// At most so many bytes below this path; `u64::MAX` for no limit.
    pub fn limit(&self, below: &str, bytes: u64) {
        let mut state = self.state();
        state.limits.retain(|(path, _)| path != Path::new(below));
        state.limits.push((below.into(), bytes));
    }

    /// Each sync takes so long.
    pub fn slow_sync(&self, ns: i64) {
        self.state().sync_ns = ns;
    }

    pub fn take_elapsed_ns(&self) -> i64 {
        std::mem::take(&mut self.state().elapsed_ns)
    }

    /// Changes and syncs so far.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Of them the syncs.
    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// From now on the disk is remembered as it was before each operation.
    pub fn remember(&self) {
        self.state().history = Some(Vec::new());
    }

    /// The disk before each operation, and as it is now, each with the mark that held then.
    pub fn remembered(&self) -> Vec<(u64, MemoryDisk)> {
        let mut state = self.state();
        let mut history = state.history.take().unwrap_or_default();
        history.push(state.clone());
        history.into_iter().map(|state| (state.mark, MemoryDisk(Arc::new(Mutex::new(state))))).collect()
    }

    /// Whatever the test wants to know about the moment of a remembered operation.
    pub fn mark(&self, mark: u64) {
        self.state().mark = mark;
    }

    /// Changes that no sync covers yet.
    pub fn unsynced(&self) -> usize {
        let state = self.state();
        state.unsynced_names.len() + state.inodes.iter().map(|i| i.unsynced.len()).sum::<usize>()
    }

    /// Every file below `dir`: name and content, in order.
    pub fn files(&self, dir: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let state = self.state();
        state.files(&state.names, dir, |inode| &inode.bytes)
    }

    /// As `files`, of what would surely be there after a power cut.
    pub fn durable_files(&self, dir: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let state = self.state();
        state.files(&state.durable_names, dir, |inode| &inode.durable)
    }

    /// The disk that the next boot finds if the power goes now.
    pub fn crash(&self, crash: Crash) -> MemoryDisk {
        MemoryDisk(Arc::new(Mutex::new(self.state().crash(crash))))
    }
}

impl State {
    /// Every operation passes here first: it is remembered, counted, and may fail. `Ok(false)`: a write is to stop half-way.
    fn begin(&mut self, path: &Path, is_sync: bool) -> io::Result<()> {
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

    fn next(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        let sequence = self.next();
        self.unsynced_names.push((sequence, change));
    }

    fn edit(&mut self, inode: usize, edit: Edit) {
        let sequence = self.next();
        let inode = Arc::make_mut(&mut self.inodes[inode]);
        edit.apply(&mut inode.bytes);
        inode.unsynced.push((sequence, edit));
    }

    fn add(&mut self, path: &Path) -> io::Result<usize> {
        self.dir_exists(path.parent().unwrap_or(Path::new("/")))?;
        if self.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.inodes.push(Arc::default());
        let inode = self.inodes.len() - 1;
        self.change(Change::Add(path.to_path_buf(), Node::File(inode)));
        Ok(inode)
    }

    fn dir_exists(&self, dir: &Path) -> io::Result<()> {
        match self.names.get(dir) {
            Some(Node::Dir) => Ok(()),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        match self.names.get(path) {
            Some(Node::File(inode)) => Ok(*inode),
            Some(Node::Dir) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// How many of `more` bytes at `at` still fit below the limits.
    fn room(&self, path: &Path, inode: usize, at: u64, more: usize) -> usize {
        let grows = (at + more as u64).saturating_sub(self.inodes[inode].bytes.len() as u64);
        let mut fits = grows;
        for (below, limit) in self.limits.iter().filter(|(below, _)| path.starts_with(below)) {
            fits = fits.min(limit.saturating_sub(self.used(below)));
        }
        more - (grows - fits) as usize
    }

    /// Bytes of the files below this path.
    fn used(&self, below: &Path) -> u64 {
        let len = |node: &Node| if let Node::File(inode) = node { self.inodes[*inode].bytes.len() as u64 } else { 0 };
        self.names.range(below.to_path_buf()..).take_while(|(path, _)| path.starts_with(below)).map(|(_, node)| len(node)).sum()
    }

    fn sync_inode(&mut self, inode: usize, failed: bool) {
        let inode = Arc::make_mut(&mut self.inodes[inode]);
        for (_, edit) in std::mem::take(&mut inode.unsynced) {
            if !failed {
                edit.apply(&mut inode.durable);
            }
        }
    }

    fn sync_names(&mut self, covered: impl Fn(&Path) -> bool) {
        let State { unsynced_names, durable_names, .. } = self;
        unsynced_names.retain(|(_, change)| {
            let now = covered(change.dir());
            if now {
                change.apply(durable_names);
            }
            !now
        });
    }

    fn files(
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
