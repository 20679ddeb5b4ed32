//! Scripts of what happens to a triggered lane, and what its splitter makes of it: with random blocks, losses, ends of runs, clocks
//! that are set and encoders that fall, every frame is in a file, or heard and in none, or lost and said so.

mod rig;

use std::sync::Arc;

use rig::{Dice, settings};
use soundpost::actor::splitter::{Piece, Settings, Splitter, TriggerSettings};
use soundpost::message::analysis::{Centibel, Detector};
use soundpost::message::{Cause, Depth, Lost, PcmFormat, Reason, Run, Tape};
use soundpost::pool::Pool;
use soundpost::time::{Look, Mono, Rate, SECOND_NS, Wall};

const HZ: u32 = 1_000;
const MIDNIGHT: i64 = 1_767_225_600; // 2026-01-01

fn triggered(minutes: f64, pool: usize) -> Settings {
    let trigger = TriggerSettings {
        detector: Detector::Level,
        margin: Centibel(1_200),
        band_hz: None,
        pre_roll_s: 2.0,
        post_roll_s: 1.0,
        shortest_s: 0.0,
        longest_s: Some(20.0),
        blocks: pool,
    };
    Settings { trigger: Some(trigger), ..settings(minutes, "UTC") }
}

/// A lane of 1 kHz; a frame is a millisecond. Loud frames are those of `loud`.
struct Lane {
    splitter: Splitter,
    minutes: f64,
    pool: Pool,
    run: u32,
    began_ns: i64,
    mono_ns: i64,
    offset_ns: i64,
    synced: bool,
    frame: u64,
    /// Of the run: frames in files, frames heard in none, frames lost; they follow each other.
    position: u64,
    is_loud: fn(u64) -> bool,
    open: Option<u64>,
    watch: Option<u64>,
    log: Vec<String>,
    recorded: u64,
    quiet: u64,
    lost: u64,
    most_held: usize,
}

impl Lane {
    fn new(minutes: f64, is_loud: fn(u64) -> bool) -> Lane {
        let splitter = Splitter::new(triggered(minutes, 200)).expect("valid");
        Lane {
            splitter,
            minutes,
            pool: Pool::new(200, 1_000),
            run: 0,
            began_ns: 0,
            mono_ns: SECOND_NS,
            offset_ns: MIDNIGHT * SECOND_NS,
            synced: true,
            frame: 0,
            position: 0,
            is_loud,
            open: None,
            watch: None,
            log: Vec::new(),
            recorded: 0,
            quiet: 0,
            lost: 0,
            most_held: 0,
        }
    }

    fn start(&mut self) {
        self.run += 1;
        (self.began_ns, self.frame, self.position) = (self.mono_ns, 0, 0);
        self.push(Tape::Start(self.the_run()));
    }

    fn the_run(&self) -> Arc<Run> {
        let format = PcmFormat { rate: Rate::new(HZ).expect("a rate"), channels: 1, depth: Depth::Sixteen };
        Arc::new(Run { session: format!("run{}", self.run).into(), format, at: Mono(self.began_ns) })
    }

    fn play(&mut self, frames: u64) {
        let mut block = self.pool.try_take().expect("the pool is large enough");
        block.first_frame = self.frame;
        block.frames = frames as u32;
        for frame in self.frame..self.frame + frames {
            let most = if (self.is_loud)(frame) { 8_000 } else { 80 };
            let sample = ((frame.wrapping_mul(2_654_435_761) >> 7) % (2 * most)) as i16 - most as i16;
            block.append(&sample.to_le_bytes());
        }
        self.pass(frames);
        block.stamp = (self.frame, Mono(self.mono_ns));
        self.push(Tape::Block(block));
    }

    fn pass(&mut self, frames: u64) {
        self.frame += frames;
        self.mono_ns = self.began_ns + self.frame as i64 * SECOND_NS / i64::from(HZ);
    }

    fn lose(&mut self, frames: u64) {
        let lost = Lost { at_frame: self.frame, frames, reason: Reason::Xrun };
        self.pass(frames);
        self.push(Tape::Gap(lost));
    }

    fn fall(&mut self) {
        let held = self.frame - self.position;
        self.splitter = Splitter::new(triggered(self.minutes, 200)).expect("valid");
        self.splitter.resume(self.the_run());
        (self.open, self.watch) = (None, None);
        self.log.push("fall".into());
        (self.position, self.lost) = (self.frame, self.lost + held);
    }

    fn push(&mut self, tape: Tape) {
        let look = Look { mono: Mono(self.mono_ns), wall: Wall(self.mono_ns + self.offset_ns), synced: self.synced };
        self.splitter.push(tape, look);
        while let Some(piece) = self.splitter.pop() {
            self.take(piece);
        }
        self.most_held = self.most_held.max(200 - self.pool.free());
    }

    fn take(&mut self, piece: Piece) {
        match piece {
            Piece::Open(plan) => {
                assert!(self.open.is_none() && self.watch.is_some() && plan.identity.first_frame >= self.position);
                self.log.push(format!("open {} {}", plan.stem, plan.identity.first_frame));
                self.open = Some(0);
            }
            Piece::Close(closing) => {
                assert_eq!(self.open.take(), Some(closing.frames));
                assert!(closing.trigger.is_some(), "it says why it is there");
                self.log.push(format!("close {} {}", closing.cause.name(), closing.frames));
            }
            Piece::Watch(plan) => {
                assert!(self.watch.is_none() && self.open.is_none() && plan.identity.first_frame >= self.position);
                self.watch = Some(0);
            }
            Piece::Watched(closing) => {
                assert!(self.open.is_none(), "a file ends with its stretch at the latest");
                assert_eq!(self.watch.take(), Some(closing.frames));
            }
            Piece::Audio { frames } => {
                self.passed(frames.len() as u64, frames.start);
                self.open = Some(self.open.expect("a file is open") + frames.len() as u64);
                self.recorded += frames.len() as u64;
            }
            Piece::Quiet { frames } => {
                assert!(self.open.is_none(), "what is not recorded is in no file");
                self.passed(frames.len() as u64, frames.start);
                self.quiet += frames.len() as u64;
            }
            Piece::Lost(entry) => {
                self.log.push(format!("lost {} {}", entry.frames_lost, entry.reason.name()));
                if entry.reason == Reason::Xrun {
                    (self.lost, self.position) = (self.lost + entry.frames_lost, self.position + entry.frames_lost);
                }
            }
            Piece::Prepare(_) | Piece::Gap(_) => {}
            Piece::Correct { by_ns, .. } => self.log.push(format!("correct {}", by_ns / SECOND_NS)),
        }
    }

    fn passed(&mut self, frames: u64, from: usize) {
        let block = self.splitter.block().expect("a block while it is given");
        assert_eq!(block.first_frame + from as u64, self.position, "in order, none twice and none left out");
        self.position += frames;
        *self.watch.as_mut().expect("a stretch") += frames;
    }
}

/// `play S` in blocks of a tenth of a second, `lose MS`, `stop CAUSE`, `start`, `clock ±S`, `fall`, `cut`.
fn check(minutes: f64, is_loud: fn(u64) -> bool, script: &str, want: &str) {
    let mut lane = Lane::new(minutes, is_loud);
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (what, number) = line.split_once(' ').unwrap_or((line, ""));
        match what {
            "start" => lane.start(),
            "play" => (0..number.parse::<u64>().expect("seconds") * 10).for_each(|_| lane.play(100)),
            "lose" => lane.lose(number.parse().expect("ms")),
            "stop" => lane.push(Tape::Stop(if number == "unplugged" { Cause::Unplugged } else { Cause::Shutdown })),
            "clock" => lane.offset_ns += number.parse::<i64>().expect("seconds") * SECOND_NS,
            "unsynced" => lane.synced = false,
            "synced" => lane.synced = true,
            "fall" => lane.fall(),
            "cut" => lane.splitter.cut(Cause::Disk),
            other => panic!("no command {other}"),
        }
    }
    let want: Vec<&str> = want.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(lane.log, want, "\n{}", lane.log.join("\n"));
    assert!(lane.most_held <= 23, "the pre-roll, a window and a block: {}", lane.most_held);
}

#[test]
fn what_is_loud_is_a_file_and_boundaries_are_met_in_mid_clip() {
    check(
        0.5,
        |frame| (20_000..21_000).contains(&frame) || (57_000..61_000).contains(&frame),
        "start
         play 80
         stop shutdown",
        "open 20260101_000019 18000
         close trigger 4000
         open 20260101_000056 55000
         close split 4000
         open 20260101_000100 59000
         close trigger 3000",
    );
}

#[test]
fn losses_are_told_whether_it_is_loud_or_not() {
    check(
        60.0,
        |frame| (20_000..26_000).contains(&frame),
        "start
         play 10
         lose 300
         play 12
         lose 500
         play 5
         lose 2000
         play 10
         stop unplugged
         start
         play 5
         stop shutdown",
        "lost 300 xrun
         open 20260101_000019 18000
         lost 500 xrun
         close trigger 8500
         lost 2000 xrun",
    );
}

#[test]
fn a_run_that_ends_decides_what_was_held() {
    check(
        60.0,
        |frame| (14_900..30_000).contains(&frame),
        "start
         play 15
         stop unplugged
         start
         play 5
         stop shutdown",
        "open 20260101_000013 12900
         close unplugged 2100",
    );
}

#[test]
fn after_a_fall_it_is_recorded_at_once_so_that_the_loss_is_known() {
    check(
        60.0,
        |_| false,
        "start
         play 15
         fall
         play 15
         stop shutdown",
        "fall
         open 20260101_000016 15000
         close trigger 3000",
    );
}

#[test]
fn a_clock_that_is_set_and_a_file_that_cannot_go_on() {
    check(
        60.0,
        |frame| (20_000..26_000).contains(&frame),
        "unsynced
         start
         play 23
         synced
         clock 3600
         play 3
         cut
         play 10
         stop shutdown",
        "open 20260101_000019 18000
         close clock 3000
         correct 3600
         open 20260101_010022 21000
         close disk 3000
         open 20260101_010025 24000
         close trigger 3000",
    );
}

#[test]
fn whatever_happens_every_frame_is_somewhere() {
    for seed in 0..300 {
        let mut dice = Dice(seed);
        let mut lane = Lane::new([0.05, 0.5, 60.0][seed as usize % 3], |frame| frame / 700 % 9 == 7);
        lane.start();
        let mut frames = 0;
        for _ in 0..400 {
            match dice.below(40) {
                0 => lane.lose(1 + dice.below(3_000)),
                1 => {
                    frames += lane.frame;
                    lane.push(Tape::Stop(Cause::Unplugged));
                    assert_eq!(lane.position, lane.frame, "seed {seed}: nothing is held after a run");
                    lane.mono_ns += SECOND_NS;
                    lane.start();
                }
                2 => lane.offset_ns += (dice.below(7_200) as i64 - 3_600) * SECOND_NS,
                3 => lane.splitter.cut(Cause::Disk),
                4 if lane.frame > 0 => lane.fall(),
                _ => lane.play(1 + dice.below(400)),
            }
        }
        lane.push(Tape::Stop(Cause::Shutdown));
        frames += lane.frame;
        assert_eq!(lane.recorded + lane.quiet + lane.lost, frames, "seed {seed}\n{}", lane.log.join("\n"));
        assert_eq!((lane.pool.free(), lane.open, lane.watch), (200, None, None), "seed {seed}");
        assert!(lane.recorded > 0 && lane.quiet > 0, "seed {seed}");
    }
}
