//! What triggered sources were heard of, from the folders that the store keeps of it: for the days and their pictures.
//!
//! A folder is read again when something was added to it or taken from it; of a day that is over only the sum is remembered.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use crate::actor::store::WATCHES;
use crate::format::sidecar::{LIMIT_BYTES, Sidecar};
use crate::message::library::{Date, DayRow, WatchedRow};

const SIDECAR: &str = ".analysis.json";
/// Days of which the sum is remembered: a year and a month.
const REMEMBERED: usize = 400;

pub struct Watches {
    folder: PathBuf,
    sums: Mutex<BTreeMap<Date, (SystemTime, u64)>>,
}

impl Watches {
    pub fn new(analyses: &Path) -> Watches {
        Watches { folder: analyses.join(WATCHES), sums: Mutex::default() }
    }

    /// The days with what was heard on each, those too on which nothing was recorded; both dates included, newest first.
    pub fn add_to(&self, mut days: Vec<DayRow>, from: Option<&str>, to: Option<&str>) -> Vec<DayRow> {
        for date in self.dates() {
            if from.is_some_and(|from| *date < *from) || to.is_some_and(|to| *date > *to) {
                continue;
            }
            let watched_ms = self.sum(&date);
            match days.binary_search_by(|row| date.cmp(&row.date)) {
                Ok(at) => days[at].watched_ms = watched_ms, // `at` was found in it
                Err(at) if watched_ms > 0 => days.insert(at, DayRow { watched_ms, ..DayRow::empty(date) }),
                Err(_) => {}
            }
        }
        days
    }

    /// Of a day, oldest first.
    pub fn of(&self, date: &str) -> Vec<WatchedRow> {
        let mut rows: Vec<WatchedRow> = Vec::new();
        for entry in fs::read_dir(self.folder.join(date)).into_iter().flatten().flatten() {
            let Some(name) = entry.file_name().to_str().and_then(|name| name.strip_suffix(SIDECAR)).map(str::to_owned) else {
                continue;
            };
            let is_small = entry.metadata().is_ok_and(|meta| meta.is_file() && meta.len() <= LIMIT_BYTES as u64);
            let read = || Sidecar::read(&fs::read(entry.path()).ok()?).ok();
            let Some(sidecar) = read().filter(|_| is_small) else { continue };
            rows.push(WatchedRow {
                name: format!("{WATCHES}/{date}/{name}"),
                source: sidecar.source,
                start: sidecar.start,
                utc_offset_s: sidecar.utc_offset_s,
                frames: sidecar.frames,
                rate_hz: sidecar.sample_rate,
            });
        }
        rows.sort_by(|a, b| (a.start, &a.name).cmp(&(b.start, &b.name)));
        rows
    }

    fn dates(&self) -> Vec<Date> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let is_date = |name: &String| name.len() == 10 && name.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(is_date).collect()
    }

    fn sum(&self, date: &str) -> u64 {
        let Ok(modified) = fs::metadata(self.folder.join(date)).and_then(|meta| meta.modified()) else { return 0 };
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, sum)) = sums.get(date).filter(|(at, _)| *at == modified) {
            return *sum;
        }
        let sum = self.of(date).iter().map(WatchedRow::duration_ms).sum();
        while sums.len() >= REMEMBERED {
            sums.pop_first();
        }
        sums.insert(date.to_owned(), (modified, sum));
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Cause, ClockState, Closing, Depth, Identity, PcmFormat};
    use crate::time::{Rate, Wall};

    fn put(analyses: &Path, date: &str, name: &str, seconds: u64) {
        let format = PcmFormat { rate: Rate::new(8_000).expect("a rate"), channels: 1, depth: Depth::Sixteen };
        let identity = Identity {
            source: "mic".into(),
            session: "s".into(),
            first_frame: 0,
            start: Wall(1_000_000_000),
            utc_offset_s: 0,
            clock: ClockState::Synced,
            format: format.into(),
        };
        let closing = Closing::new(Cause::Split, seconds * 8_000, ClockState::Synced);
        let folder = analyses.join(WATCHES).join(date);
        fs::create_dir_all(&folder).expect("made");
        let bytes = Sidecar::new(name.into(), &identity, &closing, "x").write();
        fs::write(folder.join(format!("{name}{SIDECAR}")), bytes).expect("written");
    }

    #[test]
    fn days_on_which_nothing_was_recorded_are_days() {
        let place = tempfile::tempdir().expect("a folder");
        let watches = Watches::new(place.path());
        let told = |days: Vec<DayRow>| days.iter().map(|row| format!("{} {}", row.date, row.watched_ms)).collect::<Vec<_>>();
        let recorded = || ["2026-05-03", "2026-05-01"].map(|date| DayRow::empty(date.into())).to_vec();
        assert_eq!(told(watches.add_to(recorded(), None, None)), ["2026-05-03 0", "2026-05-01 0"]);
        put(place.path(), "2026-05-01", "100000_mic.watch", 60);
        put(place.path(), "2026-05-01", "110000_mic.watch", 5);
        put(place.path(), "2026-05-02", "100000_mic.watch", 7);
        put(place.path(), "notes", "100000_mic.watch", 7);
        fs::write(place.path().join(WATCHES).join("2026-05-02").join(format!("x{SIDECAR}")), b"{").expect("written");
        let want = ["2026-05-03 0", "2026-05-02 7000", "2026-05-01 65000"];
        assert_eq!(told(watches.add_to(recorded(), None, None)), want);
        assert_eq!(told(watches.add_to(Vec::new(), Some("2026-05-02"), Some("2026-05-09"))), ["2026-05-02 7000"]);
        let names: Vec<String> = watches.of("2026-05-01").into_iter().map(|row| row.name).collect();
        assert_eq!(names, [".watch/2026-05-01/100000_mic.watch", ".watch/2026-05-01/110000_mic.watch"]);
        fs::remove_dir_all(place.path().join(WATCHES).join("2026-05-02")).expect("removed");
        assert_eq!(told(watches.add_to(Vec::new(), None, None)), ["2026-05-01 65000"]);
    }
}
