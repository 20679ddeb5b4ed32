//! AAC in ADTS frames (ISO/IEC 13818-7, 6.2; 14496-3, 1.A.2). Every frame can begin a file.

use super::super::adts::{HEADER_BYTES, Header, MAX_FRAME_BYTES};
use super::sync::{self, Found, Sync};
use super::{Step, Unit};
use crate::message::{Codec, Format};
use crate::time::Rate;

/// Two of the longest frames (8,191 bytes) and what must be seen behind them, with room to spare.
pub const WINDOW_BYTES: usize = 20_000;
const _: () = assert!(WINDOW_BYTES >= sync::seen_bytes::<Header>());

impl sync::Header for Header {
    const BYTES: usize = HEADER_BYTES;
    const MAX_FRAME_BYTES: usize = MAX_FRAME_BYTES;

    fn parse(bytes: &[u8]) -> Option<Header> {
        Header::parse(bytes)
    }

    fn frame_bytes(&self) -> usize {
        self.frame_bytes
    }

    fn alike(&self, other: &Header) -> bool {
        Header::alike(self, other)
    }
}

#[derive(Default)]
pub struct Framer {
    sync: Sync<Header>,
    unit: Option<Header>,
}

impl Framer {
    pub fn step(&mut self, bytes: &[u8], at_end: bool) -> Step {
        match self.sync.step(bytes, at_end) {
            Found::More => Step::More,
            Found::Skip { bytes, what } => Step::Skip { bytes, what },
            Found::Frame { header, new_link } => {
                self.unit = Some(header);
                Step::Unit(Unit { bytes: header.frame_bytes, frames: header.frames, entry: true, new_link })
            }
        }
    }

    /// At the rate of the core: an HE-AAC sounds at twice of it, and lasts as long.
    pub fn format(&self) -> Option<Format> {
        let header = self.unit?;
        Some(Format::coded(Codec::Aac, Rate::new(header.rate_hz)?, header.channels))
    }
}
