//! Lists of addresses that stand where a stream is expected: M3U, PLS, XSPF. None but XSPF has a standard (xspf.org, version 1).
//!
//! HLS (RFC 8216) calls itself M3U too; it is recognised here and read elsewhere.

use super::icy::readable;
use super::uri::resolve;

/// No list of a station is longer.
pub const MAX_BYTES: usize = 256 << 10;
/// So many first bytes tell a list from sound.
pub const SNIFF_BYTES: usize = 16;
const MAX_ENTRIES: usize = 32;
const MAX_URL_BYTES: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    M3u,
    Pls,
    Xspf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Playlist {
    /// Absolute addresses, first choice first; may be empty.
    Entries(Vec<String>),
    /// Media or variants of RFC 8216.
    Hls,
}

/// Whether a response is a list: by its first bytes, then by what the server calls it, last by its name.
pub fn recognise(content_type: Option<&str>, url: &str, first: &[u8]) -> Option<Kind> {
    let first = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first).trim_ascii_start();
    let begins = |with: &str| first.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with.as_bytes()));
    if begins("#EXTM3U") {
        return Some(Kind::M3u);
    }
    if begins("[playlist]") {
        return Some(Kind::Pls);
    }
    let is_text = first.iter().all(|&b| b >= b' ' || b.is_ascii_whitespace());
    if !is_text {
        return None;
    }
    if begins("<?xml") || begins("<playlist") {
        return named(content_type, url).filter(|kind| *kind == Kind::Xspf);
    }
    named(content_type, url)
}

/// Whether the first bytes must be seen before sound can be told from a list.
pub fn is_doubtful(content_type: Option<&str>, url: &str) -> bool {
    let sound = |mime: &str| mime.starts_with("audio/") || mime.starts_with("video/") || mime == "application/ogg";
    named(content_type, url).is_some() || !content_type.is_some_and(|text| sound(&mime(text)))
}

fn mime(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// By content type; by the end of the path where that says nothing.
fn named(content_type: Option<&str>, url: &str) -> Option<Kind> {
    match content_type.map(mime).as_deref() {
        Some(
            "audio/x-mpegurl"
            | "audio/mpegurl"
            | "application/x-mpegurl"
            | "application/mpegurl"
            | "application/vnd.apple.mpegurl"
            | "application/vnd.apple.mpegurl.audio"
            | "audio/x-mpequrl",
        ) => Some(Kind::M3u),
        Some("audio/x-scpls" | "application/pls+xml" | "audio/scpls" | "application/x-scpls") => Some(Kind::Pls),
        Some("application/xspf+xml") => Some(Kind::Xspf),
        Some(mime) if mime.starts_with("audio/") || mime.starts_with("video/") || mime == "text/html" => None,
        _ => {
            let path = url.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
            let ends = [(".m3u", Kind::M3u), (".m3u8", Kind::M3u), (".pls", Kind::Pls), (".xspf", Kind::Xspf)];
            ends.into_iter().find(|(end, _)| path.ends_with(end)).map(|(_, kind)| kind)
        }
    }
}

/// The whole list, as it came from `base`.
pub fn read(kind: Kind, bytes: &[u8], base: &str) -> Playlist {
    let bytes = &bytes[..bytes.len().min(MAX_BYTES)];
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let lines = bytes.split(|&b| matches!(b, b'\n' | b'\r')).map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let found: Vec<String> = match kind {
        Kind::M3u => {
            if lines.clone().any(|line| line.starts_with(b"#EXT-X-")) {
                return Playlist::Hls;
            }
            lines.filter(|line| !line.starts_with(b"#")).map(|line| readable(line, MAX_URL_BYTES)).take(MAX_ENTRIES).collect()
        }
        Kind::Pls => {
            let mut files: Vec<(u32, String)> = lines.filter_map(numbered_file).take(MAX_ENTRIES).collect();
            files.sort_by_key(|(number, _)| *number);
            files.into_iter().map(|(_, url)| url).collect()
        }
        Kind::Xspf => locations(bytes),
    };
    let mut entries: Vec<String> = Vec::new();
    for url in found.iter().map(|reference| resolve(base, reference)).filter(|url| is_http(url)) {
        if !entries.contains(&url) {
            entries.push(url);
        }
    }
    Playlist::Entries(entries)
}

fn is_http(url: &str) -> bool {
    url.split_once("://").is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"))
}

/// `File3=http://…`
fn numbered_file(line: &[u8]) -> Option<(u32, String)> {
    let line = readable(line, MAX_URL_BYTES);
    let (key, url) = line.split_once('=')?;
    let key = key.trim().to_ascii_lowercase();
    Some((key.strip_prefix("file")?.parse().ok()?, url.trim().to_owned()))
}

/// The text of every `<location>`, whatever stands around it.
fn locations(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let mut found = Vec::new();
    let mut rest: &str = &text;
    while found.len() < MAX_ENTRIES {
        let Some((_, after)) = rest.split_once('<') else { break };
        rest = after;
        let Some((tag, inside)) = after.split_once('>') else { break };
        let name = tag.split(|c: char| c.is_whitespace()).next().unwrap_or_default();
        if name.rsplit(':').next() == Some("location") && !name.starts_with('/') {
            let cdata = inside.trim_start().strip_prefix("<![CDATA[").and_then(|inside| inside.split_once("]]>"));
            found.push(match cdata {
                Some((raw, _)) => raw.trim().to_owned(),
                None => decoded(inside.split('<').next().unwrap_or_default().trim()),
            });
        }
    }
    found.retain(|url| !url.is_empty() && url.len() <= MAX_URL_BYTES);
    found
}

/// XML's five names and its numbers; what is neither stays as it is.
fn decoded(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let known = after.split_once(';').and_then(|(name, after)| Some((entity(name)?, after)));
        match known {
            Some((c, after)) => {
                plain.push(c);
                rest = after;
            }
            None => {
                plain.push('&');
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    plain
}

fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Kind, text: &str, want: &[&str]) {
        let want = want.iter().map(|url| (*url).to_owned()).collect();
        assert_eq!(read(kind, text.as_bytes(), "http://h/dir/list"), Playlist::Entries(want), "{text}");
    }

    #[test]
    fn m3u() {
        check(Kind::M3u, "#EXTM3U\r\n#EXTINF:-1,x\r\nhttp://a/1\r\n\r\nb.mp3\r\n", &["http://a/1", "http://h/dir/b.mp3"]);
        check(Kind::M3u, "\u{feff}http://a/1\rhttp://a/1\r/x y", &["http://a/1", "http://h/x%20y"]);
        check(Kind::M3u, "mms://a/1\nfile:///etc/passwd\n", &[]);
        check(Kind::M3u, "", &[]);
        assert_eq!(read(Kind::M3u, b"#EXTM3U\n#EXT-X-VERSION:3\nx.ts\n", "http://h/"), Playlist::Hls);
        assert_eq!(read(Kind::M3u, b"http://a/caf\xe9", ""), Playlist::Entries(vec!["http://a/caf%C3%A9".to_owned()]));
        let Playlist::Entries(many) =
            read(Kind::M3u, (0..99).map(|n| format!("{n}\n")).collect::<String>().as_bytes(), "http://h/")
        else {
            panic!("not HLS")
        };
        assert_eq!(many.len(), 32);
    }

    #[test]
    fn pls() {
        check(
            Kind::Pls,
            "[playlist]\nNumberOfEntries=2\nFile2=http://b/?x=1\nTitle2=t\nfile1 = a.mp3\nFileX=c\n",
            &["http://h/dir/a.mp3", "http://b/?x=1"],
        );
        check(Kind::Pls, "File1", &[]);
    }

    #[test]
    fn xspf() {
        let list = "<?xml version=\"1.0\"?><playlist><location>http://me/</location><trackList>\n\
                    <track><x:location a='b'> http://a/?x&amp;y&#x41;&#66;&unknown; </x:location></track>\
                    <location><![CDATA[http://b/?1&2]]></location><location/><location></location><locations>http://no/</locations>";
        check(Kind::Xspf, list, &["http://me/", "http://a/?x&yAB&unknown;", "http://b/?1&2"]);
        check(Kind::Xspf, "<location>http://cut/", &["http://cut/"]);
        check(Kind::Xspf, "<<<<>>>>&", &[]);
    }

    #[test]
    fn what_is_a_list() {
        let kind = |mime: &str, url: &str, first: &[u8]| recognise(Some(mime).filter(|m| !m.is_empty()), url, first);
        assert_eq!(kind("audio/x-mpegurl", "http://h/x", b"http://a/"), Some(Kind::M3u));
        assert_eq!(kind("audio/x-mpegurl", "http://h/x", b"\xff\xfb\x90\x00"), None);
        assert_eq!(kind("Audio/X-ScPls; charset=x", "http://h/x", b"File1="), Some(Kind::Pls));
        assert_eq!(kind("text/plain", "http://h/x", b"\xef\xbb\xbf#extm3u"), Some(Kind::M3u));
        assert_eq!(kind("", "http://h/x.M3U8?t=1", b"http://a/"), Some(Kind::M3u));
        assert_eq!(kind("application/xspf+xml", "http://h/x", b"<?xml version"), Some(Kind::Xspf));
        assert_eq!(kind("text/html", "http://h/x.pls", b"<!DOCTYPE html>"), None);
        assert_eq!(kind("audio/mpeg", "http://h/x.m3u", b"ID3\x04"), None);
        assert_eq!(kind("text/xml", "http://h/x", b"<?xml version"), None);
        assert!(
            is_doubtful(Some("text/plain"), "http://h/x")
                && is_doubtful(None, "")
                && !is_doubtful(Some("audio/mpeg"), "http://h/")
        );
    }
}
