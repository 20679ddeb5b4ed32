//! What it costs to look at a source, beside the encoder of the same sound; and how soon it is seen and heard.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use rustix::time::{ClockId, clock_gettime};
use soundpost::signal::spectrum::{Spectrum, Tuning};

use crate::common::{Place, Recorder, bytes_of, noise, recordings, sidecar};
use crate::icecast::free_port;
use crate::process::{median, thread_seconds};

/// How long one looks.
const LOOK: Duration = Duration::from_secs(60);
/// How long one listens for clicks.
const LISTEN: Duration = Duration::from_secs(40);
const RATE: usize = 48_000;
/// From click to click, so that they come at every place of a read and of a frame.
const PERIOD: usize = 33_613;
const CLICK: usize = 4_800;

pub fn looking_and_listening() {
    spectra_alone();
    beside_encoding();
    from_click_to_client();
}

fn web(port: u16) -> String {
    format!("[web]\nbind = 127.0.0.1\nport = {port}\n")
}

/// Without the thread that is woken for each piece of sound, which costs more than they do.
fn spectra_alone() {
    let mut spectrum = Spectrum::new(Tuning::default(), RATE as u32);
    let sound: Vec<f64> = noise(1, 2 * RATE).into_iter().map(|x| f64::from(x) / 32_768.0).collect();
    let frames = 30 * LOOK.as_secs() as usize;
    let begun = clock_gettime(ClockId::ThreadCPUTime);
    let levels = (0..frames).map(|n| u64::from(spectrum.frame(&sound[n * 7 % RATE..][..1_024]).level)).sum::<u64>();
    let took = clock_gettime(ClockId::ThreadCPUTime);
    let ms = (took.tv_sec - begun.tv_sec) as f64 * 1e3 + (took.tv_nsec - begun.tv_nsec) as f64 / 1e6;
    println!("{frames} spectra, as many as {} s have: {ms:.1} ms of CPU (mean level {})", LOOK.as_secs(), levels / frames as u64);
}

fn beside_encoding() {
    let (place, port) = (Place::new(), free_port());
    let demo = "[demo]\ntype = demo\nsample_rate = 48000\nchannels = 2\nformat = flac\n";
    let mut recorder = Recorder::start(&place.config("", &(web(port) + demo)), &[]);
    recorder.wait_for("recording built-in", Duration::from_secs(20));
    for (what, path) in [
        ("nobody", None),
        ("spectrum", Some("api/live/demo/spectrum")),
        ("waterfall", Some("api/live/demo/waterfall")),
        ("WAV", Some("live/demo.wav")),
        ("Opus", Some("live/demo.opus")),
    ] {
        let curl = |url: String| Command::new("curl").args(["-sN", &url]).stdout(Stdio::null()).spawn().expect("curl");
        let mut listener = path.map(|path| curl(format!("http://127.0.0.1:{port}/{path}")));
        std::thread::sleep(Duration::from_secs(2));
        let before = thread_seconds(recorder.child.id());
        std::thread::sleep(LOOK);
        let after = thread_seconds(recorder.child.id());
        listener.iter_mut().for_each(|listener| listener.kill().and_then(|()| listener.wait()).map(drop).expect("ended"));
        let of = |name: &str| 1_000.0 * (after.get(name).unwrap_or(&0.0) - before.get(name).unwrap_or(&0.0));
        let (encoder, live, gate) = (of("demo/encoder"), of("live"), of("gate"));
        let share = 100.0 * live / encoder;
        println!(
            "{what}: live {live:.0} ms, gate {gate:.0} ms, encoder {encoder:.0} ms of CPU in {} s: {share:.1} % (bar of the spectrum: 5)",
            LOOK.as_secs()
        );
    }
    recorder.kill();
}

/// A tone of a tenth of a second, and silence.
fn clicks() -> Vec<i16> {
    let tone = |i: usize| if i < CLICK { (20_000.0 * (i as f64 * 0.5).sin()) as i16 } else { 0 };
    (0..PERIOD).map(tone).collect()
}

/// A source that hands its sound out as a card does; when each click was made is known from when its recording began.
fn from_click_to_client() {
    let (place, port) = (Place::new(), free_port());
    let raw = place.raw("clicks", &clicks());
    let section = format!(
        "[clicks]\ntype = file\npath = {}\npace = real\nloop = yes\nsample_rate = {RATE}\nchannels = 1\nraw_bits = 16\nformat = flac\n",
        raw.display()
    );
    assert_eq!(bytes_of(&clicks()).len(), 2 * PERIOD);
    let mut recorder = Recorder::start(&place.config("split_minutes = 60", &(web(port) + &section)), &[]);
    recorder.wait_for("recording", Duration::from_secs(20));
    let seen = seen(port);
    let heard = heard(port);
    recorder.signal("TERM");
    assert!(recorder.wait(Duration::from_secs(10)).success(), "{}", recorder.log.join("\n"));
    let first = recordings(&place.recordings()).into_iter().next().expect("a recording");
    let start = sidecar(&place.recordings(), &first)["start"].as_str().expect("a time").to_owned();
    let start: jiff::Timestamp = start.parse().expect("a time");
    let start = start.as_nanosecond() as f64 / 1e9;
    for (what, times) in [("spectrum", seen), ("WAV", heard)] {
        let period = PERIOD as f64 / RATE as f64;
        let mut late: Vec<f64> = times.iter().map(|time| (time - start).rem_euclid(period) * 1_000.0).collect();
        late.sort_by(f64::total_cmp);
        println!(
            "from a click to the client, {what}: median {:.0} ms, nine of ten within {:.0} ms, {} clicks (bar of the spectrum: 80)",
            median(late.clone()),
            late[late.len() * 9 / 10],
            late.len()
        );
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs_f64()
}

fn ask(port: u16, path: &str) -> BufReader<TcpStream> {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).expect("the page");
    write!(socket, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("asked");
    let mut body = BufReader::new(socket);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        assert!(body.read_line(&mut line).expect("a head") > 0);
    }
    body
}

/// When each click was first seen in the level of a spectrum.
fn seen(port: u16) -> Vec<f64> {
    let (mut body, mut line) = (ask(port, "/api/live/clicks/spectrum"), String::new());
    let (mut times, mut was_loud, began) = (Vec::new(), true, Instant::now());
    while began.elapsed() < LISTEN {
        line.clear();
        assert!(body.read_line(&mut line).expect("an event") > 0);
        let time = now();
        let Some(data) = line.strip_prefix("data: ") else { continue };
        let frame: serde_json::Value = serde_json::from_str(data).expect("JSON");
        let is_loud = frame["level"].as_u64().is_some_and(|level| level > 300);
        if is_loud && !was_loud {
            times.push(time);
        }
        was_loud = is_loud;
    }
    times
}

/// When the first samples of each click came.
fn heard(port: u16) -> Vec<f64> {
    let mut body = ask(port, "/live/clicks.wav");
    let mut space = [0; 44];
    body.read_exact(&mut space).expect("a header");
    let (mut times, mut quiet, began) = (Vec::new(), 0, Instant::now());
    while began.elapsed() < LISTEN {
        let samples = body.fill_buf().expect("sound");
        let time = now();
        let length = samples.len() / 2 * 2;
        for sample in samples[..length].chunks_exact(2) {
            let is_loud = i16::from_le_bytes([sample[0], sample[1]]).unsigned_abs() > 1_000;
            if is_loud && quiet > CLICK {
                times.push(time);
            }
            quiet = if is_loud { 0 } else { quiet + 1 };
        }
        body.consume(length);
        if length == 0 {
            std::thread::sleep(Duration::from_millis(1)); // half a sample
        }
    }
    times
}
