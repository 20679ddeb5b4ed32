//! Stations in the live view: what is seen and heard of one is what it sends, nothing of that goes on when nobody is there, and its
//! recording is the same whether somebody looks or not.

mod common;
#[path = "common/icecast.rs"]
mod icecast;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use common::follow::follow;
use common::{Place, Recorder, recordings, soundpost, tool};
use icecast::{Icecast, free_port};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(40);
const TONE: [&str; 4] = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"];
const CODINGS: [(&str, &[&str]); 5] = [
    ("mp3", &["-c:a", "libmp3lame", "-b:a", "128k", "-f", "mp3", "-content_type", "audio/mpeg"]),
    ("aac", &["-c:a", "aac", "-f", "adts", "-content_type", "audio/aac"]),
    ("vorbis", &["-c:a", "libvorbis", "-f", "ogg", "-content_type", "application/ogg"]),
    ("opus", &["-c:a", "libopus", "-b:a", "64k", "-f", "ogg", "-content_type", "audio/ogg"]),
    ("oggflac", &["-c:a", "flac", "-f", "ogg", "-content_type", "application/ogg"]),
];

/// A recorder of these stations, with its page.
struct Site {
    place: Place,
    recorder: Recorder,
    port: u16,
}

impl Site {
    fn record(stations: &[(&str, String)]) -> Site {
        let (place, port) = (Place::new(), free_port());
        let section = |(name, url): &(&str, String)| {
            format!("[{name}]\ntype = stream\nurl = {url}\nfilename_pattern = {name}/%H%M%S\nretry_delay_seconds = 1\n")
        };
        let sections: String = stations.iter().map(section).collect();
        let config = place.config("split_minutes = 1440\n", &format!("[web]\nbind = 127.0.0.1\nport = {port}\n{sections}"));
        let mut recorder = Recorder::spawn(soundpost().args(["record", "-c"]).arg(config));
        for (name, _) in stations {
            recorder.wait_for(&format!("[{name}] recording"), PATIENCE);
        }
        Site { place, recorder, port }
    }

    fn follow(&self, path: &str) -> (String, BufReader<TcpStream>) {
        follow(self.port, path)
    }

    /// Two seconds as ffmpeg decodes them, of one channel at 48 kHz.
    fn heard(&self, path: &str) -> Vec<i16> {
        let (file, url) = (self.place.path("heard.wav"), format!("http://127.0.0.1:{}{path}", self.port));
        let end = ["-t", "2", "-ac", "1", "-ar", "48000", "-c:a", "pcm_s16le", "-y", file.to_str().expect("plain")];
        tool("ffmpeg", &[&["-v", "error", "-i", &url][..], &end[..]].concat());
        hound::WavReader::open(&file).expect("a WAV").into_samples().map(|s| s.expect("a sample")).collect()
    }

    /// Hundredths of a second of processor time of a thread so far.
    fn ticks(&self, name: &str) -> u64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.recorder.child.id())).expect("a process");
        let of_thread = |task: &fs::DirEntry| fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim() == name);
        let task = tasks.map(|task| task.expect("a thread")).find(of_thread).expect("the thread");
        let stat = fs::read_to_string(task.path().join("stat")).expect("its times");
        let fields: Vec<&str> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
        fields[11..13].iter().map(|field| field.parse::<u64>().expect("ticks")).sum()
    }

    /// Until live does nothing any more.
    fn wait_until_nothing_runs(&self) {
        let until = Instant::now() + PATIENCE;
        let mut before = u64::MAX;
        loop {
            thread::sleep(Duration::from_secs(2));
            let now = self.ticks("live");
            if now == before {
                return;
            }
            assert!(Instant::now() < until, "something goes on for nobody");
            before = now;
        }
    }

    fn end(&mut self) {
        self.recorder.signal("TERM");
        assert!(self.recorder.wait(PATIENCE).success(), "{}", self.recorder.log.join("\n"));
    }
}

/// The bands of the spectrum that is told next.
fn bands(body: &mut impl BufRead) -> Vec<u64> {
    let mut line = String::new();
    loop {
        line.clear();
        assert!(body.read_line(&mut line).expect("an event") > 0, "the events end");
        let frame = line.strip_prefix("data: ").and_then(|data| serde_json::from_str::<Value>(data).ok());
        if let Some(bands) = frame.as_ref().and_then(|frame| frame["frequencies"].as_array()) {
            return bands.iter().filter_map(Value::as_u64).collect();
        }
    }
}

fn loudest<T: Copy + Ord>(values: &[T]) -> Option<usize> {
    values.iter().enumerate().max_by_key(|(_, value)| **value).map(|(at, _)| at)
}

fn is_tone(samples: &[i16]) -> bool {
    let inner = &samples[samples.len() / 10..];
    let crossings = inner.windows(2).filter(|two| two[0] < 0 && two[1] >= 0).count() as f64;
    let seconds = inner.len() as f64 / 48_000.0;
    seconds > 1.0 && (crossings / seconds - 440.0).abs() < 9.0
}

#[test]
fn a_station_is_looked_at_and_listened_to_as_a_card_is() {
    let mut server = Icecast::start();
    for (name, coding) in CODINGS {
        server.feed(name, &TONE, coding);
    }
    server.wait_for(&CODINGS.map(|(name, _)| name));
    let mut site = Site::record(&CODINGS.map(|(name, _)| (name, server.url(name))));
    assert_eq!(site.ticks("live"), 0, "nobody was there so far");
    let list: Value =
        serde_json::from_str(&tool("curl", &["-s", &format!("http://127.0.0.1:{}/api/live", site.port)])).expect("JSON");
    let row = serde_json::json!({"name": "mp3", "kind": "station", "rate_hz": 48_000, "channels": 1,
        "heard": ["/live/mp3.wav", "/live/mp3.opus", "/live/mp3.mp3"]});
    assert_eq!(list["sources"][0], row);
    assert_eq!((list["sources"].as_array().map(Vec::len), list["devices"].is_array()), (Some(CODINGS.len()), true), "{list}");
    for (name, _) in CODINGS {
        let (head, mut body) = site.follow(&format!("/api/live/{name}/spectrum"));
        assert!(head.starts_with("HTTP/1.1 200"), "{name}: {head}");
        // The gain finds its way in the first of them. 20 Hz · 800^(i/32): 440 Hz is in band 14, and so is bin 9 of 46.9 Hz.
        let seen = (0..30).map(|_| bands(&mut body)).last().expect("bands");
        assert!(matches!(loudest(&seen), Some(13..=15)), "{name}: {seen:?}");
        drop(body);

        let (_, mut body) = site.follow(&format!("/api/live/{name}/waterfall"));
        let (mut head, mut column) = ([0; 16], [0_u8; 4 + 512]);
        body.read_exact(&mut head).expect("its head");
        let rate = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
        assert_eq!((&head[..4], rate), (&b"SPWF"[..], 48_000), "{name}");
        let began = Instant::now();
        for number in 0..50 {
            body.read_exact(&mut column).expect("a column");
            // The encoder's first moments may be in the first of them.
            let bright = loudest(&column[4..]).unwrap_or(0);
            assert!(number < 10 || (8..=10).contains(&bright), "{name}: row {bright} of 46.9 Hz");
        }
        assert!(began.elapsed() > Duration::from_millis(1_200), "{name}: two seconds of sound come by the clock");
        drop(body);

        assert!(is_tone(&site.heard(&format!("/live/{name}.wav"))), "{name}");
        assert!(is_tone(&site.heard(&format!("/live/{name}.opus"))), "{name}");
    }
    site.wait_until_nothing_runs();
    site.end();
    tool(env!("CARGO_BIN_EXE_soundpost"), &["verify", site.place.recordings().to_str().expect("plain")]);
}

/// A server that sends the same bytes to whoever comes, 8 s of sound in as many seconds, and then no more.
fn serve(bytes: Vec<u8>, media: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(mut stream), bytes) = (stream, bytes.clone()) else { return };
            thread::spawn(move || {
                let _ = stream.read(&mut [0; 4_096]);
                let _ = write!(stream, "HTTP/1.0 200 OK\r\nContent-Type: {media}\r\n\r\n");
                for piece in bytes.chunks(bytes.len() / 80 + 1) {
                    if stream.write_all(piece).is_err() {
                        return;
                    }
                    thread::sleep(Duration::from_millis(100));
                }
                thread::sleep(PATIENCE); // the connection stands
            });
        }
    });
    url
}

#[test]
fn the_recording_is_the_same_whether_somebody_looks_or_not() {
    let place = Place::new();
    let stations = CODINGS.map(|(name, coding)| {
        let file = place.path(name);
        let coding = &coding[..coding.len() - 2];
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error"]).args(TONE).args(["-t", "8"]).args(coding).arg(&file);
        assert!(command.status().expect("ffmpeg").success());
        let media = CODINGS.iter().find(|(other, _)| *other == name).and_then(|(_, coding)| coding.last()).expect("a type");
        (name, serve(fs::read(&file).expect("a file"), media))
    });
    let (mut looked_at, mut alone) = (Site::record(&stations), Site::record(&stations));
    let lookers: Vec<_> = stations
        .iter()
        .take(4)
        .map(|(name, _)| {
            [format!("/api/live/{name}/waterfall"), format!("/live/{name}.wav")].map(|path| {
                let (head, mut body) = looked_at.follow(&path);
                assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
                let mut some = [0; 60_000];
                thread::spawn(move || {
                    body.read_exact(&mut some[..if path.ends_with(".wav") { 60_000 } else { 10_000 }]).map(|()| body)
                })
            })
        })
        .collect();
    // Of four at a time.
    assert!(looked_at.follow("/live/oggflac.wav").0.starts_with("HTTP/1.1 503"));
    for looker in lookers.into_iter().flatten() {
        assert!(looker.join().expect("no panic").is_ok(), "there was nothing to see or to hear");
    }
    thread::sleep(Duration::from_secs(6)); // until all was sent
    looked_at.end();
    alone.end();
    for (name, _) in stations {
        let files = |site: &Site| {
            recordings(&site.place.recordings().join(name)).iter().map(|path| fs::read(path).expect("read")).collect::<Vec<_>>()
        };
        let (seen, unseen) = (files(&looked_at), files(&alone));
        assert_eq!((seen.len(), unseen.len()), (1, 1), "{name}");
        assert!(seen[0].len() > 10_000 && seen == unseen, "{name}: {} and {} bytes", seen[0].len(), unseen[0].len());
    }
}
