//! Media playlists: the segments and their order (RFC 8216, 4.3.2 and 4.3.3).

use super::attributes::get;
use super::{lines, refuse_encryption};
use crate::format::Flaw;

/// More segments than this (18 hours of four seconds) are not kept: the oldest give way.
pub const MAX_SEGMENTS: usize = 16_384;
/// When a playlist does not say how long its segments are.
const DEFAULT_TARGET_MS: u32 = 10_000;
const MIN_TARGET_MS: u32 = 100;
const MAX_TARGET_MS: u32 = 600_000;

#[derive(Debug)]
pub struct Media<'a> {
    /// No segment is longer; clients reload once in this time.
    pub target_ms: u32,
    /// Of the first segment; the others count on from it.
    pub sequence: u64,
    pub discontinuity_sequence: u64,
    pub kind: Kind,
    /// Nothing will be added.
    pub ended: bool,
    pub segments: Vec<Segment<'a>>,
}

/// EXT-X-PLAYLIST-TYPE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Not said: old segments leave.
    Live,
    /// Segments are added, none leaves.
    Event,
    Vod,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    pub uri: &'a str,
    pub duration_ms: u32,
    pub title: &'a str,
    /// Only this part of the resource.
    pub range: Option<ByteRange>,
    pub map: Option<Map<'a>>,
    /// What precedes it may have been coded otherwise.
    pub discontinuity: bool,
    /// The server has no sound for it (EXT-X-GAP).
    pub gap: bool,
}

/// EXT-X-MAP: the header that its segments need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Map<'a> {
    pub uri: &'a str,
    pub range: Option<ByteRange>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    pub from: u64,
    pub bytes: u64,
}

impl ByteRange {
    fn end(self) -> u64 {
        self.from.saturating_add(self.bytes)
    }

    /// `n[@o]`; without `o` it begins where the last range of the same resource ended.
    fn parse(text: &str, after: Option<u64>) -> Option<ByteRange> {
        let (bytes, from) = match text.split_once('@') {
            Some((bytes, from)) => (bytes, from.trim().parse().ok()?),
            None => (text, after?),
        };
        Some(ByteRange { from, bytes: bytes.trim().parse().ok()? })
    }
}

/// What the tags since the last segment said about the next.
#[derive(Default)]
struct Coming<'a> {
    duration_ms: Option<u32>,
    title: &'a str,
    range: Option<&'a str>,
    discontinuity: bool,
    gap: bool,
}

impl<'a> Media<'a> {
    pub fn parse(text: &'a str) -> Result<Media<'a>, Flaw> {
        let mut media =
            Media { target_ms: 0, sequence: 0, discontinuity_sequence: 0, kind: Kind::Live, ended: false, segments: Vec::new() };
        let (mut coming, mut map) = (Coming::default(), None);
        for line in lines(text) {
            if !line.starts_with('#') {
                let segment = media.segment(line, std::mem::take(&mut coming), map)?;
                media.push(segment);
                continue;
            }
            let (tag, value) = line.split_once(':').unwrap_or((line, ""));
            match tag {
                "#EXT-X-TARGETDURATION" => media.target_ms = milliseconds(value).unwrap_or(0),
                "#EXT-X-MEDIA-SEQUENCE" => media.sequence = number(value)?,
                "#EXT-X-DISCONTINUITY-SEQUENCE" => media.discontinuity_sequence = number(value)?,
                "#EXT-X-PLAYLIST-TYPE" if value.trim() == "EVENT" => media.kind = Kind::Event,
                "#EXT-X-PLAYLIST-TYPE" if value.trim() == "VOD" => media.kind = Kind::Vod,
                "#EXT-X-ENDLIST" => media.ended = true,
                "#EXT-X-KEY" => refuse_encryption(value)?,
                "#EXT-X-MAP" => map = Some(parse_map(value)?),
                "#EXTINF" => {
                    let (duration, title) = value.split_once(',').unwrap_or((value, ""));
                    (coming.duration_ms, coming.title) = (milliseconds(duration), title.trim());
                }
                "#EXT-X-BYTERANGE" => coming.range = Some(value),
                "#EXT-X-DISCONTINUITY" => coming.discontinuity = true,
                "#EXT-X-GAP" => coming.gap = true,
                _ => {}
            }
        }
        media.settle();
        Ok(media)
    }

    fn segment(&self, uri: &'a str, coming: Coming<'a>, map: Option<Map<'a>>) -> Result<Segment<'a>, Flaw> {
        let before = self.segments.last().filter(|last| last.uri == uri).and_then(|last| last.range);
        let range = match coming.range {
            None => None,
            Some(text) => {
                let range = ByteRange::parse(text, before.map(ByteRange::end));
                Some(range.ok_or(Flaw::IllFormed("a byte range of the playlist cannot be read"))?)
            }
        };
        let (discontinuity, gap) = (coming.discontinuity, coming.gap);
        Ok(Segment { uri, duration_ms: coming.duration_ms.unwrap_or(0), title: coming.title, range, map, discontinuity, gap })
    }

    /// The list is read in one go and its number of segments is the server's choice: the memory is ours.
    fn push(&mut self, segment: Segment<'a>) {
        if self.segments.len() == MAX_SEGMENTS {
            let leaving = self.segments.drain(..MAX_SEGMENTS / 2);
            self.discontinuity_sequence =
                leaving.fold(self.discontinuity_sequence, |n, s| n.saturating_add(s.discontinuity.into()));
            self.sequence = self.sequence.saturating_add(MAX_SEGMENTS as u64 / 2);
        }
        self.segments.push(segment);
    }

    /// Durations that were not said are the longest of all.
    fn settle(&mut self) {
        if self.target_ms == 0 {
            self.target_ms = self.segments.iter().map(|s| s.duration_ms).max().filter(|&ms| ms > 0).unwrap_or(DEFAULT_TARGET_MS);
        }
        self.target_ms = self.target_ms.clamp(MIN_TARGET_MS, MAX_TARGET_MS);
        for segment in self.segments.iter_mut().filter(|s| s.duration_ms == 0) {
            segment.duration_ms = self.target_ms;
        }
    }
}

fn parse_map(value: &str) -> Result<Map<'_>, Flaw> {
    let range = match get(value, "BYTERANGE") {
        None => None,
        Some(text) => Some(
            ByteRange::parse(text, Some(0))
                .ok_or(Flaw::IllFormed("the byte range of the playlist's EXT-X-MAP cannot be read"))?,
        ),
    };
    let uri = get(value, "URI").ok_or(Flaw::IllFormed("an EXT-X-MAP without URI"))?;
    Ok(Map { uri, range })
}

fn number(text: &str) -> Result<u64, Flaw> {
    text.trim().parse().map_err(|_| Flaw::IllFormed("a sequence number of the playlist cannot be read"))
}

/// Decimal seconds as whole milliseconds; `None` for what is no duration. At most ten minutes.
fn milliseconds(text: &str) -> Option<u32> {
    let seconds: f64 = text.trim().parse().ok()?;
    let ms = (seconds * 1_000.0).round();
    // A float that is not finite or negative becomes 0 by `as`, and that means "not said".
    Some(ms.min(f64::from(MAX_TARGET_MS)) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The playlist's own line, then one a segment.
    fn listing(text: &str) -> String {
        let media = match Media::parse(text) {
            Ok(media) => media,
            Err(flaw) => return flaw.to_string(),
        };
        let mut out = format!("{:?} {} ms from {}", media.kind, media.target_ms, media.sequence);
        out += if media.ended { " ended" } else { "" };
        for s in &media.segments {
            out += &format!("; {} {} ms", s.uri, s.duration_ms);
            out += &s.range.map_or(String::new(), |r| format!(" {}+{}", r.from, r.bytes));
            out += &s.map.map_or(String::new(), |m| format!(" map {} {:?}", m.uri, m.range.map(|r| (r.from, r.bytes))));
            out += if s.discontinuity { " discontinuity" } else { "" };
            out += if s.gap { " gap" } else { "" };
            out += &if s.title.is_empty() { String::new() } else { format!(" '{}'", s.title) };
        }
        out
    }

    #[track_caller]
    fn check(lines: &str, want: &str) {
        assert_eq!(listing(&lines.replace('|', "\n")), want);
        assert_eq!(listing(&format!("\u{FEFF}{}\r\n", lines.replace('|', "\r\n"))), want, "with CRLF");
    }

    #[test]
    fn lists() {
        check(
            "#EXTM3U|#EXT-X-TARGETDURATION:6|#EXT-X-MEDIA-SEQUENCE:7|#EXTINF:5.994,|a.ts|#EXTINF:6|b.ts",
            "Live 6000 ms from 7; a.ts 5994 ms; b.ts 6000 ms",
        );
        check(
            "#EXTM3U|#EXT-X-TARGETDURATION:6|#EXT-X-PLAYLIST-TYPE:VOD|#EXTINF:4,Artist - Title, live|a.aac|#EXT-X-ENDLIST",
            "Vod 6000 ms from 0 ended; a.aac 4000 ms 'Artist - Title, live'",
        );
        check(
            "#EXTM3U|#EXT-X-TARGETDURATION:2|# a comment|#EXT-X-UNKNOWN:1|#EXTINF:2,|a|#EXT-X-DISCONTINUITY\
             |#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z|#EXTINF:2,|b|#EXT-X-GAP|#EXTINF:2,|c",
            "Live 2000 ms from 0; a 2000 ms; b 2000 ms discontinuity; c 2000 ms gap",
        );
    }

    #[test]
    fn what_is_missing_is_guessed() {
        check("#EXTM3U|a.ts", "Live 10000 ms from 0; a.ts 10000 ms");
        check("#EXTM3U|#EXTINF:3,|a.ts|b.ts", "Live 3000 ms from 0; a.ts 3000 ms; b.ts 3000 ms");
        check("#EXTM3U|#EXT-X-TARGETDURATION:x|#EXTINF:-1,|a.ts", "Live 10000 ms from 0; a.ts 10000 ms");
        check("#EXTM3U|#EXT-X-TARGETDURATION:1e99|#EXTINF:NaN,|a.ts", "Live 600000 ms from 0; a.ts 600000 ms");
    }

    #[test]
    fn ranges_and_maps() {
        check(
            "#EXTM3U|#EXT-X-TARGETDURATION:2|#EXT-X-MAP:URI=\"i.mp4\",BYTERANGE=\"720@0\"|#EXT-X-BYTERANGE:100@720|#EXTINF:2,|i.mp4\
             |#EXT-X-BYTERANGE:50|#EXTINF:2,|i.mp4|#EXT-X-MAP:URI=\"j.mp4\"|#EXTINF:2,|k.m4s",
            "Live 2000 ms from 0; i.mp4 2000 ms 720+100 map i.mp4 Some((0, 720)); i.mp4 2000 ms 820+50 map i.mp4 Some((0, 720)); \
             k.m4s 2000 ms map j.mp4 None",
        );
        check("#EXTM3U|#EXT-X-BYTERANGE:50|#EXTINF:2,|i.mp4", "damaged: a byte range of the playlist cannot be read");
        check("#EXTM3U|#EXT-X-MAP:BYTERANGE=\"1@0\"|i.mp4", "damaged: an EXT-X-MAP without URI");
    }

    #[test]
    fn keys() {
        check("#EXTM3U|#EXT-X-KEY:METHOD=NONE|#EXTINF:2,|a", "Live 2000 ms from 0; a 2000 ms");
        check("#EXTM3U|#EXT-X-KEY:METHOD=AES-128,URI=\"k\"|#EXTINF:2,|a", "not supported: the stream is encrypted");
        check("#EXTM3U|#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\"|#EXTINF:2,|a", "not supported: the stream is encrypted");
    }

    #[test]
    fn endless_lists_keep_their_end_and_their_numbers() {
        let text = (0..40_000).fold("#EXTM3U\n".to_owned(), |text, n| text + &format!("{n}\n"));
        let media = Media::parse(&text).expect("a list");
        assert!(media.segments.len() <= MAX_SEGMENTS);
        assert_eq!(media.segments[0].uri, media.sequence.to_string());
        assert_eq!(media.segments[media.segments.len() - 1].uri, "39999");
    }
}
