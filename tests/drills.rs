//! Actors that fail on purpose, and a disk that stands still: who loses what.

mod common;

use std::time::Duration;

use common::cards::{card, find, joined, record_command};
use common::lanes::{RATE, counted, lost, no_boundary, recorded, stop, two_lanes};
use common::rig::Rig;
use common::{Place, Recorder, bytes_of, gaps, noise, recordings, sidecar};

/// Restarts and hangs: the table of product times.
const RESTARTS_WITHIN_S: f64 = 1.0;
const HANG_SEEN_S: std::ops::RangeInclusive<u64> = 10..=12;

/// When a log line was written, in seconds of UTC.
fn at(line: &str) -> f64 {
    let local: jiff::civil::DateTime = line.get(..23).and_then(|s| s.parse().ok()).unwrap_or_else(|| panic!("no time in {line}"));
    seconds(local.to_zoned(jiff::tz::TimeZone::system()).expect("a time").timestamp())
}

fn seconds(at: jiff::Timestamp) -> f64 {
    at.as_microsecond() as f64 / 1e6
}

/// A time of a sidecar, in seconds of UTC.
fn stamp(side: &serde_json::Value, key: &str) -> f64 {
    seconds(side[key].as_str().expect("a time").parse().expect("RFC 3339"))
}

/// The sidecars of a lane in order.
fn sidecars(place: &Place, lane: &str) -> Vec<serde_json::Value> {
    let root = place.recordings();
    recordings(&root.join(lane)).iter().map(|p| sidecar(&root, p)).collect()
}

/// From the panic to the new life of the actor, and to the first frame of the file that it begins.
fn assert_restarted_soon(place: &Place, recorder: &Recorder, lane: &str) {
    let line = |text: &str| recorder.log.iter().find(|l| l.contains(text)).unwrap_or_else(|| panic!("no {text:?}"));
    let fell = at(line("panicked at"));
    let anew = at(line("is started anew")) - fell;
    assert!((0.0..=RESTARTS_WITHIN_S).contains(&anew), "started anew after {anew} s");
    let first = stamp(sidecars(place, lane).last().expect("a file"), "start") - fell;
    assert!(first.abs() <= RESTARTS_WITHIN_S, "{lane}: the new file begins {first} s after the panic");
}

/// The undrilled lane: everything captured is in its files, nothing in gaps.
fn assert_unharmed(place: &Place, recorder: &Recorder, sound: &[i16]) {
    let (captured, missed) = counted(recorder, "b");
    assert_eq!((recorded(place, "b", sound), missed, lost(place, "b")), (captured, 0, (0, 0)), "{}", recorder.log.join("\n"));
}

/// Processes that use every moment of the processor.
struct Load(Vec<std::process::Child>);

impl Load {
    fn new() -> Load {
        let busy = || std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().expect("sh");
        Load((0..std::thread::available_parallelism().map_or(2, usize::from)).map(|_| busy()).collect())
    }

    fn end(&mut self) {
        self.0.drain(..).for_each(|mut child| drop((child.kill(), child.wait())));
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.end();
    }
}

#[test]
fn a_disk_that_stalls_ten_seconds_under_full_load_costs_nothing() {
    let place = Place::new();
    let (config, sound) = two_lanes(&place, "split_minutes = 0.1");
    let mut load = Load::new();
    let mut recorder = Recorder::start(&config, &["--drill", "store=stall:10@8"]);
    std::thread::sleep(Duration::from_secs(15)); // the stall and some sound after it
    stop(&mut recorder);
    load.end();
    for lane in ["a", "b"] {
        let (captured, missed) = counted(&recorder, lane);
        assert_eq!((recorded(&place, lane, &sound), missed, lost(&place, lane)), (captured, 0, (0, 0)), "lane {lane}");
        assert!(captured >= 13 * RATE, "{captured} frames in 15 s");
    }
}

/// The same with devices that wait for nobody.
#[test]
fn a_disk_that_stalls_ten_seconds_under_full_load_costs_sound_cards_nothing() {
    const SECONDS: usize = 18;
    let rig = Rig::new(&["mono:48000:1", "stereo:48000:2"]);
    let place = Place::new();
    let config = place.config("split_minutes = 0.1", &(card("mono", 48_000, 1, "flac") + &card("stereo", 48_000, 2, "wav")));
    let mut command = record_command(&rig, &config);
    command.args(["--drill", "store=stall:10@8"]);
    let mut recorder = Recorder::spawn(&mut command);
    recorder.wait_for("[mono] recording", Duration::from_secs(10));
    recorder.wait_for("[stereo] recording", Duration::from_secs(10));
    let mut load = Load::new();
    let (mono, stereo) = (noise(21, SECONDS * 48_000), noise(22, SECONDS * 2 * 48_000));
    let mut players =
        [rig.play("mono", "S16_LE", 48_000, 1, &bytes_of(&mono)), rig.play("stereo", "S16_LE", 48_000, 2, &bytes_of(&stereo))];
    for player in &mut players {
        assert!(player.wait().expect("aplay").success());
    }
    std::thread::sleep(Duration::from_secs(3)); // what is still in the device
    load.end();
    stop(&mut recorder);
    let (root, log) = (place.recordings(), recorder.log.join("\n"));
    for (lane, played, channels) in [("mono", &mono, 1), ("stereo", &stereo, 2)] {
        let (sound, _) = joined(&root, lane, channels);
        assert!(find(&sound, played).is_some(), "{lane}: what was played is not in the recording\n{log}");
    }
    assert!(gaps(&root).is_empty(), "{:?}\n{log}", gaps(&root));
    let used = recorder.log.iter().filter_map(|l| l.split("pool at most ").nth(1)?.split(' ').next()?.parse::<u32>().ok());
    assert!(used.max() > Some(40), "the stall was felt\n{log}");
}

#[test]
fn a_disk_that_stalls_thirty_seconds_costs_one_gap_exactly_counted() {
    let place = Place::new();
    let (config, sound) = two_lanes(&place, "split_minutes = 0.1");
    let mut recorder = Recorder::start(&config, &["--drill", "store=stall:30@8"]);
    for lane in ["[a]", "[b]"] {
        recorder.wait_for_all(&[lane, "frames lost"], Duration::from_secs(90));
    }
    stop(&mut recorder);
    for lane in ["a", "b"] {
        let (captured, missed) = counted(&recorder, lane);
        let (in_gaps, gaps) = lost(&place, lane);
        assert_eq!((gaps, in_gaps), (1, missed), "lane {lane}: one gap with the exact number\n{}", recorder.log.join("\n"));
        assert_eq!(recorded(&place, lane, &sound) + in_gaps, captured, "lane {lane}: files and gaps are everything");
        assert!(in_gaps > 10 * RATE && in_gaps < 19 * RATE, "30 s less the pool: {in_gaps} frames");
    }
}

/// `actor` panics once; the other lane is unharmed, the drilled one goes on and accounts for every frame.
fn check_panic(actor: &str) {
    let place = Place::new();
    let (config, sound) = two_lanes(&place, &no_boundary());
    let mut recorder = Recorder::start(&config, &["--drill", &format!("{actor}=panic@25")]);
    recorder.wait_for("is started anew", Duration::from_secs(30));
    std::thread::sleep(Duration::from_secs(3));
    stop(&mut recorder);
    assert_unharmed(&place, &recorder, &sound);
    let ends: Vec<_> = sidecars(&place, "a").iter().map(|side| side["end_reason"].clone()).collect();
    assert!(ends.contains(&"fault".into()) && ends.last() == Some(&"shutdown".into()), "{actor}: files ended by {ends:?}");
    assert_restarted_soon(&place, &recorder, "a");
    let (captured, _) = counted(&recorder, "a");
    let (in_files, (in_gaps, _)) = (recorded(&place, "a", &sound), lost(&place, "a"));
    let said = format!("{actor}: {captured} captured, {in_files} in files, {in_gaps} in gaps\n{}", recorder.log.join("\n"));
    if actor.ends_with("capture") {
        // Frames that nobody captured are missing too: the gap is all the time from the old run's end to the new one's start.
        let sides = sidecars(&place, "a");
        let between = (stamp(&sides[1], "start") - stamp(&sides[0], "end")) * RATE as f64;
        assert!((between - in_gaps as f64).abs() <= 2.0 && in_files + in_gaps >= captured, "{between} frames between; {said}");
    } else {
        assert_eq!(in_files + in_gaps, captured, "{said}");
    }
}

#[test]
fn a_capture_that_panics_begins_a_new_run() {
    check_panic("a/capture");
}

#[test]
fn an_encoder_that_panics_keeps_its_blocks() {
    check_panic("a/encoder");
}

#[test]
fn a_store_that_panics_loses_nothing() {
    let place = Place::new();
    let (config, sound) = two_lanes(&place, &no_boundary());
    let mut recorder = Recorder::start(&config, &["--drill", "store=panic@12"]);
    recorder.wait_for("is started anew", Duration::from_secs(30));
    std::thread::sleep(Duration::from_secs(3));
    stop(&mut recorder);
    for lane in ["a", "b"] {
        let (captured, _) = counted(&recorder, lane);
        assert_eq!((recorded(&place, lane, &sound), lost(&place, lane)), (captured, (0, 0)), "lane {lane}");
        assert_restarted_soon(&place, &recorder, lane);
    }
}

#[test]
fn a_full_mailbox_is_taken_up_by_the_pool() {
    for drill in ["a/encoder=stall:8@25", "a/capture=stall:1@25"] {
        let place = Place::new();
        let (config, sound) = two_lanes(&place, &no_boundary());
        let mut recorder = Recorder::start(&config, &["--drill", drill]);
        std::thread::sleep(Duration::from_secs(13));
        stop(&mut recorder);
        assert_unharmed(&place, &recorder, &sound);
        let (captured, _) = counted(&recorder, "a");
        assert_eq!((recorded(&place, "a", &sound), lost(&place, "a")), (captured, (0, 0)), "{drill}");
        assert!(captured > 11 * RATE);
    }
}

/// A hang on the recording path ends the process with a failure, soon; what was recorded is repaired at the next start.
fn check_hang(actor: &str) {
    let place = Place::new();
    let (config, sound) = two_lanes(&place, &(no_boundary() + "\nsync_seconds = 1"));
    let mut recorder = Recorder::start(&config, &["--drill", &format!("{actor}=hang@25")]);
    let status = recorder.wait(Duration::from_secs(30));
    assert_eq!(status.code(), Some(1), "{}", recorder.log.join("\n"));
    let seen = recorder.wait_for("no sign of life for ", Duration::ZERO);
    assert!(
        recorder.log.last().is_some_and(|last| at(last) - at(&seen) < RESTARTS_WITHIN_S),
        "the end follows at once:\n{}",
        recorder.log.join("\n")
    );
    let silent: u64 = seen.split("for ").nth(1).and_then(|s| s.split(' ').next()).and_then(|n| n.parse().ok()).expect("seconds");
    assert!(seen.contains(&format!("{actor}: ")) && HANG_SEEN_S.contains(&silent), "{seen}");
    let mut again = Recorder::start(&config, &[]);
    again.wait_for("recording", Duration::from_secs(20));
    std::thread::sleep(Duration::from_secs(2));
    stop(&mut again);
    // Told by the sound itself: the drilled lane's ends where the hang began.
    let silent_since = at(&seen) - stamp(&sidecars(&place, "a")[0], "end");
    assert!((9.0..14.0).contains(&silent_since), "{actor}: the sound ends {silent_since} s before the hang is seen");
    for lane in ["a", "b"] {
        assert!(recorded(&place, lane, &sound) > 2 * RATE, "{actor}: lane {lane} has both runs");
        assert_eq!(lost(&place, lane).1, 1, "{actor}: the time between is one gap of lane {lane}");
    }
}

#[test]
fn a_hanging_capture_ends_the_process() {
    check_hang("a/capture");
}

#[test]
fn a_hanging_encoder_ends_the_process() {
    check_hang("a/encoder");
}

#[test]
fn a_hanging_store_ends_the_process() {
    check_hang("store");
}

#[test]
fn more_than_five_restarts_a_minute_end_the_process() {
    let place = Place::new();
    let (config, _) = two_lanes(&place, "");
    let mut recorder = Recorder::start(&config, &["--drill", "a/encoder=panic@2x9"]);
    let status = recorder.wait(Duration::from_secs(30));
    assert_eq!(status.code(), Some(1), "{}", recorder.log.join("\n"));
    assert!(recorder.log.iter().any(|l| l.contains("too many restarts")));
}
