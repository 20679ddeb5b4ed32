//! Rows to the JSON that the API speaks. Times are RFC 3339 in UTC to the microsecond; dates are local; what nobody knows is null.

mod state;

use std::fmt::Write;

use state::work;
pub use state::{clock_set, live, lookable, status};

use crate::format::civil::{Civil, utc_text};
use crate::message::analysis::{Centibel, Detection, Label, Section, WINDOWS_PER_SECOND};
use crate::message::clock::{ClockReference, ClockSet};
use crate::message::library::{Day, DayRow, Event, FileRow, FileState, FilesPage, GapRow, Meter, WatchedRow};
use crate::message::live::{Device, Lookable};
use crate::message::page::{AnalysisView, Deleted, Health, PushState, Retention, SourceStatus, Status, UploadStatus, Work};
use crate::status::Spread;
use crate::time::Wall;

/// An object or an array that grows.
pub(super) struct Json(String);

impl Json {
    pub(super) fn object() -> Json {
        Json("{".into())
    }

    /// `value` is JSON already.
    pub(super) fn raw(mut self, key: &str, value: impl std::fmt::Display) -> Json {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        let _ = write!(self.0, "\"{key}\":{value}");
        self
    }

    pub(super) fn text(self, key: &str, value: &str) -> Json {
        self.raw(key, quoted(value))
    }

    fn real(self, key: &str, value: f64) -> Json {
        self.raw(key, number(value))
    }

    pub(super) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// A string of JSON, quotes included.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

pub(super) fn number(value: f64) -> String {
    // To the millionth: what a float holds beyond that is noise.
    if value.is_finite() { ((value * 1e6).round() / 1e6).to_string() } else { "null".into() }
}

pub(super) fn list<T>(items: impl IntoIterator<Item = T>, one: impl Fn(T) -> String) -> String {
    let mut text = String::from("[");
    for item in items {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&one(item));
    }
    text.push(']');
    text
}

fn or_null<T>(value: Option<T>, one: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "null".into(), one)
}

pub(super) fn time(at: Wall) -> String {
    format!("\"{}\"", utc_text(at))
}

fn db(value: Centibel) -> String {
    number(value.db())
}

impl FileState {
    const fn word(self) -> &'static str {
        match self {
            FileState::Open => "open",
            FileState::Closed => "closed",
            FileState::Analysed => "analysed",
        }
    }
}

/// Changes when the file or what is known of its sound changes.
pub fn version(row: &FileRow) -> String {
    format!("{:016x}", row.version)
}

pub fn file(row: &FileRow) -> String {
    let local = Civil::at(row.start, row.utc_offset_s);
    let (h, m, s) = local.hour_minute_second();
    let duration_s = if row.rate_hz == 0 { 0.0 } else { row.frames as f64 / f64::from(row.rate_hz) };
    let is_object = row.details.starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(&row.details).is_ok();
    Json::object()
        .text("name", &row.name)
        .text("source", &row.source)
        .raw("start", time(row.start))
        .raw("utc_offset_s", row.utc_offset_s)
        .text("date", &format!("{:04}-{:02}-{:02}", local.year, local.month, local.day))
        .text("local", &format!("{h:02}:{m:02}:{s:02}"))
        .real("duration_s", duration_s)
        .raw("frames", row.frames)
        .raw("rate_hz", row.rate_hz)
        .raw("channels", row.channels)
        .raw("bytes", row.bytes)
        .text("state", row.state.word())
        .raw("reviewed", row.marks.reviewed)
        .raw("locked", row.marks.locked)
        .text("note", &row.marks.note)
        .raw("uploaded_at", or_null(row.uploaded_at, time))
        .raw("sections", list(row.sections.iter(), section))
        .raw("gaps", list(row.gaps.iter(), gap))
        .raw("trouble", or_null(row.trouble.as_deref(), quoted))
        .raw("playable", super::media::of_name(&row.name).is_some())
        .text("version", &version(row))
        .raw("details", if is_object { &row.details } else { "{}" })
        .end()
}

/// To the tenth, as sidecars keep it: the same whether it was kept or has just been computed.
fn score(value: Centibel) -> String {
    number((f64::from(value.0) / 10.0).round() / 10.0)
}

fn section(section: &Section) -> String {
    let seconds = |windows: u32| f64::from(windows) / WINDOWS_PER_SECOND as f64;
    Json::object()
        .real("from_s", seconds(section.first_window))
        .real("to_s", seconds(section.end_window))
        .raw("score_db", score(section.score))
        .raw("f_lo_hz", or_null(section.band_hz, |(low, _)| number(low.into())))
        .raw("f_hi_hz", or_null(section.band_hz, |(_, high)| number(high.into())))
        .end()
}

fn gap(gap: &GapRow) -> String {
    Json::object()
        .text("source", &gap.source)
        .raw("start", time(gap.start))
        .raw("end", time(gap.end))
        .raw("frames_lost", gap.frames_lost)
        .text("reason", &gap.reason)
        .end()
}

pub fn days(rows: &[DayRow]) -> String {
    let one = |row: &DayRow| counts(row, "files", "gaps").raw("best_db", or_null(row.best, db)).end();
    Json::object().raw("days", list(rows, one)).end()
}

pub fn day(day: &Day) -> String {
    let counts = counts(&day.row, "files_count", "gaps_count").raw("best_db", or_null(day.row.best, db));
    let watched = list(&day.watched, watched);
    counts.raw("files", list(&day.files, file)).raw("gaps", list(&day.gaps, gap)).raw("watched", watched).end()
}

fn watched(row: &WatchedRow) -> String {
    let duration_s = row.duration_ms() as f64 / 1_000.0;
    Json::object().text("source", &row.source).raw("start", time(row.start)).real("duration_s", duration_s).end()
}

fn counts(row: &DayRow, files: &str, gaps: &str) -> Json {
    Json::object()
        .text("date", &row.date)
        .raw(files, row.files)
        .real("duration_s", row.duration_ms as f64 / 1_000.0)
        .raw("bytes", row.bytes)
        .raw("sections", row.sections)
        .raw("to_review", row.to_review)
        .raw(gaps, row.gaps)
        .real("watched_s", row.watched_ms as f64 / 1_000.0)
}

pub fn files(page: &FilesPage) -> String {
    let next = or_null(page.next.as_deref(), quoted);
    Json::object().raw("files", list(&page.files, file)).raw("total", page.total).raw("next", next).end()
}

/// What was kept.
pub fn clips(rows: &[FileRow]) -> String {
    Json::object().raw("clips", list(rows, file)).end()
}

pub fn analysis(view: &AnalysisView) -> String {
    let quality = Json::object()
        .real("peak", view.quality.peak)
        .real("dc", view.quality.dc)
        .raw("clipped_samples", view.quality.clipped_samples)
        .raw("silent_windows", view.quality.silent_windows)
        .real("level_db", view.quality.level)
        .end();
    let indices = list(view.indices.iter().enumerate(), |(minute, i)| {
        let of = Json::object().raw("minute", minute).real("aci", i.aci.into()).real("adi", i.adi.into());
        of.real("aei", i.aei.into()).real("bi", i.bi.into()).real("h", i.h.into()).real("ndsi", i.ndsi.into()).end()
    });
    detection(Json::object().text("name", &view.name).text("version", &view.version), view.detection)
        .raw("sections", list(view.sections.iter(), section))
        .raw("floor_db", list(view.floor.iter().copied(), db))
        .raw("quality", quality)
        .raw("indices", indices)
        .raw("labels", list(&view.labels, |(tool, it)| label(tool, it)))
        .end()
}

fn label(tool: &str, label: &Label) -> String {
    Json::object()
        .text("tool", tool)
        .real("from_s", label.from_s)
        .real("to_s", label.to_s)
        .text("name", &label.name)
        .raw("scientific_name", or_null(label.scientific_name.as_deref(), quoted))
        .raw("confidence", or_null(label.confidence, number))
        .raw("f_lo_hz", or_null(label.band_hz, |(low, _)| number(low)))
        .raw("f_hi_hz", or_null(label.band_hz, |(_, high)| number(high)))
        .end()
}

fn detection(object: Json, detection: Detection) -> Json {
    let seconds = |ms: u32| f64::from(ms) / 1_000.0;
    object
        .text("detector", detection.detector.name())
        .raw("margin_db", db(detection.margin))
        .real("min_gap_s", seconds(detection.min_gap_ms))
        .real("min_length_s", seconds(detection.min_length_ms))
}

/// What goes before the spectra of a source: which it is, and what there is to say about that.
pub fn spectrum_begins(source: &str, note: Option<&str>) -> String {
    let data = Json::object().text("source", source).raw("note", or_null(note, quoted)).end();
    format!("retry: 3000\nevent: source\ndata: {data}\n\n")
}

/// As it goes over the wire: `event: …`, `data: …`, an empty line. JSON has no line ends, so none can be put in.
pub fn event(event: &Event) -> String {
    let (name, data) = match event {
        Event::Opened(row) => ("opened", file(row)),
        Event::Closed(row) => ("closed", file(row)),
        Event::Analysed(row) => ("analysed", file(row)),
        Event::Changed(row) => ("changed", file(row)),
        Event::Uploaded { file: row, target } => (
            "uploaded",
            Json::object()
                .text("name", &row.name)
                .text("target", target)
                .raw("uploaded_at", or_null(row.uploaded_at, time))
                .end(),
        ),
        Event::Gap(row) => ("gap", gap(row)),
        Event::Deleted { name, reason } => {
            ("deleted", Json::object().text("name", name).raw("reason", or_null(reason.as_deref(), quoted)).end())
        }
        Event::Level(sources) => {
            let one = |Meter { source, level, peak, is_clipped }: &Meter| {
                let row = Json::object().text("name", source).raw("level_db", or_null(*level, db));
                row.raw("peak_db", or_null(*peak, db)).raw("clipped", is_clipped).end()
            };
            ("level", Json::object().raw("sources", list(sources, one)).end())
        }
        Event::Alarm { since, text, over } => {
            ("alarm", Json::object().raw("since", time(*since)).text("text", text).raw("over", over).end())
        }
        Event::Work { what, done, total } => ("work", work(&Work { what, done: *done, total: *total })),
    };
    // The details of a sidecar may have been written with line ends.
    format!("event: {name}\ndata: {}\n\n", data.replace(['\n', '\r'], " "))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::message::library::Marks;

    fn row() -> FileRow {
        FileRow {
            uploaded_at: None,
            name: "x/20260522_040000 \"ä\".flac".into(),
            source: "mic".into(),
            start: Wall(1_779_415_200_000_001_000),
            utc_offset_s: 7_200,
            frames: 48_000 * 90,
            rate_hz: 48_000,
            channels: 2,
            bytes: 13_100_000,
            modified: Wall(1_779_415_300_000_000_000),
            version: 7,
            state: FileState::Analysed,
            sections: [Section { first_window: 123, end_window: 141, score: Centibel(2_840), band_hz: Some((3_000.0, 8_000.0)) }]
                .into(),
            gaps: [].into(),
            marks: Marks { reviewed: true, locked: false, note: "a\nb".into() },
            trouble: None,
            details: "{\"end_reason\":\"split\",\n\"quality\":{}}".into(),
        }
    }

    fn parsed(text: &str) -> Value {
        serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
    }

    #[test]
    fn a_file() {
        let got = parsed(&file(&row()));
        let want = json!({
            "name": "x/20260522_040000 \"ä\".flac", "source": "mic", "start": "2026-05-22T02:00:00.000001Z", "utc_offset_s": 7200,
            "date": "2026-05-22", "local": "04:00:00", "duration_s": 90, "frames": 4_320_000, "rate_hz": 48_000, "channels": 2,
            "bytes": 13_100_000, "state": "analysed", "reviewed": true, "locked": false, "note": "a\nb",
            "uploaded_at": null, "sections": [{"from_s": 12.3, "to_s": 14.1, "score_db": 28.4, "f_lo_hz": 3000, "f_hi_hz": 8000}], "gaps": [],
            "trouble": null, "playable": true, "version": got["version"], "details": {"end_reason": "split", "quality": {}},
        });
        assert_eq!(got, want);
    }

    #[test]
    fn a_score_is_told_as_it_is_kept() {
        let told = |centibel| score(Centibel(centibel));
        assert_eq!([2_840, 3_349, 3_350, 3_344, 0].map(told), ["28.4", "33.5", "33.5", "33.4", "0"]);
    }

    #[test]
    fn a_version_is_the_files_own() {
        let other = FileRow { version: 8, ..row() };
        assert_eq!((version(&row()), version(&other)), ("0000000000000007".to_owned(), "0000000000000008".to_owned()));
    }

    #[test]
    fn details_that_are_no_object_do_no_harm() {
        for details in ["", "[]", "{\"a\":", "\"x\"", "{}}"] {
            let row = FileRow { details: details.into(), rate_hz: 0, ..row() };
            let got = parsed(&file(&row));
            assert_eq!((&got["details"], &got["duration_s"]), (&json!({}), &json!(0)), "{details}");
        }
    }

    #[test]
    fn days_and_pages() {
        let row = DayRow {
            date: "2026-05-22".into(),
            files: 1,
            duration_ms: 90_500,
            bytes: 5,
            sections: 3,
            to_review: 2,
            gaps: 1,
            best: None,
            watched_ms: 2_500,
        };
        let gap = GapRow { source: "mic".into(), start: Wall(0), end: Wall(1_000_000), frames_lost: 48, reason: "xrun".into() };
        let want = json!({"date": "2026-05-22", "files": 1, "duration_s": 90.5, "bytes": 5, "sections": 3, "to_review": 2, "gaps": 1, "watched_s": 2.5, "best_db": null});
        assert_eq!(parsed(&days(&[row.clone(), row.clone()]))["days"], json!([want, want]));
        let got = parsed(&day(&Day { row, files: vec![], gaps: vec![gap], watched: vec![] }));
        assert_eq!((&got["files_count"], &got["gaps_count"], &got["files"]), (&json!(1), &json!(1), &json!([])));
        assert_eq!(got["gaps"][0]["end"], "1970-01-01T00:00:00.001000Z");
        let page = FilesPage { files: vec![], total: 7, next: Some("c\"".into()) };
        assert_eq!(parsed(&files(&page)), json!({"files": [], "total": 7, "next": "c\""}));
    }

    #[test]
    fn a_status() {
        let source = SourceStatus { name: "mic".into(), level: Some(Centibel(-4_320)), ..SourceStatus::default() };
        let got = parsed(&status(&Status { mode: "serve", sources: vec![source], ..Status::default() }, true));
        assert_eq!((&got["open"], &got["mode"], &got["work"]), (&json!(true), &json!("serve"), &Value::Null));
        assert_eq!(got["detection"]["margin_db"], 12);
        assert_eq!((&got["sources"][0]["level_db"], &got["sources"][0]["state"]), (&json!(-43.2), &json!("waiting")));
    }

    #[test]
    fn an_event_is_one_event() {
        let text = event(&Event::Analysed(std::sync::Arc::new(row())));
        assert!(text.starts_with("event: analysed\ndata: {") && text.ends_with("}\n\n"), "{text}");
        assert_eq!(text.matches('\n').count(), 3);
        let deleted = Event::Deleted { name: "a\nb".into(), reason: None };
        assert_eq!(event(&deleted), "event: deleted\ndata: {\"name\":\"a\\nb\",\"reason\":null}\n\n");
        let level =
            Event::Level(vec![Meter { source: "mic".into(), level: Some(Centibel(-1_000)), peak: None, is_clipped: true }]);
        let expected = r#"{"sources":[{"name":"mic","level_db":-10,"peak_db":null,"clipped":true}]}"#;
        assert_eq!(event(&level), format!("event: level\ndata: {expected}\n\n"));
    }
}
