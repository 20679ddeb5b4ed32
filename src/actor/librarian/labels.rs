//! Tables of labels that other programs wrote beside a sidecar: `x.flac.birdnet.csv`.
//!
//! Which there are is told by the folder alone. A folder is listed once for all of its recordings while they are looked through one
//! after another, since each listing is as long as the folder.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::shelf::{Shelf, folder};
use crate::device::disk::{RealDisk, read_small};
use crate::device::folder::modified_ns;
use crate::format::labels::{self, KEY};
use crate::message::analysis::Label;

/// Different names that are shown of a program: those that it was surest of.
const NAMES: usize = 20;
/// Tables of one folder that are known at a time.
const MOST: usize = 100_000;

/// The tables of the folder that was listed last.
#[derive(Debug, Default)]
pub struct Tables {
    folder: Option<PathBuf>,
    /// Sorted.
    names: Vec<String>,
}

impl Tables {
    /// The next question is answered by the disk.
    pub fn forget(&mut self) {
        *self = Tables::default();
    }

    /// Of this recording: names of programs, and files.
    pub fn of(&mut self, shelf: &Shelf, name: &str) -> Vec<(String, PathBuf)> {
        let beside = shelf.beside(name, "");
        let place = folder(&beside);
        if self.folder.as_deref() != Some(place) {
            (self.folder, self.names) = (Some(place.to_owned()), listed(place));
        }
        let file = name.rsplit('/').next().unwrap_or(name);
        let from = self.names.partition_point(|other| other.as_str() < file);
        let near = self.names.get(from..).unwrap_or_default().iter().take_while(|other| other.starts_with(file));
        near.filter_map(|other| Some((labels::tool(other, file)?.to_owned(), place.join(other)))).collect()
    }

    /// Another number when a table is another; 0 while there is none.
    pub fn stamp(&mut self, shelf: &Shelf, name: &str) -> i64 {
        let stamps = self.of(shelf, name).into_iter().map(|(_, path)| modified_ns(&path));
        stamps.fold(0, |stamp: i64, modified| stamp.rotate_left(7) ^ modified)
    }
}

fn listed(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".csv") && !name.starts_with('.')).take(MOST).collect();
    names.sort_unstable();
    names
}

/// All of a table; `None` if it is none, or cannot be read.
pub fn read(path: &Path) -> Option<Vec<Label>> {
    labels::parse(&read_small(&RealDisk, path, labels::LIMIT_BYTES).ok()?)
}

/// The same details, and which programs found what.
pub fn with(details: &str, tables: &[(String, PathBuf)]) -> Option<String> {
    let known: Vec<Value> = tables.iter().filter_map(|(tool, path)| Some(summary(tool, &read(path)?))).collect();
    if known.is_empty() {
        return None;
    }
    let mut all: Map<String, Value> = serde_json::from_str(details).unwrap_or_default();
    all.insert(KEY.to_owned(), known.into());
    Some(Value::Object(all).to_string())
}

fn summary(tool: &str, labels: &[Label]) -> Value {
    let mut found: HashMap<&str, Found> = HashMap::new();
    for label in labels {
        let of = found.entry(&label.name).or_insert(Found { best: None, from_s: label.from_s, count: 0 });
        of.count += 1;
        if label.confidence > of.best {
            (of.best, of.from_s) = (label.confidence, label.from_s);
        }
    }
    let mut found: Vec<(&str, Found)> = found.into_iter().collect();
    let sureness = |of: &Found| of.best.unwrap_or(-1.0);
    found.sort_by(|(a, x), (b, y)| sureness(y).total_cmp(&sureness(x)).then(y.count.cmp(&x.count)).then(a.cmp(b)));
    found.truncate(NAMES);
    let one = |(name, of): &(&str, Found)| json!({"name": name, "count": of.count, "best": of.best, "from_s": of.from_s});
    json!({"tool": tool, "count": labels.len(), "found": found.iter().map(one).collect::<Vec<_>>()})
}

/// Of one name.
struct Found {
    count: usize,
    /// What the program was surest of, and where that begins; the first one if it tells of none how sure it is.
    best: Option<f64>,
    from_s: f64,
}

/// Programs that found something, by what [`with`] wrote.
pub fn tools(details: &str) -> Vec<String> {
    let all: Value = serde_json::from_str(details).unwrap_or_default();
    let tools = all[KEY].as_array().into_iter().flatten().filter_map(|of| of["tool"].as_str());
    tools.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_recording_has_its_own_tables() {
        let root = tempfile::tempdir().expect("a folder");
        let shelf = Shelf { root: root.path().into(), analyses: root.path().join("analyses") };
        fs::create_dir_all(shelf.analyses.join("d")).expect("made");
        for name in
            ["d/a.flac.birdnet.csv", "d/a.flac.bat_detect-2.csv", "d/a.flac.events.csv", "d/a.flac.mp3.x.csv", "a.flac.y.csv"]
        {
            fs::write(shelf.analyses.join(name), "start,end,label\n0,1,a\n1,2,b\n2,3,a\n").expect("written");
        }
        let mut tables = Tables::default();
        let mut of = |name: &str| tables.of(&shelf, name).into_iter().map(|(tool, _)| tool).collect::<Vec<_>>();
        assert_eq!(of("d/a.flac"), ["bat_detect-2", "birdnet"]);
        assert_eq!(of("d/a.flac.mp3"), ["x"]);
        assert_eq!(of("a.flac"), ["y"]);
        assert_eq!((of("d/b.flac"), of("e/a.flac")), (vec![], vec![]));
        let stamp = tables.stamp(&shelf, "a.flac");
        assert!(stamp != 0 && tables.stamp(&shelf, "b.flac") == 0);
        let details = with(r#"{"codec":"flac"}"#, &tables.of(&shelf, "a.flac")).expect("labels");
        let found = r#"[{"best":null,"count":2,"from_s":0.0,"name":"a"},{"best":null,"count":1,"from_s":1.0,"name":"b"}]"#;
        let expected = format!(r#"{{"codec":"flac","labels":[{{"count":3,"found":{found},"tool":"y"}}]}}"#);
        assert_eq!((details, tools(&expected)), (expected, vec!["y".to_owned()]));
        assert_eq!(tools("{}"), [""; 0]);
    }

    #[test]
    fn what_a_program_was_surest_of_comes_first() {
        let mut labels = labels::parse(b"start,end,label,confidence\n0,1,wren,0.4\n3,4,wren,0.9\n6,7,owl,0.95\n9,10,wren,0.2\n")
            .expect("a table");
        let told = summary("x", &labels);
        let short = |told: &Value| -> Vec<String> {
            let found = told["found"].as_array().into_iter().flatten();
            found.map(|of| format!("{} {} x {} at {}", of["name"], of["count"], of["best"], of["from_s"])).collect()
        };
        assert_eq!(short(&told), [r#""owl" 1 x 0.95 at 6.0"#, r#""wren" 3 x 0.9 at 3.0"#]);
        let wren = labels[0].clone();
        let many = (0..100).map(|n| Label { name: format!("bird {n}"), confidence: Some(f64::from(n) / 100.0), ..wren.clone() });
        labels.extend(many);
        let told = summary("x", &labels);
        assert_eq!(
            (short(&told).len(), told["count"].as_u64(), &told["found"][0]["name"]),
            (NAMES, Some(104), &json!("bird 99"))
        );
    }
}
