//! MP3: MPEG-1, 2 and 2.5 layer III frames (ISO/IEC 11172-3, 13818-3).
//!
//! A frame may need up to 511 bytes of main data of the frames before it. A file that begins with such a frame is given one
//! silent frame in front that carries just those bytes ([`Framer::prime`]), so that it decodes as it would have in the stream.

use super::super::mp3::{HEADER_BYTES, Header, MAX_FRAME_BYTES, RESERVOIR_BYTES};
use super::sync::{self, Found, Sync};
use super::{Sink, Skipped, Step, Unit};
use crate::message::{Codec, Format};
use crate::time::Rate;

/// Two of the longest frames (1,441 bytes) and what must be seen behind them, with room to spare.
pub const WINDOW_BYTES: usize = 8_000;
const _: () = assert!(WINDOW_BYTES >= sync::seen_bytes::<Header>());

impl sync::Header for Header {
    const BYTES: usize = HEADER_BYTES;
    const MAX_FRAME_BYTES: usize = MAX_FRAME_BYTES;

    fn parse(bytes: &[u8]) -> Option<Header> {
        Header::parse(bytes)
    }

    fn frame_bytes(&self) -> usize {
        Header::frame_bytes(self)
    }

    fn alike(&self, other: &Header) -> bool {
        Header::alike(self, other)
    }
}

pub struct Framer {
    sync: Sync<Header>,
    /// The stream changed, and no unit has said so yet.
    new_link: bool,
    /// Header of the last unit, and how far it reaches back.
    unit: Option<(Header, usize)>,
    /// Before the last unit, and after it.
    before: Reservoir,
    after: Reservoir,
}

/// The last main data; zeros where nothing is known.
type Reservoir = [u8; RESERVOIR_BYTES];

impl Default for Framer {
    fn default() -> Framer {
        let empty = [0; RESERVOIR_BYTES];
        Framer { sync: Sync::default(), new_link: false, unit: None, before: empty, after: empty }
    }
}

impl Framer {
    pub fn step(&mut self, bytes: &[u8], at_end: bool) -> Step {
        let (header, new_link) = match self.sync.step(bytes, at_end) {
            Found::More => return Step::More,
            Found::Skip { bytes, what } => return Step::Skip { bytes, what },
            Found::Frame { header, new_link } => (header, new_link),
        };
        self.new_link |= new_link;
        let frame = &bytes[..header.frame_bytes()]; // found whole
        if header.is_information(frame) {
            return Step::Skip { bytes: frame.len(), what: Skipped::Tag };
        }
        let new_link = std::mem::take(&mut self.new_link);
        if new_link {
            self.after.fill(0);
        }
        let reach = header.main_data_begin(frame);
        self.before = self.after;
        push(&mut self.after, header.main_data(frame));
        self.unit = Some((header, reach));
        Step::Unit(Unit { bytes: frame.len(), frames: header.frames(), entry: reach == 0, new_link })
    }

    pub fn format(&self) -> Option<Format> {
        let (header, _) = self.unit?;
        Some(Format::coded(Codec::Mp3, Rate::new(header.rate_hz)?, header.channels))
    }

    /// What the unit that was found last needs of the bit reservoir before it, when it begins a file: nothing, or a frame.
    pub fn prime(&self, _unit: &Unit, sink: &mut Sink) {
        let Some((header, reach @ 1..)) = self.unit else { return };
        let mut room = [0; MAX_FRAME_BYTES];
        let needed = &self.before[RESERVOIR_BYTES - reach.min(RESERVOIR_BYTES)..];
        sink(header.made_up(needed, &mut room));
    }
}

fn push(reservoir: &mut Reservoir, main_data: &[u8]) {
    let new = &main_data[main_data.len().saturating_sub(RESERVOIR_BYTES)..];
    reservoir.copy_within(new.len().., 0);
    reservoir[RESERVOIR_BYTES - new.len()..].copy_from_slice(new);
}
