//! MP3 and ADTS frames that say which they are: silence, with a line of text where the sound would be.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// MPEG-1, 48 kHz, mono, 32 kbit/s.
    Mp3,
    /// 48 kHz, mono.
    Adts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub codec: Codec,
    pub station: usize,
    pub connection: usize,
    pub frame: usize,
}

const BYTES: usize = 96;
/// Header and side information; no part of it reaches back.
const MP3_HEAD: usize = 4 + 17;
const ADTS_HEAD: usize = 7;

impl Codec {
    pub fn frames(self) -> u32 {
        match self {
            Codec::Mp3 => 1_152,
            Codec::Adts => 1_024,
        }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Codec::Mp3 => "audio/mpeg",
            Codec::Adts => "audio/aac",
        }
    }

    fn head(self) -> Vec<u8> {
        match self {
            Codec::Mp3 => [&[0xFF, 0xFB, 0x14, 0xC4][..], &[0; 17]].concat(),
            Codec::Adts => {
                let length = BYTES as u8; // in 13 bits
                vec![0xFF, 0xF1, 0x4C, 0x40, length >> 3, length << 5 | 0x1F, 0xFC]
            }
        }
    }
}

impl Mark {
    pub fn frame(self) -> Vec<u8> {
        let mut frame = self.codec.head();
        frame.extend(self.text().bytes());
        frame.resize(BYTES, b'.');
        frame
    }

    fn text(self) -> String {
        let text = format!("{:03}-{:05}-{:07}-", self.station, self.connection, self.frame);
        format!("{text}{:08x}", sum(text.as_bytes()))
    }
}

/// FNV-1a.
fn sum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811C_9DC5, |sum, &b| (sum ^ u32::from(b)).wrapping_mul(0x0100_0193))
}

/// A file that must be of whole frames only.
pub fn read(bytes: &[u8]) -> Result<Vec<Mark>, String> {
    let codec = if bytes.get(1) == Some(&0xFB) { Codec::Mp3 } else { Codec::Adts };
    let head = if codec == Codec::Mp3 { MP3_HEAD } else { ADTS_HEAD };
    let one = |(number, frame): (usize, &[u8])| {
        let text = String::from_utf8_lossy(frame.get(head..).unwrap_or_default());
        let mut parts = text.split('-').map(|part| part.parse().ok());
        let mut next = || parts.next().flatten();
        let mark = match (next(), next(), next()) {
            (Some(station), Some(connection), Some(frame)) => Some(Mark { codec, station, connection, frame }),
            _ => None,
        };
        mark.filter(|mark| mark.frame() == frame).ok_or(format!("frame {number} is not as it was sent: {text:?}"))
    };
    bytes.chunks(BYTES).enumerate().map(one).collect()
}
