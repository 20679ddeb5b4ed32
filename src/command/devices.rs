//! `soundpost devices`.

use super::{Exit, put};
use crate::device::alsa::{devices, text};

/// Lists what can be recorded from.
pub fn run() -> Exit {
    let listing = devices();
    put(text(&listing).trim_end());
    Exit::Done
}
