//! Stations end to end: real servers and encoders, the real program, and every file judged by the tools of its codec.

mod common;
#[path = "common/icecast.rs"]
mod icecast;
#[path = "common/web.rs"]
mod web;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use common::{Place, Recorder, bytes_of, gaps, noise, soundpost, tool, walk};
use icecast::{Icecast, Process, free_port};
use serde_json::Value;
use web::{Cert, Visit, Web};

/// `split_minutes = 0.1`.
const SPLIT_US: i64 = 6_000_000;
/// A cut falls on the page or frame that was on air at the boundary: an Ogg page may last a second.
const CUT_LATE_US: i64 = 1_100_000;
/// By so much the start of a connection may be known better at a file's end than at its start.
const CUT_EARLY_US: i64 = 300_000;
const ABUT_US: i64 = 50_000;

/// A finished recording and its sidecar.
struct Cut {
    path: PathBuf,
    side: Value,
}

impl Cut {
    fn number(&self, key: &str) -> u64 {
        self.side[key].as_u64().unwrap_or_else(|| panic!("{key} of {}", self.side))
    }

    fn text(&self, key: &str) -> &str {
        self.side[key].as_str().unwrap_or_else(|| panic!("{key} of {}", self.side))
    }

    /// Microseconds since 1970.
    fn time(&self, key: &str) -> i64 {
        self.text(key).parse::<jiff::Timestamp>().expect("RFC 3339").as_microsecond()
    }

    fn name(&self) -> &str {
        self.path.to_str().expect("UTF-8")
    }

    /// Titles and the frames of the session before them.
    fn titles(&self) -> Vec<(u64, String)> {
        let titles = self.side["titles"].as_array().cloned().unwrap_or_default();
        let one = |title: &Value| {
            let at = title["at_frame"].as_u64().expect("a number");
            (self.number("first_frame") + at, title["title"].as_str().expect("text").to_owned())
        };
        titles.iter().map(one).collect()
    }
}

/// The recordings of a source, a list for each connection, in order.
fn sessions(root: &Path, source: &str) -> Vec<Vec<Cut>> {
    let mut found = Vec::new();
    walk(&root.join("analyses"), &mut found);
    let mut cuts: Vec<Cut> = found
        .into_iter()
        .filter(|path| path.to_string_lossy().ends_with(".analysis.json"))
        .filter_map(|path| serde_json::from_str(&fs::read_to_string(path).ok()?).ok())
        .filter(|side: &Value| side["source"] == source)
        .map(|side| Cut { path: root.join(side["file"].as_str().expect("a path")), side })
        .collect();
    cuts.sort_by_key(|cut| (cut.time("start"), cut.number("first_frame")));
    let mut sessions: Vec<Vec<Cut>> = Vec::new();
    for cut in cuts {
        match sessions.last_mut().filter(|last| last[0].text("session") == cut.text("session")) {
            Some(last) => last.push(cut),
            None => sessions.push(vec![cut]),
        }
    }
    sessions
}

fn only(mut sessions: Vec<Vec<Cut>>) -> Vec<Cut> {
    assert_eq!(sessions.len(), 1, "one connection");
    sessions.remove(0)
}

/// What tools say about a file of this codec: nothing.
fn assert_clean(cut: &Cut, codec: &str) {
    let name = cut.name();
    assert_eq!(cut.text("codec"), codec, "{name}");
    let said = tool("ffmpeg", &["-v", "error", "-i", name, "-f", "null", "-"]);
    assert_eq!(said, "", "ffmpeg about {name}");
    let said = tool("ffprobe", &["-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", name]);
    assert_eq!(said.trim(), codec.trim_start_matches("ogg-"), "ffprobe about {name}");
    let said = match codec {
        "vorbis" => tool("ogginfo", &[name]),
        "opus" => tool("opusinfo", &[name]),
        "ogg-flac" => tool("flac", &["-s", "-t", "--ogg", name]) + &tool("ogginfo", &[name]),
        "flac" => tool("flac", &["-s", "-t", name]),
        _ => return,
    };
    let said = said.replace("WARNING, cannot check MD5 signature since it was unset in the STREAMINFO", "");
    let complaint = said.lines().find(|l| ["warning", "error", "negative", "invalid"].iter().any(|w| l.to_lowercase().contains(w)));
    assert_eq!(complaint, None, "{name}: {said}");
}

/// The files of one connection follow each other without a hole, and were cut when the clock said.
fn assert_abut(cuts: &[Cut]) {
    let mut first_frame = cuts[0].number("first_frame");
    for (n, cut) in cuts.iter().enumerate() {
        assert_eq!(cut.number("first_frame"), first_frame, "{}", cut.side);
        first_frame += cut.number("frames");
        let Some(before) = n.checked_sub(1).map(|n| &cuts[n]) else { continue };
        let hole = cut.time("start") - before.time("end");
        assert!(hole.abs() <= ABUT_US, "{}: {hole} µs from the file before", cut.side);
        if before.text("end_reason") == "split" {
            let past = (cut.time("start") + CUT_EARLY_US).rem_euclid(SPLIT_US) - CUT_EARLY_US;
            assert!(past <= CUT_LATE_US, "{}: {past} µs past the boundary", cut.side);
        }
    }
}

fn verified(root: &Path) {
    let out = soundpost().arg("verify").arg(root).output().expect("runs");
    let said = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && said.contains(" 0 broken, 0 unfinished"), "{said}");
}

/// Interleaved 16-bit samples of all files, joined.
fn joined(cuts: &[Cut]) -> Vec<u8> {
    let decode = |cut: &Cut| {
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-i", cut.name(), "-f", "s16le", "-"]).stdin(Stdio::null());
        command.output().expect("ffmpeg is installed: make setup").stdout
    };
    cuts.iter().flat_map(decode).collect()
}

fn stop(recorder: &mut Recorder) {
    recorder.signal("TERM");
    let status = recorder.wait(Duration::from_secs(20));
    assert!(status.success(), "ended with {status}:\n{}", recorder.log.join("\n"));
}

/// Every check is made, whatever became of those before it.
fn all_of(log: &[String], checks: &[(&str, &dyn Fn())]) {
    let failed: Vec<&str> =
        checks.iter().filter(|(_, check)| catch_unwind(AssertUnwindSafe(check)).is_err()).map(|(name, _)| *name).collect();
    assert!(failed.is_empty(), "{failed:?} failed; the log:\n{}", log.join("\n"));
}

#[test]
fn five_codecs_of_a_real_icecast_and_the_example_of_isr() {
    let place = Place::new();
    let sound = noise(77, 2 * 44_100 * 90);
    let raw = place.raw("sound", &sound);
    let mut icecast = Icecast::start();
    let input = ["-f", "s16le", "-ar", "44100", "-ac", "2", "-i", raw.to_str().expect("UTF-8")];
    let codings: [(&str, &str, &str); 5] = [
        ("mp3", "mp3", "-c:a libmp3lame -b:a 128k -content_type audio/mpeg -f mp3"),
        ("aac", "aac", "-c:a aac -b:a 96k -content_type audio/aac -f adts"),
        ("vorbis", "vorbis", "-c:a libvorbis -q:a 3 -content_type application/ogg -f ogg"),
        ("opus", "opus", "-c:a libopus -b:a 96k -content_type application/ogg -f ogg"),
        ("oggflac", "ogg-flac", "-c:a flac -content_type application/ogg -f ogg"),
    ];
    for (mount, _, coding) in codings {
        icecast.feed(mount, &input, &coding.split(' ').collect::<Vec<_>>());
    }
    let mounts = codings.map(|(mount, ..)| mount);
    icecast.wait_for(&mounts);
    let section = |mount: &str| {
        format!("[{mount}]\ntype = stream\nurl = {}\nfilename_pattern = {mount}/%Y%m%d_%H%M%S\n", icecast.url(mount))
    };
    let config = place.config("split_minutes = 0.1", &mounts.map(section).concat());
    let mut recorder = Recorder::start(&config, &[]);
    let (example, mut isr) = example_of_isr(&icecast);
    let (rec, radio1) = ("[my_stream] recording mp3", "[radio1] recording vorbis");
    isr.wait_for(rec, Duration::from_secs(30));
    isr.wait_for(radio1, Duration::from_secs(30));
    // Three boundaries at least, and a whole file between the first two.
    thread::sleep(Duration::from_secs(22));
    stop(&mut recorder);
    stop(&mut isr);
    let root = place.recordings();
    let codec = |mount: &str, codec: &str| {
        let cuts = only(sessions(&root, mount));
        assert!(cuts.len() >= 3, "{mount}: {} files", cuts.len());
        assert_abut(&cuts);
        cuts.iter().for_each(|cut| assert_clean(cut, codec));
    };
    let lossless = || {
        let (heard, sent) = (joined(&only(sessions(&root, "oggflac"))), bytes_of(&sound));
        assert!(heard.len() > 44_100 * 4 * 15, "{} bytes", heard.len());
        let at = sent.windows(64).position(|piece| piece == &heard[..64]).expect("its start was sent");
        assert!(at % 4 == 0 && sent[at..].starts_with(&heard), "what was kept is what was sent, from byte {at} on");
    };
    all_of(
        &[recorder.log.clone(), isr.log.clone()].concat(),
        &[
            ("mp3", &|| codec("mp3", "mp3")),
            ("aac", &|| codec("aac", "aac")),
            ("vorbis", &|| codec("vorbis", "vorbis")),
            ("opus", &|| codec("opus", "opus")),
            ("ogg-flac", &|| codec("oggflac", "ogg-flac")),
            ("lossless", &lossless),
            ("verify", &|| verified(&root)),
            ("the example of ISR", &|| assert_example(&example)),
        ],
    );
}

/// The example as it stands, only its addresses are those of this machine; its sound cards are missing here.
fn example_of_isr(icecast: &Icecast) -> (Place, Recorder) {
    let place = Place::new();
    let text = include_str!("data/ini/isr.ini")
        .replace("http://icecast.example.com:8000/live", &icecast.url("mp3"))
        .replace("http://radio.example.com:8000/stream1", &icecast.url("vorbis"));
    fs::write(place.path("config.ini"), text).expect("written");
    let mut command = soundpost();
    command.args(["record", "-c", "config.ini"]).current_dir(place.folder.path());
    // An ALSA without a single card, wherever the test runs.
    fs::write(place.path("asound.conf"), "").expect("written");
    command.env("ALSA_CONFIG_PATH", place.path("asound.conf"));
    (place, Recorder::spawn(&mut command))
}

fn assert_example(place: &Place) {
    let root = place.recordings();
    let (one, two) = (only(sessions(&root, "my_stream")), only(sessions(&root, "radio1")));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    for (cuts, codec) in [(&one, "mp3"), (&two, "vorbis")] {
        assert!(cuts.len() <= 2, "files of an hour");
        assert_abut(cuts);
        cuts.iter().for_each(|cut| assert_clean(cut, codec));
        let seconds: u64 = cuts.iter().map(|cut| cut.number("frames") / cut.number("sample_rate")).sum();
        assert!(seconds > 15, "{seconds} s");
    }
    let file = one[0].text("file");
    let parts: Vec<&str> = file.split('/').collect();
    let time = parts[3].strip_prefix("rec_").and_then(|rest| rest.strip_suffix(".mp3"));
    assert!(parts.len() == 4 && parts[..3].iter().all(|part| is_digits(part)) && time.is_some_and(is_digits), "{file}");
    let file = two[0].text("file");
    assert!(file.starts_with("radio1_2") && file.ends_with(".ogg"), "{file}");
    verified(&root);
    assert!(place.path("recorder.log").is_file(), "log_file stands beside the configuration");
}
