//! What the real chronyd and the real gpsd say of the clock, on an island: a network of its own, where both have the ports that they
//! have everywhere, and no clock of the machine is touched.

mod common;

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{Place, Recorder, soundpost, until};
use serde_json::{Value, json};
use soundpost::format::clock_reference;

const PATIENCE: Duration = Duration::from_secs(60);
/// Nobody else is there.
const PORT: u16 = 8_080;

/// A network with nothing but 127.0.0.1, and an empty /run. What is started there as a daemon ends with it.
struct Island {
    holder: Child,
    daemons: RefCell<Vec<Child>>,
    is_mapped: bool,
}

impl Island {
    fn new() -> Island {
        let settled = ["", "-r"].iter().find_map(|how| {
            let script = "mount -t tmpfs tmpfs /run && ip link set lo up && echo settled && exec cat";
            let mut command = Command::new("unshare");
            command.args(how.split_whitespace()).args([
                "--net",
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "sh",
                "-c",
                script,
            ]);
            let mut holder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("unshare (util-linux)");
            let mut line = String::new();
            let _ = BufReader::new(holder.stdout.as_mut().expect("piped")).read_line(&mut line);
            if line.trim() == "settled" {
                return Some(Island { holder, daemons: RefCell::default(), is_mapped: !how.is_empty() });
            }
            let _ = (holder.kill(), holder.wait());
            None
        });
        settled.expect("unshare (util-linux) and ip (iproute2) make a network: this test needs user namespaces or root")
    }

    /// A program that sees the island's network and its /run.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(self.is_mapped.then_some(["--user", "--preserve-credentials"]).into_iter().flatten());
        command.args(["--net", "--mount"]).arg(format!("--target={}", self.holder.id())).arg(program);
        command
    }

    /// One that ends with the island, and leaves what it leaves in the test's own folder.
    fn daemon(&self, place: &Place, program: &str, args: &[&str]) {
        let mut command = Command::new("nsenter");
        command.args(self.is_mapped.then_some(["--user", "--preserve-credentials"]).into_iter().flatten());
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.holder.id())).expect("known");
        let inner = children.split_whitespace().next().expect("the shell").to_owned();
        command.args(["--net", "--mount", "--pid"]).arg(format!("--target={inner}")).arg(program).args(args);
        command.env("TMPDIR", place.path("")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.daemons.borrow_mut().push(command.spawn().expect("nsenter (util-linux)"));
    }

    fn says(&self, program: &str, args: &[&str]) -> String {
        let done = self.command(program).args(args).stderr(Stdio::null()).output().expect("nsenter (util-linux)");
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// What the page says of the clock, once somebody has been asked.
    fn reference(&self) -> Option<Value> {
        let text = self.says("curl", &["-s", &format!("http://127.0.0.1:{PORT}/api/status")]);
        let status: Value = serde_json::from_str(&text).ok()?;
        Some(status["clock"]["reference"].clone()).filter(|reference| !reference.is_null())
    }

    fn recorder(&self, place: &Place) -> Recorder {
        let sections = format!("[web]\nport = {PORT}\nbind = 127.0.0.1\n[s]\ntype = tone\nsample_rate = 8000\nchannels = 1\n");
        let config = place.config(&common::lanes::no_boundary(), &sections);
        let program = soundpost().get_program().to_string_lossy().into_owned();
        let mut recorder = Recorder::spawn(self.command(&program).arg("record").arg("-c").arg(config));
        recorder.wait_for("the page: ", Duration::from_secs(30));
        recorder
    }
}

impl Drop for Island {
    fn drop(&mut self) {
        let _ = (self.holder.kill(), self.holder.wait());
        for daemon in self.daemons.get_mut() {
            let _ = daemon.wait(); // its programs ended with the holder
        }
    }
}

fn stop(mut recorder: Recorder) {
    recorder.signal("TERM");
    assert!(recorder.wait(Duration::from_secs(20)).success(), "{}", recorder.log.join("\n"));
}

fn write(place: &Place, name: &str, text: &str) -> PathBuf {
    let path = place.path(name);
    fs::write(&path, text).expect("written");
    path
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

#[test]
fn chronyd_says_whom_it_follows() {
    let (island, place) = (Island::new(), Place::new());
    let pid = |name: &str| format!("pidfile {}\nuser root\n", place.path(name).display());
    // -x: neither of them touches the machine's clock.
    let client = format!("server 127.0.0.1 port 32123 iburst minpoll -2 maxpoll 0\nport 0\n{}", pid("client.pid"));
    island.daemon(&place, "chronyd", &["-x", "-d", "-f", text(&write(&place, "client.conf", &client))]);
    let asked = || clock_reference::chrony(&island.says("chronyc", &["-n", "-c", "tracking"]));
    let alone = until("chronyd (apt install chrony)", PATIENCE, asked);
    assert_eq!((alone.keeper, alone.is_good, alone.offset_s), ("chrony", false, None), "nobody answers it yet");

    let server = format!(
        "local stratum 5\nallow 127.0.0.1\nbindaddress 127.0.0.1\nport 32123\ncmdport 0\nbindcmdaddress /\n{}",
        pid("server.pid")
    );
    island.daemon(&place, "chronyd", &["-x", "-d", "-f", text(&write(&place, "server.conf", &server))]);
    until("it follows the other", PATIENCE, || asked().filter(|told| told.is_good));
    let recorder = island.recorder(&place);
    let reference = until("the page says so", PATIENCE, || island.reference());
    let told = ["keeper", "id", "stratum", "good"].map(|key| &reference[key]);
    assert_eq!(told, [&json!("chrony"), &json!("127.0.0.1"), &json!(6), &json!(true)], "{reference}");
    assert!(reference["offset_s"].as_f64().is_some_and(|offset| offset.abs() < 0.1), "one clock follows itself: {reference}");
    stop(recorder);
}

/// What a receiver sends in a minute, with its checksums (NMEA 0183).
fn nmea(has_fix: bool) -> String {
    let sentence = |text: String| format!("${text}*{:02X}\r\n", text.bytes().fold(0, |sum, byte| sum ^ byte));
    let second = |n: u32| {
        let at = format!("1200{n:02}.00");
        let lines = if has_fix {
            [
                format!("GPGGA,{at},5104.000,N,01027.000,E,1,08,0.9,430.0,M,47.0,M,,"),
                "GPGSA,A,3,01,02,03,04,05,06,07,08,,,,,1.5,0.9,1.2".to_owned(),
                format!("GPRMC,{at},A,5104.000,N,01027.000,E,000.0,000.0,220526,,,A"),
            ]
        } else {
            [
                format!("GPGGA,{at},,,,,0,00,99.9,,,,,,"),
                "GPGSA,A,1,,,,,,,,,,,,,99.9,99.9,99.9".to_owned(),
                format!("GPRMC,{at},V,,,,,,,220526,,,N"),
            ]
        };
        lines.map(sentence).concat()
    };
    (0..60).map(second).collect()
}

fn gpsd_says(has_fix: bool) {
    let (island, place) = (Island::new(), Place::new());
    let log = write(&place, "receiver.nmea", &nmea(has_fix));
    island.daemon(&place, "gpsfake", &["-n", "-q", "-P", "2947", "-c", "0.1", text(&log)]);
    let mode = if has_fix { "\"mode\":3" } else { "\"mode\":1" };
    until("gpsd hears its receiver (apt install gpsd gpsd-clients)", PATIENCE, || {
        island.says("timeout", &["5", "gpspipe", "-w", "-n", "8"]).contains(mode).then_some(())
    });
    let recorder = island.recorder(&place);
    let reference = until("the page says so", PATIENCE, || island.reference());
    let told = ["keeper", "id", "stratum", "offset_s", "good"].map(|key| &reference[key]);
    // Without a pulse per second nobody knows the offset.
    assert_eq!(told, [&json!("gpsd"), &json!("NMEA0183"), &Value::Null, &Value::Null, &json!(has_fix)], "{reference}");
    stop(recorder);
}

#[test]
fn gpsd_says_that_its_receiver_has_a_fix() {
    gpsd_says(true);
}

#[test]
fn gpsd_says_that_its_receiver_has_none() {
    gpsd_says(false);
}
