//! Sound cards through alsa-lib.
//!
//! ```text
//! mod.rs        AlsaSource: which device, opened how, and what to tell the user when it does not open
//! choose.rs     the word `device` to a PCM name          negotiate.rs  rate, channels and width that are to be had
//! reader.rs     waiting, overruns, standstill            stamps.rs     which time stamps to believe
//! balance.rs    frames against the clock                 list.rs       `soundpost devices`
//! remarks.rs    what its user should know of it
//! door.rs       what alsa-lib looks like from here       libasound.rs  alsa-lib itself     timestamp.rs  its self-test
//! ```
//! Only `libasound.rs` and `timestamp.rs` touch alsa-lib; all decisions are in the other files and are tested by scripts.
//! What happens after a failure (when to open again) is the caller's business.

#[cfg(test)]
mod allocations;
mod balance;
mod choose;
pub(super) mod door;
pub(super) mod libasound;
mod list;
mod negotiate;
mod reader;
mod remarks;
#[cfg(test)]
pub(crate) mod script;
mod stamps;
mod timestamp;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32};

pub use door::{Hint, Offer, Trouble};
pub use list::{Device, Listing, captures_of_all, devices, text};
pub use negotiate::BitDepth;

use crate::device::alsa::choose::{Choice, by_part, choose, nothing_matches};
use crate::device::alsa::door::{Door, Refusal, Shape};
use crate::device::alsa::libasound::Libasound;
use crate::device::alsa::negotiate::{Settled, Wish, describe, differences, recorded};
use crate::device::alsa::reader::Reader;
use crate::device::alsa::remarks::Remarks;
use crate::device::cards::{Card, cards};
use crate::device::{Fault, FaultKind, Opened, Pace, Read, Source};
use crate::message::PcmFormat;
use crate::signal::stuck::Stuck;
use crate::time::Rate;

/// One source of type `soundcard`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `default`, `hw:X,Y`, a stable id, a PCM name or a part of a name.
    pub device: String,
    pub rate: Rate,
    /// 1 to 8.
    pub channels: u8,
    pub depth: BitDepth,
    /// How often the thread wakes.
    pub period_ms: u32,
    /// How long it may be late.
    pub buffer_ms: u32,
}

/// What others may watch and turn while the source is owned by its thread.
#[derive(Debug, Default)]
pub struct Gauges {
    /// Overruns that the device reported.
    pub xruns: AtomicU32,
    /// Losses that only the clock gave away.
    pub silent_losses: AtomicU32,
    /// 32-bit samples had something in the low byte, which is not recorded.
    pub low_byte_used: AtomicBool,
    /// Somebody listens: look every 20 ms instead of once a period.
    pub eager: AtomicBool,
}

/// A capture device of this machine.
pub struct AlsaSource<D: Door = Libasound> {
    settings: Settings,
    /// Stands for `/` in /proc and /sys.
    root: PathBuf,
    door: D,
    gauges: Arc<Gauges>,
    reader: Option<Reader<D::Pcm>>,
    remarks: Remarks,
    stuck: Stuck,
    frame_bytes: usize,
}

impl AlsaSource {
    pub fn new(settings: Settings) -> AlsaSource {
        AlsaSource::with(settings, PathBuf::from("/"), Libasound)
    }
}

impl<D: Door> AlsaSource<D> {
    pub(crate) fn with(settings: Settings, root: PathBuf, door: D) -> AlsaSource<D> {
        let remarks = Remarks::default();
        AlsaSource { settings, root, door, gauges: Arc::default(), reader: None, remarks, stuck: Stuck::new(), frame_bytes: 0 }
    }

    pub fn gauges(&self) -> Arc<Gauges> {
        self.gauges.clone()
    }

    /// What opening it would settle; nothing is recorded and the device is closed again.
    pub fn settle(&mut self) -> Result<PcmFormat, Fault> {
        let wish = self.wish()?;
        let (_, shape, ..) = self.find(&wish)?;
        Ok(format_of(&wish, &shape))
    }

    fn wish(&self) -> Result<Wish, Fault> {
        let Settings { rate, channels, depth, period_ms, buffer_ms, .. } = self.settings;
        if !(1..=8).contains(&channels) {
            return Err(Fault::new(
                FaultKind::Config,
                format!("{}: channels = {channels}, must be 1 to 8", self.settings.device),
            ));
        }
        Ok(Wish { rate, channels, depth, period_ms: period_ms.max(1), buffer_ms: buffer_ms.max(2) })
    }

    /// Finds and opens the device; its PCM name and a warning, if any, besides.
    fn find(&mut self, wish: &Wish) -> Result<(D::Pcm, Shape, String, Option<String>), Fault> {
        let wanted = self.settings.device.clone();
        let cards = cards(&self.root);
        match choose(&wanted, &cards) {
            Choice::Away => Err(self.away(&cards)),
            Choice::Pcm(pcm) => self.open_pcm(&pcm, None, wish, &cards),
            Choice::Name => match self.door.open(&wanted, wish) {
                Ok((opened, shape)) => Ok((opened, shape, wanted, None)),
                Err(Refusal::Closed(Trouble::Absent)) => match by_part(&wanted, &cards, &self.door.hints()) {
                    Some((pcm, note)) => self.open_pcm(&pcm, note, wish, &cards),
                    None => Err(self.away(&cards)),
                },
                Err(refusal) => Err(self.refused(&wanted, refusal, &cards)),
            },
        }
    }

    fn open_pcm(
        &mut self,
        pcm: &str,
        note: Option<String>,
        wish: &Wish,
        cards: &[Card],
    ) -> Result<(D::Pcm, Shape, String, Option<String>), Fault> {
        match self.door.open(pcm, wish) {
            Ok((opened, shape)) => Ok((opened, shape, pcm.to_owned(), note)),
            Err(refusal) => Err(self.refused(pcm, refusal, cards)),
        }
    }

    fn away(&mut self, cards: &[Card]) -> Fault {
        let hints = self.door.hints();
        Fault::new(FaultKind::Gone, nothing_matches(&self.settings.device, cards, &hints))
    }

    fn refused(&mut self, pcm: &str, refusal: Refusal, cards: &[Card]) -> Fault {
        let (kind, what) = match refusal {
            Refusal::Closed(Trouble::Absent) => return self.away(cards),
            Refusal::Closed(Trouble::Gone) | Refusal::Setup(_, Trouble::Gone | Trouble::Absent) => {
                (FaultKind::Gone, "the device is gone".to_owned())
            }
            Refusal::Closed(Trouble::Busy | Trouble::Again) => (
                FaultKind::Retry,
                "in use by another program; stop it, or share the card with a dsnoop device in asound.conf".to_owned(),
            ),
            Refusal::Closed(Trouble::Denied) => {
                (FaultKind::Retry, "not allowed to open it; add this user to the group audio".to_owned())
            }
            Refusal::Closed(trouble) => (FaultKind::Retry, format!("does not open ({trouble:?})")),
            Refusal::Setup(step, trouble) => (FaultKind::Retry, format!("{step} failed ({trouble:?})")),
            // Another card, or the same one in another mode, may be there at the next attempt.
            Refusal::Unfit(offer) => (FaultKind::Retry, unfit(&offer)),
        };
        Fault::new(kind, format!("{pcm}: {what}"))
    }
}

/// Only a device without 16 to 32 bits, or with more than eight channels and no fewer, is beyond use as it stands.
fn unfit(offer: &Offer) -> String {
    let formats: Vec<&str> = offer.samples.iter().map(|sample| sample.name()).collect();
    let (low, high) = offer.channels;
    let formats = if formats.is_empty() { "no signed 16, 24 or 32 bits".to_owned() } else { formats.join(", ") };
    format!("offers {formats} in {low} to {high} channels, which cannot be recorded; try it as plughw:")
}

fn format_of(wish: &Wish, shape: &Shape) -> PcmFormat {
    let Settled { sample, rate, channels } = shape.settled;
    PcmFormat { rate, channels, depth: recorded(wish.depth, sample) }
}

impl<D: Door> Source for AlsaSource<D> {
    fn open(&mut self) -> Result<Opened, Fault> {
        self.reader = None;
        let wish = self.wish()?;
        let (pcm, shape, name, note) = self.find(&wish)?;
        let text = describe(&name, &shape);
        let differs = [note, differences(&wish, shape.settled)].into_iter().flatten().collect::<Vec<_>>().join("; ");
        self.remarks.opened(&name, Some(differs).filter(|text| !text.is_empty()));
        let format = format_of(&wish, &shape);
        let reader = Reader::start(pcm, name, shape, format.depth, self.gauges.clone())?;
        let at = reader.started();
        self.reader = Some(reader);
        self.frame_bytes = format.frame_bytes();
        self.stuck.restart(format.rate, self.frame_bytes);
        Ok(Opened { format, pace: Pace::RealTime, at, text })
    }

    fn close(&mut self) {
        self.reader = None;
    }

    fn read(&mut self, space: &mut [u8]) -> Result<Read, Fault> {
        let Some(reader) = &mut self.reader else {
            return Err(Fault::new(FaultKind::Retry, format!("{}: not open", self.settings.device)));
        };
        let read = reader.read(space)?;
        let Read::Frames { frames, .. } = read else { return Ok(read) };
        let bytes = (frames as usize).saturating_mul(self.frame_bytes);
        match self.stuck.push(space.get(..bytes).unwrap_or_default()) {
            None => Ok(read),
            Some(seconds) => {
                let what = format!("{}: the device repeats itself for {seconds} s; opening it anew", self.settings.device);
                Err(Fault::new(FaultKind::Retry, what))
            }
        }
    }

    fn remark(&mut self) -> Option<String> {
        self.remarks.next(&self.settings.device, &self.gauges)
    }

    fn hurry(&mut self, is_wanted: bool) {
        self.gauges.eager.store(is_wanted, std::sync::atomic::Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
