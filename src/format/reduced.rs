//! What the sidecars of a reduced recording say: of the Opus that is left of it, and of each of its sections, which are recordings of
//! their own.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::found::FoundSection;
use super::opus::RATE_HZ;
use super::sidecar::{Sidecar, SidecarGap, rfc3339};
use crate::message::Codec;
use crate::message::analysis::{COLUMN_BANDS, DETECTION_BANDS, Profile, Section, WINDOWS_PER_SECOND};
use crate::message::reduce::{Copied, Piece, Reduced};
use crate::message::window::windows;
use crate::time::{Rate, Wall};

/// Key of the sidecar of a recording that is kept in less than it was, or would be.
pub const KEY: &str = "reduced";
/// Key of the sidecar of a section that was cut out of a recording when that was reduced.
pub const PIECE: &str = "piece_of";
/// End reason of such a section. It is no part of its source's sound besides the recording's, and follows nothing.
pub const SECTION: &str = "section";
/// Of what is left when nearly all of it stands out: it stays as it is.
pub const FULL: &str = "full";
pub const OPUS: &str = "opus";

/// What a reduced recording was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Was {
    pub file: String,
    pub bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    pub frames: u64,
    pub lost_frames: u64,
    pub sample_rate: u32,
    pub channels: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bit_depth: Option<u8>,
    /// Where it stands as it was.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub uploads: Map<String, Value>,
}

/// When and why it was reduced, and what is left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    pub at: String,
    pub reason: String,
    /// [`OPUS`] or [`FULL`].
    pub left: String,
    /// Its sections, as `file` is written.
    pub sections: Vec<String>,
    pub of: Was,
}

/// Where a section is from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct From {
    pub at: String,
    pub reason: String,
    /// Frames of the recording, half open.
    pub from_frame: u64,
    pub to_frame: u64,
    pub of: Was,
}

/// Of a sidecar, if its recording was reduced.
pub fn fact(sidecar: &Sidecar) -> Option<Fact> {
    serde_json::from_value(sidecar.other.get(KEY)?.clone()).ok()
}

/// Of a sidecar, if it is of a section.
pub fn from(sidecar: &Sidecar) -> Option<From> {
    serde_json::from_value(sidecar.other.get(PIECE)?.clone()).ok()
}

/// One that is to be reduced, before it is.
pub struct Whole<'a> {
    pub sidecar: &'a Sidecar,
    pub done: &'a Reduced,
    pub at: Wall,
    /// When it was seen to be elsewhere; then what is left of it is no news to anybody.
    pub uploaded_at: Option<Wall>,
    pub profile: &'a Profile,
}

impl Whole<'_> {
    fn was(&self) -> Was {
        let (sidecar, task) = (self.sidecar, &self.done.task);
        Was {
            file: task.name.clone(),
            bytes: task.bytes,
            sha256: Some(self.done.sha256.clone()).filter(|sum| !sum.is_empty()),
            frames: sidecar.frames,
            lost_frames: sidecar.lost_frames,
            sample_rate: sidecar.sample_rate,
            channels: sidecar.channels,
            bit_depth: sidecar.bit_depth,
            uploads: sidecar.other.get("uploads").and_then(Value::as_object).cloned().unwrap_or_default(),
        }
    }

    /// Of the recording as it is, when nothing is gained by reducing it.
    pub fn full(&self) -> Sidecar {
        self.told(FULL, Vec::new())
    }

    fn told(&self, left: &str, sections: Vec<String>) -> Sidecar {
        let (at, reason) = (rfc3339(self.at), format!("older than {} days", self.done.task.days));
        let fact = Fact { at, reason, left: left.to_owned(), sections, of: self.was() };
        let mut sidecar = self.sidecar.clone();
        sidecar.other.insert(KEY.to_owned(), serde_json::to_value(fact).unwrap_or_default());
        sidecar
    }

    fn elsewhere(&self, sidecar: &mut Sidecar, bytes: u64) {
        sidecar.other.remove("uploads");
        sidecar.other.remove("uploaded_at");
        sidecar.other.insert("analysed_bytes".to_owned(), bytes.into());
        if let Some(at) = self.uploaded_at {
            sidecar.other.insert("uploaded_at".to_owned(), rfc3339(at).into());
        }
    }

    /// Of the Opus of this name. Its run and its place in it are the recording's.
    pub fn copy(&self, name: &str, copied: &Copied, sections: Vec<String>) -> Sidecar {
        let of = self.sidecar;
        let scaled = |frames: u64| {
            let rate = u128::from(of.sample_rate.max(1));
            u64::try_from((u128::from(frames) * u128::from(RATE_HZ) + rate / 2) / rate).unwrap_or(u64::MAX)
        };
        let gap = |gap: &SidecarGap| SidecarGap {
            at_frame: scaled(gap.at_frame).min(copied.frames),
            lost_frames: scaled(gap.lost_frames),
            reason: gap.reason.clone(),
        };
        let gaps: Vec<SidecarGap> = of.gaps.iter().map(gap).collect();
        let mut sidecar = self.told(OPUS, sections);
        sidecar.file = name.to_owned();
        sidecar.frames = copied.frames;
        sidecar.lost_frames = gaps.iter().fold(0, |sum: u64, gap| sum.saturating_add(gap.lost_frames));
        sidecar.gaps = gaps;
        sidecar.sample_rate = RATE_HZ;
        sidecar.measured_rate = of.measured_rate.map(|hz| hz * f64::from(RATE_HZ) / f64::from(of.sample_rate.max(1)));
        sidecar.channels = copied.channels;
        sidecar.bit_depth = None;
        sidecar.codec = Some(Codec::Opus.name().to_owned());
        sidecar.sure_frames = of.sure_frames.map(|frames| scaled(frames).min(copied.frames));
        sidecar.titles.iter_mut().for_each(|title| title.at_frame = scaled(title.at_frame).min(copied.frames));
        self.elsewhere(&mut sidecar, copied.bytes);
        sidecar
    }

    /// Of one of its sections, without a name yet, and its profile. What people said of the recording holds for it.
    pub fn piece(&self, piece: &Piece) -> (Sidecar, Profile) {
        let (of, rate) = (self.sidecar, self.sidecar.sample_rate);
        let to = piece.from.saturating_add(piece.frames);
        let before = of.gaps.iter().filter(|gap| gap.at_frame <= piece.from);
        let lost_before = before.fold(0_u64, |sum, gap| sum.saturating_add(gap.lost_frames));
        let inside = of.gaps.iter().filter(|gap| (piece.from + 1..to).contains(&gap.at_frame));
        let gaps: Vec<SidecarGap> = inside.map(|gap| SidecarGap { at_frame: gap.at_frame - piece.from, ..gap.clone() }).collect();
        let lost_frames = gaps.iter().fold(0_u64, |sum, gap| sum.saturating_add(gap.lost_frames));
        let ns = |frames: u64| Rate::new(rate).map_or(0, |rate| rate.ns_of(frames));
        let start = of.start.plus_ns(ns(piece.from.saturating_add(lost_before)));
        let first_window = nearest_window(piece.from, rate);
        let mut sidecar = Sidecar {
            session: format!("{SECTION}-{}-{}-{}", of.session, of.first_frame, piece.from),
            first_frame: 0,
            frames: piece.frames,
            lost_frames,
            gaps,
            start,
            end: start.plus_ns(ns(piece.frames.saturating_add(lost_frames))),
            end_reason: SECTION.to_owned(),
            recorded_as: None,
            corrected_by: None,
            sure_frames: None,
            rest: None,
            titles: Vec::new(),
            garbage_bytes: 0,
            sections: Some(sections(of, first_window, windows(piece.frames, rate))),
            quality: None,
            indices: None,
            ..of.clone()
        };
        sidecar.other.retain(|key, _| ["reviewed", "note"].contains(&key.as_str()));
        self.elsewhere(&mut sidecar, piece.bytes);
        let (at, reason) = (rfc3339(self.at), format!("older than {} days", self.done.task.days));
        let from = From { at, reason, from_frame: piece.from, to_frame: to, of: self.was() };
        sidecar.other.insert(PIECE.to_owned(), serde_json::to_value(from).unwrap_or_default());
        (sidecar, cut(self.profile, first_window, piece.frames))
    }
}

fn nearest_window(frame: u64, rate_hz: u32) -> u64 {
    let rate = u64::from(rate_hz.max(1));
    (frame.saturating_mul(WINDOWS_PER_SECOND) + rate / 2) / rate
}

/// Those of a recording that lie in so many windows from this one on, as these count.
fn sections(of: &Sidecar, first: u64, count: u64) -> Vec<FoundSection> {
    let inside = |section: Section| {
        let at = |window: u32| u64::from(window).clamp(first, first + count) - first;
        let (from, to) = (at(section.first_window), at(section.end_window));
        let window = |at: u64| u32::try_from(at).unwrap_or(u32::MAX);
        (from < to).then(|| Section { first_window: window(from), end_window: window(to), ..section })
    };
    let all = of.sections.iter().flatten().map(FoundSection::section);
    all.filter_map(inside).map(|section| FoundSection::from(&section)).collect()
}

/// So many frames from this window on: what is known of them, to a tenth of a second; of columns to half a second.
fn cut(of: &Profile, first: u64, frames: u64) -> Profile {
    let count = usize::try_from(windows(frames, of.rate_hz)).unwrap_or(0);
    let first = usize::try_from(first).unwrap_or(usize::MAX);
    let per_second = WINDOWS_PER_SECOND as usize;
    let bands = if of.detection.is_empty() { (0, 0) } else { (DETECTION_BANDS, COLUMN_BANDS) };
    Profile {
        rate_hz: of.rate_hz,
        frames,
        detection_edges: of.detection_edges,
        column_edges: of.column_edges,
        levels: run(&of.levels, 1, first, count),
        detection: run(&of.detection, bands.0, first, count),
        columns: run(&of.columns, bands.1, first.saturating_add(per_second / 2) / per_second, count.div_ceil(per_second)),
    }
}

/// Rows of so many values; where there are no more, the last one stands again.
fn run<T: Copy + Default>(all: &[T], width: usize, first: usize, count: usize) -> Vec<T> {
    let mut some = Vec::with_capacity(count.saturating_mul(width));
    let last = (all.len() / width.max(1)).saturating_sub(1);
    for row in first..first.saturating_add(count) {
        let at = row.min(last).saturating_mul(width);
        match all.get(at..at + width) {
            Some(values) => some.extend_from_slice(values),
            None => some.extend(std::iter::repeat_n(T::default(), width)),
        }
    }
    some
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::profile;
    use crate::message::reduce::{Left, Task};
    use crate::time::SECOND_NS;

    fn sidecar() -> Sidecar {
        let text = r#"{"schema":"soundpost/analysis/1","file":"a/b.flac","source":"wood","session":"s","first_frame":500,"frames":960000,
            "lost_frames":96000,"sample_rate":96000,"measured_rate":96001.0,"channels":4,"bit_depth":24,"start":"2026-05-01T02:00:00.000000Z",
            "end":"2026-05-01T02:00:11.000000Z","utc_offset_s":7200,"clock":"synced","end_reason":"split","recovered":false,"suspect":false,
            "gaps":[{"at_frame":192000,"lost_frames":48000,"reason":"xrun"},{"at_frame":528000,"lost_frames":48000,"reason":"xrun"}],
            "software":"x","sections":[{"from_s":5.0,"to_s":6.05,"score_db":30.0},{"from_s":9.0,"to_s":9.5,"score_db":12.0}],
            "analysed_bytes":7,"note":"owl","locked":false,"uploads":{"upload.a":{"key":"k"}},"bookmarks":[1]}"#;
        Sidecar::read(text.as_bytes()).expect("a sidecar")
    }

    fn profile() -> Profile {
        let columns = (0..10_u8).flat_map(|n| [n; COLUMN_BANDS]).collect();
        let detection = (0..100_u8).flat_map(|n| [n; DETECTION_BANDS]).collect();
        let edges = (std::array::from_fn(|n| n as f32 + 1.0), std::array::from_fn(|n| n as f32 + 1.0));
        let (levels, frames) = ((0..100).collect(), 960_000);
        Profile { rate_hz: 96_000, frames, detection_edges: edges.0, column_edges: edges.1, levels, detection, columns }
    }

    fn done() -> Reduced {
        let task = Task {
            name: "a/b.flac".into(),
            bytes: 7,
            version: 0,
            is_uploaded: false,
            rate_hz: 96_000,
            frames: 960_000,
            left: Left::Opus,
            parts: Vec::new(),
            floor_bytes: 0,
            days: 3.0,
        };
        Reduced { task, sha256: "abc".into(), pieces: Vec::new(), placed: Vec::new(), copy: None, is_last: true }
    }

    #[test]
    fn what_is_left_tells_where_it_is_from() {
        let (of, done, profile) = (sidecar(), done(), profile());
        let whole = Whole { sidecar: &of, done: &done, at: Wall(SECOND_NS), uploaded_at: Some(Wall(0)), profile: &profile };
        let copied = Copied { draft: "x".into(), frames: 480_000, channels: 1, bytes: 9 };
        let copy = whole.copy("a/b.opus", &copied, vec!["a/b_section_040005.flac".into()]);
        assert_eq!(Sidecar::read(&copy.write()), Ok(copy.clone()));
        assert_eq!((copy.frames, copy.lost_frames, copy.sample_rate, copy.channels), (480_000, 48_000, 48_000, 1));
        assert_eq!((copy.start, copy.end, &*copy.session, copy.first_frame), (of.start, of.end, "s", 500));
        assert_eq!((copy.gaps[1].at_frame, copy.measured_rate, copy.bit_depth), (264_000, Some(48_000.5), None));
        assert_eq!(
            (copy.sections.as_ref(), &copy.other["note"], &copy.other["analysed_bytes"]),
            (of.sections.as_ref(), &"owl".into(), &9.into())
        );
        assert_eq!(copy.other["uploaded_at"], "1970-01-01T00:00:00.000000Z");
        assert!(!copy.other.contains_key("uploads") && copy.other.contains_key("bookmarks"));
        let fact = fact(&copy).expect("it was reduced");
        assert_eq!(
            (&*fact.left, fact.of.frames, fact.of.sha256.as_deref(), fact.of.uploads.len()),
            ("opus", 960_000, Some("abc"), 1)
        );
        assert_eq!(super::fact(&of), None);
        assert_eq!(whole.full(), Sidecar { other: whole.full().other, ..of.clone() });
    }

    #[test]
    fn a_section_stands_where_it_was_heard() {
        let (of, done, profile) = (sidecar(), done(), profile());
        let whole = Whole { sidecar: &of, done: &done, at: Wall(SECOND_NS), uploaded_at: None, profile: &profile };
        // From 4.98 s to 7.98 s of the file; half a second is missing before it, half a second within.
        let piece = Piece { draft: "x".into(), from: 478_080, frames: 288_000, bytes: 8 };
        let (side, cut) = whole.piece(&piece);
        assert_eq!(Sidecar::read(&side.write()), Ok(side.clone()));
        assert_eq!(side.start.since(of.start), 5_480_000_000);
        assert_eq!((side.end.since(side.start), side.lost_frames, side.gaps[0].at_frame), (3_500_000_000, 48_000, 49_920));
        let want = FoundSection { from_s: 0.0, to_s: 1.1, score_db: 30.0, f_lo_hz: None, f_hi_hz: None };
        assert_eq!((side.sections.as_deref(), &*side.end_reason), (Some(&[want][..]), SECTION));
        let keys: Vec<&String> = side.other.keys().collect();
        assert_eq!(keys, ["analysed_bytes", "note", "piece_of"]);
        let from = from(&side).expect("it is a part");
        assert_eq!((from.from_frame, from.to_frame, &*from.of.file), (478_080, 766_080, "a/b.flac"));
        assert_eq!((cut.levels.clone(), cut.columns[0]), ((50..80).collect(), 5));
        assert_eq!(profile::read(&profile::write(&cut)).expect("whole"), cut);
        // At the very end: what is not known is as what was before.
        let (_, cut) = whole.piece(&Piece { from: 950_400, frames: 19_200, ..piece });
        assert_eq!((cut.levels.clone(), cut.columns.len()), (vec![99, 99], COLUMN_BANDS));
        assert_eq!(profile::read(&profile::write(&cut)).expect("whole"), cut);
    }
}
