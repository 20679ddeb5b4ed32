//! The head of a request: what may pass to the workers, and how it is written anew for them. Bodies are not read here.
//!
//! One request a connection, so nothing can hide behind a body; a request is passed on as lines of our own making, and only the
//! lines that somebody behind the gate reads.

use std::borrow::Cow;

use super::answer::{Refusal, Status};

/// Of a request line and its header lines together.
pub const MAX_HEAD_BYTES: usize = 8 << 10;
/// No request of ours is longer than a note; a larger body is not read.
pub const MAX_BODY_BYTES: u64 = 64 << 10;
const MAX_LINES: usize = 96;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    /// Of Icecast: a stream follows.
    Source,
    Options,
    /// Known to HTTP, or to nobody.
    Other,
}

impl Method {
    pub fn of_name(name: &str) -> Method {
        match name {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "DELETE" => Method::Delete,
            "SOURCE" => Method::Source,
            "OPTIONS" => Method::Options,
            _ => Method::Other,
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
            Method::Source => "SOURCE",
            Method::Options => "OPTIONS",
            Method::Other => "OTHER",
        }
    }

    /// Whether it may change something.
    pub const fn changes(self) -> bool {
        !matches!(self, Method::Get | Method::Head | Method::Options)
    }
}

/// Header lines that workers read; every other one stays at the gate.
const PASSED: [&str; 11] = [
    "accept-encoding",
    "authorization",
    "content-type",
    "cookie",
    "host",
    "icy-metadata",
    "if-match",
    "if-none-match",
    "if-range",
    "range",
    "user-agent",
];
/// Lines that must not stand twice, since two readers would believe two things.
const ONCE: [&str; 8] = ["authorization", "content-length", "content-type", "host", "if-match", "if-range", "origin", "range"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    pub method: Method,
    /// Visible ASCII.
    pub target: String,
    /// Names in lower case, values of visible ASCII and blanks.
    lines: Vec<(String, String)>,
    pub body: Length,
    /// Of the head itself, its empty line included.
    pub bytes: usize,
    /// The client speaks HTTP/1.1.
    pub is_modern: bool,
}

/// How long the body is that follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    Bytes(u64),
    /// The request does not say: of most there is none; of a stream, up to the end of the connection.
    Unsaid,
    Chunked,
}

/// The head at the front of `bytes`; `None` when more of it must come.
pub fn parse(bytes: &[u8]) -> Result<Option<RequestHead>, Refusal> {
    let bad = |why: &str| Refusal::new(Status::BadRequest, why);
    let mut space = [httparse::EMPTY_HEADER; MAX_LINES];
    let mut request = httparse::Request::new(&mut space);
    let (bytes, more) = plain(bytes);
    let bytes = &*bytes;
    let read = match request.parse(bytes) {
        Ok(httparse::Status::Complete(read)) if read <= MAX_HEAD_BYTES => read,
        Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD_BYTES => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => {
            return Err(Refusal::new(Status::HeadTooLarge, "The head of the request is too large."));
        }
        Err(httparse::Error::Version) => {
            return Err(Refusal::new(Status::VersionNotSupported, "Only HTTP/1.1 and HTTP/1.0 are spoken here."));
        }
        Err(_) => return Err(bad("The request is not HTTP.")),
    };
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
        return Err(bad("The request is not HTTP."));
    };
    if !target.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(bad("The address holds bytes that must be percent-encoded."));
    }
    let lines = lines(request.headers)?;
    let body = length(&lines)?;
    let (method, target, is_modern) = (Method::of_name(method), target.to_owned(), minor == 1);
    let head = RequestHead { method, target, lines, body, bytes: read - more, is_modern };
    if minor == 1 && head.line("host").is_none() {
        return Err(bad("The request has no Host."));
    }
    Ok(Some(head))
}

/// Old sources say `ICE/1.0` where HTTP has its version. The head as it should be, and by how many bytes it is longer.
fn plain(bytes: &[u8]) -> (Cow<'_, [u8]>, usize) {
    const ICE: &[u8] = b"ICE/1.0";
    let end = bytes.iter().position(|&b| b == b'\n').unwrap_or(0);
    let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
    match line.starts_with(b"SOURCE ") && line.ends_with(ICE) {
        true => (Cow::Owned([&line[..line.len() - ICE.len()], b"HTTP/1.0", &bytes[line.len()..]].concat()), 1),
        false => (Cow::Borrowed(bytes), 0),
    }
}

/// A value that is not ASCII is of no line that we read: it is left out.
fn lines(headers: &[httparse::Header]) -> Result<Vec<(String, String)>, Refusal> {
    let mut lines: Vec<(String, String)> = Vec::with_capacity(headers.len());
    for header in headers {
        let name = header.name.to_ascii_lowercase();
        if ONCE.contains(&name.as_str()) && lines.iter().any(|(other, _)| *other == name) {
            return Err(Refusal::new(Status::BadRequest, format!("The request has two lines of {}.", header.name)));
        }
        let is_plain = |b: &u8| *b == b' ' || *b == b'\t' || b.is_ascii_graphic();
        match std::str::from_utf8(header.value) {
            // What a source calls itself may have any letters: no worker sees it.
            Ok(value) if header.value.iter().all(is_plain) || (name.starts_with("ice-") && !value.contains(char::is_control)) => {
                lines.push((name, value.trim().to_owned()));
            }
            _ if ONCE.contains(&name.as_str()) => {
                return Err(Refusal::new(Status::BadRequest, format!("The line {} is not ASCII.", header.name)));
            }
            _ => {}
        }
    }
    Ok(lines)
}

fn length(lines: &[(String, String)]) -> Result<Length, Refusal> {
    let bad = |why| Err(Refusal::new(Status::BadRequest, why));
    let values = |wanted: &'static str| lines.iter().filter(move |(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let coding: Vec<&str> = values("transfer-encoding").collect();
    match (values("content-length").next(), coding.as_slice()) {
        (None, []) => Ok(Length::Unsaid),
        (Some(text), []) if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) => {
            bad("Content-Length is not a number.")
        }
        (Some(text), []) => Ok(Length::Bytes(text.parse().unwrap_or(u64::MAX))),
        (Some(_), _) => bad("The request says twice how long its body is."),
        (None, [coding]) if coding.eq_ignore_ascii_case("chunked") => Ok(Length::Chunked),
        (None, _) => Err(Refusal::new(Status::NotImplemented, "Of transfer codings only chunked is known here.")),
    }
}

impl RequestHead {
    /// Of a body that is read before the request is answered; streams are not.
    pub fn body_bytes(&self) -> Result<u64, Refusal> {
        match self.body {
            Length::Unsaid => Ok(0),
            Length::Bytes(bytes) if bytes <= MAX_BODY_BYTES => Ok(bytes),
            Length::Bytes(_) => Err(Refusal::new(Status::ContentTooLarge, format!("A body may have {MAX_BODY_BYTES} bytes."))),
            Length::Chunked => Err(Refusal::new(Status::LengthRequired, "Bodies are taken with a Content-Length only.")),
        }
    }

    /// A stream follows, for a mount of the relay: what is put elsewhere is small.
    pub fn is_source(&self) -> bool {
        let path = self.target.split('?').next().unwrap_or_default();
        self.method == Method::Source || (self.method == Method::Put && !path.starts_with("/api/"))
    }

    /// The value of a line; `name` in lower case.
    pub fn line(&self, name: &str) -> Option<&str> {
        self.lines.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The request as the workers see it, without its body. `peer` is an address of the network.
    pub fn relayed(&self, peer: &str) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\nConnection: close\r\n", self.method.name(), self.target);
        let bytes = self.body_bytes().unwrap_or(0);
        text.push_str(&format!("{PEER}: {peer}\r\nContent-Length: {bytes}\r\n"));
        if self.line("host").is_none() {
            text.push_str("Host: gate\r\n");
        }
        for (name, value) in self.lines.iter().filter(|(name, _)| PASSED.contains(&name.as_str())) {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        text.into_bytes()
    }
}

/// The line that says for whom the gate asks.
pub const PEER: &str = "X-Peer";

#[cfg(test)]
mod tests {
    use super::*;

    /// Method, target and bytes of the body; `more`; or the status.
    #[track_caller]
    fn check(text: &str, want: &str) {
        let got = match parse(text.as_bytes()) {
            Ok(None) => "more".to_owned(),
            Ok(Some(head)) => match head.body_bytes() {
                Ok(bytes) => format!("{} {} {bytes}", head.method.name(), head.target),
                Err(refusal) => refusal.status.code().to_string(),
            },
            Err(refusal) => refusal.status.code().to_string(),
        };
        assert_eq!(got, want, "{text:?}");
    }

    #[test]
    fn heads() {
        check("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / 0");
        check("GET / HTTP/1.0\r\n\r\n", "GET / 0");
        check("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\nabc", "POST /x 12");
        check("BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n", "OTHER /pot 0");
        check("GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n", "GET http://a/b 0");
        check("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", "OTHER a:80 0");
        check("", "more");
        check("GET / HTTP/1.1\r\nHost: a\r\n", "more");
        check("GET /\r\n\r\n", "400");
        check("GET / HTTP/2.0\r\nHost: a\r\n\r\n", "505");
        check("GET / HTTP/1.1\r\n\r\n", "400");
        check("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400");
        check("GET / HTTP/1.1\r\nHost : a\r\n\r\n", "400");
        check("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", "400");
        check("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", "400");
        check("GET /ä HTTP/1.1\r\nHost: a\r\n\r\n", "400");
        check("\x16\x03\x01\x02", "400"); // the first bytes of TLS
        check("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", "400");
        check("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", "400");
        check("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", "400");
        check("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n", "413");
        check("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n", "413");
        check("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "411");
        check("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", "501");
        check("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", "400");
        check("SOURCE /a HTTP/1.0\r\n\r\n", "SOURCE /a 0");
        check("SOURCE /a ICE/1.0\r\n\r\n", "SOURCE /a 0");
        check("GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1\r\nRange: bytes=0-1\r\n\r\n", "400");
        check(&format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(9_000)), "431");
        check(&format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(8_192)), "431");
        check(&format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(200)), "431");
    }

    #[test]
    fn only_what_is_read_is_passed() {
        let text = "DELETE /a HTTP/1.0\r\nhost: box\r\nTE: identity\r\nExpect: 100-continue\r\nConnection: keep-alive\r\n\
                    X-Peer: 1.2.3.4\r\nCOOKIE: a=b\r\nX-Other: \u{e4}\r\nRange:  bytes=0-1 \r\nUpgrade: h2c\r\n\r\n";
        let head = parse(text.as_bytes()).expect("good").expect("whole");
        assert_eq!(head.bytes, text.len());
        assert_eq!(
            String::from_utf8(head.relayed("::1")).expect("text"),
            "DELETE /a HTTP/1.1\r\nConnection: close\r\nX-Peer: ::1\r\nContent-Length: 0\r\nhost: box\r\ncookie: a=b\r\n\
             range: bytes=0-1\r\n\r\n"
        );
    }

    #[test]
    fn a_head_ends_where_its_body_begins() {
        for text in
            ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "SOURCE /a ICE/1.0\r\nice-name: \u{e4}\r\n\r\n", "SOURCE /a ICE/1.0\n\n"]
        {
            let whole = [text.as_bytes(), b"body"].concat();
            let head = parse(&whole).expect("good").expect("whole");
            assert_eq!(head.bytes, text.len(), "{text:?}");
            assert!(text.starts_with("GET") || head.line("ice-name").is_none_or(|name| name == "\u{e4}"));
        }
    }

    #[test]
    fn every_front_of_a_head_asks_for_more() {
        let text = "GET /a?b HTTP/1.1\r\nHost: box\r\nRange: bytes=0-\r\n\r\n";
        for end in 0..text.len() {
            assert_eq!(parse(&text.as_bytes()[..end]), Ok(None), "{end}");
        }
    }
}
