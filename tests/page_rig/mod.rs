//! A page over a folder of WAV files, without a recorder: what the tests of HTTP ask.
#![allow(dead_code)] // each test binary uses its own part

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use soundpost::actor::http::clerk::Clerk;
use soundpost::actor::http::library::{Library, Opened, Piece};
use soundpost::config::settings::{Live, Web};
use soundpost::config::value::Secret;
use soundpost::config::{Config, Environment};
use soundpost::device::Fault;
use soundpost::format::ReadAt;
use soundpost::message::analysis::{Centibel, Detection, Quality, Section};
use soundpost::message::clock::ClockSet;
use soundpost::message::handover::Hub;
use soundpost::message::library::{Day, DayRow, FileRow, FileState, FilesPage, FilesQuery, Mark, Marks, Trouble};
use soundpost::message::page::{AnalysisView, ClipRate, Excerpt, SpectrogramWish, Status};
use soundpost::policy::split::Zone;
use soundpost::time::Wall;
use soundpost::wiring::page::Page;
use soundpost::wiring::settings::Keeper;

/// 48 kHz, mono, 16 bits.
pub const RATE: u32 = 48_000;

pub struct Shelf {
    folder: PathBuf,
    marks: Mutex<Vec<(String, Marks)>>,
    keeper: Keeper,
    /// Where its file is.
    _configuration: tempfile::TempDir,
}

/// Keeps a configuration that nobody records by.
fn keeper() -> (Keeper, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("soundpost.ini");
    let sections = "[site]\nlatitude = 52.5\nlongitude = 13.4\n[mic]\ntype = tone\nschedule = sunset..sunrise\nduty = 60s/5m\n";
    fs::write(&path, sections).expect("written");
    let started = Config::load(&path, &Environment::default()).expect("readable");
    (Keeper::new(Some(path), Environment::default(), started, async_channel::bounded(1).0), folder)
}

/// A file with an own offset: nothing is shared between readers.
struct Bytes(File, u64);

impl ReadAt for Bytes {
    fn len(&self) -> io::Result<u64> {
        Ok(self.1)
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(buf, at)
    }
}

fn failed(e: io::Error) -> Trouble {
    if e.kind() == io::ErrorKind::NotFound { Trouble::Absent } else { Trouble::Failed("It cannot be read.".into()) }
}

impl Shelf {
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).expect("the folder");
        let mut names: Vec<String> = entries.map(|e| e.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
        names.sort();
        names
    }

    fn known(&self, name: &str) -> Result<PathBuf, Trouble> {
        if name == "panic.wav" {
            panic!("as the test wants it");
        }
        // Looked up, not joined.
        self.names().into_iter().find(|known| known == name).map(|known| self.folder.join(known)).ok_or(Trouble::Absent)
    }

    fn bytes(&self, name: &str) -> Result<Vec<u8>, Trouble> {
        fs::read(self.known(name)?).map_err(failed)
    }
}

impl Library for Shelf {
    fn days(&self, _: Option<&str>, _: Option<&str>) -> Result<Vec<DayRow>, Trouble> {
        let day = self.day("2026-05-22", None)?;
        Ok(vec![day.row])
    }

    fn day(&self, date: &str, _: Option<Detection>) -> Result<Day, Trouble> {
        if date != "2026-05-22" {
            return Err(Trouble::Absent);
        }
        let files = self.names().iter().map(|name| self.file(name)).collect::<Result<Vec<_>, _>>()?;
        let row = DayRow {
            date: date.into(),
            files: files.len() as u64,
            duration_ms: 0,
            bytes: files.iter().map(|file| file.bytes).sum(),
            sections: files.len() as u64,
            to_review: 0,
            gaps: 0,
            best: Some(Centibel(2_840)),
            watched_ms: 0,
        };
        Ok(Day { row, files, gaps: Vec::new(), watched: Vec::new() })
    }

    fn picture(&self, _: &str) -> Result<Vec<u8>, Trouble> {
        Ok(vec![255; 1_440 * 128])
    }

    fn files(&self, query: &FilesQuery) -> Result<FilesPage, Trouble> {
        let files = self.names().iter().rev().take(query.limit).map(|name| self.file(name)).collect::<Result<Vec<_>, _>>()?;
        Ok(FilesPage { files, total: self.names().len() as u64, next: None })
    }

    fn file(&self, name: &str) -> Result<FileRow, Trouble> {
        let bytes = fs::metadata(self.known(name)?).map_err(failed)?.len();
        let marks = self.marks.lock().expect("no panic").iter().rev().find(|(n, _)| n == name).map(|(_, m)| m.clone());
        Ok(FileRow {
            uploaded_at: None,
            name: name.into(),
            source: "mic".into(),
            start: Wall(1_779_415_200_000_000_000),
            utc_offset_s: 7_200,
            frames: (bytes - 44) / 2,
            rate_hz: RATE,
            channels: 1,
            bytes,
            modified: Wall(1_779_415_200_000_000_000),
            state: if name.starts_with("open") { FileState::Open } else { FileState::Analysed },
            sections: [Section { first_window: 10, end_window: 20, score: Centibel(2_840), band_hz: None }].into(),
            gaps: [].into(),
            marks: marks.unwrap_or_default(),
            trouble: None,
            details: "{}".into(),
            version: bytes,
        })
    }

    fn analysis(&self, name: &str, detection: Option<Detection>) -> Result<AnalysisView, Trouble> {
        let row = self.file(name)?;
        Ok(AnalysisView {
            name: name.into(),
            version: "1".into(),
            detection: detection.unwrap_or_default(),
            sections: row.sections,
            floor: vec![Centibel(-6_000)],
            quality: Quality::default(),
            indices: Vec::new(),
            labels: Vec::new(),
        })
    }

    fn profile(&self, name: &str) -> Result<Opened, Trouble> {
        self.known(name)?;
        Ok(Opened { bytes: Box::new(b"SPPF".to_vec()), len: 4, version: Some("1".into()) })
    }

    fn spectrogram(&self, wish: &SpectrogramWish) -> Result<Option<Vec<u8>>, Trouble> {
        self.known(&wish.name)?;
        Ok((wish.from_ns < 1_000_000_000).then(|| vec![0; wish.columns as usize * usize::from(wish.bands)]))
    }

    fn open(&self, name: &str) -> Result<Opened, Trouble> {
        let file = File::open(self.known(name)?).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        let version = (!name.starts_with("open")).then(|| format!("{len:x}"));
        Ok(Opened { bytes: Box::new(Bytes(file, len)), len, version })
    }

    fn beside(&self, name: &str) -> Result<Vec<(String, Opened)>, Trouble> {
        let sidecar = Opened { bytes: Box::new(b"{}".to_vec()), len: 2, version: None };
        Ok(vec![(format!("analyses/{name}.analysis.json"), sidecar)])
    }

    fn clip(&self, what: &Excerpt, _: ClipRate) -> Result<Option<Piece>, Trouble> {
        let Excerpt::File { name, from_ns, to_ns } = what else { return Err(Trouble::Absent) };
        if name.starts_with("open") {
            return Err(Trouble::Open);
        }
        let bytes = self.bytes(name)?;
        let at = |ns: u64| (44 + (ns as u128 * u128::from(RATE) / 1_000_000_000) as usize * 2).min(bytes.len());
        if at(*from_ns) >= bytes.len() {
            return Ok(None);
        }
        let clip = wav(&bytes[at(*from_ns)..at(*to_ns)]);
        Ok(Some(Piece {
            truth: what.clone(),
            gaps: Vec::new(),
            name: "clip.wav".into(),
            len: clip.len() as u64,
            body: Box::new(io::Cursor::new(clip)),
            version: Some("1".into()),
        }))
    }

    fn cut(&self, what: &Excerpt) -> Result<Option<Piece>, Trouble> {
        self.clip(what, ClipRate::Source)
    }

    fn mark(&self, name: &str, mark: Mark) -> Result<FileRow, Trouble> {
        let mut marks = self.file(name)?.marks;
        match mark {
            Mark::Reviewed(reviewed) => marks.reviewed = reviewed,
            Mark::Locked(locked) => marks.locked = locked,
            Mark::Note(note) => marks.note = note,
        }
        self.marks.lock().expect("no panic").push((name.into(), marks));
        self.file(name)
    }

    fn keep(&self, source: &str, _: u32, _: &str) -> Result<Vec<FileRow>, Trouble> {
        self.names().iter().filter(|_| source == "mic").take(1).map(|name| self.file(name)).collect()
    }

    fn delete(&self, name: &str) -> Result<(), Trouble> {
        if self.file(name)?.marks.locked {
            return Err(Trouble::Locked);
        }
        fs::remove_file(self.known(name)?).map_err(failed)
    }

    fn set_clock(&self, now: Wall) -> Result<ClockSet, Trouble> {
        Ok(ClockSet { by: "offset", moved_s: now.since(Wall(0)) as f64 / 1e9 })
    }

    fn status(&self) -> Status {
        Status { mode: "serve", time_zone: "Europe/Berlin".into(), ..Status::default() }
    }

    fn detection(&self) -> Detection {
        Detection::default()
    }

    fn zone(&self) -> Zone {
        Zone::get("Europe/Berlin").expect("known")
    }

    fn clerk(&self) -> Option<&dyn Clerk> {
        Some(&self.keeper)
    }
}

/// A header of 44 bytes and the samples.
pub fn wav(samples: &[u8]) -> Vec<u8> {
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + samples.len() as u32).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    bytes.extend(RATE.to_le_bytes());
    bytes.extend((RATE * 2).to_le_bytes());
    bytes.extend(b"\x02\0\x10\0data");
    bytes.extend((samples.len() as u32).to_le_bytes());
    bytes.extend(samples);
    bytes
}

/// So many samples, of which any few tell where they are from.
pub fn samples(count: u32) -> Vec<u8> {
    (0..count).flat_map(|n| ((n.wrapping_mul(2_654_435_761) >> 16) as i16 / 8).to_le_bytes()).collect()
}

/// A file that nobody is writing to any more, as its time tells.
pub fn recording(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("written");
    let an_hour_ago = std::time::SystemTime::now() - Duration::from_secs(3_600);
    File::options().write(true).open(path).and_then(|file| file.set_modified(an_hour_ago)).expect("its time");
}

/// A running page; it ends with the test.
pub struct Site {
    pub folder: tempfile::TempDir,
    pub hub: Arc<Hub>,
    target: Target,
    page: Page,
    threads: Vec<JoinHandle<Result<(), Fault>>>,
}

pub fn settings() -> Web {
    Web {
        enabled: true,
        bind: [127, 0, 0, 1].into(),
        port: 0,
        password_hash: None,
        session_hours: 1.0,
        max_connections: 64,
        max_per_host: 64,
        hosts: Vec::new(),
    }
}

impl Site {
    pub fn new() -> Site {
        Site::with(settings())
    }

    pub fn locked(hash: &str) -> Site {
        Site::with(Web { password_hash: Some(Secret::parse(hash).expect("a text")), ..settings() })
    }

    /// With a.wav of ten seconds and open.wav of one.
    pub fn with(web: Web) -> Site {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("a.wav"), wav(&samples(10 * RATE))).expect("written");
        fs::write(folder.path().join("open.wav"), wav(&samples(RATE))).expect("written");
        let (keeper, _configuration) = keeper();
        let library = Shelf { folder: folder.path().into(), marks: Mutex::default(), keeper, _configuration };
        let hub = Arc::new(Hub::default());
        let page = Page::open(&web, &Live::closed(), Arc::new(library), hub.clone(), Arc::default(), None).expect("a port");
        let threads = page.spawn().expect("threads").into();
        let target = Target { port: page.port(), folder: folder.path().into() };
        let site = Site { folder, hub, target, page, threads };
        site.wait_ready();
        site
    }

    fn wait_ready(&self) {
        for _ in 0..500 {
            if self.get("/healthz").status == 200 {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the page does not come up");
    }
}

impl std::ops::Deref for Site {
    type Target = Target;

    fn deref(&self) -> &Target {
        &self.target
    }
}

/// Where a page is, and its folder: asks it.
pub struct Target {
    pub port: u16,
    pub folder: PathBuf,
}

impl Target {
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
        stream.set_write_timeout(Some(Duration::from_secs(20))).expect("set");
        stream
    }

    /// Sends bytes as they are, closes that way, and reads all that comes back.
    pub fn raw(&self, bytes: &[u8]) -> Reply {
        let mut stream = self.connect();
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        Reply::read(&mut stream)
    }

    /// Looks until it is so; two minutes at most.
    pub fn wait_for(&self, is_so: impl Fn(&Target) -> bool) {
        for _ in 0..2_400 {
            if is_so(self) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("it does not come about: {}", self.get("/api/files").text());
    }

    pub fn get(&self, target: &str) -> Reply {
        self.ask("GET", target, "", "")
    }

    /// `lines`: each with its CRLF.
    pub fn ask(&self, method: &str, target: &str, lines: &str, body: &str) -> Reply {
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let mut stream = self.connect();
        let text = format!("{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n{lines}{length}\r\n{body}", self.port);
        stream.write_all(text.as_bytes()).expect("sent");
        Reply::read(&mut stream)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.page.stop();
        for thread in self.threads.drain(..) {
            let end = thread.join();
            if !std::thread::panicking() {
                end.expect("no panic").expect("no fault");
            }
        }
    }
}

/// An answer, or what there was of it.
#[derive(Clone, Debug)]
pub struct Reply {
    /// 0 when nothing came.
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn read(stream: &mut TcpStream) -> Reply {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        Reply::of(&bytes)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn of(bytes: &[u8]) -> Reply {
        let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else {
            return Reply { status: 0, head: String::new(), body: bytes.to_vec() };
        };
        let head = String::from_utf8(bytes[..end + 2].to_vec()).expect("a head is text");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        Reply { status, head, body: bytes[end + 4..].to_vec() }
    }

    pub fn line(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {:?}", String::from_utf8_lossy(&self.body)))
    }

    /// One sentence, as JSON.
    #[track_caller]
    pub fn is_refusal(&self, status: u16) {
        assert_eq!(self.status, status, "{} {}", self.head, String::from_utf8_lossy(&self.body));
        let error = self.json()["error"].as_str().expect("a text").to_owned();
        assert!(error.ends_with('.') && !error.contains('\n'), "{error}");
        assert_eq!(self.line("content-length"), Some(self.body.len().to_string().as_str()));
        assert_eq!(self.line("x-content-type-options"), Some("nosniff"));
    }
}

pub fn read(path: &Path) -> Vec<u8> {
    fs::read(path).expect("readable")
}

/// Resident memory of a process in kB, what is its own only.
pub fn memory_kb(child: &Child) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/status", child.id())).expect("status");
    let line = text.lines().find(|line| line.starts_with("RssAnon:")).expect("a line");
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
}

pub fn threads(child: &Child) -> usize {
    fs::read_dir(format!("/proc/{}/task", child.id())).expect("tasks").count()
}
