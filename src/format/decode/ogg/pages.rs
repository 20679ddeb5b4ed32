//! Where the next page stands, wherever one begins to look.

use crate::format::stream::ogg::WINDOW_BYTES;
use crate::format::stream::ogg::page::{Page, Parse, bytes_to_next};
use crate::format::{Flaw, ReadAt, fill_at};

/// Read at first to see a page.
const FIRST_BYTES: usize = 16 << 10;

/// A page in the file.
pub(super) struct Stands {
    pub(super) at: u64,
    pub(super) bytes: u64,
    pub(super) serial: u32,
    pub(super) granule: Option<u64>,
}

/// The first page from `at` on that begins before `limit`.
pub(super) fn page_from(file: &dyn ReadAt, mut at: u64, limit: u64) -> Result<Option<Stands>, Flaw> {
    // Most pages are short, and only then a long one is read at once.
    let mut buf = vec![0; FIRST_BYTES];
    while at < limit {
        let have = fill_at(file, at, &mut buf)?;
        let (at_end, mut rest, mut long) = (have < buf.len(), &buf[..have], false);
        loop {
            match Page::parse(rest) {
                Parse::Yes(page) if at < limit => {
                    let Page { serial, granule, .. } = page;
                    return Ok(Some(Stands { at, bytes: page.bytes() as u64, serial, granule }));
                }
                Parse::Yes(_) => return Ok(None),
                Parse::More if !at_end && rest.len() < have => break,
                Parse::More if !at_end && have < WINDOW_BYTES => {
                    long = true;
                    break;
                }
                Parse::No | Parse::More => {
                    let passed = bytes_to_next(rest, at_end).min(rest.len());
                    at += passed as u64;
                    rest = &rest[passed..];
                }
            }
            if rest.is_empty() {
                break;
            }
        }
        if at_end && rest.is_empty() {
            return Ok(None);
        }
        if long {
            buf.resize(WINDOW_BYTES, 0);
        }
    }
    Ok(None)
}

/// The first page of ours that has a position.
pub(super) fn told_from(
    file: &dyn ReadAt,
    mut at: u64,
    limit: u64,
    ours: impl Fn(&Stands) -> bool,
) -> Result<Option<(Stands, u64)>, Flaw> {
    while let Some(page) = page_from(file, at, limit)? {
        at = page.at + page.bytes;
        if let Some(granule) = page.granule.filter(|_| ours(&page)) {
            return Ok(Some((page, granule)));
        }
    }
    Ok(None)
}

/// Positions that nobody reaches are cut, so that sums of them cannot overflow.
pub(super) fn signed(granule: u64) -> i64 {
    granule.min(1 << 60) as i64
}

pub(super) fn serial(bytes: &[u8]) -> u32 {
    match Page::parse(bytes) {
        Parse::Yes(page) => page.serial,
        Parse::No | Parse::More => 0,
    }
}
