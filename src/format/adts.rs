//! Headers of AAC frames in ADTS (ISO/IEC 13818-7, 6.2; 14496-3, 1.A.2).

/// A CRC comes on top of it.
pub const HEADER_BYTES: usize = 7;
/// What thirteen bits hold.
pub const MAX_FRAME_BYTES: usize = 8_191;

/// By sampling_frequency_index; 13 and 14 are reserved, and 15 announces a rate that ADTS has no place for.
const RATES: [u32; 13] = [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Main, LC, SSR, LTP from 0. HE-AAC calls itself LC here.
    pub profile: u8,
    /// Of the core: HE-AAC sounds at twice as much, which only its payload says.
    pub rate_hz: u32,
    /// 1 to 8; 0 when the payload says it.
    pub channels: u8,
    /// The whole frame.
    pub frame_bytes: usize,
    /// Frames (samples of each channel) in it: 1 024 in each of up to four blocks.
    pub frames: u32,
    mpeg_two: bool,
}

impl Header {
    pub fn parse(bytes: &[u8]) -> Option<Header> {
        let &[a, b, c, d, e, f, g] = bytes.first_chunk::<HEADER_BYTES>()?;
        // Twelve bits of sync, then MPEG-2 or 4, the layer, which is 0, and whether there is no CRC.
        if a != 0xFF || b & 0xF6 != 0xF0 {
            return None;
        }
        let rate_hz = *RATES.get(usize::from(c >> 2 & 15))?;
        let frame_bytes = usize::from(d & 3) << 11 | usize::from(e) << 3 | usize::from(f >> 5);
        let header_bytes = if b & 1 == 1 { HEADER_BYTES } else { HEADER_BYTES + 2 };
        if frame_bytes <= header_bytes {
            return None;
        }
        Some(Header {
            profile: c >> 6,
            rate_hz,
            channels: match (c & 1) << 2 | d >> 6 {
                7 => 8,
                channels => channels,
            },
            frame_bytes,
            frames: 1_024 * (u32::from(g & 3) + 1),
            mpeg_two: b & 8 != 0,
        })
    }

    /// Whether both belong to one stream.
    pub fn alike(&self, other: &Header) -> bool {
        let fixed = |h: &Header| (h.mpeg_two, h.profile, h.rate_hz, h.channels);
        fixed(self) == fixed(other)
    }
}

/// Where the payload of a frame begins: behind the header, and a checksum if there is one. Of several blocks in one frame
/// only the first can be told apart so; no encoder makes such frames.
pub fn payload_at(frame: &[u8]) -> usize {
    if frame.get(1).is_some_and(|b| b & 1 == 0) { HEADER_BYTES + 2 } else { HEADER_BYTES }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: [u8; 7], want: Option<(u8, u32, u8, usize, u32)>) {
        let got = Header::parse(&bytes);
        assert_eq!(got.map(|h| (h.profile, h.rate_hz, h.channels, h.frame_bytes, h.frames)), want, "{bytes:02X?}");
    }

    #[test]
    fn headers() {
        check([0xFF, 0xF1, 0x50, 0x80, 0x2E, 0x7F, 0xFC], Some((1, 44_100, 2, 371, 1_024)));
        check([0xFF, 0xF9, 0x4C, 0x40, 0x01, 0x1F, 0xFF], Some((1, 48_000, 1, 8, 4_096)));
        check([0xFF, 0xF1, 0x71, 0xC3, 0xFF, 0xFF, 0xFC], Some((1, 7_350, 8, 8_191, 1_024)));
        check([0xFF, 0xF0, 0x50, 0x00, 0x01, 0x5F, 0xFC], Some((1, 44_100, 0, 10, 1_024)));
        check([0xFF, 0xF0, 0x50, 0x00, 0x01, 0x3F, 0xFC], None); // no more than its header and CRC
        check([0xFF, 0xF1, 0x50, 0x80, 0x00, 0x1F, 0xFC], None);
        check([0xFF, 0xF1, 0x7C, 0x80, 0x2E, 0x7F, 0xFC], None); // a rate of its own
        check([0xFF, 0xF1, 0x74, 0x80, 0x2E, 0x7F, 0xFC], None);
        check([0xFF, 0xFB, 0x50, 0x80, 0x2E, 0x7F, 0xFC], None); // layer III
        check([0xFF, 0xE1, 0x50, 0x80, 0x2E, 0x7F, 0xFC], None);
    }
}
