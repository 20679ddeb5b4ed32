//! Sections of a recording as tables for other programs: Raven's selection table, Audacity's labels, CSV.

use std::fmt::Write;

use super::route::Table;
use crate::format::civil::{Civil, utc_text};
use crate::message::analysis::{Section, WINDOWS_PER_SECOND};
use crate::message::library::FileRow;
use crate::time::SECOND_NS;

impl Table {
    pub const fn media(self) -> &'static str {
        match self {
            Table::Raven | Table::Labels => "text/plain; charset=utf-8",
            Table::Csv => "text/csv; charset=utf-8",
        }
    }

    /// What is appended to the recording's name.
    pub const fn suffix(self) -> &'static str {
        match self {
            Table::Raven => ".raven.txt",
            Table::Labels => ".labels.txt",
            Table::Csv => ".events.csv",
        }
    }
}

pub fn table(table: Table, row: &FileRow) -> String {
    match table {
        Table::Raven => raven(row),
        Table::Labels => labels(row),
        Table::Csv => csv(row),
    }
}

fn seconds(windows: u32) -> f64 {
    f64::from(windows) / WINDOWS_PER_SECOND as f64
}

/// A band that is not known is all that the recording can hold.
fn band(row: &FileRow, section: &Section) -> (f64, f64) {
    section.band_hz.map_or((0.0, f64::from(row.rate_hz) / 2.0), |(low, high)| (low.into(), high.into()))
}

/// Tab-separated, one selection a section; Raven Pro and Lite open it beside the recording.
fn raven(row: &FileRow) -> String {
    let mut text = String::from(
        "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tBegin File\tScore (dB)\n",
    );
    let name = row.name.rsplit('/').next().unwrap_or_default();
    for (n, section) in row.sections.iter().enumerate() {
        let (low, high) = band(row, section);
        let (from, to) = (seconds(section.first_window), seconds(section.end_window));
        let _ = writeln!(
            text,
            "{}\tSpectrogram 1\t1\t{from:.1}\t{to:.1}\t{low:.1}\t{high:.1}\t{}\t{:.2}",
            n + 1,
            flat(name),
            section.score.db()
        );
    }
    text
}

/// Begin, end and text; a second line with `\` has the band (Audacity's spectral selections).
fn labels(row: &FileRow) -> String {
    let mut text = String::new();
    for section in row.sections.iter() {
        let (from, to) = (seconds(section.first_window), seconds(section.end_window));
        let _ = writeln!(text, "{from:.6}\t{to:.6}\t{:.1} dB", section.score.db());
        if let Some((low, high)) = section.band_hz {
            let _ = writeln!(text, "\\\t{low:.6}\t{high:.6}");
        }
    }
    text
}

/// The header of [`sync`].
pub const SYNC_HEADER: &str = "filename,timestamp,audio_samples_written\n";

/// When how many samples of each channel had been written: at the start, on both sides of each gap, and at the end. Lines of a
/// file with equal samples are a gap; between others it is straight, by the true rate of the device where that is known.
pub fn sync(row: &FileRow, text: &mut String) {
    if row.frames == 0 || row.rate_hz == 0 {
        return;
    }
    let details: Option<serde_json::Value> = serde_json::from_str(&row.details).ok();
    let measured = details.as_ref().and_then(|details| details.get("measured_rate")?.as_f64());
    let rate = measured.filter(|hz| (hz / f64::from(row.rate_hz) - 1.0).abs() < 0.01).unwrap_or(row.rate_hz.into());
    let after = |frames: u64| row.start.plus_ns((frames as f64 / rate * SECOND_NS as f64).round() as i64);
    let mut line = |frames: u64, lost: u64| {
        let at = after(frames.saturating_add(lost));
        let _ = writeln!(text, "{},{},{frames}", field(&row.name), utc_text(at));
    };
    line(0, 0);
    let mut lost = 0;
    for gap in row.gaps.iter() {
        // A gap of the list begins where it is by the nominal rate.
        let elapsed_ns = u128::from(gap.start.since(row.start).max(0).unsigned_abs());
        let elapsed = (elapsed_ns * u128::from(row.rate_hz) + 500_000_000) / 1_000_000_000;
        let frames = u64::try_from(elapsed).unwrap_or(u64::MAX).saturating_sub(lost).min(row.frames);
        line(frames, lost);
        lost = lost.saturating_add(gap.frames_lost);
        line(frames, lost);
    }
    line(row.frames, lost);
}

/// The header of `csv`.
pub const CSV_HEADER: &str = "file,source,from_s,to_s,start_utc,end_utc,start_local,score_db,f_lo_hz,f_hi_hz\n";

fn csv(row: &FileRow) -> String {
    let mut text = String::from(CSV_HEADER);
    for section in row.sections.iter() {
        let (from, to) = (seconds(section.first_window), seconds(section.end_window));
        let at = |s: f64| row.start.plus_ns((s * SECOND_NS as f64).round() as i64);
        let hz = |hz: Option<f32>| hz.map(|hz| format!("{hz:.1}")).unwrap_or_default();
        let _ = writeln!(
            text,
            "{},{},{from:.1},{to:.1},{},{},{},{:.2},{},{}",
            field(&row.name),
            field(&row.source),
            utc_text(at(from)),
            utc_text(at(to)),
            Civil::at(at(from), row.utc_offset_s),
            section.score.db(),
            hz(section.band_hz.map(|band| band.0)),
            hz(section.band_hz.map(|band| band.1)),
        );
    }
    text
}

/// RFC 4180. What a spreadsheet would compute gets a quote before it.
fn field(text: &str) -> String {
    let text = flat(text);
    let text = if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text };
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// On one line, without tabs.
fn flat(text: &str) -> String {
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::analysis::Centibel;
    use crate::message::library::{FileState, Marks};
    use crate::time::Wall;

    fn row(name: &str) -> FileRow {
        let section = |first, end, band_hz| Section { first_window: first, end_window: end, score: Centibel(2_845), band_hz };
        FileRow {
            uploaded_at: None,
            version: 0,
            name: name.into(),
            source: "mic".into(),
            start: Wall(1_779_415_200 * SECOND_NS),
            utc_offset_s: 7_200,
            frames: 0,
            rate_hz: 48_000,
            channels: 1,
            bytes: 0,
            modified: Wall(0),
            state: FileState::Analysed,
            sections: [section(123, 141, None), section(200, 210, Some((3_000.0, 8_000.0)))].into(),
            gaps: [].into(),
            marks: Marks::default(),
            trouble: None,
            details: "{}".into(),
        }
    }

    #[test]
    fn raven() {
        let text = table(Table::Raven, &row("x/a.wav"));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[1], "1\tSpectrogram 1\t1\t12.3\t14.1\t0.0\t24000.0\ta.wav\t28.45");
        assert_eq!(lines[2], "2\tSpectrogram 1\t1\t20.0\t21.0\t3000.0\t8000.0\ta.wav\t28.45");
        assert!(lines.iter().all(|line| line.split('\t').count() == 9), "{text}");
    }

    #[test]
    fn labels() {
        let want = "12.300000\t14.100000\t28.4 dB\n20.000000\t21.000000\t28.4 dB\n\\\t3000.000000\t8000.000000\n";
        assert_eq!(table(Table::Labels, &row("a.wav")), want);
    }

    #[test]
    fn sync_tables() {
        let of = |row: &FileRow| {
            let mut text = String::new();
            super::sync(row, &mut text);
            text
        };
        assert_eq!(of(&row("a.wav")), "", "nothing is known of its length");
        let row = FileRow { frames: 480_000, ..row("x/a.wav") };
        let want = "x/a.wav,2026-05-22T02:00:00.000000Z,0\nx/a.wav,2026-05-22T02:00:10.000000Z,480000\n";
        assert_eq!(of(&row), want);
        // A device that is 100 ppm fast has played its samples a millisecond sooner.
        let fast = FileRow { details: "{\"measured_rate\":48004.8}".into(), ..row.clone() };
        assert!(of(&fast).ends_with("x/a.wav,2026-05-22T02:00:09.999000Z,480000\n"), "{}", of(&fast));
        let at = |s: f64| row.start.plus_ns((s * SECOND_NS as f64) as i64);
        let gap = |from: f64, to: f64, frames_lost| {
            let (start, end) = (at(from), at(to));
            crate::message::library::GapRow { source: "mic".into(), start, end, frames_lost, reason: "xrun".into() }
        };
        let holes = FileRow { gaps: [gap(2.0, 3.0, 48_000), gap(5.0, 5.5, 24_000)].into(), ..row.clone() };
        let lines: Vec<String> =
            of(&holes).lines().map(|line| line.split_once("T02:00:").expect("a time").1.to_owned()).collect();
        let want = [
            "00.000000Z,0",
            "02.000000Z,96000",
            "03.000000Z,96000",
            "05.000000Z,192000",
            "05.500000Z,192000",
            "11.500000Z,480000",
        ];
        assert_eq!(lines, want);
    }

    #[test]
    fn csv() {
        let text = table(Table::Csv, &row("=a,\"b\".wav"));
        assert_eq!(
            text.lines().nth(2).unwrap_or_default(),
            "\"'=a,\"\"b\"\".wav\",mic,20.0,21.0,2026-05-22T02:00:20.000000Z,2026-05-22T02:00:21.000000Z,\
             2026-05-22T04:00:20.000000,28.45,3000.0,8000.0"
        );
        assert_eq!(text.lines().count(), 3);
    }
}
