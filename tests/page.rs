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
use std::time::{Duration, Instant};

use browser_rig::wood::{Noon, plant};
use browser_rig::{Served, browse, station};
use common::rig::Rig;
use common::{Place, bytes_of, soundpost};
use icecast::{Process, free_port};
use serde_json::Value;

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

/// A program that is run over every recording, as BirdNET and BatDetect would be.
#[test]
fn what_other_programs_found() {
    let (place, noon) = (Place::new(), Noon::find());
    let root = place.recordings();
    std::fs::create_dir_all(&root).expect("made");
    // The first ends when the clock says so; the second is a whole one, and alone has a tit.
    let script = "#!/bin/sh\nset -eu\nresult=$1\necho >>runs\n{ echo 'Start (s),End (s),Scientific name,Common name,Confidence'\n\
                  echo '0.0,1.5,Erithacus rubecula,\"European \"\"Robin\"\"\",0.8714'\necho '1.5,2.5,Turdus merula,Blackbird,0.44'\n\
                  [ $(wc -l <runs) -ne 2 ] || echo '3.0,4.5,Parus major,Great Tit,0.61'; } >\"$result.birdnet.csv\"\n\
                  printf 'start_time,end_time,high_freq,low_freq,class\\n5,7,2000,1000,chirp\\n' >\"$result.batdetect.csv\"\n";
    let hook = place.path("hook");
    std::fs::write(&hook, script).and_then(|()| make_runnable(&hook)).expect("written");
    // Older than what is recorded, and never opened.
    let old = browser_rig::wood::one_of_days_ago(&root, &noon, 3);
    std::fs::create_dir_all(root.join("analyses")).expect("made");
    let table = root.join("analyses").join(format!("{old}.birdnet.csv"));
    std::fs::write(table, "start,end,label,confidence\n1,2,Tawny Owl,0.9\n").expect("written");
    let port = free_port();
    let sections = format!(
        "[web]\nbind = 127.0.0.1\nport = {port}\n[mic]\ntype = tone\nhz = 700\nsample_rate = 8000\nformat = flac\npace = real\n\
         filename_pattern = mic_%H%M%S\non_close = {} {{result}}\n",
        hook.display()
    );
    let config = place.config(&format!("split_minutes = 0.25\ntime_zone = {}", noon.name), &sections);
    let served =
        Served::spawn(soundpost().arg("record").arg("-c").arg(config).env("TZ", &noon.name).current_dir(place.folder.path()));
    let until = Instant::now() + Duration::from_secs(120);
    let first = loop {
        let (_, _, body) = served.ask("api/files?q=great%20tit");
        let found: Value = serde_json::from_slice(&body).unwrap_or_default();
        match found["files"][0]["name"].as_str() {
            Some(name) => break name.to_owned(),
            None => assert!(Instant::now() < until, "no labels come: {found}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    browse("labels", Some("^Labels"), &noon.name, &[("BASE_URL", &served.base), ("LABELS", &first)]);
}

fn make_runnable(path: &std::path::Path) -> std::io::Result<()> {
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755))
}

/// The machine's clock is out of the recorder's reach, so that nothing is changed by it.
#[test]
fn a_clock_that_nothing_has_set() {
    let place = Place::new();
    let port = free_port();
    let sections =
        format!("[web]\nbind = 127.0.0.1\nport = {port}\n[mic]\ntype = tone\nsample_rate = 8000\nsync_seconds = 0.5\n");
    let config = place.config("split_minutes = 60", &sections);
    let mut command = Command::new("setpriv");
    command.args(["--inh-caps=-sys_time", "--bounding-set=-sys_time", "--"]).arg(soundpost().get_program());
    let served = Served::spawn(command.arg("record").arg("-c").arg(config));
    if served.get("api/status")["clock"]["synced"] == true {
        println!("the clock of this machine is synced: a browser may not set it, as tests/clock.rs shows");
        return;
    }
    browse("clock", Some("^Clock: a phone"), "UTC", &[("BASE_URL", &served.base), ("CLOCK", "1")]);
}

/// It deletes what is elsewhere already as soon as it is, but for what is locked.
#[test]
fn room_that_is_made() {
    let place = Place::new();
    let (port, stick) = (free_port(), place.path("stick"));
    std::fs::create_dir_all(&stick).expect("made");
    let sections = |floor: &str| {
        format!(
            "[web]\nbind = 127.0.0.1\nport = {port}\n[storage]\nmin_free_hours = 0\nmin_free_bytes = {floor}\n\
             [upload.stick]\ntype = folder\nfolder = {}\nmounted = no\n\
             [mic]\ntype = tone\nsample_rate = 8000\nformat = flac\npace = real\nfilename_pattern = mic_%H%M%S\n",
            stick.display()
        )
    };
    let record = |floor: &str| {
        let config = place.config("split_minutes = 0.1", &sections(floor));
        Served::spawn(soundpost().arg("record").arg("-c").arg(config))
    };
    let served = record("1M");
    let until = Instant::now() + Duration::from_secs(120);
    let uploaded = loop {
        let (_, _, body) = served.ask("api/files");
        let all: Value = serde_json::from_slice(&body).unwrap_or_default();
        let there = all["files"].as_array().into_iter().flatten().find(|file| !file["uploaded_at"].is_null());
        match there.and_then(|file| file["name"].as_str()) {
            Some(name) => break name.to_owned(),
            None => assert!(Instant::now() < until, "nothing is uploaded: {all}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    assert_eq!(served.put(&format!("api/files/{uploaded}/lock"), &serde_json::json!({"locked": true}))["locked"], true);
    drop(served);
    // More than there is.
    let served = record("1000000G");
    browse("storage", Some("^Storage: a recorder"), "UTC", &[("BASE_URL", &served.base), ("STORAGE", &uploaded)]);
}

#[test]
fn what_happens_at_no_ones_will() {
    browse(
        "mock",
        Some(
            "^Analysis that goes on behind|^A gap that happens now|^Status: where|^Storage: ro|^Storage: a recording|^Storage: who",
        ),
        "UTC",
        &[],
    );
}
