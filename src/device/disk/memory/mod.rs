//! A disk in memory that keeps apart what was written and what would survive a power cut.
//!
//! Each change stays *unsynced* until a sync covers it; [`MemoryDisk::crash`] makes the disk that the next boot finds, for one of
//! the many things that may have become of the unsynced changes. It also fails, stalls and runs full where a test says so.
//! Time never passes here: what an operation takes is added up for [`MemoryDisk::take_elapsed_ns`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

mod crash;
mod door;
mod state;

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
