//! What is made of one source's sound while somebody is there.

use std::fmt::Write as _;

use crate::device::clock::{Clock, RealClock};
use crate::format::broadcast::Broadcast;
use crate::format::wav;
use crate::message::live::{Sound, Stage, View};
use crate::message::mount::Mount;
use crate::message::{Depth, PcmFormat};
use crate::signal::meter::{Meter, Reading};
use crate::signal::spectrum::{Frame, SCALE, Spectrum, Tuning};
use crate::signal::waterfall::{COLUMNS_PER_SECOND, Waterfall};
use crate::signal::{Shape, lanes, pcm};

/// At most so many spectra a second.
const FRAMES_PER_SECOND: u64 = 30;
/// Samples that a spectrum or a column may need.
const NEWEST: usize = 16_384;

pub struct Hearing {
    format: PcmFormat,
    tuning: Tuning,
    meter: Meter,
    /// Number of the frame that is expected next.
    next: u64,
    /// The newest samples, the mean of the channels, -1 to 1; the last of them is the newest.
    mono: Vec<f64>,
    samples: Vec<i32>,
    spectrum: Option<Bars>,
    waterfall: Option<Columns>,
    wav: Option<Vec<u8>>,
    opus: Option<Opus>,
}

struct Bars {
    spectrum: Spectrum,
    /// Frames since the last spectrum.
    since: u64,
    sequence: u64,
    text: String,
}

/// Encoded while somebody listens; `None` where libopus fails, which has been said.
struct Opus {
    broadcast: Option<Broadcast>,
    page: Vec<u8>,
}

struct Columns {
    waterfall: Waterfall,
    number: u32,
    bytes: Vec<u8>,
}

impl Hearing {
    pub fn new(format: PcmFormat, tuning: Tuning) -> Hearing {
        let shape = Shape { rate_hz: format.rate.hz(), channels: format.channels, bits: format.depth.bits() };
        Hearing {
            format,
            tuning,
            meter: Meter::new(shape),
            next: 0,
            mono: Vec::with_capacity(2 * NEWEST),
            samples: Vec::new(),
            spectrum: None,
            waterfall: None,
            wav: None,
            opus: None,
        }
    }

    pub fn fits(&self, sound: Sound) -> bool {
        self.format == sound.format
    }

    /// A new reading of the meter, when there is one and somebody looks at it.
    pub fn hear(&mut self, sound: Sound, stage: &Stage, is_looked_at: bool) -> Option<Reading> {
        let pcm = sound.pcm;
        self.samples.clear();
        let is_needed = |view| stage.mount(view).listeners() > 0;
        if is_looked_at || is_needed(View::Opus) {
            self.samples.extend(pcm::values(self.format.depth, pcm));
        }
        if sound.first_frame != self.next {
            self.mono.clear(); // no spectrum over a hole
        }
        self.next = sound.first_frame + u64::from(sound.frames);
        let frames = sound.frames as usize;
        if is_needed(View::Spectrum) || is_needed(View::Waterfall) {
            self.mix(pcm, frames);
        } else {
            self.mono.clear();
        }
        self.look(stage, frames);
        self.columns(stage, frames);
        self.listen(stage, pcm);
        self.broadcast(stage);
        (is_looked_at && self.meter.push(&self.samples)).then(|| self.meter.last()).flatten()
    }

    fn mix(&mut self, pcm: &[u8], frames: usize) {
        if self.mono.len() + frames > 2 * NEWEST {
            let keep = self.mono.len().min(NEWEST);
            self.mono.drain(..self.mono.len() - keep);
        }
        let channels = usize::from(self.format.channels).max(1);
        let unit = 1.0 / (f64::from(1_u32 << (self.format.depth.bits() - 1)) * channels as f64);
        match (self.format.depth, channels) {
            // Most cards: one pass over the bytes.
            (Depth::Sixteen, 1) => self.mono.extend(pcm.chunks_exact(2).map(|x| f64::from(sixteen(x)) * unit)),
            (Depth::Sixteen, 2) => {
                let (by, begin) = ([unit; 64], self.mono.len());
                self.mono.resize(begin + frames, 0.0);
                let means = self.mono[begin..].chunks_mut(by.len()).zip(pcm.chunks(4 * by.len()));
                means.for_each(|(means, pcm)| lanes::add_up_s16(pcm, means, &by[..means.len()]));
            }
            (depth, channels) => {
                let mut values = pcm::values(depth, pcm);
                self.mono.extend((0..frames).map(|_| values.by_ref().take(channels).map(f64::from).sum::<f64>() * unit));
            }
        }
    }

    /// The samples that end so many before the newest one, if there are as many.
    fn newest(mono: &[f64], length: usize, younger: usize) -> Option<&[f64]> {
        let end = mono.len().checked_sub(younger)?;
        mono.get(end.checked_sub(length)?..end)
    }

    fn look(&mut self, stage: &Stage, frames: usize) {
        let mount = stage.mount(View::Spectrum);
        if mount.listeners() == 0 {
            return rest(&mut self.spectrum, mount);
        }
        let rate = self.format.rate.hz();
        let bars = self.spectrum.get_or_insert_with(|| {
            mount.begin(b"");
            Bars { spectrum: Spectrum::new(self.tuning, rate), since: u64::MAX, sequence: 0, text: String::new() }
        });
        bars.since = bars.since.saturating_add(frames as u64);
        if bars.since.saturating_mul(FRAMES_PER_SECOND) < u64::from(rate) {
            return;
        }
        let Some(newest) = Hearing::newest(&self.mono, bars.spectrum.length(), 0) else { return };
        bars.since = 0;
        bars.sequence += 1;
        let frame = bars.spectrum.frame(newest);
        event(&mut bars.text, bars.sequence, frame);
        mount.push(bars.text.as_bytes());
    }

    fn columns(&mut self, stage: &Stage, frames: usize) {
        let mount = stage.mount(View::Waterfall);
        if mount.listeners() == 0 {
            return rest(&mut self.waterfall, mount);
        }
        let rate = self.format.rate.hz();
        let columns = self.waterfall.get_or_insert_with(|| {
            let waterfall = Waterfall::new(rate);
            mount.begin(&head(&waterfall, rate));
            Columns { waterfall, number: 0, bytes: Vec::new() }
        });
        for younger in columns.waterfall.due(frames) {
            columns.number = columns.number.wrapping_add(1);
            let Some(newest) = Hearing::newest(&self.mono, columns.waterfall.length(), younger) else { continue };
            columns.bytes.clear();
            columns.bytes.extend_from_slice(&columns.number.to_le_bytes());
            columns.bytes.extend_from_slice(columns.waterfall.column(newest));
            mount.push(&columns.bytes);
        }
    }

    fn listen(&mut self, stage: &Stage, pcm: &[u8]) {
        let mount = stage.mount(View::Wav);
        if mount.listeners() == 0 {
            return rest(&mut self.wav, mount);
        }
        let bytes = self.wav.get_or_insert_with(|| {
            mount.begin(&wav::endless_header(self.format.rate, self.format.channels));
            Vec::new()
        });
        match self.format.depth {
            Depth::Sixteen => mount.push(pcm),
            Depth::TwentyFour => {
                bytes.clear();
                bytes.extend(pcm.chunks_exact(3).flat_map(|sample| [sample[1], sample[2]]));
                mount.push(bytes);
            }
        }
    }
}

impl Hearing {
    fn broadcast(&mut self, stage: &Stage) {
        let mount = stage.mount(View::Opus);
        if mount.listeners() == 0 {
            return rest(&mut self.opus, mount);
        }
        let Opus { broadcast, page } = self.opus.get_or_insert_with(|| {
            let (rate, channels) = (self.format.rate.hz(), self.format.channels);
            // Streams that follow each other on a mount differ in their numbers.
            let serial = (RealClock.mono().0 >> 20) as u32;
            let broadcast = Broadcast::new(rate, channels, stage.quality, serial)
                .inspect(|broadcast| mount.begin(&broadcast.head(rate, &stage.title)))
                .inspect_err(|e| log::warn!("no Opus of {}: {e}", stage.source));
            Opus { broadcast: broadcast.ok(), page: Vec::new() }
        });
        let Some(broadcast) = broadcast else { return };
        broadcast.push(&self.samples, self.format.depth.bits().into(), |head, body| {
            page.clear();
            page.extend_from_slice(head);
            page.extend_from_slice(body);
            mount.push(page);
        });
    }
}

fn sixteen(bytes: &[u8]) -> i16 {
    bytes.try_into().map_or(0, i16::from_le_bytes) // there are two of them
}

/// Nobody is there any more.
fn rest<T>(what: &mut Option<T>, mount: &Mount) {
    if what.take().is_some() {
        mount.rest();
    }
}

/// `SPWF`, version, rows, rate, columns a second, little endian; then a number and the rows of each column.
fn head(waterfall: &Waterfall, rate_hz: u32) -> Vec<u8> {
    let mut head = b"SPWF".to_vec();
    head.extend_from_slice(&1_u16.to_le_bytes());
    head.extend_from_slice(&(waterfall.rows() as u16).to_le_bytes()); // at most 512
    head.extend_from_slice(&rate_hz.to_le_bytes());
    head.extend_from_slice(&COLUMNS_PER_SECOND.to_le_bytes());
    head
}

/// A spectrum as it goes over the wire.
fn event(text: &mut String, sequence: u64, frame: &Frame) {
    text.clear();
    // Writing to a string does not fail.
    let _ = write!(text, "data: {{\"seq\":{sequence},\"frequencies\":[");
    for (place, band) in frame.bands.iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        let _ = write!(text, "{comma}{band}");
    }
    let Frame { bass, level, .. } = frame;
    let _ = write!(text, "],\"bass\":{bass},\"level\":{level},\"scale\":{SCALE}}}\n\n");
}
