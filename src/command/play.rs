//! `soundpost play`: a recording on the local output.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Exit;
use super::console::{Asked, Line};
use super::piece::{self, Failure, clock};
use super::reel::{Next, Reel};
use crate::device::speaker::{CHANNELS, Fill, Speaker};
use crate::format::stereo::{Stereo, output_rate};

/// What waits for the output at most: two seconds, for disks that stand still.
const AHEAD_S: u32 = 2;
/// How soon an end is noticed.
const BEAT: Duration = Duration::from_millis(50);

pub struct Options {
    pub file: PathBuf,
    pub from: Option<String>,
    pub to: Option<String>,
}

pub fn run(options: &Options) -> Exit {
    let mut line = Line::new();
    match play(options, &mut line) {
        Ok(text) => {
            line.tell(text);
            Exit::Done
        }
        Err((exit, text)) => {
            line.tell(text);
            exit
        }
    }
}

fn play(options: &Options, line: &mut Line) -> Result<String, Failure> {
    let (from, to) = piece::range(options.from.as_deref(), options.to.as_deref())?;
    let mut reel = Reel::open(&options.file, from, to)?;
    let mut asked = Asked::new().map_err(|e| (Exit::Failed, format!("signals cannot be caught: {e}")))?;
    let (info, started) = (reel.info(), reel.at_s());
    let queue: Arc<Mutex<Queue>> = Arc::default();
    let speaker = Speaker::open(output_rate(info.rate_hz), &mut |_| fill(queue.clone()));
    let speaker = speaker.map_err(|fault| (Exit::Failed, fault.what))?;
    let stereo = Stereo::new(info.rate_hz, info.channels, info.bits, speaker.rate_hz);
    let mut deck = Deck { reel: &mut reel, stereo, speaker, made: Vec::new(), is_over: false, queue, started };
    let mut over_since = None;
    loop {
        let is_full = deck.feed()?;
        deck.speaker.look().map_err(|fault| (Exit::Failed, fault.what))?;
        line.show(|| progress(deck.position(), deck.reel.end_s(), deck.speaker.level_db()));
        // Closed at once, the device would not play what it holds.
        if deck.is_through() && over_since.get_or_insert_with(Instant::now).elapsed() > 2 * deck.speaker.delay() {
            break;
        }
        if asked.within(if is_full { BEAT } else { Duration::ZERO }) {
            break;
        }
    }
    let end = deck.position();
    drop(deck);
    let damaged = match reel.skipped() {
        0 => String::new(),
        frames => format!(", {frames} frames of silence where it is damaged"),
    };
    Ok(format!("{}: played from {} to {}{damaged}", options.file.display(), clock(started), clock(end)))
}

/// What is known of a recording while it is played, for the eye.
fn progress(at: f64, length: f64, level_db: f64) -> String {
    let whole = |seconds: f64| {
        let text = clock(seconds.floor());
        text.split('.').next().unwrap_or_default().to_owned()
    };
    format!("{} of {}  {level_db:6.1} dBFS", whole(at), whole(length))
}

/// Between who decodes and the output's thread.
#[derive(Default)]
struct Queue {
    /// Left and right in turn.
    sound: VecDeque<f32>,
    /// Enough is there to begin with.
    is_begun: bool,
    /// Frames that the output has taken.
    taken: u64,
}

impl Queue {
    fn of(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
        queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fills the space as far as there is something, and then with silence.
    fn take(&mut self, space: &mut [f32]) {
        let some = if self.is_begun { self.sound.len().min(space.len()) } else { 0 };
        self.taken += (some / CHANNELS) as u64;
        space.fill(0.0);
        space.iter_mut().zip(self.sound.drain(..some)).for_each(|(place, sample)| *place = sample);
    }
}

fn fill(queue: Arc<Mutex<Queue>>) -> Fill {
    Box::new(move |space| Queue::of(&queue).take(space))
}

/// A recording on its way to the output.
struct Deck<'a> {
    reel: &'a mut Reel,
    stereo: Stereo,
    speaker: Speaker,
    made: Vec<f32>,
    /// All of the recording is in the queue, or was.
    is_over: bool,
    queue: Arc<Mutex<Queue>>,
    /// Second of the recording at which it began.
    started: f64,
}

impl Deck<'_> {
    /// Decodes the next piece, if there is room for it; true when nothing is to be done for a while.
    fn feed(&mut self) -> Result<bool, Failure> {
        let most = AHEAD_S as usize * self.speaker.rate_hz as usize * CHANNELS;
        self.made.clear();
        let mut is_full = self.is_over || Queue::of(&self.queue).sound.len() >= most;
        if !is_full {
            match self.reel.next()? {
                Next::Sound(sound) => self.stereo.push(sound, &mut self.made),
                Next::Later => is_full = true,
                Next::Over => {
                    self.stereo.finish(&mut self.made);
                    self.is_over = true;
                }
            }
        }
        let mut queue = Queue::of(&self.queue);
        queue.sound.extend(&self.made);
        queue.is_begun |= is_full || self.is_over;
        Ok(is_full)
    }

    /// Everything was taken by the device.
    fn is_through(&self) -> bool {
        self.is_over && Queue::of(&self.queue).sound.is_empty()
    }

    /// Second of the recording that is heard now.
    fn position(&self) -> f64 {
        let rate = f64::from(self.speaker.rate_hz);
        let held = if self.is_through() { 0.0 } else { self.speaker.delay().as_secs_f64() };
        let heard = Queue::of(&self.queue).taken as f64 / rate - held;
        self.started + heard.max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_progress() {
        for (at, length, level_db, want) in
            [(0.0, 5.0, -120.0, "0:00 of 0:05  -120.0 dBFS"), (61.999, 3_600.4, -3.01, "1:01 of 1:00:00    -3.0 dBFS")]
        {
            assert_eq!(progress(at, length, level_db), want);
        }
    }

    #[test]
    fn the_output_gets_everything_in_turn_and_silence_around_it() {
        let mut queue = Queue { sound: (1..=6).map(|n| n as f32).collect(), ..Queue::default() };
        let taken = |queue: &mut Queue, length| {
            let mut space = vec![9.0; length];
            queue.take(&mut space);
            (space, queue.taken)
        };
        assert_eq!(taken(&mut queue, 2), (vec![0.0; 2], 0), "not before there is enough");
        queue.is_begun = true;
        assert_eq!(taken(&mut queue, 2), (vec![1.0, 2.0], 1));
        assert_eq!(taken(&mut queue, 6), (vec![3.0, 4.0, 5.0, 6.0, 0.0, 0.0], 3));
        queue.sound.extend([7.0, 8.0]);
        assert_eq!(taken(&mut queue, 4), (vec![7.0, 8.0, 0.0, 0.0], 4));
    }
}
