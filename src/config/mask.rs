//! The text of a configuration without its secrets, and back.
//!
//! The page shows the file as it stands and gets it back changed. What is secret never leaves the recorder: [`masked`] puts `***`
//! in its place, line by line, so that line numbers stay true, and [`unmasked`] puts back what still stands as `***`. A secret is
//! found again by its section and key, not by its line: lines move. Comments are masked too, for an old password is often one.

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
#[derive(Clone, Debug, PartialEq, Eq)]
struct Spot {
    /// From 0.
    line: usize,
    section: String,
    /// Lower case; with `#` before it in a comment; of a continued value the key, once more.
    key: String,
    kind: Kind,
    /// Bytes of the line.
    from: usize,
    to: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
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
    let (before, lines): (Vec<Spot>, Vec<&str>) = (spots(old), lines(old));
    let after = spots(text);
    let renamed = Renamed::between(old, text);
    let mut lost = Vec::new();
    let out = replaced(text, &after, |spot, line| {
        if line.get(spot.from..spot.to) != Some(MASK) {
            return None;
        }
        let same =
            |other: &&Spot| other.key == spot.key && renamed.is_same(&other.section, &spot.section) && other.kind == spot.kind;
        let mut twins =
            after.iter().filter(|other| other.section == spot.section && other.key == spot.key && other.kind == spot.kind);
        let nth = twins.position(|other| (other.line, other.from) == (spot.line, spot.from)).unwrap_or(0);
        match before.iter().filter(same).nth(nth).and_then(|was| lines.get(was.line)?.get(was.from..was.to)) {
            Some(secret) => Some(secret.to_owned()),
            None => {
                let what = match spot.kind {
                    Kind::Value => "*** stands for no secret that was there before: write it anew",
                    Kind::Address(..) => "*** stands for the user and password of another address: write them anew",
                };
                lost.push(Lost { line: spot.line as u32 + 1, section: spot.section.clone(), text: what.to_owned() });
                None
            }
        }
    });
    if lost.is_empty() { Ok(out) } else { Err(lost) }
}

/// One section that got a new name takes its secrets along.
struct Renamed(Option<(String, String)>);

impl Renamed {
    fn between(old: &str, new: &str) -> Renamed {
        let (old, new) = (sections(old), sections(new));
        let only = |these: &[String], those: &[String]| {
            let mut gone = these.iter().filter(|name| !those.contains(name));
            let first = gone.next().cloned();
            if gone.next().is_some() { None } else { first }
        };
        Renamed(only(&old, &new).zip(only(&new, &old)))
    }

    fn is_same(&self, old: &str, new: &str) -> bool {
        old == new || self.0.as_ref().is_some_and(|(was, is)| was == old && is == new)
    }
}

fn lines(text: &str) -> Vec<&str> {
    text.split('\n').collect()
}

fn header(line: &str) -> Option<&str> {
    let inside = line.trim_start().strip_prefix('[')?;
    inside.get(..inside.rfind(']')?).map(str::trim)
}

fn sections(text: &str) -> Vec<String> {
    let mut names: Vec<String> = lines(text).into_iter().filter_map(header).map(str::to_owned).collect();
    names.dedup();
    names
}

/// The lines again, with other words where `with` says so.
fn replaced(text: &str, spots: &[Spot], mut with: impl FnMut(&Spot, &str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    for (number, line) in lines(text).into_iter().enumerate() {
        if number > 0 {
            out.push('\n');
        }
        let mut at = 0;
        for spot in spots.iter().filter(|spot| spot.line == number) {
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

/// In their order. Spots of a line do not overlap.
fn spots(text: &str) -> Vec<Spot> {
    let mut spots = Vec::new();
    let (mut section, mut key, mut indent) = (String::new(), String::new(), 0);
    for (number, whole) in lines(text).into_iter().enumerate() {
        let line = whole.trim_end();
        let start = line.len() - line.trim_start().len();
        let content = &line[start..];
        let comment = content.starts_with(['#', ';']);
        let mut spot = |key: &str, kind, from, to| {
            spots.push(Spot { line: number, section: section.clone(), key: key.to_owned(), kind, from, to });
        };
        if content.is_empty() {
            continue;
        }
        if !comment && start > indent && !key.is_empty() {
            // The value goes on.
            if is_secret(&key) {
                spot(&key, Kind::Value, start, line.len());
            } else {
                addresses(line, start, |kind, from, to| spot(&key, kind, from, to));
            }
            continue;
        }
        let at = start + content.len() - content.trim_start_matches(['#', ';', ' ', '\t']).len();
        let Some(end) = line[at..].find(['=', ':']).map(|end| at + end) else {
            if let (Some(name), false) = (header(content), comment) {
                (section, key, indent) = (name.to_owned(), String::new(), start);
            } else {
                addresses(line, start, |kind, from, to| spot("#", kind, from, to));
            }
            continue;
        };
        if let (Some(name), false) = (header(content), comment) {
            (section, key, indent) = (name.to_owned(), String::new(), start);
            continue;
        }
        let name = line[at..end].trim().to_ascii_lowercase();
        let own = if comment { format!("#{name}") } else { name };
        let value = end + 1 + (line[end + 1..].len() - line[end + 1..].trim_start().len());
        if value < line.len() && is_secret(&own) {
            spot(&own, Kind::Value, value, line.len());
        } else {
            addresses(line, start, |kind, from, to| spot(&own, kind, from, to));
        }
        if !comment {
            (key, indent) = (own, start);
        }
    }
    spots
}

/// Of a key that is in a table, the table says; of any other, its ending.
fn is_secret(key: &str) -> bool {
    let key = key.trim_start_matches('#');
    let ends = ENDINGS.iter().any(|ending| key.ends_with(ending));
    ends || keys::all().any(|about| about.name == key && about.shown == Shown::Never)
}

/// `scheme://USER@host`: a piece of the line up to the next blank. The last @ counts: an unescaped / in a password must not bring
/// it to light.
fn addresses(line: &str, from: usize, mut found: impl FnMut(Kind, usize, usize)) {
    let mut at = from;
    while let Some(scheme) = line[at..].find("://").map(|n| at + n) {
        let user = scheme + 3;
        let end = line[user..].find(char::is_whitespace).map_or(line.len(), |n| user + n);
        if let Some(host) = line[user..end].rfind('@').map(|n| user + n) {
            let name = line[at..scheme].rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
            let rest = &line[host + 1..end];
            let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
            found(Kind::Address(name.to_ascii_lowercase(), rest.to_ascii_lowercase()), user, host);
        }
        at = end;
    }
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

    #[test]
    fn a_mask_for_nothing_is_refused_with_its_line() {
        back(|text| format!("{text}[new]\npassword = ***\n"), Err(&[13]));
        // Nobody sends a password to another machine with it.
        back(|text| text.replace("@h.example", "@evil.example"), Err(&[9]));
        back(|text| text.replace("http://***@h.example", "ftp://***@h.example"), Err(&[9]));
    }
}
