//! Any bytes as M3U, PLS and XSPF, and their lines as addresses.
#![no_main]

#[path = "../../tests/rules/mod.rs"]
mod rules;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    rules::playlist(data);
});
