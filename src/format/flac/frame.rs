//! The header of a coded frame, bit by bit (RFC 9639 section 9.1).

use super::super::crc::crc8;

/// What a coded frame says before its subframes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// The coded number counts samples, not coded frames.
    pub variable: bool,
    /// Frames (samples of each channel) in it, 1 to 65 535.
    pub block_size: u32,
    /// `None`: as STREAMINFO says.
    pub rate_hz: Option<u32>,
    pub channels: u8,
    /// `None`: as STREAMINFO says.
    pub bits: Option<u8>,
    /// Number of the coded frame, or of its first sample when `variable`.
    pub number: u64,
    /// Length of the header itself, checksum included: 5 to 16.
    pub bytes: usize,
}

/// The answer to "does a frame header begin here?".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parse {
    Yes(FrameHeader),
    No,
    /// It may, but the bytes end too early to tell.
    More,
}

impl FrameHeader {
    pub const MAX_BYTES: usize = 16;

    pub fn parse(bytes: &[u8]) -> Parse {
        match parse(bytes) {
            Ok(Some(header)) => Parse::Yes(header),
            Ok(None) => Parse::No,
            Err(Ended) => Parse::More,
        }
    }
}

struct Ended;

fn parse(bytes: &[u8]) -> Result<Option<FrameHeader>, Ended> {
    let mut at = 0;
    // 15 bits of sync code, then the blocking strategy.
    if next(bytes, &mut at)? != 0xFF {
        return Ok(None);
    }
    let second = next(bytes, &mut at)?;
    if second & 0xFE != 0xF8 {
        return Ok(None);
    }
    let sizes = next(bytes, &mut at)?;
    let layout = next(bytes, &mut at)?;
    let (Some(channels), Some(bits)) = (channels(layout >> 4), bits(layout >> 1 & 7)) else { return Ok(None) };
    if layout & 1 != 0 {
        return Ok(None); // reserved
    }
    let variable = second & 1 == 1;
    let Some(number) = coded_number(bytes, &mut at, if variable { 7 } else { 6 })? else { return Ok(None) };
    let block_size = match sizes >> 4 {
        0 => return Ok(None), // reserved
        1 => 192,
        code @ 2..=5 => 144 << code,
        6 => u32::from(next(bytes, &mut at)?) + 1,
        7 => u32::from(next(bytes, &mut at)?) * 256 + u32::from(next(bytes, &mut at)?) + 1,
        code => 1 << code,
    };
    let rate_hz = match sizes & 15 {
        0 => None,
        12 => Some(u32::from(next(bytes, &mut at)?) * 1_000),
        13 => Some(u32::from(next(bytes, &mut at)?) * 256 + u32::from(next(bytes, &mut at)?)),
        14 => Some((u32::from(next(bytes, &mut at)?) * 256 + u32::from(next(bytes, &mut at)?)) * 10),
        15 => return Ok(None), // would look like a sync code
        code => Some(RATES[usize::from(code)]),
    };
    let checked = at;
    if crc8(&bytes[..checked]) != next(bytes, &mut at)? || block_size > 65_535 {
        return Ok(None);
    }
    Ok(Some(FrameHeader { variable, block_size, rate_hz, channels, bits, number, bytes: at }))
}

fn next(bytes: &[u8], at: &mut usize) -> Result<u8, Ended> {
    let byte = *bytes.get(*at).ok_or(Ended)?;
    *at += 1;
    Ok(byte)
}

/// Table of section 9.1.2; entries 0 and 12 to 15 are answered before.
const RATES: [u32; 12] = [0, 88_200, 176_400, 192_000, 8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000];

fn channels(code: u8) -> Option<u8> {
    match code {
        0..=7 => Some(code + 1),
        8..=10 => Some(2), // left-side, side-right, mid-side
        _ => None,
    }
}

/// The inner `None` is "as STREAMINFO says".
fn bits(code: u8) -> Option<Option<u8>> {
    match code {
        0 => Some(None),
        1 => Some(Some(8)),
        2 => Some(Some(12)),
        4 => Some(Some(16)),
        5 => Some(Some(20)),
        6 => Some(Some(24)),
        7 => Some(Some(32)),
        _ => None,
    }
}

/// UTF-8's scheme stretched to seven bytes, 36 bits (section 9.1.5). Longer forms than needed are refused, as in UTF-8.
fn coded_number(bytes: &[u8], at: &mut usize, max_bytes: u32) -> Result<Option<u64>, Ended> {
    let first = next(bytes, at)?;
    let length = first.leading_ones();
    if length == 0 {
        return Ok(Some(u64::from(first)));
    }
    if length == 1 || length > max_bytes {
        return Ok(None);
    }
    let mut number = u64::from(first) & (0x7F >> length);
    for _ in 1..length {
        let byte = next(bytes, at)?;
        if byte & 0xC0 != 0x80 {
            return Ok(None);
        }
        number = number << 6 | u64::from(byte & 0x3F);
    }
    let shortest = if length == 2 { 1 << 7 } else { 1 << (5 * length - 4) };
    Ok(if number < shortest { None } else { Some(number) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_crc(bytes: &[u8]) -> Vec<u8> {
        [bytes, &[crc8(bytes)]].concat()
    }

    fn check(bytes: &[u8], want: (bool, u32, Option<u32>, u8, Option<u8>, u64)) {
        let bytes = with_crc(bytes);
        let (variable, block_size, rate_hz, channels, bits, number) = want;
        let header = FrameHeader { variable, block_size, rate_hz, channels, bits, number, bytes: bytes.len() };
        assert_eq!(FrameHeader::parse(&bytes), Parse::Yes(header), "{bytes:02X?}");
        for cut in 0..bytes.len() {
            assert_eq!(FrameHeader::parse(&bytes[..cut]), Parse::More, "{bytes:02X?} cut at {cut}");
        }
        for at in 0..bytes.len() {
            let mut spoilt = bytes.clone();
            spoilt[at] ^= 0x04;
            assert!(!matches!(FrameHeader::parse(&spoilt), Parse::Yes(_)), "{spoilt:02X?}");
        }
    }

    /// The first is the first frame of RFC 9639 appendix D.1, its checksum included.
    #[test]
    fn headers() {
        assert_eq!(with_crc(&[0xFF, 0xF8, 0x69, 0x18, 0x00, 0x00])[6], 0xBF);
        check(&[0xFF, 0xF8, 0x69, 0x18, 0x00, 0x00], (false, 1, Some(44_100), 2, Some(16), 0));
        check(&[0xFF, 0xF8, 0xC9, 0xA8, 0x05], (false, 4_096, Some(44_100), 2, Some(16), 5));
        check(&[0xFF, 0xF8, 0x1A, 0x0C, 0xC2, 0x80], (false, 192, Some(48_000), 1, Some(24), 0x80));
        check(&[0xFF, 0xF8, 0x5C, 0x70, 0x00, 0xC0], (false, 4_608, Some(192_000), 8, None, 0));
        check(&[0xFF, 0xF8, 0x7D, 0x0A, 0x01, 0x12, 0x34, 0xAB, 0xCD], (false, 0x1235, Some(0xABCD), 1, Some(20), 1));
        check(
            &[0xFF, 0xF9, 0xFE, 0x02, 0xFE, 0x82, 0x90, 0x80, 0x80, 0x80, 0x80, 0x10, 0x00],
            (true, 32_768, Some(40_960), 1, Some(8), 0x9000_0000),
        );
        check(&[0xFF, 0xF8, 0x80, 0x08, 0xFD, 0xBF, 0xBF, 0xBF, 0xBF, 0xBF], (false, 256, None, 1, Some(16), 0x7FFF_FFFF));
    }

    #[test]
    fn reserved_codes_and_overlong_numbers_are_no_headers() {
        for bytes in [
            &[0xFF, 0xF8, 0x09, 0x08, 0x00][..],
            &[0xFF, 0xF8, 0xCF, 0x08, 0x00],
            &[0xFF, 0xF8, 0xC9, 0xB8, 0x00],
            &[0xFF, 0xF8, 0xC9, 0x06, 0x00],
            &[0xFF, 0xF8, 0xC9, 0x09, 0x00],
            &[0xFF, 0xFA, 0xC9, 0x08, 0x00],
            &[0xFF, 0xF8, 0xC9, 0x08, 0x80],
            &[0xFF, 0xF8, 0xC9, 0x08, 0xC1, 0xBF],
            &[0xFF, 0xF8, 0xC9, 0x08, 0xE0, 0x9F, 0xBF],
            &[0xFF, 0xF8, 0xC9, 0x08, 0xFE, 0x82, 0x80, 0x80, 0x80, 0x80, 0x80],
            &[0xFF, 0xF8, 0x79, 0x08, 0x00, 0xFF, 0xFF],
        ] {
            assert_eq!(FrameHeader::parse(&with_crc(bytes)), Parse::No, "{bytes:02X?}");
        }
    }
}
