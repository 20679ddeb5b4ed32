//! What must be known of Opus to keep it as it comes: its identification header (RFC 7845 section 5.1) and how long a packet
//! lasts (RFC 6716 section 3.1). Everything is counted at 48 kHz, whatever rate the sound had.

pub const RATE_HZ: u32 = 48_000;

/// 120 ms, the longest that a packet may last.
pub const MAX_FRAMES: u32 = 5_760;

/// 20 ms: of the packets that are made here.
pub const PACKET_FRAMES: usize = 960;
/// No packet is longer (RFC 6716 section 3.2.1 allows 1,275 bytes of a frame).
pub const MAX_PACKET_BYTES: usize = 1_277;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// 1 to 255.
    pub channels: u8,
    /// Frames that a decoder drops at the start.
    pub pre_skip: u16,
}

impl Head {
    /// Where the pre-skip stands in the packet, in two little endian bytes.
    pub const PRE_SKIP_AT: usize = 10;

    pub fn parse(packet: &[u8]) -> Option<Head> {
        let rest = packet.strip_prefix(b"OpusHead")?;
        let &[version, channels, skip0, skip1, _, _, _, _, _, _, family, ..] = rest else { return None };
        // The low four bits of the version may grow without harm.
        let known = version < 16 && channels > 0 && (family != 0 || channels <= 2);
        known.then_some(Head { channels, pre_skip: u16::from_le_bytes([skip0, skip1]) })
    }
}

/// How the channels of a stream are coded, for the decoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Of loudness, in 1/256 dB, applied to all that is decoded.
    pub gain: i16,
    /// Coded streams, and how many of them hold two channels.
    pub streams: u8,
    pub coupled: u8,
    /// For each channel of the sound, 1 to 8, the decoded channel that it takes; 255 is silence.
    pub mapping: heapless::Vec<u8, 8>,
}

impl Layout {
    /// Of the identification header (section 5.1.1). `None`: more channels than are known here, or it ends too early.
    pub fn parse(packet: &[u8]) -> Option<Layout> {
        let channels = Head::parse(packet)?.channels;
        let gain = i16::from_le_bytes([*packet.get(16)?, *packet.get(17)?]);
        if *packet.get(18)? == 0 {
            let mapping = (0..channels).collect();
            return (channels <= 2).then_some(Layout { gain, streams: 1, coupled: channels - 1, mapping });
        }
        let (&streams, &coupled) = (packet.get(19)?, packet.get(20)?);
        let mapping = heapless::Vec::from_slice(packet.get(21..21 + usize::from(channels))?).ok()?;
        Some(Layout { gain, streams, coupled, mapping })
    }
}

/// Whether this is the second and last header packet.
pub fn is_tags(packet: &[u8]) -> bool {
    packet.starts_with(b"OpusTags")
}

/// Frames of a packet that begins with these bytes (two are enough); `None` when it breaks the rules.
pub fn packet_frames(packet: &[u8]) -> Option<u32> {
    let toc = *packet.first()?;
    let each = match (toc >> 3, toc >> 3 & 3) {
        (0..=11, 3) => 2_880, // SILK: 10, 20, 40, 60 ms
        (0..=11, size) => 480 << size,
        (12..=15, size) => 480 << (size & 1), // hybrid: 10, 20 ms
        (_, size) => 120 << size,             // CELT: 2.5, 5, 10, 20 ms
    };
    let count = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1)? & 0x3F),
    };
    Some(each * count).filter(|&frames| frames > 0 && frames <= MAX_FRAMES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(packet: &[u8], want: Option<u32>) {
        assert_eq!(packet_frames(packet), want, "{packet:02X?}");
    }

    /// Table 2 and section 3.2 of RFC 6716.
    #[test]
    fn packets_last_as_long_as_their_first_bytes_say() {
        for (config, tenths_of_ms) in [
            (0, 100),
            (1, 200),
            (2, 400),
            (3, 600),
            (4, 100),
            (7, 600),
            (8, 100),
            (11, 600),
            (12, 100),
            (13, 200),
            (14, 100),
            (15, 200),
            (16, 25),
            (17, 50),
            (18, 100),
            (19, 200),
            (20, 25),
            (28, 25),
            (31, 200),
        ] {
            check(&[config << 3], Some(tenths_of_ms * 48 / 10));
        }
        check(&[31 << 3 | 4], Some(960)); // stereo
        check(&[31 << 3 | 1], Some(1_920));
        check(&[31 << 3 | 2, 9], Some(1_920));
        check(&[31 << 3 | 3, 0x80 | 0x40 | 6], Some(5_760));
        check(&[31 << 3 | 3, 7], None); // 140 ms
        check(&[31 << 3 | 3, 0x80], None);
        check(&[31 << 3 | 3], None);
        check(&[], None);
    }

    #[test]
    fn layouts() {
        let layout = |tail: &[u8]| Layout::parse(&[b"OpusHead\x01", tail].concat());
        let found = layout(b"\x02\0\0\0\0\0\0\0\x01\0").expect("stereo");
        assert_eq!((found.gain, found.streams, found.coupled, &found.mapping[..]), (256, 1, 1, &[0, 1][..]));
        let found = layout(b"\x03\0\0\0\0\0\0\0\xFF\x01\x02\x01\0\x02\x01").expect("three channels");
        assert_eq!((found.gain, found.streams, found.coupled, &found.mapping[..]), (-256, 2, 1, &[0, 2, 1][..]));
        assert_eq!(layout(b"\x03\0\0\0\0\0\0\0\0\x01\x02\x01\0\x02"), None);
        assert_eq!(layout(b"\x09\0\0\0\0\0\0\0\0\x01\x09\0\0\x01\x02\x03\x04\x05\x06\x07\x08"), None);
    }

    #[test]
    fn heads() {
        let head = b"OpusHead\x01\x02\x38\x01\x80\xBB\0\0\0\0\0";
        assert_eq!(Head::parse(head), Some(Head { channels: 2, pre_skip: 312 }));
        for (at, byte) in [(0, b'o'), (8, 16), (9, 0), (9, 3)] {
            let mut spoilt = head.to_vec();
            spoilt[at] = byte;
            assert_eq!(Head::parse(&spoilt), None, "byte {at} = {byte}");
        }
        for cut in 0..head.len() {
            assert_eq!(Head::parse(&head[..cut]), None);
        }
    }
}
