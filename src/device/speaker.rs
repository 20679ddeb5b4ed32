//! The local output: the only file that speaks to tinyaudio, and what its user must know of it.
//!
//! tinyaudio plays on ALSA's "default", with 16 bits, from a thread that asks for sound and writes it. It does not say what went wrong:
//!
//! * It does not look at the rate that the device really took. So alsa-lib is asked first (`Libasound::output`), and the device is
//!   opened at the rate that comes out; what does not open at all fails there, where nothing leaks.
//! * It takes no notice of writes that fail, and turns as fast as it can on a device that is gone or that nothing paces. `Watch`
//!   counts what is asked for; over twice the rate within a second, the thread is put to sleep in here, and [`Speaker::look`] tells.
//! * Its end waits for its thread, which may wait for the device for ever. So a helper ends it, and is waited for a second at most.
//! * A device that opens and cannot be set up stays open. So no process opens it more than `MOST_OPENED` times.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use tinyaudio::{OutputDevice, OutputDeviceParameters, run_output_device};

use super::alsa::door::Trouble;
use super::alsa::libasound::{Libasound, quietly};
use super::{Fault, FaultKind};
use crate::status::uptime_ms;

pub const CHANNELS: usize = 2;
/// What the device takes at a time; it holds two of these.
const PERIOD_MS: u32 = 40;
const MOST_OPENED: u32 = 3;
/// A device that took nothing for so long has stopped.
const STILL_MS: u64 = 3_000;
/// Of a thread that must not turn as fast as it can.
const NAP: Duration = Duration::from_millis(100);
const END_WITHIN: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Full scale of what is given to [`Speaker::open`].
const FULL_SCALE: f32 = 32_768.0;

/// Fills all of the space with left and right in turn, in steps of 16 bits. Called from the output's thread; must not wait.
pub type Fill = Box<dyn FnMut(&mut [f32]) + Send>;

/// An open output; silent and closed when dropped.
pub struct Speaker {
    device: Option<OutputDevice>,
    shared: Arc<Shared>,
    pub rate_hz: u32,
    /// What the device holds when it is full, in frames.
    pub buffer_frames: u32,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    is_unpaced: AtomicBool,
    /// When it was last asked for sound, by [`uptime_ms`].
    asked_ms: AtomicU64,
    /// Mean square of what was last given, full scale 1, as its bits.
    power: AtomicU32,
}

static OPENED: AtomicU32 = AtomicU32::new(0);

/// Whether there is an output that would open: its rate near this one, and what it holds, in frames. Opens nothing that stays.
pub fn probe(rate_hz: u32) -> Result<(u32, u32), Fault> {
    Libasound.output(rate_hz, rate_hz * PERIOD_MS / 1_000).map_err(|why| no_output(&why))
}

/// What it is, and what to do.
fn no_output(why: &Trouble) -> Fault {
    let (kind, what) = match why {
        Trouble::Absent | Trouble::Gone => (
            FaultKind::Gone,
            "ALSA's default leads to no device: plug one in, or name one as pcm.!default in ~/.asoundrc".to_owned(),
        ),
        Trouble::Busy | Trouble::Again => {
            (FaultKind::Retry, "in use by another program: stop it, or share the card by a dmix device in asound.conf".to_owned())
        }
        Trouble::Denied => (FaultKind::Retry, "not allowed to open it: add this user to the group audio".to_owned()),
        trouble => (
            FaultKind::Retry,
            format!("ALSA's default does not play 16 bits on two channels ({trouble:?}): name another as pcm.!default"),
        ),
    };
    Fault::new(kind, format!("no local output: {what}"))
}

impl Speaker {
    /// Opens the output near this rate; look at [`Speaker::rate_hz`] for the one that it has: `fill` is made for it.
    pub fn open(rate_hz: u32, fill: &mut dyn FnMut(u32) -> Fill) -> Result<Speaker, Fault> {
        let (rate_hz, buffer_frames) = probe(rate_hz)?;
        if OPENED.fetch_add(1, Relaxed) >= MOST_OPENED {
            let text = format!("the local output was opened {MOST_OPENED} times already: start the program anew to hear more");
            return Err(Fault::new(FaultKind::Config, text));
        }
        let shared = Arc::new(Shared { asked_ms: uptime_ms().into(), ..Shared::default() });
        let period = rate_hz as usize * PERIOD_MS as usize / 1_000;
        let parameters =
            OutputDeviceParameters { sample_rate: rate_hz as usize, channels_count: CHANNELS, channel_sample_count: period };
        let (of_thread, mut watch, mut fill) = (shared.clone(), Watch::new(rate_hz), fill(rate_hz));
        let callback = move |space: &mut [f32]| of_thread.give(&mut watch, &mut fill, space);
        let device = quietly(|| run_output_device(parameters, callback))
            .map_err(|why| Fault::new(FaultKind::Gone, format!("no local output: ALSA's default does not open ({why})")))?;
        Ok(Speaker { device: Some(device), shared, rate_hz, buffer_frames })
    }

    /// Whether it goes on.
    pub fn look(&self) -> Result<(), Fault> {
        if self.shared.is_unpaced.load(Relaxed) {
            let text = "the local output takes sound faster than it can be heard: it is gone, or leads nowhere (pcm.!default in ~/.asoundrc)";
            return Err(Fault::new(FaultKind::Stalled, text));
        }
        if uptime_ms().saturating_sub(self.shared.asked_ms.load(Relaxed)) > STILL_MS {
            let text = format!("the local output has taken no sound for {} s: plug it in again, or free it", STILL_MS / 1_000);
            return Err(Fault::new(FaultKind::Stalled, text));
        }
        Ok(())
    }

    /// Of what it was last given, in dBFS; a full-scale sine has -3.01.
    pub fn level_db(&self) -> f64 {
        (10.0 * f64::from(f32::from_bits(self.shared.power.load(Relaxed))).log10()).clamp(-120.0, 0.0)
    }

    /// From when a sound is given until it is heard, at most; as far as ALSA knows.
    pub fn delay(&self) -> Duration {
        Duration::from_secs_f64(f64::from(self.buffer_frames) / f64::from(self.rate_hz.max(1)))
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Relaxed);
        let Some(device) = self.device.take() else { return };
        let helper = thread::Builder::new().name("speaker's end".into()).stack_size(64 << 10).spawn(move || drop(device));
        let until = Instant::now() + END_WITHIN;
        // One that hangs is left behind.
        while helper.as_ref().is_ok_and(|helper| !helper.is_finished()) && Instant::now() < until {
            thread::sleep(LOOK_EVERY);
        }
    }
}

impl Shared {
    fn give(&self, watch: &mut Watch, fill: &mut Fill, space: &mut [f32]) {
        let now_ms = uptime_ms();
        self.asked_ms.store(now_ms, Relaxed);
        let is_unpaced = self.is_unpaced.load(Relaxed) || watch.asked(now_ms, (space.len() / CHANNELS) as u64);
        if is_unpaced || self.is_over.load(Relaxed) {
            self.is_unpaced.store(is_unpaced, Relaxed);
            space.fill(0.0);
            if is_unpaced {
                thread::sleep(NAP);
            }
            return;
        }
        fill(space);
        let power = space.iter().map(|x| x * x).sum::<f32>() / (space.len().max(1) as f32 * FULL_SCALE * FULL_SCALE);
        self.power.store(power.to_bits(), Relaxed);
        space.iter_mut().for_each(|x| *x = exact(*x));
    }
}

/// A sample in steps of 16 bits as the float of which tinyaudio makes the nearest step: it multiplies by 2^15 - 1 and cuts off.
fn exact(sample: f32) -> f32 {
    let step = sample.round();
    if step == 0.0 { 0.0 } else { (step + 0.5_f32.copysign(step)) / f32::from(i16::MAX) }
}

/// Counts what is asked for.
#[derive(Debug)]
struct Watch {
    rate_hz: u32,
    since_ms: Option<u64>,
    frames: u64,
}

impl Watch {
    fn new(rate_hz: u32) -> Watch {
        Watch { rate_hz, since_ms: None, frames: 0 }
    }

    /// True if no loudspeaker takes so much: more than two seconds' worth within one.
    fn asked(&mut self, now_ms: u64, frames: u64) -> bool {
        let since_ms = *self.since_ms.get_or_insert(now_ms);
        if now_ms.saturating_sub(since_ms) >= 1_000 {
            (self.since_ms, self.frames) = (Some(now_ms), 0);
        }
        self.frames += frames;
        self.frames > 2 * u64::from(self.rate_hz)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asked for a period every `every_us`, after `at_first` of them at once: after how many milliseconds it is too much.
    fn too_much(every_us: u64, at_first: u64) -> Option<u64> {
        let mut watch = Watch::new(48_000);
        let first = (0..at_first).any(|_| watch.asked(1_000, 1_920));
        let mut later = (1..).map(|n| n * every_us / 1_000).take_while(|ms| *ms < 60_000);
        if first { Some(0) } else { later.find(|ms| watch.asked(1_000 + ms, 1_920)) }
    }

    #[test]
    fn what_nothing_paces_is_seen_within_a_second() {
        for (every_us, at_first, want) in [
            (40_000, 2, None),
            (39_000, 2, None),
            // It is opened with a buffer of one second.
            (40_000, 25, None),
            // Twice too fast, as one that is in doubt.
            (20_000, 2, Some(980)),
            (10_000, 2, Some(490)),
            (91, 2, Some(4)),
        ] {
            assert_eq!(too_much(every_us, at_first), want, "every {every_us} us, {at_first} at first");
        }
    }

    #[test]
    fn what_to_do_without_an_output() {
        for (why, kind, todo) in [
            (Trouble::Absent, FaultKind::Gone, "plug one in"),
            (Trouble::Busy, FaultKind::Retry, "stop it"),
            (Trouble::Denied, FaultKind::Retry, "group audio"),
            (Trouble::Other(22), FaultKind::Retry, "name another"),
        ] {
            let fault = no_output(&why);
            assert!(fault.kind == kind && fault.what.contains(todo), "{why:?}: {fault}");
        }
    }

    #[test]
    fn steps_of_16_bits_arrive_as_they_are() {
        for step in i16::MIN..=i16::MAX {
            let there = (exact(f32::from(step)) * f32::from(i16::MAX)) as i16; // as tinyaudio does
            assert_eq!(there, step);
        }
        for (sample, want) in [(0.4, 0), (0.6, 1), (-0.6, -1), (40_000.0, i16::MAX), (-40_000.0, i16::MIN)] {
            assert_eq!((exact(sample) * f32::from(i16::MAX)) as i16, want, "{sample}");
        }
    }

    #[test]
    fn whoever_is_not_paced_sleeps_and_is_given_silence() {
        let (shared, mut watch) = (Shared::default(), Watch::new(48_000));
        let mut fill: Fill = Box::new(|space| space.fill(16_384.0));
        let mut space = vec![9.0; 2 * 48_000];
        for _ in 0..2 {
            shared.give(&mut watch, &mut fill, &mut space);
            assert_eq!((space[0] * 32_767.0) as i16, 16_384);
        }
        assert!((f64::from(f32::from_bits(shared.power.load(Relaxed))) - 0.25).abs() < 1e-3);
        let began = std::time::Instant::now();
        shared.give(&mut watch, &mut fill, &mut space);
        assert!(space.iter().all(|x| *x == 0.0) && began.elapsed() >= NAP && shared.is_unpaced.load(Relaxed));
    }
}
