//! Ogg Opus without end, unless it is given one (RFC 7845): sound of any rate comes in, the two headers and then whole pages go out.
//!
//! One and two channels are kept; of more, the mean becomes one. A page holds a tenth of a second: five packets, so that it costs
//! 3 kbit/s of headers and nobody waits longer for its sound. Nothing is allocated from one page to the next.

use super::Flaw;
use super::metadata::SOFTWARE;
use super::opus::{MAX_PACKET_BYTES, PACKET_FRAMES, RATE_HZ};
use super::opus_door::OpusEncoder;
use super::resample::Resampler;
use super::stream::ogg::page::{BOS, EOS, Page};
use crate::message::live::Quality;

const PACKETS: usize = 5;
/// Lacing values of a page: a packet of `n` bytes has n / 255 + 1 of them.
const LACING: usize = PACKETS * (MAX_PACKET_BYTES / 255 + 1);

pub struct Broadcast {
    encoder: OpusEncoder,
    /// `None` at 48 kHz.
    resampler: Option<Resampler>,
    source_channels: usize,
    channels: usize,
    mixed: Vec<f32>,
    /// At 48 kHz; what is not yet in a packet.
    sound: Vec<f32>,
    page: Box<heapless::Vec<u8, { PACKETS * MAX_PACKET_BYTES }>>,
    lacing: heapless::Vec<u8, LACING>,
    packets: usize,
    /// Frames at 48 kHz that were encoded.
    granule: u64,
    serial: u32,
    sequence: u32,
}

impl Broadcast {
    /// `serial` differs from that of the stream before it on the same mount.
    pub fn new(rate_hz: u32, channels: u8, quality: Quality, serial: u32) -> Result<Broadcast, Flaw> {
        let out = if channels == 2 { 2 } else { 1 };
        Ok(Broadcast {
            encoder: OpusEncoder::new(out, quality.bits_per_second, quality.complexity)?,
            resampler: (rate_hz != RATE_HZ).then(|| Resampler::new(rate_hz, RATE_HZ, out.into())),
            source_channels: usize::from(channels).max(1),
            channels: out.into(),
            mixed: Vec::new(),
            sound: Vec::new(),
            page: Box::default(),
            lacing: heapless::Vec::new(),
            packets: 0,
            granule: 0,
            serial,
            sequence: 2,
        })
    }

    /// Both header pages. `source_hz` and `title` are for whoever looks at the stream.
    pub fn head(&self, source_hz: u32, title: &str) -> Vec<u8> {
        let mut head = b"OpusHead\x01".to_vec();
        head.push(self.channels as u8); // 1 or 2
        head.extend_from_slice(&self.encoder.lookahead().to_le_bytes());
        head.extend_from_slice(&source_hz.to_le_bytes());
        head.extend_from_slice(&[0, 0, 0]); // no gain; mapping family 0
        let mut tags = b"OpusTags".to_vec();
        let text = |tags: &mut Vec<u8>, text: &str| {
            tags.extend_from_slice(&(text.len() as u32).to_le_bytes());
            tags.extend_from_slice(text.as_bytes());
        };
        text(&mut tags, SOFTWARE);
        let title: String = title.chars().take(1_000).collect(); // one page holds it
        tags.extend_from_slice(&1_u32.to_le_bytes());
        text(&mut tags, &format!("TITLE={title}"));
        let page = |flags, sequence, packet: &[u8]| {
            let mut lacing = vec![255; packet.len() / 255];
            lacing.push((packet.len() % 255) as u8);
            let page = Page { flags, granule: Some(0), serial: self.serial, sequence, lacing: &lacing, body: packet };
            [&page.seal()[..], packet].concat()
        };
        [page(BOS, 0, &head), page(0, 1, &tags)].concat()
    }

    /// Whole frames of integers, full scale 2^(bits-1). `out` is given each page that they complete: its head and its body.
    pub fn push(&mut self, sound: &[i32], bits: u32, mut out: impl FnMut(&[u8], &[u8])) {
        let unit = 1.0 / (1_u32 << (bits - 1)) as f32;
        self.mixed.clear();
        match (self.source_channels, self.channels) {
            (source, 1) if source > 1 => {
                let unit = unit / source as f32;
                let means = sound.chunks_exact(source).map(|frame| frame.iter().map(|&x| x as f32).sum::<f32>() * unit);
                self.mixed.extend(means);
            }
            _ => self.mixed.extend(sound.iter().map(|&x| x as f32 * unit)),
        }
        match &mut self.resampler {
            Some(resampler) => resampler.push(&self.mixed, &mut self.sound),
            None => self.sound.extend_from_slice(&self.mixed),
        }
        let packet = PACKET_FRAMES * self.channels;
        let mut done = 0;
        while self.sound.len() - done >= packet {
            self.packet(done..done + packet);
            done += packet;
            if self.packets == PACKETS {
                self.flush(&mut out);
            }
        }
        self.sound.drain(..done);
    }

    /// The sound is over after so many frames of the source: the last pages, and its frames at 48 kHz. Whoever decodes them gets these
    /// and no more.
    pub fn finish(mut self, frames: u64, source_hz: u32, mut out: impl FnMut(&[u8], &[u8])) -> u64 {
        if let Some(resampler) = &mut self.resampler {
            let silence = vec![0.0; (resampler.reach() as usize + 1) * self.channels];
            resampler.push(&silence, &mut self.sound);
        }
        let rate = u128::from(source_hz.max(1));
        let frames = u64::try_from((u128::from(frames) * u128::from(RATE_HZ) + rate / 2) / rate).unwrap_or(u64::MAX);
        let end = frames.saturating_add(self.encoder.lookahead().into());
        let packet = PACKET_FRAMES * self.channels;
        // At least one packet is due: what was encoded is behind by the lookahead.
        while self.granule < end {
            if self.packets == PACKETS {
                self.flush(&mut out);
            }
            self.sound.resize(self.sound.len().max(packet), 0.0);
            self.packet(0..packet);
            self.sound.drain(..packet);
        }
        self.granule = end;
        self.seal(EOS, &mut out);
        frames
    }

    fn packet(&mut self, place: std::ops::Range<usize>) {
        let mut packet = [0; MAX_PACKET_BYTES];
        // libopus fails for arguments only that are not given; a packet that is not there is silence of its length.
        let bytes = self.encoder.encode(&self.sound[place], &mut packet).unwrap_or(0);
        let mut left = bytes;
        loop {
            let _ = self.lacing.push(left.min(255) as u8); // there is room for all packets of a page
            if left < 255 {
                break;
            }
            left -= 255;
        }
        let _ = self.page.extend_from_slice(&packet[..bytes]);
        self.packets += 1;
        self.granule += PACKET_FRAMES as u64;
    }

    fn flush(&mut self, out: &mut impl FnMut(&[u8], &[u8])) {
        self.seal(0, out);
    }

    fn seal(&mut self, flags: u8, out: &mut impl FnMut(&[u8], &[u8])) {
        let (serial, sequence) = (self.serial, self.sequence);
        let page = Page { flags, granule: Some(self.granule), serial, sequence, lacing: &self.lacing, body: &self.page };
        out(&page.seal(), page.body);
        self.sequence = self.sequence.wrapping_add(1);
        self.page.clear();
        self.lacing.clear();
        self.packets = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::opus::Layout;
    use crate::format::opus_door::OpusDecoder;
    use crate::format::stream::ogg::page::Parse;

    const QUALITY: Quality = Quality { bits_per_second: 96_000, complexity: 5 };

    /// Encoded as `pieces` frames come, decoded again: level and frequency of the last second.
    fn check(rate_hz: u32, channels: u8, bits: u32, piece: usize) {
        let mut broadcast = Broadcast::new(rate_hz, channels, QUALITY, 7).expect("an encoder");
        let step = std::f64::consts::TAU * 440.0 / f64::from(rate_hz);
        let full = f64::from(1_u32 << (bits - 1));
        let tone = |n: u32| (0.5 * full * (step * f64::from(n)).sin()) as i32;
        let sound: Vec<i32> = (0..3 * rate_hz).flat_map(|n| vec![tone(n); channels.into()]).collect();
        let mut bytes = broadcast.head(rate_hz, "wood");
        for piece in sound.chunks(piece * usize::from(channels)) {
            broadcast.push(piece, bits, |head, body| bytes.extend([head, body].concat()));
        }
        let (mut rest, mut decoder, mut out, mut pages) = (&bytes[..], None, Vec::new(), 0);
        while !rest.is_empty() {
            let Parse::Yes(page) = Page::parse(rest) else { panic!("no page behind {pages}") };
            assert_eq!((page.serial, page.sequence, page.is(BOS)), (7, pages, pages == 0));
            match pages {
                0 => decoder = Some(OpusDecoder::new(&Layout::parse(page.body).expect("a layout")).expect("a decoder")),
                1 => assert!(page.body.starts_with(b"OpusTags") && page.body.ends_with(b"TITLE=wood")),
                _ => {
                    assert_eq!(page.granule, Some(u64::from(pages - 1) * 4_800));
                    packets(&page, |packet| assert!(decoder.as_mut().expect("made").decode(packet, &mut out)));
                }
            }
            pages += 1;
            rest = &rest[page.bytes()..];
        }
        let channels = broadcast.channels;
        assert!(out.len() / channels >= 135_000, "{rate_hz} Hz: {} frames", out.len() / channels);
        let last: Vec<f64> = out.chunks_exact(channels).map(|frame| f64::from(frame[0]) / 8_388_608.0).collect();
        let last = &last[last.len() - 48_000..];
        let level = (2.0 * last.iter().map(|x| x * x).sum::<f64>() / 48_000.0).sqrt();
        let crossings = last.windows(2).filter(|two| two[0] < 0.0 && two[1] >= 0.0).count();
        assert!((level - 0.5).abs() < 0.02 && (439..=441).contains(&crossings), "{rate_hz} Hz: {level}, {crossings} Hz");
    }

    fn packets(page: &Page, mut each: impl FnMut(&[u8])) {
        let (mut body, mut length) = (page.body, 0);
        for &lace in page.lacing {
            length += usize::from(lace);
            if lace < 255 {
                each(&body[..length]);
                (body, length) = (&body[length..], 0);
            }
        }
    }

    #[test]
    fn any_sound_is_heard_at_its_pitch_and_level() {
        for (rate_hz, channels, bits, piece) in [
            (48_000, 1, 16, 960),
            (48_000, 2, 24, 1_000),
            (44_100, 2, 16, 882),
            (96_000, 1, 24, 10_000),
            (250_000, 1, 16, 5_000),
            (384_000, 4, 16, 7_777),
            (8_000, 1, 16, 7),
        ] {
            check(rate_hz, channels, bits, piece);
        }
    }

    #[test]
    fn what_libopus_has_not_is_refused() {
        assert!(OpusEncoder::new(3, 64_000, 5).is_err());
        let mut encoder = OpusEncoder::new(1, 64_000, 5).expect("an encoder");
        assert_eq!(encoder.encode(&[0.0; 100], &mut [0; 100]), None);
    }
}
