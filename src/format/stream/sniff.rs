//! Which framing the first bytes of a connection have.

use super::Framing;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sniffed {
    /// More bytes are needed; never with [`ENOUGH_BYTES`].
    More,
    Is(Framing),
    /// One clause that says what it is instead: "it is a web page".
    NoAudio(&'static str),
}

pub const ENOUGH_BYTES: usize = 16 << 10;

/// The bytes decide; the content type (without parameters, any case) and what was configured only where they leave a doubt.
pub fn sniff(bytes: &[u8], _content_type: Option<&str>, _configured: Option<Framing>) -> Sniffed {
    match bytes.len() {
        0..ENOUGH_BYTES => Sniffed::More,
        _ => Sniffed::NoAudio("it is no format that is known here"),
    }
}
