//! The page over large folders: a clip from deep inside an hour, a day with another margin, a hundred thousand recordings.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::lanes::no_boundary;
use crate::common::{Place, Recorder, recordings, soundpost, tool};
use crate::process::{median, status_kib};
use crate::sound;

const ROUNDS: usize = 9;

/// `soundpost serve` over a folder, on a port of its own.
struct Served {
    recorder: Recorder,
    port: u16,
}

impl Served {
    fn start(folder: &Path) -> Served {
        let mut command = soundpost();
        command.arg("serve").arg(folder).args(["--port", "0", "--bind", "127.0.0.1"]);
        let mut recorder = Recorder::spawn(&mut command);
        let line = recorder.wait_for("http://", Duration::from_secs(60));
        let digits: String = line.rsplit(':').next().unwrap_or("").chars().take_while(char::is_ascii_digit).collect();
        Served { recorder, port: digits.parse().expect("a port") }
    }

    /// Seconds from connecting to the last byte, and the body.
    fn get(&self, target: &str) -> (f64, Vec<u8>) {
        let (seconds, mut answer) = self.ask(target);
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{target}: {}", String::from_utf8_lossy(&answer[..answer.len().min(300)]));
        let head = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        (seconds, answer.split_off(head + 4))
    }

    /// Head and body, whatever it is.
    fn ask(&self, target: &str) -> (f64, Vec<u8>) {
        let begun = Instant::now();
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).expect("connected");
        write!(socket, "GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n", self.port).expect("asked");
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).expect("answered");
        (begun.elapsed().as_secs_f64(), answer)
    }

    /// Milliseconds, the median.
    fn time(&self, target: impl Fn(usize) -> String) -> f64 {
        median((0..ROUNDS).map(|round| self.get(&target(round)).0 * 1_000.0).collect())
    }

    /// Asks until the answer is as wanted.
    fn wait(&self, target: &str, done: impl Fn(&serde_json::Value) -> bool) -> f64 {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(1_800) {
            // Busy until the first look through the folder has ended.
            let is_there = self.ask(target).1.starts_with(b"HTTP/1.1 200");
            if is_there && serde_json::from_slice(&self.get(target).1).is_ok_and(|value| done(&value)) {
                return begun.elapsed().as_secs_f64();
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        panic!("{target} does not become what it should");
    }
}

pub fn files_of(days: &serde_json::Value) -> u64 {
    let days = days["days"].as_array().or(days.as_array());
    days.into_iter().flatten().filter_map(|day| day["files"].as_u64()).sum()
}

fn all_analysed(day: &serde_json::Value) -> bool {
    let files = day["files"].as_array();
    files.is_some_and(|files| !files.is_empty() && files.iter().all(|file| file["state"] == "analysed"))
}

/// Ten seconds at 55 minutes of an hour that was recorded here, over HTTP, against `ffmpeg -ss`.
pub fn clip_beside_ffmpeg() {
    let place = Place::new();
    let (wav, _) = sound::stereo(place.folder.path(), 3_600);
    let section = format!("[hour]\ntype = file\npath = {}\npace = fast\nformat = flac\n", wav.display());
    let mut recorder = Recorder::start(&place.config(&no_boundary(), &section), &[]);
    assert!(recorder.wait(Duration::from_secs(120)).success(), "{}", recorder.log.join("\n"));
    let folder = place.recordings();
    let [flac] = &recordings(&folder)[..] else { panic!("one file") };
    let name = flac.strip_prefix(&folder).expect("below").to_str().expect("a name");
    let served = Served::start(&folder);
    served.wait("/api/files", |page| page["files"][0]["state"] == "analysed");
    let ours = served.time(|round| format!("/api/clip?file={name}&from={}&to={}", 3_300 + round, 3_310 + round));
    let out = place.path("clip.wav");
    let from = (0..ROUNDS).map(|round| (3_300 + round).to_string());
    let rounds = from.map(|from| {
        let flac = flac.to_str().expect("a path");
        let begun = Instant::now();
        tool("ffmpeg", &["-v", "error", "-y", "-ss", &from, "-t", "10", "-i", flac, out.to_str().expect("a path")]);
        begun.elapsed().as_secs_f64() * 1_000.0
    });
    let theirs = median(rounds.collect());
    println!("10 s at 55 min of an hour: soundpost {ours:.1} ms to the last byte, ffmpeg -ss {theirs:.1} ms");
    println!("ratio: 1/{:.1} (bar: 1/8)", theirs / ours);
}

/// A day of 24 hours with another margin each time.
pub fn margin_of_a_day() {
    let place = Place::new();
    let (wav, _) = sound::stereo(place.folder.path(), 3_600);
    let folder = place.path("archive");
    fs::create_dir_all(&folder).expect("made");
    let first = folder.join("wood_20260522_000000.flac");
    let mono = ["-5", "-s", "-o", first.to_str().expect("a path"), wav.to_str().expect("a path")];
    tool("flac", &mono);
    for hour in 1..24 {
        fs::hard_link(&first, folder.join(format!("wood_20260522_{hour:02}0000.flac"))).expect("linked");
    }
    let program = soundpost().get_program().to_string_lossy().into_owned();
    tool(&program, &["analyse", folder.to_str().expect("a path")]);
    let served = Served::start(&folder);
    served.wait("/api/days", |days| files_of(days) == 24);
    for detector in ["level", "bands"] {
        let time = served.time(|round| format!("/api/days/2026-05-22?detector={detector}&margin={}", 6 + round));
        println!("24 files of an hour, another margin by {detector}: {time:.1} ms (bar: 100)");
    }
}

/// A hundred days of a thousand recordings of a tenth of a second.
pub fn fill(folder: &Path) {
    let spec = hound::WavSpec { channels: 1, sample_rate: 8_000, bits_per_sample: 8, sample_format: hound::SampleFormat::Int };
    for n in 0..100_000 {
        let (day, second) = (n / 1_000, n % 1_000 * 86);
        let month = folder.join(format!("{:02}", day / 28 + 1));
        if second == 0 {
            fs::create_dir_all(&month).expect("made");
        }
        let (h, m, s) = (second / 3_600, second / 60 % 60, second % 60);
        let name = format!("wood_2026{:02}{:02}_{h:02}{m:02}{s:02}.wav", day / 28 + 1, day % 28 + 1);
        let mut wav = hound::WavWriter::create(month.join(name), spec).expect("made");
        (0..800).for_each(|i| wav.write_sample((i * 7_919 + n) % 100 - 50).expect("written"));
        wav.finalize().expect("written");
    }
}

pub fn hundred_thousand() {
    let shm = tempfile::tempdir_in("/dev/shm").expect("memory");
    let folder = shm.path().join("archive");
    fill(&folder);
    let served = Served::start(&folder);
    let seconds = served.wait("/api/days", |days| files_of(days) == 100_000);
    println!("100,000 recordings that nobody knew: listed after {seconds:.1} s");
    let pid = served.recorder.child.id();
    let show = |when: &str| {
        let days = served.time(|_| "/api/days".into());
        let first: serde_json::Value = serde_json::from_slice(&served.get("/api/files").1).expect("JSON");
        let cursor = first["next"].as_str().expect("a page behind the first").to_owned();
        let page = served.time(|round| if round % 2 == 0 { "/api/files".into() } else { format!("/api/files?cursor={cursor}") });
        println!("{when}: /api/days {days:.1} ms, a page of /api/files {page:.1} ms (bar: 20)");
        println!("{when}: RssAnon {:.1} MiB (bar: 16)", status_kib(pid, "RssAnon:") as f64 / 1_024.0);
    };
    show("while they are analysed");
    let analysed = served.wait("/api/days/2026-01-01", all_analysed);
    println!("all are analysed after {analysed:.0} s more"); // the newest first
    show("then");
    first_paint(served.port);
}

/// In Chromium, when the browser tests are set up (`make page-test`).
fn first_paint(port: u16) {
    let mut paint = Command::new("node");
    paint.arg("paint.mjs").current_dir("tests/browser").env("BASE_URL", format!("http://127.0.0.1:{port}/"));
    match paint.output() {
        Ok(out) if out.status.success() => {
            println!("first contentful paint: {} ms (bar: 300)", String::from_utf8_lossy(&out.stdout).trim());
        }
        Ok(out) => panic!("paint.mjs: {}", String::from_utf8_lossy(&out.stderr)),
        Err(e) => panic!("node: {e} (make setup)"),
    }
}
