//! The time from a browser, for a recorder that has none; and the table that lines its files up with those of others.

use super::Office;
use super::ask::{Answer, Ask};
use super::library::Library;
use super::respond::{JSON, plain, refusal, unreadable};
use crate::format::sidecar::parse_rfc3339;
use crate::message::library::{Date, FileRow, FileState, FilesQuery};
use crate::time::SECOND_NS;
use crate::web::answer::{Refusal, attachment};
use crate::web::{exports, gzip, json};

/// No browser is of an earlier year, or of a much later one.
const PLAUSIBLE: std::ops::Range<i64> = 1_735_689_600..4_102_444_800; // 2025 to 2100
/// Files of a page of the catalogue.
const PAGE: usize = 1_000;

/// Whoever asks agrees to it: his clock becomes the recorder's, until the machine's is synced.
pub fn set(office: &Office, ask: &Ask) -> Result<Answer, Refusal> {
    let body: serde_json::Value = serde_json::from_slice(&ask.body).map_err(|_| unreadable())?;
    let told = body.get("time").and_then(serde_json::Value::as_str).and_then(parse_rfc3339);
    let told = told.filter(|at| PLAUSIBLE.contains(&(at.0 / SECOND_NS))).ok_or_else(unreadable)?;
    let set = office.library.set_clock(told).map_err(refusal)?;
    log::warn!(target: "clock", "set by a browser at {}: {:+.3} s", ask.peer.to_canonical(), set.moved_s);
    Ok(Answer::bytes(plain(JSON, "no-store"), json::clock_set(&set).into_bytes()))
}

/// Of all files of these days that have ended, oldest first.
pub fn sync_table(
    library: &dyn Library,
    ask: &Ask,
    from: Option<Date>,
    to: Option<Date>,
    source: Option<String>,
) -> Result<Answer, Refusal> {
    let mut rows: Vec<FileRow> = Vec::new();
    let mut query = FilesQuery { from, to, source, limit: PAGE, ..FilesQuery::default() };
    loop {
        let page = library.files(&query).map_err(refusal)?;
        rows.extend(page.files);
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => break,
        }
    }
    rows.sort_by(|a, b| (a.start, &a.name).cmp(&(b.start, &b.name)));
    let mut text = exports::SYNC_HEADER.to_owned();
    rows.iter().filter(|row| row.state != FileState::Open).for_each(|row| exports::sync(row, &mut text));
    let body = text.into_bytes();
    let head = plain("text/csv; charset=utf-8", "no-cache").line("Content-Disposition", &attachment("sync.csv"));
    Ok(match if ask.takes_gzip() { gzip::gzip(&body) } else { None } {
        Some(small) => Answer::bytes(head.line("Content-Encoding", "gzip"), small),
        None => Answer::bytes(head, body),
    })
}
