//! The newest sound of a source, on its way to whoever looks or listens just now.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event_listener::Event;

use super::mount::{Client, Listener, Manner, Mount};
use super::{Container, Format, Lane, PcmFormat};
use crate::pool::Block;
use crate::status::LaneStatus;

/// What was just read of a source: whole frames.
pub struct Heard {
    pub lane: Lane,
    pub format: PcmFormat,
    pub sound: Block,
}

/// The same, lent.
#[derive(Clone, Copy)]
pub struct Sound<'a> {
    pub format: PcmFormat,
    /// Whole frames; none says that nobody was there.
    pub pcm: &'a [u8],
    /// Number of the first frame, from the beginning of what is read.
    pub first_frame: u64,
    pub frames: u32,
}

impl Heard {
    pub fn sound(&self) -> Sound<'_> {
        let (pcm, first_frame, frames) = (self.sound.bytes(), self.sound.first_frame, self.sound.frames);
        Sound { format: self.format, pcm, first_frame, frames }
    }
}

/// Wakes somebody.
pub type Ring = Arc<dyn Fn() + Send + Sync>;

/// A way to follow a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum View {
    /// Bars: events with a text.
    Spectrum,
    /// Columns of a scrolling spectrogram: bytes.
    Waterfall,
    /// A WAV without end.
    Wav,
    /// Ogg Opus without end.
    Opus,
}

impl View {
    pub const ALL: [View; 4] = [View::Spectrum, View::Waterfall, View::Wav, View::Opus];

    /// Seconds of it; the sound of a fast card is less in time.
    fn manner(self) -> Manner {
        let manner = |ring: usize, burst: usize, lag: usize, chains| Manner {
            ring: ring << 10,
            burst: burst << 10,
            lag: lag << 10,
            chains,
            is_warm: false,
        };
        match self {
            View::Spectrum => manner(16, 0, 0, true),
            View::Waterfall => manner(64, 0, 32, false),
            View::Wav => manner(512, 0, 192, false),
            View::Opus => manner(256, 16, 128, true),
        }
    }

    /// What all rings of a source hold while there are listeners to each.
    pub fn bytes() -> usize {
        View::ALL.map(|view| view.manner().ring).iter().sum()
    }

    /// What its mount is, for a browser.
    pub const fn media(self) -> &'static str {
        match self {
            View::Spectrum => "text/event-stream",
            View::Waterfall => "application/octet-stream",
            View::Wav => "audio/wav",
            View::Opus => "audio/ogg",
        }
    }
}

/// A station that is recorded, and its own bytes for whoever listens.
pub struct OnAir {
    pub source: Arc<str>,
    pub mount: Arc<Mount>,
    /// `None`: it is not on the air.
    sound: Mutex<Option<(Container, Format)>>,
}

impl OnAir {
    pub fn new(source: Arc<str>) -> OnAir {
        let manner = Manner { ring: ON_AIR_BYTES, burst: 64 << 10, lag: 192 << 10, chains: true, is_warm: false };
        OnAir { source, mount: Arc::new(Mount::new(manner)), sound: Mutex::default() }
    }

    /// What it sends just now.
    pub fn sound(&self) -> Option<(Container, Format)> {
        *self.sound.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn container(&self) -> Option<Container> {
        self.sound().map(|(container, _)| container)
    }

    pub fn set_sound(&self, sound: Option<(Container, Format)>) {
        *self.sound.lock().unwrap_or_else(PoisonError::into_inner) = sound;
    }
}

/// Who can be looked at and listened to, by lane. Lanes come and go while the program runs.
#[derive(Default)]
pub struct Stages {
    rows: Mutex<Vec<Seen>>,
}

/// Of a lane: nothing of one that nobody can look at, or that is gone.
#[derive(Clone, Default)]
pub struct Seen {
    pub stage: Option<Arc<Stage>>,
    pub on_air: Option<Arc<OnAir>>,
}

impl Stages {
    pub fn set(&self, lane: Lane, seen: Seen) {
        let mut rows = self.rows();
        let lane = usize::from(lane);
        if rows.len() <= lane {
            rows.resize_with(lane + 1, Seen::default);
        }
        rows[lane] = seen; // it is there now
    }

    pub fn of_lane(&self, lane: Lane) -> Seen {
        self.rows().get(usize::from(lane)).cloned().unwrap_or_default()
    }

    /// So many have been set.
    pub fn lanes(&self) -> Lane {
        Lane::try_from(self.rows().len()).unwrap_or(Lane::MAX)
    }

    /// In the order of lanes.
    pub fn all(&self) -> Vec<Arc<Stage>> {
        self.rows().iter().filter_map(|seen| seen.stage.clone()).collect()
    }

    pub fn named(&self, source: &str) -> Option<Arc<Stage>> {
        self.rows().iter().filter_map(|seen| seen.stage.as_ref()).find(|stage| *stage.source == *source).cloned()
    }

    /// The stations.
    pub fn on_air(&self) -> Vec<Arc<OnAir>> {
        self.rows().iter().filter_map(|seen| seen.on_air.clone()).collect()
    }

    pub fn station(&self, source: &str) -> Option<Arc<OnAir>> {
        self.rows().iter().filter_map(|seen| seen.on_air.as_ref()).find(|on| *on.source == *source).cloned()
    }

    fn rows(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a station's ring holds while somebody listens.
pub const ON_AIR_BYTES: usize = 256 << 10;

/// Stations that are decoded at a time, whoever wants to look at more of them.
pub const MOST_STATIONS: usize = 4;

/// How Opus is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quality {
    pub bits_per_second: u32,
    /// 0 to 10.
    pub complexity: u8,
}

/// A source that can be looked at and listened to.
pub struct Lookable<'a> {
    pub name: &'a str,
    /// "card", "station", "file", "tone" or "demo".
    pub kind: &'a str,
    /// 0 while nobody knows.
    pub rate_hz: u32,
    pub channels: u8,
    /// Addresses for players.
    pub heard: Vec<String>,
}

/// A capture device of this machine.
pub struct Device {
    /// What to write as `device =`.
    pub device: String,
    /// For people.
    pub name: String,
    /// By the recorder or another program.
    pub is_used: bool,
}

/// Where the sound of such a device comes from: no lane is this one.
pub const PREVIEW: Lane = Lane::MAX;

/// A capture device that nobody records, opened for whoever looks at it or listens to it: one at a time.
pub struct Preview {
    /// Of the device that was looked at last.
    stage: Mutex<Option<Arc<Stage>>>,
    /// Why that one could not be opened; told once.
    trouble: Mutex<Option<String>>,
    quality: Quality,
    /// Calls the one who opens devices.
    pub bell: Arc<Event>,
}

impl Preview {
    pub fn new(quality: Quality) -> Preview {
        Preview { stage: Mutex::default(), trouble: Mutex::default(), quality, bell: Arc::default() }
    }

    /// Of the device that is looked at, or was last.
    pub fn stage(&self) -> Option<Arc<Stage>> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Of the device that somebody looks at.
    pub fn wanted(&self) -> Option<Arc<Stage>> {
        self.stage().filter(|stage| stage.is_listened())
    }

    /// From now on it is this device; the name of the one that is looked at instead, if somebody does.
    pub fn aim(&self, device: &str) -> Result<Arc<Stage>, Arc<str>> {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        match &*stage {
            Some(same) if *same.source == *device => return Ok(same.clone()),
            Some(other) if other.is_listened() => return Err(other.source.clone()),
            _ => {}
        }
        let name: Arc<str> = device.into();
        let bell = self.bell.clone();
        let ring: Ring = Arc::new(move || _ = bell.notify(usize::MAX));
        let next = Stage::new(name.clone(), "device", name, self.quality, Arc::default()).of_station(ring);
        Ok(stage.insert(Arc::new(next)).clone())
    }

    /// It fell: who looks at it is sent away, and whoever asks next is told why.
    pub fn fail(&self, why: String) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        let stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner).take();
        stage.iter().for_each(|stage| stage.end());
    }

    pub fn take_trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The mounts of a source.
pub struct Stage {
    pub source: Arc<str>,
    /// See [`Lookable::kind`].
    pub kind: &'static str,
    /// For those who listen elsewhere.
    pub title: Arc<str>,
    pub quality: Quality,
    status: Arc<LaneStatus>,
    /// Of a station: wakes the one who decodes it.
    ring: Option<Ring>,
    mounts: [Arc<Mount>; View::ALL.len()],
}

impl Stage {
    pub fn new(source: Arc<str>, kind: &'static str, title: Arc<str>, quality: Quality, status: Arc<LaneStatus>) -> Stage {
        Stage {
            source,
            kind,
            title,
            quality,
            status,
            ring: None,
            mounts: View::ALL.map(|view| Arc::new(Mount::new(view.manner()))),
        }
    }

    /// The same of a station: it is decoded for those only who look at it or listen to it, not for its level in a list of all.
    pub fn of_station(self, ring: Ring) -> Stage {
        Stage { ring: Some(ring), ..self }
    }

    pub fn is_station(&self) -> bool {
        self.ring.is_some()
    }

    pub fn mount(&self, view: View) -> &Arc<Mount> {
        &self.mounts[view as usize]
    }

    /// From now on its sound is wanted.
    pub fn listen(&self, view: View, client: Client) -> Listener {
        let listener = self.mount(view).listen(client);
        self.want();
        self.ring.iter().for_each(|ring| ring());
        listener
    }

    pub fn is_listened(&self) -> bool {
        self.mounts.iter().any(|mount| mount.listeners() > 0)
    }

    /// There will be no more: who listens is sent away.
    pub fn end(&self) {
        self.mounts.iter().for_each(|mount| mount.end());
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
