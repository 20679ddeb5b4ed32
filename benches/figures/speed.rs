//! Processor time of a lane, the time until the first samples, the size of the binary.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::common::rig::Rig;
use crate::common::{Place, Recorder, recordings};
use crate::process::{cpu_seconds, median, thread_seconds};
use crate::sound;

const ROUNDS: usize = 3;

/// One hour of stereo through the whole lane to FLAC level 5, against `flac -5` on the same samples.
pub fn lane_against_flac() {
    let place = Place::new();
    let (wav, what) = sound::stereo(place.folder.path(), 3_600);
    println!("1 h of 48 kHz stereo: {what}");
    let section = format!("[hour]\ntype = file\npath = {}\npace = fast\nformat = flac\n", wav.display());
    let config = place.config("split_minutes = 60\nlog_level = ERROR\n", &section);
    let program = env!("CARGO_BIN_EXE_soundpost");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let out = place.path("peer.flac");
    for _ in 0..ROUNDS {
        let _ = fs::remove_dir_all(place.recordings());
        ours.push(cpu_seconds(program, &["record", "-c", config.to_str().expect("a path")]));
        let arguments = ["-5", "-s", "-f", "-o", out.to_str().expect("a path"), wav.to_str().expect("a path")];
        theirs.push(cpu_seconds("flac", &arguments));
    }
    let bytes: u64 = recordings(&place.recordings()).iter().map(|p| p.metadata().expect("there").len()).sum();
    let peer_bytes = out.metadata().expect("there").len();
    let (ours, theirs) = (median(ours), median(theirs));
    let _ = fs::remove_dir_all(place.recordings());
    let recording = ours - analyser_seconds(&config);
    println!("soundpost: {ours:.2} s of CPU, {bytes} bytes (capture, splitting, encoding, analysis, writing, syncing, sidecars)");
    println!("flac -5:   {theirs:.2} s of CPU, {peer_bytes} bytes");
    println!("ratio:     {:.2} (bar: at most 0.95)", ours / theirs);
    println!("without the analyser's thread: {recording:.2} s, {:.2} (bar: at most 0.85)", recording / theirs);
}

/// CPU of the analyser's thread alone, looked at until the recorder ends.
fn analyser_seconds(config: &Path) -> f64 {
    let mut recorder = Recorder::start(config, &[]);
    let mut seconds: f64 = 0.0;
    while recorder.child.try_wait().expect("a child").is_none() {
        seconds = seconds.max(thread_seconds(recorder.child.id()).get("analyser").copied().unwrap_or(0.0));
        std::thread::sleep(Duration::from_millis(20));
    }
    seconds
}

/// From exec to the first samples that a device read brought.
pub fn cold_start() {
    let rig = Rig::new(&["mic:48000:2"]);
    let mut times = Vec::new();
    let mut peer = Vec::new();
    for _ in 0..7 {
        let place = Place::new();
        let config =
            place.config("log_level = DEBUG", "[mic]\ntype = soundcard\ndevice = mic\nsample_rate = 48000\nformat = flac\n");
        let mut command = crate::common::soundpost();
        command.arg("record").arg("-c").arg(&config).envs(rig.environment());
        let mut recorder = Recorder::spawn(&mut command);
        recorder.wait_for("first samples", Duration::from_secs(10));
        times.push(recorder.started.elapsed().as_secs_f64() * 1_000.0);
        let begun = Instant::now();
        let arguments = ["-q", "-D", "mic", "-f", "S16_LE", "-r", "48000", "-c", "2", "-t", "raw", "-s", "64", "/dev/null"];
        let status = std::process::Command::new("arecord").args(arguments).envs(rig.environment()).status();
        assert!(status.expect("arecord runs (alsa-utils)").success());
        peer.push(begun.elapsed().as_secs_f64() * 1_000.0);
    }
    println!("soundpost: {:.0} ms from exec to the first samples (bar: at most 150)", median(times));
    println!("arecord:   {:.0} ms from exec to its end after 64 frames", median(peer));
}

pub fn binary_size() {
    let bytes = fs::metadata(env!("CARGO_BIN_EXE_soundpost")).expect("built").len();
    println!("soundpost: {:.2} MiB stripped (bar: at most 6 on x86-64)", bytes as f64 / f64::from(1 << 20));
}
