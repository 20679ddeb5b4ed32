//! Starts that were stamped with a wrong clock, put right when the clock has been set.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::repair::replace;
use crate::device::clock;
use crate::device::disk::{Disk, read_small};
use crate::format::sidecar::{LIMIT_BYTES, Sidecar};
use crate::time::Wall;

/// Finished files that are remembered for a late correction: three months of hours, or a day of minutes.
const REMEMBERED: usize = 2_048;

/// A sidecar to correct.
pub struct Correction {
    pub lane: usize,
    pub sidecar: PathBuf,
    pub session: Arc<str>,
    by_ns: i64,
    /// The start that it has when it is corrected, once known: writing it twice does no harm, correcting twice would.
    start: Option<Wall>,
}

impl Correction {
    pub fn new(lane: usize, sidecar: PathBuf, session: &Arc<str>, by_ns: i64) -> Correction {
        Correction { lane, sidecar, session: session.clone(), by_ns, start: None }
    }

    /// Whose turn it is has been seen to. A sidecar that is not there (any more), or is not ours, needs none.
    pub fn write<D: Disk>(&mut self, disk: &D) -> io::Result<()> {
        if self.by_ns == 0 {
            return Ok(()); // it was right when it was written; its name may not be
        }
        let bytes = match read_small(disk, &self.sidecar, LIMIT_BYTES) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        // Read anew at every try: others have changed other things in it.
        let ours = Sidecar::read(&bytes).ok().filter(|sidecar| sidecar.session == *self.session);
        let Some(mut sidecar) = ours else { return Ok(()) };
        if self.start != Some(sidecar.start) {
            sidecar.correct(self.by_ns);
            sidecar.timed_by(clock::source());
            self.start = Some(sidecar.start);
        }
        replace(disk, &self.sidecar, &sidecar.write())
    }
}

/// Bytes of their paths in all; the oldest are forgotten beyond that.
const PATHS_BYTES: usize = 160 << 10;

/// Finished files whose clock was not synced.
///
/// All room is taken at the start: a small piece of memory kept for each file,
/// each on a page of its own among what a file needs while it is open, would cost 4 KiB an hour.
pub struct Unsynced {
    files: VecDeque<Remembered>,
    /// The paths of `files`, one behind the other.
    paths: VecDeque<u8>,
}

struct Remembered {
    lane: usize,
    session: Arc<str>,
    path_bytes: usize,
}

impl Default for Unsynced {
    fn default() -> Unsynced {
        Unsynced { files: VecDeque::with_capacity(REMEMBERED), paths: VecDeque::with_capacity(PATHS_BYTES) }
    }
}

impl Unsynced {
    pub fn note(&mut self, lane: usize, session: &Arc<str>, sidecar: &Path) {
        let path = sidecar.as_os_str().as_bytes();
        while self.files.len() >= REMEMBERED || (self.paths.len() + path.len() > PATHS_BYTES && !self.files.is_empty()) {
            let oldest = self.files.pop_front().map_or(0, |file| file.path_bytes);
            self.paths.drain(..oldest);
        }
        self.files.push_back(Remembered { lane, session: session.clone(), path_bytes: path.len() });
        self.paths.extend(path);
    }

    /// A clock that was synced since then has had its step: another one says nothing about these files.
    pub fn forget(&mut self, lane: usize, session: &str) {
        // From the first to the last, each to the end or not at all: what stays is in its old order.
        for _ in 0..self.files.len() {
            let Some(file) = self.files.pop_front() else { return };
            let keep = file.lane != lane || *file.session != *session;
            for _ in 0..file.path_bytes {
                let byte = self.paths.pop_front();
                self.paths.extend(byte.filter(|_| keep));
            }
            if keep {
                self.files.push_back(file);
            }
        }
    }

    pub fn of(&self, lane: usize, session: &str) -> Vec<PathBuf> {
        let mut at = 0;
        let mut found = Vec::new();
        for file in &self.files {
            if file.lane == lane && *file.session == *session {
                let path: Vec<u8> = self.paths.range(at..at + file.path_bytes).copied().collect();
                found.push(PathBuf::from(OsString::from_vec(path)));
            }
            at += file.path_bytes; // the sum of all is paths.len()
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(unsynced: &mut Unsynced, lane: usize, session: &str, paths: &[&str]) {
        paths.iter().for_each(|path| unsynced.note(lane, &session.into(), Path::new(path)));
    }

    #[test]
    fn each_run_has_its_own_files() {
        let mut unsynced = Unsynced::default();
        note(&mut unsynced, 0, "a", &["/r/1", "/r/two"]);
        note(&mut unsynced, 1, "a", &["/s/1"]);
        note(&mut unsynced, 0, "b", &["", "/r/3"]);
        let of = |unsynced: &Unsynced, lane, session| -> Vec<String> {
            unsynced.of(lane, session).iter().map(|path| path.display().to_string()).collect()
        };
        assert_eq!(of(&unsynced, 0, "a"), ["/r/1", "/r/two"]);
        unsynced.forget(0, "a");
        assert_eq!(
            (of(&unsynced, 0, "a").len(), of(&unsynced, 1, "a"), of(&unsynced, 0, "b")),
            (0, vec!["/s/1".into()], vec!["".into(), "/r/3".into()])
        );
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut unsynced = Unsynced::default();
        let long = "x".repeat(1_000);
        for n in 0..3_000 {
            note(&mut unsynced, 0, "a", &[&format!("{long}{n}")]);
            assert!(unsynced.paths.len() <= PATHS_BYTES && unsynced.files.len() <= REMEMBERED);
        }
        let kept = unsynced.of(0, "a");
        assert!(kept.len() > 100 && kept.last().is_some_and(|path| path.ends_with(format!("{long}2999"))));
    }
}
