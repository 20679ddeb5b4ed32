//! Any bytes as a stream of native FLAC: framed, cut into files, mended, verified.
#![no_main]

#[path = "../../tests/rules/mod.rs"]
mod rules;

use libfuzzer_sys::fuzz_target;
use soundpost::format::stream::Framing;

fuzz_target!(|data: &[u8]| {
    rules::stream(Framing::Flac, data);
});
