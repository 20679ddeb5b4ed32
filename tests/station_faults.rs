//! 1,000 seeded faults of stations against the recorder: it notices, comes back at once, never gives up, and no file has sound
//! of two connections in it.
//!
//! Each station is a thread of its own that plays, fails in one of 21 ways, is away for a while and plays again. Every frame it
//! sends is numbered, so that the files can be held against what was sent.
//!
//! SOUNDPOST_SOAK=1 makes it 4,000.

mod common;
mod fault_rig;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use common::{Place, Recorder, gaps, tool};
use fault_rig::frames::{self, Mark};
use fault_rig::{Names, Told, station};

const STATIONS: usize = 143;
/// Cuts fall into connections, too.
const GENERAL: &str = "split_minutes = 0.1\nsync_seconds = 5\nmin_free_mb = 0";

#[test]
fn a_thousand_faults_mix_nothing_and_end_nothing() {
    let faults = if std::env::var_os("SOUNDPOST_SOAK").is_some() { 28 } else { 7 };
    let place = Place::new();
    let names = Arc::new(Names::new(&place.path("names")));
    let library = place.path("fake_dns.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/fake_dns.c");
    tool("cc", &["-shared", "-fPIC", "-O2", "-o", library.to_str().expect("a path"), source, "-ldl"]);

    let mut sections = String::new();
    let mut threads = Vec::new();
    for n in 0..STATIONS {
        let (port, play) = station(n, faults, Arc::clone(&names));
        sections +=
            &format!("[s{n:03}]\ntype = stream\nurl = http://s{n:03}.test:{port}/\nfilename_pattern = s{n:03}/%Y%m%d_%H%M%S\n");
        threads.push((n, thread::spawn(play)));
    }
    let config = place.config(GENERAL, &sections);
    let mut command = common::soundpost();
    command.arg("record").arg("-c").arg(&config).env("LD_PRELOAD", &library).env("FAKE_DNS", place.path("names"));
    command.env("SOUNDPOST_STORAGE_WHEN_FULL", "stop"); // whatever else is on this disk
    let mut recorder = Recorder::spawn(&mut command);
    let patience = Instant::now() + Duration::from_secs(60 + 20 * faults as u64);
    while threads.iter().any(|(_, thread)| !thread.is_finished()) {
        if Instant::now() > patience {
            let names: Vec<usize> = threads.iter().filter(|(_, thread)| !thread.is_finished()).map(|(n, _)| *n).collect();
            recorder.signal("TERM");
            recorder.wait(Duration::from_secs(20));
            let of_first = format!("[s{:03}]", names[0]);
            let log: Vec<_> = recorder.log.iter().filter(|line| line.contains(&of_first)).cloned().collect();
            panic!("stations {names:?} wait for a recorder that has given up:\n{}", log.join("\n"));
        }
        thread::sleep(Duration::from_millis(100));
    }
    recorder.signal("TERM");
    assert!(recorder.wait(Duration::from_secs(30)).success(), "{}", recorder.log.join("\n"));
    let told: Vec<Told> = threads.into_iter().map(|(_, thread)| thread.join().expect("a station")).collect();

    let log = |n: usize| {
        let of_it = format!("[s{n:03}]");
        recorder.log.iter().filter(|line| line.contains(&of_it)).cloned().collect::<Vec<_>>().join("\n")
    };
    for (n, told) in told.iter().enumerate() {
        assert!(told.troubles.is_empty(), "s{n:03}: {:#?}\n{}", told.troubles, log(n));
    }
    check_times(&told);
    let root = place.recordings();
    let (mut files, mut heard) = (0, 0);
    for (n, told) in told.iter().enumerate() {
        let (its_files, its_frames) = check_files(&root, n, told).unwrap_or_else(|e| panic!("s{n:03}: {e}\n{}", log(n)));
        files += its_files;
        heard += its_frames;
    }
    let out = common::soundpost().arg("verify").arg(&root).output().expect("runs");
    assert!(out.status.success(), "{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    println!("{files} files, {heard} frames, {} gaps told", gaps(&root).len());
}

/// Prints how long things took, and holds them against figure and limit. The machine is shared, hence the second limits.
fn check_times(told: &[Told]) {
    let mut by_kind: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    told.iter().flat_map(|told| &told.backs).for_each(|(kind, s)| by_kind.entry(kind).or_default().push(*s));
    for (kind, times) in &mut by_kind {
        times.sort_by(f64::total_cmp);
        println!("{kind:>14}: {:4} times, back after {:.2} s, at most {:.2} s", times.len(), at(times, 0.5), at(times, 1.0));
    }
    let mut backs: Vec<f64> = by_kind.into_values().flatten().collect();
    backs.sort_by(f64::total_cmp);
    let mut stalls: Vec<f64> = told.iter().flat_map(|told| &told.stalls).copied().collect();
    stalls.sort_by(f64::total_cmp);
    let (median, most, worst) = (at(&backs, 0.5), at(&backs, 0.99), at(&backs, 1.0));
    println!("{} faults, back after: median {median:.2} s, 99 % {most:.2} s, worst {worst:.2} s", backs.len());
    println!("{} stalls, noticed after: median {:.1} s, worst {:.1} s", stalls.len(), at(&stalls, 0.5), at(&stalls, 1.0));
    assert!(most <= 2.0 && worst <= 5.0, "back when the server is back");
    assert!(at(&stalls, 0.99) <= 15.0 && at(&stalls, 1.0) <= 18.0, "stalls are noticed");
}

fn at(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share) as usize).copied().unwrap_or(0.0)
}

/// Everything that a station sent is in its files once, in order, and no file has frames of two connections.
fn check_files(root: &Path, n: usize, told: &Told) -> Result<(usize, usize), String> {
    let mut paths: Vec<PathBuf> = Vec::new();
    common::walk(&root.join(format!("s{n:03}")), &mut paths);
    let mut files: Vec<(String, PathBuf, Vec<Mark>)> = Vec::new();
    for path in paths {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if !["mp3", "aac"].contains(&extension) {
            return Err(format!("{} is no recording", path.display()));
        }
        let marks =
            frames::read(&std::fs::read(&path).map_err(|e| e.to_string())?).map_err(|e| format!("{}: {e}", path.display()))?;
        let side = common::sidecar(root, &path);
        let first = marks.first().ok_or(format!("{} is empty", path.display()))?;
        if marks.iter().any(|mark| (mark.station, mark.connection) != (n, first.connection)) {
            return Err(format!("{} mixes connections: {marks:?}", path.display()));
        }
        let frames = marks.len() as u64 * u64::from(first.codec.frames());
        if side["frames"].as_u64() != Some(frames) || side["source"] != format!("s{n:03}") {
            return Err(format!("{}: {frames} frames, but {side:#}", path.display()));
        }
        files.push((side["session"].as_str().unwrap_or_default().to_owned(), path, marks));
    }
    files.sort_by_key(|(_, _, marks)| (marks[0].connection, marks[0].frame));
    let mut sessions: BTreeMap<&str, usize> = BTreeMap::new();
    for (session, path, marks) in &files {
        let connection = marks[0].connection;
        if *sessions.entry(session).or_insert(connection) != connection {
            return Err(format!("{}: its session is another connection's too", path.display()));
        }
    }
    let mut heard = 0;
    for sent in &told.sent {
        let marks = files.iter().flat_map(|(_, _, marks)| marks).filter(|mark| mark.connection == sent.connection);
        let numbers: Vec<usize> = marks.map(|mark| mark.frame).collect();
        if let Some(wrong) = numbers.iter().enumerate().find(|(at, number)| at != *number) {
            return Err(format!("{sent:?}: (place, frame) {wrong:?}"));
        }
        let enough = (sent.certain..=sent.frames).contains(&numbers.len());
        if !enough {
            return Err(format!("{sent:?}, but {} are in its files", numbers.len()));
        }
        heard += numbers.len();
    }
    Ok((files.len(), heard))
}
