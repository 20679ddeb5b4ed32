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
    // A few frames, as a stop just behind a boundary leaves them, are too few for it to guess.
    let guess: &[&str] = if codec == "aac" { &["-f", "aac"] } else { &[] };
    let said = tool("ffmpeg", &[&["-v", "error"], guess, &["-i", name, "-f", "null", "-"]].concat());
    assert_eq!(said, "", "ffmpeg about {name}");
    let said = tool("ffprobe", &[guess, &["-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", name]].concat());
    assert_eq!(said.trim(), codec.trim_start_matches("ogg-"), "ffprobe about {name}");
    let said = match codec {
        "vorbis" => tool("ogginfo", &[name]),
        "opus" => tool("opusinfo", &[name]),
        "ogg-flac" => tool("flac", &["-s", "-t", "--ogg", name]) + &tool("ogginfo", &[name]),
        "flac" => tool("flac", &["-s", "-t", name]),
        _ => return,
    };
    let said = said.replace("WARNING, cannot check MD5 signature since it was unset in the STREAMINFO", "");
    let complaint =
        said.lines().find(|l| ["warning", "error", "negative", "invalid"].iter().any(|w| l.to_lowercase().contains(w)));
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

/// Bytes of MP3 whose every frame is 192 bytes and 1152 samples.
const MP3_FRAME_BYTES: u64 = 192;
const MP3_FRAME: u64 = 1_152;
/// An odd number, so that titles stand anywhere in a frame.
const METAINT: usize = 4_001;
/// After so many pieces of [`METAINT`] bytes.
const TITLES: [(usize, &str); 3] = [(1, "One - First"), (9, "Two - it's the second; really"), (26, "Drei - Schön")];
const SECRETS: [&str; 4] = ["sesame", "hushtoken", "somebody", "c2Vz"];

/// What the stations send, made by the encoders that people use.
struct Media {
    mp3: Vec<u8>,
    aac: Vec<u8>,
    opus: Vec<u8>,
    vorbis: [Vec<u8>; 2],
    flac: Vec<u8>,
    /// What is in `flac`.
    sound: Vec<i16>,
    hls: PathBuf,
}

const MEDIA_S: f64 = 60.0;
const FLAC_S: f64 = 16.0;

impl Media {
    fn make(place: &Place) -> Media {
        let made = |name: &str, words: &str| {
            let path = place.path(name);
            let input = format!("anoisesrc=r=48000:d={MEDIA_S}:a=0.3:seed=5");
            let mut arguments = vec!["-v", "error", "-y", "-f", "lavfi", "-i", &input];
            arguments.extend(words.split(' '));
            arguments.push(path.to_str().expect("UTF-8"));
            tool("ffmpeg", &arguments);
            fs::read(&path).expect("made by ffmpeg")
        };
        let vorbis = |rate: &str, serial: &str, seconds: usize| {
            let (raw, ogg) = (place.raw(serial, &noise(9, 2 * 44_100 * seconds)), place.path(&format!("{serial}.ogg")));
            let (raw, ogg) = (raw.to_str().expect("UTF-8"), ogg.to_str().expect("UTF-8"));
            tool("oggenc", &["-Q", "-r", "-R", rate, "-C", "2", "-s", serial, "-o", ogg, raw]);
            fs::read(ogg).expect("made by oggenc")
        };
        let sound = noise(8, 2 * 44_100 * FLAC_S as usize);
        let (raw, flac) = (place.raw("lossless", &sound), place.path("lossless.flac"));
        let form = ["--force-raw-format", "--endian=little", "--sign=signed", "--channels=2", "--bps=16", "--sample-rate=44100"];
        let names = ["-s", "-o", flac.to_str().expect("UTF-8"), raw.to_str().expect("UTF-8")];
        tool("flac", &[&form[..], &names[..]].concat());
        Media {
            mp3: made("n.mp3", "-ac 1 -c:a libmp3lame -b:a 64k -write_xing 0 -id3v2_version 0"),
            aac: made("n.aac", "-ac 1 -c:a aac -b:a 64k -f adts"),
            opus: made("n.opus", "-ac 1 -c:a libopus -b:a 64k"),
            vorbis: [vorbis("44100", "1", 8), vorbis("48000", "2", 30)],
            flac: fs::read(flac).expect("made by flac"),
            sound,
            hls: place.path("hls"),
        }
    }

    /// MP3 with titles between its bytes.
    fn titled(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (n, piece) in self.mp3.chunks(METAINT).enumerate() {
            bytes.extend(piece);
            let title = TITLES.iter().find(|(after, _)| *after == n + 1).map(|(_, title)| format!("StreamTitle='{title}';"));
            let title = title.unwrap_or_default().into_bytes();
            let blocks = title.len().div_ceil(16);
            bytes.push(u8::try_from(blocks).expect("short"));
            bytes.extend(&title);
            bytes.resize(bytes.len() + blocks * 16 - title.len(), 0);
        }
        bytes
    }

    /// `turn`: how often this path was asked for before.
    fn answer(&self, mut visit: Visit, turn: usize, own: &str) -> io::Result<()> {
        let path = visit.path().split('?').next().unwrap_or_default().to_owned();
        let listen = |visit: &mut Visit, kind: &str| visit.send(format!("HTTP/1.0 200 OK\r\nContent-Type: {kind}\r\n\r\n"));
        let mp3 = |visit: &mut Visit| {
            listen(visit, "audio/mpeg")?;
            play(visit, &self.mp3, MEDIA_S, usize::MAX)
        };
        let entry = format!("{own}/mp3");
        let status = |visit: &mut Visit, what: &str| visit.send(format!("HTTP/1.1 {what}\r\nContent-Length: 0\r\n\r\n"));
        let list = |visit: &mut Visit, kind: &str, text: String| {
            visit.send(format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{text}", text.len()))
        };
        match (path.as_str(), turn) {
            ("/flac", 0) => {
                listen(&mut visit, "audio/flac")?;
                play(&mut visit, &self.flac, FLAC_S, usize::MAX)
            }
            ("/icy", _) => {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nicy-metaint: {METAINT}\r\n\r\n");
                visit.send(head)?;
                play(&mut visit, &self.titled(), MEDIA_S, usize::MAX)
            }
            ("/shoutcast", _) => {
                visit.send("ICY 200 OK\r\nicy-name:old\r\ncontent-type:audio/mpeg\r\n\r\n")?;
                play(&mut visit, &self.mp3, MEDIA_S, usize::MAX)
            }
            ("/bytes", _) => {
                listen(&mut visit, "audio/mpeg")?;
                play(&mut visit, &self.mp3, MEDIA_S, 1)
            }
            ("/chain", 0) => {
                listen(&mut visit, "application/ogg")?;
                let [first, second] = &self.vorbis;
                play(&mut visit, first, 8.0, usize::MAX)?;
                play(&mut visit, second, 27.5, usize::MAX)
            }
            ("/stall", 0) => {
                listen(&mut visit, "audio/mpeg")?;
                play(&mut visit, &self.mp3[..self.mp3.len() / 12], MEDIA_S / 12.0, usize::MAX)?;
                visit.stall()
            }
            ("/page", turn) => {
                listen(&mut visit, "audio/ogg")?;
                let until = if turn == 0 { self.opus.len() / 10 + 7 } else { self.opus.len() };
                play(&mut visit, &self.opus[..until], MEDIA_S * until as f64 / self.opus.len() as f64, usize::MAX)
            }
            ("/frame", turn) => {
                listen(&mut visit, "audio/flac")?;
                let until = if turn == 0 { self.flac.len() / 3 } else { self.flac.len() };
                play(&mut visit, &self.flac[..until], FLAC_S * until as f64 / self.flac.len() as f64, usize::MAX)
            }
            ("/switch", 0) => {
                listen(&mut visit, "audio/mpeg")?;
                play(&mut visit, &self.mp3[..self.mp3.len() / 12], MEDIA_S / 12.0, usize::MAX)
            }
            ("/switch", _) => {
                listen(&mut visit, "audio/aac")?;
                play(&mut visit, &self.aac, MEDIA_S, usize::MAX)
            }
            ("/html", _) => list(&mut visit, "text/html", "<!DOCTYPE html><html><body>Sorry</body></html>".to_owned()),
            ("/redirect", _) => visit.send(format!("HTTP/1.1 302 Found\r\nLocation: {own}/again\r\nContent-Length: 0\r\n\r\n")),
            ("/again", _) => visit.send("HTTP/1.1 307 Moved\r\nLocation: mp3\r\nContent-Length: 0\r\n\r\n"),
            ("/loop", _) => visit.send("HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n"),
            ("/closed", _) => status(&mut visit, "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\""),
            ("/busy", _) => status(&mut visit, "503 Service Unavailable"),
            ("/list.m3u", _) => list(&mut visit, "audio/x-mpegurl", format!("#EXTM3U\n#EXTINF:-1,x\n{own}/gone\n{entry}\n")),
            ("/list.pls", _) => {
                let text = format!("[playlist]\nNumberOfEntries=2\nFile1={own}/gone\nFile2={entry}\nVersion=2\n");
                list(&mut visit, "audio/x-scpls", text)
            }
            ("/mp3" | "/stall", _) => mp3(&mut visit),
            (name, _) => match name.strip_prefix("/hls/").map(|name| fs::read(self.hls.join(name))) {
                Some(Ok(bytes)) => {
                    let kind = if name.ends_with("m3u8") { "application/vnd.apple.mpegurl" } else { "video/mp2t" };
                    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", bytes.len());
                    visit.send([head.as_bytes(), &bytes].concat())
                }
                _ => status(&mut visit, "404 Not Found"),
            },
        }
    }
}

/// Sends as a station does: as fast as it is heard, in pieces of at most so many bytes.
fn play(visit: &mut Visit, bytes: &[u8], lasts_s: f64, piece: usize) -> io::Result<()> {
    let began = Instant::now();
    let mut at = 0;
    while at < bytes.len() {
        let due = (bytes.len() as f64 * (began.elapsed().as_secs_f64() / lasts_s)) as usize;
        let due = due.clamp(at, bytes.len());
        for piece in bytes[at..due].chunks(piece) {
            visit.send(piece)?;
        }
        at = due;
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// ffmpeg as an HLS station that goes on as long as the test.
fn hls(folder: &Path) -> Process {
    fs::create_dir(folder).expect("made");
    let mut command = Command::new("ffmpeg");
    command.args("-v error -re -f lavfi -i anoisesrc=r=48000:a=0.3 -ac 2 -c:a aac -b:a 96k -f hls".split(' '));
    command.args("-hls_time 2 -hls_list_size 6 -hls_flags delete_segments+temp_file".split(' ')).arg(folder.join("live.m3u8"));
    let process = Process(command.stdin(Stdio::null()).spawn().expect("ffmpeg is installed: make setup"));
    let until = Instant::now() + Duration::from_secs(30);
    while !folder.join("live.m3u8").exists() {
        assert!(Instant::now() < until, "ffmpeg makes no list");
        thread::sleep(Duration::from_millis(50));
    }
    process
}

/// What was said loudly about a source.
fn complaints<'a>(log: &'a [String], source: &str) -> Vec<&'a str> {
    let of_source = |l: &&str| [" WARNING ", " ERROR "].iter().any(|level| l.contains(&format!("{level}[{source}] ")));
    log.iter().map(String::as_str).filter(of_source).collect()
}

#[test]
fn servers_of_every_temper() {
    let place = Place::new();
    let media = Arc::new(Media::make(&place));
    let _hls = hls(&media.hls);
    let (own, turns) = (Arc::new(Mutex::new(String::new())), Mutex::new(HashMap::<String, usize>::new()));
    let (served, address) = (media.clone(), own.clone());
    let web = Web::serve(move |visit| {
        let turn = {
            let mut turns = turns.lock().expect("no panic holds it");
            let turn = turns.entry(visit.path().to_owned()).or_default();
            *turn += 1;
            *turn - 1
        };
        let own = address.lock().expect("no panic holds it").clone();
        served.answer(visit, turn, &own)
    });
    *own.lock().expect("no panic holds it") = web.url("");
    let cert = Cert::new(place.folder.path(), "own", "DNS:localhost,IP:127.0.0.1", 2);
    let stranger = Cert::new(place.folder.path(), "strange", "DNS:localhost,IP:127.0.0.1", 2);
    let served = media.clone();
    let safe = Web::serve_tls(&cert, move |visit| served.answer(visit, 0, ""));
    let unsafe_ = Web::serve_tls(&stranger, |_| Ok(()));

    let dead = format!("http://127.0.0.1:{}/dead", free_port());
    let mut sections = String::new();
    let mut station = |name: &str, url: &str, more: &str| {
        let pattern = format!("{name}/%Y%m%d_%H%M%S");
        sections += &format!("[{name}]\ntype = stream\nurl = {url}\nfilename_pattern = {pattern}\n{more}\n");
    };
    for name in ["flac", "shoutcast", "bytes", "chain", "stall", "page", "frame", "switch", "html", "redirect", "loop", "busy"] {
        station(name, &web.url(&format!("/{name}")), "");
    }
    station("icy", &web.url("/icy"), "cue_sheet = yes");
    station("gone", &web.url("/gone?token=hushtoken"), "");
    station("closed", &web.url("/closed?token=hushtoken"), "username = somebody\npassword = sesame");
    let with_user = web.url("/closed").replace("http://", "http://somebody:sesame@");
    station("closed2", &with_user, "");
    station("dead", &dead.replace("http://", "http://somebody:sesame@"), "");
    station("m3u", &web.url("/list.m3u"), "");
    station("pls", &web.url("/list.pls"), "");
    station("two", &format!("{dead} {}", web.url("/mp3")), "");
    station("hls", &web.url("/hls/live.m3u8"), "");
    station("tls", &safe.https("localhost", "/mp3"), "");
    station("stranger", &unsafe_.https("localhost", "/mp3"), "");
    let general = format!("split_minutes = 0.1\nca_file = {}", cert.ca_file.display());
    let mut recorder = Recorder::start(&place.config(&general, &sections), &[]);
    recorder.wait_for("[stall] recording", Duration::from_secs(30));
    recorder.wait_for("[stall] http", Duration::from_secs(45)); // it has been told
    thread::sleep(Duration::from_secs(14));
    stop(&mut recorder);

    let (log, root) = (recorder.log.clone(), place.recordings());
    let healthy = |name: &str, codec: &str| {
        let cuts = only(sessions(&root, name));
        assert!(cuts.len() >= 3, "{name}: {} files", cuts.len());
        assert_abut(&cuts);
        cuts.iter().for_each(|cut| assert_clean(cut, codec));
        assert_eq!(complaints(&log, name), [""; 0]);
        cuts
    };
    // Two connections: neither shares a file with the other, all files are clean.
    let two = |name: &str, codecs: [&str; 2], reason: &str| {
        let sessions = sessions(&root, name);
        assert!(sessions.len() >= 2, "{name}: {} connections", sessions.len());
        for (cuts, codec) in sessions.iter().zip(codecs) {
            assert_abut(cuts);
            cuts.iter().for_each(|cut| assert_clean(cut, codec));
        }
        let last = sessions[0].last().expect("not empty");
        assert_eq!(last.text("end_reason"), reason, "{}", last.side);
        let told = gaps(&root).into_iter().filter(|gap| gap[2] == name && gap[4] == reason).count();
        assert!(told >= 1, "gaps.csv: {:?}", gaps(&root));
        sessions
    };
    let lossless = || {
        let cuts = sessions(&root, "flac").remove(0);
        assert!(cuts.len() >= 3, "{} files", cuts.len());
        assert_abut(&cuts);
        cuts.iter().for_each(|cut| assert_clean(cut, "flac"));
        assert!(joined(&cuts) == bytes_of(&media.sound), "every sample from the first to the last");
    };
    let titles = || {
        let cuts = healthy("icy", "mp3");
        let mut heard: Vec<(u64, String)> = cuts.iter().flat_map(Cut::titles).collect();
        heard.dedup_by(|later, first| later.1 == first.1); // the title that is on begins each file
        assert_eq!(heard.len(), TITLES.len(), "{heard:?}");
        for ((at, title), (after, sent)) in heard.iter().zip(TITLES) {
            assert_eq!(title, sent);
            let frame = (after * METAINT) as u64 * MP3_FRAME / MP3_FRAME_BYTES;
            // A frame is known to be whole by the header behind it.
            let slack = MP3_FRAME * (MP3_FRAME_BYTES + 4) / MP3_FRAME_BYTES;
            assert!(at.abs_diff(frame) <= slack, "{title}: frame {at} for {frame}");
        }
        for cut in &cuts {
            let sheet = cut.path.with_extension("cue");
            if cut.titles().is_empty() {
                continue;
            }
            let sheet = fs::read_to_string(&sheet).unwrap_or_else(|e| panic!("{}: {e}", sheet.display()));
            for (_, title) in cut.titles() {
                let (performer, title) = title.split_once(" - ").expect("both");
                assert!(sheet.contains(&format!("TITLE \"{title}\"")), "{sheet}");
                assert!(sheet.contains(&format!("PERFORMER \"{performer}\"")), "{sheet}");
            }
        }
    };
    let chain = || {
        // Frames of another rate cannot be counted together: each link is a run, and all of them hold one connection.
        let all = sessions(&root, "chain");
        assert_eq!(all.len(), 2);
        for cuts in &all {
            // Sent evenly by bytes and not by time, so that only the count of frames is exact.
            let ends = cuts.iter().scan(0, |at, cut| {
                *at += cut.number("frames");
                Some(*at)
            });
            assert!(cuts[1..].iter().map(|cut| cut.number("first_frame")).zip(ends).all(|(first, end)| first == end));
        }
        let cuts: Vec<Cut> = all.into_iter().flatten().collect();
        cuts.iter().for_each(|cut| assert_clean(cut, "vorbis"));
        let rates: Vec<u64> = cuts.iter().map(|cut| cut.number("sample_rate")).collect();
        assert!(rates.contains(&44_100) && rates.contains(&48_000), "{rates:?}");
        let changed = cuts.iter().position(|cut| cut.text("end_reason") == "changed").expect("a file that ended so");
        assert!(rates[..=changed].iter().all(|rate| *rate == 44_100) && rates[changed + 1..].iter().all(|rate| *rate == 48_000));
        let said = complaints(&log, "chain");
        assert!(said.iter().any(|line| line.contains("48000 Hz") && line.contains("a new file begins")), "{said:?}");
    };
    let cut_frame = || {
        let sessions = two("frame", ["flac", "flac"], "unplugged");
        let heard = joined(&sessions[0]);
        assert!(heard.len() > 3 * 44_100 * 4 && bytes_of(&media.sound).starts_with(&heard), "{} bytes", heard.len());
        assert!(bytes_of(&media.sound).starts_with(&joined(&sessions[1])));
    };
    let one_line = |name: &str, port: u16, part: &str| {
        let said = complaints(&log, name);
        assert!(said.len() == 1 && said[0].contains(part) && said[0].contains(&format!(":{port}/")), "{name}: {said:?}");
        assert_silent(&root, name);
    };
    // What may be over in a moment is tried again soon, with a line for each attempt.
    let away = |name: &str, part: &str| {
        let said = complaints(&log, name);
        assert!(!said.is_empty() && said.iter().all(|line| line.contains(part) && line.contains("next attempt in")), "{said:?}");
        for (n, line) in said.iter().enumerate() {
            assert!(line.contains(&format!("failure {},", n + 1)), "one line for each attempt: {said:?}");
        }
        assert_silent(&root, name);
    };
    let no_secret = || {
        for line in &log {
            assert!(!SECRETS.iter().any(|secret| line.contains(secret)), "{line}");
        }
    };
    let port = web.port;
    all_of(
        &log,
        &[
            ("native FLAC", &lossless),
            ("titles", &titles),
            ("ICY 200 OK", &|| drop(healthy("shoutcast", "mp3"))),
            ("byte by byte", &|| drop(healthy("bytes", "mp3"))),
            ("redirects", &|| drop(healthy("redirect", "mp3"))),
            ("m3u", &|| drop(healthy("m3u", "mp3"))),
            ("pls", &|| drop(healthy("pls", "mp3"))),
            ("two addresses", &|| drop(healthy("two", "mp3"))),
            ("https", &|| drop(healthy("tls", "mp3"))),
            ("HLS", &|| drop(healthy("hls", "aac"))),
            ("chained Ogg", &chain),
            ("stall", &|| drop(two("stall", ["mp3", "mp3"], "stalled"))),
            ("cut in mid-page", &|| drop(two("page", ["opus", "opus"], "unplugged"))),
            ("cut in mid-frame", &cut_frame),
            ("another codec", &|| drop(two("switch", ["mp3", "aac"], "unplugged"))),
            ("HTML", &|| one_line("html", port, "not sound: check the url")),
            ("endless redirects", &|| one_line("loop", port, "redirect")),
            ("401", &|| one_line("closed", port, "refuses username and password (status 401)")),
            ("401 by user information", &|| one_line("closed2", port, "refuses username and password (status 401)")),
            // On a machine whose clock is not set it is tried again soon, for that may be the reason.
            ("certificate", &|| away("stranger", "the server's certificate does not hold")),
            ("404", &|| away("gone", "status 404")),
            ("503", &|| away("busy", "status 503")),
            ("unreachable", &|| away("dead", "nothing listens on that port")),
            ("secrets", &no_secret),
            ("verify", &|| verified(&root)),
        ],
    );
}

/// Not one file was begun.
fn assert_silent(root: &Path, name: &str) {
    let mut found = Vec::new();
    walk(&root.join(name), &mut found);
    assert!(found.is_empty() && sessions(root, name).is_empty(), "{found:?}");
}
