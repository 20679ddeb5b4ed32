//! What must be known of Vorbis to keep it as it comes: format and block sizes of its identification header, the modes of its
//! setup header, and from both how long a packet lasts (Vorbis I specification, sections 4.2 and 4.3).

/// The first header packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ident {
    pub channels: u8,
    pub rate_hz: u32,
    /// Of a short and of a long block: 64 to 8192, the first not above the second.
    pub block_sizes: [u16; 2],
}

impl Ident {
    pub fn parse(packet: &[u8]) -> Option<Ident> {
        let b: &[u8; 30] = packet.first_chunk()?;
        let (short, long) = (b[28] & 15, b[28] >> 4);
        let rate_hz = u32::from_le_bytes([b[12], b[13], b[14], b[15]]);
        let known = b.starts_with(b"\x01vorbis\0\0\0\0") && b[11] > 0 && rate_hz > 0 && 6 <= short && short <= long && long <= 13;
        (known && b[29] & 1 == 1).then_some(Ident { channels: b[11], rate_hz, block_sizes: [1 << short, 1 << long] })
    }
}

/// Whether this is the second header packet.
pub fn is_comment(packet: &[u8]) -> bool {
    packet.starts_with(b"\x03vorbis")
}

/// Which modes have long blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modes {
    /// Bit n: mode n.
    long: u64,
    /// 1 to 64.
    count: u32,
}

/// Flag of a long block, window type, transform type, number of the mapping.
const MODE_BITS: usize = 1 + 16 + 16 + 8;

impl Modes {
    /// The modes are the last thing in the setup header. They are read from its end: reading to them from its start would mean
    /// to read every codebook. Two of their fields are always zero and their number stands before them, so that a run of
    /// them is not easily mistaken; the longest that fits is taken.
    pub fn parse(packet: &[u8]) -> Option<Modes> {
        let setup = packet.strip_prefix(b"\x05vorbis")?;
        // The framing bit is the last that is set.
        let last = setup.iter().rposition(|&b| b != 0)?;
        let framing = last * 8 + 7 - setup[last].leading_zeros() as usize;
        let (mut found, mut long, mut end) = (None, 0_u64, framing);
        for count in 1..=64 {
            let Some(at) = end.checked_sub(MODE_BITS).filter(|&at| at >= 6) else { break };
            if bits(setup, at + 1, 32) != 0 || bits(setup, at + 33, 8) > 63 {
                break;
            }
            long = long << 1 | u64::from(bits(setup, at, 1));
            if bits(setup, at - 6, 6) + 1 == count {
                found = Some(Modes { long, count });
            }
            end = at;
        }
        found
    }

    /// Size of the block of the packet that begins with these bytes; `None` when it holds no sound.
    pub fn block_size(&self, ident: &Ident, packet: &[u8]) -> Option<u16> {
        let first = *packet.first()?;
        let mode_bits = u32::BITS - (self.count - 1).leading_zeros();
        let mode = u32::from(first >> 1) & ((1 << mode_bits) - 1);
        let sound = first & 1 == 0 && mode < self.count;
        sound.then_some(ident.block_sizes[(self.long >> mode & 1) as usize])
    }
}

/// Frames that come out when a block follows a block: their halves overlap (section 4.3.8).
pub fn frames_between(before: u16, block: u16) -> u32 {
    u32::from(before) / 4 + u32::from(block) / 4
}

/// `count` <= 32 bits, the first the lowest, all of them inside `bytes` (section 2.1.4).
fn bits(bytes: &[u8], at: usize, count: usize) -> u32 {
    let bit = |i: usize| bytes.get(i / 8).map_or(0, |b| u32::from(b >> (i % 8) & 1));
    (0..count).fold(0, |value, i| value | bit(at + i) << i)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENT: &[u8; 30] = b"\x01vorbis\0\0\0\0\x02\x44\xAC\0\0\0\0\0\0\0\xEE\x02\0\0\0\0\0\xB8\x01";

    /// A setup header whose codebooks are the byte 0xFF, with these modes.
    fn setup(modes: &[bool]) -> Vec<u8> {
        let mut bits: Vec<bool> = vec![true; 16];
        let mut put = |value: usize, count: usize| (0..count).for_each(|i| bits.push(value >> i & 1 == 1));
        put(modes.len() - 1, 6);
        for &long in modes {
            put(usize::from(long), 1);
            put(0, 32);
            put(usize::from(long), 8);
        }
        put(1, 1);
        let bytes = bits.chunks(8).map(|b| b.iter().rev().fold(0, |byte, &bit| byte << 1 | u8::from(bit)));
        b"\x05vorbis".iter().copied().chain(bytes).chain([0]).collect()
    }

    fn check(modes: &[bool], first_byte: u8, want: Option<u16>) {
        let ident = Ident::parse(IDENT).expect("right");
        let parsed = Modes::parse(&setup(modes)).unwrap_or_else(|| panic!("{modes:?}"));
        assert_eq!(parsed.count as usize, modes.len());
        assert_eq!(parsed.block_size(&ident, &[first_byte]), want, "{modes:?}, {first_byte:08b}");
    }

    #[test]
    fn the_mode_of_a_packet_tells_its_block() {
        check(&[false, true], 0b00, Some(256));
        check(&[false, true], 0b10, Some(2_048));
        check(&[false, true], 0b1111_1100, Some(256)); // the rest is other fields
        check(&[false, true], 0b01, None); // a header
        check(&[true], 0b1111_1110, Some(2_048)); // no bits for the mode
        check(&[false, true, true], 0b100, Some(2_048));
        check(&[false, true, true], 0b110, None); // there is no fourth
        check(&[true; 64], 0b111_1110, Some(2_048));
    }

    #[test]
    fn frames_are_a_quarter_of_both_blocks() {
        assert_eq!([frames_between(256, 256), frames_between(256, 2_048), frames_between(2_048, 2_048)], [128, 576, 1_024]);
    }

    #[test]
    fn what_is_no_header() {
        assert_eq!(Ident::parse(IDENT), Some(Ident { channels: 2, rate_hz: 44_100, block_sizes: [256, 2_048] }));
        for (at, byte) in [(0, 3), (7, 1), (11, 0), (13, 0), (28, 0xB5), (28, 0x8B), (28, 0xEB), (29, 0)] {
            let mut spoilt = *IDENT;
            spoilt[at] = byte;
            spoilt[12] = if at == 13 { 0 } else { spoilt[12] };
            assert_eq!(Ident::parse(&spoilt), None, "byte {at} = {byte}");
        }
        let whole = setup(&[false, true]);
        assert!((0..whole.len() - 4).all(|cut| Modes::parse(&whole[..cut]).is_none()));
        assert_eq!(Modes::parse(b"\x05vorbis\0\0\0"), None);
    }
}
