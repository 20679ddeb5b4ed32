//! What a WebDAV server says of files (RFC 4918, section 13): which there are, and how long.

use crate::format::uri::decoded;
use crate::format::xml::{Malformed, Mark, walk};

/// For [`read`]: names and lengths.
pub const QUESTION: &str =
    "<?xml version=\"1.0\"?><d:propfind xmlns:d=\"DAV:\"><d:prop><d:getcontentlength/><d:resourcetype/></d:prop></d:propfind>";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The last part of its address, decoded.
    pub name: String,
    /// None for a folder.
    pub bytes: Option<u64>,
}

/// Entries of one answer, at most.
const MAX_ENTRIES: usize = 20_000;

pub fn read(xml: &[u8]) -> Result<Vec<Entry>, Malformed> {
    let (mut entries, mut entry) = (Vec::new(), None::<Entry>);
    walk(xml, |mark| match mark {
        Mark::Open("response") => entry = Some(Entry::default()),
        Mark::Close("response") => entries.extend(entry.take().filter(|_| entries.len() < MAX_ENTRIES)),
        Mark::Text(name, text) => match (name, &mut entry) {
            ("href", Some(entry)) => entry.name = last(text),
            ("getcontentlength", Some(entry)) => entry.bytes = text.parse().ok().or(entry.bytes),
            _ => {}
        },
        Mark::Open(_) | Mark::Close(_) => {}
    })?;
    Ok(entries)
}

fn last(href: &str) -> String {
    decoded(href.trim_end_matches('/').rsplit('/').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_folders() {
        let xml = "<D:multistatus xmlns:D=\"DAV:\"><D:response><D:href>/a%20b/</D:href><D:propstat><D:prop><D:resourcetype>\
            <D:collection/></D:resourcetype></D:prop></D:propstat></D:response><D:response><D:href>http://h/a/00001</D:href>\
            <D:propstat><D:prop><D:getcontentlength>17</D:getcontentlength></D:prop></D:propstat><D:propstat><D:prop>\
            <D:getcontentlength/></D:prop><D:status>HTTP/1.1 404</D:status></D:propstat></D:response></D:multistatus>";
        let entry = |name: &str, bytes| Entry { name: name.into(), bytes };
        assert_eq!(read(xml.as_bytes()), Ok(vec![entry("a b", None), entry("00001", Some(17))]));
        assert_eq!(last("/x/%zz%C3%BC%"), "%zzü%");
        assert!(read(b"not found").is_ok_and(|entries| entries.is_empty()));
        assert_eq!(read(b"<a>"), Err(Malformed));
    }
}
