//! Shorter answers for those who take them.

use std::io::{Read, Write};

pub use flate2::Crc;
use flate2::{Compression, read::GzDecoder, write::GzEncoder};

/// Smaller ones are not worth the head that they get.
const MIN_BYTES: usize = 1 << 10;
/// Of 9: most of the gain for a third of the time.
const LEVEL: u32 = 4;

/// Whether an answer may be compressed: `Accept-Encoding` names gzip and does not forbid it.
pub fn is_taken(accept_encoding: Option<&str>) -> bool {
    let Some(list) = accept_encoding else { return false };
    list.split(',').any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let weight = parts.find_map(|part| part.strip_prefix("q=")).unwrap_or("1");
        is_gzip && weight.parse().is_ok_and(|weight: f32| weight > 0.0)
    })
}

/// `None` when that is not worth it.
pub fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.len() < MIN_BYTES {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 3), Compression::new(LEVEL));
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok().filter(|small| small.len() < bytes.len())
}

/// Of what is in the binary: damage ends it early.
pub fn gunzip(small: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(small.len() * 4);
    let _whole = GzDecoder::new(small).read_to_end(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_it() {
        for (header, want) in [
            (None, false),
            (Some(""), false),
            (Some("gzip, deflate, br"), true),
            (Some("br;q=1.0, GZIP;q=0.5"), true),
            (Some("gzip;q=0"), false),
            (Some("gzip; q=0.000"), false),
            (Some("gzip;q=x"), false),
            (Some("xgzip"), false),
        ] {
            assert_eq!(is_taken(header), want, "{header:?}");
        }
    }

    #[test]
    fn there_and_back() {
        let bytes = b"{\"name\":\"20260522_040000.flac\"},".repeat(100);
        let small = gzip(&bytes).expect("smaller");
        assert!(small.len() < bytes.len() / 10, "{}", small.len());
        assert_eq!(gunzip(&small), bytes);
        assert_eq!(gzip(b"short"), None);
        let dice: Vec<u8> = (0..5_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8 ^ (n as u8)).collect();
        assert!(gzip(&dice).is_none_or(|small| small.len() < dice.len()));
    }
}
