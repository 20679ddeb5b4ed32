//! HLS playlists (RFC 8216): what segments there are, and which of several variants carries the sound.
//!
//! Forgiving where players are: line ends, byte order marks, unknown tags, missing durations. URIs stay text; whoever fetches
//! them resolves them. Which segment is fetched next is decided elsewhere ([`crate::policy`]), what is in it by
//! [`mpegts`](super::mpegts) and [`fmp4`](super::fmp4).

pub mod attributes;
pub mod master;
pub mod media;

use super::Flaw;
pub use master::Master;
pub use media::{ByteRange, Kind, Map, Media, Segment};

/// One playlist file; borrows the text.
#[derive(Debug)]
pub enum Playlist<'a> {
    Master(Master<'a>),
    Media(Media<'a>),
}

/// Whether the text is an HLS playlist and no plain list of stations, which may begin with `#EXTM3U` too.
pub fn is_hls(text: &str) -> bool {
    const MARKS: [&str; 4] = ["#EXT-X-TARGETDURATION", "#EXT-X-STREAM-INF", "#EXT-X-MEDIA-SEQUENCE", "#EXT-X-MEDIA:"];
    lines(text).next() == Some("#EXTM3U") && lines(text).any(|line| MARKS.iter().any(|mark| line.starts_with(mark)))
}

pub fn parse(text: &str) -> Result<Playlist<'_>, Flaw> {
    if lines(text).next().is_none_or(|first| first.split_whitespace().next() != Some("#EXTM3U")) {
        return Err(Flaw::IllFormed("the playlist does not begin with #EXTM3U"));
    }
    let is_master = |line: &str| line.starts_with("#EXT-X-STREAM-INF:") || line.starts_with("#EXT-X-MEDIA:");
    if lines(text).any(is_master) {
        return Master::parse(text).map(Playlist::Master);
    }
    Media::parse(text).map(Playlist::Media)
}

/// Lines that say something, without the white space around them and the byte order mark of the file.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty())
}

/// Section 4.3.2.4 and 4.4.4.9 of its successor: nothing that needs a key is recorded.
fn refuse_encryption(attributes: &str) -> Result<(), Flaw> {
    match attributes::get(attributes, "METHOD") {
        Some("NONE") | None => Ok(()),
        Some(_) => Err(Flaw::Unsupported("the stream is encrypted")),
    }
}
