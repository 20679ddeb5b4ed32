//! Recordings are analysed by the time they close, and whatever happens to the analyser, they are recordings.

mod common;

use std::path::Path;
use std::time::Duration;

use common::lanes::{RATE, counted, lost, no_boundary, recorded, stop, two_lanes};
use common::{Place, Recorder, decode, recordings, sidecar};
use soundpost::format::profile;
use soundpost::message::analysis::{Detection, Profile};
use soundpost::signal::{Analyzer, Scope, Shape, sections};

fn profile_of(root: &Path, recording: &Path) -> Option<Profile> {
    let name = recording.strip_prefix(root).expect("below").display().to_string();
    let bytes = std::fs::read(root.join("analyses").join(format!("{name}.profile"))).ok()?;
    Some(profile::read(&bytes).expect("it is whole"))
}

/// What the analyser should have found, from the samples of the finished file.
fn reference(recording: &Path) -> Profile {
    let mut analyzer = Analyzer::new(Shape { rate_hz: RATE as u32, channels: 1, bits: 16 }, Scope::ALL);
    analyzer.push(&decode(recording));
    analyzer.finish().profile
}

/// The recordings of a lane with a profile, each checked against its own samples; and how many have none.
fn analysed(place: &Place, lane: &str) -> (usize, usize) {
    let root = place.recordings();
    let (mut with, mut without) = (0, 0);
    for recording in recordings(&root.join(lane)) {
        let side = sidecar(&root, &recording);
        let Some(profile) = profile_of(&root, &recording) else {
            assert!(side.get("sections").is_none(), "{}: sections without a profile", recording.display());
            without += 1;
            continue;
        };
        let expected = reference(&recording);
        assert!(profile == expected, "{}: the profile is of other sound", recording.display());
        let found = side["sections"].as_array().expect("a list").len();
        assert_eq!(found, sections(&expected, &Detection::default()).len(), "{}", recording.display());
        with += 1;
    }
    (with, without)
}

/// Files of a day, and room for what is known of them.
fn roomy() -> String {
    no_boundary() + "\nmemory_budget_mb = 512"
}

fn whole(place: &Place, recorder: &Recorder, sound: &[i16]) {
    for lane in ["a", "b"] {
        let (captured, missed) = counted(recorder, lane);
        assert_eq!((recorded(place, lane, sound), missed, lost(place, lane)), (captured, 0, (0, 0)), "lane {lane}");
    }
}

#[test]
fn every_file_has_its_analysis_when_the_recorder_ends() {
    let place = Place::new();
    let (config, sound) = two_lanes(&place, "split_minutes = 0.05");
    let mut recorder = Recorder::start(&config, &[]);
    std::thread::sleep(Duration::from_secs(8)); // of sound
    stop(&mut recorder);
    whole(&place, &recorder, &sound);
    for lane in ["a", "b"] {
        let (with, without) = analysed(&place, lane);
        assert!(with >= 3 && without == 0, "{lane}: {with} analysed, {without} not\n{}", recorder.log.join("\n"));
    }
}

#[test]
fn a_source_that_comes_as_fast_as_it_is_read_is_analysed_too() {
    let place = Place::new();
    let raw = place.raw("noise", &common::noise(3, 600 * RATE));
    let source = format!(
        "[f]\ntype = file\npath = {}\npace = fast\nraw_bits = 16\nsample_rate = {RATE}\nchannels = 1\nformat = flac\nfilename_pattern = f/%Y%m%d_%H%M%S\n",
        raw.display()
    );
    let mut recorder = Recorder::start(&place.config(&roomy(), &source), &[]);
    assert!(recorder.wait(Duration::from_secs(60)).success(), "{}", recorder.log.join("\n"));
    assert_eq!(analysed(&place, "f"), (1, 0), "{}", recorder.log.join("\n"));
}

#[test]
fn an_analyser_that_panics_costs_the_analysis_of_the_files_it_heard_and_no_sound() {
    let place = Place::new();
    let (config, sound) = two_lanes(&place, "split_minutes = 0.05");
    let mut recorder = Recorder::start(&config, &["--drill", "analyser=panic@20"]);
    recorder.wait_for("analyser: failed", Duration::from_secs(10));
    std::thread::sleep(Duration::from_secs(8)); // of sound, with whole files in it
    stop(&mut recorder);
    whole(&place, &recorder, &sound);
    for lane in ["a", "b"] {
        let (with, without) = analysed(&place, lane);
        assert!(with >= 1 && without <= 2, "{lane}: {with} analysed, {without} not");
    }
}

#[test]
fn an_analyser_that_hangs_is_left_behind_and_replaced() {
    let place = Place::new();
    let (config, sound) = two_lanes(&place, "split_minutes = 0.05");
    let mut recorder = Recorder::start(&config, &["--drill", "analyser=hang@20"]);
    recorder.wait_for("analyser: failed: no sign of life", Duration::from_secs(20));
    std::thread::sleep(Duration::from_secs(8)); // of sound, with whole files in it
    recorder.signal("TERM");
    recorder.wait(Duration::from_secs(7));
    whole(&place, &recorder, &sound);
    for lane in ["a", "b"] {
        assert!(analysed(&place, lane).0 >= 1, "{lane}: the successor analysed nothing");
    }
}

#[test]
fn an_analyser_that_falls_all_the_time_is_given_up_and_recording_goes_on() {
    let place = Place::new();
    let (config, sound) = two_lanes(&place, &roomy());
    let mut recorder = Recorder::start(&config, &["--drill", "analyser=panic@2x50"]);
    recorder.wait_for("recording goes on without it", Duration::from_secs(20));
    std::thread::sleep(Duration::from_secs(2)); // of sound after it
    stop(&mut recorder);
    whole(&place, &recorder, &sound);
}
