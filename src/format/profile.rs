//! The `.profile` beside a recording: levels, detection cells and display columns, about 1.4 MB an hour. Little endian throughout.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | "SPPF" |
//! | u16 | version, 1: another one is computed anew |
//! | u16, u16 | detection bands (24), column bands (128) |
//! | u32, u64 | nominal rate in Hz, frames of the recording |
//! | f32 × 25, f32 × 129 | edges of both in Hz |
//! | i16 × windows | levels, hundredths of dBFS |
//! | u8 × windows × 24 | detection cells, v for −127.5 + v/2 dBFS |
//! | u8 × seconds × 128 | columns, the same |
//! | u32 | CRC-32 of all before it, as in zlib and PNG |
//!
//! Ten windows make a second, and a last second may be short: so the length alone tells how many windows there are.

use super::Flaw;
use crate::message::analysis::{COLUMN_BANDS, DETECTION_BANDS, Profile, WINDOWS_PER_SECOND};

const MAGIC: &[u8; 4] = b"SPPF";
const VERSION: u16 = 1;
/// Before the edges.
const FIXED_BYTES: usize = 4 + 3 * 2 + 4 + 8;
const HEAD_BYTES: usize = FIXED_BYTES + (DETECTION_BANDS + 1 + COLUMN_BANDS + 1) * 4;
const CRC_BYTES: usize = 4;
/// Of a window and of a second.
const WINDOW_BYTES: usize = 2 + DETECTION_BANDS;
const SECOND_BYTES: usize = WINDOWS_PER_SECOND as usize * WINDOW_BYTES + COLUMN_BANDS;

/// Larger files are not read: a week in one recording.
pub const LIMIT_BYTES: u64 = 7 * 86_400 * SECOND_BYTES as u64;

/// Levels that are converted at once.
const PIECE: usize = 512;

/// In pieces, in order. Cells that were not computed are written as silence.
pub fn write_to(profile: &Profile, out: &mut dyn FnMut(&[u8])) {
    let mut crc = crc32fast::Hasher::new();
    let mut put = |bytes: &[u8]| {
        crc.update(bytes);
        out(bytes);
    };
    put(&head(profile));
    for levels in profile.levels.chunks(PIECE) {
        let mut bytes = [0; PIECE * 2];
        for (pair, level) in bytes.chunks_exact_mut(2).zip(levels) {
            pair.copy_from_slice(&level.to_le_bytes());
        }
        put(&bytes[..levels.len() * 2]);
    }
    let windows = profile.levels.len();
    put_padded(&profile.detection, windows * DETECTION_BANDS, &mut put);
    put_padded(&profile.columns, windows.div_ceil(WINDOWS_PER_SECOND as usize) * COLUMN_BANDS, &mut put);
    out(&crc.finalize().to_le_bytes());
}

pub fn write(profile: &Profile) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD_BYTES + profile.levels.len().div_ceil(10) * SECOND_BYTES + CRC_BYTES);
    write_to(profile, &mut |piece| bytes.extend_from_slice(piece));
    bytes
}

fn head(profile: &Profile) -> Vec<u8> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    head.extend_from_slice(MAGIC);
    for n in [VERSION, DETECTION_BANDS as u16, COLUMN_BANDS as u16] {
        head.extend_from_slice(&n.to_le_bytes());
    }
    head.extend_from_slice(&profile.rate_hz.to_le_bytes());
    head.extend_from_slice(&profile.frames.to_le_bytes());
    for edge in profile.detection_edges.iter().chain(&profile.column_edges) {
        head.extend_from_slice(&edge.to_le_bytes());
    }
    head
}

fn put_padded(bytes: &[u8], want: usize, put: &mut dyn FnMut(&[u8])) {
    let there = &bytes[..bytes.len().min(want)];
    put(there);
    let mut missing = want - there.len();
    while missing > 0 {
        let now = missing.min(PIECE);
        put(&[0; PIECE][..now]);
        missing -= now;
    }
}

/// A whole profile, looked at where it lies.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub rate_hz: u32,
    pub frames: u64,
    edges: &'a [u8],
    levels: &'a [u8],
    /// Windows × [`DETECTION_BANDS`].
    pub detection: &'a [u8],
    /// Seconds × [`COLUMN_BANDS`].
    pub columns: &'a [u8],
}

impl<'a> View<'a> {
    /// Refuses what is torn, damaged or of another version.
    pub fn new(bytes: &'a [u8]) -> Result<View<'a>, Flaw> {
        let (head, rest) = bytes.split_at_checked(HEAD_BYTES).ok_or(Flaw::IllFormed("a profile that ends in its head"))?;
        let u16_at = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]); // all are within FIXED_BYTES
        if &head[..4] != MAGIC {
            return Err(Flaw::IllFormed("no profile"));
        }
        if (u16_at(4), u16_at(6), u16_at(8)) != (VERSION, DETECTION_BANDS as u16, COLUMN_BANDS as u16) {
            return Err(Flaw::Unsupported("a profile of another version"));
        }
        let windows = windows(rest.len()).ok_or(Flaw::IllFormed("a profile that is cut off"))?;
        let (body, crc) = bytes.split_at(bytes.len() - CRC_BYTES);
        if crc != crc32fast::hash(body).to_le_bytes() {
            return Err(Flaw::IllFormed("a profile whose checksum does not hold"));
        }
        let (levels, rest) = rest.split_at(windows * 2);
        let (detection, rest) = rest.split_at(windows * DETECTION_BANDS);
        Ok(View {
            rate_hz: u32::from_le_bytes([head[10], head[11], head[12], head[13]]),
            frames: u64::from_le_bytes(head[14..FIXED_BYTES].try_into().unwrap_or_default()), // eight bytes
            edges: &head[FIXED_BYTES..],
            levels,
            detection,
            columns: &rest[..rest.len() - CRC_BYTES],
        })
    }

    /// Hundredths of dBFS, one a window.
    pub fn levels(&self) -> impl ExactSizeIterator<Item = i16> + 'a {
        self.levels.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
    }

    fn edge(&self, n: usize) -> f32 {
        self.edges.get(n * 4..n * 4 + 4).map_or(0.0, |b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }

    pub fn detection_edges(&self) -> [f32; DETECTION_BANDS + 1] {
        std::array::from_fn(|n| self.edge(n))
    }

    pub fn column_edges(&self) -> [f32; COLUMN_BANDS + 1] {
        std::array::from_fn(|n| self.edge(DETECTION_BANDS + 1 + n))
    }
}

/// Windows of a profile with so many bytes behind its head.
fn windows(bytes: usize) -> Option<usize> {
    let body = bytes.checked_sub(CRC_BYTES)?;
    let (seconds, rest) = (body / SECOND_BYTES, body % SECOND_BYTES);
    let last = match rest.checked_sub(COLUMN_BANDS) {
        _ if rest == 0 => 0,
        Some(windows) if windows % WINDOW_BYTES == 0 && windows > 0 => windows / WINDOW_BYTES,
        _ => return None,
    };
    Some(seconds * WINDOWS_PER_SECOND as usize + last)
}

pub fn read(bytes: &[u8]) -> Result<Profile, Flaw> {
    let view = View::new(bytes)?;
    Ok(Profile {
        rate_hz: view.rate_hz,
        frames: view.frames,
        detection_edges: view.detection_edges(),
        column_edges: view.column_edges(),
        levels: view.levels().collect(),
        detection: view.detection.to_vec(),
        columns: view.columns.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(windows: usize) -> Profile {
        let seconds = windows.div_ceil(10);
        Profile {
            rate_hz: 48_000,
            frames: windows as u64 * 4_800,
            detection_edges: std::array::from_fn(|n| n as f32 * 100.5),
            column_edges: std::array::from_fn(|n| n as f32 * 7.25),
            levels: (0..windows).map(|n| -(n as i16 % 12_000)).collect(),
            detection: (0..windows * DETECTION_BANDS).map(|n| n as u8).collect(),
            columns: (0..seconds * COLUMN_BANDS).map(|n| (n * 3) as u8).collect(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for windows in [0, 1, 9, 10, 11, 599, 36_000] {
            let profile = profile(windows);
            assert_eq!(read(&write(&profile)).expect("whole"), profile, "{windows} windows");
        }
    }

    #[test]
    fn an_hour_has_its_size() {
        assert_eq!(write(&profile(36_000)).len(), 22 + 154 * 4 + 36_000 * 26 + 3_600 * 128 + 4);
    }

    #[test]
    fn cells_that_were_not_computed_are_silence() {
        let levels = Profile { detection: Vec::new(), columns: Vec::new(), ..profile(11) };
        let read = read(&write(&levels)).expect("whole");
        assert_eq!((read.levels, read.detection, read.columns), (levels.levels, vec![0; 264], vec![0; 256]));
    }

    #[test]
    fn no_damage_is_taken_for_a_profile() {
        let whole = write(&profile(25));
        for len in 0..whole.len() {
            assert!(View::new(&whole[..len]).is_err(), "cut to {len}");
        }
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            assert!(View::new(&bytes).is_err(), "byte {at}");
        }
        let mut newer = whole;
        newer[4] = 2;
        assert!(matches!(View::new(&newer), Err(Flaw::Unsupported(_))));
    }
}
