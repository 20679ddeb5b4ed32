//! The last seconds of a source become a recording of their own: sidecar, then name, then a bookmark in what they were cut from,
//! each on the disk before the next. A fall in between leaves a draft that is swept away, or a recording without bookmarks.

use std::io;

use serde_json::{Value, json};

use super::entry::{MARK, set};
use super::shelf::{SECOND, SIDECAR, folder};
use super::{Librarian, Refused, change::failed};
use crate::device::disk::{Disk, RealDisk};
use crate::device::folder::look;
use crate::format::sidecar::{KEPT, Sidecar, SidecarGap, rfc3339};
use crate::message::library::{Answer, Kept, KeptPart, Mark, Trouble};
use crate::policy::name::with_suffix;
use crate::time::{Rate, Wall};

/// Names that are tried.
const NAMES: u32 = 1_000;

impl Librarian {
    pub(super) fn keep(&mut self, kept: &Kept, now: Wall) -> Result<Answer, Refused> {
        if self.settings.read_only {
            return Err(Trouble::ReadOnly.into());
        }
        self.may_write_analyses()?;
        let first = kept.parts.first().ok_or(Trouble::Nothing)?;
        let found = look(&self.shelf.root, &first.name).ok_or(Trouble::Absent)?;
        let of = self.shelf.sidecar(&first.name).or_else(|| self.begun(&found));
        let of = of.ok_or_else(|| Trouble::Failed("The recording does not say whose it is.".into()))?;
        let name = self.place(kept, of, found.extension)?;
        for part in &kept.parts {
            self.bookmark(part, kept, &name, now)?;
        }
        self.refresh(&name, now)
    }

    /// Under the first name that is free, with its sidecar.
    fn place(&self, kept: &Kept, of: Sidecar, extension: &str) -> Result<String, Refused> {
        let mut sidecar = describe(kept, of);
        sidecar.software.clone_from(&self.settings.software);
        for n in 1..=NAMES {
            let name = format!("{}.{extension}", with_suffix(&kept.stem, n));
            let has_sidecar = [SIDECAR, SECOND].iter().any(|ending| self.shelf.beside(&name, ending).exists());
            if has_sidecar || self.shelf.is_there(&name).map_err(failed)? {
                continue;
            }
            sidecar.file.clone_from(&name);
            self.shelf.put_sidecar(&name, &sidecar).map_err(failed)?;
            let path = self.shelf.root.join(&name);
            match RealDisk.rename(&kept.draft, &path) {
                Ok(()) => {
                    // From one folder to another: a power cut may forget it in either.
                    for folder in [folder(&path), folder(&kept.draft)] {
                        RealDisk.sync_dir(folder).map_err(failed)?;
                    }
                    return Ok(name);
                }
                Err(e) => {
                    let _ = RealDisk.remove(&self.shelf.beside(&name, SIDECAR)); // an orphan is harmless
                    if e.kind() != io::ErrorKind::AlreadyExists {
                        return Err(failed(e).into());
                    }
                }
            }
        }
        Err(Trouble::Failed("There is no free name for it.".into()).into())
    }

    /// In the sidecar of what it was cut from; of a file that is still open when that is finished.
    fn bookmark(&mut self, part: &KeptPart, kept: &Kept, clip: &str, now: Wall) -> Result<(), Refused> {
        let bookmark = json!({
            "at": rfc3339(kept.asked),
            "seconds": kept.seconds,
            "note": kept.note,
            "clip": clip,
            "from_frame": part.from,
            "to_frame": part.to,
        });
        self.bookmarks.put(&part.name, bookmark).map_err(failed)?;
        // This settles what is finished already.
        self.look(&part.name, now)
    }
}

/// As what it was cut from, but for when it begins, how long it is, and why.
fn describe(kept: &Kept, of: Sidecar) -> Sidecar {
    let gaps = gaps(kept);
    let lost_frames = gaps.iter().map(|gap| gap.lost_frames).sum::<u64>();
    let long_ns = Rate::new(kept.rate_hz).map_or(0, |rate| rate.ns_of(kept.frames.saturating_add(lost_frames)));
    let part = |part: &KeptPart| json!({ "file": part.name, "from_frame": part.from, "to_frame": part.to });
    let parts: Vec<Value> = kept.parts.iter().map(part).collect();
    let mut sidecar = Sidecar {
        session: kept.session.clone(),
        first_frame: 0,
        frames: kept.frames,
        lost_frames,
        gaps,
        sample_rate: kept.rate_hz,
        start: kept.start,
        end: kept.start.plus_ns(long_ns),
        end_reason: KEPT.to_owned(),
        recorded_as: None,
        corrected_by: None,
        recovered: false,
        sure_frames: None,
        rest: None,
        titles: Vec::new(),
        garbage_bytes: 0,
        detection: None,
        sections: None,
        quality: None,
        indices: None,
        other: Default::default(),
        ..of
    };
    set(&mut sidecar, &Mark::Locked(true));
    set(&mut sidecar, &Mark::Note(kept.note.clone()));
    let mark = json!({ "at": rfc3339(kept.asked), "seconds": kept.seconds, "of": parts });
    sidecar.other.insert(MARK.to_owned(), mark);
    sidecar
}

/// By their times: exact but for the drift of the device's clock.
fn gaps(kept: &Kept) -> Vec<SidecarGap> {
    let (mut lost, mut gaps) = (0_u64, Vec::new());
    for gap in &kept.gaps {
        let at = Rate::new(kept.rate_hz).map_or(0, |rate| rate.frames_in(gap.start.since(kept.start).max(0)));
        let at_frame = at.saturating_sub(lost).min(kept.frames);
        gaps.push(SidecarGap { at_frame, lost_frames: gap.frames_lost, reason: gap.reason.clone() });
        lost = lost.saturating_add(gap.frames_lost);
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::library::GapRow;

    #[test]
    fn gaps_stand_where_frames_are_missing() {
        let wall = |ms: i64| Wall(ms * 1_000_000);
        let gap = |&(at, to): &(i64, i64)| GapRow {
            source: "mic".into(),
            start: wall(at),
            end: wall(to),
            frames_lost: (to - at) as u64,
            reason: "xrun".into(),
        };
        let check = |told: &[(i64, i64)], want: &[(u64, u64)]| {
            let kept = Kept {
                draft: "/r/.marks/1.part".into(),
                session: "mark-1".into(),
                stem: "a_mark_000000".into(),
                parts: Vec::new(),
                start: wall(1_000),
                frames: 5_000,
                rate_hz: 1_000,
                gaps: told.iter().map(gap).collect(),
                asked: wall(6_000),
                seconds: 5,
                note: String::new(),
            };
            let found: Vec<_> = gaps(&kept).iter().map(|gap| (gap.at_frame, gap.lost_frames)).collect();
            assert_eq!(found, want, "{told:?}");
        };
        check(&[], &[]);
        check(&[(1_500, 1_600), (2_600, 2_700)], &[(500, 100), (1_500, 100)]);
        check(&[(900, 1_100)], &[(0, 200)]);
    }
}
