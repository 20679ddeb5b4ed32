//! The page in a headless Chromium: every function clicked or typed (tests/browser), over the real program.
//!
//! Most over `soundpost serve` and a folder of three days. What only a recorder does (a recording begins, grows, ends) over
//! `soundpost record` and a station. What happens at no one's will (an alarm, work that takes long) over a mock of the API.

mod browser_rig;
mod common;
#[path = "common/icecast.rs"]
mod icecast;
#[path = "common/web.rs"]
mod web;

use std::process::{Command, Stdio};

use browser_rig::wood::{Noon, plant};
use browser_rig::{Served, browse, station};
use common::rig::Rig;
use common::{Place, bytes_of, soundpost};
use icecast::{Process, free_port};

#[test]
fn over_a_folder() {
    let (place, noon) = (Place::new(), Noon::find());
    let count = plant(place.folder.path(), &noon);
    let served = Served::serve(place.folder.path(), &noon.name);
    let files = served.analysed(count);
    let today = files.iter().filter(|file| file["date"] == noon.now.date().to_string().as_str());
    let sections: usize = today.map(|file| file["sections"].as_array().expect("a list").len()).sum();
    assert!(sections > 50, "the browser tests want more than {sections} sections on the newest day");
    browse("serve", None, &noon.name, &[("BASE_URL", &served.base)]);
}

#[test]
fn beside_a_recorder() {
    let (place, noon) = (Place::new(), Noon::find());
    let station = station::start(place.folder.path());
    std::fs::create_dir_all(place.recordings()).expect("made");
    let count = plant(&place.recordings(), &noon);
    let port = free_port();
    let radio = format!(
        "[web]\nbind = 127.0.0.1\nport = {port}\n[radio]\ntype = stream\nurl = {}\nfilename_pattern = radio/%Y%m%d_%H%M%S\n",
        station.url("/live.mp3")
    );
    let zone = format!("split_minutes = 60\nmin_free_mb = 0\ntime_zone = {}", noon.name);
    let config = place.config(&zone, &radio);
    let served = Served::spawn(soundpost().arg("record").arg("-c").arg(config).env("TZ", &noon.name));
    served.analysed(count);
    let only = "^Live REC badge|^Listen while recording|^Keys|^Status|^status";
    browse("record", Some(only), &noon.name, &[("BASE_URL", &served.base), ("STATION", &station.url("/"))]);
}

/// Somebody feeds a tone of 440 Hz to a mount.
fn feed(target: &str) -> Process {
    let input = ["-v", "error", "-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"];
    let coding = ["-c:a", "libopus", "-f", "ogg", "-content_type", "audio/ogg", target];
    Process(
        Command::new("ffmpeg").args(input).args(coding).stdin(Stdio::null()).spawn().expect("ffmpeg is installed: make setup"),
    )
}

/// At a quarter of full scale and 48 kHz.
fn sine(hz: usize, seconds: usize) -> Vec<i16> {
    let period: Vec<i16> =
        (0..48_000 / hz).map(|i| (8_192.0 * (std::f64::consts::TAU * (i * hz) as f64 / 48_000.0).sin()) as i16).collect();
    period.into_iter().cycle().take(seconds * 48_000).collect()
}

#[test]
fn a_tone_as_it_sounds() {
    let place = Place::new();
    let port = free_port();
    let tone = "[tone]\ntype = tone\nhz = 3000\ndbfs = -12\npace = real\nsample_rate = 48000\nchannels = 2\nformat = flac\n";
    let web = format!("[web]\nbind = 127.0.0.1\nport = {port}\n[live]\nsource_password = feed\n");
    let config = place.config("min_free_mb = 0", &format!("{web}{tone}"));
    let rig = Rig::new(&["spare:48000:1"]);
    let served = Served::spawn(soundpost().arg("record").arg("-c").arg(config).envs(rig.environment()));
    let _played = Process(rig.play("spare", "S16_LE", 48_000, 1, &bytes_of(&sine(6_000, 300))));
    let _feed = feed(&format!("icecast://source:feed@127.0.0.1:{port}/far.opus"));
    let variables = [("BASE_URL", served.base.as_str()), ("TONE", "tone"), ("SPARE", "spare"), ("MOUNT", "far.opus")];
    browse("live", Some("^Live view|^Audio element"), "UTC", &variables);
}

/// With a password, and a source that has a schedule.
#[test]
fn settings_of_a_recorder() {
    let place = Place::new();
    let port = free_port();
    let hash = "$argon2id$v=19$m=8,t=1,p=1$BwcHBwcHBwcHBwcHBwcHBw$4R1PEQPItpvkTH5juMUak3oEb8rtWEdaRzGIjigkYIU";
    let web = format!(
        "[web]\nbind = 127.0.0.1\nport = {port}\npassword_hash = {hash} # of the tests\n[site]\nlatitude = 52.5\nlongitude = 13.4\n"
    );
    let tones = "[mic]\ntype = tone\nsample_rate = 8000\nfilename_pattern = mic_%H%M%S\n\
                 # it sleeps by day\n[bat]\ntype = tone\nhz = 500\nsample_rate = 8000\nfilename_pattern = bat_%H%M%S\nschedule = sunset-30m..sunrise\n";
    let config = place.config("split_minutes = 60", &format!("{web}{tones}"));
    let served = Served::spawn(soundpost().arg("record").arg("-c").arg(&config));
    let variables = [("BASE_URL", served.base.as_str()), ("CONFIG", config.to_str().expect("a path")), ("KEY", "secret")];
    browse("settings", Some("^Settings"), "UTC", &variables);
}

#[test]
fn what_happens_at_no_ones_will() {
    browse("mock", Some("^Analysis that goes on behind|^A gap that happens now|^Status: where"), "UTC", &[]);
}
