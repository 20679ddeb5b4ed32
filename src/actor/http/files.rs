//! Long answers: recordings, profiles, pieces of them, zips. Their heads are made here, their bodies are read while they are sent.

use std::io;
use std::sync::Arc;

use super::Office;
use super::ask::{Answer, Ask};
use super::body::{Parts, Zipped};
use super::library::{Library, Opened, Piece};
use super::respond::{fresh, refusal};
use crate::format::ReadAt;
use crate::format::civil::utc_text;
use crate::message::handover::Body;
use crate::message::library::{GapRow, Trouble};
use crate::message::page::Excerpt;
use crate::time::SECOND_NS;
use crate::web::answer::{Head, Refusal, Status, attachment};
use crate::web::conditional::{etag, is_fresh, range_counts};
use crate::web::exports;
use crate::web::media;
use crate::web::range::{Wanted, plan, wanted};
use crate::web::route::Table;
use crate::web::zip::{Entry, Zip};

/// Occurs in no file but by a chance of 2^-128.
const BOUNDARY: &str = "b7d1c0f25e9a4c3d8f6e2a91c45d7b03";

pub fn no_such_time() -> Refusal {
    Refusal::new(Status::RangeNotSatisfiable, "The recording has no such time.")
}

/// A recording, with ranges.
pub fn file(library: &dyn Library, ask: &Ask, name: &str, is_download: bool) -> Result<Answer, Refusal> {
    let opened = library.open(name).map_err(refusal)?;
    let last = name.rsplit('/').next().unwrap_or_default();
    let media = media::of_name(name).unwrap_or("application/octet-stream");
    let disposition = is_download.then(|| attachment(last));
    Ok(ranges(ask, opened, media, disposition.as_deref()))
}

pub fn profile(library: &dyn Library, ask: &Ask, name: &str) -> Result<Answer, Refusal> {
    Ok(ranges(ask, library.profile(name).map_err(refusal)?, "application/octet-stream", None))
}

fn ranges(ask: &Ask, opened: Opened, media: &str, disposition: Option<&str>) -> Answer {
    let tag = opened.version.as_deref().map(etag);
    if tag.as_deref().is_some_and(|tag| is_fresh(ask.line("if-none-match"), tag)) {
        return fresh(tag.as_deref().unwrap_or_default());
    }
    let counts = range_counts(ask.line("if-range"), tag.as_deref());
    let wanted = if counts { wanted(ask.line("range"), opened.len) } else { Wanted::Whole };
    let plan = plan(wanted, opened.len, media, BOUNDARY);
    let head = cached(plan.head(), ask, tag.as_deref()).line_if("Content-Disposition", disposition);
    let body = Body::Read(Box::new(Parts::new(opened.bytes, plan.parts)));
    Answer { head: head.finish(), body: Some(body) }
}

/// What grows is not kept; what has a version may be, for ever when the address names the version.
fn cached(head: Head, ask: &Ask, tag: Option<&str>) -> Head {
    match tag {
        None => head.line("Cache-Control", "no-store"),
        Some(tag) if ask.is_pinned() => head.line("Cache-Control", "private, max-age=31536000, immutable").line("ETag", tag),
        Some(tag) => head.line("Cache-Control", "private, no-cache").line("ETag", tag),
    }
}

/// A clip or a cut.
pub fn piece(ask: &Ask, piece: Result<Option<Piece>, Trouble>) -> Result<Answer, Refusal> {
    let piece = piece.map_err(refusal)?.ok_or_else(no_such_time)?;
    let tag = piece.version.as_deref().map(etag);
    if tag.as_deref().is_some_and(|tag| is_fresh(ask.line("if-none-match"), tag)) {
        return Ok(fresh(tag.as_deref().unwrap_or_default()));
    }
    let (from, to) = match piece.truth {
        Excerpt::File { from_ns, to_ns, .. } => (seconds(from_ns), seconds(to_ns)),
        Excerpt::Source { from, to, .. } => (utc_text(from), utc_text(to)),
    };
    let is_zip = piece.name.ends_with(".zip");
    let media = media::of_name(&piece.name).unwrap_or(if is_zip { "application/zip" } else { "application/octet-stream" });
    let head = cached(Head::new(Status::Ok).line("Content-Type", media), ask, tag.as_deref())
        .line("X-Soundpost-From", &from)
        .line("X-Soundpost-To", &to)
        .line("X-Soundpost-Gaps", &gaps(&piece.gaps))
        .line("Content-Disposition", &attachment(&piece.name))
        .length(piece.len);
    Ok(Answer { head: head.finish(), body: Some(Body::Read(Box::new(io::Read::take(piece.body, piece.len)))) })
}

fn seconds(ns: u64) -> String {
    format!("{}.{:06}", ns / SECOND_NS as u64, ns % SECOND_NS as u64 / 1_000)
}

/// `START/END` of each, with commas; a count stands for those beyond sixteen.
fn gaps(gaps: &[GapRow]) -> String {
    let mut texts: Vec<String> =
        gaps.iter().take(16).map(|gap| format!("{}/{}", utc_text(gap.start), utc_text(gap.end))).collect();
    if gaps.len() > 16 {
        texts.push(format!("and {} more", gaps.len() - 16));
    }
    texts.join(", ")
}

/// Where the bytes of an entry come from, when its turn comes.
#[derive(Clone)]
enum Source {
    Recording(String),
    /// The number among what stands beside a recording.
    Beside(String, usize),
    Table(Arc<[u8]>),
}

/// Recordings with what stands beside them and their sections as a table, stored.
pub fn zip(office: &Office, names: &[String]) -> Result<Answer, Refusal> {
    let (mut entries, mut sources) = (Vec::new(), Vec::new());
    for name in names {
        let row = office.library.file(name).map_err(refusal)?;
        let mut add = |name: String, bytes: u64, source: Source| {
            entries.push(Entry { name, bytes, modified: row.modified, utc_offset_s: row.utc_offset_s });
            sources.push(source);
        };
        add(name.clone(), office.library.open(name).map_err(refusal)?.len, Source::Recording(name.clone()));
        for (n, (beside, opened)) in office.library.beside(name).map_err(refusal)?.into_iter().enumerate() {
            add(beside, opened.len, Source::Beside(name.clone(), n));
        }
        let table = exports::table(Table::Csv, &row).into_bytes();
        add(format!("{name}{}", Table::Csv.suffix()), table.len() as u64, Source::Table(table.into()));
    }
    let zip = Zip::new(entries);
    let head = Head::new(Status::Ok).line("Content-Type", "application/zip").line("Cache-Control", "no-store");
    let head = head.line("Content-Disposition", &attachment("recordings.zip")).length(zip.bytes());
    let library = office.library.clone();
    let open = move |n: usize| open(&*library, sources.get(n));
    Ok(Answer { head: head.finish(), body: Some(Body::Read(Box::new(Zipped::new(zip, Box::new(open))))) })
}

fn open(library: &dyn Library, source: Option<&Source>) -> io::Result<Box<dyn ReadAt + Send>> {
    let gone = || io::Error::from(io::ErrorKind::NotFound);
    match source.ok_or_else(gone)? {
        Source::Recording(name) => library.open(name).map(|opened| opened.bytes).map_err(|_| gone()),
        Source::Beside(name, n) => {
            let all = library.beside(name).map_err(|_| gone())?;
            all.into_iter().nth(*n).map(|(_, opened)| opened.bytes).ok_or_else(gone)
        }
        Source::Table(bytes) => Ok(Box::new(bytes.to_vec())),
    }
}
