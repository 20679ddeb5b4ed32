//! Any bytes as an answer of an S3 or a WebDAV server.
#![no_main]

#[path = "../../tests/rules/mod.rs"]
mod rules;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    rules::xml(data);
});
