//! Does this source repeat itself? Pure; fed by the sound card's source with every read.
//!
//! Some cards fall over without an error and deliver one value, or their last buffer again and again. No microphone does that:
//! its noise never comes twice. Digital silence is not meant, a muted card is no broken one.
//!
//! A few frames are kept as an anchor. Where they come again gives the distance, and from there on they must come again at
//! that very distance until the time is up; the first frame that differs starts the search anew. So a look at most frames is one
//! comparison of two bytes, and at those of a source that repeats itself none.
//!
//! A generator may repeat itself and be sound: what a reopening did not change is looked at ever more rarely.

use crate::time::Rate;

/// So many frames in a row come twice by chance less than once in a lifetime, wherever there is any noise.
const ANCHOR_FRAMES: usize = 16;
/// 8 channels of 3 bytes.
const ANCHOR_BYTES: usize = ANCHOR_FRAMES * 24;
/// Longer than the buffer of any card.
const LONGEST_S: u64 = 4;
/// Repetition for this long is told; the next time, if nothing else came in between, only after the next one.
const PATIENCE_S: [u64; 4] = [10, 60, 600, 3_600];

pub struct Stuck {
    rate: u64,
    frame_bytes: usize,
    anchor: [u8; ANCHOR_BYTES],
    /// Frames since the first of the anchor.
    frames: u64,
    search: Search,
    told: usize,
}

/// How far it is.
enum Search {
    /// So many frames of the anchor are there.
    Anchor(usize),
    /// So many frames just now were those of the anchor.
    Again(usize),
    /// They came again after `distance`; the next frame is number `phase` of the round.
    Held { distance: u64, phase: u64 },
}

impl Stuck {
    pub fn new() -> Stuck {
        Stuck { rate: 1, frame_bytes: 2, anchor: [0; ANCHOR_BYTES], frames: 0, search: Search::Anchor(0), told: 0 }
    }

    /// The source was opened, or opened anew. A frame has 2 to 24 bytes; any other is not looked at.
    pub fn restart(&mut self, rate: Rate, frame_bytes: usize) {
        (self.rate, self.frame_bytes) = (u64::from(rate.hz()), frame_bytes);
        self.begin();
    }

    fn begin(&mut self) {
        (self.frames, self.search) = (0, Search::Anchor(0));
    }

    /// Whole frames that were read; for how many seconds they have been the same, once that is too long.
    pub fn push(&mut self, mut pcm: &[u8]) -> Option<u64> {
        if !(2..=ANCHOR_BYTES / ANCHOR_FRAMES).contains(&self.frame_bytes) {
            return None;
        }
        while pcm.len() >= self.frame_bytes {
            let frames = match self.search {
                Search::Anchor(have) => self.collect(have, pcm),
                Search::Again(have) => self.seek(have, pcm),
                Search::Held { distance, phase } => self.hold(distance, phase, pcm),
            };
            pcm = pcm.get(frames.max(1) * self.frame_bytes..).unwrap_or_default();
        }
        let patience_s = PATIENCE_S[self.told.min(PATIENCE_S.len() - 1)];
        let held = matches!(self.search, Search::Held { .. });
        if held && self.frames >= patience_s * self.rate {
            self.told += 1;
            self.begin();
            return Some(patience_s);
        }
        None
    }

    /// The anchor begins with the first frame that is not silent. Returns the frames used up, as the others do.
    fn collect(&mut self, have: usize, pcm: &[u8]) -> usize {
        let size = self.frame_bytes;
        if have == 0 {
            match pcm.chunks_exact(size).position(|frame| frame.iter().any(|byte| *byte != 0)) {
                None => return pcm.len() / size,
                Some(0) => {}
                Some(silent) => return silent,
            }
        }
        self.anchor[have * size..(have + 1) * size].copy_from_slice(&pcm[..size]);
        self.frames += 1;
        self.search = if have + 1 == ANCHOR_FRAMES { Search::Again(0) } else { Search::Anchor(have + 1) };
        1
    }

    fn seek(&mut self, have: usize, pcm: &[u8]) -> usize {
        let size = self.frame_bytes;
        if have == 0 {
            let first = [self.anchor[0], self.anchor[1]];
            let near = pcm.chunks_exact(size).position(|frame| [frame[0], frame[1]] == first);
            let passed = near.unwrap_or(pcm.len() / size);
            if passed > 0 {
                self.frames += passed as u64;
                self.give_up_the_distance();
                return passed;
            }
        }
        let same = pcm[..size] == self.anchor[have * size..(have + 1) * size];
        if !same && have > 0 {
            self.search = Search::Again(0); // this frame may be the first
            return self.seek(0, pcm);
        }
        self.frames += 1;
        self.search = if !same {
            Search::Again(0)
        } else if have + 1 == ANCHOR_FRAMES {
            let distance = self.frames - ANCHOR_FRAMES as u64;
            Search::Held { distance, phase: ANCHOR_FRAMES as u64 % distance }
        } else {
            Search::Again(have + 1)
        };
        1
    }

    /// Whatever repeats itself would have done so by now: another anchor, and a source that is sound.
    fn give_up_the_distance(&mut self) {
        if self.frames > LONGEST_S * self.rate {
            self.told = 0;
            self.begin();
        }
    }

    fn hold(&mut self, distance: u64, phase: u64, pcm: &[u8]) -> usize {
        let size = self.frame_bytes;
        let there = pcm.len() / size;
        if phase >= ANCHOR_FRAMES as u64 {
            let skipped = usize::try_from(distance - phase).unwrap_or(usize::MAX).min(there);
            self.frames += skipped as u64;
            self.search = Search::Held { distance, phase: (phase + skipped as u64) % distance };
            return skipped;
        }
        let at = phase as usize * size; // phase < ANCHOR_FRAMES
        if pcm[..size] == self.anchor[at..at + size] {
            self.frames += 1;
            self.search = Search::Held { distance, phase: (phase + 1) % distance };
        } else {
            self.begin();
        }
        1
    }
}

impl Default for Stuck {
    fn default() -> Stuck {
        Stuck::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: u64) -> u64 {
        let mixed = (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 32
    }

    /// A source of 8 kHz whose frame n is `frame(n)`; the second at which it is told to repeat itself.
    #[track_caller]
    fn check(frame: impl Fn(u64) -> i32, seconds: u64, expected: Option<u64>, what: &str) {
        for (frame_bytes, read) in [(2, 800), (2, 1), (3, 333), (4, 4_096), (24, 797)] {
            let mut stuck = Stuck::new();
            stuck.restart(Rate::new(8_000).expect("a rate"), frame_bytes);
            let (mut found, mut next) = (None, 0);
            while found.is_none() && next < seconds * 8_000 {
                let frames = (next..next + read).flat_map(|n| {
                    let [a, b, ..] = frame(n).to_le_bytes();
                    let mut bytes = [0; 24];
                    (bytes[0], bytes[1]) = (a, b);
                    bytes.into_iter().take(frame_bytes)
                });
                let pcm: Vec<u8> = frames.collect();
                next += read;
                found = stuck.push(&pcm).map(|_| next / 8_000);
            }
            // Up to four seconds are needed to see that the anchor is of another time.
            let found = found.map(|at| expected.filter(|expected| (*expected..*expected + 5).contains(&at)).unwrap_or(at));
            assert_eq!(found, expected, "{what}, {frame_bytes} bytes a frame, {read} frames a read");
        }
    }

    #[test]
    fn what_repeats_itself_is_found_after_ten_seconds() {
        check(|_| 7, 60, Some(10), "one value");
        check(|_| -32_768, 60, Some(10), "the lowest value");
        for distance in [2, 16, 17, 800, 4_096, 16_000, 31_000] {
            check(|n| noise(n % distance) as i32 | 1, 60, Some(10), &format!("{distance} frames again and again"));
        }
        check(|n| if n < 400_000 { noise(n) as i32 } else { noise(n % 8_000) as i32 | 1 }, 100, Some(60), "from 50 s on");
        check(|n| if n % 800 < 700 { 0 } else { noise(n % 800) as i32 }, 60, Some(10), "with silence in it");
    }

    #[test]
    fn what_does_not_is_left_alone() {
        check(|_| 0, 60, None, "digital silence");
        check(|n| noise(n) as i32, 200, None, "noise");
        check(|n| (noise(n) % 3) as i32 - 1, 200, None, "a quiet microphone");
        check(|n| i32::from(noise(n) % 1_000 == 0), 200, None, "a very quiet microphone");
        check(|n| 5 + i32::from(noise(n) % 4_000 == 0), 200, None, "a constant that is none");
        check(|n| if (n / 72_000) % 2 == 0 { 5 } else { noise(n) as i32 }, 200, None, "stuck for nine seconds");
    }

    #[test]
    fn what_a_reopening_does_not_change_is_told_ever_more_rarely() {
        let mut stuck = Stuck::new();
        let (mut told, mut pcm) = (Vec::new(), vec![0; 16_000]);
        stuck.restart(Rate::new(8_000).expect("a rate"), 2);
        for second in 0..12_000_u64 {
            for (n, frame) in pcm.chunks_exact_mut(2).enumerate() {
                let value =
                    if (9_000..9_020).contains(&second) { noise(second * 8_000 + n as u64) } else { noise(n as u64 % 100) };
                frame.copy_from_slice(&(value as u16 | 1).to_le_bytes());
            }
            if stuck.push(&pcm).is_some() {
                told.push(second + 1);
                stuck.restart(Rate::new(8_000).expect("a rate"), 2);
            }
        }
        assert_eq!(told, [10, 70, 670, 4_270, 7_870, 9_030, 9_090, 9_690]);
    }

    #[test]
    fn any_shape_is_survived() {
        for frame_bytes in [0, 1, 2, 3, 7, 24, 25, usize::MAX] {
            let mut stuck = Stuck::new();
            stuck.restart(Rate::MIN, frame_bytes);
            for bytes in [0, 1, 23, 1_000, 4_096] {
                stuck.push(&vec![9; bytes]);
            }
        }
    }
}
