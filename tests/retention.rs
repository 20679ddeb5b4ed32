//! A small disk under the real program: it records on for ever, the oldest give way, what is locked stays, and a person is told.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::volume::Volume;
use common::{Place, Recorder, assert_sound, free_port, recordings, until};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(30);
/// Eight channels at 96 kHz: 1.5 MB each second, files of 1.2 s.
const LOUD: &str = "[s]\ntype = tone\nsample_rate = 96000\nchannels = 8\nformat = wav\nfilename_pattern = s/%H%M%S\nsplit_minutes = 0.02\npool_seconds = 6\n";

fn record(volume: &Volume, config: &Path) -> Recorder {
    Recorder::spawn(volume.command(env!("CARGO_BIN_EXE_soundpost")).arg("record").arg("-c").arg(config))
}

fn summary(recorder: &Recorder) -> String {
    recorder.log.iter().rfind(|line| line.contains("s: captured ")).expect("a summary").clone()
}

fn stop(recorder: &mut Recorder) {
    recorder.signal("TERM");
    assert!(recorder.wait(PATIENCE).success(), "{}", recorder.log.join("\n"));
}

struct Page(String);

impl Page {
    fn ask(&self, method: &str, path: &str, body: &str) -> Value {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.0))
            .body(body.to_owned())
            .expect("a request");
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        until(path, PATIENCE, || {
            let mut answer = agent.run(request.clone()).ok()?;
            let text = answer.body_mut().read_to_string().ok()?;
            (answer.status() == 200).then(|| serde_json::from_str(&text).expect("JSON"))
        })
    }
}

/// Names below the root.
fn names(root: &Path) -> Vec<String> {
    recordings(root).iter().map(|path| path.strip_prefix(root).expect("below").display().to_string()).collect()
}

fn beside(root: &Path, name: &str) -> PathBuf {
    root.join("analyses").join(format!("{name}.analysis.json"))
}

#[test]
fn a_small_disk_records_for_ever_and_what_is_locked_stays() {
    let (place, volume) = (Place::new(), Volume::new(64 << 10));
    let root = volume.path.join("recordings");
    let port = free_port();
    let storage = "[storage]\nmin_free_hours = 0\nmin_free_bytes = 16M\n";
    let config = place.config("memory_budget_mb = 256", &format!("{LOUD}{storage}[web]\nbind = 127.0.0.1\nport = {port}\n"));
    let inside = volume.inside().join("recordings");
    let text = fs::read_to_string(&config).expect("read");
    let text = text.replace(&place.recordings().display().to_string(), &inside.display().to_string());
    fs::write(&config, text).expect("written");
    let mut recorder = record(&volume, &config);
    recorder.wait_for("the page: ", PATIENCE);
    let page = Page(format!("http://127.0.0.1:{port}/"));

    // The first is locked, the fourth is elsewhere, nobody has touched the others.
    let four = until("four recordings", PATIENCE, || Some(names(&root)).filter(|names| names.len() >= 4));
    let (locked, uploaded) = (&four[0], &four[3]);
    assert_eq!(page.ask("PUT", &format!("api/files/{}/lock", locked), "{\"locked\":true}")["locked"], true);
    let side = beside(&root, uploaded);
    let mut told: Value = serde_json::from_slice(&fs::read(&side).expect("read")).expect("JSON");
    told["uploaded_at"] = json!("2026-05-22T02:00:00.000000Z");
    fs::write(&side, told.to_string()).expect("written");
    let row = page.ask("PUT", &format!("api/files/{}/reviewed", uploaded), "{\"reviewed\":true}");
    assert_eq!(row["uploaded_at"], "2026-05-22T02:00:00.000000Z");

    // Deleted from the floor on, long before the disk is full.
    let first = recorder.wait_for(": deleted, for room: ", Duration::from_secs(60));
    assert!(first.contains(&format!("{uploaded}: deleted, for room: uploaded")), "{first}");
    recorder.wait_for(&format!("{}: deleted, for room: ", four[1]), PATIENCE);
    let status = until("a status with it", PATIENCE, || {
        Some(page.ask("GET", "api/status", "")).filter(|s| s["retention"]["deleted"].as_u64() >= Some(2))
    });
    assert_eq!(status["retention"]["floor_bytes"], 16 << 20);
    assert!(status["retention"]["last"]["reason"].as_str().is_some_and(|why| why.starts_with("for room: ")), "{status}");

    // The rest is taken by somebody else: for real there is no room for a byte. Where room is made before the recorder needs any,
    // nobody notices; so that is taken too.
    let filler = volume.fill_until(|| recorder.has_said("cannot write"));
    recorder.wait_for("recording again", PATIENCE);
    assert!(root.join(locked).is_file() && filler.is_file());
    let after = names(&root);
    until("more recordings", PATIENCE, || (names(&root).last() > after.last()).then_some(()));

    stop(&mut recorder);
    let log = recorder.log.join("\n");
    assert!(summary(&recorder).contains("lost 0,"), "the pool took up what was heard meanwhile:\n{log}");
    assert!(!log.contains("panicked"), "{log}");
    let left = names(&root);
    assert!(left.contains(locked) && !left.contains(uploaded), "{left:?}");
    recordings(&root).iter().for_each(|path| assert_sound(path));
    // Nothing of what is gone is left beside.
    let mut told = Vec::new();
    common::walk(&root.join("analyses"), &mut told);
    for path in told.iter().filter(|path| !path.ends_with("marks.json")) {
        let name = path.strip_prefix(root.join("analyses")).expect("below").display().to_string();
        let of = name.split(".wav").next().expect("a name");
        assert!(left.iter().any(|left| left.starts_with(of)), "{name} is of no recording: {left:?}");
    }
}

/// A recording that says of itself what `more` says; its sound is of no interest.
fn make(root: &Path, name: &str, start: &str, bytes: usize, more: &Value) {
    let mut side = json!({
        "schema": "soundpost/analysis/1", "file": name, "source": "s", "session": "a", "first_frame": 0, "frames": 48_000,
        "lost_frames": 0, "sample_rate": 48_000, "channels": 1, "start": start, "end": start, "utc_offset_s": 0,
        "clock": "synced", "end_reason": "split", "recovered": false, "suspect": false, "gaps": [], "software": "a test"
    });
    for (key, value) in more.as_object().expect("an object") {
        side[key] = value.clone();
    }
    for folder in [root.to_path_buf(), root.join("analyses")] {
        fs::create_dir_all(folder.join(name).parent().expect("a folder")).expect("made");
    }
    fs::write(root.join(name), vec![0x5A; bytes]).expect("written");
    fs::write(beside(root, name), side.to_string()).expect("written");
}

/// Exit code and lines of both outputs.
fn run(volume: &Volume, config: &Path, words: &[&str]) -> (Option<i32>, String, String) {
    let out = volume
        .command(env!("CARGO_BIN_EXE_soundpost"))
        .arg("retention")
        .args(words)
        .arg("-c")
        .arg(config)
        .output()
        .expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (out.status.code(), text(out.stdout), text(out.stderr))
}

/// In a folder that had a recorder.
fn kept(root: &Path) {
    let up = json!({"uploaded_at": "2026-05-22T02:00:00Z"});
    make(root, "a.wav", "2026-05-01T00:00:00Z", 1 << 20, &json!({"locked": true}));
    make(root, "b.wav", "2026-05-02T00:00:00Z", 1 << 20, &json!({}));
    make(root, "c.wav", "2026-05-03T00:00:00Z", 1 << 20, &up);
    make(root, "d.wav", "2026-05-04T00:00:00Z", 1 << 20, &json!({}));
    // Not ours, and older than all.
    fs::write(root.join("2001-01-01_000000.wav"), vec![0; 1 << 20]).expect("written");
    fs::write(root.join(".soundpost"), "").expect("written");
}

#[test]
fn a_dry_run_tells_what_the_command_does() {
    let (place, volume) = (Place::new(), Volume::new(8 << 10));
    let root = volume.path.join("recordings");
    fs::create_dir_all(&root).expect("made");
    kept(&root);
    let source = |storage: &str| {
        format!(
            "[s]\ntype = tone\noutput_directory = {}\n[storage]\nmin_free_hours = 0\n{storage}",
            volume.inside().join("recordings").display()
        )
    };
    let before = names(&root);

    // About 3 MB are free.
    let config = place.config("", &source("min_free_bytes = 3900K"));
    let (code, told, said) = run(&volume, &config, &["--dry-run"]);
    assert_eq!((code, said.as_str(), names(&root)), (Some(0), "", before.clone()), "{told}");
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].starts_with("would delete c.wav  2026-05-03T00:00:00Z  1.0 MB  for room: uploaded"), "{told}");
    assert!(lines[1].contains(": 1 recordings, 0.001 GB; then ") && lines[2].contains("MB an hour: 0."), "{told}");
    assert!(!root.join("catalogue.db").exists(), "nothing is written");

    let stops = place.config("", &source("min_free_bytes = 3900K\nwhen_full = stop"));
    let (code, told, _) = run(&volume, &stops, &["--dry-run"]);
    assert!(code == Some(1) && told.contains(": 0 recordings") && told.contains("when_full = stop"), "{told}");

    // More than there is: all but what is locked and what is not ours.
    let config = place.config("", &source("min_free_bytes = 1G"));
    let (_, told, _) = run(&volume, &config, &["--dry-run"]);
    let (code, done, said) = run(&volume, &config, &[]);
    assert_eq!(done.lines().count(), told.lines().count(), "{told}{done}{said}");
    let verbs = told
        .lines()
        .zip(done.lines())
        .take(2)
        .map(|(told, done)| (told.replace("would delete", ""), done.replace("deleted", "")));
    verbs.for_each(|(told, done)| assert_eq!(told, done));
    assert_eq!(
        (code, names(&root)),
        (Some(0), vec!["2001-01-01_000000.wav".to_owned(), "a.wav".into(), "d.wav".into()]),
        "half of the disk is free:\n{done}{said}"
    );

    // Beside a recorder it is the recorder's.
    let mut recorder = record(&volume, &config);
    recorder.wait_for("decided at start", PATIENCE);
    until("a file", PATIENCE, || {
        root.read_dir().ok()?.flatten().any(|e| e.path().extension().is_some_and(|e| e == "part")).then_some(())
    });
    let (code, _, said) = run(&volume, &config, &[]);
    assert!(code == Some(1) && said.contains("a recorder is at work here"), "{said}");
    stop(&mut recorder);
    let broken = place.config("", "[storage]\nretention_days = soon\n[s]\ntype = tone\n");
    assert_eq!(run(&volume, &broken, &["--dry-run"]).0, Some(2));
}

#[test]
fn a_recorder_starts_on_a_disk_without_room_for_a_catalogue() {
    let (place, volume) = (Place::new(), Volume::new(8 << 10));
    let root = volume.path.join("recordings");
    fs::create_dir_all(&root).expect("made");
    kept(&root);
    let filler = volume.fill();
    // Nobody looks: there is no page, and the folder is not that of [general].
    let source = format!(
        "[s]\ntype = tone\noutput_directory = {}\n[storage]\nmin_free_hours = 0\nmin_free_bytes = 1M\n",
        volume.inside().join("recordings").display()
    );
    let config = place.config("", &source);
    let mut recorder = record(&volume, &config);
    recorder.wait_for("c.wav: deleted, for room: uploaded", PATIENCE);
    until("a file", PATIENCE, || {
        root.read_dir().ok()?.flatten().any(|e| e.path().extension().is_some_and(|e| e == "part")).then_some(())
    });
    stop(&mut recorder);
    assert!(root.join("a.wav").is_file() && root.join("2001-01-01_000000.wav").is_file() && filler.is_file());
    assert!(summary(&recorder).contains("1 files"), "{}", recorder.log.join("\n"));
}
