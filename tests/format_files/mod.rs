//! Recordings for tests: synthetic sound, our headers, coded frames by the reference encoder.
#![allow(dead_code)] // each test program uses its part

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use soundpost::format::flac::{self, Final, SeekTable, Step, Stream, next_frame};
use soundpost::format::metadata::Station;
use soundpost::format::wav;
use soundpost::message::{ClockState, Depth, Identity, PcmFormat};
use soundpost::time::{Rate, Wall};

pub fn identity(hz: u32, channels: u8, depth: Depth) -> Identity {
    Identity {
        source: Arc::from("wood north"),
        session: Arc::from("20241225T130000Z-1a2b"),
        first_frame: 172_800_123,
        start: Wall::from_micros(1_735_135_200_250_000), // 2024-12-25T14:00:00.25Z
        utc_offset_s: 3_600,
        clock: ClockState::Synced,
        format: PcmFormat { rate: Rate::new(hz).expect("a rate"), channels, depth }.into(),
    }
}

pub fn shape(identity: &Identity) -> PcmFormat {
    identity.format.pcm().expect("captured sound")
}

pub fn station() -> Station {
    Station { name: Some("Hut 4".into()), latitude: Some(47.5), longitude: Some(-122.25) }
}

/// A generator that is the same everywhere, for noise and for places to cut.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.roll() as usize % n.max(1)
    }
}

/// Tones and noise, and at times full scale and silence: every kind of subframe occurs.
pub fn sound(format: PcmFormat, frames: usize) -> Vec<u8> {
    let (mut dice, full) = (Dice(7), f64::from((1_i32 << (format.depth.bits() - 1)) - 1));
    let mut out = Vec::with_capacity(frames * format.frame_bytes());
    for frame in 0..frames {
        for channel in 0..format.channels {
            let noise = f64::from(dice.roll() % 2_001) / 1_000.0 - 1.0;
            let tone = (frame as f64 * 0.05 * f64::from(channel + 1)).sin();
            let sample = match frame / 1_000 % 7 {
                3 => 0.0,
                5 => noise,
                6 => tone.signum(),
                _ => 0.3 * tone + 0.02 * noise,
            };
            out.extend_from_slice(&((sample * full) as i32).to_le_bytes()[..format.depth.bytes()]);
        }
    }
    out
}

/// A closed WAV.
pub fn wav(identity: &Identity, pcm: &[u8]) -> Vec<u8> {
    let mut file = wav::header(identity, &station());
    let header_bytes = file.len() as u32;
    file.extend_from_slice(pcm);
    for (at, size) in wav::size_patches(header_bytes, file.len() as u64, shape(identity).frame_bytes()) {
        file[at as usize..][..4].copy_from_slice(&size);
    }
    file.resize(file.len() + wav::pad_bytes(pcm.len() as u32) as usize, 0);
    file
}

pub struct FlacFile {
    /// As it stands while it grows.
    pub growing: Vec<u8>,
    /// As it stands when it is closed.
    pub closed: Vec<u8>,
    pub header_bytes: usize,
    /// End of each coded frame in the file, and frames up to there.
    pub ends: Vec<(usize, u64)>,
}

/// What the reference encoder makes of `pcm`, below our header.
pub fn flac(identity: &Identity, pcm: &[u8], options: &[&str], seek_points: usize) -> FlacFile {
    let dir = tempfile::tempdir().expect("a folder");
    let (input, output) = (dir.path().join("in.wav"), dir.path().join("out.flac"));
    std::fs::write(&input, wav(identity, pcm)).expect("written");
    run("flac", &[&["--silent", "--lax", "-o", text(&output), text(&input)], options].concat());
    under_our_header(identity, &std::fs::read(&output).expect("read"), seek_points)
}

pub fn under_our_header(identity: &Identity, encoded: &[u8], seek_points: usize) -> FlacFile {
    let head = flac::parse(&encoded).expect("a FLAC file");
    let audio = &encoded[head.audio_at as usize..];
    let mut header = flac::header(identity, &station(), seek_points, head.info.max_block.into());
    let mut table = SeekTable::new(shape(identity).rate, header.seek_points);
    let growing = [&header.bytes, audio].concat();
    let (mut at, mut frames, mut number, mut ends, mut sizes) = (0, 0, 0, Vec::new(), Vec::new());
    while at < audio.len() {
        let Step::Frame(coded) = next_frame(&audio[at..], true, &Stream::new(head.info), number) else {
            panic!("no coded frame {number} at {at} of {}", audio.len())
        };
        table.push(frames, at as u64, coded.header.block_size);
        frames += u64::from(coded.header.block_size);
        at += coded.bytes;
        number += 1;
        sizes.push(coded.bytes as u32);
        ends.push((header.bytes.len() + at, frames));
    }
    let (min, max) = (sizes.iter().min().copied().unwrap_or(0), sizes.iter().max().copied().unwrap_or(0));
    assert_eq!(
        (frames, min, max),
        (head.info.frames, head.info.min_frame_bytes, head.info.max_frame_bytes),
        "the encoder's own count"
    );
    let end = Final { frames, min_frame_bytes: min, max_frame_bytes: max, md5: head.info.md5 };
    flac::finish(&mut header.bytes, &end, &table).expect("our own header");
    let closed = [&header.bytes, audio].concat();
    FlacFile { growing, closed, header_bytes: header.bytes.len(), ends }
}

pub fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// Standard output of a program that must succeed; what it says on standard error comes with it.
pub fn run(program: &str, args: &[&str]) -> String {
    let done = Command::new(program).args(args).output().unwrap_or_else(|e| panic!("{program} must be installed: {e}"));
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{program} {args:?}: {said}");
    said
}
