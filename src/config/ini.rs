//! INI text to sections, keys and lines, by the rules of Python's configparser (no interpolation, repeats allowed,
//! inline comments `#` and `;`), because files written for ISR must mean the same here.
//!
//! What keys mean does not belong here. Any bytes are accepted: what cannot be read becomes a warning with its line,
//! and no warning ever repeats a value, which may be a password.

use std::borrow::Cow;
use std::collections::HashMap;

use super::problem::{Problems, quoted};

/// Larger files are refused before they are looked at.
pub const MAX_BYTES: usize = 1 << 20;
/// Longer lines are left out.
pub const MAX_LINE_BYTES: usize = 16 << 10;

/// A file in its order; sections of one name are one section, at the place of the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ini {
    pub sections: Vec<Section>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    pub name: String,
    pub line: u32,
    /// In their order; keys differ from each other.
    pub entries: Vec<Entry>,
    by_key: HashMap<String, usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Lower case.
    pub key: String,
    /// Without blanks at either end; the lines of a continued value are joined by `\n`.
    pub value: String,
    pub line: u32,
}

impl Section {
    /// `key` in lower case.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.by_key.get(key).and_then(|&i| self.entries.get(i))
    }
}

/// Reads a whole file.
pub fn parse(bytes: &[u8], problems: &mut Problems) -> Ini {
    if bytes.len() > MAX_BYTES {
        problems.error(0, "", format!("larger than {MAX_BYTES} bytes: not a configuration"));
        return Ini::default();
    }
    let mut parser = Parser { ini: Ini::default(), by_name: HashMap::new(), section: None, key: None, indent: 0, problems };
    for (line, bytes) in (1..).zip(Lines { rest: &plain(bytes) }) {
        parser.line(line, bytes);
    }
    for entry in parser.ini.sections.iter_mut().flat_map(|s| &mut s.entries) {
        entry.value.truncate(entry.value.trim_end().len());
    }
    parser.ini
}

/// UTF-8 without its byte order mark. Old Windows editors save UTF-16 when asked for "Unicode".
fn plain(bytes: &[u8]) -> Cow<'_, [u8]> {
    let utf16 = |rest: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = rest.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
        Cow::Owned(String::from_utf16_lossy(&units).into_bytes())
    };
    match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => Cow::Borrowed(rest),
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => Cow::Borrowed(bytes),
    }
}

/// Lines end with LF, CR LF or CR, as for any text file that Python opens.
struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.iter().position(|&b| b == b'\n' || b == b'\r').unwrap_or(self.rest.len());
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest.strip_prefix(b"\r\n").or_else(|| rest.get(1..)).unwrap_or_default();
        Some(line)
    }
}

struct Parser<'a> {
    ini: Ini,
    by_name: HashMap<String, usize>,
    section: Option<usize>,
    /// The entry whose value an indented line would continue.
    key: Option<usize>,
    /// Blanks before that entry's key.
    indent: usize,
    problems: &'a mut Problems,
}

impl Parser<'_> {
    fn line(&mut self, line: u32, bytes: &[u8]) {
        if bytes.len() > MAX_LINE_BYTES {
            self.key = None;
            return self.warn(line, format!("longer than {MAX_LINE_BYTES} bytes: left out"));
        }
        let text = String::from_utf8_lossy(bytes);
        if matches!(text, Cow::Owned(_)) {
            self.warn(line, "has bytes that are not UTF-8: save the file as UTF-8");
        }
        let content = without_comment(&text);
        let value = content.trim();
        let indent = content.chars().take_while(|c| c.is_whitespace()).count();
        if value.is_empty() {
            // A blank line may stand in the middle of a continued value, a comment leaves no trace.
            if content.len() == text.len() {
                self.continued("");
            }
        } else if self.key.is_some() && indent > self.indent {
            self.hint_at_indented_key(line, value);
            self.continued(value);
        } else {
            self.indent = indent;
            self.header_or_entry(line, value);
        }
    }

    fn header_or_entry(&mut self, line: u32, text: &str) {
        if let Some(name) = header(text) {
            return self.open(line, name);
        }
        self.key = None;
        let Some((key, value)) = text.split_once(['=', ':']).filter(|(key, _)| !key.trim().is_empty()) else {
            return self.warn(line, "is neither [section] nor key = value: left out");
        };
        let Some(section) = self.section.and_then(|i| self.ini.sections.get_mut(i)) else {
            return self.warn(line, "comes before the first [section]: left out; put [general] above it");
        };
        let entry = Entry { key: key.trim().to_lowercase(), value: value.trim().to_owned(), line };
        let next = section.entries.len();
        let at = *section.by_key.entry(entry.key.clone()).or_insert(next);
        self.key = Some(at);
        match section.entries.get_mut(at) {
            None => section.entries.push(entry),
            Some(old) => {
                let text = format!(
                    "key '{}' again in [{}]: this line counts, line {} does not",
                    quoted(&entry.key),
                    quoted(&section.name),
                    old.line
                );
                *old = entry;
                self.warn(line, text);
            }
        }
    }

    fn open(&mut self, line: u32, name: &str) {
        self.key = None;
        let next = self.ini.sections.len();
        let at = *self.by_name.entry(name.to_owned()).or_insert(next);
        self.section = Some(at);
        match self.ini.sections.get(at) {
            None => {
                let section = Section { name: name.to_owned(), line, entries: Vec::new(), by_key: HashMap::new() };
                self.ini.sections.push(section);
            }
            Some(first) => {
                let text = format!(
                    "section [{}] again (first at line {}): both are one, the last of each key counts",
                    quoted(name),
                    first.line
                );
                self.warn(line, text);
            }
        }
    }

    fn continued(&mut self, more: &str) {
        let (Some(section), Some(key)) = (self.section, self.key) else { return };
        if let Some(entry) = self.ini.sections.get_mut(section).and_then(|s| s.entries.get_mut(key)) {
            entry.value.push('\n');
            entry.value.push_str(more);
        }
    }

    /// The trap of these rules: a key that is indented deeper than the one above is no key. The word itself is not repeated:
    /// it may be a piece of a password.
    fn hint_at_indented_key(&mut self, line: u32, text: &str) {
        let looks_like_key = text.split_once('=').is_some_and(|(word, _)| {
            let word = word.trim_end();
            !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        });
        let entry = self.section.and_then(|s| self.ini.sections.get(s)).and_then(|s| s.entries.get(self.key?));
        if let Some(entry) = entry.filter(|_| looks_like_key) {
            let text = format!(
                "is indented and so continues the value of '{}' (line {}): remove the blanks before it if it is a key",
                quoted(&entry.key),
                entry.line
            );
            self.warn(line, text);
        }
    }

    fn warn(&mut self, line: u32, text: impl Into<String>) {
        let section = self.section.and_then(|i| self.ini.sections.get(i)).map_or("", |s| &s.name);
        self.problems.warn(line, section, text);
    }
}

/// The name between the first and the last bracket, when the line begins with one.
pub(super) fn header(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('[')?;
    let name = inside.get(..inside.rfind(']')?)?;
    if name.is_empty() { None } else { Some(name.trim()) }
}

/// A comment begins with `#` or `;` at the start of the line or after a blank; `a#b` is a value.
pub(super) fn without_comment(line: &str) -> &str {
    let mut after_blank = true;
    for (at, c) in line.char_indices() {
        if after_blank && (c == '#' || c == ';') {
            return &line[..at];
        }
        after_blank = c.is_whitespace();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `section.key=value@line` of every entry, then the problems.
    fn dump(bytes: &[u8]) -> String {
        let mut problems = Problems::new("t");
        let ini = parse(bytes, &mut problems);
        let entries = ini.sections.iter().flat_map(|s| s.entries.iter().map(move |e| (s, e)));
        let mut lines: Vec<String> =
            entries.map(|(s, e)| format!("{}.{}={}@{}", s.name, e.key, e.value.replace('\n', "/"), e.line)).collect();
        lines.extend(problems.finish().iter().map(ToString::to_string));
        lines.join(" | ")
    }

    fn check(text: &str, want: &str) {
        assert_eq!(dump(text.as_bytes()), want, "for {text:?}");
    }

    #[test]
    fn keys_and_values() {
        check("[a]\nk = v\n", "a.k=v@2");
        check("[a]\nk: v\n", "a.k=v@2");
        check("[a]\nKey=V w\n", "a.key=V w@2");
        check("[a]\nurl = http://h:8000/x=y\n", "a.url=http://h:8000/x=y@2");
        check("[a]\nk:=v\n", "a.k==v@2");
        check("[a]\nk =\n", "a.k=@2");
        check("[ a b ] tail\nk=1\n", "a b.k=1@2");
        check("[a]\np = %Y%m%d_%(x)s\n", "a.p=%Y%m%d_%(x)s@2");
    }

    #[test]
    fn comments() {
        check("# x\n; y\n[a]\n  # z\nk = v # c\n", "a.k=v@5");
        check("[a]\nk = v\t; c # d\n", "a.k=v@2");
        check("[a]\nusername =          # leave blank\n", "a.username=@2");
        check("[a]\npassword = p#q;r=s:t\n", "a.password=p#q;r=s:t@2");
        check("[a]\npassword =#x\n", "a.password=#x@2");
        check("[a] # note\nk=v\n", "a.k=v@2");
    }

    #[test]
    fn line_ends_and_encodings() {
        check("[a]\r\nk = v\r\nl = w", "a.k=v@2 | a.l=w@3");
        check("[a]\rk = v\r", "a.k=v@2");
        check("\u{feff}[a]\nk = grün\n", "a.k=grün@2");
        assert_eq!(
            dump(b"[a]\nk = caf\xe9\nl = 1\n"),
            "a.k=caf\u{fffd}@2 | a.l=1@3 | t:2: has bytes that are not UTF-8: save the file as UTF-8"
        );
        let utf16: Vec<u8> = "\u{feff}[a]\r\nk=ü\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(dump(&utf16), "a.k=ü@2");
        let utf16: Vec<u8> = "\u{feff}[a]\nk=ü\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(dump(&utf16), "a.k=ü@2");
    }

    #[test]
    fn continued_values() {
        check("[a]\nk = 1,\n  2,\n  3\nl = 4\n", "a.k=1,/2,/3@2 | a.l=4@5");
        check("[a]\nk = 1\n\n  2\n\n", "a.k=1//2@2");
        check("[a]\nk = 1\n# c\n  2 # d\n", "a.k=1/2@2");
        check("[a]\n  k = 1\n  l = 2\n", "a.k=1@2 | a.l=2@3");
        check("[a]\n  k = 1\nl = 2\n", "a.k=1@2 | a.l=2@3");
        check("[a]\nk =\n  [b]\n", "a.k=/[b]@2");
        check(
            "[a]\ntype = x\n  device = y\n",
            "a.type=x/device = y@2 | \
             t:3: is indented and so continues the value of 'type' (line 2): remove the blanks before it if it is a key",
        );
    }

    #[test]
    fn repeats() {
        check("[a]\nk = 1\nK = 2\n", "a.k=2@3 | t:3: key 'k' again in [a]: this line counts, line 2 does not");
        check(
            "[a]\nk = 1\n[b]\n[a]\nl = 2\n",
            "a.k=1@2 | a.l=2@5 | t:4: section [a] again (first at line 1): both are one, the last of each key counts",
        );
    }

    #[test]
    fn what_is_not_understood_is_left_out_without_its_text() {
        check("k = v\n[a]\n", "t:1: comes before the first [section]: left out; put [general] above it");
        check("[a]\nhunter2\nk=1\n", "a.k=1@3 | t:2: is neither [section] nor key = value: left out");
        check("[a]\n= v\n[\n[]\n", {
            "t:2: is neither [section] nor key = value: left out | t:3: is neither [section] nor key = value: left out | \
             t:4: is neither [section] nor key = value: left out"
        });
    }

    #[test]
    fn limits() {
        let long = format!("[a]\nk = {}\nl = 1\n", "x".repeat(MAX_LINE_BYTES));
        check(&long, "a.l=1@3 | t:2: longer than 16384 bytes: left out");
        check(&"#".repeat(MAX_BYTES + 1), "t: larger than 1048576 bytes: not a configuration");
    }
}
