//! Two toy formats with the habits of the real ones: a WAV whose header tells its length, a FLAC whose frames have checksums.

use std::io;

use soundpost::actor::store::Formats;
use soundpost::format::ReadAt;
use soundpost::format::mend::{Kept, Mend};
use soundpost::message::*;
use soundpost::pool::{Block, Pool};
use soundpost::time::{Mono, Wall};

use super::{Codec, FRAME_BYTES, Family, Outbox, Patches, ReadBack, format};

pub const TOYS: Family = Family {
    new: |lane, pool, container, identity| {
        Box::new(ToyFile { toy: Toy::new(container), identity: identity.clone(), lane, pool: pool.clone() })
    },
    formats: toy_formats,
    read: toy_read,
    format: |_| format(),
    pcm: |source, _, first, frames| super::pcm(source, first, frames),
    containers: [Container::Wav, Container::Flac],
    pieces: 1,
};

/// Two toys whose bytes name nobody, as those of streams do: an MP3 without any header, an Ogg whose beginning is changed at its end.
pub const STREAMS: Family = Family { containers: [Container::Mp3, Container::Ogg], ..TOYS };

/// What the store is told of the sound in a file.
pub fn file_format(container: Container, format: PcmFormat) -> Format {
    match container {
        Container::Mp3 => Format::coded(soundpost::message::Codec::Mp3, format.rate, format.channels),
        Container::Ogg => Format::coded(soundpost::message::Codec::Vorbis, format.rate, format.channels),
        _ => format.into(),
    }
}

/// Bytes before the first frame.
fn header_bytes(container: Container) -> usize {
    match container {
        Container::Mp3 => 0,
        Container::Ogg => 8,
        _ => HEADER,
    }
}

const HEADER: usize = 256;

pub struct Toy {
    container: Container,
    frames: u64,
    bytes: u64,
}

/// A toy on a lane: each call is a block.
struct ToyFile {
    toy: Toy,
    identity: Identity,
    lane: Lane,
    pool: Pool,
}

impl ToyFile {
    fn block(&self, bytes: &[u8], frames: u32) -> Block {
        let mut block = self.pool.try_take().expect("the pool of the test is large enough");
        assert_eq!(block.append(bytes), bytes.len());
        block.frames = frames;
        block
    }
}

impl Codec for ToyFile {
    fn header_bytes(&self) -> usize {
        header_bytes(self.toy.container)
    }

    fn begin(&mut self, _: Mono, send: Outbox) {
        let header = self.toy.begin(&self.identity);
        if header.is_empty() {
            return;
        }
        send(ToStore::Data(self.lane, self.block(&header, 0)));
    }

    fn sound(&mut self, pcm: &[u8], _: Mono, send: Outbox) {
        let (bytes, frames) = self.toy.data(pcm);
        send(ToStore::Data(self.lane, self.block(&bytes, frames)));
    }

    fn end(mut self: Box<Self>, _: Mono, send: Outbox) {
        for (at, bytes) in self.toy.end() {
            send(ToStore::Patch(self.lane, at, self.block(&bytes, 0)));
        }
    }
}

fn toy_formats() -> Formats {
    Formats { mend: toy_mend, size_patches: toy_sizes, beside: false, software: "test".into() }
}

fn toy_sizes(header_bytes: u32, file_bytes: u64, frame_bytes: usize) -> [(u64, [u8; 4]); 2] {
    let data = (file_bytes - u64::from(header_bytes)) / (frame_bytes as u64) * frame_bytes as u64;
    let field = |n: u64| (n as u32).to_le_bytes();
    [(4, field(u64::from(header_bytes) + data - 8)), (u64::from(header_bytes) - 4, field(data))]
}

impl Toy {
    pub fn new(container: Container) -> Toy {
        Toy { container, frames: 0, bytes: 0 }
    }

    pub fn begin(&mut self, i: &Identity) -> Vec<u8> {
        (self.frames, self.bytes) = (0, header_bytes(self.container) as u64);
        match self.container {
            Container::Mp3 => return Vec::new(),
            Container::Ogg => return b"OggT\0\0\0\0".to_vec(),
            _ => {}
        }
        let magic = if self.container == Container::Wav { "RIFF\0\0\0\0" } else { "fLaC\0\0\0\0" };
        let mut header = magic.as_bytes().to_vec();
        let clock = i.clock.name();
        let text = format!("TOY1{}|{}|{}|{}|{}|{clock}|", i.source, i.session, i.first_frame, i.start.0, i.utc_offset_s);
        header.extend(text.as_bytes());
        assert!(header.len() <= HEADER - 4, "the toy header is too small for {text}");
        header.resize(HEADER - 4, b' ');
        header.extend([0; 4]);
        header
    }

    /// Bytes, and the frames whose last byte is in them.
    pub fn data(&mut self, pcm: &[u8]) -> (Vec<u8>, u32) {
        let frames = (pcm.len() / FRAME_BYTES) as u32;
        let bytes = match self.container {
            Container::Wav => pcm.to_vec(),
            _ => pcm
                .chunks(100 * FRAME_BYTES)
                .enumerate()
                .flat_map(|(n, part)| toy_frame(self.frames + n as u64 * 100, part))
                .collect(),
        };
        self.frames += u64::from(frames);
        self.bytes += bytes.len() as u64;
        (bytes, frames)
    }

    /// The header's last words.
    pub fn end(&mut self) -> Patches {
        match self.container {
            Container::Wav => toy_sizes(HEADER as u32, self.bytes, FRAME_BYTES).map(|(at, b)| (at, b.to_vec())).to_vec(),
            Container::Mp3 => Vec::new(),
            _ => vec![(4, (self.frames as u32).to_le_bytes().to_vec())],
        }
    }
}

/// "FR", frames, number of the first, samples, checksum of all that.
fn toy_frame(first: u64, pcm: &[u8]) -> Vec<u8> {
    let mut frame = b"FR".to_vec();
    frame.extend(((pcm.len() / FRAME_BYTES) as u16).to_le_bytes());
    frame.extend((first as u32).to_le_bytes());
    frame.extend(pcm);
    frame.extend(fnv(&frame).to_le_bytes());
    frame
}

pub fn fnv(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811C_9DC5, |hash, b| (hash ^ u32::from(*b)).wrapping_mul(0x0100_0193))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// (Identity, samples, bytes of whole frames, frames that are vouched for)
fn toy_parse(container: Container, bytes: &[u8]) -> Option<(Identity, Vec<u8>, u64, u64)> {
    if bytes.len() < HEADER || &bytes[..4] != if container == Container::Wav { b"RIFF" } else { b"fLaC" } {
        return None;
    }
    let text = std::str::from_utf8(&bytes[8..HEADER - 4]).ok()?.strip_prefix("TOY1")?;
    let f: Vec<&str> = text.split('|').collect();
    if f.len() != 7 {
        return None;
    }
    let identity = Identity {
        source: f[0].into(),
        session: f[1].into(),
        first_frame: f[2].parse().ok()?,
        start: Wall(f[3].parse().ok()?),
        utc_offset_s: f[4].parse().ok()?,
        clock: if f[5] == "synced" { ClockState::Synced } else { ClockState::Unsynced },
        format: format().into(),
    };
    let data = &bytes[HEADER..];
    if container == Container::Wav {
        let frames = data.len() / FRAME_BYTES;
        let sure = (u32_at(bytes, HEADER - 4) as usize / FRAME_BYTES).min(frames);
        return Some((identity, data[..frames * FRAME_BYTES].to_vec(), (HEADER + frames * FRAME_BYTES) as u64, sure as u64));
    }
    let (pcm, at) = toy_frames(data);
    let frames = (pcm.len() / FRAME_BYTES) as u64;
    Some((identity, pcm, (HEADER + at) as u64, frames))
}

/// Samples of the whole frames, and the bytes of these.
fn toy_frames(data: &[u8]) -> (Vec<u8>, usize) {
    let (mut pcm, mut at) = (Vec::new(), 0);
    while data.len() - at >= 12 && &data[at..at + 2] == b"FR" {
        let n = usize::from(u16::from_le_bytes([data[at + 2], data[at + 3]])) * FRAME_BYTES;
        let whole = data.len() - at >= n + 12 && fnv(&data[at..at + 8 + n]) == u32_at(data, at + 8 + n);
        if !whole || u32_at(data, at + 4) as usize != pcm.len() / FRAME_BYTES {
            break;
        }
        pcm.extend(&data[at + 8..at + 8 + n]);
        at += n + 12;
    }
    (pcm, at)
}

/// Of a stream: its frames, and the bytes to keep.
fn stream_parse(container: Container, bytes: &[u8]) -> (Vec<u8>, u64) {
    let header = header_bytes(container);
    let starts = bytes.len() >= header && bytes.starts_with(if header > 0 { b"OggT" } else { b"" });
    let (pcm, at) = toy_frames(if starts { &bytes[header..] } else { &[] });
    (pcm, (header + at) as u64)
}

fn is_stream(container: Container) -> bool {
    matches!(container, Container::Mp3 | Container::Ogg)
}

fn toy_mend(container: Container, file: &dyn ReadAt) -> io::Result<Mend> {
    let mut bytes = vec![0; file.len()? as usize];
    file.read_at(0, &mut bytes)?;
    if is_stream(container) {
        let (pcm, keep_bytes) = stream_parse(container, &bytes);
        let frames = (pcm.len() / FRAME_BYTES) as u64;
        let told = (4, (frames as u32).to_le_bytes().to_vec());
        let patches = if container == Container::Ogg { vec![told] } else { Vec::new() };
        let kept =
            Kept { keep_bytes, patches, frames, sure_frames: frames, identity: None, complete: false, sound_behind: false };
        return Ok(if frames == 0 { Mend::Empty } else { Mend::Keep(kept) });
    }
    if bytes.len() <= HEADER {
        return Ok(Mend::Empty);
    }
    let Some((identity, pcm, keep_bytes, sure_frames)) = toy_parse(container, &bytes) else {
        return Ok(Mend::Foreign("not a toy"));
    };
    let frames = (pcm.len() / FRAME_BYTES) as u64;
    if frames == 0 {
        return Ok(Mend::Empty);
    }
    let patches = match container {
        Container::Wav => toy_sizes(HEADER as u32, keep_bytes, FRAME_BYTES).map(|(at, b)| (at, b.to_vec())).to_vec(),
        _ => vec![(4, (frames as u32).to_le_bytes().to_vec())],
    };
    let complete = keep_bytes == bytes.len() as u64;
    Ok(Mend::Keep(Kept { keep_bytes, patches, frames, sure_frames, identity: Some(identity), complete, sound_behind: false }))
}

fn toy_read(container: Container, bytes: &[u8]) -> Option<ReadBack> {
    if is_stream(container) {
        let (pcm, keep) = stream_parse(container, bytes);
        let told = container == Container::Mp3 || u32_at(bytes, 4) as usize == pcm.len() / FRAME_BYTES;
        return (keep == bytes.len() as u64 && told).then(|| ((String::new(), String::new(), 0), format(), pcm));
    }
    let (identity, pcm, keep, sure) = toy_parse(container, bytes)?;
    let frames = (pcm.len() / FRAME_BYTES) as u64;
    let told = match container {
        Container::Wav => u64::from(u32_at(bytes, HEADER - 4)) / FRAME_BYTES as u64,
        _ => u64::from(u32_at(bytes, 4)),
    };
    (keep == bytes.len() as u64 && told == frames && sure == frames).then(|| {
        let key = (identity.source.to_string(), identity.session.to_string(), identity.first_frame);
        (key, format(), pcm)
    })
}
