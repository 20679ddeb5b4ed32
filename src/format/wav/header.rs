//! The bytes before the first sample, and the two sizes that follow the file as it grows.
//! EBU Tech 3285 (bext), the GUANO specification 1.0 (guan), Microsoft's WAVEFORMATEXTENSIBLE (fmt).

use super::super::Flaw;
use super::super::civil::Civil;
use super::super::metadata::{MAKE, SOFTWARE, Station, facts};
use super::fmt::{Fmt, le32};
use crate::message::{Depth, Format, Identity, PcmFormat};
use crate::time::{Rate, SECOND_NS};

/// A WAV of ours never grows past this: RIFF sizes have 32 bits, and some readers get unsure shortly before the end of them.
pub const MAX_BYTES: u64 = (1 << 32) - (1 << 20);

/// The whole header with both sizes 0, as a file begins that is still being recorded. Its length is a multiple of four: a size
/// that lay across the edge of a sector could be torn by a power cut into half an old and half a new one, and then vouch for
/// sound that never reached the disk.
pub fn header(identity: &Identity, station: &Station) -> Vec<u8> {
    let mut out = b"RIFF\0\0\0\0WAVE".to_vec();
    let (bext, mut guan) = (bext(identity), guan(identity, station));
    while (bext.len() + guan.len()) % 4 != 0 {
        guan.push(b'\n');
    }
    chunk(&mut out, b"bext", &bext);
    chunk(&mut out, b"guan", &guan);
    chunk(&mut out, b"fmt ", &fmt(identity.format));
    out.extend_from_slice(b"data\0\0\0\0");
    out
}

/// Of a WAV of 16 bits that is heard while it is made and has no end: both sizes are the largest that there are.
pub fn endless_header(rate: Rate, channels: u8) -> Vec<u8> {
    let mut out = b"RIFF\xFF\xFF\xFF\xFFWAVE".to_vec();
    chunk(&mut out, b"fmt ", &fmt(PcmFormat { rate, channels, depth: Depth::Sixteen }.into()));
    out.extend_from_slice(b"data\xFF\xFF\xFF\xFF");
    out
}

/// What such a stream begins with: its format, and the length of its header. `None`: more bytes are needed.
pub fn endless_format(start: &[u8]) -> Result<Option<(PcmFormat, usize)>, Flaw> {
    let not_ours = || Flaw::IllFormed("it does not begin like the WAV of a recorder");
    let Some(head) = start.get(..20) else { return Ok(None) };
    let fmt_bytes = usize::try_from(le32(&head[16..])).unwrap_or(usize::MAX);
    if !head.starts_with(b"RIFF") || &head[8..16] != b"WAVEfmt " || fmt_bytes > 40 {
        return Err(not_ours());
    }
    let data_at = 20 + fmt_bytes + 8;
    let Some(head) = start.get(..data_at) else { return Ok(None) };
    let fmt = Fmt::parse(&head[20..20 + fmt_bytes])?;
    let (rate, channels) = (Rate::new(fmt.rate_hz), u8::try_from(fmt.channels).ok().filter(|n| *n <= 8));
    match (rate, channels) {
        (Some(rate), Some(channels)) if fmt.container_bytes == 2 && &head[data_at - 8..data_at - 4] == b"data" => {
            Ok(Some((PcmFormat { rate, channels, depth: Depth::Sixteen }, data_at)))
        }
        _ => Err(not_ours()),
    }
}

/// Whole frames' bytes in a file of `file_bytes`, never more than a size field can say.
pub fn data_bytes_at(header_bytes: u32, file_bytes: u64, frame_bytes: usize) -> u32 {
    let data = file_bytes.min(MAX_BYTES).saturating_sub(u64::from(header_bytes));
    let frame_bytes = frame_bytes.max(1) as u64;
    (data / frame_bytes * frame_bytes) as u32 // below MAX_BYTES
}

/// 1 when the data is odd and a zero byte must follow it at close, which the data's size does not count.
pub fn pad_bytes(data_bytes: u32) -> u32 {
    data_bytes % 2
}

/// What RIFF and data sizes must be, and where, for a file that is `file_bytes` long: the pad byte belongs to the RIFF's.
pub fn size_patches(header_bytes: u32, file_bytes: u64, frame_bytes: usize) -> [(u64, [u8; 4]); 2] {
    let data = data_bytes_at(header_bytes, file_bytes, frame_bytes);
    let riff = header_bytes.saturating_sub(8).saturating_add(data).saturating_add(pad_bytes(data));
    [(4, riff.to_le_bytes()), (u64::from(header_bytes.saturating_sub(4)), data.to_le_bytes())]
}

fn chunk(out: &mut Vec<u8>, name: &[u8; 4], body: &[u8]) {
    debug_assert!(body.len() % 2 == 0, "an odd chunk would need a pad byte that some readers forget");
    out.extend_from_slice(name);
    out.extend_from_slice(&(body.len() as u32).to_le_bytes()); // a few kB
    out.extend_from_slice(body);
}

/// EBU Tech 3285 version 1: local time without a zone, which is why `guan` says it again with one.
pub(crate) fn bext(identity: &Identity) -> Vec<u8> {
    let local = Civil::at(identity.start, identity.utc_offset_s);
    let (h, m, s) = local.hour_minute_second();
    let rate = i128::from(identity.format.rate.hz());
    let since_midnight = ((i128::from(local.ns_of_day) * rate + i128::from(SECOND_NS / 2)) / i128::from(SECOND_NS)) as u64;
    let description = format!("{} {local}", identity.source);
    let mut out = Vec::with_capacity(700);
    field(&mut out, &description, 256);
    field(&mut out, SOFTWARE, 32); // Originator
    field(&mut out, &identity.session, 32); // OriginatorReference
    field(&mut out, &format!("{:04}-{:02}-{:02}", local.year, local.month, local.day), 10);
    field(&mut out, &format!("{h:02}:{m:02}:{s:02}"), 8);
    out.extend_from_slice(&since_midnight.to_le_bytes()); // TimeReferenceLow, TimeReferenceHigh
    out.extend_from_slice(&1_u16.to_le_bytes()); // Version
    out.extend_from_slice(&[0; 64 + 190]); // UMID: none; reserved
    out.extend_from_slice(coding_history(identity.format).as_bytes());
    if out.len() % 2 == 1 {
        out.push(0);
    }
    out
}

/// EBU R98: the last line describes this file.
fn coding_history(format: Format) -> String {
    let mode = match format.channels {
        1 => ",M=mono",
        2 => ",M=stereo",
        _ => "", // the recommendation has no word for more
    };
    format!("A=PCM,F={},W={}{mode},T={SOFTWARE}\r\n", format.rate.hz(), format.bits())
}

/// GUANO 1.0: UTF-8 lines, the version first.
fn guan(identity: &Identity, station: &Station) -> Vec<u8> {
    let mut text = format!(
        "GUANO|Version: 1.0\nMake: {MAKE}\nModel: recorder\nFirmware Version: {}\nSamplerate: {}\n",
        env!("CARGO_PKG_VERSION"),
        identity.format.rate.hz()
    );
    for fact in facts(identity, station) {
        text.push_str(&format!("{}: {}\n", fact.guano, fact.value));
    }
    text.into_bytes()
}

/// Plain WAVE_FORMAT_PCM for what every reader knows; extensible where the standard asks for it.
fn fmt(format: Format) -> Vec<u8> {
    let plain = format.channels <= 2 && format.bits() <= 16;
    let (tag, bits) = (if plain { 1_u16 } else { 0xFFFE }, u16::from(format.bits()));
    let frame_bytes = u32::from(format.channels) * u32::from(format.bits() / 8);
    let mut out = Vec::with_capacity(40);
    out.extend_from_slice(&tag.to_le_bytes());
    out.extend_from_slice(&u16::from(format.channels).to_le_bytes());
    out.extend_from_slice(&format.rate.hz().to_le_bytes());
    out.extend_from_slice(&(format.rate.hz() * frame_bytes).to_le_bytes()); // at most 768 000 * 24
    out.extend_from_slice(&(frame_bytes as u16).to_le_bytes());
    out.extend_from_slice(&bits.to_le_bytes());
    if !plain {
        out.extend_from_slice(&22_u16.to_le_bytes());
        out.extend_from_slice(&bits.to_le_bytes()); // all bits are valid
        out.extend_from_slice(&channel_mask(format.channels).to_le_bytes());
        out.extend_from_slice(&SUBTYPE_PCM);
    }
    out
}

/// KSDATAFORMAT_SUBTYPE_PCM; its first two bytes are the plain tag.
pub(super) const SUBTYPE_PCM: [u8; 16] = [1, 0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];

/// The speakers that FLAC gives to this number of channels (RFC 9639 section 9.1.3), so that both formats agree.
fn channel_mask(channels: u8) -> u32 {
    match channels {
        1 => 0x004,
        2 => 0x003,
        3 => 0x007,
        4 => 0x033,
        5 => 0x037,
        6 => 0x03F,
        7 => 0x70F,
        8 => 0x63F,
        _ => 0,
    }
}

/// A text field of fixed width in ASCII, which is all that bext allows, filled with zeros.
fn field(out: &mut Vec<u8>, text: &str, width: usize) {
    let ascii = text.chars().map(|c| if c.is_ascii() && !c.is_control() { c as u8 } else { b'?' });
    out.extend(ascii.chain(std::iter::repeat(0)).take(width));
}

#[cfg(test)]
mod tests {
    use super::super::super::metadata::tests::sample_identity;
    use super::*;
    use crate::message::Depth;

    fn sizes(header_bytes: u32, file_bytes: u64, frame_bytes: usize, riff: u32, data: u32) {
        let want = [(4, riff.to_le_bytes()), (u64::from(header_bytes) - 4, data.to_le_bytes())];
        assert_eq!(size_patches(header_bytes, file_bytes, frame_bytes), want, "{file_bytes} bytes of {frame_bytes}");
    }

    #[test]
    fn sizes_follow_the_file_in_whole_frames() {
        sizes(1_000, 1_000, 4, 992, 0);
        sizes(1_000, 1_003, 4, 992, 0);
        sizes(1_000, 1_404, 4, 1_396, 404);
        sizes(1_000, 1_407, 4, 1_396, 404);
        sizes(1_000, 1_010, 9, 992 + 9 + 1, 9);
        sizes(1_000, 999, 4, 992, 0);
        let top = (MAX_BYTES as u32 - 1_000) / 6 * 6;
        sizes(1_000, u64::MAX, 6, 992 + top, top);
    }

    #[test]
    fn an_endless_header_says_what_follows_it() {
        for (hz, channels) in [(8_000, 1), (48_000, 2), (384_000, 1), (44_100, 7)] {
            let rate = Rate::new(hz).expect("a rate");
            let header = endless_header(rate, channels);
            let format = PcmFormat { rate, channels, depth: Depth::Sixteen };
            assert_eq!(endless_format(&[&header, &[7; 9][..]].concat()).expect("ours"), Some((format, header.len())));
            for have in 0..header.len() {
                assert_eq!(endless_format(&header[..have]).expect("a part of ours"), None, "{have} bytes");
            }
        }
        let mut other = endless_header(Rate::new(48_000).expect("a rate"), 2);
        other[34] = 24;
        for start in [&other[..], b"HTTP/1.1 200 OK, and so on", &[0xFF; 60]] {
            assert!(endless_format(start).is_err(), "{start:?}");
        }
    }

    #[test]
    fn no_size_lies_across_a_sector() {
        for letters in 0..600 {
            for (channels, depth) in [(1, Depth::Sixteen), (2, Depth::Sixteen), (1, Depth::TwentyFour)] {
                let station = Station { name: Some("x".repeat(letters)), ..Station::default() };
                let bytes = header(&sample_identity(48_000, channels, depth), &station);
                assert!(bytes.len() % 4 == 0 && bytes.ends_with(b"data\0\0\0\0"), "{letters} letters: {}", bytes.len());
                for (at, size) in size_patches(bytes.len() as u32, 1 << 20, 4) {
                    assert_eq!(at / 512, (at + size.len() as u64 - 1) / 512, "{letters} letters");
                }
            }
        }
    }

    #[test]
    fn every_chunk_is_even_and_the_fields_are_where_the_standard_says() {
        for channels in 1..=8 {
            for depth in [Depth::Sixteen, Depth::TwentyFour] {
                let bytes = header(&sample_identity(48_000, channels, depth), &Station::default());
                assert_eq!(bytes.len() % 2, 0);
                assert!(bytes.ends_with(b"data\0\0\0\0"));
            }
        }
        let bytes = header(&sample_identity(48_000, 2, Depth::Sixteen), &Station::default());
        let bext = &bytes[20..];
        assert_eq!(&bext[256..274], format!("{SOFTWARE:\0<18}").as_bytes());
        assert_eq!(&bext[320..338], b"2024-12-2515:00:00");
        assert_eq!(bext[338..346], (15 * 3_600 * 48_000 + 12_000_u64).to_le_bytes());
        assert_eq!(bext[346..348], [1, 0]);
        assert!(bext[602..].starts_with(b"A=PCM,F=48000,W=16,M=stereo,T=soundpost"));
    }
}
