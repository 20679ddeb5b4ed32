//! What was not recorded while the recorder did not run: from the last sound before a kill or a power cut to the first after it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::naming::{Places, SIDECAR};
use crate::device::disk::{Disk, Kind, read_small};
use crate::format::sidecar::{KEPT, LIMIT_BYTES, Sidecar};
use crate::message::{Cause, GapEntry, Identity, Reason};
use crate::time::{Rate, Wall};

/// Sidecars that are read at most: the last by name of each pattern of names.
const PATTERNS: usize = 256;

/// When each of these sources last ended, by the newest sidecars, unless it ended in good order. Names sort as time does, within names that differ in digits only.
pub fn newest_ends<D: Disk>(disk: &D, places: &Places, sources: &[String]) -> Vec<(String, Wall)> {
    let mut newest: BTreeMap<Vec<u8>, PathBuf> = BTreeMap::new();
    let listed = disk.list(&places.analyses, &mut |path, kind| {
        let name = path.as_os_str().as_encoded_bytes();
        if kind == Kind::File && name.ends_with(SIDECAR.as_bytes()) {
            let pattern: Vec<u8> = name.iter().copied().filter(|b| !b.is_ascii_digit()).collect();
            let room = newest.len() < PATTERNS;
            match newest.get_mut(&pattern) {
                Some(last) if last.as_path() < path => *last = path.to_path_buf(),
                None if room => _ = newest.insert(pattern, path.to_path_buf()),
                _ => {}
            }
        }
        true
    });
    if listed.is_err() {
        return Vec::new();
    }
    let read = |path: &PathBuf| read_small(disk, path, LIMIT_BYTES).ok().and_then(|bytes| Sidecar::read(&bytes).ok());
    let read: Vec<Sidecar> = newest.values().filter_map(read).collect();
    let last = |source: &String| read.iter().filter(|s| s.source == *source && s.end_reason != KEPT).max_by_key(|s| s.end);
    // A source that had come to its end, or that of its window, is not missing after it.
    let in_good_order = [Cause::Shutdown, Cause::End, Cause::Schedule].map(Cause::name);
    let in_good_order = |s: &&Sidecar| in_good_order.contains(&s.end_reason.as_str());
    sources.iter().filter_map(last).filter(|s| !in_good_order(s)).map(|s| (s.source.clone(), s.end)).collect()
}

/// The latest end of each source counts.
pub fn note_end(ends: &mut Vec<(String, Wall)>, source: &str, end: Wall) {
    match ends.iter_mut().find(|(of, _)| of == source) {
        Some((_, last)) => *last = end.max(*last),
        None => ends.push((source.to_owned(), end)),
    }
}

/// Where a lane stands with the gap before its first file.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Restart {
    /// No file yet.
    #[default]
    Waiting,
    /// The first file has begun; the folder may still be under repair.
    Begun(First),
    /// What is known of the gap has been written, up to `First::start`.
    Told(First, Wall),
    Done,
}

#[derive(Clone, Debug, PartialEq)]
pub struct First {
    pub session: Arc<str>,
    pub start: Wall,
    pub rate: Rate,
}

impl Restart {
    pub fn begin(&mut self, identity: &Identity) {
        if *self == Restart::Waiting {
            let first = First { session: identity.session.clone(), start: identity.start, rate: identity.format.rate };
            *self = Restart::Begun(first);
        }
    }

    /// The clock is synced: what was told of the gap is true, and later steps say nothing about it.
    pub fn trust(&mut self) {
        if matches!(self, Restart::Told(..)) {
            *self = Restart::Done;
        }
    }

    pub fn is_due(&self) -> bool {
        matches!(self, Restart::Begun(_))
    }

    /// The folder is repaired and this is where the source's sound ended, if it did not end in good order.
    pub fn settle(&mut self, ended: Option<Wall>) -> Option<GapEntry> {
        let Restart::Begun(first) = std::mem::take(self) else { return None };
        let Some(end) = ended else {
            *self = Restart::Done;
            return None;
        };
        let entry = gap(end, first.start, first.rate);
        // A clock that stands before the end (no RTC, no network yet) tells nothing; its correction may.
        let told = if entry.is_some() { first.start } else { end };
        *self = Restart::Told(first, told);
        entry
    }

    /// The wall clock was set: the first file began later than was thought, and the gap is so much longer.
    pub fn correct(&mut self, session: &str, by_ns: i64) -> Option<GapEntry> {
        match self {
            Restart::Begun(first) if *first.session == *session => {
                first.start = first.start.plus_ns(by_ns);
                None
            }
            Restart::Told(first, told) if *first.session == *session => {
                first.start = first.start.plus_ns(by_ns);
                let entry = gap(*told, first.start, first.rate);
                *told = first.start.max(*told);
                entry
            }
            _ => None,
        }
    }
}

fn gap(start: Wall, end: Wall, rate: Rate) -> Option<GapEntry> {
    (end > start).then(|| GapEntry { start, end, frames_lost: rate.frames_in(end.since(start)), reason: Reason::Restart })
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    /// Each step: "settle END", "correct BY"; the first file begins at 100 s. Gaps as "start-end".
    fn check(script: &[(&str, i64)], want: &str) {
        let first = First { session: "s".into(), start: Wall(100 * S), rate: Rate::new(10).expect("valid") };
        let mut restart = Restart::Begun(first);
        let mut gaps = Vec::new();
        for (what, seconds) in script {
            let gap = match *what {
                "settle" => restart.settle(Some(Wall(seconds * S))),
                "clean" => restart.settle(None),
                _ => restart.correct("s", seconds * S),
            };
            gaps.extend(gap.map(|g| format!("{}-{} {}", g.start.0 / S, g.end.0 / S, g.frames_lost)));
        }
        assert_eq!(gaps.join(", "), want, "{script:?}");
    }

    #[test]
    fn the_gap_reaches_from_the_end_to_the_first_frame() {
        check(&[("settle", 40)], "40-100 600");
        check(&[("clean", 0)], "");
        check(&[("settle", 100)], "");
    }

    #[test]
    fn a_clock_set_late_tells_the_rest() {
        check(&[("settle", 40), ("correct", 50)], "40-100 600, 100-150 500");
        check(&[("correct", 50), ("settle", 40)], "40-150 1100");
        check(&[("settle", 1_000), ("correct", 950)], "1000-1050 500");
        check(&[("settle", 1_000), ("correct", 5)], "");
        check(&[("settle", 40), ("correct", -20)], "40-100 600");
        check(&[("clean", 0), ("correct", 50)], "");
    }
}
