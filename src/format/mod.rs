//! Pure: what do these bytes mean? No files, no clocks, no logs; the caller owns every buffer.
//!
//! The standards' words are used inside a format's own folder. A *frame* is one sample of every channel, as everywhere in
//! soundpost; a coded FLAC frame is called so in full.

pub mod adts;
pub mod base64;
pub mod bookmark;
pub mod broadcast;
pub mod civil;
pub mod clip;
pub mod clock_reference;
pub mod crc;
pub mod cue;
pub mod cut;
pub mod dav;
pub mod decode;
pub mod encode;
pub mod events;
pub mod flac;
pub mod flac_door;
pub mod fmp4;
pub mod foreign;
pub mod found;
pub mod growing;
pub mod hls;
pub mod homeassistant;
pub mod icy;
pub mod id3;
pub mod labels;
pub mod mend;
pub mod metadata;
pub mod mp3;
pub mod mpegts;
pub mod mqtt;
pub mod notice;
pub mod opus;
pub mod opus_copy;
pub mod opus_door;
pub mod pcm_reader;
pub mod playlist;
pub mod profile;
pub mod reduced;
pub mod repack;
pub mod resample;
pub mod s3;
pub mod samples;
pub mod sidecar;
pub mod stereo;
pub mod stream;
pub mod uri;
pub mod vorbis;
pub mod wav;
pub mod xml;

use std::fmt;
use std::io;

/// A finite run of bytes that can be read anywhere: a file, or a slice in tests.
pub trait ReadAt {
    fn len(&self) -> io::Result<u64>;
    /// Reads up to `buf.len()` bytes at `at`; 0 only at or after the end.
    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize>;

    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

impl ReadAt for [u8] {
    fn len(&self) -> io::Result<u64> {
        Ok(<[u8]>::len(self) as u64)
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(at).ok().and_then(|at| self.get(at..)).unwrap_or(&[]);
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }
}

impl ReadAt for &[u8] {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(*self)
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        ReadAt::read_at(*self, at, buf)
    }
}

impl ReadAt for Vec<u8> {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(self.as_slice())
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        ReadAt::read_at(self.as_slice(), at, buf)
    }
}

/// Fills `buf` from `at` as far as the bytes go and says how far that was.
pub fn fill_at(file: &dyn ReadAt, at: u64, buf: &mut [u8]) -> io::Result<usize> {
    let mut have = 0;
    while have < buf.len() {
        match file.read_at(at.saturating_add(have as u64), &mut buf[have..]) {
            Ok(0) => break,
            Ok(n) => have += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(have)
}

/// Why bytes cannot be taken for what they claim to be.
#[derive(Debug)]
pub enum Flaw {
    /// They could not be read at all.
    Io(io::Error),
    /// They break the rules of their format.
    IllFormed(&'static str),
    /// They keep the rules, but this is not done here.
    Unsupported(&'static str),
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::Io(e) => write!(f, "cannot be read: {e}"),
            Flaw::IllFormed(why) => write!(f, "damaged: {why}"),
            Flaw::Unsupported(why) => write!(f, "not supported: {why}"),
        }
    }
}

impl std::error::Error for Flaw {}

impl From<io::Error> for Flaw {
    fn from(e: io::Error) -> Flaw {
        Flaw::Io(e)
    }
}

/// What a complete check of a finished file found. Both formats answer `verify` with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    pub frames: u64,
    pub md5: Md5,
}

/// Whether the samples are those that the header's checksum was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Md5 {
    Match,
    /// The file carries none: every WAV, and a recovered FLAC.
    Absent,
    Mismatch,
}

/// A file that is not whole, and how far it was good.
#[derive(Debug)]
pub struct Broken {
    /// Frames before the damage.
    pub frames: u64,
    pub what: Flaw,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} after {} good frames", self.what, self.frames)
    }
}

impl std::error::Error for Broken {}

impl Broken {
    pub(crate) fn at(frames: u64, what: impl Into<Flaw>) -> Broken {
        Broken { frames, what: what.into() }
    }
}
