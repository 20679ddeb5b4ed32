//! What passes between the page and whoever keeps the recordings, beyond the rows of [`library`](super::library): wishes with
//! parameters and the state of the recorder.

use std::sync::Arc;

use super::analysis::{Centibel, Detection, Indices, Section};
use super::clock::ClockReference;
use crate::time::Wall;

/// [from, to) of something: of one file, or of a source over all its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Excerpt {
    /// Nanoseconds from the file's start.
    File {
        name: String,
        from_ns: u64,
        to_ns: u64,
    },
    Source {
        source: String,
        from: Wall,
        to: Wall,
    },
}

/// The rate of a clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClipRate {
    /// 48 kHz at most.
    Common,
    Source,
}

/// Linear in frequency, computed on demand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpectrogramWish {
    pub name: String,
    pub from_ns: u64,
    /// At most 60 s later.
    pub to_ns: u64,
    pub columns: u32,
    pub bands: u16,
}

/// What is known of a recording's sound, without its profile.
#[derive(Clone, Debug, PartialEq)]
pub struct AnalysisView {
    pub name: String,
    /// Changes when the file or its analysis does.
    pub version: String,
    pub detection: Detection,
    pub sections: Arc<[Section]>,
    /// One a block of 30 s.
    pub floor: Vec<Centibel>,
    pub quality: super::analysis::Quality,
    /// One a minute.
    pub indices: Vec<Indices>,
}

/// What `/api/status` tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// `record` or `serve`.
    pub mode: &'static str,
    pub folder: String,
    /// Nothing may be written there.
    pub read_only: bool,
    pub now: Wall,
    pub time_zone: String,
    /// Now.
    pub utc_offset_s: i32,
    pub clock_synced: bool,
    /// Whose time it is while it is not synced.
    pub clock_source: Option<&'static str>,
    pub clock_reference: Option<ClockReference>,
    pub disk: Disk,
    pub detection: Detection,
    pub pre_roll_ms: u32,
    pub post_roll_ms: u32,
    pub sources: Vec<SourceStatus>,
    pub work: Option<Work>,
    pub alarms: Vec<Alarm>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Disk {
    pub free_bytes: u64,
    pub total_bytes: u64,
    /// Nothing while nobody records.
    pub hours_left: Option<f64>,
}

/// How a push stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushState {
    pub is_connected: bool,
    /// Since the start.
    pub connections: u32,
    pub trouble: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceStatus {
    pub name: String,
    pub state: SourceState,
    /// Name of the file that it is recorded to.
    pub file: Option<String>,
    pub level: Option<Centibel>,
    pub peak: Option<Centibel>,
    pub rate_hz: u32,
    pub channels: u8,
    pub frames: u64,
    pub xruns: u64,
    pub gaps: u64,
    /// Frames that whoever looked or listened did not get; the recording has them.
    pub frames_unheard: u64,
    /// Its sound on its way to an Icecast elsewhere; `None` where it is not pushed.
    pub push: Option<PushState>,
    pub drift_ppm: Option<f64>,
    pub since: Option<Wall>,
    /// While its schedule keeps it closed: when it opens next. `None` also where it never does.
    pub opens: Option<Wall>,
    pub trouble: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SourceState {
    Recording,
    #[default]
    Waiting,
    Alarm,
    /// Its schedule keeps it closed.
    Held,
    /// It waits for its trigger.
    Listening,
}

impl SourceState {
    /// Its sound comes, and what is to be recorded of it is.
    pub const fn is_heard(self) -> bool {
        matches!(self, SourceState::Recording | SourceState::Listening)
    }

    pub const fn name(self) -> &'static str {
        match self {
            SourceState::Recording => "recording",
            SourceState::Waiting => "waiting",
            SourceState::Alarm => "alarm",
            SourceState::Held => "held",
            SourceState::Listening => "listening",
        }
    }
}

/// Something long, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// `scan` or `analyse`.
    pub what: &'static str,
    pub done: u64,
    pub total: u64,
}

/// Something that a person should know, until it is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    pub since: Wall,
    /// One line.
    pub text: String,
}
