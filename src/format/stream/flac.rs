//! FLAC that comes without a container (RFC 9639): metadata blocks, then coded frames, which are found by their checksums.
//!
//! In a file the coded frames are numbered from 0, so that seeking works; their sound is not touched. A file has one STREAMINFO,
//! so whoever meets a `new_link` begins another file.

use super::super::crc::{crc8, crc16};
use super::super::flac::{
    self, Final, FrameHeader, Parse, SeekTable, Stream, StreamInfo, find_sync, header_of, next_frame, parse_stream_info,
};
use super::super::metadata::Station;
use super::sync::{Tag, tag};
use super::{Patches, Sink, Skipped, Step, Unit};
use crate::message::{Closing, Codec, Format, Identity};
use crate::time::Rate;

/// Enough for eight channels of 24 bits in blocks of 4 608; longer coded frames are garbage here.
pub const WINDOW_BYTES: usize = 128 << 10;

const MAGIC: &[u8; 4] = b"fLaC";
/// The magic and STREAMINFO, which is always first.
const START_BYTES: usize = 8 + StreamInfo::BYTES;
const LAST_BLOCK: u8 = 0x80;
const NO_BLOCK: u8 = 0x7F;

#[derive(Default)]
pub struct Framer {
    /// What the coded frames have in common, by STREAMINFO or by themselves.
    info: Option<StreamInfo>,
    /// Bytes of a metadata block, or of a tag, that are still to come.
    block_bytes: usize,
    tag_bytes: usize,
    /// Metadata blocks follow.
    in_headers: bool,
    /// Headers came since the last unit, or the last coded frame was the last of its stream.
    new_link: bool,
    /// The first coded frame of this link and the last unit; both `None` before the first unit.
    link: Option<Link>,
}

#[derive(Clone, Copy)]
struct Link {
    format: Format,
    info: StreamInfo,
    /// Of the first coded frame: in a stream of equal blocks only the last is shorter.
    variable: bool,
    block_size: u32,
}

/// What a place in the stream turns out to be.
enum Verdict {
    Yes(FrameHeader, usize, StreamInfo),
    No,
    More,
}

impl Framer {
    pub fn step(&mut self, bytes: &[u8], at_end: bool) -> Step {
        if bytes.is_empty() {
            return Step::More;
        }
        if self.tag_bytes == 0 && self.block_bytes == 0 && !self.in_headers {
            match tag(bytes) {
                Tag::Yes(tag_bytes) => self.tag_bytes = tag_bytes,
                Tag::More if !at_end => return Step::More,
                Tag::More | Tag::No => {}
            }
        }
        if self.tag_bytes > 0 {
            let bytes = self.tag_bytes.min(bytes.len());
            self.tag_bytes -= bytes;
            return Step::Skip { bytes, what: Skipped::Tag };
        }
        if self.block_bytes > 0 {
            let bytes = self.block_bytes.min(bytes.len());
            self.block_bytes -= bytes;
            return Step::Headers { bytes };
        }
        let headers = if self.in_headers { self.block(bytes, at_end) } else { self.start(bytes, at_end) };
        headers.unwrap_or_else(|| self.coded_frame(bytes, at_end))
    }

    /// `fLaC` and STREAMINFO; `None` when they are not here.
    fn start(&mut self, bytes: &[u8], at_end: bool) -> Option<Step> {
        if !bytes.starts_with(MAGIC) && !MAGIC.starts_with(bytes) {
            return None;
        }
        let Some(start) = bytes.get(..START_BYTES) else { return if at_end { None } else { Some(Step::More) } };
        let info = parse_stream_info(&start[8..]).ok()?;
        Rate::new(info.rate_hz)?;
        if start[4] & !LAST_BLOCK != 0 || start[5..8] != [0, 0, StreamInfo::BYTES as u8] {
            return None;
        }
        self.info = Some(info);
        self.in_headers = start[4] & LAST_BLOCK == 0;
        self.new_link = true;
        Some(Step::Headers { bytes: START_BYTES })
    }

    /// The header of the next metadata block; `None` when none can be here, and coded frames are looked for.
    fn block(&mut self, bytes: &[u8], at_end: bool) -> Option<Step> {
        let Some(&[kind, a, b, c]) = bytes.first_chunk() else {
            self.in_headers = !at_end;
            return if at_end { None } else { Some(Step::More) };
        };
        if kind & !LAST_BLOCK == NO_BLOCK {
            self.in_headers = false;
            return None;
        }
        self.in_headers = kind & LAST_BLOCK == 0;
        self.block_bytes = u32::from_be_bytes([0, a, b, c]) as usize;
        Some(Step::Headers { bytes: 4 })
    }

    fn coded_frame(&mut self, bytes: &[u8], at_end: bool) -> Step {
        match self.judge(bytes, at_end) {
            Verdict::More => Step::More,
            Verdict::No => Step::Skip { bytes: next_candidate(bytes), what: Skipped::Garbage },
            Verdict::Yes(header, coded_bytes, info) => self.unit(header, coded_bytes, info),
        }
    }

    /// Whether a coded frame begins here: of the known stream, or of another that its own header describes.
    fn judge(&self, bytes: &[u8], at_end: bool) -> Verdict {
        let header = match FrameHeader::parse(bytes) {
            Parse::Yes(header) => header,
            Parse::More if !at_end => return Verdict::More,
            Parse::More | Parse::No => return Verdict::No,
        };
        let known = self.info.filter(|info| Stream::new(*info).fits(&header));
        let Some(info) = known.or_else(|| described(&header)) else { return Verdict::No };
        let stream = Stream::new(info).up_to(WINDOW_BYTES - FrameHeader::MAX_BYTES);
        match next_frame(bytes, at_end, &stream, header.number) {
            flac::Step::Frame(coded) => Verdict::Yes(coded.header, coded.bytes, info),
            flac::Step::More => Verdict::More,
            flac::Step::Broken => Verdict::No,
        }
    }

    fn unit(&mut self, header: FrameHeader, bytes: usize, info: StreamInfo) -> Step {
        // Checked where the info was learnt.
        let rate = Rate::new(info.rate_hz).unwrap_or(Rate::MIN);
        let format = Format::coded(Codec::Flac, rate, info.channels);
        let FrameHeader { variable, block_size, .. } = header;
        let goes_on = self.link.filter(|link| {
            let same = (link.format, link.info.bits, link.variable) == (format, info.bits, variable);
            same && !self.new_link && (variable || block_size <= link.block_size)
        });
        let new_link = self.new_link || self.link.is_some() && goes_on.is_none();
        let link = goes_on.unwrap_or(Link { format, info, variable, block_size });
        self.info = Some(info);
        self.link = Some(link);
        // Numbers after a shorter block would mean other samples.
        self.new_link = !variable && block_size < link.block_size;
        Step::Unit(Unit { bytes, frames: block_size, entry: true, new_link })
    }

    pub fn format(&self) -> Option<Format> {
        self.link.map(|link| link.format)
    }

    /// Of the stream that the last unit belongs to.
    pub(crate) fn shape(&self) -> Option<StreamInfo> {
        self.link.map(|link| link.shape())
    }
}

/// What STREAMINFO would say, as far as a coded frame knows it.
fn described(header: &FrameHeader) -> Option<StreamInfo> {
    let rate_hz = header.rate_hz?;
    Rate::new(rate_hz)?;
    let block = u16::try_from(header.block_size).unwrap_or(u16::MAX).max(16);
    Some(StreamInfo {
        min_block: if header.variable { 16 } else { block },
        max_block: if header.variable { u16::MAX } else { block },
        min_frame_bytes: 0,
        max_frame_bytes: 0,
        rate_hz,
        channels: header.channels,
        bits: header.bits?,
        frames: 0,
        md5: [0; 16],
    })
}

/// How far it is at least to the next place where a coded frame, a stream or a tag may begin.
fn next_candidate(bytes: &[u8]) -> usize {
    let sync = find_sync(bytes, 1).unwrap_or(bytes.len());
    let named = |&at: &usize| {
        let rest = &bytes[at..]; // at < sync <= bytes.len()
        match rest[0] {
            b'f' => rest.starts_with(MAGIC) || MAGIC.starts_with(rest),
            b'I' | b'T' | b'A' => !matches!(tag(rest), Tag::No),
            _ => false,
        }
    };
    (1..sync).find(named).unwrap_or(sync)
}

/// Points of the seek table, one in ten seconds: two hours. A longer file is searched from the last one on.
const SEEK_POINTS: usize = 721;

pub struct Writer {
    info: StreamInfo,
    streaminfo_at: usize,
    seektable_at: Option<usize>,
    table: SeekTable,
    coded_frames: u64,
    frames: u64,
    audio_bytes: u64,
    min_frame_bytes: u32,
    max_frame_bytes: u32,
}

impl Writer {
    /// Writes the header: the stream's shape, our own comments, room for a seek table.
    pub fn begin(framer: &Framer, identity: &Identity, sink: &mut Sink) -> Writer {
        let info = framer.link.map_or(NOTHING, |link| link.shape());
        let header = header_of(&info, identity, &Station::default(), SEEK_POINTS);
        sink(&header.bytes);
        Writer {
            info,
            streaminfo_at: header.streaminfo_at,
            seektable_at: header.seektable_at,
            table: SeekTable::new(Rate::new(info.rate_hz).unwrap_or(Rate::MIN), header.seek_points),
            coded_frames: 0,
            frames: 0,
            audio_bytes: 0,
            min_frame_bytes: u32::MAX,
            max_frame_bytes: 0,
        }
    }

    pub fn unit(&mut self, _unit: &Unit, bytes: &[u8], sink: &mut Sink) {
        let Parse::Yes(header) = FrameHeader::parse(bytes) else { return };
        let number = if header.variable { self.frames } else { self.coded_frames };
        let Some((head, body)) = renumbered(bytes, &header, number) else { return };
        sink(&head);
        sink(body);
        sink(&crc16(crc16(0, &head), body).to_be_bytes());
        let written = head.len() + body.len() + 2;
        self.table.push(self.frames, self.audio_bytes, header.block_size);
        self.coded_frames += 1;
        self.frames += u64::from(header.block_size);
        self.audio_bytes += written as u64;
        self.min_frame_bytes = self.min_frame_bytes.min(written as u32); // below WINDOW_BYTES
        self.max_frame_bytes = self.max_frame_bytes.max(written as u32);
    }

    pub fn end(self, _closing: &Closing) -> Patches {
        let end = Final {
            frames: self.frames,
            min_frame_bytes: if self.coded_frames == 0 { 0 } else { self.min_frame_bytes },
            max_frame_bytes: self.max_frame_bytes,
            md5: [0; 16],
        };
        let mut patches = Patches::new();
        let info = self.info.finished(&end).bytes().to_vec();
        let room = self.seektable_at.map(|at| (at as u64, flac::seek_block(self.table.capacity(), &self.table)));
        for patch in std::iter::once((self.streaminfo_at as u64, info)).chain(room) {
            // There are two, and room for four.
            let _ = patches.push(patch);
        }
        patches
    }
}

/// Before any unit there is no file to begin; a header that says nothing wrong.
const NOTHING: StreamInfo = StreamInfo {
    min_block: 16,
    max_block: u16::MAX,
    min_frame_bytes: 0,
    max_frame_bytes: 0,
    rate_hz: 48_000,
    channels: 2,
    bits: 16,
    frames: 0,
    md5: [0; 16],
};

impl Link {
    /// Equal blocks are as long as the first one, whatever STREAMINFO said.
    fn shape(&self) -> StreamInfo {
        let block = u16::try_from(self.block_size).unwrap_or(u16::MAX).max(16);
        let (min_block, max_block) = match self.variable {
            // Equal numbers would say that blocks are equal.
            true => (16, self.info.max_block.max(17)),
            false => (block, block),
        };
        // What the sender says of its end is not this file's.
        StreamInfo { min_block, max_block, min_frame_bytes: 0, max_frame_bytes: 0, frames: 0, md5: [0; 16], ..self.info }
    }
}

/// Sync code and layout, a number of up to seven bytes, block size, rate, CRC-8.
pub(crate) type Head = heapless::Vec<u8, { FrameHeader::MAX_BYTES }>;

/// The second byte of a header, without the bit that says what its number counts.
const SYNC: u8 = 0xF8;

/// The header with another number, of the kind that it says, and what stands between it and the CRC-16.
pub(crate) fn renumbered<'a>(bytes: &'a [u8], header: &FrameHeader, number: u64) -> Option<(Head, &'a [u8])> {
    let old = bytes.get(..header.bytes)?;
    let body = bytes.get(header.bytes..bytes.len().checked_sub(2)?)?;
    // As in UTF-8: leading ones tell the length of the old number.
    let old_number = (old.get(4)?.leading_ones() as usize).max(1);
    let tail = old.get(4 + old_number..old.len().checked_sub(1)?)?;
    let mut head = Head::new();
    head.extend_from_slice(old.get(..4)?).ok()?;
    *head.get_mut(1)? = SYNC | u8::from(header.variable);
    coded_number(number, &mut head)?;
    head.extend_from_slice(tail).ok()?;
    head.push(crc8(&head)).ok()?;
    Some((head, body))
}

/// UTF-8's scheme stretched to seven bytes, 36 bits (RFC 9639 section 9.1.5).
fn coded_number(number: u64, head: &mut Head) -> Option<()> {
    if number < 0x80 {
        return head.push(number as u8).ok();
    }
    // n bytes hold 5 n + 1 bits.
    let length = (2..=7_u32).find(|&n| number < 1 << (5 * n + 1))?;
    let first = 0xFF_u8.checked_shl(8 - length)? | (number >> (6 * (length - 1))) as u8;
    head.push(first).ok()?;
    for rest in (0..length - 1).rev() {
        head.push(0x80 | (number >> (6 * rest) & 0x3F) as u8).ok()?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(number: u64, want: &[u8]) {
        let mut head = Head::new();
        assert_eq!(coded_number(number, &mut head), Some(()), "{number}");
        assert_eq!(&head[..], want, "{number}");
    }

    #[test]
    fn numbers() {
        check(0, &[0]);
        check(0x7F, &[0x7F]);
        check(0x80, &[0xC2, 0x80]);
        check(0x7FF, &[0xDF, 0xBF]);
        check(0x800, &[0xE0, 0xA0, 0x80]);
        check(0xFFFF, &[0xEF, 0xBF, 0xBF]);
        check(0x1_0000, &[0xF0, 0x90, 0x80, 0x80]);
        check(0x7FFF_FFFF, &[0xFD, 0xBF, 0xBF, 0xBF, 0xBF, 0xBF]);
        check(0x8000_0000, &[0xFE, 0x82, 0x80, 0x80, 0x80, 0x80, 0x80]);
        check(0xF_FFFF_FFFF, &[0xFE, 0xBF, 0xBF, 0xBF, 0xBF, 0xBF, 0xBF]);
        assert_eq!(coded_number(1 << 36, &mut Head::new()), None);
    }

    /// The first coded frame of RFC 9639 appendix D.1 with other numbers, there and back.
    #[test]
    fn a_new_number_leaves_the_rest() {
        let frame = [0xFF, 0xF8, 0x69, 0x18, 0, 0, 0xBF, 3, 0x58, 0xFD, 3, 0x12, 0x8B, 0xAA, 0x9A];
        assert_eq!(crc16(0, &frame), 0, "as printed there");
        for number in [0, 1, 0x7F, 0x80, 0xFFFF, 0x7FFF_FFFF] {
            let Parse::Yes(header) = FrameHeader::parse(&frame) else { panic!("a header") };
            let (head, body) = renumbered(&frame, &header, number).expect("renumbered");
            assert_eq!(body, &frame[7..13]);
            let there = [&head[..], body, &crc16(crc16(0, &head), body).to_be_bytes()].concat();
            let Parse::Yes(new) = FrameHeader::parse(&there) else { panic!("a header") };
            assert_eq!(FrameHeader { number: 0, bytes: header.bytes, ..new }, header);
            assert_eq!((new.number, new.bytes), (number, head.len()));
            let (head, body) = renumbered(&there, &new, 0).expect("renumbered");
            assert_eq!([&head[..], body].concat(), frame[..13]);
        }
    }
}
