//! The number of a coded frame (RFC 9639 section 9.1.5), which is all that it knows of those before it.

use super::super::crc::{crc8, crc16};
use super::super::flac::{FrameHeader, Parse};

/// By so many bytes a coded frame grows, at most.
pub const MORE_BYTES: usize = 6;

/// Appends a coded frame with another number; false if it is no coded frame.
pub fn put(coded: &[u8], number: u64, out: &mut Vec<u8>) -> bool {
    let Parse::Yes(header) = FrameHeader::parse(coded) else { return false };
    let old = coded.get(4).map_or(0, |first| (first.leading_ones() as usize).max(1));
    let (Some(front), Some(middle)) = (coded.get(..4), coded.get(4 + old..header.bytes - 1)) else { return false };
    let Some(body) = coded.get(header.bytes..coded.len().saturating_sub(2)) else { return false };
    let start = out.len();
    out.extend_from_slice(front);
    write(number, out);
    out.extend_from_slice(middle);
    out.push(crc8(out.get(start..).unwrap_or_default()));
    out.extend_from_slice(body);
    let crc = crc16(0, out.get(start..).unwrap_or_default());
    out.extend_from_slice(&crc.to_be_bytes());
    true
}

/// UTF-8's scheme, stretched to 36 bits.
fn write(number: u64, out: &mut Vec<u8>) {
    if number < 0x80 {
        out.push(number as u8);
        return;
    }
    // One more byte has room for five bits more.
    let more = (1..6).find(|more| number < 1 << (5 * more + 6)).unwrap_or(6_u32);
    let lead = (0xFF00_u32 >> (more + 1)) as u8;
    out.push(lead | (number >> (6 * more)) as u8);
    out.extend((0..more).rev().map(|n| 0x80 | (number >> (6 * n) & 0x3F) as u8));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_back() {
        let frame = |number: u64| {
            let mut bytes = vec![0xFF, 0xF8, 0xC9, 0x18];
            write(number, &mut bytes);
            bytes.push(crc8(&bytes));
            bytes.extend([1, 2, 3, 4]);
            let crc = crc16(0, &bytes);
            [bytes, crc.to_be_bytes().to_vec()].concat()
        };
        let edges = [0, 1, 0x7F, 0x80, 0x7FF, 0x800, 0xFFFF, 0x1_0000, 0x1F_FFFF, 0x20_0000, 0x3FF_FFFF, 0x400_0000, 0x7FFF_FFFF];
        for number in edges {
            let Parse::Yes(header) = FrameHeader::parse(&frame(number)) else { panic!("{number:#x}: {:x?}", frame(number)) };
            assert_eq!(header.number, number);
            for other in edges {
                let mut out = Vec::new();
                assert!(put(&frame(other), number, &mut out));
                assert_eq!(out, frame(number), "{other:#x} {number:#x}");
            }
        }
        assert!(!put(b"", 0, &mut Vec::new()) && !put(b"\xFF\xF8\xC9\x18\0", 0, &mut Vec::new()));
    }
}
