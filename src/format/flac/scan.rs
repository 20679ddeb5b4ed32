//! Finds coded frames without decoding them. Their length is written nowhere: a coded frame ends where the next one's header
//! begins and its CRC-16 comes out right. Both together make a false end impossible in practice: a sync code, a CRC-8, the
//! next number, the same format and a CRC-16 would have to agree by chance.

use super::super::crc::{crc16, crc16_byte};
use super::decode::coded_frame_bytes;
use super::frame::{FrameHeader, Parse};
use super::parse::StreamInfo;

/// What all coded frames of one file have in common.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    info: StreamInfo,
    /// Longest coded frame that is looked for.
    max_frame_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodedFrame {
    pub header: FrameHeader,
    pub bytes: usize,
}

/// The answer to "what coded frame do these bytes begin with?".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Frame(CodedFrame),
    /// Ask again with more bytes; never when the file is at its end or [`Stream::window_bytes`] are given.
    More,
    /// None with the wanted number, or its checksum does not hold.
    Broken,
}

impl Stream {
    pub fn new(info: StreamInfo) -> Stream {
        // Samples stored verbatim, one bit more for a side channel, one byte for each subframe's header: no encoder writes
        // more than that, since storing verbatim is always allowed.
        let channels = usize::from(info.channels);
        let samples = usize::from(info.max_block) * (usize::from(info.bits) + 1) / 8 + 8;
        Stream { info, max_frame_bytes: FrameHeader::MAX_BYTES + channels * samples + 2 }
    }

    /// The same, for coded frames that are no longer than this.
    pub(crate) fn up_to(self, max_frame_bytes: usize) -> Stream {
        Stream { max_frame_bytes: self.max_frame_bytes.min(max_frame_bytes), ..self }
    }

    /// Bytes that are enough to answer for any coded frame: at most 2.2 MB, about 20 kB for stereo at 48 kHz.
    pub fn window_bytes(&self) -> usize {
        self.max_frame_bytes + FrameHeader::MAX_BYTES
    }

    /// The number after `header`'s in a stream of this kind.
    pub fn number_after(header: &FrameHeader) -> u64 {
        if header.variable { header.number + u64::from(header.block_size) } else { header.number + 1 }
    }

    /// Whether a coded frame of this stream may have this header.
    pub fn fits(&self, header: &FrameHeader) -> bool {
        header.channels == self.info.channels
            && header.rate_hz.is_none_or(|hz| hz == self.info.rate_hz)
            && header.bits.is_none_or(|bits| bits == self.info.bits)
            && header.block_size <= u32::from(self.info.max_block)
    }
}

/// Looks for the coded frame `number` at the start of `bytes`; `at_end` when the file has no more than these.
pub fn next_frame(bytes: &[u8], at_end: bool, stream: &Stream, number: u64) -> Step {
    let header = match FrameHeader::parse(bytes) {
        Parse::Yes(header) if stream.fits(&header) && header.number == number => header,
        Parse::More if !at_end => return Step::More,
        _ => return Step::Broken,
    };
    let after = Stream::number_after(&header);
    let (mut crc, mut summed, mut from) = (0, 0, header.bytes + 2);
    while let Some(at) = find_sync(bytes, from).filter(|&at| at <= stream.max_frame_bytes) {
        match FrameHeader::parse(&bytes[at..]) {
            Parse::More if !at_end => return Step::More,
            Parse::Yes(next) if next.variable == header.variable && next.number == after && stream.fits(&next) => {
                (crc, summed) = (crc16(crc, &bytes[summed..at]), at);
                if crc == 0 {
                    return Step::Frame(CodedFrame { header, bytes: without_zeros(&bytes[..at]) });
                }
            }
            _ => {}
        }
        from = at + 1;
    }
    if !at_end && bytes.len() < stream.window_bytes() {
        return Step::More;
    }
    match last_frame_bytes(&bytes[..bytes.len().min(stream.max_frame_bytes)], header.bytes) {
        Some(bytes) => Step::Frame(CodedFrame { header, bytes }),
        None => Step::Broken,
    }
}

/// A checksum that is right stays right over zeros behind it: they belong to the coded frame only if decoding it needs them.
fn without_zeros(bytes: &[u8]) -> usize {
    let end = if bytes.ends_with(&[0]) { coded_frame_bytes(bytes) } else { None };
    end.unwrap_or(bytes.len())
}

/// The first place where a frame header of this stream stands with this number or a higher one.
pub fn find_header(bytes: &[u8], stream: &Stream, number: u64) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = find_sync(bytes, from) {
        if matches!(FrameHeader::parse(&bytes[at..]), Parse::Yes(header) if stream.fits(&header) && header.number >= number) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

/// Without a header after it, the end of a coded frame is where decoding it ends. Only ends whose checksum holds are tried,
/// so that damaged bytes hardly ever reach the decoder.
fn last_frame_bytes(bytes: &[u8], header_bytes: usize) -> Option<usize> {
    const TRIES: usize = 32;
    let mut crc = crc16(0, &bytes[..header_bytes.min(bytes.len())]);
    let mut tries = 0;
    for (at, &byte) in bytes.iter().enumerate().skip(header_bytes) {
        crc = crc16_byte(crc, byte);
        if crc == 0 && at >= header_bytes + 2 {
            tries += 1;
            if coded_frame_bytes(&bytes[..=at]) == Some(at + 1) {
                return Some(at + 1);
            }
            if tries == TRIES {
                return None;
            }
        }
    }
    None
}

/// Position of the next sync code (section 9.1: 0xFFF8 or 0xFFF9), or of a 0xFF that ends the bytes.
pub(crate) fn find_sync(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += find_ff(bytes.get(at..)?)?;
        match bytes.get(at + 1) {
            Some(second) if second & 0xFE != 0xF8 => at += 1,
            _ => return Some(at),
        }
    }
}

/// Position of the first 0xFF, eight bytes a step.
fn find_ff(bytes: &[u8]) -> Option<usize> {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let mut at = 0;
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let flipped = !u64::from_le_bytes(*eight); // now a zero byte is looked for
        let zeros = flipped.wrapping_sub(LOW) & !flipped & HIGH;
        if zeros != 0 {
            return Some(at + zeros.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    bytes.get(at..)?.iter().position(|&b| b == 0xFF).map(|i| at + i)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], from: usize, want: Option<usize>) {
        assert_eq!(find_sync(bytes, from), want, "{bytes:02X?} from {from}");
    }

    #[test]
    fn sync_codes() {
        check(&[], 0, None);
        check(&[0xFF], 0, Some(0));
        check(&[0xFF, 0xF8], 0, Some(0));
        check(&[0xFF, 0xF8], 1, None);
        check(&[0xFF, 0xF8], 9, None);
        check(&[0xFF, 0xFF, 0xF9, 0], 0, Some(1));
        check(&[0xFF, 0xFA, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFE, 0xFF], 0, Some(13));
    }

    #[test]
    fn every_place_in_a_word_is_seen() {
        for at in 0..40 {
            let mut bytes = vec![0x80_u8; 42];
            bytes[at] = 0xFF;
            bytes[at + 1] = 0xF8;
            check(&bytes, 0, Some(at));
            check(&bytes, at, Some(at));
            check(&bytes, at + 1, None);
        }
    }
}
