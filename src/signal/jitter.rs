//! Between a sound that comes when it comes and an output that wants some every so often: a short queue that keeps its length.
//!
//! It begins when it holds `AHEAD_MS`, and gives silence when it has run dry, until it holds that much again. The clock of the
//! source and that of the output differ, so over minutes the queue grows or shrinks: then a piece of `PIECE_MS` is left out or said
//! twice, and the ends of the piece are faded into each other. A queue that is far too long, after the network stood still,
//! is shortened at once. Left and right in turn, in any unit.

use std::collections::VecDeque;

/// What waits to be heard: a little more than sources and outputs take at a time.
pub const AHEAD_MS: u32 = 150;
/// How far the length may be off before something is done: less than one notices, more than it sways by itself.
const SLACK_MS: u32 = 25;
const PIECE_MS: u32 = 10;
const FADE_MS: u32 = 5;
/// A longer queue is shortened at once.
const MOST_MS: u32 = 500;
/// Time in which the mean length follows.
const MEAN_MS: f64 = 2_000.0;

type Frame = [f32; 2];

pub struct Jitter {
    rate_hz: u32,
    queue: VecDeque<Frame>,
    is_playing: bool,
    /// Mean length just before something is taken, in frames.
    mean: f64,
    /// The last that was heard, from which a silence is faded into.
    last: Frame,
    counts: Counts,
}

/// What was done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Pieces left out, and pieces said twice.
    pub left_out: u32,
    pub repeated: u32,
    /// Times that there was nothing to hear.
    pub dry: u32,
    /// Times that it was shortened at once.
    pub skipped: u32,
}

impl Jitter {
    pub fn new(rate_hz: u32) -> Jitter {
        let queue = VecDeque::with_capacity(frames(2 * MOST_MS, rate_hz));
        Jitter { rate_hz, queue, is_playing: false, mean: 0.0, last: [0.0; 2], counts: Counts::default() }
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Something is heard just now.
    pub fn is_playing(&self) -> bool {
        self.is_playing
    }

    /// How long a sound waits here at present, in milliseconds.
    pub fn waits_ms(&self) -> u32 {
        (self.mean * 1_000.0 / f64::from(self.rate_hz)) as u32
    }

    /// Left and right in turn.
    pub fn push(&mut self, sound: &[f32]) {
        self.queue.extend(sound.chunks_exact(2).map(|frame| [frame[0], frame[1]]));
        let most = self.frames(MOST_MS);
        if self.queue.len() > most {
            self.leave_out(self.queue.len() - self.frames(AHEAD_MS));
            self.mean = self.queue.len() as f64;
            self.counts.skipped += u32::from(self.is_playing);
        }
    }

    /// Fills `out` with left and right in turn.
    pub fn pull(&mut self, out: &mut [f32]) {
        if !self.is_playing && self.queue.len() >= self.frames(AHEAD_MS) {
            (self.is_playing, self.mean) = (true, self.frames(AHEAD_MS) as f64);
            self.fade_in();
        }
        if self.is_playing {
            self.keep_length(out.len() / 2);
        }
        let fade = self.frames(FADE_MS) as f32;
        for place in out.chunks_exact_mut(2) {
            let frame = if self.is_playing { self.queue.pop_front() } else { None };
            match frame {
                Some(frame) => self.last = frame,
                None => {
                    self.counts.dry += u32::from(self.is_playing);
                    self.is_playing = false;
                    self.last = self.last.map(|side| side * (1.0 - 2.0 / fade));
                }
            }
            place.copy_from_slice(&self.last);
        }
    }

    fn frames(&self, ms: u32) -> usize {
        frames(ms, self.rate_hz)
    }

    /// `taken`: frames that are about to be.
    fn keep_length(&mut self, taken: usize) {
        let share = (taken as f64 * 1_000.0 / f64::from(self.rate_hz) / MEAN_MS).min(1.0);
        self.mean += (self.queue.len() as f64 - self.mean) * share;
        let (ahead, slack, piece) = (self.frames(AHEAD_MS) as f64, self.frames(SLACK_MS) as f64, self.frames(PIECE_MS));
        if self.queue.len() < piece + self.frames(FADE_MS) {
        } else if self.mean > ahead + slack {
            self.leave_out(piece);
            self.mean -= piece as f64;
            self.counts.left_out += 1;
        } else if self.mean < ahead - slack {
            self.repeat(piece);
            self.mean += piece as f64;
            self.counts.repeated += 1;
        }
    }

    /// The first frames go; the sound turns within `FADE_MS` from them to what comes after them.
    fn leave_out(&mut self, piece: usize) {
        let fade = self.frames(FADE_MS).min(self.queue.len().saturating_sub(piece)).min(piece);
        for index in 0..fade {
            let after = blend(self.queue[index], self.queue[piece + index], index, fade); // piece + fade <= its length
            self.queue[piece + index] = after;
        }
        self.queue.drain(..piece.min(self.queue.len()));
    }

    /// The first frames are heard twice; between, the sound turns from what would come to its beginning.
    fn repeat(&mut self, piece: usize) {
        let fade = self.frames(FADE_MS).min(self.queue.len().saturating_sub(piece)).min(piece);
        for _ in 0..piece {
            // Each time the queue is longer by one, and the next that is said again stands at the same place.
            self.queue.push_front(self.queue[piece - 1]);
        }
        for index in 0..fade {
            self.queue[piece + index] = blend(self.queue[2 * piece + index], self.queue[piece + index], index, fade);
        }
    }

    fn fade_in(&mut self) {
        let fade = self.frames(FADE_MS).min(self.queue.len());
        for index in 0..fade {
            self.queue[index] = blend(self.last, self.queue[index], index, fade);
        }
    }
}

/// The step `index` of `steps` from one frame to another.
fn blend(from: Frame, to: Frame, index: usize, steps: usize) -> Frame {
    let weight = (index + 1) as f32 / (steps + 1) as f32;
    [from[0] + (to[0] - from[0]) * weight, from[1] + (to[1] - from[1]) * weight]
}

fn frames(ms: u32, rate_hz: u32) -> usize {
    (u64::from(ms) * u64::from(rate_hz) / 1_000) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    const RATE: u32 = 48_000;

    /// A tone of 250 Hz and full scale 1 through the queue: pushed in pieces of `push_ms` by a source whose clock is off by `ppm`,
    /// taken in pieces of `pull_ms`, for so many seconds. What came out (left) and what was done.
    fn run(seconds: u32, push_ms: u32, pull_ms: u32, ppm: f64) -> (Vec<f32>, Counts) {
        let (mut jitter, mut out, mut phase) = (Jitter::new(RATE), Vec::new(), 0_u64);
        let mut due = 0.0;
        for ms in 0..seconds * 1_000 {
            due += 1.0 + ppm * 1e-6;
            while due >= f64::from(push_ms) {
                due -= f64::from(push_ms);
                let sound: Vec<f32> = (0..frames(push_ms, RATE))
                    .flat_map(|n| [((phase + n as u64) as f64 * 250.0 / f64::from(RATE) * TAU).sin() as f32; 2])
                    .collect();
                phase += frames(push_ms, RATE) as u64;
                jitter.push(&sound);
            }
            if ms % pull_ms == 0 {
                let mut place = vec![9.0; 2 * frames(pull_ms, RATE)];
                jitter.pull(&mut place);
                out.extend(place.chunks_exact(2).map(|frame| {
                    assert_eq!(frame[0], frame[1]);
                    frame[0]
                }));
            }
        }
        (out, jitter.counts())
    }

    #[test]
    fn pieces_are_left_out_and_repeated_as_clocks_differ() {
        // 1000 ppm over 60 s are 60 ms, of which the slack takes up 25.
        for (push_ms, pull_ms, ppm, left_out, repeated) in [
            (20, 40, 0.0, 0..=0, 0..=0),
            (100, 20, 0.0, 0..=0, 0..=0),
            (20, 40, 100.0, 0..=0, 0..=0),
            (20, 40, 1_000.0, 2..=6, 0..=0),
            (20, 40, -1_000.0, 0..=0, 2..=6),
            (100, 40, 2_000.0, 7..=13, 0..=0),
            (100, 40, -2_000.0, 0..=0, 7..=13),
        ] {
            let (out, counts) = run(60, push_ms, pull_ms, ppm);
            let what = format!("{push_ms} ms in, {pull_ms} ms out, {ppm} ppm: {counts:?}");
            assert!(left_out.contains(&counts.left_out) && repeated.contains(&counts.repeated), "{what}");
            assert_eq!((counts.dry, counts.skipped), (0, 0), "{what}");
            // No click: a tone of 250 Hz moves by 0.033 a frame at most, and by a fade of two of them not by twice that more.
            let step = out.windows(2).map(|two| (two[1] - two[0]).abs()).fold(0.0, f32::max);
            assert!(step < 0.05, "{what}: {step}");
        }
    }

    #[test]
    fn it_begins_late_and_ends_softly() {
        let mut jitter = Jitter::new(RATE);
        let mut place = vec![9.0; 2 * 480];
        jitter.pull(&mut place);
        assert!(place.iter().all(|x| *x == 0.0), "nothing came yet");
        jitter.push(&vec![0.5; 2 * (frames(AHEAD_MS, RATE) - 1)]);
        jitter.pull(&mut place);
        assert!(place.iter().all(|x| *x == 0.0), "not enough came yet");
        jitter.push(&[0.5; 2]);
        let mut heard = Vec::new();
        for _ in 0..20 {
            jitter.pull(&mut place);
            heard.extend_from_slice(&place);
        }
        assert!(heard[0] < 0.01 && heard[2 * 480] == 0.5, "it fades in");
        assert!(heard.windows(3).all(|three| (three[2] - three[0]).abs() < 0.01), "and out");
        assert!(heard.last().is_some_and(|x| *x < 1e-3));
        assert_eq!(jitter.counts(), Counts { dry: 1, ..Counts::default() });
    }

    #[test]
    fn a_queue_that_is_far_too_long_is_cut_at_once() {
        let mut jitter = Jitter::new(RATE);
        let second: Vec<f32> = (0..RATE).flat_map(|n| [n as f32; 2]).collect();
        jitter.push(&second[..2 * frames(200, RATE)]);
        let mut place = vec![0.0; 2 * 480];
        jitter.pull(&mut place);
        jitter.push(&second);
        assert_eq!((jitter.waits_ms(), jitter.counts().skipped), (AHEAD_MS, 1));
        for _ in 0..AHEAD_MS / 10 {
            jitter.pull(&mut place);
        }
        assert_eq!(place.last(), second.last(), "the newest sound is what stays");
    }
}
