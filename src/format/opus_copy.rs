//! A recording as an Ogg Opus file: what stays of it when it need not be kept as it was. 48 kHz, so nothing above 20 kHz; one or two
//! channels, of more their mean.

use super::broadcast::Broadcast;
use super::clip::Sink;
use super::decode::Decoder;
use super::{Flaw, opus};
use crate::message::live::Quality;

/// Of each channel.
pub const BITS_PER_SECOND: u32 = 48_000;
const COMPLEXITY: u8 = 5;
/// Frames decoded at a time.
const PIECE: usize = 4_096;

/// Bytes of a copy that lasts so long, at most: the rate varies, and pages have headers.
pub fn most_bytes(seconds: u64, channels: u8) -> u64 {
    let channels = if channels == 2 { 2 } else { 1 };
    seconds.saturating_add(1).saturating_mul(u64::from(BITS_PER_SECOND) / 8 * channels * 3 / 2)
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Of the recording, at its own rate.
    pub source_frames: u64,
    /// At 48 kHz.
    pub frames: u64,
    pub channels: u8,
}

/// From where the decoder stands to the end. `serial` is any number; `title` is for players.
pub fn write(decoder: &mut Decoder, title: &str, serial: u32, out: &mut Sink) -> Result<Written, Flaw> {
    let info = decoder.info();
    let channels: u8 = if info.channels == 2 { 2 } else { 1 };
    let quality = Quality { bits_per_second: BITS_PER_SECOND * u32::from(channels), complexity: COMPLEXITY };
    let mut broadcast = Broadcast::new(info.rate_hz, info.channels, quality, serial)?;
    out(&broadcast.head(info.rate_hz, title))?;
    let mut sound = vec![0; PIECE * usize::from(info.channels)];
    let (mut source_frames, mut written) = (0, Ok(()));
    loop {
        let frames = decoder.read(&mut sound)?;
        if frames == 0 {
            break;
        }
        source_frames += frames as u64;
        broadcast.push(&sound[..frames * usize::from(info.channels)], info.bits.into(), |head, body| {
            written = std::mem::replace(&mut written, Ok(())).and_then(|()| out(head)).and_then(|()| out(body));
        });
        std::mem::replace(&mut written, Ok(()))?;
    }
    let frames = broadcast.finish(source_frames, info.rate_hz, |head, body| {
        written = std::mem::replace(&mut written, Ok(())).and_then(|()| out(head)).and_then(|()| out(body));
    });
    written?;
    debug_assert_eq!(opus::RATE_HZ, 48_000);
    Ok(Written { source_frames, frames, channels })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{decode, stream::mend};
    use crate::message::Container;

    /// 16 bits, a tone of 1 kHz at half of full scale.
    fn wav(rate_hz: u32, channels: u16, frames: u32) -> Vec<u8> {
        let data = frames * u32::from(channels) * 2;
        let mut bytes = b"RIFF".to_vec();
        bytes.extend((data + 36).to_le_bytes());
        bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0");
        bytes.extend(channels.to_le_bytes());
        bytes.extend(rate_hz.to_le_bytes());
        bytes.extend((rate_hz * u32::from(channels) * 2).to_le_bytes());
        bytes.extend((channels * 2).to_le_bytes());
        bytes.extend(b"\x10\0data");
        bytes.extend(data.to_le_bytes());
        let tone = |n: u32| (16_384.0 * (f64::from(n) * 1_000.0 / f64::from(rate_hz) * std::f64::consts::TAU).sin()) as i16;
        bytes.extend((0..frames).flat_map(|n| tone(n).to_le_bytes().repeat(channels.into())));
        bytes
    }

    fn check(rate_hz: u32, channels: u16, frames: u32, want: u64) {
        let mut decoder = decode::open(Box::new(wav(rate_hz, channels, frames)), "wav").expect("a WAV");
        let mut copy = Vec::new();
        let put = &mut |bytes: &[u8]| {
            copy.extend_from_slice(bytes);
            Ok(())
        };
        let written = write(&mut decoder, "wood", 7, put).expect("written");
        assert_eq!((written.source_frames, written.frames), (frames.into(), want), "{rate_hz} Hz, {frames} frames");
        assert!(copy.len() as u64 <= most_bytes(u64::from(frames / rate_hz), channels as u8) + 1_000, "{} bytes", copy.len());
        let verified = mend::verify(Container::Opus, &copy[..]).expect("sound");
        assert_eq!(verified.frames, want, "as verify counts them");
        let mut decoder = decode::open(Box::new(copy), "opus").expect("an Opus");
        assert_eq!(decoder.measure().expect("measured"), want);
        let mut sound = vec![0; (want as usize + 10_000) * usize::from(written.channels)];
        let mut all = 0;
        loop {
            match decoder.read(&mut sound[all * usize::from(written.channels)..]).expect("decoded") {
                0 => break,
                some => all += some,
            }
        }
        assert_eq!(all as u64, want, "{rate_hz} Hz, {frames} frames");
        if all < 24_000 {
            return;
        }
        // In place: the tone crosses zero where it did.
        let left: Vec<f64> = sound.chunks_exact(written.channels.into()).map(|frame| f64::from(frame[0]) / 8_388_608.0).collect();
        let tone = |n: usize| 0.5 * (n as f64 / 48.0 * std::f64::consts::TAU).sin();
        let middle = all / 4..all * 3 / 4;
        let error = middle.clone().map(|n| (left[n] - tone(n)).powi(2)).sum::<f64>() / middle.len() as f64;
        assert!(10.0 * (0.125 / error).log10() > 15.0, "{rate_hz} Hz: {error}");
    }

    #[test]
    fn a_copy_is_as_long_as_its_recording_and_nothing_moves() {
        check(48_000, 1, 144_001, 144_001);
        check(48_000, 2, 96_000, 96_000);
        check(44_100, 2, 88_200, 96_000);
        check(96_000, 1, 200_001, 100_001);
        check(384_000, 4, 1_000_000, 125_000);
        check(8_000, 1, 16_000, 96_000);
        // Around the edges of packets and pages.
        for frames in [1, 647, 648, 649, 4_487, 4_488, 4_489, 4_800] {
            check(48_000, 1, frames, frames.into());
        }
        check(48_000, 1, 0, 0);
    }
}
