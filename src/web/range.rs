//! Which bytes of a file are asked for: `Range` (RFC 9110, 14.2), and the parts that an answer then has. How many bytes there are
//! is frozen before the head is written, so that a growing file never puts more into an answer than its head says.

use super::answer::{Head, Status};

/// [start, end) of a file's bytes; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub start: u64,
    pub end: u64,
}

impl Span {
    pub fn bytes(self) -> u64 {
        self.end - self.start
    }
}

/// What a request wants of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// No range, or one that means nothing: it is ignored, as the RFC wants.
    Whole,
    One(Span),
    /// Two to [`MAX_SPANS`], in the order that was asked for; none overlaps another.
    Many(Vec<Span>),
    /// No byte of the file is in any range.
    Nothing,
}

/// More ranges than any player asks for; a request with more gets the whole file.
pub const MAX_SPANS: usize = 16;

/// `header` is the value of `Range`.
pub fn wanted(header: Option<&str>, len: u64) -> Wanted {
    let Some(spans) = header.and_then(|text| spans(text, len)) else { return Wanted::Whole };
    let mut spans: Vec<Span> = spans.into_iter().flatten().collect();
    if overlap(&spans) {
        spans = merged(spans);
    }
    match spans.as_slice() {
        [] => Wanted::Nothing,
        [one] => Wanted::One(*one),
        _ => Wanted::Many(spans),
    }
}

/// `None` for what is no list of byte ranges; an element is `None` when it lies behind the end.
fn spans(text: &str, len: u64) -> Option<Vec<Option<Span>>> {
    let (unit, list) = text.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let mut spans = Vec::new();
    for item in list.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let (first, last) = item.split_once('-')?;
        let (first, last) = (first.trim_end(), last.trim_start());
        let (start, end) = if first.is_empty() {
            (len.saturating_sub(number(last)?), len)
        } else {
            let start = number(first)?;
            let last = if last.is_empty() { u64::MAX } else { number(last)? };
            if last < start {
                return None;
            }
            (start, last.saturating_add(1).min(len))
        };
        if spans.len() == MAX_SPANS {
            return None;
        }
        spans.push((start < end).then_some(Span { start, end }));
    }
    if spans.is_empty() { None } else { Some(spans) }
}

/// Digits only; a number that is larger than any file is the largest.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

fn overlap(spans: &[Span]) -> bool {
    spans.iter().enumerate().any(|(n, a)| spans[..n].iter().any(|b| a.start < b.end && b.start < a.end))
}

/// In order, those that touch joined.
fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_by_key(|span| span.start);
    let mut joined: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match joined.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => joined.push(span),
        }
    }
    joined
}

/// A piece of an answer's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Text(Vec<u8>),
    Bytes(Span),
}

impl Part {
    pub fn bytes(&self) -> u64 {
        match self {
            Part::Text(text) => text.len() as u64,
            Part::Bytes(span) => span.bytes(),
        }
    }
}

/// Status, the lines that name the range, and the body in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub status: Status,
    pub content_type: String,
    pub content_range: Option<String>,
    pub parts: Vec<Part>,
}

impl Plan {
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(Part::bytes).sum()
    }

    /// The lines of a head that the plan knows, length included.
    pub fn head(&self) -> Head {
        let head = Head::new(self.status).line("Content-Type", &self.content_type).line("Accept-Ranges", "bytes");
        head.line_if("Content-Range", self.content_range.as_deref()).length(self.bytes())
    }
}

/// The answer to what is wanted of a file of `len` bytes. `boundary` separates the parts of a multiple range and should occur in
/// no file.
pub fn plan(wanted: Wanted, len: u64, media: &str, boundary: &str) -> Plan {
    let range = |span: Span| format!("bytes {}-{}/{len}", span.start, span.end - 1);
    let (status, content_type, content_range, parts) = match wanted {
        Wanted::Whole => {
            let whole = if len == 0 { Vec::new() } else { vec![Part::Bytes(Span { start: 0, end: len })] };
            (Status::Ok, media.to_owned(), None, whole)
        }
        Wanted::One(span) => (Status::PartialContent, media.to_owned(), Some(range(span)), vec![Part::Bytes(span)]),
        Wanted::Many(spans) => {
            let mut parts = Vec::with_capacity(2 * spans.len() + 1);
            for span in spans {
                let head = format!("\r\n--{boundary}\r\nContent-Type: {media}\r\nContent-Range: {}\r\n\r\n", range(span));
                parts.extend([Part::Text(head.into_bytes()), Part::Bytes(span)]);
            }
            parts.push(Part::Text(format!("\r\n--{boundary}--\r\n").into_bytes()));
            (Status::PartialContent, format!("multipart/byteranges; boundary={boundary}"), None, parts)
        }
        Wanted::Nothing => {
            let text = "{\"error\":\"The file has no such bytes.\"}";
            let parts = vec![Part::Text(text.into())];
            (Status::RangeNotSatisfiable, "application/json".to_owned(), Some(format!("bytes */{len}")), parts)
        }
    };
    Plan { status, content_type, content_range, parts }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a file of 1,000 bytes.
    #[track_caller]
    fn check(header: &str, want: &str) {
        let text = |span: &Span| format!("{}..{}", span.start, span.end);
        let got = match wanted(Some(header), 1_000) {
            Wanted::Whole => "whole".to_owned(),
            Wanted::One(span) => text(&span),
            Wanted::Many(spans) => spans.iter().map(text).collect::<Vec<_>>().join(" "),
            Wanted::Nothing => "416".to_owned(),
        };
        assert_eq!(got, want, "{header}");
    }

    #[test]
    fn ranges() {
        check("bytes=0-", "0..1000");
        check("bytes=0-0", "0..1");
        check("Bytes = 5-9", "5..10");
        check("bytes=999-", "999..1000");
        check("bytes=990-99999999999999999999999", "990..1000");
        check("bytes=-1", "999..1000");
        check("bytes=-5000", "0..1000");
        check("bytes=1000-", "416");
        check("bytes=-0", "416");
        check("bytes=5000-6000,7000-", "416");
        check("bytes=0-1, 5-6", "0..2 5..7");
        check("bytes=5-6,0-1", "5..7 0..2");
        check("bytes=0-9,5000-", "0..10");
        check("bytes=0-9,5-19,30-39", "0..20 30..40");
        check("bytes=0-,0-,0-,0-", "0..1000");
    }

    #[test]
    fn what_means_nothing_is_ignored() {
        for header in
            ["", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=9-5", "items=0-5", "bytes=0-5,x", "bytes=+1-5", "bytes=1--5"]
        {
            check(header, "whole");
        }
        assert_eq!(wanted(None, 1_000), Wanted::Whole);
        let many = |n: u64| format!("bytes={}", (0..n).map(|k| format!("{}-{}", 3 * k, 3 * k + 1)).collect::<Vec<_>>().join(","));
        check(&many(17), "whole");
        assert!(matches!(wanted(Some(&many(16)), 1_000), Wanted::Many(spans) if spans.len() == 16));
    }

    #[test]
    fn an_empty_file_has_no_bytes() {
        assert_eq!(wanted(Some("bytes=0-"), 0), Wanted::Nothing);
        let plan = plan(Wanted::Whole, 0, "audio/wav", "b");
        assert_eq!((plan.bytes(), plan.parts.len(), plan.status), (0, 0, Status::Ok));
    }

    /// As RFC 9110, 14.6 shows it.
    #[test]
    fn several_parts() {
        let plan = plan(wanted(Some("bytes=0-1,998-"), 1_000), 1_000, "audio/wav", "XX");
        let text: String = plan
            .parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => String::from_utf8(text.clone()).expect("text"),
                Part::Bytes(span) => format!("<{}>", span.bytes()),
            })
            .collect();
        assert_eq!(
            text,
            "\r\n--XX\r\nContent-Type: audio/wav\r\nContent-Range: bytes 0-1/1000\r\n\r\n<2>\
             \r\n--XX\r\nContent-Type: audio/wav\r\nContent-Range: bytes 998-999/1000\r\n\r\n<2>\r\n--XX--\r\n"
        );
        assert_eq!(plan.bytes(), text.len() as u64 - 6 + 4);
        assert_eq!(plan.content_type, "multipart/byteranges; boundary=XX");
    }

    #[test]
    fn no_such_bytes_says_how_many_there_are() {
        let plan = plan(wanted(Some("bytes=1000-"), 1_000), 1_000, "audio/wav", "b");
        let head = String::from_utf8(plan.head().finish()).expect("text");
        assert!(head.starts_with("HTTP/1.1 416 ") && head.contains("\r\nContent-Range: bytes */1000\r\n"), "{head}");
    }
}
