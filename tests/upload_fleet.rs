//! A fleet's uploads are one table: fifty sites, thirty days, laid out and written by the code that does so in the field, and asked
//! by DuckDB as a data person would.

mod upload_rig;

use std::fs;
use std::path::Path;
use std::process::Command;

use soundpost::device::catalogue::local_date;
use soundpost::format::events;
use soundpost::format::found::FoundSection;
use soundpost::format::sidecar::{Sidecar, SidecarGap};
use soundpost::message::analysis::{Centibel, Section};
use soundpost::message::library::{FileRow, FileState, GapRow, Marks};
use soundpost::policy::outbox::{Layout, Names};
use soundpost::time::{SECOND_NS, Wall};

const SITES: i64 = 50;
const DAYS: i64 = 30;
/// Recordings of a day.
const FILES: i64 = 2;
const RATE: u32 = 48_000;
/// 2026-05-01T00:00:00Z
const START: i64 = 1_777_593_600;

/// The sidecar of an hour whose sections differ from site to site.
fn sidecar(start: Wall, sections: i64) -> Sidecar {
    let bytes = fs::read("tests/data/sidecar/analysed.json").expect("an example");
    let mut sidecar = Sidecar::read(&bytes).expect("a sidecar");
    let found = sidecar.sections.take().and_then(|found| found.first().cloned()).expect("with a section");
    sidecar.sections = Some((0..sections).map(|_| found.clone()).collect::<Vec<FoundSection>>());
    (sidecar.source, sidecar.start, sidecar.end) = ("mic".into(), start, start.plus_ns(3_600 * SECOND_NS));
    (sidecar.sample_rate, sidecar.frames, sidecar.channels) = (RATE, u64::from(RATE) * 3_600, 1);
    sidecar.gaps = vec![SidecarGap { at_frame: 480, lost_frames: 48, reason: "xrun".into() }];
    sidecar
}

fn row(name: &str, start: Wall, sections: i64) -> FileRow {
    let section = |n| Section { first_window: 10 * n, end_window: 10 * n + 5, score: Centibel(1_500), band_hz: None };
    let gap = GapRow { source: "mic".into(), start, end: start.plus_ns(1_000_000), frames_lost: 48, reason: "xrun".into() };
    FileRow {
        name: name.into(),
        source: "mic".into(),
        start,
        utc_offset_s: 0,
        frames: u64::from(RATE) * 3_600,
        rate_hz: RATE,
        channels: 1,
        bytes: 1_000,
        modified: start,
        state: FileState::Analysed,
        sections: (0..sections as u32).map(section).collect(),
        gaps: [gap].into(),
        marks: Marks::default(),
        trouble: None,
        details: "{}".into(),
        uploaded_at: None,
        version: 1,
    }
}

fn put(root: &Path, key: &str, text: &[u8]) {
    let path = root.join(key);
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, text).expect("written");
}

fn fleet(root: &Path) {
    let layout = Layout::default();
    for (site, day) in (0..SITES).flat_map(|site| (0..DAYS).map(move |day| (site, day))) {
        let site_name = format!("Wood {site:02}");
        let (mut rows, mut events_key, mut date) = (Vec::new(), None, String::new());
        for hour in 0..FILES {
            let start = Wall((START + day * 86_400 + hour * 3_600) * SECOND_NS);
            date = local_date(start, 0);
            let file = format!("{}_{hour:02}0000.flac", date.replace('-', ""));
            let names = Names { site: &site_name, source: "mic", date: &date, file: &file };
            let key = layout.key(&names).expect("short enough");
            put(root, &format!("{key}.analysis.json"), &sidecar(start, site % 5).write());
            events_key = layout.events_key(&names);
            rows.push(row(&file, start, site % 5));
        }
        let gaps: Vec<GapRow> = rows.iter().flat_map(|row| row.gaps.iter().cloned()).collect();
        let text = events::lines(&site_name, "mic", &date, &rows, &gaps);
        put(root, &events_key.expect("a key"), text.as_bytes());
    }
}

/// What DuckDB answers, as CSV without its head.
fn ask(root: &Path, question: &str) -> Vec<String> {
    let python = upload_rig::venv("duckdb", "duckdb==1.4.2").join("python");
    let program =
        "import duckdb, sys\nfor row in duckdb.sql(sys.argv[1]).fetchall(): print(','.join(str(value) for value in row))";
    let question = question.replace("ROOT", &root.display().to_string());
    let done = Command::new(python).args(["-c", program, &question]).output().expect("python");
    assert!(done.status.success(), "{question}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn fifty_sites_and_thirty_days_are_one_table() {
    let place = tempfile::tempdir().expect("a folder");
    let root = place.path();
    fleet(root);
    let sidecars = "read_json('ROOT/site=*/source=*/date=*/*.analysis.json', hive_partitioning=true, union_by_name=true)";
    let all =
        ask(root, &format!("SELECT count(*), count(DISTINCT site), count(DISTINCT date), min(date), max(date) FROM {sidecars}"));
    assert_eq!(all, ["3000,50,30,2026-05-01,2026-05-30"]);
    let hours = format!(
        "SELECT site, sum(frames / sample_rate) / 3600 FROM {sidecars} WHERE date = '2026-05-07' GROUP BY site ORDER BY site LIMIT 2"
    );
    assert_eq!(ask(root, &hours), ["Wood 00,2.0", "Wood 01,2.0"]);
    let sections = format!("SELECT sum(len(sections)) FROM {sidecars}");
    // 0 + 1 + 2 + 3 + 4 for each five sites, on thirty days, twice.
    assert_eq!(ask(root, &sections), [(10 * SITES / 5 * DAYS * FILES).to_string()]);

    let events = "read_json('ROOT/site=*/source=*/date=*/events.jsonl', hive_partitioning=true)";
    let kinds = ask(root, &format!("SELECT event, count(*) FROM {events} GROUP BY event ORDER BY event"));
    let count = SITES * DAYS * FILES;
    assert_eq!(
        kinds,
        [format!("gap,{count}"), format!("recording,{count}"), format!("section,{}", 10 * SITES / 5 * DAYS * FILES)]
    );
    let busiest = format!(
        "SELECT site, count(*) AS n FROM {events} WHERE event = 'section' AND score_db > 10 GROUP BY site ORDER BY n DESC, site LIMIT 1"
    );
    assert_eq!(ask(root, &busiest), [format!("Wood 04,{}", 4 * DAYS * FILES)]);
}
