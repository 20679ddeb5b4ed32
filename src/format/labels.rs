//! What a program that was run over a recording found in it: its table of labels, as CSV (RFC 4180) with a line of headings.
//!
//! Columns are known by their headings, in any order and case; others are passed over. BirdNET-Analyzer writes `Start (s),End
//! (s),Scientific name,Common name,Confidence`, BatDetect2 `id,det_prob,start_time,end_time,high_freq,low_freq,class,class_prob`.

use crate::message::analysis::Label;

/// Key of a recording's details: which programs found how much in it, as `[{tool, count, found: [{name, count, best, from_s}]}]`.
pub const KEY: &str = "labels";
/// A larger table is somebody's mistake.
pub const LIMIT_BYTES: usize = 4 << 20;
/// More labels than these are not taken.
pub const MOST: usize = 20_000;
/// Bytes of a name; more are cut off.
const NAME_BYTES: usize = 200;

/// Which column is what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    From,
    To,
    Name,
    Scientific,
    Confidence,
    Low,
    High,
}

/// Headings in lower case; the earlier one counts where a table has two of a kind.
const HEADINGS: [(&str, Field); 18] = [
    ("start (s)", Field::From),
    ("start_time", Field::From),
    ("begin time (s)", Field::From),
    ("start", Field::From),
    ("end (s)", Field::To),
    ("end_time", Field::To),
    ("end time (s)", Field::To),
    ("end", Field::To),
    ("common name", Field::Name),
    ("class", Field::Name),
    ("label", Field::Name),
    ("scientific name", Field::Scientific),
    ("confidence", Field::Confidence),
    ("class_prob", Field::Confidence),
    ("det_prob", Field::Confidence),
    ("low_freq", Field::Low),
    ("high_freq", Field::High),
    ("score", Field::Confidence),
];

/// The labels of a table, as they stand there; lines that say nothing useful are passed over. `None`: this is no such table.
pub fn parse(bytes: &[u8]) -> Option<Vec<Label>> {
    let text = String::from_utf8_lossy(bytes.get(..LIMIT_BYTES).unwrap_or(bytes));
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let headings: Vec<String> = record(&mut rest)?.iter().map(|heading| heading.trim().to_lowercase()).collect();
    let place = |field: Field| {
        let known = HEADINGS.iter().filter(|(_, of)| *of == field);
        known.filter_map(|(name, _)| headings.iter().position(|heading| heading == name)).next()
    };
    let (from, to) = (place(Field::From)?, place(Field::To)?);
    let (name, scientific) = (place(Field::Name), place(Field::Scientific));
    name.or(scientific)?;
    let (confidence, low, high) = (place(Field::Confidence), place(Field::Low), place(Field::High));
    let mut labels = Vec::new();
    while labels.len() < MOST {
        let Some(cells) = record(&mut rest) else { break };
        let cell = |place: Option<usize>| cells.get(place?).map(|cell| cell.trim()).filter(|cell| !cell.is_empty());
        let number = |place: Option<usize>| cell(place)?.parse::<f64>().ok().filter(|number| number.is_finite());
        let (Some(from_s), Some(to_s)) = (number(Some(from)), number(Some(to))) else { continue };
        let Some(own) = cell(name).or_else(|| cell(scientific)) else { continue };
        if !(0.0..=1e9).contains(&from_s) || !(from_s..=1e9).contains(&to_s) {
            continue;
        }
        labels.push(Label {
            from_s,
            to_s,
            name: short(own),
            scientific_name: cell(scientific).map(short),
            confidence: number(confidence).filter(|share| (0.0..=1.0).contains(share)),
            band_hz: number(low).zip(number(high)).filter(|(low, high)| 0.0 <= *low && low <= high && *high <= 1e9),
        });
    }
    Some(labels)
}

/// What was found, by details with [`KEY`]; for those who look for it.
pub fn names_in(details: &str) -> Vec<String> {
    // Few have any.
    if !details.contains("\"labels\":[") {
        return Vec::new();
    }
    let all: serde_json::Value = serde_json::from_str(details).unwrap_or_default();
    let found = all[KEY].as_array().into_iter().flatten().flat_map(|of| of["found"].as_array().into_iter().flatten());
    found.filter_map(|of| of["name"].as_str()).map(str::to_owned).collect()
}

fn short(text: &str) -> String {
    let end = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= NAME_BYTES).last().unwrap_or(0);
    text[..end].chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The cells of the next line that has any; quotes may hold commas, line ends and doubled quotes. `None` at the end.
fn record(rest: &mut &str) -> Option<Vec<String>> {
    *rest = rest.trim_start_matches(['\r', '\n']);
    if rest.is_empty() {
        return None;
    }
    let (mut cells, mut cell, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut letters = rest.char_indices().peekable();
    let end = loop {
        let Some((at, letter)) = letters.next() else { break rest.len() };
        match letter {
            '"' if is_quoted && letters.peek().is_some_and(|(_, next)| *next == '"') => {
                letters.next();
                cell.push('"');
            }
            '"' if is_quoted || cell.is_empty() => is_quoted = !is_quoted,
            ',' if !is_quoted => cells.push(std::mem::take(&mut cell)),
            '\n' if !is_quoted => break at,
            letter => cell.push(letter),
        }
    };
    cells.push(cell);
    *rest = &rest[end..];
    Some(cells)
}

/// `birdnet` of `x.flac.birdnet.csv`, which belongs to the recording `x.flac`.
pub fn tool<'a>(file: &'a str, recording: &str) -> Option<&'a str> {
    let tool = file.strip_prefix(recording)?.strip_prefix('.')?.strip_suffix(".csv")?;
    let is_word = (1..=40).contains(&tool.len()) && tool.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    // What the recorder writes itself when somebody asks for it.
    (is_word && tool != "events").then_some(tool)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short_of(label: &Label) -> String {
        let Label { from_s, to_s, name, scientific_name, confidence, band_hz } = label;
        format!("{from_s}..{to_s} {name}/{scientific_name:?} {confidence:?} {band_hz:?}")
    }

    #[track_caller]
    fn check(text: &str, expected: Option<&[&str]>) {
        let found = parse(text.as_bytes()).map(|labels| labels.iter().map(short_of).collect::<Vec<_>>());
        assert_eq!(found, expected.map(|lines| lines.iter().map(|line| (*line).to_owned()).collect()), "{text}");
    }

    #[test]
    fn tables_of_programs() {
        let birdnet = include_bytes!("../../tests/data/labels/birdnet.csv");
        let found = parse(birdnet).expect("a table");
        assert_eq!(found.len(), 3);
        assert_eq!(short_of(&found[0]), r#"0..3 European Robin/Some("Erithacus rubecula") Some(0.8714) None"#);
        assert_eq!(found[2].name, "Great Tit, \"teacher\" song");
        let batdetect = include_bytes!("../../tests/data/labels/batdetect2.csv");
        let found = parse(batdetect).expect("a table");
        assert_eq!(short_of(&found[0]), "0.1162..0.1245 Pipistrellus pipistrellus/None Some(0.612) Some((44531.0, 61718.0))");
    }

    #[test]
    fn what_is_no_table_is_none_and_what_is_no_line_is_left_out() {
        check("", None);
        check("\n\n", None);
        check("a,b,c\n1,2,3\n", None);
        check("start,end\n1,2\n", None);
        check("start,end,label\n", Some(&[]));
        check("Start (s),END (s),Common Name,Confidence\r\n1,2,a,1.5\r\n", Some(&["1..2 a/None None None"]));
        check("start,end,label\n1\n2,1,b\nx,2,c\n-1,2,d\nnan,1,e\n1,inf,f\n1,2,\n3,4,ok", Some(&["3..4 ok/None None None"]));
        check("label,start,end\n\"a\nb\",1,2\n\"open,1,2\n", Some(&["1..2 a b/None None None"]));
        check("start,end,scientific name\n1,2,Bubo bubo\n", Some(&["1..2 Bubo bubo/Some(\"Bubo bubo\") None None"]));
    }

    #[test]
    fn names_of_tables() {
        assert_eq!(tool("x.flac.birdnet.csv", "x.flac"), Some("birdnet"));
        for file in ["x.flac.events.csv", "x.flac..csv", "x.flac.a.b.csv", "x.flac.csv", "y.flac.birdnet.csv", "x.flac.a/b.csv"] {
            assert_eq!(tool(file, "x.flac"), None, "{file}");
        }
    }
}
