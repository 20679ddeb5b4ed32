//! Cuts and clips of a source by the clock, over files that follow each other, over holes, and into the file that is recorded.

mod sounds;

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use soundpost::actor::http::library::{Library, Piece};
use soundpost::actor::librarian::{Librarian, Settings, Shared};
use soundpost::actor::store::parse_gap_line;
use soundpost::command::rebuild::Headers;
use soundpost::format::civil::utc_text;
use soundpost::format::decode::open;
use soundpost::format::metadata::Station;
use soundpost::format::{flac, wav};
use soundpost::message::analysis::Detection;
use soundpost::message::library::{Trouble, Wish};
use soundpost::message::page::{ClipRate, Excerpt};
use soundpost::message::{ClockState, Depth, Identity, PcmFormat};
use soundpost::policy::split::Zone;
use soundpost::time::{Rate, SECOND_NS, Wall};
use soundpost::wiring::library::{self, Shelves};
use sounds::{run, sound, text};

const RATE: usize = 8_000;
/// 2024-12-25 14:00 UTC.
const CHRISTMAS: i64 = 1_735_135_200;

fn at(seconds: f64) -> Wall {
    Wall(CHRISTMAS * SECOND_NS + (seconds * SECOND_NS as f64).round() as i64)
}

/// A folder that is filled file by file with one long sound.
struct Folder {
    temp: tempfile::TempDir,
    samples: Vec<i32>,
    extension: &'static str,
}

impl Folder {
    fn new(extension: &'static str) -> Folder {
        let temp = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(temp.path().join("rec/analyses")).expect("made");
        Folder { temp, samples: sound(RATE as u32, 1, 16, 60 * RATE), extension }
    }

    fn root(&self) -> PathBuf {
        self.temp.path().join("rec")
    }

    /// Seconds of the sound, as a file of another program; `name` without extension.
    fn foreign(&self, name: &str, from: usize, to: usize) -> PathBuf {
        let wav = self.root().join(format!("{name}.wav"));
        let (channels, sample_rate, bits_per_sample) = (1, RATE as u32, 16);
        let spec = hound::WavSpec { channels, sample_rate, bits_per_sample, sample_format: hound::SampleFormat::Int };
        let mut writer = hound::WavWriter::create(&wav, spec).expect("created");
        self.samples[from * RATE..to * RATE].iter().for_each(|&s| writer.write_sample(s).expect("written"));
        writer.finalize().expect("closed");
        let path = wav.with_extension(self.extension);
        if self.extension == "flac" {
            run("flac", &["-s", "-f", "-o", text(&path), text(&wav)]);
            fs::remove_file(&wav).expect("removed");
        }
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(CHRISTMAS as u64);
        File::options().write(true).open(&path).and_then(|file| file.set_modified(long_ago)).expect("touched");
        path
    }

    /// The same with a sidecar of ours: number of its first frame in seconds, and how much later than that its clock says.
    fn ours(&self, name: &str, from: usize, to: usize, first_s: usize, late_s: f64, gap: Option<(usize, usize)>) {
        let path = self.foreign(name, from, to);
        let (gaps, lost) = match gap {
            None => (String::new(), 0),
            Some((at, lost)) => {
                let (at, lost) = (at * RATE, lost * RATE);
                (format!(r#"{{"at_frame": {at}, "lost_frames": {lost}, "reason": "xrun"}}"#), lost)
            }
        };
        let start = utc_text(at(first_s as f64 + late_s));
        let (first, frames) = (first_s * RATE, (to - from) * RATE);
        let file = path.file_name().and_then(|n| n.to_str()).expect("UTF-8");
        let sidecar = format!(
            r#"{{"schema": "soundpost/analysis/1", "file": "{file}", "source": "mic", "session": "s", "first_frame": {first},
            "frames": {frames}, "lost_frames": {lost}, "sample_rate": {RATE}, "channels": 1, "bit_depth": 16, "start": "{start}",
            "end": "{start}", "utc_offset_s": 3600, "clock": "synced", "end_reason": "split", "recovered": false,
            "suspect": false, "gaps": [{gaps}], "software": "x"}}"#
        );
        fs::write(self.root().join(format!("analyses/{file}.analysis.json")), sidecar).expect("written");
    }

    /// What is being recorded: a header as at the start, then so much as there is, and a torn end.
    fn open_one(&self, name: &str, from: usize, to: usize, first_s: usize) {
        let rate = Rate::new(RATE as u32).expect("a rate");
        let identity = Identity {
            source: "mic".into(),
            session: "s".into(),
            first_frame: (first_s * RATE) as u64,
            start: at(first_s as f64),
            utc_offset_s: 3_600,
            clock: ClockState::Synced,
            format: PcmFormat { rate, channels: 1, depth: Depth::Sixteen }.into(),
        };
        let closed = fs::read(self.foreign("whole", from, to)).expect("read");
        fs::remove_file(self.root().join(format!("whole.{}", self.extension))).expect("removed");
        let mut bytes = if self.extension == "wav" {
            let mut bytes = wav::header(&identity, &Station::default());
            bytes.extend_from_slice(&closed[44..]);
            bytes
        } else {
            let mut bytes = flac::header(&identity, &Station::default(), 10, 4_096).bytes;
            bytes.extend_from_slice(&closed[flac::parse(&closed).expect("FLAC").audio_at as usize..]);
            bytes
        };
        bytes.push(0xFF);
        fs::write(self.root().join(format!("{name}.{}.part", self.extension)), bytes).expect("written");
    }

    /// The library, which has looked through the folder.
    fn library(&self) -> Shelves {
        let (root, analyses, catalogue) = (self.root(), self.root().join("analyses"), self.root().join("catalogue.db"));
        let zone = Zone::get("Europe/Berlin").expect("known");
        let settings = Settings {
            root: root.clone(),
            analyses: analyses.clone(),
            catalogue: catalogue.clone(),
            read_only: false,
            scan_every: Duration::MAX,
            zone: zone.clone(),
            software: "soundpost test".into(),
            parse_gap: parse_gap_line,
            turns: Arc::default(),
            retention: None,
            targets: Vec::new(),
        };
        let shared = Arc::new(Shared::default());
        let mut librarian = Librarian::open(settings, Box::new(Headers), shared.clone()).expect("opened");
        let (asks, inbox) = async_channel::bounded(1);
        librarian.answer(Wish::Scan, &inbox, &|| at(86_400.0)).expect("looked");
        let settings = library::Settings {
            mode: "serve",
            root,
            analyses,
            catalogue,
            read_only: false,
            detection: Detection::default(),
            pre_roll_ms: 0,
            post_roll_ms: 0,
            zone,
            machine: Default::default(),
            uploads: Vec::new(),
        };
        Shelves::new(settings, asks, shared, Arc::default(), Box::new(Vec::new), Arc::default())
    }

    /// Samples of a file, each of which must be of the sound in its place; and where they begin.
    #[track_caller]
    fn is(&self, bytes: &[u8], extension: &str, from: f64, to: f64) {
        let mut decoder = open(Box::new(bytes.to_vec()), extension).expect("a recording");
        let mut samples = vec![0; decoder.measure().expect("measured") as usize];
        assert_eq!(decoder.read(&mut samples).expect("read"), samples.len());
        let slack = if self.extension == "flac" { 4_608 } else { 1 };
        let near = (from * RATE as f64).round() as usize;
        let start = (near.saturating_sub(slack)..=near)
            .find(|&n| self.samples.get(n..n + samples.len()).is_some_and(|want| want == samples))
            .unwrap_or_else(|| panic!("{} samples are not those from {from} s on", samples.len()));
        let end = (start + samples.len()) as f64 / RATE as f64;
        assert!((to..=to + slack as f64 / RATE as f64).contains(&end), "it ends at {end} s, not {to} s");
    }
}

fn source(from: f64, to: f64) -> Excerpt {
    Excerpt::Source { source: "mic".into(), from: at(from), to: at(to) }
}

fn read(mut piece: Piece) -> Vec<u8> {
    let mut bytes = Vec::new();
    piece.body.read_to_end(&mut bytes).expect("whole");
    assert_eq!(bytes.len() as u64, piece.len);
    bytes
}

/// Seconds after Christmas of each gap.
fn gaps(piece: &Piece) -> Vec<(f64, f64)> {
    let s = |wall: Wall| (wall.since(at(0.0)) as f64 / SECOND_NS as f64 * 1e3).round() / 1e3;
    piece.gaps.iter().map(|gap| (s(gap.start), s(gap.end))).collect()
}

fn unzipped(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let folder = tempfile::tempdir().expect("a folder");
    let zip = folder.path().join("a.zip");
    fs::write(&zip, bytes).expect("written");
    let code = "import sys,zipfile; z=zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; z.extractall(sys.argv[2])";
    run("python3", &["-c", code, text(&zip), text(&folder.path().join("out"))]);
    let entries = fs::read_dir(folder.path().join("out")).expect("extracted").map(|e| e.expect("an entry").path());
    let name = |path: &Path| path.file_name().and_then(|n| n.to_str()).expect("UTF-8").to_owned();
    let mut files: Vec<_> = entries.map(|path| (name(&path), fs::read(&path).expect("read"))).collect();
    files.sort();
    files
}

/// Three files without a hole, five seconds without any, one more; the second one's clock has drifted a little.
fn filled(extension: &'static str) -> Folder {
    let folder = Folder::new(extension);
    folder.ours("a", 0, 10, 0, 0.0, None);
    folder.ours("b", 10, 20, 10, -0.3, None);
    folder.ours("c", 20, 25, 20, 0.2, None);
    folder.ours("d", 25, 35, 30, 0.0, None);
    folder
}

#[test]
fn files_that_follow_each_other_become_one() {
    for extension in ["wav", "flac"] {
        let folder = filled(extension);
        let library = folder.library();
        let cut = |from, to| library.cut(&source(from, to)).expect("no trouble").expect("sound");
        let piece = cut(5.0, 22.0);
        // A coded frame of FLAC begins a little earlier.
        let name = if extension == "wav" { "mic_20241225_150005.wav" } else { "mic_20241225_150004.flac" };
        assert_eq!((piece.name.as_str(), gaps(&piece)), (name, vec![]));
        assert!(piece.version.is_some());
        let Excerpt::Source { from, to, .. } = piece.truth.clone() else { panic!("a range of the clock") };
        assert!((from.since(at(5.0)) as f64 / 1e9).abs() < 0.6 && (to.since(at(22.0)) as f64 / 1e9).abs() < 0.6);
        // By the clock of the third file, which is late.
        folder.is(&read(piece), extension, 5.0, 21.8);
        folder.is(&read(cut(2.0, 3.0)), extension, 2.0, 3.0);
        // Between what two clocks say of one moment nothing is lost, nothing comes twice.
        folder.is(&read(cut(9.6, 9.9)), extension, 9.6, 10.2);
        folder.is(&read(cut(9.0, 20.1)), extension, 9.0, 20.0);
        assert!(library.cut(&source(26.0, 29.0)).expect("no trouble").is_none());
        assert!(library.cut(&source(100.0, 200.0)).expect("no trouble").is_none());
    }
}

#[test]
fn a_hole_makes_two_files_of_it() {
    for extension in ["wav", "flac"] {
        let folder = filled(extension);
        let piece = folder.library().cut(&source(15.0, 33.0)).expect("no trouble").expect("sound");
        let first = if extension == "wav" { "150015" } else { "150014" };
        assert_eq!((&piece.name, gaps(&piece)), (&format!("mic_20241225_{first}.zip"), vec![(25.2, 30.0)]));
        let files = unzipped(&read(piece));
        let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, [first, "150030"].map(|at| format!("mic_20241225_{at}.{extension}")));
        folder.is(&files[0].1, extension, 15.3, 25.0);
        folder.is(&files[1].1, extension, 25.0, 28.0);
    }
}

#[test]
fn what_was_lost_inside_a_file_is_told() {
    let folder = Folder::new("wav");
    folder.ours("a", 0, 10, 0, 0.0, Some((4, 2)));
    folder.ours("b", 10, 20, 12, 0.0, None);
    let library = folder.library();
    let piece = library.cut(&source(3.0, 14.0)).expect("no trouble").expect("sound");
    assert_eq!(gaps(&piece), [(4.0, 6.0)]);
    folder.is(&read(piece), "wav", 3.0, 12.0);
    let piece = library.cut(&source(8.0, 9.0)).expect("no trouble").expect("sound");
    assert_eq!(gaps(&piece), []);
    folder.is(&read(piece), "wav", 6.0, 7.0);
}

#[test]
fn what_is_being_recorded_is_reached() {
    for extension in ["wav", "flac"] {
        let folder = Folder::new(extension);
        folder.ours("a", 0, 10, 0, 0.0, None);
        folder.open_one("b", 10, 17, 10);
        let library = folder.library();
        let piece = library.cut(&source(8.0, 100.0)).expect("no trouble").expect("sound");
        assert_eq!((piece.version.clone(), gaps(&piece)), (None, vec![]));
        folder.is(&read(piece), extension, 8.0, 17.0);
        let piece = library.clip(&source(8.0, 20.0), ClipRate::Common).expect("no trouble").expect("sound");
        assert_eq!(gaps(&piece), [(17.0, 20.0)]);
        let bytes = read(piece);
        let samples: Vec<i32> =
            hound::WavReader::new(&bytes[..]).expect("a WAV").into_samples().map(|s| s.expect("read")).collect();
        assert!(samples.len() == 12 * RATE && samples[..9 * RATE] == folder.samples[8 * RATE..17 * RATE]);
        // By its own time it is refused.
        let file = Excerpt::File { name: format!("b.{extension}"), from_ns: 0, to_ns: SECOND_NS as u64 };
        assert!(
            matches!(library.cut(&file), Err(Trouble::Open))
                && matches!(library.clip(&file, ClipRate::Common), Err(Trouble::Open))
        );
    }
}

#[test]
fn a_clip_crosses_files_and_holes() {
    for extension in ["wav", "flac"] {
        let folder = Folder::new(extension);
        folder.ours("a", 0, 10, 0, 0.0, None);
        folder.ours("b", 10, 20, 10, 0.0, None);
        folder.ours("d", 20, 30, 25, 0.0, None);
        let piece = folder.library().clip(&source(8.0, 28.0), ClipRate::Common).expect("no trouble").expect("sound");
        assert_eq!(gaps(&piece), [(20.0, 25.0)]);
        let bytes = read(piece);
        let got: Vec<i32> = hound::WavReader::new(&bytes[..]).expect("a WAV").into_samples().map(|s| s.expect("read")).collect();
        let s = &folder.samples;
        let want = [&s[8 * RATE..20 * RATE], &vec![0; 5 * RATE], &s[20 * RATE..23 * RATE]].concat();
        assert!(got == want, "{extension}");
    }
}

/// The program: a folder, times of the day, and a file for each stretch.
#[test]
fn command_line() {
    let folder = filled("flac");
    folder.foreign("20241225_160000", 40, 45);
    folder.foreign("20241225_160005", 45, 50);
    let root = folder.root();
    let soundpost = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_soundpost"));
        let done = command.args(arguments).env("TZ", "Europe/Berlin").output().expect("it starts");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (done.status.code(), text(done.stdout), text(done.stderr))
    };
    let out = folder.temp.path().join("out.flac");
    let (root, output) = (text(&root), text(&out));
    let range = ["--from", "2024-12-25T15:00:15", "--to", "2024-12-25T14:00:33Z"];
    let (code, said, told) = soundpost(&[&["cut", root, "-o", output], &range[..]].concat());
    assert_eq!(code, Some(0), "{told}");
    let lines: Vec<_> = said.lines().collect();
    assert!(lines.len() == 2 && lines[1].starts_with(&output.replace("out", "out-2")), "{said}");
    assert!(told.starts_with("not in it: 2024-12-25T14:00:25.200000Z to 2024-12-25T14:00:30.000000Z"), "{told}");
    folder.is(&fs::read(&out).expect("there"), "flac", 15.3, 25.0);
    folder.is(&fs::read(out.with_file_name("out-2.flac")).expect("there"), "flac", 25.0, 28.0);
    // Files of another program follow each other by their names.
    let joined = text(&folder.temp.path().join("joined.flac")).to_owned();
    let range = ["--from", "2024-12-25 16:00:03", "--to", "2024-12-25T16:00:07+01:00"];
    let (code, said, told) = soundpost(&[&["cut", root, "-o", &joined], &range[..]].concat());
    assert!(code == Some(0) && said.lines().count() == 1 && told.is_empty(), "{said}{told}");
    folder.is(&fs::read(&joined).expect("there"), "flac", 43.0, 47.0);
    let clip = text(&folder.temp.path().join("clip.wav")).to_owned();
    let range = ["--source", "mic", "--from", "2024-12-25T14:00:21Z", "--to", "2024-12-25T14:00:31Z"];
    let (code, said, told) = soundpost(&[&["clip", root, "-o", &clip], &range[..]].concat());
    assert!(code == Some(0) && told.starts_with("not in it: 2024-12-25T14:00:25.2"), "{said}{told}");
    assert_eq!(hound::WavReader::open(&clip).expect("a WAV").duration(), 10 * RATE as u32);
    let nothing = text(&folder.temp.path().join("nothing.flac")).to_owned();
    let day = ["--from", "2024-12-25T14:00:00Z", "--to", "2024-12-25T16:00:00Z"];
    for (arguments, code, want) in [
        (&["--from", "90"][..], 2, "'90' is no time of a day: want 2026-05-22T04:12:31 or …Z\n".to_owned()),
        (&["--from", "2024-12-25T14:00:00Z"], 2, "a folder needs --to\n".into()),
        (&[day[0], day[1], "--to", "2024-12-25T13:00:00Z"], 2, "--to must be later than --from\n".into()),
        (&day, 2, "several sources recorded then: choose one by --source (mic)\n".into()),
        (&["--source", "owl", day[0], day[1], day[2], day[3]], 1, format!("{root}: nothing was recorded in this range\n")),
    ] {
        assert_eq!(soundpost(&[&["cut", root, "-o", &nothing], arguments].concat()), (Some(code), String::new(), want));
    }
    assert!(!Path::new(&nothing).exists() && !folder.root().join("catalogue.db").exists());
}
