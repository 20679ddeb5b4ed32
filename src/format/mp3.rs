//! Headers of MPEG-1, 2 and 2.5 audio, layer III (ISO/IEC 11172-3, 2.4.2.3; 13818-3, 2.4.2.3), and the little of a frame's
//! side information that tells what it needs of the frames before it.
//!
//! ```text
//! header 4 | CRC 2, if protected | side information | main data, or another frame's
//! ```
//! A frame's own main data begins up to 511 bytes before it: *main_data_begin* reaches back into the *bit reservoir*.

/// Bytes that main_data_begin can reach back: nine bits in MPEG-1, eight in the others.
pub const RESERVOIR_BYTES: usize = 511;
/// 320 kbit/s at 32 kHz, or 160 at 8 kHz, padded.
pub const MAX_FRAME_BYTES: usize = 1_441;
pub const HEADER_BYTES: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    One,
    Two,
    /// The unofficial extension to still lower rates.
    TwoAndAHalf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub version: Version,
    /// A CRC follows the header.
    pub protected: bool,
    pub kbit_s: u16,
    pub rate_hz: u32,
    pub padded: bool,
    /// 1 or 2.
    pub channels: u8,
    word: u32,
}

/// kbit/s by bit rate index; 0 is free format, which is refused: its length is not written.
const RATES_ONE: [u16; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const RATES_TWO: [u16; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];

const PRIVATE: u32 = 1 << 8;
const PADDING: u32 = 1 << 9;
const UNPROTECTED: u32 = 1 << 16;

impl Header {
    /// Of the frame that `bytes` begin with: `None` when they are too few, or no header of layer III.
    pub fn parse(bytes: &[u8]) -> Option<Header> {
        let word = u32::from_be_bytes(*bytes.first_chunk()?);
        let version = match word >> 19 & 3 {
            0 => Version::TwoAndAHalf,
            2 => Version::Two,
            3 => Version::One,
            _ => return None,
        };
        let layer_three = word >> 17 & 3 == 1;
        let emphasis = word & 3;
        if word >> 21 != 0x7FF || !layer_three || emphasis == 2 {
            return None;
        }
        let kbit_s = *version.bit_rates().get((word >> 12 & 15) as usize)?;
        let rate_hz = *[44_100, 48_000, 32_000].get((word >> 10 & 3) as usize)? >> version.halvings();
        if kbit_s == 0 {
            return None;
        }
        let channels = if word >> 6 & 3 == 3 { 1 } else { 2 };
        let (protected, padded) = (word & UNPROTECTED == 0, word & PADDING != 0);
        Some(Header { version, protected, kbit_s, rate_hz, padded, channels, word })
    }

    /// The whole frame: 24 to [`MAX_FRAME_BYTES`].
    pub fn frame_bytes(&self) -> usize {
        // 125 bytes a kbit/s and second; a frame lasts `frames` / rate seconds.
        (self.frames() * 125 * u32::from(self.kbit_s) / self.rate_hz) as usize + usize::from(self.padded)
    }

    /// Frames (samples of each channel) in it.
    pub fn frames(&self) -> u32 {
        if self.version == Version::One { 1_152 } else { 576 }
    }

    /// Whether both belong to one stream: bit rate, padding, joint stereo and CRC may change on the way.
    pub fn alike(&self, other: &Header) -> bool {
        (self.version, self.rate_hz, self.channels) == (other.version, other.rate_hz, other.channels)
    }

    fn side_bytes(&self) -> usize {
        match (self.version, self.channels) {
            (Version::One, 1) => 17,
            (Version::One, _) => 32,
            (_, 1) => 9,
            _ => 17,
        }
    }

    fn side_at(&self) -> usize {
        HEADER_BYTES + if self.protected { 2 } else { 0 }
    }

    /// Bytes that the frame needs of the main data before it. The smallest frames have no room for their side information:
    /// they are whole, and silent.
    pub fn main_data_begin(&self, frame: &[u8]) -> usize {
        match (frame.get(self.side_at()..), self.version) {
            (Some(&[high, low, ..]), Version::One) => usize::from(high) << 1 | usize::from(low >> 7),
            (Some(&[all, ..]), Version::Two | Version::TwoAndAHalf) => usize::from(all),
            _ => 0,
        }
    }

    /// The part of the frame that later frames can reach back into.
    pub fn main_data<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        frame.get(self.side_at() + self.side_bytes()..).unwrap_or(&[])
    }

    /// Xing's, LAME's or Fraunhofer's information about a whole file, in a frame without sound. Some writers forget the CRC.
    pub fn is_information(&self, frame: &[u8]) -> bool {
        let says = |at: usize, name: &[u8; 4]| frame.get(at..).is_some_and(|rest| rest.starts_with(name));
        let (plain, own) = (HEADER_BYTES + self.side_bytes(), self.side_at() + self.side_bytes());
        self.main_data_begin(frame) == 0
            && ([b"Xing", b"Info"].iter().any(|name| says(plain, name) || says(own, name)) || says(HEADER_BYTES + 32, b"VBRI"))
    }

    /// Where Xing's and LAME's information stands in such a frame.
    pub fn information_at(&self, frame: &[u8]) -> usize {
        let plain = HEADER_BYTES + self.side_bytes();
        let is_here = |name: &&[u8; 4]| frame.get(plain..).is_some_and(|rest| rest.starts_with(*name));
        if [b"Xing", b"Info"].iter().any(is_here) { plain } else { self.main_at() }
    }

    /// A silent frame for the same stream with at least `reservoir.len()` bytes of main data, the last of which are these.
    /// It keeps the bit rate where that has room, since players guess durations from it. Returns its bytes in `out`.
    pub fn made_up<'a>(&self, reservoir: &[u8], out: &'a mut [u8; MAX_FRAME_BYTES]) -> &'a [u8] {
        let own = self.word >> 12 & 15;
        // 1 to 14 are all bit rates there are, and the largest has room for any reservoir.
        let fitting = (own..=14).find_map(|index| {
            let word = (self.word & !(15 << 12 | PADDING)) | index << 12 | UNPROTECTED | PRIVATE;
            let header = Header::parse(&word.to_be_bytes())?;
            let fits = header.main_at() + reservoir.len() <= header.frame_bytes();
            fits.then_some(header)
        });
        let Some(header) = fitting else { return &[] };
        out.fill(0);
        let bytes = header.frame_bytes();
        let (head, tail) = (&header.word.to_be_bytes(), bytes - reservoir.len());
        out[..HEADER_BYTES].copy_from_slice(head);
        out[tail..bytes].copy_from_slice(reservoir); // fits, as just found
        &out[..bytes]
    }

    fn main_at(&self) -> usize {
        self.side_at() + self.side_bytes()
    }

    /// Whether [`Header::made_up`] wrote it. No encoder leaves the side information empty and sets the private bit.
    pub fn is_made_up(&self, frame: &[u8]) -> bool {
        let side = frame.get(self.side_at()..self.main_at());
        !self.protected && self.word & PRIVATE != 0 && side.is_some_and(|side| side.iter().all(|&b| b == 0))
    }
}

impl Version {
    fn bit_rates(self) -> &'static [u16; 15] {
        if self == Version::One { &RATES_ONE } else { &RATES_TWO }
    }

    fn halvings(self) -> u32 {
        match self {
            Version::One => 0,
            Version::Two => 1,
            Version::TwoAndAHalf => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(word: u32, want: Option<(u32, u16, u8, usize)>) {
        let got = Header::parse(&word.to_be_bytes());
        assert_eq!(got.map(|h| (h.rate_hz, h.kbit_s, h.channels, h.frame_bytes())), want, "{word:08X}");
    }

    #[test]
    fn headers() {
        check(0xFFFB_9000, Some((44_100, 128, 2, 417)));
        check(0xFFFB_9264, Some((44_100, 128, 2, 418)));
        check(0xFFFA_E4C0, Some((48_000, 320, 1, 960)));
        check(0xFFFB_EA00, Some((32_000, 320, 2, 1_441)));
        check(0xFFF3_80C4, Some((22_050, 64, 1, 208)));
        check(0xFFE3_40C4, Some((11_025, 32, 1, 208)));
        check(0xFFE3_1800, Some((8_000, 8, 2, 72)));
        check(0xFFFB_0000, None); // free format
        check(0xFFFB_F000, None);
        check(0xFFFB_9C00, None);
        check(0xFFFB_9002, None); // reserved emphasis
        check(0xFFEB_9000, None); // reserved version
        check(0xFFFD_9000, None); // layer II
        check(0xFFF9_9000, None); // ADTS
        check(0xFEFB_9000, None);
        assert_eq!(Header::parse(&[0xFF, 0xFB, 0x90]), None);
    }

    /// Every header, and every reservoir it can ask for.
    #[test]
    fn a_made_up_frame_always_has_room() {
        let reservoir: Vec<u8> = (1..=511_u32).map(|i| i as u8 | 1).collect();
        let mut count = 0;
        for low in 0..1_u32 << 20 {
            let Some(header) = Header::parse(&(0xFFE0_0000 | low << 1).to_be_bytes()) else { continue };
            assert!(header.frame_bytes() <= MAX_FRAME_BYTES);
            if low & 0x1F != 0 {
                continue;
            }
            let need = if header.version == Version::One { 511 } else { 255 };
            let mut room = [1; MAX_FRAME_BYTES];
            let frame = header.made_up(&reservoir[..need], &mut room);
            let made = Header::parse(frame).expect("a header");
            assert!(made.alike(&header) && made.is_made_up(frame) && made.frame_bytes() == frame.len());
            assert!(made.main_data(frame).ends_with(&reservoir[..need]) && made.main_data_begin(frame) == 0);
            count += 1;
        }
        assert!(count > 1_000);
    }

    #[test]
    fn information_frames() {
        for (word, at) in [(0xFFFB_9000_u32, 36), (0xFFFB_90C0, 21), (0xFFF3_8000, 21), (0xFFF3_80C0, 13)] {
            let mut frame = vec![0; 417];
            frame[..4].copy_from_slice(&word.to_be_bytes());
            let header = Header::parse(&frame).expect("a header");
            assert!(!header.is_information(&frame));
            frame[at..at + 4].copy_from_slice(b"Info");
            assert!(header.is_information(&frame));
            frame[4] = 0x40; // reaches back
            assert!(!header.is_information(&frame));
        }
    }
}
