//! All that crosses a queue, in pipeline order: who sends it, who receives it, what happens when the queue is full.
//!
//! ```text
//! capture ──Tape──► encoder (splitter inside) ──ToStore──► store
//!     │                   └──Tapped──► analyser ──ToStore────┘
//!     ├─Heard─► live (only while somebody looks or listens)
//!     └───────────────────┴──────────Notice──────┴────────► supervisor (logs it)
//! ```
//! One envelope travels on every lane edge, in *runs* as capture speaks and in *files* as the store hears.

pub mod analysis;
pub mod clock;
pub mod folders;
pub mod handover;
pub mod library;
pub mod live;
pub mod mount;
pub mod news;
pub mod page;
pub mod reduce;
pub mod relay;
pub mod settings;
mod sound;
pub mod told;
pub mod window;

use std::sync::Arc;

use self::analysis::{Analysis, Centibel, Detection, Detector, Section};
pub use self::sound::{Codec, Container, Depth, Format, PcmFormat, Samples};
use crate::pool::Block;
use crate::time::{Mono, Wall};

/// Which lane: the row of its source in the wiring table.
pub type Lane = u16;

/// Why a run or a file ended. Written to logs and sidecars by [`Cause::name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A boundary of split_minutes.
    Split,
    /// The wall clock was set.
    Clock,
    /// More than a second was lost; what follows is a new file.
    Gap,
    /// The stream goes on with another codec, rate or number of channels.
    Changed,
    /// The file reached the size that its format can hold.
    Size,
    /// The device or its run ended: unplugged, server gone.
    Unplugged,
    /// Samples no longer advanced.
    Stalled,
    /// The source came to its end, as a replayed file does.
    End,
    /// A window of its schedule was over.
    Schedule,
    /// What its trigger had made be recorded was over: it is quiet, or as long as a clip may be.
    Trigger,
    /// An actor failed and was started anew.
    Fault,
    /// The disk refused to take or to sync data.
    Disk,
    /// The recorder was asked to stop.
    Shutdown,
    /// Found unfinished at start, after a kill or a power cut.
    Recovered,
}

impl Cause {
    pub const fn name(self) -> &'static str {
        match self {
            Cause::Split => "split",
            Cause::Clock => "clock",
            Cause::Gap => "gap",
            Cause::Changed => "changed",
            Cause::Size => "size",
            Cause::Unplugged => "unplugged",
            Cause::Stalled => "stalled",
            Cause::End => "end",
            Cause::Schedule => "schedule",
            Cause::Trigger => "trigger",
            Cause::Fault => "fault",
            Cause::Disk => "disk",
            Cause::Shutdown => "shutdown",
            Cause::Recovered => "recovered",
        }
    }
}

/// Why samples are missing. Written to gaps.csv and sidecars by [`Reason::name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The device's own buffer overran.
    Xrun,
    /// Every block of the pool was in use: the disk or the encoder was behind for longer than the pool holds.
    Overload,
    /// The device was gone.
    Unplugged,
    /// The device stood still.
    Stalled,
    /// An actor failed and was started anew.
    Fault,
    /// The disk lost what it had been given.
    Disk,
    /// The recorder was not running: killed, power cut, restarted.
    Restart,
}

impl Reason {
    pub const fn name(self) -> &'static str {
        match self {
            Reason::Xrun => "xrun",
            Reason::Overload => "overload",
            Reason::Unplugged => "unplugged",
            Reason::Stalled => "stalled",
            Reason::Fault => "fault",
            Reason::Disk => "disk",
            Reason::Restart => "restart",
        }
    }
}

/// What is known of the wall clock a file was stamped with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockState {
    Synced,
    Unsynced,
}

impl ClockState {
    pub const fn name(self) -> &'static str {
        match self {
            ClockState::Synced => "synced",
            ClockState::Unsynced => "unsynced",
        }
    }
}

/// A capture from open to failure.
#[derive(Clone, Debug)]
pub struct Run {
    /// Names the run in files and sidecars; frames are counted from its start.
    pub session: Arc<str>,
    pub format: PcmFormat,
    /// When frame 0 was captured, as well as is known at the start.
    pub at: Mono,
}

/// Samples known to be missing before the next block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Number of the first lost frame in the run.
    pub at_frame: u64,
    pub frames: u64,
    pub reason: Reason,
}

/// The envelope of a lane edge: capture to encoder. The edge is as deep as the pool plus markers and cannot fill;
/// should it be full all the same, capture drops the block, counts it and sends one [`Lost`] when there is room.
pub enum Tape {
    Start(Arc<Run>),
    Block(Block),
    Gap(Lost),
    Stop(Cause),
}

/// Who and when a file is: known at its start, written into its header, found again by repair.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    /// The section of the configuration: name of the source.
    pub source: Arc<str>,
    pub session: Arc<str>,
    /// Number of the first frame in the run, lost frames counted.
    pub first_frame: u64,
    /// Estimated UTC of the first frame.
    pub start: Wall,
    /// Offset of local time from UTC at `start`, in seconds.
    pub utc_offset_s: i32,
    pub clock: ClockState,
    pub format: Format,
}

/// A file to create.
#[derive(Clone, Debug)]
pub struct NewFile {
    pub identity: Identity,
    pub container: Container,
    /// Path below the lane's output directory, without extension; the store appends a suffix when it is taken.
    pub stem: String,
    /// Bytes before the first sample; they are the first data that follows.
    pub header_bytes: u32,
}

/// Lost frames inside a file: `at_frame` frames of the file come before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GapAt {
    pub at_frame: u64,
    pub lost_frames: u64,
    pub reason: Reason,
}

/// Gaps that one file remembers; at the next one it ends and another begins.
pub const GAPS_PER_FILE: usize = 64;

/// What a station said that it was playing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Title {
    /// Frames of the file before it.
    pub at_frame: u64,
    pub at: Wall,
    /// One line.
    pub text: Arc<str>,
}

/// Titles that one file remembers; later ones are counted only.
pub const TITLES_PER_FILE: usize = 4_096;

/// Why a clip began: the level of a tenth of a second, of everything or of a band, and the floor that it was above.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Triggered {
    pub detector: Detector,
    pub margin: Centibel,
    pub level: Centibel,
    pub floor: Centibel,
    /// [`Detector::Bands`] only.
    pub band_hz: Option<(f32, f32)>,
}

/// What is known of a file when its last frame is.
#[derive(Clone, Debug, PartialEq)]
pub struct Closing {
    pub cause: Cause,
    /// Frames in the file.
    pub frames: u64,
    pub gaps: heapless::Vec<GapAt, GAPS_PER_FILE>,
    /// True rate of the device's clock in Hz, when a fit exists.
    pub measured_rate: Option<f64>,
    pub clock: ClockState,
    /// At most [`TITLES_PER_FILE`]; only streams have any.
    pub titles: Vec<Title>,
    /// Bytes of a stream that fitted nowhere.
    pub garbage_bytes: u64,
    /// What the identity's start has turned out to be: how much a server had stored is known only after a while.
    pub start: Option<Wall>,
    /// Of a clip.
    pub trigger: Option<Triggered>,
}

impl Closing {
    /// Of a file of which nothing else is to be told.
    pub const fn new(cause: Cause, frames: u64, clock: ClockState) -> Closing {
        Closing {
            cause,
            frames,
            gaps: heapless::Vec::new(),
            measured_rate: None,
            clock,
            titles: Vec::new(),
            garbage_bytes: 0,
            start: None,
            trigger: None,
        }
    }
}

/// A line of gaps.csv: [start, end) in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GapEntry {
    pub start: Wall,
    pub end: Wall,
    pub frames_lost: u64,
    pub reason: Reason,
}

/// Encoder to store: one inbox for all lanes, as deep as all their pools of encoded blocks plus markers.
/// It cannot fill; an encoder that finds it full waits.
pub enum ToStore {
    /// The next file of the lane will probably be this one: make it ready, so that a cut need not wait.
    Prepare(Lane, Box<NewFile>),
    Open(Lane, Box<NewFile>),
    /// Appended to the lane's file; `block.frames` is the number of frames whose last byte is in it.
    Data(Lane, Block),
    /// Bytes that replace what stands at this offset of the lane's file.
    Patch(Lane, u64, Block),
    Close(Lane, Box<Closing>),
    /// A triggered lane hears its source from here on: whatever is recorded of it, nothing is missing.
    Watching(Lane, Box<Identity>),
    /// A stretch in which the lane waited for its trigger, with the clips in it, is over: it is entered beside the recordings.
    Watched(Lane, Box<Watched>),
    Gap(Lane, GapEntry),
    /// The wall clock was set: unsynced files of this run began this much later (ns, may be negative).
    Correct(Lane, Arc<str>, i64),
    /// What the sound of a file of this lane is, open or ended: kept beside it when the file has its name. A hint: whatever
    /// becomes of it, the file can be analysed again.
    Analysed(Lane, Arc<Analysed>),
}

/// A stretch of a triggered lane, from split to split: all that was heard, recorded or not.
#[derive(Clone, Debug)]
pub struct Watched {
    pub identity: Identity,
    pub closing: Closing,
}

/// Whole: of every frame of its file.
#[derive(Clone, Debug)]
pub struct Analysed {
    /// Of a stretch of [`Watched`], not of a file.
    pub is_watch: bool,
    pub session: Arc<str>,
    pub first_frame: u64,
    pub analysis: Analysis,
    pub detection: Detection,
    pub sections: Vec<Section>,
}

/// Encoder to analyser: one inbox for all lanes, as deep as all their tap pools and their markers. Whoever finds it full, or
/// finds no block, drops what it has, and the file is analysed from the disk.
pub struct Tapped {
    pub lane: Lane,
    /// Of a stretch of [`Watched`], which files may begin and end in.
    pub is_watch: bool,
    pub tap: Tap,
}

pub enum Tap {
    /// A file begins; what was tapped of another one before is void if its end did not come.
    Open(Box<TapOpen>),
    /// Whole frames, as in [`Tape`].
    Sound(Block),
    /// The file has so many frames.
    Close { frames: u64 },
}

#[derive(Clone, Debug)]
pub struct TapOpen {
    pub session: Arc<str>,
    /// Of the file in its run.
    pub first_frame: u64,
    pub format: PcmFormat,
    /// As far as is known.
    pub expected_frames: u64,
}

/// Anything an actor may not say itself, such as capture on its real-time thread. Dropped and counted when the queue is full.
#[derive(Debug)]
pub struct Notice {
    pub level: log::Level,
    pub source: Arc<str>,
    pub text: String,
}
