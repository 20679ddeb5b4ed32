//! What must hold for any bytes that are taken for a recording: they are decoded, jumped in, cut and clipped without a panic,
//! in bounded time, and what was promised before is what comes.

use std::io::Cursor;

use soundpost::format::clip::Clip;
use soundpost::format::growing::growing;
use soundpost::format::pcm_reader::PcmReader;
use soundpost::format::repack::Repacked;
use soundpost::format::{Md5, ReadAt, cut, decode, fill_at, flac};

use super::Left;

/// Holes that sound as silence make a few bytes long: so many frames are enough to see how it goes.
const FRAMES: usize = 2_000_000;

pub fn recording(bytes: &[u8], extension: &str) -> Left {
    if let Ok(growing) = growing(&bytes, extension) {
        assert!(growing.len <= bytes.len() as u64 && growing.head.len() as u64 <= growing.len);
    }
    cut_anywhere(bytes, extension);
    if extension == "wav" {
        repacked(bytes);
    }
    let Ok(mut decoder) = decode::open(Box::new(bytes.to_vec()), extension) else { return Left::Nothing };
    let channels = usize::from(decoder.info().channels);
    let limit = 1 << (decoder.info().bits - 1);
    let mut piece = vec![0; 4_000 * channels];
    let mut frames = 0;
    while let Ok(read @ 1..) = decoder.read(&mut piece) {
        frames += read;
        assert!(piece[..read * channels].iter().all(|&s| (-limit..limit).contains(&s)), "a sample beyond full scale");
        if frames > FRAMES {
            break;
        }
    }
    assert!(decoder.skipped() <= frames as u64);
    for at in [frames as u64 / 2, 0, frames as u64, u64::MAX / 2] {
        if decoder.seek(at).is_ok() {
            let _ = decoder.read(&mut piece[..100 * channels]);
        }
    }
    if let Ok(clip) = Clip::plan(&mut decoder, frames as u64 / 3, frames as u64 / 3 + 5_000, false) {
        let mut written = 0;
        let mut sink = |piece: &[u8]| {
            written += piece.len() as u64;
            Ok(())
        };
        if clip.write(&mut decoder, &mut sink).is_ok() {
            assert_eq!(written, clip.bytes());
        }
    }
    if frames > 0 { Left::Whole } else { Left::Nothing }
}

fn cut_anywhere(bytes: &[u8], extension: &str) {
    for (from, to) in [(0.0, 1e9), (0.01, 0.02), (0.05, 3.0)] {
        let Ok(cut) = cut::plan(&bytes, extension, from, to) else { continue };
        let mut out = Vec::new();
        let mut sink = |piece: &[u8]| {
            out.extend_from_slice(piece);
            Ok(())
        };
        cut.write(&bytes, &mut sink).expect("what was planned can be written");
        assert_eq!(out.len() as u64, cut.bytes, "{from} to {to}: as long as planned");
        assert!(cut.frames > 0 && cut.from_s < cut.to_s, "{extension}: {} frames of {from} to {to} s", cut.frames);
    }
}

/// What becomes a FLAC at all is a whole one, of which the very WAV can be made again.
fn repacked(wav: &[u8]) {
    let Ok(repacked) = Repacked::new(&wav, || true) else { return };
    let mut out = vec![0; repacked.len().expect("known") as usize];
    assert_eq!(fill_at(&repacked, 0, &mut out).expect("read"), out.len());
    let at = super::piece(wav) % out.len();
    let mut piece = [0; 100];
    let count = fill_at(&repacked, at as u64, &mut piece).expect("read");
    assert!(out[at..].starts_with(&piece[..count]), "the same bytes wherever it is read");
    let verified = flac::verify(out.as_slice()).expect("a whole FLAC");
    assert!(verified.md5 == Md5::Match || verified.frames == 0, "{verified:?}");
    assert!(unpacked(&out) == wav, "the very WAV");
}

/// The WAV that was kept in `riff` blocks (RFC 9639 section 8.4), with the samples in the place of its data.
fn unpacked(flac: &[u8]) -> Vec<u8> {
    let (mut wav, mut at) = (Vec::new(), 4);
    loop {
        let (kind, bytes) = (flac[at], u32::from_be_bytes([0, flac[at + 1], flac[at + 2], flac[at + 3]]) as usize);
        let body = &flac[at + 4..at + 4 + bytes];
        at += 4 + bytes;
        if let (2, Some(chunk)) = (kind & 0x7F, body.strip_prefix(b"riff")) {
            wav.extend_from_slice(chunk);
            if chunk.len() == 8 && chunk.starts_with(b"data") {
                let size = u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]) as usize;
                let mut sound = vec![0; size];
                let mut reader = PcmReader::open(Cursor::new(flac)).expect("a FLAC");
                let frames = reader.read_frames(&mut sound).expect("sound");
                assert_eq!(frames * reader.format().frame_bytes(), size);
                sound.resize(size + size % 2, 0);
                wav.extend_from_slice(&sound);
            }
        }
        if kind & 0x80 != 0 {
            return wav;
        }
    }
}
