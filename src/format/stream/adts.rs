//! AAC in ADTS frames (ISO/IEC 13818-7, 6.2; 14496-3, 1.A.2).

use super::{Skipped, Step};
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
}
