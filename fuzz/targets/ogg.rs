//! Any bytes as an Ogg stream, as they are and with right checksums: framed, cut into files, mended, verified.
#![no_main]

#[path = "../../tests/rules/mod.rs"]
mod rules;

use libfuzzer_sys::fuzz_target;
use soundpost::format::stream::Framing;

fuzz_target!(|data: &[u8]| {
    rules::stream(Framing::Ogg, data);
    rules::stream(Framing::Ogg, &rules::ogg_with_right_checksums(data));
});
