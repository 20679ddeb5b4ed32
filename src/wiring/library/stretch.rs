//! Cuts by the clock: what a source recorded in a range, in its own format, a file for each stretch without a hole.
//!
//! Files that follow each other are one stretch ([`joint`](crate::policy::joint)). Samples that were lost inside a file are told
//! and nothing else: no format says "nothing was recorded here", and a cut changes no sound. Between files nothing is filled in
//! either: a range with holes gives several files, in a zip over HTTP.

use std::io;

use super::excerpt::{lost_ns_before, no_thread, ns_of, runs, stem};
use super::folder::Folder;
use super::pump::pump;
use super::{extension, flaw};
use crate::actor::http::library::Piece;
use crate::actor::librarian::FOREIGN;
use crate::format::civil::Civil;
use crate::format::cut::{self, Cut, Part};
use crate::format::{Flaw, ReadAt, flac, wav};
use crate::message::Identity;
use crate::message::library::{FileRow, FileState, GapRow, KeptPart, Trouble};
use crate::message::page::Excerpt;
use crate::policy::joint::{InRun, Stand, follows};
use crate::time::{SECOND_NS, Wall};
use crate::web::zip::{Entry, Step, Zip};

/// Each is held open.
pub const MAX_FILES: usize = 128;

/// What becomes one file.
pub struct Stretch {
    rows: Vec<FileRow>,
    files: Vec<Box<dyn ReadAt + Send>>,
    cut: Cut,
    pub from: Wall,
    pub to: Wall,
}

/// A recording, and what is wanted of it in seconds from its start.
struct Item {
    row: FileRow,
    from_s: f64,
    to_s: f64,
    stand: Stand,
}

impl Folder {
    /// The stretch becomes a recording of its own, and its header says so.
    pub fn label(&self, stretch: &mut Stretch, session: &str) {
        let Some(of) = stretch.rows.first().and_then(|row| self.identity(row)) else { return };
        let start = Wall::from_micros(stretch.from.micros());
        stretch.cut.label(&Identity { session: session.into(), first_frame: 0, start, ..of });
    }

    /// Of rows in the order of their time.
    pub fn stretches(&self, rows: Vec<FileRow>, from: Wall, to: Wall) -> Result<Vec<Stretch>, Trouble> {
        let mut groups: Vec<Vec<Item>> = Vec::new();
        for row in rows {
            let row = self.measured(row);
            let Some((from_s, to_s)) = span(&row, from, to) else { continue };
            let item = Item { stand: self.stand(&row), row, from_s, to_s };
            match groups.last_mut() {
                Some(group) if group.last().is_some_and(|last| follows(&last.stand, &item.stand)) => group.push(item),
                _ => groups.push(vec![item]),
            }
        }
        if groups.iter().map(Vec::len).sum::<usize>() > MAX_FILES {
            let why = format!("The range lies in more than {MAX_FILES} recordings: ask for parts of it.");
            return Err(Trouble::Unclear(why));
        }
        let mut stretches = Vec::new();
        for group in groups {
            match self.joined(&group) {
                Ok(stretch) => stretches.push(stretch),
                // They looked alike and are not: each for itself.
                Err(Flaw::Unsupported(_)) if group.len() > 1 => {
                    for item in group {
                        stretches.extend(some(self.joined(&[item]))?);
                    }
                }
                other => stretches.extend(some(other)?),
            }
        }
        Ok(stretches)
    }

    fn joined(&self, group: &[Item]) -> Result<Stretch, Flaw> {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { return Err(cut::NOTHING) };
        let files: Vec<_> = group.iter().map(|item| self.readable(&item.row).map_err(flaw_of)).collect::<Result<_, _>>()?;
        let parts = group.iter().zip(&files).enumerate().map(|(n, (item, file))| Part {
            // A drifting clock may tell a little more or less between two files; their frames tell that nothing is missing.
            from_s: if n == 0 { item.from_s } else { 0.0 },
            to_s: if n + 1 == group.len() { item.to_s } else { f64::INFINITY },
            file: &**file,
            extension: extension(&item.row.name),
        });
        let parts: Vec<Part> = parts.collect();
        let cut = cut::plan_joined(&parts)?;
        let (from, to) = (wall(&first.row, cut.from_s), wall(&last.row, cut.to_s));
        Ok(Stretch { rows: group.iter().map(|item| item.row.clone()).collect(), files, cut, from, to })
    }

    fn stand(&self, row: &FileRow) -> Stand {
        let (sidecar, is_open) = (self.sidecar(&row.name), row.state == FileState::Open);
        let run = match sidecar.filter(|it| it.end_reason != FOREIGN) {
            Some(it) => {
                let end = it.first_frame.saturating_add(it.frames).saturating_add(it.lost_frames);
                Some(InRun { session: it.session, first: it.first_frame, end })
            }
            None => self.header(row).filter(|_| is_open),
        };
        let lost = lost_ns_before(row, u64::MAX);
        let end = row.start.plus_ns((ns_of(row.frames, row.rate_hz).saturating_add(lost)) as i64);
        let extension = extension(&row.name).to_ascii_lowercase();
        let end = Some(end).filter(|_| !is_open);
        Stand { extension, rate_hz: row.rate_hz, channels: row.channels, start: row.start, end, run }
    }

    /// Who a recording of our own is, by its header.
    fn identity(&self, row: &FileRow) -> Option<Identity> {
        let file = self.open_file(row).ok()?;
        match extension(&row.name) {
            "wav" => wav::parse(&file).ok()?.identity,
            "flac" => flac::parse(&file).ok()?.identity,
            _ => None,
        }
    }

    /// That of one that has no sidecar yet.
    fn header(&self, row: &FileRow) -> Option<InRun> {
        let identity = self.identity(row)?;
        let (session, first) = (identity.session.to_string(), identity.first_frame);
        Some(InRun { session, first, end: first })
    }
}

/// A range without sound is nothing, and no trouble.
fn some(found: Result<Stretch, Flaw>) -> Result<Option<Stretch>, Trouble> {
    match found {
        Ok(stretch) => Ok(Some(stretch)),
        Err(Flaw::Unsupported(cut::NO_SOUND)) => Ok(None),
        Err(e) => Err(flaw(e)),
    }
}

fn flaw_of(trouble: Trouble) -> Flaw {
    match trouble {
        Trouble::Absent => Flaw::Io(io::ErrorKind::NotFound.into()),
        _ => Flaw::IllFormed("it cannot be read"),
    }
}

/// Seconds from the start of a file: from the first frame in the range to the last, lost ones not counted.
fn span(row: &FileRow, from: Wall, to: Wall) -> Option<(f64, f64)> {
    let second = |frame: u64| frame as f64 / f64::from(row.rate_hz.max(1));
    if row.frames == 0 || row.rate_hz == 0 {
        let ns = |at: Wall| at.since(row.start).max(0) as f64 / SECOND_NS as f64;
        return Some((ns(from), ns(to))).filter(|(from, to)| from < to);
    }
    let runs = runs(row, from, to);
    let ((first, _), (_, end)) = (runs.first()?, runs.last()?);
    Some((second(*first), second(*end)))
}

fn wall(row: &FileRow, seconds: f64) -> Wall {
    let frame = (seconds * f64::from(row.rate_hz)).round() as u64;
    let ns = (seconds * SECOND_NS as f64).round() as u64;
    row.start.plus_ns(ns.saturating_add(lost_ns_before(row, frame)) as i64)
}

impl Stretch {
    /// Of the file that it becomes.
    pub fn bytes(&self) -> u64 {
        self.cut.bytes
    }

    pub fn write(&self, out: &mut cut::Sink) -> Result<(), Flaw> {
        let files: Vec<&dyn ReadAt> = self.files.iter().map(|file| &**file as &dyn ReadAt).collect();
        self.cut.write_joined(&files, out)
    }

    /// After its source, or after its file, and when it begins.
    pub fn name(&self) -> String {
        let Some(row) = self.rows.first() else { return String::new() };
        let local = Civil::at(self.from, row.utc_offset_s);
        let (h, m, s) = local.hour_minute_second();
        let whose = if row.source.is_empty() { stem(&row.name) } else { &row.source };
        let (year, month, day) = (local.year, local.month, local.day);
        format!("{whose}_{year:04}{month:02}{day:02}_{h:02}{m:02}{s:02}.{}", extension(&row.name))
    }

    pub fn first(&self) -> Option<&FileRow> {
        self.rows.first()
    }

    /// Frames, and their rate.
    pub fn length(&self) -> (u64, u32) {
        (self.cut.frames, self.cut.rate_hz)
    }

    /// Frames of each recording that are in it.
    pub fn parts(&self) -> Vec<KeptPart> {
        let frame = |seconds: f64| (seconds * f64::from(self.cut.rate_hz)).round() as u64;
        let last = self.rows.len().saturating_sub(1);
        let part = |(n, row): (usize, &FileRow)| KeptPart {
            name: row.name.clone(),
            from: if n == 0 { frame(self.cut.from_s) } else { 0 },
            to: if n == last { frame(self.cut.to_s) } else { row.frames },
        };
        self.rows.iter().enumerate().map(part).collect()
    }

    pub fn gaps(&self) -> impl Iterator<Item = GapRow> {
        let gaps = self.rows.iter().flat_map(|row| row.gaps.iter());
        gaps.filter(|gap| gap.end > self.from && gap.start < self.to).cloned()
    }

    /// `None` while a file of it grows.
    fn version(&self) -> Option<u64> {
        let is_closed = self.rows.iter().all(|row| row.state != FileState::Open);
        is_closed.then(|| self.rows.iter().fold(0, |all: u64, row| all.rotate_left(7) ^ row.version))
    }
}

/// Where nothing was recorded between stretches, and what was lost inside them.
pub fn gaps(stretches: &[Stretch], source: &str) -> Vec<GapRow> {
    let mut gaps = Vec::new();
    for (n, stretch) in stretches.iter().enumerate() {
        if let Some(before) = n.checked_sub(1).and_then(|n| stretches.get(n)).filter(|before| before.to < stretch.from) {
            let (start, end) = (before.to, stretch.from);
            let rate_hz = before.rows.last().map_or(0, |row| row.rate_hz);
            let frames_lost = (i128::from(end.since(start)) * i128::from(rate_hz) / i128::from(SECOND_NS)) as u64;
            gaps.push(GapRow { source: source.to_owned(), start, end, frames_lost, reason: "not recorded".into() });
        }
        gaps.extend(stretch.gaps());
    }
    gaps
}

/// One file as it is, several as a zip.
pub fn piece(stretches: Vec<Stretch>, source: &str) -> Result<Option<Piece>, Trouble> {
    let (Some(first), Some(last)) = (stretches.first(), stretches.last()) else { return Ok(None) };
    let truth = Excerpt::Source { source: source.to_owned(), from: first.from, to: last.to };
    let gaps = gaps(&stretches, source);
    let versions: Option<Vec<u64>> = stretches.iter().map(Stretch::version).collect();
    let version = versions.map(|all| format!("{:016x}", all.iter().fold(0, |sum: u64, one| sum.rotate_left(9) ^ one)));
    let names = names(&stretches);
    let (name, len, write): (String, u64, Write) = match (&*stretches, &*names) {
        ([only], [name]) => {
            let (name, len) = (name.clone(), only.bytes());
            (name, len, Box::new(move |out| stretches.iter().try_for_each(|stretch| stretch.write(out))))
        }
        _ => zipped(stretches, names, source),
    };
    let body = pump(len, move |out| {
        if let Err(e) = write(out) {
            log::debug!(target: "http", "a cut ended: {e}");
        }
    });
    Ok(Some(Piece { truth, gaps, name, len, body: Box::new(body.map_err(no_thread)?), version }))
}

type Write = Box<dyn FnOnce(&mut cut::Sink) -> Result<(), Flaw> + Send>;

/// Two that begin in one second get numbers.
pub fn names(stretches: &[Stretch]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for stretch in stretches {
        let name = stretch.name();
        let (stem, extension) = name.rsplit_once('.').unwrap_or((&name, ""));
        let numbered = (2_u32..).map(|n| format!("{stem}-{n}.{extension}"));
        let free = std::iter::once(name.clone()).chain(numbered).find(|name| !names.contains(name));
        names.extend(free);
    }
    names
}

fn zipped(stretches: Vec<Stretch>, names: Vec<String>, source: &str) -> (String, u64, Write) {
    let entry = |(stretch, name): (&Stretch, String)| {
        let utc_offset_s = stretch.rows.first().map_or(0, |row| row.utc_offset_s);
        Entry { name, bytes: stretch.bytes(), modified: stretch.to, utc_offset_s }
    };
    let name = names.first().and_then(|name| name.rsplit_once('.')).map_or(source, |(stem, _)| stem);
    let name = format!("{name}.zip");
    let mut zip = Zip::new(stretches.iter().zip(names).map(entry).collect());
    let len = zip.bytes();
    let write = move |out: &mut cut::Sink| loop {
        match zip.step() {
            Step::Text(text) => out(&text)?,
            Step::File(n, mut left) => {
                let stretch = stretches.get(n).ok_or(cut::NOTHING)?;
                stretch.write(&mut |bytes| {
                    zip.took(bytes);
                    left = left.saturating_sub(bytes.len() as u64);
                    out(bytes)
                })?;
                if left > 0 {
                    return Err(Flaw::IllFormed("it became shorter while it was cut"));
                }
            }
            Step::End => return Ok(()),
        }
    };
    (name, len, Box::new(write))
}
