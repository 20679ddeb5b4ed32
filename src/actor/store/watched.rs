//! What a triggered source was heard of, recorded or not: a sidecar and a profile for each stretch from split to split, as if it
//! were a recording, so that a day is seen as it was and it is known how long somebody listened.
//!
//! `analyses/.watch/2024-12-25/140000_mic.watch.analysis.json`, and `.profile` beside it: in the folder of the local date on
//! which the stretch began. To whoever has no space for a day any more, the folder is all there is of it.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use super::naming::{Places, tame};
use super::repair::replace;
use super::steps::RETRY_NS;
use crate::device::clock;
use crate::device::disk::Disk;
use crate::format::civil::Civil;
use crate::format::sidecar::Sidecar;
use crate::message::{ClockState, Identity, Watched};
use crate::time::{Mono, Wall};

/// Below the folder of the analyses. Hidden, as no pattern of recordings can be.
pub use crate::message::library::WATCHES;

/// Stretches that wait for the disk; beyond that the oldest is not entered.
const WAITING: usize = 256;
const TRIES: u32 = 20;
const SUFFIXES: u32 = 1_000;

#[derive(Default)]
pub struct Watches {
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    lane: usize,
    watched: Box<Watched>,
    corrected_ns: i64,
    retry_at: Mono,
    tries: u32,
}

impl Watches {
    pub fn push(&mut self, lane: usize, watched: Box<Watched>) {
        if watched.closing.frames == 0 {
            return;
        }
        if self.waiting.len() >= WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back(Waiting { lane, watched, corrected_ns: 0, retry_at: Mono(0), tries: 0 });
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub fn is_due(&self, now: Mono) -> bool {
        self.waiting.front().is_some_and(|first| first.retry_at <= now)
    }

    pub fn next_due(&self) -> Option<Mono> {
        self.waiting.front().map(|first| first.retry_at)
    }

    pub fn drop_first(&mut self) {
        self.waiting.pop_front();
    }

    /// The clock was set.
    pub fn correct(&mut self, lane: usize, session: &str, by_ns: i64) {
        let is_meant = |identity: &Identity| *identity.session == *session && identity.clock == ClockState::Unsynced;
        let meant = self.waiting.iter_mut().filter(|waits| waits.lane == lane && is_meant(&waits.watched.identity));
        meant.for_each(|waits| waits.corrected_ns = waits.corrected_ns.saturating_add(by_ns));
    }

    /// Writes the sidecar of the next one: its name below the folder of the analyses, or why there is none in the end. `None`
    /// while it is to be tried again.
    pub fn write<D: Disk>(
        &mut self,
        disk: &D,
        places: &Places,
        software: &str,
        now: Mono,
    ) -> Option<(usize, Identity, io::Result<PathBuf>)> {
        let first = self.waiting.front_mut()?;
        first.tries += 1;
        first.retry_at = now.plus_ns(RETRY_NS);
        let written = first.write(disk, places, software);
        if written.is_err() && first.tries < TRIES {
            return None;
        }
        let Waiting { lane, watched, .. } = self.waiting.pop_front()?;
        Some((lane, watched.identity, written))
    }
}

impl Waiting {
    fn write<D: Disk>(&self, disk: &D, places: &Places, software: &str) -> io::Result<PathBuf> {
        let Watched { identity, closing } = &*self.watched;
        let mut sidecar = Sidecar::new(String::new(), identity, closing, software);
        sidecar.timed_by(clock::source());
        if self.corrected_ns != 0 {
            sidecar.correct(self.corrected_ns);
        }
        let name = free_name(disk, places, sidecar.start, sidecar.utc_offset_s, &sidecar.source)?;
        sidecar.file = name.display().to_string();
        replace(disk, &places.sidecar(&name), &sidecar.write())?;
        Ok(name)
    }
}

/// A free name for one whose clock was wrong: in the folder of its true date. `None` where it is there.
pub fn renamed<D: Disk>(disk: &D, places: &Places, sidecar: &Sidecar) -> io::Result<Option<PathBuf>> {
    let name = free_name(disk, places, sidecar.start, sidecar.utc_offset_s, &sidecar.source)?;
    Ok(Some(name).filter(|name| name.parent() != Path::new(&sidecar.file).parent()))
}

fn free_name<D: Disk>(disk: &D, places: &Places, start: Wall, utc_offset_s: i32, source: &str) -> io::Result<PathBuf> {
    let civil = Civil::at(start, utc_offset_s);
    let (hour, minute, second) = civil.hour_minute_second();
    let date = format!("{:04}-{:02}-{:02}", civil.year, civil.month, civil.day);
    let source = tame(&source.replace('/', "_"));
    let stem = format!("{hour:02}{minute:02}{second:02}_{}", source.display());
    let folder = Path::new(WATCHES).join(date);
    for n in 1..=SUFFIXES {
        let suffix = if n == 1 { String::new() } else { format!("-{n}") };
        let name = folder.join(format!("{stem}{suffix}.watch"));
        if disk.kind(&places.sidecar(&name))?.is_none() {
            return Ok(name);
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}
