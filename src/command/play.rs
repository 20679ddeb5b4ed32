//! `soundpost play`: a recording on the local output.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, SyncSender, TryRecvError, TrySendError};
use std::time::{Duration, Instant};

use super::Exit;
use super::console::{Asked, Line};
use super::piece::{self, Failure, clock};
use super::reel::{Next, Reel};
use crate::device::speaker::{CHANNELS, Fill, Speaker};
use crate::format::stereo::{Stereo, output_rate};

/// Pieces of a reel that wait for the output: two seconds of 48 kHz, for disks that stand still.
const PIECES: usize = 24;
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
    let (pieces, heard) = mpsc::sync_channel(PIECES);
    let counts: Arc<Counts> = Arc::default();
    let speaker = Speaker::open(output_rate(info.rate_hz), |_| fill(heard, counts.clone()));
    let speaker = speaker.map_err(|fault| (Exit::Failed, fault.what))?;
    let stereo = Stereo::new(info.rate_hz, info.channels, info.bits, speaker.rate_hz);
    let (waiting, pieces) = (Vec::new(), Some(pieces));
    let mut deck = Deck { reel: &mut reel, stereo, speaker, waiting, is_over: false, pieces, sent: 0, counts, started };
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
struct Counts {
    /// Enough is there to begin with.
    is_begun: AtomicBool,
    /// Frames that the output has taken.
    taken: AtomicU64,
}

/// A recording on its way to the output.
struct Deck<'a> {
    reel: &'a mut Reel,
    stereo: Stereo,
    speaker: Speaker,
    /// For the output, and not sent yet.
    waiting: Vec<f32>,
    /// All of the recording has been read.
    is_over: bool,
    /// Until all of it was sent.
    pieces: Option<SyncSender<Vec<f32>>>,
    /// Frames of the output.
    sent: u64,
    counts: Arc<Counts>,
    /// Second of the recording at which it began.
    started: f64,
}

impl Deck<'_> {
    /// Decodes the next piece and sends it, if there is room; true when nothing is to be done for a while.
    fn feed(&mut self) -> Result<bool, Failure> {
        let is_full = self.feed_one()?;
        if is_full {
            self.counts.is_begun.store(true, Relaxed);
        }
        Ok(is_full)
    }

    fn feed_one(&mut self) -> Result<bool, Failure> {
        let Some(pieces) = &self.pieces else { return Ok(true) };
        if self.waiting.is_empty() && !self.is_over {
            match self.reel.next()? {
                Next::Sound(sound) => self.stereo.push(sound, &mut self.waiting),
                Next::Later => return Ok(true),
                Next::Over => {
                    self.stereo.finish(&mut self.waiting);
                    self.is_over = true;
                }
            }
        }
        let piece = std::mem::take(&mut self.waiting);
        let frames = (piece.len() / CHANNELS) as u64;
        match pieces.try_send(piece) {
            Ok(()) => self.sent += frames,
            Err(TrySendError::Full(piece) | TrySendError::Disconnected(piece)) => {
                self.waiting = piece;
                return Ok(true);
            }
        }
        if self.is_over {
            self.pieces = None;
        }
        Ok(self.is_over)
    }

    /// Everything was taken by the device.
    fn is_through(&self) -> bool {
        self.pieces.is_none() && self.counts.taken.load(Relaxed) >= self.sent
    }

    /// Second of the recording that is heard now.
    fn position(&self) -> f64 {
        let rate = f64::from(self.speaker.rate_hz);
        let heard = self.counts.taken.load(Relaxed) as f64 / rate
            - if self.is_through() { 0.0 } else { self.speaker.delay().as_secs_f64() };
        self.started + heard.max(0.0)
    }
}

/// Hands pieces on as they are asked for, and silence where there are none.
fn fill(pieces: Receiver<Vec<f32>>, counts: Arc<Counts>) -> Fill {
    let (mut piece, mut used) = (Vec::new(), 0);
    Box::new(move |space| {
        let mut done = 0;
        while done < space.len() && counts.is_begun.load(Relaxed) {
            if used == piece.len() {
                match pieces.try_recv() {
                    Ok(next) => (piece, used) = (next, 0),
                    Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
                }
            }
            let some = (piece.len() - used).min(space.len() - done);
            space[done..done + some].copy_from_slice(&piece[used..used + some]);
            (done, used) = (done + some, used + some);
        }
        space[done..].fill(0.0);
        counts.taken.fetch_add((done / CHANNELS) as u64, Relaxed);
    })
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
    fn the_output_gets_every_piece_in_turn_and_silence_afterwards() {
        let (pieces, heard) = mpsc::sync_channel(4);
        let counts: Arc<Counts> = Arc::default();
        let mut fill = fill(heard, counts.clone());
        pieces.send(vec![1.0, 2.0, 3.0, 4.0]).expect("room");
        pieces.send(vec![5.0, 6.0]).expect("room");
        let mut space = vec![9.0; 2];
        fill(&mut space);
        assert_eq!(space, [0.0; 2], "not before there is enough");
        counts.is_begun.store(true, Relaxed);
        for (length, want, frames) in [(2, &[1.0, 2.0][..], 1), (6, &[3.0, 4.0, 5.0, 6.0, 0.0, 0.0], 3), (2, &[0.0, 0.0], 3)] {
            let mut space = vec![9.0; length];
            fill(&mut space);
            assert_eq!((&space[..], counts.taken.load(Relaxed)), (want, frames));
        }
        pieces.send(vec![7.0, 8.0]).expect("room");
        drop(pieces);
        let mut space = vec![9.0; 4];
        fill(&mut space);
        assert_eq!(space, [7.0, 8.0, 0.0, 0.0]);
    }
}
