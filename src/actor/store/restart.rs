//! What was not recorded while the recorder did not run: from the last sound before a kill or a power cut to the first after it,
//! as far as it was to be recorded by the schedule of its source.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::naming::{Places, SIDECAR};
use crate::device::disk::{Disk, Kind, read_small};
use crate::format::reduced::SECTION;
use crate::format::sidecar::{KEPT, LIMIT_BYTES, Sidecar};
use crate::message::{Cause, GapEntry, Identity, Reason};
use crate::policy::schedule::Schedule;
use crate::time::{Rate, Wall};

/// Sidecars that are read at most: the last by name of each pattern of names.
const PATTERNS: usize = 256;

/// A source, and whether it has a schedule.
pub type Asked = (String, bool);

/// When each of these sources last ended, by the newest sidecars, unless it ended in good order. Names sort as time does, within names that differ in digits only.
pub fn newest_ends<D: Disk>(disk: &D, places: &Places, sources: &[Asked]) -> Vec<(String, Wall)> {
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
    let last = |source: &str| {
        read.iter().filter(|s| s.source == source && ![KEPT, SECTION].contains(&s.end_reason.as_str())).max_by_key(|s| s.end)
    };
    // A source that had come to its end is not missing after it. After that of a window it is missing in the next one.
    let in_good_order = |s: &Sidecar, has_schedule: bool| match s.end_reason.as_str() {
        reason if reason == Cause::Schedule.name() => !has_schedule,
        reason => [Cause::Shutdown, Cause::End].map(Cause::name).contains(&reason),
    };
    let missing = |(source, has_schedule): &Asked| last(source).filter(|s| !in_good_order(s, *has_schedule));
    sources.iter().filter_map(missing).map(|s| (s.source.clone(), s.end)).collect()
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
    pub fn settle(&mut self, ended: Option<Wall>, schedule: Option<&Schedule>) -> Vec<GapEntry> {
        let Restart::Begun(first) = std::mem::take(self) else { return Vec::new() };
        let Some(end) = ended else {
            *self = Restart::Done;
            return Vec::new();
        };
        let entries = gaps(end, first.start, first.rate, schedule);
        // A clock that stands before the end (no RTC, no network yet) tells nothing; its correction may.
        let told = first.start.max(end);
        *self = Restart::Told(first, told);
        entries
    }

    /// The wall clock was set: the first file began later than was thought, and the gap is so much longer.
    pub fn correct(&mut self, session: &str, by_ns: i64, schedule: Option<&Schedule>) -> Vec<GapEntry> {
        match self {
            Restart::Begun(first) if *first.session == *session => {
                first.start = first.start.plus_ns(by_ns);
                Vec::new()
            }
            Restart::Told(first, told) if *first.session == *session => {
                first.start = first.start.plus_ns(by_ns);
                let entries = gaps(*told, first.start, first.rate, schedule);
                *told = first.start.max(*told);
                entries
            }
            _ => Vec::new(),
        }
    }
}

/// One, or one for each window in between.
fn gaps(start: Wall, end: Wall, rate: Rate, schedule: Option<&Schedule>) -> Vec<GapEntry> {
    let gap = |start, end, on_ns| GapEntry { start, end, frames_lost: rate.frames_in(on_ns), reason: Reason::Restart };
    match schedule {
        None if end > start => vec![gap(start, end, end.since(start))],
        None => Vec::new(),
        Some(it) => it.within(start, end).iter().map(|part| gap(part.span.begin, part.span.end, part.on_ns)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::schedule::{Rules, parse_duty};
    use crate::policy::split::Zone;

    const S: i64 = 1_000_000_000;

    /// Each step: "settle END", "correct BY"; the first file begins at 100 s. Gaps as "start-end".
    fn check(script: &[(&str, i64)], want: &str) {
        scheduled(None, script, want);
    }

    fn scheduled(schedule: Option<&Schedule>, script: &[(&str, i64)], want: &str) {
        let first = First { session: "s".into(), start: Wall(100 * S), rate: Rate::new(10).expect("valid") };
        let mut restart = Restart::Begun(first);
        let mut gaps = Vec::new();
        for (what, seconds) in script {
            let gap = match *what {
                "settle" => restart.settle(Some(Wall(seconds * S)), schedule),
                "clean" => restart.settle(None, schedule),
                _ => restart.correct("s", seconds * S, schedule),
            };
            gaps.extend(gap.iter().map(|g| format!("{}-{} {}", g.start.0 / S, g.end.0 / S, g.frames_lost)));
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

    #[test]
    fn pauses_of_the_schedule_are_not_missing() {
        // Twenty seconds of each minute.
        let duty = parse_duty("20s/60s").expect("a duty");
        let schedule = Schedule::new(Rules { duty, ..Rules::ALWAYS }, Zone::UTC, None).expect("no sun");
        let check = |script: &[(&str, i64)], want: &str| scheduled(Some(&schedule), script, want);
        check(&[("settle", 10)], "10-80 300");
        check(&[("settle", 30)], "60-80 200");
        check(&[("settle", 85)], "");
        check(&[("settle", 30), ("correct", 90)], "60-80 200, 120-190 300");
        check(&[("settle", 1_000), ("correct", 950)], "1020-1040 200");
    }
}
