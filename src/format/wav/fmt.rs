//! The `fmt` chunk: WAVEFORMAT, WAVEFORMATEX and WAVEFORMATEXTENSIBLE as Microsoft describes them.

use super::super::Flaw;
use super::header::SUBTYPE_PCM;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleKind {
    Int,
    Float,
}

pub(super) struct Fmt {
    pub kind: SampleKind,
    pub channels: u16,
    pub rate_hz: u32,
    pub bits: u16,
    pub container_bytes: u16,
    pub extensible: bool,
}

impl Fmt {
    pub fn parse(body: &[u8]) -> Result<Fmt, Flaw> {
        if body.len() < 16 {
            return Err(Flaw::IllFormed("its format chunk is too short"));
        }
        let mut tag = le16(body);
        let (channels, rate_hz, align, mut bits) = (le16(&body[2..]), le32(&body[4..]), le16(&body[12..]), le16(&body[14..]));
        let extensible = tag == 0xFFFE;
        if channels == 0 || align == 0 || align % channels != 0 || rate_hz == 0 {
            return Err(Flaw::IllFormed("its format chunk contradicts itself"));
        }
        let container_bytes = align / channels;
        if extensible {
            if body.len() < 40 {
                return Err(Flaw::IllFormed("its format chunk is too short"));
            }
            if body[26..40] != SUBTYPE_PCM[2..] {
                return Err(Flaw::Unsupported("its samples are neither integers nor floats"));
            }
            tag = le16(&body[24..]);
            let valid = le16(&body[18..]);
            bits = if valid == 0 { bits } else { valid };
        }
        let kind = match tag {
            1 => SampleKind::Int,
            3 => SampleKind::Float,
            _ => return Err(Flaw::Unsupported("its samples are neither integers nor floats")),
        };
        if bits == 0 || u32::from(bits) > u32::from(container_bytes) * 8 {
            return Err(Flaw::IllFormed("its format chunk contradicts itself"));
        }
        Ok(Fmt { kind, channels, rate_hz, bits, container_bytes, extensible })
    }
}

fn le16(b: &[u8]) -> u16 {
    u16::from_le_bytes([b[0], b[1]])
}

pub(super) fn le32(b: &[u8]) -> u32 {
    u32::from_le_bytes([b[0], b[1], b[2], b[3]])
}
