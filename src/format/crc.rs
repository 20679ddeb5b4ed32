//! The two checksums of a FLAC frame (RFC 9639 sections 9.1.8 and 9.3), CRC-8 over its header and CRC-16 over all of it, and
//! that of an Ogg page (RFC 3533 section 6), CRC-32. All start at zero and take the most significant bit first, so a checksum
//! run over bytes and their checksum gives zero, and the checksum of a change is the change of the checksum. Beside them stands
//! the CRC-32 of Ethernet, zip and PNG (IEEE 802.3), which our own files end with: least significant bit first, complemented.

/// x^8 + x^2 + x + 1.
pub fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, &b| CRC8[usize::from(crc ^ b)])
}

/// x^16 + x^15 + x^2 + 1, continued from `crc` (0 at the start of a frame). Eight bytes a step: repair runs it over hours of
/// sound, and a table per byte position is several times as fast as one table.
pub fn crc16(mut crc: u16, bytes: &[u8]) -> u16 {
    let t = |k: usize, b: u8| CRC16[k][usize::from(b)];
    let mut eights = bytes.chunks_exact(8);
    for b in &mut eights {
        let [hi, lo] = crc.to_be_bytes();
        crc = t(7, b[0] ^ hi) ^ t(6, b[1] ^ lo) ^ t(5, b[2]) ^ t(4, b[3]) ^ t(3, b[4]) ^ t(2, b[5]) ^ t(1, b[6]) ^ t(0, b[7]);
    }
    eights.remainder().iter().fold(crc, |crc, &b| crc16_byte(crc, b))
}

pub fn crc16_byte(crc: u16, byte: u8) -> u16 {
    let [hi, lo] = crc.to_be_bytes();
    (u16::from(lo) << 8) ^ CRC16[0][usize::from(hi ^ byte)]
}

/// The polynomial of Ethernet, but not its reflection, start and complement; eight bytes a step as above.
pub fn crc32(mut crc: u32, bytes: &[u8]) -> u32 {
    let t = |k: usize, b: u8| CRC32[k][usize::from(b)];
    let mut eights = bytes.chunks_exact(8);
    for b in &mut eights {
        let [c0, c1, c2, c3] = crc.to_be_bytes();
        crc = t(7, b[0] ^ c0) ^ t(6, b[1] ^ c1) ^ t(5, b[2] ^ c2) ^ t(4, b[3] ^ c3);
        crc ^= t(3, b[4]) ^ t(2, b[5]) ^ t(1, b[6]) ^ t(0, b[7]);
    }
    eights.remainder().iter().fold(crc, |crc, &b| crc32_byte(crc, b))
}

fn crc32_byte(crc: u32, byte: u8) -> u32 {
    let [first, ..] = crc.to_be_bytes();
    (crc << 8) ^ CRC32[0][usize::from(first ^ byte)]
}

/// The CRC-32 of Ethernet, continued from `crc` (0 at the start).
pub fn crc32_ieee(crc: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(crc);
    hasher.update(bytes);
    hasher.finalize()
}

static CRC8: [u8; 256] = crc8_table();
/// Row k: the checksum of a byte with k zero bytes after it.
static CRC16: [[u16; 256]; 8] = crc16_tables();
static CRC32: [[u32; 256]; 8] = crc32_tables();

const fn crc8_table() -> [u8; 256] {
    let mut table = [0_u8; 256];
    let mut i = 0;
    while i < 256 {
        let mut crc = i as u8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x80 != 0 { (crc << 1) ^ 0x07 } else { crc << 1 };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
}

const fn crc16_tables() -> [[u16; 256]; 8] {
    let mut tables = [[0_u16; 256]; 8];
    let mut i = 0;
    while i < 256 {
        let mut crc = (i as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 != 0 { (crc << 1) ^ 0x8005 } else { crc << 1 };
            bit += 1;
        }
        tables[0][i] = crc;
        i += 1;
    }
    let mut k = 1;
    while k < 8 {
        let mut i = 0;
        while i < 256 {
            let before = tables[k - 1][i];
            tables[k][i] = (before << 8) ^ tables[0][(before >> 8) as usize];
            i += 1;
        }
        k += 1;
    }
    tables
}

const fn crc32_tables() -> [[u32; 256]; 8] {
    let mut tables = [[0_u32; 256]; 8];
    let mut i = 0;
    while i < 256 {
        let mut crc = (i as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000_0000 != 0 { (crc << 1) ^ 0x04C1_1DB7 } else { crc << 1 };
            bit += 1;
        }
        tables[0][i] = crc;
        i += 1;
    }
    let mut k = 1;
    while k < 8 {
        let mut i = 0;
        while i < 256 {
            let before = tables[k - 1][i];
            tables[k][i] = (before << 8) ^ tables[0][(before >> 24) as usize];
            i += 1;
        }
        k += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check values of CRC-8/SMBUS and CRC-16/UMTS in the usual catalogues: both over the nine digits.
    #[test]
    fn published_check_values() {
        assert_eq!(crc8(b"123456789"), 0xF4);
        assert_eq!(crc16(0, b"123456789"), 0xFEE8);
        // CRC-32/CKSUM without its complement and without the length that it appends, worked out bit by bit.
        assert_eq!(crc32(0, b"123456789"), 0x89A1_897F);
        // CRC-32/ISO-HDLC.
        assert_eq!((crc32_ieee(0, b"123456789"), crc32_ieee(0, b"")), (0xCBF4_3926, 0));
    }

    #[test]
    fn eight_at_a_time_is_the_same_as_one_by_one_from_anywhere() {
        let bytes: Vec<u8> = (0..1_000_u32).map(|i| ((i * i * 31) >> 3) as u8).collect();
        for from in 0..20 {
            for to in [from, from + 1, from + 7, from + 8, from + 9, 500, 1_000] {
                let slow = bytes[from..to].iter().fold(0xBEEF, |crc, &b| crc16_byte(crc, b));
                assert_eq!(crc16(0xBEEF, &bytes[from..to]), slow, "{from}..{to}");
                let slow = bytes[from..to].iter().fold(0xDEAD_BEEF, |crc, &b| crc32_byte(crc, b));
                assert_eq!(crc32(0xDEAD_BEEF, &bytes[from..to]), slow, "{from}..{to}");
                let slow = bytes[from..to].iter().fold(0, |crc, &b| crc32_ieee(crc, &[b]));
                assert_eq!(crc32_ieee(0, &bytes[from..to]), slow, "{from}..{to}");
            }
        }
    }
}
