//! The sidecar of a recording: who recorded it, when exactly, what is missing, how it ended. One JSON object, in `sidecar.schema.json`.
//!
//! The store writes it before a file gets its final name. Others add keys of their own, which pass through [`Sidecar::other`]
//! unharmed. A JSON file without our `schema` key belongs to another program and is never touched.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::found::{Found, FoundDetection, FoundIndices, FoundQuality, FoundSection};
use crate::message::{Cause, ClockState, Closing, Codec, Format, GapAt, Identity, Title};
use crate::time::{Rate, Wall};

/// Value of the `schema` key; another number means another meaning of the keys.
pub const SCHEMA: &str = "soundpost/analysis/1";

/// End reason of a recording that goes on: written beside a stream that is kept as it comes, whose own bytes name nobody.
pub const RECORDING: &str = "recording";

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
    /// What `start` was before the clock was set.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "stamp_option")]
    pub recorded_as: Option<Wall>,
    /// Seconds from `recorded_as` to `start`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrected_by: Option<f64>,
    pub end_reason: String,
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
            recorded_as: None,
            corrected_by: None,
            end_reason: closing.cause.name().to_owned(),
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
mod tests {
    use super::*;
    use crate::message::analysis::{
        Analysis, COLUMN_BANDS, Centibel, DETECTION_BANDS, Detection, Detector, Indices, Profile, Quality, Section,
    };
    use crate::message::{Depth, PcmFormat, Reason};

    const SCHEMA_TEXT: &str = include_str!("sidecar.schema.json");

    fn plain() -> Sidecar {
        let identity = Identity {
            source: "mic".into(),
            session: "20241225T130000-1".into(),
            first_frame: 48_000,
            start: Wall(1_735_135_200_123_456_789),
            utc_offset_s: 3_600,
            clock: ClockState::Unsynced,
            format: PcmFormat { rate: Rate::new(48_000).expect("valid"), channels: 2, depth: Depth::Sixteen }.into(),
        };
        let mut gaps = heapless::Vec::new();
        let _ = gaps.push(GapAt { at_frame: 4_800, lost_frames: 480, reason: Reason::Xrun });
        let closing = Closing { gaps, ..Closing::new(Cause::Split, 96_000 - 480, ClockState::Synced) };
        Sidecar::new("2024/a.flac".into(), &identity, &closing, "soundpost 0.1.0")
    }

    /// Every optional key is there.
    fn full() -> Sidecar {
        let mut s = plain();
        s.measured_rate = Some(48_000.25);
        s.correct(31_000_000_000);
        s.correct(-1_500_000);
        s.recovered = true;
        s.suspect = true;
        s.rest = Some("2024/a.flac.rest".into());
        s.sure_frames = Some(90_000);
        s.codec = Some(Codec::OggFlac.name().to_owned());
        s.titles = vec![SidecarTitle { at_frame: 7, at: s.start, title: "A – B".into() }];
        s.garbage_bytes = 12;
        s.tell(found());
        s.other.insert("birds".into(), serde_json::json!([{"start": 1.0, "name": "wren"}]));
        s
    }

    fn found() -> Found {
        let band_hz = Some((3_000.0, 8_000.0));
        let section = Section { first_window: 12, end_window: 31, score: Centibel(2_345), band_hz };
        let analysis = Analysis {
            profile: Profile {
                rate_hz: 48_000,
                frames: 1_440_000,
                detection_edges: [0.0; DETECTION_BANDS + 1],
                column_edges: [0.0; COLUMN_BANDS + 1],
                levels: Vec::new(),
                detection: Vec::new(),
                columns: Vec::new(),
            },
            quality: Quality { peak: 0.5, level: -31.5, floor: -48.25, silent_windows: 3, ..Quality::default() },
            indices: vec![Indices { aci: 1_520.5, adi: 2.1, aei: 0.3, bi: 41.0, h: 0.8, ndsi: -0.5 }],
        };
        Found::new(&analysis, &Detection { detector: Detector::Bands, ..Detection::default() }, vec![section])
    }

    #[test]
    fn what_is_written_is_read() {
        for sidecar in [plain(), full()] {
            assert_eq!(Sidecar::read(&sidecar.write()), Ok(sidecar));
        }
    }

    #[test]
    fn a_stream_is_known_by_what_was_written_at_its_start() {
        let identity = Identity {
            source: "radio".into(),
            session: "s".into(),
            first_frame: 7,
            start: Wall(1_735_135_200_123_456_000),
            utc_offset_s: -3_600,
            clock: ClockState::Synced,
            format: Format::coded(Codec::Opus, Rate::new(48_000).expect("valid"), 2),
        };
        let begun = Sidecar::begun("a.opus".into(), &identity, "x");
        let read = Sidecar::read(&begun.write()).expect("whole");
        assert!(read.is_begun() && read.is_of(&identity, 0) && read.end == read.start);
        assert_eq!(read.stream_identity(), Some(identity));
        assert_eq!(plain().stream_identity(), None);
        let schema: Value = serde_json::from_str(SCHEMA_TEXT).expect("the schema is JSON");
        assert_eq!(faults(&schema, &serde_json::to_value(begun).expect("JSON")), Vec::<String>::new());
    }

    #[test]
    fn an_analysis_is_told_again() {
        let mut s = full();
        let again = Found { sections: Vec::new(), indices: None, ..found() };
        s.tell(again.clone());
        assert_eq!((s.sections.as_deref(), s.quality.as_ref(), s.indices.as_ref()), (Some(&[][..]), Some(&again.quality), None));
        assert_eq!(Sidecar::read(&s.write()), Ok(s));
        assert_eq!((plain().detection, plain().sections), (None, None));
        // Of another version, or spoilt: only this is gone.
        let mut value = serde_json::to_value(full()).expect("JSON");
        value["sections"] = serde_json::json!([{"start": 1.0, "score": 23.5}]);
        value["quality"] = "good".into();
        let read = Sidecar::read(value.to_string().as_bytes());
        assert_eq!(read, Ok(Sidecar { sections: None, quality: None, ..full() }));
    }

    #[test]
    fn times_are_utc_to_the_microsecond() {
        let s = plain();
        assert_eq!(
            (rfc3339(s.start), rfc3339(s.end)),
            ("2024-12-25T14:00:00.123456Z".into(), "2024-12-25T14:00:02.123456Z".into())
        );
        assert_eq!(rfc3339(Wall(-1)), "1969-12-31T23:59:59.999999Z");
        assert_eq!(parse_rfc3339("1969-12-31T23:59:59.999999Z"), Some(Wall(-1_000)));
        for at in [i64::MIN + 1_000, i64::MAX, 0] {
            assert_eq!(parse_rfc3339(&rfc3339(micros(Wall(at)))), Some(micros(Wall(at))));
        }
    }

    #[test]
    fn corrections_add_up_and_the_first_start_stays() {
        let s = full();
        assert_eq!(s.recorded_as, Some(plain().start));
        assert_eq!(s.corrected_by, Some(30.9985));
        assert_eq!(s.start.since(plain().start), 30_998_500_000);
        assert_eq!(s.end.since(plain().end), 30_998_500_000);
    }

    #[test]
    fn other_programs_keep_their_files() {
        let check = |text: &str, want: Unread| assert_eq!(Sidecar::read(text.as_bytes()), Err(want), "{text:.60}");
        check("{}", Unread::Foreign);
        check("[1]", Unread::Foreign);
        check(r#"{"segments": [], "duration": 3600.0}"#, Unread::Foreign);
        check(r#"{"schema": "soundpost/analysis/2"}"#, Unread::Foreign);
        check(r#"{"schema": "soundpost/analysis/1"}"#, Unread::Broken);
        check("", Unread::Broken);
        check("{\"schema\": \"soundpost/analysis/1\", \"fi", Unread::Broken);
        check(&"[".repeat(100_000), Unread::Broken);
    }

    #[test]
    fn no_damage_makes_reading_fall() {
        let good = full().write();
        let mut seed = 1_u64;
        let mut roll = |n: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % n
        };
        let (mut read, mut broken) = (0, 0);
        for _ in 0..20_000 {
            let mut bad = good.clone();
            for _ in 0..=roll(3) {
                let at = roll(bad.len());
                match roll(3) {
                    0 => bad[at] = roll(256) as u8,
                    1 => bad.truncate(at.max(1)),
                    _ => bad.insert(at, b"09{}[]\",:-e"[roll(11)]),
                }
            }
            match Sidecar::read(&bad) {
                Ok(mut s) => {
                    s.correct(i64::MAX);
                    let _ = s.write();
                    read += 1;
                }
                Err(_) => broken += 1,
            }
        }
        assert!(read > 100 && broken > 100, "{read} read, {broken} broken: the damage is too mild or too wild");
    }

    #[test]
    fn the_schema_describes_exactly_what_is_written() {
        let schema: Value = serde_json::from_str(SCHEMA_TEXT).expect("the schema is JSON");
        for sidecar in [plain(), full()] {
            let value: Value = serde_json::from_slice(&sidecar.write()).expect("JSON");
            assert_eq!(faults(&schema, &value), Vec::<String>::new());
        }
        // Both ways: each key that the schema names is a key of the fullest sidecar, and is told in words.
        let value = serde_json::to_value(full()).expect("JSON");
        for (key, about) in schema["properties"].as_object().expect("properties") {
            assert!(value.get(key).is_some(), "{key} is in the schema and never written");
            assert!(about["description"].as_str().is_some_and(|d| d.len() > 10), "{key} has no description");
        }
        for key in value.as_object().expect("an object").keys().filter(|key| *key != "birds") {
            assert!(schema["properties"].get(key).is_some(), "{key} is written and not in the schema");
        }
        let mut wrong = value.clone();
        wrong["frames"] = "many".into();
        wrong["gaps"][0]["reason"] = "boredom".into();
        wrong["detection"]["detector"] = "ears".into();
        wrong["sections"][0]["from_s"] = (-1).into();
        wrong["indices"]["minutes"][0]["h"] = 1.5.into();
        wrong.as_object_mut().expect("an object").remove("start");
        assert_eq!(faults(&schema, &wrong).len(), 6);
    }

    #[test]
    fn the_schema_knows_every_reason() {
        let schema: Value = serde_json::from_str(SCHEMA_TEXT).expect("the schema is JSON");
        let listed = |at: &Value, name: &str| at["enum"].as_array().is_some_and(|all| all.iter().any(|v| v == name));
        use Cause::*;
        for cause in [Split, Clock, Gap, Changed, Size, Unplugged, Stalled, End, Fault, Disk, Shutdown, Recovered] {
            assert!(listed(&schema["properties"]["end_reason"], cause.name()), "{cause:?}");
        }
        assert!(listed(&schema["properties"]["end_reason"], RECORDING));
        for reason in
            [Reason::Xrun, Reason::Overload, Reason::Unplugged, Reason::Stalled, Reason::Fault, Reason::Disk, Reason::Restart]
        {
            assert!(listed(&schema["properties"]["gaps"]["items"]["properties"]["reason"], reason.name()), "{reason:?}");
        }
    }

    /// The part of JSON Schema that ours uses: type, const, enum, minimum, maximum, properties, required, items.
    fn faults(schema: &Value, value: &Value) -> Vec<String> {
        let mut found = Vec::new();
        let is = |t: &str| match t {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            other => panic!("type {other} is not used here"),
        };
        if !is(schema["type"].as_str().expect("a type")) {
            return vec![format!("{value} is no {}", schema["type"])];
        }
        if schema.get("const").is_some_and(|only| only != value) {
            found.push(format!("{value} is not {}", schema["const"]));
        }
        if schema.get("enum").is_some_and(|all| !all.as_array().expect("a list").contains(value)) {
            found.push(format!("{value} is not listed"));
        }
        let bound = |key: &str| schema.get(key).and_then(Value::as_f64).zip(value.as_f64());
        if bound("minimum").is_some_and(|(min, v)| v < min) || bound("maximum").is_some_and(|(max, v)| v > max) {
            found.push(format!("{value} is out of bounds"));
        }
        for key in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
            if value.get(key.as_str().expect("a name")).is_none() {
                found.push(format!("{key} is missing"));
            }
        }
        for (key, inner) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            found.extend(value.get(key).into_iter().flat_map(|v| faults(inner, v)));
        }
        if let Some(items) = schema.get("items") {
            found.extend(value.as_array().into_iter().flatten().flat_map(|v| faults(items, v)));
        }
        found
    }
}
