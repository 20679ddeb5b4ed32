//! Whether what a browser has is still good: ETag, If-None-Match, If-Range (RFC 9110, 13).

/// A strong ETag of an opaque version: quoted, with nothing in it that a header may not hold.
pub fn etag(version: &str) -> String {
    let safe: String = version.chars().filter(|c| c.is_ascii_alphanumeric() || "-._:".contains(*c)).collect();
    format!("\"{safe}\"")
}

/// Whether `If-None-Match` names `etag`, by the weak comparison: then nothing need be sent.
pub fn is_fresh(if_none_match: Option<&str>, etag: &str) -> bool {
    let Some(list) = if_none_match else { return false };
    // Our own tags hold no comma; a foreign one that does is only pieces that match nothing.
    list.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// Whether `Range` counts: without `If-Range`, or when that names this very version, by the strong comparison. A date never
/// does: seconds are too coarse for files that grow.
pub fn range_counts(if_range: Option<&str>, etag: Option<&str>) -> bool {
    match if_range {
        None => true,
        Some(text) => etag.is_some_and(|etag| text.trim() == etag),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags() {
        assert_eq!(etag("1f-\"\r\n,ä2"), "\"1f-2\"");
        for (header, want) in [
            (None, false),
            (Some("\"a\""), true),
            (Some("W/\"a\""), true),
            (Some("\"b\", \"a\""), true),
            (Some("*"), true),
            (Some("\"b\""), false),
            (Some("a"), false),
            (Some(""), false),
        ] {
            assert_eq!(is_fresh(header, "\"a\""), want, "{header:?}");
        }
    }

    #[test]
    fn a_range_of_another_version_is_no_range() {
        for (header, etag, want) in [
            (None, None, true),
            (None, Some("\"a\""), true),
            (Some("\"a\""), Some("\"a\""), true),
            (Some("W/\"a\""), Some("\"a\""), false),
            (Some("\"b\""), Some("\"a\""), false),
            (Some("\"a\""), None, false),
            (Some("Tue, 01 Jan 2030 00:00:00 GMT"), Some("\"a\""), false),
        ] {
            assert_eq!(range_counts(header, etag), want, "{header:?} {etag:?}");
        }
    }
}
