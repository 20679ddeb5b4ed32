//! A program that is run for each finished recording: how its line in the configuration is read, and what of its output is logged.

use super::Invalid;

/// Lines of one run that are logged; the others are counted.
pub const MOST_LINES: u32 = 50;
const LINE_BYTES: usize = 300;

/// A program and its arguments, with places for names. No shell reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program(Vec<String>);

/// What stands in the places.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    pub file: &'a str,
    pub sidecar: &'a str,
    /// What a table of results is called before `.TOOL.csv`.
    pub result: &'a str,
    pub source: &'a str,
}

const PLACES: [&str; 4] = ["{file}", "{sidecar}", "{result}", "{source}"];

impl Program {
    /// Words with blanks between them; what stands in quotes, "…" or '…', is one word or a part of it. The first is a whole path.
    pub fn parse(text: &str) -> Result<Program, Invalid> {
        let invalid = |why: &str| Err(Invalid(why.to_owned()));
        let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
        for letter in text.chars() {
            match (quote, letter) {
                (Some(open), letter) if letter == open => quote = None,
                (None, '"' | '\'') => {
                    quote = Some(letter);
                    word.get_or_insert_default();
                }
                (None, letter) if letter.is_whitespace() => words.extend(word.take()),
                (_, letter) => word.get_or_insert_default().push(letter),
            }
        }
        words.extend(word);
        let known = |word: &str| PLACES.iter().fold(word.to_owned(), |word, place| word.replace(place, ""));
        match words.first() {
            _ if quote.is_some() => invalid("has a quote that is not closed"),
            _ if text.contains('\0') => invalid("has a NUL"),
            Some(path) if !path.starts_with('/') => {
                invalid("does not begin with the whole path of a program, such as /usr/local/bin/birdnet")
            }
            Some(path) if known(path) != *path => invalid("has a place such as {file} in the path of the program"),
            None => invalid("is empty"),
            Some(_) => match words.iter().map(|word| known(word)).find(|rest| rest.contains(['{', '}'])) {
                Some(_) => invalid("has { or } around something else than {file}, {sidecar}, {result} or {source}"),
                None => Ok(Program(words)),
            },
        }
    }

    /// The program and its arguments. A name is one argument whatever is in it, and no name is read as a place.
    pub fn words(&self, names: Names<'_>) -> Vec<String> {
        let values = [names.file, names.sidecar, names.result, names.source];
        let filled = |word: &String| {
            let (mut filled, mut rest) = (String::new(), word.as_str());
            while let Some(at) = rest.find('{') {
                filled.push_str(&rest[..at]);
                rest = &rest[at..];
                let place = PLACES.iter().zip(values).find(|(place, _)| rest.starts_with(**place));
                let (len, value) = place.map_or((1, "{"), |(place, value)| (place.len(), value));
                filled.push_str(value);
                rest = &rest[len..];
            }
            filled + rest
        };
        self.0.iter().map(filled).collect()
    }

    /// For messages.
    pub fn path(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }
}

/// Bytes of a program to lines for the log: cut off where they are long, and counted where they are many.
#[derive(Debug, Default)]
pub struct Lines {
    begun: Vec<u8>,
    is_cut: bool,
    told: u32,
    pub untold: u64,
}

impl Lines {
    pub fn push(&mut self, bytes: &[u8], tell: &mut dyn FnMut(&str)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            let room = LINE_BYTES - self.begun.len();
            self.begun.extend_from_slice(text.get(..room).unwrap_or(text));
            self.is_cut |= text.len() > room;
            if ends {
                self.end(tell);
            }
        }
    }

    /// What there is of a last line.
    pub fn end(&mut self, tell: &mut dyn FnMut(&str)) {
        let line: String = String::from_utf8_lossy(&self.begun).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let line = line.trim();
        if !line.is_empty() {
            if self.told < MOST_LINES {
                self.told += 1;
                tell(&if self.is_cut { format!("{line} …") } else { line.to_owned() });
            } else {
                self.untold += 1;
            }
        }
        (self.is_cut, self.begun) = (false, std::mem::take(&mut self.begun));
        self.begun.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_words_and_no_shell() {
        let names = Names { file: "/r/a b.flac", sidecar: "/r/analyses/a b.json", result: "/r/{source}", source: "mic;rm -rf" };
        let check = |text: &str, expected: Result<&[&str], &str>| match (Program::parse(text), expected) {
            (Ok(program), Ok(words)) => assert_eq!(program.words(names), words, "{text}"),
            (Err(Invalid(why)), Err(part)) => assert!(why.contains(part), "{text}: {why}"),
            (got, _) => panic!("{text}: {got:?}"),
        };
        check("/bin/x {file} {sidecar}", Ok(&["/bin/x", "/r/a b.flac", "/r/analyses/a b.json"]));
        check(
            "/bin/x  -o={result}.birdnet.csv --of '{source}'",
            Ok(&["/bin/x", "-o=/r/{source}.birdnet.csv", "--of", "mic;rm -rf"]),
        );
        check("\"/opt/my prog/run\" 'a \"b' \"\" c\"d e\"f", Ok(&["/opt/my prog/run", "a \"b", "", "cd ef"]));
        check("/bin/x $HOME `id` a;b", Ok(&["/bin/x", "$HOME", "`id`", "a;b"]));
        check("", Err("is empty"));
        check("birdnet {file}", Err("whole path"));
        check("/bin/{file}", Err("path of the program"));
        check("/bin/x {files}", Err("something else"));
        check("/bin/x 'a", Err("not closed"));
    }

    #[test]
    fn output_is_told_in_lines_that_fit() {
        let mut lines = Lines::default();
        let mut told = Vec::new();
        let mut tell = |line: &str| told.push(line.to_owned());
        lines.push(b"one\ntw", &mut tell);
        lines.push(b"o\n\n \x1b[1mthree\r\n\xff", &mut tell);
        lines.push(&[b'x'; 1_000], &mut tell);
        lines.end(&mut tell);
        lines.push(&b"again\n".repeat(1_000), &mut tell);
        assert_eq!(told[..3], ["one", "two", "[1mthree"]);
        assert!(told[3].ends_with(" …") && told[3].len() < 320);
        assert_eq!((told.len() as u32, lines.untold), (MOST_LINES, 1_000 - u64::from(MOST_LINES - 4)));
        assert!(lines.begun.capacity() < 2 * LINE_BYTES);
    }
}
