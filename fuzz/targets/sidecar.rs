//! Any bytes as a sidecar.
#![no_main]

use libfuzzer_sys::fuzz_target;
use soundpost::format::sidecar::Sidecar;

fuzz_target!(|data: &[u8]| {
    let _ = Sidecar::read(data);
});
