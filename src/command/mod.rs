//! What each subcommand does. Messages for the user go to stderr, data to stdout; a pipe that is closed is no reason to panic.

mod account;
pub mod analyse;
mod by_time;
mod calendar;
pub mod check;
mod console;
pub mod devices;
pub mod hash_password;
pub mod monitor;
pub mod piece;
pub mod play;
pub mod rebuild;
pub mod record;
mod reel;
pub mod repair;
pub mod retention;
pub mod serve;
pub mod triggers;
pub mod verify;

use std::fmt::Display;
use std::io::{self, Write};

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    Done = 0,
    Failed = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
}

/// A message: one line on stderr.
fn say(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// How far something is: a line on stderr that the next one replaces.
fn progress(text: impl Display) {
    let mut out = io::stderr();
    let _ = write!(out, "\r{text}").and_then(|()| out.flush());
}

/// Data: a line on stdout. `false` when nobody reads any more.
fn put(text: impl Display) -> bool {
    writeln!(io::stdout(), "{text}").is_ok()
}
