//! What the catalogue says of a recording: from its sidecar if we wrote one, else from its header, its name and its time.

use jiff::civil::DateTime;
use serde_json::{Map, Value};

use super::uploads;
use crate::device::catalogue::{Beside, Entry};
use crate::device::folder::Found;
use crate::format::bookmark;
use crate::format::foreign::{self, Named};
use crate::format::found::FoundSection;
use crate::format::reduced;
use crate::format::sidecar::{SCHEMA, Sidecar, parse_rfc3339};
use crate::message::analysis::Section;
use crate::message::library::{FileRow, FileState, GapRow, Mark, Marks};
use crate::policy::split::Zone;
use crate::time::{Rate, SECOND_NS, Wall};

/// End reason of a file that was not recorded here.
pub const FOREIGN: &str = "foreign";

/// A file that was written to so shortly ago is still growing.
const GROWING_NS: i64 = 10 * SECOND_NS;

/// Keys of the sidecar that a page shows as they are.
const DETAILS: [&str; 19] = [
    "quality",
    "indices",
    "detection",
    "end_reason",
    "trigger",
    "clock",
    "clock_source",
    "recovered",
    "suspect",
    "codec",
    "bit_depth",
    "measured_rate",
    "session",
    "titles",
    bookmark::KEY,
    MARK,
    "on_close",
    reduced::KEY,
    reduced::PIECE,
];

/// Key of the sidecar with the length of the file that was analysed.
pub const ANALYSED_BYTES: &str = "analysed_bytes";

/// Key of the sidecar of a recording that somebody kept: what it was cut from.
pub const MARK: &str = "mark";

/// Key of the sidecar of a recording that was seen to be whole somewhere else: when that was.
pub const UPLOADED_AT: &str = "uploaded_at";

/// (rate in Hz, channels, frames).
pub type Sound = (u32, u8, u64);

pub struct Seen<'a> {
    pub found: Found<'a>,
    pub beside: Beside,
    pub sidecar: Option<Sidecar>,
    /// Who is to have a copy.
    pub targets: &'a [String],
    /// By its header, if the sidecar does not tell.
    pub sound: Option<Sound>,
    pub now: Wall,
}

/// Whether its own sidecar tells how long it is.
pub fn tells_length(sidecar: Option<&Sidecar>) -> bool {
    sidecar.is_some_and(|it| !it.is_begun() && it.frames > 0)
}

pub fn is_open(found: &Found<'_>, sidecar: Option<&Sidecar>, now: Wall) -> bool {
    let is_finished = sidecar.is_some_and(|it| !it.is_begun() && it.end_reason != FOREIGN);
    let age = now.since(found.modified);
    // A time in the future is another clock's.
    found.is_part || (!is_finished && (0..GROWING_NS).contains(&age))
}

/// `old`: what was known of it. A trouble holds until the file changes.
pub fn entry(seen: Seen<'_>, old: Option<&Entry>, zone: &Zone) -> Entry {
    let Seen { found, beside, sidecar, sound, now, targets } = seen;
    let copies = sidecar.as_ref().map(uploads::read).unwrap_or_default();
    let is_open = is_open(&found, sidecar.as_ref(), now);
    let (rate_hz, channels, frames) = match &sidecar {
        Some(it) if tells_length(Some(it)) => (it.sample_rate, it.channels, it.frames),
        Some(it) => sound.unwrap_or((it.sample_rate, it.channels, 0)),
        None => sound.unwrap_or_default(),
    };
    let (start, utc_offset_s) = match sidecar.as_ref().filter(|it| it.end_reason != FOREIGN) {
        Some(it) => (it.start, it.utc_offset_s),
        None => start(found.name, found.modified, duration_ns(rate_hz, frames), zone),
    };
    let is_analysed = beside.profile_ns != 0 && sidecar.as_ref().is_some_and(|it| is_of(it, found.bytes));
    let state = match (is_open, is_analysed) {
        (true, _) => FileState::Open,
        (false, true) => FileState::Analysed,
        (false, false) => FileState::Closed,
    };
    let same = old.filter(|old| old.row.bytes == found.bytes && old.row.modified == found.modified);
    let mut row = FileRow {
        name: found.name.to_owned(),
        source: sidecar.as_ref().map(|it| it.source.clone()).unwrap_or_default(),
        start: Wall::from_micros(start.micros()),
        utc_offset_s,
        frames,
        rate_hz,
        channels,
        bytes: found.bytes,
        modified: found.modified,
        state,
        sections: sidecar.as_ref().filter(|_| is_analysed).map(sections).unwrap_or_default().into(),
        gaps: sidecar.as_ref().map(gaps).unwrap_or_default().into(),
        marks: sidecar.as_ref().map(marks).unwrap_or_default(),
        uploaded_at: uploads::all_there(&copies, targets, found.bytes).or_else(|| sidecar.as_ref().and_then(uploaded_at)),
        trouble: same.and_then(|old| old.row.trouble.clone()),
        details: sidecar.as_ref().map_or_else(|| "{}".into(), details).into(),
        version: 0,
    };
    row.version = version(&row, beside);
    Entry { row, beside, copies: Some(copies) }
}

/// What a program of another kind than our uploader has written there.
fn uploaded_at(sidecar: &Sidecar) -> Option<Wall> {
    let at = sidecar.other.get(UPLOADED_AT).and_then(Value::as_str)?;
    parse_rfc3339(at).map(|at| Wall::from_micros(at.micros()))
}

fn duration_ns(rate_hz: u32, frames: u64) -> i64 {
    Rate::new(rate_hz).map_or(0, |rate| rate.ns_of(frames))
}

/// Of a file without a word of ours.
fn start(name: &str, modified: Wall, duration_ns: i64, zone: &Zone) -> (Wall, i32) {
    let ended = modified.plus_ns(duration_ns.saturating_neg());
    let named = foreign::start_of(name).and_then(|named| instant(&named, ended, zone));
    let start = named.unwrap_or(ended);
    (start, offset_at(start, zone))
}

/// Local time minus UTC, in seconds.
pub fn offset_at(at: Wall, zone: &Zone) -> i32 {
    let timestamp = jiff::Timestamp::from_microsecond(at.micros()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    zone.to_offset(timestamp).seconds()
}

/// In the repeated hour of autumn, that of both which is nearer to where the file's own time says that it began.
fn instant(named: &Named, near: Wall, zone: &Zone) -> Option<Wall> {
    let Named { year, month, day, hour, minute, second, utc_offset_s } = *named;
    let local = DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    let wall = |timestamp: jiff::Timestamp| Some(Wall::from_micros(timestamp.as_microsecond()));
    if let Some(seconds) = utc_offset_s {
        let offset = jiff::tz::Offset::from_seconds(seconds).ok()?;
        return wall(offset.to_timestamp(local).ok()?);
    }
    let ambiguous = zone.to_ambiguous_timestamp(local);
    let (earlier, later) = (wall(ambiguous.earlier().ok()?)?, wall(ambiguous.later().ok()?)?);
    let is_later_nearer = near.since(later).unsigned_abs() < near.since(earlier).unsigned_abs();
    // A skipped time of spring is read as the clock that was not put forward shows it: `later` of both.
    let is_gap = matches!(ambiguous.offset(), jiff::tz::AmbiguousOffset::Gap { .. });
    Some(if is_gap || is_later_nearer { later } else { earlier })
}

/// The sidecar of a file that was not recorded here, for what a person says of it.
pub fn foreign_sidecar(row: &FileRow, software: &str) -> Sidecar {
    Sidecar {
        schema: SCHEMA.to_owned(),
        file: row.name.clone(),
        source: row.source.clone(),
        // A run of its own: it follows no other.
        session: format!("{FOREIGN}-{:016x}", fnv(row.name.as_bytes())),
        first_frame: 0,
        frames: row.frames,
        lost_frames: 0,
        sample_rate: row.rate_hz.max(1),
        measured_rate: None,
        channels: row.channels,
        bit_depth: None,
        codec: None,
        start: row.start,
        end: row.start.plus_ns(duration_ns(row.rate_hz, row.frames)),
        utc_offset_s: row.utc_offset_s,
        clock: "unsynced".to_owned(),
        clock_source: None,
        recorded_as: None,
        corrected_by: None,
        end_reason: FOREIGN.to_owned(),
        trigger: None,
        recovered: false,
        sure_frames: None,
        suspect: false,
        rest: None,
        gaps: Vec::new(),
        titles: Vec::new(),
        garbage_bytes: 0,
        detection: None,
        sections: None,
        quality: None,
        indices: None,
        software: software.to_owned(),
        other: Map::new(),
    }
}

/// An analysis of a file of another length is of another file.
fn is_of(sidecar: &Sidecar, bytes: u64) -> bool {
    let analysed = sidecar.other.get(ANALYSED_BYTES).and_then(Value::as_u64);
    sidecar.sections.is_some() && analysed.is_none_or(|analysed| analysed == bytes)
}

fn sections(sidecar: &Sidecar) -> Vec<Section> {
    sidecar.sections.iter().flatten().map(FoundSection::section).collect()
}

fn gaps(sidecar: &Sidecar) -> Vec<GapRow> {
    let Some(rate) = Rate::new(sidecar.sample_rate) else { return Vec::new() };
    let mut lost = 0_u64;
    let row = |gap: &crate::format::sidecar::SidecarGap| {
        let from = gap.at_frame.saturating_add(lost);
        lost = lost.saturating_add(gap.lost_frames);
        let at = |frame: u64| Wall::from_micros(sidecar.start.plus_ns(rate.ns_of(frame)).micros());
        let end = at(from.saturating_add(gap.lost_frames));
        let (source, reason) = (sidecar.source.clone(), gap.reason.clone());
        GapRow { source, start: at(from), end, frames_lost: gap.lost_frames, reason }
    };
    sidecar.gaps.iter().map(row).collect()
}

fn marks(sidecar: &Sidecar) -> Marks {
    let is = |key: &str| sidecar.other.get(key).and_then(Value::as_bool).unwrap_or(false);
    let note = sidecar.other.get("note").and_then(Value::as_str).unwrap_or_default().to_owned();
    Marks { reviewed: is("reviewed"), locked: is("locked"), note }
}

pub fn set(sidecar: &mut Sidecar, mark: &Mark) {
    let (key, value) = match mark {
        Mark::Reviewed(yes) => ("reviewed", Value::from(*yes)),
        Mark::Locked(yes) => ("locked", Value::from(*yes)),
        Mark::Note(note) => ("note", Value::from(note.as_str())),
    };
    sidecar.other.insert(key.to_owned(), value);
}

fn details(sidecar: &Sidecar) -> String {
    let all = serde_json::to_value(sidecar).unwrap_or_default();
    let shown = |key: &str| Some((key.to_owned(), all.get(key)?.clone()));
    Value::Object(DETAILS.iter().filter_map(|key| shown(key)).collect()).to_string()
}

fn version(row: &FileRow, beside: Beside) -> u64 {
    let state = row.state.name();
    let parts = format!("{} {} {} {} {state} {}", row.bytes, row.modified.0, row.frames, row.rate_hz, beside.profile_ns);
    fnv(parts.as_bytes())
}

/// FNV-1a, 64 bits.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3))
}
