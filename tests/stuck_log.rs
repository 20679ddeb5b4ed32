//! A stderr that nobody reads, full to its last byte: recording goes on, and every end comes when it should.

mod common;

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use common::lanes::{RATE, lost, no_boundary, recorded, two_lanes};
use common::{Place, Recorder, assert_sound, recordings, soundpost};
use rustix::fs::OFlags;

/// A recorder that can say nothing on stderr: the pipe is there, is full, and is read by nobody.
struct Mute {
    child: std::process::Child,
}

impl Mute {
    fn start(config: &Path, extra: &[&str]) -> Mute {
        let mut command = soundpost();
        command.arg("record").arg("-c").arg(config).args(extra).stdin(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().expect("the program starts");
        // An open file of our own that does not wait, on the same pipe.
        let path = format!("/proc/{}/fd/2", child.id());
        let flags = OFlags::NONBLOCK.bits() as i32;
        let mut pipe = OpenOptions::new().write(true).custom_flags(flags).open(path).expect("Linux");
        let mut filled = 0;
        for piece in [4_096, 1] {
            while let Ok(n @ 1..) = pipe.write(&vec![b'.'; piece]) {
                filled += n;
            }
        }
        assert!(filled > 4_096, "the pipe took {filled} bytes");
        Mute { child }
    }

    fn signal(&self, name: &str) {
        let status = std::process::Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(status.is_ok_and(|s| s.success()), "signal {name} was sent");
    }

    /// The exit code of an end within this time.
    fn wait(&mut self, within: Duration) -> Option<i32> {
        let until = std::time::Instant::now() + within;
        while std::time::Instant::now() < until {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code();
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("still running after {within:?}");
    }
}

impl Drop for Mute {
    fn drop(&mut self) {
        let _ = (self.child.kill(), self.child.wait());
    }
}

#[test]
fn recording_and_its_end_do_not_wait_for_a_reader() {
    let place = Place::new();
    // Many files, each with its lines at this level: the queue of lines fills up too.
    let (config, sound) = two_lanes(&place, "split_minutes = 0.02\nlog_level = debug");
    let mut mute = Mute::start(&config, &[]);
    thread::sleep(Duration::from_secs(6));
    mute.signal("TERM");
    assert_eq!(mute.wait(Duration::from_secs(6)), Some(0));
    for lane in ["a", "b"] {
        assert!(recorded(&place, lane, &sound) > 5 * RATE, "lane {lane} has its 6 s");
        assert_eq!(lost(&place, lane), (0, 0), "lane {lane}");
    }
    let root = place.recordings();
    recordings(&root).iter().for_each(|path| assert_sound(path));
    let mut all = Vec::new();
    common::walk(&root, &mut all);
    assert!(all.iter().all(|path| path.extension().is_none_or(|e| e != "part")), "every file is finished: {all:?}");
}

#[test]
fn a_second_signal_still_ends_at_once() {
    let place = Place::new();
    let (config, _) = two_lanes(&place, "");
    let mut mute = Mute::start(&config, &["--drill", "store=stall:60@4"]);
    thread::sleep(Duration::from_secs(4));
    mute.signal("TERM");
    thread::sleep(Duration::from_millis(600));
    mute.signal("TERM");
    assert_eq!(mute.wait(Duration::from_secs(2)), Some(1));
}

#[test]
fn a_hang_still_ends_the_process() {
    let place = Place::new();
    let (config, sound) = two_lanes(&place, &(no_boundary() + "\nsync_seconds = 1"));
    let mut mute = Mute::start(&config, &["--drill", "a/encoder=hang@25"]);
    assert_eq!(mute.wait(Duration::from_secs(20)), Some(1));
    let mut again = Recorder::start(&config, &[]);
    again.wait_for("[b] recording", Duration::from_secs(10));
    thread::sleep(Duration::from_secs(1));
    common::lanes::stop(&mut again);
    assert!(recorded(&place, "b", &sound) > 9 * RATE, "the other lane was recorded all the while");
}
