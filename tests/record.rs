//! The recorder as its user runs it: a configuration, a folder, and what is in it afterwards.

mod common;

use std::path::Path;
use std::time::Duration;

use common::lanes::no_boundary;
use common::{Place, Recorder, assert_sound, bytes_of, decode, noise, recordings, sidecar, soundpost, tool};

/// Runs to the end of its sources.
fn run_through(config: &Path) -> Recorder {
    let mut recorder = Recorder::start(config, &[]);
    let status = recorder.wait(Duration::from_secs(60));
    assert!(status.success(), "ended with {status}:\n{}", recorder.log.join("\n"));
    recorder
}

/// The recordings of a folder joined in order of their frames; each is sound, named after its start, and abuts the one before.
fn joined(root: &Path) -> (Vec<i32>, usize) {
    let mut files: Vec<_> = recordings(root).into_iter().map(|p| (sidecar(root, &p), p)).collect();
    files.sort_by_key(|(side, _)| side["first_frame"].as_u64());
    let mut all = Vec::new();
    let mut next = 0;
    for (side, path) in &files {
        assert_sound(path);
        let samples = decode(path);
        let channels = side["channels"].as_u64().expect("a number");
        let frames = samples.len() as u64 / channels;
        assert_eq!(side["first_frame"].as_u64(), Some(next), "{} abuts", path.display());
        assert_eq!(side["frames"].as_u64(), Some(frames), "{}", path.display());
        next += frames;
        all.extend(samples);
    }
    (all, files.len())
}

fn whole(samples: &[i16]) -> Vec<i32> {
    samples.iter().map(|&s| i32::from(s)).collect()
}

#[test]
fn a_recording_is_split_and_its_files_are_what_was_played() {
    for format in ["flac", "wav"] {
        let place = Place::new();
        let sound = noise(1, 2 * 48_000 * 95);
        let raw = place.raw("stereo", &sound);
        let section = format!(
            "[s]\ntype = file\npath = {}\npace = fast\nraw_bits = 16\nsample_rate = 48000\nchannels = 2\nformat = {format}\nfilename_pattern = %Y/%m/%d/s_%H%M%S\n",
            raw.display()
        );
        run_through(&place.config("split_minutes = 0.5", &section));
        let (samples, files) = joined(&place.recordings());
        assert!((4..=5).contains(&files), "95 s in files of 30 s: {files}");
        assert!(samples == whole(&sound), "{format}: the files joined are not what was played");
        let first = recordings(&place.recordings()).remove(0);
        let side = sidecar(&place.recordings(), &first);
        assert_eq!((&side["source"], &side["sample_rate"], &side["end_reason"]), (&"s".into(), &48_000.into(), &"split".into()));
    }
}

#[test]
fn a_boundary_is_met_on_its_frame() {
    let place = Place::new();
    let raw = place.raw("mono", &noise(2, 48_000 * 60));
    let section = format!(
        "[s]\ntype = file\npath = {}\npace = real\nraw_bits = 16\nsample_rate = 48000\nchannels = 1\nformat = wav\n",
        raw.display()
    );
    let mut recorder = Recorder::start(&place.config("split_minutes = 0.05", &section), &[]);
    std::thread::sleep(Duration::from_secs(8));
    recorder.signal("TERM");
    assert!(recorder.wait(Duration::from_secs(5)).success());
    let root = place.recordings();
    let files = recordings(&root);
    assert!(files.len() >= 3, "8 s in files of 3 s");
    for path in &files[1..] {
        let start = sidecar(&root, path)["start"].as_str().expect("a time").parse::<jiff::Timestamp>().expect("RFC 3339");
        let past = start.as_microsecond().rem_euclid(3_000_000);
        assert!(past.min(3_000_000 - past) <= 30, "{}: starts {past} µs past its boundary: over one frame", path.display());
    }
    for path in &files[1..files.len() - 1] {
        let frames = decode(path).len() as i64;
        assert!((frames - 144_000).abs() <= 48, "{}: {frames} frames in 3 s", path.display());
    }
}

#[test]
fn deep_and_wide_sound_is_kept_to_its_last_bit() {
    for (format, channels, rate) in [("flac", 8, 48_000_u32), ("wav", 3, 44_100), ("flac", 1, 384_000), ("wav", 1, 8_000)] {
        let place = Place::new();
        let bytes = bytes_of(&noise(u64::from(rate), 3 * channels * rate as usize / 2));
        let bytes = &bytes[..bytes.len() / (3 * channels) * 3 * channels];
        let raw = place.path("deep.raw");
        std::fs::write(&raw, bytes).expect("written");
        let section = format!(
            "[s]\ntype = file\npath = {}\npace = fast\nsample_rate = {rate}\nchannels = {channels}\nraw_bits = 24\nbit_depth = 24\nformat = {format}\n",
            raw.display()
        );
        run_through(&place.config("split_minutes = 0.004\nmemory_budget_mb = 256", &section));
        let played: Vec<i32> = bytes.chunks_exact(3).map(|b| i32::from_le_bytes([0, b[0], b[1], b[2]]) >> 8).collect();
        let (samples, files) = joined(&place.recordings());
        assert!(samples == played, "{format}, {channels} channels at {rate} Hz");
        assert!(files > 2, "{files} files");
    }
}

#[test]
fn the_demo_needs_nothing() {
    let place = Place::new();
    let mut command = soundpost();
    command.args(["record", "--demo"]).current_dir(place.folder.path());
    let mut recorder = Recorder::spawn(&mut command);
    recorder.wait_for("built-in soundscape", Duration::from_secs(10));
    std::thread::sleep(Duration::from_secs(2));
    recorder.signal("INT");
    assert!(recorder.wait(Duration::from_secs(5)).success());
    let files = recordings(&place.recordings());
    assert!((1..=2).contains(&files.len()), "{files:?}");
    assert_sound(&files[0]);
    let said = tool(
        "ffprobe",
        &["-v", "error", "-show_entries", "stream=codec_name,sample_rate,channels", files[0].to_str().expect("a path")],
    );
    assert!(said.contains("codec_name=flac") && said.contains("sample_rate=48000") && said.contains("channels=2"), "{said}");
    assert!(soundpost().arg("verify").arg(place.recordings()).status().expect("runs").success());
}

#[test]
fn a_second_signal_ends_at_once_and_repair_follows() {
    let place = Place::new();
    let raw = place.raw("mono", &noise(3, 48_000 * 20));
    let section = format!(
        "[s]\ntype = file\npath = {}\npace = real\nraw_bits = 16\nsample_rate = 48000\nchannels = 1\nformat = flac\n",
        raw.display()
    );
    let config = place.config("", &section);
    // The store stands still, so the first signal cannot be obeyed in time.
    let mut recorder = Recorder::start(&config, &["--drill", "store=stall:60@4"]);
    std::thread::sleep(Duration::from_secs(4));
    recorder.signal("TERM");
    recorder.wait_for("asked to stop", Duration::from_secs(2));
    std::thread::sleep(Duration::from_millis(500));
    recorder.signal("TERM");
    assert_eq!(recorder.wait(Duration::from_secs(2)).code(), Some(1));
    assert!(soundpost().arg("repair").arg(place.recordings()).status().expect("runs").success());
    assert!(recordings(&place.recordings()).iter().all(|p| {
        assert_sound(p);
        true
    }));
}

#[test]
fn a_growing_recording_is_playable_at_every_moment() {
    for format in ["flac", "wav"] {
        let place = Place::new();
        let sound = noise(4, 48_000 * 20);
        let raw = place.raw("mono", &sound);
        let section = format!(
            "[s]\ntype = file\npath = {}\npace = real\nraw_bits = 16\nsample_rate = 48000\nchannels = 1\nformat = {format}\n",
            raw.display()
        );
        let mut recorder = Recorder::start(&place.config(&(no_boundary() + "\nsync_seconds = 1"), &section), &[]);
        recorder.wait_for("recording", Duration::from_secs(10));
        std::thread::sleep(Duration::from_secs(4));
        let mut all = Vec::new();
        common::walk(&place.recordings(), &mut all);
        let growing = all.into_iter().find(|p| p.extension().is_some_and(|e| e == "part")).expect("a .part file");
        let copy = place.path(&format!("copy.{format}"));
        std::fs::copy(&growing, &copy).expect("copied");
        let out = place.path("copy.raw");
        tool("ffmpeg", &["-v", "error", "-i", copy.to_str().expect("a path"), "-f", "s16le", out.to_str().expect("a path")]);
        let heard = std::fs::read(&out).expect("decoded");
        assert!(heard.len() >= 2 * 48_000, "{format}: {} bytes of 4 s", heard.len());
        assert!(bytes_of(&sound).starts_with(&heard), "{format}: what plays is what was played");
        recorder.signal("TERM");
        assert!(recorder.wait(Duration::from_secs(5)).success());
    }
}
