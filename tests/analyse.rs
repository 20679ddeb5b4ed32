//! `soundpost analyse` over a folder that others made.

mod common;
mod sounds;

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;
use soundpost::format::profile;
use sounds::Bench;

fn analyse(paths: &[&Path], options: &[&str]) -> Output {
    common::soundpost().arg("analyse").args(paths).args(options).output().expect("the program")
}

fn lines(output: &Output) -> Vec<String> {
    let mut lines: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn every_kind_of_recording_gets_a_profile_and_what_is_known_is_not_done_again() {
    let bench = Bench::new(44_100, 2, 16, 300_000);
    let folder = bench.path("folder");
    fs::create_dir_all(folder.join("sub")).expect("made");
    let made = [
        bench.ffmpeg("folder/20260522_040000.wav", &[]),
        bench.ffmpeg("folder/20260522_050000.flac", &[]),
        bench.ffmpeg("folder/sub/20260522_060000.mp3", &["-b:a", "128k"]),
        bench.ffmpeg("folder/20260522_070000.opus", &["-c:a", "libopus"]),
    ];
    fs::write(folder.join("broken.wav"), b"RIFF no more").expect("written");
    fs::create_dir_all(folder.join("analyses")).expect("made");
    let theirs = folder.join("analyses/20260522_040000.wav.analysis.json");
    fs::write(&theirs, r#"{"segments": [], "duration": 6.8}"#).expect("written");

    let first = analyse(&[&folder], &[]);
    assert_eq!(first.status.code(), Some(1), "the broken one is a failure: {}", String::from_utf8_lossy(&first.stderr));
    assert_eq!(lines(&first).len(), made.len(), "{:?}", lines(&first));
    assert!(String::from_utf8_lossy(&first.stderr).contains("broken.wav: "));
    for recording in &made {
        let name = recording.strip_prefix(&folder).expect("below").display().to_string();
        let bytes = fs::read(folder.join("analyses").join(format!("{name}.profile"))).expect("a profile");
        let profile = profile::read(&bytes).expect("whole");
        assert!(profile.frames.abs_diff(300_000) < 30_000 && !profile.columns.is_empty(), "{name}: {} frames", profile.frames);
    }
    assert_eq!(fs::read_to_string(&theirs).expect("there"), r#"{"segments": [], "duration": 6.8}"#, "another program's");

    fs::remove_file(folder.join("broken.wav")).expect("removed");
    let again = analyse(&[&folder], &[]);
    assert!(again.status.success() && lines(&again).iter().all(|line| line.ends_with("analysed before")), "{:?}", lines(&again));

    let json = analyse(&[&made[1]], &["--json", "--again", "--detector", "bands", "--margin", "9"]);
    let value: Value = serde_json::from_str(&lines(&json)[0]).expect("JSON");
    assert_eq!((&value["detection"]["detector"], &value["detection"]["margin_db"]), (&"bands".into(), &9.0.into()));
    assert_eq!((&value["frames"], &value["sample_rate"]), (&300_000.into(), &44_100.into()));

    // Levels alone are enough for who wants no more, and not for who does.
    let columns =
        || profile::read(&fs::read(folder.join("analyses/20260522_050000.flac.profile")).expect("there")).expect("whole").columns;
    let said = |more: &[&str]| lines(&analyse(&[&made[1]], more)).concat();
    assert!(said(&["--levels"]).ends_with("analysed before"), "there is more than is wanted");
    assert!(!said(&["--levels", "--again"]).ends_with("before") && columns().is_empty());
    assert!(said(&["--levels"]).ends_with("analysed before"));
    assert!(!said(&[]).ends_with("before") && !columns().is_empty(), "there was less than is wanted");
}

#[test]
fn what_is_not_there_is_one_line() {
    let output = analyse(&[Path::new("/nowhere/at/all.wav")], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1);
}
