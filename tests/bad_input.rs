//! What a user can get wrong: one clear line each, the other sources go on, nothing on disk is lost or overwritten.

mod common;

use std::fs;
use std::time::Duration;

use common::volume::Volume;
use common::{Place, Recorder, noise, recordings, soundpost};

/// A lane that works, beside the one that does not.
fn good(place: &Place) -> String {
    let raw = place.raw("good", &noise(9, 48_000 * 5));
    format!(
        "[good]\ntype = file\npath = {}\npace = fast\nraw_bits = 16\nsample_rate = 48000\nchannels = 1\nformat = flac\nfilename_pattern = good/%H%M%S\n",
        raw.display()
    )
}

/// Records to the end of the good lane, which is success; returns the log.
fn log_of(place: &Place, general: &str, sections: &str) -> Vec<String> {
    let config = place.config(general, sections);
    let mut recorder = Recorder::start(&config, &[]);
    let status = recorder.wait(Duration::from_secs(30));
    assert_eq!(status.code(), Some(0), "one source that works is enough:\n{}", recorder.log.join("\n"));
    assert_eq!(recordings(&place.recordings().join("good")).len(), 1, "the good lane records:\n{}", recorder.log.join("\n"));
    std::mem::take(&mut recorder.log)
}

#[track_caller]
fn assert_one_line(log: &[String], parts: &[&str]) {
    let hits: Vec<_> = log.iter().filter(|line| parts.iter().all(|part| line.contains(part))).collect();
    assert_eq!(hits.len(), 1, "one line with {parts:?} in:\n{}", log.join("\n"));
}

#[test]
fn a_wrong_key_is_a_line_with_its_number() {
    let place = Place::new();
    let log = log_of(&place, "split_minuets = 5", &good(&place));
    assert_one_line(&log, &["WARNING", "soundpost.ini:5", "split_minuets", "split_minutes"]);
}

#[test]
fn a_broken_wav_to_replay_is_one_line() {
    let place = Place::new();
    let broken = place.path("broken.wav");
    fs::write(&broken, b"RIFF\x10\0\0\0WAVEfmt nonsense").expect("written");
    let section = format!("[bad]\ntype = file\npath = {}\nfilename_pattern = bad/%H%M%S\n", broken.display());
    let log = log_of(&place, "", &(good(&place) + &section));
    assert_one_line(&log, &["ERROR", "broken.wav"]);
    assert!(recordings(&place.recordings().join("bad")).is_empty());
}

#[test]
fn an_output_folder_that_is_a_file_stops_only_its_own_source() {
    let place = Place::new();
    let raw = place.raw("other", &noise(8, 48_000 * 5));
    let file = place.path("in-the-way");
    fs::write(&file, b"precious").expect("written");
    let section = format!(
        "[bad]\ntype = file\npath = {}\npace = fast\nraw_bits = 16\nsample_rate = 48000\nchannels = 1\noutput_directory = {}\n",
        raw.display(),
        file.display()
    );
    let config = place.config("", &(good(&place) + &section));
    let mut recorder = Recorder::start(&config, &[]);
    recorder.wait_for("in-the-way", Duration::from_secs(10));
    std::thread::sleep(Duration::from_secs(3));
    recorder.signal("TERM");
    recorder.wait(Duration::from_secs(10));
    assert_eq!(recordings(&place.recordings().join("good")).len(), 1, "{}", recorder.log.join("\n"));
    assert_eq!(fs::read(&file).expect("there"), b"precious");
    assert!(recorder.log.iter().filter(|l| l.contains("in-the-way")).count() <= 2, "{}", recorder.log.join("\n"));
}

/// Runs and returns (exit code, stderr).
fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let out = soundpost().args(arguments).output().expect("runs");
    (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
}

#[test]
fn usage_and_configuration_errors_end_with_two_and_one_line() {
    let place = Place::new();
    let folder = place.folder.path().to_str().expect("a path");
    let empty = place.path("empty.ini");
    fs::write(&empty, b"").expect("written");
    let empty = empty.to_str().expect("a path");
    for (arguments, want, part) in [
        (vec!["record", "-c", folder], 2, "a directory"),
        (vec!["record", "-c", "/nowhere/x.ini"], 2, "no such file"),
        (vec!["check", "-c", folder], 2, "a directory"),
        (vec!["check", "-c", "/nowhere/x.ini"], 2, "no such file"),
        (vec!["verify", "/nowhere"], 2, "not a folder"),
        (vec!["repair", "/nowhere"], 1, "/nowhere"),
    ] {
        let (code, said) = run(&arguments);
        assert_eq!(code, Some(want), "{arguments:?}: {said}");
        assert!(said.contains(part) && said.trim_end().lines().count() == 1, "{arguments:?}: {said}");
    }
    assert_eq!(run(&["check", "-c", empty]).0, Some(2), "no source is an error");
    assert_eq!(run(&["record", "-c", empty]).0, Some(2), "no source is an error");
    assert_eq!(run(&["no-such-command"]).0, Some(2));
    assert_eq!(run(&["repair"]).0, Some(2), "a path is needed");
    assert_eq!(run(&[]).0, Some(2));
    assert_eq!(run(&["verify", folder]).0, Some(0), "nothing is wrong with no recordings");
    assert_eq!(run(&["--help"]).0, Some(0));
}

#[test]
fn too_little_memory_is_said_before_anything_starts() {
    let place = Place::new();
    let config = place.config("pool_seconds = 600\nmemory_budget_mb = 32", &good(&place));
    let mut recorder = Recorder::start(&config, &[]);
    assert_eq!(recorder.wait(Duration::from_secs(10)).code(), Some(2));
    assert_one_line(&recorder.log, &["ERROR", "memory_budget_mb"]);
}

#[test]
fn a_read_only_folder_stops_only_its_own_source() {
    let (place, mut volume) = (Place::new(), Volume::new(1 << 10));
    volume.make_read_only();
    let raw = place.raw("other", &noise(8, 48_000 * 5));
    let section = format!(
        "[bad]\ntype = file\npath = {}\npace = fast\nraw_bits = 16\nsample_rate = 48000\nchannels = 1\noutput_directory = {}\n",
        raw.display(),
        volume.path.join("below").display()
    );
    let mut recorder = Recorder::start(&place.config("", &(good(&place) + &section)), &[]);
    let line = recorder.wait_for("below", Duration::from_secs(10));
    assert!(line.contains("ERROR") && line.contains("Read-only file system") && line.contains("output_directory"), "{line}");
    std::thread::sleep(Duration::from_secs(2));
    recorder.signal("TERM");
    assert_eq!(recorder.wait(Duration::from_secs(8)).code(), Some(1), "sound was lost:\n{}", recorder.log.join("\n"));
    assert_eq!(recordings(&place.recordings().join("good")).len(), 1, "{}", recorder.log.join("\n"));
    assert!(recorder.log.iter().filter(|l| l.contains("below")).count() <= 2, "{}", recorder.log.join("\n"));
    // There is nothing to repair there, and looking needs no room.
    let folder = volume.path.to_str().expect("a path").to_owned();
    assert_eq!(run(&["repair", &folder]), (Some(0), String::new()));
}

#[test]
fn a_broken_wav_to_repair_is_one_line_and_stays_as_it_is() {
    let place = Place::new();
    let path = place.path("broken.wav.part");
    for bytes in [&b"RIFF\x10\0\0\0WAVEfmt nonsense, and then some more of it"[..], b"not even a header"] {
        fs::write(&path, bytes).expect("written");
        let name = path.to_str().expect("a path");
        // Who names the file wants it repaired; who names its folder wants what can be.
        let folder = place.folder.path().to_str().expect("a path");
        for (target, code, words) in [(name, Some(1), "not repaired: "), (folder, Some(0), "left alone: ")] {
            let (found, said) = run(&["repair", target]);
            assert_eq!(found, code, "{said}");
            assert!(said.contains(&format!("broken.wav.part: {words}")) && said.trim_end().lines().count() == 1, "{said}");
            assert_eq!(fs::read(&path).expect("there"), bytes);
        }
    }
}

#[test]
fn a_broken_recording_fails_the_verification() {
    let place = Place::new();
    fs::write(place.path("a.wav"), b"RIFF\x10\0\0\0WAVEfmt nonsense").expect("written");
    assert_eq!(run(&["verify", place.folder.path().to_str().expect("a path")]).0, Some(1));
}

#[test]
fn sources_that_can_all_not_work_are_a_failure() {
    let place = Place::new();
    let config = place.config("", "[s]\ntype = file\npath = /nowhere/x.wav\n");
    let mut recorder = Recorder::start(&config, &[]);
    assert_eq!(recorder.wait(Duration::from_secs(10)).code(), Some(1), "{}", recorder.log.join("\n"));
}

#[test]
fn a_second_recorder_on_the_same_folder_is_refused() {
    let place = Place::new();
    let raw = place.raw("long", &noise(7, 48_000 * 20));
    let section =
        format!("[s]\ntype = file\npath = {}\npace = real\nraw_bits = 16\nsample_rate = 48000\nchannels = 1\n", raw.display());
    let config = place.config("", &section);
    let mut first = Recorder::start(&config, &[]);
    first.wait_for("recording", Duration::from_secs(10));
    std::thread::sleep(Duration::from_millis(500));
    let mut second = Recorder::start(&config, &[]);
    let line = second.wait_for("ERROR", Duration::from_secs(10));
    assert!(line.contains("recordings"), "{line}");
    // It has failed when there is sound that it cannot keep.
    if !second.log.iter().any(|line| line.contains("[s] recording")) {
        second.wait_for("[s] recording", Duration::from_secs(10));
    }
    second.signal("TERM");
    assert_eq!(second.wait(Duration::from_secs(10)).code(), Some(1), "{}", second.log.join("\n"));
    first.signal("TERM");
    assert!(first.wait(Duration::from_secs(6)).success());
    assert_eq!(recordings(&place.recordings()).len(), 1);
}

#[test]
fn a_station_that_nobody_answers_for_keeps_nobody_from_recording() {
    let place = Place::new();
    let stream = "[radio]\ntype = stream\nurl = http://user:hunter2@127.0.0.1:9/live\nformat = auto\n";
    let config = place.config("", &(good(&place) + stream));
    let mut recorder = Recorder::start(&config, &[]);
    let line = recorder.wait_for("[radio]", Duration::from_secs(20));
    assert!(line.contains("127.0.0.1:9/live") && line.contains("failure 1, next attempt in"), "{line}");
    if !recorder.log.iter().any(|line| line.contains("[good] recorded")) {
        recorder.wait_for("[good] recorded", Duration::from_secs(30));
    }
    recorder.signal("TERM");
    assert!(recorder.wait(Duration::from_secs(6)).success());
    assert_eq!(recordings(&place.recordings().join("good")).len(), 1);
    assert!(!recorder.log.join("").contains("hunter2"), "{}", recorder.log.join("\n"));
}

#[test]
fn a_named_file_is_repaired_in_place_or_the_reason_is_said() {
    for format in ["wav", "flac"] {
        let place = Place::new();
        let raw = place.raw("short", &noise(8, 48_000 * 3));
        let section = format!(
            "[s]\ntype = file\npath = {}\npace = fast\nraw_bits = 16\nsample_rate = 48000\nchannels = 1\nformat = {format}\n",
            raw.display()
        );
        let mut recorder = Recorder::start(&place.config("", &section), &[]);
        assert!(recorder.wait(Duration::from_secs(20)).success());
        let root = place.recordings();
        let file = recordings(&root).remove(0);
        let name = file.to_str().expect("a path");
        let bytes = fs::read(&file).expect("there");
        let (code, said) = run(&["repair", name]);
        assert!(code == Some(0) && said.contains("whole already"), "{code:?} {said}");
        assert_eq!(fs::read(&file).expect("there"), bytes);
        fs::write(&file, &bytes[..bytes.len() * 2 / 3]).expect("cut off");
        assert_eq!(run(&["verify", root.to_str().expect("a path")]).0, Some(1));
        // By a relative name, from inside.
        let out = soundpost().current_dir(&root).arg("repair").arg(file.file_name().expect("a name")).output().expect("runs");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        common::assert_sound(&file);
        assert_eq!(common::sidecar(&root, &file)["frames"].as_u64(), Some(common::decode(&file).len() as u64));
        assert_eq!(run(&["verify", root.to_str().expect("a path")]), (Some(0), String::new()));
    }
    let place = Place::new();
    let strange = place.path("strange");
    fs::create_dir(&strange).expect("made");
    for (name, part) in [("song.flac", "not repaired"), ("song.wav.part", "not repaired"), ("notes.txt", "no recording")] {
        let path = strange.join(name);
        fs::write(&path, [7; 5_000]).expect("written");
        let (code, said) = run(&["repair", path.to_str().expect("a path")]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(name) && said.contains(part) && said.trim_end().lines().count() == 1, "{said}");
    }
    run(&["repair", strange.to_str().expect("a path")]);
    assert!(!strange.join(".soundpost").exists(), "it was only looked at");
}

/// The folder of the sidecars is remembered, and what is missing must be told in gaps.csv.
#[test]
fn verify_finds_the_sidecars_and_frames_that_nobody_told_of() {
    let place = Place::new();
    let raw = place.raw("minute", &noise(10, 8_000 * 60));
    let section = format!(
        "[s]\ntype = file\npath = {}\npace = fast\nraw_bits = 16\nsample_rate = 8000\nchannels = 1\nfilename_pattern = %M/%S\n[analysis]\nanalyses_dir = {}\n",
        raw.display(),
        place.path("meta").display()
    );
    let mut recorder = Recorder::start(&place.config("split_minutes = 0.25", &section), &[]);
    assert!(recorder.wait(Duration::from_secs(20)).success());
    let root = place.recordings();
    let verify = |folder: &std::path::Path| {
        let out = soundpost().arg("verify").arg(folder).output().expect("runs");
        (out.status.code(), String::from_utf8_lossy(&out.stdout).into_owned())
    };
    let (code, said) = verify(&root);
    assert!(code == Some(0) && !said.contains("no sidecar"), "{said}");
    let files = recordings(&root);
    let (code, said) = verify(files[0].parent().expect("a folder"));
    assert!(code == Some(0) && !said.contains("no sidecar"), "a part of it: {said}");
    // In order of time: names begin anew each hour.
    let side = |path: &std::path::PathBuf| -> serde_json::Value {
        let below = path.strip_prefix(&root).expect("below").display().to_string();
        let text = fs::read_to_string(place.path("meta").join(format!("{below}.analysis.json"))).expect("the sidecar");
        serde_json::from_str(&text).expect("JSON")
    };
    let mut files: Vec<_> =
        files.into_iter().map(|path| (side(&path)["first_frame"].as_u64().expect("a number"), path)).collect();
    files.sort();
    let (_, gone) = &files[1];
    let told = side(gone);
    fs::remove_file(gone).expect("gone");
    let (code, said) = verify(&root);
    let frames = told["frames"].as_u64().expect("a number");
    assert!(code == Some(1) && said.contains("unaccounted") && said.contains(&format!(" {frames} frames")), "{said}");
    let line =
        format!("start,end,source,frames_lost,reason\n{},{},s,{frames},disk\n", told["start"], told["end"]).replace('"', "");
    fs::write(root.join("gaps-2020.csv"), line).expect("written");
    let (code, said) = verify(&root);
    assert!(code == Some(0) && said.contains("gap  "), "{said}");
}
