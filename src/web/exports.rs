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
