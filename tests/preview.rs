//! A device that nobody records is opened for whoever looks at it, over real-time ALSA devices, and the recording beside it does
//! not notice.

mod common;

use std::io::Read;
use std::time::{Duration, Instant};

use common::cards::{card, find, joined, record};
use common::follow::{event, follow, free_port, next_event};
use common::lanes::stop;
use common::rig::Rig;
use common::{Place, Recorder, bytes_of, gaps, noise};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(20);

fn begin(rig: &Rig, place: &Place, port: u16) -> Recorder {
    let web = format!("[web]\nbind = 127.0.0.1\nport = {port}\n");
    let config = place.config("retry_delay_seconds = 0.5", &(web + &card("wood", 48_000, 1, "flac")));
    let mut recorder = record(rig, &config);
    recorder.wait_for("the page: ", PATIENCE);
    recorder.wait_for("[wood] recording", PATIENCE);
    recorder
}

/// Until the answer is the wanted one.
fn wait(port: u16, path: &str, wanted: &str) -> String {
    let began = Instant::now();
    loop {
        let (mut head, mut body) = follow(port, path);
        if head.starts_with(wanted) {
            return head;
        }
        if !head.starts_with("HTTP/1.1 200") {
            body.read_to_string(&mut head).expect("a sentence");
        }
        assert!(began.elapsed() < PATIENCE, "{path}: {head}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_device_is_seen_and_heard_before_it_is_a_source() {
    let rig = Rig::new(&["wood:48000:1", "spare:48000:2", "other:48000:1"]);
    let (place, port) = (Place::new(), free_port());
    let mut recorder = begin(&rig, &place, port);

    let (_, mut body) = follow(port, "/api/live");
    let mut list = String::new();
    body.read_to_string(&mut list).expect("a list");
    let list: Value = serde_json::from_str(&list).expect("JSON");
    let devices: Vec<&str> = list["devices"].as_array().expect("devices").iter().filter_map(|d| d["device"].as_str()).collect();
    assert!(["spare", "other"].iter().all(|name| devices.contains(name)), "{list}");

    let (head, mut bars) = follow(port, "/api/live/spare/spectrum");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let source = event(&mut bars, "source");
    assert_eq!((&source["source"], &source["note"]), (&"spare".into(), &Value::Null));
    event(&mut bars, "");
    // The same device to a second one who wants to hear it; another device has to wait.
    let (head, mut sound) = follow(port, "/live/spare.wav");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let refused = wait(port, "/api/live/other/spectrum", "HTTP/1.1 503");
    assert!(refused.contains("Retry-After"), "{refused}");
    let played = noise(5, 2 * 48_000);
    let mut player = rig.play("spare", "S16_LE", 48_000, 2, &bytes_of(&played));
    let mut heard = vec![0; 44 + 4 * 3 * 48_000];
    sound.read_exact(&mut heard).expect("three seconds");
    assert!(player.wait().expect("aplay").success());
    let samples: Vec<i32> = heard[44..].chunks_exact(2).map(|x| i32::from(i16::from_le_bytes([x[0], x[1]]))).collect();
    assert!(find(&samples, &played).is_some(), "what was played is what is heard, sample for sample");
    let level = (0..60).filter_map(|_| event(&mut bars, "")["level"].as_u64()).max();
    assert!(level.is_some_and(|level| level > 500), "bars show it too: {level:?}");

    // When the last one has left, the other may be looked at.
    drop((bars, sound));
    wait(port, "/api/live/other/spectrum", "HTTP/1.1 200");
    // A name that no device has is answered by a source, with a note.
    let (_, mut bars) = follow(port, "/api/live/UltraMic/spectrum");
    let source = event(&mut bars, "source");
    assert_eq!((&source["source"], source["note"].as_str().map(|note| note.contains("UltraMic"))), (&"wood".into(), Some(true)));
    drop(bars);

    stop(&mut recorder);
    assert_eq!(joined(&place.recordings(), "wood", 1).1, 1, "one file, without a hole");
    assert!(gaps(&place.recordings()).is_empty(), "{:?}", gaps(&place.recordings()));
}

#[test]
fn a_device_that_goes_away_is_told_of_and_comes_back() {
    let mut rig = Rig::new(&["wood:48000:1", "spare:48000:1"]);
    let (place, port) = (Place::new(), free_port());
    let mut recorder = begin(&rig, &place, port);
    let (_, mut bars) = follow(port, "/api/live/spare/spectrum");
    event(&mut bars, "");
    rig.kill();
    while next_event(&mut bars, "").is_some() {}
    wait(port, "/api/live/spare/spectrum", "HTTP/1.1 503");
    rig.start();
    let began = Instant::now();
    let is_seen = || {
        let (head, mut bars) = follow(port, "/api/live/spare/spectrum");
        head.starts_with("HTTP/1.1 200") && next_event(&mut bars, "").is_some()
    };
    while !is_seen() {
        assert!(began.elapsed() < PATIENCE, "it does not come back");
        std::thread::sleep(Duration::from_millis(200));
    }
    stop(&mut recorder);
}
