//! An hour of stereo to encode: two real recordings side by side where they are to be had, noise with tones where not.

use std::path::{Path, PathBuf};

use crate::common::{bytes_of, noise, tool};

pub const RATE: u32 = 48_000;

/// A WAV of `seconds` at 48 kHz stereo in `folder`, and what it is made of.
pub fn stereo(folder: &Path, seconds: u32) -> (PathBuf, String) {
    let wav = folder.join(format!("stereo-{seconds}.wav"));
    let name = wav.to_str().expect("a plain path");
    let trim = seconds.to_string();
    let field = std::env::var_os("SOUNDPOST_FIELD").map_or_else(|| PathBuf::from("../shared/field"), PathBuf::from);
    let recordings = ["S4A03895_20190522_060000.wav", "S4A03895_20190522_190000.wav"].map(|f| field.join(f));
    if recordings.iter().all(|f| f.is_file()) {
        let [left, right] = [0, 1].map(|n| {
            let out = folder.join(format!("side{n}.wav"));
            let (from, to) = (recordings[n].to_str().expect("a plain path"), out.to_str().expect("a plain path"));
            tool("sox", &[from, "-b", "16", to, "channels", "1", "rate", "48000", "repeat", "-", "trim", "0", &trim]);
            to.to_owned()
        });
        tool("sox", &["-M", &left, &right, name]);
        return (wav, "two field recordings (scikit-maad), resampled, looped".into());
    }
    let raw = folder.join("noise.raw");
    std::fs::write(&raw, bytes_of(&noise(1, 2 * 60 * RATE as usize))).expect("written");
    let raw = raw.to_str().expect("a plain path");
    let shape = ["-t", "raw", "-r", "48000", "-e", "signed", "-b", "16", "-c", "2"];
    let arguments: Vec<&str> =
        shape.iter().copied().chain([raw, name, "repeat", "-", "lowpass", "4000", "trim", "0", &trim]).collect();
    tool("sox", &arguments);
    (wav, "synthetic noise: the field recordings are not there (SOUNDPOST_FIELD)".into())
}
