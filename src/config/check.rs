//! The effective configuration as text, for `soundpost check`: every key, its value, where it came from.
//!
//! What it prints is again a configuration that means the same, but for the secrets, which it does not print.

use std::fmt::Write;

use super::Parsed;
use super::problem::quoted;
use super::reader::Effective;

/// The effective configuration. Problems are not part of it.
pub fn text(parsed: &Parsed) -> String {
    let mut out = String::new();
    let broken = &parsed.config.broken_sources;
    let listed = parsed.effective.iter().filter(|e| !broken.iter().any(|b| b.name == e.section));
    let mut section = None;
    for line in listed {
        if section != Some(&line.section) {
            section = Some(&line.section);
            let gap = if out.is_empty() { "" } else { "\n" };
            push(&mut out, format_args!("{gap}[{}]\n", line.section));
        }
        push_key(&mut out, line);
    }
    for source in broken {
        push(&mut out, format_args!("\n# [{}] is left out (line {}): {}\n", quoted(&source.name), source.line, source.reason));
    }
    out
}

fn push_key(out: &mut String, line: &Effective) {
    // Two blanks at least: a comment begins after a blank.
    push(out, format_args!("{:<20}= {:<24}  # {}\n", line.key, line.value, line.origin));
}

fn push(out: &mut String, text: std::fmt::Arguments) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(text);
}
