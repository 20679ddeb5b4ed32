//! Titles between the sound: the metadata of Shoutcast and Icecast ("ICY"), which has no standard but its servers.
//!
//! After every `icy-metaint` bytes of sound comes one byte, times 16 the length of a text, then the text:
//! `StreamTitle='…';StreamUrl='…';`, filled up with zeros. Called by the stream source, which reads no further than
//! [`Deinterleaver::room`], so that a title stands exactly between two bytes of sound and nothing is moved in memory.

use std::sync::Arc;

/// Above this no server means it.
const MAX_INTERVAL: u32 = 16 << 20;
const MAX_TEXT_BYTES: usize = 255 * 16;
/// Of a title in UTF-8; the rest is cut off.
const MAX_TITLE_BYTES: usize = 512;

/// The value of `icy-metaint`; the reason is for the log, and the sound is then taken as it comes.
pub fn interval(value: &str) -> Result<u32, &'static str> {
    match value.trim().parse::<u32>() {
        Ok(0) => Err("icy-metaint is 0"),
        Ok(every) if every <= MAX_INTERVAL => Ok(every),
        _ => Err("icy-metaint is no number from 1 to 16777216"),
    }
}

/// What the shown bytes begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many bytes of sound.
    Audio(usize),
    /// So many bytes that are none; `title` when they complete a new one.
    Meta { bytes: usize, title: Option<Arc<str>> },
}

pub struct Deinterleaver {
    every: u32,
    place: Place,
    text: Box<[u8; MAX_TEXT_BYTES]>,
    last: Option<Arc<str>>,
}

#[derive(Clone, Copy)]
enum Place {
    /// Bytes of sound before the next length.
    Audio {
        left: u32,
    },
    Length,
    /// have < want <= MAX_TEXT_BYTES
    Text {
        have: usize,
        want: usize,
    },
}

impl Deinterleaver {
    pub fn new(every: u32) -> Deinterleaver {
        let every = every.clamp(1, MAX_INTERVAL);
        Deinterleaver { every, place: Place::Audio { left: every }, text: Box::new([0; MAX_TEXT_BYTES]), last: None }
    }

    /// How many bytes may be read before there is something to tell sound and text apart.
    pub fn room(&self) -> usize {
        match self.place {
            Place::Audio { left } => left as usize,
            Place::Length => 1,
            Place::Text { have, want } => want - have,
        }
    }

    /// `bytes` may be of any number; called again with what this step has not taken.
    pub fn step(&mut self, bytes: &[u8]) -> Step {
        let taken = bytes.len().min(self.room());
        match (self.place, bytes.first()) {
            (_, None) => Step::Audio(0),
            (Place::Audio { left }, _) => {
                // taken <= left
                let left = left - taken as u32;
                self.place = if left == 0 { Place::Length } else { Place::Audio { left } };
                Step::Audio(taken)
            }
            (Place::Length, Some(0)) => {
                self.place = Place::Audio { left: self.every };
                Step::Meta { bytes: 1, title: None }
            }
            (Place::Length, Some(&length)) => {
                self.place = Place::Text { have: 0, want: usize::from(length) * 16 };
                Step::Meta { bytes: 1, title: None }
            }
            (Place::Text { have, want }, _) => {
                // have + taken <= want <= the length of the text
                self.text[have..have + taken].copy_from_slice(&bytes[..taken]);
                if have + taken < want {
                    self.place = Place::Text { have: have + taken, want };
                    return Step::Meta { bytes: taken, title: None };
                }
                self.place = Place::Audio { left: self.every };
                Step::Meta { bytes: taken, title: self.news(want) }
            }
        }
    }

    /// The title of the text, unless it is the one before. Stations repeat theirs, and send empty ones between songs.
    fn news(&mut self, want: usize) -> Option<Arc<str>> {
        let title = title(&self.text[..want])?;
        if self.last.as_deref() == Some(&title) {
            return None;
        }
        self.last = Some(Arc::from(title));
        self.last.clone()
    }
}

/// What stands behind `StreamTitle=`, if anything does.
pub fn title(text: &[u8]) -> Option<String> {
    let text = text.iter().rposition(|&b| b != 0).map_or(&[][..], |last| &text[..=last]);
    let key = b"streamtitle=";
    let at = text.windows(key.len()).position(|w| w.eq_ignore_ascii_case(key))?;
    let value = &text[at + key.len()..];
    let value = match value.strip_prefix(b"'") {
        Some(quoted) => &quoted[..end_of_quote(quoted)],
        None => value.split(|&b| b == b';').next().unwrap_or_default(),
    };
    let title = readable(value, MAX_TITLE_BYTES);
    (!title.is_empty()).then_some(title)
}

/// Titles have quotes of their own: the closing one is followed by `;` and then by nothing or by another key.
fn end_of_quote(quoted: &[u8]) -> usize {
    let ends = |at: &usize| {
        let rest = &quoted[at + 2..];
        let key = rest.iter().take_while(|b| b.is_ascii_alphanumeric()).count();
        rest.iter().all(u8::is_ascii_whitespace) || key > 0 && rest[key..].starts_with(b"='")
    };
    let closing = |at: &usize| quoted[*at..].starts_with(b"';");
    let lax = || quoted.strip_suffix(b"'").or(quoted.strip_suffix(b";")).unwrap_or(quoted).len();
    (0..quoted.len()).filter(closing).find(ends).unwrap_or_else(lax)
}

/// UTF-8, or Latin-1 where it is none; no control characters, no blanks around it, cut to `limit` bytes. Of any header.
pub fn readable(bytes: &[u8], limit: usize) -> String {
    let mut text = String::new();
    let mut add = |c: char| {
        if !c.is_control() && text.len() + c.len_utf8() <= limit {
            text.push(c);
        }
    };
    match std::str::from_utf8(bytes) {
        Ok(utf8) => utf8.trim().chars().for_each(&mut add),
        Err(_) => bytes.trim_ascii().iter().map(|&b| char::from(b)).for_each(&mut add),
    }
    text.truncate(text.trim_end().len());
    text
}

/// Titles into a stream, for a listener who asked for them: the way back of [`Deinterleaver`].
pub struct Interleaver {
    every: usize,
    left: usize,
    last: Arc<str>,
}

impl Interleaver {
    /// What `icy-metaint` says.
    pub fn new(every: u32) -> Interleaver {
        let every = every.max(1) as usize;
        Interleaver { every, left: every, last: Arc::from("") }
    }

    /// Bytes of sound that may go before the next text; 0 when that is due.
    pub fn room(&self) -> usize {
        self.left
    }

    /// So many bytes of sound have gone.
    pub fn pass(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes);
    }

    /// The text with its length in front: a single zero when the title is the one before.
    pub fn text(&mut self, title: &Arc<str>) -> Vec<u8> {
        self.left = self.every;
        if *title == self.last {
            return vec![0];
        }
        self.last = title.clone();
        // An apostrophe and a semicolon would end it.
        let mut text = format!("StreamTitle='{}';", title.replace("';", "'")).into_bytes();
        text.truncate(MAX_TEXT_BYTES);
        let blocks = text.len().div_ceil(16);
        text.resize(blocks * 16, 0);
        text.insert(0, blocks as u8); // at most 255
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        let (mut interleaver, mut deinterleaver) = (Interleaver::new(100), Deinterleaver::new(100));
        let (mut sound, mut titles, mut next) = (Vec::new(), Vec::new(), 0_u8);
        let given = ["", "Nightingale", "Nightingale", "It's a wren; 5 o'clock", "\u{e4}"].map(Arc::from);
        let mut wire = Vec::new();
        for title in &given {
            while interleaver.room() > 0 {
                let piece: Vec<u8> = (0..interleaver.room().min(33))
                    .map(|_| {
                        next = next.wrapping_add(1);
                        next
                    })
                    .collect();
                interleaver.pass(piece.len());
                wire.extend(piece);
            }
            wire.extend(interleaver.text(title));
        }
        let mut at = 0;
        while at < wire.len() {
            match deinterleaver.step(&wire[at..]) {
                Step::Audio(bytes) => {
                    sound.extend_from_slice(&wire[at..at + bytes]);
                    at += bytes;
                }
                Step::Meta { bytes, title } => {
                    titles.extend(title.map(|title| title.to_string()));
                    at += bytes;
                }
            }
        }
        assert_eq!(sound.len(), 500);
        assert!(sound.windows(2).all(|two| two[1] == two[0].wrapping_add(1)));
        assert_eq!(titles, ["Nightingale", "It's a wren; 5 o'clock", "\u{e4}"]);
    }

    fn check(text: &[u8], want: Option<&str>) {
        assert_eq!(title(text).as_deref(), want, "{}", String::from_utf8_lossy(text));
    }

    #[test]
    fn titles() {
        check(b"StreamTitle='A - B';StreamUrl='http://x';\0\0\0", Some("A - B"));
        check(b"StreamTitle='A - B';", Some("A - B"));
        check(b"StreamTitle='A - B'", Some("A - B"));
        check(b"StreamTitle='A - B", Some("A - B"));
        check(b"StreamTitle=A - B;StreamUrl=''", Some("A - B"));
        check(b"streamtitle='It's 'so'; and so';StreamUrl='';", Some("It's 'so'; and so"));
        check(b"StreamTitle='rock 'n';roll';adw_ad='1'", Some("rock 'n';roll';adw_ad='1"));
        check(b"StreamUrl='u';StreamTitle='late';", Some("late"));
        check(b"StreamTitle='caf\xe9';", Some("caf\u{e9}"));
        check("StreamTitle='caf\u{e9} \u{1f3b5}';".as_bytes(), Some("caf\u{e9} \u{1f3b5}"));
        check(b"StreamTitle=' a\x1b[31m\nb\x85\xff ';", Some("a[31mb\u{ff}"));
        check(b"StreamTitle='';StreamUrl='';", None);
        check(b"StreamTitle='  ';", None);
        check(b"StreamTitle=", None);
        check(b"nothing", None);
        check(b"\0\0\0", None);
        check(b"", None);
        let long = [b"StreamTitle='".as_slice(), "\u{e9}".repeat(1000).as_bytes()].concat();
        assert_eq!(title(&long).map(|t| t.len()), Some(512));
    }

    #[test]
    fn intervals() {
        assert_eq!(interval(" 16000 "), Ok(16_000));
        assert_eq!(interval("16777216"), Ok(16_777_216));
        for bad in ["0", "16777217", "-1", "99999999999999", "x", ""] {
            assert!(interval(bad).is_err(), "{bad}");
        }
    }

    /// Fed in pieces of `size`: the sound, and the titles with the number of bytes before them.
    fn taken_apart(every: u32, wire: &[u8], size: usize) -> (Vec<u8>, Vec<(usize, String)>) {
        let (mut icy, mut sound, mut titles) = (Deinterleaver::new(every), Vec::new(), Vec::new());
        for mut piece in wire.chunks(size) {
            while !piece.is_empty() {
                match icy.step(piece) {
                    Step::Audio(n) => {
                        sound.extend(&piece[..n]);
                        piece = &piece[n..];
                    }
                    Step::Meta { bytes, title } => {
                        titles.extend(title.map(|t| (sound.len(), t.to_string())));
                        piece = &piece[bytes..];
                    }
                }
            }
        }
        (sound, titles)
    }

    #[test]
    fn pieces_of_any_size_give_the_same() {
        let text = |s: &str| {
            let blocks = s.len().div_ceil(16);
            let mut bytes = vec![blocks as u8];
            bytes.extend(s.as_bytes());
            bytes.resize(1 + blocks * 16, 0);
            bytes
        };
        let parts =
            [text("StreamTitle='one';"), text(""), text("StreamTitle='one';"), text("StreamTitle='';"), text("StreamTitle='2';")];
        let sound: Vec<u8> = (0..=200).cycle().take(parts.len() * 7 + 3).collect();
        let mut wire = Vec::new();
        for (n, piece) in sound.chunks(7).enumerate() {
            wire.extend(piece);
            wire.extend(parts.get(n).into_iter().flatten());
        }
        for size in [1, 2, 7, 16, 100, 4096] {
            let want = vec![(7, "one".to_owned()), (35, "2".to_owned())];
            assert_eq!(taken_apart(7, &wire, size), (sound.clone(), want), "{size}");
        }
    }
}
