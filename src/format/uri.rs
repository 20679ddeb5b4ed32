//! References in playlists and redirects to absolute addresses: RFC 3986, section 5.2.

/// The five parts of RFC 3986, appendix B; a part that is empty is not a part that is missing.
struct Parts<'a> {
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
    fragment: Option<&'a str>,
}

fn parts(text: &str) -> Parts<'_> {
    let (text, fragment) = split_at(text, '#');
    let (text, query) = split_at(text, '?');
    let (scheme, rest) = match text.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
        _ => (None, text),
    };
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            (Some(authority), path)
        }
        None => (None, rest),
    };
    Parts { scheme, authority, path, query, fragment }
}

fn split_at(text: &str, mark: char) -> (&str, Option<&str>) {
    text.split_once(mark).map_or((text, None), |(before, after)| (before, Some(after)))
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

/// The address that `reference` means in a document from `base`. What no address may hold (blanks, letters beyond ASCII)
/// is percent-encoded, since playlists are written by hand.
pub fn resolve(base: &str, reference: &str) -> String {
    let reference = encode(reference.trim());
    let (base, reference) = (parts(base), parts(&reference));
    let (authority, path, query) = if reference.scheme.is_some() || reference.authority.is_some() {
        (reference.authority, without_dots(reference.path), reference.query)
    } else if reference.path.is_empty() {
        (base.authority, base.path.to_owned(), reference.query.or(base.query))
    } else if reference.path.starts_with('/') {
        (base.authority, without_dots(reference.path), reference.query)
    } else {
        (base.authority, without_dots(&merged(&base, reference.path)), reference.query)
    };
    let mut whole = String::new();
    let mut add = |before: &str, part: Option<&str>, after: &str| {
        for text in part.iter().flat_map(|part| [before, part, after]) {
            whole.push_str(text);
        }
    };
    add("", reference.scheme.or(base.scheme), ":");
    add("//", authority, "");
    add("", Some(&path), "");
    add("?", query, "");
    add("#", reference.fragment, "");
    whole
}

/// 5.2.3: the reference takes the place of the base's last segment.
fn merged(base: &Parts, path: &str) -> String {
    match base.path.rfind('/') {
        None if base.authority.is_some() => format!("/{path}"),
        None => path.to_owned(),
        Some(slash) => format!("{}/{path}", &base.path[..slash]),
    }
}

/// 5.2.4: `.` and `..` are followed, and never above the root.
fn without_dots(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("{}{}", if rooted { "/" } else { "" }, kept.join("/"))
}

fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// `%3a` to `:`; what is no such number stays.
pub fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.filter(|_| first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reference: &str, want: &str) {
        assert_eq!(resolve("http://a/b/c/d;p?q", reference), want, "{reference}");
    }

    /// RFC 3986, 5.4.1 and 5.4.2.
    #[test]
    fn the_standards_own_examples() {
        for (reference, want) in [
            ("g:h", "g:h"),
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q#s"),
            ("g#s", "http://a/b/c/g#s"),
            ("g?y#s", "http://a/b/c/g?y#s"),
            (";x", "http://a/b/c/;x"),
            ("g;x?y#s", "http://a/b/c/g;x?y#s"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("./", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../g", "http://a/g"),
            ("../../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("/../g", "http://a/g"),
            ("g.", "http://a/b/c/g."),
            ("..g", "http://a/b/c/..g"),
            ("./g/.", "http://a/b/c/g/"),
            ("g/../h", "http://a/b/c/h"),
            ("g;x=1/../y", "http://a/b/c/y"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
        ] {
            check(reference, want);
        }
    }

    #[test]
    fn what_people_write() {
        check(" https://h:1/x y/é.mp3 ", "https://h:1/x%20y/%C3%A9.mp3");
        check("HTTP://H", "HTTP://H");
        assert_eq!(resolve("http://a", "b.mp3"), "http://a/b.mp3");
        assert_eq!(resolve("http://a?x/y", "b"), "http://a/b");
    }
}
