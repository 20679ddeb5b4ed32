//! What the kernel says of its clock, for a program under test: as it is wanted, not as this machine's happens to be.
#![allow(dead_code)]

use std::path::PathBuf;

use super::{Place, tool};

/// A library for LD_PRELOAD.
pub fn kernel_clock(place: &Place, is_synced: bool) -> PathBuf {
    let (source, library) = (concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/kernel_clock.c"), place.path("kernel_clock.so"));
    let status = if is_synced { "-DSTATUS=0" } else { "-DSTATUS=STA_UNSYNC" };
    tool("cc", &["-shared", "-fPIC", "-O2", status, "-o", library.to_str().expect("plain"), source]);
    library
}
