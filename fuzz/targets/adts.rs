//! Any bytes as AAC in ADTS frames: framed, cut into files, mended, verified.
#![no_main]

#[path = "../../tests/rules/mod.rs"]
mod rules;

use libfuzzer_sys::fuzz_target;
use soundpost::format::stream::Framing;

fuzz_target!(|data: &[u8]| {
    rules::stream(Framing::Adts, data);
});
