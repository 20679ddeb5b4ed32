//! The tape of a triggered lane, held back until it is known what of it is recorded.
//!
//! It listens to what comes ([`Analyzer`]), asks [`Trigger`] what that means, and gives the tape out again in its order, behind
//! by the pre-roll and a tenth of a second. The blocks are those of the lane's pool, which is larger by as much.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::message::analysis::{Centibel, DETECTION_BANDS, Detector};
use crate::message::{Run, Tape, Triggered};
use crate::policy::trigger::{Event, Rules, Trigger, Why};
use crate::pool::Block;
use crate::signal::{Analyzer, Scope, Shape};
use crate::time::Rate;

/// Windows that are kept until they are looked at; a block has few.
const WINDOWS: u64 = 256;

/// Of a clip that may be of any length.
const EXPECTED_S: u64 = 300;

/// What makes a source's sound be recorded; seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TriggerSettings {
    pub detector: Detector,
    pub margin: Centibel,
    /// Of the detection bands those that reach into it; all without. Of [`Detector::Bands`] only.
    pub band_hz: Option<(f64, f64)>,
    pub pre_roll_s: f64,
    pub post_roll_s: f64,
    pub shortest_s: f64,
    pub longest_s: Option<f64>,
    /// Blocks of the lane's pool.
    pub blocks: usize,
}

impl TriggerSettings {
    fn rules(&self, rate: Rate) -> Rules {
        let frames = |seconds: f64| (seconds * f64::from(rate.hz())).round() as u64; // saturates
        Rules {
            margin: self.margin,
            pre: frames(self.pre_roll_s),
            post: frames(self.post_roll_s),
            shortest: frames(self.shortest_s),
            longest: self.longest_s.map(frames),
        }
    }
}

/// What becomes of the frames from a position on.
pub enum Verdict {
    /// It is not known yet.
    Wait,
    /// A clip begins here.
    Open(Triggered),
    /// It ends here.
    Close,
    Record {
        until: u64,
    },
    Skip {
        until: u64,
    },
}

pub struct Hold {
    settings: TriggerSettings,
    tapes: VecDeque<Tape>,
    hearing: Option<Hearing>,
    is_open: bool,
    /// What was held when somebody fell is lost: the next frame is recorded, so that it is known how much.
    fell: bool,
}

/// To one run.
struct Hearing {
    analyzer: Analyzer,
    rules: Rules,
    trigger: Trigger,
    edges: Option<[f32; DETECTION_BANDS + 1]>,
    /// Of the detection bands; empty where the level of everything counts.
    bands: Vec<usize>,
    levels: Vec<i16>,
    rate_hz: u32,
    /// Windows that the trigger knows.
    windows: u64,
    /// The frame of the run behind them.
    end: u64,
}

impl Hold {
    pub fn new(settings: TriggerSettings) -> Hold {
        // Between any two blocks there may be a gap.
        let tapes = VecDeque::with_capacity(2 * settings.blocks + 8);
        Hold { settings, tapes, hearing: None, is_open: false, fell: false }
    }

    /// A run begins, or is gone on with after a fall.
    pub fn begin(&mut self, run: &Arc<Run>, fell: bool) {
        if fell {
            self.tapes.clear();
        }
        (self.is_open, self.fell) = (false, fell);
        let rules = self.settings.rules(run.format.rate);
        let before = self.hearing.take().filter(|old| old.rules == rules).map(|old| old.trigger);
        self.hearing = Some(Hearing::new(&self.settings, rules, run, before));
    }

    pub fn push(&mut self, tape: Tape) {
        match (&tape, &mut self.hearing) {
            (Tape::Block(block), Some(hearing)) => {
                if std::mem::take(&mut self.fell) {
                    hearing.trigger.begin_open(block.first_frame);
                }
                hearing.hear(block);
            }
            // All that came before is decided.
            (Tape::Start(_) | Tape::Stop(_), Some(hearing)) => hearing.trigger.end(u64::MAX),
            _ => {}
        }
        self.tapes.push_back(tape);
    }

    pub fn next(&mut self) -> Option<Tape> {
        self.tapes.pop_front()
    }

    pub fn look(&mut self, position: u64) -> Verdict {
        let Some(hearing) = &mut self.hearing else { return Verdict::Wait };
        let next = hearing.trigger.next();
        match next.filter(|event| event.at() <= position) {
            Some(Event::Open(_, why)) => {
                hearing.trigger.pass();
                self.is_open = true;
                return Verdict::Open(hearing.triggered(why, &self.settings));
            }
            Some(Event::Close(_)) => {
                hearing.trigger.pass();
                self.is_open = false;
                return Verdict::Close;
            }
            None => {}
        }
        let until = next.map_or(u64::MAX, Event::at).min(hearing.trigger.decided());
        match until > position {
            false => Verdict::Wait,
            true if self.is_open => Verdict::Record { until },
            true => Verdict::Skip { until },
        }
    }

    /// How long a clip may be, as far as can be known: room for its seek table.
    pub fn expected_frames(&self) -> u64 {
        let longest =
            self.hearing.as_ref().map(|hearing| hearing.rules.longest.unwrap_or(EXPECTED_S * u64::from(hearing.rate_hz)));
        longest.unwrap_or(u64::MAX)
    }

    /// Nothing is loud.
    pub fn is_waiting(&self) -> bool {
        self.hearing.is_some() && !self.is_open
    }
}

impl Hearing {
    fn new(settings: &TriggerSettings, rules: Rules, run: &Run, before: Option<Trigger>) -> Hearing {
        let format = run.format;
        let shape = Shape { rate_hz: format.rate.hz(), channels: format.channels, bits: format.depth.bits() };
        let scope = if settings.detector == Detector::Bands { Scope::BANDS } else { Scope::LEVELS };
        let analyzer = Analyzer::with_capacity(shape, scope, WINDOWS * u64::from(format.rate.hz()) / 10);
        let edges = analyzer.detection_edges();
        let reaches = |edges: &[f32]| {
            let (low, high) = settings.band_hz.unwrap_or((0.0, f64::INFINITY));
            f64::from(edges[0]) < high && f64::from(edges[1]) > low
        };
        let bands: Vec<usize> =
            edges.iter().flat_map(|edges| edges.windows(2).enumerate()).filter(|(_, e)| reaches(e)).map(|(n, _)| n).collect();
        let levels = bands.len().max(1);
        let mut trigger = before.unwrap_or_else(|| Trigger::new(rules, levels));
        trigger.begin(0);
        let levels = Vec::with_capacity(levels);
        Hearing { analyzer, rules, trigger, edges, bands, levels, rate_hz: format.rate.hz(), windows: 0, end: 0 }
    }

    fn hear(&mut self, block: &Block) {
        let before = self.analyzer.frames();
        self.analyzer.push_bytes(block.bytes());
        let (levels, cells) = self.analyzer.windows();
        let count = if self.bands.is_empty() { levels.len() } else { cells.len() / DETECTION_BANDS };
        for n in 0..count {
            self.levels.clear();
            match self.bands.is_empty() {
                true => self.levels.push(levels[n]),
                false => {
                    let cells = &cells[n * DETECTION_BANDS..(n + 1) * DETECTION_BANDS];
                    self.levels.extend(self.bands.iter().map(|band| i16::from(cells[*band]) * 50 - 12_750));
                }
            }
            self.windows += 1;
            // Lost frames have numbers and no sound: those before a window's end belong to it.
            let behind = before as i64 - crate::message::window::first_frame(self.windows, self.rate_hz) as i64;
            let end = block.first_frame.saturating_add_signed(behind.saturating_neg()).max(self.end);
            self.trigger.push(self.end..end, &self.levels);
            self.end = end;
        }
        self.analyzer.forget();
    }

    fn triggered(&self, why: Why, settings: &TriggerSettings) -> Triggered {
        let band = self.bands.get(why.at).zip(self.edges.as_ref());
        let band_hz = band.and_then(|(band, edges)| Some((*edges.get(*band)?, *edges.get(band + 1)?)));
        let Why { level, floor, .. } = why;
        Triggered { detector: settings.detector, margin: settings.margin, level, floor, band_hz }
    }
}
