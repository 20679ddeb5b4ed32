//! Which framing the first bytes of a connection have, or what they are instead of sound.
//!
//! What names itself is believed at once. MP3 and ADTS do not: one header must lead to another of its kind, here or further
//! on, since many servers begin in the middle of a frame.

use super::super::flac::{FrameHeader, Parse, find_sync};
use super::super::{adts, mp3};
use super::Framing;
use super::sync::{Header, Tag, tag};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sniffed {
    /// More bytes are needed; never with [`ENOUGH_BYTES`].
    More,
    Is(Framing),
    /// One clause that says what it is instead: "it is a web page".
    NoAudio(&'static str),
}

pub const ENOUGH_BYTES: usize = 16 << 10;

/// The bytes decide; the content type (without parameters, any case) and what was configured only where they leave a doubt.
pub fn sniff(bytes: &[u8], content_type: Option<&str>, configured: Option<Framing>) -> Sniffed {
    let enough = bytes.len() >= ENOUGH_BYTES;
    let told = || content_type.and_then(of_content_type).or(configured);
    let rest = match tag(bytes) {
        Tag::Yes(tag_bytes) => match bytes.get(tag_bytes..) {
            Some(rest) if !rest.is_empty() => rest,
            // Pictures in tags are longer than what is worth waiting for; tags stand before MP3 nearly always.
            _ if enough => return Sniffed::Is(told().filter(|f| *f != Framing::Ogg).unwrap_or(Framing::Mp3)),
            _ => return Sniffed::More,
        },
        Tag::More if !enough => return Sniffed::More,
        Tag::More | Tag::No => bytes,
    };
    if let Some(sniffed) = named(rest).or_else(|| text(rest, enough)) {
        return sniffed;
    }
    if rest.len() < NAMES_BYTES && !enough {
        return Sniffed::More;
    }
    if let Some(framing) = framed(rest, enough) {
        return Sniffed::Is(framing);
    }
    if is_transport_stream(rest) {
        return Sniffed::NoAudio("it is MPEG-TS, which is only known inside HLS");
    }
    if !enough {
        return Sniffed::More;
    }
    match told() {
        Some(framing) if like(framing, rest) => Sniffed::Is(framing),
        _ if pair::<LayerTwo>(rest).is_some() => Sniffed::NoAudio("it is MPEG layer I or II, which is not known here"),
        _ => Sniffed::NoAudio("it is no format that is known here"),
    }
}

fn of_content_type(content_type: &str) -> Option<Framing> {
    let known = |&&(name, _): &&(&str, Framing)| name.eq_ignore_ascii_case(content_type.trim());
    CONTENT_TYPES.iter().find(known).map(|&(_, framing)| framing)
}

const CONTENT_TYPES: [(&str, Framing); 16] = [
    ("audio/mpeg", Framing::Mp3),
    ("audio/mp3", Framing::Mp3),
    ("audio/mpeg3", Framing::Mp3),
    ("audio/x-mpeg", Framing::Mp3),
    ("audio/aac", Framing::Adts),
    ("audio/aacp", Framing::Adts),
    ("audio/x-aac", Framing::Adts),
    ("audio/x-hx-aac-adts", Framing::Adts),
    ("audio/vnd.dlna.adts", Framing::Adts),
    ("application/ogg", Framing::Ogg),
    ("audio/ogg", Framing::Ogg),
    ("audio/opus", Framing::Ogg),
    ("audio/vorbis", Framing::Ogg),
    ("video/ogg", Framing::Ogg),
    ("audio/flac", Framing::Flac),
    ("audio/x-flac", Framing::Flac),
];

/// Bytes after which every name below can be told.
const NAMES_BYTES: usize = 16;

/// (offset, what stands there, what it means).
const NAMES: [(usize, &[u8], &str); 24] = [
    (8, b"WAVE", "it is a WAV file"),
    (8, b"WEBP", "it is an image"),
    (8, b"AVI ", "it is a video"),
    (4, b"ftyp", "it is MP4"),
    (4, b"styp", "it is MP4, which is only known inside HLS"),
    (4, b"moof", "it is MP4, which is only known inside HLS"),
    (0, b"\x1A\x45\xDF\xA3", "it is Matroska or WebM"),
    (0, b"FLV\x01", "it is Flash video"),
    (0, b"\x30\x26\xB2\x75\x8E\x66\xCF\x11", "it is Windows Media"),
    (0, b".RMF", "it is RealMedia"),
    (0, b"FORM", "it is an AIFF file"),
    (0, b"caff", "it is a CAF file"),
    (0, b".snd", "it is an AU file"),
    (0, b"MThd", "it is MIDI"),
    (0, b"wvpk", "it is WavPack"),
    (0, b"MAC ", "it is Monkey's Audio"),
    (0, b"\x89PNG", "it is an image"),
    (0, b"GIF8", "it is an image"),
    (0, b"\xFF\xD8\xFF", "it is an image"),
    (0, b"\0\0\x01\0\x01\0", "it is an image"),
    (0, b"%PDF", "it is a PDF"),
    (0, b"PK\x03\x04", "it is a ZIP archive"),
    (0, b"\x1F\x8B\x08", "it is compressed with gzip"),
    (0, b"\0\0\x01\xBA", "it is an MPEG programme stream"),
];

fn named(bytes: &[u8]) -> Option<Sniffed> {
    if bytes.starts_with(b"OggS") {
        return Some(Sniffed::Is(Framing::Ogg));
    }
    if bytes.starts_with(b"fLaC") {
        return Some(Sniffed::Is(Framing::Flac));
    }
    let there = |&&(at, name, _): &&(usize, &[u8], _)| bytes.get(at..).is_some_and(|rest| rest.starts_with(name));
    NAMES.iter().find(there).map(|&(_, _, what)| Sniffed::NoAudio(what))
}

/// Letters that are enough to call it text.
const TEXT_BYTES: usize = 16;
/// What a document is, it says within so many.
const PROLOGUE_BYTES: usize = 1_024;

/// `None` when it is no text, or too little to know.
fn text(bytes: &[u8], enough: bool) -> Option<Sniffed> {
    let shown = &bytes[..bytes.len().min(PROLOGUE_BYTES)];
    let text = match std::str::from_utf8(shown) {
        Ok(text) => text,
        // A letter may be cut by the end.
        Err(e) if e.error_len().is_none() => std::str::from_utf8(&shown[..e.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    if text.chars().any(|c| c.is_control() && !c.is_whitespace()) {
        return None;
    }
    let text = text.trim_start_matches('\u{FEFF}').trim_start().to_ascii_lowercase();
    let begins = |names: &[&str]| names.iter().any(|name| text.starts_with(name));
    let says = |names: &[&str]| names.iter().any(|name| text.contains(name));
    if begins(&["<!doctype html", "<html", "<head", "<body", "<script"]) {
        return Some(Sniffed::NoAudio(WEB_PAGE));
    }
    if begins(&["#extm3u", "[playlist]", "<asx"]) {
        return Some(Sniffed::NoAudio(PLAYLIST));
    }
    if text.len() < TEXT_BYTES && !enough {
        return None;
    }
    let done = enough || bytes.len() >= PROLOGUE_BYTES;
    let what = match text.as_bytes().first() {
        Some(b'<') if says(&["<playlist", "xspf.org"]) => PLAYLIST,
        Some(b'<') if says(&["<html", "<!doctype html", "<body", "<title"]) => WEB_PAGE,
        Some(b'<') if done || text.contains("</") => "it is XML",
        Some(b'<') => return Some(Sniffed::More),
        Some(b'{') => "it is JSON",
        Some(b'[') if text[1..].trim_start().starts_with(['{', '"', '[']) => "it is JSON",
        _ if begins(&["http://", "https://"]) || says(&["\n#extinf", "\nhttp://", "\nhttps://"]) => PLAYLIST,
        _ if done => "it is text",
        // Nothing but letters so far, and few of them: a frame may still begin among them.
        _ => return None,
    };
    Some(Sniffed::NoAudio(what))
}

const WEB_PAGE: &str = "it is a web page";
const PLAYLIST: &str = "it is a playlist";

/// MPEG-2 transport stream: packets of 188 bytes.
fn is_transport_stream(bytes: &[u8]) -> bool {
    [0, 188, 376].iter().all(|&at| bytes.get(at) == Some(&0x47))
}

/// What frames say that stand anywhere in it.
fn framed(bytes: &[u8], enough: bool) -> Option<Framing> {
    let found = [(pair::<mp3::Header>(bytes), Framing::Mp3), (pair::<adts::Header>(bytes), Framing::Adts)];
    let first = found.into_iter().filter_map(|(at, framing)| Some((at?, framing))).min_by_key(|&(at, _)| at);
    match first {
        Some((_, framing)) => Some(framing),
        None if enough && bytes.windows(6).any(|page| page.starts_with(b"OggS\0") && page[5] < 8) => Some(Framing::Ogg),
        None if enough && flac_pair(bytes) => Some(Framing::Flac),
        None => None,
    }
}

/// The first frame that another of its kind follows.
fn pair<H: Header>(bytes: &[u8]) -> Option<usize> {
    (0..bytes.len()).find(|&at| {
        let rest = &bytes[at..]; // at < bytes.len()
        let next = |header: H| H::parse(rest.get(header.frame_bytes()..)?).filter(|next| next.alike(&header));
        rest[0] == 0xFF && H::parse(rest).and_then(next).is_some()
    })
}

/// Two coded frames in their order.
fn flac_pair(bytes: &[u8]) -> bool {
    let (mut from, mut wanted) = (0, None);
    while let Some(at) = find_sync(bytes, from) {
        if let Parse::Yes(header) = FrameHeader::parse(&bytes[at..]) {
            if wanted == Some(header.number) {
                return true;
            }
            wanted = Some(super::super::flac::Stream::number_after(&header));
        }
        from = at + 1;
    }
    false
}

/// Whether a single header of this framing stands anywhere in it: too little to be sure, enough for one who was told.
fn like(framing: Framing, bytes: &[u8]) -> bool {
    let any = |begins: fn(&[u8]) -> bool| (0..bytes.len()).any(|at| begins(&bytes[at..]));
    match framing {
        Framing::Mp3 => any(|rest| mp3::Header::parse(rest).is_some()),
        Framing::Adts => any(|rest| adts::Header::parse(rest).is_some()),
        Framing::Ogg => any(|rest| rest.starts_with(b"OggS\0")),
        Framing::Flac => any(|rest| rest.starts_with(b"fLaC") || matches!(FrameHeader::parse(rest), Parse::Yes(_))),
    }
}

/// Enough of the layers that are not known here to call them by their name.
#[derive(Clone, Copy)]
struct LayerTwo(mp3::Header, usize);

impl Header for LayerTwo {
    const BYTES: usize = 4;
    const MAX_FRAME_BYTES: usize = 1_729;

    fn parse(bytes: &[u8]) -> Option<LayerTwo> {
        let &[sync, version, rates, mode] = bytes.first_chunk()?;
        if sync != 0xFF || version & 0xFE != 0xFC {
            return None;
        }
        // MPEG-1 alone, as broadcasters use it; the fields after the layer are those of layer III.
        let kbit_s = *LAYER_TWO_RATES.get(usize::from(rates >> 4))?;
        let alike = mp3::Header::parse(&[sync, 0xFB, 0x10 | rates & 0x0F, mode])?;
        let frame = (144_000 * kbit_s / alike.rate_hz) as usize + usize::from(alike.padded);
        (kbit_s > 0).then_some(LayerTwo(alike, frame))
    }

    fn frame_bytes(&self) -> usize {
        self.1
    }

    fn alike(&self, other: &LayerTwo) -> bool {
        self.0.alike(&other.0)
    }
}

const LAYER_TWO_RATES: [u32; 15] = [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], told: Option<&str>, want: Sniffed) {
        assert_eq!(sniff(bytes, told, None), want, "{}", String::from_utf8_lossy(&bytes[..bytes.len().min(40)]));
    }

    fn no(what: &'static str) -> Sniffed {
        Sniffed::NoAudio(what)
    }

    /// Frames of 417 bytes without sound.
    fn mp3_frames(count: usize) -> Vec<u8> {
        let mut frame = vec![0; 417];
        frame[..4].copy_from_slice(&[0xFF, 0xFB, 0x90, 0x00]);
        frame.repeat(count)
    }

    fn adts_frames(count: usize) -> Vec<u8> {
        let mut frame = vec![0; 371];
        frame[..7].copy_from_slice(&[0xFF, 0xF1, 0x50, 0x80, 0x2E, 0x7F, 0xFC]);
        frame.repeat(count)
    }

    #[test]
    fn what_names_itself() {
        check(b"OggS", None, Sniffed::Is(Framing::Ogg));
        check(b"fLaC", Some("audio/mpeg"), Sniffed::Is(Framing::Flac));
        check(b"RIFF\x24\0\0\0WAVEfmt ", Some("audio/mpeg"), no("it is a WAV file"));
        check(b"\0\0\0\x20ftypM4A \0\0\0\0", None, no("it is MP4"));
        check(b"\x1A\x45\xDF\xA3", None, no("it is Matroska or WebM"));
        check(b"\x89PNG\r\n\x1A\n", None, no("it is an image"));
        check(b"\xFF\xD8\xFF\xE0\0\x10JFIF", None, no("it is an image"));
        let mut ts = [0; 188];
        ts[0] = 0x47;
        check(&ts.repeat(3), None, no("it is MPEG-TS, which is only known inside HLS"));
    }

    #[test]
    fn text_of_every_kind() {
        check(b"<!DOCTYPE html>\n", Some("audio/mpeg"), no("it is a web page"));
        check(b"\xEF\xBB\xBF \r\n<HTML lang=de>", None, no("it is a web page"));
        check(b"<?xml version=\"1.0\"?><html xmlns=\"x\">", None, no("it is a web page"));
        check(b"<?xml version=\"1.0\"?><playlist version=\"1\">", None, no("it is a playlist"));
        check(b"<?xml version=\"1.0\"?><rss></rss>", None, no("it is XML"));
        check(b"<?xml version=\"1.0\"?>", None, Sniffed::More);
        check(b"#EXTM3U\n#EXT-X-VERSION:3\n", None, no("it is a playlist"));
        check(b"[playlist]\nFile1=x", None, no("it is a playlist"));
        check(b"http://127.0.0.1/a.mp3\n", None, no("it is a playlist"));
        check(b"{\"error\": \"no such mount\"}", None, no("it is JSON"));
        check(b"[{\"error\": \"no such mount\"}]", None, no("it is JSON"));
        check(&b"Mount point unavailable. ".repeat(50), Some("audio/mpeg"), no("it is text"));
    }

    #[test]
    fn frames_must_lead_to_frames() {
        check(&mp3_frames(2), Some("text/html"), Sniffed::Is(Framing::Mp3));
        check(&mp3_frames(1), Some("audio/mpeg"), Sniffed::More);
        check(&adts_frames(2), Some("audio/mpeg"), Sniffed::Is(Framing::Adts));
        check(&[&[0x55; 300][..], &mp3_frames(2)].concat(), None, Sniffed::Is(Framing::Mp3));
        check(&[&b"ID3\x04\0\0\0\0\x01\0"[..], &[0; 128], &adts_frames(2)].concat(), None, Sniffed::Is(Framing::Adts));
        let picture = [&b"ID3\x04\0\0\0\x7F\x01\0"[..], &[1; ENOUGH_BYTES]].concat();
        check(&picture, None, Sniffed::Is(Framing::Mp3));
        check(&picture, Some("audio/AAC"), Sniffed::Is(Framing::Adts));
        check(&picture[..1_000], None, Sniffed::More);
    }

    #[test]
    fn what_was_told_breaks_ties_only() {
        let nothing = vec![0x81; ENOUGH_BYTES];
        check(&nothing, Some("audio/mpeg"), no("it is no format that is known here"));
        check(&nothing[1..], Some("audio/mpeg"), Sniffed::More);
        let mut something = nothing.clone();
        something[9_000..9_004].copy_from_slice(&[0xFF, 0xFB, 0x90, 0x00]);
        check(&something, None, no("it is no format that is known here"));
        check(&something, Some("audio/mpeg"), Sniffed::Is(Framing::Mp3));
        check(&something, Some("audio/ogg"), no("it is no format that is known here"));
        assert_eq!(sniff(&something, None, Some(Framing::Mp3)), Sniffed::Is(Framing::Mp3));
    }
}
