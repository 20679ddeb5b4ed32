//! Ogg pages (RFC 3533) with Vorbis, Opus (RFC 7845) or FLAC (RFC 9639, 10.1) in them.
//!
//! The first logical stream of sound is followed; what is multiplexed with it is passed over, and when another follows it (a
//! *chain*), that one is next. A listener of Icecast gets the header pages and then pages from anywhere in the stream, so that
//! numbers and positions begin anywhere. A page is taken only with a right checksum.

mod link;
mod mend;
pub(crate) mod packets;
pub(crate) mod page;
mod scan;
mod verify;
mod writer;

pub use mend::mend;
pub use verify::verify;
pub use writer::{LEAST_PRE_SKIP, Writer};

use std::io;

use super::super::{ReadAt, fill_at};
use super::{Skipped, Step};
use crate::message::Format;
pub(crate) use link::{FLAC_STREAMINFO_AT, Sound};
use link::{Link, Taken};
use page::{BOS, Page, Parse};

/// Two pages of the greatest length: one that only pretends to be one never hides the next.
pub const WINDOW_BYTES: usize = 128 << 10;

/// Streams beside the one that is followed which are remembered.
const MAX_OTHERS: usize = 16;

#[derive(Default)]
pub struct Framer {
    link: Option<Link>,
    /// Their pages are no garbage.
    others: heapless::Vec<u32, MAX_OTHERS>,
    /// Of the last unit.
    format: Option<Format>,
}

impl Framer {
    pub fn step(&mut self, bytes: &[u8], at_end: bool) -> Step {
        match Page::parse(bytes) {
            Parse::Yes(page) => self.page(&page),
            Parse::More if !at_end || bytes.is_empty() => Step::More,
            Parse::No | Parse::More => garbage(page::bytes_to_next(bytes, at_end).min(bytes.len())),
        }
    }

    pub fn format(&self) -> Option<Format> {
        self.format
    }

    /// Header pages of the link that is followed, as they came.
    pub(crate) fn headers(&self) -> Option<&[u8]> {
        self.link.as_ref().map(|link| link.headers.as_slice())
    }

    /// What more is known of the last unit.
    pub(crate) fn sound(&self) -> Option<Sound> {
        self.link.as_ref().map(|link| link.sound)
    }

    /// Number of the stream that is followed, and of its next page; `None` when it has ended. `anew`: the position of that page
    /// does not follow those before.
    pub(crate) fn go_on(&mut self, anew: bool) -> Option<(u32, u32)> {
        self.link.as_mut().and_then(|link| link.go_on(anew))
    }

    fn page(&mut self, page: &Page) -> Step {
        let bytes = page.bytes();
        if page.is(BOS) {
            return self.first_page(page);
        }
        let taken = match &mut self.link {
            Some(link) if link.serial == page.serial => link.page(page),
            _ if self.others.contains(&page.serial) => return Step::Skip { bytes, what: Skipped::Tag },
            _ => Taken::Nothing,
        };
        match (taken, &self.link) {
            (Taken::Header, _) => Step::Headers { bytes },
            (Taken::Unit(unit), Some(link)) => {
                self.format = Some(link.format);
                Step::Unit(unit)
            }
            (Taken::Unit(_) | Taken::Nothing, _) => garbage(bytes),
        }
    }

    /// First pages of streams side by side stand before all others: the first of sound is followed. One that comes later
    /// begins a new link.
    fn first_page(&mut self, page: &Page) -> Step {
        let bytes = page.bytes();
        let beside = self.link.as_ref().is_some_and(|link| link.is_only_begun() && link.serial != page.serial);
        let link = if beside { None } else { Link::begin(page) };
        if let Some(link) = link {
            self.others.retain(|&serial| serial != link.serial);
            self.link = Some(link);
            return Step::Headers { bytes };
        }
        if self.link.as_ref().is_some_and(|link| link.serial == page.serial) {
            self.link = None; // its number belongs to something else from here on
        }
        if !self.others.contains(&page.serial) {
            if self.others.is_full() {
                self.others.remove(0);
            }
            let _has_room = self.others.push(page.serial);
        }
        Step::Skip { bytes, what: Skipped::Tag }
    }
}

/// Where the last whole page of a file ends, looked for in its last bytes; the file's end where there is none.
pub fn last_page_end(file: &dyn ReadAt) -> io::Result<u64> {
    let length = file.len()?;
    let mut at = length.saturating_sub(2 * page::MAX_BYTES as u64);
    let mut buf = vec![0; 2 * page::MAX_BYTES];
    let have = fill_at(file, at, &mut buf)?;
    let (mut rest, mut end) = (&buf[..have], length);
    while !rest.is_empty() {
        let passed = match Page::parse(rest) {
            Parse::Yes(page) => {
                end = at + page.bytes() as u64;
                page.bytes()
            }
            Parse::No | Parse::More => page::bytes_to_next(rest, true).min(rest.len()),
        };
        at += passed as u64;
        rest = &rest[passed..];
    }
    Ok(end)
}

fn garbage(bytes: usize) -> Step {
    Step::Skip { bytes, what: Skipped::Garbage }
}
