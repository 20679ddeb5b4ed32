//! Old recordings kept in less: real files by the codecs' own tools, what was cut out bit for bit, the run that they belong to still
//! whole, and what a fall or a stop in between leaves.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use common::lanes::no_boundary;
use common::{Place, Recorder, decode, free_port, noise, sidecar, soundpost, tool};
use serde_json::{Value, json};
use soundpost::actor::librarian::retention::{How, Keeping};
use soundpost::actor::librarian::{Librarian, Settings, Shared};
use soundpost::actor::reducer::{self, Failed, Reducer, reduce};
use soundpost::actor::store::parse_gap_line;
use soundpost::command::rebuild::Headers;
use soundpost::device::catalogue::Reader;
use soundpost::message::analysis::Centibel;
use soundpost::message::library::{Answer, FileRow, FileState, FilesQuery, Mark, Trouble, Wish};
use soundpost::message::reduce::{Left, Reduced, Task};
use soundpost::policy::retention::{Age, Rules};
use soundpost::policy::split::Zone;
use soundpost::policy::tier::{Tier, Tiers};
use soundpost::status::ActorStatus;
use soundpost::time::{SECOND_NS, Wall};

/// 2026-05-01 12:00 UTC, when the first of them begins.
const NOON: i64 = 1_777_636_800;
const DAY_S: i64 = 86_400;
const UPLOADED: &str = "2026-05-02T02:00:00.000000Z";

struct Folder {
    root: PathBuf,
    librarian: Librarian,
    shared: Arc<Shared>,
    now: Wall,
    _folder: Arc<tempfile::TempDir>,
}

/// What is quiet, and loud for a second from each of these on. One channel after the other has it.
fn sound(rate: usize, channels: usize, seconds: usize, loud: &[usize]) -> Vec<i32> {
    let quiet = noise(7, rate * seconds * channels);
    let at = |(n, &x): (usize, &i16)| {
        let second = n / channels / rate;
        let x = i32::from(x) >> 8;
        let is_loud = loud.contains(&second) && (n % channels) <= 1;
        x + if is_loud { (8_000.0 * (n as f64 / channels as f64 * 0.3).sin()) as i32 } else { 0 }
    };
    quiet.iter().enumerate().map(at).collect()
}

/// A recording of ours, by other programs' encoders, and what the recorder would have said of it.
fn record(root: &Path, name: &str, (rate, channels, seconds): (usize, usize, usize), loud: &[usize], more: &Value) -> Vec<i32> {
    let sound = sound(rate, channels, seconds, loud);
    fs::create_dir_all(root.join("analyses")).expect("made");
    let wav = root.join(Path::new(name).with_extension("wav"));
    let spec = hound::WavSpec {
        channels: channels as u16,
        sample_rate: rate as u32,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(&wav, spec).expect("made");
    sound.iter().for_each(|x| writer.write_sample(*x).expect("written"));
    writer.finalize().expect("whole");
    if name.ends_with(".flac") {
        tool("flac", &["-s", "-5", "--delete-input-file", "-f", wav.to_str().expect("plain")]);
    }
    let mut side = json!({
        "schema": "soundpost/analysis/1", "file": name, "source": "wood", "session": "run", "first_frame": 0,
        "frames": rate * seconds, "lost_frames": 0, "sample_rate": rate, "channels": channels, "bit_depth": 16,
        "start": "2026-05-01T12:00:00.000000Z", "end": "2026-05-01T12:01:00.000000Z", "utc_offset_s": 0, "clock": "synced",
        "end_reason": "split", "recovered": false, "suspect": false, "gaps": [], "software": "a test"
    });
    more.as_object().expect("an object").iter().for_each(|(key, value)| side[key] = value.clone());
    fs::write(root.join("analyses").join(format!("{name}.analysis.json")), side.to_string()).expect("written");
    sound
}

fn empty() -> (Arc<tempfile::TempDir>, PathBuf) {
    let folder = Arc::new(tempfile::tempdir().expect("a folder"));
    let root = folder.path().join("rec");
    fs::create_dir_all(&root).expect("made");
    fs::write(root.join(".soundpost"), "id 0123456789abcdef0123456789abcdef\n").expect("written");
    (folder, root)
}

/// A librarian who has looked through the folder, `days` after noon.
fn open(folder: Arc<tempfile::TempDir>, days: i64, only_uploaded: bool) -> Folder {
    let root = folder.path().join("rec");
    let tier = Tier { full_days: Some(5.0), opus_days: Some(10.0), only_uploaded };
    let rules = Rules {
        min_free_hours: 0.0,
        min_free_bytes: 0,
        makes_room: true,
        high_score: Centibel(2_400),
        sources: Vec::new(),
        others: Age::default(),
    };
    let tiers = Tiers { sources: vec![("wood".into(), tier)], others: Tier::default() };
    let settings = Settings {
        root: root.clone(),
        analyses: root.join("analyses"),
        catalogue: root.join("catalogue.db"),
        read_only: false,
        scan_every: Duration::from_secs(3_600),
        zone: Zone::UTC,
        software: "a test".into(),
        parse_gap: parse_gap_line,
        turns: Arc::default(),
        retention: Some(Keeping { rules, tiers, is_clock_right: || true }),
        targets: Vec::new(),
    };
    let shared = Arc::new(Shared::default());
    let librarian = Librarian::open(settings, Box::new(Headers), shared.clone()).expect("opened");
    let now = Wall((NOON + days * DAY_S) * SECOND_NS);
    let mut folder = Folder { root, librarian, shared, now, _folder: folder };
    folder.ask(Wish::Scan).expect("looked through");
    folder
}

impl Folder {
    fn ask(&mut self, wish: Wish) -> Result<Answer, Trouble> {
        let (_asks, inbox) = async_channel::bounded(1);
        let now = self.now;
        self.librarian.answer(wish, &inbox, &|| now)
    }

    fn next(&mut self) -> Option<Task> {
        match self.ask(Wish::Reduce).expect("answered") {
            Answer::Reduce(task) => task.map(|task| *task),
            other => panic!("{other:?}"),
        }
    }

    /// As the reducer does it.
    fn reduce(&mut self, task: Task) -> Result<(), Failed> {
        let root = self.root.clone();
        reduce(&root, task, (&Arc::default(), &Arc::default()), &mut |wish| self.ask(wish))
    }

    fn rows(&self) -> Vec<FileRow> {
        let mut reader = Reader::new(&self.root.join("catalogue.db"), Arc::default());
        let mut rows = reader.files(&FilesQuery { limit: 1_000, ..Default::default() }).expect("a page").files;
        rows.sort_by(|a, b| a.name.cmp(&b.name));
        rows
    }

    fn names(&self) -> Vec<String> {
        self.rows().into_iter().map(|row| row.name).collect()
    }

    /// Everything below the folder but the catalogue, without what is for another time.
    fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        common::walk(&self.root, &mut found);
        let name = |path: PathBuf| path.strip_prefix(&self.root).expect("below").display().to_string();
        let mut names: Vec<String> = found.into_iter().map(name).filter(|name| !name.starts_with("catalogue.db")).collect();
        names.sort();
        names
    }
}

/// All programs find it whole.
fn verify(root: &Path) -> String {
    let out = soundpost().arg("verify").arg(root).output().expect("it runs");
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success() && said.contains(" 0 broken") && !said.contains("gap  "), "{said}");
    said
}

fn analyse(root: &Path, words: &[&str]) -> String {
    let out = soundpost().arg("analyse").args(words).arg(root).output().expect("it runs");
    assert!(out.status.success(), "{out:?}");
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// A section is the recording to the bit, and says so.
fn check_piece(root: &Path, name: &str, whole: &[i32], channels: usize) {
    let (path, side) = (root.join(name), sidecar(root, &root.join(name)));
    let (from, to) = (&side["piece_of"]["from_frame"], &side["piece_of"]["to_frame"]);
    let range = from.as_u64().expect("a frame") as usize * channels..to.as_u64().expect("a frame") as usize * channels;
    assert_eq!(decode(&path), whole[range], "{name} is what was recorded, to the bit");
    common::assert_sound(&path);
    assert_eq!(side["frames"], to.as_u64().expect("a frame") - from.as_u64().expect("a frame"));
    assert!(!side["sections"].as_array().expect("sections").is_empty(), "{side}");
    assert_eq!((&side["end_reason"], &side["file"]), (&"section".into(), &name.into()));
}

#[test]
fn a_recording_becomes_its_sections_and_an_opus_and_then_its_sections() {
    let (folder, root) = empty();
    let more = json!({ "note": "owl", "uploaded_at": UPLOADED, "gaps": [{"at_frame": 960_000, "lost_frames": 48_000, "reason": "xrun"}],
        "lost_frames": 48_000 });
    let flac = record(&root, "a.flac", (48_000, 1, 60), &[10, 14, 40], &more);
    // The next of the same run is young, and stays.
    let next = json!({ "first_frame": 61 * 48_000, "start": "2026-05-20T12:00:00.000000Z", "uploaded_at": UPLOADED });
    record(&root, "b.flac", (48_000, 1, 10), &[5], &next);
    let wide = json!({ "session": "wide", "start": "2026-05-02T12:00:00.000000Z", "uploaded_at": UPLOADED, "reviewed": true });
    let wav = record(&root, "c.wav", (96_000, 3, 30), &[20], &wide);
    record(&root, "d.flac", (44_100, 2, 20), &[], &json!({ "session": "d", "uploaded_at": UPLOADED, "locked": true }));
    record(&root, "e.flac", (44_100, 2, 20), &[9], &json!({ "session": "e" }));
    let loud: Vec<usize> = (2..36).step_by(2).collect();
    let full = json!({ "session": "f", "uploaded_at": UPLOADED, "start": "2026-05-03T12:00:00.000000Z" });
    record(&root, "f.flac", (22_050, 1, 40), &loud, &full);
    analyse(&root, &[]);
    fs::write(root.join("analyses/a.flac.birdnet.csv"), "Start (s),End (s),Common name,Confidence\n9,12,Owl,0.9\n")
        .expect("written");
    let was = fs::read(root.join("a.flac")).expect("read");
    let profile = fs::read(root.join("analyses/c.wav.profile")).expect("read");
    // Nobody has analysed this one.
    record(&root, "g.flac", (8_000, 1, 10), &[5], &json!({ "session": "g", "uploaded_at": UPLOADED }));
    let gap = "start,end,source,frames_lost,reason\n2026-05-01T12:00:20.000000Z,2026-05-01T12:00:21.000000Z,wood,48000,xrun\n";
    fs::write(root.join("gaps.csv"), gap).expect("written");
    let mut folder = open(folder, 10, false);
    verify(&root);

    let task = folder.next().expect("a.flac is old");
    assert_eq!((&*task.name, task.left, task.parts.as_slice()), ("a.flac", Left::Opus, &[(7, 18), (37, 44)][..]));
    folder.reduce(task).expect("reduced");
    let mut left = vec![
        "a.opus",
        "a_section_120007.flac",
        "a_section_120038.flac",
        "b.flac",
        "c.wav",
        "d.flac",
        "e.flac",
        "f.flac",
        "g.flac",
    ];
    assert_eq!(folder.names(), left, "the second lies behind a second that is missing");
    for name in &left[1..3] {
        check_piece(&root, name, &flac, 1);
    }
    let of = &sidecar(&root, &root.join("a.opus"))["reduced"];
    fs::write(root.join("../was"), &was).expect("written");
    let sum = tool("sha256sum", &[root.join("../was").to_str().expect("plain")]);
    assert_eq!(of["of"]["sha256"].as_str(), sum.split(' ').next());
    assert_eq!((&of["of"]["file"], &of["of"]["bytes"], &of["left"]), (&"a.flac".into(), &was.len().into(), &"opus".into()));
    assert_eq!(of["sections"], json!([left[1], left[2]]));
    let said = tool("opusinfo", &[root.join("a.opus").to_str().expect("plain")]);
    assert!(!said.contains("WARNING") && said.contains("Playback length: 1m:00.000s"), "{said}");
    let seconds = tool(
        "ffprobe",
        &["-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", root.join("a.opus").to_str().expect("plain")],
    );
    assert!((seconds.trim().parse::<f64>().expect("a length") - 60.0).abs() < 0.02, "{seconds}");
    assert!(root.join("analyses/a.opus.birdnet.csv").is_file() && !root.join("analyses/a.flac.birdnet.csv").exists());
    let rows = folder.rows();
    let row = &rows[0];
    assert_eq!((row.state, row.sections.len(), &*row.marks.note, row.frames), (FileState::Analysed, 3, "owl", 60 * 48_000));
    assert_eq!(row.start, Wall(NOON * SECOND_NS));
    assert!(row.details.contains("birdnet") && row.details.contains("\"reduced\""), "{}", row.details);
    // What is at a target as it was need not be sent.
    assert!(rows[..3].iter().all(|row| row.uploaded_at.is_some() && row.state == FileState::Analysed), "{rows:?}");
    assert_eq!((rows[1].sections.len(), rows[2].sections.len(), &*rows[1].marks.note), (2, 1, "owl"));

    // Three channels become one, above 24 kHz nothing is left but the profile.
    let task = folder.next().expect("c.wav is old");
    assert_eq!((&*task.name, task.parts.as_slice()), ("c.wav", &[(17, 24)][..]));
    folder.reduce(task).expect("reduced");
    left[4] = "c.opus";
    left.insert(5, "c_section_120017.wav");
    assert_eq!(folder.names(), left);
    check_piece(&root, "c_section_120017.wav", &wav, 3);
    assert_eq!(fs::read(root.join("analyses/c.opus.profile")).expect("read"), profile);
    let side = sidecar(&root, &root.join("c.opus"));
    assert_eq!((&side["channels"], &side["sample_rate"], &side["frames"]), (&1.into(), &48_000.into(), &(30 * 48_000).into()));
    assert!(folder.rows()[4].marks.reviewed && folder.rows()[5].marks.reviewed);
    // Young, locked, only here while others are not, all of it loud, and not analysed.
    assert_eq!(folder.next(), None);
    assert_eq!(sidecar(&root, &root.join("f.flac"))["reduced"]["left"], "full");
    let kept = folder.shared.retention.lock().expect("kept").clone().expect("something was done");
    assert_eq!((kept.reduced, kept.last_reduced.expect("c.wav").name.as_str(), kept.deleted), (2, "c.wav", 0));
    assert!(kept.reduced_bytes > 10_000_000, "{}", kept.reduced_bytes);

    // All commands work with what is left.
    let said = verify(&root);
    assert!(said.contains("0 overlaps") && said.contains("sound       a.opus: 2880000 frames"), "{said}");
    let said = analyse(&root, &["--again"]);
    assert!(said.contains("a.opus: analysed before") && said.contains("c.opus: analysed before"), "{said}");
    assert_eq!(fs::read(root.join("analyses/c.opus.profile")).expect("read"), profile);
    let cut = root.join("../cut.opus");
    tool(
        env!("CARGO_BIN_EXE_soundpost"),
        &["cut", root.join("a.opus").to_str().expect("plain"), "--from", "20", "--to", "30", "-o", cut.to_str().expect("plain")],
    );
    tool("opusinfo", &[cut.to_str().expect("plain")]);
    let between = |folder: &Folder, from: i64| {
        let mut reader = Reader::new(&folder.root.join("catalogue.db"), Arc::default());
        let at = |second: i64| Wall((NOON + second) * SECOND_NS);
        let rows = reader.between(Some("wood"), at(from), at(from + 2)).expect("answered");
        rows.into_iter().map(|row| row.name).filter(|name| name.starts_with('a')).collect::<Vec<_>>()
    };
    assert_eq!(between(&folder, 40), ["a.opus"], "by the clock it is heard once");

    // Made anew from what is on the disk, it is the same.
    folder.ask(Wish::Scan).expect("looked through");
    let before = folder.rows();
    fs::remove_file(root.join("catalogue.db")).expect("removed");
    tool(env!("CARGO_BIN_EXE_soundpost"), &["rebuild", root.to_str().expect("plain")]);
    let again: Vec<_> = folder.rows().into_iter().map(|row| (row.name, row.state, row.uploaded_at.is_some())).collect();
    assert_eq!(again, before.into_iter().map(|row| (row.name, row.state, row.uploaded_at.is_some())).collect::<Vec<_>>());

    // Ten days later the Opus goes.
    let mut folder = open(folder._folder.clone(), 16, false);
    let dry = folder.librarian.retain(folder.now, How::DryRun, 0).expect("told");
    let told: Vec<String> = dry.gone.iter().map(|(one, why)| format!("{} {why}", one.name)).collect();
    assert_eq!(told, ["a.opus older than 15 days: its sections stay"]);
    folder.ask(Wish::Scan).expect("looked through");
    let done = folder.librarian.retain(folder.now, How::Delete, 0).expect("done");
    assert_eq!(done.gone.len(), 1);
    left.remove(0);
    assert_eq!(folder.names(), left);
    assert_eq!(between(&folder, 40), ["a_section_120038.flac"], "where nothing else is left");
    assert!(!folder.files().iter().any(|name| name.contains("a.opus") || name.contains("a.flac")), "{:?}", folder.files());
}

#[test]
fn what_is_only_here_stays_as_it_is_where_that_is_wanted_and_goes_straight_to_its_sections_when_it_is_old() {
    let (folder, root) = empty();
    let sound = record(&root, "a.flac", (48_000, 2, 30), &[10], &json!({}));
    analyse(&root, &[]);
    assert_eq!(open(folder.clone(), 100, true).next(), None);
    let mut folder = open(folder, 16, false);
    let task = folder.next().expect("it is old");
    assert_eq!(task.left, Left::Sections);
    folder.ask(Wish::Set { name: "a.flac".into(), mark: Mark::Locked(true) }).expect("locked");
    assert!(matches!(folder.reduce(task.clone()), Err(Failed::Refused(_))), "somebody locked it meanwhile");
    folder.ask(Wish::Set { name: "a.flac".into(), mark: Mark::Locked(false) }).expect("unlocked");
    folder.reduce(task).expect("reduced");
    assert_eq!(folder.names(), ["a_section_120007.flac"]);
    check_piece(&root, "a_section_120007.flac", &sound, 2);
    let row = &folder.rows()[0];
    assert_eq!((row.uploaded_at, row.start), (None, Wall((NOON + 7) * SECOND_NS - row_lead(&root))));
    assert_eq!(folder.next(), None, "a section is not reduced");
    verify(&root);
}

/// A cut begins with the coded frame in which it begins.
fn row_lead(root: &Path) -> i64 {
    let from = sidecar(root, &root.join("a_section_120007.flac"))["piece_of"]["from_frame"].as_i64().expect("a frame");
    7 * SECOND_NS - from * SECOND_NS / 48_000 / 1_000 * 1_000
}

#[test]
fn a_fall_in_between_leaves_all_of_it_and_the_next_attempt_the_same_as_one() {
    let (folder, root) = empty();
    let loud: Vec<usize> = (10..300).step_by(25).collect();
    let sound = record(&root, "a.flac", (8_000, 1, 300), &loud, &json!({}));
    analyse(&root, &[]);
    let mut folder = open(folder, 16, false);
    let untouched = folder.files();
    let task = folder.next().expect("it is old");
    assert!(task.parts.len() > 8, "{} pieces: three steps", task.parts.len());
    // After each step the librarian falls.
    let mut seen = Vec::new();
    for steps in 0..3 {
        let (mut done, start) = (0, folder.root.clone());
        let fell = reduce(&start, task.clone(), (&Arc::default(), &Arc::default()), &mut |wish| {
            if done == steps {
                return Err(Trouble::Busy(1));
            }
            done += 1;
            folder.ask(wish)
        });
        assert!(matches!(fell, Err(Failed::Refused(_))), "{fell:?}");
        assert_eq!(fs::metadata(root.join("a.flac")).expect("it is there").len(), task.bytes);
        assert!(!root.join(".reduced").exists());
        verify(&root);
        seen.push(folder.files().len());
        folder = open(folder._folder.clone(), 16, false);
    }
    assert_eq!((seen[0], seen[1], seen[2]), (untouched.len(), untouched.len() + 3 * 4, untouched.len() + 3 * 8));
    let again = folder.next().expect("still");
    assert_eq!(again, task);
    folder.reduce(again).expect("reduced");
    let names = folder.names();
    assert_eq!(names.len(), task.parts.len(), "each once: {names:?}");
    names.iter().for_each(|name| check_piece(&root, name, &sound, 1));
    assert_eq!(
        folder.files().len(),
        3 * names.len() + 1 + usize::from(root.join("analyses/.volume").exists()),
        "{:?}",
        folder.files()
    );
    verify(&root);
}

#[test]
fn it_ends_within_a_second_and_leaves_no_trace() {
    let (folder, root) = empty();
    record(&root, "a.flac", (48_000, 2, 240), &[100], &json!({}));
    analyse(&root, &[]);
    let mut folder = open(folder, 10, false);
    let before = folder.files();
    let task = folder.next().expect("it is old");
    let (stop, actor): (Arc<AtomicBool>, Arc<ActorStatus>) = Default::default();
    let draft = root.join(".reduced/whole.part");
    let took = thread::scope(|scope| {
        let worker = scope.spawn(|| reduce(&root, task.clone(), (&stop, &actor), &mut |_| panic!("it was to end")));
        let end = Instant::now() + Duration::from_secs(60);
        while fs::metadata(&draft).map_or(0, |meta| meta.len()) == 0 {
            assert!(Instant::now() < end && !worker.is_finished(), "it never began");
            thread::sleep(Duration::from_millis(5));
        }
        let began = Instant::now();
        stop.store(true, Relaxed);
        assert!(matches!(worker.join().expect("no panic"), Err(Failed::Stopped)));
        began.elapsed()
    });
    println!("it ended after {} ms", took.as_millis());
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(folder.files(), before);
    // Nor does it go on where there is less room than there should be.
    let full = Task { floor_bytes: u64::MAX, ..task };
    let ended = reduce(&root, full, (&Arc::default(), &Arc::default()), &mut |_| panic!("there is no room"));
    assert!(matches!(ended, Err(Failed::Stopped)), "{ended:?}");
    assert_eq!(folder.files(), before);
}

/// The librarian is asked like by everybody else; drafts of a start before are swept away.
#[test]
fn it_works_beside_the_librarian_until_it_is_to_end() {
    let (folder, root) = empty();
    for (name, session) in [("a.flac", "a"), ("b.wav", "b")] {
        record(&root, name, (8_000, 1, 40), &[10], &json!({ "session": session }));
    }
    analyse(&root, &[]);
    fs::create_dir_all(root.join(".reduced")).expect("made");
    fs::write(root.join(".reduced/7.part"), "what a power cut left").expect("written");
    let Folder { mut librarian, shared, now, .. } = open(folder.clone(), 10, false);
    let (asks, inbox) = async_channel::bounded(8);
    let (stop, actor): (Arc<AtomicBool>, Arc<ActorStatus>) = Default::default();
    thread::scope(|scope| {
        scope.spawn(move || soundpost::actor::librarian::run(&inbox, &mut librarian, &|| now));
        let folders = vec![reducer::Folder { root: root.clone(), asks }];
        let reducer = Reducer { folders, actor: actor.clone(), stop: stop.clone(), patience: Duration::ZERO };
        let worker = scope.spawn(move || reducer.run(actor.life()));
        let end = Instant::now() + Duration::from_secs(60);
        let done = || shared.retention.lock().expect("kept").as_ref().map_or(0, |kept| kept.reduced);
        while done() < 2 {
            assert!(Instant::now() < end && !worker.is_finished(), "{} reduced", done());
            thread::sleep(Duration::from_millis(20));
        }
        stop.store(true, Relaxed);
    });
    let folder = open(folder, 10, false);
    assert_eq!(folder.names(), ["a.opus", "a_section_120007.flac", "b.opus", "b_section_120007.wav"]);
    assert!(!root.join(".reduced").exists());
    verify(&root);
}

/// Damage is no reason to lose the rest.
#[test]
fn what_is_damaged_stays_as_it_is() {
    let (folder, root) = empty();
    record(&root, "a.flac", (48_000, 1, 30), &[10], &json!({}));
    analyse(&root, &[]);
    let mut bytes = fs::read(root.join("a.flac")).expect("read");
    let middle = bytes.len() * 3 / 4;
    bytes[middle..middle + 200].fill(0xAA);
    fs::write(root.join("a.flac"), &bytes).expect("written");
    let mut folder = open(folder, 10, false);
    let task = folder.next().expect("it is old");
    assert!(matches!(folder.reduce(task), Err(Failed::Unfit(_))));
    folder.ask(Wish::Unfit { name: "a.flac".into(), why: "It cannot be reduced".into() }).expect("known");
    assert_eq!((folder.next(), folder.names()), (None, vec!["a.flac".to_owned()]));
    assert_eq!(fs::read(root.join("a.flac")).expect("read"), bytes);
}

/// A wish that is of another recording by now is refused.
#[test]
fn what_has_changed_meanwhile_is_left_alone() {
    let (folder, root) = empty();
    record(&root, "a.flac", (8_000, 1, 30), &[10], &json!({}));
    analyse(&root, &[]);
    let mut folder = open(folder, 10, false);
    // A dry run tells of it, and that is all.
    let dry = folder.librarian.next_to_reduce(folder.now, How::DryRun, 0).expect("told").expect("it is old");
    folder.librarian.pass_over(&dry.name).expect("passed over");
    assert_eq!(folder.librarian.next_to_reduce(folder.now, How::DryRun, 0).expect("told"), None);
    folder.ask(Wish::Scan).expect("looked through");
    let task = folder.next().expect("it is old");
    assert_eq!(task, dry);
    let other = Task { version: task.version ^ 1, ..task };
    let done = Reduced { task: other, sha256: String::new(), pieces: Vec::new(), placed: Vec::new(), copy: None, is_last: true };
    let refused: Result<Answer, Trouble> = folder.ask(Wish::Reduced(Box::new(done)));
    assert!(matches!(refused, Err(Trouble::Failed(_))), "{refused:?}");
    assert!(root.join("a.flac").is_file());
}

/// The program as it stands in a wood: it records, analyses what it finds, and reduces it when its time is over.
#[test]
fn a_recorder_keeps_in_less_what_is_old() {
    let place = Place::new();
    let (root, library) = (place.recordings(), common::kernel_clock::kernel_clock(&place, true));
    fs::create_dir_all(&root).expect("made");
    let whole = record(&root, "wood_20260501_120000.flac", (48_000, 1, 60), &[20, 50], &json!({}));
    let config = place.config(
        &no_boundary(),
        "[storage]\nfull_days = 3\n[web]\nbind = 127.0.0.1\nport = PORT\n[wood]\ntype = tone\nsample_rate = 8000\nchannels = 1\n",
    );
    let port = free_port();
    let text = fs::read_to_string(&config).expect("read").replace("PORT", &port.to_string());
    fs::write(&config, text).expect("written");
    let say = |command: &[&str]| {
        let mut run = soundpost();
        let out = run.args(command).arg("-c").arg(&config).env("LD_PRELOAD", &library).output().expect("runs");
        (out.status.success(), String::from_utf8_lossy(&out.stdout).into_owned())
    };
    let mut recorder = Recorder::spawn(soundpost().arg("record").arg("-c").arg(&config).env("LD_PRELOAD", &library));
    let told = recorder.wait_for("wood_20260501_120000.flac: reduced", Duration::from_secs(120));
    assert!(told.contains("older than 3 days") && told.contains("2 pieces"), "{told}");
    let agent = ureq::Agent::new_with_defaults();
    let base = format!("http://127.0.0.1:{port}");
    // A player asks for the middle of what is left.
    let part = agent.get(format!("{base}/stream/wood_20260501_120000.opus")).header("Range", "bytes=0-3").call();
    let mut part = part.expect("answered");
    assert_eq!((part.status().as_u16(), part.body_mut().read_to_vec().expect("whole")), (206, b"OggS".to_vec()));
    let status: Value = serde_json::from_str(
        &agent.get(format!("{base}/api/status")).call().expect("answered").body_mut().read_to_string().expect("text"),
    )
    .expect("JSON");
    assert_eq!(status["retention"]["reduced"], 1, "{status}");
    let pieces = ["wood_20260501_120000_section_120017.flac", "wood_20260501_120000_section_120047.flac"];
    for (name, from) in pieces.iter().zip([17, 47]) {
        let cut = decode(&root.join(name));
        let at = sidecar(&root, &root.join(name))["piece_of"]["from_frame"].as_u64().expect("a frame") as usize;
        assert!(at.abs_diff(from * 48_000) < 48_000, "{name} begins at {at}");
        assert_eq!(cut, whole[at..at + cut.len()], "{name}");
    }
    recorder.signal("TERM");
    assert!(recorder.wait(Duration::from_secs(10)).success(), "{}", recorder.log.join("\n"));
    assert!(say(&["retention", "--dry-run"]).0);
    assert!(!root.join("wood_20260501_120000.flac").exists() && !root.join(".reduced").exists());
    tool(env!("CARGO_BIN_EXE_soundpost"), &["verify", root.to_str().expect("plain")]);
}
