//! SIGKILL at random moments: every file is playable after the next start, nothing old is harmed, little of the newest is missing.
//!
//! 20 kills in an ordinary run; SOUNDPOST_SOAK=1 makes it 200.

mod common;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::{Place, Recorder, decode, gaps, noise, recordings, sidecar};

/// A lane of each container, cut every 2.4 s so that kills fall into cuts too, and one whose blocks of FLAC are long.
const SECTIONS: &str = "
[flac]
type = file
path = PATH
pace = real
loop = yes
raw_bits = 16
sample_rate = 48000
channels = 1
format = flac
filename_pattern = flac/%Y%m%d_%H%M%S

[wav]
type = file
path = PATH
pace = real
loop = yes
raw_bits = 16
sample_rate = 48000
channels = 1
format = wav
filename_pattern = wav/%Y%m%d_%H%M%S

[slow]
type = file
path = PATH
pace = real
loop = yes
raw_bits = 16
sample_rate = 8000
channels = 1
format = flac
filename_pattern = slow/%Y%m%d_%H%M%S
";
const SYNC_SECONDS: f64 = 1.0;
/// Lanes and their rates.
const LANES: [(&str, f64); 3] = [("flac", 48_000.0), ("wav", 48_000.0), ("slow", 8_000.0)];
const LOOP_SAMPLES: usize = 20 * 48_000;

#[test]
fn nothing_but_the_newest_seconds_is_ever_lost_to_a_kill() {
    let kills = if std::env::var_os("SOUNDPOST_SOAK").is_some() { 200 } else { 20 };
    let workers = 4;
    let threads: Vec<_> = (0..workers).map(|n| thread::spawn(move || kill_again_and_again(n, kills / workers))).collect();
    let tolls: Vec<Toll> = threads.into_iter().flat_map(|t| t.join().expect("a worker")).collect();
    let worst = tolls.iter().map(|t| t.missing_s).fold(0.0, f64::max);
    let recovered: usize = tolls.iter().map(|t| t.recovered).sum();
    println!("{kills} kills, {recovered} files recovered, newest audio missing: at most {worst:.2} s");
    assert!(recovered >= kills as usize / 4, "the kills hit recordings: {recovered} files recovered");
}

/// What one kill cost.
struct Toll {
    /// Of the lane that lost most.
    missing_s: f64,
    recovered: usize,
}

/// One folder, killed `times` times in a row. Half of the kills are repaired by the recorder's own next start.
fn kill_again_and_again(seed: u64, times: u64) -> Vec<Toll> {
    let place = Place::new();
    let sound = noise(seed + 1, LOOP_SAMPLES);
    let raw = place.raw("noise", &sound);
    let general = format!("split_minutes = 0.04\nsync_seconds = {SYNC_SECONDS}");
    let config = place.config(&general, &SECTIONS.replace("PATH", raw.to_str().expect("a plain path")));
    let (mut tolls, mut known) = (Vec::new(), HashMap::new());
    for kill in 0..times {
        let mut recorder = Recorder::start(&config, &[]);
        for (lane, _) in LANES {
            recorder.wait_for(&format!("[{lane}] recording"), Duration::from_secs(20));
        }
        let began = now_s();
        thread::sleep(Duration::from_millis(300 + (seed * 7919 + kill * 104_729) % 5_700));
        recorder.kill();
        let killed = now_s();
        if kill % 2 == 0 {
            repair(&place);
        } else {
            repair_by_start(&config);
        }
        tolls.push(check(&place.recordings(), &sound, &mut known, began, killed));
    }
    LANES.iter().for_each(|(lane, rate)| check_restarts(&place.recordings(), lane, *rate));
    tolls
}

/// What of one run is on disk.
struct Heard {
    session: String,
    start: f64,
    end: f64,
    in_good_order: bool,
}

/// Between a killed run and the next, gaps.csv has one entry: from the end of the newest frame to the first of the new run.
fn check_restarts(root: &Path, lane: &str, rate: f64) {
    let mut sides: Vec<_> = recordings(&root.join(lane)).iter().map(|path| sidecar(root, path)).collect();
    sides.sort_by_key(|side| side["start"].as_str().expect("a time").to_owned());
    let mut runs: Vec<Heard> = Vec::new();
    for side in &sides {
        let text = |key: &str| side[key].as_str().expect("a text");
        let (session, end, in_good_order) = (text("session").to_owned(), seconds(text("end")), text("end_reason") == "shutdown");
        match runs.last_mut() {
            Some(run) if run.session == session => (run.end, run.in_good_order) = (end, in_good_order),
            _ => runs.push(Heard { session, start: seconds(text("start")), end, in_good_order }),
        }
    }
    let told: Vec<_> = gaps(root).into_iter().filter(|gap| gap[2] == lane && gap[4] == "restart").collect();
    let mut expected = 0;
    for pair in runs.windows(2).filter(|pair| !pair[0].in_good_order) {
        let [before, after] = pair else { continue };
        let is_it =
            |gap: &&Vec<String>| (seconds(&gap[0]) - before.end).abs() < 0.005 && (seconds(&gap[1]) - after.start).abs() < 0.005;
        let of_it: Vec<_> = told.iter().filter(is_it).collect();
        assert_eq!(of_it.len(), 1, "{lane}: the gap from {} to {} in {told:#?}", before.end, after.start);
        let frames: f64 = of_it[0][3].parse().expect("a number");
        assert!((frames / rate - (after.start - before.end)).abs() < 0.005, "{:?}", of_it[0]);
        expected += 1;
    }
    assert!(expected > 0, "{lane}: a run followed on a kill");
    // A run that was killed before it left a file told its gap, which the next run's covers.
    let around = |gap: &&Vec<String>| !runs.iter().any(|run| (seconds(&gap[1]) - run.start).abs() < 0.005);
    assert_eq!(told.iter().filter(|gap| !around(gap)).count(), expected, "{lane}: no other entries: {told:#?}");
}

fn now_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64()
}

fn repair(place: &Place) {
    let out = common::soundpost().arg("repair").arg(place.recordings()).output().expect("runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

/// As a service manager would: the recorder comes up again, and is stopped in good order.
fn repair_by_start(config: &Path) {
    let mut recorder = Recorder::start(config, &[]);
    recorder.wait_for("[wav] recording", Duration::from_secs(20));
    thread::sleep(Duration::from_millis(500));
    recorder.signal("TERM");
    assert!(recorder.wait(Duration::from_secs(6)).success(), "{}", recorder.log.join("\n"));
}

/// Checks every recording against what was played; what was known before must be as it was.
fn check(root: &Path, sound: &[i16], known: &mut HashMap<PathBuf, Vec<i32>>, began: f64, killed: f64) -> Toll {
    let (mut recovered, mut ends) = (0, HashMap::from(LANES.map(|(lane, _)| (lane.to_owned(), began))));
    for path in recordings(root) {
        let samples = decode(&path);
        if let Some(before) = known.get(&path) {
            assert_eq!(before, &samples, "{} was changed", path.display());
            continue;
        }
        common::assert_sound(&path);
        let sidecar = sidecar(root, &path);
        let first = sidecar["first_frame"].as_u64().expect("a number") as usize;
        let played = (first..).map(|n| i32::from(sound[n % sound.len()]));
        assert!(samples.iter().copied().eq(played.take(samples.len())), "{}: not what was played", path.display());
        assert_eq!(sidecar["frames"].as_u64(), Some(samples.len() as u64), "{}", path.display());
        recovered += usize::from(sidecar["recovered"] == true);
        let start = seconds(sidecar["start"].as_str().expect("a time"));
        let end = ends.entry(sidecar["source"].as_str().expect("a name").to_owned()).or_insert(began);
        if start < killed {
            *end = end.max(seconds(sidecar["end"].as_str().expect("a time")));
        }
        known.insert(path, samples);
    }
    let mut all = Vec::new();
    common::walk(root, &mut all);
    assert!(all.iter().all(|p| p.extension().is_none_or(|e| e != "part")), "no unfinished file is left: {all:?}");
    let missing_s = ends.values().map(|end| killed - end).fold(0.0, f64::max);
    assert!(missing_s <= SYNC_SECONDS + 1.0, "{missing_s} s of the newest audio are missing");
    Toll { missing_s, recovered }
}

fn seconds(rfc3339: &str) -> f64 {
    let at: jiff::Timestamp = rfc3339.parse().expect("RFC 3339");
    at.as_microsecond() as f64 / 1e6
}
