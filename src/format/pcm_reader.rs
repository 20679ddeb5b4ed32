//! Any WAV or FLAC as the bytes that blocks hold: interleaved, little endian, 16 or 24 bits. For replaying a recording as a
//! source; bulk decoding and analysis have their own way.
//!
//! 16- and 24-bit WAV goes straight from the reader into the caller's buffer, untouched. Other widths and FLAC are converted
//! sample by sample: fewer than 16 bits move up to 16, 20 and 32 bits and floats become 24.

use std::cell::RefCell;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use super::flac::{self, Decoder};
use super::wav::{self, Samples};
use super::{Flaw, ReadAt};
use crate::message::{Depth, Identity, PcmFormat};

pub struct PcmReader<R: Read + Seek + Send> {
    format: PcmFormat,
    frames: Option<u64>,
    identity: Option<Identity>,
    /// Frames given out.
    read: u64,
    ended: bool,
    inner: Inner<R>,
}

enum Inner<R: Read> {
    /// Bytes that are still to come.
    Plain(R, u64),
    Samples(Box<Samples<BufReader<R>>>),
    Flac(Box<Coded<BufReader<R>>>),
}

struct Coded<R: Read> {
    decoder: Decoder<R>,
    /// Frames of the current coded frame that were given out.
    used: usize,
    /// Damage that was met after frames that had to be given out first.
    flaw: Option<Flaw>,
}

/// Bytes read ahead where samples are converted.
const AHEAD_BYTES: usize = 64 << 10;

impl<R: Read + Seek + Send> PcmReader<R> {
    /// Recognises the file by its first bytes, wherever the reader stands.
    pub fn open(mut reader: R) -> Result<PcmReader<R>, Flaw> {
        let mut magic = [0; 4];
        let have = super::fill_at(&Seeking(RefCell::new(&mut reader)), 0, &mut magic)?;
        match &magic[..have] {
            b"RIFF" | b"RF64" | b"BW64" => PcmReader::open_wav(reader),
            b"fLaC" | [b'I', b'D', b'3', _] => PcmReader::open_flac(reader),
            _ => Err(Flaw::Unsupported("neither WAV nor FLAC")),
        }
    }

    pub fn format(&self) -> PcmFormat {
        self.format
    }

    /// Length as far as it is known beforehand; a FLAC that is still being recorded does not know its own.
    pub fn frames(&self) -> Option<u64> {
        self.frames
    }

    /// Who and when it was, if soundpost recorded it.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Fills `out` with as many whole frames as fit and says how many; fewer only at the end, which is 0 from then on.
    /// A file that ends where its header does not say so is an error, after the frames before.
    pub fn read_frames(&mut self, out: &mut [u8]) -> Result<usize, Flaw> {
        let frame_bytes = self.format.frame_bytes();
        let whole = out.len() / frame_bytes * frame_bytes; // 2 to 24
        if self.ended {
            return Ok(0);
        }
        let done = match &mut self.inner {
            Inner::Plain(reader, left) => read_plain(reader, left, &mut out[..whole]),
            Inner::Samples(samples) => read_samples(samples, self.format, &mut out[..whole]),
            Inner::Flac(coded) => coded.read(self.format, &mut out[..whole]),
        };
        let frames = match done {
            Ok(bytes) => bytes / frame_bytes,
            Err(flaw) => {
                self.ended = true;
                return Err(flaw);
            }
        };
        self.read += frames as u64;
        if frames == 0 && whole > 0 {
            self.ended = true;
            if self.frames.is_some_and(|told| told != self.read) {
                return Err(Flaw::IllFormed("it ends before the length in its header"));
            }
        }
        Ok(frames)
    }

    fn open_wav(mut reader: R) -> Result<PcmReader<R>, Flaw> {
        let parsed = wav::parse(&Seeking(RefCell::new(&mut reader)))?;
        let format = parsed.pcm_format().ok_or(TOO_MUCH)?;
        reader.seek(SeekFrom::Start(parsed.data_at))?;
        let frames = Some(parsed.frames());
        let inner = if parsed.is_plain() {
            Inner::Plain(reader, parsed.data_bytes)
        } else {
            Inner::Samples(Box::new(Samples::new(BufReader::with_capacity(AHEAD_BYTES, reader), &parsed)?))
        };
        Ok(PcmReader { format, frames, identity: parsed.identity, read: 0, ended: false, inner })
    }

    fn open_flac(mut reader: R) -> Result<PcmReader<R>, Flaw> {
        let identity = flac::parse(&Seeking(RefCell::new(&mut reader))).ok().and_then(|head| head.identity);
        reader.seek(SeekFrom::Start(0))?;
        let decoder = Decoder::new(BufReader::with_capacity(AHEAD_BYTES, reader))?;
        let format = decoder.info().pcm_format().ok_or(TOO_MUCH)?;
        let frames = Some(decoder.info().frames).filter(|&frames| frames != 0);
        let inner = Inner::Flac(Box::new(Coded { decoder, used: 0, flaw: None }));
        Ok(PcmReader { format, frames, identity, read: 0, ended: false, inner })
    }
}

const TOO_MUCH: Flaw = Flaw::Unsupported("more than 8 channels or 768 000 Hz");

fn read_plain<R: Read>(reader: &mut R, left: &mut u64, out: &mut [u8]) -> Result<usize, Flaw> {
    let want = usize::try_from(*left).map_or(out.len(), |left| left.min(out.len()));
    let mut have = 0;
    while have < want {
        match reader.read(&mut out[have..want]) {
            Ok(0) => break,
            Ok(n) => have += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Flaw::Io(e)),
        }
    }
    // After an early end nothing more comes, whatever the header said.
    *left = if have < want { 0 } else { *left - have as u64 };
    Ok(have)
}

fn read_samples<R: Read>(samples: &mut Samples<R>, format: PcmFormat, out: &mut [u8]) -> Result<usize, Flaw> {
    let bytes = format.depth.bytes();
    let mut have = 0;
    for place in out.chunks_exact_mut(bytes) {
        let Some(sample) = samples.next_sample() else { break };
        place.copy_from_slice(&sample?.to_le_bytes()[..bytes]);
        have += bytes;
    }
    Ok(have)
}

impl<R: Read> Coded<R> {
    fn read(&mut self, format: PcmFormat, out: &mut [u8]) -> Result<usize, Flaw> {
        let (frame_bytes, growing) = (format.frame_bytes(), self.decoder.info().frames == 0);
        let shift = format.depth.bits().saturating_sub(self.decoder.info().bits);
        let mut have = 0;
        while have < out.len() {
            if self.used == self.decoder.current().frames && !self.next_coded_frame(growing) {
                break;
            }
            let block = self.decoder.current();
            let frames = (block.frames - self.used).min((out.len() - have) / frame_bytes);
            interleave(&block, self.used, shift, format, &mut out[have..have + frames * frame_bytes]);
            self.used += frames;
            have += frames * frame_bytes;
        }
        match self.flaw.take() {
            Some(flaw) if have == 0 => Err(flaw),
            flaw => {
                self.flaw = flaw;
                Ok(have)
            }
        }
    }

    /// False at the end and at damage. A file that is still being recorded, or was not closed, may end anywhere.
    fn next_coded_frame(&mut self, growing: bool) -> bool {
        self.used = 0;
        if self.flaw.is_some() {
            return false;
        }
        match self.decoder.next_coded_frame() {
            Ok(block) => block.is_some(),
            Err(Flaw::IllFormed(flac::ENDS_IN_FRAME)) if growing => false,
            Err(flaw) => {
                self.flaw = Some(flaw);
                false
            }
        }
    }
}

fn interleave(block: &flac::Decoded<'_>, from: usize, shift: u8, format: PcmFormat, out: &mut [u8]) {
    let (channels, frame_bytes) = (usize::from(format.channels), format.frame_bytes());
    for number in 0..channels {
        let samples = &block.channel(number)[from..];
        match format.depth {
            Depth::Sixteen => spread::<2>(samples, shift, &mut out[number * 2..], frame_bytes),
            Depth::TwentyFour => spread::<3>(samples, shift, &mut out[number * 3..], frame_bytes),
        }
    }
}

/// Every sample to its place, one frame apart; the last frame's rest may be shorter than a frame.
fn spread<const BYTES: usize>(samples: &[i32], shift: u8, out: &mut [u8], frame_bytes: usize) {
    for (place, sample) in out.chunks_mut(frame_bytes).zip(samples) {
        place[..BYTES].copy_from_slice(&(sample << shift).to_le_bytes()[..BYTES]);
    }
}

/// A reader with a position seen as bytes that can be read anywhere.
struct Seeking<'a, R>(RefCell<&'a mut R>);

impl<R: Read + Seek> ReadAt for Seeking<'_, R> {
    fn len(&self) -> io::Result<u64> {
        self.0.borrow_mut().seek(SeekFrom::End(0))
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut reader = self.0.borrow_mut();
        reader.seek(SeekFrom::Start(at))?;
        reader.read(buf)
    }
}
