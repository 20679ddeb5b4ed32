//! What it costs to wait for something to be heard, beside recording everything.

use std::fs;

use crate::common::{Place, recordings};
use crate::process::{cpu_seconds, median};
use crate::sound;

const ROUNDS: usize = 3;
const SECONDS: u32 = 1_800;

/// Half an hour of stereo to FLAC level 5: all of it, and with triggers that find nothing, what is usual, and everything.
pub fn triggered_beside_untriggered() {
    let place = Place::new();
    let (wav, what) = sound::stereo(place.folder.path(), SECONDS);
    println!("half an hour of 48 kHz stereo: {what}");
    let kinds = [
        ("everything is recorded", "trigger = off"),
        ("level, nothing is loud", "trigger = level\ntrigger_margin = 120"),
        ("level", "trigger = level"),
        ("level, all is loud", "trigger = level\ntrigger_margin = 0"),
        ("bands, nothing is loud", "trigger = bands\ntrigger_margin = 120"),
        ("bands", "trigger = bands"),
    ];
    let mut usual = 0.0;
    for (name, keys) in kinds {
        let section = format!("[hour]\ntype = file\npath = {}\npace = fast\nformat = flac\n{keys}\n", wav.display());
        let config = place.config("split_minutes = 60\nlog_level = ERROR\n", &section);
        let mut seconds = Vec::new();
        for _ in 0..ROUNDS {
            let _ = fs::remove_dir_all(place.recordings());
            seconds.push(cpu_seconds(env!("CARGO_BIN_EXE_soundpost"), &["record", "-c", config.to_str().expect("a path")]));
        }
        let (seconds, files) = (median(seconds), recordings(&place.recordings()));
        let bytes: u64 = files.iter().map(|path| path.metadata().expect("there").len()).sum();
        usual = if usual == 0.0 { seconds } else { usual };
        println!("{name}: {seconds:.2} s of CPU, {:.2} of all; {} files, {bytes} bytes", seconds / usual, files.len());
    }
}
