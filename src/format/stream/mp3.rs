//! MP3: MPEG-1, 2 and 2.5 layer III frames (ISO/IEC 11172-3, 13818-3).

use super::{Sink, Skipped, Step, Unit};
use crate::message::Format;

pub const WINDOW_BYTES: usize = 32 << 10;

#[derive(Default)]
pub struct Framer;

impl Framer {
    pub fn step(&mut self, bytes: &[u8], at_end: bool) -> Step {
        if at_end { Step::Skip { bytes: bytes.len(), what: Skipped::Garbage } } else { Step::More }
    }

    pub fn format(&self) -> Option<Format> {
        None
    }

    /// What the unit needs of the bit reservoir before it, when it begins a file.
    pub fn prime(&self, _unit: &Unit, _sink: &mut Sink) {}
}
