//! Any recording to samples: WAV, FLAC, MP3, ADTS AAC, Ogg Vorbis, Opus and Ogg FLAC behind one pull function.
//!
//! Each library has a file of its own that hands out `Block`s, and every block says where on the recording's timeline it
//! stands. The timeline itself is kept here: what is missing between two blocks sounds as silence and is counted, what comes
//! twice is passed over. So a damaged part moves nothing behind it, and a frame has the same number whether it was reached by
//! reading or by [`Decoder::seek`].
//!
//! ```text
//! file ──► Source: wav | flac (libFLAC) | frames (symphonia) | ogg (symphonia, libopus, claxon) ──Block──► Decoder ──► samples
//! ```
//! Memory is a window of the file and one coded frame, whatever the file claims. What belongs elsewhere: cutting without
//! decoding (`cut`), sound for listeners (`clip`), replaying as a source (`pcm_reader`).

mod endless;
mod flac;
mod frames;
pub(crate) mod gapless;
mod input;
mod ogg;
mod packets;
mod symphonia;
mod wav;

pub use self::endless::{Endless, framing};

use super::samples::{Piece, Samples};
use super::stream::Framing;
use super::stream::sniff::{ENOUGH_BYTES, Sniffed, sniff};
use super::{Flaw, ReadAt, fill_at};
use crate::message::Container;

/// A file that can be read anywhere, and that the decoder owns.
pub type File = Box<dyn ReadAt + Send>;

/// What a recording is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    pub rate_hz: u32,
    /// 1 to 8.
    pub channels: u8,
    /// 4 to 24: full scale is 2^(bits − 1). More bits are cut to 24; floats and lossy codecs give 24.
    pub bits: u8,
    /// Frames from start to end, where the file says it or it is cheap to find; else see [`Decoder::measure`].
    pub frames: Option<u64>,
    pub container: Container,
}

/// Samples that belong together, at their place.
#[derive(Default)]
struct Block {
    /// Position of the first frame on the recording's timeline.
    first: u64,
    frames: usize,
    samples: Samples,
    /// It could not be decoded, and is silence.
    lost: bool,
}

impl Block {
    /// `frames` of silence in place of what could not be decoded.
    fn silence(&mut self, first: u64, frames: usize, channels: u8) {
        (self.first, self.frames, self.lost) = (first, frames, true);
        self.samples.clear();
        self.samples.ints.resize(frames * usize::from(channels), 0);
    }

    fn fill(&mut self, first: u64, channels: u8) {
        self.frames = self.samples.len() / usize::from(channels.max(1));
        (self.first, self.lost) = (first, false);
    }
}

/// One library's way through one file. Positions rise from block to block.
trait Source: Send {
    fn info(&self) -> Info;
    /// The next block that is not empty; `false` at the end.
    fn next(&mut self, block: &mut Block) -> Result<bool, Flaw>;
    /// The next blocks begin at this frame or before it, near enough.
    fn seek(&mut self, frame: u64) -> Result<(), Flaw>;
    /// Frames of the whole file, found without decoding it. Call `seek` afterwards.
    fn measure(&mut self) -> Result<u64, Flaw>;
}

/// A hole longer than this is no damage: somebody numbered anew. The timeline then goes on without it.
const MAX_HOLE_S: u64 = 600;

/// What is missing sounds as this.
static SILENCE: [i32; 1_024] = [0; 1_024];

pub struct Decoder {
    source: Box<dyn Source>,
    info: Info,
    block: Block,
    /// Frames of the block that were given out.
    used: usize,
    /// Of the next frame that is given out.
    at: u64,
    /// What positions of blocks lie ahead of the timeline, after holes that were no damage.
    ahead: u64,
    /// Silence that is still due before the block.
    hole: u64,
    skipped: u64,
    /// Met after frames that had to be given out first.
    flaw: Option<Flaw>,
}

/// The first bytes decide; `extension` (without the dot, any case, `.part` taken off) only where they leave a doubt.
pub fn open(file: File, extension: &str) -> Result<Decoder, Flaw> {
    let source: Box<dyn Source> = match kind(&*file, extension)? {
        Kind::Wav => Box::new(wav::Wav::open(file)?),
        Kind::Framed(Framing::Flac) => Box::new(flac::Flac::open(file)?),
        Kind::Framed(Framing::Ogg) => Box::new(ogg::Ogg::open(file)?),
        Kind::Framed(framing) => Box::new(frames::Frames::open(file, framing)?),
    };
    let info = source.info();
    if !(1..=8).contains(&info.channels) || info.rate_hz == 0 || info.rate_hz > crate::time::Rate::MAX_HZ {
        return Err(Flaw::Unsupported("more than 8 channels or 768 000 Hz"));
    }
    let block = Block::default();
    Ok(Decoder { source, info, block, used: 0, at: 0, ahead: 0, hole: 0, skipped: 0, flaw: None })
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Wav,
    Framed(Framing),
}

pub(crate) fn kind(file: &dyn ReadAt, extension: &str) -> Result<Kind, Flaw> {
    let mut start = vec![0; ENOUGH_BYTES];
    let have = fill_at(file, 0, &mut start)?;
    if matches!(start.get(..4), Some(b"RIFF" | b"RF64" | b"BW64")) && start.get(8..12) == Some(b"WAVE") {
        return Ok(Kind::Wav);
    }
    let told = match extension.to_ascii_lowercase().as_str() {
        "mp3" => Some(Framing::Mp3),
        "aac" => Some(Framing::Adts),
        "ogg" | "oga" | "opus" => Some(Framing::Ogg),
        "flac" => Some(Framing::Flac),
        _ => None,
    };
    let mut sniffed = sniff(&start[..have], None, told);
    if sniffed == Sniffed::More {
        // Zeros behind a short file are no sound, and end the doubt.
        sniffed = sniff(&start, None, told);
    }
    match sniffed {
        _ if have == 0 => Err(Flaw::IllFormed("it is empty")),
        Sniffed::Is(framing) => Ok(Kind::Framed(framing)),
        Sniffed::NoAudio(what) => Err(Flaw::Unsupported(what)),
        Sniffed::More => Err(Flaw::Unsupported("it is no format that is known here")),
    }
}

impl Decoder {
    pub fn info(&self) -> Info {
        self.info
    }

    /// Of the frame that comes next.
    pub fn position(&self) -> u64 {
        self.at
    }

    /// Frames given out so far as silence, because what stood there is damaged.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Frames of the whole file. Where [`Info::frames`] does not know them all headers are walked, which takes the time of
    /// reading the file once; nothing is decoded. The position stays.
    pub fn measure(&mut self) -> Result<u64, Flaw> {
        if let Some(frames) = self.info.frames {
            return Ok(frames);
        }
        let at = self.at;
        let frames = self.source.measure()?;
        self.info.frames = Some(frames);
        self.seek(at)?;
        Ok(frames)
    }

    /// Fills `out` with interleaved frames as far as they go and says how many; 0 is the end. What of `out` is no whole frame
    /// is left alone.
    pub fn read(&mut self, out: &mut [i32]) -> Result<usize, Flaw> {
        let channels = usize::from(self.info.channels);
        let want = out.len() / channels; // 1 to 8
        let mut done = 0;
        while done < want {
            match self.next(want - done) {
                Ok(piece) if piece.is_empty() => break,
                Ok(piece) => done += piece.copy_to(&mut out[done * channels..]) / channels,
                Err(flaw) if done == 0 => return Err(flaw),
                Err(flaw) => {
                    self.flaw = Some(flaw);
                    break;
                }
            }
        }
        Ok(done)
    }

    /// The next frames that are there anyway, interleaved, but not more than so many; none is the end.
    pub fn next(&mut self, most_frames: usize) -> Result<Piece<'_>, Flaw> {
        while self.hole == 0 && self.used >= self.block.frames {
            if !self.advance()? {
                return Ok(Piece::Ints(&[]));
            }
        }
        let channels = usize::from(self.info.channels);
        let (frames, is_lost) = match self.hole {
            0 => (most_frames.min(self.block.frames - self.used), self.block.lost),
            hole => (most_frames.min(SILENCE.len() / channels).min(usize::try_from(hole).unwrap_or(usize::MAX)), true),
        };
        self.at += frames as u64;
        self.skipped += if is_lost { frames as u64 } else { 0 };
        if self.hole > 0 {
            self.hole -= frames as u64;
            return Ok(Piece::Ints(&SILENCE[..frames * channels]));
        }
        self.used += frames;
        Ok(self.block.samples.piece((self.used - frames) * channels..self.used * channels))
    }

    /// What is read next begins with this frame, exactly; beyond the end there is nothing to read. MP3 and AAC are decoded
    /// from a second before it, Opus from 80 ms, so that the decoder's state has settled.
    pub fn seek(&mut self, frame: u64) -> Result<(), Flaw> {
        (self.block.frames, self.used, self.hole, self.ahead, self.flaw) = (0, 0, 0, 0, None);
        self.at = frame;
        self.source.seek(frame)
    }

    /// The next block, laid on the timeline.
    fn advance(&mut self) -> Result<bool, Flaw> {
        if let Some(flaw) = self.flaw.take() {
            return Err(flaw);
        }
        (self.block.frames, self.used) = (0, 0);
        if !self.source.next(&mut self.block)? {
            self.block.frames = 0;
            return Ok(false);
        }
        let first = self.block.first.saturating_sub(self.ahead);
        if first > self.at {
            let hole = first - self.at;
            if hole <= MAX_HOLE_S * u64::from(self.info.rate_hz) {
                self.hole = hole;
            } else {
                self.ahead = self.ahead.saturating_add(hole);
            }
        } else {
            self.used = usize::try_from(self.at - first).unwrap_or(usize::MAX).min(self.block.frames);
        }
        Ok(true)
    }
}
