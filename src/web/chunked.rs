//! A body in chunks (RFC 9112 section 7.1), taken apart as it comes.

/// A chunk's length has at most so many hexadecimal digits: 2^60 bytes.
const MOST_DIGITS: u8 = 15;
/// What stands between the data of two chunks, or behind the last one, is passed over, but not for ever.
const MOST_IGNORED: u32 = 8 << 10;

/// Where in the framing the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Length {
        value: u64,
        digits: u8,
    },
    /// An extension, up to the end of its line.
    Extension {
        value: u64,
    },
    Data {
        left: u64,
    },
    /// The end of the line behind the data.
    AfterData,
    /// A trailer's line, of so many bytes.
    Trailer {
        length: u32,
    },
    Over,
}

#[derive(Clone, Debug)]
pub struct Chunked {
    place: Place,
    /// Since the last data. <= MOST_IGNORED
    ignored: u32,
}

impl Default for Chunked {
    fn default() -> Chunked {
        Chunked { place: Place::Length { value: 0, digits: 0 }, ignored: 0 }
    }
}

impl Chunked {
    /// The last chunk has come, and its trailers.
    pub fn is_over(&self) -> bool {
        self.place == Place::Over
    }

    /// Any number of bytes; `out` is given those of the body. What comes behind the end is passed over.
    pub fn push<'a>(&mut self, mut bytes: &'a [u8], mut out: impl FnMut(&'a [u8])) -> Result<(), &'static str> {
        while let Some(&first) = bytes.first() {
            if let Place::Data { left } = self.place {
                let now = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                out(&bytes[..now]);
                self.ignored = 0;
                bytes = &bytes[now..];
                let left = left - now as u64;
                self.place = if left == 0 { Place::AfterData } else { Place::Data { left } };
                continue;
            }
            bytes = &bytes[1..];
            self.place = self.next(first)?;
            if self.is_over() {
                break;
            }
        }
        Ok(())
    }

    fn next(&mut self, byte: u8) -> Result<Place, &'static str> {
        const WRONG: &str = "the chunks of its body are not framed";
        let begun = |value| if value == 0 { Place::Trailer { length: 0 } } else { Place::Data { left: value } };
        Ok(match (self.place, byte) {
            (Place::Length { value, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') if digits < MOST_DIGITS => {
                let digit = (byte as char).to_digit(16).unwrap_or(0); // it is one
                Place::Length { value: value * 16 + u64::from(digit), digits: digits + 1 }
            }
            (Place::Length { digits: 0, .. }, _) => return Err(WRONG),
            (Place::Length { value, .. } | Place::Extension { value }, b'\n') => begun(value),
            (Place::Length { value, .. }, b';' | b' ' | b'\t' | b'\r') => Place::Extension { value },
            (Place::Extension { value }, _) if self.may_ignore() => Place::Extension { value },
            (Place::AfterData, b'\r') if self.may_ignore() => Place::AfterData,
            (Place::AfterData, b'\n') => Place::Length { value: 0, digits: 0 },
            (Place::Trailer { length: 0 }, b'\n') => Place::Over,
            (Place::Trailer { .. }, b'\n') => Place::Trailer { length: 0 },
            (Place::Trailer { length }, b'\r') if self.may_ignore() => Place::Trailer { length },
            (Place::Trailer { length }, _) if self.may_ignore() => Place::Trailer { length: length + 1 },
            (Place::Over, _) => Place::Over,
            _ => return Err(WRONG),
        })
    }

    fn may_ignore(&mut self) -> bool {
        let may = self.ignored < MOST_IGNORED;
        self.ignored += u32::from(may);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However it is cut: the body, then `.` if it is over, `!` if it is not framed.
    fn check(text: &str, want: &str) {
        for most in [1, 3, 1_000] {
            let (mut chunked, mut body) = (Chunked::default(), Vec::new());
            let done =
                text.as_bytes().chunks(most).try_for_each(|piece| chunked.push(piece, |bytes| body.extend_from_slice(bytes)));
            let end = match (done, chunked.is_over()) {
                (Err(_), _) => "!",
                (Ok(()), true) => ".",
                (Ok(()), false) => "",
            };
            assert_eq!(String::from_utf8(body).expect("text") + end, want, "{text:?} in pieces of {most}");
        }
    }

    #[test]
    fn chunks() {
        check("3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n", "abc0123456789.");
        check("3;a=b\r\nabc\r\n0\r\nX: y\r\nZ: w\r\n\r\nmore", "abc.");
        check("3\nabc\n0\n\n", "abc.");
        check("0003\r\nab", "ab");
        check("3\r\nabcd\r\n", "abc!");
        check("\r\n", "!");
        check("x\r\n", "!");
        check("-1\r\n", "!");
        check("fffffffffffffffff\r\n", "!");
        check(&format!("1;{}", "x".repeat(9_000)), "!");
        check(&format!("0\r\n{}", "x".repeat(9_000)), "!");
        check(&format!("1\r\na{}", "\r".repeat(9_000)), "a!");
        check(&format!("0\r\n{}", "\r".repeat(9_000)), "!");
        // Of one chunk: a stream of days may have an extension to each.
        check(&("1;x=yyyyyyyy\r\na\r\n".repeat(2_000) + "0\r\n\r\n"), &("a".repeat(2_000) + "."));
    }
}
