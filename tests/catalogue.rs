//! The catalogue answers as a plain list of rows would, in order, whatever was changed before; and it is quick with 100,000 rows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use soundpost::device::catalogue::{Beside, Entry, Reader, Writer};
use soundpost::message::analysis::{Centibel, Section};
use soundpost::message::library::{DayRow, FileRow, FileState, FilesQuery, GapRow, Marks, Trouble};
use soundpost::policy::retention::{Evidence, Rank};
use soundpost::time::{SECOND_NS, Wall};

/// 2024-12-25 00:00 UTC.
const CHRISTMAS: i64 = 1_735_084_800;

fn file(name: &str, start_s: i64) -> FileRow {
    FileRow {
        uploaded_at: None,
        name: name.into(),
        source: "mic".into(),
        start: Wall(start_s * SECOND_NS),
        utc_offset_s: 3_600,
        frames: 48_000 * 60,
        rate_hz: 48_000,
        channels: 2,
        bytes: 1_000,
        modified: Wall(start_s * SECOND_NS).plus_ns(60_000_000_123),
        state: FileState::Closed,
        sections: Arc::default(),
        gaps: Arc::default(),
        marks: Marks::default(),
        trouble: None,
        details: "{}".into(),
        version: u64::MAX - 7,
    }
}

fn section(first: u32, score: i16) -> Section {
    Section { first_window: first, end_window: first + 5, score: Centibel(score), band_hz: Some((3_000.0, 8_000.5)) }
}

fn gap(source: &str, start_s: i64) -> GapRow {
    let start = Wall(start_s * SECOND_NS);
    GapRow { source: source.into(), start, end: start.plus_ns(1_000_000), frames_lost: 48, reason: "xrun".into() }
}

fn entry(row: FileRow) -> Entry {
    Entry { row, beside: Beside { sidecar_ns: 5, profile_ns: 0 }, copies: None }
}

fn put(writer: &mut Writer, files: &[FileRow]) {
    let mut batch = writer.batch().expect("a batch");
    files.iter().for_each(|row| batch.put(&entry(row.clone())).expect("put"));
    batch.commit().expect("committed");
}

struct Desk {
    _folder: tempfile::TempDir,
    writer: Writer,
    reader: Reader,
}

fn desk() -> Desk {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("catalogue.db");
    let (writer, is_new) = Writer::open(&path).expect("made");
    assert!(is_new);
    Desk { _folder: folder, writer, reader: Reader::new(&path, Arc::default()) }
}

fn names(reader: &mut Reader, query: &FilesQuery) -> (Vec<String>, u64) {
    let page = reader.files(query).expect("a page");
    (page.files.into_iter().map(|file| file.name).collect(), page.total)
}

#[test]
fn a_row_comes_back_as_it_was_put() {
    let Desk { mut writer, mut reader, _folder } = desk();
    let mut row = file("2024/ä b.flac", CHRISTMAS);
    row.sections = Arc::new([section(10, 2_345), Section { band_hz: None, ..section(90, -5) }]);
    row.gaps = Arc::new([gap("mic", CHRISTMAS + 5), gap("mic", CHRISTMAS + 4)]);
    row.marks = Marks { reviewed: true, locked: true, note: "owl, \"two\"\n'x'".into() };
    row.trouble = Some("not a file of sound".into());
    row.details = r#"{"quality":{"peak":0.5}}"#.into();
    put(&mut writer, std::slice::from_ref(&row));
    assert_eq!(reader.find(&row.name), Ok(row.clone()));
    assert_eq!(writer.find(&row.name).expect("read"), Some(entry(row.clone())));
    // Another of the same name takes its place.
    let plain = FileRow { frames: 0, rate_hz: 0, ..file("2024/ä b.flac", CHRISTMAS + 1) };
    put(&mut writer, std::slice::from_ref(&plain));
    assert_eq!(reader.find(&row.name), Ok(plain));
    assert_eq!(reader.find("2024/Ä b.flac"), Err(Trouble::Absent));
    // Numbers that no file has do no harm.
    let huge = FileRow { frames: u64::MAX, rate_hz: 1, bytes: u64::MAX, ..file("huge", i64::MAX / SECOND_NS) };
    put(&mut writer, &[huge, FileRow { bytes: 7, ..file("early", i64::MIN / SECOND_NS) }]);
    assert_eq!(reader.find("huge").map(|file| file.bytes), Ok(i64::MAX as u64));
    assert_eq!(reader.days(None, None).expect("days").len(), 3);
}

/// What the days must say of these files and gaps between them.
fn days_of(files: &BTreeMap<String, FileRow>, loose: &[(String, GapRow)]) -> Vec<DayRow> {
    let mut days: BTreeMap<String, DayRow> = BTreeMap::new();
    let empty = |date: &str| DayRow {
        date: date.into(),
        files: 0,
        duration_ms: 0,
        bytes: 0,
        sections: 0,
        to_review: 0,
        gaps: 0,
        best: None,
        watched_ms: 0,
    };
    for file in files.values() {
        let local = file.start.0.div_euclid(SECOND_NS) + i64::from(file.utc_offset_s);
        let date = format!("2024-12-{:02}", 25 + (local - CHRISTMAS).div_euclid(86_400));
        let day = days.entry(date.clone()).or_insert_with(|| empty(&date));
        let sections = file.sections.len() as u64;
        day.files += 1;
        day.duration_ms += file.frames * 1_000 / u64::from(file.rate_hz);
        day.bytes += file.bytes;
        day.sections += sections;
        day.to_review += if file.marks.reviewed { 0 } else { sections };
        day.gaps += file.gaps.len() as u64;
        day.best = day.best.max(file.sections.iter().map(|section| section.score).max());
    }
    for (date, _) in loose {
        days.entry(date.clone()).or_insert_with(|| empty(date)).gaps += 1;
    }
    days.into_values().rev().collect()
}

/// A generator of numbers that is the same on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

#[test]
fn days_are_the_sums_of_their_files_whatever_was_changed() {
    let Desk { mut writer, mut reader, _folder } = desk();
    let (mut files, mut dice) = (BTreeMap::new(), Dice(7));
    let mut loose: Vec<(String, GapRow)> = Vec::new();
    for round in 0..60 {
        let mut batch = writer.batch().expect("a batch");
        for _ in 0..dice.below(12) {
            let name = format!("{}.flac", dice.below(25));
            if dice.below(3) == 0 {
                assert_eq!(batch.remove(&name).expect("removed"), files.remove(&name).is_some());
                continue;
            }
            let mut row = file(&name, CHRISTMAS + dice.below(3 * 86_400) as i64);
            row.source = ["mic", "radio", ""][dice.below(3) as usize].into();
            row.utc_offset_s = [0, 3_600, -7_200][dice.below(3) as usize];
            row.frames = dice.below(100_000);
            row.marks.reviewed = dice.below(2) == 0;
            row.sections = (0..dice.below(4)).map(|n| section(n as u32 * 9, dice.below(3_000) as i16)).collect();
            row.gaps = (0..dice.below(3)).map(|_| gap("mic", CHRISTMAS)).collect();
            batch.put(&entry(row.clone())).expect("put");
            files.insert(name, row);
        }
        if round % 9 == 4 {
            loose = (0..dice.below(4)).map(|n| (format!("2024-12-{}", 24 + n), gap("radio", CHRISTMAS))).collect();
            batch.put_loose_gaps(loose.iter().cloned()).expect("put");
        }
        batch.commit().expect("committed");
        assert_eq!(reader.days(None, None), Ok(days_of(&files, &loose)), "round {round}");
    }
    assert!(!files.is_empty());
    let days = days_of(&files, &loose);
    let some = |from: &str, to: &str| days.iter().filter(|day| (from..=to).contains(&&*day.date)).cloned().collect::<Vec<_>>();
    assert_eq!(reader.days(Some("2024-12-26"), Some("2024-12-27")), Ok(some("2024-12-26", "2024-12-27")));
    // And a day holds its own, oldest first.
    for day in days {
        let found = reader.day(&day.date).expect("a day");
        let order: Vec<_> = found.files.iter().map(|file| (file.start, file.name.clone())).collect();
        assert!(order.is_sorted() && found.files.len() as u64 == day.files, "{order:?}");
        assert!(found.files.iter().all(|file| files[&file.name] == *file));
        assert_eq!((found.gaps.len() as u64, found.row), (day.gaps, day));
    }
    assert_eq!(reader.day("2024-11-01"), Err(Trouble::Absent));
    assert_eq!(reader.sources(), Ok(vec!["mic".to_owned(), "radio".to_owned()]));
}

#[test]
fn what_is_not_committed_did_not_happen() {
    let Desk { mut writer, mut reader, _folder } = desk();
    put(&mut writer, &[file("a.flac", CHRISTMAS)]);
    let mut batch = writer.batch().expect("a batch");
    batch.put(&entry(file("b.flac", CHRISTMAS))).expect("put");
    batch.remove("a.flac").expect("removed");
    // The reader does not wait, and sees the old.
    assert_eq!(names(&mut reader, &FilesQuery::default()), (vec!["a.flac".into()], 1));
    drop(batch);
    assert_eq!(names(&mut reader, &FilesQuery { limit: 9, ..Default::default() }), (vec!["a.flac".into()], 1));
}

#[test]
fn pages_give_every_file_once_even_when_all_begin_at_once() {
    let Desk { mut writer, mut reader, _folder } = desk();
    let rows: Vec<FileRow> = (0..137_i64).map(|n| file(&format!("{n}~ä.wav"), CHRISTMAS + n / 50)).collect();
    put(&mut writer, &rows);
    let mut want: Vec<(Wall, String)> = rows.iter().map(|row| (row.start, row.name.clone())).collect();
    want.sort();
    want.reverse();
    for limit in [1, 7, 50, 136, 137, 1_000] {
        let mut query = FilesQuery { limit, ..Default::default() };
        let mut found = Vec::new();
        loop {
            let page = reader.files(&query).expect("a page");
            assert!(page.files.len() <= limit && page.total == 137);
            found.extend(page.files.into_iter().map(|file| (file.start, file.name)));
            // What comes meanwhile is newer, and moves nothing.
            put(&mut writer, &[file("new.wav", CHRISTMAS + 9_000)]);
            writer
                .batch()
                .and_then(|mut batch| batch.remove("new.wav").map(|_| batch))
                .and_then(|b| b.commit())
                .expect("removed");
            query.cursor = page.next;
            if query.cursor.is_none() {
                break;
            }
        }
        assert_eq!(found, want, "limit {limit}");
    }
    for cursor in ["", "x", "12", "x~y"] {
        let query = FilesQuery { cursor: Some(cursor.into()), ..Default::default() };
        assert!(matches!(reader.files(&query), Err(Trouble::Unclear(_))), "{cursor}");
    }
}

#[test]
fn lists_are_narrowed_by_name_day_and_source() {
    let Desk { mut writer, mut reader, _folder } = desk();
    let hour = |n: i64| CHRISTMAS + n * 3_600;
    let mut radio = file("Radio/Ötzi_2.mp3", hour(30));
    radio.source = "radio".into();
    // Just before and just after midnight of Berlin, which is 23:00 UTC.
    put(&mut writer, &[file("a_1.flac", hour(23) - 1), file("b%1.flac", hour(23)), file(r"c\x.FLAC", hour(24)), radio]);
    let mut check = |q: &str, from: &str, to: &str, source: &str, want: &[&str]| {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let query = FilesQuery { from: some(from), to: some(to), q: q.into(), source: some(source), cursor: None, limit: 10 };
        let want: Vec<String> = want.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(names(&mut reader, &query), (want.clone(), want.len() as u64), "{query:?}");
    };
    check("", "", "", "", &["Radio/Ötzi_2.mp3", r"c\x.FLAC", "b%1.flac", "a_1.flac"]);
    check("flac", "", "", "", &[r"c\x.FLAC", "b%1.flac", "a_1.flac"]);
    check("FLAC", "", "", "", &[r"c\x.FLAC", "b%1.flac", "a_1.flac"]);
    check("_1", "", "", "", &["a_1.flac"]);
    check("%", "", "", "", &["b%1.flac"]);
    check(r"\", "", "", "", &[r"c\x.FLAC"]);
    check("öTZ", "", "", "", &["Radio/Ötzi_2.mp3"]);
    check("radio/", "", "", "", &["Radio/Ötzi_2.mp3"]);
    check("'; DROP TABLE files; --", "", "", "", &[]);
    check("flac\0", "", "", "", &[]);
    check(&"x".repeat(60_000), "", "", "", &[]);
    check("", "2024-12-26", "", "", &["Radio/Ötzi_2.mp3", r"c\x.FLAC", "b%1.flac"]);
    check("", "", "2024-12-25", "", &["a_1.flac"]);
    check("1", "2024-12-26", "2024-12-26", "mic", &["b%1.flac"]);
    check("", "2024-12-26", "2024-12-26", "mic", &[r"c\x.FLAC", "b%1.flac"]);
    check("", "", "", "radio", &["Radio/Ötzi_2.mp3"]);
    check("", "", "", "nobody", &[]);
    check("", "not a date", "", "", &[]);
}

#[test]
fn what_programs_found_in_a_file_finds_it() {
    let Desk { mut writer, mut reader, _folder } = desk();
    let labelled = |name: &str, at: i64, labels: &str| FileRow {
        details: format!(r#"{{"codec":"blackbird","labels":[{labels}]}}"#).into(),
        ..file(name, CHRISTMAS + at)
    };
    let one =
        |name: &str| format!(r#"{{"tool":"birdnet","count":1,"found":[{{"name":"{name}","count":1,"best":0.5,"from_s":3}}]}}"#);
    put(
        &mut writer,
        &[
            labelled("a.flac", 0, &one("Common Blackbird")),
            labelled("b.flac", 60, &format!("{},{}", one("Ästling"), one("50% sure"))),
            labelled("c.flac", 120, "{not json"),
            file("Blackbird.flac", CHRISTMAS + 180),
        ],
    );
    let mut check = |q: &str, want: &[&str]| {
        let query = FilesQuery { q: q.into(), limit: 10, ..Default::default() };
        let want: Vec<String> = want.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(names(&mut reader, &query), (want.clone(), want.len() as u64), "{q}");
    };
    check("blackbird", &["Blackbird.flac", "a.flac"]);
    check("common black", &["a.flac"]);
    check("Ästling", &["b.flac"]);
    check("50%", &["b.flac"]);
    check("birdnet", &[]);
}

#[test]
fn both_hours_of_autumn_are_on_their_day_in_order() {
    let Desk { mut writer, mut reader, _folder } = desk();
    // Berlin, 2024-10-27: 02:30 summer time is 00:30 UTC, 02:30 winter time is 01:30 UTC.
    let midnight = 1_729_987_200;
    let at = |name: &str, minutes: i64, offset_h: i32| FileRow {
        utc_offset_s: offset_h * 3_600,
        ..file(name, midnight + minutes * 60)
    };
    let rows = [at("0230-2", 90, 1), at("0230", 30, 2), at("0000", -120, 2), at("2359", 22 * 60 + 59, 1), at("next", 23 * 60, 1)];
    put(&mut writer, &rows);
    let day = reader.day("2024-10-27").expect("a day");
    assert_eq!(day.files.iter().map(|file| &*file.name).collect::<Vec<_>>(), ["0000", "0230", "0230-2", "2359"]);
}

#[test]
fn files_of_a_range_overlap_it() {
    let Desk { mut writer, mut reader, _folder } = desk();
    let rows: Vec<FileRow> = (0..10).map(|n| file(&n.to_string(), CHRISTMAS + n * 60)).collect();
    put(&mut writer, &rows);
    let at = |s: i64| Wall((CHRISTMAS + s) * SECOND_NS);
    let mut found = |from, to| {
        let files = reader.between(Some("mic"), at(from), at(to)).expect("files");
        files.into_iter().map(|file| file.name).collect::<String>()
    };
    assert_eq!(
        (found(60, 120), found(59, 121), found(-5, 1), found(600, 700)),
        ("1".into(), "012".into(), "0".into(), "".into())
    );
}

#[test]
fn a_range_late_in_a_day_of_many_files_is_found_without_what_was_cut_out_of_them() {
    let Desk { mut writer, mut reader, _folder } = desk();
    let mut rows: Vec<FileRow> = (0..1_440).map(|n| file(&format!("{n:04}"), CHRISTMAS + n * 60)).collect();
    let details = r#"{"clock":"synced","end_reason":"mark"}"#.into();
    rows.push(FileRow { details, ..file("1438_mark", CHRISTMAS + 1_438 * 60) });
    put(&mut writer, &rows);
    let at = |s: i64| Wall((CHRISTMAS + s) * SECOND_NS);
    let files = reader.between(Some("mic"), at(1_438 * 60 + 30), at(1_440 * 60)).expect("files");
    assert_eq!(files.into_iter().map(|file| file.name).collect::<Vec<_>>(), ["1438", "1439"]);
}

#[test]
fn a_catalogue_that_is_no_good_is_made_anew_and_readers_follow() {
    let damage = |text: &str, harm: &dyn Fn(&Path)| {
        let Desk { mut writer, mut reader, _folder } = desk();
        put(&mut writer, &[file("old.flac", CHRISTMAS)]);
        assert_eq!(names(&mut reader, &FilesQuery::default()).1, 1);
        // All of it into the file itself: its log would make it good.
        writer.rest().expect("on the disk");
        let path = writer.path().to_owned();
        drop(writer);
        harm(&path);
        let (mut writer, is_new) = Writer::open(&path).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert!(is_new, "{text}");
        assert_eq!(names(&mut reader, &FilesQuery::default()).1, 0, "{text}");
        put(&mut writer, &[file("new.flac", CHRISTMAS)]);
        drop(reader);
        let mut reader = Reader::new(&path, Arc::default());
        assert_eq!(names(&mut reader, &FilesQuery::default()), (vec!["new.flac".into()], 1), "{text}");
    };
    damage("no database", &|path| fs::write(path, "something else entirely".repeat(400)).expect("written"));
    damage("empty", &|path| fs::write(path, "").expect("written"));
    damage("gone", &|path| fs::remove_file(path).expect("removed"));
    damage("another version", &|path| {
        // user_version, at 60 in the header.
        let mut bytes = fs::read(path).expect("read");
        bytes[63] = 99;
        fs::write(path, bytes).expect("written");
    });
    damage("a torn table", &|path| {
        let mut bytes = fs::read(path).expect("read");
        bytes[4_096..].fill(0xA5);
        fs::write(path, bytes).expect("written");
    });
    // Found while it is in use, the reader says so.
    let Desk { mut writer, _folder, .. } = desk();
    put(&mut writer, &(0..2_000).map(|n| file(&n.to_string(), CHRISTMAS + n)).collect::<Vec<_>>());
    writer.rest().expect("on the disk");
    let doubt = Arc::new(AtomicBool::new(false));
    let mut reader = Reader::new(writer.path(), doubt.clone());
    let mut bytes = fs::read(writer.path()).expect("read");
    bytes[3 * 4_096..].fill(0xA5);
    fs::write(writer.path(), bytes).expect("written");
    let query = FilesQuery { limit: 1_000, ..Default::default() };
    assert_eq!(reader.files(&query), Err(Trouble::Busy(2)));
    assert!(doubt.load(Relaxed));
    let writer = writer.renew().expect("made anew");
    assert_eq!(names(&mut reader, &query), (vec![], 0));
    assert_eq!(writer.known("", 10), Ok(vec![]));
}

#[test]
fn before_it_is_there_readers_are_told_to_wait() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut reader = Reader::new(&folder.path().join("catalogue.db"), Arc::default());
    assert_eq!(reader.days(None, None), Err(Trouble::Busy(2)));
    assert!(Writer::open(&folder.path().join("no/such/folder.db")).is_err());
}

#[test]
fn what_is_known_comes_by_name_and_what_is_to_analyse_newest_first() {
    let Desk { mut writer, _folder, .. } = desk();
    let mut rows: Vec<FileRow> = ["b", "a/z", "a.flac", "a/b", "ab"].into_iter().map(|name| file(name, CHRISTMAS)).collect();
    rows[0].state = FileState::Open;
    rows[1].state = FileState::Analysed;
    rows[2].start = Wall((CHRISTMAS + 9) * SECOND_NS);
    rows[2].trouble = Some("silence".into());
    put(&mut writer, &rows);
    let known = |after: &str| writer.known(after, 3).expect("known").into_iter().map(|it| it.name).collect::<Vec<_>>();
    assert_eq!((known(""), known("a/z")), (vec!["a.flac".into(), "a/b".into(), "a/z".into()], vec!["ab".into(), "b".into()]));
    assert!(writer.known("ab", 1).expect("known")[0].is_open);
    assert_eq!((writer.to_analyse(), writer.count_to_analyse()), (Ok(Some("ab".into())), Ok(2)));
}

fn rss_anon_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("a figure");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// 100,000 recordings of an hour by four sources, every fourth with sections. The times are for the reader of the test's output; the bars
/// stand in the benchmarks.
#[test]
fn a_hundred_thousand_recordings() {
    const FILES: i64 = 100_000;
    let Desk { mut writer, mut reader, _folder } = desk();
    let before = rss_anon_kib();
    let began = Instant::now();
    for chunk in 0..FILES / 1_000 {
        let mut batch = writer.batch().expect("a batch");
        for n in chunk * 1_000..(chunk + 1) * 1_000 {
            let mut row = file(&format!("source{}/{:08}.flac", n % 4, n / 4), CHRISTMAS + n / 4 * 3_600);
            row.source = format!("source{}", n % 4);
            if n % 100 == 0 {
                row.details =
                    format!(r#"{{"labels":[{{"tool":"x","found":[{{"name":"owl {}"}},{{"name":"wren"}}]}}]}}"#, n % 3).into();
            }
            if n % 16 == 0 {
                row.sections = (0..20).map(|k| section(k * 100, (k * 37 + n as u32 % 500) as i16)).collect();
            }
            batch.put(&entry(row)).expect("put");
        }
        batch.commit().expect("committed");
    }
    println!("put {FILES}: {:?}", began.elapsed());
    writer.rest().expect("rested");
    println!("file: {} MiB", fs::metadata(writer.path()).expect("there").len() >> 20);
    let mut timed = |text: &str, ask: &mut dyn FnMut(&mut Reader) -> u64, want: u64| {
        let began = Instant::now();
        assert_eq!(ask(&mut reader), want, "{text}");
        println!("{text}: {:?}", began.elapsed());
    };
    let days = (FILES as u64 / 4 + 1).div_ceil(24);
    for _ in 0..2 {
        timed("all days", &mut |reader| reader.days(None, None).expect("days").len() as u64, days);
        let page = |query: FilesQuery| move |reader: &mut Reader| reader.files(&query).expect("a page").total;
        timed("a page", &mut page(FilesQuery { limit: 100, ..Default::default() }), FILES as u64);
        timed("a page of 1000", &mut page(FilesQuery { limit: 1_000, ..Default::default() }), FILES as u64);
        let source = Some("source2".to_owned());
        timed("of a source", &mut page(FilesQuery { limit: 100, source, ..Default::default() }), FILES as u64 / 4);
        let (from, to) = (Some("2025-03-01".to_owned()), Some("2025-03-02".to_owned()));
        timed("of two days", &mut page(FilesQuery { limit: 100, from, to, ..Default::default() }), 192);
        timed("by name, rare", &mut page(FilesQuery { limit: 100, q: "/00000777".into(), ..Default::default() }), 4);
        timed("by name, often", &mut page(FilesQuery { limit: 100, q: "FLAC".into(), ..Default::default() }), FILES as u64);
        timed("by label", &mut page(FilesQuery { limit: 100, q: "owl 1".into(), ..Default::default() }), FILES as u64 / 300);
        let cursor = Some(format!("{}~", (CHRISTMAS + 3_600) * 1_000_000));
        timed("the last page", &mut page(FilesQuery { limit: 100, cursor, ..Default::default() }), FILES as u64);
        timed("a day", &mut |reader| reader.day("2025-03-01").expect("a day").files.len() as u64, 96);
        timed("a file", &mut |reader| reader.find("source1/00012345.flac").expect("it").frames, 2_880_000);
    }
    let began = Instant::now();
    let (mut after, mut seen) = (String::new(), BTreeSet::new());
    loop {
        let known = writer.known(&after, 500).expect("known");
        let Some(last) = known.last() else { break };
        after.clone_from(&last.name);
        seen.extend(known.iter().map(|it| it.name.len()).collect::<BTreeSet<_>>());
    }
    println!("all that is known: {:?}", began.elapsed());
    assert_eq!(seen.len(), 1);
    let high = Centibel(2_400);
    writer.rank_by(high).expect("ready");
    let began = Instant::now();
    let first = writer.first_to_go(high, 0).expect("answered").expect("one");
    assert_eq!((first.name.as_str(), writer.sources().expect("answered").len()), ("source0/00000000.flac", 4));
    let old = writer.oldest_of("source3", false, Wall(0), high, 0).expect("answered").expect("one");
    assert!(old.name == "source3/00000000.flac" && writer.bytes_per_hour("source1") == Ok(Some(60_000.0)));
    let took = began.elapsed();
    println!("what goes next: {took:?}");
    assert!(took.as_millis() < 50, "an index answers: {took:?}");
    println!("RssAnon {} KiB, {before} before", rss_anon_kib());
}

/// What may go, as facts: sections, reviewed, locked, uploaded, state, source.
fn kept(n: i64) -> FileRow {
    let scores: &[i16] = match n % 5 {
        0 | 1 => &[],
        2 => &[1_500],
        3 => &[2_399, 1_300],
        _ => &[1_300, 2_400],
    };
    FileRow {
        source: ["mic", "bat", "", "bat"][n as usize % 4].into(),
        sections: scores.iter().enumerate().map(|(at, score)| section(at as u32 * 10, *score)).collect(),
        marks: Marks { reviewed: n % 7 == 0, locked: n % 11 == 0, note: String::new() },
        uploaded_at: (n % 3 == 0).then_some(Wall(CHRISTMAS * SECOND_NS)),
        state: [FileState::Analysed, FileState::Closed, FileState::Analysed, FileState::Open][n as usize / 2 % 4],
        bytes: 1_000 + n as u64,
        // Not in the order of names.
        ..file(&format!("{n:06}"), CHRISTMAS + n * 7_919 % 100_000 * 60)
    }
}

#[test]
fn what_goes_first_is_as_the_policy_says() {
    let Desk { mut writer, _folder, .. } = desk();
    let rows: Vec<FileRow> = (0..2_000).map(kept).collect();
    put(&mut writer, &rows);
    for high in [Centibel(2_400), Centibel(1_500), Centibel(2_400)] {
        writer.rank_by(high).expect("ready");
        let rank = |row: &FileRow| {
            let sections = (row.state == FileState::Analysed).then_some(row.sections.len() as u64);
            let facts =
                Evidence { is_uploaded: row.uploaded_at.is_some(), sections, best: row.best(), is_reviewed: row.marks.reviewed };
            facts.rank(high)
        };
        let may_go = |row: &&FileRow| !row.marks.locked && row.state != FileState::Open && !row.source.is_empty();
        let mut want: Vec<(Rank, Wall, &str)> =
            rows.iter().filter(may_go).map(|row| (rank(row), row.start, row.name.as_str())).collect();
        want.sort();
        assert!(
            want.len() > 1_000 && want.iter().map(|(rank, ..)| rank).collect::<BTreeSet<_>>().len() == usize::from(Rank::COUNT)
        );
        let got: Vec<_> = (0..=want.len()).map_while(|n| writer.first_to_go(high, n).expect("answered")).collect();
        assert_eq!(got.iter().map(|one| (one.rank, one.start, one.name.as_str())).collect::<Vec<_>>(), want);
        assert!(got.iter().all(|one| one.bytes == 1_000 + one.name.parse::<u64>().expect("a number")));
        for (source, is_uploaded) in [("bat", true), ("bat", false), ("mic", true), ("none", false)] {
            let from = Wall((CHRISTMAS + 600_000) * SECOND_NS);
            let is_it = |row: &&FileRow| row.source == source && row.uploaded_at.is_some() == is_uploaded && row.start >= from;
            let oldest = rows.iter().filter(may_go).filter(is_it).min_by_key(|row| (row.start, row.name.as_str()));
            let got = writer.oldest_of(source, is_uploaded, from, high, 0).expect("answered");
            assert_eq!(got.map(|one| one.name), oldest.map(|row| row.name.clone()), "{source} {is_uploaded}");
        }
    }
    assert_eq!(writer.sources(), Ok(vec!["bat".to_owned(), "mic".into()]));
    let hour = writer.bytes_per_hour("mic").expect("answered").expect("known");
    assert!((60_000.0..180_000.0).contains(&hour), "about a thousand bytes a minute: {hour}");
    assert_eq!(writer.bytes_per_hour("none"), Ok(None));
}
