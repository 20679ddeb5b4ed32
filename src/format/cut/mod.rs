//! A piece of a recording in its own format, without decoding anything: whole units, as they are.
//!
//! A cut begins with the unit that holds `from` and ends with the one that holds the last instant before `to`; what that
//! really is, and how many bytes it makes, is known before the first byte is written. Where a codec needs what came before
//! (Vorbis overlaps, Opus converges, MP3 reaches back), it begins so much earlier that the sound at `from` is right.
//!
//! | format | unit | what changes |
//! |---|---|---|
//! | WAV | frame | the sizes in its header; chunks before the samples stay, those behind are left out |
//! | FLAC | coded frame | its number and checksums; STREAMINFO's length, and a seek table of its own |
//! | MP3, ADTS | frame | nothing; tags and information about the whole file at the start are left out |
//! | Ogg | page | numbers and positions; the last page is marked as the last |
//!
//! Recordings that follow each other without a hole are cut as if they were one ([`plan_joined`]): the samples of WAVs one after
//! the other; coded frames of FLACs numbered by their samples, as the last of each file is shorter; frames of MP3 and AAC as the
//! station sent them; pages of Ogg in one stream where the headers are the same, else as links of a chain.
//!
//! A file is read twice, for the plan and for the cut; memory is a window. What decodes is in `decode` and `clip`.

mod flac;
mod frames;
mod label;
mod ogg;
mod wav;

use std::io;

use super::decode::{Kind, kind};
use super::stream::Framing;
use super::{Flaw, ReadAt, fill_at};

/// Takes the bytes of a cut in their order; an error stops it.
pub type Sink<'a> = dyn FnMut(&[u8]) -> io::Result<()> + 'a;

/// A cut that was planned and not yet written.
#[derive(Debug)]
pub struct Cut {
    /// The true range, in seconds of the recording: of the first one and of the last.
    pub from_s: f64,
    pub to_s: f64,
    /// Frames in it, and their rate. At the very start of an MP3 these are more than the range has: what an encoder put in front
    /// is dropped by players only where the tag at the start of the file tells them so.
    pub frames: u64,
    pub rate_hz: u32,
    /// Length of the whole file that is written.
    pub bytes: u64,
    plan: Plan,
}

#[derive(Debug)]
enum Plan {
    /// These bytes, then a range of each file.
    Ranges {
        head: Vec<u8>,
        ranges: Vec<(u64, u64)>,
        pad: bool,
    },
    Flac(Box<flac::Plan>),
    Ogg(Box<ogg::Plan>),
}

/// What each format says of a range.
struct Found {
    /// Frames of the first recording and of the last, half open.
    from: u64,
    to: u64,
    /// Of the file that is written.
    frames: u64,
    rate_hz: u32,
    bytes: u64,
    plan: Plan,
}

/// What is said of a range without sound.
pub const NO_SOUND: &str = "there is no sound in this range";
pub const NOTHING: Flaw = Flaw::Unsupported(NO_SOUND);

/// Why recordings cannot be joined.
pub const DIFFERENT: Flaw = Flaw::Unsupported("recordings of different formats are not joined");

/// A part of a recording, in seconds from its start, half open; what lies beyond its end is left out.
pub struct Part<'a> {
    pub file: &'a dyn ReadAt,
    /// As in [`decode::open`](super::decode::open()).
    pub extension: &'a str,
    pub from_s: f64,
    pub to_s: f64,
}

/// A file, and what is wanted of it.
type Wanted<'a> = (&'a dyn ReadAt, Range);

/// Of one recording.
pub fn plan(file: &dyn ReadAt, extension: &str, from_s: f64, to_s: f64) -> Result<Cut, Flaw> {
    plan_joined(&[Part { file, extension, from_s, to_s }])
}

/// Of recordings that follow each other: every part but the first begins with its file, every part but the last ends with it.
pub fn plan_joined(parts: &[Part]) -> Result<Cut, Flaw> {
    let (mut wanted, mut what) = (Vec::new(), None);
    for part in parts {
        let from_s = part.from_s.max(0.0);
        if part.from_s.is_nan() || part.to_s.is_nan() || part.to_s <= from_s {
            return Err(NOTHING);
        }
        let kind = kind(part.file, part.extension)?;
        if *what.get_or_insert(kind) != kind {
            return Err(DIFFERENT);
        }
        wanted.push((part.file, Range { from_s, to_s: part.to_s }));
    }
    let found = match what.ok_or(NOTHING)? {
        Kind::Wav => wav::plan(&wanted)?,
        Kind::Framed(Framing::Flac) => flac::plan(&wanted)?,
        Kind::Framed(Framing::Ogg) => ogg::plan(&wanted)?,
        Kind::Framed(framing) => frames::plan(&wanted, framing)?,
    };
    let second = |frame: u64| frame as f64 / f64::from(found.rate_hz.max(1));
    Ok(Cut {
        from_s: second(found.from),
        to_s: second(found.to),
        frames: found.frames,
        rate_hz: found.rate_hz,
        bytes: found.bytes,
        plan: found.plan,
    })
}

impl Cut {
    /// Hands out exactly [`Cut::bytes`], from the file that was planned with, which must not have changed since but for what was
    /// appended to it.
    pub fn write(&self, file: &dyn ReadAt, out: &mut Sink) -> Result<(), Flaw> {
        self.write_joined(&[file], out)
    }

    /// The same from several files, in their order.
    pub fn write_joined(&self, files: &[&dyn ReadAt], out: &mut Sink) -> Result<(), Flaw> {
        match &self.plan {
            Plan::Ranges { head, ranges, pad } => {
                out(head)?;
                for (file, &(from, to)) in files.iter().zip(ranges) {
                    copy(*file, from, to, out)?;
                }
                if *pad {
                    out(&[0])?;
                }
                Ok(())
            }
            Plan::Flac(plan) => plan.write(files, out),
            Plan::Ogg(plan) => plan.write(files, out),
        }
    }
}

/// What was asked for.
#[derive(Clone, Copy)]
struct Range {
    from_s: f64,
    to_s: f64,
}

impl Range {
    /// The frame that holds `from`, and the one behind the last instant before `to`. A hair's breadth beside a frame is on it:
    /// seconds are decimal, frames are not.
    fn frames(&self, rate_hz: u32) -> (u64, u64) {
        const HAIR: f64 = 1e-6;
        let rate = f64::from(rate_hz);
        let from = (self.from_s * rate + HAIR).floor() as u64; // both saturate
        let to = (self.to_s * rate - HAIR).ceil() as u64;
        (from, to.max(from.saturating_add(1)))
    }
}

const COPY_BYTES: usize = 64 << 10;

fn copy(file: &dyn ReadAt, mut from: u64, to: u64, out: &mut Sink) -> Result<(), Flaw> {
    let mut buf = vec![0; COPY_BYTES];
    while from < to {
        let want = buf.len().min(usize::try_from(to - from).unwrap_or(usize::MAX));
        let have = fill_at(file, from, &mut buf[..want])?;
        if have == 0 {
            return Err(Flaw::IllFormed("it became shorter while it was cut"));
        }
        out(&buf[..have])?;
        from += have as u64;
    }
    Ok(())
}
