//! Ogg pages (RFC 3533) with Vorbis, Opus (RFC 7845) or FLAC (RFC 9639, 10.1) in them.

use super::{Patches, Sink, Skipped, Step, Unit};
use crate::message::Format;

pub const WINDOW_BYTES: usize = 128 << 10;

#[derive(Default)]
pub struct Framer;

impl Framer {
    pub fn step(&mut self, bytes: &[u8], at_end: bool) -> Step {
        if at_end { Step::Skip { bytes: bytes.len(), what: Skipped::Garbage } } else { Step::More }
    }

    pub fn format(&self) -> Option<Format> {
        None
    }
}

pub struct Writer;

impl Writer {
    pub fn begin(_framer: &Framer, _sink: &mut Sink) -> Writer {
        Writer
    }

    pub fn unit(&mut self, _framer: &Framer, _unit: &Unit, bytes: &[u8], sink: &mut Sink) {
        sink(bytes);
    }

    pub fn end(self) -> Patches {
        Patches::new()
    }
}
