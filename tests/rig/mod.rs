//! A simulated lane in front of the splitter: a device with a true rate, delays and losses, and a clock that can be set.
//! What no script may ever show is checked here at every piece: the order of pieces, frames left out or given twice,
//! files of a run that do not abut, gaps that do not add up.

// Each test file uses its own half of this.
#![allow(dead_code)]

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use soundpost::actor::splitter::{Piece, Plan, Settings, Splitter};
use soundpost::message::{Cause, Closing, Container, Depth, GapEntry, Lost, PcmFormat, Reason, Run, Tape};
use soundpost::policy::name::with_suffix;
use soundpost::policy::split::Zone;
use soundpost::pool::{Block, Pool};
use soundpost::time::{Look, Mono, Rate, SECOND_NS, Wall};

pub const MS: i64 = 1_000_000;

/// splitmix64: the same dice on every machine.
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// Exponential with a mean of 5 ms, cut at 20 ms.
    pub fn delay_ns(&mut self) -> i64 {
        let unit = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        ((-(1.0 - unit).ln() * 5.0).min(20.0) * 1e6) as i64
    }
}

/// A file as the store would have seen it.
pub struct File {
    pub plan: Plan,
    /// With the suffix that a taken name gets.
    pub name: String,
    pub closing: Option<Closing>,
    pub frames: u64,
    /// UTC of its first frame by the simulated truth, with the clock as it stood when the file was opened.
    pub true_start: Wall,
}

pub struct Rig {
    pub splitter: Splitter,
    pool: Pool,
    pub hz: u32,
    pub ppm: f64,
    pub block_frames: u32,
    pub jitter: Option<Dice>,
    /// The reader sleeps until then: all reads before it are stamped late.
    pub asleep_until: i64,
    /// CLOCK_MONOTONIC now, and what to add for UTC.
    pub mono: i64,
    pub offset: i64,
    pub synced: bool,
    /// Instant of frame 0 and the next frame of the run that is on.
    pub began: i64,
    pub frame: u64,
    runs: u32,
    pub files: Vec<File>,
    pub lost: Vec<GapEntry>,
    pub log: Vec<String>,
    pub prepared: Option<Plan>,
    taken: HashSet<String>,
    /// Where the next file of this run must begin when nothing is lost.
    end: u64,
    open: bool,
}

pub fn settings(split_minutes: f64, zone: &str) -> Settings {
    Settings {
        source: Arc::from("wood"),
        container: Container::Flac,
        split_minutes,
        zone: Zone::get(zone).expect("known zone"),
        name_in_utc: false,
        filename_pattern: "%Y%m%d_%H%M%S".into(),
        prepare_ahead_ms: 3_000,
        trigger: None,
    }
}

impl Rig {
    pub fn new(settings: Settings, hz: u32) -> Rig {
        Rig {
            splitter: Splitter::new(settings).expect("valid settings"),
            pool: Pool::new(1, 1),
            hz,
            ppm: 0.0,
            block_frames: hz,
            jitter: None,
            asleep_until: 0,
            mono: 0,
            offset: 0,
            synced: true,
            began: 0,
            frame: 0,
            runs: 0,
            files: Vec::new(),
            lost: Vec::new(),
            log: Vec::new(),
            prepared: None,
            taken: HashSet::new(),
            end: 0,
            open: false,
        }
    }

    /// Sets UTC; `text` is RFC 3339.
    pub fn clock(&mut self, text: &str, synced: bool) {
        let at: Timestamp = text.parse().expect("RFC 3339");
        self.offset = i64::try_from(at.as_nanosecond()).expect("in range") - self.mono;
        self.synced = synced;
    }

    /// When frame `n` of the run truly began.
    pub fn truth(&self, n: u64) -> i64 {
        self.began + (n as f64 / (f64::from(self.hz) * (1.0 + self.ppm / 1e6)) * 1e9).round() as i64
    }

    pub fn frames_in(&self, seconds: f64) -> u64 {
        (seconds * f64::from(self.hz)).round() as u64
    }

    pub fn run(&self) -> Arc<Run> {
        let rate = Rate::new(self.hz).expect("valid");
        let format = PcmFormat { rate, channels: 1, depth: Depth::Sixteen };
        Arc::new(Run { session: Arc::from(format!("run{}", self.runs)), format, at: Mono(self.began) })
    }

    pub fn start(&mut self) {
        self.runs += 1;
        (self.began, self.frame, self.end) = (self.mono, 0, 0);
        self.push(Tape::Start(self.run()));
    }

    pub fn play(&mut self, seconds: f64) {
        let mut left = self.frames_in(seconds);
        while left > 0 {
            let n = left.min(u64::from(self.block_frames));
            self.block(n as u32);
            left -= n;
        }
    }

    pub fn block(&mut self, frames: u32) {
        let mut block: Block = self.pool.try_take().expect("every block comes home");
        block.first_frame = self.frame;
        block.frames = frames;
        self.pass(u64::from(frames));
        let late = self.jitter.as_mut().map_or(0, Dice::delay_ns);
        block.stamp = (self.frame, Mono((self.mono + late).max(self.asleep_until)));
        self.push(Tape::Block(block));
        assert_eq!(self.end, self.frame, "the whole block went into files");
    }

    /// Frames go by, heard or not.
    pub fn pass(&mut self, frames: u64) {
        self.frame += frames;
        self.mono = self.mono.max(self.truth(self.frame));
    }

    pub fn lose(&mut self, seconds: f64, reason: Reason) {
        let lost = Lost { at_frame: self.frame, frames: self.frames_in(seconds), reason };
        self.pass(lost.frames);
        self.push(Tape::Gap(lost));
    }

    pub fn stop(&mut self, cause: Cause) {
        self.push(Tape::Stop(cause));
    }

    pub fn push(&mut self, tape: Tape) {
        let look = Look { mono: Mono(self.mono), wall: Wall(self.mono + self.offset), synced: self.synced };
        self.splitter.push(tape, look);
        self.drain();
    }

    pub fn drain(&mut self) {
        let mut given = 0;
        while let Some(piece) = self.splitter.pop() {
            match piece {
                Piece::Audio { frames } => {
                    let block = self.splitter.block().expect("a block while it is given");
                    assert_eq!((frames.start, self.open), (given, true), "frames in order, into an open file");
                    assert!(!frames.is_empty() && frames.end <= block.frames as usize);
                    self.end = block.first_frame + frames.end as u64;
                    given = frames.end;
                    self.files.last_mut().expect("open").frames += frames.len() as u64;
                }
                Piece::Prepare(plan) => {
                    assert!(self.open && self.prepared.is_none(), "prepared once a file");
                    self.log.push(format!("prepare {} {}", plan.stem, plan.identity.first_frame));
                    self.prepared = Some(*plan);
                }
                Piece::Open(plan) => self.open(*plan),
                Piece::Close(closing) => self.close(*closing),
                Piece::Gap(gap) => {
                    assert!(self.open);
                    self.end += gap.lost_frames;
                }
                Piece::Lost(entry) => {
                    self.log.push(format!(
                        "lost {} {} from {} to {}",
                        entry.frames_lost,
                        entry.reason.name(),
                        hms(entry.start),
                        hms(entry.end)
                    ));
                    self.lost.push(entry);
                }
                Piece::Quiet { .. } | Piece::Watch(_) | Piece::Watched(_) => panic!("nothing is triggered here"),
                Piece::Correct { session, by_ns } => self.log.push(format!("correct {session} by {} s", by_ns / SECOND_NS)),
            }
        }
        assert!(self.splitter.block().is_none(), "a used block goes home");
    }

    fn open(&mut self, plan: Plan) {
        assert!(!self.open, "one file at a time");
        self.open = true;
        let first = plan.identity.first_frame;
        assert!(first >= self.end, "frame {first} was in a file before");
        let name = (1..).map(|n| with_suffix(&plan.stem, n)).find(|name| self.taken.insert(name.clone())).expect("endless");
        let unsynced = if plan.identity.clock == soundpost::message::ClockState::Unsynced { " unsynced" } else { "" };
        self.log.push(format!("open {name} {first}{unsynced}"));
        let true_start = Wall(self.truth(first) + self.offset);
        self.prepared = None;
        self.files.push(File { plan, name, closing: None, frames: 0, true_start });
    }

    fn close(&mut self, closing: Closing) {
        assert!(std::mem::take(&mut self.open), "only an open file is closed");
        self.prepared = None;
        let file = self.files.last_mut().expect("open");
        assert_eq!(closing.frames, file.frames);
        assert!(file.frames > 0, "no empty files");
        assert_eq!(closing.clock, file.plan.identity.clock);
        let gaps: Vec<String> =
            closing.gaps.iter().map(|g| format!(" gap {}+{} {}", g.at_frame, g.lost_frames, g.reason.name())).collect();
        self.log.push(format!("close {} {}{}", closing.cause.name(), closing.frames, gaps.concat()));
        file.closing = Some(closing);
    }

    /// Files whose neighbour before is of the same run and ended at a boundary, with that neighbour.
    pub fn cuts(&self) -> impl Iterator<Item = (&File, &File)> {
        self.files.windows(2).filter_map(|pair| match pair {
            [a, b] if a.closing.as_ref().is_some_and(|c| c.cause == Cause::Split) => Some((a, b)),
            _ => None,
        })
    }
}

impl File {
    pub fn lost(&self) -> u64 {
        self.closing.iter().flat_map(|c| &c.gaps).map(|g| g.lost_frames).sum()
    }

    /// The frame after its last, by its own account.
    pub fn end(&self) -> u64 {
        self.plan.identity.first_frame + self.frames + self.lost()
    }
}

/// UTC as hours, minutes, seconds and milliseconds.
pub fn hms(at: Wall) -> String {
    Timestamp::from_nanosecond(i128::from(at.0)).expect("in range").strftime("%H:%M:%S%.3f").to_string()
}
