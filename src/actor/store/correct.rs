//! Starts that were stamped with a wrong clock, put right when the clock has been set.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::repair::replace;
use crate::device::disk::{Disk, read_small};
use crate::format::sidecar::{LIMIT_BYTES, Sidecar};

/// Finished files that are remembered for a late correction: five months of hours, or three days of minutes.
const REMEMBERED: usize = 4_096;

/// A sidecar to correct.
pub struct Correction {
    pub sidecar: PathBuf,
    session: Arc<str>,
    by_ns: i64,
    /// The corrected text, once made: writing it twice does no harm, correcting twice would.
    text: Option<Vec<u8>>,
}

impl Correction {
    pub fn new(sidecar: PathBuf, session: &Arc<str>, by_ns: i64) -> Correction {
        Correction { sidecar, session: session.clone(), by_ns, text: None }
    }

    /// A sidecar that is not there (any more), or is not ours, needs none.
    pub fn write<D: Disk>(&mut self, disk: &D) -> io::Result<()> {
        if self.text.is_none() {
            let bytes = match read_small(disk, &self.sidecar, LIMIT_BYTES) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
                other => other?,
            };
            let ours = Sidecar::read(&bytes).ok().filter(|sidecar| sidecar.session == *self.session);
            let Some(mut sidecar) = ours else { return Ok(()) };
            sidecar.correct(self.by_ns);
            self.text = Some(sidecar.write());
        }
        match &self.text {
            Some(text) => replace(disk, &self.sidecar, text),
            None => Ok(()),
        }
    }
}

/// Finished files whose clock was not synced.
#[derive(Default)]
pub struct Unsynced(VecDeque<(usize, Arc<str>, PathBuf)>);

impl Unsynced {
    pub fn note(&mut self, lane: usize, session: &Arc<str>, sidecar: PathBuf) {
        if self.0.len() >= REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back((lane, session.clone(), sidecar));
    }

    /// A clock that was synced since then has had its step: another one says nothing about these files.
    pub fn forget(&mut self, lane: usize, session: &str) {
        self.0.retain(|(of, run, _)| *of != lane || **run != *session);
    }

    pub fn of<'a>(&'a self, lane: usize, session: &'a str) -> impl Iterator<Item = PathBuf> + 'a {
        self.0.iter().filter(move |(of, run, _)| *of == lane && **run == *session).map(|(.., path)| path.clone())
    }
}
