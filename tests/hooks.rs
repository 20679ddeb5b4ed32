//! Programs that are run for finished recordings: good ones and bad ones, all real. Whatever they do, the recording goes on, and
//! the recorder ends when it should.

mod common;
mod page_rig;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::{Place, Recorder, free_port, noise, until};
use page_rig::Target;
use serde_json::Value;

const RATE: usize = 8_000;
/// Longer than the pause between two looks through the folder.
const SOON: Duration = Duration::from_secs(120);

/// A program in this place.
fn program(place: &Place, name: &str, script: &str) -> PathBuf {
    let path = place.path(name);
    fs::write(&path, script).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
    path
}

/// A recorder that makes a file of a second or so each second, so many; `keys` are those of its source.
fn recorder(place: &Place, seconds: usize, keys: &str, web: &str) -> Recorder {
    let raw = place.raw("noise", &noise(7, seconds * RATE));
    let section = format!(
        "{web}\n[mic]\ntype = file\npath = {}\npace = real\nloop = yes\nraw_bits = 16\nsample_rate = {RATE}\nchannels = 1\n\
         format = flac\nfilename_pattern = %H%M%S_%f\n{keys}\n",
        raw.display()
    );
    Recorder::start(&place.config("split_minutes = 0.05\nsync_seconds = 0.2\nmemory_budget_mb = 512", &section), &[])
}

#[track_caller]
fn stop(recorder: &mut Recorder) {
    let began = Instant::now();
    recorder.signal("TERM");
    let ended = recorder.wait(Duration::from_secs(6));
    assert!(ended.success() && began.elapsed() < Duration::from_secs(4), "{:?}\n{}", began.elapsed(), recorder.log.join("\n"));
}

/// What each finished recording's sidecar says of its program, by name.
fn told(place: &Place) -> Vec<(String, Value)> {
    let entries = fs::read_dir(place.recordings().join("analyses")).into_iter().flatten().flatten();
    let mut told: Vec<(String, Value)> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?.strip_suffix(".analysis.json")?.to_owned();
            let sidecar: Value = serde_json::from_slice(&fs::read(entry.path()).ok()?).ok()?;
            Some((name, sidecar["on_close"].clone())).filter(|(_, told)| told.is_object())
        })
        .collect();
    told.sort_by(|a, b| a.0.cmp(&b.0));
    told
}

/// A program that writes a table of BirdNET-Analyzer, whose labels the page then has; what it says is in the log.
#[test]
fn what_a_program_finds_is_labels_of_the_recording() {
    let place = Place::new();
    let script = "#!/usr/bin/env python3\nimport csv, json, os, sys\nfile, sidecar, result, source = sys.argv[1:]\n\
                  told = json.load(open(sidecar))\n\
                  assert told['sections'] is not None and os.path.getsize(file) > told['frames'] > 0, told\n\
                  assert not [name for name in os.environ if 'SECRET' in name or 'CARGO' in name], os.environ\n\
                  print('hello from', source, flush=True)\nprint('nice', os.nice(0), file=sys.stderr)\n\
                  with open(result + '.birdnet.csv', 'w', newline='') as table:\n\
                  \x20   rows = csv.writer(table)\n\
                  \x20   rows.writerow(['Start (s)', 'End (s)', 'Scientific name', 'Common name', 'Confidence'])\n\
                  \x20   rows.writerow([0.0, 1.5, 'Erithacus rubecula', 'European \"Robin\", red', 0.8714])\n\
                  \x20   rows.writerow([1.5, 2.5, 'Turdus merula', 'Blackbird', 0.44])\n";
    let hook = program(&place, "my hook.py", script);
    let port = free_port();
    let keys = format!("on_close = \"{}\" {{file}} {{sidecar}} '{{result}}' {{source}}", hook.display());
    let mut recorder = recorder(&place, 60, &keys, &format!("[web]\nport = {port}\nbind = 127.0.0.1"));
    let page = Target { port, folder: place.recordings() };
    let name = until("a first one", SOON, || told(&place).first().map(|(name, _)| name.clone()));
    recorder.wait_for_all(&["[mic] hello from mic"], SOON);
    recorder.wait_for_all(&["[mic] nice 19"], SOON);
    let mut seen = String::new();
    let analysis = until("labels", SOON, || {
        let reply = page.get(&format!("/api/files/{name}/analysis"));
        let now = format!("{} {}", reply.status, page.get(&format!("/api/files/{name}")).json());
        if now != seen {
            eprintln!("{now}"); // for whoever looks for the fault
            seen = now;
        }
        Some(reply).filter(|reply| reply.status == 200).map(|reply| reply.json()).filter(|it| it["labels"][0].is_object())
    });
    let first = serde_json::json!({
        "tool": "birdnet", "from_s": 0, "to_s": 1.5, "name": "European \"Robin\", red", "scientific_name": "Erithacus rubecula",
        "confidence": 0.8714, "f_lo_hz": null, "f_hi_hz": null,
    });
    assert_eq!((&analysis["labels"][0], analysis["labels"].as_array().map(Vec::len)), (&first, Some(2)), "{analysis}");
    let details = until("in the catalogue", SOON, || {
        let row = page.get(&format!("/api/files/{name}")).json();
        Some(row["details"].clone()).filter(|details| details["labels"].is_array())
    });
    assert_eq!(details["labels"][0]["tool"], "birdnet");
    assert_eq!((&details["labels"][0]["count"], &details["labels"][0]["found"][1]["name"]), (&2.into(), &"Blackbird".into()));
    assert_eq!((&details["on_close"]["exit"], &details["on_close"]["trouble"]), (&0.into(), &Value::Null), "{details}");
    let status = page.get("/api/status").json();
    assert!(status["health"]["hooks_run"].as_u64() > Some(0) && status["health"]["hooks_failed"] == 0, "{status}");

    // It goes with its recording.
    let table = place.recordings().join(format!("analyses/{name}.birdnet.csv"));
    assert!(table.exists());
    assert_eq!(page.ask("DELETE", &format!("/api/files/{name}"), "", "").status, 204);
    assert!(!table.exists() && !place.recordings().join(&name).exists());
    stop(&mut recorder);
}

/// Each of these must cost the recording nothing, and leave nothing behind.
#[test]
fn bad_programs_harm_nobody() {
    let crash = "#!/bin/sh\necho before >&2\nkill -ABRT $$\n";
    let flood = "#!/usr/bin/env python3\nimport sys\nfor n in range(200_000): print('line', n, 'x' * 40)\nsys.exit(3)\n";
    let forks = "#!/bin/sh\nsleep 1000 &\necho $! >>\"$1.pids\"\nexit 0\n";
    let hangs = "#!/bin/sh\ntrap '' TERM\necho $$ >>\"$1.pids\"\nsleep 1000\n";
    let cases = [
        ("crash", crash, "was ended by signal 6"),
        ("flood", flood, "failed with exit status 3"),
        ("forks", forks, "was run for"),
        ("hangs", hangs, "took more than 1 s and was ended"),
        ("absent", "", "cannot be started"),
    ];
    let running = cases.map(|(name, script, said)| {
        std::thread::spawn(move || {
            let place = Place::new();
            let hook = program(&place, name, script);
            if script.is_empty() {
                fs::remove_file(&hook).expect("gone");
            }
            let pids = place.path("list");
            let limit = if name == "hangs" { 1 } else { 100 };
            let keys = format!("on_close = {} {}\non_close_timeout_seconds = {limit}", hook.display(), pids.display());
            let mut recorder = recorder(&place, 60, &keys, "");
            recorder.wait_for_all(&["[mic]", said], SOON);
            // Seconds later it still records, and nothing is missing between its files.
            recorder.wait_for_all(&["recorded"], SOON);
            until("more files", SOON, || (recordings(&place).len() > 3).then_some(()));
            stop(&mut recorder);
            let log = recorder.log.join("\n");
            assert!(
                log.lines().filter(|line| line.contains("] line ")).count() <= 50 * recordings(&place).len(),
                "{name}: {log}"
            );
            assert_eq!(log.contains("199950 lines more"), name == "flood", "{name}: {log}");
            assert!(log.contains("captured") && log.contains(", lost 0, ") && log.contains(" 0 gaps"), "{name}: {log}");
            for pid in fs::read_to_string(place.path("list.pids")).unwrap_or_default().split_whitespace() {
                let stat = Path::new("/proc").join(pid).join("stat");
                until(&format!("{name}: {pid} goes"), SOON, || {
                    fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z")).then_some(())
                });
            }
        })
    });
    for one in running {
        one.join().expect("harmless");
    }
}

fn recordings(place: &Place) -> Vec<PathBuf> {
    let entries = fs::read_dir(place.recordings()).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "flac")).collect();
    paths.sort();
    paths
}

/// One that was at work when the recorder ended is run again after the next start; nothing is run twice that was run to its end.
#[test]
fn what_was_missed_is_made_up_for() {
    let place = Place::new();
    let slow = "#!/bin/sh\necho begun >>\"$2\"\n[ -e \"$2.quick\" ] || sleep 1000\necho \"$1\" >>\"$2.done\"\n";
    let (hook, list) = (program(&place, "slow", slow), place.path("list"));
    let keys = format!("on_close = {} {{file}} {}", hook.display(), list.display());
    let mut first = recorder(&place, 60, &keys, "");
    until("the first begins", SOON, || fs::read_to_string(&list).ok());
    until("others wait", SOON, || (recordings(&place).len() > 2).then_some(()));
    stop(&mut first);
    assert!(told(&place).is_empty() && !place.path("list.done").exists(), "none was run to its end");
    let before = recordings(&place);
    fs::write(place.path("list.quick"), "").expect("written");

    let mut second = recorder(&place, 60, &keys, "");
    let done = || fs::read_to_string(place.path("list.done")).unwrap_or_default();
    until("all of the first run", SOON, || {
        before.iter().all(|path| done().contains(path.to_str().expect("UTF-8"))).then_some(())
    });
    stop(&mut second);
    let done = done();
    let mut lines: Vec<&str> = done.lines().collect();
    let all = lines.len();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), all, "none twice: {done}");
    assert!(told(&place).len() >= before.len(), "and each says so");
}
