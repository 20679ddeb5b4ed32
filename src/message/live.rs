//! The newest sound of a source, on its way to whoever looks or listens just now.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::mount::{Listener, Manner, Mount};
use super::{Lane, PcmFormat};
use crate::pool::Block;
use crate::status::LaneStatus;

/// What was just read of a source: whole frames.
pub struct Heard {
    pub lane: Lane,
    pub format: PcmFormat,
    pub sound: Block,
}

/// A way to follow a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum View {
    /// Bars: events with a text.
    Spectrum,
    /// Columns of a scrolling spectrogram: bytes.
    Waterfall,
    /// A WAV without end.
    Wav,
}

impl View {
    pub const ALL: [View; 3] = [View::Spectrum, View::Waterfall, View::Wav];

    /// Seconds of it; the sound of a fast card is less in time.
    const fn manner(self) -> Manner {
        match self {
            View::Spectrum => Manner { ring: 16 << 10, burst: 0, lag: 0, chains: true },
            View::Waterfall => Manner { ring: 64 << 10, burst: 0, lag: 32 << 10, chains: false },
            View::Wav => Manner { ring: 512 << 10, burst: 0, lag: 192 << 10, chains: false },
        }
    }

    /// What all rings of a source hold while there are listeners to each.
    pub const fn bytes() -> usize {
        View::Spectrum.manner().ring + View::Waterfall.manner().ring + View::Wav.manner().ring
    }

    /// What its mount is, for a browser.
    pub const fn media(self) -> &'static str {
        match self {
            View::Spectrum => "text/event-stream",
            View::Waterfall => "application/octet-stream",
            View::Wav => "audio/wav",
        }
    }
}

/// The mounts of a source.
pub struct Stage {
    pub source: Arc<str>,
    status: Arc<LaneStatus>,
    mounts: [Arc<Mount>; View::ALL.len()],
}

impl Stage {
    pub fn new(source: Arc<str>, status: Arc<LaneStatus>) -> Stage {
        Stage { source, status, mounts: View::ALL.map(|view| Arc::new(Mount::new(view.manner()))) }
    }

    pub fn mount(&self, view: View) -> &Arc<Mount> {
        &self.mounts[view as usize]
    }

    /// From now on its sound is wanted.
    pub fn listen(&self, view: View) -> Listener {
        let listener = self.mount(view).listen();
        self.status.wanted.store(true, Relaxed);
        listener
    }

    pub fn is_listened(&self) -> bool {
        self.mounts.iter().any(|mount| mount.listeners() > 0)
    }

    /// What was sent so far is over: whoever comes now waits for the beginning of something new.
    pub fn rest(&self) {
        self.mounts.iter().for_each(|mount| mount.rest());
    }

    /// By whom looks at its level only.
    pub fn want(&self) {
        self.status.wanted.store(true, Relaxed);
    }

    /// Nobody is there any more; should one come in this moment, it is asked for at once again.
    pub fn unwant(&self) {
        self.rest();
        self.status.wanted.store(false, Relaxed);
        if self.is_listened() {
            self.want();
        }
    }
}
