//! The recorder's clock from elsewhere: a browser that knows the time better, files that are named anew, a table to line them up by,
//! and what chronyd tells.

mod common;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use common::kernel_clock::kernel_clock;
use common::{Place, Recorder, assert_sound, free_port, recordings, sidecar, soundpost, until_it_is};
use jiff::{Timestamp, ToSpan};
use serde_json::Value;

/// A tone and a page; the machine's clock is out of reach of this process, whatever the machine's keepers think of it.
fn start(place: &Place, keys: &str, is_synced: bool) -> (Recorder, String) {
    // Free a moment ago.
    let port = free_port();
    let sections = format!(
        "[web]\nport = {port}\nbind = 127.0.0.1\n[s]\ntype = tone\nsample_rate = 8000\nchannels = 1\nsync_seconds = 0.5\n{keys}\n"
    );
    let config = place.config(&common::lanes::no_boundary(), &sections);
    let mut command = Command::new("setpriv");
    command.args(["--inh-caps=-sys_time", "--bounding-set=-sys_time", "--"]).arg(soundpost().get_program());
    command.env("LD_PRELOAD", kernel_clock(place, is_synced));
    let mut recorder = Recorder::spawn(command.arg("record").arg("-c").arg(config));
    let line = recorder.wait_for("http://", Duration::from_secs(30));
    let port = line.trim_end_matches('/').rsplit(':').next().expect("a port").to_owned();
    recorder.wait_for("[s] recording", Duration::from_secs(10));
    (recorder, format!("http://127.0.0.1:{port}/"))
}

fn get(base: &str, path: &str) -> Value {
    let text = ureq::get(format!("{base}{path}")).call().expect("answered").body_mut().read_to_string().expect("a body");
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}: {text}"))
}

/// Status and answer.
fn set(base: &str, body: &str) -> (u16, Value) {
    let request = ureq::post(format!("{base}api/clock")).header("Content-Type", "application/json");
    let asked = request.config().http_status_as_error(false).build().send(body);
    let mut answer = asked.expect("answered");
    let text = answer.body_mut().read_to_string().expect("a body");
    (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or_default())
}

fn stop(mut recorder: Recorder) -> String {
    recorder.signal("TERM");
    assert!(recorder.wait(Duration::from_secs(10)).success(), "{}", recorder.log.join("\n"));
    recorder.log.join("\n")
}

const SOON: Duration = Duration::from_secs(15);

/// Each file with its sidecar, oldest first.
fn files(place: &Place) -> Vec<(PathBuf, Value)> {
    let root = place.recordings();
    let mut files: Vec<(PathBuf, Value)> =
        recordings(&root).into_iter().map(|path| (path.clone(), sidecar(&root, &path))).collect();
    files.sort_by_key(|(_, side)| side["first_frame"].as_u64());
    files.iter().for_each(|(path, _)| assert_sound(path));
    files
}

#[test]
fn a_clock_that_is_kept_is_not_set_by_a_browser() {
    let place = Place::new();
    let (recorder, base) = start(&place, "", true);
    let (before, later) = (get(&base, "api/status"), Timestamp::now() + 240.hours());
    assert_eq!((&before["clock"]["synced"], &before["clock"]["source"]), (&true.into(), &"system".into()));
    assert_eq!(set(&base, &format!("{{\"time\":\"{later}\"}}")).0, 409);
    stop(recorder);
}

/// Sets the clock of a recorder that records a tone to ten days later, after two seconds.
fn set_by_a_browser(place: &Place, keys: &str) -> Timestamp {
    let root = place.recordings();
    let (recorder, base) = start(place, keys, false);
    let before = get(&base, "api/status");
    let later = Timestamp::now() + 240.hours();
    assert_eq!(before["clock"]["source"], "none");
    for wrong in ["", "{}", "{\"time\":7}", "{\"time\":\"soon\"}", "{\"time\":\"1999-01-01T00:00:00Z\"}"] {
        assert_eq!(set(&base, wrong).0, 422, "{wrong}");
    }
    // Enough of it that the two files begin in different seconds, or their names would differ by more than those.
    until_it_is("sound", SOON, || get(&base, "api/status")["sources"][0]["frames"].as_u64() > Some(2 * 8000));
    let (status, told) = set(&base, &format!("{{\"time\":\"{later}\"}}"));
    assert_eq!((status, told["by"].as_str()), (200, Some("offset")), "{told}");
    assert!((told["moved_s"].as_f64().expect("seconds") - 864_000.0).abs() < 5.0, "{told}");
    let after = get(&base, "api/status");
    assert_eq!(after["clock"]["source"], "browser");
    let now: Timestamp = after["now"].as_str().expect("a time").parse().expect("RFC 3339");
    assert!((now.as_second() - later.as_second()).abs() < 5, "{now}");
    if !keys.contains("trigger") {
        until_it_is("the file before ends by the clock", SOON, || recordings(&place.recordings()).len() == 1);
    }
    std::thread::sleep(Duration::from_secs(1));
    // The catalogue has the files under the names that they have.
    let named = || -> Vec<String> {
        let mut found: Vec<String> =
            recordings(&root).iter().map(|path| path.strip_prefix(&root).expect("below").display().to_string()).collect();
        found.sort();
        found
    };
    until_it_is("the catalogue follows", SOON, || {
        let listed = get(&base, "api/files");
        let closed = listed["files"].as_array().expect("a list").iter().filter(|file| file["state"] != "open");
        let mut listed: Vec<String> = closed.map(|file| file["name"].as_str().expect("a name").to_owned()).collect();
        listed.sort();
        listed == named() && (!listed.is_empty() || keys.contains("trigger"))
    });
    let log = stop(recorder);
    assert!(log.contains("set by a browser at 127.0.0.1"), "{log}");
    later
}

#[test]
fn a_browser_is_the_clock_of_a_recorder_that_has_none() {
    let place = Place::new();
    let later = set_by_a_browser(&place, "");
    let files = files(&place);
    assert_eq!(files.len(), 2, "{files:?}");
    let (first, second) = (&files[0].1, &files[1].1);
    let near = |side: &Value| {
        let start: Timestamp = side["start"].as_str().expect("a time").parse().expect("RFC 3339");
        (start.as_second() - later.as_second()).abs() < 8
    };
    assert!(near(first) && near(second), "{first} {second}");
    assert_eq!(
        (&first["end_reason"], &first["clock_source"], &second["clock_source"]),
        (&"clock".into(), &"browser".into(), &"browser".into())
    );
    assert!((first["corrected_by"].as_f64().expect("seconds") - 864_000.0).abs() < 5.0 && second.get("corrected_by").is_none());
    assert_eq!(second["clock"], "unsynced");
    // The first is named by the old clock still, for nobody asked for more.
    let name = |n: usize| files[n].0.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(name(0)[..8] < name(1)[..8], "{} {}", name(0), name(1));
}

#[test]
fn files_are_named_anew_where_that_is_wished_for() {
    let place = Place::new();
    let keys = "rename_corrected = yes\nfilename_pattern = %Y-%m-%d/s_%H%M%S";
    let later = set_by_a_browser(&place, keys);
    let files = files(&place);
    assert_eq!(files.len(), 2, "{files:?}");
    let zone = common::lanes::no_boundary().rsplit_once("= ").expect("a zone").1.to_owned();
    for (path, side) in &files {
        let start: Timestamp = side["start"].as_str().expect("a time").parse().expect("RFC 3339");
        assert!((start.as_second() - later.as_second()).abs() < 8);
        let local = start.in_tz(&zone).expect("a zone").strftime("%Y-%m-%d/s_%H%M%S.wav").to_string();
        assert_eq!(path.strip_prefix(place.recordings()).expect("below"), std::path::Path::new(&local));
        assert_eq!(side["file"].as_str(), Some(&*local));
    }
    // Nothing is left of the old name, but for its folder.
    let mut left = Vec::new();
    common::walk(&place.recordings().join("analyses"), &mut left);
    left.retain(|path| !path.components().any(|part| part.as_os_str().to_string_lossy().starts_with('.')));
    let day = files[0].0.parent().and_then(|day| day.file_name()).expect("a day").to_string_lossy().into_owned();
    assert!(
        left.iter().all(|path| path.to_string_lossy().contains(&*day)
            || files.iter().any(|(f, _)| path.to_string_lossy().contains(&*f.file_name().expect("a name").to_string_lossy()))),
        "{left:?}"
    );
    let out = soundpost().arg("verify").arg(place.recordings()).output().expect("runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
}

#[test]
fn a_table_lines_files_up() {
    let place = Place::new();
    let (recorder, base) = start(&place, "split_minutes = 0.02", false);
    until_it_is("some files", SOON, || recordings(&place.recordings()).len() >= 3);
    let listed = || get(&base, "api/files")["files"].as_array().expect("a list").iter().filter(|f| f["state"] != "open").count();
    until_it_is("they are in the catalogue", SOON, || listed() >= 3);
    let table =
        |path: &str| ureq::get(format!("{base}{path}")).call().expect("answered").body_mut().read_to_string().expect("text");
    let text = table("api/exports/sync.csv");
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines[0], ["filename", "timestamp", "audio_samples_written"]);
    let root = place.recordings();
    let mut last: Option<Timestamp> = None;
    for pair in lines[1..].chunks(2) {
        let side = sidecar(&root, &root.join(pair[0][0]));
        assert_eq!((pair[0][1], pair[0][2]), (side["start"].as_str().expect("a time"), "0"));
        assert_eq!((pair[1][0], pair[1][2].parse().ok()), (pair[0][0], side["frames"].as_u64()));
        let at = |line: &Vec<&str>| line[1].parse::<Timestamp>().expect("RFC 3339");
        // Where one ends the next begins, to half a millisecond a second.
        let apart = last.map_or(0.0, |last| (at(&pair[0]).as_microsecond() - last.as_microsecond()) as f64 / 1e6);
        assert!(apart.abs() < 0.01, "{apart} s");
        last = Some(at(&pair[1]));
    }
    assert!(lines.len() >= 7, "{text}");
    assert_eq!(table("api/exports/sync.csv?source=other").lines().count(), 1);
    stop(recorder);
}

#[test]
fn what_was_only_heard_is_on_its_true_day() {
    let place = Place::new();
    let later = set_by_a_browser(&place, "trigger = level\npre_roll = 0\nsplit_minutes = 60");
    let root = place.recordings().join("analyses/.watch");
    let zone = common::lanes::no_boundary().rsplit_once("= ").expect("a zone").1.to_owned();
    let date = later.in_tz(&zone).expect("a zone").strftime("%Y-%m-%d").to_string();
    let mut found = Vec::new();
    common::walk(&root, &mut found);
    found.retain(|path| path.is_file());
    // Before the clock was set and after; another where an hour ends just now.
    assert!(found.len() == 4 || found.len() == 6, "two stretches, each with its profile: {found:?}");
    for path in found {
        assert!(path.starts_with(root.join(&date)), "{}", path.display());
        if path.extension().is_some_and(|e| e == "json") {
            let side: Value = serde_json::from_slice(&std::fs::read(&path).expect("read")).expect("JSON");
            let start: Timestamp = side["start"].as_str().expect("a time").parse().expect("RFC 3339");
            assert!((start.as_second() - later.as_second()).abs() < 8, "{side}");
            assert!(path.ends_with(format!("{}.analysis.json", side["file"].as_str().expect("a name"))), "{side}");
        }
    }
    assert!(recordings(&place.recordings()).is_empty());
}
