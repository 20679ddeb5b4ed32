//! The Ogg page (RFC 3533 section 6): read, sealed with its checksum, and marked as the last of its stream.

use crate::format::crc::crc32;

pub const HEADER_BYTES: usize = 27;
/// With its lacing values.
pub const MAX_HEADER_BYTES: usize = HEADER_BYTES + 255;
pub const MAX_BYTES: usize = MAX_HEADER_BYTES + 255 * 255;

/// Its first packet began on an earlier page.
pub const CONTINUED: u8 = 1;
/// First page of its logical stream.
pub const BOS: u8 = 2;
/// Last page of its logical stream.
pub const EOS: u8 = 4;

const FLAGS_AT: usize = 5;
const CRC_AT: usize = 22;
const CAPTURE: [u8; 4] = *b"OggS";

#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    pub flags: u8,
    /// `None`: no packet ends on it.
    pub granule: Option<u64>,
    pub serial: u32,
    pub sequence: u32,
    pub lacing: &'a [u8],
    pub body: &'a [u8],
}

/// The answer to "does a page begin here?".
#[derive(Clone, Copy, Debug)]
pub enum Parse<'a> {
    Yes(Page<'a>),
    No,
    /// It may, but the bytes end too early to tell.
    More,
}

impl<'a> Page<'a> {
    pub fn parse(bytes: &'a [u8]) -> Parse<'a> {
        let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            let may = CAPTURE.iter().zip(bytes).all(|(a, b)| a == b) && bytes.get(4).is_none_or(|&version| version == 0);
            return if may { Parse::More } else { Parse::No };
        };
        if !header.starts_with(&CAPTURE) || header[4] != 0 {
            return Parse::No;
        }
        let segments = usize::from(header[26]);
        let Some((lacing, rest)) = rest.split_at_checked(segments) else { return Parse::More };
        let body_bytes = lacing.iter().map(|&b| usize::from(b)).sum();
        let Some(body) = rest.get(..body_bytes) else { return Parse::More };
        if checksum(header, lacing, body) != le32(header, CRC_AT) {
            return Parse::No;
        }
        let granule = u64::from(le32(header, 6)) | u64::from(le32(header, 10)) << 32;
        Parse::Yes(Page {
            flags: header[FLAGS_AT],
            granule: Some(granule).filter(|&granule| granule <= i64::MAX as u64),
            serial: le32(header, 14),
            sequence: le32(header, 18),
            lacing,
            body,
        })
    }

    pub fn bytes(&self) -> usize {
        HEADER_BYTES + self.lacing.len() + self.body.len()
    }

    pub fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Header and lacing values, the checksum that of the page as it is now.
    pub fn seal(&self) -> heapless::Vec<u8, MAX_HEADER_BYTES> {
        let granule = self.granule.unwrap_or(u64::MAX).to_le_bytes();
        let mut header = [0; HEADER_BYTES];
        header[..4].copy_from_slice(&CAPTURE);
        header[FLAGS_AT] = self.flags;
        header[6..14].copy_from_slice(&granule);
        header[14..18].copy_from_slice(&self.serial.to_le_bytes());
        header[18..22].copy_from_slice(&self.sequence.to_le_bytes());
        header[26] = self.lacing.len().min(255) as u8;
        let crc = checksum(&header, self.lacing, self.body);
        header[CRC_AT..26].copy_from_slice(&crc.to_le_bytes());
        // Both fit: nobody makes a page of more than 255 lacing values.
        header.iter().chain(self.lacing.iter().take(255)).copied().collect()
    }
}

/// The header of a page of so many bytes with EOS set. The checksum is linear: what the flag changes in it does not depend on
/// the rest of the page, which need not be at hand.
pub fn with_eos(mut header: [u8; HEADER_BYTES], page_bytes: usize) -> [u8; HEADER_BYTES] {
    if header[FLAGS_AT] & EOS == 0 {
        header[FLAGS_AT] |= EOS;
        let mut change = crc32(0, &[EOS]);
        let mut left = page_bytes.saturating_sub(FLAGS_AT + 1);
        while left > 0 {
            let zeros = [0; 1_024];
            let step = left.min(zeros.len());
            change = crc32(change, &zeros[..step]);
            left -= step;
        }
        let crc = le32(&header, CRC_AT) ^ change;
        header[CRC_AT..26].copy_from_slice(&crc.to_le_bytes());
    }
    header
}

/// How many bytes are certainly not the start of a page, when those at 0 are not: at least one. Without more bytes to come
/// the last ones cannot become one.
pub fn bytes_to_next(bytes: &[u8], at_end: bool) -> usize {
    let rest = bytes.get(1..).unwrap_or(&[]);
    let found = |at: usize| (1..=4).any(|n| rest[at..].len() == n && !at_end && CAPTURE.starts_with(&rest[at..]));
    let is = |at: usize| rest[at..].starts_with(&CAPTURE) || found(at);
    let at = (0..rest.len()).find(|&at| rest[at] == CAPTURE[0] && is(at));
    1 + at.unwrap_or(rest.len())
}

/// Over the page with zeros in place of the checksum.
fn checksum(header: &[u8; HEADER_BYTES], lacing: &[u8], body: &[u8]) -> u32 {
    let mut header = *header;
    header[CRC_AT..26].fill(0);
    crc32(crc32(crc32(0, &header), lacing), body)
}

fn le32(header: &[u8; HEADER_BYTES], at: usize) -> u32 {
    u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(page: &Page) -> Vec<u8> {
        [&page.seal()[..], page.body].concat()
    }

    /// Sealed, read again, cut anywhere, spoilt anywhere, ended.
    fn check(flags: u8, granule: Option<u64>, lacing: &[u8]) {
        let body: Vec<u8> = (0..lacing.iter().map(|&b| usize::from(b)).sum()).map(|i: usize| (i * 7) as u8).collect();
        let page = Page { flags, granule, serial: 0xDEAD_BEEF, sequence: 7, lacing, body: &body };
        let bytes = whole(&page);
        let Parse::Yes(read) = Page::parse(&bytes) else { panic!("{page:?}") };
        assert_eq!((read.flags, read.granule, read.serial, read.sequence), (flags, granule, page.serial, page.sequence));
        assert_eq!((read.lacing, read.body, read.bytes()), (lacing, &body[..], bytes.len()));
        for at in (0..bytes.len()).step_by(1 + bytes.len() / 100) {
            assert!(matches!(Page::parse(&bytes[..at]), Parse::More), "cut at {at}");
            let mut spoilt = bytes.clone();
            spoilt[at] ^= 0x10;
            assert!(!matches!(Page::parse(&spoilt), Parse::Yes(_)), "spoilt at {at}");
        }
        let mut header = [0; HEADER_BYTES];
        header.copy_from_slice(&bytes[..HEADER_BYTES]);
        let ended = [&with_eos(header, bytes.len())[..], &bytes[HEADER_BYTES..]].concat();
        assert_eq!(ended, whole(&Page { flags: flags | EOS, ..page }));
    }

    #[test]
    fn pages() {
        check(0, Some(0), &[]);
        check(BOS, Some(0), &[30]);
        check(EOS, Some(i64::MAX as u64), &[0]);
        check(CONTINUED, None, &[255; 255]);
        check(0, Some(1 << 40), &[255, 0, 1, 0, 254]);
    }

    #[test]
    fn the_next_page_is_looked_for() {
        for (bytes, at_end, want) in [
            (&b"xOggS"[..], false, 1),
            (b"OggSOggS", false, 4),
            (b"xxxxOgg", false, 4),
            (b"xxxxOgg", true, 7),
            (b"OgO", false, 2),
            (b"x", false, 1),
            (b"OOggOggS", false, 4),
        ] {
            assert_eq!(bytes_to_next(bytes, at_end), want, "{}", bytes.escape_ascii());
        }
    }
}
