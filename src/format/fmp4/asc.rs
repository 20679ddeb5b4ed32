//! AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1), and the ADTS header that says the same (1.A.2).

use crate::format::Flaw;

const HEADER_BYTES: usize = 7;
/// The header's 13 bits.
const MAX_FRAME_BYTES: u32 = 8_191;

/// Table 1.18, as ADTS numbers them.
const RATES_HZ: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

/// What all ADTS headers of a track have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adts {
    /// Audio object type less one: 0 Main, 1 LC, 2 SSR, 3 LTP.
    pub profile: u8,
    /// Index into the table of sampling frequencies.
    pub rate: u8,
    /// 1 to 7.
    pub channels: u8,
}

impl Adts {
    /// HE-AAC that is signalled ahead of its core (object types 5 and 29) becomes its core with implicit signalling, which is
    /// how ADTS carries it: decoders find the rest in the access units.
    pub fn parse(config: &[u8]) -> Result<Adts, Flaw> {
        let mut bits = Bits { bytes: config, at: 0 };
        let mut object = bits.object_type()?;
        let rate = bits.rate()?;
        let channels = bits.take(4)?;
        if object == 5 || object == 29 {
            bits.rate()?;
            object = bits.object_type()?;
        }
        let profile = match object {
            1..=4 => object as u8 - 1,
            42 => return Err(Flaw::Unsupported("xHE-AAC, which does not fit into ADTS")),
            _ => return Err(Flaw::Unsupported("an AAC object type that does not fit into ADTS")),
        };
        if bits.take(1)? == 1 {
            return Err(Flaw::Unsupported("AAC with 960 samples a frame, which does not fit into ADTS"));
        }
        if !(1..=7).contains(&channels) {
            return Err(Flaw::Unsupported("AAC whose channels are not one of the seven usual sets"));
        }
        let rate = rate.ok_or(Flaw::Unsupported("AAC at a sample rate that ADTS cannot name"))?;
        Ok(Adts { profile, rate, channels: channels as u8 })
    }

    pub fn rate_hz(self) -> u32 {
        RATES_HZ.get(usize::from(self.rate)).copied().unwrap_or(0)
    }

    /// For an access unit of so many bytes: no checksum, one block, buffer fullness "variable rate".
    pub fn header(self, unit_bytes: u32) -> Result<[u8; HEADER_BYTES], Flaw> {
        let bytes = unit_bytes.saturating_add(HEADER_BYTES as u32);
        if bytes > MAX_FRAME_BYTES {
            return Err(Flaw::IllFormed("an AAC access unit of more than 8,184 bytes"));
        }
        Ok([
            0xFF,
            0xF1,
            self.profile << 6 | self.rate << 2 | self.channels >> 2,
            (self.channels & 3) << 6 | (bytes >> 11) as u8,
            (bytes >> 3) as u8,
            (bytes << 5) as u8 | 0x1F,
            0xFC,
        ])
    }
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    /// At most 24 bits.
    fn take(&mut self, count: usize) -> Result<u32, Flaw> {
        let mut value = 0;
        for _ in 0..count {
            let byte = self.bytes.get(self.at / 8).ok_or(Flaw::IllFormed("the AudioSpecificConfig is cut short"))?;
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Ok(value)
    }

    fn object_type(&mut self) -> Result<u32, Flaw> {
        match self.take(5)? {
            31 => Ok(32 + self.take(6)?),
            object => Ok(object),
        }
    }

    /// Its index; a frequency that is written out counts as the index it has.
    fn rate(&mut self) -> Result<Option<u8>, Flaw> {
        match self.take(4)? {
            15 => {
                let hz = self.take(24)?;
                Ok(RATES_HZ.iter().position(|&rate| rate == hz).map(|index| index as u8))
            }
            index => Ok(Some(index as u8).filter(|&index| usize::from(index) < RATES_HZ.len())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(config: &[u8], want: &str) {
        let found = match Adts::parse(config) {
            Ok(adts) => format!("profile {} {} Hz {} channels", adts.profile, adts.rate_hz(), adts.channels),
            Err(flaw) => flaw.to_string(),
        };
        assert_eq!(found, want, "{config:02X?}");
    }

    #[test]
    fn configurations() {
        check(&[0x12, 0x10], "profile 1 44100 Hz 2 channels");
        check(&[0x11, 0x88], "profile 1 48000 Hz 1 channels");
        check(&[0x2B, 0x11, 0x88, 0x00], "profile 1 24000 Hz 2 channels"); // HE-AAC, core at half the rate
        check(&[0x17, 0x80, 0x56, 0x22, 0x10], "profile 1 44100 Hz 2 channels"); // written out
        check(&[0x17, 0x80, 0x56, 0x23, 0x10], "not supported: AAC at a sample rate that ADTS cannot name");
        check(&[0xF9, 0x46, 0x00], "not supported: xHE-AAC, which does not fit into ADTS");
        check(&[0x12, 0x00], "not supported: AAC whose channels are not one of the seven usual sets");
        check(&[0x12, 0x14], "not supported: AAC with 960 samples a frame, which does not fit into ADTS");
        check(&[0x12], "damaged: the AudioSpecificConfig is cut short");
    }

    #[test]
    fn headers() {
        let adts = Adts { profile: 1, rate: 4, channels: 2 };
        assert_eq!(adts.header(371 - 7).ok(), Some([0xFF, 0xF1, 0x50, 0x80, 0x2E, 0x7F, 0xFC]));
        assert!(adts.header(8_184).is_ok() && adts.header(8_185).is_err() && adts.header(u32::MAX).is_err());
    }
}
