//! Streams that are kept as they come: which bytes belong together, how long they last, and what a file of them needs.
//!
//! One contract for every codec, in two halves. A [`Framer`] is shown the bytes of one connection and says what they begin
//! with; it needs no more than a window that its caller owns, may be fed in pieces of any size, and finds its way again
//! after garbage. A [`Writer`] turns units into the bytes of one file: headers first, numbers from the start, nothing decoded.
//!
//! ```text
//! connection bytes ──► Framer::step ──► Step::{More, Skip, Headers, Unit} ──► Writer::{begin, unit, link, end} ──► file bytes
//! ```
//! Nothing is allocated from one unit to the next; headers may allocate.

pub mod adts;
pub mod flac;
pub mod mend;
pub mod mp3;
pub mod ogg;
pub mod pass;
pub mod sniff;
mod sync;
mod walk;

use std::io;

use super::{ReadAt, fill_at};
use crate::message::{Closing, Codec, Container, Format, Identity};

/// What the shown bytes begin with. Whatever is counted in bytes is passed by the caller before the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing can be said before more bytes are there; never at the end.
    More,
    /// Not sound: passed over.
    Skip {
        bytes: usize,
        what: Skipped,
    },
    /// Headers of a stream or of a new link of a chain; the framer has learnt and kept them.
    Headers {
        bytes: usize,
    },
    Unit(Unit),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skipped {
    /// Bytes that fit nowhere: counted, and said.
    Garbage,
    /// A tag or an information frame (ID3, Xing, LAME), which belongs to another file.
    Tag,
}

/// The smallest piece of sound that stays whole: an MP3 or ADTS frame, a FLAC coded frame, an Ogg page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    pub bytes: usize,
    /// Frames (samples of each channel) that it adds; 0 for an Ogg page that only continues a packet.
    pub frames: u32,
    /// A file may begin with it: no earlier bit reservoir is needed, no packet is continued in it.
    pub entry: bool,
    /// The stream is another one from here on: it was preceded by headers since the last unit.
    pub new_link: bool,
}

/// Reads one connection. Shape of the bytes: any; it never panics, and every byte is passed exactly once.
pub enum Framer {
    Mp3(Box<mp3::Framer>),
    Adts(adts::Framer),
    Ogg(Box<ogg::Framer>),
    Flac(Box<flac::Framer>),
}

/// What kind of framing the bytes have; the codec inside an Ogg is known only after its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    Mp3,
    Adts,
    Ogg,
    Flac,
}

impl Framer {
    pub fn new(framing: Framing) -> Framer {
        match framing {
            Framing::Mp3 => Framer::Mp3(Box::default()),
            Framing::Adts => Framer::Adts(adts::Framer::default()),
            Framing::Ogg => Framer::Ogg(Box::default()),
            Framing::Flac => Framer::Flac(Box::default()),
        }
    }

    /// What `bytes` begin with; they start where the last step ended. `at_end`: nothing will follow them.
    /// With [`Framer::window_bytes`] of them the answer is never `More`.
    pub fn step(&mut self, bytes: &[u8], at_end: bool) -> Step {
        match self {
            Framer::Mp3(framer) => framer.step(bytes, at_end),
            Framer::Adts(framer) => framer.step(bytes, at_end),
            Framer::Ogg(framer) => framer.step(bytes, at_end),
            Framer::Flac(framer) => framer.step(bytes, at_end),
        }
    }

    /// Of the link that the last unit belongs to; `None` before the first unit.
    pub fn format(&self) -> Option<Format> {
        match self {
            Framer::Mp3(framer) => framer.format(),
            Framer::Adts(framer) => framer.format(),
            Framer::Ogg(framer) => framer.format(),
            Framer::Flac(framer) => framer.format(),
        }
    }

    /// The longest unit and what must be seen behind it to be sure.
    pub fn window_bytes(&self) -> usize {
        match self {
            Framer::Mp3(_) => mp3::WINDOW_BYTES,
            Framer::Adts(_) => adts::WINDOW_BYTES,
            Framer::Ogg(_) => ogg::WINDOW_BYTES,
            Framer::Flac(_) => flac::WINDOW_BYTES,
        }
    }
}

/// Takes the bytes of a file in their order.
pub type Sink<'a> = dyn FnMut(&[u8]) + 'a;

/// One file in the making.
pub enum Writer {
    Mp3,
    Adts,
    Ogg(Box<ogg::Writer>),
    Flac(Box<flac::Writer>),
}

/// Bytes that replace what stands at this offset of the file.
pub type Patches = heapless::Vec<(u64, Vec<u8>), 4>;

impl Writer {
    /// A file that begins with the unit the framer has just found, and the bytes before that unit: codec headers, or what
    /// an MP3 frame needs of the bit reservoir before it.
    pub fn begin(framer: &Framer, unit: &Unit, identity: &Identity, sink: &mut Sink) -> Writer {
        match framer {
            Framer::Mp3(framer) => {
                framer.prime(unit, sink);
                Writer::Mp3
            }
            Framer::Adts(_) => Writer::Adts,
            Framer::Ogg(framer) => Writer::Ogg(Box::new(ogg::Writer::begin(framer, sink))),
            Framer::Flac(framer) => Writer::Flac(Box::new(flac::Writer::begin(framer, identity, sink))),
        }
    }

    /// The unit that the framer has just found, as it stands in this file. `bytes` are the whole unit. A unit with `new_link`
    /// that continues a file brings its headers along.
    pub fn unit(&mut self, framer: &Framer, unit: &Unit, bytes: &[u8], sink: &mut Sink) {
        match (self, framer) {
            (Writer::Ogg(writer), Framer::Ogg(framer)) => writer.unit(framer, unit, bytes, sink),
            (Writer::Flac(writer), Framer::Flac(_)) => writer.unit(unit, bytes, sink),
            _ => sink(bytes),
        }
    }

    /// What must be changed in the file now that it has its last unit.
    pub fn end(self, closing: &Closing) -> Patches {
        match self {
            Writer::Mp3 | Writer::Adts => Patches::new(),
            Writer::Ogg(writer) => writer.end(),
            Writer::Flac(writer) => writer.end(closing),
        }
    }
}

/// Bytes of a tag (ID3, APE) that stands at this place of a file; 0 when none does.
pub(crate) fn tag_bytes(file: &dyn ReadAt, at: u64) -> io::Result<u64> {
    let mut start = [0; 32];
    let have = fill_at(file, at, &mut start)?;
    Ok(match sync::tag(&start[..have]) {
        sync::Tag::Yes(bytes) => bytes as u64,
        sync::Tag::No | sync::Tag::More => 0,
    })
}

/// The file that units of this codec make.
pub const fn container(codec: Codec) -> Container {
    match codec {
        Codec::Mp3 => Container::Mp3,
        Codec::Aac => Container::Aac,
        Codec::Vorbis | Codec::OggFlac => Container::Ogg,
        Codec::Opus => Container::Opus,
        Codec::Flac => Container::Flac,
    }
}
