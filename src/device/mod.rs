//! The outside world behind small doors: one trait a kind, the real thing and its stand-in side by side.
//!
//! Each external crate that touches the world has one file here. Nothing in this folder decides what to do next;
//! a failure is a [`Fault`] whose kind tells the caller which answer it wants.

pub mod alsa;
pub mod cards;
pub mod catalogue;
pub mod clock;
pub mod descriptors;
pub mod disk;
pub mod file;
pub mod folder;
pub mod health;
pub mod memory;
#[cfg(feature = "mqtt")]
pub mod mqtt;
pub mod pacer;
pub mod program;
pub mod remote;
pub mod sched;
pub mod scratch;
pub mod service;
pub mod settings_file;
pub mod speaker;
pub mod stream;
pub mod tone;
pub mod turns;

use std::fmt;

use crate::message::{PcmFormat, Reason};
use crate::time::Mono;

/// A device that did not do as asked. The text is one line for the user: what, where, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub kind: FaultKind,
    pub what: String,
}

/// What the caller should do about a [`Fault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Try again after a while.
    Retry,
    /// The device is not there (any more); look for it until it is.
    Gone,
    /// It is there, and nothing comes from it: open it anew.
    Stalled,
    /// No room; try again when there is some.
    Full,
    /// The other side answers and refuses (password, certificate, redirects): somebody must act, here or there. Try again, seldom.
    Refused,
    /// It will not work however often it is tried: the configuration must change.
    Config,
}

impl Fault {
    pub fn new(kind: FaultKind, what: impl Into<String>) -> Fault {
        Fault { kind, what: what.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Fault {}

/// Whether a source waits for its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Samples come whether anybody reads or not; what is not read in time is lost.
    RealTime,
    /// The source waits: nothing is ever lost for want of a buffer.
    OnDemand,
}

/// What opening a source settled.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    pub format: PcmFormat,
    pub pace: Pace,
    /// When frame 0 was captured, as well as is known now.
    pub at: Mono,
    /// What was negotiated, for the log: "hw:1,0 S16_LE 48000 Hz 2 channels, period 100 ms, buffer 2000 ms".
    pub text: String,
}

/// What one read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// `frames` whole frames were written to the space; the last of them ended at `at`.
    Frames { frames: u32, at: Mono },
    /// Frames that were never seen, lost before whatever comes next.
    Lost { frames: u64, reason: Reason },
    /// Nothing came within the source's patience (at most 500 ms).
    Idle,
    /// There will be no more.
    End,
}

/// Anything that yields PCM. One thread owns it.
pub trait Source: Send {
    /// Opens it, or opens it anew after a failure: what was open before is closed first.
    fn open(&mut self) -> Result<Opened, Fault>;

    /// Closes it, if it is open: it draws no power and others may have it, until it is opened again.
    fn close(&mut self) {}

    /// Reads whole frames, in the format that `open` named, into the front of `space`; waits at most 500 ms for the first.
    /// Allocates nothing.
    fn read(&mut self, space: &mut [u8]) -> Result<Read, Fault>;

    /// One line about something that the user should know and that is no failure, once. Asked for after `open`, and about
    /// once a second while it runs; allocates only when there is something to say.
    fn remark(&mut self) -> Option<String> {
        None
    }

    /// Whether somebody listens just now, told before each read: a real-time source then delivers every 20 ms.
    fn hurry(&mut self, _is_wanted: bool) {}
}
