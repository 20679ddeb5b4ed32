//! A recording is in the list from its first moment on, under its source's name: nobody waits for the next look through the folder.

mod common;

use std::io::{BufRead, BufReader, Lines, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use common::follow::free_port;
use common::lanes::lane;
use common::{Place, Recorder, noise};
use serde_json::Value;

/// What the page is told: kind, and the recording.
fn events(port: u16) -> impl Iterator<Item = (String, Value)> {
    let (mut kind, began) = (String::new(), Instant::now());
    // It has a port a moment before it has somebody to answer.
    let lines = std::iter::repeat_with(|| ask(port)).find(|(answer, _)| {
        assert!(began.elapsed() < Duration::from_secs(20), "{answer}");
        answer == "HTTP/1.1 200 OK"
    });
    lines.into_iter().flat_map(|(_, lines)| lines).filter_map(move |line| {
        let line = line.expect("an event within 20 s");
        match line.split_once(": ") {
            Some(("event", word)) => word.clone_into(&mut kind),
            Some(("data", data)) => return Some((kind.clone(), serde_json::from_str(data).expect("JSON"))),
            _ => {}
        }
        None
    })
}

fn ask(port: u16) -> (String, Lines<BufReader<TcpStream>>) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the page");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    stream.write_all(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
    let mut lines = BufReader::new(stream).lines();
    (lines.next().expect("an answer").expect("a line"), lines)
}

/// Opened, closed, analysed: in this order, each at once.
fn a_recording_is_told(format: &str) {
    let (place, port) = (Place::new(), free_port());
    let raw = place.raw("noise", &noise(5, 10 * common::lanes::RATE));
    let web = format!("[web]\nbind = 127.0.0.1\nport = {port}\n");
    let general = "split_minutes = 0.05\nmin_free_mb = 0"; // three seconds
    let mut recorder = Recorder::start(&place.config(general, &(web + &lane("wood", &raw, format))), &[]);
    recorder.wait_for("the page: ", Duration::from_secs(20));
    let mut told = events(port).filter(|(kind, _)| kind != "level" && kind != "work");
    let mut next = |wanted: &str, name: Option<&str>| {
        let is_it = |(kind, row): &(String, Value)| kind == wanted && name.is_none_or(|name| row["name"] == name);
        told.find(is_it).unwrap_or_else(|| panic!("no {wanted} of {name:?}")).1
    };
    let row = next("opened", None);
    assert_eq!((&row["source"], &row["state"]), (&"wood".into(), &"open".into()), "{row}");
    let name = row["name"].as_str().expect("a name");
    let late = age(&row, &place.recordings().join(name));
    assert!(late < Duration::from_secs(2), "it began {late:?} before it was told");
    let row = next("analysed", Some(name));
    assert_eq!((&row["source"], &row["details"]["end_reason"]), (&"wood".into(), &"split".into()), "{row}");
    let began = Instant::now();
    next("opened", None);
    assert!(began.elapsed() < Duration::from_secs(5), "the next one");
}

/// How long ago its first frame was, by the name of its clock.
fn age(row: &Value, path: &Path) -> Duration {
    let start: jiff::Timestamp = row["start"].as_str().and_then(|text| text.parse().ok()).expect("RFC 3339");
    let now = jiff::Timestamp::now();
    assert!(start <= now, "{}: {start} is not yet", path.display());
    Duration::from_micros((now.as_microsecond() - start.as_microsecond()) as u64)
}

#[test]
fn a_flac_is_told_when_it_begins() {
    a_recording_is_told("flac");
}

#[test]
fn a_wav_is_told_when_it_begins() {
    a_recording_is_told("wav");
}
