//! What must hold whatever bytes a server sends or a disk returns: the rules of `tests/mutation.rs` and of the fuzz targets, in one place.
//!
//! Every rule takes any bytes, panics where it does not hold, and says what was in them.
#![allow(dead_code, unused_imports)] // each target uses its part

mod container;
mod http;
mod profile;
mod recording;
mod stream;
mod text;
mod xml;

pub use container::{fmp4, id3, mpegts};
pub use http::http;
pub use profile::{profile, profile_with_right_checksum};
pub use recording::recording;
pub use stream::{ogg_with_right_checksums, sniff, stream};
pub use text::{clock_reference, hls, icy, playlist};
pub use xml::xml;

/// What was found in spoilt bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    Nothing,
    Whole,
    /// Damage whose checksum is right, as one in 65,536 is, so that nothing but decoding shows it.
    Chance,
}

impl Left {
    fn of(found: bool) -> Left {
        if found { Left::Whole } else { Left::Nothing }
    }
}

/// A size of pieces that the bytes themselves choose, so that a failure can be shown again: from 1 on, and not so small that a
/// long input takes long.
fn piece(bytes: &[u8]) -> usize {
    let sum = bytes.iter().fold(17_usize, |sum, &b| sum.wrapping_mul(31).wrapping_add(b.into()));
    (1 + sum % 997).max(bytes.len() / 256)
}
