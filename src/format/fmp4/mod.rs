//! Fragmented MP4 (ISO/IEC 14496-12, as RFC 8216, 3.3 has it): AAC access units with ADTS headers in front, or MPEG audio.
//!
//! Fed in pieces of any size: the header of the file (`moov`) and of each fragment (`moof`) are collected, the samples behind
//! them (`mdat`) stream through. What is collected grows with the bytes that really come and has a limit.
//!
//! ```text
//! moov ──► which track, AudioSpecificConfig ──► the ADTS header
//! moof ──► where each access unit stands, how long it is
//! mdat ──► ADTS header, access unit, ADTS header, access unit …
//! ```

pub mod asc;
mod boxes;
mod fragment;
mod init;

use super::Flaw;
use asc::Adts;
use fragment::Table;
use init::Track;

/// Of a `moov` or a `moof`; one minute of sound beside pictures has a tenth of it.
pub const MAX_COLLECTED_BYTES: usize = 256 << 10;

/// What the samples are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Aac(Adts),
    MpegAudio,
}

#[derive(Default)]
pub struct Demuxer {
    /// Of the next byte, in the resource that the fragments' offsets count in.
    position: u64,
    at: At,
    /// A box header, or the box that is collected.
    collected: Vec<u8>,
    /// Where the last `moof` began.
    moof_at: u64,
    track: Option<Track>,
    table: Table,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Header,
    Collect(Kind, usize),
    Skip(u64),
    Samples(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Moov,
    Moof,
}

impl Demuxer {
    /// A new resource begins, or a part of one at this offset; the track of the last `moov` still holds.
    pub fn begin(&mut self, position: u64) {
        self.position = position;
        self.at = At::Header;
        self.collected.clear();
        self.table.clear();
    }

    /// `None` before a `moov` was seen.
    pub fn coding(&self) -> Option<Coding> {
        self.track.map(|track| track.coding)
    }

    /// `sink` gets at most eight bytes for each that comes in: a header of seven in front of a unit of one.
    pub fn push(&mut self, mut bytes: &[u8], sink: &mut dyn FnMut(&[u8])) -> Result<(), Flaw> {
        while !bytes.is_empty() {
            let taken = match self.at {
                At::Header => self.header(bytes)?,
                At::Collect(kind, left) => self.collect(kind, left, bytes)?,
                At::Skip(left) => {
                    let n = within(bytes, left);
                    self.at = if n as u64 == left { At::Header } else { At::Skip(left - n as u64) };
                    n
                }
                At::Samples(left) => {
                    let n = within(bytes, left);
                    self.samples(bytes.get(..n).unwrap_or_default(), sink)?;
                    self.at = if n as u64 == left { At::Header } else { At::Samples(left - n as u64) };
                    n
                }
            };
            self.position = self.position.saturating_add(taken as u64);
            bytes = bytes.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// Section 4.2: 32 bits of length and four letters; a length of 1 stands for 64 bits behind them, 0 for "all the rest".
    fn header(&mut self, bytes: &[u8]) -> Result<usize, Flaw> {
        let wanted = if self.collected.starts_with(&[0, 0, 0, 1]) { 16 } else { 8 };
        let n = (wanted - self.collected.len()).min(bytes.len());
        self.collected.extend_from_slice(bytes.get(..n).unwrap_or_default());
        let (header, long) = match self.collected.as_slice() {
            [header @ .., _, _, _, _, _, _, _, _] if header.len() == 8 => (header, boxes::be64(&self.collected, 8)),
            header if header.len() == 8 && !header.starts_with(&[0, 0, 0, 1]) => (header, None),
            _ => return Ok(n),
        };
        let short = boxes::be32(header, 0).unwrap_or(0);
        let body = match (short, long) {
            (0, _) => u64::MAX,
            (_, Some(bytes)) => bytes.checked_sub(16).ok_or(TOO_SHORT)?,
            (bytes, None) => u64::from(bytes).checked_sub(8).ok_or(TOO_SHORT)?,
        };
        let mut name = [0; 4];
        name.copy_from_slice(header.get(4..8).unwrap_or(&[0; 4]));
        let box_at = self.position.saturating_add(n as u64).saturating_sub(self.collected.len() as u64);
        self.collected.clear();
        self.at = match &name {
            _ if body == 0 => At::Header,
            b"moov" => At::Collect(Kind::Moov, collectable(body)?),
            b"moof" => {
                self.moof_at = box_at;
                At::Collect(Kind::Moof, collectable(body)?)
            }
            b"mdat" => At::Samples(body),
            _ => At::Skip(body),
        };
        Ok(n)
    }

    fn collect(&mut self, kind: Kind, left: usize, bytes: &[u8]) -> Result<usize, Flaw> {
        let n = left.min(bytes.len());
        self.collected.extend_from_slice(bytes.get(..n).unwrap_or_default());
        if n < left {
            self.at = At::Collect(kind, left - n);
            return Ok(n);
        }
        self.at = At::Header;
        match (kind, &self.track) {
            (Kind::Moov, _) => self.track = Some(Track::parse(&self.collected)?),
            (Kind::Moof, Some(track)) => self.table.read(&self.collected, self.moof_at, track)?,
            (Kind::Moof, None) => return Err(Flaw::IllFormed("a fragment of MP4 before its header")),
        }
        self.collected.clear();
        Ok(n)
    }

    fn samples(&mut self, mut bytes: &[u8], sink: &mut dyn FnMut(&[u8])) -> Result<(), Flaw> {
        let Some(track) = self.track else { return Ok(()) };
        let mut position = self.position;
        while !bytes.is_empty() {
            let Some(unit) = self.table.unit(position)? else { return Ok(()) };
            let n = if unit.skip > 0 { within(bytes, unit.skip) } else { within(bytes, unit.left.into()) };
            let (now, after) = bytes.split_at(n);
            if unit.skip == 0 {
                if let (true, Coding::Aac(adts)) = (unit.starts, track.coding) {
                    sink(&adts.header(unit.left)?);
                }
                sink(now);
                self.table.pass(n as u32);
            }
            position = position.saturating_add(n as u64);
            bytes = after;
        }
        Ok(())
    }
}

const TOO_SHORT: Flaw = Flaw::IllFormed("an MP4 box is shorter than its header");

fn collectable(body: u64) -> Result<usize, Flaw> {
    let bytes = usize::try_from(body).ok().filter(|&bytes| bytes <= MAX_COLLECTED_BYTES);
    bytes.ok_or(Flaw::Unsupported("an MP4 header of more than 256 KiB"))
}

/// How many of `bytes` belong to what has `left`.
fn within(bytes: &[u8], left: u64) -> usize {
    usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()))
}

#[cfg(test)]
mod tests;
