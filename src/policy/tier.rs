//! Evidence in tiers: a recording is kept in full for some days, then its sections are and the rest as Opus, at last the sections
//! alone. Which one is next, what of it are its sections, and what they are called.
//!
//! ```text
//!  0 ──────────── full_days ─────────────── full_days + opus_days ──────────►  age
//!     all of it       │  sections as they are, all of it as Opus  │  sections as they are
//! ```
//! As with [`retention`](super::retention) an age needs a clock that is right, nothing that is locked is touched, and what is only here
//! waits until nothing of its source is left that is elsewhere too; for ever, where only what has been uploaded may be lost. A
//! recording that was not analysed stays as it is: nobody knows what its sections are.

use super::retention::{Candidate, DAY_NS, NO_CLOCK_BEFORE, Reason};
use crate::message::analysis::{Section, WINDOWS_PER_SECOND};
use crate::message::reduce::Left;
use crate::time::Wall;

/// Kept before and behind a section.
const CONTEXT_S: u64 = 3;
/// Sections with less between what is kept of them are one piece.
const BRIDGE_S: u64 = 10;
/// Sections that take up so much of a recording are the recording: of a hundred.
const ALL_PERCENT: u64 = 90;

/// Of one source.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tier {
    /// `None`: for ever.
    pub full_days: Option<f64>,
    /// After those; `None`: for ever.
    pub opus_days: Option<f64>,
    pub only_uploaded: bool,
}

/// Of a folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tiers {
    pub sources: Vec<(String, Tier)>,
    /// Of sources that are not among these.
    pub others: Tier,
}

/// Recordings that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Analysed, not reduced, no part of another one.
    Whole,
    /// The same, of a format that loses nothing.
    Lossless,
    /// The Opus that was left of one.
    Opus,
}

/// The recordings that may be reduced, in order.
pub trait Shelf {
    type Error;

    /// Sources that have recordings here.
    fn sources(&mut self) -> Result<Vec<String>, Self::Error>;

    /// The oldest of a source that is elsewhere too, or is not, and began at or after this.
    fn oldest(&mut self, source: &str, form: Form, is_uploaded: bool, from: Wall) -> Result<Option<Candidate>, Self::Error>;
}

/// A recording, what stays of it, and the age at which that is so.
pub type Next = (Candidate, Left, f64);

impl Tier {
    pub fn is_on(self) -> bool {
        self.full_days.is_some()
    }

    /// The age from which on only sections stay.
    fn sections_after(self) -> Option<f64> {
        Some(self.full_days? + self.opus_days?)
    }
}

impl Tiers {
    pub fn is_on(&self) -> bool {
        self.others.is_on() || self.sources.iter().any(|(_, tier)| tier.is_on())
    }

    fn of(&self, source: &str) -> Tier {
        self.sources.iter().find(|(name, _)| name == source).map_or(self.others, |(_, tier)| *tier)
    }

    /// The next to be reduced. `now`: of a clock that is right.
    pub fn next<S: Shelf>(&self, now: Wall, shelf: &mut S) -> Result<Option<Next>, S::Error> {
        self.first(shelf, |tier, source, shelf| {
            // What is too old for an Opus never gets one, whatever its format.
            for (days, form, left) in
                [(tier.sections_after(), Form::Whole, Left::Sections), (tier.full_days, Form::Lossless, Left::Opus)]
            {
                let Some(days) = days else { continue };
                if let Some(candidate) = old(now, days, tier, shelf, (source, form))? {
                    return Ok(Some((candidate, left, days)));
                }
            }
            Ok(None)
        })
    }

    /// The next Opus of which only the sections stay.
    pub fn spent<S: Shelf>(&self, now: Wall, shelf: &mut S) -> Result<Option<(Candidate, Reason)>, S::Error> {
        self.first(shelf, |tier, source, shelf| {
            let Some(days) = tier.sections_after() else { return Ok(None) };
            let found = old(now, days, tier, shelf, (source, Form::Opus))?;
            Ok(found.map(|candidate| (candidate, Reason::Reduced { days, left: Left::Sections })))
        })
    }

    fn first<S: Shelf, T>(
        &self,
        shelf: &mut S,
        of: impl Fn(Tier, &str, &mut S) -> Result<Option<T>, S::Error>,
    ) -> Result<Option<T>, S::Error> {
        if !self.is_on() {
            return Ok(None);
        }
        for source in shelf.sources()? {
            let tier = self.of(&source);
            let found = if tier.is_on() { of(tier, &source, shelf)? } else { None };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

/// Older than this: what is elsewhere too, or what is not when nothing else is.
fn old<S: Shelf>(
    now: Wall,
    days: f64,
    tier: Tier,
    shelf: &mut S,
    (source, form): (&str, Form),
) -> Result<Option<Candidate>, S::Error> {
    let before = now.plus_ns(-((days * DAY_NS).min(9e18) as i64));
    let is_old = |candidate: &Candidate| candidate.start < before;
    match shelf.oldest(source, form, true, NO_CLOCK_BEFORE)? {
        Some(candidate) => Ok(Some(candidate).filter(is_old)),
        None if tier.only_uploaded => Ok(None),
        None => Ok(shelf.oldest(source, form, false, NO_CLOCK_BEFORE)?.filter(is_old)),
    }
}

/// Whole seconds of a recording that stay as they are: its sections with their surroundings, close ones as one. `None` where that is
/// nearly all of it.
pub fn parts(sections: &[Section], frames: u64, rate_hz: u32) -> Option<Vec<(u64, u64)>> {
    let end = frames.div_ceil(u64::from(rate_hz.max(1)));
    let mut sections: Vec<&Section> = sections.iter().collect();
    sections.sort_by_key(|section| section.first_window);
    let mut parts: Vec<(u64, u64)> = Vec::new();
    for section in sections {
        let from = (u64::from(section.first_window) / WINDOWS_PER_SECOND).saturating_sub(CONTEXT_S);
        let to = (u64::from(section.end_window).div_ceil(WINDOWS_PER_SECOND) + CONTEXT_S).min(end);
        match parts.last_mut() {
            Some(last) if from <= last.1 + BRIDGE_S => last.1 = last.1.max(to),
            _ if from < to => parts.push((from, to)),
            _ => {}
        }
    }
    let kept: u64 = parts.iter().map(|(from, to)| to - from).sum();
    (kept * 100 < end * ALL_PERCENT || parts.is_empty()).then_some(parts)
}

/// A piece of a recording, behind the one that it is from: `wood/20241225_140000_section_143012` for hour, minute and second of
/// local time at which it begins. Without extension.
pub fn stem(file: &str, (hour, minute, second): (i64, i64, i64)) -> String {
    format!("{}_section_{hour:02}{minute:02}{second:02}", whole_stem(file))
}

/// Of the file, with its folders and without its extension.
pub fn whole_stem(file: &str) -> &str {
    let place = file.rfind('/').map_or(0, |at| at + 1);
    let end = file.get(place..).and_then(|last| last.rfind('.')).map_or(file.len(), |at| place + at);
    file.get(..end).unwrap_or(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::analysis::Centibel;
    use crate::policy::retention::Rank;
    use crate::time::SECOND_NS;

    const DAY: i64 = 86_400 * SECOND_NS;
    const NOW: Wall = Wall(1_777_593_600 * SECOND_NS);

    /// Name, form, uploaded, age in days.
    type One = (&'static str, Form, bool, i64);

    struct Some1(Vec<One>);

    impl Shelf for Some1 {
        type Error = ();

        fn sources(&mut self) -> Result<Vec<String>, ()> {
            Ok(vec!["a".into(), "b".into()])
        }

        fn oldest(&mut self, source: &str, form: Form, is_uploaded: bool, from: Wall) -> Result<Option<Candidate>, ()> {
            let is = |one: &&One| {
                let fits = one.1 == form || (form == Form::Whole && one.1 == Form::Lossless);
                one.0.starts_with(source) && fits && one.2 == is_uploaded && NOW.plus_ns(-one.3 * DAY) >= from
            };
            Ok(self.0.iter().filter(is).max_by_key(|one| one.3).map(|one| Candidate {
                name: one.0.into(),
                source: source.into(),
                start: NOW.plus_ns(-one.3 * DAY),
                bytes: 1,
                rank: Rank(0),
            }))
        }
    }

    fn tiers(full: f64, opus: Option<f64>, only_uploaded: bool) -> Tiers {
        let tier = Tier { full_days: Some(full), opus_days: opus, only_uploaded };
        Tiers { sources: vec![("a".into(), tier)], others: Tier::default() }
    }

    #[track_caller]
    fn check(tiers: &Tiers, all: &[One], want: Option<(&str, Left)>, spent: Option<&str>) {
        let next = tiers.next(NOW, &mut Some1(all.to_vec())).expect("no failure");
        assert_eq!(next.as_ref().map(|(candidate, left, _)| (candidate.name.as_str(), *left)), want);
        let gone = tiers.spent(NOW, &mut Some1(all.to_vec())).expect("no failure");
        assert_eq!(gone.as_ref().map(|(candidate, _)| candidate.name.as_str()), spent);
    }

    #[test]
    fn who_is_next() {
        use Form::{Lossless, Opus, Whole};
        let usual = tiers(3.0, Some(6.0), false);
        check(&usual, &[], None, None);
        check(&usual, &[("a1", Lossless, true, 3), ("b1", Lossless, true, 50)], None, None);
        check(&usual, &[("a1", Lossless, true, 4), ("a2", Lossless, true, 5)], Some(("a2", Left::Opus)), None);
        // What a station sent is small already.
        check(&usual, &[("a1", Whole, true, 8)], None, None);
        check(&usual, &[("a1", Whole, true, 10)], Some(("a1", Left::Sections)), None);
        check(&usual, &[("a1", Lossless, true, 10)], Some(("a1", Left::Sections)), None);
        check(&usual, &[("a1", Opus, true, 9)], None, None);
        check(&usual, &[("a1", Opus, true, 10)], None, Some("a1"));
        // What is only here waits for what is elsewhere, however young that is.
        check(&usual, &[("a1", Lossless, false, 5)], Some(("a1", Left::Opus)), None);
        check(&usual, &[("a1", Lossless, false, 5), ("a2", Lossless, true, 1)], None, None);
        check(&usual, &[("a1", Opus, false, 20), ("a2", Opus, true, 1)], None, None);
        let careful = tiers(3.0, Some(6.0), true);
        check(&careful, &[("a1", Lossless, false, 50), ("a2", Opus, false, 50)], None, None);
        check(&tiers(3.0, None, false), &[("a1", Lossless, true, 50), ("a2", Opus, true, 50)], Some(("a1", Left::Opus)), None);
        check(&Tiers::default(), &[("a1", Lossless, true, 50), ("a2", Opus, true, 50)], None, None);
        // From before any clock was right.
        check(&usual, &[("a1", Lossless, true, 20_000)], None, None);
    }

    #[test]
    fn sections_and_what_is_around_them() {
        let section =
            |&(first_window, end_window): &(u32, u32)| Section { first_window, end_window, score: Centibel(1), band_hz: None };
        let check = |sections: &[(u32, u32)], frames: u64, want: Option<&[(u64, u64)]>| {
            let sections: Vec<Section> = sections.iter().map(section).collect();
            assert_eq!(parts(&sections, frames, 100).as_deref(), want, "{sections:?}");
        };
        check(&[], 60_000, Some(&[]));
        check(&[(105, 111)], 60_000, Some(&[(7, 15)]));
        check(&[(5, 11)], 60_000, Some(&[(0, 5)]));
        check(&[(5_990, 6_000)], 60_000, Some(&[(596, 600)]));
        check(&[(100, 110), (240, 250)], 60_000, Some(&[(7, 28)]));
        check(&[(100, 110), (280, 290)], 60_000, Some(&[(7, 14), (25, 32)]));
        // Out of order, and one within another.
        check(&[(280, 290), (100, 300)], 60_000, Some(&[(7, 33)]));
        // Nearly all.
        check(&[(100, 5_800)], 60_000, None);
        check(&[(0, 10)], 300, None);
        // Behind the end: of another file.
        check(&[(7_000, 7_100)], 60_000, Some(&[]));
    }

    #[test]
    fn names_stand_behind_their_files() {
        assert_eq!(stem("a.b/20241225_140000-2.flac", (14, 3, 9)), "a.b/20241225_140000-2_section_140309");
        assert_eq!(whole_stem("a.b/c"), "a.b/c");
        assert_eq!(whole_stem("a.b.wav"), "a.b");
    }
}
