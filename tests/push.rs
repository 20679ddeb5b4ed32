//! A source's sound on a real Icecast elsewhere, whatever becomes of that.

mod common;
#[path = "common/icecast.rs"]
mod icecast;

use std::net::TcpListener;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use common::{Place, Recorder, gaps, soundpost, tool};
use icecast::{Icecast, PASSWORD, free_port};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

struct Pushed {
    place: Place,
    recorder: Recorder,
    port: u16,
}

impl Pushed {
    /// A recorder of a tone that pushes it to this address.
    fn to(url: &str) -> Pushed {
        let (place, port) = (Place::new(), free_port());
        let tone = format!(
            "[mic 1]\ntype = tone\nhz = 1000\npace = real\nsample_rate = 48000\nchannels = 1\nformat = flac\n\
             icecast_url = {url}\nicecast_bitrate = 48\nicecast_name = The wood\nicecast_genre = birds\n"
        );
        let config = place.config("", &format!("[web]\nbind = 127.0.0.1\nport = {port}\n[site]\nname = Wood\n{tone}"));
        let mut recorder = Recorder::spawn(soundpost().args(["record", "-c"]).arg(config));
        recorder.wait_for("[mic 1] recording tone", PATIENCE);
        Pushed { place, recorder, port }
    }

    /// What the status says of the push.
    fn state(&self) -> Value {
        let text = tool("curl", &["-s", "-m", "20", &format!("http://127.0.0.1:{}/api/status", self.port)]);
        let status: Value = serde_json::from_str(&text).expect("JSON");
        status["sources"][0]["icecast"].clone()
    }

    fn wait_until(&self, what: &str, is_so: impl Fn(&Value) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !is_so(&self.state()) {
            assert!(Instant::now() < until, "{what}: {}", self.state());
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Ends it; the recording must be whole.
    fn end(mut self) -> Vec<String> {
        self.recorder.signal("TERM");
        assert!(self.recorder.wait(PATIENCE).success(), "{}", self.recorder.log.join("\n"));
        assert!(gaps(&self.place.recordings()).is_empty(), "recording notices nothing of it");
        tool(env!("CARGO_BIN_EXE_soundpost"), &["verify", self.place.recordings().to_str().expect("plain")]);
        std::mem::take(&mut self.recorder.log)
    }
}

/// A second of it decodes without a complaint and is the tone.
fn is_heard(url: &str) {
    let out = Command::new("ffmpeg").args(["-v", "error", "-i", url, "-t", "1", "-ar", "48000", "-f", "s16le", "-"]).output();
    let out = out.expect("ffmpeg");
    assert!(out.status.success() && out.stderr.is_empty(), "{url}: {}", String::from_utf8_lossy(&out.stderr));
    let samples: Vec<i16> = out.stdout.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])).collect();
    let inner = &samples[4_800..];
    let crossings = inner.windows(2).filter(|two| two[0] < 0 && two[1] >= 0).count();
    assert!((870..=930).contains(&crossings), "{crossings} periods in 0.9 s");
}

#[test]
fn an_icecast_has_the_sound_again_when_it_comes_back() {
    let mut icecast = Icecast::start();
    let pushed = Pushed::to(&format!("icecast://source:{PASSWORD}@127.0.0.1:{}/mic-{{source}}.opus", icecast.port));
    icecast.wait_for(&["mic-mic-1.opus"]);
    // Icecast sends listeners away who come before it has seen the headers.
    pushed.wait_until("it is pushed", |state| state["connected"] == true && state["connections"] == 1);
    is_heard(&icecast.url("mic-mic-1.opus"));
    let info = tool("curl", &["-s", &icecast.url("status-json.xsl")]);
    let source = &serde_json::from_str::<Value>(&info).expect("JSON")["icestats"]["source"];
    assert_eq!((&source["server_name"], &source["genre"], &source["bitrate"]), (&"The wood".into(), &"birds".into(), &48.into()));

    icecast = icecast.again();
    icecast.wait_for(&["mic-mic-1.opus"]);
    pushed.wait_until("it is pushed again", |state| state["connected"] == true && state["connections"] == 2);
    is_heard(&icecast.url("mic-mic-1.opus"));
    let log = pushed.end();
    assert!(!log.join("\n").contains(PASSWORD), "no password in a log");
}

#[test]
fn a_wrong_password_is_told_and_local_listeners_hear_on() {
    let icecast = Icecast::start();
    let pushed = Pushed::to(&format!("http://source:wrong@127.0.0.1:{}/mic.opus", icecast.port));
    pushed.wait_until("why", |state| {
        state["connected"] == false && state["trouble"].as_str().is_some_and(|why| why.contains("refuses username and password"))
    });
    is_heard(&format!("http://127.0.0.1:{}/live/mic%201.opus", pushed.port));
    let log = pushed.end().join("\n");
    assert!(log.contains("[mic 1/icecast] not pushed") && !log.contains("source:wrong"), "{log}");
}

/// It accepts, and then takes nothing.
#[test]
fn a_server_that_takes_nothing_harms_nobody() {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let pushed = Pushed::to(&format!("icecast://source:x@{}/mic.opus", server.local_addr().expect("an address")));
    let (_taken, _) = server.accept().expect("the recorder");
    is_heard(&format!("http://127.0.0.1:{}/live/mic%201.opus", pushed.port));
    pushed.end();
}

#[test]
fn one_recorder_pushes_to_another() {
    let (place, port) = (Place::new(), free_port());
    let live = "[live]\nsource_password = feed\n[idle]\ntype = tone\npace = real\nformat = wav\n";
    let config = place.config("", &format!("[web]\nbind = 127.0.0.1\nport = {port}\n{live}"));
    let mut relay = Recorder::spawn(soundpost().args(["record", "-c"]).arg(config));
    relay.wait_for("[idle] recording tone", PATIENCE);
    let pushed = Pushed::to(&format!("icecast://source:feed@127.0.0.1:{port}/mic.opus"));
    relay.wait_for("/mic.opus: fed by 127.0.0.1", PATIENCE);
    pushed.wait_until("it is pushed", |state| state["connected"] == true);
    is_heard(&format!("http://127.0.0.1:{port}/mic.opus"));
    pushed.end();
    relay.wait_for("/mic.opus: its source has", PATIENCE);
}
