//! Any bytes as a transport stream, as they are and with right checksums of its tables.
#![no_main]

#[path = "../../tests/rules/mod.rs"]
mod rules;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    rules::mpegts(data);
});
