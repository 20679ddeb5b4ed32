//! What the end-to-end tests share: the program, sound that can be recognised, and readers of what was recorded.
#![allow(dead_code, unused_imports)] // each test binary uses its own part

pub mod cards;
pub mod follow;
pub mod kernel_clock;
pub mod lanes;
pub mod rig;
pub mod venv;
pub mod volume;
pub mod wait;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

pub use follow::free_port;
pub use venv::venv;
pub use wait::{until, until_it_is};

/// The program under test.
pub fn soundpost() -> Command {
    Command::new(env!("CARGO_BIN_EXE_soundpost"))
}

/// Random 16-bit samples, the same for a seed: any stretch of a few samples tells where it is from.
pub fn noise(seed: u64, samples: usize) -> Vec<i16> {
    let mut x = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        (x >> 24) as i16 / 4 // not full scale: libFLAC has something to do
    };
    std::iter::repeat_with(next).take(samples).collect()
}

pub fn bytes_of(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|s| s.to_le_bytes()).collect()
}

/// A folder with a raw recording in it and room for recordings, removed afterwards.
pub struct Place {
    pub folder: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Place {
        Place { folder: tempfile::tempdir().expect("a folder") }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn recordings(&self) -> PathBuf {
        self.path("recordings")
    }

    /// Writes samples as NAME.raw.
    pub fn raw(&self, name: &str, samples: &[i16]) -> PathBuf {
        let path = self.path(&format!("{name}.raw"));
        fs::write(&path, bytes_of(samples)).expect("written");
        path
    }

    /// Writes a configuration: general keys and sections as they are, the output folder and the log file in here; in UTC unless
    /// `general` says otherwise.
    pub fn config(&self, general: &str, sections: &str) -> PathBuf {
        let path = self.path("soundpost.ini");
        let folder = self.recordings();
        let log = self.path("recorder.log");
        let zone = if general.contains("time_zone") { "" } else { "time_zone = UTC\n" };
        // Many recorders run at once; who wants the page says so.
        let web = if sections.contains("[web]") { "" } else { "[web]\nenabled = no\n" };
        let text = format!(
            "[general]\noutput_directory = {}\nlog_file = {}\n{zone}{general}\n{web}{sections}\n",
            folder.display(),
            log.display()
        );
        fs::write(&path, text).expect("written");
        path
    }
}

/// A running recorder whose log lines can be waited for.
pub struct Recorder {
    pub child: Child,
    lines: mpsc::Receiver<String>,
    pub log: Vec<String>,
    pub started: Instant,
}

impl Recorder {
    pub fn start(config: &Path, extra: &[&str]) -> Recorder {
        Recorder::spawn(soundpost().arg("record").arg("-c").arg(config).args(extra))
    }

    pub fn spawn(command: &mut Command) -> Recorder {
        let started = Instant::now();
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let stderr = child.stderr.take().expect("piped");
        let (tx, lines) = mpsc::channel();
        thread::spawn(move || BufReader::new(stderr).lines().map_while(Result::ok).for_each(|line| drop(tx.send(line))));
        Recorder { child, lines, log: Vec::new(), started }
    }

    /// Waits until a log line holds `text`; fails with the whole log when none comes in time.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str, within: Duration) -> String {
        self.wait_for_all(&[text], within)
    }

    /// A line that holds all of these.
    #[track_caller]
    pub fn wait_for_all(&mut self, parts: &[&str], within: Duration) -> String {
        let until = Instant::now() + within;
        let is_it = |line: &String| parts.iter().all(|part| line.contains(part));
        if let Some(line) = self.log.iter().find(|line| is_it(line)) {
            return line.clone();
        }
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.log.push(line.clone());
                    if is_it(&line) {
                        return line;
                    }
                }
                Err(_) => panic!("no line with {parts:?} in {within:?}; the log:\n{}", self.log.join("\n")),
            }
        }
    }

    /// Whether a log line so far holds `text`.
    pub fn has_said(&mut self, text: &str) -> bool {
        self.log.extend(self.lines.try_iter());
        self.log.iter().any(|line| line.contains(text))
    }

    /// Waits until it is so; fails with the whole log when it is not in time, or the recorder has ended.
    #[track_caller]
    pub fn wait_until(&mut self, what: &str, within: Duration, mut is_so: impl FnMut() -> bool) {
        let until = Instant::now() + within;
        while !is_so() {
            assert!(self.child.try_wait().expect("known").is_none(), "{what}: it has ended");
            if Instant::now() > until {
                self.kill();
                panic!("{what}: not in {within:?}; the log:\n{}", self.log.join("\n"));
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(status.is_ok_and(|s| s.success()), "signal {name} was sent");
    }

    /// Waits for the end; the log is complete afterwards.
    pub fn wait(&mut self, within: Duration) -> ExitStatus {
        let until = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                self.log.extend(self.lines.iter());
                return status;
            }
            if Instant::now() > until {
                self.log.extend(self.lines.try_iter());
                panic!("still running after {within:?}; the log:\n{}", self.log.join("\n"));
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
        self.log.extend(self.lines.iter());
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every finished recording below a folder, by name.
pub fn recordings(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(folder, &mut found);
    let kinds = ["flac", "wav", "mp3", "aac", "ogg", "opus"];
    found.retain(|p| p.extension().is_some_and(|e| kinds.iter().any(|kind| e == *kind)));
    found.sort();
    found
}

/// Every file below a folder.
pub fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { walk(&path, found) } else { found.push(path) }
    }
}

/// The sidecar of a recording.
pub fn sidecar(root: &Path, recording: &Path) -> serde_json::Value {
    let relative = recording.strip_prefix(root).expect("below the root");
    let path = root.join("analyses").join(format!("{}.analysis.json", relative.display()));
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).expect("JSON")
}

/// All samples of a finished recording, by claxon or hound, not by our own readers.
pub fn decode(path: &Path) -> Vec<i32> {
    if path.extension().is_some_and(|e| e == "flac") {
        let mut reader = claxon::FlacReader::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        reader.samples().map(|s| s.unwrap_or_else(|e| panic!("{}: {e}", path.display()))).collect()
    } else {
        let reader = hound::WavReader::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        reader.into_samples::<i32>().map(|s| s.expect("a sample")).collect()
    }
}

/// Runs a tool that must succeed; what it said on failure is in the message.
pub fn tool(name: &str, arguments: &[&str]) -> String {
    let out = Command::new(name).args(arguments).output().unwrap_or_else(|e| panic!("{name} is not installed ({e}): make setup"));
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{name} {arguments:?}: {said}");
    said
}

/// The codec's own judgement.
pub fn assert_sound(path: &Path) {
    let name = path.to_str().expect("a plain path");
    if path.extension().is_some_and(|e| e == "flac") {
        tool("flac", &["-s", "-t", name]);
    } else {
        tool("sndfile-info", &[name]);
    }
}

/// Lines of gaps.csv without its header, split at commas.
pub fn gaps(root: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(root.join("gaps.csv")).unwrap_or_default();
    text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}
