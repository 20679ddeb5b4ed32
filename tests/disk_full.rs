//! Disks that are full and disks that fail, under the real program: who loses what, and what the user is told.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use common::lanes::{RATE, counted, lane, lost, lost_in, no_boundary, recorded, recorded_in, stop, two_lanes};
use common::volume::Volume;
use common::{Place, Recorder, assert_sound, noise, recordings, sidecar};

/// Room comes back after this long in the log at most.
const RESUMES_WITHIN: Duration = Duration::from_secs(2);

fn contents(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    recordings(root).into_iter().map(|path| (path.clone(), fs::read(path).expect("read"))).collect()
}

fn lines<'a>(recorder: &'a Recorder, parts: &[&str]) -> Vec<&'a String> {
    recorder.log.iter().filter(|line| parts.iter().all(|part| line.contains(part))).collect()
}

/// Waits until the lane has finished a file, and a little more: the next cut is then some seconds away.
fn wait_for_a_finished_file(root: &Path) {
    let until = Instant::now() + Duration::from_secs(20);
    while recordings(root).is_empty() {
        assert!(Instant::now() < until, "no file was finished below {}", root.display());
        thread::sleep(Duration::from_millis(50));
    }
    thread::sleep(Duration::from_millis(1_500));
}

/// The disk of lane `a` is full for so many seconds while `b` records elsewhere.
/// Returns the frames that `a` lost; all others are accounted for.
fn check_full(format: &str, pool_seconds: u32, full_s: u64) -> usize {
    let (place, volume) = (Place::new(), Volume::new(6 << 10));
    let sound = noise(42, 60 * RATE);
    let raw = place.raw("noise", &sound);
    let full = volume.path.join("recordings");
    // Nothing gives way: that is told of elsewhere.
    let a = format!("{}output_directory = {}\n[storage]\nwhen_full = stop\n", lane("a", &raw, format), full.display());
    let general = format!("split_minutes = 0.1\npool_seconds = {pool_seconds}");
    let mut recorder = Recorder::start(&place.config(&general, &(a + &lane("b", &raw, "wav"))), &[]);
    wait_for_a_finished_file(&full);
    let finished = contents(&full);
    let filler = volume.fill();
    recorder.wait_for("cannot write", Duration::from_secs(6));
    thread::sleep(Duration::from_secs(full_s));
    fs::remove_file(filler).expect("removed");
    recorder.wait_for("recording again", RESUMES_WITHIN);
    thread::sleep(Duration::from_secs(2));
    stop(&mut recorder);

    let log = recorder.log.join("\n");
    let told = lines(&recorder, &["ERROR", "cannot write"]);
    assert_eq!(told.len(), 1, "one line:\n{log}");
    assert!(["a: ", "No space left", "make room", ".part"].iter().all(|part| told[0].contains(part)), "{}", told[0]);
    let others: Vec<_> = lines(&recorder, &["ERROR"]).into_iter().filter(|l| !l.contains("the pool is empty")).collect();
    assert_eq!(others.len(), 1, "no other error:\n{log}");
    let after = contents(&full);
    assert!(finished.iter().all(|(path, bytes)| after.get(path) == Some(bytes)), "finished files are as they were");
    let root = place.recordings();
    recordings(&full).iter().chain(&recordings(&root)).for_each(|path| assert_sound(path));
    assert_eq!(counted(&recorder, "b"), (recorded_in(&root, "b", &sound), 0), "the other disk's lane has everything\n{log}");
    assert_eq!(lost_in(&root, "b"), (0, 0));
    let ((captured, missed), (in_gaps, gaps)) = (counted(&recorder, "a"), lost_in(&full, "a"));
    assert_eq!((in_gaps, gaps), (missed, usize::from(missed > 0)), "one gap with the exact number, if any\n{log}");
    assert_eq!(recorded_in(&full, "a", &sound) + in_gaps, captured, "files and gap are everything\n{log}");
    missed
}

#[test]
fn a_disk_full_for_as_long_as_the_pool_holds_costs_nothing() {
    assert_eq!(check_full("wav", 12, 10), 0);
}

#[test]
fn a_disk_full_for_longer_costs_one_gap_exactly_counted() {
    // Behind the pool of 3 s stand six blocks of 64 KiB, which hold 4 s.
    let missed = check_full("flac", 3, 12);
    assert!(missed > 2 * RATE && missed < 10 * RATE, "12 s less the pool: {missed} frames");
}

/// The program with calls to the kernel that fail: `what` as strace's inject, for `path` alone or for every file.
fn with_faults(config: &Path, path: Option<&Path>, call: &str, when: &str) -> Recorder {
    let mut command = Command::new("strace");
    // -D: the process that is started is the recorder; strace stands beside it.
    command.args(["-D", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null"]);
    command.args(["-e", &format!("trace={call}"), "-e", &format!("inject={call}:error={when}")]);
    if let Some(path) = path {
        command.arg("-P").arg(path);
    }
    command.arg(env!("CARGO_BIN_EXE_soundpost")).arg("record").arg("-c").arg(config);
    Recorder::spawn(&mut command)
}

/// Two lanes whose first files are a.flac and b.wav: their paths are known before they are there.
fn two_plain_lanes(place: &Place) -> (PathBuf, Vec<i16>) {
    let (config, sound) = two_lanes(place, &(no_boundary() + "\nsync_seconds = 1"));
    let text = fs::read_to_string(&config).expect("read").replace("/%Y%m%d_%H%M%S", "/x");
    fs::write(&config, text).expect("written");
    (config, sound)
}

/// A file of lane `a` that its disk fails: one line, the lane goes on in another file, `b` is unharmed.
/// Returns the frames captured by `a`, those in its files and those in its gaps.
fn check_failing(call: &str, when: &str, alarm: &str, seconds: u64) -> (Place, [usize; 3]) {
    let place = Place::new();
    let (config, sound) = two_plain_lanes(&place);
    let bad = place.recordings().join("a/x.flac.part");
    let mut recorder = with_faults(&config, Some(&bad), call, when);
    recorder.wait_for(alarm, Duration::from_secs(15));
    thread::sleep(Duration::from_secs(seconds));
    stop(&mut recorder);
    let (root, log) = (place.recordings(), recorder.log.join("\n"));
    // What the disk did not let the recorder finish, a repair on a disk that works again does.
    common::tool(env!("CARGO_BIN_EXE_soundpost"), &["repair", root.to_str().expect("a plain path")]);
    recordings(&root).iter().for_each(|path| assert_sound(path));
    assert!((2..=3).contains(&recordings(&root.join("a")).len()), "one more file or two:\n{log}");
    assert_eq!(counted(&recorder, "b"), (recorded(&place, "b", &sound), 0), "{log}");
    assert_eq!((lost(&place, "b"), recordings(&root.join("b")).len()), ((0, 0), 1), "{log}");
    let told = lines(&recorder, &["ERROR", alarm]);
    assert!(told.len() == 1 && told[0].contains("check"), "one line:\n{log}");
    assert!(lines(&recorder, &["panicked"]).is_empty(), "{log}");
    let frames = [counted(&recorder, "a").0, recorded(&place, "a", &sound), lost(&place, "a").0];
    (place, frames)
}

#[test]
fn a_sync_that_fails_ends_the_file_and_says_so() {
    let (place, [captured, kept, lost]) = check_failing("fdatasync", "EIO:when=2", "failed to keep", 5);
    assert_eq!((kept, lost), (captured, 0), "the bytes are there, they are only not sure");
    let root = place.recordings();
    let files: Vec<_> = recordings(&root.join("a")).iter().map(|p| sidecar(&root, p)).collect();
    let told: Vec<_> = files.iter().map(|s| (s["suspect"].as_bool(), s["end_reason"].as_str())).collect();
    assert_eq!(told, [(Some(false), Some("shutdown")), (Some(true), Some("disk"))], "x-2 before x");
    assert!(files[1]["sure_frames"].as_u64() < files[1]["frames"].as_u64(), "{}", files[1]);
}

#[test]
fn a_file_that_can_not_be_written_to_for_seconds_is_followed_by_another() {
    // Tried twice a second, given up after 4 s; its repair works a second later.
    let (_, [captured, kept, lost]) = check_failing("pwrite64", "EIO:when=6..16", "cannot write", 8);
    assert_eq!(kept + lost, captured, "{kept} kept, {lost} lost: exactly counted");
    assert!(lost <= 2 * RATE, "what came for the file before there was another: {lost} frames");
}

#[test]
fn a_file_that_can_never_again_be_written_to_is_left_to_the_next_start() {
    let (_, [captured, kept, lost]) = check_failing("pwrite64", "EIO:when=6+", "cannot write", 16);
    // Told before the repair that found more: the gap begins where the file was last known to be on the disk.
    assert!(kept + lost >= captured && lost <= 4 * RATE, "{kept} kept, {lost} lost of {captured}");
}

#[test]
fn a_disk_that_fails_every_third_sync_stops_nothing() {
    let place = Place::new();
    let (config, sound) = two_lanes(&place, "split_minutes = 0.05\nsync_seconds = 1");
    let mut recorder = with_faults(&config, None, "fdatasync,fsync", "EIO:when=3+3");
    recorder.wait_for("failed to keep", Duration::from_secs(10));
    thread::sleep(Duration::from_secs(8));
    stop(&mut recorder);
    let log = recorder.log.join("\n");
    assert!(lines(&recorder, &["panicked"]).is_empty(), "{log}");
    recordings(&place.recordings()).iter().for_each(|path| assert_sound(path));
    for lane in ["a", "b"] {
        assert_eq!((counted(&recorder, lane).0, lost(&place, lane)), (recorded(&place, lane, &sound), (0, 0)), "{lane}\n{log}");
    }
}
