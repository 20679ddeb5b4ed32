//! What HLS carries its sound in: transport streams, fragmented MP4, ID3 tags.

use soundpost::format::{Flaw, crc::crc32, fmp4 as mp4, id3 as tag, mpegts as ts};

use super::{Left, piece};

const TS_PACKET: usize = 188;

/// In pieces of any size the same comes out, and never more than went in. Once as it is, once with the tables' checksums made
/// right, because damaged tables hide everything behind them.
pub fn mpegts(bytes: &[u8]) -> Left {
    let of = |bytes: &[u8]| {
        let whole = demuxed_ts(bytes, usize::MAX);
        assert_eq!(demuxed_ts(bytes, piece(bytes)), whole, "in pieces of {}", piece(bytes));
        assert!(whole.0.len() <= bytes.len(), "more sound than bytes");
        !whole.0.is_empty()
    };
    let found = of(bytes);
    let forged = ts_with_right_checksums(bytes);
    Left::of(forged != bytes && of(&forged) || found)
}

type DemuxedTs = (Vec<u8>, Option<ts::Coding>, ts::Counts, Option<String>, Option<String>);

fn demuxed_ts(bytes: &[u8], piece: usize) -> DemuxedTs {
    let mut demuxer = ts::Demuxer::default();
    let mut out = Vec::new();
    let (end, ()) = pushed(bytes, piece, |bytes| demuxer.push(bytes, &mut |bytes| out.extend_from_slice(bytes)));
    let title = demuxer.take_title().map(|title| title.to_string());
    assert!(title.as_ref().is_none_or(|title| is_a_line(title)), "{title:?}");
    let found = (out, demuxer.coding(), demuxer.counts(), title, end);
    demuxer.restart();
    let _ = demuxer.push(bytes, &mut |_| {});
    found
}

/// Until the first flaw.
fn pushed(bytes: &[u8], piece: usize, mut push: impl FnMut(&[u8]) -> Result<(), Flaw>) -> (Option<String>, ()) {
    let size = piece.min(bytes.len()).max(1);
    (bytes.chunks(size).find_map(|piece| push(piece).err()).map(|flaw| flaw.to_string()), ())
}

/// Sections that begin and end in one packet, as all small tables do.
fn ts_with_right_checksums(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for packet in out.chunks_exact_mut(TS_PACKET).filter(|packet| packet[0] == 0x47 && packet[1] & 0x40 != 0) {
        let field = if packet[3] & 0x20 != 0 { 1 + usize::from(packet[4]) } else { 0 };
        let Some(pointer) = packet.get(4 + field).copied() else { continue };
        let at = 4 + field + 1 + usize::from(pointer);
        let Some(&[_, high, low]) = packet.get(at..).and_then(|rest| rest.first_chunk::<3>()) else { continue };
        let whole = 3 + (usize::from(high & 0x0F) << 8 | usize::from(low));
        let Some(section) = packet.get_mut(at..at + whole).filter(|section| section.len() > 4) else { continue };
        let (body, crc) = section.split_at_mut(whole - 4);
        crc.copy_from_slice(&crc32(u32::MAX, body).to_be_bytes());
    }
    out
}

/// In pieces of any size the same comes out, and no more than a header for every byte.
pub fn fmp4(bytes: &[u8]) -> Left {
    let whole = demuxed_mp4(bytes, usize::MAX);
    assert_eq!(demuxed_mp4(bytes, piece(bytes)), whole, "in pieces of {}", piece(bytes));
    assert!(whole.0.len() <= 8 * bytes.len(), "more sound than bytes and headers");
    // A part of a resource, taken up anywhere, with the track that is known.
    let mut demuxer = mp4::Demuxer::default();
    let _ = demuxer.push(bytes, &mut |_| {});
    demuxer.begin(u64::MAX - piece(bytes) as u64);
    let _ = demuxer.push(bytes, &mut |_| {});
    Left::of(!whole.0.is_empty())
}

fn demuxed_mp4(bytes: &[u8], piece: usize) -> (Vec<u8>, Option<mp4::Coding>, Option<String>) {
    let mut demuxer = mp4::Demuxer::default();
    let mut out = Vec::new();
    let (end, ()) = pushed(bytes, piece, |bytes| demuxer.push(bytes, &mut |bytes| out.extend_from_slice(bytes)));
    (out, demuxer.coding(), end)
}

/// The whole tag and every beginning of it.
pub fn id3(bytes: &[u8]) -> Left {
    let whole = tag::title(bytes);
    for cut in (0..bytes.len()).step_by(1 + bytes.len() / 64) {
        let _ = tag::tag_bytes(&bytes[..cut]);
        let _ = tag::title(&bytes[..cut]);
    }
    if let Some(title) = &whole {
        assert!(tag::tag_bytes(bytes).is_some() && !title.is_empty() && is_a_line(title), "{title:?}");
    }
    Left::of(whole.is_some())
}

fn is_a_line(text: &str) -> bool {
    !text.contains(char::is_control)
}
