//! Attribute lists: `NAME=value,NAME="quoted, value"` (RFC 8216, 4.2).

/// Name and value without quotes, in their order. What is not of this shape is passed over up to the next comma.
pub fn all(list: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = list;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let (item, after) = split_item(rest);
            rest = after;
            if let Some((name, value)) = item.split_once('=') {
                return Some((name.trim(), unquoted(value.trim())));
            }
        }
        None
    })
}

/// The value of the first attribute with this name.
pub fn get<'a>(list: &'a str, name: &str) -> Option<&'a str> {
    all(list).find(|(found, _)| *found == name).map(|(_, value)| value)
}

/// Up to the next comma outside quotes, and what follows it. A quote that is never closed holds all the rest.
fn split_item(list: &str) -> (&str, &str) {
    let mut quoted = false;
    let end = list.find(|c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    });
    match end {
        Some(end) => (list.get(..end).unwrap_or_default(), list.get(end + 1..).unwrap_or_default()),
        None => (list, ""),
    }
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').map_or(value, |inner| inner.strip_suffix('"').unwrap_or(inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(list: &str, want: &str) {
        let found: Vec<_> = all(list).map(|(name, value)| format!("{name}→{value}")).collect();
        assert_eq!(found.join(" | "), want, "{list}");
    }

    #[test]
    fn lists() {
        check("", "");
        check("BANDWIDTH=1280000", "BANDWIDTH→1280000");
        check("A=1,B=\"x,y=z\",C=2", "A→1 | B→x,y=z | C→2");
        check(" A = 1 , B = \"\" ", "A→1 | B→");
        check("A,B=2,,C=3,", "B→2 | C→3");
        check("A=\"never closed, B=2", "A→never closed, B=2");
        check("URI=\"a\"b\"", "URI→a\"b");
    }
}
