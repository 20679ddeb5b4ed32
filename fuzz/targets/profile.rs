//! Any bytes as a profile, as they are and with the right checksum.
#![no_main]

#[path = "../../tests/rules/mod.rs"]
mod rules;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    rules::profile(data);
    rules::profile(&rules::profile_with_right_checksum(data));
});
