//! Tables of labels that other programs wrote beside a sidecar: `x.flac.birdnet.csv`.
//!
//! Which there are is told by the folder alone. A folder is listed once for all of its recordings while they are looked through one
//! after another, since each listing is as long as the folder.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::shelf::{Shelf, folder};
use crate::device::disk::{RealDisk, read_small};
use crate::device::folder::modified_ns;
use crate::format::labels;
use crate::message::analysis::Label;

/// Key of what is shown of a recording: which programs found how much in it.
const KEY: &str = "labels";
/// Different names that are shown of a program.
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
    let mut names: Vec<&str> = Vec::new();
    for label in labels {
        if names.len() < NAMES && !names.contains(&label.name.as_str()) {
            names.push(&label.name);
        }
    }
    json!({"tool": tool, "count": labels.len(), "names": names})
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
        let expected = r#"{"codec":"flac","labels":[{"count":3,"names":["a","b"],"tool":"y"}]}"#;
        assert_eq!((details.as_str(), tools(&details)), (expected, vec!["y".to_owned()]));
        assert_eq!(tools("{}"), [""; 0]);
    }
}
