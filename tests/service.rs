//! What a service manager hears of a recorder, from its start to its end.

mod common;

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use common::{Place, Recorder, soundpost};

/// The next datagram.
fn heard(manager: &UnixDatagram) -> String {
    let mut text = [0; 256];
    let length = manager.recv(&mut text).expect("a datagram within ten seconds");
    String::from_utf8_lossy(&text[..length]).into_owned()
}

fn check(place: &Place, manager: &UnixDatagram, name: &str) {
    manager.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
    let config = place.config("", "[tone]\ntype = tone\npace = real\nformat = flac\n");
    let mut command = soundpost();
    command.args(["record", "-c"]).arg(&config).env("NOTIFY_SOCKET", name).env("WATCHDOG_USEC", "2000000");
    let mut recorder = Recorder::spawn(&mut command);
    assert_eq!(heard(manager), "READY=1");
    for _ in 0..3 {
        assert_eq!(heard(manager), "WATCHDOG=1");
    }
    recorder.signal("TERM");
    let mut last = heard(manager);
    while last == "WATCHDOG=1" {
        last = heard(manager);
    }
    assert_eq!(last, "STOPPING=1");
    assert!(recorder.wait(Duration::from_secs(10)).success(), "{}", recorder.log.join("\n"));
}

#[test]
fn a_manager_hears_of_the_start_the_life_and_the_end() {
    let place = Place::new();
    let path = place.path("notify");
    let manager = UnixDatagram::bind(&path).expect("a socket");
    check(&place, &manager, path.to_str().expect("a path"));
}

#[test]
fn a_socket_without_a_file_is_one_too() {
    let name = format!("soundpost-service-test-{}", std::process::id());
    let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).expect("a name")).expect("a socket");
    check(&Place::new(), &manager, &format!("@{name}"));
}

#[test]
fn the_state_lies_as_text_where_the_manager_made_room() {
    let place = Place::new();
    let runtime = place.path("runtime");
    std::fs::create_dir(&runtime).expect("made");
    let web = "[web]\nport = 0\nbind = 127.0.0.1\n";
    let config = place.config("", &format!("{web}[tone]\ntype = tone\npace = real\nformat = flac\n"));
    let mut recorder = Recorder::spawn(soundpost().args(["record", "-c"]).arg(&config).env("RUNTIME_DIRECTORY", &runtime));
    let (until, mut text) = (Instant::now() + Duration::from_secs(60), String::new());
    while !text.contains("recording: yes\n") && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
        text = std::fs::read_to_string(runtime.join("status.txt")).unwrap_or_default();
    }
    recorder.signal("TERM");
    assert!(recorder.wait(Duration::from_secs(10)).success(), "{}", recorder.log.join("\n"));
    let names: Vec<&str> = text.lines().filter_map(|line| line.split_once(": ")).map(|(name, _)| name).collect();
    assert_eq!(names, ["software", "time", "clock", "recording", "folder", "room", "source tone"], "{text}");
    let left: Vec<_> = std::fs::read_dir(&runtime).expect("there").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["status.txt"], "the page's socket is gone, and no half text is left");
}
