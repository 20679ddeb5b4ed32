//! The layer rules of `src/lib.rs`, checked on the sources.

use std::fs;
use std::path::{Path, PathBuf};

/// (files under this path, modules of ours that their code must not name, whether they are pure).
const RULES: &[(&str, &[&str], bool)] = &[
    ("time.rs", &["crate::"], false),
    ("edge.rs", &["crate::"], false),
    ("pool.rs", UPPER, false),
    ("message.rs", UPPER, false),
    ("status.rs", UPPER, false),
    ("format", &["crate::signal", "crate::policy", "crate::device", "crate::actor", "crate::config", "crate::web"], true),
    ("signal", &["crate::format", "crate::policy", "crate::device", "crate::actor", "crate::config"], true),
    ("policy", &["crate::format", "crate::signal", "crate::device", "crate::actor", "crate::config"], true),
    ("web", &["crate::signal", "crate::device", "crate::actor", "crate::config", "crate::wiring", "crate::command"], true),
    ("device", &["crate::actor", "crate::config", "crate::wiring", "crate::supervisor"], false),
    ("actor", &["crate::config", "crate::wiring", "crate::supervisor", "crate::command"], false),
];

/// Everything above layer 0.
const UPPER: &[&str] = &["crate::format", "crate::signal", "crate::policy", "crate::device", "crate::actor", "crate::config"];

/// What pure code must not name.
const PURE: &[&str] = &["async_channel", "std::thread", "std::fs::", "std::net", "log::", "Instant::now"];

/// (crate, the only path below src that may name it).
const DOORS: &[(&str, &str)] = &[
    ("alsa::", "device/alsa/libasound.rs"),
    ("alsa_sys::", "device/alsa/timestamp.rs"),
    ("claxon::", "format"),
    ("hound::", "format"),
    ("libflac_sys", "format"),
    ("opusic_sys::", "format/opus_door.rs"),
    ("symphonia::", "format/decode/symphonia.rs"),
    ("libc::", "device"),
    ("env_logger", "logging.rs"),
    ("rustfft::", "signal/fft.rs"),
    ("ureq::", "device"),
    ("tinyaudio", "device/speaker.rs"),
    ("rusqlite::", "device/catalogue"),
    ("tiny_http::", "actor/http"),
    ("httparse::", "web/head.rs"),
    ("argon2::", "web/auth.rs"),
    ("flate2::", "web/gzip.rs"),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("src is readable") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Code lines of a file with their numbers: no comments, nothing below `mod tests`.
fn code(path: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(path).expect("readable");
    let body = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = body.lines().enumerate();
    lines.filter(|(_, l)| !l.trim_start().starts_with("//")).map(|(n, l)| (n + 1, l.to_owned())).collect()
}

fn check(below: impl Fn(&Path) -> bool, word: &str, why: &str, broken: &mut Vec<String>) {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    assert!(files.len() > 20, "the sources are found");
    for file in files {
        let relative = file.strip_prefix(&src).expect("below src").to_owned();
        if below(&relative) {
            let lines = code(&file);
            // A module of ours may be called as its crate is; then the file says where it is from.
            let own = format!("crate::device::{}", word.trim_end_matches("::"));
            if lines.iter().any(|(_, line)| line.contains(&own)) {
                continue;
            }
            let hits = lines.into_iter().filter(|(_, line)| names(line, word));
            broken.extend(hits.map(|(n, line)| format!("src/{}:{n}: {why} '{word}': {}", relative.display(), line.trim())));
        }
    }
}

/// Whether `word` stands in `line` at the start of a path, not as the end of a longer name.
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

#[test]
fn every_layer_keeps_its_place() {
    let mut broken = Vec::new();
    for (place, words, is_pure) in RULES {
        let pure = if *is_pure { PURE } else { &[] };
        for word in words.iter().chain(pure) {
            check(|path| path.starts_with(place), word, "this layer must not name", &mut broken);
        }
    }
    for (word, door) in DOORS {
        check(|path| !path.starts_with(door), word, "only its door may name", &mut broken);
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_check_sees_a_break() {
    assert!(names("use crate::actor::store;", "crate::actor"));
    assert!(names("    log::info!(\"x\")", "log::"));
    assert!(!names("use crate::dialog::x;", "log::"));
}
