//! Playlists as they are loaded: the text is kept, since all that is asked of it is asked once a segment.

use std::sync::Arc;

use super::super::address::Address;
use super::super::agent::Client;
use super::PATIENCE;
use crate::device::{Fault, FaultKind};
use crate::format::hls::{self, Kind, Media, Playlist, attributes};
use crate::format::icy::readable;
use crate::policy::hls as policy;

/// A list of 16,384 segments with long names.
const MAX_BYTES: usize = 2 << 20;

/// A media playlist.
pub struct List {
    /// After redirects: what is in it is relative to this.
    pub address: Address,
    text: String,
}

impl List {
    /// The media playlist at this address, or the best one that a master playlist there names.
    pub fn find(client: &Client, address: &Address) -> Result<List, Fault> {
        let list = List::load(client, address)?;
        let chosen = match hls::parse(&list.text).map_err(|flaw| list.refused(&flaw))? {
            Playlist::Media(_) => None,
            Playlist::Master(master) => Some(list.address.followed(master.choose().map_err(|flaw| list.refused(&flaw))?)),
        };
        let Some(chosen) = chosen else { return Ok(list) };
        let list = List::load(client, &chosen)?;
        list.with(|_, _| ())?;
        Ok(list)
    }

    pub fn load(client: &Client, address: &Address) -> Result<List, Fault> {
        let fetched = client.fetch(&address.url, address.auth.as_ref(), MAX_BYTES, PATIENCE)?;
        let text = String::from_utf8(fetched.bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned());
        Ok(List { address: address.followed(&fetched.final_url), text })
    }

    /// The list as it reads, and as the policy wants it.
    pub fn with<T>(&self, f: impl FnOnce(&Media, &[policy::Segment]) -> T) -> Result<T, Fault> {
        match hls::parse(&self.text).map_err(|flaw| self.refused(&flaw))? {
            Playlist::Media(media) => {
                let name = |s: &hls::Segment| named(s.uri, s.range.map_or(0, |range| range.from));
                let segment = |s: &hls::Segment| policy::Segment { duration_ms: s.duration_ms, name: name(s) };
                let segments: Vec<_> = media.segments.iter().map(segment).collect();
                Ok(f(&media, &segments))
            }
            Playlist::Master(_) => Err(Fault::new(FaultKind::Refused, format!("{}: names lists only", self.address))),
        }
    }

    /// Whether both are the same list, as far as addresses can tell: tickets in the query change.
    pub fn has_path_of(&self, other: &List) -> bool {
        let path = |list: &'_ List| list.address.url.split('?').next().unwrap_or_default().to_owned();
        path(self) == path(other)
    }

    fn refused(&self, flaw: &dyn std::fmt::Display) -> Fault {
        Fault::new(FaultKind::Refused, format!("{}: HLS playlist {flaw}", self.address))
    }
}

pub fn listed<'a>(media: &Media, segments: &'a [policy::Segment]) -> policy::List<'a> {
    let whole = media.kind != Kind::Live;
    policy::List { sequence: media.sequence, segments, target_ms: media.target_ms, ended: media.ended, whole }
}

/// FNV-1a over the path; the query often holds a ticket that changes.
fn named(uri: &str, from: u64) -> u64 {
    let path = uri.split(['?', '#']).next().unwrap_or_default();
    let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    from.to_le_bytes().iter().fold(path.as_bytes().iter().fold(0xCBF2_9CE4_8422_2325, step), step)
}

/// As titles of ICY are cut.
const TITLE_BYTES: usize = 512;

/// What EXTINF says is on: plain text, or attributes as some radio servers write them.
pub fn title(text: &str) -> Option<Arc<str>> {
    let text = &*readable(text.as_bytes(), TITLE_BYTES);
    if text.is_empty() || text.eq_ignore_ascii_case("no desc") {
        return None;
    }
    let plain = || Some(Arc::from(text)).filter(|_| !text.contains("=\""));
    let Some(title) = attributes::get(text, "title") else { return plain() };
    match attributes::get(text, "artist").filter(|artist| !artist.is_empty()) {
        Some(artist) => Some(Arc::from(format!("{artist} - {title}"))),
        None => Some(Arc::from(title)).filter(|_| !title.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: Option<&str>) {
        assert_eq!(title(text).as_deref(), want);
    }

    #[test]
    fn titles() {
        check("", None);
        check("no desc", None);
        check("Band - Song, live", Some("Band - Song, live"));
        check("title=\"Song\",artist=\"Band\",url=\"x\"", Some("Band - Song"));
        check("title=\"Song\",artist=\"\"", Some("Song"));
        check("title=\"\"", None);
        check("offset=\"1\"", None);
    }

    #[test]
    fn names() {
        assert_eq!(named("a/1.ts?token=x", 0), named("a/1.ts?token=y", 0));
        assert_ne!(named("a/1.ts", 0), named("a/2.ts", 0));
        assert_ne!(named("a.ts", 0), named("a.ts", 188));
    }
}
