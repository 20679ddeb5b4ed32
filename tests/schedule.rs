//! Schedules end to end: what is recorded when, and that a pause is no gap and no alarm.

mod common;

use std::path::Path;
use std::time::Duration;

use common::lanes::no_boundary;
use common::{Place, Recorder, assert_sound, gaps, recordings, sidecar, soundpost};
use jiff::{Timestamp, ToSpan};

/// How `in_s` seconds from now are shown by the clock of [`no_boundary`], by which it is noon and some minutes.
fn clock(now: Timestamp, in_s: i64) -> String {
    let second = now.as_second().rem_euclid(3_600) + 12 * 3_600 + in_s;
    format!("{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60)
}

fn tone(keys: &str) -> String {
    format!("[s]\ntype = tone\nsample_rate = 8000\nchannels = 1\n{keys}\n")
}

/// Of each file in order: seconds from `zero` to its first and its last frame, and why it ended.
fn files(root: &Path, zero: Timestamp) -> Vec<(f64, f64, String)> {
    let mut files: Vec<_> = recordings(root)
        .iter()
        .map(|path| {
            assert_sound(path);
            let side = sidecar(root, path);
            let start: Timestamp = side["start"].as_str().expect("a time").parse().expect("RFC 3339");
            let begin = (start.as_microsecond() - zero.as_microsecond()) as f64 / 1e6;
            let seconds = side["frames"].as_u64().expect("a number") as f64 / 8_000.0;
            (begin, begin + seconds, side["end_reason"].as_str().expect("a word").to_owned())
        })
        .collect();
    files.sort_by(|a, b| a.0.total_cmp(&b.0));
    files
}

#[track_caller]
fn check(files: &[(f64, f64, String)], want: &[(f64, f64, &str)]) {
    let is_near = |found: &(f64, f64, String), want: &(f64, f64, &str)| {
        (-0.05..1.0).contains(&(found.0 - want.0)) && (-0.3..1.0).contains(&(found.1 - want.1)) && found.2 == want.2
    };
    assert!(files.len() == want.len() && files.iter().zip(want).all(|(f, w)| is_near(f, w)), "{files:?} instead of {want:?}");
}

fn stop(mut recorder: Recorder) {
    recorder.signal("TERM");
    let status = recorder.wait(Duration::from_secs(5));
    assert!(status.success(), "{status}: {}", recorder.log.join("\n"));
    let log = recorder.log.join("\n");
    assert!(!log.contains("alarm") && !log.contains("ERROR") && !log.contains("frames lost"), "{log}");
}

/// No gap, and every file is whole.
fn verify(place: &Place) {
    assert_eq!(gaps(&place.recordings()), [[""; 0]; 0]);
    let out = soundpost().arg("verify").arg(place.recordings()).output().expect("runs");
    assert!(out.status.success(), "{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
}

#[test]
fn a_window_opens_and_closes_in_time() {
    let (place, now) = (Place::new(), Timestamp::now());
    let zero = Timestamp::from_second(now.as_second()).expect("now");
    let keys = format!("schedule = {}..{}", clock(now, 4), clock(now, 8));
    let config = place.config(&no_boundary(), &tone(&keys));
    let mut recorder = Recorder::start(&config, &[]);
    recorder.wait_for("held by its schedule until", Duration::from_secs(4));
    recorder.wait_for("recorded /", Duration::from_secs(12));
    stop(recorder);
    check(&files(&place.recordings(), zero), &[(4.0, 8.0, "schedule")]);
    // Outside of the window a restart records nothing and misses nothing.
    let mut again = Recorder::start(&config, &[]);
    again.wait_for("held by its schedule until", Duration::from_secs(4));
    stop(again);
    assert_eq!(recordings(&place.recordings()).len(), 1);
    verify(&place);
}

#[test]
fn a_part_of_the_time_is_recorded_again_and_again() {
    let (place, now) = (Place::new(), Timestamp::now());
    let zero = Timestamp::from_second(now.as_second()).expect("now");
    let keys = format!("schedule = {}..{}\nduty = 2s/4s", clock(now, 2), clock(now, 300));
    let config = place.config(&no_boundary(), &tone(&keys));
    let recorder = Recorder::start(&config, &[]);
    let until = |second: i64| {
        let left = (zero + second.seconds()).duration_since(Timestamp::now());
        std::thread::sleep(left.try_into().unwrap_or_default());
    };
    until(13);
    stop(recorder); // in a pause, and begun again in the middle of a part
    until(15);
    let recorder = Recorder::start(&config, &[]);
    until(17);
    stop(recorder);
    let found = files(&place.recordings(), zero);
    let (parts, last) = found.split_at(3.min(found.len()));
    check(parts, &[(2.0, 4.0, "schedule"), (6.0, 8.0, "schedule"), (10.0, 12.0, "schedule")]);
    assert!(last.len() == 1 && last[0].0 >= 14.0 && last[0].1 < 16.5 && last[0].2 == "schedule", "{last:?}");
    verify(&place);
}

#[test]
fn a_kill_costs_what_was_in_windows_and_no_pause() {
    let (place, now) = (Place::new(), Timestamp::now());
    let zero = Timestamp::from_second(now.as_second()).expect("now");
    let keys = format!("schedule = {}..{}\nduty = 2s/6s", clock(now, 2), clock(now, 300));
    let config = place.config(&no_boundary(), &tone(&keys));
    let until = |tenths: i64| {
        let left = (zero + (tenths * 100).milliseconds()).duration_since(Timestamp::now());
        std::thread::sleep(left.try_into().unwrap_or_default());
    };
    let mut recorder = Recorder::start(&config, &[]);
    until(91); // in the second part: 8 to 10 s
    recorder.signal("KILL");
    recorder.wait(Duration::from_secs(5));
    // All of the part from 14 to 16 s is missed, and what was left of the one before.
    until(180);
    let recorder = Recorder::start(&config, &[]);
    until(228);
    stop(recorder);
    let lines = gaps(&place.recordings());
    assert_eq!(lines.len(), 1, "{lines:?}");
    let seconds = |text: &str| {
        let at: Timestamp = text.parse().expect("RFC 3339");
        (at.as_microsecond() - zero.as_microsecond()) as f64 / 1e6
    };
    let (start, end, frames) = (seconds(&lines[0][0]), seconds(&lines[0][1]), lines[0][3].parse::<f64>().expect("frames"));
    assert_eq!(lines[0][4], "restart");
    // Of the part from 20 s on a little may be missing before its first frame, as at each start.
    // Of a file that was a second old when it was killed nothing may be there.
    assert!((7.9..9.7).contains(&start) && (15.9..21.0).contains(&end), "{start} to {end}");
    let on_s = (10.0 - start) + 2.0 + (end - 20.0).max(0.0);
    assert!((frames / 8_000.0 - on_s).abs() < 0.01, "{frames} frames of {on_s} s from {start} to {end}");
}
