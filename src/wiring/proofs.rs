//! The recording path up to the files, from a scripted sound card and in virtual time: card, reader, capture, splitter.
//!
//! Everything runs on the thread of the test. The card's time moves while capture waits for it, and what capture puts on its tape
//! is taken off after each read, unless the script has the rest of the recorder stand still.
#![allow(clippy::print_stdout)] // figures of a test run

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::LaneRow;
use crate::actor::capture::{Capture, Lines};
use crate::actor::splitter::{Piece, Settings, Splitter};
use crate::device::alsa::script::Card;
use crate::device::alsa::{AlsaSource, BitDepth, Settings as CardSettings, Trouble};
use crate::device::{Fault, Opened, Read, Source};
use crate::edge::{Receiver, edge};
use crate::message::{Container, Depth, PcmFormat, Tape};
use crate::policy::retry::Retry;
use crate::policy::split::Zone;
use crate::pool::Pool;
use crate::signal::pcm::Sample;
use crate::time::{Look, Mono, Rate, SECOND_NS, Wall};

/// What goes wrong, at a second of the card's time.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// Capture is late by so many milliseconds; more than the buffer is an overrun.
    Late(i64),
    /// Frames vanish and the driver says nothing.
    Vanish(u64),
    /// The card is pulled out for so many seconds.
    Unplug(i64),
    /// The card delivers nothing for so many seconds.
    Still(i64),
    /// What comes after capture stands still for so many seconds, as a disk does.
    Deaf(i64),
}

/// Takes the tape and the card's time.
type Listener = Box<dyn FnMut(Tape, Mono) + Send>;

struct Scene {
    source: AlsaSource<Card>,
    card: Card,
    tape: Receiver<Tape>,
    listener: Listener,
    /// In reverse: the next one is the last.
    script: Vec<(i64, Event)>,
    stop: Arc<AtomicBool>,
    end_ns: i64,
    away_until_ns: i64,
    deaf_until_ns: i64,
}

impl Scene {
    fn strike(&mut self, event: Event) {
        let now_ns = self.card.life().now_ns;
        match event {
            Event::Late(ms) => self.card.advance(ms),
            Event::Vanish(frames) => self.card.lose(frames),
            Event::Deaf(seconds) => self.deaf_until_ns = now_ns + seconds * SECOND_NS,
            Event::Still(seconds) => {
                self.away_until_ns = now_ns + seconds * SECOND_NS;
                self.card.life().stops_at_ns = now_ns;
            }
            Event::Unplug(seconds) => {
                self.away_until_ns = now_ns + seconds * SECOND_NS;
                let mut life = self.card.life();
                life.broken = Some(Trouble::Gone);
                life.names.clear();
            }
        }
    }

    fn play(&mut self) {
        let now_ns = self.card.life().now_ns;
        while self.script.last().is_some_and(|(at_s, _)| at_s * SECOND_NS <= now_ns) {
            if let Some((_, event)) = self.script.pop() {
                self.strike(event);
            }
        }
        let now_ns = self.card.life().now_ns;
        if now_ns >= self.away_until_ns {
            let mut life = self.card.life();
            life.stops_at_ns = i64::MAX;
            life.names = vec!["default"];
        }
        if now_ns >= self.deaf_until_ns {
            self.hear();
        }
        self.stop.store(now_ns >= self.end_ns, Relaxed);
    }

    fn hear(&mut self) {
        let now = Mono(self.card.life().now_ns);
        while let Ok(tape) = self.tape.try_recv() {
            (self.listener)(tape, now);
        }
    }
}

impl Source for Scene {
    fn open(&mut self) -> Result<Opened, Fault> {
        self.play();
        let opened = self.source.open();
        if opened.is_err() {
            self.card.advance(500); // until the next attempt
        }
        opened
    }

    fn read(&mut self, space: &mut [u8]) -> Result<Read, Fault> {
        self.play();
        self.source.read(space)
    }
}

impl Drop for Scene {
    /// Capture is over: what is left on the tape is heard.
    fn drop(&mut self) {
        self.hear();
    }
}

/// Records `card` for `seconds`. Returns when the listener has heard everything.
fn record(card: &Card, depth: BitDepth, seconds: i64, mut script: Vec<(i64, Event)>, listener: Listener) {
    let rate = card.life().rate;
    let channels = card.life().channels;
    let settings = CardSettings { device: "default".to_owned(), rate, channels, depth, period_ms: 100, buffer_ms: 2_000 };
    let source = AlsaSource::with(settings, PathBuf::from("/nonexistent"), card.clone());
    let format = PcmFormat { rate, channels, depth: Depth::TwentyFour };
    let row = LaneRow::new("mic".into(), format, Container::Wav, 12.0, 4_096);
    let (tape_in, tape) = edge(row.tape_depth);
    let (notices, _) = async_channel::bounded(1);
    let stop = Arc::new(AtomicBool::new(false));
    let end_ns = card.life().now_ns + seconds * SECOND_NS;
    script.iter_mut().for_each(|(at_s, _)| *at_s += card.life().now_ns / SECOND_NS);
    script.reverse();
    let (card, scene_stop) = (card.clone(), stop.clone());
    let (away_until_ns, deaf_until_ns) = (0, 0);
    let scene = Scene { source, card, tape, listener, script, stop: scene_stop, end_ns, away_until_ns, deaf_until_ns };
    let capture = Capture {
        name: "mic".into(),
        source: Box::new(scene),
        ear: None,
        pool: Pool::new(row.pcm_blocks, row.pcm_block_bytes),
        tape: tape_in,
        notices,
        actor: Arc::default(),
        lane: Arc::default(),
        stop,
        retry: Retry::new(u32::MAX, 0.0),
        new_session: || "run".into(),
        now: || Mono(0),
        hours: None,
        wall: || Wall(0),
        lines: Lines::default(),
        pool_seconds: 12.0,
    };
    capture.run().expect("ends when it is told to");
}

/// What came out of the splitter.
#[derive(Default)]
struct Ledger {
    began: Option<Mono>,
    ended: Mono,
    frames: u64,
    lost: u64,
    gaps: u64,
    files: u64,
    /// Largest distance between a frame's number on the card and what its run says of it.
    worst: u64,
}

/// Feeds a splitter and keeps the ledger. `settling`: whether a loss that nobody announced may still be unnoticed at this time.
fn bookkeeper(ledger: Arc<Mutex<Ledger>>, rate: Rate, settling: impl Fn(Mono) -> bool + Send + 'static) -> Listener {
    let settings = Settings {
        source: "mic".into(),
        container: Container::Wav,
        split_minutes: 60.0,
        zone: Zone::UTC,
        name_in_utc: true,
        filename_pattern: "%Y%m%d_%H%M%S".to_owned(),
        prepare_ahead_ms: 3_000,
        trigger: None,
    };
    let mut splitter = Splitter::new(settings).expect("settings");
    let mut offset = 0;
    Box::new(move |tape, now| {
        let mut ledger = ledger.lock().expect("one thread");
        match &tape {
            Tape::Start(run) => {
                ledger.began.get_or_insert(run.at);
                offset = rate.frames_in(run.at.0);
            }
            Tape::Block(block) => {
                let number = u64::from(u32::from_le_bytes([block.bytes()[0], block.bytes()[1], block.bytes()[2], 0]));
                let away = (number + (1 << 24) - (offset + block.first_frame) % (1 << 24)) % (1 << 24);
                if !settling(block.stamp.1) {
                    ledger.worst = ledger.worst.max(away.min((1 << 24) - away));
                }
                ledger.ended = block.stamp.1;
            }
            Tape::Gap(_) | Tape::Stop(_) => {}
        }
        let wall = Wall(now.0 + 1_700_000_000 * SECOND_NS);
        splitter.push(tape, Look { mono: now, wall, synced: true });
        while let Some(piece) = splitter.pop() {
            match piece {
                Piece::Audio { frames } => ledger.frames += frames.len() as u64,
                Piece::Lost(entry) => {
                    ledger.lost += entry.frames_lost;
                    ledger.gaps += 1;
                }
                Piece::Open(_) => ledger.files += 1,
                Piece::Prepare(_) | Piece::Gap(_) | Piece::Close(_) | Piece::Correct { .. } => {}
                Piece::Quiet { .. } | Piece::Watch(_) | Piece::Watched(_) => {}
            }
        }
    })
}

/// A mono card of 8 kHz with 24 bits, periods of 100 ms and a buffer of 2 s.
fn slow_card() -> Card {
    let card = Card::new();
    let mut life = card.life();
    (life.rate, life.sample) = (Rate::new(8_000).expect("a rate"), Sample::S24Packed);
    (life.period, life.buffer) = (800, 16_000);
    drop(life);
    card
}

/// Frames in files and frames in gaps must be the time that passed.
fn check(what: &str, seconds: i64, script: Vec<(i64, Event)>, lost_seconds: std::ops::RangeInclusive<f64>) {
    let card = slow_card();
    let rate = card.life().rate;
    let begun_s = card.life().now_ns / SECOND_NS;
    let vanished: Vec<i64> =
        script.iter().filter(|(_, event)| matches!(event, Event::Vanish(_))).map(|(at, _)| at + begun_s).collect();
    let settling = move |at: Mono| vanished.iter().any(|from| (*from..from + 15).contains(&(at.0 / SECOND_NS)));
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    record(&card, BitDepth::TwentyFour, seconds, script, bookkeeper(ledger.clone(), rate, settling));
    let ledger = ledger.lock().expect("one thread");
    let elapsed = rate.frames_in(ledger.ended.since(ledger.began.expect("it began")));
    println!(
        "{what}: {elapsed} frames of time, {} in {} files, {} in {} gaps; a frame is {} from its place at most",
        ledger.frames, ledger.files, ledger.lost, ledger.gaps, ledger.worst
    );
    assert!((ledger.frames + ledger.lost).abs_diff(elapsed) <= 800, "{what}: frames and gaps are the time within a period");
    assert!(ledger.worst <= 800, "{what}: every frame is within a period of its place: {}", ledger.worst);
    let lost = ledger.lost as f64 / f64::from(rate.hz());
    assert!(lost_seconds.contains(&lost), "{what}: {lost} s lost");
    assert!(elapsed >= rate.frames_in((seconds - 5) * SECOND_NS), "{what}: recorded until the end");
}

#[test]
fn each_fault_costs_what_it_must() {
    check("nothing", 600, vec![], 0.0..=0.0);
    check("late within the buffer", 600, vec![(100, Event::Late(1_800)), (200, Event::Late(1_800))], 0.0..=0.0);
    check("an overrun", 600, vec![(100, Event::Late(3_000))], 2.8..=3.2);
    check("a silent loss", 600, vec![(100, Event::Vanish(8_000))], 0.95..=1.05);
    check("a pulled plug", 600, vec![(100, Event::Unplug(60))], 59.0..=62.0);
    check("a standstill", 600, vec![(100, Event::Still(60))], 58.0..=63.0);
    check("ten seconds of a slow disk", 600, vec![(100, Event::Deaf(10)), (200, Event::Deaf(10))], 0.0..=0.0);
    check("twenty seconds of a slow disk", 600, vec![(100, Event::Deaf(20))], 7.0..=9.0);
}

#[test]
fn in_a_day_of_faults_frames_and_gaps_are_the_time_that_passed() {
    const DAY: i64 = 86_400;
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut below = |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    let mut script = Vec::new();
    let mut at_s = 60;
    while at_s < DAY - 200 {
        let event = match below(8) {
            0 | 1 => Event::Late(100 + below(1_800) as i64),
            2 => Event::Late(2_100 + below(5_000) as i64),
            3 => Event::Vanish(2_400 + below(40_000)),
            4 => Event::Unplug(1 + below(90) as i64),
            5 => Event::Still(1 + below(90) as i64),
            6 => Event::Deaf(1 + below(10) as i64),
            _ => Event::Deaf(11 + below(20) as i64),
        };
        script.push((at_s, event));
        at_s += 110 + below(300) as i64;
    }
    assert!(script.len() > 300, "{} faults", script.len());
    check("a day", DAY, script, 1_000.0..=12_000.0);
}

/// Every sample of every layout and number of channels, as the card had it, in the blocks.
#[test]
fn every_layout_reaches_the_blocks_bit_for_bit() {
    let heard = Arc::new(Mutex::new(0_u64));
    for sample in Sample::ALL {
        for channels in 1..=8_u8 {
            for depth in [BitDepth::Sixteen, BitDepth::TwentyFour] {
                let card = Card::new();
                (card.life().sample, card.life().channels, card.life().noise) = (sample, channels, true);
                let (total, truth) = (heard.clone(), card.clone());
                let (mut first, mut bytes, mut next) = (0, 2, 0);
                let listener = move |tape: Tape, _: Mono| match tape {
                    Tape::Start(run) => {
                        first = run.format.rate.frames_in(run.at.0);
                        (bytes, next) = (run.format.depth.bytes(), 0);
                        assert_eq!(run.format.channels, channels);
                    }
                    Tape::Block(block) => {
                        assert_eq!(block.first_frame, next, "no frame is missing");
                        next += u64::from(block.frames);
                        let life = truth.life();
                        let frames = block.bytes().chunks_exact(bytes * usize::from(channels));
                        assert_eq!(frames.len(), block.frames as usize);
                        for (n, frame) in (first + block.first_frame..).zip(frames) {
                            for (channel, kept) in frame.chunks_exact(bytes).enumerate() {
                                let value = life.value(n, channel).to_le_bytes();
                                assert_eq!(kept, &value[4 - bytes..], "{sample:?}, channel {channel} of {channels}, frame {n}");
                            }
                        }
                        *total.lock().expect("one thread") += u64::from(block.frames) * u64::from(channels);
                    }
                    Tape::Gap(lost) => panic!("{lost:?}"),
                    Tape::Stop(_) => {}
                };
                record(&card, depth, 5, Vec::new(), Box::new(listener));
            }
        }
    }
    let samples = *heard.lock().expect("one thread");
    println!("{samples} samples compared");
    assert!(samples >= 10_000_000, "{samples} samples");
}
