//! What to fetch next of an HLS stream, so that no segment is lost or doubled while the list slides (RFC 8216, 6.3).
//!
//! Called with each list as it was loaded and with the time; the list is only what it says here, its text is read elsewhere.
//!
//! ```text
//! loaded(list) ─► next(list, now) ─► Fetch ─► taken ─► next … ─► Reload ─► loaded(list) …
//! ```

use crate::time::Mono;

const MS_NS: i64 = 1_000_000;
/// So many target durations before its end a live list is joined (6.3.3).
const FROM_END: u64 = 3;
/// Names of the segments taken last: more than a live list holds, so that an old copy of it is recognised.
const REMEMBERED: usize = 64;
/// A list that stays behind what was taken, for so many target durations, is a new one.
const PATIENCE: i64 = 2;

/// A list as it was loaded.
#[derive(Clone, Copy, Debug)]
pub struct List<'a> {
    /// EXT-X-MEDIA-SEQUENCE.
    pub sequence: u64,
    pub segments: &'a [Segment],
    pub target_ms: u32,
    /// EXT-X-ENDLIST.
    pub ended: bool,
    /// Of type EVENT or VOD: it is recorded from its beginning.
    pub whole: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    pub duration_ms: u32,
    /// Tells it from others: a hash of its address without what changes from list to list.
    pub name: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The segment with this index in the list.
    Fetch(usize),
    /// The list again, not before this.
    Reload(Mono),
    /// So many segments left the list before they could be fetched; said once, the next answer goes on behind them.
    Lost(u64),
    /// The server counts anew: what follows has nothing to do with what was before. Said once.
    Anew,
    /// All was fetched and nothing will follow.
    Ended,
}

/// Follows one list; survives reconnects.
pub struct Follower {
    /// Sequence number of the segment to fetch; `None` before the first list.
    next: Option<u64>,
    /// First number of the list that was joined: an old copy of the list is not much older.
    joined: u64,
    /// Names by sequence number, modulo its length.
    taken: [Option<(u64, u64)>; REMEMBERED],
    /// When something was taken last, or the list was joined.
    progress: Mono,
    /// Since when the list ends before what is wanted.
    behind: Option<Mono>,
    /// When the list was asked for, and whether it was another one than before.
    loaded: Mono,
    changed: bool,
    last: Option<Fingerprint>,
}

/// Changes whenever a list does: its first number, its length, its last segment, whether it ended.
type Fingerprint = (u64, usize, Option<Segment>, bool);

impl Default for Follower {
    fn default() -> Follower {
        Follower {
            next: None,
            joined: 0,
            taken: [None; REMEMBERED],
            progress: Mono(0),
            behind: None,
            loaded: Mono(0),
            changed: true,
            last: None,
        }
    }
}

impl Follower {
    /// A list came; `began` is when it was asked for.
    pub fn loaded(&mut self, list: &List, began: Mono) {
        let print = Some((list.sequence, list.segments.len(), list.segments.last().copied(), list.ended));
        self.changed = self.last != print;
        self.last = print;
        self.loaded = began;
    }

    /// What to do; `list` is the one that was loaded last.
    pub fn next(&mut self, list: &List, now: Mono) -> Next {
        if list.segments.is_empty() {
            return if list.ended { Next::Ended } else { self.reload(list) };
        }
        let Some(next) = self.next else {
            self.begin(list, join(list), now);
            return self.next(list, now);
        };
        let end = list.sequence.saturating_add(list.segments.len() as u64);
        if next < list.sequence {
            let lost = list.sequence - next;
            let anew = lost > self.plausible(list, now);
            self.begin(list, 0, now);
            return if anew { Next::Anew } else { Next::Lost(lost) };
        }
        if next < end {
            self.behind = None;
            return Next::Fetch((next - list.sequence) as usize); // less than its length
        }
        if next > end && self.counts_anew(list, end, next, now) {
            self.begin(list, 0, now);
            return Next::Anew;
        }
        if next == end {
            self.behind = None;
        }
        if next == end && list.ended { Next::Ended } else { self.reload(list) }
    }

    /// The segment that [`Next::Fetch`] named was fetched, or given up for good.
    pub fn taken(&mut self, list: &List, index: usize, now: Mono) {
        let number = list.sequence.saturating_add(index as u64);
        let name = list.segments.get(index).map_or(0, |segment| segment.name);
        self.taken[(number % REMEMBERED as u64) as usize] = Some((number, name));
        self.next = Some(number.saturating_add(1));
        self.progress = now;
    }

    /// 6.3.4: after a target duration, or half of one when nothing was new.
    fn reload(&self, list: &List) -> Next {
        let target_ns = i64::from(list.target_ms) * MS_NS;
        Next::Reload(self.loaded.plus_ns(if self.changed { target_ns } else { target_ns / 2 }))
    }

    fn begin(&mut self, list: &List, index: usize, now: Mono) {
        self.next = Some(list.sequence.saturating_add(index as u64));
        self.joined = list.sequence;
        self.progress = now;
        self.behind = None;
    }

    /// As many segments as can have come since the last one, even if they are much shorter than they may be.
    fn plausible(&self, list: &List, now: Mono) -> u64 {
        let elapsed_ms = u64::try_from(now.since(self.progress) / MS_NS).unwrap_or(0);
        64 + elapsed_ms.saturating_mul(8) / u64::from(list.target_ms.max(1))
    }

    /// A list that ends before what is wanted is an old copy of it, as caches hand out, or that of a server that was started
    /// again. It is the second when it is older than anything seen, when its segments are called otherwise, or when it stays.
    fn counts_anew(&mut self, list: &List, end: u64, next: u64, now: Mono) -> bool {
        let since = *self.behind.get_or_insert(now);
        let stays = now.since(since) >= PATIENCE * i64::from(list.target_ms) * MS_NS;
        stays || end <= self.joined || next - end >= REMEMBERED as u64 || self.has_other_names(list)
    }

    /// Of the numbers that were taken, at least one is in the list, and none of them has the name it had.
    fn has_other_names(&self, list: &List) -> bool {
        let of = |number: u64| {
            let index = usize::try_from(number.checked_sub(list.sequence)?).ok()?;
            list.segments.get(index)
        };
        let both = || self.taken.iter().flatten().filter_map(|&(number, name)| of(number).map(|s| s.name == name));
        both().next().is_some() && both().all(|same| !same)
    }
}

/// Where a list is joined: whole ones at their beginning, live ones three target durations before their end.
fn join(list: &List) -> usize {
    if list.whole || list.ended {
        return 0;
    }
    let wanted_ms = FROM_END * u64::from(list.target_ms);
    let mut ms = 0_u64;
    let enough = list.segments.iter().rposition(|segment| {
        ms += u64::from(segment.duration_ms);
        ms >= wanted_ms
    });
    enough.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays a script, one step a word: `FIRST+COUNT` is what the server now has (`!` behind it: ended; `x`: with other
    /// names; `e`: of type EVENT), `.` a target duration (10 s) in which nothing is done, `out` two minutes of it. All
    /// that is to fetch is fetched, and reloads happen when they are due, one list of the script each.
    #[track_caller]
    fn check(script: &str, want: &str) {
        let (mut follower, mut now, mut out) = (Follower::default(), Mono(0), Vec::new());
        for word in script.split(' ') {
            if let Some(s) = ["out", "."].iter().position(|w| *w == word) {
                now = now.plus_ns([120, 10][s] * 1_000 * MS_NS);
                continue;
            }
            let plain = word.trim_end_matches(['!', 'x', 'e']);
            let (first, count) = plain.split_once('+').expect("FIRST+COUNT");
            let (sequence, count) = (first.parse().expect("a number"), count.parse::<u64>().expect("a number"));
            let salt = if word.contains('x') { 1_000_000 } else { 0 };
            let segments: Vec<_> = (0..count).map(|n| Segment { duration_ms: 10_000, name: sequence + n + salt }).collect();
            let (ended, whole) = (word.contains('!'), word.contains('e'));
            let list = List { sequence, segments: &segments, target_ms: 10_000, ended, whole };
            follower.loaded(&list, now);
            let mut line = Vec::new();
            loop {
                let next = follower.next(&list, now);
                line.push(match next {
                    Next::Fetch(index) => (sequence + index as u64).to_string(),
                    Next::Lost(n) => format!("lost {n}"),
                    Next::Anew => "anew".to_owned(),
                    Next::Ended => "end".to_owned(),
                    Next::Reload(at) => {
                        let wait = format!("{} s", at.since(now) / MS_NS / 1_000);
                        now = now.max(at);
                        wait
                    }
                });
                match next {
                    Next::Fetch(index) => follower.taken(&list, index, now),
                    Next::Lost(_) | Next::Anew => {}
                    Next::Ended | Next::Reload(_) => break,
                }
            }
            out.push(line.join(" "));
        }
        assert_eq!(out.join(" | "), want, "{script}");
    }

    #[test]
    fn where_a_list_is_joined() {
        check("100+6", "103 104 105 10 s");
        check("100+2", "100 101 10 s");
        check("100+6e", "100 101 102 103 104 105 10 s");
        check("0+4!", "0 1 2 3 end");
        check("5+0", "10 s");
        check("5+0!", "end");
    }

    #[test]
    fn windows_that_slide() {
        check("7+3 8+3 9+3 10+3", "7 8 9 10 s | 10 10 s | 11 10 s | 12 10 s");
        check("7+3 7+3 7+3 8+3", "7 8 9 10 s | 5 s | 5 s | 10 10 s");
        check("7+3 9+3 10+3!", "7 8 9 10 s | 10 11 10 s | 12 end");
        check("7+3 7+3!", "7 8 9 10 s | end");
        check("7+3 10+3", "7 8 9 10 s | 10 11 12 10 s");
        check("0+0 0+1 0+2", "10 s | 0 10 s | 1 10 s");
    }

    #[test]
    fn segments_that_left_too_early() {
        check("7+3 12+3 13+3", "7 8 9 10 s | lost 2 12 13 14 10 s | 15 10 s");
        check("7+3 out 22+3", "7 8 9 10 s | lost 12 22 23 24 10 s");
    }

    #[test]
    fn old_copies_of_the_list_are_waited_out() {
        check("7+3 8+3 7+3 9+3", "7 8 9 10 s | 10 10 s | 10 s | 11 10 s");
        check("7+3 8+3 9+3 6+3 10+3", "7 8 9 10 s | 10 10 s | 11 10 s | 10 s | 12 10 s");
    }

    #[test]
    fn servers_that_count_anew() {
        check("50+3 51+3 0+2 0+3", "50 51 52 10 s | 53 10 s | anew 0 1 10 s | 2 10 s"); // older than anything seen
        check("0+3 1+3 0+2x 0+3x", "0 1 2 10 s | 3 10 s | anew 0 1 10 s | 2 10 s"); // other names
        check("0+3 1+3 2+3 0+1 0+2 0+3 0+4", "0 1 2 10 s | 3 10 s | 4 10 s | 10 s | 10 s | anew 0 1 2 10 s | 3 10 s"); // it stays
        check("7+3 1790000000+3", "7 8 9 10 s | anew 1790000000 1790000001 1790000002 10 s");
    }

    #[test]
    fn numbers_at_their_end_do_not_overflow() {
        check("18446744073709551614+1", "18446744073709551614 10 s");
        let segment = Segment { duration_ms: u32::MAX, name: 0 };
        let list = List { sequence: u64::MAX, segments: &[segment; 3], target_ms: u32::MAX, ended: false, whole: false };
        let mut follower = Follower::default();
        for _ in 0..4 {
            follower.loaded(&list, Mono(i64::MAX));
            if let Next::Fetch(index) = follower.next(&list, Mono(i64::MIN)) {
                follower.taken(&list, index, Mono(i64::MAX));
            }
        }
    }
}
