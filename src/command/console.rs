//! For commands that go on until somebody ends them: hearing of that, and the line that tells how far they are.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use async_signal::{Signal, Signals};
use smol::Timer;
use smol::future::or;
use smol::stream::StreamExt;

use super::say;

/// On a terminal.
const SHOW_EVERY: Duration = Duration::from_millis(200);
/// In a log or a pipe, where every line stays.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// TERM, and INT, which is ctrl-c.
pub struct Asked(Signals);

impl Asked {
    /// From now on they do not end the program by themselves.
    pub fn new() -> io::Result<Asked> {
        Signals::new([Signal::Term, Signal::Int]).map(Asked)
    }

    /// Waits so long, and no longer once somebody asks for the end: then it is true.
    pub fn within(&mut self, pause: Duration) -> bool {
        let asked = async {
            self.0.next().await;
            true
        };
        let pause = async {
            Timer::after(pause).await;
            false
        };
        smol::future::block_on(or(asked, pause))
    }
}

/// One line on stderr: on a terminal the next one takes its place.
pub struct Line {
    is_terminal: bool,
    shown: Option<Instant>,
    width: usize,
}

impl Line {
    pub fn new() -> Line {
        Line { is_terminal: io::stderr().is_terminal(), shown: None, width: 0 }
    }

    /// As often as is good for whoever reads it.
    pub fn show(&mut self, text: impl FnOnce() -> String) {
        let every = if self.is_terminal { SHOW_EVERY } else { TELL_EVERY };
        if self.shown.is_some_and(|shown| shown.elapsed() < every) {
            return;
        }
        self.shown = Some(Instant::now());
        let text = text();
        if !self.is_terminal {
            return say(text);
        }
        let last = std::mem::replace(&mut self.width, text.chars().count());
        super::progress(format_args!("{text}{:blanks$}", "", blanks = last.saturating_sub(self.width)));
    }

    /// A message that stays; what was shown before it goes.
    pub fn tell(&mut self, text: impl Display) {
        if std::mem::take(&mut self.width) > 0 {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
        say(text);
    }
}
