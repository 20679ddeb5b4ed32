//! What the page tells of a recorder: what each source records to and how loud it is, and alarms from their beginning to their
//! end.

mod common;
mod page_rig;

use std::io::{BufRead, BufReader, Write};
use std::time::{Duration, Instant};

use common::lanes::no_boundary;
use common::{Place, Recorder, free_port, noise};
use page_rig::Target;
use serde_json::Value;

const RATE: usize = 48_000;

/// A recorder of noise with a page, which is open.
fn recorder(place: &Place, general: &str, source: &str, web: &str, extra: &[&str]) -> (Recorder, Target) {
    let raw = place.raw("noise", &noise(7, 60 * RATE));
    // One that is free now; a configuration names one.
    let port = free_port();
    let section = format!(
        "[web]\nport = {port}\n{web}\n[s]\ntype = file\npath = {}\npace = real\nloop = yes\nraw_bits = 16\nsample_rate = {RATE}\n\
         channels = 1\nformat = flac\nfilename_pattern = s/%Y%m%d_%H%M%S\n{source}\n",
        raw.display()
    );
    let mut recorder = Recorder::start(&place.config(general, &section), extra);
    recorder.wait_for(&format!("the page: http://localhost:{port}/"), Duration::from_secs(10));
    (recorder, Target { port, folder: place.recordings() })
}

/// Files of a day, and room for what is known of them.
fn roomy() -> String {
    no_boundary() + "\nmemory_budget_mb = 512"
}

fn status(page: &Target) -> Value {
    let mut reply = page.get("/api/status");
    while reply.status == 503 {
        reply = page.get("/api/status"); // it is just beginning
    }
    assert_eq!(reply.status, 200);
    serde_json::from_slice(&reply.body).expect("JSON")
}

fn alarms(status: &Value) -> Vec<&str> {
    status["alarms"].as_array().expect("a list").iter().map(|alarm| alarm["text"].as_str().expect("a text")).collect()
}

/// Asks until it is so.
#[track_caller]
fn until(page: &Target, within: Duration, is_so: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + within;
    loop {
        let now = status(page);
        if is_so(&now) {
            return now;
        }
        assert!(Instant::now() < end, "not within {within:?}: {now}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn stop(mut recorder: Recorder) {
    recorder.signal("TERM");
    let ended = recorder.wait(Duration::from_secs(6));
    assert!(ended.success(), "{}", recorder.log.join("\n"));
}

#[test]
fn a_device_that_stands_still_is_an_alarm_until_it_has_run_for_a_while() {
    let place = Place::new();
    let general = "retry_delay_seconds = 0.4\nsync_seconds = 0.5\n".to_owned() + &roomy();
    let (recorder, page) = recorder(&place, &general, "faults = stall@5s:4s", "bind = 127.0.0.1", &[]);
    let now = until(&page, Duration::from_secs(3), |now| now["sources"][0]["level_db"].is_number());
    let source = &now["sources"][0];
    assert_eq!((source["state"].as_str(), alarms(&now)), (Some("recording"), vec![]));
    let recording_since = source["since"].as_str().expect("a time").to_owned();
    let (level, peak) = (source["level_db"].as_f64().expect("a level"), source["peak_db"].as_f64().expect("a peak"));
    // Uniform noise to a quarter of full scale: the peak is there, the mean 4.8 dB below.
    assert!((peak + 12.04).abs() < 0.1 && (level + 16.8).abs() < 0.5, "{level} dB, peak {peak} dB");
    let first = source["file"].as_str().expect("a file").to_owned();
    assert!(first.starts_with("s/20") && first.ends_with(".flac") && place.recordings().join(format!("{first}.part")).exists());

    // The catalogue knows of it as soon as it is on the disk, and whose it is.
    let open = |page: &Target| {
        let list: Value = serde_json::from_slice(&page.get("/api/files").body).expect("JSON");
        let file = list["files"][0].clone();
        (file["name"] == *first && file["state"] == "open" && file["source"] == "s").then_some(file)
    };
    let end = Instant::now() + Duration::from_secs(8);
    while open(&page).is_none() {
        assert!(Instant::now() < end, "{}", String::from_utf8_lossy(&page.get("/api/files").body));
        std::thread::sleep(Duration::from_millis(100));
    }

    let mut events = page.connect();
    events.write_all(format!("GET /api/events HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\r\n", page.port).as_bytes()).expect("sent");
    let now = until(&page, Duration::from_secs(8), |now| !alarms(now).is_empty());
    let source = &now["sources"][0];
    let [text] = alarms(&now)[..] else { panic!("{now}") };
    assert!(text.starts_with("s: ") && Some(text) == source["trouble"].as_str().map(|t| format!("s: {t}")).as_deref(), "{now}");
    assert_eq!((source["state"].as_str(), &source["file"], &source["level_db"]), (Some("alarm"), &Value::Null, &Value::Null));
    assert!(source["since"].as_str().expect("a time") > recording_since.as_str(), "{now}");
    let since = now["alarms"][0]["since"].as_str().expect("a time").to_owned();
    assert!(since.as_str() < now["now"].as_str().expect("a time"));
    assert!(String::from_utf8_lossy(&page.get("/metrics").body).contains("soundpost_alarms 1\n"));

    // It comes back, and stays an alarm until ten seconds of sound have come.
    let now = until(&page, Duration::from_secs(10), |now| now["sources"][0]["file"].is_string());
    assert_eq!((alarms(&now).len(), now["sources"][0]["state"].as_str()), (1, Some("alarm")), "{now}");
    assert_ne!(now["sources"][0]["file"], first);
    let now = until(&page, Duration::from_secs(20), |now| alarms(now).is_empty());
    assert_eq!((now["sources"][0]["state"].as_str(), &now["sources"][0]["trouble"]), (Some("recording"), &Value::Null));
    // Who listens has heard of both.
    let mut lines = BufReader::new(events).lines().map(|line| line.expect("a line"));
    let mut heard = Vec::new();
    while heard.len() < 2 {
        if lines.next().expect("more") == "event: alarm" {
            let data = lines.next().expect("its data");
            let data: Value = serde_json::from_str(data.strip_prefix("data: ").expect("data")).expect("JSON");
            heard.push((data["over"].as_bool().expect("a word"), data["text"].as_str().expect("a text").starts_with("s: ")));
        }
    }
    assert_eq!(heard, [(false, true), (true, true)]);
    stop(recorder);
}

#[test]
fn a_device_that_is_unplugged_for_long_is_an_alarm() {
    let place = Place::new();
    let general = "max_retries = 1\nretry_delay_seconds = 0.2\n".to_owned() + &roomy();
    let (recorder, page) = recorder(&place, &general, "faults = unplug@1s:60s", "bind = 127.0.0.1", &[]);
    let now = until(&page, Duration::from_secs(10), |now| !alarms(now).is_empty());
    let [text] = alarms(&now)[..] else { panic!("{now}") };
    assert!(text.starts_with("s: ") && text.contains("not there"), "{now}");
    stop(recorder);
}

#[test]
fn what_was_given_up_and_an_open_page_are_alarms() {
    let place = Place::new();
    let (recorder, page) = recorder(&place, &roomy(), "", "", &["--drill", "analyser=panic@2x50"]);
    let now = until(&page, Duration::from_secs(20), |now| alarms(now).len() == 2);
    let [open, given_up] = alarms(&now)[..] else { panic!("{now}") };
    assert!(open.starts_with("The page asks for no password") && given_up.starts_with("analyser: given up"), "{now}");
    assert_eq!(now["sources"][0]["state"], "recording");
    stop(recorder);
}
