//! What sound cards are to the rest of this folder: a door of plain calls, so that everything that is decided about them
//! is tested by scripts. `libasound.rs` is the real thing; the scripts are in the tests of `reader.rs` and `mod.rs`.

use crate::device::alsa::negotiate::{Settled, Wish};
use crate::signal::pcm::Sample;
use crate::time::Mono;

/// Opens devices and lists what alsa-lib knows by name.
pub trait Door: Send {
    type Pcm: Pcm;

    /// Opens and sets up a PCM by alsa-lib's name for it; it is not started.
    fn open(&mut self, name: &str, wish: &Wish) -> Result<(Self::Pcm, Shape), Refusal>;

    /// PCM names that the configuration advertises for capture.
    fn hints(&mut self) -> Vec<Hint>;

    /// What a device offers, without recording from it.
    fn probe(&mut self, name: &str) -> Result<Offer, Trouble>;
}

/// An open device. No call blocks, except `wait` and `rest` for the time they are given; none allocates.
pub trait Pcm: Send {
    fn now(&self) -> Now;

    /// Waits until a period is there, something is wrong, or the time is up; `look` tells which.
    fn wait(&mut self, ms: u32) -> Result<(), Trouble>;

    /// Frames that wait to be read, after asking the hardware.
    fn look(&mut self) -> Result<Look, Trouble>;

    /// Reads whole frames as the device lays them out; the number of frames.
    fn read(&mut self, space: &mut [u8]) -> Result<usize, Trouble>;

    fn prepare(&mut self) -> Result<(), Trouble>;

    fn start(&mut self) -> Result<(), Trouble>;

    fn resume(&mut self) -> Result<(), Trouble>;

    fn rest(&mut self, ms: u32);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// CLOCK_MONOTONIC: what the recorder's time is made of. Time daemons slew it.
    pub mono: Mono,
    /// CLOCK_MONOTONIC_RAW: only differences mean anything, but nobody touches it.
    pub raw: Mono,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    pub frames: u64,
    /// When the driver says that the newest of them was captured; to be believed only after a check.
    pub stamp: Option<Mono>,
}

/// Failures by what they ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// EAGAIN: nothing now.
    Again,
    /// EINTR: a signal came.
    Interrupted,
    /// EPIPE: the device's buffer overran and it stopped.
    Overrun,
    /// ESTRPIPE: the machine slept.
    Suspended,
    /// ENODEV and kin: unplugged, or the connection to a sound server is lost.
    Gone,
    /// ENOENT: no such device or name.
    Absent,
    /// EBUSY: another program has it.
    Busy,
    /// EACCES, EPERM.
    Denied,
    /// Anything else, by its errno.
    Other(i32),
}

/// How a device was set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub settled: Settled,
    pub period_frames: u64,
    pub buffer_frames: u64,
    /// The driver stamps frames by CLOCK_MONOTONIC and this libasound hands stamps over in the expected width.
    pub stamped: bool,
}

/// Why a device could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The name does not lead to a device that opens.
    Closed(Trouble),
    /// It opens, but nothing that the recorder can use is on offer.
    Unfit(Offer),
    /// It opens, but would not be set up: the step and its failure.
    Setup(&'static str, Trouble),
}

/// What a device offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    pub samples: Vec<Sample>,
    /// Lowest and highest.
    pub channels: (u32, u32),
    /// Of the usual rates, those it has.
    pub rates: Vec<u32>,
}

/// A PCM name that alsa-lib's configuration advertises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    pub name: String,
    pub description: String,
}
