//! The known word that a mistyped one was probably meant to be.

/// The nearest of `known`, if it is near enough to be worth a question.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.chars().take(MAX_CHARS + 1).collect();
    if word.len() > MAX_CHARS {
        return None;
    }
    let allowed = (word.len() / 3).clamp(1, 3);
    known.into_iter().map(|k| (distance(&word, k), k)).filter(|&(d, _)| d <= allowed).min_by_key(|&(d, _)| d).map(|(_, k)| k)
}

/// Longer words are nobody's typing error.
const MAX_CHARS: usize = 100;

/// Insertions, deletions, substitutions and swaps of neighbours that turn one word into the other
/// (optimal string alignment).
fn distance(a: &[char], b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before_last = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut row = last.clone();
    for i in 1..=a.len() {
        row[0] = i;
        for j in 1..=b.len() {
            let substituted = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = substituted.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        std::mem::swap(&mut before_last, &mut last);
        std::mem::swap(&mut last, &mut row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 5] = ["sample_rate", "split_minutes", "format", "url", "pace"];

    fn check(word: &str, want: Option<&str>) {
        assert_eq!(nearest(word, KNOWN), want, "for {word}");
    }

    #[test]
    fn typing_errors_are_recognised() {
        check("sample_rat", Some("sample_rate"));
        check("samplerate", Some("sample_rate"));
        check("split_minuets", Some("split_minutes"));
        check("foramt", Some("format"));
        check("ulr", Some("url"));
        check("samples", None);
        check("x", None);
        check("", None);
        check(&"sample_rate".repeat(100), None);
    }

    #[test]
    fn distances() {
        for (a, b, want) in [("", "", 0), ("", "ab", 2), ("ab", "", 2), ("ab", "ba", 1), ("kitten", "sitting", 3), ("ü", "u", 1)]
        {
            assert_eq!(distance(&a.chars().collect::<Vec<_>>(), b), want, "{a} {b}");
        }
    }
}
