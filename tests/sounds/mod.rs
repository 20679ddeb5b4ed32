//! Recordings for tests of decoding and cutting: one sound, and what the codecs' own programs make of it.
#![allow(dead_code)] // each test program uses its part

use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder with a sound as WAV in it, removed afterwards.
pub struct Bench {
    folder: tempfile::TempDir,
    pub source: PathBuf,
    /// Interleaved, full scale 2^(bits − 1).
    pub samples: Vec<i32>,
    pub rate_hz: u32,
    pub channels: u8,
    pub bits: u8,
}

impl Bench {
    pub fn new(rate_hz: u32, channels: u8, bits: u8, frames: usize) -> Bench {
        let folder = tempfile::tempdir().expect("a folder");
        let samples = sound(rate_hz, channels, bits, frames);
        let source = folder.path().join("source.wav");
        let spec = hound::WavSpec {
            channels: channels.into(),
            sample_rate: rate_hz,
            bits_per_sample: bits.into(),
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&source, spec).expect("created");
        samples.iter().for_each(|&s| writer.write_sample(s).expect("written"));
        writer.finalize().expect("closed");
        Bench { folder, source, samples, rate_hz, channels, bits }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        std::fs::write(self.path(name), bytes).expect("written");
        self.path(name)
    }

    pub fn flac(&self, name: &str, options: &[&str]) -> PathBuf {
        let out = self.path(name);
        run("flac", &[&["-s", "-f", "--lax", "--channel-map=none", "-o", text(&out)], options, &[text(&self.source)]].concat());
        out
    }

    pub fn ffmpeg(&self, name: &str, options: &[&str]) -> PathBuf {
        let out = self.path(name);
        run("ffmpeg", &[&["-y", "-v", "error", "-i", text(&self.source)], options, &[text(&out)]].concat());
        out
    }

    /// A tool that takes the name of its output behind its options, then its input.
    pub fn tool(&self, name: &str, tool: &str, options: &[&str]) -> PathBuf {
        let out = self.path(name);
        run(tool, &[options, &[text(&out), text(&self.source)]].concat());
        out
    }

    /// A tool that takes its input, then its output.
    pub fn tool_to(&self, name: &str, tool: &str, options: &[&str]) -> PathBuf {
        let out = self.path(name);
        run(tool, &[options, &[text(&self.source), text(&out)]].concat());
        out
    }
}

/// Tones that glide, a little noise, and pauses: something for every part of a codec, and different everywhere.
pub fn sound(rate_hz: u32, channels: u8, bits: u8, frames: usize) -> Vec<i32> {
    let full = f64::from((1_i32 << (bits - 1)) - 1);
    let mut x = 0x9E37_79B9_7F4A_7C15_u64;
    let mut noise = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        (x >> 40) as f64 / f64::from(1 << 23) - 1.0
    };
    let mut out = Vec::with_capacity(frames * usize::from(channels));
    for frame in 0..frames {
        let t = frame as f64 / f64::from(rate_hz);
        let swell = 0.5 + 0.4 * (t * 5.0).sin();
        for channel in 0..channels {
            let hz = 300.0 + 150.0 * f64::from(channel) + 200.0 * t;
            let tone = (t * hz * std::f64::consts::TAU).sin();
            out.push(((0.5 * swell * tone + 0.02 * noise()) * full) as i32);
        }
    }
    out
}

pub struct Reference {
    pub samples: Vec<i32>,
    pub bits: u8,
}

/// What FFmpeg decodes, with the scale of `bits`.
pub fn ffmpeg_pcm(path: &Path, bits: u8) -> Reference {
    let (codec, format, shift) = match bits {
        8 => ("pcm_s8", "s8", 0),
        16 => ("pcm_s16le", "s16le", 0),
        _ => ("pcm_s32le", "s32le", 8),
    };
    // Opus sounds at 48 kHz and in its own order of channels; no resampling, no dither.
    let out = Command::new("ffmpeg")
        .args(["-v", "error", "-i", text(path), "-c:a", codec, "-f", format, "-"])
        .output()
        .expect("ffmpeg is installed");
    assert!(out.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&out.stderr));
    let samples = match bits {
        8 => out.stdout.iter().map(|&b| i32::from(b as i8)).collect(),
        16 => out.stdout.chunks_exact(2).map(|b| i32::from(i16::from_le_bytes([b[0], b[1]]))).collect(),
        _ => out.stdout.chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]) >> shift).collect(),
    };
    Reference { samples, bits }
}

/// Loudness of the difference, in dB below full scale.
pub fn rms_db(a: &[i32], b: &[i32], bits: u8) -> f64 {
    let full = f64::from(1_i32 << (bits - 1));
    let sum: f64 = a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)) / full).map(|d| d * d).sum();
    10.0 * (sum / a.len().max(1) as f64).max(1e-30).log10()
}

pub fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

/// Runs a tool that must succeed; what it said comes back.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let done = Command::new(program).args(arguments).output().unwrap_or_else(|e| panic!("{program} is not installed ({e})"));
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{program} {arguments:?}: {said}");
    said
}
