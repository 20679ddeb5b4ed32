//! A stream without end to samples, as its bytes come: for whoever looks and listens just now.
//!
//! No timeline and no seeking: bytes go in, in pieces of any size, and what they make comes out. What cannot be decoded is silence as long
//! as it says that it is; garbage is passed over; where another stream begins, another decoder does.

use super::super::flac::{StreamInfo, decode_one};
use super::super::stream::ogg::page::{Page, Parse};
use super::super::stream::{Framer, Framing, Step, Unit};
use super::super::{Flaw, adts};
use super::Info;
use super::ogg::queue::Queue;
use super::packets::Sound;
use super::symphonia::Packets;
use crate::message::{Container, Format};

pub struct Endless {
    framer: Framer,
    /// What came; before `start` it was passed. Never more than the framer's window and one push.
    bytes: Vec<u8>,
    start: usize,
    /// Of what is decoded now, and by what; `None` where that cannot be.
    format: Option<Format>,
    made: Option<(Info, Coded)>,
    /// Packets of the last Ogg page that are still to be decoded.
    queue: Queue,
    samples: Vec<i32>,
    flaw: Option<Flaw>,
}

enum Coded {
    Mp3(Packets),
    Adts(Packets),
    Ogg(Sound),
    Flac(StreamInfo),
}

/// How a file of that kind is framed; `None`: not as a stream.
pub const fn framing(container: Container) -> Option<Framing> {
    match container {
        Container::Mp3 => Some(Framing::Mp3),
        Container::Aac => Some(Framing::Adts),
        Container::Ogg | Container::Opus => Some(Framing::Ogg),
        Container::Flac => Some(Framing::Flac),
        Container::Wav => None,
    }
}

impl Endless {
    pub fn new(framing: Framing) -> Endless {
        Endless {
            framer: Framer::new(framing),
            bytes: Vec::new(),
            start: 0,
            format: None,
            made: None,
            queue: Queue::default(),
            samples: Vec::new(),
            flaw: None,
        }
    }

    /// The next bytes. [`sound`](Endless::sound) is to be called until it has nothing before there are more.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..std::mem::take(&mut self.start));
        self.bytes.extend_from_slice(bytes);
    }

    /// Samples of the next frame or packet, interleaved, and what they are; `None` before there are more bytes.
    pub fn sound(&mut self) -> Option<(Info, &[i32])> {
        self.samples.clear();
        while self.samples.is_empty() {
            if !self.packet() && !self.step() {
                return None;
            }
        }
        self.made.as_ref().map(|(info, _)| (*info, self.samples.as_slice()))
    }

    /// Why what comes just now is not decoded; said once.
    pub fn flaw(&mut self) -> Option<Flaw> {
        self.flaw.take()
    }

    /// Whether there was one more packet of a page.
    fn packet(&mut self) -> bool {
        let Some((info, Coded::Ogg(sound))) = &mut self.made else { return false };
        let Some((packet, frames)) = self.queue.next() else { return false };
        let fine = sound.decode(packet, &mut self.samples);
        fit(&mut self.samples, fine, frames, *info);
        true
    }

    fn step(&mut self) -> bool {
        let bytes = match self.framer.step(&self.bytes[self.start..], false) {
            Step::More => return false,
            Step::Skip { bytes, .. } | Step::Headers { bytes } => bytes,
            Step::Unit(unit) => {
                self.unit(&unit);
                unit.bytes
            }
        };
        self.start = (self.start + bytes).min(self.bytes.len());
        true
    }

    fn unit(&mut self, unit: &Unit) {
        let Some(format) = self.framer.format() else { return };
        if unit.new_link || self.format != Some(format) {
            self.format = Some(format);
            self.queue.clear();
            let opened = open(&self.framer, format);
            self.made = opened.map_err(|flaw| self.flaw = Some(flaw)).ok();
        }
        let Some((info, coded)) = &mut self.made else { return };
        let (bytes, out) = (self.bytes.get(self.start..self.start + unit.bytes).unwrap_or(&[]), &mut self.samples);
        let fine = match coded {
            Coded::Mp3(packets) => packets.decode(bytes, out),
            Coded::Adts(packets) => packets.decode(bytes.get(adts::payload_at(bytes)..).unwrap_or(&[]), out),
            Coded::Flac(info) => decode_one(bytes, info, out),
            Coded::Ogg(sound) => {
                let found = if let Framer::Ogg(framer) = &self.framer { framer.sound() } else { None };
                if let (Some(found), Parse::Yes(page)) = (found, Page::parse(bytes)) {
                    self.queue.fill(&page, found.packets.lead);
                    self.queue.frames = sound.frames(self.queue.packets());
                }
                return; // packet by packet
            }
        };
        fit(out, fine, unit.frames, *info);
    }
}

/// As many frames as were said: the last ones, or silence in their place.
fn fit(samples: &mut Vec<i32>, fine: bool, frames: u32, info: Info) {
    let want = frames as usize * usize::from(info.channels);
    if !fine || samples.len() < want {
        samples.clear();
        samples.resize(want, 0);
    }
    samples.drain(..samples.len() - want);
}

/// By the unit that the framer has just found.
fn open(framer: &Framer, format: Format) -> Result<(Info, Coded), Flaw> {
    let (rate_hz, channels) = (format.rate.hz(), format.channels);
    let info = |container| Info { rate_hz, channels, bits: 24, frames: None, container };
    let (info, coded) = match framer {
        Framer::Mp3(_) => (info(Container::Mp3), Coded::Mp3(Packets::mp3(channels)?)),
        Framer::Adts(_) => (info(Container::Aac), Coded::Adts(Packets::aac(rate_hz, channels)?)),
        Framer::Ogg(framer) => {
            let sound = Sound::new(framer.headers().unwrap_or(&[]))?;
            let shape = sound.shape();
            let info = Info { rate_hz: shape.rate_hz, channels: shape.channels, bits: shape.bits, ..info(shape.container) };
            (info, Coded::Ogg(sound))
        }
        Framer::Flac(framer) => {
            let shape = framer.shape().filter(|shape| shape.bits <= 24).ok_or(Flaw::Unsupported("FLAC of more than 24 bits"))?;
            (Info { bits: shape.bits, ..info(Container::Flac) }, Coded::Flac(shape))
        }
    };
    match info.channels {
        1..=8 => Ok((info, coded)),
        _ => Err(Flaw::Unsupported("more than 8 channels")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [(&str, Framing); 7] = [
        ("vbr.mp3", Framing::Mp3),
        ("stereo.aac", Framing::Adts),
        ("vorbis.ogg", Framing::Ogg),
        ("opus.opus", Framing::Ogg),
        ("flac.ogg", Framing::Ogg),
        ("chain.ogg", Framing::Ogg),
        ("stereo.flac", Framing::Flac),
    ];

    fn file(name: &str) -> Vec<u8> {
        std::fs::read(format!("tests/data/decode/{name}")).expect("a file")
    }

    /// A framer that is in doubt wants to see what follows.
    fn again_and_again(bytes: &[u8], framing: Framing) -> Vec<u8> {
        bytes.repeat(2 + Framer::new(framing).window_bytes() / bytes.len())
    }

    fn heard(bytes: &[u8], framing: Framing, piece: usize) -> (Vec<i32>, Option<Info>) {
        let (mut endless, mut samples, mut info) = (Endless::new(framing), Vec::new(), None);
        for piece in bytes.chunks(piece) {
            endless.push(piece);
            while let Some((now, more)) = endless.sound() {
                info.get_or_insert(now);
                samples.extend_from_slice(more);
            }
            assert!(endless.bytes.len() <= endless.framer.window_bytes() + piece.len());
        }
        (samples, info)
    }

    /// What the decoder of files makes of it, but for the ends, which only files have.
    #[test]
    fn it_sounds_as_the_file_does() {
        for (name, framing) in FILES {
            let bytes = file(name);
            let mut decoder = super::super::open(Box::new(bytes.clone()), "").expect("readable");
            let mut want = vec![0; 4 << 20];
            let frames = decoder.read(&mut want).expect("read");
            want.truncate(frames * usize::from(decoder.info().channels));
            let often = again_and_again(&bytes, framing);
            let (samples, info) = heard(&often, framing, 4_096);
            let info = info.expect("sound");
            assert_eq!(
                (info.rate_hz, info.channels, info.bits),
                (decoder.info().rate_hz, decoder.info().channels, decoder.info().bits),
                "{name}"
            );
            let middle = &want[want.len() / 3..want.len() / 3 * 2];
            let is_there = samples.windows(middle.len()).any(|window| window == middle);
            assert!(is_there, "{name}: {} and {} samples", samples.len(), want.len());
            assert_eq!(heard(&often, framing, 77).0, samples, "{name}: in other pieces");
        }
    }

    #[test]
    fn damage_is_passed_over() {
        for (name, framing) in FILES {
            let whole = file(name);
            for seed in 1..40_usize {
                let mut bytes = whole.clone();
                for n in 1..=seed {
                    let at = n.wrapping_mul(seed).wrapping_mul(2_654_435_761) % bytes.len();
                    bytes[at] ^= (1 << (n % 8)) as u8;
                }
                heard(&bytes[seed * 7..], framing, 500);
            }
            // Another stream begins in the middle of a unit of the first.
            let cut = [&whole[..whole.len() / 2], &again_and_again(&whole, framing)].concat();
            let (more, all) = (heard(&cut, framing, 4_096).0.len(), heard(&whole, framing, 4_096).0.len());
            assert!(more > all, "{name}: {more} of {all}");
        }
    }
}
