//! The store: the only writer of the output folders. It decides *where* a file stands and makes sure that it stays there.
//!
//! What it promises: a power cut costs the last `sync_ns` of the files that are open and nothing of any other; a file has
//! its final name only when its data, its header and its sidecar are on disk, in this order; what was left unfinished is
//! finished at the next start; trouble of one lane's disk is no other lane's. It knows no formats: which bytes make a cut-off
//! file whole is told by [`Formats`].
//!
//! The thread's loop is [`run`]. What it knows lives in a [`Machine`] outside, so that a panic costs the loop and not the state.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::device::disk::Disk;
use crate::device::turns::Turns;
use crate::edge::{Nothing, Receiver};
use crate::format::ReadAt;
use crate::format::mend::{Mend, mend};
use crate::format::wav::size_patches;
use crate::message::library::Ask;
use crate::message::{Container, ToStore};
use crate::policy::schedule::Schedule;
use crate::status::{ActorStatus, LaneStatus, State};
use crate::time::Mono;

mod analysed;
mod begun;
mod choice;
mod closing;
mod core;
mod correct;
mod fallen;
mod fresh;
mod lane;
mod ledger;
mod look;
mod machine;
mod mending;
mod naming;
mod rename;
mod repair;
mod rest;
mod restart;
mod root;
mod steps;
mod taking;
mod watched;

pub use ledger::{parse as parse_gap_line, recent as recent_gaps};
pub use machine::Machine;
pub use naming::{EXTENSIONS, Places};
pub use rename::Naming;
pub use repair::{Report, repair};
pub use root::{MARK, places_of};
pub use watched::WATCHES;

/// One row a lane, in the order of [`crate::message::Lane`].
#[derive(Clone)]
pub struct LaneSettings {
    pub source: Arc<str>,
    /// Output folder; lanes may share one.
    pub root: PathBuf,
    /// `None`: `analyses` in the output folder. Lanes that share a folder share this too.
    pub analyses: Option<PathBuf>,
    /// Blocks of the lane's pool of encoded blocks, and its markers: what may wait here while its disk is in trouble.
    pub depth: usize,
    /// At most so much of the lane's open file is lost when the power goes.
    pub sync_ns: i64,
    /// Titles are written beside each recording too, as a cue sheet.
    pub cue: bool,
    /// When it is to be recorded; without, always: what is missing after a time without a recorder.
    pub schedule: Option<Schedule>,
    /// Files are named anew when their clock turns out to have been wrong.
    pub rename: Option<Naming>,
    pub status: Arc<LaneStatus>,
    /// Who makes room when its disk is full; one word is enough, and none is waited for.
    pub short: Option<async_channel::Sender<Ask>>,
}

#[derive(Clone)]
pub struct Settings {
    pub lanes: Vec<LaneSettings>,
    /// Blocks that the inbox can hold; while over a quarter of them are in it, what can wait does.
    pub inbox_depth: usize,
    pub formats: Formats,
    /// Gets the path of each file when it is begun, finished and analysed. A hint: it is not sent when the queue is full.
    pub recorded: Vec<async_channel::Sender<PathBuf>>,
    /// With whoever writes sidecars besides.
    pub turns: Arc<Turns>,
}

pub type MendFn = fn(Container, &dyn ReadAt) -> std::io::Result<Mend>;
pub type SizePatchesFn = fn(header_bytes: u32, file_bytes: u64, frame_bytes: usize) -> [(u64, [u8; 4]); 2];

/// All that the store has to know of what it writes.
#[derive(Clone)]
pub struct Formats {
    pub mend: MendFn,
    pub size_patches: SizePatchesFn,
    /// Long files are read by a thread of their own, so that recording goes on.
    pub beside: bool,
    /// Written into sidecars: name and version.
    pub software: Arc<str>,
}

impl Default for Formats {
    fn default() -> Formats {
        let software = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));
        Formats { mend, size_patches, beside: false, software: software.into() }
    }
}

/// How the loop ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// The inbox was closed and everything is on disk, or the time for that was over.
    Done,
    /// It panicked, and said this. Run it again with the same machine.
    Fell(String),
}

/// Time to finish after the last message: below the 90 s after which a service manager kills.
const FINISH: Duration = Duration::from_secs(20);

/// Between two tries to finish.
const FINISH_POLL: Duration = Duration::from_millis(100);

/// Messages between two steps, and the time for them.
const AT_ONCE: usize = 512;
const AT_ONCE_TIME: Duration = Duration::from_millis(200);

/// The thread's body, until the inbox closes.
pub fn run<D: Disk>(inbox: &Receiver<ToStore>, machine: &mut Machine<D>, status: &ActorStatus, now: &dyn Fn() -> Mono) -> End {
    // The machine is made to be looked at after a panic: each message and each step leaves its traces before it begins.
    match catch_unwind(AssertUnwindSafe(|| serve(inbox, machine, status, now))) {
        Ok(()) => End::Done,
        Err(panic) => {
            machine.recover(now());
            let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
            End::Fell(text.unwrap_or("no message").to_owned())
        }
    }
}

fn serve<D: Disk>(inbox: &Receiver<ToStore>, machine: &mut Machine<D>, status: &ActorStatus, now: &dyn Fn() -> Mono) {
    loop {
        status.begin();
        status.enter(State::Device);
        let before = now();
        machine.work(before, inbox.len());
        machine.took(before, now());
        // Everything that came meanwhile, so that what ends together is finished together; not for ever, for syncs are due too.
        let began = Instant::now();
        for _ in 0..inbox.len().min(AT_ONCE) {
            if began.elapsed() > AT_ONCE_TIME {
                break;
            }
            let Ok(message) = inbox.try_recv() else { break };
            let before = now();
            machine.push(message, before);
            machine.took(before, now());
        }
        let wait_ns = machine.next_due().map(|due| u64::try_from(due.since(now())).unwrap_or(0));
        let deadline = wait_ns.and_then(|ns| Instant::now().checked_add(Duration::from_nanos(ns)));
        status.enter(State::Idle);
        match inbox.recv_until(deadline) {
            Ok(message) => {
                status.enter(State::Device);
                let before = now();
                machine.push(message, before);
                machine.took(before, now());
            }
            Err(Nothing::Timeout) => {}
            Err(Nothing::Closed) => break,
        }
    }
    status.enter(State::Device);
    let end = Instant::now() + FINISH;
    while !machine.finish(now()) && Instant::now() < end {
        std::thread::sleep(FINISH_POLL);
        status.beat();
    }
    status.enter(State::Idle);
}
