//! What stands elsewhere: in the sidecar, which goes with its recording; in the catalogue, which can be made anew from sidecars; and
//! in uploads.csv, for people, which stays when a recording is deleted.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};

use serde_json::{Value, json};

use super::change::failed;
use super::{Librarian, Refused};
use crate::format::civil::{parse_utc, utc_text};
use crate::format::sidecar::Sidecar;
use crate::message::library::{Answer, Event, Trouble, Upload};
use crate::time::Wall;

/// Key of the sidecar: one object for each target.
pub const UPLOADS: &str = "uploads";
/// Only where it is another length than that of the recording.
const SENT_BYTES: &str = "sent_bytes";
/// Below the folder of the recordings.
const LEDGER: &str = "uploads.csv";
const HEAD: &str = "uploaded,target,file,key,bytes,checksum\n";

pub fn read(sidecar: &Sidecar) -> Vec<Upload> {
    let one = |(target, value): (&String, &Value)| {
        let text = |key: &str| value.get(key)?.as_str().map(str::to_owned);
        Some(Upload {
            target: target.clone(),
            at: parse_utc(&text("at")?)?,
            key: text("key")?,
            bytes: value.get("bytes")?.as_u64()?,
            sent_bytes: value.get(SENT_BYTES).and_then(Value::as_u64),
            checksum: text("checksum")?,
        })
    };
    sidecar.other.get(UPLOADS).and_then(Value::as_object).into_iter().flatten().filter_map(one).collect()
}

/// When the last of these targets got the file as it is now.
pub fn all_there(copies: &[Upload], targets: &[String], bytes: u64) -> Option<Wall> {
    let at = |target: &String| copies.iter().find(|copy| copy.target == *target && copy.bytes == bytes).map(|copy| copy.at);
    targets.iter().map(at).collect::<Option<Vec<_>>>()?.into_iter().max()
}

fn tell(sidecar: &mut Sidecar, copy: &Upload) {
    let mut value = json!({"at": utc_text(copy.at), "key": copy.key, "bytes": copy.bytes, "checksum": copy.checksum});
    if let Some(bytes) = copy.sent_bytes {
        value[SENT_BYTES] = bytes.into();
    }
    let all = sidecar.other.entry(UPLOADS).or_insert_with(|| json!({}));
    if !all.is_object() {
        *all = json!({});
    }
    all[copy.target.as_str()] = value;
}

impl Librarian {
    pub(super) fn uploaded(&mut self, name: &str, copy: Upload, now: Wall) -> Result<Answer, Refused> {
        let fresh = self.closed(name, now)?;
        self.may_write_analyses()?;
        if fresh.row.bytes != copy.bytes {
            return Err(Trouble::Failed("The recording is another than the one that was sent.".into()).into());
        }
        let turn = self.settings.turns.wait(&self.shelf.beside(name, super::shelf::SIDECAR));
        let mut sidecar = self.sidecar_for(&fresh.row);
        tell(&mut sidecar, &copy);
        self.shelf.put_sidecar(name, &sidecar).map_err(failed)?;
        drop(turn);
        if let Err(e) = self.enter(name, &copy) {
            log::warn!(target: "librarian", "{LEDGER}: a line is missing: {e}");
        }
        let answer = self.refresh(name, now)?;
        if let Answer::File(file) = &answer {
            self.tell(&Event::Uploaded { file: file.clone(), target: copy.target });
        }
        Ok(answer)
    }

    pub(super) fn sending(&mut self, name: &str, target: &str, token: &str, now: Wall) -> Result<Answer, Refused> {
        let row = self.writer()?.find(name)?.ok_or(Trouble::Absent)?.row;
        let mut batch = self.writer_mut()?.batch()?;
        batch.put_sending(&row, target, token, now)?;
        batch.commit()?;
        Ok(Answer::Done)
    }

    pub(super) fn unwanted(&mut self, name: &str, target: &str, why: &str, now: Wall) -> Result<Answer, Refused> {
        let row = self.writer()?.find(name)?.ok_or(Trouble::Absent)?.row;
        let mut batch = self.writer_mut()?.batch()?;
        batch.put_unwanted(&row, target, why, now)?;
        batch.commit()?;
        Ok(Answer::Done)
    }

    /// A line of the ledger, on the disk when this returns. What a power cut left of the last line becomes a line of its own.
    fn enter(&self, name: &str, copy: &Upload) -> io::Result<()> {
        let path = self.shelf.root.join(LEDGER);
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(&path)?;
        let mut line = String::new();
        if file.metadata()?.len() == 0 {
            line.push_str(HEAD);
        } else if !ends_a_line(&mut file)? {
            line.push('\n');
        }
        let fields = [&utc_text(copy.at), &copy.target, name, &copy.key, &copy.bytes.to_string(), &copy.checksum];
        line.push_str(&fields.map(quoted).join(","));
        line.push('\n');
        file.write_all(line.as_bytes())?;
        file.sync_data()
    }
}

fn ends_a_line(file: &mut File) -> io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == [b'\n'])
}

/// RFC 4180.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_uploaded_when_all_have_it() {
        let copy = |target: &str, at, bytes| Upload {
            target: target.into(),
            at: Wall(at),
            key: "k".into(),
            bytes,
            sent_bytes: None,
            checksum: "c".into(),
        };
        let targets = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let copies = [copy("a", 5, 10), copy("b", 9, 10), copy("c", 7, 11)];
        for (names, want) in
            [(&["a"][..], Some(5)), (&["a", "b"], Some(9)), (&["a", "c"], None), (&["a", "x"], None), (&[], None)]
        {
            assert_eq!(all_there(&copies, &targets(names), 10), want.map(Wall), "{names:?}");
        }
    }

    #[test]
    fn fields_of_the_ledger() {
        assert_eq!(quoted("a b"), "a b");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
