//! A sound card made of arithmetic, in virtual time: what `reader.rs` and `mod.rs` are tested against.
//!
//! Frame n of the card's life has the number n in its samples, or one that follows from n and the channel, so a test sees which
//! frames are missing. Time moves only in `wait`,
//! in `rest` and by [`Card::advance`].

use std::sync::{Arc, Mutex, MutexGuard};

use crate::device::alsa::door::{Door, Hint, Look, Now, Offer, Pcm, Refusal, Shape, Trouble};
use crate::device::alsa::negotiate::{Settled, Wish};
use crate::signal::pcm::Sample;
use crate::time::{Mono, Rate, SECOND_NS};

/// The test's end of a card.
#[derive(Clone)]
pub struct Card(Arc<Mutex<Life>>);

pub struct Life {
    pub now_ns: i64,
    pub rate: Rate,
    pub sample: Sample,
    pub channels: u8,
    /// Every sample is different in all its bits, instead of the frame's number.
    pub noise: bool,
    /// Every sample is this.
    pub stuck: Option<i32>,
    pub period: u64,
    pub buffer: u64,
    /// First frame of the card's life that has not been read.
    head: u64,
    /// A capture that was stopped has nothing to show; frames from here on.
    running: bool,
    overrun: bool,
    /// Every call answers this from then on.
    pub broken: Option<Trouble>,
    /// `read` answers this although `look` shows frames.
    pub unreadable: Option<Trouble>,
    /// No frame after this instant.
    pub stops_at_ns: i64,
    /// Answers to the next calls of `prepare` and `resume`.
    pub prepare: Vec<Trouble>,
    pub resume: Vec<Trouble>,
    pub suspended: bool,
    /// Stamp instead of the right one.
    pub stamp: Option<Option<Mono>>,
    pub waits: u32,
    pub rests: u32,
    /// Names that open; anything else is absent.
    pub names: Vec<&'static str>,
    pub refusal: Option<Refusal>,
    pub hints: Vec<Hint>,
    pub opened: Vec<String>,
}

impl Card {
    /// 48 kHz mono S16, periods of 100 ms, a buffer of 500 ms; the machine has run for 100 s and the card as long.
    pub fn new() -> Card {
        Card(Arc::new(Mutex::new(Life {
            now_ns: 100 * SECOND_NS,
            rate: Rate::new(48_000).expect("a rate"),
            sample: Sample::S16,
            channels: 1,
            noise: false,
            stuck: None,
            period: 4_800,
            buffer: 24_000,
            head: 0,
            running: false,
            overrun: false,
            broken: None,
            unreadable: None,
            stops_at_ns: i64::MAX,
            prepare: Vec::new(),
            resume: Vec::new(),
            suspended: false,
            stamp: None,
            waits: 0,
            rests: 0,
            names: vec!["default"],
            refusal: None,
            hints: Vec::new(),
            opened: Vec::new(),
        })))
    }

    pub fn life(&self) -> MutexGuard<'_, Life> {
        self.0.lock().expect("one thread")
    }

    pub fn advance(&self, ms: i64) {
        let mut life = self.life();
        life.now_ns += ms * 1_000_000;
        life.notice_overrun();
    }

    /// Frames vanish as a bad USB host loses them.
    pub fn lose(&self, frames: u64) {
        self.life().head += frames;
    }
}

impl Life {
    /// Frames of the card's life until now.
    pub fn captured(&self) -> u64 {
        self.rate.frames_in(self.now_ns.min(self.stops_at_ns))
    }

    fn waiting(&self) -> u64 {
        if self.running { self.captured().saturating_sub(self.head) } else { 0 }
    }

    fn notice_overrun(&mut self) {
        if self.waiting() > self.buffer {
            (self.running, self.overrun) = (false, true);
        }
    }

    /// The sample of a frame as 32 bits.
    pub fn value(&self, frame: u64, channel: usize) -> u32 {
        if let Some(value) = self.stuck {
            return (value as u32) << 16;
        }
        if self.noise {
            let mixed = (frame * 8 + channel as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            return ((mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 32) as u32;
        }
        if self.sample == Sample::S16 { (frame as u32) << 16 } else { (frame as u32) << 8 }
    }

    /// Its topmost bytes, as the card lays them out.
    fn laid_out(&self, frame: u64, channel: usize) -> [u8; 4] {
        let [a, b, c, d] = self.value(frame, channel).to_le_bytes();
        match self.sample {
            Sample::S16 => [c, d, 0, 0],
            Sample::S24Packed => [b, c, d, 0],
            Sample::S24 => [b, c, d, 0xA5],
            Sample::S32 => [a, b, c, d],
        }
    }

    fn check(&self) -> Result<(), Trouble> {
        match (self.broken, self.suspended, self.overrun) {
            (Some(trouble), ..) => Err(trouble),
            (None, true, _) => Err(Trouble::Suspended),
            (None, false, true) => Err(Trouble::Overrun),
            (None, false, false) => Ok(()),
        }
    }
}

impl Pcm for Card {
    fn now(&self) -> Now {
        let now = Mono(self.life().now_ns);
        Now { mono: now, raw: now }
    }

    fn wait(&mut self, ms: u32) -> Result<(), Trouble> {
        let mut life = self.life();
        life.waits += 1;
        if life.check().is_err() {
            return Ok(()); // POLLERR
        }
        let end = life.now_ns + i64::from(ms) * 1_000_000;
        while life.waiting() < life.period && life.now_ns < end {
            life.now_ns += 1_000_000;
        }
        Ok(())
    }

    fn look(&mut self) -> Result<Look, Trouble> {
        let mut life = self.life();
        life.notice_overrun();
        life.check()?;
        let frames = life.waiting();
        Ok(Look { frames, stamp: life.stamp.unwrap_or(Some(Mono(life.now_ns))) })
    }

    fn read(&mut self, space: &mut [u8]) -> Result<usize, Trouble> {
        let mut life = self.life();
        life.notice_overrun();
        life.check()?;
        if let Some(trouble) = life.unreadable {
            return Err(trouble);
        }
        let bytes = life.sample.bytes();
        let frame_bytes = bytes * usize::from(life.channels);
        let frames = (life.waiting() as usize).min(space.len() / frame_bytes);
        for frame in space.chunks_exact_mut(frame_bytes).take(frames) {
            let head = life.head;
            for (channel, sample) in frame.chunks_exact_mut(bytes).enumerate() {
                sample.copy_from_slice(&life.laid_out(head, channel)[..bytes]);
            }
            life.head += 1;
        }
        Ok(frames)
    }

    fn prepare(&mut self) -> Result<(), Trouble> {
        let mut life = self.life();
        if let Some(trouble) = life.broken.or_else(|| life.prepare.pop()) {
            return Err(trouble);
        }
        (life.overrun, life.suspended, life.running) = (false, false, false);
        Ok(())
    }

    fn start(&mut self) -> Result<(), Trouble> {
        let mut life = self.life();
        life.head = life.captured();
        life.running = true;
        Ok(())
    }

    fn resume(&mut self) -> Result<(), Trouble> {
        let mut life = self.life();
        if let Some(trouble) = life.resume.pop() {
            return Err(trouble);
        }
        life.suspended = false;
        life.head = life.captured();
        Ok(())
    }

    fn rest(&mut self, ms: u32) {
        let mut life = self.life();
        life.rests += 1;
        life.now_ns += i64::from(ms) * 1_000_000;
    }
}

impl Door for Card {
    type Pcm = Card;

    fn open(&mut self, name: &str, _: &Wish) -> Result<(Card, Shape), Refusal> {
        let mut life = self.life();
        life.opened.push(name.to_owned());
        if !life.names.contains(&name) {
            return Err(Refusal::Closed(Trouble::Absent));
        }
        if let Some(refusal) = life.refusal.clone() {
            return Err(refusal);
        }
        life.broken = None;
        let settled = Settled { sample: life.sample, rate: life.rate, channels: life.channels };
        Ok((self.clone(), Shape { settled, period_frames: life.period, buffer_frames: life.buffer, stamped: true }))
    }

    fn hints(&mut self) -> Vec<Hint> {
        self.life().hints.clone()
    }

    fn probe(&mut self, _: &str) -> Result<Offer, Trouble> {
        Err(Trouble::Busy)
    }
}
