//! How frames are found that only a short header begins: MP3's and ADTS's. A header alone is weak evidence, since sound looks
//! like anything; one that leads exactly to the next of its kind is strong.
//!
//! After the start and after garbage two headers in a row are wanted, for a change of the stream three. In step, a frame that
//! nothing follows is kept: what comes behind it is damaged, not it. But when the next two frames begin before its end, bytes
//! of it are missing.

use super::Skipped;

/// What a codec's header must say.
pub(super) trait Header: Copy {
    /// With so many bytes `parse` can tell.
    const BYTES: usize;
    const MAX_FRAME_BYTES: usize;
    fn parse(bytes: &[u8]) -> Option<Self>;
    fn frame_bytes(&self) -> usize;
    /// Whether both belong to one stream.
    fn alike(&self, other: &Self) -> bool;
}

/// What must be seen at once, so that there is always an answer: two frames, and a header or the start of a tag behind them.
pub(super) const fn seen_bytes<H: Header>() -> usize {
    2 * H::MAX_FRAME_BYTES + H::BYTES + TAG_HEADER_BYTES
}

/// Of an APE tag, the longest one.
const TAG_HEADER_BYTES: usize = 32;

pub(super) enum Found<H> {
    More,
    Skip {
        bytes: usize,
        what: Skipped,
    },
    /// The bytes begin with a whole frame.
    Frame {
        header: H,
        new_link: bool,
    },
}

pub(super) struct Sync<H> {
    /// Of the last frame.
    last: Option<H>,
    /// The bytes begin where the last frame or a tag behind it ended.
    in_step: bool,
    /// Bytes of a tag that are still to come.
    tag_bytes: usize,
}

impl<H> Default for Sync<H> {
    fn default() -> Sync<H> {
        Sync { last: None, in_step: false, tag_bytes: 0 }
    }
}

enum Verdict<H> {
    Yes(H),
    No,
    More,
}

impl<H: Header> Sync<H> {
    pub fn step(&mut self, bytes: &[u8], at_end: bool) -> Found<H> {
        if bytes.is_empty() {
            return Found::More;
        }
        if self.tag_bytes == 0 {
            match tag(bytes) {
                Tag::Yes(tag_bytes) => self.tag_bytes = tag_bytes,
                Tag::More if !at_end => return Found::More,
                Tag::More | Tag::No => {}
            }
        }
        if self.tag_bytes > 0 {
            let bytes = self.tag_bytes.min(bytes.len());
            self.tag_bytes -= bytes;
            return Found::Skip { bytes, what: Skipped::Tag };
        }
        match self.judge(bytes, at_end) {
            Verdict::More => Found::More,
            Verdict::No => {
                self.in_step = false;
                Found::Skip { bytes: next_candidate::<H>(bytes), what: Skipped::Garbage }
            }
            Verdict::Yes(header) => {
                let new_link = self.last.is_some_and(|last| !last.alike(&header));
                self.last = Some(header);
                self.in_step = true;
                Found::Frame { header, new_link }
            }
        }
    }

    /// Whether a frame begins here.
    fn judge(&self, bytes: &[u8], at_end: bool) -> Verdict<H> {
        let Some(header) = H::parse(bytes) else {
            let may_be = bytes.len() < H::BYTES && bytes.first().is_none_or(|&b| b == 0xFF);
            return if may_be && !at_end { Verdict::More } else { Verdict::No };
        };
        let known = self.last.map(|last| last.alike(&header));
        let wanted = if known == Some(false) { 2 } else { 1 };
        match followers(&header, bytes, wanted) {
            // A frame that is cut off by the end is none.
            Followers::Cut if at_end => Verdict::No,
            // One is enough at the end, but not for a change. A tag ends a stream as well.
            Followers::Ended(_) if !at_end => Verdict::More,
            Followers::Ended(found) | Followers::Tag(found) => {
                if found + 1 >= wanted {
                    Verdict::Yes(header)
                } else {
                    Verdict::No
                }
            }
            Followers::Cut => Verdict::More,
            Followers::All => Verdict::Yes(header),
            Followers::Not if known == Some(true) && self.in_step => self.judge_last(header, bytes, at_end),
            Followers::Not => Verdict::No,
        }
    }

    /// A frame in step without another of its kind behind it: another stream follows, something else does, or part of it is
    /// missing.
    fn judge_last(&self, header: H, bytes: &[u8], at_end: bool) -> Verdict<H> {
        let own = header.frame_bytes();
        if !at_end && bytes.len() < own + H::MAX_FRAME_BYTES + H::BYTES {
            return Verdict::More;
        }
        let begins_at = |at: usize| {
            let rest = bytes.get(at..).unwrap_or(&[]);
            let next = H::parse(rest).filter(|next| next.alike(&header));
            next.is_some_and(|next| match followers(&next, rest, 1) {
                Followers::All | Followers::Tag(_) => true,
                Followers::Ended(_) => at_end,
                Followers::Not | Followers::Cut => false,
            })
        };
        if (1..own).any(begins_at) { Verdict::No } else { Verdict::Yes(header) }
    }
}

/// What stands behind a frame.
enum Followers {
    /// As many frames of its kind as wanted.
    All,
    /// A tag after so many.
    Tag(usize),
    Not,
    /// The bytes end before it does.
    Cut,
    /// The bytes end after so many.
    Ended(usize),
}

fn followers<H: Header>(header: &H, bytes: &[u8], wanted: usize) -> Followers {
    let mut at = header.frame_bytes();
    for found in 0..wanted {
        let rest = match bytes.get(at..) {
            Some(rest) => rest,
            None if found == 0 => return Followers::Cut,
            None => return Followers::Ended(found),
        };
        match (H::parse(rest), tag(rest)) {
            (Some(next), _) if next.alike(header) => at += next.frame_bytes(),
            (_, Tag::Yes(_)) => return Followers::Tag(found),
            (_, Tag::More) => return Followers::Ended(found),
            (None, Tag::No) if rest.len() < H::BYTES => return Followers::Ended(found),
            (_, Tag::No) => return Followers::Not,
        }
    }
    Followers::All
}

/// How far it is at least to the next place where a frame or a tag may begin.
fn next_candidate<H: Header>(bytes: &[u8]) -> usize {
    let may_begin = |&at: &usize| {
        let rest = &bytes[at..]; // at < bytes.len()
        match rest[0] {
            0xFF => rest.len() < H::BYTES || H::parse(rest).is_some(),
            b'I' | b'T' | b'A' => !matches!(tag(rest), Tag::No),
            _ => false,
        }
    };
    (1..bytes.len()).find(may_begin).unwrap_or(bytes.len())
}

pub(super) enum Tag {
    /// So many bytes, this one included.
    Yes(usize),
    No,
    More,
}

/// Longer than any picture in a tag: what claims more is damaged, and would swallow hours.
const MAX_TAG_BYTES: usize = 16 << 20;

/// ID3v2 (before sound), ID3v1 and APEv2 (behind it).
pub(super) fn tag(bytes: &[u8]) -> Tag {
    let begins = |name: &[u8]| bytes.starts_with(name) || name.starts_with(bytes);
    match bytes.first() {
        Some(b'I') if begins(b"ID3") => id3(bytes),
        Some(b'T') if begins(b"TAG") => {
            if bytes.len() < 3 {
                Tag::More
            } else {
                Tag::Yes(128)
            }
        }
        Some(b'A') if begins(b"APETAGEX") => ape(bytes),
        _ => Tag::No,
    }
}

fn id3(bytes: &[u8]) -> Tag {
    let Some(&[_, _, _, version, revision, flags, a, b, c, d]) = bytes.first_chunk::<10>() else { return Tag::More };
    if !(2..=4).contains(&version) || revision == 0xFF || flags & 0x0F != 0 || (a | b | c | d) & 0x80 != 0 {
        return Tag::No;
    }
    let body = [a, b, c, d].iter().fold(0, |n, &b| n << 7 | usize::from(b));
    let footer = if flags & 0x10 != 0 { 10 } else { 0 };
    sized(10 + body + footer)
}

fn ape(bytes: &[u8]) -> Tag {
    let Some(head) = bytes.first_chunk::<32>() else { return Tag::More };
    let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let is_header = word(20) & 1 << 29 != 0;
    // The items and the footer; nothing follows a footer.
    sized(if is_header { 32_usize.saturating_add(word(12) as usize) } else { 32 })
}

fn sized(bytes: usize) -> Tag {
    if bytes <= MAX_TAG_BYTES { Tag::Yes(bytes) } else { Tag::No }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], want: Option<usize>) {
        assert!(matches!(tag(bytes), Tag::Yes(n) if Some(n) == want) || want.is_none() && matches!(tag(bytes), Tag::No));
        for cut in 1..bytes.len() {
            assert!(!matches!(tag(&bytes[..cut]), Tag::No) || want.is_none(), "{bytes:02X?} cut at {cut}");
        }
    }

    #[test]
    fn tags() {
        check(b"ID3\x04\0\0\0\0\x01\x02", Some(10 + 130));
        check(b"ID3\x04\0\x10\0\0\x01\x02", Some(20 + 130));
        check(b"ID3\x03\0\0\x7F\x7F\x7F\x7F", None);
        check(b"ID3\x03\0\0\0\0\0\x80", None);
        check(b"ID3\x09\0\0\0\0\0\0", None);
        check(b"TAG", Some(128));
        check(b"TAB", None);
        check(b"APETAGEX\xD0\x07\0\0\x40\0\0\0\x01\0\0\0\0\0\0\xA0\0\0\0\0\0\0\0\0", Some(96));
        check(b"APETAGEX\xD0\x07\0\0\x40\0\0\0\x01\0\0\0\0\0\0\x80\0\0\0\0\0\0\0\0", Some(32));
    }
}
