//! The analyser's seat, and what its taps weigh.

use std::fmt;
use std::sync::Arc;

use crate::actor::analyser::{self, Analyser, Settings};
use crate::config::{self, Config};
use crate::edge::{Receiver, Sender};
use crate::message::analysis::{COLUMN_BANDS, Centibel, DETECTION_BANDS, Detection, WINDOWS_PER_SECOND};
use crate::message::{Tapped, ToStore};
use crate::signal::Scope;
use crate::status::{ActorStatus, Lanes};
use crate::supervisor::{Body, Seat};

pub const STACK: usize = 256 << 10;

/// A tap's block is as large as so many of its lane, a quarter of a second: the analyser wakes seldom.
const LANE_BLOCKS: usize = 3;
/// Blocks of a tap: one fills, one is heard, and one more is what the analyser may be behind by.
const BLOCKS: usize = 3;
/// Starts and ends of files between the blocks.
const MARKERS: usize = 16;
/// Transforms and their tables, for a lane.
const BUFFERS_BYTES: usize = 128 << 10;
/// It has no device, and finishes an hour in milliseconds.
const LIMIT_MS: u64 = 10_000;

/// What analysing a lane while it records takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TapRow {
    pub blocks: usize,
    pub block_bytes: usize,
    /// Of a file of full length.
    pub profile_bytes: usize,
    /// Of a triggered lane: all that is heard, and the clips of it.
    pub is_twice: bool,
}

impl TapRow {
    pub fn new(lane_block_bytes: usize, split_minutes: f64) -> TapRow {
        let seconds = (split_minutes * 60.0).clamp(1.0, 1440.0 * 60.0).ceil() as usize;
        let per_second = WINDOWS_PER_SECOND as usize * (size_of::<i16>() + DETECTION_BANDS) + COLUMN_BANDS;
        TapRow {
            blocks: BLOCKS,
            block_bytes: LANE_BLOCKS * lane_block_bytes,
            profile_bytes: seconds * per_second,
            is_twice: false,
        }
    }

    pub fn twice(self) -> TapRow {
        TapRow { blocks: 2 * self.blocks, is_twice: true, ..self }
    }

    pub fn depth(self) -> usize {
        self.blocks + self.times() * MARKERS
    }

    fn times(self) -> usize {
        if self.is_twice { 2 } else { 1 }
    }

    /// While a profile is on its way to the disk the next one grows.
    pub fn bytes(self) -> usize {
        self.blocks * self.block_bytes + self.times() * (2 * self.profile_bytes + BUFFERS_BYTES)
    }
}

impl fmt::Display for TapRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} blocks of {} B, {} profiles of {} KiB",
            self.blocks,
            self.block_bytes,
            2 * self.times(),
            self.profile_bytes >> 10
        )
    }
}

pub fn detection(config: &config::Analysis) -> Detection {
    let ms = |seconds: f64| (seconds * 1_000.0).round() as u32; // saturates
    Detection {
        detector: config.detector,
        margin: config.margin_db.map_or(config.detector.usual_margin(), Centibel::of_db),
        min_gap_ms: ms(config.min_gap_seconds),
        min_length_ms: ms(config.min_length_seconds),
    }
}

/// A successor hears of each lane from its next file on.
pub fn seat(config: &Config, statuses: &Arc<Lanes>, inbox: Receiver<Tapped>, store: Sender<ToStore>) -> Seat {
    let actor = Arc::new(ActorStatus::default());
    let settings = Settings { detection: detection(&config.analysis), scope: Scope::ALL };
    let (row, statuses) = (actor.clone(), statuses.clone());
    let make = move || -> Body {
        let (inbox, store, row, life) = (inbox.clone(), store.clone(), row.clone(), row.life());
        let mut analyser = Analyser::new(settings.clone(), statuses.clone());
        Box::new(move || analyser::run(&inbox, &store, &mut analyser, &row, life))
    };
    Seat::side("analyser", actor, (STACK, LIMIT_MS), make)
}
