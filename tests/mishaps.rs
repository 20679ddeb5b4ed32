//! Mishaps at awkward moments, with the real program: every frame is in a file or in gaps.csv.

mod common;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use common::{Place, Recorder, decode, gaps, noise, recordings, sidecar};

const RATE: usize = 48_000;

/// One lane that replays noise in real time; its section can be told more.
fn lane(place: &Place, more: &str) -> (PathBuf, PathBuf) {
    let raw = place.raw("noise", &noise(21, 30 * RATE));
    let section = format!(
        "[s]\ntype = file\npath = {}\npace = real\nloop = yes\nraw_bits = 16\nsample_rate = {RATE}\nchannels = 1\nformat = flac\n{more}\n",
        raw.display()
    );
    (place.config("", &section), raw)
}

fn stop(recorder: &mut Recorder) {
    recorder.signal("TERM");
    let status = recorder.wait(Duration::from_secs(6));
    assert!(status.code().is_some(), "{}", recorder.log.join("\n"));
}

/// Frames in files, and in gaps.csv.
fn tally(place: &Place) -> (usize, usize) {
    let files: usize = recordings(&place.recordings()).iter().map(|p| decode(p).len()).sum();
    let lost: usize = gaps(&place.recordings()).iter().map(|g| g[3].parse::<usize>().expect("a number")).sum();
    (files, lost)
}

fn captured(recorder: &Recorder) -> usize {
    let line = recorder.log.iter().rfind(|l| l.contains("s: captured ")).expect("a summary");
    let number = line.split("captured ").nth(1).and_then(|rest| rest.split_whitespace().next());
    number.and_then(|n| n.parse().ok()).expect("a number")
}

#[test]
fn an_encoder_that_falls_over_the_first_message_of_a_run_records_it_all_the_same() {
    let place = Place::new();
    let (config, _) = lane(&place, "");
    let mut recorder = Recorder::start(&config, &["--drill", "s/encoder=panic@0"]);
    recorder.wait_for("is started anew", Duration::from_secs(10));
    std::thread::sleep(Duration::from_secs(3));
    stop(&mut recorder);
    let (files, lost) = tally(&place);
    assert_eq!(files + lost, captured(&recorder), "{}", recorder.log.join("\n"));
    assert!(files > 2 * RATE);
}

#[test]
fn a_capture_that_falls_and_cannot_begin_again_is_a_gap_until_the_end() {
    let place = Place::new();
    let (config, raw) = lane(&place, "");
    let mut recorder = Recorder::start(&config, &["--drill", "s/capture=panic@30"]);
    recorder.wait_for("recording", Duration::from_secs(10));
    fs::remove_file(raw).expect("removed");
    recorder.wait_for("No such file", Duration::from_secs(20));
    stop_or_ended(&mut recorder);
    let (files, lost) = tally(&place);
    assert!(lost > 0 && files > RATE, "{files} frames in files, {lost} in gaps\n{}", recorder.log.join("\n"));
    let gap = &gaps(&place.recordings())[0];
    assert_eq!(gap[4], "fault");
    let root = place.recordings();
    assert_eq!(sidecar(&root, &recordings(&root)[0])["end_reason"], "fault");
}

fn stop_or_ended(recorder: &mut Recorder) {
    recorder.wait(Duration::from_secs(10));
}

#[test]
fn a_device_that_is_away_at_the_end_is_a_gap_until_then() {
    let place = Place::new();
    let (config, _) = lane(&place, "faults = unplug@2s:600s");
    let mut recorder = Recorder::start(&config, &[]);
    recorder.wait_for("unplugged", Duration::from_secs(10));
    std::thread::sleep(Duration::from_secs(3));
    stop(&mut recorder);
    let gaps = gaps(&place.recordings());
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    let seconds = gaps[0][3].parse::<f64>().expect("a number") / RATE as f64;
    assert!((2.9..4.5).contains(&seconds) && gaps[0][4] == "unplugged", "{gaps:?}");
}

#[test]
fn eighty_overruns_leave_every_frame_at_its_time() {
    let place = Place::new();
    let sound = noise(22, 20 * RATE);
    let raw = place.raw("noise", &sound);
    let faults: Vec<String> = (1..=80).map(|n| format!("xrun@{}s:{}", f64::from(n) / 10.0, 100 + n)).collect();
    let section = format!(
        "[s]\ntype = file\npath = {}\npace = fast\nraw_bits = 16\nsample_rate = {RATE}\nchannels = 1\nformat = wav\nfaults = {}\n",
        raw.display(),
        faults.join(", ")
    );
    let mut recorder = Recorder::start(&place.config("", &section), &[]);
    assert!(recorder.wait(Duration::from_secs(20)).success());
    let root = place.recordings();
    assert_eq!(recordings(&root).len(), 2, "a file remembers 64 gaps");
    for path in recordings(&root) {
        let (side, samples) = (sidecar(&root, &path), decode(&path));
        let (mut at, mut frame) = (0, side["first_frame"].as_u64().expect("a number") as usize);
        let end = serde_json::json!({"at_frame": samples.len(), "lost_frames": 0});
        for gap in side["gaps"].as_array().expect("gaps").iter().chain([&end]) {
            let until = gap["at_frame"].as_u64().expect("a number") as usize;
            let same = samples[at..until].iter().zip(&sound[frame..]).all(|(a, b)| *a == i32::from(*b));
            assert!(same, "{}: frames from {frame} on are not at their time", path.display());
            frame += until - at + gap["lost_frames"].as_u64().expect("a number") as usize;
            at = until;
        }
    }
    assert_eq!(tally(&place), (20 * RATE - (101..=180).sum::<usize>(), (101..=180).sum::<usize>()));
}
