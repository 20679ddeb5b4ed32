//! A recorder of a tone that is an Icecast for others, and how to look at it.
#![allow(dead_code)] // each test binary uses its own part

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{Place, Recorder, soundpost};
use crate::icecast::{Process, free_port};

pub const PATIENCE: Duration = Duration::from_secs(40);
pub const LIVE: &str = "source_password = feed\nadmin_password = boss\n";

/// A recorder of a tone, which relays.
pub struct Relay {
    pub place: Place,
    pub recorder: Recorder,
    pub port: u16,
}

impl Relay {
    pub fn start(live: &str) -> Relay {
        let (place, port) = (Place::new(), free_port());
        let tone = "[tone]\ntype = tone\nhz = 1000\npace = real\nsample_rate = 48000\nchannels = 1\nformat = flac\n";
        let config = place.config("", &format!("[web]\nbind = 127.0.0.1\nport = {port}\n[live]\n{live}{tone}"));
        let mut recorder = Recorder::spawn(soundpost().args(["record", "-c"]).arg(config));
        recorder.wait_for("recording tone", PATIENCE);
        Relay { place, recorder, port }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// ffmpeg plays a tone of 440 Hz to a mount, in real time; `options` before, `coding` behind its input.
    pub fn feed(&self, mount: &str, options: &[&str], coding: &[&str]) -> Process {
        let target = format!("icecast://source:feed@127.0.0.1:{}{mount}", self.port);
        let input = ["-v", "error", "-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"];
        let mut command = Command::new("ffmpeg");
        command.args(input).args(coding).args(options).arg(target).stdin(Stdio::null());
        Process(command.spawn().expect("ffmpeg is installed: make setup"))
    }

    /// Status and body.
    pub fn ask(&self, path: &str, user: Option<&str>) -> (u16, String) {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-m", "20", "-w", "\n%{http_code}"]).arg(self.url(path));
        if let Some(user) = user {
            curl.args(["-u", user]);
        }
        let text = String::from_utf8_lossy(&curl.output().expect("curl").stdout).into_owned();
        let (body, status) = text.rsplit_once('\n').expect("a status");
        (status.parse().expect("a number"), body.to_owned())
    }

    pub fn wait_until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let until = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < until, "{what}: {}", self.ask("/status-json.xsl", None).1);
            thread::sleep(Duration::from_millis(100));
        }
    }

    pub fn wait_for(&self, mount: &str) {
        self.wait_until(mount, || self.ask("/status-json.xsl", None).1.contains(&format!("{mount}\"")));
    }

    /// Two seconds of a mount as ffmpeg decodes them; it must not complain.
    pub fn heard(&self, mount: &str) -> Vec<i16> {
        let file = self.place.path("heard.wav");
        let url = self.url(mount);
        let end = ["-t", "2", "-ac", "1", "-ar", "48000", "-c:a", "pcm_s16le", "-y", file.to_str().expect("plain")];
        let out = Command::new("ffmpeg").args(["-v", "error", "-i", &url]).args(end).output().expect("ffmpeg");
        assert!(out.status.success(), "{mount}: {}", String::from_utf8_lossy(&out.stderr));
        // What leans on frames before the first one cannot be decoded, which a decoder may say.
        let complaints = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(complaints.is_empty() || mount.ends_with(".mp3"), "{mount}: {complaints}");
        hound::WavReader::open(&file).expect("a WAV").into_samples().map(|s| s.expect("a sample")).collect()
    }
}

/// Whether it is a tone of `hz`, the first tenth left out.
pub fn is_tone(samples: &[i16], hz: f64) -> bool {
    let inner = &samples[samples.len() / 10..];
    let crossings = inner.windows(2).filter(|two| two[0] < 0 && two[1] >= 0).count() as f64;
    let seconds = inner.len() as f64 / 48_000.0;
    seconds > 1.0 && (crossings / seconds - hz).abs() < 0.02 * hz
}
