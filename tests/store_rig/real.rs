//! The real encoders on a lane, and a reader of their files that shares no code with them: claxon and hound.

use std::io::Cursor;
use std::sync::Arc;

use claxon::Block;
use claxon::frame::FrameReader;
use claxon::input::BufferedReader;
use md5::{Digest, Md5};
use soundpost::actor::encoder::{Body, Coding, Output};
use soundpost::actor::store::Formats;
use soundpost::edge::{Receiver, edge};
use soundpost::format::metadata::Station;
use soundpost::format::wav;
use soundpost::message::*;
use soundpost::pool::Pool;
use soundpost::time::{Mono, Rate};

use super::{Codec, Family, Key, Outbox, ReadBack};

/// Stereo and mono, 16 and 24 bits, block sizes that divide nothing.
pub const REAL: Family = Family {
    new: |lane, pool, container, identity| Box::new(RealFile::new(lane, pool, container, identity)),
    formats: Formats::default,
    read,
    format,
    pcm,
    containers: [Container::Wav, Container::Flac],
    pieces: 10,
};

const HZ: u32 = 8_000;

fn format(lane: usize) -> PcmFormat {
    let (channels, depth) = [(1, Depth::Sixteen), (2, Depth::Sixteen), (1, Depth::TwentyFour)][lane % 3];
    PcmFormat { rate: Rate::new(HZ).expect("valid"), channels, depth }
}

/// Tones, noise, silence and full scale in turn, so that every kind of subframe occurs; each frame is known by its number alone.
fn pcm(source: &str, format: PcmFormat, first: u64, frames: u64) -> Vec<u8> {
    let salt = source.bytes().fold(1_u64, |sum, b| sum.wrapping_mul(131) + u64::from(b));
    let full = f64::from((1_i32 << (format.depth.bits() - 1)) - 1);
    let mut out = Vec::with_capacity(frames as usize * format.frame_bytes());
    for n in first..first + frames {
        for channel in 0..u64::from(format.channels) {
            let noise = noise(n * 8 + channel + (salt << 32));
            let tone = (n as f64 * 0.05 * (channel + 1 + salt % 5) as f64).sin();
            let sample = match n / 1_500 % 7 {
                3 => 0.0,
                5 => noise,
                6 => tone.signum(),
                _ => 0.3 * tone + 0.004 * noise,
            };
            out.extend_from_slice(&((sample * full) as i32).to_le_bytes()[..format.depth.bytes()]);
        }
    }
    out
}

/// -1 to 1.
fn noise(n: u64) -> f64 {
    let z = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

struct RealFile {
    body: Body,
    output: Output,
    inbox: Receiver<ToStore>,
}

impl RealFile {
    fn new(lane: Lane, pool: &Pool, container: Container, identity: &Identity) -> RealFile {
        let flac_block_size = [256, 576, 400][usize::from(lane) % 3];
        let coding = Coding { station: station(identity), flac_level: 5, flac_block_size };
        // An hour's seek table spans many sectors, ten minutes' a few.
        let expected_frames = u64::from(HZ) * [3_600, 600][usize::from(lane) % 2];
        let body = Body::new(container, identity, expected_frames, &coding, None).expect("a format that libFLAC takes");
        let (tx, inbox) = edge(64);
        RealFile { body, output: Output::new(lane, pool.clone(), tx, Arc::default(), Arc::default()), inbox }
    }

    fn pass_on(&self, send: Outbox) {
        std::iter::from_fn(|| self.inbox.try_recv().ok()).for_each(send);
    }
}

/// A name so long that the header of a WAV, which ends in the size of its data, ends as shortly behind a sector's edge as it can.
fn station(identity: &Identity) -> Station {
    let named = |n: usize| Station { name: Some("x".repeat(n)), ..Station::default() };
    let behind_edge = |n: &usize| (wav::header(identity, &named(*n)).len() - 1) % 512;
    (1..600).min_by_key(behind_edge).map_or(Station::default(), named)
}

impl Codec for RealFile {
    fn header_bytes(&self) -> usize {
        self.body.header_bytes()
    }

    fn begin(&mut self, now: Mono, send: Outbox) {
        self.body.begin(&mut self.output, now).expect("the store is there");
        self.pass_on(send);
    }

    fn sound(&mut self, pcm: &[u8], now: Mono, send: Outbox) {
        self.body.sound(pcm, &mut self.output, now).expect("the store is there");
        self.pass_on(send);
    }

    fn end(self: Box<Self>, now: Mono, send: Outbox) {
        let RealFile { body, mut output, inbox } = *self;
        body.end(&mut output, now).expect("the store is there");
        output.flush().expect("the store is there");
        std::iter::from_fn(|| inbox.try_recv().ok()).for_each(send);
    }
}

fn read(container: Container, bytes: &[u8]) -> Option<ReadBack> {
    match container {
        Container::Wav => read_wav(bytes),
        Container::Flac => read_flac(bytes),
        _ => None,
    }
}

fn key<'a>(get: impl Fn(&str) -> Option<&'a str>, names: [&str; 3]) -> Option<Key> {
    Some((get(names[0])?.to_owned(), get(names[1])?.to_owned(), get(names[2])?.parse().ok()?))
}

fn pcm_format(hz: u32, channels: u32, bits: u32) -> Option<PcmFormat> {
    let depth = [Depth::Sixteen, Depth::TwentyFour].into_iter().find(|d| u32::from(d.bits()) == bits)?;
    Some(PcmFormat { rate: Rate::new(hz)?, channels: channels as u8, depth })
}

/// Both sizes lead exactly to the end of the file.
fn read_wav(bytes: &[u8]) -> Option<ReadBack> {
    let mut reader = hound::WavReader::new(Cursor::new(bytes)).ok()?;
    let spec = reader.spec();
    let format = pcm_format(spec.sample_rate, spec.channels.into(), spec.bits_per_sample.into())?;
    let samples: Result<Vec<i32>, _> = reader.samples::<i32>().collect();
    let pcm: Vec<u8> = samples.ok()?.iter().flat_map(|s| s.to_le_bytes()[..format.depth.bytes()].to_vec()).collect();
    let riff = u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?) as usize;
    let guan = bytes.windows(4).position(|w| w == b"guan")?;
    let length = u32::from_le_bytes(bytes.get(guan + 4..guan + 8)?.try_into().ok()?) as usize;
    let text = std::str::from_utf8(bytes.get(guan + 8..guan + 8 + length)?).ok()?;
    let get = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let key = key(get, ["Soundpost|Source", "Soundpost|Session", "Soundpost|First Frame"])?;
    let pad = pcm.len() % 2;
    let is_whole = riff + 8 == bytes.len() && bytes.ends_with(&[&pcm[..], &[0_u8; 1][..pad]].concat());
    is_whole.then_some((key, format, pcm))
}

/// The header tells the number of samples and their MD5 or none, and its seek points lead to the samples that they promise.
fn read_flac(bytes: &[u8]) -> Option<ReadBack> {
    let mut reader = claxon::FlacReader::new(Cursor::new(bytes)).ok()?;
    let info = reader.streaminfo();
    let format = pcm_format(info.sample_rate, info.channels, info.bits_per_sample)?;
    let get = |name: &str| reader.tags().find(|(tag, _)| *tag == name).map(|(_, value)| value);
    let key = key(get, ["SOURCE", "SESSION", "FIRST_FRAME"])?;
    let pcm = decode(reader.blocks(), format)?;
    let is_counted = info.samples == Some((pcm.len() / format.frame_bytes()) as u64);
    let is_summed = info.md5sum == [0; 16] || info.md5sum == <[u8; 16]>::from(Md5::digest(&pcm));
    let (audio_at, points) = blocks(bytes)?;
    let leads = |(sample, offset): &(u64, u64)| {
        let block = first_block(bytes.get(audio_at + *offset as usize..)?)?;
        // claxon takes a shorter last block for the length of all.
        Some(block.time() == *sample || block.duration() < info.max_block_size.into())
    };
    let is_found = !points.is_empty() && points.iter().all(|point| leads(point) == Some(true));
    (is_counted && is_summed && is_found).then_some((key, format, pcm))
}

/// Where the first coded frame stands, and the seek points (sample, offset from there).
fn blocks(bytes: &[u8]) -> Option<(usize, Vec<(u64, u64)>)> {
    let (mut at, mut points) = (4, Vec::new());
    loop {
        let head = u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?);
        let (kind, body) = (head >> 24 & 0x7F, bytes.get(at + 4..at + 4 + (head & 0xFF_FFFF) as usize)?);
        if kind == 3 {
            let number = |b: &[u8]| b.iter().fold(0_u64, |n, b| n << 8 | u64::from(*b));
            let all = body.chunks(18).map(|p| (number(&p[..8]), number(&p[8..16])));
            points = all.filter(|(sample, _)| *sample != u64::MAX).collect();
        }
        at += 4 + body.len();
        if head >> 31 == 1 {
            return Some((at, points));
        }
    }
}

/// `None` if anything is damaged.
fn decode<R: claxon::input::ReadBytes>(mut frames: FrameReader<R>, format: PcmFormat) -> Option<Vec<u8>> {
    let (mut pcm, mut buffer) = (Vec::new(), Vec::new());
    while let Some(block) = frames.read_next_or_eof(buffer).ok()? {
        for n in 0..block.duration() {
            for channel in 0..block.channels() {
                pcm.extend_from_slice(&block.sample(channel, n).to_le_bytes()[..format.depth.bytes()]);
            }
        }
        buffer = block.into_buffer();
    }
    Some(pcm)
}

fn first_block(bytes: &[u8]) -> Option<Block> {
    FrameReader::new(BufferedReader::new(Cursor::new(bytes))).read_next_or_eof(Vec::new()).ok()?
}

/// Whether a coded frame with a good checksum begins here.
pub fn is_sound(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xFF, 0xF8]) && first_block(bytes).is_some()
}
