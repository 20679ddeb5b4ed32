//! The text of a configuration without its secrets, and back.
//!
//! The page shows the file as it stands and gets it back changed. What is secret never leaves the recorder: [`masked`] puts `***`
//! in its place, line by line, so that line numbers stay true, and [`unmasked`] puts back what still stands as `***`. A secret is
//! found again by its section and key, not by its line: lines move. Comments are masked too, for an old password is often one.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use super::ini::{header, without_comment};
use super::keys::{self, Shown};

/// Stands for what is not shown.
pub const MASK: &str = "***";

/// Endings of keys that no table knows (yet) and that name a secret all the same.
const ENDINGS: [&str; 6] = ["password", "password_hash", "_key", "_token", "_secret", "passphrase"];

/// A line that `***` cannot be replaced in, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    pub line: u32,
    pub section: String,
    pub text: String,
}

/// Where in a text a secret stands.
#[derive(Debug)]
struct Spot {
    /// From 0.
    line: usize,
    /// Bytes of the line.
    from: usize,
    to: usize,
    place: Place,
}

/// What it is a secret of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place {
    section: String,
    /// Lower case; with `#` before it in a comment; of a continued value the key, once more.
    key: String,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Kind {
    /// The rest of the line is the secret.
    Value,
    /// User information of an address; the scheme, and what stands behind the `@`.
    Address(String, String),
}

pub fn masked(text: &str) -> String {
    let spots = spots(text);
    replaced(text, &spots, |spot, line| (line[spot.from..spot.to] != *MASK).then(|| MASK.to_owned()))
}

/// `text` as a person sent it, with the secrets of `old` where `***` stands for them.
pub fn unmasked(text: &str, old: &str) -> Result<String, Vec<Lost>> {
    let (was, after) = (lines(old), spots(text));
    let mut before: HashMap<Place, Vec<&str>> = HashMap::new();
    for spot in spots(old) {
        let secret = was.get(spot.line).and_then(|line| line.get(spot.from..spot.to)).unwrap_or_default();
        before.entry(spot.place).or_default().push(secret);
    }
    let renamed = Renamed::between(old, text);
    // Of several with one name the first is the first.
    let mut seen: HashMap<&Place, usize> = HashMap::new();
    let mut lost = Vec::new();
    let out = replaced(text, &after, |spot, line| {
        let nth = seen.entry(&spot.place).or_default();
        *nth += 1;
        if line.get(spot.from..spot.to) != Some(MASK) {
            return None;
        }
        let secrets = before.get(&spot.place).or_else(|| before.get(&renamed.before(&spot.place)?));
        if let Some(secret) = secrets.and_then(|secrets| secrets.get(*nth - 1)) {
            return Some((*secret).to_owned());
        }
        let what = match spot.place.kind {
            Kind::Value => "*** stands for no secret that was there before: write it anew",
            Kind::Address(..) => "*** stands for the user and password of another address: write them anew",
        };
        lost.push(Lost { line: spot.line as u32 + 1, section: spot.place.section.clone(), text: what.to_owned() });
        None
    });
    if lost.is_empty() { Ok(out) } else { Err(lost) }
}

/// One section that got a new name takes its secrets along: before, and now.
struct Renamed(Option<(String, String)>);

impl Renamed {
    fn between(old: &str, new: &str) -> Renamed {
        let (old, new) = (sections(old), sections(new));
        let only = |these: &[String], those: &[String]| {
            let those: HashSet<&String> = those.iter().collect();
            let mut gone = these.iter().filter(|name| !those.contains(name));
            let first = gone.next().cloned();
            if gone.next().is_some() { None } else { first }
        };
        Renamed(only(&old, &new).zip(only(&new, &old)))
    }

    fn before(&self, place: &Place) -> Option<Place> {
        let (was, _) = self.0.as_ref().filter(|(_, is)| *is == place.section)?;
        Some(Place { section: was.clone(), ..place.clone() })
    }
}

/// With their ends: LF, CR LF or CR, as the parser has them.
fn lines(text: &str) -> Vec<&str> {
    let (mut lines, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let end = rest.find(['\n', '\r']).unwrap_or(rest.len());
        let sign = if rest[end..].starts_with("\r\n") { 2 } else { usize::from(end < rest.len()) };
        let (line, more) = rest.split_at(end + sign);
        lines.push(line);
        rest = more;
    }
    lines
}

fn sections(text: &str) -> Vec<String> {
    let named = |line: &str| header(without_comment(line).trim()).map(str::to_owned);
    let mut names: Vec<String> = lines(text).into_iter().filter_map(named).collect();
    names.dedup();
    names
}

/// The lines again, with other words where `with` says so.
fn replaced<'s>(text: &str, spots: &'s [Spot], mut with: impl FnMut(&'s Spot, &str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = spots.iter().peekable();
    for (number, line) in lines(text).into_iter().enumerate() {
        let mut at = 0;
        while let Some(spot) = rest.next_if(|spot| spot.line == number) {
            if let Some(word) = with(spot, line) {
                out.push_str(&line[at..spot.from]);
                out.push_str(&word);
                at = spot.to;
            }
        }
        out.push_str(&line[at..]);
    }
    out
}

/// In their order. Spots of a line do not overlap. Keys, sections and continued values are where [`ini`](super::ini) finds them.
fn spots(text: &str) -> Vec<Spot> {
    let mut finder = Finder::default();
    for (number, line) in lines(text).into_iter().enumerate() {
        finder.line(number, line.trim_end());
    }
    finder.spots
}

#[derive(Default)]
struct Finder {
    spots: Vec<Spot>,
    section: String,
    /// Whose value an indented line continues.
    key: Option<String>,
    indent: usize,
}

impl Finder {
    fn line(&mut self, number: usize, line: &str) {
        let code = without_comment(line).trim_end();
        let start = code.len() - code.trim_start().len();
        let text = &code[start..];
        let indent = code[..start].chars().count();
        let key = match self.key.take() {
            Some(key) if text.is_empty() || indent > self.indent => {
                self.key = Some(key.clone());
                Some(key).filter(|_| !text.is_empty())
            }
            _ => None,
        };
        if let Some(key) = key.as_ref().filter(|key| is_secret(key)) {
            return self.found(number, key, Kind::Value, (start, line.len()));
        }
        if text.is_empty() {
        } else if let (None, Some(name)) = (&key, header(text)) {
            (self.section, self.indent) = (name.to_owned(), indent);
            // What stands behind it means nothing, and may be anything.
            let behind = code.rfind(']').map_or(code.len(), |at| at + 1);
            self.pair(number, line, (behind, code.len()), "");
        } else {
            // An indented key is no key, and its value no less a secret.
            let own = self.pair(number, line, (start, code.len()), "");
            if key.is_none() {
                (self.key, self.indent) = (own, indent);
            }
        }
        if self.spots.last().is_none_or(|spot| (spot.line, spot.to) != (number, line.len())) {
            let words = line[code.len()..].trim_start_matches(|c: char| c.is_whitespace() || c == '#' || c == ';');
            self.pair(number, line, (line.len() - words.len(), line.len()), "#");
        }
    }

    /// `key = value` in a piece of a line, or what addresses it has; the key.
    fn pair(&mut self, number: usize, line: &str, (from, to): (usize, usize), before: &str) -> Option<String> {
        let piece = &line[from..to];
        let cut = piece.find(['=', ':']).map(|cut| from + cut);
        let name = cut.map(|cut| line[from..cut].trim().to_lowercase()).filter(|name| !name.is_empty());
        let key = format!("{before}{}", name.as_deref().unwrap_or_default());
        let value = cut.map_or(to, |cut| cut + 1 + (line[cut + 1..to].len() - line[cut + 1..to].trim_start().len()));
        if is_secret(&key) && value < to {
            // To the end: what looks like a comment behind a secret may be a piece of it.
            self.found(number, &key, Kind::Value, (value, line.len()));
        } else {
            for (kind, from, to) in addresses(line, from, to) {
                self.found(number, &key, kind, (from, to));
            }
        }
        name
    }

    fn found(&mut self, line: usize, key: &str, kind: Kind, (from, to): (usize, usize)) {
        let place = Place { section: self.section.clone(), key: key.to_owned(), kind };
        self.spots.push(Spot { line, from, to, place });
    }
}

/// Of a key that is in a table, the table says; of any other, its ending.
fn is_secret(key: &str) -> bool {
    static TABLE: OnceLock<HashSet<&str>> = OnceLock::new();
    let table = TABLE.get_or_init(|| keys::all().filter(|about| about.shown == Shown::Never).map(|about| about.name).collect());
    let key = key.trim_start_matches('#');
    ENDINGS.iter().any(|ending| key.ends_with(ending)) || table.contains(key)
}

/// `scheme://USER@host`: a piece of the line up to the next blank. The last @ counts: an unescaped / in a password must not bring
/// it to light.
fn addresses(line: &str, from: usize, to: usize) -> Vec<(Kind, usize, usize)> {
    let (mut found, mut at) = (Vec::new(), from);
    while let Some(scheme) = line[at..to].find("://").map(|n| at + n) {
        let user = scheme + 3;
        let end = line[user..to].find(char::is_whitespace).map_or(to, |n| user + n);
        if let Some(host) = line[user..end].rfind('@').map(|n| user + n) {
            let name = line[at..scheme].rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
            let rest = line[host + 1..end].split(['/', '?', '#']).next().unwrap_or_default();
            found.push((Kind::Address(name.to_ascii_lowercase(), rest.to_ascii_lowercase()), user, host));
        }
        at = end;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "[general]\n# password = old one\nsplit_minutes = 60\n[web]\npassword_hash = $argon2id$abc # mine\nport: 80\n\
                        [radio]\ntype = stream\nurl = http://me:pw/x@h.example:80/a http://h.example/b\n  https://u:p@b.example\npassword = hunter2\n";

    #[test]
    fn secrets_are_not_shown_and_lines_stay() {
        let want = "[general]\n# password = ***\nsplit_minutes = 60\n[web]\npassword_hash = ***\nport: 80\n\
                    [radio]\ntype = stream\nurl = http://***@h.example:80/a http://h.example/b\n  https://***@b.example\npassword = ***\n";
        assert_eq!(masked(FILE), want);
        assert_eq!(masked(want), want);
    }

    #[test]
    fn what_any_key_is_called_that_names_a_secret() {
        let check = |text: &str, want: &str| assert_eq!(masked(text), want);
        check("[u]\nsecret_key=a b", "[u]\nsecret_key=***");
        check("[u]\nSource_Password : x", "[u]\nSource_Password : ***");
        check("[u]\napi_token=\n", "[u]\napi_token=\n");
        check("[u]\npassword =\n  a\n  b\nport = 1", "[u]\npassword =\n  ***\n  ***\nport = 1");
        check("[u]\r\npassword = x\r\nport = 1\r\n", "[u]\r\npassword = ***\r\nport = 1\r\n");
        check("; see http://me:pw@host/", "; see http://***@host/");
        check("[a]\nkeyboard = yes\nmonkey = 1", "[a]\nkeyboard = yes\nmonkey = 1");
        check("[a]\ntype = x\n  password = y\n", "[a]\ntype = x\n  password = ***\n");
        check("[a]\rpassword = x\rport = 1", "[a]\rpassword = ***\rport = 1");
        check("[a]\nport = 1 # password = x", "[a]\nport = 1 # password = ***");
        check("[a]\npassword =   # leave it empty\npassword =#x", "[a]\npassword =   # leave it empty\npassword =***");
        check("password = before any section", "password = ***");
    }

    #[track_caller]
    fn back(edit: impl Fn(&str) -> String, want: Result<&str, &[u32]>) {
        let got = unmasked(&edit(&masked(FILE)), FILE);
        let lines = got.as_ref().err().map(|lost| lost.iter().map(|lost| lost.line).collect::<Vec<_>>());
        match want {
            Ok(piece) => assert!(got.as_ref().is_ok_and(|text| text.contains(piece) && !text.contains(MASK)), "{got:?}"),
            Err(at) => assert_eq!(lines.as_deref(), Some(at)),
        }
    }

    #[test]
    fn an_unchanged_secret_comes_back_wherever_its_line_is_now() {
        assert_eq!(unmasked(&masked(FILE), FILE).as_deref(), Ok(FILE));
        back(|text| format!("\n\n{text}"), Ok("url = http://me:pw/x@h.example:80/a"));
        back(|text| text.replace("[radio]", "[wireless]"), Ok("password = hunter2"));
        back(|text| text.replace("password_hash = ***", "password_hash = new"), Ok("password_hash = new\n"));
        back(|text| text.replace("# password = ***\n", ""), Ok("https://u:p@b.example"));
    }

    /// What the parser of configurations takes for a secret is not in what is shown, whatever the text is.
    #[test]
    fn scanner_and_parser_are_of_one_mind() {
        let pieces = [
            "[a]",
            "password",
            " = ",
            ":",
            "x y",
            "\n",
            "\n  ",
            "\r",
            "# ",
            ";",
            "url = http://u:p@h",
            "port=1",
            "[",
            "\t",
            "é",
            "\n\n",
        ];
        let mut seed = 1_u64;
        for round in 0..5_000 {
            let mut text = String::new();
            for _ in 0..round % 24 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push_str(pieces[(seed >> 33) as usize % pieces.len()]);
            }
            let shown = masked(&text);
            assert_eq!(unmasked(&shown, &text).as_deref(), Ok(text.as_str()), "{text:?} as {shown:?}");
            let ini = super::super::ini::parse(shown.as_bytes(), &mut super::super::problem::Problems::new("t"));
            for entry in ini.sections.iter().flat_map(|section| &section.entries).filter(|entry| is_secret(&entry.key)) {
                assert!(entry.value.split('\n').all(|line| matches!(line.trim(), "" | MASK)), "{text:?} as {shown:?}");
            }
            let in_name = ini.sections.iter().any(|section| section.name.contains("u:p@"));
            assert!(in_name || !shown.contains("u:p@"), "{text:?} as {shown:?}");
        }
    }

    #[test]
    fn a_mask_for_nothing_is_refused_with_its_line() {
        back(|text| format!("{text}[new]\npassword = ***\n"), Err(&[13]));
        // Nobody sends a password to another machine with it.
        back(|text| text.replace("@h.example", "@evil.example"), Err(&[9]));
        back(|text| text.replace("http://***@h.example", "ftp://***@h.example"), Err(&[9]));
    }
}
