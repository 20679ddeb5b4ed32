//! What goes next, of a hundred thousand recordings: by the catalogue alone, the folder is not looked at.

use std::time::Instant;

use soundpost::actor::librarian::Refused;
use soundpost::actor::librarian::retention::{Hands, round};
use soundpost::device::catalogue::{Beside, Entry, Failure, Writer};
use soundpost::message::analysis::{Centibel, Section};
use soundpost::message::library::{FileRow, FileState, Marks};
use soundpost::policy::retention::{Age, Candidate, Reason, Rules, Source};
use soundpost::time::{SECOND_NS, Wall};

use crate::process::median;

const FILES: i64 = 100_000;
const SOURCES: i64 = 4;
/// 2024-12-25
const START: Wall = Wall(1_735_084_800 * SECOND_NS);
const HIGH: Centibel = Centibel(2_400);

/// Only the catalogue hears of a deletion.
struct Rows(Writer);

impl Hands for Rows {
    fn writer(&self) -> Result<&Writer, Failure> {
        Ok(&self.0)
    }

    fn discard(&mut self, candidate: &Candidate, _: &Reason) -> Result<u64, Refused> {
        let mut batch = self.0.batch()?;
        batch.remove(&candidate.name)?;
        batch.commit()?;
        Ok(candidate.bytes)
    }
}

fn row(n: i64, is_locked: bool) -> FileRow {
    let best = (n % 3 > 0).then_some(Centibel((n * 37 % 3_000) as i16));
    FileRow {
        name: format!("source{}/{:08}.flac", n % SOURCES, n / SOURCES),
        source: format!("source{}", n % SOURCES),
        start: START.plus_ns(n / SOURCES * 3_600 * SECOND_NS),
        utc_offset_s: 0,
        frames: 48_000 * 3_600,
        rate_hz: 48_000,
        channels: 2,
        bytes: 350_000_000,
        modified: START,
        state: FileState::Analysed,
        sections: best.map(|score| Section { first_window: 1, end_window: 9, score, band_hz: None }).into_iter().collect(),
        gaps: [].into(),
        marks: Marks { reviewed: n % 5 == 0, locked: is_locked || n % 50 == 0, note: String::new() },
        uploaded_at: (n % 2 == 0).then_some(START),
        trouble: None,
        details: "{}".into(),
        version: 0,
    }
}

pub fn decision() {
    for is_locked in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("catalogue.db");
        let (mut writer, _) = Writer::open(&path).expect("made");
        writer.rank_by(HIGH).expect("ready");
        let mut batch = writer.batch().expect("a batch");
        (0..FILES)
            .for_each(|n| batch.put(&Entry { row: row(n, is_locked), beside: Beside::default(), copies: None }).expect("put"));
        batch.commit().expect("committed");
        drop(writer);
        let age = Age { days: Some(36_000.0), only_uploaded: false };
        let source = |n| Source { name: format!("source{n}"), age, expected_bytes_per_hour: 1e9 };
        let rules = Rules {
            min_free_hours: 1.0,
            min_free_bytes: 0,
            makes_room: true,
            high_score: HIGH,
            sources: (0..SOURCES).map(source).collect(),
            others: age,
        };
        let now = START.plus_ns(100_000 * 3_600 * SECOND_NS);
        // One that knows nothing yet: opened, asked, and each source's size of an hour.
        let first = || {
            let begun = Instant::now();
            let mut rows = Rows(Writer::open(&path).expect("opened").0);
            rows.0.rank_by(HIGH).expect("ready");
            let hour: f64 =
                (0..SOURCES).map(|n| rows.0.bytes_per_hour(&format!("source{n}")).expect("answered").unwrap_or(0.0)).sum();
            let floor = rules.floor_bytes(hour, u64::MAX);
            let round = round(&mut rows, &rules, Some(now), floor - 1, floor).expect("decided");
            assert_eq!(round.gone.len(), usize::from(!is_locked));
            begun.elapsed().as_secs_f64() * 1_000.0
        };
        let times: Vec<f64> = (0..25).map(|_| first()).collect();
        let slowest = times.iter().fold(0.0, |a: f64, b| a.max(*b));
        let what = if is_locked { "all are locked" } else { "one goes, and the catalogue forgets it" };
        println!("{FILES} recordings, {what}: {:.2} ms, at most {slowest:.2} (bar: 50), no folder is read", median(times));
    }
}
