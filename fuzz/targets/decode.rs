//! Any bytes as a recording of every kind: decoded, jumped in, cut and clipped.
#![no_main]

#[path = "../../tests/rules/mod.rs"]
mod rules;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for extension in ["wav", "mp3", "aac"] {
        rules::recording(data, extension);
    }
    rules::recording(&rules::ogg_with_right_checksums(data), "ogg");
});
