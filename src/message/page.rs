//! What passes between the page and whoever keeps the recordings, beyond the rows of [`library`](super::library): wishes with
//! parameters and the state of the recorder.

use std::sync::Arc;

use super::analysis::{Centibel, Detection, Indices, Label, Section};
use super::clock::ClockReference;
use crate::status::Spread;
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
    /// What other programs found in it, each with the name of the program.
    pub labels: Vec<(String, Label)>,
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
    /// Where recordings are deleted by themselves.
    pub retention: Option<Retention>,
    pub detection: Detection,
    pub pre_roll_ms: u32,
    pub post_roll_ms: u32,
    pub sources: Vec<SourceStatus>,
    pub work: Option<Work>,
    pub uploads: Vec<UploadStatus>,
    pub alarms: Vec<Alarm>,
    pub health: Health,
}

/// What the machine is like beside its sources; what nobody knows is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Health {
    pub temperature_c: Option<f64>,
    /// The supply is too weak just now.
    pub under_voltage: Option<bool>,
    pub wifi_dbm: Option<i32>,
    /// Files that are to be uploaded and are not yet; `None` where nothing is uploaded.
    pub uploads_waiting: Option<u64>,
    /// Messages about alarms that reached somebody, and those that did not.
    pub messages_sent: u64,
    pub messages_lost: u64,
    /// Programs that were run for finished recordings, those of them that failed, and recordings that have to wait for theirs.
    pub hooks_run: u64,
    pub hooks_failed: u64,
    pub hooks_missed: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Disk {
    pub free_bytes: u64,
    pub total_bytes: u64,
    /// Nothing while nobody records.
    pub hours_left: Option<f64>,
}

/// How room is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// That is to stay free.
    pub floor_bytes: u64,
    /// Recordings that were deleted by themselves since the start.
    pub deleted: u64,
    pub deleted_bytes: u64,
    /// Recordings that were reduced to their sections, with or without an Opus of the whole, and the bytes that this gave back.
    pub reduced: u64,
    pub reduced_bytes: u64,
    pub last_reduced: Option<Deleted>,
    pub last: Option<Deleted>,
    /// Newest first, [`Retention::MOST`] of them.
    pub recent: Vec<Deleted>,
}

impl Retention {
    /// Of those that were deleted; the log has all.
    pub const MOST: usize = 20;

    /// This one was deleted just now.
    pub fn note(&mut self, deleted: Deleted) {
        self.recent.truncate(Retention::MOST - 1);
        self.recent.insert(0, deleted.clone());
        self.last = Some(deleted);
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deleted {
    pub name: String,
    pub at: Wall,
    pub reason: String,
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
    /// What it takes of the disk, as far as that can be known before.
    pub bytes_per_hour: f64,
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
    /// Samples come, as long as some should.
    pub is_advancing: bool,
    pub frames_lost: u64,
    /// Of its pool: the most that were in use at once, and all.
    pub blocks_used_max: u32,
    pub blocks: u32,
    /// Of those that were looked at: see `quality` of a recording.
    pub samples_clipped: u64,
    /// How long its writes and syncs take.
    pub write: Spread,
    pub sync: Spread,
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

/// What becomes of recordings that are sent to a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadStatus {
    /// Of the target's section.
    pub name: String,
    /// `s3`, `webdav`, `put` or `folder`.
    pub kind: &'static str,
    /// `waiting` for something to send, `sending`, `verifying`, `held` by its window, `absent` (a folder that is not there),
    /// `failing`.
    pub state: &'static str,
    /// Name of the recording that is being sent.
    pub file: Option<String>,
    /// Which part of it, of so many; counted from 1.
    pub part: u32,
    pub parts: u32,
    /// That still wait, and what they weigh.
    pub backlog_files: u64,
    pub backlog_bytes: u64,
    /// Since the start: recordings that were looked after there, and bytes that left.
    pub uploaded_files: u64,
    pub sent_bytes: u64,
    /// Of the last one.
    pub uploaded_at: Option<Wall>,
    /// Why the last attempt failed; nothing once one succeeded.
    pub trouble: Option<String>,
    /// When it is tried again.
    pub again_at: Option<Wall>,
    /// For a person: a medium may be pulled.
    pub note: Option<&'static str>,
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
