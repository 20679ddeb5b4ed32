//! The configuration of a running recorder, changed through its API: who may, what is refused, and that other sources record on
//! without losing a frame.

mod common;
#[path = "common/icecast.rs"]
mod icecast;
mod page_rig;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use common::cards::{card, find, joined};
use common::lanes::no_boundary;
use common::rig::Rig;
use common::{Place, Recorder, bytes_of, decode, free_port, gaps, noise, recordings, sidecar, soundpost, tool};
use icecast::{Icecast, PASSWORD};
use page_rig::{Reply, Target, memory_kb};
use serde_json::{Value, json};

/// Of "secret", and quick to check.
const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$BwcHBwcHBwcHBwcHBwcHBw$4R1PEQPItpvkTH5juMUak3oEb8rtWEdaRzGIjigkYIU";
const KEY: &str = "Authorization: Basic dXNlcjpzZWNyZXQ=\r\n";
const SOON: Duration = Duration::from_secs(20);

/// `mic` and `bat`, each with a tone of its own.
const SOURCES: &str = "[mic]\ntype = tone\nsample_rate = 8000\nchannels = 1\nfilename_pattern = mic-%H%M%S\n\
                       [bat]\ntype = tone\nhz = 500\nsample_rate = 8000\nchannels = 1\nfilename_pattern = bat-%H%M%S\n";

struct Running {
    place: Place,
    config: PathBuf,
    recorder: Recorder,
    site: Target,
}

impl Running {
    fn start(web: &str, sources: &str) -> Running {
        Running::with(web, sources, [])
    }

    fn with<const N: usize>(web: &str, sources: &str, environment: [(&'static str, PathBuf); N]) -> Running {
        let place = Place::new();
        let port = free_port();
        let sections = format!("[web]\nbind = 127.0.0.1\nport = {port}\n{web}{sources}");
        let config = place.config(&no_boundary(), &sections);
        let mut recorder = Recorder::spawn(soundpost().arg("record").arg("-c").arg(&config).envs(environment));
        recorder.wait_for("the page: ", SOON);
        let site = Target { port, folder: place.recordings() };
        site.wait_for(|site| site.get("/healthz").status == 200);
        Running { place, config, recorder, site }
    }

    fn locked() -> Running {
        let running = Running::start(&format!("password_hash = {HASH}\n"), SOURCES);
        running.wait_until(|sources| all_record(sources, &["mic", "bat"]));
        running
    }

    fn file(&self) -> String {
        fs::read_to_string(&self.config).expect("there")
    }

    fn settings(&self) -> Value {
        let reply = self.site.ask("GET", "/api/settings", KEY, "");
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }

    fn put(&self, lines: &str, text: &str) -> Reply {
        self.site.ask("PUT", "/api/settings", lines, &json!({ "text": text }).to_string())
    }

    /// Changed as it was shown.
    fn change(&self, edit: impl Fn(&str) -> String) -> Value {
        let shown = self.settings();
        let lines = format!("{KEY}If-Match: \"{}\"\r\n", shown["revision"].as_str().expect("a revision"));
        let reply = self.put(&lines, &edit(shown["text"].as_str().expect("a text")));
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }

    fn wait_until(&self, is_so: impl Fn(&[Value]) -> bool) {
        self.site.wait_for(|site| {
            let status = site.ask("GET", "/api/status", KEY, "");
            status.status == 200 && is_so(status.json()["sources"].as_array().expect("sources"))
        });
    }

    /// How many frames of a source were captured and lost, by the program's last words.
    fn stop(mut self) -> Stopped {
        self.recorder.signal("TERM");
        assert!(self.recorder.wait(SOON).success(), "{}", self.recorder.log.join("\n"));
        let root = self.place.recordings();
        assert_eq!(gaps(&root), Vec::<Vec<String>>::new());
        tool(env!("CARGO_BIN_EXE_soundpost"), &["verify", root.to_str().expect("a path")]);
        Stopped { place: self.place, log: std::mem::take(&mut self.recorder.log) }
    }
}

struct Stopped {
    place: Place,
    log: Vec<String>,
}

impl Stopped {
    /// The samples of each file of a source, in their order.
    fn files(&self, source: &str) -> Vec<Vec<i32>> {
        let root = self.place.recordings();
        let mut files: Vec<PathBuf> =
            recordings(&root).into_iter().filter(|path| sidecar(&root, path)["source"] == source).collect();
        files.sort_by_key(|path| sidecar(&root, path)["start"].as_str().map(str::to_owned));
        files.iter().map(|path| decode(path)).collect()
    }

    /// Of each life of a lane: frames that were captured.
    fn captured(&self, source: &str) -> Vec<u64> {
        let lines = self.log.iter().filter_map(|line| line.split_once(&format!(" {source}: captured ")).map(|(_, rest)| rest));
        let lines: Vec<&str> = lines.collect();
        assert!(lines.iter().all(|line| line.contains("frames, lost 0,")), "{lines:?}");
        lines.iter().filter_map(|line| line.split(' ').next()?.parse().ok()).collect()
    }
}

fn all_record(sources: &[Value], names: &[&str]) -> bool {
    let recording = |name: &&str| {
        sources
            .iter()
            .any(|source| source["name"] == **name && source["state"] == "recording" && source["frames"].as_u64() > Some(0))
    };
    sources.len() == names.len() && names.iter().all(recording)
}

/// Crossings of zero upwards in a second of 8 kHz: how high a tone is.
fn hz(samples: &[i32]) -> f64 {
    let crossings = samples.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
    crossings as f64 * 8_000.0 / samples.len() as f64
}

fn is_near(have: f64, want: f64) -> bool {
    (have - want).abs() < want * 0.02 + 4.0
}

#[test]
fn one_source_is_changed_and_the_other_has_every_frame() {
    let running = Running::locked();
    let frames_of = |name: &'static str, at_least: u64| {
        running.wait_until(|sources| {
            sources.iter().any(|source| source["name"] == name && source["frames"].as_u64() >= Some(at_least))
        });
    };
    frames_of("bat", 8_000);
    let answer = running.change(|text| text.replace("hz = 500", "hz = 1000"));
    assert_eq!((&answer["changed"], &answer["restart_needed"]), (&json!(["bat"]), &json!([])));
    running.site.wait_for(|_| recordings(&running.place.recordings()).iter().any(|path| path.to_string_lossy().contains("bat-")));
    frames_of("bat", 24_000); // its counters go on
    // Another one comes, and goes; one moves into a folder of its own.
    let answer =
        running.change(|text| format!("{text}\n[wood]\ntype = demo\nsample_rate = 8000\nfilename_pattern = wood-%H%M%S\n"));
    assert_eq!(answer["new"], json!(["wood"]));
    running.wait_until(|sources| all_record(sources, &["mic", "bat", "wood"]));
    assert_eq!(running.site.ask("GET", "/api/live", KEY, "").json()["sources"].as_array().map(Vec::len), Some(3));
    let answer = running.change(|text| text.replace("hz = 1000", "hz = 250\nsync_seconds = 1"));
    assert_eq!(answer["changed"], json!(["bat"]));
    running.site.wait_for(|_| {
        recordings(&running.place.recordings()).iter().filter(|path| path.to_string_lossy().contains("bat-")).count() > 1
    });
    running.wait_until(|sources| all_record(sources, &["mic", "bat", "wood"]));
    frames_of("bat", 8_000);
    let answer = running.change(|text| text.split("[wood]").next().expect("a text").to_owned());
    assert_eq!(answer["gone"], json!(["wood"]));
    running.wait_until(|sources| all_record(sources, &["mic", "bat"]));
    let done = running.stop();
    // The one that was left alone: one lane, every frame, not one step in its sine.
    let (mic, captured) = (done.files("mic").concat(), done.captured("mic"));
    assert_eq!(captured, [mic.len() as u64]);
    let tone = |n: usize| (n as f64 * 1_000.0 * std::f64::consts::TAU / 8_000.0).sin();
    let (first, loud) = (mic[2], f64::from(mic[2]) / tone(2));
    assert!(first != 0 && mic.iter().enumerate().all(|(n, sample)| (f64::from(*sample) - tone(n) * loud).abs() <= 2.0));
    // The one that was changed twice: each of its files has one tone, and no frame is missing of what was captured.
    let bat = done.files("bat");
    let tones: Vec<f64> = bat.iter().map(|file| hz(file)).collect();
    assert!(tones.len() >= 3 && is_near(tones[0], 500.0) && is_near(tones[tones.len() - 1], 250.0), "{tones:?}");
    assert!(tones.iter().any(|tone| is_near(*tone, 1_000.0)), "{tones:?}");
    assert_eq!(done.captured("bat").iter().sum::<u64>(), bat.concat().len() as u64);
    assert_eq!(done.captured("bat").len(), 2, "a life in its first lane, and one in another");
    assert_eq!(done.captured("wood").len(), 1);
    println!("mic {} frames in one piece; bat {tones:?} Hz", mic.len());
}

/// A card is closed before it is opened again, and what is played to another one meanwhile is recorded to its last sample.
#[test]
fn a_card_is_begun_anew_while_another_one_records() {
    const SECONDS: usize = 8;
    let rig = Rig::new(&["one:48000:1", "two:48000:2"]);
    let cards = card("one", 48_000, 1, "flac") + &card("two", 48_000, 2, "flac");
    let running = Running::with(&format!("password_hash = {HASH}\n"), &cards, rig.environment());
    running.wait_until(|sources| all_record(sources, &["one", "two"]));
    let sound = noise(5, SECONDS * 2 * 48_000);
    let mut player = rig.play("two", "S16_LE", 48_000, 2, &bytes_of(&sound));
    for period in [50, 200, 100] {
        let files = recordings(&running.place.recordings().join("one")).len();
        let answer = running.change(|text| {
            let lines = text.lines().filter(|line| !line.starts_with("period_ms"));
            lines.collect::<Vec<_>>().join("\n").replace("[one]\n", &format!("[one]\nperiod_ms = {period}\n"))
        });
        assert_eq!((&answer["changed"], &answer["restart_needed"]), (&json!(["one"]), &json!([])));
        running.site.wait_for(|_| recordings(&running.place.recordings().join("one")).len() > files);
        running.wait_until(|sources| all_record(sources, &["one", "two"]));
    }
    assert!(player.wait().expect("aplay").success());
    std::thread::sleep(Duration::from_secs(3)); // what is still in the device
    let done = running.stop();
    let (recorded, files) = joined(&done.place.recordings(), "two", 2);
    assert!(files == 1 && find(&recorded, &sound).is_some(), "what was played is not in the recording, of {files} files");
    assert_eq!(done.captured("two"), [recorded.len() as u64 / 2]);
    assert_eq!(recordings(&done.place.recordings().join("one")).len(), 4);
}

/// Whoever tries out fifty settings has the recorder that he had.
#[test]
fn many_changes_cost_no_memory() {
    let running = Running::locked();
    let change = |n: usize| {
        // In its lane; every fourth time in another one.
        let more = if n % 4 == 0 { format!("\nsync_seconds = {}", 2 + n % 3) } else { String::new() };
        let answer = running.change(|text| {
            let lines = text.lines().filter(|line| !line.starts_with("sync_seconds"));
            let text = lines.collect::<Vec<_>>().join("\n");
            let (from, rest) = text.split_once("hz = ").expect("there");
            let rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
            format!("{from}hz = {}{more}\n{rest}", 400 + n)
        });
        assert_eq!(answer["changed"], json!(["bat"]));
        running.wait_until(|sources| all_record(sources, &["mic", "bat"]));
    };
    (1..=10).for_each(change);
    let before_kb = memory_kb(&running.recorder.child);
    (11..=50).for_each(change);
    let after_kb = memory_kb(&running.recorder.child);
    println!("{before_kb} kB after 10 changes, {after_kb} kB after 50");
    assert!(after_kb < before_kb + 2_048, "{before_kb} kB after 10 changes, {after_kb} kB after 50");
    let done = running.stop();
    assert_eq!(done.captured("mic"), [done.files("mic").concat().len() as u64]);
}

/// A station comes, is changed and goes; a source is pushed to a server, and then no more.
/// Of the spectrum of a source, once its gain has found its way.
fn loudest_band(site: &Target, source: &str) -> Option<usize> {
    let mut stream = site.connect();
    write!(stream, "GET /api/live/{source}/spectrum HTTP/1.1\r\nHost: localhost\r\n{KEY}\r\n").expect("asked");
    let frames = BufReader::new(stream).lines().map_while(Result::ok).filter_map(|line| {
        let frame: Value = serde_json::from_str(line.strip_prefix("data: ")?).ok()?;
        Some(frame["frequencies"].as_array()?.iter().filter_map(Value::as_u64).collect::<Vec<u64>>())
    });
    let bands = frames.take(30).last()?;
    bands.iter().enumerate().max_by_key(|(_, band)| **band).map(|(at, _)| at)
}

#[test]
fn stations_and_pushes_come_and_go() {
    let mut icecast = Icecast::start();
    icecast.feed(
        "live.mp3",
        &["-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100"],
        &["-c:a", "libmp3lame", "-f", "mp3"],
    );
    icecast.wait_for(&["live.mp3"]);
    let running = Running::locked();
    let hours_for = |bytes_per_hour: f64| {
        let status = running.site.ask("GET", "/api/status", KEY, "").json();
        let [free, hours] = ["free_bytes", "hours_left"].map(|key| status["disk"][key].as_f64().expect("a number"));
        (hours * bytes_per_hour / free - 1.0).abs() < 0.01
    };
    assert!(hours_for(2.0 * 16_000.0 * 3_600.0), "two tones of 8 kHz as WAV");
    let radio = format!("[radio]\ntype = stream\nurl = {}\nfilename_pattern = radio-%H%M%S\n", icecast.url("live.mp3"));
    let push = format!("hz = 500\nicecast_url = icecast://source:{PASSWORD}@127.0.0.1:{}/bat.opus", icecast.port);
    let answer = running.change(|text| format!("{}\n{radio}", text.replace("hz = 500", &push)));
    assert_eq!((&answer["changed"], &answer["new"], &answer["restart_needed"]), (&json!(["bat"]), &json!(["radio"]), &json!([])));
    icecast.wait_for(&["live.mp3", "bat.opus"]);
    let is_in =
        |sources: &[Value], name: &str| sources.iter().any(|source| source["name"] == name && source["state"] == "recording");
    running.wait_until(|sources| is_in(sources, "radio") && is_in(sources, "bat") && is_in(sources, "mic"));
    assert!(!hours_for(2.0 * 16_000.0 * 3_600.0), "a station takes room, too");
    running.site.wait_for(|site| {
        let mut stream = site.connect();
        let head = format!("GET /live/radio.mp3 HTTP/1.1\r\nHost: 127.0.0.1\r\n{KEY}\r\n");
        let mut piece = [0; 12];
        stream.write_all(head.as_bytes()).is_ok() && stream.read_exact(&mut piece).is_ok() && piece.ends_with(b"200")
    });
    let loudest = loudest_band(&running.site, "radio");
    assert!(matches!(loudest, Some(13..=15)), "440 Hz of a station that came later: {loudest:?}");
    assert!(running.settings()["text"].as_str().is_some_and(|text| text.contains("icecast://***@") && !text.contains(PASSWORD)));
    // In its lane: another file begins.
    let radios =
        || recordings(&running.place.recordings()).iter().filter(|path| path.to_string_lossy().contains("radio-")).count();
    let answer = running.change(|text| text.replace("[radio]\n", "[radio]\npool_seconds = 20\n"));
    assert_eq!(answer["changed"], json!(["radio"]));
    running.site.wait_for(|_| radios() == 1);
    running.wait_until(|sources| is_in(sources, "radio"));
    // No more of both.
    let answer = running.change(|text| {
        let lines: Vec<&str> =
            text.split("[radio]").next().expect("a text").lines().filter(|line| !line.starts_with("icecast_url")).collect();
        lines.join("\n")
    });
    assert_eq!((&answer["changed"], &answer["gone"]), (&json!(["bat"]), &json!(["radio"])));
    running.wait_until(|sources| all_record(sources, &["mic", "bat"]));
    running.site.wait_for(|_| radios() == 2);
    let listed = || tool("curl", &["-s", &icecast.url("status-json.xsl")]);
    running.site.wait_for(|_| !listed().contains("bat.opus"));
    let done = running.stop();
    assert_eq!(done.captured("mic"), [done.files("mic").concat().len() as u64]);
    assert!(!done.log.join("\n").contains(PASSWORD));
}

#[test]
fn who_may_change_it_and_what_is_refused() {
    let running = Running::locked();
    let (before, put) = (running.file(), |lines: &str, text: &str| running.put(lines, text));
    assert_eq!(running.site.get("/api/settings").status, 401);
    assert_eq!(put("If-Match: *\r\n", &before).status, 401);
    let any = format!("{KEY}If-Match: *\r\n");
    put(KEY, &before).is_refusal(412);
    put(&format!("{any}Origin: http://evil.example\r\n"), &before).is_refusal(403);
    put(&format!("{KEY}If-Match: \"0000000000000000\"\r\n"), &before).is_refusal(412);
    // What `soundpost check` finds is refused in the same words, and nothing is written.
    let wrong = put(&any, &before.replace("hz = 500", "hz = loud"));
    assert_eq!((wrong.status, wrong.json()["problems"][0]["severity"].as_str()), (422, Some("error")), "{}", wrong.text());
    let told = wrong.json()["problems"][0]["text"].as_str().map(str::to_owned).expect("a text");
    let check = running.place.path("wrong.ini");
    fs::write(&check, before.replace("hz = 500", "hz = loud")).expect("written");
    let output = soundpost().arg("check").arg("-c").arg(&check).output().expect("it runs");
    assert!(String::from_utf8_lossy(&output.stderr).contains(&told), "{told}: {}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(running.site.ask("PUT", "/api/settings", &any, "{}").status, 422);
    assert_eq!(running.site.ask("PUT", "/api/settings", &any, &"x".repeat(70_000)).status, 413);
    assert_eq!(running.file(), before);
    // Looked at without writing.
    let body = json!({ "text": before.replace("type = tone\nhz", "type = tone\ncolour = red\nhz") }).to_string();
    let checked = running.site.ask("POST", "/api/settings/check", KEY, &body).json();
    assert_eq!((&checked["problems"][0]["severity"], checked["problems"].as_array().map(Vec::len)), (&json!("warning"), Some(1)));
    assert_eq!(running.file(), before);
    // The secret is not shown, and kept.
    let shown = running.settings();
    assert!(
        !shown.to_string().contains("argon2id")
            && shown["text"].as_str().is_some_and(|text| text.contains("password_hash = ***"))
    );
    assert!(shown["values"].to_string().contains("line ") && shown["groups"].to_string().contains("filename_pattern"));
    let answer = running.change(|text| format!("# by hand\n{text}"));
    assert_eq!((&answer["changed"], running.file()), (&json!([]), format!("# by hand\n{before}")));
    assert_eq!(fs::read_to_string(running.config.with_extension("ini.bak")).expect("a backup"), before);
    // Undone, and that is told where it was done with an old revision.
    let old = shown["revision"].as_str().expect("a revision");
    running.site.ask("POST", "/api/settings/undo", &format!("{KEY}If-Match: \"{old}\"\r\n"), "").is_refusal(412);
    assert_eq!(running.site.ask("POST", "/api/settings/undo", &any, "").status, 200);
    assert_eq!(running.file(), before);
    let done = running.stop();
    assert!(done.captured("mic").len() == 1 && done.files("mic").len() == 1);
}

#[test]
fn without_a_password_it_is_shown_and_not_changed() {
    let running = Running::start("", SOURCES);
    let shown = running.settings();
    assert!(shown["locked"].as_str().is_some_and(|why| why.contains("soundpost hash-password")), "{shown}");
    let refused = running.put("If-Match: *\r\n", &running.file());
    refused.is_refusal(403);
    assert!(refused.text().contains("soundpost hash-password"));
    running.stop();
}

/// From then on the old one opens nothing, and who was in is out.
#[test]
fn another_password_holds_at_once() {
    let running = Running::locked();
    let login = running.site.ask("POST", "/api/login", "", &json!({ "password": "secret" }).to_string());
    let cookie = format!("Cookie: {}\r\n", login.line("set-cookie").and_then(|line| line.split(';').next()).expect("a cookie"));
    assert_eq!(running.site.ask("GET", "/api/status", &cookie, "").status, 200);
    let mut hash = soundpost().arg("hash-password").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it runs");
    hash.stdin.take().expect("piped").write_all(b"other\n").expect("read");
    let line = String::from_utf8(hash.wait_with_output().expect("it ends").stdout).expect("UTF-8");
    let line = line.lines().find(|line| line.contains("$argon2id$")).expect("a hash").to_owned();
    let hash = line.split_once('$').map(|(_, hash)| format!("${hash}")).expect("a hash");
    let answer = running.change(|text| text.replace("password_hash = ***", &format!("password_hash = {hash}")));
    assert_eq!((&answer["at_once"], &answer["restart_needed"]), (&json!(["web.password_hash"]), &json!([])));
    assert_eq!(running.site.ask("GET", "/api/status", &cookie, "").status, 401);
    assert_eq!(running.site.ask("GET", "/api/status", KEY, "").status, 401);
    assert_eq!(running.site.ask("GET", "/api/status", "Authorization: Basic Om90aGVy\r\n", "").status, 200);
    running.stop();
}

#[test]
fn a_hangup_has_the_file_read_again() {
    let mut running = Running::locked();
    fs::write(&running.config, running.file().replace("hz = 500", "hz = 2000")).expect("written");
    running.recorder.signal("HUP");
    running.recorder.wait_for("[bat]: is begun anew", SOON);
    running.wait_until(|sources| all_record(sources, &["mic", "bat"]));
    fs::write(&running.config, "[mic]\ntype = toon\n").expect("written");
    running.recorder.signal("HUP");
    running.recorder.wait_for("everything stays as it is", SOON);
    running.wait_until(|sources| all_record(sources, &["mic", "bat"]));
    let done = running.stop();
    assert_eq!(done.captured("mic"), [done.files("mic").concat().len() as u64]);
}

#[test]
fn a_folder_that_comes_with_a_change_is_kept_too() {
    let running = Running::locked();
    let folder = running.place.path("elsewhere");
    let far = "[far]\ntype = tone\nsample_rate = 8000\nchannels = 1\nsplit_minutes = 0.02\nfilename_pattern = far-%H%M%S\n";
    let far = format!("{far}output_directory = {}\n", folder.display());
    running.change(|text| format!("{text}{far}"));
    running.wait_until(|sources| all_record(sources, &["mic", "bat", "far"]));
    // Somebody has a catalogue of it, who makes room in it when that is needed.
    let known = |_: &Target| {
        let catalogue = rusqlite::Connection::open(folder.join("catalogue.db")).ok();
        catalogue.is_some_and(|db| db.query_row("SELECT count(*) FROM files", [], |_| Ok(())).is_ok())
    };
    running.site.wait_for(known);
    running.stop();
}

/// Whoever works through recordings hears of a folder that comes while the recorder runs: uploads, programs and the analyses of later.
/// When its source has gone, what it had finished is uploaded all the same.
#[test]
fn a_folder_that_comes_with_a_change_is_uploaded_and_hooked() {
    let targets = Place::new();
    let (stick, seen) = (targets.path("stick"), targets.path("seen"));
    fs::create_dir_all(&stick).expect("made");
    let program = targets.path("program.sh");
    fs::write(&program, format!("#!/bin/sh\necho \"$1\" >> {}\n", seen.display())).expect("written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("its mode");
    let upload = format!("[upload.stick]\ntype = folder\nfolder = {}\nmounted = no\n", stick.display());
    let running = Running::start(&format!("password_hash = {HASH}\n"), &format!("{SOURCES}{upload}"));
    running.wait_until(|sources| all_record(sources, &["mic", "bat"]));
    let folder = running.place.path("elsewhere");
    // A recording that another program left there, which nobody has analysed.
    fs::create_dir_all(&folder).expect("made");
    let left = folder.join("left.wav");
    let tone = "sine=frequency=440:sample_rate=8000:duration=2";
    tool("ffmpeg", &["-v", "error", "-f", "lavfi", "-i", tone, left.to_str().expect("a path")]);
    let far = format!(
        "[far]\ntype = tone\nsample_rate = 8000\nchannels = 1\nsplit_minutes = 0.05\nfilename_pattern = far-%H%M%S\n\
         output_directory = {}\non_close = {} {{file}}\n",
        folder.display(),
        program.display()
    );
    running.change(|text| format!("{text}{far}"));
    running.wait_until(|sources| all_record(sources, &["mic", "bat", "far"]));
    let arrived = || tool("find", &[stick.to_str().expect("a path"), "-name", "far-*.wav"]).lines().count();
    let hooked = || fs::read_to_string(&seen).unwrap_or_default();
    running.site.wait_for(|_| arrived() >= 1 && hooked().contains("far-"));
    running.site.wait_for(|_| folder.join("analyses/left.wav.profile").exists());
    // It goes; what it has finished by then is still uploaded.
    running.change(|text| text.split("[far]").next().expect("a text").to_owned());
    running.wait_until(|sources| all_record(sources, &["mic", "bat"]));
    let made: Vec<PathBuf> = recordings(&folder).into_iter().filter(|path| path.to_string_lossy().contains("far-")).collect();
    let is_hooked = |path: &PathBuf| hooked().contains(path.to_str().expect("a path"));
    running.site.wait_for(|_| arrived() == made.len() && made.iter().all(is_hooked));
    running.stop();
}

#[test]
fn the_calendar_of_a_source_with_a_schedule() {
    let sources = format!(
        "[site]\nlatitude = 52.5\nlongitude = 13.4\n{SOURCES}time_zone = Europe/Berlin\nschedule = sunset-30m..sunrise\nduty = 60s/5m\n"
    );
    let running = Running::start("", &sources);
    let calendar = running.site.get("/api/schedule").json();
    let bat = &calendar["sources"][0];
    assert_eq!(
        (&bat["source"], &bat["duty"], bat["days"].as_array().map(Vec::len)),
        (&json!("bat"), &json!({"on_s": 60, "of_s": 300}), Some(14))
    );
    for day in bat["days"].as_array().expect("days") {
        assert!(day["sunrise"].is_string() && day["windows"].as_array().is_some_and(|windows| windows.len() == 2), "{day}");
    }
    running.stop();
}
