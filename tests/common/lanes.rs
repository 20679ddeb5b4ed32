//! Two lanes of one sound that can be recognised: every frame of each is in a file or in gaps.csv, or somebody answers for it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Place, Recorder, decode, gaps, noise, recordings, sidecar};

pub const RATE: usize = 48_000;

/// A source that plays a raw file over and over, in real time.
pub fn lane(name: &str, raw: &Path, format: &str) -> String {
    format!(
        "[{name}]\ntype = file\npath = {}\npace = real\nloop = yes\nraw_bits = 16\nsample_rate = {RATE}\nchannels = 1\nformat = {format}\nfilename_pattern = {name}/%Y%m%d_%H%M%S\n",
        raw.display()
    )
}

/// `a`, FLAC, is the one that is harmed; `b`, WAV, must never lose anything.
pub fn two_lanes(place: &Place, general: &str) -> (PathBuf, Vec<i16>) {
    let sound = noise(42, 60 * RATE);
    let raw = place.raw("noise", &sound);
    (place.config(general, &(lane("a", &raw, "flac") + &lane("b", &raw, "wav"))), sound)
}

/// Keys with which no boundary falls into a test at whatever time it runs: files of a day, in a zone where it is about noon.
pub fn no_boundary() -> String {
    let hour = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).hour();
    // The signs of these zones are POSIX's: GMT+5 is five hours behind.
    format!("split_minutes = 1440\ntime_zone = Etc/GMT{:+}", hour - 12)
}

/// Frames in the files of a lane below `root`, each checked against what was played.
pub fn recorded_in(root: &Path, lane: &str, sound: &[i16]) -> usize {
    let mut total = 0;
    for path in recordings(&root.join(lane)) {
        let samples = decode(&path);
        let side = sidecar(root, &path);
        let gaps = side["gaps"].as_array().cloned().unwrap_or_default();
        let (mut at, mut played) = (0, side["first_frame"].as_u64().expect("a number") as usize);
        let whole = serde_json::json!({"at_frame": samples.len(), "lost_frames": 0});
        for gap in gaps.iter().chain([&whole]) {
            let until = gap["at_frame"].as_u64().expect("a number") as usize;
            for sample in &samples[at..until] {
                assert_eq!(*sample, i32::from(sound[played % sound.len()]), "{}: frame {played}", path.display());
                played += 1;
            }
            at = until;
            played += gap["lost_frames"].as_u64().expect("a number") as usize;
        }
        total += samples.len();
    }
    total
}

pub fn recorded(place: &Place, lane: &str, sound: &[i16]) -> usize {
    recorded_in(&place.recordings(), lane, sound)
}

/// Frames that gaps.csv says a source lost, and in how many gaps.
pub fn lost_in(root: &Path, lane: &str) -> (usize, usize) {
    let of_lane: Vec<_> = gaps(root).into_iter().filter(|g| g[2] == lane).collect();
    (of_lane.iter().map(|g| g[3].parse::<usize>().expect("a number")).sum(), of_lane.len())
}

pub fn lost(place: &Place, lane: &str) -> (usize, usize) {
    lost_in(&place.recordings(), lane)
}

/// Frames of all runs of a lane as the program counted them at its end: captured, lost.
pub fn counted(recorder: &Recorder, lane: &str) -> (usize, usize) {
    let line = recorder.log.iter().rfind(|l| l.contains(&format!("{lane}: captured "))).expect("a summary line");
    let number = |word: &str| {
        let rest = line.split(word).nth(1).unwrap_or_else(|| panic!("{word:?} in {line}"));
        rest.trim().split(|c: char| !c.is_ascii_digit()).next().and_then(|n| n.parse().ok()).expect("a number")
    };
    (number("captured "), number("lost "))
}

pub fn stop(recorder: &mut Recorder) {
    recorder.signal("TERM");
    let status = recorder.wait(Duration::from_secs(6));
    assert!(status.success(), "ended with {status}:\n{}", recorder.log.join("\n"));
}
