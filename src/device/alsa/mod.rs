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
mod tests {
    use super::*;
    use crate::device::alsa::script;
    use crate::device::cards::tests::machine;
    use crate::signal::pcm::Sample;

    fn source(device: &str, root: &std::path::Path, card: &script::Card) -> AlsaSource<script::Card> {
        let rate = Rate::new(48_000).expect("a rate");
        let depth = BitDepth::Sixteen;
        let settings = Settings { device: device.to_owned(), rate, channels: 1, depth, period_ms: 100, buffer_ms: 500 };
        AlsaSource::with(settings, root.to_owned(), card.clone())
    }

    /// What opening `device` comes to, on a machine with an UltraMic as hw:1,0 where `names` open.
    #[track_caller]
    fn check(device: &str, names: &[&'static str], refusal: Option<Refusal>, expected: &str) {
        let root = machine(&[(1, "UltraMic", "1-1.2", "16d0:06f3", "A1B2")]);
        let card = script::Card::new();
        (card.life().names, card.life().refusal) = (names.to_vec(), refusal);
        card.life().hints = vec![Hint { name: "garden".to_owned(), description: "Hydrophone".to_owned() }];
        let mut source = source(device, root.path(), &card);
        let text = match source.open() {
            Ok(opened) => {
                let remark = source.remark().map_or(String::new(), |remark| format!(", {remark}"));
                opened.text.replace(" S16_LE 48000 Hz 1 channel, period 100 ms, buffer 500 ms", "") + &remark
            }
            Err(fault) => format!("{:?} {}", fault.kind, fault.what),
        };
        assert_eq!(text, expected);
    }

    #[test]
    fn devices_are_found_in_order() {
        let all = &["default", "hw:1,0", "hw:0,0", "garden", "ultramic"];
        check("default", all, None, "default");
        check("hw:1,0", all, None, "hw:1,0");
        check("usb-1-1.2:16d0:06f3:A1B2", all, None, "hw:1,0");
        check("ultramic", all, None, "ultramic"); // a PCM of exactly this name
        check("UltraMic", all, None, "hw:1,0");
        check("hydro", all, None, "garden");
        check("PCH", all, None, "hw:0,0, hw:0,0: 'pch' also matches hw:0,2: write the name in full");
    }

    #[test]
    fn refusals_are_one_line_each() {
        let found = "found PCH (HDA Intel PCH), UltraMic (UltraMic 384K), garden; run 'soundpost devices'";
        for away in ["Zoom", "usb-1-1.9:16d0:06f4:Z", "hw:7,0", "default", "mic\0rophone"] {
            check(away, &[], None, &format!("Gone no capture device matches '{away}': {found}"));
        }
        let refused = |refusal, expected: &str| check("hw:1,0", &["hw:1,0"], Some(refusal), expected);
        refused(
            Refusal::Closed(Trouble::Busy),
            "Retry hw:1,0: in use by another program; stop it, or share the card with a dsnoop device in asound.conf",
        );
        refused(Refusal::Closed(Trouble::Denied), "Retry hw:1,0: not allowed to open it; add this user to the group audio");
        refused(Refusal::Closed(Trouble::Gone), "Gone hw:1,0: the device is gone");
        refused(Refusal::Closed(Trouble::Other(12)), "Retry hw:1,0: does not open (Other(12))");
        refused(Refusal::Setup("snd_pcm_hw_params", Trouble::Other(22)), "Retry hw:1,0: snd_pcm_hw_params failed (Other(22))");
        refused(
            Refusal::Unfit(Offer { samples: vec![Sample::S32], channels: (18, 18), rates: vec![] }),
            "Retry hw:1,0: offers S32_LE in 18 to 18 channels, which cannot be recorded; try it as plughw:",
        );
        refused(
            Refusal::Unfit(Offer::default()),
            "Retry hw:1,0: offers no signed 16, 24 or 32 bits in 0 to 0 channels, which cannot be recorded; try it as plughw:",
        );
    }

    #[test]
    fn what_a_source_learns_is_remarked_once() {
        let card = script::Card::new();
        (card.life().sample, card.life().channels, card.life().noise) = (Sample::S32, 2, true);
        let mut source = source("default", std::path::Path::new("/nonexistent"), &card);
        source.settings.depth = BitDepth::TwentyFour;
        let mut said = Vec::new();
        for second in 0..30 {
            if second % 10 == 0 {
                source.open().expect("opens");
            }
            if second == 5 {
                card.lose(24_000);
            }
            let end = card.life().now_ns + crate::time::SECOND_NS;
            while card.life().now_ns < end {
                source.read(&mut [0; 8_192]).expect("reads");
            }
            said.extend(source.remark());
        }
        let expected = [
            "default: it does not offer 1 channel, 2 is the nearest",
            "default: its samples use all 32 bits; the top 24 are recorded",
            "default: lost samples once without saying so, which the clock gave away; try another USB port, cable or hub",
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn a_card_that_repeats_itself_is_opened_anew() {
        let card = script::Card::new();
        let mut source = source("default", std::path::Path::new("/nonexistent"), &card);
        for (stuck, expected) in [
            (Some(5), "Retry default: the device repeats itself for 10 s; opening it anew"),
            (Some(-1), "Retry default: the device repeats itself for 60 s; opening it anew"),
            (Some(0), "nothing"),
            (None, "nothing"),
            (Some(5), "Retry default: the device repeats itself for 10 s; opening it anew"),
        ] {
            source.open().expect("opens");
            (card.life().noise, card.life().stuck) = (true, stuck);
            let end = card.life().now_ns + 70 * crate::time::SECOND_NS;
            let mut space = [0; 8_192];
            let read = std::iter::from_fn(|| if card.life().now_ns < end { Some(source.read(&mut space)) } else { None });
            let fault = read.map(Result::err).find_map(|fault| fault);
            assert_eq!(fault.map_or("nothing".to_owned(), |fault| format!("{:?} {}", fault.kind, fault.what)), expected);
        }
    }

    #[test]
    fn reading_allocates_nothing() {
        for sample in Sample::ALL {
            let card = script::Card::new();
            (card.life().sample, card.life().noise) = (sample, true);
            let mut source = source("default", std::path::Path::new("/nonexistent"), &card);
            source.settings.depth = BitDepth::TwentyFour;
            source.open().expect("opens");
            while source.remark().is_some() {}
            let (mut space, mut frames, mut lost) = ([0; 8_192], 0_u64, 0_u64);
            let before = allocations::count();
            for n in 0..5_000 {
                match source.read(&mut space).expect("reads") {
                    Read::Frames { frames: some, .. } => frames += u64::from(some),
                    Read::Lost { frames, .. } => lost += frames,
                    Read::Idle | Read::End => {}
                }
                if n % 1_000 == 500 {
                    card.advance(700); // an overrun
                }
            }
            assert_eq!(allocations::count() - before, 0, "{sample:?}: {frames} frames read");
            assert!(frames > 1_000_000 && lost > 100_000, "{frames} frames, {lost} lost");
        }
        let before = allocations::count();
        drop(vec![0; 100]);
        assert!(allocations::count() > before, "the counter counts");
    }

    #[test]
    fn settling_is_what_opening_would_come_to() {
        let card = script::Card::new();
        let mut source = source("default", std::path::Path::new("/nonexistent"), &card);
        (card.life().sample, card.life().channels) = (Sample::S32, 2);
        source.settings.depth = BitDepth::Auto;
        let settled = source.settle();
        assert_eq!(settled, source.open().map(|opened| opened.format));
        assert_eq!(settled.map(|format| (format.channels, format.depth)), Ok((2, crate::message::Depth::TwentyFour)));
        card.life().names.clear();
        assert!(source.settle().is_err());
    }

    #[test]
    fn channels_out_of_range_are_a_matter_of_configuration() {
        for channels in [0, 9] {
            let mut source = source("default", std::path::Path::new("/nonexistent"), &script::Card::new());
            source.settings.channels = channels;
            assert_eq!(source.open().map_err(|fault| fault.kind), Err(FaultKind::Config));
        }
    }

    #[test]
    fn a_card_that_went_away_is_opened_again_elsewhere() {
        let root = machine(&[(1, "UltraMic", "1-1.2", "16d0:06f3", "A1B2")]);
        let card = script::Card::new();
        card.life().names = vec!["hw:1,0"];
        let mut source = source("usb-1-1.2:16d0:06f3:A1B2", root.path(), &card);
        assert_eq!(source.read(&mut [0; 64]).map_err(|fault| fault.what), Err("usb-1-1.2:16d0:06f3:A1B2: not open".to_owned()));
        let opened = source.open().expect("opens");
        assert_eq!(
            opened.format,
            PcmFormat { rate: Rate::new(48_000).expect("a rate"), channels: 1, depth: crate::message::Depth::Sixteen }
        );
        assert!(matches!(source.read(&mut [0; 64]), Ok(Read::Frames { .. })));
        card.life().broken = Some(Trouble::Gone);
        card.life().names.clear();
        assert!(matches!(source.read(&mut [0; 4]), Ok(Read::Frames { .. }) | Err(_)));
        let fault = std::iter::from_fn(|| Some(source.read(&mut [0; 64]))).find_map(Result::err);
        assert_eq!(fault.map(|fault| fault.kind), Some(FaultKind::Gone));
        assert_eq!(source.open().map_err(|fault| fault.kind), Err(FaultKind::Gone));
        // Back as another card on another port.
        let root = machine(&[(3, "UltraMic", "1-1.4", "16d0:06f3", "A1B2")]);
        (source.root, card.life().names) = (root.path().to_owned(), vec!["hw:3,0"]);
        assert!(source.open().is_ok_and(|opened| opened.text.starts_with("hw:3,0 ")));
        assert!(matches!(source.read(&mut [0; 64]), Ok(Read::Frames { .. })));
    }
}
