//! What a service manager hears of a recorder, from its start to its end.

mod common;

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

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
