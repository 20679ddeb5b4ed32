//! Any bytes as a configuration: read, now and then shown as `soundpost check` does, and as the page does, without its secrets.
#![no_main]

use libfuzzer_sys::fuzz_target;
use soundpost::config::{Config, Environment, check, mask};

fuzz_target!(|data: &[u8]| {
    let parsed = Config::parse(data, "soundpost.ini", &Environment::default());
    if data.len() % 16 == 0 {
        let _ = check::text(&parsed);
    }
    if let Ok(text) = std::str::from_utf8(data).map(|text| text.replace(mask::MASK, "")) {
        assert_eq!(mask::unmasked(&mask::masked(&text), &text).as_ref(), Ok(&text));
    }
    for problem in &parsed.problems {
        let _ = problem.to_string();
    }
});
