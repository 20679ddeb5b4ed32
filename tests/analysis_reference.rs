//! Levels, bands, columns, floors, sections and scores are those of an independent program, integer for integer: straight numpy
//! from the definition (`tests/reference/profile.py`), on recordings from a wood and on sounds of every shape.
//!
//! The recordings lie in `../shared/field`, or where SOUNDPOST_FIELD says; without them the sounds alone are compared.

mod reference;

use std::f64::consts::TAU;
use std::ops::Range;
use std::path::{Path, PathBuf};

use reference::{field, numbers};
use serde_json::Value;
use soundpost::message::analysis::{Analysis, Centibel, Detection, Detector, Section};
use soundpost::signal::{Analyzer, Scope, Shape, floors, sections};

fn analysis(file: &Path) -> Analysis {
    let mut reader = hound::WavReader::open(file).expect("a WAV");
    let spec = reader.spec();
    let shape = Shape { rate_hz: spec.sample_rate, channels: spec.channels as u8, bits: spec.bits_per_sample as u8 };
    let samples: Vec<i32> = reader.samples().collect::<Result<_, _>>().expect("samples");
    let mut analyzer = Analyzer::new(shape, Scope::ALL);
    for piece in samples.chunks(1_000 * usize::from(shape.channels)) {
        analyzer.push(piece);
    }
    analyzer.finish()
}

/// As the reference writes them.
fn told(section: &Section) -> Vec<f64> {
    let band = section.band_hz.map(|(low, high)| [f64::from(low), f64::from(high)]);
    let whole = [section.first_window.into(), section.end_window.into(), section.score.0.into()];
    whole.into_iter().chain(band.into_iter().flatten()).collect()
}

/// The number of sections that were compared.
fn compare(file: &Path, expected: &Value) -> usize {
    let name = file.file_name().expect("a name").to_string_lossy();
    let Analysis { profile, quality, .. } = analysis(file);
    let same = |what: &str, found: Vec<f64>| {
        let expected = numbers(&expected[what]);
        assert_eq!(found.len(), expected.len(), "{name}: length of {what}");
        let differs = found.iter().zip(&expected).position(|(found, expected)| found != expected);
        assert!(differs.is_none(), "{name}: {what} at {}: {found:?} and {expected:?}", differs.unwrap_or(0));
    };
    assert_eq!(Some(profile.frames), expected["frames"].as_u64(), "{name}");
    same("levels", profile.levels.iter().map(|&level| level.into()).collect());
    same("detection", profile.detection.iter().map(|&v| v.into()).collect());
    same("columns", profile.columns.iter().map(|&v| v.into()).collect());
    same("floors", floors(&profile.levels).into_iter().map(f64::from).collect());
    // The edges are computed by a power, whose last bit depends on the library.
    for (what, found) in [("detection_edges", &profile.detection_edges[..]), ("column_edges", &profile.column_edges[..])] {
        let expected = numbers(&expected[what]);
        let near = found.iter().zip(&expected).all(|(found, expected)| (f64::from(*found) / expected - 1.0).abs() < 1e-6);
        assert!(found.len() == expected.len() && near, "{name}: {what}");
    }
    let bands = Detection { detector: Detector::Bands, ..Detection::default() };
    let sensitive = Detection { margin: Centibel(625), min_gap_ms: 500, min_length_ms: 300, ..bands };
    let mut count = 0;
    for (what, detection) in [("level_sections", Detection::default()), ("band_sections", bands), ("sensitive", sensitive)] {
        let found = sections(&profile, &detection);
        let all: Vec<Vec<f64>> = expected[what].as_array().expect("a list").iter().map(numbers).collect();
        assert_eq!(found.len(), all.len(), "{name}: {what}: {found:?} and {all:?}");
        for (found, expected) in found.iter().map(told).zip(&all) {
            let near = found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() <= expected.abs() * 1e-6);
            assert!(found.len() == expected.len() && near, "{name}: {what}: {found:?} and {expected:?}");
        }
        count += found.len();
    }
    let of = |key: &str| expected["quality"][key].as_f64().expect("a number");
    assert_eq!(quality.clipped_samples as f64, of("clipped"), "{name}");
    let near = |found: f64, key: &str| (found - of(key)).abs() < 1e-9;
    assert!(near(quality.peak, "peak") && near(quality.dc, "dc") && near(quality.level, "level"), "{name}: {quality:?}");
    count
}

fn compare_all(files: &[PathBuf]) -> usize {
    let expected = reference::of(files);
    files.iter().zip(&expected).map(|(file, expected)| compare(file, expected)).sum()
}

#[test]
fn recordings_from_the_field() {
    let Some(files) = field() else {
        println!("no recordings in ../shared/field, and SOUNDPOST_FIELD names none: not compared");
        return;
    };
    let count = compare_all(&files);
    println!("{} recordings, {count} sections", files.len());
    assert!(count > 25, "{count} sections are too few to show anything");
}

/// The four songs of a spinetail, which its calls and those of others surround, stand out as four sections: with the default
/// margin of 12 dB as with 16 dB, when pauses of 0.3 s end a section and a song has at least a second.
#[test]
fn four_songs_are_four_sections() {
    let Some(file) = field().and_then(|files| files.into_iter().find(|file| file.ends_with("spinetail.wav"))) else {
        println!("no spinetail.wav: not looked at");
        return;
    };
    let profile = analysis(&file).profile;
    // Where the sweep from 8 kHz down to 4 kHz is seen in a spectrogram, in windows.
    let songs: [Range<u32>; 4] = [7..28, 54..77, 113..136, 164..186];
    for margin in [Centibel(1_200), Centibel(1_600)] {
        let detection = Detection { detector: Detector::Bands, margin, min_gap_ms: 300, min_length_ms: 1_000 };
        let found = sections(&profile, &detection);
        found.iter().for_each(|section| println!("margin {} dB: {:?}", margin.db(), told(section)));
        assert_eq!(found.len(), songs.len());
        for (section, song) in found.iter().zip(&songs) {
            let (first, end) = (song.start.abs_diff(section.first_window), song.end.abs_diff(section.end_window));
            let near = if margin.0 == 1_600 { 6 } else { 16 };
            assert!(first <= near && end <= near && section.score.db() > 45.0, "{:?} is not {song:?}", told(section));
            assert!(section.band_hz.is_some_and(|(low, high)| low < 4_000.0 && high > 8_000.0));
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Sound {
    Tone(f64),
    Noise,
    /// Noise with a loud tone now and then, and digital silence after it.
    Calls(f64),
    Clipped,
    Silence,
}

/// Full scale is 1.
fn value(sound: Sound, frame: usize, channel: usize, rate: u32, noise: f64) -> f64 {
    let seconds = frame as f64 / f64::from(rate);
    let sine = |hz: f64| (TAU * hz * seconds + channel as f64).sin();
    match sound {
        Sound::Tone(hz) => 0.9 * sine(hz),
        Sound::Noise => 0.1 * noise,
        Sound::Calls(hz) => {
            let length = 0.05 + 0.06 * (seconds / 7.0).floor();
            match seconds % 7.0 {
                part if part < length => 0.003 * noise + 0.2 * sine(hz),
                part if part > 6.5 => 0.0,
                _ => 0.003 * noise,
            }
        }
        Sound::Clipped => 3.0 * sine(440.0) + 0.2,
        Sound::Silence => 0.0,
    }
}

/// The plainest kind, which every reader knows.
fn wav(rate: u32, channels: u16, bits: u16, pcm: &[u8]) -> Vec<u8> {
    let frame_bytes = channels * bits / 8;
    let [rate_bytes, riff, data] = [rate * u32::from(frame_bytes), pcm.len() as u32 + 36, pcm.len() as u32].map(u32::to_le_bytes);
    let [one, channels, frame_bytes, bits] = [1, channels, frame_bytes, bits].map(u16::to_le_bytes);
    let form = [&one[..], &channels, &rate.to_le_bytes(), &rate_bytes, &frame_bytes, &bits].concat();
    [b"RIFF", &riff[..], b"WAVEfmt ", &[16, 0, 0, 0], &form, b"data", &data, pcm].concat()
}

#[test]
fn sounds_of_every_shape() {
    let folder = tempfile::tempdir().expect("a folder");
    let cases = [
        (8_000, 1, 16, 8_000 * 47 + 399, Sound::Calls(1_000.0)),
        (8_000, 2, 24, 8_000 * 44 + 401, Sound::Calls(2_500.0)),
        (16_000, 1, 8, 16_000 * 31, Sound::Noise),
        (11_025, 1, 16, 11_025 * 16 + 551, Sound::Calls(3_000.0)),
        (22_055, 2, 16, 22_055 * 9 + 1_103, Sound::Noise),
        (44_100, 1, 16, 44_100 * 10, Sound::Tone(997.0)),
        (44_100, 2, 24, 44_100 * 8 + 1, Sound::Calls(9_000.0)),
        (48_000, 8, 24, 48_000 * 4 + 2_400, Sound::Noise),
        (48_000, 1, 16, 48_000 * 3, Sound::Clipped),
        (48_000, 2, 16, 48_000 * 2 + 2_399, Sound::Silence),
        (48_000, 2, 16, 2_399, Sound::Noise),
        (48_000, 2, 16, 2_400, Sound::Noise),
        (96_000, 2, 24, 96_000 * 5 + 4_801, Sound::Tone(31_000.0)),
        (384_000, 1, 16, 384_000 * 8 + 19_200, Sound::Calls(45_000.0)),
        (384_000, 8, 24, 384_000, Sound::Noise),
    ];
    let mut seed = 1_u64;
    let mut files = Vec::new();
    for (n, &(rate, channels, bits, frames, sound)) in cases.iter().enumerate() {
        let file = folder.path().join(format!("{n:02}_{rate}_{channels}_{bits}_{sound:?}.wav"));
        let full = f64::from(1_u32 << (bits - 1));
        let mut pcm = Vec::new();
        for (frame, channel) in (0..frames).flat_map(|frame| (0..usize::from(channels)).map(move |channel| (frame, channel))) {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let noise = (seed >> 33) as f64 / f64::from(1_u32 << 30) - 1.0;
            let sample = (value(sound, frame, channel, rate, noise) * full).round().clamp(-full, full - 1.0) as i32;
            match bits {
                8 => pcm.push((sample + 128) as u8),
                _ => pcm.extend(&sample.to_le_bytes()[..usize::from(bits / 8)]),
            }
        }
        std::fs::write(&file, wav(rate, channels, bits, &pcm)).expect("written");
        files.push(file);
    }
    let count = compare_all(&files);
    println!("{} sounds, {count} sections", files.len());
    assert!(count > 20, "{count} sections are too few to show anything");
}
