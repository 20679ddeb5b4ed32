//! `events.jsonl`: what there is to know of a day of a source, one JSON object a line, as DuckDB, Spark and Athena read it as it is.
//!
//! Every object has `event` (recording, section or gap), `site`, `source`, `date`, `start` and `end` (UTC, RFC 3339), so that they are
//! one table; what an event does not have is missing. The oldest first within each kind.

use serde_json::{Map, Value, json};

use super::civil::utc_text;
use crate::message::library::{FileRow, GapRow};
use crate::time::Wall;

/// Windows of levels are so long.
const WINDOW_NS: i64 = 100_000_000;

/// `gaps`: of the day, those between files too.
pub fn lines(site: &str, source: &str, date: &str, files: &[FileRow], gaps: &[GapRow]) -> String {
    let mut out = String::new();
    let mut line = |event: &str, start: Wall, end: Wall, more: Value| {
        let mut object = Map::new();
        for (key, value) in [
            ("event", event),
            ("site", site),
            ("source", source),
            ("date", date),
            ("start", &utc_text(start)),
            ("end", &utc_text(end)),
        ] {
            object.insert(key.to_owned(), value.into());
        }
        object.extend(more.as_object().cloned().unwrap_or_default());
        out.push_str(&Value::Object(object).to_string());
        out.push('\n');
    };
    for file in files {
        let name = base(&file.name);
        let more = json!({
            "file": name, "frames": file.frames, "rate_hz": file.rate_hz, "channels": file.channels, "bytes": file.bytes,
            "duration_s": file.duration_ms() as f64 / 1_000.0, "sections": file.sections.len(), "gaps": file.gaps.len(),
            "best_db": file.best().map(|score| f64::from(score.0) / 100.0), "reviewed": file.marks.reviewed, "note": file.marks.note,
        });
        line("recording", file.start, ended(file), more);
    }
    for file in files {
        for section in file.sections.iter() {
            let at = |window: u32| file.start.plus_ns(i64::from(window) * WINDOW_NS);
            let mut more = json!({
                "file": base(&file.name), "from_s": f64::from(section.first_window) / 10.0, "to_s": f64::from(section.end_window) / 10.0,
                "score_db": f64::from(section.score.0) / 100.0,
            });
            if let Some((low, high)) = section.band_hz {
                more["low_hz"] = low.into();
                more["high_hz"] = high.into();
            }
            line("section", at(section.first_window), at(section.end_window), more);
        }
    }
    for gap in gaps {
        line("gap", gap.start, gap.end, json!({"frames_lost": gap.frames_lost, "reason": gap.reason}));
    }
    out
}

fn base(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn ended(file: &FileRow) -> Wall {
    let lost: i64 = file.gaps.iter().map(|gap| gap.end.since(gap.start).max(0)).fold(0, i64::saturating_add);
    let sound = i64::try_from(file.duration_ms()).unwrap_or(i64::MAX).saturating_mul(1_000_000);
    file.start.plus_ns(sound.saturating_add(lost))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::analysis::{Centibel, Section};
    use crate::message::library::{FileState, Marks};

    #[test]
    fn one_object_a_line() {
        let section = Section { first_window: 10, end_window: 25, score: Centibel(1_850), band_hz: Some((2_000.0, 4_000.0)) };
        let start = Wall(1_700_000_000_000_000_000);
        let gap = GapRow { source: "mic".into(), start, end: start.plus_ns(500_000_000), frames_lost: 5, reason: "xrun".into() };
        let file = FileRow {
            name: "a/b.flac".into(),
            source: "mic".into(),
            start,
            utc_offset_s: 3_600,
            frames: 480_000,
            rate_hz: 48_000,
            channels: 1,
            bytes: 99,
            modified: start,
            state: FileState::Analysed,
            sections: [section].into(),
            gaps: [gap.clone()].into(),
            marks: Marks::default(),
            trouble: None,
            details: "{}".into(),
            uploaded_at: None,
            version: 0,
        };
        let text = lines("wood", "mic", "2023-11-14", &[file], &[gap]);
        let values: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let [recording, section, gap] = &values[..] else { panic!("{text}") };
        assert_eq!(
            (&recording["event"], &recording["file"], &recording["best_db"]),
            (&json!("recording"), &json!("b.flac"), &json!(18.5))
        );
        assert_eq!(recording["end"], "2023-11-14T22:13:30.500000Z", "gaps count");
        assert_eq!((&section["start"], &section["low_hz"]), (&json!("2023-11-14T22:13:21.000000Z"), &json!(2000.0)));
        assert_eq!((&gap["reason"], &gap["site"], &gap["date"]), (&json!("xrun"), &json!("wood"), &json!("2023-11-14")));
    }
}
