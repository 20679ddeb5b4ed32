//! Any bytes as a configuration: read, and now and then shown as `soundpost check` does.
#![no_main]

use libfuzzer_sys::fuzz_target;
use soundpost::config::{Config, Environment, check};

fuzz_target!(|data: &[u8]| {
    let parsed = Config::parse(data, "soundpost.ini", &Environment::default());
    if data.len() % 16 == 0 {
        let _ = check::text(&parsed);
    }
    for problem in &parsed.problems {
        let _ = problem.to_string();
    }
});
