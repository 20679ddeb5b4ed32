//! What is seen and heard of a source while it records, over HTTP; and that nothing of it goes on when nobody is there.

mod common;

use std::f64::consts::TAU;
use std::fs;
use std::io::{BufReader, Read};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use common::follow::{event, follow, free_port};
use common::{Place, Recorder, soundpost, tool};
use serde_json::Value;
use soundpost::signal::spectrum::{Spectrum, Tuning};

/// Frames in which the reference goes up fast, down slowly, and rests.
fn sound(length: usize) -> Vec<f32> {
    let mut seed = 1_u64;
    let mut noise = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 40) as f64 / f64::from(1 << 23) - 1.0
    };
    let amplitudes = [1e-5, 0.5, 0.01, 0.0, 1.0];
    let of = |part: usize, i: usize, noise: f64| amplitudes[part] * (0.3 * noise + 0.7 * (TAU * i as f64 / 9.7).sin());
    (0..40 * length).map(|i| of(i / length / 2 % amplitudes.len(), i, noise()) as f32).collect()
}

#[test]
fn spectra_are_those_of_numpy() {
    let place = Place::new();
    let usual = Tuning::default();
    let bat = Tuning { bands: 48, length: 4_096, low_hz: 10_000.0, high_hz: 192_000.0 };
    let short = Tuning { bands: 3, length: 64, ..usual };
    for (rate, tuning) in [(44_100, usual), (48_000, usual), (8_000, usual), (384_000, bat), (22_050, short)] {
        let (samples, path) = (sound(tuning.length), place.path("samples.f32"));
        fs::write(&path, samples.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>()).expect("written");
        let Tuning { bands, length, low_hz, high_hz } = tuning;
        let words = [f64::from(rate), bands as f64, length as f64, low_hz, high_hz].map(|word| word.to_string());
        // Debian's own, which python3-numpy belongs to.
        let out = Command::new("/usr/bin/python3").arg("tests/reference/spectrum.py").args(&words).arg(&path).output();
        let out = out.expect("python3");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let expected: Value = serde_json::from_slice(&out.stdout).expect("JSON");
        let mut spectrum = Spectrum::new(tuning, rate);
        let samples: Vec<f64> = samples.into_iter().map(f64::from).collect();
        for (number, mono) in samples.chunks_exact(length).enumerate() {
            let (frame, expected) = (spectrum.frame(mono), &expected[number]);
            let found = frame.bands.iter().chain([&frame.bass, &frame.level]);
            let bands = expected["frequencies"].as_array().expect("bands");
            let wanted = bands.iter().chain([&expected["bass"], &expected["level"]]);
            let is_near =
                |(found, wanted): (&u16, &Value)| wanted.as_u64().is_some_and(|value| u64::from(*found).abs_diff(value) <= 1);
            assert!(
                frame.bands.len() == bands.len() && found.zip(wanted).all(is_near),
                "{rate} Hz, {number}: {frame:?}, {expected}"
            );
        }
    }
}

/// A recorder of a tone of 3 kHz at -12 dBFS, with its page.
struct Tone {
    _place: Place,
    recorder: Recorder,
    port: u16,
}

fn tone() -> Tone {
    let place = Place::new();
    let source = "[tone]\ntype = tone\nhz = 3000\ndbfs = -12\npace = real\nsample_rate = 48000\nchannels = 2\nformat = flac\n";
    let port = free_port();
    let config = place.config("", &format!("[web]\nbind = 127.0.0.1\nport = {port}\n{source}"));
    let mut recorder = Recorder::spawn(soundpost().args(["record", "-c"]).arg(config));
    recorder.wait_for("the page: ", Duration::from_secs(20));
    recorder.wait_for("recording tone", Duration::from_secs(20));
    Tone { _place: place, recorder, port }
}

impl Tone {
    fn follow(&self, path: &str) -> (String, BufReader<TcpStream>) {
        follow(self.port, path)
    }

    /// Hundredths of a second of processor time of a thread so far.
    fn ticks(&self, thread: &str) -> u64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.recorder.child.id())).expect("a process");
        let of_thread =
            |task: &fs::DirEntry| fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim() == thread);
        let task = tasks.map(|task| task.expect("a thread")).find(of_thread).expect("the thread");
        let stat = fs::read_to_string(task.path().join("stat")).expect("its times");
        let fields: Vec<&str> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
        fields[11..13].iter().map(|field| field.parse::<u64>().expect("ticks")).sum()
    }
}

#[test]
fn bars_show_the_tone_thirty_times_a_second_at_most() {
    let tone = tone();
    let (head, mut body) = tone.follow("/api/live/tone/spectrum");
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/event-stream") && head.contains("no-store"), "{head}");
    assert_eq!(event(&mut body, "source")["source"], "tone");
    let first = event(&mut body, "");
    let began = Instant::now();
    let mut last = first.clone();
    for _ in 0..60 {
        last = event(&mut body, "");
    }
    let seconds = began.elapsed().as_secs_f64();
    let frames = last["seq"].as_u64().expect("a number") - first["seq"].as_u64().expect("a number");
    // Some may lie in a socket already, and a recorder that was late makes up for it.
    assert!(frames as f64 / seconds <= 36.0, "{frames} in {seconds} s");
    let bands: Vec<u64> = last["frequencies"].as_array().expect("bands").iter().filter_map(Value::as_u64).collect();
    let loudest = bands.iter().enumerate().max_by_key(|(_, band)| **band).map(|(at, _)| at);
    // 20 Hz · 800^(i/32): band 23 ends at 3.0 kHz, and bin 64 is at 3.0 kHz.
    assert!(bands.len() == 32 && loudest == Some(23) || loudest == Some(24), "{bands:?}");
    // A sine of -12 dBFS has a root mean square of -15: (60 - 15) / 54.
    assert!(last["level"].as_u64().is_some_and(|level| (830..=836).contains(&level)), "{last}");
    assert_eq!(last["scale"], 1_000);

    let (_, mut body) = tone.follow("/api/live/gone/spectrum");
    let source = event(&mut body, "source");
    assert_eq!((&source["source"], source["note"].as_str().is_some_and(|note| note.contains("gone"))), (&"tone".into(), true));
    assert!(tone.follow("/api/live/gone/waterfall").0.starts_with("HTTP/1.1 404"));
    assert!(tone.follow("/live/gone.wav").0.starts_with("HTTP/1.1 404"));
}

#[test]
fn the_waterfall_is_brightest_at_the_tone() {
    let tone = tone();
    let (head, mut body) = tone.follow("/api/live/tone/waterfall");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let mut start = [0; 16];
    body.read_exact(&mut start).expect("its head");
    let (rows, rate) = (u16::from_le_bytes([start[6], start[7]]), u32::from_le_bytes([start[8], start[9], start[10], start[11]]));
    assert_eq!((&start[..6], rows, rate, start[12]), (&b"SPWF\x01\0"[..], 512, 48_000, 25));
    let (mut column, mut numbers) = (vec![0; 4 + usize::from(rows)], Vec::new());
    for _ in 0..50 {
        body.read_exact(&mut column).expect("a column");
        numbers.push(u32::from_le_bytes([column[0], column[1], column[2], column[3]]));
        let (brightest, value) = column[4..].iter().enumerate().max_by_key(|(_, value)| **value).expect("rows");
        // Rows are 46.875 Hz high; -12 dBFS is 231.
        assert!((63..=64).contains(&brightest) && (228..=232).contains(value), "row {brightest}, {value}");
    }
    assert!(numbers.windows(2).all(|two| two[1] == two[0] + 1), "{numbers:?}");
}

#[test]
fn what_is_heard_is_what_is_recorded() {
    let tone = tone();
    let heard = tone._place.path("heard.wav");
    let url = format!("http://127.0.0.1:{}/live/tone.wav", tone.port);
    tool("ffmpeg", &["-v", "error", "-i", &url, "-t", "2", "-c:a", "pcm_s16le", heard.to_str().expect("a plain path")]);
    let samples: Vec<i16> = hound::WavReader::open(&heard).expect("a WAV").into_samples().map(|s| s.expect("a sample")).collect();
    assert_eq!(samples.len(), 2 * 2 * 48_000);
    // A whole number of frames is a period: what is heard has no hole and no step in it.
    let period = 48_000 / 3_000 * 2;
    let steps = samples.windows(period + 1).filter(|w| (i32::from(w[0]) - i32::from(w[period])).abs() > 1).count();
    assert_eq!((steps, samples.iter().copied().max()), (0, Some(8_231)), "-12 dBFS");
}

#[test]
fn nothing_runs_when_nobody_is_there() {
    let mut tone = tone();
    assert_eq!(tone.ticks("live"), 0, "nobody was there so far");
    {
        let (_, mut bars) = tone.follow("/api/live/tone/spectrum");
        let (_, mut events) = tone.follow("/api/events");
        for _ in 0..20 {
            event(&mut bars, "");
            let meter = event(&mut events, "level");
            let meter = &meter["sources"][0];
            assert_eq!((&meter["name"], meter["clipped"].as_bool()), (&"tone".into(), Some(false)));
        }
    }
    // The recorder hears that they left when it next writes to them, and then tells capture.
    let (mut before, until) = (u64::MAX, Instant::now() + Duration::from_secs(30));
    loop {
        std::thread::sleep(Duration::from_secs(2));
        let now = tone.ticks("live");
        if now == before {
            break;
        }
        assert!(Instant::now() < until, "live goes on working for nobody");
        before = now;
    }
    tone.recorder.signal("TERM");
    assert!(tone.recorder.wait(Duration::from_secs(10)).success(), "{}", tone.recorder.log.join("\n"));
}

#[test]
fn a_meter_moves_ten_times_a_second() {
    let tone = tone();
    let (_, mut events) = tone.follow("/api/events");
    event(&mut events, "level");
    let began = Instant::now();
    let mut count = 0;
    while began.elapsed() < Duration::from_secs(3) {
        let meter = event(&mut events, "level");
        let level = meter["sources"][0]["level_db"].as_f64().expect("a level");
        assert!((level + 15.01).abs() < 0.1, "{meter}");
        count += 1;
    }
    assert!((15..=36).contains(&count), "{count} in three seconds");
}
