//! Nothing is allocated from capture to disk after start: every malloc of the lanes' threads and the store is counted,
//! libFLAC's too.

mod common;

use std::fs;
use std::time::Duration;

use common::lanes::no_boundary;
use common::{Place, Recorder, noise, tool};

/// Allocations that the counter file holds.
fn count(path: &std::path::Path) -> u64 {
    let bytes = fs::read(path).expect("the counter");
    u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
}

#[test]
fn ten_seconds_of_two_lanes_allocate_nothing() {
    let place = Place::new();
    let library = place.path("count_malloc.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/count_malloc.c");
    tool("cc", &["-shared", "-fPIC", "-O2", "-o", library.to_str().expect("a path"), source, "-ldl"]);
    let raw = place.raw("noise", &noise(5, 2 * 48_000 * 4));
    let lane = |name: &str, format: &str| {
        let path = raw.display();
        format!(
            "[{name}]\ntype = file\npath = {path}\npace = real\nloop = yes\nraw_bits = 16\nsample_rate = 48000\nchannels = 2\nformat = {format}\n"
        )
    };
    let config = place.config(&(no_boundary() + "\nsync_seconds = 1"), &(lane("flac", "flac") + &lane("wav", "wav")));
    let counter = place.path("count");
    fs::write(&counter, 0_u64.to_le_bytes()).expect("written");
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
