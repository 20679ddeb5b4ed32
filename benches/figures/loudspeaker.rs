//! From a microphone to a loudspeaker, with a real browser between two real-time devices: through the page's live view, and through the
//! Icecast that the same source is pushed to. Both devices are recorded, so that one clock tells when a click was made and when it was
//! heard.

use std::time::Duration;

use crate::browser_rig::script;
use crate::common::cards::card;
use crate::common::rig::Rig;
use crate::common::{Place, Recorder, bytes_of, decode, recordings, sidecar, soundpost};
use crate::icecast::{Icecast, PASSWORD, Process, free_port};
use crate::process::median;

const RATE: usize = 48_000;
/// How long the browser plays; the clicks go on for longer.
const SECONDS: usize = 45;
/// A tone of a twentieth of a second.
const CLICK: usize = RATE / 20;
/// Whoever is later than this is not looked for.
const LATEST: f64 = 60.0;
/// Where a click may be, around where all of them are.
const NEAR: f64 = 0.15;

pub fn microphone_to_loudspeaker() {
    let (late, seen, told) = play(false);
    println!("microphone to loudspeaker through the page: {} (bar: 350 ms) {told}", summary(late));
    println!("microphone to a bar in the page: {} (bar: 80 ms)", summary(seen));
    let (late, _, told) = play(true);
    println!("microphone to loudspeaker through icecast2 and an <audio> element: {} {told}", summary(late));
}

fn summary(late: Vec<f64>) -> String {
    if late.is_empty() {
        return "nothing was heard".into();
    }
    let worst = late.iter().copied().fold(0.0, f64::max);
    format!("at most {worst:.0} ms, {} clicks, median {:.0} ms", late.len(), median(late))
}

/// Clicks at intervals that are never the same, from 0.35 s to 1.05 s, in a hiss: an encoder would send next to nothing for silence, and
/// a browser wait for minutes until it has enough.
fn clicks() -> Vec<i16> {
    let (mut samples, mut seed, mut hiss) = (Vec::new(), 7_u64, 11_u32);
    while samples.len() < (SECONDS + 40) * RATE {
        samples.extend((0..CLICK).map(|i| (16_000.0 * (i as f64 * 0.4).sin()) as i16));
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let silence = RATE * 3 / 10 + (seed >> 33) as usize % (RATE * 7 / 10);
        samples.extend((0..silence).map(|_| {
            hiss ^= hiss << 13;
            hiss ^= hiss >> 17;
            hiss ^= hiss << 5;
            (hiss % 201) as i16 - 100
        }));
    }
    samples
}

/// How late each click is at the loudspeaker and in the page, in milliseconds; what the page says of itself.
fn play(by_icecast: bool) -> (Vec<f64>, Vec<f64>, String) {
    let rig = Rig::new(&["mic:48000:1", "out:48000:1"]);
    let (place, port, mut icecast) = (Place::new(), free_port(), Icecast::start());
    let (push, stream) = (format!("icecast://source:{PASSWORD}@127.0.0.1:{}/mic.opus", icecast.port), icecast.url("mic.opus"));
    let mic = card("mic", 48_000, 1, "flac") + &format!("icecast_url = {push}\nicecast_bitrate = 128\n");
    let cards = mic + &card("out", 48_000, 1, "flac");
    let sections = format!("[web]\nbind = 127.0.0.1\nport = {port}\n{cards}");
    let config = place.config("split_minutes = 1440", &sections);
    let mut recorder = Recorder::spawn(soundpost().arg("record").arg("-c").arg(config).envs(rig.environment()));
    for wanted in ["[mic] recording", "[out] recording"] {
        recorder.wait_for(wanted, Duration::from_secs(20));
    }
    let _player = Process(rig.play("mic", "S16_LE", RATE as u32, 1, &bytes_of(&clicks())));
    icecast.wait_for(&["mic.opus"]);
    let (base, server, seconds) = (format!("http://127.0.0.1:{port}/"), rig.server(), SECONDS.to_string());
    let mut variables = vec![("BASE_URL", base.as_str()), ("SOURCE", "mic"), ("SECONDS", &seconds)];
    variables.extend([("PULSE_SERVER", server.as_str()), ("PULSE_SINK", "out")]);
    variables.extend(by_icecast.then_some(("STREAM", stream.as_str())));
    let said: serde_json::Value = serde_json::from_str(&script("loudspeaker.mjs", &variables)).expect("JSON");
    recorder.signal("TERM");
    assert!(recorder.wait(Duration::from_secs(20)).success(), "{}", recorder.log.join("\n"));
    let onsets = |name: &str| {
        let path = recordings(&place.recordings().join(name)).into_iter().next().expect("a recording");
        let start = sidecar(&place.recordings(), &path)["start"].as_str().expect("a time").to_owned();
        let start: jiff::Timestamp = start.parse().expect("a time");
        onsets(&decode(&path)).map(|frame| start.as_nanosecond() as f64 / 1e9 + frame as f64 / RATE as f64).collect::<Vec<f64>>()
    };
    let (made, heard) = (onsets("mic"), onsets("out"));
    let times = said["seen"].as_array().expect("times").iter().filter_map(|time| Some(time.as_f64()? / 1e3));
    (late(&made, &heard), late(&made, &times.collect::<Vec<f64>>()), said["told"].as_str().unwrap_or_default().to_owned())
}

/// Where a sound begins after a tenth of a second without one.
fn onsets(samples: &[i32]) -> impl Iterator<Item = usize> {
    let mut quiet = RATE;
    let mut found = Vec::new();
    for (frame, sample) in samples.iter().enumerate() {
        if sample.unsigned_abs() > 1_500 {
            if quiet > RATE / 10 {
                found.push(frame);
            }
            quiet = 0;
        } else {
            quiet += 1;
        }
    }
    found.into_iter()
}

/// The delay that most of what was heard agrees on, and how late each is that agrees.
fn late(made: &[f64], heard: &[f64]) -> Vec<f64> {
    let of = |at: f64| {
        let near = heard.iter().filter_map(|heard| {
            let late = made.iter().map(|made| heard - made).min_by(|a, b| (a - at).abs().total_cmp(&(b - at).abs()))?;
            ((late - at).abs() < NEAR && late > 0.0).then_some(late * 1_000.0)
        });
        near.collect::<Vec<f64>>()
    };
    let steps = (0..(LATEST / 0.05) as usize).map(|step| of(step as f64 * 0.05));
    steps.max_by_key(Vec::len).unwrap_or_default()
}
