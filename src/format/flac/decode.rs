//! FLAC to samples: the door to claxon. Every block is checked against STREAMINFO, which claxon does not do.

use std::io::{self, Chain, Cursor, Read};

use super::super::Flaw;
use super::header::{LAST, STREAMINFO};
use super::parse::{ENDS_IN_HEADER, StreamInfo, parse_stream_info};

/// Decodes one coded frame after the other into a buffer that is used again and again.
pub struct Decoder<R: Read> {
    claxon: claxon::FlacReader<Chain<Cursor<[u8; 8 + StreamInfo::BYTES]>, R>>,
    info: StreamInfo,
    buffer: Vec<i32>,
    /// Frames in the buffer.
    frames: usize,
}

/// The samples of one coded frame, channel after channel.
pub struct Decoded<'a> {
    pub frames: usize,
    samples: &'a [i32],
}

impl Decoded<'_> {
    /// `frames` samples of each channel.
    pub fn channels(&self) -> impl Iterator<Item = &[i32]> {
        self.samples.chunks_exact(self.frames.max(1))
    }

    pub fn channel(&self, number: usize) -> &[i32] {
        self.samples.get(number * self.frames..(number + 1) * self.frames).unwrap_or(&[])
    }
}

impl<R: Read> Decoder<R> {
    /// `reader` stands at the start of the file, or at an ID3 tag before it, which is skipped. So are all blocks but STREAMINFO:
    /// damaged comments or a huge picture do not keep anybody from hearing the sound.
    pub fn new(mut reader: R) -> Result<Decoder<R>, Flaw> {
        let mut start = [0; 8 + StreamInfo::BYTES];
        read_exact(&mut reader, &mut start[..10])?;
        if start.starts_with(b"ID3") {
            // Four times seven bits.
            skip(&mut reader, start[6..10].iter().fold(0, |n, &b| n << 7 | u64::from(b & 0x7F)))?;
            read_exact(&mut reader, &mut start[..10])?;
        }
        read_exact(&mut reader, &mut start[10..])?;
        if !start.starts_with(b"fLaC") || start[4] & !LAST != STREAMINFO || start[5..8] != [0, 0, StreamInfo::BYTES as u8] {
            return Err(Flaw::IllFormed("it does not begin like a FLAC file"));
        }
        let info = parse_stream_info(&start[8..])?;
        if info.bits > 24 {
            return Err(Flaw::Unsupported("FLAC with more than 24 bits"));
        }
        let mut last = start[4] & LAST != 0;
        while !last {
            let mut header = [0; 4];
            read_exact(&mut reader, &mut header)?;
            last = header[0] & LAST != 0;
            skip(&mut reader, u64::from(u32::from_be_bytes([0, header[1], header[2], header[3]])))?;
        }
        start[4] |= LAST;
        let claxon = claxon::FlacReader::new(Cursor::new(start).chain(reader)).map_err(flaw)?;
        Ok(Decoder { claxon, info, buffer: Vec::new(), frames: 0 })
    }

    pub fn info(&self) -> &StreamInfo {
        &self.info
    }

    /// `None` at the end, which must fall between two coded frames.
    pub fn next_coded_frame(&mut self) -> Result<Option<Decoded<'_>>, Flaw> {
        self.frames = 0;
        let buffer = std::mem::take(&mut self.buffer);
        let Some(block) = self.claxon.blocks().read_next_or_eof(buffer).map_err(flaw)? else { return Ok(None) };
        let (channels, frames) = (block.channels(), block.duration());
        self.buffer = block.into_buffer();
        if channels != u32::from(self.info.channels) {
            return Err(Flaw::IllFormed("the number of channels changes on the way"));
        }
        if frames > u32::from(self.info.max_block) {
            return Err(Flaw::IllFormed("a coded frame is longer than STREAMINFO allows"));
        }
        let limit = 1 << (self.info.bits - 1); // 3 to 23 as checked
        if self.buffer.iter().any(|&s| s < -limit || s >= limit) {
            return Err(Flaw::IllFormed("a sample has more bits than STREAMINFO says"));
        }
        self.frames = frames as usize;
        Ok(Some(self.current()))
    }

    /// What was decoded last; nothing after an error and before the first.
    pub fn current(&self) -> Decoded<'_> {
        Decoded { frames: self.frames, samples: &self.buffer[..self.frames * usize::from(self.info.channels)] }
    }
}

/// Bytes of the coded frame that `bytes` begin with, found by decoding it, checksums included.
pub(super) fn coded_frame_bytes(bytes: &[u8]) -> Option<usize> {
    let mut cursor = Cursor::new(bytes);
    let block = claxon::frame::FrameReader::new(&mut cursor).read_next_or_eof(Vec::new()).ok()??;
    drop(block);
    usize::try_from(cursor.position()).ok()
}

/// Appends the samples of one coded frame, interleaved; `false` when it is damaged or of another shape.
pub(crate) fn decode_one(bytes: &[u8], info: &StreamInfo, out: &mut Vec<i32>) -> bool {
    let Ok(Some(block)) = claxon::frame::FrameReader::new(Cursor::new(bytes)).read_next_or_eof(Vec::new()) else { return false };
    let (channels, frames) = (block.channels() as usize, block.duration() as usize);
    let limit = 1 << (info.bits.clamp(4, 24) - 1);
    let (start, samples) = (out.len(), (0..channels).map(|number| block.channel(number as u32)));
    if channels != usize::from(info.channels) || samples.clone().flatten().any(|&s| s < -limit || s >= limit) {
        return false;
    }
    out.resize(start + frames * channels, 0);
    for (number, plane) in samples.enumerate() {
        for (place, &sample) in out[start..].iter_mut().skip(number).step_by(channels).zip(plane) {
            *place = sample;
        }
    }
    true
}

fn read_exact(reader: &mut impl Read, out: &mut [u8]) -> Result<(), Flaw> {
    reader.read_exact(out).map_err(|e| match e.kind() {
        io::ErrorKind::UnexpectedEof => Flaw::IllFormed(ENDS_IN_HEADER),
        _ => Flaw::Io(e),
    })
}

fn skip(reader: &mut impl Read, bytes: u64) -> Result<(), Flaw> {
    let skipped = io::copy(&mut reader.take(bytes), &mut io::sink())?;
    if skipped < bytes { Err(Flaw::IllFormed(ENDS_IN_HEADER)) } else { Ok(()) }
}

fn flaw(e: claxon::Error) -> Flaw {
    match e {
        claxon::Error::IoError(e) if e.kind() == io::ErrorKind::UnexpectedEof => Flaw::IllFormed(ENDS_IN_FRAME),
        claxon::Error::IoError(e) => Flaw::Io(e),
        claxon::Error::FormatError(why) => Flaw::IllFormed(why),
        claxon::Error::Unsupported(why) => Flaw::Unsupported(why),
    }
}

/// What a file says that was cut off, or that is still being written.
pub(crate) const ENDS_IN_FRAME: &str = "it ends inside a coded frame";
