//! A short piece of any recording for listeners: a 16-bit WAV whose length is known before its first byte.
//!
//! * Rate: kept up to 48 kHz; above, to 48 kHz or 44.1 kHz, whichever divides it, else to 48 kHz (see `resample`). On
//!   request it is kept whatever it is.
//! * Channels: one and two are kept; of more, the mean of the first, third, fifth … becomes the left one, the mean of the others
//!   the right one, so that nothing can clip.
//! * Depth: what is 16 bits or less is kept to the bit. Everything else is rounded with TPDF dither (two uniform numbers of one
//!   step each) from a generator that is the same each time, so that a clip asked for twice is the same twice.

use std::io;

use super::Flaw;
use super::decode::{Decoder, Info};
use super::resample::Resampler;
use super::samples::Piece;

const MAX_RATE_HZ: u32 = 48_000;
const HEADER_BYTES: u32 = 44;
/// Frames decoded at a time.
const PIECE: usize = 4_096;

/// Takes the bytes of a clip in their order; an error stops it.
pub type Sink<'a> = dyn FnMut(&[u8]) -> io::Result<()> + 'a;

/// What a clip will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clip {
    /// Frames of the recording, half open, inside it.
    pub from: u64,
    pub to: u64,
    pub rate_hz: u32,
    /// 1 or 2.
    pub channels: u8,
    /// Frames of the clip.
    pub frames: u64,
}

impl Clip {
    /// Frames `from` to `to` as far as the recording goes. `source_rate`: no resampling.
    pub fn plan(decoder: &mut Decoder, from: u64, to: u64, source_rate: bool) -> Result<Clip, Flaw> {
        let (info, end) = (decoder.info(), decoder.measure()?);
        let (from, to) = (from.min(end), to.min(end));
        if from >= to {
            return Err(Flaw::Unsupported("there is no sound in this range"));
        }
        let rate_hz = if source_rate { info.rate_hz } else { rate_for(info.rate_hz) };
        let channels = info.channels.min(2);
        // Positions n * source / rate below the length.
        let frames = (u128::from(to - from) * u128::from(rate_hz)).div_ceil(u128::from(info.rate_hz));
        let clip = Clip { from, to, rate_hz, channels, frames: u64::try_from(frames).unwrap_or(u64::MAX) };
        let most = u64::from(u32::MAX - HEADER_BYTES);
        if clip.frames.saturating_mul(clip.frame_bytes()) > most {
            return Err(Flaw::Unsupported("a clip of more than 4 GiB"));
        }
        Ok(clip)
    }

    /// Length of the whole WAV.
    pub fn bytes(&self) -> u64 {
        u64::from(HEADER_BYTES) + self.data_bytes()
    }

    /// Decodes and hands out exactly [`Clip::bytes`]. Where the recording turns out shorter than it said, silence follows.
    pub fn write(&self, decoder: &mut Decoder, out: &mut Sink) -> Result<(), Flaw> {
        out(&self.header())?;
        let mut writer = Writer { left: self.frames, channels: self.channels.into(), bytes: Vec::new(), dice: Dice::new() };
        let info = decoder.info();
        if info.rate_hz == self.rate_hz {
            self.straight(decoder, &info, &mut writer, out)?;
        } else {
            self.resampled(decoder, &info, &mut writer, out)?;
        }
        writer.silence(out)
    }

    fn straight(&self, decoder: &mut Decoder, info: &Info, writer: &mut Writer, out: &mut Sink) -> Result<(), Flaw> {
        let channels = usize::from(info.channels);
        let mut ints = vec![0; PIECE * channels];
        let mut mixed = Vec::new();
        decoder.seek(self.from)?;
        while writer.left > 0 {
            let piece = decoder.next(PIECE)?;
            let sound = match piece {
                _ if piece.is_empty() => break,
                Piece::Packed(bytes) if channels <= 2 => {
                    writer.packed(bytes, out)?;
                    continue;
                }
                piece => {
                    let samples = piece.copy_to(&mut ints);
                    &ints[..samples]
                }
            };
            if info.bits <= 16 && channels <= 2 {
                writer.exact(sound, 16 - info.bits, out)?;
            } else {
                mixed.clear();
                mix(sound, channels, info.bits, &mut mixed);
                writer.rounded(&mixed, out)?;
            }
        }
        Ok(())
    }

    fn resampled(&self, decoder: &mut Decoder, info: &Info, writer: &mut Writer, out: &mut Sink) -> Result<(), Flaw> {
        let channels = usize::from(info.channels);
        let mut resampler = Resampler::new(info.rate_hz, self.rate_hz, self.channels.into());
        // What lies around the piece belongs to its first and last samples too.
        let before = self.from.min(resampler.reach());
        let mut left = (self.to - self.from + before).saturating_add(resampler.reach());
        let mut piece = vec![0; PIECE * channels];
        let (mut mixed, mut made) = (Vec::new(), Vec::new());
        resampler.start_after(before);
        decoder.seek(self.from - before)?;
        while writer.left > 0 {
            let want = PIECE.min(usize::try_from(left).unwrap_or(PIECE));
            let frames = decoder.read(&mut piece[..want * channels])?;
            left -= frames as u64;
            mixed.clear();
            made.clear();
            mix(&piece[..frames * channels], channels, info.bits, &mut mixed);
            if frames == 0 {
                mixed.resize(resampler.reach() as usize * usize::from(self.channels), 0.0);
            }
            resampler.push(&mixed, &mut made);
            writer.rounded(&made, out)?;
            if frames == 0 {
                break;
            }
        }
        Ok(())
    }

    fn frame_bytes(&self) -> u64 {
        2 * u64::from(self.channels)
    }

    fn data_bytes(&self) -> u64 {
        self.frames * self.frame_bytes()
    }

    /// Microsoft's WAVEFORMAT with 16-bit PCM.
    fn header(&self) -> [u8; HEADER_BYTES as usize] {
        let mut header = [0; HEADER_BYTES as usize];
        let data = self.data_bytes() as u32; // as planned
        let frame_bytes = self.frame_bytes() as u32; // 2 or 4
        header[..4].copy_from_slice(b"RIFF");
        header[4..8].copy_from_slice(&(data + HEADER_BYTES - 8).to_le_bytes());
        header[8..20].copy_from_slice(b"WAVEfmt \x10\0\0\0");
        header[20..24].copy_from_slice(&[1, 0, self.channels, 0]);
        header[24..28].copy_from_slice(&self.rate_hz.to_le_bytes());
        header[28..32].copy_from_slice(&(self.rate_hz * frame_bytes).to_le_bytes()); // at most 768 000 * 4
        header[32..36].copy_from_slice(&[frame_bytes as u8, 0, 16, 0]);
        header[36..40].copy_from_slice(b"data");
        header[40..].copy_from_slice(&data.to_le_bytes());
        header
    }
}

/// The nearest frame to an instant of the recording.
pub fn frame_at(seconds: f64, rate_hz: u32) -> u64 {
    (seconds.max(0.0) * f64::from(rate_hz)).round() as u64 // saturates; a NaN becomes 0
}

fn rate_for(source_hz: u32) -> u32 {
    match source_hz {
        0..=MAX_RATE_HZ => source_hz,
        hz if hz % 48_000 != 0 && hz % 44_100 == 0 => 44_100,
        _ => MAX_RATE_HZ,
    }
}

/// Interleaved samples of the clip's channels in steps of 16 bits.
pub(super) fn mix(sound: &[i32], channels: usize, bits: u8, out: &mut Vec<f32>) {
    let step = 2_f32.powi(16 - i32::from(bits));
    if channels <= 2 {
        out.extend(sound.iter().map(|&s| s as f32 * step));
        return;
    }
    let (left, right) = (channels.div_ceil(2) as f32, (channels / 2) as f32);
    for frame in sound.chunks_exact(channels) {
        let sum = |from: usize| frame.iter().skip(from).step_by(2).map(|&s| s as f32).sum::<f32>() * step;
        out.extend([sum(0) / left, sum(1) / right]);
    }
}

/// Samples to bytes, never more than promised.
struct Writer {
    /// Frames still to come.
    left: u64,
    channels: usize,
    bytes: Vec<u8>,
    dice: Dice,
}

impl Writer {
    /// Samples of 16 bits as the clip has them.
    fn packed(&mut self, bytes: &[u8], out: &mut Sink) -> Result<(), Flaw> {
        out(self.promised(bytes, 2 * self.channels))?;
        Ok(())
    }

    /// Samples of at most 16 bits, moved up.
    fn exact(&mut self, samples: &[i32], up: u8, out: &mut Sink) -> Result<(), Flaw> {
        let samples = self.promised(samples, self.channels);
        self.bytes.clear();
        self.bytes.extend(samples.iter().flat_map(|&s| ((s << up) as i16).to_le_bytes()));
        out(&self.bytes)?;
        Ok(())
    }

    fn rounded(&mut self, samples: &[f32], out: &mut Sink) -> Result<(), Flaw> {
        let samples = self.promised(samples, self.channels);
        self.bytes.clear();
        for &sample in samples {
            let dithered = sample + self.dice.roll() - self.dice.roll();
            self.bytes.extend_from_slice(&(dithered.round() as i16).to_le_bytes()); // saturates
        }
        out(&self.bytes)?;
        Ok(())
    }

    fn silence(&mut self, out: &mut Sink) -> Result<(), Flaw> {
        let zeros = vec![0; PIECE * self.channels];
        while self.left > 0 {
            self.exact(&zeros, 0, out)?;
        }
        Ok(())
    }

    /// Of items of which `width` are a frame.
    fn promised<'a, T>(&mut self, items: &'a [T], width: usize) -> &'a [T] {
        let frames = ((items.len() / width) as u64).min(self.left);
        self.left -= frames;
        &items[..frames as usize * width]
    }
}

/// Marsaglia's xorshift with 32 bits: noise that is the same everywhere.
struct Dice(u32);

impl Dice {
    fn new() -> Dice {
        Dice(0x9E37_79B9)
    }

    /// 0 to 1.
    fn roll(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        (self.0 >> 8) as f32 / (1 << 24) as f32
    }
}
