//! The title in an ID3v2 tag (id3.org, versions 2.3 and 2.4): how HLS says what is playing.
//!
//! Only what stands in the bytes at hand is read; tags with pictures need not be whole.

use heapless::String;

/// A title that is longer is cut at a character.
pub const TITLE_BYTES: usize = 256;
pub type Title = String<TITLE_BYTES>;

const HEADER_BYTES: usize = 10;

/// The whole length of the tag that the bytes begin with, header and footer included; `None` when they begin with none.
/// Ten bytes are enough to tell.
pub fn tag_bytes(bytes: &[u8]) -> Option<usize> {
    let head = bytes.get(..HEADER_BYTES)?;
    let &[b'I', b'D', b'3', major, _, flags, a, b, c, d] = head else { return None };
    let footer = if major >= 4 && flags & 0x10 != 0 { HEADER_BYTES } else { 0 };
    Some(HEADER_BYTES + syncsafe([a, b, c, d])? as usize + footer)
}

/// TIT2, when it is there and not empty; with TPE1 before it: "artist - title".
pub fn title(tag: &[u8]) -> Option<Title> {
    let end = tag_bytes(tag)?.min(tag.len());
    let (&major, &flags) = (tag.get(3)?, tag.get(5)?);
    // Unsynchronised tags and extended headers are not met in streams.
    if !(3..=4).contains(&major) || flags & 0xC0 != 0 {
        return None;
    }
    let (mut artist, mut title) = (None, None);
    let mut rest = tag.get(HEADER_BYTES..end)?;
    while let Some((head, after)) = rest.split_first_chunk::<10>() {
        let &[i0, i1, i2, i3, a, b, c, d, _, form] = head;
        let bytes = if major == 4 { syncsafe([a, b, c, d])? } else { u32::from_be_bytes([a, b, c, d]) } as usize;
        let Some(body) = after.get(..bytes).filter(|_| i0 != 0) else { break };
        match &[i0, i1, i2, i3] {
            b"TIT2" if form == 0 => title = text(body),
            b"TPE1" if form == 0 => artist = text(body),
            _ => {}
        }
        rest = after.get(bytes..)?;
    }
    let title = title?;
    let Some(mut both) = artist else { return Some(title) };
    " - ".chars().chain(title.chars()).for_each(|c| push(&mut both, c));
    Some(both)
}

/// Section 4 of both versions: one byte says how the text is coded; it may end with a zero.
fn text(body: &[u8]) -> Option<Title> {
    let (&coding, bytes) = body.split_first()?;
    let mut out = Title::new();
    match coding {
        0 => bytes.iter().take_while(|&&b| b != 0).for_each(|&b| push(&mut out, char::from(b))),
        1 | 2 => {
            let little = coding == 1 && bytes.starts_with(&[0xFF, 0xFE]);
            let unit = |pair: &[u8]| match *pair {
                [a, b] if little => u16::from_le_bytes([a, b]),
                [a, b] => u16::from_be_bytes([a, b]),
                _ => 0,
            };
            let units = bytes.chunks_exact(2).map(unit).filter(|&u| u != 0xFEFF).take_while(|&u| u != 0);
            char::decode_utf16(units).for_each(|c| push(&mut out, c.unwrap_or(char::REPLACEMENT_CHARACTER)));
        }
        3 => {
            let bytes = bytes.split(|&b| b == 0).next().unwrap_or_default();
            for chunk in bytes.utf8_chunks() {
                chunk.valid().chars().for_each(|c| push(&mut out, c));
            }
        }
        _ => {}
    }
    (!out.is_empty()).then_some(out)
}

/// What does not fit is left out; control characters would break lines that hold a title.
fn push(out: &mut Title, c: char) {
    let _ = out.push(if c.is_control() { ' ' } else { c });
}

/// 28 bits, seven a byte (section 6.2).
fn syncsafe(bytes: [u8; 4]) -> Option<u32> {
    let plain = bytes.iter().all(|&b| b < 0x80);
    plain.then(|| bytes.iter().fold(0, |n, &b| n << 7 | u32::from(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(major: u8, frames: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (name, text) in frames {
            body.extend_from_slice(*name);
            body.extend_from_slice(&[0, 0, 0, text.len() as u8, 0, 0]);
            body.extend_from_slice(text);
        }
        [b"ID3", &[major, 0, 0, 0, 0, 0, body.len() as u8][..], &body].concat()
    }

    #[track_caller]
    fn check(tag: &[u8], want: Option<&str>) {
        assert_eq!(title(tag).as_deref(), want);
        (0..tag.len()).for_each(|cut| drop(title(&tag[..cut])));
    }

    #[test]
    fn titles() {
        check(&tag(4, &[(b"TIT2", b"\x03Fl\xC3\xB6te\0")]), Some("Flöte"));
        check(&tag(3, &[(b"TIT2", b"\x00Fl\xF6te")]), Some("Flöte"));
        check(&tag(3, &[(b"TIT2", b"\x01\xFF\xFEa\0b\0\0\0")]), Some("ab"));
        check(&tag(4, &[(b"TIT2", b"\x02\0a\0b")]), Some("ab"));
        check(&tag(4, &[(b"PRIV", b"owner\0data"), (b"TIT2", b"\x03Song"), (b"TPE1", b"\x03Band")]), Some("Band - Song"));
        check(&tag(4, &[(b"PRIV", b"owner\0data")]), None);
        check(&tag(4, &[(b"TIT2", b"\x03")]), None);
        check(b"no tag at all", None);
    }

    #[test]
    fn lengths() {
        assert_eq!(tag_bytes(b"ID3\x04\0\0\0\0\x01\x02"), Some(10 + 130));
        assert_eq!(tag_bytes(b"ID3\x04\0\x10\0\0\0\0"), Some(20));
        assert_eq!(tag_bytes(b"ID3\x04\0\0\xFF\0\0\0"), None);
        assert_eq!(tag_bytes(b"ID3\x04"), None);
    }
}
