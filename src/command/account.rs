//! Whether what is missing in the recordings of a run stands in gaps.csv. For `soundpost verify`.
//!
//! A line of gaps.csv has a time and no run, and its time is of the clock of its moment, while sidecars are put right when the
//! clock is. So frames are added up: at no file of a run may more be missing so far than the lines told until then.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;

use crate::actor::store::parse_gap_line;
use crate::message::Reason;
use crate::time::Wall;

/// A recording of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    pub first_frame: u64,
    /// With those lost inside; `None` while it is being recorded.
    pub length: Option<u64>,
    pub lost: u64,
    pub start: Wall,
    pub end: Wall,
    /// `start` was put right by so much later on.
    pub corrected_ns: i64,
    pub name: String,
    /// What follows it waited for its trigger: it is not missing.
    pub pauses: bool,
}

/// The lines of each source, as (start, frames).
pub type Lines = BTreeMap<String, Vec<(Wall, u64)>>;

/// A line may be stamped a little before the run's first frame is thought to have been, or after a file's nominal end: half a
/// second, and what the largest drift (500 ppm) makes of the file's length.
const EARLY_NS: i64 = 500_000_000;
const LATE_NS: i64 = 500_000_000;
const DRIFT: i64 = 2_000;

/// gaps.csv and those of earlier years. What was not recorded between two runs is in no run.
pub fn read(root: &Path) -> Lines {
    let mut lines = Lines::new();
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with("gaps") || !name.ends_with(".csv") {
            continue;
        }
        let Ok(file) = File::open(entry.path()) else { continue };
        for line in BufReader::new(file).split(b'\n').map_while(Result::ok) {
            let Some((start, _, source, frames, reason)) = parse_gap_line(&line) else { continue };
            if reason != Reason::Restart.name() {
                lines.entry(source).or_default().push((start, frames));
            }
        }
    }
    lines
}

/// Frames of a run, whose files are in order, that are in no file and in no line.
pub fn unaccounted(files: &[Neighbour], lines: &[(Wall, u64)]) -> u64 {
    let Some(first) = files.iter().map(|file| file.start).min() else { return 0 };
    let from = first.plus_ns(-EARLY_NS);
    let mut shifts: Vec<i64> = files.iter().map(|file| file.corrected_ns).chain([0]).collect();
    shifts.sort_unstable();
    shifts.dedup();
    let told_until = |to: Wall| {
        let counts = |start: Wall| shifts.iter().any(|shift| (from..=to).contains(&start.plus_ns(*shift)));
        lines.iter().filter(|(start, _)| counts(*start)).fold(0_u64, |sum, (_, frames)| sum.saturating_add(*frames))
    };
    let (mut missing, mut worst, mut to) = (0_u64, 0, from);
    for (n, file) in files.iter().enumerate() {
        let next = files.get(n + 1);
        let hole = next.map_or(0, |next| hole(file, next));
        let slack = LATE_NS.saturating_add(file.end.since(file.start).max(0) / DRIFT);
        to = to.max(next.map_or(file.end, |next| next.start.max(file.end)).plus_ns(slack));
        if file.lost > 0 || hole > 0 {
            missing = missing.saturating_add(file.lost).saturating_add(hole);
            worst = missing.saturating_sub(told_until(to)).max(worst);
        }
    }
    worst
}

/// Frames between two files of a run.
pub fn hole(file: &Neighbour, next: &Neighbour) -> u64 {
    let Some(length) = file.length.filter(|_| !file.pauses) else { return 0 };
    next.first_frame.saturating_sub(file.first_frame.saturating_add(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    /// Files as (first frame, frames, lost inside) at 10 frames a second, the run beginning at 100 s; lines as (second, frames).
    fn check(files: &[(u64, u64, u64)], corrected_s: i64, lines: &[(i64, u64)], want: u64) {
        let at = |frame: u64| Wall(100 * S + frame as i64 * S / 10);
        let file = |(first, frames, lost): &(u64, u64, u64)| Neighbour {
            first_frame: *first,
            length: Some(frames + lost),
            lost: *lost,
            start: at(*first),
            end: at(first + frames + lost),
            corrected_ns: corrected_s * S,
            name: String::new(),
            pauses: false,
        };
        let files: Vec<Neighbour> = files.iter().map(file).collect();
        let told: Vec<(Wall, u64)> = lines.iter().map(|(second, frames)| (Wall(second * S), *frames)).collect();
        assert_eq!(unaccounted(&files, &told), want, "{files:?} {lines:?}");
    }

    #[test]
    fn what_is_missing_must_be_told() {
        check(&[(0, 100, 0), (100, 100, 0)], 0, &[], 0);
        check(&[(0, 100, 0), (130, 100, 0)], 0, &[(110, 30)], 0);
        check(&[(0, 100, 0), (130, 100, 0)], 0, &[(110, 20)], 10);
        check(&[(0, 100, 0), (130, 100, 0)], 0, &[], 30);
        check(&[(0, 95, 5)], 0, &[(105, 5)], 0);
        check(&[(0, 95, 5)], 0, &[(105, 4)], 1);
    }

    #[test]
    fn lines_of_another_time_do_not_count() {
        check(&[(0, 100, 0), (130, 100, 0)], 0, &[(90, 30)], 30);
        check(&[(0, 100, 0), (130, 100, 0), (230, 100, 0)], 0, &[(125, 30)], 30);
        check(&[(0, 100, 0), (130, 100, 0)], 0, &[(200, 30)], 30);
    }

    #[test]
    fn a_line_may_have_the_time_of_the_wrong_clock() {
        check(&[(0, 100, 0), (130, 100, 0)], 5_000, &[(110 - 5_000, 30)], 0);
        check(&[(0, 100, 0), (130, 100, 0)], 5_000, &[(110, 30)], 0);
        check(&[(0, 100, 0), (130, 100, 0)], 5_000, &[(110 - 4_000, 30)], 30);
    }
}
