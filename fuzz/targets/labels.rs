//! Any bytes as a table of labels.
#![no_main]

use libfuzzer_sys::fuzz_target;
use soundpost::format::labels::{MOST, parse};

fuzz_target!(|data: &[u8]| {
    for label in parse(data).iter().flatten() {
        assert!(label.from_s <= label.to_s && label.to_s.is_finite() && !label.name.is_empty());
    }
    assert!(parse(data).is_none_or(|labels| labels.len() <= MOST));
});
