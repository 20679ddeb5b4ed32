//! Reads the metadata blocks of any FLAC file (RFC 9639 section 8): the stream's format, the room for a seek table, and who
//! wrote it. Lengths are claims and allocate nothing; a block that leads out of the file is told apart from a bad one.

use std::io;

use super::super::metadata::{self, MAKE};
use super::super::{Flaw, ReadAt, fill_at};
use super::header::{KEPT_AS_IT_CAME, LAST, PADDING, SEEKTABLE, STREAMINFO, VORBIS_COMMENT};
use super::table::{MAX_POINTS, POINT_BYTES};
use crate::message::{Codec, Depth, Format, Identity, PcmFormat};
use crate::time::Rate;

/// STREAMINFO in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamInfo {
    pub min_block: u16,
    pub max_block: u16,
    pub min_frame_bytes: u32,
    pub max_frame_bytes: u32,
    pub rate_hz: u32,
    pub channels: u8,
    pub bits: u8,
    /// Samples of each channel; 0 is unknown.
    pub frames: u64,
    /// Zeros are unknown.
    pub md5: [u8; 16],
}

impl StreamInfo {
    pub const BYTES: usize = 34;

    /// The format of blocks made of it: up to 16 bits become 16, everything else 24.
    pub fn pcm_format(&self) -> Option<PcmFormat> {
        let depth = if self.bits <= 16 { Depth::Sixteen } else { Depth::TwentyFour };
        Some(PcmFormat { rate: Rate::new(self.rate_hz)?, channels: self.channels, depth })
    }
}

/// What stands before the first coded frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    pub info: StreamInfo,
    /// Body of STREAMINFO.
    pub streaminfo_at: u64,
    /// (offset of the block's header, points that fit): a SEEKTABLE, or PADDING that can become one.
    pub room: Option<(u64, usize)>,
    /// The first coded frame.
    pub audio_at: u64,
    /// The vendor string is ours, whether an identity could be read or not.
    pub ours: bool,
    pub identity: Option<Identity>,
    /// Its coded frames came from elsewhere.
    pub kept: bool,
}

/// The file ended inside its header, at a block that begins here or earlier.
pub(super) const ENDS_IN_HEADER: &str = "it ends before its samples begin";

const MAX_BLOCKS: usize = 1_024;
/// Bytes of comments that are read: ours are far shorter.
const MAX_COMMENT_BYTES: usize = 64 << 10;

pub fn parse(file: &dyn ReadAt) -> Result<Head, Flaw> {
    let mut start = [0; 8 + StreamInfo::BYTES];
    let have = fill_at(file, 0, &mut start)?;
    let magic = &start[..have.min(4)];
    if !b"fLaC".starts_with(magic) {
        return Err(Flaw::IllFormed("it does not begin like a FLAC file"));
    }
    if have < start.len() {
        return Err(Flaw::IllFormed(ENDS_IN_HEADER));
    }
    if start[4] & !LAST != STREAMINFO || start[5..8] != [0, 0, StreamInfo::BYTES as u8] {
        return Err(Flaw::IllFormed("STREAMINFO is not its first block"));
    }
    let info = parse_stream_info(&start[8..])?;
    let mut head =
        Head { info, streaminfo_at: 8, room: None, audio_at: start.len() as u64, ours: false, identity: None, kept: false };
    let mut last = start[4] & LAST != 0;
    let mut blocks = 0;
    while !last {
        blocks += 1;
        if blocks > MAX_BLOCKS {
            return Err(Flaw::IllFormed("it has too many blocks before its samples"));
        }
        last = head.block(file)?;
    }
    Ok(head)
}

impl Head {
    /// Takes the block at `audio_at` and steps over it; true when it says that it is the last.
    fn block(&mut self, file: &dyn ReadAt) -> Result<bool, Flaw> {
        let at = self.audio_at;
        let mut header = [0; 4];
        if fill_at(file, at, &mut header)? < 4 {
            return Err(Flaw::IllFormed(ENDS_IN_HEADER));
        }
        let length = u32::from_be_bytes([0, header[1], header[2], header[3]]) as usize;
        let end = at + 4 + length as u64;
        match header[0] & !LAST {
            VORBIS_COMMENT => self.comments(file, at + 4, length)?,
            PADDING | SEEKTABLE if length % POINT_BYTES == 0 && length <= MAX_POINTS * POINT_BYTES => {
                self.room = self.room.or(Some((at, length / POINT_BYTES)));
            }
            0x7F => return Err(Flaw::IllFormed("a block has a kind that does not exist")),
            _ => {}
        }
        if end > file.len()? {
            return Err(Flaw::IllFormed(ENDS_IN_HEADER));
        }
        self.audio_at = end;
        Ok(header[0] & LAST != 0)
    }

    fn comments(&mut self, file: &dyn ReadAt, at: u64, length: usize) -> io::Result<()> {
        let mut body = vec![0; length.min(MAX_COMMENT_BYTES)];
        let have = fill_at(file, at, &mut body)?;
        body.truncate(have);
        let mut rest = body.as_slice();
        self.ours = text(&mut rest).is_some_and(|vendor| vendor.starts_with(MAKE.as_bytes()));
        let _count = take(&mut rest, 4);
        let mut comments = Vec::new();
        while let Some(comment) = text(&mut rest) {
            comments.extend(std::str::from_utf8(comment).ok().and_then(|c| c.split_once('=')));
        }
        let get = |(_, name): (&str, &str)| comments.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|&(_, v)| v);
        self.identity = self.info.pcm_format().and_then(|format| metadata::identity(format, get));
        self.kept = get(("", KEPT_AS_IT_CAME)).is_some_and(|codec| codec == Codec::Flac.name());
        if let (true, Some(identity)) = (self.kept, &mut self.identity) {
            identity.format = Format::coded(Codec::Flac, identity.format.rate, identity.format.channels);
        }
        Ok(())
    }
}

/// The 34 bytes of a STREAMINFO body.
pub fn parse_stream_info(b: &[u8]) -> Result<StreamInfo, Flaw> {
    let Some(b) = b.first_chunk::<{ StreamInfo::BYTES }>() else { return Err(Flaw::IllFormed(ENDS_IN_HEADER)) };
    let packed = u64::from_be_bytes([b[10], b[11], b[12], b[13], b[14], b[15], b[16], b[17]]);
    let mut md5 = [0; 16];
    md5.copy_from_slice(&b[18..]);
    let info = StreamInfo {
        min_block: u16::from_be_bytes([b[0], b[1]]),
        max_block: u16::from_be_bytes([b[2], b[3]]),
        min_frame_bytes: u32::from_be_bytes([0, b[4], b[5], b[6]]),
        max_frame_bytes: u32::from_be_bytes([0, b[7], b[8], b[9]]),
        rate_hz: (packed >> 44) as u32,
        channels: (packed >> 41 & 7) as u8 + 1,
        bits: (packed >> 36 & 31) as u8 + 1,
        frames: packed & 0xF_FFFF_FFFF,
        md5,
    };
    if info.rate_hz == 0 || info.min_block < 16 || info.min_block > info.max_block || info.bits < 4 {
        return Err(Flaw::IllFormed("STREAMINFO contradicts itself"));
    }
    Ok(info)
}

/// A length of four little endian bytes and so many bytes after it.
fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take(rest, 4)?;
    take(rest, u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize)
}

fn take<'a>(rest: &mut &'a [u8], bytes: usize) -> Option<&'a [u8]> {
    let taken = rest.get(..bytes)?;
    *rest = &rest[bytes..];
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::super::super::metadata::Station;
    use super::super::super::metadata::tests::sample_identity;
    use super::super::{Final, SeekTable, finish, header};
    use super::*;

    #[test]
    fn our_own_header_comes_back_whole_and_keeps_its_length_at_close() {
        for (hz, channels, depth, points) in
            [(8_000, 1, Depth::Sixteen, 0), (48_000, 2, Depth::TwentyFour, 361), (768_000, 8, Depth::TwentyFour, MAX_POINTS)]
        {
            let identity = sample_identity(hz, channels, depth);
            let mut header = header(&identity, &Station::default(), points, 4_096);
            let growing = parse(&header.bytes).expect("our own");
            assert_eq!((growing.identity.as_ref(), growing.ours, growing.info.frames), (Some(&identity), true, 0));
            assert_eq!((growing.audio_at, growing.streaminfo_at), (header.bytes.len() as u64, header.streaminfo_at as u64));
            assert_eq!(growing.room, header.seektable_at.map(|at| (at as u64, points)));

            let mut table = SeekTable::new(identity.format.rate, header.seek_points);
            table.push(0, 0, 4_096);
            let end = Final { frames: 0xF_FFFF_FFFF, min_frame_bytes: 14, max_frame_bytes: 0xFF_FFFF, md5: [7; 16] };
            finish(&mut header.bytes, &end, &table).expect("our own");
            let closed = parse(&header.bytes).expect("our own");
            assert_eq!(closed, Head { info: growing.info.finished(&end), ..growing });
            assert_eq!((closed.info.frames, closed.info.md5, closed.info.bits), (end.frames, end.md5, depth.bits()));
            assert!(header.seektable_at.is_none_or(|at| header.bytes[at] == SEEKTABLE | LAST));
        }
    }

    /// Cut anywhere, the header ends too early and says so; with a bad length it says so too.
    #[test]
    fn a_cut_header_says_that_it_ends() {
        let whole = header(&sample_identity(48_000, 2, Depth::Sixteen), &Station::default(), 3, 4_096).bytes;
        for cut in 0..whole.len() {
            let got = parse(&&whole[..cut]).map_err(|e| e.to_string());
            assert_eq!(got, Err(format!("damaged: {ENDS_IN_HEADER}")), "cut at {cut}");
        }
        assert!(parse(&b"RIFF".to_vec()).is_err());
    }
}
