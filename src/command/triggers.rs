//! What each triggered source is recorded by, as text for `soundpost check`.

use std::fmt::Write;

use crate::config::Config;
use crate::message::analysis::Detector;

/// Empty where everything is recorded.
pub fn text(config: &Config) -> String {
    let mut out = String::new();
    for source in &config.sources {
        let Some(it) = source.lane.trigger.resolved(&config.analysis) else { continue };
        let what = match (it.detector, it.band_hz) {
            (Detector::Level, _) => "its level is".to_owned(),
            (Detector::Bands, None) => "any band is".to_owned(),
            (Detector::Bands, Some((low, high))) => format!("any band from {low} to {high} Hz is"),
        };
        let (name, margin) = (&source.name, it.margin.db());
        let (pre, post) = (it.pre_roll_seconds, it.post_roll_seconds);
        let least = if it.min_seconds > 0.0 { format!(", {} s at least", it.min_seconds) } else { String::new() };
        let most = it.max_seconds.map_or_else(String::new, |max| format!(", {max} s at most a file"));
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "\n[{name}] is recorded while {what} {margin} dB above the floor, with {pre} s before and {post} s after{least}{most}"
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    #[test]
    fn a_sentence_for_each() {
        let text_of = |keys: &str| {
            let ini = format!("[mic]\ntype = tone\n{keys}\n[other]\ntype = tone\nfilename_pattern = o%H\n");
            text(&Config::parse(ini.as_bytes(), "ini", &Environment::default()).config)
        };
        assert_eq!(text_of(""), "");
        let level = "\n[mic] is recorded while its level is 12 dB above the floor, with 2 s before and 1 s after\n";
        assert_eq!(text_of("trigger = level"), level);
        let bands = "\n[mic] is recorded while any band from 1000 to 4000 Hz is 9.5 dB above the floor, with 5 s before and 0 s \
                     after, 3 s at least, 60 s at most a file\n";
        let keys = "trigger = bands\ntrigger_margin = 9.5\ntrigger_band = 1k-4k\npre_roll = 5\npost_roll = 0\n\
                    trigger_min_seconds = 3\ntrigger_max_seconds = 60";
        assert_eq!(text_of(keys), bands);
    }
}
