//! The head of an answer: status, header lines that cannot be broken, the lines that every answer has. Where the body comes from
//! is not known here.

use std::fmt::Write;

macro_rules! statuses {
    ($($name:ident $code:literal $phrase:literal)*) => {
        /// Every status that is ever answered.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Status { $($name),* }

        impl Status {
            pub const ALL: &[Status] = &[$(Status::$name),*];

            pub const fn code(self) -> u16 {
                match self { $(Status::$name => $code),* }
            }

            pub const fn phrase(self) -> &'static str {
                match self { $(Status::$name => $phrase),* }
            }
        }
    };
}

statuses! {
    Ok 200 "OK"
    NoContent 204 "No Content"
    PartialContent 206 "Partial Content"
    NotModified 304 "Not Modified"
    BadRequest 400 "Bad Request"
    Unauthorized 401 "Unauthorized"
    Forbidden 403 "Forbidden"
    NotFound 404 "Not Found"
    MethodNotAllowed 405 "Method Not Allowed"
    RequestTimeout 408 "Request Timeout"
    Conflict 409 "Conflict"
    LengthRequired 411 "Length Required"
    PreconditionFailed 412 "Precondition Failed"
    ContentTooLarge 413 "Content Too Large"
    UriTooLong 414 "URI Too Long"
    RangeNotSatisfiable 416 "Range Not Satisfiable"
    MisdirectedRequest 421 "Misdirected Request"
    UnprocessableContent 422 "Unprocessable Content"
    Locked 423 "Locked"
    TooManyRequests 429 "Too Many Requests"
    HeadTooLarge 431 "Request Header Fields Too Large"
    Failed 500 "Internal Server Error"
    NotImplemented 501 "Not Implemented"
    BadGateway 502 "Bad Gateway"
    Unavailable 503 "Service Unavailable"
    VersionNotSupported 505 "HTTP Version Not Supported"
}

/// Why a request is not fulfilled: one sentence for a person, and the header lines that belong to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: Status,
    pub why: String,
    pub lines: Vec<(&'static str, String)>,
}

impl Refusal {
    pub fn new(status: Status, why: impl Into<String>) -> Refusal {
        Refusal { status, why: why.into(), lines: Vec::new() }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Refusal {
        self.lines.push((name, value.into()));
        self
    }

    /// Head and body, ready to be sent.
    pub fn bytes(&self, head_only: bool) -> Vec<u8> {
        let body = self.json();
        let mut bytes = self.head().length(body.len() as u64).finish();
        if !head_only {
            bytes.extend_from_slice(body.as_bytes());
        }
        bytes
    }

    /// The head without its length.
    pub fn head(&self) -> Head {
        let head = Head::new(self.status).line("Content-Type", "application/json").line("Cache-Control", "no-store");
        self.lines.iter().fold(head, |head, (name, value)| head.line(name, value))
    }

    /// `{"error":"One sentence."}`
    pub fn json(&self) -> String {
        serde_json::json!({ "error": self.why }).to_string()
    }
}

/// What may be loaded and who may show it. Nothing comes from anywhere else, nothing is written into the page as a script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
     media-src 'self' blob:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

const EVERYWHERE: [(&str, &str); 7] = [
    ("Connection", "close"),
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
];

/// The head of an answer, growing.
#[derive(Clone, Debug)]
pub struct Head {
    text: String,
}

impl Head {
    pub fn new(status: Status) -> Head {
        let mut text = String::with_capacity(768);
        let _ = write!(text, "HTTP/1.1 {} {}\r\n", status.code(), status.phrase());
        EVERYWHERE.iter().fold(Head { text }, |head, (name, value)| head.line(name, value))
    }

    /// A line. What no header may hold (control characters, letters beyond ASCII) becomes `?`, so no value can begin a line of
    /// its own.
    pub fn line(mut self, name: &'static str, value: &str) -> Head {
        let safe = value.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' });
        self.text.push_str(name);
        self.text.push_str(": ");
        self.text.extend(safe);
        self.text.push_str("\r\n");
        self
    }

    pub fn line_if(self, name: &'static str, value: Option<&str>) -> Head {
        match value {
            Some(value) => self.line(name, value),
            None => self,
        }
    }

    /// Of the body, whether or not one follows.
    pub fn length(self, bytes: u64) -> Head {
        self.line("Content-Length", &bytes.to_string())
    }

    pub fn finish(mut self) -> Vec<u8> {
        self.text.push_str("\r\n");
        self.text.into_bytes()
    }
}

/// `attachment; filename="…"`, with the whole name as RFC 8187 writes it when it is not plain.
pub fn attachment(name: &str) -> String {
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    if plain == name {
        return format!("attachment; filename=\"{plain}\"");
    }
    let encoded: String = super::target::encode(name).replace('/', "%2F");
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._ ()+,=@".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stays_in_its_line() {
        let head = Head::new(Status::Ok).line("X-Name", "a\r\nSet-Cookie: b\0ä").length(u64::MAX).finish();
        let text = String::from_utf8(head).expect("text");
        assert!(text.contains("\r\nX-Name: a??Set-Cookie: b??\r\nContent-Length: 18446744073709551615\r\n\r\n"), "{text}");
        assert!(text.starts_with("HTTP/1.1 200 OK\r\nConnection: close\r\n"), "{text}");
        assert!(!text.replace("\r\n", "").contains(char::is_control), "{text}");
    }

    #[test]
    fn nothing_from_elsewhere_is_loaded() {
        let text = String::from_utf8(Head::new(Status::Ok).finish()).expect("text");
        for part in ["default-src 'none'", "frame-ancestors 'none'", "nosniff", "Cross-Origin-Opener-Policy: same-origin"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("unsafe-"), "{text}");
    }

    #[test]
    fn a_refusal_is_json_with_its_lines() {
        let refusal = Refusal::new(Status::MethodNotAllowed, "Only \"GET\".").with("Allow", "GET, HEAD");
        let text = String::from_utf8(refusal.bytes(false)).expect("text");
        assert!(text.starts_with("HTTP/1.1 405 Method Not Allowed\r\n") && text.contains("\r\nAllow: GET, HEAD\r\n"), "{text}");
        assert!(text.ends_with("\r\nContent-Length: 25\r\n\r\n{\"error\":\"Only \\\"GET\\\".\"}"), "{text}");
        assert!(String::from_utf8(refusal.bytes(true)).expect("text").ends_with("\r\nContent-Length: 25\r\n\r\n"));
    }

    #[test]
    fn names_of_downloads() {
        for (name, want) in [
            ("a.flac", "attachment; filename=\"a.flac\""),
            ("ä\".flac", "attachment; filename=\"__.flac\"; filename*=UTF-8''%C3%A4%22.flac"),
            ("a/b\n.wav", "attachment; filename=\"a_b_.wav\"; filename*=UTF-8''a%2Fb%0A.wav"),
        ] {
            assert_eq!(attachment(name), want);
        }
    }

    #[test]
    fn codes_are_told_once() {
        let codes: std::collections::BTreeSet<_> = Status::ALL.iter().map(|status| status.code()).collect();
        assert_eq!(codes.len(), Status::ALL.len());
    }
}
