//! What must hold for any bytes that are taken for a recording: they are decoded, jumped in, cut and clipped without a panic,
//! in bounded time, and what was promised before is what comes.

use soundpost::format::clip::Clip;
use soundpost::format::growing::growing;
use soundpost::format::{cut, decode};

use super::Left;

/// Holes that sound as silence make a few bytes long: so many frames are enough to see how it goes.
const FRAMES: usize = 2_000_000;

pub fn recording(bytes: &[u8], extension: &str) -> Left {
    if let Ok(growing) = growing(&bytes, extension) {
        assert!(growing.len <= bytes.len() as u64 && growing.head.len() as u64 <= growing.len);
    }
    cut_anywhere(bytes, extension);
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
