//! Two sound cards at once, end to end over real-time ALSA devices: what was played is in the files, across every split.

mod common;

use std::time::Duration;

use common::cards::{card, find, joined, record};
use common::lanes::stop;
use common::rig::Rig;
use common::{Place, assert_sound, bytes_of, gaps, noise, recordings, sidecar};
use rustix::process::Signal;

const SECONDS: usize = 20;

#[test]
fn two_cards_are_recorded_whole_across_every_split() {
    let rig = Rig::new(&["mono:48000:1", "stereo:96000:2"]);
    let place = Place::new();
    let config = place.config("split_minutes = 0.1", &(card("mono", 48_000, 1, "flac") + &card("stereo", 96_000, 2, "wav")));
    let mut recorder = record(&rig, &config);
    recorder.wait_for("[mono] recording", Duration::from_secs(10));
    recorder.wait_for("[stereo] recording", Duration::from_secs(10));
    let (mono, stereo) = (noise(11, SECONDS * 48_000), noise(12, SECONDS * 2 * 96_000));
    let mut players =
        [rig.play("mono", "S16_LE", 48_000, 1, &bytes_of(&mono)), rig.play("stereo", "S16_LE", 96_000, 2, &bytes_of(&stereo))];
    for player in &mut players {
        assert!(player.wait().expect("aplay").success());
    }
    std::thread::sleep(Duration::from_secs(3)); // what is still in the device
    stop(&mut recorder);
    let root = place.recordings();
    for (lane, played, channels) in [("mono", &mono, 1), ("stereo", &stereo, 2)] {
        let (recorded, files) = joined(&root, lane, channels);
        assert!(files >= 4, "{lane}: over 20 s in files of 6 s: {files}");
        assert!(find(&recorded, played).is_some(), "{lane}: what was played is not in the recording");
    }
    assert!(gaps(&root).is_empty(), "{:?}", gaps(&root));
}

#[test]
fn an_unplugged_card_is_recorded_again_when_it_is_back() {
    let mut rig = Rig::new(&["mono:48000:1"]);
    let place = Place::new();
    let config = place.config("retry_delay_seconds = 0.5", &card("mono", 48_000, 1, "flac"));
    let mut recorder = record(&rig, &config);
    recorder.wait_for("[mono] recording", Duration::from_secs(10));
    std::thread::sleep(Duration::from_secs(2));
    rig.kill();
    recorder.wait_for("next attempt", Duration::from_secs(10));
    std::thread::sleep(Duration::from_secs(1));
    recorder.log.clear();
    rig.start();
    recorder.wait_for("[mono] recording", Duration::from_secs(20));
    std::thread::sleep(Duration::from_secs(2));
    stop(&mut recorder);
    let root = place.recordings();
    let files = recordings(&root.join("mono"));
    let ends: Vec<_> = files.iter().map(|p| sidecar(&root, p)["end_reason"].clone()).collect();
    assert_eq!(ends, ["unplugged", "shutdown"]);
    files.iter().for_each(|p| assert_sound(p));
    let gaps = gaps(&root);
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    let lost: f64 = gaps[0][3].parse().expect("a number");
    assert!((1.0..15.0).contains(&(lost / 48_000.0)) && gaps[0][4] == "unplugged", "{gaps:?}");
}

#[test]
fn a_card_that_stands_still_is_an_alarm_and_a_gap() {
    let rig = Rig::new(&["mono:48000:1"]);
    let place = Place::new();
    let config = place.config("retry_delay_seconds = 0.5", &card("mono", 48_000, 1, "wav"));
    let mut recorder = record(&rig, &config);
    recorder.wait_for("[mono] recording", Duration::from_secs(10));
    std::thread::sleep(Duration::from_secs(1));
    rig.signal(Signal::STOP);
    recorder.wait_for("no samples for", Duration::from_secs(10));
    rig.signal(Signal::CONT);
    recorder.log.clear();
    recorder.wait_for("[mono] recording", Duration::from_secs(20));
    std::thread::sleep(Duration::from_secs(1));
    stop(&mut recorder);
    let root = place.recordings();
    let ends: Vec<_> = recordings(&root.join("mono")).iter().map(|p| sidecar(&root, p)["end_reason"].clone()).collect();
    assert_eq!(ends, ["stalled", "shutdown"]);
    let gaps = gaps(&root);
    assert!(gaps.len() == 1 && gaps[0][4] == "stalled", "{gaps:?}");
}

#[test]
fn an_unknown_card_is_one_line_and_the_other_goes_on() {
    let rig = Rig::new(&["mono:48000:1"]);
    let place = Place::new();
    let absent = "[absent]\ntype = soundcard\ndevice = UltraMic\nfilename_pattern = absent/%H%M%S\n";
    let config = place.config("", &(card("mono", 48_000, 1, "flac") + absent));
    let mut recorder = record(&rig, &config);
    let line = recorder.wait_for("no capture device", Duration::from_secs(10));
    assert!(line.contains("UltraMic") && line.contains("soundpost devices"), "{line}");
    recorder.wait_for("[mono] recording", Duration::from_secs(10));
    std::thread::sleep(Duration::from_secs(1));
    stop(&mut recorder);
    assert_eq!(recordings(&place.recordings()).len(), 1);
}
