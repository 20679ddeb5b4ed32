//! A WAV as the FLAC that it would be: bytes that can be read anywhere, of which none lies on a disk or all at once in memory.
//!
//! For the uploader, which sends a WAV smaller than it is. A file of its own would need room where a full disk has none, and wear
//! the card; so the WAV is coded once to learn how long the FLAC is, and again wherever somebody reads. That works because coded
//! frames of one block size know nothing of each other but their number (`number`): coding may begin at any of them.
//!
//! Only what comes back is repacked: the samples are those of the WAV, and everything else that is in it (`head`) is kept as
//! `flac --keep-foreign-metadata` keeps it, so that `flac -d --keep-foreign-metadata` makes the very WAV again, bit for bit. Whatever
//! cannot be held so (floats, other widths, damage) is left as it is.

mod beside;
mod head;
mod number;

use std::cell::RefCell;
use std::io;

pub use self::beside::{flac_name, sidecar};
use self::head::Head;
use super::encode::{DEFAULT_BLOCK_SIZE, FlacEncoder, Summary, max_frame_bytes};
use super::flac::{self, Final, SeekTable};
use super::wav;
use super::{Flaw, ReadAt, fill_at};
use crate::message::PcmFormat;

/// libFLAC's own choice. Levels 1 and 4 would not do: they carry a decision from one coded frame to the next.
const LEVEL: u8 = 5;
const BLOCK: u64 = DEFAULT_BLOCK_SIZE as u64;
/// Coded frames from one place that is remembered to the next, at least; and how many are remembered, at most.
const STRIDE: u64 = 16;
const PLACES: u64 = 8_192;

/// What repacking takes of memory, about: two coded frames and libFLAC's copies of a block, and the places.
pub const BYTES: usize = (1 << 20) + 8 * PLACES as usize;

/// Why there is no FLAC of it.
#[derive(Debug)]
pub enum No {
    /// It would not come back as it is.
    Stays(&'static str),
    /// The caller wanted an end.
    Halted,
    Io(io::Error),
}

impl From<Flaw> for No {
    fn from(flaw: Flaw) -> No {
        match flaw {
            Flaw::Io(e) => No::Io(e),
            Flaw::IllFormed(why) | Flaw::Unsupported(why) => No::Stays(why),
        }
    }
}

impl From<io::Error> for No {
    fn from(e: io::Error) -> No {
        No::Io(e)
    }
}

pub struct Repacked<'a> {
    sound: Sound<'a>,
    head: Vec<u8>,
    /// Where every so many coded frames one begins, behind the head.
    places: Vec<u64>,
    stride: u64,
    /// Behind the head.
    coded_bytes: u64,
    run: RefCell<Option<Run>>,
}

/// The samples of the WAV.
struct Sound<'a> {
    wav: &'a dyn ReadAt,
    format: PcmFormat,
    data_at: u64,
    frames: u64,
}

/// An encoder on its way through the file.
struct Run {
    encoder: Option<FlacEncoder>,
    /// The next frame to be coded, and the number of the next coded frame.
    frame: u64,
    number: u64,
    /// What came last, and where it stands behind the head.
    window: Vec<u8>,
    window_at: u64,
    pcm: Vec<u8>,
}

impl<'a> Repacked<'a> {
    /// Codes all of it once. `goes_on` is asked again and again.
    pub fn new(wav: &'a dyn ReadAt, mut goes_on: impl FnMut() -> bool) -> Result<Repacked<'a>, No> {
        let parsed = wav::parse(wav)?;
        let format = parsed.pcm_format().filter(|_| parsed.is_plain());
        let format = format.ok_or(No::Stays("FLAC of 16 or 24 bits does not hold such samples"))?;
        let head = Head::read(wav, &parsed)?;
        let sound = Sound { wav, format, data_at: parsed.data_at, frames: parsed.frames() };
        let stride = sound.frames.div_ceil(BLOCK).div_ceil(PLACES).max(STRIDE);
        let points = flac::points_for(sound.frames / u64::from(format.rate.hz()));
        let (mut table, mut places) = (SeekTable::new(format.rate, points), Vec::new());
        let mut run = sound.run(0, 0)?;
        let summary = loop {
            if !goes_on() {
                return Err(No::Halted);
            }
            let ended = run.step(&sound, &mut |number, at, samples| {
                table.push(number * BLOCK, at, samples);
                if number % stride == 0 {
                    places.push(at);
                }
            })?;
            if let Some(summary) = ended {
                break summary;
            }
        };
        let coded_bytes = run.window_at + run.window.len() as u64;
        let ends = Final {
            frames: summary.total_samples,
            min_frame_bytes: summary.min_frame_bytes,
            max_frame_bytes: summary.max_frame_bytes,
            md5: summary.md5,
        };
        if ends.frames != sound.frames || ends.frames >= 1 << 36 {
            return Err(No::Stays("it is too long for FLAC"));
        }
        let head = head.write(format, &ends, points, &table);
        Ok(Repacked { sound, head, places, stride, coded_bytes, run: RefCell::default() })
    }

    fn bytes(&self) -> u64 {
        self.head.len() as u64 + self.coded_bytes
    }

    /// The last place that is remembered before this byte, and the number of the coded frame there.
    fn place(&self, at: u64) -> (u64, u64) {
        let behind = self.places.partition_point(|place| *place <= at);
        let index = behind.saturating_sub(1);
        (self.places.get(index).copied().unwrap_or(0), index as u64 * self.stride)
    }
}

impl ReadAt for Repacked<'_> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes())
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        if at >= self.bytes() || buf.is_empty() {
            return Ok(0);
        }
        let Some(at) = at.checked_sub(self.head.len() as u64) else { return self.head.read_at(at, buf) };
        let mut held = self.run.borrow_mut();
        let (place, number) = self.place(at);
        let mut run = match held.take() {
            Some(run) if run.window_at <= at && place <= run.end() => run,
            _ => self.sound.run(number, place)?,
        };
        while run.end() <= at {
            if run.encoder.is_none() {
                return Err(io::Error::other("it became shorter"));
            }
            run.step(&self.sound, &mut |_, _, _| {})?;
        }
        let from = usize::try_from(at - run.window_at).unwrap_or(usize::MAX); // inside the window
        let count = run.window.as_slice().read_at(from as u64, buf)?;
        *held = Some(run);
        Ok(count)
    }
}

impl Sound<'_> {
    /// An encoder that begins with the coded frame of this number, which stands there.
    fn run(&self, number: u64, at: u64) -> io::Result<Run> {
        let encoder = FlacEncoder::new(self.format, LEVEL, DEFAULT_BLOCK_SIZE).map_err(io::Error::other)?;
        let window = Vec::with_capacity(2 * (max_frame_bytes(self.format, DEFAULT_BLOCK_SIZE) + number::MORE_BYTES));
        let pcm = vec![0; BLOCK as usize * self.format.frame_bytes()];
        Ok(Run { encoder: Some(encoder), frame: number * BLOCK, number, window, window_at: at, pcm })
    }
}

impl Run {
    fn end(&self) -> u64 {
        self.window_at + self.window.len() as u64
    }

    /// The next coded frames into the window, each told as (number, where, frames in it). At the end: what there is to know of all.
    fn step(&mut self, sound: &Sound, each: &mut dyn FnMut(u64, u64, u32)) -> io::Result<Option<Summary>> {
        let Run { encoder, frame, number, window, window_at, pcm } = self;
        *window_at += window.len() as u64;
        window.clear();
        let mut flaw = None;
        let mut out = |coded: &[u8], samples: u32| {
            each(*number, *window_at + window.len() as u64, samples);
            if !number::put(coded, *number, window) {
                flaw = Some("libFLAC made a coded frame that is none");
            }
            *number += 1;
        };
        let frame_bytes = sound.format.frame_bytes();
        let count = BLOCK.min(sound.frames.saturating_sub(*frame));
        let pcm = pcm.get_mut(..count as usize * frame_bytes).unwrap_or_default();
        if fill_at(sound.wav, sound.data_at + *frame * frame_bytes as u64, pcm)? < pcm.len() {
            return Err(io::Error::other("it became shorter"));
        }
        *frame += count;
        let done = if count > 0 {
            encoder.as_mut().map_or(Ok(()), |encoder| encoder.encode(pcm, &mut out)).map(|()| None)
        } else {
            encoder.take().map(|encoder| encoder.finish(&mut out)).transpose()
        };
        done.and_then(|done| flaw.map_or(Ok(done), Err)).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests;
