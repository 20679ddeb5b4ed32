//! gaps.csv: every loss of every source of a folder, one line each, for people and spreadsheets.
//!
//! Lines wait here until the store has a moment, then are appended and synced together. Trouble with this file never holds up
//! a recording: lines wait on, and when too many wait the newest of a source is stretched.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::device::disk::{Disk, DiskFile};
use crate::format::ReadAt;
use crate::format::sidecar::{parse_rfc3339, rfc3339};
use crate::message::GapEntry;
use crate::time::Wall;

const NAME: &str = "gaps.csv";
const HEADER: &str = "start,end,source,frames_lost,reason\n";

/// Lines that wait one by one.
const WAITING: usize = 1_024;

/// Lines of one write, which is what a power cut may tear.
const TOGETHER: usize = 16;

/// A source's name in a line; a longer one is cut. Quoted, it may take twice as much.
const SOURCE_BYTES: usize = 256;

/// Of the end of the file, to find what tore: no write is longer.
const TAIL_BYTES: u64 = (TOGETHER * (2 * SOURCE_BYTES + 128) + HEADER.len()) as u64;

pub struct Ledger<F> {
    path: PathBuf,
    waiting: VecDeque<(Arc<str>, GapEntry)>,
    file: Option<Open<F>>,
}

struct Open<F> {
    file: F,
    len: u64,
    /// UTC year of the first line.
    year: Option<i16>,
    /// The name is known to survive a power cut.
    named: bool,
}

impl<F: DiskFile> Ledger<F> {
    pub fn new(root: &Path) -> Ledger<F> {
        Ledger { path: root.join(NAME), waiting: VecDeque::new(), file: None }
    }

    pub fn push(&mut self, source: &Arc<str>, entry: GapEntry) {
        if self.waiting.len() >= WAITING {
            if let Some((_, last)) = self.waiting.iter_mut().rev().find(|(of, _)| of == source) {
                last.end = last.end.max(entry.end);
                last.frames_lost = last.frames_lost.saturating_add(entry.frames_lost);
                return;
            }
        }
        self.waiting.push_back((source.clone(), entry));
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Appends some of what waits and syncs it. After an error all of it waits on.
    pub fn write<D: Disk<File = F>>(&mut self, disk: &D) -> io::Result<()> {
        let Some(year) = self.waiting.front().map(|(_, entry)| year(entry.start)) else { return Ok(()) };
        let done = self.append(disk, year);
        if done.is_err() {
            // What the file holds now is not known: the next try looks.
            self.file = None;
        }
        done
    }

    fn append<D: Disk<File = F>>(&mut self, disk: &D, now: i16) -> io::Result<()> {
        let mut open = match self.file.take() {
            Some(open) => open,
            None => open_file(disk, &self.path)?,
        };
        if let Some(old) = open.year.filter(|old| *old < now) {
            drop(open);
            self.put_away(disk, old)?;
            open = open_file(disk, &self.path)?;
        }
        let mut text = if open.len == 0 { HEADER.to_owned() } else { String::new() };
        let mut lines = 0;
        for (source, entry) in self.waiting.iter().take(TOGETHER).take_while(|(_, entry)| year(entry.start) <= now) {
            text.push_str(&line(source, entry));
            lines += 1;
        }
        open.file.write_at(open.len, text.as_bytes())?;
        open.file.sync()?;
        if !open.named {
            disk.sync_dir(self.path.parent().unwrap_or(Path::new("/")))?;
            open.named = true;
        }
        open.len += text.len() as u64;
        open.year.get_or_insert(now);
        self.file = Some(open);
        self.waiting.drain(..lines);
        Ok(())
    }

    /// The year is over: its file gets the year's name.
    fn put_away<D: Disk>(&self, disk: &D, year: i16) -> io::Result<()> {
        let mut n = 1;
        loop {
            let name = if n == 1 { format!("gaps-{year}.csv") } else { format!("gaps-{year}-{n}.csv") };
            match disk.rename(&self.path, &self.path.with_file_name(name)) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists && n < 1_000 => n += 1,
                other => return other,
            }
        }
    }
}

/// Opens it at its end, without what a power cut left of a last line.
fn open_file<D: Disk>(disk: &D, path: &Path) -> io::Result<Open<D::File>> {
    let (file, named) = match disk.open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => (disk.create(path)?, false),
        other => (other?, true),
    };
    let len = file.len()?;
    let mut tail = vec![0; len.min(TAIL_BYTES) as usize];
    let from = len - tail.len() as u64;
    read_exact(&file, from, &mut tail)?;
    let whole = from + whole_lines(&tail) as u64;
    if whole < len {
        file.truncate(whole)?;
    }
    let mut head = vec![0; whole.min(TAIL_BYTES) as usize];
    read_exact(&file, 0, &mut head)?;
    let first = head.split(|b| *b == b'\n').find_map(parse);
    Ok(Open { file, len: whole, year: first.map(|(start, ..)| year(start)), named })
}

fn read_exact<F: ReadAt>(file: &F, at: u64, mut buf: &mut [u8]) -> io::Result<()> {
    let mut at = at;
    while !buf.is_empty() {
        let n = file.read_at(at, buf)?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buf = buf.split_at_mut(n).1;
        at += n as u64;
    }
    Ok(())
}

/// Bytes up to the end of the last line that is whole. A write that tore may also have left zeros in its middle.
fn whole_lines(tail: &[u8]) -> usize {
    let clean = tail.iter().position(|b| *b == 0).unwrap_or(tail.len());
    tail[..clean].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1)
}

fn line(source: &str, entry: &GapEntry) -> String {
    let mut cut = source.len().min(SOURCE_BYTES);
    while !source.is_char_boundary(cut) {
        cut -= 1;
    }
    let source = quoted(&source[..cut]);
    format!("{},{},{},{},{}\n", rfc3339(entry.start), rfc3339(entry.end), source, entry.frames_lost, entry.reason.name())
}

/// As RFC 4180 has it, but never a line break: a line is a gap.
fn quoted(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// Start, end, source, frames and reason of a line; `None` for the header and for anything that is no line of ours.
pub fn parse(line: &[u8]) -> Option<(Wall, Wall, String, u64, String)> {
    let line = std::str::from_utf8(line).ok()?.trim_end_matches(['\r', '\n']);
    let (start, rest) = line.split_once(',')?;
    let (end, rest) = rest.split_once(',')?;
    let (rest, reason) = rest.rsplit_once(',')?;
    let (source, frames) = rest.rsplit_once(',')?;
    let source = match source.strip_prefix('"').and_then(|s| s.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => source.to_owned(),
    };
    Some((parse_rfc3339(start)?, parse_rfc3339(end)?, source, frames.parse().ok()?, reason.to_owned()))
}

/// Gaps of this source that began in a range of time, from the end of gaps.csv: for a file whose own list went with the power.
pub fn recent<D: Disk>(disk: &D, root: &Path, source: &str, from: Wall, to: Wall) -> Vec<(Wall, Wall, u64, String)> {
    const LOOK_BYTES: u64 = 64 << 10;
    let Ok(file) = disk.open(&root.join(NAME)) else { return Vec::new() };
    let Ok(len) = file.len() else { return Vec::new() };
    let mut tail = vec![0; len.min(LOOK_BYTES) as usize];
    if read_exact(&file, len - tail.len() as u64, &mut tail).is_err() {
        return Vec::new();
    }
    let lines = tail.split(|b| *b == b'\n').filter_map(parse);
    lines.filter(|(start, _, of, ..)| of == source && (from..to).contains(start)).map(|(s, e, _, n, r)| (s, e, n, r)).collect()
}

fn year(at: Wall) -> i16 {
    jiff::Timestamp::from_microsecond(at.micros()).map_or(1970, |t| t.to_zoned(jiff::tz::TimeZone::UTC).year())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::disk::{Crash, MemoryDisk};
    use crate::message::Reason;

    fn at(text: &str) -> Wall {
        parse_rfc3339(text).expect("a time")
    }

    fn entry(start: &str) -> GapEntry {
        let start = at(start);
        GapEntry { start, end: start.plus_ns(1_500_000_000), frames_lost: 72_000, reason: Reason::Xrun }
    }

    fn text(disk: &MemoryDisk, name: &str) -> String {
        let files = disk.files("/r");
        let found = files.into_iter().find(|(path, _)| path.ends_with(name)).map(|(_, bytes)| bytes);
        String::from_utf8(found.unwrap_or_default()).expect("text")
    }

    fn write(disk: &MemoryDisk, entries: &[(&str, &str)]) {
        let mut ledger = Ledger::new(Path::new("/r"));
        entries.iter().for_each(|(source, start)| ledger.push(&Arc::from(*source), entry(start)));
        while !ledger.is_empty() {
            ledger.write(disk).expect("written");
        }
    }

    #[test]
    fn a_line_says_it_all() {
        let disk = MemoryDisk::new(&["/r"]);
        write(&disk, &[("mic", "2025-03-01T05:06:07.5Z"), ("a, \"b\"\n", "2025-03-01T06:00:00Z")]);
        let want = "start,end,source,frames_lost,reason\n\
            2025-03-01T05:06:07.500000Z,2025-03-01T05:06:09.000000Z,mic,72000,xrun\n\
            2025-03-01T06:00:00.000000Z,2025-03-01T06:00:01.500000Z,\"a, \"\"b\"\" \",72000,xrun\n";
        assert_eq!(text(&disk, "gaps.csv"), want);
        let sources: Vec<String> = want.lines().filter_map(|l| parse(l.as_bytes())).map(|(_, _, source, ..)| source).collect();
        assert_eq!(sources, ["mic", "a, \"b\" "]);
        assert_eq!(disk.durable_files("/r"), disk.files("/r"));
        let found = recent(&disk, Path::new("/r"), "mic", at("2025-03-01T00:00:00Z"), at("2025-03-02T00:00:00Z"));
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn a_new_year_begins_a_new_file_and_a_clock_at_1970_does_not() {
        let disk = MemoryDisk::new(&["/r"]);
        let starts = ["2024-12-31T23:59:59Z", "2025-01-01T00:00:00Z", "1970-01-01T00:00:09Z", "2026-01-01T00:00:00Z"];
        write(&disk, &starts.map(|start| ("mic", start)));
        write(&disk, &[("mic", "2027-05-05T00:00:00Z")]);
        let lines = |name: &str| text(&disk, name).lines().count();
        assert_eq!(["gaps-2024.csv", "gaps-2025.csv", "gaps-2026.csv", "gaps.csv"].map(lines), [2, 3, 2, 2]);
    }

    #[test]
    fn a_torn_line_is_dropped_at_the_next_start() {
        let check = |before: &[u8], kept: &str| {
            let disk = MemoryDisk::new(&["/r"]);
            let file = disk.create(Path::new("/r/gaps.csv")).expect("created");
            file.write_at(0, before).expect("written");
            write(&disk, &[("mic", "2025-03-01T05:06:07Z")]);
            let new = "2025-03-01T05:06:07.000000Z,2025-03-01T05:06:08.500000Z,mic,72000,xrun\n";
            assert_eq!(text(&disk, "gaps.csv"), format!("{kept}{new}"));
        };
        let old = format!("{HEADER}2025-01-01T00:00:00.000000Z,2025-01-01T00:00:00.000000Z,mic,1,xrun\n");
        check(b"", HEADER);
        check(b"start,e", HEADER);
        check(&[0; 700], HEADER);
        check(old.as_bytes(), &old);
        check(format!("{old}2025-02-01T0").as_bytes(), &old);
        check(format!("{old}\0\0\0\0,xrun\n").as_bytes(), &old);
    }

    #[test]
    fn when_too_many_wait_nothing_is_forgotten() {
        let mut ledger: Ledger<crate::device::disk::MemoryFile> = Ledger::new(Path::new("/r"));
        for _ in 0..3 * WAITING {
            ledger.push(&Arc::from("mic"), entry("2025-01-01T00:00:00Z"));
        }
        assert_eq!(ledger.waiting.len(), WAITING);
        assert_eq!(ledger.waiting.iter().map(|(_, e)| e.frames_lost).sum::<u64>(), 72_000 * 3 * WAITING as u64);
    }

    #[test]
    fn a_power_cut_at_any_write_leaves_a_file_that_goes_on() {
        let disk = MemoryDisk::new(&["/r"]);
        disk.remember();
        write(&disk, &[("mic", "2024-12-31T23:59:59Z"), ("mic", "2025-01-01T00:00:00Z")]);
        for (_, moment) in disk.remembered() {
            for n in 0..=moment.unsynced() {
                for crash in [Crash::Prefix(n), Crash::Torn(n), Crash::Scattered(n as u64)] {
                    let after = moment.crash(crash);
                    write(&after, &[("mic", "2025-06-01T00:00:00Z")]);
                    let text = text(&after, "gaps.csv");
                    assert!(text.starts_with(HEADER) && text.lines().skip(1).all(|l| parse(l.as_bytes()).is_some()), "{text}");
                }
            }
        }
    }
}
