//! `soundpost repair`.

use std::path::PathBuf;

use super::{Exit, put, say};
use crate::actor::store::{Formats, repair};
use crate::device::disk::{RealDisk, real_path};

/// Finishes recordings that were left unfinished. What is finished already is touched only if it is named and was cut off.
pub fn run(paths: &[PathBuf]) -> Exit {
    // An output folder is found above its files only by their whole path.
    let paths: Vec<PathBuf> = paths.iter().map(|path| real_path(path)).collect();
    let report = repair(&RealDisk, &paths, &Formats::default());
    for file in &report.kept {
        put(format_args!("recovered {}", file.display()));
    }
    for rest in &report.rests {
        put(format_args!("kept      {}: sound from behind the damage", rest.display()));
    }
    for part in &report.removed {
        put(format_args!("removed   {}: not one frame of sound in it", part.display()));
    }
    for (part, why) in &report.left {
        say(format_args!("{}: left alone: {why}", part.display()));
    }
    for text in &report.failed {
        say(text);
    }
    if report.failed.is_empty() { Exit::Done } else { Exit::Failed }
}
