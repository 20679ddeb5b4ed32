//! The sidecar of a recording: who recorded it, when exactly, what is missing, how it ended. One JSON object, in `sidecar.schema.json`.
//!
//! The store writes it before a file gets its final name. Others add keys of their own, which pass through [`Sidecar::other`]
//! unharmed. A JSON file without our `schema` key belongs to another program and is never touched.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::found::{Found, FoundDetection, FoundIndices, FoundQuality, FoundSection};
use crate::message::{Cause, ClockState, Closing, Codec, Format, GapAt, Identity, Title, Triggered};
use crate::time::{Rate, Wall};

/// Value of the `schema` key; another number means another meaning of the keys.
pub const SCHEMA: &str = "soundpost/analysis/1";

/// End reason of a recording that goes on: written beside a stream that is kept as it comes, whose own bytes name nobody.
pub const RECORDING: &str = "recording";

/// End reason of a recording that was cut out of others, because somebody asked for the last seconds of a source. It is no part
/// of its source's sound besides theirs, and follows nothing.
pub const KEPT: &str = "mark";

/// Larger files are not read: an hour of sections is a few hundred KiB.
pub const LIMIT_BYTES: usize = 8 << 20;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sidecar {
    pub schema: String,
    /// Path below the output directory, with `/`.
    pub file: String,
    pub source: String,
    pub session: String,
    /// Number of the first frame in the run, lost frames counted.
    pub first_frame: u64,
    pub frames: u64,
    /// Sum over `gaps`.
    pub lost_frames: u64,
    pub sample_rate: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured_rate: Option<f64>,
    pub channels: u8,
    /// Of captured sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bit_depth: Option<u8>,
    /// Of a stream that is kept as it came: mp3, aac, vorbis, opus, ogg-flac or flac.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
    #[serde(with = "stamp")]
    pub start: Wall,
    /// `start` + (frames + lost_frames) / sample_rate.
    #[serde(with = "stamp")]
    pub end: Wall,
    pub utc_offset_s: i32,
    /// State of the wall clock when the file began.
    pub clock: String,
    /// Whose time `start` is, where the clock was not synced: browser.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_source: Option<String>,
    /// What `start` was before the clock was set.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "stamp_option")]
    pub recorded_as: Option<Wall>,
    /// Seconds from `recorded_as` to `start`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrected_by: Option<f64>,
    pub end_reason: String,
    /// What its trigger heard.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "known")]
    pub trigger: Option<SidecarTrigger>,
    /// Finished after a kill or a power cut, not by its recorder.
    #[serde(default)]
    pub recovered: bool,
    /// Frames that surely are what was recorded; the rest of a recovered or suspect file may not be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sure_frames: Option<u64>,
    /// The disk reported that it failed to keep what it was given.
    #[serde(default)]
    pub suspect: bool,
    /// File with what was cut off behind damage, as `file` is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest: Option<String>,
    #[serde(default)]
    pub gaps: Vec<SidecarGap>,
    /// What the station said that it was playing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub titles: Vec<SidecarTitle>,
    /// Bytes of a stream that fitted nowhere and are not in the file.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub garbage_bytes: u64,
    pub software: String,
    /// How `sections` were found. With the next three: of an analysed recording.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "known")]
    pub detection: Option<FoundDetection>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "known")]
    pub sections: Option<Vec<FoundSection>>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "known")]
    pub quality: Option<FoundQuality>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "known")]
    pub indices: Option<FoundIndices>,
    /// Keys of other writers.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SidecarGap {
    /// Frames of the file before the gap.
    pub at_frame: u64,
    pub lost_frames: u64,
    pub reason: String,
}

/// Why the clip began: a tenth of a second with this level, over this floor, both in dBFS.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SidecarTrigger {
    /// level or bands.
    pub detector: String,
    /// dB.
    pub margin: f64,
    pub level: f64,
    pub floor: f64,
    /// Edges in Hz of the band that was loud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub band_hz: Option<(f32, f32)>,
}

impl From<&Triggered> for SidecarTrigger {
    fn from(why: &Triggered) -> SidecarTrigger {
        let detector = why.detector.name().to_owned();
        let [margin, level, floor] = [why.margin, why.level, why.floor].map(|centibel| centibel.db());
        SidecarTrigger { detector, margin, level, floor, band_hz: why.band_hz }
    }
}

/// A title, and the frames of the file before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SidecarTitle {
    pub at_frame: u64,
    #[serde(with = "stamp")]
    pub at: Wall,
    pub title: String,
}

impl From<&Title> for SidecarTitle {
    fn from(title: &Title) -> SidecarTitle {
        SidecarTitle { at_frame: title.at_frame, at: micros(title.at), title: title.text.to_string() }
    }
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl From<&GapAt> for SidecarGap {
    fn from(gap: &GapAt) -> SidecarGap {
        SidecarGap { at_frame: gap.at_frame, lost_frames: gap.lost_frames, reason: gap.reason.name().to_owned() }
    }
}

/// Why bytes are no sidecar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// Whole, but another program's, or of a version that is not known here: not to be touched.
    Foreign,
    /// Torn or damaged.
    Broken,
}

impl Sidecar {
    /// Of a file that ended as `closing` tells.
    pub fn new(file: String, identity: &Identity, closing: &Closing, software: &str) -> Sidecar {
        let lost_frames = closing.gaps.iter().fold(0_u64, |sum, gap| sum.saturating_add(gap.lost_frames));
        let identity = &Identity { start: closing.start.unwrap_or(identity.start), ..identity.clone() };
        Sidecar {
            schema: SCHEMA.to_owned(),
            file,
            source: identity.source.to_string(),
            session: identity.session.to_string(),
            first_frame: identity.first_frame,
            frames: closing.frames,
            lost_frames,
            sample_rate: identity.format.rate.hz(),
            measured_rate: closing.measured_rate.filter(|hz| hz.is_finite()),
            channels: identity.format.channels,
            bit_depth: identity.format.pcm().map(|format| format.depth.bits()),
            codec: identity.format.codec().map(|codec| codec.name().to_owned()),
            start: micros(identity.start),
            end: micros(end(identity, closing.frames, lost_frames)),
            utc_offset_s: identity.utc_offset_s,
            clock: identity.clock.name().to_owned(),
            clock_source: None,
            recorded_as: None,
            corrected_by: None,
            end_reason: closing.cause.name().to_owned(),
            trigger: closing.trigger.as_ref().map(SidecarTrigger::from),
            recovered: false,
            sure_frames: None,
            suspect: false,
            rest: None,
            gaps: closing.gaps.iter().map(SidecarGap::from).collect(),
            titles: closing.titles.iter().map(SidecarTitle::from).collect(),
            garbage_bytes: closing.garbage_bytes,
            software: software.to_owned(),
            detection: None,
            sections: None,
            quality: None,
            indices: None,
            other: Map::new(),
        }
    }

    /// Of a file that has just begun.
    pub fn begun(file: String, identity: &Identity, software: &str) -> Sidecar {
        let closing = Closing::new(Cause::Recovered, 0, identity.clock);
        Sidecar { end_reason: RECORDING.to_owned(), ..Sidecar::new(file, identity, &closing, software) }
    }

    /// Its recording goes on, or was never finished: its length says nothing.
    pub fn is_begun(&self) -> bool {
        self.end_reason == RECORDING
    }

    /// Who and when the recording of a stream is, as far as microseconds go; `None` if this is not of a stream.
    pub fn stream_identity(&self) -> Option<Identity> {
        let codec = Codec::ALL.into_iter().find(|codec| self.codec.as_deref() == Some(codec.name()))?;
        Some(Identity {
            source: self.source.as_str().into(),
            session: self.session.as_str().into(),
            first_frame: self.first_frame,
            start: self.start,
            utc_offset_s: self.utc_offset_s,
            clock: if self.clock == ClockState::Synced.name() { ClockState::Synced } else { ClockState::Unsynced },
            format: Format::coded(codec, Rate::new(self.sample_rate)?, self.channels),
        })
    }

    /// Its clock was not synced: whose time it is by now.
    pub fn timed_by(&mut self, source: Option<&str>) {
        self.clock_source = source.filter(|_| self.clock == ClockState::Unsynced.name()).map(str::to_owned);
    }

    /// The wall clock was set: the file began this much later. The first start is remembered.
    pub fn correct(&mut self, by_ns: i64) {
        self.recorded_as.get_or_insert(self.start);
        self.start = micros(self.start.plus_ns(by_ns));
        self.end = micros(self.end.plus_ns(by_ns));
        for title in &mut self.titles {
            title.at = micros(title.at.plus_ns(by_ns));
        }
        let total_us = self.recorded_as.map_or(0, |first| self.start.micros().saturating_sub(first.micros()));
        self.corrected_by = Some(total_us as f64 / 1e6);
    }

    /// Of its sound this is known now; what was known before is replaced.
    pub fn tell(&mut self, found: Found) {
        (self.detection, self.sections) = (Some(found.detection), Some(found.sections));
        (self.quality, self.indices) = (Some(found.quality), found.indices);
    }

    /// Whether this describes the same frames of the same run.
    pub fn is_of(&self, identity: &Identity, frames: u64) -> bool {
        self.begins_as(identity) && self.frames == frames
    }

    /// Whether this describes the file of the same run that begins with the same frame, however long it was then.
    pub fn begins_as(&self, identity: &Identity) -> bool {
        self.session == *identity.session && self.source == *identity.source && self.first_frame == identity.first_frame
    }

    pub fn read(bytes: &[u8]) -> Result<Sidecar, Unread> {
        if bytes.len() > LIMIT_BYTES {
            return Err(Unread::Foreign);
        }
        // The depth is limited by serde_json itself, to 128.
        let value: Value = serde_json::from_slice(bytes).map_err(|_| Unread::Broken)?;
        match value.get("schema").and_then(Value::as_str) {
            Some(SCHEMA) => serde_json::from_value(value).map_err(|_| Unread::Broken),
            _ => Err(Unread::Foreign),
        }
    }

    /// One key a line, and a line break at the end.
    pub fn write(&self) -> Vec<u8> {
        // A struct of strings and numbers with string keys has nothing that serde_json refuses.
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }
}

/// When the last of so many frames ended.
pub fn end(identity: &Identity, frames: u64, lost_frames: u64) -> Wall {
    let rate: Rate = identity.format.rate;
    identity.start.plus_ns(rate.ns_of(frames.saturating_add(lost_frames)))
}

/// UTC to the microsecond: `2024-12-25T14:00:00.000000Z`.
pub fn rfc3339(at: Wall) -> String {
    // All of Wall's 292 years on both sides of 1970 are within a Timestamp's reach.
    let t = Timestamp::from_microsecond(at.micros()).unwrap_or(Timestamp::UNIX_EPOCH);
    t.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

pub fn parse_rfc3339(text: &str) -> Option<Wall> {
    let t: Timestamp = text.parse().ok()?;
    i64::try_from(t.as_nanosecond()).ok().map(Wall)
}

/// What an analysis told in a way that is not known here is computed anew: it must not make the rest unreadable.
fn known<'de, D: Deserializer<'de>, T: DeserializeOwned>(d: D) -> Result<Option<T>, D::Error> {
    Value::deserialize(d).map(|value| serde_json::from_value(value).ok())
}

fn micros(at: Wall) -> Wall {
    Wall::from_micros(at.micros())
}

mod stamp {
    use super::*;

    pub fn serialize<S: Serializer>(at: &Wall, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&rfc3339(*at))
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Wall, D::Error> {
        let text = String::deserialize(d)?;
        parse_rfc3339(&text).ok_or_else(|| serde::de::Error::custom("not an RFC 3339 time"))
    }
}

mod stamp_option {
    use super::*;

    pub fn serialize<S: Serializer>(at: &Option<Wall>, s: S) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => stamp::serialize(at, s),
            None => s.serialize_none(),
        }
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Wall>, D::Error> {
        match Option::<String>::deserialize(d)? {
            Some(text) => parse_rfc3339(&text).map(Some).ok_or_else(|| serde::de::Error::custom("not an RFC 3339 time")),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests;
