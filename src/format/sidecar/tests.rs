use super::*;
use crate::message::analysis::{
    Analysis, COLUMN_BANDS, Centibel, DETECTION_BANDS, Detection, Detector, Indices, Profile, Quality, Section,
};
use crate::message::{Depth, PcmFormat, Reason};

const SCHEMA_TEXT: &str = include_str!("../sidecar.schema.json");

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
    let why = Triggered {
        detector: Detector::Bands,
        margin: Centibel(1_500),
        level: Centibel(-4_850),
        floor: Centibel(-7_000),
        band_hz: Some((2_500.0, 3_125.5)),
    };
    s.trigger = Some(SidecarTrigger::from(&why));
    s.timed_by(Some("browser"));
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
fn every_number_is_read_as_what_it_was() {
    for dc in [-5.595e-46, 5e-324, f64::MAX, 0.1 + 0.2, -1.0 / 3.0, 7.038_531e-26] {
        let mut sidecar = full();
        sidecar.quality.as_mut().expect("analysed").dc = dc;
        let read = Sidecar::read(&sidecar.write()).expect("ours");
        assert_eq!(read.quality.map(|quality| quality.dc.to_bits()), Some(dc.to_bits()), "{dc:e}");
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
    assert_eq!((rfc3339(s.start), rfc3339(s.end)), ("2024-12-25T14:00:00.123456Z".into(), "2024-12-25T14:00:02.123456Z".into()));
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

/// With all that people say, and what is said of a copy.
fn marked() -> Sidecar {
    let (at, seconds, from_frame, to_frame) = ("2024-12-25T14:30:12.000000Z", 30, 1, 2);
    let was = serde_json::json!({ "file": "b.flac", "bytes": 7, "sha256": "x", "frames": 3, "lost_frames": 0, "sample_rate": 48_000,
        "channels": 1, "bit_depth": 24, "uploads": {} });
    let said = serde_json::json!({
        "reviewed": true,
        "locked": false,
        "note": "owl",
        "uploaded_at": at,
        "uploads": { "upload.s3": { "at": at, "key": "a/b.flac", "bytes": 7, "sent_bytes": 5, "checksum": "sha256:x" } },
        "converted": { "from": "a.wav", "bytes": 7 },
        "bookmarks": [{ "at": at, "seconds": seconds, "note": "", "clip": "b.wav", "from_frame": from_frame, "to_frame": to_frame }],
        "reduced": { "at": at, "reason": "old", "left": "opus", "sections": ["a.wav"], "of": was },
        "piece_of": { "at": at, "reason": "old", "from_frame": 1, "to_frame": 2, "of": was },
        "mark": { "at": at, "seconds": seconds, "of": [{ "file": "a.wav", "from_frame": from_frame, "to_frame": to_frame }] },
    });
    let mut sidecar = full();
    sidecar.other.extend(said.as_object().expect("an object").clone());
    sidecar
}

#[test]
fn the_schema_describes_exactly_what_is_written() {
    let schema: Value = serde_json::from_str(SCHEMA_TEXT).expect("the schema is JSON");
    for sidecar in [plain(), marked()] {
        let value: Value = serde_json::from_slice(&sidecar.write()).expect("JSON");
        assert_eq!(faults(&schema, &value), Vec::<String>::new());
    }
    // Both ways: each key that the schema names is a key of the fullest sidecar, and is told in words.
    let value = serde_json::to_value(marked()).expect("JSON");
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
    for cause in [Split, Clock, Gap, Changed, Size, Unplugged, Stalled, End, Schedule, Trigger, Fault, Disk, Shutdown, Recovered]
    {
        assert!(listed(&schema["properties"]["end_reason"], cause.name()), "{cause:?}");
    }
    assert!(listed(&schema["properties"]["end_reason"], RECORDING) && listed(&schema["properties"]["end_reason"], KEPT));
    assert!(listed(&schema["properties"]["end_reason"], super::super::reduced::SECTION));
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
    if let Some(inner) = schema.get("additionalProperties").filter(|inner| inner.is_object()) {
        found.extend(value.as_object().into_iter().flatten().flat_map(|(_, v)| faults(inner, v)));
    }
    if let Some(items) = schema.get("items") {
        found.extend(value.as_array().into_iter().flatten().flat_map(|v| faults(items, v)));
    }
    found
}
