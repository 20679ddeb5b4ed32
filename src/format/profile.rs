//! The profile beside a recording, `NAME.profile`: all that detection and drawing need of it. Little endian:
//!
//! ```text
//! "SPPF" | u16 version = 1 | u16 detection bands | u16 column bands | u32 rate in Hz | u64 frames
//! f32 edges in Hz of the detection bands, then of the column bands: one more than there are bands
//! i16 × windows: levels in hundredths of dBFS | u8 × windows × detection bands | u8 × seconds × column bands | u32 CRC-32
//! ```
//! Windows follow from frames and rate ([`windows`]), seconds are tenths of them, rounded up. The checksum is that of Ethernet,
//! of all bytes before it. A recording of which only levels are known has no bands, and no edges of them.

use super::Flaw;
use super::crc::crc32_ieee;
use crate::message::analysis::{COLUMN_BANDS, DETECTION_BANDS, Profile, WINDOWS_PER_SECOND};
use crate::message::window::windows;
use crate::time::Rate;

const MAGIC: &[u8; 4] = b"SPPF";
/// Another number means another layout: such a profile is computed anew.
pub const VERSION: u16 = 1;
/// Before the edges.
pub const HEAD_BYTES: usize = 22;
const CRC_BYTES: usize = 4;
/// Larger files are not read: a week of sound is 240 MB.
pub const LIMIT_BYTES: usize = 256 << 20;

type DetectionEdges = [f32; DETECTION_BANDS + 1];
type ColumnEdges = [f32; COLUMN_BANDS + 1];

/// Bytes of the whole file.
pub fn len(profile: &Profile) -> usize {
    let edges = if has_bands(profile) { 4 * (DETECTION_BANDS + 1 + COLUMN_BANDS + 1) } else { 0 };
    HEAD_BYTES + edges + profile.levels.len() * 2 + profile.detection.len() + profile.columns.len() + CRC_BYTES
}

pub fn write(profile: &Profile) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len(profile));
    write_to(profile, &mut |some| bytes.extend_from_slice(some));
    bytes
}

/// The same, piece by piece.
pub fn write_to(profile: &Profile, out: &mut dyn FnMut(&[u8])) {
    let mut crc = 0;
    let mut put = |bytes: &[u8]| {
        crc = crc32_ieee(crc, bytes);
        out(bytes);
    };
    put(MAGIC);
    let bands = if has_bands(profile) { [DETECTION_BANDS as u16, COLUMN_BANDS as u16] } else { [0, 0] };
    [VERSION, bands[0], bands[1]].iter().for_each(|n| put(&n.to_le_bytes()));
    put(&profile.rate_hz.to_le_bytes());
    put(&profile.frames.to_le_bytes());
    if has_bands(profile) {
        profile.detection_edges.iter().chain(&profile.column_edges).for_each(|hz| put(&hz.to_le_bytes()));
    }
    let mut piece = [0; 1_024];
    for levels in profile.levels.chunks(piece.len() / 2) {
        piece.chunks_exact_mut(2).zip(levels).for_each(|(bytes, level)| bytes.copy_from_slice(&level.to_le_bytes()));
        put(&piece[..levels.len() * 2]);
    }
    put(&profile.detection);
    put(&profile.columns);
    out(&crc.to_le_bytes());
}

fn has_bands(profile: &Profile) -> bool {
    // A file without a window still has its edges, unless nobody knew any.
    !profile.detection.is_empty() || profile.detection_edges[DETECTION_BANDS] > 0.0
}

/// A whole, intact profile.
pub fn read(bytes: &[u8]) -> Result<Profile, Flaw> {
    let view = View::parse(bytes)?;
    if !view.is_intact() {
        return Err(Flaw::IllFormed("the checksum of the profile"));
    }
    Ok(Profile {
        rate_hz: view.rate_hz,
        frames: view.frames,
        detection_edges: view.detection_edges,
        column_edges: view.column_edges,
        levels: view.levels(),
        detection: view.detection.to_vec(),
        columns: view.columns.to_vec(),
    })
}

/// A profile where it lies, without a copy of anything large.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub rate_hz: u32,
    pub frames: u64,
    pub detection_edges: DetectionEdges,
    pub column_edges: ColumnEdges,
    levels: &'a [u8],
    detection: &'a [u8],
    columns: &'a [u8],
    bytes: &'a [u8],
}

impl<'a> View<'a> {
    /// Whether what has levels has bands too.
    pub fn has_bands(&self) -> bool {
        self.levels.is_empty() || !self.detection.is_empty()
    }

    /// All but the checksum is looked at, so every list has the length that it should; nothing is allocated.
    pub fn parse(bytes: &'a [u8]) -> Result<View<'a>, Flaw> {
        if bytes.len() > LIMIT_BYTES {
            return Err(Flaw::Unsupported("a profile of more than 256 MiB"));
        }
        let mut rest = bytes;
        if take(&mut rest)? != *MAGIC {
            return Err(Flaw::IllFormed("no profile"));
        }
        if u16::from_le_bytes(take(&mut rest)?) != VERSION {
            return Err(Flaw::Unsupported("a profile of another version"));
        }
        let bands = [u16::from_le_bytes(take(&mut rest)?), u16::from_le_bytes(take(&mut rest)?)].map(usize::from);
        if bands != [DETECTION_BANDS, COLUMN_BANDS] && bands != [0, 0] {
            return Err(Flaw::Unsupported("a profile with other bands"));
        }
        let (rate_hz, frames) = (u32::from_le_bytes(take(&mut rest)?), u64::from_le_bytes(take(&mut rest)?));
        let rate = Rate::new(rate_hz).ok_or(Flaw::IllFormed("the rate of the profile"))?;
        let (mut detection_edges, mut column_edges) = ([0.0; DETECTION_BANDS + 1], [0.0; COLUMN_BANDS + 1]);
        if bands[0] > 0 {
            edges(&mut rest, &mut detection_edges)?;
            edges(&mut rest, &mut column_edges)?;
        }
        // More windows than bytes are no length at all.
        let windows = usize::try_from(windows(frames, rate.hz())).ok().filter(|&n| n <= bytes.len());
        let windows = windows.ok_or(Flaw::IllFormed("the length of the profile"))?;
        let levels = slice(&mut rest, windows * 2)?;
        let detection = slice(&mut rest, windows * bands[0])?;
        let columns = slice(&mut rest, windows.div_ceil(WINDOWS_PER_SECOND as usize) * bands[1])?;
        if rest.len() != CRC_BYTES {
            return Err(Flaw::IllFormed("the length of the profile"));
        }
        Ok(View { rate_hz, frames, detection_edges, column_edges, levels, detection, columns, bytes })
    }

    /// Whether it is as it was written. Costs a millisecond an hour: who has written it himself need not ask.
    pub fn is_intact(&self) -> bool {
        let (body, crc) = self.bytes.split_at(self.bytes.len() - CRC_BYTES);
        crc32_ieee(0, body).to_le_bytes() == crc
    }

    /// dBFS in hundredths, one a window.
    pub fn levels(&self) -> Vec<i16> {
        self.levels.chunks_exact(2).map(|bytes| i16::from_le_bytes([bytes[0], bytes[1]])).collect()
    }

    /// Windows × detection bands.
    pub fn detection(&self) -> &'a [u8] {
        self.detection
    }

    /// Seconds × column bands.
    pub fn columns(&self) -> &'a [u8] {
        self.columns
    }
}

fn slice<'a>(rest: &mut &'a [u8], len: usize) -> Result<&'a [u8], Flaw> {
    let (now, then) = rest.split_at_checked(len).ok_or(Flaw::IllFormed("the end of the profile"))?;
    *rest = then;
    Ok(now)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Flaw> {
    let mut bytes = [0; N];
    bytes.copy_from_slice(slice(rest, N)?);
    Ok(bytes)
}

/// Edges rise, from above zero.
fn edges(rest: &mut &[u8], edges: &mut [f32]) -> Result<(), Flaw> {
    let mut last = 0.0;
    for edge in edges {
        *edge = f32::from_le_bytes(take(rest)?);
        if !(edge.is_finite() && *edge > last) {
            return Err(Flaw::IllFormed("the bands of the profile"));
        }
        last = *edge;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many windows, all values different from their neighbours'.
    fn profile(windows: usize) -> Profile {
        Profile {
            rate_hz: 48_000,
            frames: windows as u64 * 4_800,
            detection_edges: std::array::from_fn(|i| 100.0 + i as f32),
            column_edges: std::array::from_fn(|i| 20.0 + i as f32),
            levels: (0..windows).map(|k| -((k * 37 % 12_001) as i16)).collect(),
            detection: (0..windows * DETECTION_BANDS).map(|i| (i * 7) as u8).collect(),
            columns: (0..windows.div_ceil(10) * COLUMN_BANDS).map(|i| (i * 11) as u8).collect(),
        }
    }

    fn only_levels(windows: usize) -> Profile {
        let none = Profile { detection_edges: [0.0; 25], column_edges: [0.0; 129], ..profile(windows) };
        Profile { detection: Vec::new(), columns: Vec::new(), ..none }
    }

    #[test]
    fn what_is_written_is_read() {
        for windows in [0, 1, 9, 10, 11, 1_234] {
            for profile in [profile(windows), only_levels(windows)] {
                let bytes = write(&profile);
                assert_eq!(bytes.len(), len(&profile));
                assert_eq!(read(&bytes).expect("whole"), profile);
                let view = View::parse(&bytes).expect("whole");
                assert_eq!(
                    (view.levels(), view.detection(), view.columns()),
                    (profile.levels, &*profile.detection, &*profile.columns)
                );
            }
        }
    }

    #[test]
    fn the_layout_is_the_one_above() {
        let bytes = write(&profile(1));
        assert_eq!(bytes[..HEAD_BYTES], *b"SPPF\x01\0\x18\0\x80\0\x80\xBB\0\0\xC0\x12\0\0\0\0\0\0");
        assert_eq!(bytes[HEAD_BYTES..][..8], [100_f32.to_le_bytes(), 101_f32.to_le_bytes()].concat());
        assert_eq!(bytes.len(), 22 + 25 * 4 + 129 * 4 + 2 + 24 + 128 + 4);
        let hour = len(&profile(36_000));
        assert_eq!(hour, 22 + 616 + 36_000 * 26 + 3_600 * 128 + 4);
        assert!((1_390_000..1_410_000).contains(&hour), "1.4 MB");
    }

    /// Written by another program, from the definition above.
    #[test]
    fn what_others_write_is_read_and_written_alike() {
        let check = |bytes: &[u8], windows: usize, seconds: usize| {
            let profile = read(bytes).expect("whole");
            let found = (profile.levels.len(), profile.detection.len(), profile.columns.len());
            assert_eq!(found, (windows, windows * DETECTION_BANDS * seconds.min(1), seconds * COLUMN_BANDS));
            assert_eq!(write(&profile), bytes);
        };
        check(include_bytes!("../../tests/data/profile/calls.profile"), 70, 7);
        check(include_bytes!("../../tests/data/profile/only_levels.profile"), 320, 0);
        check(include_bytes!("../../tests/data/profile/empty.profile"), 0, 0);
        check(include_bytes!("../../tests/data/profile/uneven_rate.profile"), 21, 3);
    }

    #[test]
    fn every_damage_is_seen() {
        let good = write(&profile(12));
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            assert!(read(&bad).is_err(), "byte {at}");
            assert!(read(&good[..at]).is_err(), "{at} bytes only");
        }
        assert!(read(&[&good[..], &[0]].concat()).is_err(), "a byte more");
    }

    #[test]
    fn claims_are_not_believed() {
        let good = write(&profile(12));
        let with = |at: usize, bytes: &[u8]| {
            let mut bad = good.clone();
            bad[at..at + bytes.len()].copy_from_slice(bytes);
            View::parse(&bad).map(|_| ()).map_err(|flaw| flaw.to_string())
        };
        let check = |at, bytes: &[u8], why: &str| assert_eq!(with(at, bytes), Err(why.to_owned()), "{bytes:?} at {at}");
        check(0, b"RIFF", "damaged: no profile");
        check(4, &[2, 0], "not supported: a profile of another version");
        check(6, &[25], "not supported: a profile with other bands");
        check(10, &[0; 4], "damaged: the rate of the profile");
        check(10, &[0xFF; 4], "damaged: the rate of the profile");
        check(14, &[0xFF; 8], "damaged: the length of the profile");
        check(14, &[0xFF, 0xFF, 0, 0], "damaged: the end of the profile");
        check(14, &[0; 8], "damaged: the length of the profile");
        check(22, &f32::NAN.to_le_bytes(), "damaged: the bands of the profile");
        check(26, &100_f32.to_le_bytes(), "damaged: the bands of the profile");
    }
}
