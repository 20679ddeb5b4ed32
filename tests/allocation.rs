//! Nothing is allocated from capture to disk after start: every malloc of the lanes' threads and the store is counted,
//! libFLAC's too. Nor is anything from one spectrum to the next, but for the queue of
//! those whom it wakes.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::lanes::no_boundary;
use common::{Place, Recorder, free_port, noise, tool};

/// Allocations that the counter file holds.
fn count(path: &Path) -> u64 {
    let bytes = fs::read(path).expect("the counter");
    u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
}

/// What counts them, and where.
fn counter(place: &Place) -> (PathBuf, PathBuf) {
    let library = place.path("count_malloc.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/count_malloc.c");
    tool("cc", &["-shared", "-fPIC", "-O2", "-o", library.to_str().expect("a path"), source, "-ldl"]);
    let counter = place.path("count");
    fs::write(&counter, 0_u64.to_le_bytes()).expect("written");
    (library, counter)
}

#[test]
fn ten_seconds_of_lanes_allocate_nothing() {
    let place = Place::new();
    let (library, counter) = counter(&place);
    let raw = place.raw("noise", &noise(5, 2 * 48_000 * 4));
    let lane = |name: &str, format: &str| {
        let path = raw.display();
        format!(
            "[{name}]\ntype = file\npath = {path}\npace = real\nloop = yes\nraw_bits = 16\nsample_rate = 48000\nchannels = 2\nformat = {format}\n"
        )
    };
    // Triggered, and never loud enough: what is held back and listened to.
    let waits = |trigger: &str| {
        let keys = format!("trigger = {trigger}\ntrigger_margin = 120\nfilename_pattern = {trigger}/%H%M%S\n");
        lane(trigger, "flac") + &keys
    };
    let config = place.config(
        &(no_boundary() + "\nsync_seconds = 1"),
        &(lane("flac", "flac") + &waits("level") + &waits("bands") + &lane("wav", "wav")),
    );
    let mut command = common::soundpost();
    command.arg("record").arg("-c").arg(&config).env("LD_PRELOAD", &library).env("COUNT_MALLOC", &counter);
    let mut recorder = Recorder::spawn(&mut command);
    recorder.wait_for("[wav]", Duration::from_secs(20));
    std::thread::sleep(Duration::from_secs(6)); // files open, libFLAC's buffers have grown to their largest frame
    let before = count(&counter);
    assert!(before > 100, "the counter counts: {before} at start");
    std::thread::sleep(Duration::from_secs(10)); // over 230 blocks, 20 syncs
    let after = count(&counter);
    recorder.signal("TERM");
    assert!(recorder.wait(Duration::from_secs(6)).success());
    assert_eq!(after - before, 0, "allocations in ten seconds");
}

#[test]
fn spectra_allocate_nothing() {
    let place = Place::new();
    let (library, counter) = counter(&place);
    let port = free_port();
    let source = "[tone]\ntype = tone\npace = real\nsample_rate = 48000\nchannels = 2\nformat = flac\n";
    let config = place.config(&no_boundary(), &format!("[web]\nbind = 127.0.0.1\nport = {port}\n{source}"));
    let mut command = common::soundpost();
    command.arg("record").arg("-c").arg(&config);
    command.env("LD_PRELOAD", &library).env("COUNT_MALLOC", &counter).env("COUNT_THREAD", "live");
    let mut recorder = Recorder::spawn(&mut command);
    recorder.wait_for("recording tone", Duration::from_secs(20));
    let mut socket = TcpStream::connect(("127.0.0.1", port)).expect("the page");
    write!(socket, "GET /api/live/tone/spectrum HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("asked");
    let mut lines = BufReader::new(socket).lines().map(|line| line.expect("an event"));
    let mut frames = |wanted: usize| lines.by_ref().filter(|line| line.starts_with("data: {\"seq\"")).take(wanted).count();
    let began = Instant::now();
    assert_eq!(frames(150), 150); // the ring has been filled once
    let before = count(&counter);
    assert!(before > 0, "the counter counts");
    assert_eq!(frames(93), 93);
    // The executor's queue takes 31 wake-ups at a time; spectra, their text and the ring take nothing.
    assert!(count(&counter) - before <= 4, "{} allocations in {:?}", count(&counter) - before, began.elapsed());
}
