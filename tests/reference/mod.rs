//! The independent program that analyses are held against, and the recordings that it is asked about.
#![allow(dead_code)] // each test binary uses its own part

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

/// What numpy says of each file; half of them at a time in a process of their own.
pub fn of(files: &[PathBuf]) -> Vec<Value> {
    let (first, second) = files.split_at(files.len().div_ceil(2));
    let (first, second) = std::thread::scope(|scope| {
        let beside = scope.spawn(|| said_of(second));
        (said_of(first), beside.join().expect("a reference"))
    });
    [first, second].concat()
}

fn said_of(files: &[PathBuf]) -> Vec<Value> {
    // Debian's own, which python3-numpy belongs to.
    let out = Command::new("/usr/bin/python3").arg("tests/reference/profile.py").args(files).output().expect("python3");
    assert!(out.status.success(), "the reference: {}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).expect("JSON");
    let all: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(all.len(), files.len());
    all
}

pub fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|n| n.as_f64().expect("a number")).collect()
}

/// The recordings of a day in a wood and of a spinetail, if they are here.
pub fn field() -> Option<Vec<PathBuf>> {
    let folder = std::env::var_os("SOUNDPOST_FIELD").map_or_else(|| PathBuf::from("../shared/field"), PathBuf::from);
    // A worktree lies one folder deeper.
    let folder = if folder.is_dir() { folder } else { PathBuf::from("../../shared/field") };
    let entries = std::fs::read_dir(&folder).ok()?;
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "wav"));
    files.sort();
    assert_eq!(files.len(), 25, "recordings in {}", folder.display());
    Some(files)
}
