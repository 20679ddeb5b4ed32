//! One file as bytes: its header, the sound in its container, and what is patched when it closes.

use crate::actor::encoder::output::{Output, StoreGone};
use crate::format::encode::{FlacEncoder, Summary};
use crate::format::flac::{self, Final, FlacHeader, SeekTable};
use crate::format::metadata::Station;
use crate::format::wav;
use crate::message::{Container, Identity, PcmFormat};
use crate::time::Mono;

/// What is the same for every file of a lane.
#[derive(Clone, Debug)]
pub struct Coding {
    pub station: Station,
    /// 0 to 8.
    pub flac_level: u8,
    /// Frames of a FLAC block, unless that is long: see [`Coding::block_size`].
    pub flac_block_size: u32,
}

impl Coding {
    /// As configured, but an eighth of a second or so at the most: what is in a block is not on its way to the disk yet.
    pub fn block_size(&self, format: PcmFormat) -> u32 {
        self.flac_block_size.min((format.rate.hz() / 8).next_power_of_two().max(16))
    }
}

/// Why a body cannot go on.
#[derive(Debug)]
pub enum BodyError {
    StoreGone,
    Encoder(&'static str),
}

impl From<StoreGone> for BodyError {
    fn from(_: StoreGone) -> BodyError {
        BodyError::StoreGone
    }
}

impl From<&'static str> for BodyError {
    fn from(what: &'static str) -> BodyError {
        BodyError::Encoder(what)
    }
}

/// A file in the making. Everything it needs is allocated when it is made.
pub enum Body {
    Wav(WavBody),
    Flac(Box<FlacBody>),
}

pub struct WavBody {
    header: Vec<u8>,
    frame_bytes: usize,
    data_bytes: u64,
}

pub struct FlacBody {
    header: FlacHeader,
    encoder: FlacEncoder,
    progress: Progress,
}

/// Where the next FLAC frame goes, and the table that remembers some of them.
struct Progress {
    table: SeekTable,
    frames: u64,
    /// After the first frame's first byte.
    offset: u64,
}

impl Body {
    /// `expected_frames` decides how much room the seek table gets. `ready` is an encoder that was made ahead of time.
    pub fn new(
        container: Container,
        identity: &Identity,
        expected_frames: u64,
        coding: &Coding,
        ready: Option<FlacEncoder>,
    ) -> Result<Body, &'static str> {
        let format = identity.format.pcm().ok_or("only captured sound is encoded")?;
        match container {
            Container::Wav => {
                let header = wav::header(identity, &coding.station);
                Ok(Body::Wav(WavBody { header, frame_bytes: format.frame_bytes(), data_bytes: 0 }))
            }
            Container::Flac => {
                let points = flac::points_for(expected_frames / u64::from(format.rate.hz()));
                let header = flac::header(identity, &coding.station, points, coding.block_size(format));
                let encoder = match ready.filter(|encoder| encoder.format() == format) {
                    Some(encoder) => encoder,
                    None => FlacEncoder::new(format, coding.flac_level, coding.block_size(format))?,
                };
                let progress = Progress { table: SeekTable::new(format.rate, header.seek_points), frames: 0, offset: 0 };
                Ok(Body::Flac(Box::new(FlacBody { header, encoder, progress })))
            }
            Container::Mp3 | Container::Aac | Container::Ogg | Container::Opus => Err("this format is not encoded here"),
        }
    }

    pub fn header_bytes(&self) -> usize {
        match self {
            Body::Wav(wav) => wav.header.len(),
            Body::Flac(flac) => flac.header.bytes.len(),
        }
    }

    /// The first bytes of the file.
    pub fn begin(&self, out: &mut Output, now: Mono) -> Result<(), BodyError> {
        let header = match self {
            Body::Wav(wav) => &wav.header,
            Body::Flac(flac) => &flac.header.bytes,
        };
        Ok(out.append(header, 0, now)?)
    }

    /// Whole frames of sound.
    pub fn sound(&mut self, pcm: &[u8], out: &mut Output, now: Mono) -> Result<(), BodyError> {
        match self {
            Body::Wav(wav) => {
                wav.data_bytes += pcm.len() as u64;
                Ok(out.append(pcm, (pcm.len() / wav.frame_bytes.max(1)) as u32, now)?)
            }
            Body::Flac(flac) => {
                let FlacBody { encoder, progress, .. } = &mut **flac;
                let mut sent = Ok(());
                encoder.encode(pcm, &mut |frame, samples| progress.pass(frame, samples, out, now, &mut sent))?;
                Ok(sent?)
            }
        }
    }

    /// The last bytes, and the header as it must be in a finished file.
    pub fn end(self, out: &mut Output, now: Mono) -> Result<(), BodyError> {
        match self {
            Body::Wav(wav) => {
                let file_bytes = wav.header.len() as u64 + wav.data_bytes;
                if wav.data_bytes % 2 == 1 {
                    out.append(&[0], 0, now)?;
                }
                for (at, bytes) in wav::size_patches(wav.header.len() as u32, file_bytes, wav.frame_bytes) {
                    out.patch(at, &bytes)?;
                }
                Ok(())
            }
            Body::Flac(flac) => {
                let FlacBody { mut header, encoder, mut progress } = *flac;
                let mut sent = Ok(());
                let summary = encoder.finish(&mut |frame, samples| progress.pass(frame, samples, out, now, &mut sent))?;
                sent?;
                let ends = Final::from(summary);
                flac::finish(&mut header.bytes, &ends, &progress.table).map_err(|_| "the FLAC header cannot be finished")?;
                Ok(out.patch(0, &header.bytes)?)
            }
        }
    }
}

impl Progress {
    fn pass(&mut self, frame: &[u8], samples: u32, out: &mut Output, now: Mono, sent: &mut Result<(), StoreGone>) {
        self.table.push(self.frames, self.offset, samples);
        self.frames += u64::from(samples);
        self.offset += frame.len() as u64;
        if sent.is_ok() {
            *sent = out.append(frame, samples, now);
        }
    }
}

impl From<Summary> for Final {
    fn from(s: Summary) -> Final {
        Final { frames: s.total_samples, min_frame_bytes: s.min_frame_bytes, max_frame_bytes: s.max_frame_bytes, md5: s.md5 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Depth;
    use crate::time::Rate;

    #[test]
    fn no_block_holds_much_more_than_an_eighth_of_a_second() {
        let coding = |size| Coding { station: Station::default(), flac_level: 5, flac_block_size: size };
        for (hz, configured, used) in
            [(48_000, 4_096, 4_096), (8_000, 4_096, 1_024), (8_000, 16_384, 1_024), (96_000, 16_384, 16_384), (100, 4_096, 16)]
        {
            let format = PcmFormat { rate: Rate::new(hz).expect("a rate"), channels: 1, depth: Depth::Sixteen };
            assert_eq!(coding(configured).block_size(format), used, "{configured} at {hz} Hz");
        }
    }
}
