//! The target of a request: percent decoding of a path and of a query. Which paths there are is known to [`route`](super::route).

use super::answer::{Refusal, Status};

/// A path of a request, decoded; no segment is empty, `.` or `..`, or holds `/`, `\` or a control character.
pub type Segments = Vec<String>;

/// Bytes of a name; as much as a Linux path holds.
pub const MAX_PATH: usize = 4_096;

/// What was asked for, in its two parts. Absolute forms (`http://host/path`, RFC 9112, 3.2.2) lose their authority: the gate
/// has compared it with Host.
pub fn split(target: &str) -> Result<(&str, &str), Refusal> {
    let path = match authority(target) {
        Some((_, rest)) => rest,
        None => target,
    };
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    match path {
        "" => Ok(("/", query)),
        path if path.starts_with('/') => Ok((path, query)),
        _ => Err(Refusal::new(Status::BadRequest, "The address is not a path.")),
    }
}

/// Authority and rest of an absolute target.
pub fn authority(target: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = target.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    Some(rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len())))
}

/// The segments of a path, each decoded by itself, so that an encoded slash is never a separator.
pub fn segments(path: &str) -> Result<Segments, Refusal> {
    let refused = |why| Err(Refusal::new(Status::BadRequest, why));
    if path.len() > MAX_PATH {
        return Err(Refusal::new(Status::UriTooLong, "The address is too long."));
    }
    let mut segments = Vec::new();
    for segment in path.strip_prefix('/').unwrap_or(path).split('/') {
        let Some(segment) = decode(segment, false) else { return refused("The address is not percent-encoded UTF-8.") };
        if segment.contains(['/', '\\']) || segment.contains(char::is_control) {
            return refused("A part of the address holds a slash, a backslash or a control character.");
        }
        if matches!(segment.as_str(), "." | "..") {
            return refused("The address leaves its folder.");
        }
        segments.push(segment);
    }
    match segments.iter().position(String::is_empty) {
        None => Ok(segments),
        Some(0) if segments.len() == 1 => Ok(Vec::new()),
        Some(_) => refused("A part of the address is empty."),
    }
}

/// The pairs of a query, decoded.
pub fn pairs(query: &str) -> Result<Vec<(String, String)>, Refusal> {
    let pieces = query.split('&').filter(|piece| !piece.is_empty());
    let pair = |piece: &str| {
        let (key, value) = piece.split_once('=').unwrap_or((piece, ""));
        Some((decode(key, true)?, decode(value, true)?))
    };
    pieces.map(|p| pair(p).ok_or(Refusal::new(Status::BadRequest, "The query is not percent-encoded UTF-8."))).collect()
}

/// `None` for a broken escape and for what is no UTF-8. In a query `+` is a blank.
fn decode(text: &str, in_query: bool) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        bytes.push(match byte {
            b'%' => {
                let (digits, after) = rest.split_first_chunk::<2>()?;
                rest = after;
                let digit = |b: u8| char::from(b).to_digit(16);
                (digit(digits[0])? * 16 + digit(digits[1])?) as u8 // two hexadecimal digits fit
            }
            b'+' if in_query => b' ',
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// A name below the folder as it stands in an address: each segment encoded, slashes kept. The way back of [`segments`].
pub fn encode(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for &byte in name.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Segments joined by ` | `, or the status.
    #[track_caller]
    fn path(text: &str, want: &str) {
        let got = match split(text).and_then(|(path, _)| segments(path)) {
            Ok(segments) => segments.join(" | "),
            Err(refusal) => refusal.status.code().to_string(),
        };
        assert_eq!(got, want, "{text}");
    }

    #[test]
    fn paths() {
        path("/", "");
        path("", "");
        path("/a/b", "a | b");
        path("/a%20b/%C3%A4.flac?x=/../", "a b | ä.flac");
        path("/a+b", "a+b");
        path("http://host:80/a/b?c", "a | b");
        path("http://host", "");
        path("HTTP://host?c", "");
        path("/%2e%2e/etc/passwd", "400");
        path("/a/../b", "400");
        path("/a/./b", "400");
        path("/a%2f..%2fb", "400");
        path("/a%5cb", "400");
        path("/a\\b", "400");
        path("/a%00", "400");
        path("/a%0d%0a", "400");
        path("/a//b", "400");
        path("/a/", "400");
        path("//", "400");
        path("/%", "400");
        path("/%4", "400");
        path("/%4g", "400");
        path("/%ff", "400");
        path("*", "400");
        path("ftp://host/a", "400");
        path("host:80", "400");
        path(&format!("/{}", "a".repeat(5_000)), "414");
    }

    #[test]
    fn queries() {
        let all = |text| pairs(text).map(|pairs| pairs.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(", "));
        assert_eq!(all("a=1&b=x+y%2B&&c").as_deref(), Ok("a=1, b=x y+, c="));
        assert_eq!(all("").as_deref(), Ok(""));
        assert!(all("a=%zz").is_err() && all("%ff=1").is_err());
    }

    #[test]
    fn names_there_and_back() {
        for name in ["20260522_040000.flac", "a b/ä#?%+&=.wav", "😀"] {
            let text = encode(name);
            assert!(text.bytes().all(|b| b.is_ascii_graphic()), "{text}");
            assert_eq!(segments(&text).map(|s| s.join("/")).as_deref(), Ok(name));
        }
    }
}
