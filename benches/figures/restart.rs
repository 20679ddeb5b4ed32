//! A restart in a folder of a hundred thousand recordings: what is known is looked through beside the recording, not before it.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::archive::{files_of, fill};
use crate::common::cards::card;
use crate::common::rig::Rig;
use crate::common::{Place, Recorder, recordings, soundpost};
use crate::icecast::free_port;
use crate::process::median;

const ROUNDS: usize = 5;

pub fn beside_a_hundred_thousand() {
    let rig = Rig::new(&["mic:48000:2"]);
    let place = Place::new();
    let port = free_port();
    let section = format!("[web]\nport = {port}\nbind = 127.0.0.1\n") + &card("mic", 48_000, 2, "flac");
    let config = place.config("log_level = DEBUG", &section);
    show("an empty folder", &rig, &config, true);
    fill(&place.recordings());
    let mut recorder = start(&rig, &config).0;
    let begun = Instant::now();
    while known(port) < 100_000 {
        assert!(begun.elapsed() < Duration::from_secs(600), "the first look does not end");
        std::thread::sleep(Duration::from_millis(200));
    }
    end(&mut recorder);
    println!("100,000 recordings that nobody knew: in the catalogue {:.1} s after the start", begun.elapsed().as_secs_f64());
    show("100,000 recordings", &rig, &config, true);
    show("100,000 recordings, killed before", &rig, &config, false);
    fs::remove_file(place.recordings().join("catalogue.db")).expect("there");
    show("100,000 recordings, the catalogue is lost", &rig, &config, false);
    assert!(recordings(&place.recordings()).len() > 100_000);
}

/// From exec to the first block that the capture thread has.
fn show(what: &str, rig: &Rig, config: &Path, is_ended: bool) {
    let rounds = (0..ROUNDS).map(|_| {
        let (mut recorder, ms) = start(rig, config);
        if is_ended {
            end(&mut recorder)
        } else {
            recorder.child.kill().and_then(|()| recorder.child.wait().map(drop)).expect("killed")
        }
        ms
    });
    let rounds: Vec<f64> = rounds.collect();
    let worst = rounds.iter().copied().fold(0.0, f64::max);
    println!("{what}: {:.0} ms from exec to the first samples, at most {worst:.0} (bar: 300)", median(rounds));
}

fn start(rig: &Rig, config: &Path) -> (Recorder, f64) {
    let mut command = soundpost();
    command.arg("record").arg("-c").arg(config).envs(rig.environment());
    let mut recorder = Recorder::spawn(&mut command);
    recorder.wait_for("first samples", Duration::from_secs(20));
    let ms = recorder.started.elapsed().as_secs_f64() * 1_000.0;
    (recorder, ms)
}

fn end(recorder: &mut Recorder) {
    recorder.signal("TERM");
    assert!(recorder.wait(Duration::from_secs(20)).success(), "{}", recorder.log.join("\n"));
}

/// Recordings in the catalogue.
fn known(port: u16) -> u64 {
    let answer = ureq::get(format!("http://127.0.0.1:{port}/api/days")).call();
    let text = answer.ok().and_then(|mut answer| answer.body_mut().read_to_string().ok());
    text.and_then(|text| serde_json::from_str(&text).ok()).map_or(0, |days| files_of(&days))
}
