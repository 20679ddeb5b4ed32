//! The endless WAV of a source on the local output, as it comes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::device::speaker::{Fill, Speaker};
use crate::device::{Fault, FaultKind};
use crate::format::stereo::{Stereo, output_rate};
use crate::format::wav::endless_format;
use crate::message::PcmFormat;
use crate::signal::jitter::{Counts, Jitter};

/// Takes bytes as they come; opens the output when it knows what they are. The output stays open from one stream to the next.
#[derive(Default)]
pub struct Headphones {
    /// Bytes that are not used yet: of a header, or of a frame.
    rest: Vec<u8>,
    /// What comes, once its header is there.
    on: Option<(PcmFormat, Stereo)>,
    out: Option<Out>,
    ints: Vec<i32>,
    made: Vec<f32>,
}

struct Out {
    speaker: Speaker,
    jitter: Arc<Mutex<Jitter>>,
}

/// What there is to say of a sound that is heard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heard {
    pub format: PcmFormat,
    /// In dBFS, with silence where nothing came.
    pub level_db: f64,
    /// From when a sound arrives here until it is heard.
    pub delay: Duration,
    pub counts: Counts,
}

impl Headphones {
    /// What comes from now on begins with a header.
    pub fn begin(&mut self) {
        self.on = None;
        self.rest.clear();
    }

    /// Bytes of a stream, in pieces of any size. Takes the time of opening an output, when the header is whole.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.rest.extend_from_slice(bytes);
        if self.on.is_none() {
            let not_ours = |why: crate::format::Flaw| Fault::new(FaultKind::Refused, format!("what the recorder sends is {why}"));
            let Some((format, header_bytes)) = endless_format(&self.rest).map_err(not_ours)? else { return Ok(()) };
            self.rest.drain(..header_bytes);
            let rate_hz = self.open(output_rate(format.rate.hz()))?;
            self.on = Some((format, Stereo::new(format.rate.hz(), format.channels, format.depth.bits(), rate_hz)));
        }
        self.hear();
        Ok(())
    }

    /// `None`: nothing is heard just now. An error is an output that has stopped.
    pub fn look(&self) -> Result<Option<Heard>, Fault> {
        let (Some(out), Some((format, _))) = (&self.out, &self.on) else { return Ok(None) };
        out.speaker.look()?;
        let (is_playing, waits_ms, counts) = {
            let jitter = out.jitter.lock().unwrap_or_else(PoisonError::into_inner);
            (jitter.is_playing(), jitter.waits_ms(), jitter.counts())
        };
        if !is_playing {
            return Ok(None);
        }
        let delay = Duration::from_millis(waits_ms.into()) + out.speaker.delay();
        Ok(Some(Heard { format: *format, level_db: out.speaker.level_db(), delay, counts }))
    }

    /// The rate of the output, which is opened near the one that is wanted unless it is open there already.
    fn open(&mut self, rate_hz: u32) -> Result<u32, Fault> {
        if let Some(out) = self.out.as_ref().filter(|out| output_rate(out.speaker.rate_hz) == rate_hz) {
            return Ok(out.speaker.rate_hz);
        }
        self.out = None; // closed before it is opened anew
        let mut queue = None;
        let speaker = Speaker::open(rate_hz, &mut |rate_hz| {
            let jitter = Arc::new(Mutex::new(Jitter::new(rate_hz)));
            queue = Some(jitter.clone());
            fill(jitter)
        })?;
        let jitter = queue.unwrap_or_else(|| Arc::new(Mutex::new(Jitter::new(speaker.rate_hz)))); // it was made while opening
        let rate_hz = speaker.rate_hz;
        self.out = Some(Out { speaker, jitter });
        Ok(rate_hz)
    }

    /// All whole frames.
    fn hear(&mut self) {
        let (Some((format, stereo)), Some(out)) = (&mut self.on, &self.out) else { return };
        let whole = self.rest.len() - self.rest.len() % format.frame_bytes();
        self.ints.clear();
        self.ints.extend(self.rest[..whole].chunks_exact(2).map(|b| i32::from(i16::from_le_bytes([b[0], b[1]]))));
        self.rest.drain(..whole);
        self.made.clear();
        stereo.push(&self.ints, &mut self.made);
        out.jitter.lock().unwrap_or_else(PoisonError::into_inner).push(&self.made);
    }
}

fn fill(jitter: Arc<Mutex<Jitter>>) -> Fill {
    Box::new(move |space| jitter.lock().unwrap_or_else(PoisonError::into_inner).pull(space))
}
