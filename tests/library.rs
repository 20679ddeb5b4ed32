//! The librarian keeps a catalogue true to real folders: ours, another program's, anybody's; whatever is done behind its back.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use soundpost::actor::librarian::retention::{How, Keeping};
use soundpost::actor::librarian::{Librarian, Prober, Settings, Shared};
use soundpost::actor::store::parse_gap_line;
use soundpost::device::catalogue::Reader;
use soundpost::message::Identity;
use soundpost::message::analysis::*;
use soundpost::message::library::{
    Answer, Ask, Event, FileRow, FileState, FilesQuery, Found, Mark, Marks, Trouble, Upload, Wish,
};
use soundpost::message::news::Listener;
use soundpost::policy::retention::{Age, Rules, Source};
use soundpost::policy::split::Zone;
use soundpost::time::{SECOND_NS, Wall};

/// 2024-12-25 14:00 UTC.
const CHRISTMAS: i64 = 1_735_135_200;
const ID: &str = "0123456789abcdef0123456789abcdef";

/// Takes the file's length for its frames.
struct Lengths;

impl Prober for Lengths {
    fn probe(&self, path: &Path, _: &str) -> Option<(u32, u8, u64)> {
        let frames = fs::metadata(path).ok()?.len();
        (frames > 0).then_some((10, 1, frames))
    }

    fn identity(&self, _: &Path, _: &str) -> Option<Identity> {
        None
    }
}

struct Library {
    _folder: tempfile::TempDir,
    root: PathBuf,
    librarian: Librarian,
    reader: Reader,
    listener: Listener,
    shared: Arc<Shared>,
    inbox: async_channel::Receiver<Ask>,
    _asks: async_channel::Sender<Ask>,
    now: Wall,
}

struct Options {
    read_only: bool,
    analyses_elsewhere: bool,
    retention: Option<Keeping>,
}

const USUAL: Options = Options { read_only: false, analyses_elsewhere: false, retention: None };

/// A folder that `fill` fills, and a librarian that has not looked yet.
fn library(options: &Options, fill: impl FnOnce(&Path)) -> Library {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("rec");
    fs::create_dir_all(&root).expect("made");
    fill(&root);
    open(folder, options)
}

fn open(folder: tempfile::TempDir, options: &Options) -> Library {
    let root = folder.path().join("rec");
    let analyses = if options.analyses_elsewhere { folder.path().join("meta") } else { root.join("analyses") };
    fs::create_dir_all(&analyses).expect("made");
    let catalogue = if options.analyses_elsewhere { &analyses } else { &root }.join("catalogue.db");
    let settings = Settings {
        root: root.clone(),
        analyses,
        catalogue: catalogue.clone(),
        read_only: options.read_only,
        scan_every: Duration::from_secs(3_600),
        zone: Zone::get("Europe/Berlin").expect("known"),
        software: "soundpost test".into(),
        parse_gap: parse_gap_line,
        turns: Arc::default(),
        retention: options.retention.clone(),
        targets: vec!["stick".into()],
    };
    let shared = Arc::new(Shared::default());
    let librarian = Librarian::open(settings, Box::new(Lengths), shared.clone()).expect("opened");
    let (asks, inbox) = async_channel::bounded(8);
    let reader = Reader::new(&catalogue, shared.doubt.clone());
    let listener = shared.news.listen();
    let now = Wall((CHRISTMAS + 10 * 86_400) * SECOND_NS);
    Library { _folder: folder, root, librarian, reader, listener, shared, inbox, _asks: asks, now }
}

impl Library {
    fn ask(&mut self, wish: Wish) -> Result<Answer, Trouble> {
        let now = self.now;
        self.librarian.answer(wish, &self.inbox, &|| now)
    }

    fn scan(&mut self) {
        assert_eq!(self.ask(Wish::Scan), Ok(Answer::Done));
    }

    fn find(&mut self, name: &str) -> FileRow {
        self.reader.find(name).unwrap_or_else(|trouble| panic!("{name}: {trouble:?}"))
    }

    /// All, newest first.
    fn names(&mut self) -> Vec<String> {
        let page = self.reader.files(&FilesQuery { limit: 1_000, ..Default::default() }).expect("a page");
        assert_eq!(page.total, page.files.len() as u64);
        page.files.into_iter().map(|file| file.name).collect()
    }

    /// What was told since the last time, without progress.
    fn events(&mut self) -> Vec<String> {
        let mut events = Vec::new();
        while let Ok(event) = self.listener.events.try_recv() {
            match event {
                Event::Opened(row) => events.push(format!("opened {}", row.name)),
                Event::Closed(row) => events.push(format!("closed {}", row.name)),
                Event::Analysed(row) => events.push(format!("analysed {}", row.name)),
                Event::Changed(row) => events.push(format!("changed {}", row.name)),
                Event::Deleted { name, reason: None } => events.push(format!("deleted {name}")),
                Event::Deleted { name, reason: Some(why) } => events.push(format!("deleted {name}, {why}")),
                Event::Uploaded { file, target } => events.push(format!("uploaded {} {target}", file.name)),
                Event::Gap(gap) => events.push(format!("gap {}", gap.frames_lost)),
                Event::Level(_) | Event::Alarm { .. } => unreachable!("a librarian tells of neither"),
                Event::Work { .. } => {}
            }
        }
        events
    }

    fn sidecar(&self, name: &str) -> serde_json::Value {
        let bytes = fs::read(self.root.join("analyses").join(name)).expect("a sidecar");
        serde_json::from_slice(&bytes).expect("JSON")
    }
}

/// So many bytes, written so many seconds after Christmas.
fn write(root: &Path, name: &str, bytes: usize, after_s: i64) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(&path, vec![b'x'; bytes]).expect("written");
    touch(&path, after_s);
}

fn touch(path: &Path, after_s: i64) {
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs((CHRISTMAS + after_s) as u64);
    File::options().write(true).open(path).and_then(|file| file.set_modified(at)).expect("touched");
}

fn text(root: &Path, name: &str, text: &str) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).and_then(|()| fs::write(path, text)).expect("written");
}

/// Of our own recorder: 100 frames at 10 Hz, with a gap of 5 after the 50th.
fn ours(name: &str, start: &str, offset_s: i32) -> String {
    format!(
        r#"{{"schema": "soundpost/analysis/1", "file": "{name}", "source": "mic", "session": "s", "first_frame": 0, "frames": 100,
        "lost_frames": 5, "sample_rate": 10, "channels": 2, "bit_depth": 16, "start": "{start}", "end": "{start}",
        "utc_offset_s": {offset_s}, "clock": "synced", "end_reason": "split", "recovered": false, "suspect": false,
        "gaps": [{{"at_frame": 50, "lost_frames": 5, "reason": "xrun"}}], "software": "x", "strange": {{"kept": [1, 2]}}}}"#
    )
}

/// As the other program writes it.
const ISR: &str =
    r#"{"file": "20241225_140000.wav", "duration": 3600.0, "threshold": 12, "segments": [{"start": 12.5, "end": 15.0}]}"#;

fn found() -> Box<Found> {
    let section = Section { first_window: 3, end_window: 17, score: Centibel(1_230), band_hz: Some((2_000.0, 8_000.5)) };
    let whole = Section { band_hz: None, first_window: 40, ..Section { end_window: 41, ..section } };
    let profile = Profile {
        rate_hz: 8_000,
        frames: 8_000,
        detection_edges: [0.0; DETECTION_BANDS + 1],
        column_edges: [0.0; COLUMN_BANDS + 1],
        levels: vec![-4_000; 10],
        detection: Vec::new(),
        columns: Vec::new(),
    };
    let analysis = Analysis { profile, quality: Quality::default(), indices: Vec::new() };
    Box::new(Found { analysis, detection: Detection::default(), sections: vec![section, whole], sound: None })
}

fn analysed(name: &str) -> Wish {
    Wish::Analysed { name: name.into(), found: found() }
}

fn set(name: &str, mark: Mark) -> Wish {
    Wish::Set { name: name.into(), mark }
}

fn delete(name: &str) -> Wish {
    Wish::Delete { name: name.into() }
}

#[test]
fn files_of_all_origins_are_there() {
    let mut library = library(&USUAL, |root| {
        write(root, "2024/a.flac", 1_000, 100);
        text(root, "analyses/2024/a.flac.analysis.json", &ours("2024/a.flac", "2024-12-25T13:59:50.000001Z", 3_600));
        write(root, "20241225_140000.wav", 36_000, 3_600);
        text(root, "analyses/20241225_140000.wav.analysis.json", ISR);
        write(root, "night/owl.mp3", 600, 60);
        write(root, "u384_20210426T155651+0200.wav", 7, 0);
        write(root, "broken.ogg", 50, 10);
        text(root, "analyses/broken.ogg.analysis.json", "{\"schema\": \"soundpost/ana");
        write(root, "20241225_180000.flac.part", 9, 0);
        text(root, "notes.txt", "no recording");
        text(root, ".hidden/x.wav", "no recording");
        std::os::unix::fs::symlink(root, root.join("loop")).expect("linked");
    });
    library.scan();
    assert_eq!(
        library.names(),
        [
            "20241225_180000.flac",
            "broken.ogg",
            "night/owl.mp3",
            "2024/a.flac",
            "20241225_140000.wav",
            "u384_20210426T155651+0200.wav"
        ]
    );
    let start = |library: &mut Library, name: &str| library.find(name).start.micros() - CHRISTMAS * 1_000_000;
    let ours = library.find("2024/a.flac");
    assert_eq!((&*ours.source, ours.frames, ours.rate_hz, ours.channels, ours.utc_offset_s), ("mic", 100, 10, 2, 3_600));
    assert_eq!((ours.state, ours.bytes, ours.start.micros() - CHRISTMAS * 1_000_000), (FileState::Closed, 1_000, -9_999_999));
    let [gap] = &*ours.gaps else { panic!("{:?}", ours.gaps) };
    assert_eq!((gap.start.since(ours.start), gap.end.since(gap.start), gap.frames_lost), (5_000_000_000, 500_000_000, 5));
    assert!(ours.details.contains(r#""end_reason":"split""#), "{}", ours.details);
    // By its name, in the zone of the folder; by its offset; by its time and its length.
    assert_eq!(start(&mut library, "20241225_140000.wav"), -3_600_000_000);
    assert_eq!(library.find("u384_20210426T155651+0200.wav").start.micros(), 1_619_445_411_000_000);
    assert_eq!(start(&mut library, "night/owl.mp3"), 0);
    assert_eq!(library.find("20241225_180000.flac").state, FileState::Open);
    assert_eq!(library.find("broken.ogg").frames, 50);
    let day = library.reader.day("2024-12-25").expect("a day");
    assert_eq!((day.row.files, day.row.gaps, day.gaps.len()), (5, 1, 1));
    // A catalogue that is filled for the first time is no news; and a second look finds nothing new.
    assert_eq!(library.events(), Vec::<String>::new());
    library.scan();
    assert_eq!(library.events(), Vec::<String>::new());
}

#[test]
fn what_happens_behind_its_back_is_seen_and_told() {
    let mut library = library(&USUAL, |root| {
        ["a.wav", "b.wav", "sub/c.wav", "sub/d.wav"].iter().for_each(|name| write(root, name, 10, 0));
    });
    library.scan();
    let root = library.root.clone();
    let version = library.find("a.wav").version;
    write(&root, "a.wav", 20, 5);
    fs::remove_dir_all(root.join("sub")).expect("removed");
    write(&root, "0/new.wav", 5, 7);
    write(&root, "z.flac.part", 5, 7);
    library.scan();
    assert_eq!(
        library.events(),
        ["closed 0/new.wav", "changed a.wav", "deleted sub/c.wav", "deleted sub/d.wav", "opened z.flac"]
    );
    assert_ne!(library.find("a.wav").version, version);
    fs::rename(root.join("z.flac.part"), root.join("z.flac")).expect("renamed");
    assert_eq!(library.ask(Wish::Look { name: "z.flac".into() }), Ok(Answer::Done));
    assert_eq!(library.events(), ["closed z.flac"]);
    fs::remove_file(root.join("z.flac")).expect("removed");
    assert_eq!(library.ask(Wish::Look { name: "z.flac".into() }), Ok(Answer::Done));
    assert_eq!(library.ask(Wish::Look { name: "../z.flac".into() }), Ok(Answer::Done));
    assert_eq!(library.events(), ["deleted z.flac"]);
    library.scan();
    assert_eq!(library.events(), Vec::<String>::new());
}

#[test]
fn a_file_that_grew_just_now_is_open_until_it_rests() {
    let mut library = library(&USUAL, |root| write(root, "a.wav", 10, 10 * 86_400 - 4));
    library.scan();
    assert_eq!(library.find("a.wav").state, FileState::Open);
    assert_eq!(library.ask(delete("a.wav")), Err(Trouble::Open));
    assert_eq!(library.ask(set("a.wav", Mark::Reviewed(true))), Err(Trouble::Open));
    library.now = library.now.plus_ns(5 * SECOND_NS);
    library.scan();
    assert_eq!((library.find("a.wav").state, library.events().len()), (FileState::Open, 0));
    library.now = library.now.plus_ns(2 * SECOND_NS);
    library.scan();
    assert_eq!((library.find("a.wav").state, library.events()), (FileState::Closed, vec!["closed a.wav".to_owned()]));
}

#[test]
fn marks_are_in_the_sidecar_and_survive_a_new_catalogue() {
    let mut library = library(&USUAL, |root| {
        write(root, "a.flac", 1_000, 100);
        text(root, "analyses/a.flac.analysis.json", &ours("a.flac", "2024-12-25T13:59:50Z", 3_600));
        write(root, "sub/foreign.wav", 100, 10);
        write(root, "isr.wav", 100, 10);
        text(root, "analyses/isr.wav.analysis.json", ISR);
    });
    library.scan();
    let version = library.find("a.flac").version;
    for name in ["a.flac", "sub/foreign.wav", "isr.wav"] {
        for mark in [Mark::Reviewed(true), Mark::Locked(true), Mark::Note("owl, \"near\"\nbarn".into())] {
            assert!(matches!(library.ask(set(name, mark)), Ok(Answer::File(_))), "{name}");
        }
    }
    assert_eq!(library.find("a.flac").version, version);
    let sidecar = library.sidecar("a.flac.analysis.json");
    assert_eq!(
        (&sidecar["strange"]["kept"][1], &sidecar["reviewed"], &sidecar["frames"]),
        (&2.into(), &true.into(), &100.into())
    );
    assert_eq!(library.sidecar("sub/foreign.wav.analysis.json")["end_reason"], "foreign");
    assert_eq!(fs::read_to_string(library.root.join("analyses/isr.wav.analysis.json")).expect("there"), ISR);
    let before: Vec<FileRow> = library.names().iter().map(|name| library.reader.find(name).expect("there")).collect();
    // As after a power cut that took the catalogue.
    let Library { _folder, librarian, reader, .. } = library;
    drop((librarian, reader));
    ["", "-wal", "-shm"].iter().for_each(|ending| _ = fs::remove_file(_folder.path().join(format!("rec/catalogue.db{ending}"))));
    let mut library = open(_folder, &USUAL);
    library.scan();
    let after: Vec<FileRow> = library.names().iter().map(|name| library.reader.find(name).expect("there")).collect();
    assert_eq!(after, before);
    let marks = Marks { reviewed: true, locked: true, note: "owl, \"near\"\nbarn".into() };
    assert!(after.len() == 3 && after.iter().all(|file| file.marks == marks));
    // And they can be taken back.
    assert_eq!(library.ask(delete("a.flac")), Err(Trouble::Locked));
    assert!(library.ask(set("a.flac", Mark::Locked(false))).is_ok());
    assert_eq!(library.ask(set("gone.wav", Mark::Locked(false))), Err(Trouble::Absent));
    assert_eq!(library.ask(delete("a.flac")), Ok(Answer::Done));
}

#[test]
fn a_deleted_recording_takes_along_what_is_its_own() {
    let mut library = library(&USUAL, |root| {
        write(root, "sub/a.wav", 100, 10);
        ["a.wav.raven.txt", "a.wav.events.csv", "a.wav.labels.txt"]
            .iter()
            .for_each(|n| text(root, &format!("analyses/sub/{n}"), "x"));
        write(root, "isr.wav", 100, 10);
        text(root, "analyses/isr.wav.analysis.json", ISR);
        text(root, "analyses/sub/a.wav.notes", "somebody's");
    });
    library.scan();
    assert!(library.ask(analysed("sub/a.wav")).is_ok());
    for name in ["sub/a.wav", "isr.wav"] {
        assert_eq!(library.ask(delete(name)), Ok(Answer::Done));
        assert_eq!(library.ask(delete(name)), Err(Trouble::Absent));
    }
    assert_eq!(library.names(), Vec::<String>::new());
    let left = |folder: &str| {
        let entries = fs::read_dir(library.root.join(folder)).expect("a folder");
        let mut names: Vec<_> = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
        names.sort();
        names
    };
    assert_eq!(
        (left("sub"), left("analyses/sub"), left("analyses")),
        (vec![], vec!["a.wav.notes".into()], vec!["isr.wav.analysis.json".into(), "sub".into()])
    );
}

#[test]
fn what_is_too_old_goes_and_why_is_told() {
    let bat = Age { days: Some(5.0), only_uploaded: true };
    let rules = Rules {
        min_free_hours: 0.0,
        min_free_bytes: 0,
        makes_room: true,
        high_score: Centibel(2_400),
        sources: vec![Source { name: "bat".into(), age: bat, expected_bytes_per_hour: 1.0 }],
        others: Age { days: Some(9.5), only_uploaded: false },
    };
    let retention = Some(Keeping { rules, tiers: Default::default(), is_clock_right: || true });
    // It is ten days after Christmas.
    let mut library = library(&Options { retention, ..USUAL }, |root| {
        let days = [("a", "mic", 25), ("b", "mic", 25), ("c", "mic", 26), ("d", "bat", 27), ("e", "bat", 26), ("f", "", 25)];
        for (name, source, day) in days {
            let name = format!("{name}.flac");
            write(root, &name, 1_000, 100);
            let side = ours(&name, &format!("2024-12-{day}T13:00:00.000000Z"), 0).replace("\"mic\"", &format!("{source:?}"));
            text(root, &format!("analyses/{name}.analysis.json"), &side);
        }
        // Not ours, however old.
        write(root, "2001-01-01_000000.wav", 10, 0);
        for day in ["2024-12-20", "2024-12-25"] {
            text(root, &format!("analyses/.watch/{day}/100000_mic.watch.analysis.json"), "{}");
        }
    });
    library.scan();
    library.ask(set("b.flac", Mark::Locked(true))).expect("locked");
    library.ask(analysed("a.flac")).expect("a profile");
    let at = Wall((CHRISTMAS + 5) * SECOND_NS);
    let bytes = std::fs::metadata(library.root.join("d.flac")).expect("there").len();
    let copy = Upload { target: "stick".into(), at, key: "d.flac".into(), bytes, sent_bytes: None, checksum: "size".into() };
    let uploaded = |name: &str| Wish::Uploaded { name: name.into(), copy: Box::new(copy.clone()) };
    let Ok(Answer::File(row)) = library.ask(uploaded("d.flac")) else { panic!("it is there") };
    let told = &library.sidecar("d.flac.analysis.json")["uploads"]["stick"]["at"];
    assert_eq!((row.uploaded_at, told), (Some(at), &"2024-12-25T14:00:05.000000Z".into()));
    assert_eq!(library.ask(uploaded("x.flac")), Err(Trouble::Absent));
    library.events();

    let dry = library.librarian.retain(library.now, How::DryRun, 0).expect("told");
    let names = |gone: &[(soundpost::policy::retention::Candidate, soundpost::policy::retention::Reason)]| {
        gone.iter().map(|(candidate, why)| format!("{} {why}", candidate.name)).collect::<Vec<_>>()
    };
    assert_eq!(names(&dry.gone), ["d.flac older than 5 days", "a.flac older than 9.5 days"]);
    assert!(library.root.join("a.flac").exists());
    library.scan();
    library.events();

    let done = library.librarian.retain(library.now, How::Delete, 0).expect("done");
    assert_eq!((names(&done.gone), done.is_stuck, done.is_more), (names(&dry.gone), false, false));
    assert_eq!(library.events(), ["deleted d.flac, older than 5 days", "deleted a.flac, older than 9.5 days"]);
    assert!(!library.root.join("a.flac").exists() && !library.root.join("analyses/a.flac.profile").exists());
    // What was only heard goes with what was recorded then.
    let is_heard = |day: &str| library.root.join("analyses/.watch").join(day).exists();
    assert_eq!((is_heard("2024-12-20"), is_heard("2024-12-25")), (false, true));
    let mut left = library.names();
    left.sort();
    assert_eq!(left, ["2001-01-01_000000.wav", "b.flac", "c.flac", "e.flac", "f.flac"]);
    assert_eq!(library.librarian.retain(library.now, How::Delete, 0).expect("done").gone, []);
}

#[test]
fn analyses_are_asked_for_newest_first_and_kept() {
    let mut library = library(&USUAL, |root| {
        write(root, "20241225_100000.wav", 100, 0);
        write(root, "20241225_110000.mp3", 100, 0);
        write(root, "20241225_120000.wav", 100, 0);
        write(root, "20241225_130000.wav.part", 100, 0);
    });
    library.scan();
    let next = |name: Option<&str>, waiting| Ok(Answer::Next { name: name.map(str::to_owned), waiting: Some(waiting) });
    assert_eq!(library.ask(Wish::Next { count: true }), next(Some("20241225_120000.wav"), 3));
    let Ok(Answer::File(row)) = library.ask(analysed("20241225_120000.wav")) else { panic!("not kept") };
    assert_eq!((row.state, &*row.sections), (FileState::Analysed, &*found().sections));
    assert!(row.details.contains("peak"), "{}", row.details);
    assert_eq!(
        fs::read(library.root.join("analyses/20241225_120000.wav.profile")).expect("there"),
        soundpost::format::profile::write(&found().analysis.profile)
    );
    assert_eq!(library.ask(Wish::Next { count: true }), next(Some("20241225_110000.mp3"), 2));
    let unfit = Wish::Unfit { name: "20241225_110000.mp3".into(), why: "no sound\nat all".into() };
    assert!(library.ask(unfit).is_ok());
    assert_eq!(library.find("20241225_110000.mp3").trouble.as_deref(), Some("no sound at all"));
    assert_eq!(library.ask(Wish::Next { count: true }), next(Some("20241225_100000.wav"), 1));
    // A mark is no change; another content is.
    assert!(library.ask(set("20241225_110000.mp3", Mark::Reviewed(true))).is_ok());
    library.scan();
    assert_eq!(library.ask(Wish::Next { count: true }), next(Some("20241225_100000.wav"), 1));
    let root = library.root.clone();
    write(&root, "20241225_110000.mp3", 150, 9);
    // Nor does an analysis stay that is of another file.
    write(&root, "20241225_120000.wav", 90, 9);
    library.scan();
    assert_eq!(library.ask(Wish::Next { count: true }), next(Some("20241225_120000.wav"), 3));
    assert_eq!(library.ask(analysed("20241225_130000.wav")), Err(Trouble::Open));
}

/// A table that another program put beside a sidecar, whenever it did: seen at the next look, gone with its recording.
#[test]
fn tables_of_other_programs_are_labels() {
    let mut library = library(&USUAL, |root| {
        text(root, ".soundpost", &format!("soundpost 1\nid {ID}\nstate closed   \nanalyses \n"));
        write(root, "sub/a.wav", 100, 10);
        write(root, "sub/b.wav", 100, 10);
        text(root, "analyses/sub/b.wav.x.csv", "no table");
        text(root, "analyses/sub/gone.wav.birdnet.csv", "start,end,label\n");
        text(root, "analyses/sub/gone.notes.csv", "somebody's");
    });
    library.scan();
    let details = |library: &mut Library, name: &str| library.find(name).details.to_string();
    assert!(!details(&mut library, "sub/a.wav").contains("labels") && !details(&mut library, "sub/b.wav").contains("labels"));
    let root = library.root.clone();
    assert!(!root.join("analyses/sub/gone.wav.birdnet.csv").exists(), "it is put aside as its sidecar would be");
    assert!(root.join("analyses/sub/gone.notes.csv").exists());

    let table = "analyses/sub/a.wav.batdetect2.csv";
    text(
        &root,
        table,
        "id,det_prob,start_time,end_time,high_freq,low_freq,class,class_prob\n0,0.7,0.1,0.2,60000,40000,Myotis,0.6\n",
    );
    let version = library.find("sub/a.wav").version;
    library.scan();
    let found = r#"{"best":0.6,"count":1,"from_s":0.1,"name":"Myotis"}"#;
    let expected = format!(r#""labels":[{{"count":1,"found":[{found}],"tool":"batdetect2"}}]"#);
    assert!(details(&mut library, "sub/a.wav").contains(&expected), "{}", details(&mut library, "sub/a.wav"));
    assert_eq!(library.find("sub/a.wav").version, version, "its sound is the same");
    // It is another one, then it is gone.
    text(&root, table, "start,end,label\n");
    touch(&root.join(table), 77);
    library.scan();
    assert!(details(&mut library, "sub/a.wav").contains(r#""count":0"#));
    fs::remove_file(root.join(table)).expect("gone");
    library.scan();
    assert!(!details(&mut library, "sub/a.wav").contains("labels"));
    assert_eq!(library.ask(delete("sub/b.wav")), Ok(Answer::Done));
    assert!(!root.join("analyses/sub/b.wav.x.csv").exists());
}

#[test]
fn orphans_wait_a_week_and_only_where_they_belong() {
    let fill = |root: &Path| {
        text(root, ".soundpost", &format!("soundpost 1\nid {ID}\nstate closed   \nanalyses \n"));
        write(root, "here.wav", 10, 0);
        write(root, "part.wav.part", 10, 0);
    };
    let mut library = library(&Options { analyses_elsewhere: true, ..USUAL }, fill);
    let meta = library.root.with_file_name("meta");
    let all = ["here.wav", "part.wav", "gone/x.wav"];
    all.iter().for_each(|name| text(&meta, &format!("{name}.analysis.json"), &ours(name, "2024-12-25T13:00:00Z", 0)));
    text(&meta, "gone/x.wav.profile", "x");
    text(&meta, "isr.wav.analysis.json", ISR);
    text(&meta, "torn.wav.analysis.json", "{");
    let there = |name: &str| meta.join(name).exists();
    let aside = |at: Wall| format!(".orphans/{}/gone/x.wav.analysis.json", at.0 / SECOND_NS);
    library.scan();
    let first = library.now;
    assert!(there(&aside(first)) && !there("gone/x.wav.analysis.json") && !there("gone/x.wav.profile"));
    let stay = ["here.wav.analysis.json", "part.wav.analysis.json", "isr.wav.analysis.json", "torn.wav.analysis.json"];
    assert!(stay.iter().all(|name| there(name)));
    library.now = first.plus_ns(6 * 86_400 * SECOND_NS);
    library.scan();
    assert!(there(&aside(first)));
    library.now = first.plus_ns(7 * 86_400 * SECOND_NS);
    library.scan();
    assert!(!there(&aside(first)));
    // Another volume stands there, or none: what is beside its recordings is not looked at.
    for mark in [format!("soundpost 1\nid {}\n", ID.replace('0', "f")), String::new()] {
        text(&library.root, ".soundpost", &mark);
        fs::remove_file(library.root.join("here.wav")).or_else(|_| fs::write(library.root.join("x"), "")).expect("done");
        library.now = library.now.plus_ns(86_400 * SECOND_NS);
        library.scan();
        assert!(stay.iter().all(|name| there(name)), "{mark}");
    }
}

#[test]
fn a_folder_that_is_only_read_stays_as_it_is() {
    let fill = |root: &Path| {
        text(root, ".soundpost", &format!("soundpost 1\nid {ID}\n"));
        write(root, "a.wav", 10, 0);
        text(root, "analyses/gone.wav.analysis.json", &ours("gone.wav", "2024-12-25T13:00:00Z", 0));
    };
    let listed = |root: &Path| {
        let mut names = Vec::new();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder") {
                let entry = entry.expect("an entry");
                names.push(entry.path());
                if entry.path().is_dir() {
                    folders.push(entry.path());
                }
            }
        }
        names.sort();
        names
    };
    let mut library = library(&Options { read_only: true, analyses_elsewhere: true, ..USUAL }, fill);
    let before = listed(&library.root);
    library.scan();
    assert_eq!(library.ask(delete("a.wav")), Err(Trouble::ReadOnly));
    // What is said of it has its place elsewhere.
    assert!(library.ask(set("a.wav", Mark::Note("n".into()))).is_ok());
    assert!(library.ask(analysed("a.wav")).is_ok());
    assert_eq!((library.find("a.wav").marks.note.as_str(), library.find("a.wav").state), ("n", FileState::Analysed));
    assert_eq!(listed(&library.root), before);
}

#[test]
fn a_folder_with_its_analyses_inside_refuses_marks_when_it_is_only_read() {
    let mut library = library(&Options { read_only: true, ..USUAL }, |root| write(root, "a.wav", 10, 0));
    library.scan();
    for wish in [delete("a.wav"), set("a.wav", Mark::Reviewed(true)), analysed("a.wav")] {
        assert_eq!(library.ask(wish), Err(Trouble::ReadOnly));
    }
}

#[test]
fn gaps_between_files_are_on_their_day_and_those_inside_are_not_told_twice() {
    let header = "start,end,source,frames_lost,reason\n";
    // The first is the one inside the file; the others between files, the last after Berlin's midnight.
    let lines = "2024-12-25T13:59:55.300000Z,2024-12-25T13:59:55.800000Z,mic,5,xrun\n\
                 2024-12-25T15:00:00.000000Z,2024-12-25T15:00:09.000000Z,mic,90,unplugged\n\
                 2024-12-25T23:30:00.000000Z,2024-12-25T23:30:01.000000Z,\"a, b\",10,restart\n";
    let mut library = library(&USUAL, |root| {
        write(root, "a.flac", 1_000, 100);
        text(root, "analyses/a.flac.analysis.json", &ours("a.flac", "2024-12-25T13:59:50Z", 3_600));
        text(root, "gaps.csv", &format!("{header}{lines}2024-12-25T15:00"));
    });
    library.scan();
    let lost = |library: &mut Library, date: &str| {
        let day = library.reader.day(date).expect("a day");
        assert_eq!(day.row.gaps, day.gaps.len() as u64);
        day.gaps.iter().map(|gap| gap.frames_lost).collect::<Vec<_>>()
    };
    assert_eq!((lost(&mut library, "2024-12-25"), lost(&mut library, "2024-12-26")), (vec![5, 90], vec![10]));
    let more = "2024-12-26T12:00:00.000000Z,2024-12-26T12:00:01.000000Z,mic,7,xrun\n";
    text(&library.root, "gaps.csv", &format!("{header}{lines}{more}"));
    library.scan();
    assert_eq!((lost(&mut library, "2024-12-26"), library.events()), (vec![10, 7], vec!["gap 7".to_owned()]));
}

#[test]
fn both_hours_of_autumn_are_told_apart() {
    let mut library = library(&USUAL, |root| {
        // Berlin, 2024-10-27: 02:30 is 00:30 and 01:30 UTC. 600 frames are a minute.
        for (name, utc_s) in
            [("20241027_023000.wav", 1_730_000_000 - 12_800 + 1_860), ("x_20241027_023000.wav", 1_730_000_000 - 9_200 + 1_860)]
        {
            write(root, name, 600, utc_s - CHRISTMAS);
        }
        write(root, "y.flac", 10, 0);
        text(root, "analyses/y.flac.analysis.json", &ours("y.flac", "2024-10-27T00:45:00Z", 7_200));
        write(root, "z.flac", 10, 0);
        text(root, "analyses/z.flac.analysis.json", &ours("z.flac", "2024-10-27T01:45:00Z", 3_600));
    });
    library.scan();
    let day = library.reader.day("2024-10-27").expect("a day");
    let told: Vec<_> = day.files.iter().map(|file| (&*file.name, file.utc_offset_s)).collect();
    let want = [("20241027_023000.wav", 7_200), ("y.flac", 7_200), ("x_20241027_023000.wav", 3_600), ("z.flac", 3_600)];
    assert_eq!(told, want);
}

#[test]
fn a_damaged_catalogue_is_made_anew_at_the_next_look() {
    let mut library = library(&USUAL, |root| (0..50).for_each(|n| write(root, &format!("{n}.wav"), 10, n)));
    library.scan();
    let path = library.root.join("catalogue.db");
    let mut bytes = fs::read(&path).expect("read");
    bytes[4_096..].fill(0x5A);
    fs::write(&path, bytes).expect("written");
    // A reader meets it first.
    let query = FilesQuery { limit: 50, ..Default::default() };
    let mut fresh = Reader::new(&path, library.shared.doubt.clone());
    assert_eq!(fresh.files(&query), Err(Trouble::Busy(2)));
    library.scan();
    assert_eq!(fresh.files(&query).expect("a page").files.len(), 50);
    // And one that was taken away altogether.
    ["", "-wal", "-shm"].iter().for_each(|ending| _ = fs::remove_file(library.root.join(format!("catalogue.db{ending}"))));
    library.scan();
    assert_eq!(library.names().len(), 50);
}

#[test]
fn the_loop_answers_while_it_looks() {
    let library = library(&USUAL, |root| (0..3_000).for_each(|n| write(root, &format!("{n}.wav"), 1, n)));
    let Library { _folder, mut librarian, inbox, _asks, now, mut reader, .. } = library;
    let thread = std::thread::spawn(move || soundpost::actor::librarian::run(&inbox, &mut librarian, &|| now));
    let ask = |wish| {
        let (reply, answer) = async_channel::bounded(1);
        _asks.send_blocking(Ask { wish, reply: Some(reply) }).expect("asked");
        answer.recv_blocking().expect("answered")
    };
    // It begins with a look; this comes in the middle or after it.
    assert!(matches!(ask(Wish::Next { count: true }), Ok(Answer::Next { .. })));
    let done = ask(Wish::Scan);
    assert!(matches!(done, Ok(Answer::Done) | Err(Trouble::Busy(_))), "{done:?}");
    // While the catalogue is filled for the first time, nobody knows what is absent.
    let mut marked = ask(set("7.wav", Mark::Reviewed(true)));
    while marked == Err(Trouble::Busy(5)) {
        marked = ask(set("7.wav", Mark::Reviewed(true)));
    }
    assert!(matches!(marked, Ok(Answer::File(_))), "{marked:?}");
    assert_eq!(ask(set("gone.wav", Mark::Reviewed(true))), Err(Trouble::Absent));
    assert!(reader.find("7.wav").expect("there").marks.reviewed);
    drop(_asks);
    thread.join().expect("ended when nobody could ask any more");
}

#[test]
fn rebuild_makes_the_catalogue_of_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    fs::copy(data.join("wav/s16_stereo.wav"), folder.path().join("20241225_140000.wav")).expect("copied");
    fs::copy(data.join("flac/stereo.flac"), folder.path().join("b.flac")).expect("copied");
    // A copy made just now would count as growing.
    ["20241225_140000.wav", "b.flac"].iter().for_each(|name| touch(&folder.path().join(name), 0));
    fs::write(folder.path().join("catalogue.db"), "no database").expect("written");
    let run =
        || std::process::Command::new(env!("CARGO_BIN_EXE_soundpost")).arg("rebuild").arg(folder.path()).output().expect("run");
    for _ in 0..2 {
        let output = run();
        assert!(output.status.success(), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).starts_with("2 recordings in "), "{output:?}");
    }
    let mut reader = Reader::new(&folder.path().join("catalogue.db"), Arc::default());
    let file = reader.find("b.flac").expect("there");
    assert!(file.frames > 0 && file.rate_hz > 0 && file.channels == 2, "{file:?}");
    assert!(reader.find("20241225_140000.wav").expect("there").frames > 0);
    let missing =
        std::process::Command::new(env!("CARGO_BIN_EXE_soundpost")).args(["rebuild", "/no/such/folder"]).output().expect("run");
    assert_eq!(missing.status.code(), Some(2));
}

fn rss_anon_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("a figure");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Times are for the reader of the test's output; the bars stand in the benchmarks.
#[test]
fn a_hundred_thousand_files() {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock();
    let mut library = library(&USUAL, |root| {
        for n in 0..100_000 {
            let (day, s) = (n / 100, n % 100);
            if s == 0 {
                fs::create_dir_all(root.join(format!("{day:04}"))).expect("made");
            }
            File::create(
                root.join(
                    format!("{day:04}/{:04}{:02}{:02}_12{:02}00.wav", 2000 + day / 336, day / 28 % 12 + 1, day % 28 + 1, s % 60)
                        .replace("00.wav", &format!("{:02}.wav", s / 60)),
                ),
            )
            .expect("made");
        }
    });
    library.now = Wall(4_000_000_000 * SECOND_NS);
    let before = rss_anon_kib();
    let timed = |text: &str, library: &mut Library| {
        let began = Instant::now();
        library.scan();
        println!("{text}: {:?}, RssAnon {} KiB ({before} before)", began.elapsed(), rss_anon_kib());
    };
    timed("first look", &mut library);
    timed("second look", &mut library);
    let query = FilesQuery { limit: 100, ..Default::default() };
    for _ in 0..2 {
        let began = Instant::now();
        let page = library.reader.files(&query).expect("a page");
        println!("a page: {:?}", began.elapsed());
        assert_eq!((page.total, page.files.len()), (100_000, 100));
        let began = Instant::now();
        let days = library.reader.days(None, None).expect("days");
        println!("{} days: {:?}", days.len(), began.elapsed());
        assert_eq!(days.len(), 1_000);
    }
    fs::remove_dir_all(library.root.join("0500")).expect("removed");
    timed("after a hundred were deleted", &mut library);
    assert_eq!(library.reader.files(&query).map(|page| page.total), Ok(99_900));
    let told = library.listener.lost.load(std::sync::atomic::Ordering::Relaxed) as usize + library.events().len();
    assert!(told >= 100, "{told} events were told or lost");
}
