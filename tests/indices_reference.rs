//! The indices of a minute are those of scikit-maad (`tests/reference/indices.py`), with the tolerances said here: on a day in a
//! wood, where its recordings are here, and on made-up ones. The first run fetches scikit-maad from PyPI.

#[path = "common/venv.rs"]
mod venv;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use soundpost::message::analysis::Indices;
use soundpost::signal::{Analyzer, Scope, Shape};
use venv::venv;

/// What is compared, and how far it may differ: of what is expected or of 1, whichever is more.
type Index = (&'static str, fn(&Indices) -> f32, f64);
const TOLERANCES: [Index; 7] = [
    // One spectrum of a minute may be ours alone: its centre is within, its end is behind.
    ("aci", |all| all.aci, 1e-4),
    // maad's bands of a kilohertz share the bins between them, and our threshold is met to 0.27 dB.
    ("adi", |all| all.adi, 0.03),
    ("aei", |all| all.aei, 0.03),
    ("bi", |all| all.bi, 5e-3),
    ("h", |all| all.h, 1e-4),
    // The envelope of 100 ms against Hilbert's.
    ("h_hilbert", |all| all.h, 0.02),
    ("ndsi", |all| all.ndsi, 1e-4),
];

/// maad's minutes of each file.
fn reference(files: &[PathBuf]) -> Vec<Value> {
    let run = |command: &mut Command| {
        let out = command.stderr(Stdio::inherit()).output().expect("started");
        assert!(out.status.success(), "{command:?}");
        String::from_utf8(out.stdout).expect("text")
    };
    let text = run(Command::new(venv("maad", "scikit-maad==1.5.2").join("python")).arg("tests/reference/indices.py").args(files));
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn indices(file: &Path) -> Vec<Indices> {
    let mut reader = hound::WavReader::open(file).expect("a WAV");
    let shape = Shape { rate_hz: reader.spec().sample_rate, channels: 1, bits: 16 };
    let samples: Vec<i32> = reader.samples().collect::<Result<_, _>>().expect("samples");
    let mut analyzer = Analyzer::new(shape, Scope { bands: false, indices: true });
    analyzer.push(&samples);
    analyzer.finish().indices
}

fn write(file: &Path, rate: u32, samples: impl Iterator<Item = i16>) {
    let spec = hound::WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut wav = hound::WavWriter::create(file, spec).expect("a WAV");
    samples.for_each(|sample| wav.write_sample(sample).expect("written"));
    wav.finalize().expect("written");
}

/// A minute and a bit of calls that rise and fall, in noise that swells.
fn soundscape(rate: u32) -> impl Iterator<Item = i16> {
    let mut seed = 1_u64;
    (0..rate * 62).map(move |frame| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let noise = (seed >> 33) as f64 / f64::from(1_u32 << 30) - 1.0;
        let seconds = f64::from(frame) / f64::from(rate);
        let call = if seconds % 3.0 < 0.7 { (seconds * 6_000.0 + 300.0 * (seconds * 20.0).sin()).sin() } else { 0.0 };
        let machine = (seconds * 7_500.0).sin() * 0.05;
        ((noise * 0.004 * (1.2 + (seconds * 0.3).sin()) + call * 0.2 + machine) * 32_768.0) as i16
    })
}

/// The 24 recordings of ten seconds, six of them a minute.
fn day(folder: &Path) -> Vec<PathBuf> {
    let field = std::env::var_os("SOUNDPOST_FIELD").map_or_else(|| PathBuf::from("../shared/field"), PathBuf::from);
    let field = if field.is_dir() { field } else { PathBuf::from("../../shared/field") };
    let Ok(entries) = std::fs::read_dir(field) else {
        println!("no recordings in ../shared/field, and SOUNDPOST_FIELD names none: made-up ones only");
        return Vec::new();
    };
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("S4A")));
    files.sort();
    let minutes = files.chunks(6).enumerate().map(|(n, files)| {
        let mut all = Vec::new();
        for file in files {
            let samples = hound::WavReader::open(file).expect("a WAV").into_samples::<i16>();
            all.extend(samples.map(|sample| sample.expect("a sample")));
        }
        let minute = folder.join(format!("day{n}.wav"));
        write(&minute, 22_000, all.into_iter());
        minute
    });
    minutes.collect()
}

#[test]
fn indices_of_every_minute_are_those_of_scikit_maad() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut files = day(folder.path());
    for rate in [8_000, 22_050, 48_000] {
        let file = folder.path().join(format!("soundscape_{rate}.wav"));
        write(&file, rate, soundscape(rate));
        files.push(file);
    }
    let expected = reference(&files);
    assert_eq!(expected.len(), files.len());
    let mut wrong = Vec::new();
    for (file, expected) in files.iter().zip(&expected) {
        let (found, expected) = (indices(file), expected.as_array().expect("minutes"));
        assert_eq!((found.len(), expected.len()), (1, 1), "minutes of {}", file.display());
        for (key, value, tolerance) in TOLERANCES {
            let (found, expected) = (f64::from(value(&found[0])), expected[0][key].as_f64().expect("a number"));
            let line = format!(
                "{:>24} {key:>9}: {found:.6}, by maad {expected:.6}",
                file.file_name().expect("a name").to_string_lossy()
            );
            println!("{line}");
            if (found - expected).abs() > tolerance * expected.abs().max(1.0) {
                wrong.push(line);
            }
        }
    }
    assert!(wrong.is_empty(), "beyond their tolerance:\n{}", wrong.join("\n"));
}
