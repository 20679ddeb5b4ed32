//! The metadata blocks before the first coded frame, built when a file is opened and finished in place when it is closed
//! (RFC 9639 section 8).

use super::super::Flaw;
use super::super::metadata::{SOFTWARE, Station, facts};
use super::parse::{StreamInfo, parse};
use super::table::{MAX_POINTS, POINT_BYTES, SeekTable};
use crate::message::Identity;

/// The bytes a file begins with, and where in them the two blocks are that change at close.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlacHeader {
    pub bytes: Vec<u8>,
    /// Body of STREAMINFO, 34 bytes.
    pub streaminfo_at: usize,
    /// The block that is PADDING and becomes SEEKTABLE, its four header bytes included; `None` without points.
    pub seektable_at: Option<usize>,
    /// Points that fit in there.
    pub seek_points: usize,
}

/// What is known when the last coded frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Final {
    /// Samples of each channel.
    pub frames: u64,
    /// The smallest and the largest coded frame, 0 when there is none.
    pub min_frame_bytes: u32,
    pub max_frame_bytes: u32,
    /// Of the samples; all zero when it is not known.
    pub md5: [u8; 16],
}

pub(super) const STREAMINFO: u8 = 0;
pub(super) const PADDING: u8 = 1;
pub(super) const SEEKTABLE: u8 = 3;
pub(crate) const VORBIS_COMMENT: u8 = 4;
pub(super) const LAST: u8 = 0x80;
/// Stands instead of ENCODER where somebody else encoded: repair tells a kept stream from a recording by it.
pub(super) const KEPT_AS_IT_CAME: &str = "KEPT_AS_IT_CAME";

/// A header for a file of unknown length: total samples, frame sizes and MD5 are 0, which the standard reads as unknown.
/// `block_size` is the number of frames that the encoder puts into every coded frame but the last; at most
/// [`MAX_POINTS`] points are made room for.
pub fn header(identity: &Identity, station: &Station, seek_points: usize, block_size: u32) -> FlacHeader {
    let block_size = block_size.clamp(16, 65_535) as u16;
    let info = StreamInfo {
        min_block: block_size,
        max_block: block_size,
        min_frame_bytes: 0,
        max_frame_bytes: 0,
        rate_hz: identity.format.rate.hz(),
        channels: identity.format.channels,
        bits: identity.format.bits(),
        frames: 0,
        md5: [0; 16],
    };
    header_of(&info, identity, station, seek_points)
}

/// The same for coded frames that were made elsewhere: their shape is what `info` says, not what the identity does.
pub fn header_of(info: &StreamInfo, identity: &Identity, station: &Station, seek_points: usize) -> FlacHeader {
    let seek_points = seek_points.min(MAX_POINTS);
    let mut bytes = b"fLaC".to_vec();
    block_header(&mut bytes, STREAMINFO, StreamInfo::BYTES);
    let streaminfo_at = bytes.len();
    bytes.extend_from_slice(&info.bytes());
    let comments = vorbis_comment(Some(identity), station);
    block_header(&mut bytes, if seek_points == 0 { VORBIS_COMMENT | LAST } else { VORBIS_COMMENT }, comments.len());
    bytes.extend_from_slice(&comments);
    let seektable_at = if seek_points == 0 { None } else { Some(bytes.len()) };
    if seektable_at.is_some() {
        block_header(&mut bytes, PADDING | LAST, seek_points * POINT_BYTES);
        bytes.resize(bytes.len() + seek_points * POINT_BYTES, 0);
    }
    FlacHeader { bytes, streaminfo_at, seektable_at, seek_points }
}

/// Writes the facts of the end into the header of a file, given as a slice that holds at least all of it. Lengths stay.
/// A count of frames beyond 36 bits stays unknown.
pub fn finish(header: &mut [u8], end: &Final, table: &SeekTable) -> Result<(), Flaw> {
    let head = parse(&&*header)?;
    let info = head.info.finished(end);
    let at = head.streaminfo_at as usize; // 8
    header.get_mut(at..at + StreamInfo::BYTES).ok_or(ENDS)?.copy_from_slice(&info.bytes());
    if let Some((at, points)) = head.room {
        let at = usize::try_from(at).map_err(|_| ENDS)?;
        let block = header.get_mut(at..at + 4 + points * POINT_BYTES).ok_or(ENDS)?;
        block[0] = (block[0] & LAST) | SEEKTABLE;
        table.write(&mut block[4..]);
    }
    Ok(())
}

/// The SEEKTABLE that replaces the PADDING of [`header_of`], the last block before the coded frames.
pub(crate) fn seek_block(points: usize, table: &SeekTable) -> Vec<u8> {
    let mut block = Vec::with_capacity(4 + points * POINT_BYTES);
    block_header(&mut block, SEEKTABLE | LAST, points * POINT_BYTES);
    block.resize(4 + points * POINT_BYTES, 0);
    table.write(&mut block[4..]);
    block
}

const ENDS: Flaw = Flaw::IllFormed("the header is not all there");

impl StreamInfo {
    pub(crate) fn finished(self, end: &Final) -> StreamInfo {
        StreamInfo {
            min_frame_bytes: end.min_frame_bytes,
            max_frame_bytes: end.max_frame_bytes,
            frames: if end.frames < 1 << 36 { end.frames } else { 0 },
            md5: end.md5,
            ..self
        }
    }

    /// Section 8.2. Fields that are too large for their bits are cut off.
    pub(crate) fn bytes(&self) -> [u8; StreamInfo::BYTES] {
        let mut out = [0; StreamInfo::BYTES];
        out[..2].copy_from_slice(&self.min_block.to_be_bytes());
        out[2..4].copy_from_slice(&self.max_block.to_be_bytes());
        out[4..7].copy_from_slice(&self.min_frame_bytes.min(0xFF_FFFF).to_be_bytes()[1..]);
        out[7..10].copy_from_slice(&self.max_frame_bytes.min(0xFF_FFFF).to_be_bytes()[1..]);
        let rate = u64::from(self.rate_hz) & 0xF_FFFF;
        let channels = u64::from(self.channels.wrapping_sub(1)) & 7;
        let bits = u64::from(self.bits.wrapping_sub(1)) & 31;
        let packed = rate << 44 | channels << 41 | bits << 36 | (self.frames & 0xF_FFFF_FFFF);
        out[10..18].copy_from_slice(&packed.to_be_bytes());
        out[18..].copy_from_slice(&self.md5);
        out
    }
}

pub(crate) fn block_header(out: &mut Vec<u8>, kind: u8, body_bytes: usize) {
    debug_assert!(body_bytes < 1 << 24, "values and points are capped far below");
    out.push(kind);
    out.extend_from_slice(&(body_bytes as u32).to_be_bytes()[1..]);
}

/// Section 8.6: the only block whose numbers are little endian. `None`: nobody knows whose sound it is.
pub(crate) fn vorbis_comment(identity: Option<&Identity>, station: &Station) -> Vec<u8> {
    let facts = identity.map(|identity| facts(identity, station)).unwrap_or_default();
    let mut out = Vec::with_capacity(512);
    text(&mut out, SOFTWARE);
    out.extend_from_slice(&(facts.len() as u32 + 1).to_le_bytes()); // about ten
    match identity.and_then(|identity| identity.format.codec()) {
        None => text(&mut out, &format!("ENCODER={SOFTWARE}")),
        Some(codec) => text(&mut out, &format!("{KEPT_AS_IT_CAME}={}", codec.name())),
    }
    for fact in &facts {
        text(&mut out, &format!("{}={}", fact.vorbis, fact.value));
    }
    out
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u32).to_le_bytes()); // about a kB at most
    out.extend_from_slice(text.as_bytes());
}
