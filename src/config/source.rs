//! The sections with a `type`: sources.

use std::path::PathBuf;

use super::keys::{self, Key, List};
use super::reader::Reader;
use super::script::ScriptedFault;
use super::storage::Kept;
use super::trigger::Trigger;
use super::url::{PushUrl, StreamUrls};
use super::value::{Secret, Wrong, flag, whole};
use crate::message::{Container, Depth};
use crate::policy::hook::Program;
use crate::policy::schedule::Rules;
use crate::time::Rate;

/// A source and everything its lane is made with.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceConfig {
    /// The name of its section: any text without control characters.
    pub name: String,
    /// The line of its section; 0 when it stands in no file.
    pub line: u32,
    pub lane: LaneSettings,
    /// How its recordings are kept.
    pub kept: Kept,
    pub kind: SourceKind,
}

/// What `[general]` gives to every source, and a source may have otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneSettings {
    pub output_directory: PathBuf,
    /// 0 < split_minutes <= 1440
    pub split_minutes: f64,
    pub filename_pattern: String,
    pub filename_time: FilenameTime,
    /// When the clock turns out to have been wrong.
    pub rename_corrected: bool,
    /// `None`: the one of the system.
    pub time_zone: Option<String>,
    pub bit_depth: BitDepth,
    pub flac_level: u32,
    /// Frames.
    pub flac_block_size: u32,
    pub sync_seconds: f64,
    pub pool_seconds: f64,
    pub period_ms: u32,
    /// At least two periods.
    pub buffer_ms: u32,
    /// Of the fast phase; what comes after it never gives up.
    pub max_retries: u32,
    pub retry_delay_seconds: f64,
    /// When it is recorded.
    pub schedule: Rules,
    pub trigger: Trigger,
    pub icecast: Icecast,
    /// What is run for each of its recordings.
    pub on_close: Option<OnClose>,
}

/// A program that is run for a finished recording.
#[derive(Clone, Debug, PartialEq)]
pub struct OnClose {
    pub program: Program,
    pub timeout_seconds: f64,
}

/// A source's Opus, for whoever listens here and elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Icecast {
    /// `None`: nothing is pushed.
    pub url: Option<PushUrl>,
    /// Of its own mount, too.
    pub kilobits_per_second: u32,
    pub name: Option<String>,
    pub description: Option<String>,
    pub genre: Option<String>,
    pub is_public: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilenameTime {
    Local,
    Utc,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitDepth {
    Fixed(Depth),
    /// What the device has.
    Auto,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SourceKind {
    Soundcard { device: String, sample_rate: Rate, channels: u8, format: Container },
    File { path: PathBuf, pace: Pace, repeat: Repeat, faults: Vec<ScriptedFault>, format: Container, raw: Option<RawPcm> },
    Demo { seed: u64, sample_rate: Rate, channels: u8, format: Container },
    Tone { hz: f64, dbfs: f64, sample_rate: Rate, channels: u8, format: Container, pace: Pace },
    Stream { urls: StreamUrls, username: Option<String>, password: Option<Secret>, format: StreamFormat, cue_sheet: bool },
}

/// How fast samples come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As from a device.
    Real,
    /// As fast as they are taken.
    Fast,
}

/// How often a file is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    Forever,
    /// At least once.
    Times(u32),
}

/// Samples of a file without a header, little endian, interleaved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawPcm {
    pub sample_rate: Rate,
    pub channels: u8,
    pub bits: RawBits,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawBits {
    Sixteen,
    TwentyFour,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamFormat {
    Auto,
    Mp3,
    Ogg,
    Aac,
    Flac,
    Opus,
}

/// The words of the key `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceType {
    Soundcard,
    Stream,
    File,
    Demo,
    Tone,
}

impl SourceConfig {
    /// `None` for streams, which keep the bytes they come in.
    pub fn container(&self) -> Option<Container> {
        match self.kind {
            SourceKind::Soundcard { format, .. }
            | SourceKind::File { format, .. }
            | SourceKind::Demo { format, .. }
            | SourceKind::Tone { format, .. } => Some(format),
            SourceKind::Stream { .. } => None,
        }
    }

    /// As asked for; `None` where the recording itself tells.
    pub fn sample_rate(&self) -> Option<Rate> {
        match self.kind {
            SourceKind::Soundcard { sample_rate, .. }
            | SourceKind::Demo { sample_rate, .. }
            | SourceKind::Tone { sample_rate, .. } => Some(sample_rate),
            SourceKind::File { raw, .. } => raw.map(|raw| raw.sample_rate),
            SourceKind::Stream { .. } => None,
        }
    }

    pub fn source_type(&self) -> SourceType {
        match self.kind {
            SourceKind::Soundcard { .. } => SourceType::Soundcard,
            SourceKind::File { .. } => SourceType::File,
            SourceKind::Demo { .. } => SourceType::Demo,
            SourceKind::Tone { .. } => SourceType::Tone,
            SourceKind::Stream { .. } => SourceType::Stream,
        }
    }

    /// Reads the section as a source of this type; `None` when something is missing, which is then an error on the list.
    pub fn read(name: &str, line: u32, source_type: SourceType, reader: &mut Reader) -> Option<SourceConfig> {
        let kind = SourceKind::read(source_type, reader);
        let mut lane = LaneSettings::read(reader);
        let kept = Kept::of_source(reader);
        if let SourceKind::Soundcard { .. } = kind.as_ref()? {
            lane.widen_buffer(reader);
        }
        if let SourceKind::Stream { .. } = kind.as_ref()? {
            lane.trigger.refuse_of_stream(reader);
        }
        // The pattern was checked when it was read; one without a code makes the same name again and again.
        if !lane.filename_pattern.replace("%%", "").contains('%') {
            let line = reader.line_of(&keys::FILENAME_PATTERN.about);
            reader.warn(line, "filename_pattern has no time in it: all files have one name and differ only by -2, -3 …");
        }
        Some(SourceConfig { name: name.to_owned(), line, lane, kept, kind: kind? })
    }
}

impl LaneSettings {
    pub fn read(reader: &mut Reader) -> LaneSettings {
        LaneSettings {
            output_directory: reader.get(&keys::OUTPUT_DIRECTORY),
            split_minutes: reader.get(&keys::SPLIT_MINUTES),
            filename_pattern: reader.get(&keys::FILENAME_PATTERN),
            filename_time: reader.get(&keys::FILENAME_TIME),
            rename_corrected: reader.get(&keys::RENAME_CORRECTED),
            time_zone: reader.get(&keys::TIME_ZONE),
            bit_depth: reader.get(&keys::BIT_DEPTH),
            flac_level: reader.get(&keys::FLAC_LEVEL),
            flac_block_size: reader.get(&keys::FLAC_BLOCK_SIZE),
            sync_seconds: reader.get(&keys::SYNC_SECONDS),
            pool_seconds: reader.get(&keys::POOL_SECONDS),
            period_ms: reader.get(&keys::PERIOD_MS),
            buffer_ms: reader.get(&keys::BUFFER_MS),
            max_retries: reader.get(&keys::MAX_RETRIES),
            retry_delay_seconds: reader.get(&keys::RETRY_DELAY_SECONDS),
            schedule: Rules {
                windows: reader.get(&keys::SCHEDULE),
                days: reader.get(&keys::SCHEDULE_DAYS),
                dates: reader.get(&keys::SCHEDULE_DATES),
                every: reader.get(&keys::SCHEDULE_EVERY),
                duty: reader.get(&keys::DUTY),
            },
            trigger: Trigger::read(reader),
            icecast: Icecast {
                url: reader.get(&keys::ICECAST_URL),
                kilobits_per_second: reader.get(&keys::ICECAST_BITRATE),
                name: reader.get(&keys::ICECAST_NAME),
                description: reader.get(&keys::ICECAST_DESCRIPTION),
                genre: reader.get(&keys::ICECAST_GENRE),
                is_public: reader.get(&keys::ICECAST_PUBLIC),
            },
            on_close: {
                let timeout_seconds = reader.get(&keys::ON_CLOSE_TIMEOUT);
                reader.get(&keys::ON_CLOSE).map(|program| OnClose { program, timeout_seconds })
            },
        }
    }

    /// A sound card needs room for two periods: one that fills while the other is read.
    fn widen_buffer(&mut self, reader: &mut Reader) {
        let least = 2 * self.period_ms; // period_ms <= 1000
        if self.buffer_ms < least {
            let line = reader.line_of(&keys::BUFFER_MS.about);
            reader.warn(line, format!("buffer_ms = {}: less than two periods, so it is {least}", self.buffer_ms));
            self.buffer_ms = least;
        }
    }
}

impl SourceKind {
    fn read(source_type: SourceType, reader: &mut Reader) -> Option<SourceKind> {
        match source_type {
            SourceType::Soundcard => Some(SourceKind::Soundcard {
                device: reader.get(&keys::DEVICE),
                sample_rate: reader.get(&keys::SAMPLE_RATE),
                channels: reader.get(&keys::CHANNELS),
                format: reader.get(&keys::FORMAT_WAV),
            }),
            SourceType::File => SourceKind::read_file(reader),
            SourceType::Demo => Some(SourceKind::Demo {
                seed: reader.get(&keys::SEED),
                sample_rate: reader.get(&keys::SAMPLE_RATE_48),
                channels: reader.get(&keys::CHANNELS),
                format: reader.get(&keys::FORMAT_FLAC),
            }),
            SourceType::Tone => Some(SourceKind::read_tone(reader)),
            SourceType::Stream => SourceKind::read_stream(reader),
        }
    }

    fn read_file(reader: &mut Reader) -> Option<SourceKind> {
        let path = required(&keys::PATH, reader);
        let (pace, repeat) = (reader.get(&keys::PACE), reader.get(&keys::LOOP));
        let (faults, format) = (reader.get(&keys::FAULTS), reader.get(&keys::FORMAT_WAV));
        let (bits, sample_rate, channels) =
            (reader.get(&keys::RAW_BITS), reader.get(&keys::SAMPLE_RATE), reader.get(&keys::CHANNELS));
        let raw = bits.map(|bits| RawPcm { sample_rate, channels, bits });
        Some(SourceKind::File { path: path?, pace, repeat, faults, format, raw })
    }

    fn read_tone(reader: &mut Reader) -> SourceKind {
        let (hz, dbfs) = (reader.get(&keys::HZ), reader.get(&keys::DBFS));
        let (sample_rate, channels) = (reader.get(&keys::SAMPLE_RATE_48), reader.get(&keys::CHANNELS));
        let (format, pace) = (reader.get(&keys::FORMAT_WAV), reader.get(&keys::PACE));
        if hz * 2.0 > f64::from(sample_rate.hz()) {
            let line = reader.line_of(&keys::HZ.about);
            reader.error(line, format!("hz = {hz}: above half of the sample rate ({sample_rate})"));
        }
        SourceKind::Tone { hz, dbfs, sample_rate, channels, format, pace }
    }

    fn read_stream(reader: &mut Reader) -> Option<SourceKind> {
        let url = required(&keys::URL, reader);
        let (username, password) = (reader.get(&keys::USERNAME), reader.get(&keys::PASSWORD));
        let (format, cue_sheet) = (reader.get(&keys::STREAM_FORMAT), reader.get(&keys::CUE_SHEET));
        Some(SourceKind::Stream { urls: url?, username, password, format, cue_sheet })
    }
}

/// A value that must be there. When it is there and wrong, reading it has said so.
fn required<T>(key: &Key<Option<T>>, reader: &mut Reader) -> Option<T> {
    let errors = reader.errors();
    let value = reader.get(key);
    if value.is_none() && reader.errors() == errors {
        let line = reader.line_of(&key.about);
        reader.error(line, format!("{} is missing: want {}", key.about.name, key.about.wants));
    }
    value
}

impl SourceType {
    pub const WANTS: &str = "soundcard, stream, file, demo or tone";
    pub const WORDS: [(&str, SourceType); 5] = [
        ("soundcard", SourceType::Soundcard),
        ("stream", SourceType::Stream),
        ("file", SourceType::File),
        ("demo", SourceType::Demo),
        ("tone", SourceType::Tone),
    ];

    /// Whether this text names one.
    pub fn is(text: &str) -> bool {
        Self::WORDS.iter().any(|(word, _)| word.eq_ignore_ascii_case(text.trim()))
    }

    /// The keys of the type, without those of `[general]`.
    pub fn keys(self) -> List {
        match self {
            SourceType::Soundcard => keys::SOUNDCARD,
            SourceType::Stream => keys::STREAM,
            SourceType::File => keys::FILE,
            SourceType::Demo => keys::DEMO,
            SourceType::Tone => keys::TONE,
        }
    }
}

impl Repeat {
    /// A number counts how often the file is played, so that 1 is what `no` is.
    pub fn parse(text: &str) -> Result<Repeat, Wrong> {
        match whole(text, 1, 1_000_000) {
            Ok(times) => Ok(Repeat::Times(times)),
            Err(_) => flag(text).map(|forever| if forever { Repeat::Forever } else { Repeat::Times(1) }),
        }
    }
}

impl RawBits {
    pub const WORDS: [(&str, RawBits); 2] = [("16", RawBits::Sixteen), ("24", RawBits::TwentyFour)];
}

impl StreamFormat {
    pub const WORDS: [(&str, StreamFormat); 6] = [
        ("auto", StreamFormat::Auto),
        ("mp3", StreamFormat::Mp3),
        ("ogg", StreamFormat::Ogg),
        ("aac", StreamFormat::Aac),
        ("flac", StreamFormat::Flac),
        ("opus", StreamFormat::Opus),
    ];
}
