//! WAV samples of any other width as 16- or 24-bit integers: the door to hound.
//!
//! hound gets a header that we write from what `parse` found, and then the samples alone: its own walk over the chunks of a
//! file fails on odd chunks without padding and on RF64.

use std::io::{Chain, Cursor, Read, Take};

use super::super::Flaw;
use super::fmt::SampleKind;
use super::header::SUBTYPE_PCM;
use super::parse::Parsed;

/// A reader that stands at the first sample, and what is to become of its samples.
pub struct Samples<R: Read> {
    hound: hound::WavReader<Chain<Cursor<Vec<u8>>, Take<R>>>,
    conversion: Conversion,
}

#[derive(Clone, Copy)]
enum Conversion {
    /// Shift right by so many bits, or left if negative.
    Shift(i32),
    /// Full scale 1.0 becomes 2^23.
    Float,
}

impl<R: Read> Samples<R> {
    pub fn new(data: R, parsed: &Parsed) -> Result<Samples<R>, Flaw> {
        // Bits at the top of their container are read as a sample of the container's width.
        let width = if parsed.extensible { parsed.container_bytes.saturating_mul(8) } else { parsed.bits };
        let conversion = match (parsed.kind, width, parsed.container_bytes) {
            (SampleKind::Float, 32, 4) => Conversion::Float,
            (SampleKind::Int, 8, 1) => Conversion::Shift(-8),
            (SampleKind::Int, 16, 2) => Conversion::Shift(0),
            (SampleKind::Int, 24, 3 | 4) if parsed.bits > 16 => Conversion::Shift(0),
            (SampleKind::Int, 24, 3) => Conversion::Shift(8),
            (SampleKind::Int, 32, 4) => Conversion::Shift(if parsed.bits > 16 { 8 } else { 16 }),
            _ => return Err(Flaw::Unsupported("samples of this width")),
        };
        let bytes = u32::try_from(parsed.data_bytes)
            .map_err(|_| Flaw::Unsupported("more than 4 GiB of samples that are neither 16- nor 24-bit PCM"))?;
        let head = Cursor::new(plain_header(parsed, width, bytes));
        let hound = hound::WavReader::new(head.chain(data.take(u64::from(bytes)))).map_err(flaw)?;
        Ok(Samples { hound, conversion })
    }

    /// The next sample, in the 16 or 24 bits of [`Parsed::pcm_format`].
    pub fn next_sample(&mut self) -> Option<Result<i32, Flaw>> {
        let sample = match self.conversion {
            Conversion::Shift(right) if right >= 0 => self.hound.samples::<i32>().next()?.map(|s| s >> right),
            Conversion::Shift(right) => self.hound.samples::<i32>().next()?.map(|s| s << -right),
            Conversion::Float => self.hound.samples::<f32>().next()?.map(from_float),
        };
        Some(sample.map_err(flaw))
    }
}

/// Rounded to the nearest; what is beyond full scale is clipped, what is no number is silence.
fn from_float(sample: f32) -> i32 {
    const FULL: f32 = 8_388_608.0;
    (sample * FULL).round().clamp(-FULL, FULL - 1.0) as i32
}

fn plain_header(parsed: &Parsed, width: u16, data_bytes: u32) -> Vec<u8> {
    let align = parsed.channels.saturating_mul(parsed.container_bytes);
    let mut subtype = SUBTYPE_PCM;
    subtype[0] = if parsed.kind == SampleKind::Float { 3 } else { 1 };
    [
        b"RIFF\0\0\0\0WAVEfmt \x28\0\0\0\xFE\xFF".as_slice(),
        &parsed.channels.to_le_bytes(),
        &parsed.rate_hz.to_le_bytes(),
        &parsed.rate_hz.saturating_mul(u32::from(align)).to_le_bytes(),
        &align.to_le_bytes(),
        &parsed.container_bytes.saturating_mul(8).to_le_bytes(),
        &22_u16.to_le_bytes(),
        &width.to_le_bytes(),
        &[0; 4],
        &subtype,
        b"data",
        &data_bytes.to_le_bytes(),
    ]
    .concat()
}

fn flaw(e: hound::Error) -> Flaw {
    match e {
        hound::Error::IoError(e) => Flaw::Io(e),
        hound::Error::FormatError(why) => Flaw::IllFormed(why),
        _ => Flaw::Unsupported("samples of this width"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    /// One channel of samples in a file with this format chunk: what they become.
    fn check(tag: u16, container_bytes: u16, bits: u16, valid: Option<u16>, data: &[u8], want: &[i32]) {
        let mut fmt = Vec::new();
        for field in [if valid.is_some() { 0xFFFE } else { tag }, 1, 8_000, 0, 0, 0, container_bytes, bits] {
            fmt.extend_from_slice(&field.to_le_bytes());
        }
        if let Some(valid) = valid {
            fmt.extend_from_slice(&[22_u16.to_le_bytes(), valid.to_le_bytes(), [0; 2], [0; 2], tag.to_le_bytes()].concat());
            fmt.extend_from_slice(&SUBTYPE_PCM[2..]);
        }
        let sizes = [(fmt.len() as u32).to_le_bytes(), (data.len() as u32).to_le_bytes()];
        let file = [b"RIFF\0\0\0\0WAVEfmt ".as_slice(), &sizes[0], &fmt, b"data", &sizes[1], data].concat();
        let parsed = parse(&file).expect("a WAV");
        let mut samples = Samples::new(&file[parsed.data_at as usize..], &parsed).expect("a known width");
        let got: Vec<i32> = std::iter::from_fn(|| samples.next_sample()).map(|s| s.expect("a sample")).collect();
        assert_eq!(got, want, "tag {tag}, {bits} bits in {container_bytes} bytes, valid {valid:?}");
    }

    #[test]
    fn every_width_keeps_its_loudness() {
        check(1, 1, 8, None, &[0, 128, 255], &[-32_768, 0, 127 * 256]);
        check(1, 4, 32, None, &[0xFF, 3, 2, 1, 0, 0, 0, 0x80], &[0x01_02_03, -0x80_00_00]);
        check(1, 4, 24, None, &[3, 2, 1, 0, 0, 0, 0x80, 0xFF], &[0x01_02_03, -0x80_00_00]); // as ALSA's S24_LE
        check(1, 4, 32, Some(24), &[0, 3, 2, 1, 0, 0, 0, 0x80], &[0x01_02_03, -0x80_00_00]); // as the standard has it
        check(1, 4, 32, Some(16), &[0, 0, 2, 1], &[0x01_02]);
        check(1, 3, 24, Some(20), &[0x30, 2, 1], &[0x01_02_30]);
        check(1, 2, 16, Some(12), &[0x30, 1], &[0x01_30]);
        let floats = [1.0_f32, -1.0, 0.5, 2.0, f32::NAN].map(f32::to_le_bytes).concat();
        check(3, 4, 32, None, &floats, &[0x7F_FF_FF, -0x80_00_00, 0x40_00_00, 0x7F_FF_FF, 0]);
    }
}
