//! From an open device to [`Read`]s: waiting, stamping, and getting over overruns, suspends and standstills.
//! Knows alsa-lib only through [`Pcm`]; opening devices belongs to `mod.rs`. Nothing here allocates after `new`.
//!
//! In steady state the thread wakes once a period; what the period left is then read without waiting. In the first second, and while
//! somebody listens (`eager`), it looks every 20 ms instead, so that the first samples come at once.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::device::alsa::Gauges;
use crate::device::alsa::balance::Balance;
use crate::device::alsa::door::{Look, Pcm, Shape, Trouble};
use crate::device::alsa::stamps::Stamps;
use crate::device::{Fault, FaultKind, Read};
use crate::message::{Depth, Reason};
use crate::signal::pcm::{convert, low_byte_used};
use crate::time::{Mono, SECOND_NS};

/// `read` waits no longer than this for the first frame.
const PATIENCE_MS: u32 = 500;
/// Between two looks in the first second and while somebody listens.
const EAGER_MS: u32 = 20;
/// After a look that found nothing: a driver that wakes without cause must not make the thread spin.
const REST_MS: u32 = 3;
/// Frames converted at once at most: a tenth of a second at the highest rate.
const WIDE_FRAMES: usize = 76_800;
/// A device that stops again and again without a frame in between is given up.
const RESTARTS: u32 = 3;

pub struct Reader<P> {
    pcm: P,
    /// alsa-lib's name of it, for messages.
    name: String,
    shape: Shape,
    depth: Depth,
    /// Samples on their way into a narrower layout; empty when none is needed.
    wide: Box<[u8]>,
    gauges: Arc<Gauges>,
    started: Mono,
    stamps: Stamps,
    balance: Balance,
    /// Frames of the last look that are still to be read, and when the newest of them was captured.
    waiting: u64,
    newest: Mono,
    /// Frames read since the last interruption.
    read_frames: u64,
    /// When the last frame that was handed out was captured; before there is one, when the device was started.
    last: Mono,
    /// The device was started anew: what is lost is known when its first frames are there.
    interrupted: bool,
    restarts: u32,
    /// Since when nothing could be read.
    empty_since: Option<Mono>,
}

impl<P: Pcm> Reader<P> {
    /// Starts the device; [`Reader::started`] is when.
    pub fn start(mut pcm: P, name: String, shape: Shape, depth: Depth, gauges: Arc<Gauges>) -> Result<Reader<P>, Fault> {
        let start = pcm.prepare().and_then(|()| pcm.start());
        if let Err(trouble) = start {
            return Err(fault(&name, trouble));
        }
        let settled = shape.settled;
        let plain = settled.sample.is_plain(depth);
        let wide_frames = usize::try_from(shape.period_frames).unwrap_or(0).clamp(64, WIDE_FRAMES);
        let wide_bytes = if plain { 0 } else { wide_frames * frame_bytes(&shape) };
        let started = pcm.now().mono;
        let balance = Balance::new(settled.rate, shape.period_frames);
        Ok(Reader {
            pcm,
            name,
            shape,
            depth,
            wide: vec![0; wide_bytes].into_boxed_slice(),
            gauges,
            started,
            stamps: Stamps::new(shape.stamped),
            balance,
            waiting: 0,
            newest: started,
            read_frames: 0,
            last: started,
            interrupted: false,
            restarts: 0,
            empty_since: None,
        })
    }

    pub fn started(&self) -> Mono {
        self.started
    }

    /// See [`crate::device::Source::read`].
    pub fn read(&mut self, space: &mut [u8]) -> Result<Read, Fault> {
        let deadline = self.pcm.now().mono.plus_ns(i64::from(PATIENCE_MS) * 1_000_000);
        loop {
            let step = if self.waiting == 0 { self.wait(deadline) } else { self.take(space) };
            match step {
                Ok(Some(read)) => return Ok(read),
                Ok(None) | Err(Trouble::Interrupted) => {}
                Err(Trouble::Again) => self.nothing()?,
                Err(trouble) => self.recover(trouble)?,
            }
            if self.waiting == 0 && self.pcm.now().mono >= deadline {
                return Ok(Read::Idle);
            }
        }
    }

    /// Waits for frames; says what is lost before them.
    fn wait(&mut self, deadline: Mono) -> Result<Option<Read>, Trouble> {
        self.pcm.wait(self.slice_ms(deadline))?;
        let look = self.pcm.look()?;
        if look.frames == 0 {
            return Err(Trouble::Again);
        }
        Ok(self.arrived(look))
    }

    fn slice_ms(&self, deadline: Mono) -> u32 {
        let now = self.pcm.now().mono;
        let left_ms = (deadline.since(now).max(0) / 1_000_000) as u32; // at most PATIENCE_MS
        let eager = now.since(self.started) < SECOND_NS || self.gauges.eager.load(Relaxed);
        left_ms.clamp(1, if eager { EAGER_MS } else { PATIENCE_MS })
    }

    /// Frames are there.
    fn arrived(&mut self, look: Look) -> Option<Read> {
        let rate = self.shape.settled.rate;
        let now = self.pcm.now();
        self.waiting = look.frames;
        self.newest = self.stamps.choose(look.stamp, now.mono);
        if self.interrupted {
            self.interrupted = false;
            self.read_frames = 0;
            self.balance.restart();
            let first = self.newest.plus_ns(rate.ns_of(look.frames).saturating_neg());
            let frames = rate.frames_in(first.since(self.last));
            // Should it stop again before a frame is read, the next loss begins here.
            self.last = first;
            return if frames == 0 { None } else { Some(Read::Lost { frames, reason: Reason::Xrun }) };
        }
        let shown = self.read_frames.saturating_add(look.frames);
        let frames = self.balance.look(now.raw, shown)?;
        self.gauges.silent_losses.fetch_add(1, Relaxed);
        Some(Read::Lost { frames, reason: Reason::Xrun })
    }

    /// Moves what is there and fits.
    fn take(&mut self, space: &mut [u8]) -> Result<Option<Read>, Trouble> {
        let settled = self.shape.settled;
        let wide_frame = frame_bytes(&self.shape);
        let block_frame = usize::from(settled.channels) * self.depth.bytes();
        let waiting = usize::try_from(self.waiting).unwrap_or(usize::MAX);
        let mut frames = waiting.min(space.len() / block_frame);
        if !self.wide.is_empty() {
            frames = frames.min(self.wide.len() / wide_frame);
        }
        if frames == 0 {
            return Ok(Some(Read::Idle)); // a space without room for a frame
        }
        let got = if self.wide.is_empty() {
            self.pcm.read(&mut space[..frames * block_frame])?
        } else {
            let wide = &mut self.wide[..frames * wide_frame];
            let got = self.pcm.read(wide)?.min(frames);
            let wide = &wide[..got * wide_frame];
            let dropped = self.depth == Depth::TwentyFour && !self.gauges.low_byte_used.load(Relaxed);
            if dropped && low_byte_used(settled.sample, wide) {
                self.gauges.low_byte_used.store(true, Relaxed);
            }
            convert(settled.sample, wide, self.depth, space);
            got
        };
        let got = got.min(frames) as u64;
        if got == 0 {
            return Err(Trouble::Again);
        }
        self.waiting -= got; // got <= frames <= waiting
        self.read_frames = self.read_frames.saturating_add(got);
        (self.restarts, self.empty_since) = (0, None);
        self.last = self.newest.plus_ns(settled.rate.ns_of(self.waiting).saturating_neg());
        // `as`: a space has fewer than 2^32 frames, it is a block.
        Ok(Some(Read::Frames { frames: got as u32, at: self.last }))
    }

    /// A look or a read without frames.
    fn nothing(&mut self) -> Result<(), Fault> {
        self.waiting = 0;
        let now = self.pcm.now().mono;
        let since = *self.empty_since.get_or_insert(now);
        if now.since(since) >= self.standstill_ns() {
            let seconds = now.since(since) as f64 / SECOND_NS as f64;
            let what = format!("{}: no samples for {seconds:.1} s; opening it anew", self.name);
            return Err(Fault::new(FaultKind::Stalled, what));
        }
        self.pcm.rest(REST_MS);
        Ok(())
    }

    /// Two seconds or four periods.
    fn standstill_ns(&self) -> i64 {
        let four_periods = self.shape.period_frames.saturating_mul(4);
        self.shape.settled.rate.ns_of(four_periods).max(2 * SECOND_NS)
    }

    fn recover(&mut self, trouble: Trouble) -> Result<(), Fault> {
        self.waiting = 0;
        match trouble {
            Trouble::Overrun => {
                self.gauges.xruns.fetch_add(1, Relaxed);
                self.restart()
            }
            Trouble::Suspended => match self.pcm.resume() {
                // Drivers that cannot resume say so and are started anew. CLOCK_MONOTONIC stood still meanwhile: what is lost
                // here is only what the waking machine missed, the sleep itself shows as a step of the wall clock.
                Ok(()) => {
                    self.interrupted = true;
                    Ok(())
                }
                Err(Trouble::Again | Trouble::Interrupted) => self.nothing(),
                Err(_) => self.restart(),
            },
            trouble => Err(fault(&self.name, trouble)),
        }
    }

    fn restart(&mut self) -> Result<(), Fault> {
        self.interrupted = true;
        loop {
            if self.restarts >= RESTARTS {
                let what = format!("{}: does not start again after an overrun; opening it anew", self.name);
                return Err(Fault::new(FaultKind::Gone, what));
            }
            self.restarts += 1;
            match self.pcm.prepare().and_then(|()| self.pcm.start()) {
                Ok(()) => return Ok(()),
                Err(Trouble::Gone | Trouble::Absent) => return Err(fault(&self.name, Trouble::Gone)),
                Err(_) => self.pcm.rest(REST_MS),
            }
        }
    }
}

fn frame_bytes(shape: &Shape) -> usize {
    usize::from(shape.settled.channels) * shape.settled.sample.bytes()
}

/// What a failure of an open device means for its user.
fn fault(name: &str, trouble: Trouble) -> Fault {
    match trouble {
        Trouble::Gone | Trouble::Absent => {
            Fault::new(FaultKind::Gone, format!("{name}: the device is gone; recording goes on when it is back"))
        }
        Trouble::Other(errno) => Fault::new(FaultKind::Retry, format!("{name}: reading failed (errno {errno}); opening it anew")),
        trouble => Fault::new(FaultKind::Retry, format!("{name}: reading failed ({trouble:?}); opening it anew")),
    }
}

#[cfg(test)]
mod tests;
