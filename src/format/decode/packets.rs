//! The packets of one logical Ogg stream to samples, by the decoder that its headers call for.

use super::super::Flaw;
use super::super::flac::{self, FrameHeader, Parse, StreamInfo, parse_stream_info};
use super::super::opus::{self, Head, Layout};
use super::super::opus_door::OpusDecoder;
use super::super::stream::ogg::page::{Page, Parse as ParsePage};
use super::super::vorbis::{Ident, Modes, frames_between};
use super::symphonia::Packets;
use crate::message::Container;

pub enum Sound {
    Opus { decoder: OpusDecoder, pre_skip: u16, channels: u8 },
    Vorbis { decoder: Packets, ident: Ident, modes: Modes, before: Option<u16> },
    Flac { info: StreamInfo },
}

/// What the packets of a stream have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub rate_hz: u32,
    pub channels: u8,
    pub bits: u8,
    pub container: Container,
    /// Frames at the start that are decoded and dropped.
    pub pre_skip: u64,
    /// Frames to decode before a place that is looked for.
    pub pre_roll: u64,
}

/// RFC 7845 section 4.6: 80 ms.
const OPUS_PRE_ROLL: u64 = 3_840;

impl Sound {
    /// By all header pages of the stream.
    pub fn new(headers: &[u8]) -> Result<Sound, Flaw> {
        let packets = header_packets(headers);
        let get = |index: usize| packets.get(index).map_or(&[][..], Vec::as_slice);
        let first = get(0);
        if let Some(head) = Head::parse(first) {
            let layout = Layout::parse(first).ok_or(Flaw::Unsupported("Opus with more than 8 channels"))?;
            let decoder = OpusDecoder::new(&layout)?;
            return Ok(Sound::Opus { decoder, pre_skip: head.pre_skip, channels: head.channels });
        }
        if let Some(ident) = Ident::parse(first) {
            let modes = Modes::parse(get(2)).ok_or(Flaw::IllFormed("its Vorbis headers are damaged"))?;
            let decoder = Packets::vorbis(first, get(2), ident.channels)?;
            return Ok(Sound::Vorbis { decoder, ident, modes, before: None });
        }
        // RFC 9639 section 10.1: STREAMINFO stands behind 17 bytes.
        match first.get(17..).map(parse_stream_info) {
            Some(Ok(info)) if info.bits <= 24 => Ok(Sound::Flac { info }),
            Some(Ok(_)) => Err(Flaw::Unsupported("Ogg FLAC with more than 24 bits")),
            _ => Err(Flaw::IllFormed("its headers are damaged")),
        }
    }

    pub fn shape(&self) -> Shape {
        match self {
            Sound::Opus { pre_skip, channels, .. } => Shape {
                rate_hz: opus::RATE_HZ,
                channels: *channels,
                bits: 24,
                container: Container::Opus,
                pre_skip: u64::from(*pre_skip),
                pre_roll: OPUS_PRE_ROLL,
            },
            // Two long blocks, so that a packet is whole whatever its neighbours were.
            Sound::Vorbis { ident, .. } => Shape {
                rate_hz: ident.rate_hz,
                channels: ident.channels,
                bits: 24,
                container: Container::Ogg,
                pre_skip: 0,
                pre_roll: 2 * u64::from(ident.block_sizes[1]),
            },
            Sound::Flac { info } => Shape {
                rate_hz: info.rate_hz,
                channels: info.channels,
                bits: info.bits,
                container: Container::Ogg,
                pre_skip: 0,
                pre_roll: 0,
            },
        }
    }

    /// A packet alone does not tell where its sound begins, if sound before it is missing.
    pub fn needs_two(&self) -> bool {
        matches!(self, Sound::Vorbis { .. })
    }

    /// Forgets what came before.
    pub fn reset(&mut self) {
        match self {
            Sound::Opus { decoder, .. } => decoder.reset(),
            Sound::Vorbis { decoder, before, .. } => {
                decoder.reset();
                *before = None;
            }
            Sound::Flac { .. } => {}
        }
    }

    /// Frames that the packets will yield, one behind the other, without decoding them; 0 for what cannot be read.
    pub fn frames<'a>(&self, packets: impl Iterator<Item = &'a [u8]>) -> Vec<u32> {
        let mut last = if let Sound::Vorbis { before, .. } = self { *before } else { None };
        let mut frames = |packet: &[u8]| match self {
            Sound::Opus { .. } => opus::packet_frames(packet),
            Sound::Vorbis { ident, modes, .. } => {
                let block = modes.block_size(ident, packet)?;
                Some(last.replace(block).map_or(0, |before| frames_between(before, block)))
            }
            Sound::Flac { .. } => match FrameHeader::parse(packet) {
                Parse::Yes(header) => Some(header.block_size),
                Parse::No | Parse::More => None,
            },
        };
        packets.map(|packet| frames(packet).unwrap_or(0)).collect()
    }

    /// Appends the samples of a packet; `false` when it cannot be decoded.
    pub fn decode(&mut self, packet: &[u8], out: &mut Vec<i32>) -> bool {
        match self {
            Sound::Opus { decoder, .. } => decoder.decode(packet, out),
            Sound::Vorbis { decoder, ident, modes, before } => {
                *before = modes.block_size(ident, packet).or(*before);
                decoder.decode(packet, out)
            }
            Sound::Flac { info } => flac::decode_one(packet, info, out),
        }
    }
}

/// The packets of header pages, which follow each other without gaps: so the framer has checked.
fn header_packets(mut pages: &[u8]) -> Vec<Vec<u8>> {
    let (mut packets, mut open) = (Vec::new(), Vec::new());
    while let ParsePage::Yes(page) = Page::parse(pages) {
        let mut body = page.body;
        for &lacing in page.lacing {
            let (segment, rest) = body.split_at_checked(usize::from(lacing)).unwrap_or((body, &[]));
            open.extend_from_slice(segment);
            body = rest;
            if lacing < 255 {
                packets.push(std::mem::take(&mut open));
            }
        }
        pages = pages.get(page.bytes()..).unwrap_or(&[]);
    }
    packets
}
