//! The real sound cards: the only file that speaks to the crate `alsa`. It translates and decides nothing.
//!
//! Avoided on purpose: `PCM::state` and `Status::get_state`, which panic on states that alsa-lib returns after an unplug; blocking
//! reads and `snd_pcm_wait`, which can hang for ever; `PCM::new`, which panics on a NUL in the name.

use std::cell::RefCell;
use std::ffi::CString;
use std::rc::Rc;
use std::time::Duration;

use alsa::pcm::{Access, Format, HwParams, PCM, TstampType};
use alsa::poll::{Descriptors, poll, pollfd};
use alsa::{Direction, ValueOr};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use crate::device::alsa::door::{Door, Hint, Look, Now, Offer, Pcm, Refusal, Shape, Trouble};
use crate::device::alsa::negotiate::{Offers, Settled, Wish, settle};
use crate::device::alsa::timestamp;
use crate::signal::pcm::Sample;
use crate::time::{Mono, Rate, SECOND_NS};

/// Rates that devices are asked about; others can still be configured.
const USUAL_RATES: [u32; 14] =
    [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000, 250_000, 256_000, 384_000];

/// alsa-lib on this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Libasound;

impl Door for Libasound {
    type Pcm = Card;

    fn open(&mut self, name: &str, wish: &Wish) -> Result<(Card, Shape), Refusal> {
        let _quiet = Quiet::new();
        let pcm = open(name).map_err(Refusal::Closed)?;
        let Some(settled) = settle(&Space(&pcm), wish) else {
            return Err(Refusal::Unfit(offer(&pcm).unwrap_or_default()));
        };
        let shape = set_up(&pcm, settled, wish).map_err(|error| Refusal::Setup(error.func(), trouble(error)))?;
        let nothing = pollfd { fd: -1, events: 0, revents: 0 };
        let descriptors = vec![nothing; pcm.count()].into_boxed_slice();
        Ok((Card { pcm, descriptors, stamped: shape.stamped }, shape))
    }

    fn hints(&mut self) -> Vec<Hint> {
        let _quiet = Quiet::new();
        let Ok(hints) = alsa::device_name::HintIter::new(None, c"pcm") else { return Vec::new() };
        let captures = hints.filter(|hint| hint.direction != Some(Direction::Playback));
        captures.filter_map(|hint| Some(Hint { name: hint.name?, description: hint.desc.unwrap_or_default() })).collect()
    }

    fn probe(&mut self, name: &str) -> Result<Offer, Trouble> {
        let _quiet = Quiet::new();
        offer(&open(name)?).map_err(trouble)
    }
}

impl Libasound {
    /// What the default output would be set up with, near this rate and period, for two channels of 16 bits: its rate, and the frames
    /// that it holds. It is closed again.
    pub fn output(self, rate_hz: u32, period_frames: u32) -> Result<(u32, u32), Trouble> {
        let _quiet = Quiet::new();
        let asked = PCM::open(c"default", Direction::Playback, true).and_then(|pcm| {
            let hw = space(&pcm, Sample::S16)?;
            let rate = hw.set_rate_near(rate_hz, ValueOr::Nearest)?;
            hw.set_channels(2)?;
            hw.set_period_size_near(i64::from(period_frames) as alsa::pcm::Frames, ValueOr::Nearest)?;
            hw.set_buffer_size_near(2 * i64::from(period_frames) as alsa::pcm::Frames)?;
            pcm.hw_params(&hw)?;
            Ok((rate, u32::try_from(hw.get_buffer_size()?).unwrap_or(0)))
        });
        asked.map_err(trouble)
    }
}

/// An open device.
pub struct Card {
    pcm: PCM,
    descriptors: Box<[pollfd]>,
    stamped: bool,
}

impl Pcm for Card {
    fn now(&self) -> Now {
        Now { mono: clock(ClockId::Monotonic), raw: clock(ClockId::MonotonicRaw) }
    }

    fn wait(&mut self, ms: u32) -> Result<(), Trouble> {
        // Filled anew each time: plugins such as dsnoop may change their descriptors.
        self.pcm.fill(&mut self.descriptors).map_err(trouble)?;
        if poll(&mut self.descriptors, ms.min(1_000) as i32).map_err(trouble)? > 0 {
            // Plugins empty their own descriptors here; without it the next poll would not wait.
            self.pcm.revents(&self.descriptors).map_err(trouble)?;
        }
        Ok(())
    }

    #[allow(clippy::useless_conversion)] // a time stamp's fields have 32 bits on some 32-bit machines
    fn look(&mut self) -> Result<Look, Trouble> {
        let frames = u64::try_from(self.pcm.avail().map_err(trouble)?).unwrap_or(0);
        if !self.stamped || frames == 0 {
            return Ok(Look { frames, stamp: None });
        }
        // The status knows frames and instant of one and the same moment.
        let status = self.pcm.status().map_err(trouble)?;
        let stamp = status.get_htstamp();
        let ns = i64::from(stamp.tv_sec).checked_mul(SECOND_NS).and_then(|ns| ns.checked_add(i64::from(stamp.tv_nsec)));
        Ok(Look { frames: u64::try_from(status.get_avail()).unwrap_or(0), stamp: ns.map(Mono) })
    }

    fn read(&mut self, space: &mut [u8]) -> Result<usize, Trouble> {
        self.pcm.io_bytes().readi(space).map_err(trouble)
    }

    fn prepare(&mut self) -> Result<(), Trouble> {
        self.pcm.prepare().map_err(trouble)
    }

    fn start(&mut self) -> Result<(), Trouble> {
        self.pcm.start().map_err(trouble)
    }

    fn resume(&mut self) -> Result<(), Trouble> {
        self.pcm.resume().map_err(trouble)
    }

    fn rest(&mut self, ms: u32) {
        std::thread::sleep(Duration::from_millis(u64::from(ms)));
    }
}

/// A name with a NUL names nothing.
fn open(name: &str) -> Result<PCM, Trouble> {
    let name = CString::new(name).map_err(|_| Trouble::Absent)?;
    PCM::open(&name, Direction::Capture, true).map_err(trouble)
}

fn set_up(pcm: &PCM, settled: Settled, wish: &Wish) -> alsa::Result<Shape> {
    let hw = space(pcm, settled.sample)?;
    hw.set_channels(u32::from(settled.channels))?;
    hw.set_rate(settled.rate.hz(), ValueOr::Nearest)?;
    // The buffer first: it is what bridges a stall. A period is then at most half of it.
    let buffer_us = hw.set_buffer_time_near(wish.buffer_ms.saturating_mul(1_000), ValueOr::Nearest)?;
    hw.set_period_time_near(wish.period_ms.saturating_mul(1_000).min(buffer_us / 2), ValueOr::Nearest)?;
    pcm.hw_params(&hw)?;
    let (buffer_frames, period_frames) = (hw.get_buffer_size()?, hw.get_period_size()?);

    let sw = pcm.sw_params_current()?;
    sw.set_avail_min(period_frames)?;
    sw.set_start_threshold(1)?;
    sw.set_stop_threshold(buffer_frames)?;
    // Drivers may refuse stamps or their clock; then the moment of reading is used.
    let stamped = timestamp::trustworthy()
        && sw.set_tstamp_mode(true).is_ok()
        && sw.set_tstamp_type(TstampType::Monotonic).is_ok()
        && sw.get_tstamp_type() == Ok(TstampType::Monotonic);
    pcm.sw_params(&sw)?;
    let frames = |n| u64::try_from(n).unwrap_or(0);
    Ok(Shape { settled, period_frames: frames(period_frames), buffer_frames: frames(buffer_frames), stamped })
}

/// A device before it is set up.
struct Space<'a>(&'a PCM);

impl Offers for Space<'_> {
    fn exactly(&self, s: Settled) -> bool {
        let test = space(self.0, s.sample)
            .and_then(|hw| hw.set_channels(u32::from(s.channels)).and_then(|()| hw.set_rate(s.rate.hz(), ValueOr::Nearest)));
        test.is_ok()
    }

    fn nearest(&self, s: Settled) -> Option<Settled> {
        let hw = space(self.0, s.sample).ok()?;
        let channels = hw.set_channels_near(u32::from(s.channels)).ok()?;
        let rate = hw.set_rate_near(s.rate.hz(), ValueOr::Nearest).ok()?;
        let channels = u8::try_from(channels).ok().filter(|n| (1..=8).contains(n))?;
        Some(Settled { channels, rate: Rate::new(rate)?, ..s })
    }
}

fn space(pcm: &PCM, sample: Sample) -> alsa::Result<HwParams<'_>> {
    let hw = HwParams::any(pcm)?;
    hw.set_access(Access::RWInterleaved)?;
    hw.set_format(format(sample))?;
    Ok(hw)
}

fn offer(pcm: &PCM) -> alsa::Result<Offer> {
    let hw = HwParams::any(pcm)?;
    Ok(Offer {
        samples: Sample::ALL.into_iter().filter(|sample| hw.test_format(format(*sample)).is_ok()).collect(),
        channels: (hw.get_channels_min()?, hw.get_channels_max()?),
        rates: USUAL_RATES.into_iter().filter(|rate| hw.test_rate(*rate).is_ok()).collect(),
    })
}

const fn format(sample: Sample) -> Format {
    match sample {
        Sample::S16 => Format::S16LE,
        Sample::S24Packed => Format::S243LE,
        Sample::S24 => Format::S24LE,
        Sample::S32 => Format::S32LE,
    }
}

fn clock(id: ClockId) -> Mono {
    let time = clock_gettime(id);
    // Seconds since boot: far from any bound.
    Mono(time.tv_sec.saturating_mul(SECOND_NS).saturating_add(time.tv_nsec))
}

/// alsa-lib and the crate return errors with either sign.
fn trouble(error: alsa::Error) -> Trouble {
    let errno = error.errno().saturating_abs();
    let is = |candidates: &[Errno]| candidates.iter().any(|candidate| candidate.raw_os_error() == errno);
    if is(&[Errno::AGAIN]) {
        Trouble::Again
    } else if is(&[Errno::INTR]) {
        Trouble::Interrupted
    } else if is(&[Errno::PIPE]) {
        Trouble::Overrun
    } else if is(&[Errno::STRPIPE]) {
        Trouble::Suspended
    } else if is(&[Errno::NODEV, Errno::NXIO, Errno::BADFD, Errno::NOTCONN, Errno::CONNRESET, Errno::CONNREFUSED, Errno::IO]) {
        // EIO is what the pulse plugin says when its server is gone.
        Trouble::Gone
    } else if is(&[Errno::NOENT]) {
        Trouble::Absent
    } else if is(&[Errno::BUSY]) {
        Trouble::Busy
    } else if is(&[Errno::ACCESS, Errno::PERM]) {
        Trouble::Denied
    } else {
        Trouble::Other(errno)
    }
}

/// What it does is done without alsa-lib's complaints.
pub fn quietly<T>(what: impl FnOnce() -> T) -> T {
    let _quiet = Quiet::new();
    what()
}

/// alsa-lib writes its complaints to stderr, for every name that is tried. On this thread they go into a buffer instead, which is
/// emptied by the next `Quiet` of the thread.
struct Quiet(#[allow(dead_code)] Option<Rc<RefCell<alsa::Output>>>);

impl Quiet {
    fn new() -> Quiet {
        Quiet(alsa::Output::local_error_handler().ok())
    }
}
