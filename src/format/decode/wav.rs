//! WAV to samples: every width of integers and floats that `wav::parse` finds, straight from the bytes.

use super::super::wav::{Parsed, SampleKind, parse};
use super::super::{Flaw, fill_at};
use super::{Block, File, Info, Source};
use crate::message::Container;

/// Frames read at a time.
const BLOCK_FRAMES: u64 = 4_096;

pub struct Wav {
    file: File,
    info: Info,
    width: Width,
    data_at: u64,
    frames: u64,
    at: u64,
    frame_bytes: usize,
    buf: Vec<u8>,
}

/// How a sample stands in its bytes.
#[derive(Clone, Copy)]
enum Width {
    /// Unsigned, the only one.
    Eight,
    Sixteen,
    TwentyFour,
    /// 24 bits at the bottom of four bytes, as ALSA's S24_LE.
    TwentyFourLow,
    /// At the top of four bytes; what is below 24 bits is cut off.
    ThirtyTwo,
    Float,
    Double,
}

impl Width {
    fn of(parsed: &Parsed) -> Option<Width> {
        Some(match (parsed.kind, parsed.container_bytes) {
            (SampleKind::Int, 1) => Width::Eight,
            (SampleKind::Int, 2) => Width::Sixteen,
            (SampleKind::Int, 3) => Width::TwentyFour,
            (SampleKind::Int, 4) if parsed.bits == 24 && !parsed.extensible => Width::TwentyFourLow,
            (SampleKind::Int, 4) => Width::ThirtyTwo,
            (SampleKind::Float, 4) => Width::Float,
            (SampleKind::Float, 8) => Width::Double,
            _ => return None,
        })
    }

    fn bits(self) -> u8 {
        match self {
            Width::Eight => 8,
            Width::Sixteen => 16,
            _ => 24,
        }
    }

    fn convert(self, bytes: &[u8], out: &mut Vec<i32>) {
        let each = |n: usize, f: fn(&[u8]) -> i32, out: &mut Vec<i32>| out.extend(bytes.chunks_exact(n).map(f));
        match self {
            Width::Eight => each(1, |b| i32::from(b[0]) - 128, out),
            Width::Sixteen => each(2, |b| i32::from(i16::from_le_bytes([b[0], b[1]])), out),
            Width::TwentyFour => each(3, |b| i32::from_le_bytes([0, b[0], b[1], b[2]]) >> 8, out),
            Width::TwentyFourLow => each(4, |b| i32::from_le_bytes([0, b[0], b[1], b[2]]) >> 8, out),
            Width::ThirtyTwo => each(4, |b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]) >> 8, out),
            Width::Float => each(4, |b| from_float(f32::from_le_bytes([b[0], b[1], b[2], b[3]]).into()), out),
            Width::Double => {
                each(8, |b| from_float(f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]])), out);
            }
        }
    }
}

/// Full scale 1.0 becomes 2^23: rounded to the nearest, clipped beyond, silence for what is no number.
pub(super) fn from_float(sample: f64) -> i32 {
    const FULL: f64 = 8_388_608.0;
    (sample * FULL).round().clamp(-FULL, FULL - 1.0) as i32
}

impl Wav {
    pub fn open(file: File) -> Result<Wav, Flaw> {
        let parsed = parse(&*file)?;
        let width = Width::of(&parsed).ok_or(Flaw::Unsupported("samples of this width"))?;
        let channels = u8::try_from(parsed.channels).map_err(|_| Flaw::Unsupported("more than 8 channels or 768 000 Hz"))?;
        let frames = parsed.frames();
        let info =
            Info { rate_hz: parsed.rate_hz, channels, bits: width.bits(), frames: Some(frames), container: Container::Wav };
        let frame_bytes = parsed.frame_bytes() as usize; // at most 255 * 8
        Ok(Wav { file, info, width, data_at: parsed.data_at, frames, at: 0, frame_bytes, buf: Vec::new() })
    }
}

impl Source for Wav {
    fn info(&self) -> Info {
        self.info
    }

    fn next(&mut self, block: &mut Block) -> Result<bool, Flaw> {
        let frames = BLOCK_FRAMES.min(self.frames.saturating_sub(self.at)) as usize;
        self.buf.resize(frames * self.frame_bytes, 0);
        let have = fill_at(&*self.file, self.data_at + self.at * self.frame_bytes as u64, &mut self.buf)?;
        let whole = have / self.frame_bytes * self.frame_bytes; // not 0: see `fmt`
        block.samples.clear();
        match self.width {
            Width::Sixteen => block.samples.packed.extend_from_slice(&self.buf[..whole]),
            width => width.convert(&self.buf[..whole], &mut block.samples.ints),
        }
        block.fill(self.at, self.info.channels);
        self.at += block.frames as u64;
        Ok(block.frames > 0)
    }

    fn seek(&mut self, frame: u64) -> Result<(), Flaw> {
        self.at = frame.min(self.frames);
        Ok(())
    }

    fn measure(&mut self) -> Result<u64, Flaw> {
        Ok(self.frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_keeps_its_loudness() {
        let check = |width: Width, bytes: &[u8], want: &[i32]| {
            let mut out = Vec::new();
            width.convert(bytes, &mut out);
            assert_eq!(out, want);
        };
        check(Width::Eight, &[0, 128, 255], &[-128, 0, 127]);
        check(Width::Sixteen, &[0, 0x80, 0xFF, 0x7F], &[-32_768, 32_767]);
        check(Width::TwentyFour, &[0, 0, 0x80, 3, 2, 1], &[-0x80_00_00, 0x01_02_03]);
        check(Width::TwentyFourLow, &[3, 2, 1, 0, 0, 0, 0x80, 0xFF], &[0x01_02_03, -0x80_00_00]);
        check(Width::ThirtyTwo, &[9, 3, 2, 1, 0, 0, 0, 0x80], &[0x01_02_03, -0x80_00_00]);
        let floats = [1.0_f32, -1.0, 0.5, 2.0, f32::NAN].map(f32::to_le_bytes).concat();
        check(Width::Float, &floats, &[0x7F_FF_FF, -0x80_00_00, 0x40_00_00, 0x7F_FF_FF, 0]);
        check(Width::Double, &[-0.25_f64, 1e300].map(f64::to_le_bytes).concat(), &[-0x20_00_00, 0x7F_FF_FF]);
    }
}
