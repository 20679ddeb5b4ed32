//! When a triggered source is loud enough to be recorded: from levels to the frames of clips.
//!
//! Levels come a tenth of a second at a time, of the whole signal or of several bands. Each has a floor of its own that adapts:
//! the 20th percentile of its last half minute. A window is loud if any level is the margin above its floor; what is recorded is
//! each loud window with `pre` frames before it and `post` behind it. Where such stretches touch or overlap they are one clip,
//! so a clip never lacks its beginning because another had just ended.
//!
//! Called by the splitter, which holds the frames back that are not [`decided`](Trigger::decided) yet. Positions are frames of
//! the run; what is lost has numbers too and no windows. Nothing is allocated after `new`.

use std::collections::VecDeque;
use std::ops::Range;

use crate::message::analysis::Centibel;

/// Windows that a floor is made of: half a minute.
const FLOOR_WINDOWS: usize = 300;
/// A floor of fewer windows is that of a moment: nothing is loud yet.
const FIRST_WINDOWS: usize = 10;
/// No floor is below this, in hundredths of dBFS: below it is the noise of converters.
const LOWEST: i16 = -9_000;
/// Events that are decided at once: few, but at the end of a run whose pre-roll of a minute is divided into seconds.
const EVENTS: usize = 160;

/// All in frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    pub margin: Centibel,
    pub pre: u64,
    pub post: u64,
    /// No clip is shorter, unless its run ends.
    pub shortest: u64,
    /// What is loud for longer goes on in another clip that abuts.
    pub longest: Option<u64>,
}

/// What made a clip begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Why {
    /// Of the first loud window, in the level that was farthest above its floor.
    pub level: Centibel,
    pub floor: Centibel,
    /// Which of the levels: a band.
    pub at: usize,
}

/// In the order of their frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// From this frame on it is recorded.
    Open(u64, Why),
    /// From this frame on it is not, or what follows is another clip.
    Close(u64),
}

impl Event {
    pub fn at(self) -> u64 {
        match self {
            Event::Open(at, _) | Event::Close(at) => at,
        }
    }
}

pub struct Trigger {
    rules: Rules,
    floors: Vec<Floor>,
    clip: Option<Clip>,
    /// No clip begins before: there the last one ended, or the run began.
    barrier: u64,
    decided: u64,
    events: VecDeque<Event>,
}

/// start < end
struct Clip {
    start: u64,
    /// As far as is known.
    end: u64,
    why: Why,
}

impl Trigger {
    /// `levels`: how many each window has.
    pub fn new(rules: Rules, levels: usize) -> Trigger {
        let floors = (0..levels).map(|_| Floor::new()).collect();
        Trigger { rules, floors, clip: None, barrier: 0, decided: 0, events: VecDeque::with_capacity(EVENTS) }
    }

    /// Frames of a run are counted anew; the floors are still those of the same microphone.
    pub fn begin(&mut self, at: u64) {
        (self.clip, self.barrier, self.decided) = (None, at, at);
        self.events.clear();
    }

    /// Records from `at` on without a reason: the frames before are missing, and what follows must tell how many.
    pub fn begin_open(&mut self, at: u64) {
        self.begin(at);
        let why = Why { level: Centibel(LOWEST), floor: Centibel(LOWEST), at: 0 };
        self.open(at, at.saturating_add(self.rules.pre.saturating_add(self.rules.post).max(1)), why);
    }

    /// The levels of the next window, in hundredths of dBFS.
    pub fn push(&mut self, window: Range<u64>, levels: &[i16]) {
        let mut loudest: Option<Why> = None;
        for (at, (level, floor)) in levels.iter().zip(&mut self.floors).enumerate() {
            let Some(floor) = floor.push(*level) else { continue };
            let over = i32::from(*level) - i32::from(floor);
            let best = loudest.map_or(i32::from(self.rules.margin.0), |best| over_floor(best) + 1);
            if over >= best {
                loudest = Some(Why { level: Centibel(*level), floor: Centibel(floor), at });
            }
        }
        if let Some(why) = loudest {
            let from = window.start.saturating_sub(self.rules.pre).max(self.barrier);
            let to = window.end.saturating_add(self.rules.post);
            match &mut self.clip {
                Some(clip) if from <= clip.end => clip.end = clip.end.max(to),
                _ => {
                    self.close();
                    self.open(from, to, why);
                }
            }
        }
        self.decide(window.end.saturating_sub(self.rules.pre));
        // One that ends just there may be touched by the next.
        if self.clip.as_ref().is_some_and(|clip| clip.end < self.decided) {
            self.close();
        }
    }

    /// No window comes any more before `at`: what is open stays so, and nothing else begins.
    pub fn end(&mut self, at: u64) {
        self.decide(at);
        if self.clip.as_ref().is_some_and(|clip| clip.end <= self.decided) {
            self.close();
        }
    }

    /// Of the frames before this one it is known which are recorded.
    pub fn decided(&self) -> u64 {
        self.decided
    }

    /// What happens next before [`decided`](Self::decided).
    pub fn next(&self) -> Option<Event> {
        self.events.front().copied().filter(|event| event.at() <= self.decided)
    }

    /// The next event has happened.
    pub fn pass(&mut self) {
        self.events.pop_front();
    }

    /// Highest of the floors, in hundredths of dBFS: that of the only level.
    pub fn floor(&self) -> Option<Centibel> {
        self.floors.iter().filter_map(Floor::look).max().map(Centibel)
    }

    fn open(&mut self, start: u64, to: u64, why: Why) {
        self.events.push_back(Event::Open(start, why));
        self.clip = Some(Clip { start, end: to.max(start.saturating_add(self.rules.shortest)), why });
    }

    /// The clip is over where it is known to end.
    fn close(&mut self) {
        if let Some(clip) = self.clip.take() {
            self.events.push_back(Event::Close(clip.end));
            self.barrier = clip.end;
        }
    }

    /// What is longer than the longest goes on in another.
    fn divide(&mut self) {
        let Some(longest) = self.rules.longest.map(|longest| longest.max(1)) else { return };
        let decided = self.decided;
        let is_due = |clip: &&mut Clip| {
            let end = clip.start.saturating_add(longest);
            end < clip.end && end <= decided
        };
        while let Some(clip) = self.clip.as_mut().filter(is_due) {
            clip.start = clip.start.saturating_add(longest);
            self.events.push_back(Event::Close(clip.start));
            self.events.push_back(Event::Open(clip.start, clip.why));
        }
    }

    fn decide(&mut self, at: u64) {
        self.decided = self.decided.max(at);
        self.divide();
    }
}

fn over_floor(why: Why) -> i32 {
    i32::from(why.level.0) - i32::from(why.floor.0)
}

/// What is exceeded four fifths of the last half minute. `sorted` has the values of `ring`.
struct Floor {
    ring: VecDeque<i16>,
    sorted: Vec<i16>,
}

impl Floor {
    fn new() -> Floor {
        Floor { ring: VecDeque::with_capacity(FLOOR_WINDOWS), sorted: Vec::with_capacity(FLOOR_WINDOWS) }
    }

    /// Another level, and the floor that it belongs to; `None` while there are too few.
    fn push(&mut self, level: i16) -> Option<i16> {
        if self.ring.len() >= FLOOR_WINDOWS {
            if let Some(oldest) = self.ring.pop_front() {
                let at = self.sorted.partition_point(|other| *other < oldest);
                self.sorted.remove(at); // it is there: the two hold the same
            }
        }
        self.ring.push_back(level);
        let at = self.sorted.partition_point(|other| *other < level);
        self.sorted.insert(at, level);
        self.look()
    }

    fn look(&self) -> Option<i16> {
        let rank = self.sorted.len().div_ceil(5).saturating_sub(1);
        self.sorted.get(rank).filter(|_| self.sorted.len() >= FIRST_WINDOWS).map(|floor| (*floor).max(LOWEST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { margin: Centibel(1_200), pre: 20, post: 10, shortest: 0, longest: None };

    /// Windows of ten frames at -60 dBFS, so many, but for those at -40; what happened, as `open-close` frames.
    #[track_caller]
    fn check(rules: Rules, windows: u64, loud: &[u64], want: &str) {
        let mut trigger = Trigger::new(rules, 1);
        let mut found = Vec::new();
        let mut passed = 0;
        for k in 0..windows {
            trigger.push(k * 10..k * 10 + 10, &[if loud.contains(&k) { -4_000 } else { -6_000 }]);
            assert_eq!(trigger.decided(), (k * 10 + 10).saturating_sub(rules.pre));
            told(&mut trigger, &mut found, &mut passed);
        }
        trigger.end(windows * 10);
        told(&mut trigger, &mut found, &mut passed);
        assert_eq!(found.join(" "), want, "{loud:?} by {rules:?}");
    }

    fn told(trigger: &mut Trigger, found: &mut Vec<String>, passed: &mut u64) {
        while let Some(event) = trigger.next() {
            assert!(event.at() >= *passed && event.at() <= trigger.decided(), "{event:?} after {passed}");
            *passed = event.at();
            match event {
                Event::Open(at, why) => {
                    assert_eq!((why.level, why.floor), (Centibel(-4_000), Centibel(-6_000)));
                    found.push(format!("{at}-"));
                }
                Event::Close(at) => *found.last_mut().expect("open") += &at.to_string(),
            }
            trigger.pass();
        }
    }

    #[test]
    fn a_clip_has_what_was_before_and_after() {
        check(RULES, 40, &[], "");
        check(RULES, 40, &[20], "180-220");
        check(RULES, 40, &[20, 21, 22], "180-240");
        check(RULES, 40, &[39], "370-");
        check(RULES, 40, &[38], "360-400");
        check(Rules { pre: 0, post: 0, ..RULES }, 40, &[20], "200-210");
        check(Rules { pre: 500, ..RULES }, 40, &[20], "0-220");
        check(Rules { post: 500, ..RULES }, 40, &[20], "180-");
    }

    #[test]
    fn what_touches_is_one_clip() {
        // 20 ends at 220; window 24 begins with its pre-roll at 220, window 25 at 230.
        check(RULES, 60, &[20, 24], "180-260");
        check(RULES, 60, &[20, 25], "180-220 230-270");
        check(Rules { pre: 0, post: 0, ..RULES }, 60, &[20, 21, 23], "200-220 230-240");
    }

    #[test]
    fn shortest_and_longest() {
        let short = Rules { shortest: 100, ..RULES };
        check(short, 60, &[20], "180-280");
        check(short, 60, &[20, 29, 50], "180-310 480-580");
        check(short, 60, &[20, 31], "180-280 290-390");
        let long = Rules { longest: Some(50), ..RULES };
        check(long, 60, &[20], "180-220");
        check(long, 60, &[20, 21], "180-230");
        check(long, 60, &[20, 21, 22], "180-230 230-240");
        check(long, 60, &(20..31).collect::<Vec<_>>(), "180-230 230-280 280-320");
        // As short as a frame: no more is told at once than there is room for, and nothing is left out.
        let each = (180..220).map(|at| format!("{at}-{}", at + 1)).collect::<Vec<_>>().join(" ");
        check(Rules { longest: Some(1), ..RULES }, 60, &[20], &each);
    }

    #[test]
    fn nothing_is_loud_before_a_second_is_known() {
        check(RULES, 40, &[3, 4], "");
        check(RULES, 40, &[9], "70-110");
    }

    #[test]
    fn the_floor_follows() {
        // Rain begins at window 400, 20 dB over what was before. It is loud until a fifth of half a minute is not below it.
        let mut trigger = Trigger::new(RULES, 1);
        let levels = |k: u64| if k < 400 { -6_000 } else { -4_000 };
        let loud: Vec<u64> = (0..1_200)
            .filter(|k| {
                trigger.push(k * 10..k * 10 + 10, &[levels(*k)]);
                let floor = trigger.floor().map_or(0, |floor| floor.0);
                i32::from(levels(*k)) - i32::from(floor) >= 1_200
            })
            .collect();
        assert_eq!((loud.first(), loud.last(), loud.len()), (Some(&400), Some(&639), 240));
        // And down again at once.
        (0..70).for_each(|k| trigger.push(12_000 + k * 10..12_010 + k * 10, &[-6_000]));
        assert_eq!(trigger.floor(), Some(Centibel(-6_000)));
        // Silence of a converter has no floor below -90.
        let mut trigger = Trigger::new(RULES, 1);
        (0..20).for_each(|k| trigger.push(k * 10..k * 10 + 10, &[-12_000]));
        assert_eq!(trigger.floor(), Some(Centibel(-9_000)));
    }

    #[test]
    fn any_band_is_enough_and_the_farthest_is_told() {
        let mut trigger = Trigger::new(RULES, 3);
        (0..20).for_each(|k| trigger.push(k * 10..k * 10 + 10, &[-6_000, -7_000, -8_000]));
        trigger.push(200..210, &[-5_000, -5_500, -6_000]);
        trigger.end(1_000);
        let why = Why { level: Centibel(-6_000), floor: Centibel(-8_000), at: 2 };
        assert_eq!(trigger.next(), Some(Event::Open(180, why)));
        trigger.pass();
        assert_eq!(trigger.next(), Some(Event::Close(220)));
    }

    #[test]
    fn a_run_begins_with_its_own_frames_and_the_old_floor() {
        let mut trigger = Trigger::new(RULES, 1);
        (0..300).for_each(|k| trigger.push(k * 10..k * 10 + 10, &[-6_000]));
        trigger.push(3_000..3_010, &[-3_000]);
        trigger.begin(0);
        assert_eq!((trigger.next(), trigger.decided()), (None, 0));
        trigger.push(0..10, &[-3_000]);
        trigger.end(10);
        assert!(matches!(trigger.next(), Some(Event::Open(0, _))));
        // After a fall it is recorded from the first frame, at least as long as a clip is.
        trigger.begin_open(500);
        trigger.push(500..510, &[-6_000]);
        trigger.push(510..561, &[-6_000]);
        assert!(matches!(trigger.next(), Some(Event::Open(500, _))));
        trigger.pass();
        assert_eq!(trigger.next(), Some(Event::Close(530)));
    }
}
