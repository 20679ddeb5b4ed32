//! A zip of files that are stored as they are (audio does not compress), written in one pass with its length known before.
//!
//! PKWARE's APPNOTE 6.3.10: a local header without checksum (bit 3), the bytes, a data descriptor, and at the end the directory
//! with what is known by then. Sizes and offsets beyond 32 bits use the zip64 records.

use super::gzip::Crc;
use crate::format::civil::Civil;
use crate::time::Wall;

/// A file to be put in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// With `/`.
    pub name: String,
    pub bytes: u64,
    pub modified: Wall,
    pub utc_offset_s: i32,
}

const LIMIT: u64 = 0xFFFF_FFFF;
/// Version 4.5: knows zip64.
const VERSION: u16 = 45;
/// The checksum follows the bytes; names are UTF-8.
const FLAGS: u16 = (1 << 3) | (1 << 11);

impl Entry {
    /// Whether its sizes have 64 bits; then the descriptor has, too.
    fn is_large(&self) -> bool {
        self.bytes >= LIMIT
    }

    fn local_bytes(&self) -> u64 {
        30 + self.name.len() as u64 + if self.is_large() { 20 } else { 0 }
    }

    fn descriptor_bytes(&self) -> u64 {
        if self.is_large() { 24 } else { 16 }
    }

    fn whole(&self) -> u64 {
        self.local_bytes() + self.bytes + self.descriptor_bytes()
    }

    /// MS-DOS time and date, local, from 1980 on.
    fn dos(&self) -> (u16, u16) {
        let civil = Civil::at(self.modified, self.utc_offset_s);
        let (h, m, s) = civil.hour_minute_second();
        let years = (civil.year - 1980).clamp(0, 127);
        let time = (h << 11) | (m << 5) | (s / 2);
        let date = (years << 9) | (i64::from(civil.month) << 5) | i64::from(civil.day);
        (time as u16, date as u16) // both have 16 bits by construction
    }

    fn local(&self) -> Vec<u8> {
        let size = if self.is_large() { LIMIT as u32 } else { 0 };
        let (time, date) = self.dos();
        let mut out = Vec::with_capacity(self.local_bytes() as usize);
        put32(&mut out, 0x0403_4B50);
        put16s(&mut out, &[VERSION, FLAGS, 0, time, date]);
        for field in [0, size, size] {
            put32(&mut out, field);
        }
        put16s(&mut out, &[self.name.len() as u16, if self.is_large() { 20 } else { 0 }]);
        out.extend_from_slice(self.name.as_bytes());
        if self.is_large() {
            put16s(&mut out, &[1, 16]);
            put64s(&mut out, &[0, 0]);
        }
        out
    }

    fn descriptor(&self, crc: u32) -> Vec<u8> {
        let mut out = Vec::with_capacity(24);
        put32(&mut out, 0x0807_4B50);
        put32(&mut out, crc);
        if self.is_large() {
            put64s(&mut out, &[self.bytes, self.bytes]);
        } else {
            put32(&mut out, self.bytes as u32);
            put32(&mut out, self.bytes as u32);
        }
        out
    }

    fn central(&self, crc: u32, offset: u64) -> Vec<u8> {
        let mut extra = Vec::new();
        if self.is_large() {
            put64s(&mut extra, &[self.bytes, self.bytes]);
        }
        if offset >= LIMIT {
            put64s(&mut extra, &[offset]);
        }
        let (time, date) = self.dos();
        let mut out = Vec::new();
        put32(&mut out, 0x0201_4B50);
        put16s(&mut out, &[(3 << 8) | VERSION, VERSION, FLAGS, 0, time, date]); // 3: Unix
        for field in [crc, self.bytes.min(LIMIT) as u32, self.bytes.min(LIMIT) as u32] {
            put32(&mut out, field);
        }
        let extra_bytes = if extra.is_empty() { 0 } else { 4 + extra.len() as u16 };
        put16s(&mut out, &[self.name.len() as u16, extra_bytes, 0, 0, 0]);
        put32(&mut out, 0o100_644 << 16);
        put32(&mut out, offset.min(LIMIT) as u32);
        out.extend_from_slice(self.name.as_bytes());
        if !extra.is_empty() {
            put16s(&mut out, &[1, extra.len() as u16]);
            out.extend_from_slice(&extra);
        }
        out
    }

    fn central_bytes(&self, offset: u64) -> u64 {
        let extra = if self.is_large() { 16 } else { 0 } + if offset >= LIMIT { 8 } else { 0 };
        46 + self.name.len() as u64 + if extra == 0 { 0 } else { 4 + extra }
    }
}

fn put16s(out: &mut Vec<u8>, fields: &[u16]) {
    fields.iter().for_each(|field| out.extend_from_slice(&field.to_le_bytes()));
}

fn put32(out: &mut Vec<u8>, field: u32) {
    out.extend_from_slice(&field.to_le_bytes());
}

fn put64s(out: &mut Vec<u8>, fields: &[u64]) {
    fields.iter().for_each(|field| out.extend_from_slice(&field.to_le_bytes()));
}

/// Writes one zip: [`step`](Zip::step) says what comes, [`took`](Zip::took) tells it the bytes of the files.
pub struct Zip {
    entries: Vec<Entry>,
    /// Entries whose descriptor is written.
    done: Vec<u32>,
    /// Of the entry that is being written.
    crc: Crc,
    left: u64,
    begun: bool,
    ended: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// These bytes.
    Text(Vec<u8>),
    /// So many bytes of the entry with this number; then call [`Zip::took`].
    File(usize, u64),
    End,
}

impl Zip {
    /// Names are shorter than 64 KiB: routes see to that; an entry with a longer one is left out.
    pub fn new(mut entries: Vec<Entry>) -> Zip {
        entries.retain(|entry| entry.name.len() <= usize::from(u16::MAX));
        Zip { entries, done: Vec::new(), crc: Crc::new(), left: 0, begun: false, ended: false }
    }

    /// Of the whole zip.
    pub fn bytes(&self) -> u64 {
        let directory = self.directory_at();
        let central: u64 = self.offsets().zip(&self.entries).map(|(offset, entry)| entry.central_bytes(offset)).sum();
        let zip64 = if self.needs_zip64(directory, central) { 56 + 20 } else { 0 };
        directory + central + zip64 + 22
    }

    fn offsets(&self) -> impl Iterator<Item = u64> + '_ {
        let add = |at: &mut u64, entry: &Entry| {
            let offset = *at;
            *at += entry.whole();
            Some(offset)
        };
        self.entries.iter().scan(0, add)
    }

    fn directory_at(&self) -> u64 {
        self.entries.iter().map(Entry::whole).sum()
    }

    fn needs_zip64(&self, directory: u64, central: u64) -> bool {
        directory >= LIMIT || central >= LIMIT || self.entries.len() >= 0xFFFF
    }

    pub fn step(&mut self) -> Step {
        let Some(entry) = self.entries.get(self.done.len()) else {
            return if std::mem::replace(&mut self.ended, true) { Step::End } else { Step::Text(self.directory()) };
        };
        if !std::mem::replace(&mut self.begun, true) {
            (self.crc, self.left) = (Crc::new(), entry.bytes);
            return Step::Text(entry.local());
        }
        if self.left > 0 {
            return Step::File(self.done.len(), self.left);
        }
        let text = entry.descriptor(self.crc.sum());
        self.done.push(self.crc.sum());
        self.begun = false;
        Step::Text(text)
    }

    /// The next bytes of the file that [`step`](Zip::step) named, as they were written.
    pub fn took(&mut self, bytes: &[u8]) {
        self.crc.update(bytes);
        self.left = self.left.saturating_sub(bytes.len() as u64);
    }

    fn directory(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for ((entry, crc), offset) in self.entries.iter().zip(&self.done).zip(self.offsets()) {
            out.extend_from_slice(&entry.central(*crc, offset));
        }
        let (at, bytes, count) = (self.directory_at(), out.len() as u64, self.entries.len() as u64);
        if self.needs_zip64(at, bytes) {
            put32(&mut out, 0x0606_4B50);
            put64s(&mut out, &[44]);
            put16s(&mut out, &[(3 << 8) | VERSION, VERSION]);
            put64s(&mut out, &[0, count, count, bytes, at]);
            put32(&mut out, 0x0706_4B50);
            put32(&mut out, 0);
            put64s(&mut out, &[at + bytes]);
            put32(&mut out, 1);
        }
        put32(&mut out, 0x0605_4B50);
        let count = count.min(0xFFFF) as u16;
        put16s(&mut out, &[0, 0, count, count]);
        put32(&mut out, bytes.min(LIMIT) as u32);
        put32(&mut out, at.min(LIMIT) as u32);
        put16s(&mut out, &[0]);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, bytes: u64) -> Entry {
        Entry { name: name.into(), bytes, modified: Wall(1_779_415_201_000_000_000), utc_offset_s: 7_200 }
    }

    /// The texts of a zip whose files are not really read.
    fn texts(entries: Vec<Entry>) -> (u64, Vec<u8>, u64) {
        let mut zip = Zip::new(entries);
        let (said, mut texts, mut files) = (zip.bytes(), Vec::new(), 0);
        loop {
            match zip.step() {
                Step::Text(text) => texts.extend(text),
                Step::File(_, bytes) => {
                    files += bytes;
                    zip.left = 0;
                }
                Step::End => return (said, texts, files),
            }
        }
    }

    #[test]
    fn its_length_is_known_before() {
        for entries in [
            vec![],
            vec![entry("a.wav", 0)],
            vec![entry("a.wav", 5), entry("x/ä.wav", LIMIT - 1)],
            vec![entry("a.wav", LIMIT), entry("b.wav", 7)],
            vec![entry("a.wav", LIMIT - 1), entry("b.wav", LIMIT + 1), entry("c.wav", 1)],
            (0..70_000).map(|n| entry(&n.to_string(), 1)).collect(),
        ] {
            let (said, texts, files) = texts(entries);
            assert_eq!(said, texts.len() as u64 + files);
        }
    }

    #[test]
    fn the_date_is_local() {
        // 2026-05-22 04:00:01 as MS-DOS writes it, to two seconds.
        assert_eq!(entry("a", 0).dos(), (4 << 11, (46 << 9) | (5 << 5) | 22));
    }
}
