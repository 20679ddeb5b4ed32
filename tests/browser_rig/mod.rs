//! The page as people meet it: the real program over a folder, asked over HTTP, and looked at by a real browser.
#![allow(dead_code)] // each test binary uses its own part

pub mod station;
pub mod wood;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use crate::common::{Recorder, soundpost};

/// For a machine on which everything else is built at the same time; a whole day of sound is sixty times as much to analyse.
fn patience() -> Duration {
    Duration::from_secs(if std::env::var_os("SOUNDPOST_FULL_DAY").is_some() { 3_600 } else { 240 })
}

/// `soundpost serve`, or `record` with its page, for the length of a test.
pub struct Served {
    pub recorder: Recorder,
    /// `http://127.0.0.1:PORT/`
    pub base: String,
}

impl Served {
    /// In a time zone, so that a test knows which day it is.
    pub fn serve(folder: &Path, zone: &str) -> Served {
        let mut command = soundpost();
        command.arg("serve").arg(folder).args(["--port", "0", "--bind", "127.0.0.1"]).env("TZ", zone);
        Served::spawn(&mut command)
    }

    pub fn spawn(command: &mut Command) -> Served {
        let mut recorder = Recorder::spawn(command);
        let line = recorder.wait_for("http://", Duration::from_secs(30));
        let port = line.trim_end_matches('/').rsplit(':').next().expect("a port");
        let base = format!("http://127.0.0.1:{port}/");
        Served { recorder, base }
    }

    pub fn get(&self, path: &str) -> Value {
        let (status, _, body) = self.ask(path);
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    /// Status, headers that begin with X-Soundpost-, and the body.
    pub fn ask(&self, path: &str) -> (u16, Vec<(String, String)>, Vec<u8>) {
        let request = ureq::get(format!("{}{path}", self.base)).config().http_status_as_error(false).build();
        let mut answer = request.call().unwrap_or_else(|e| panic!("{path}: {e}"));
        let text = |value: &ureq::http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let headers = answer.headers().iter().map(|(name, value)| (name.to_string(), text(value)));
        let ours = headers.filter(|(name, _)| name.starts_with("x-soundpost-")).collect();
        (answer.status().as_u16(), ours, answer.body_mut().with_config().limit(1 << 31).read_to_vec().expect("a body"))
    }

    pub fn put(&self, path: &str, body: &Value) -> Value {
        let asked = ureq::put(format!("{}{path}", self.base)).header("Content-Type", "application/json").send(body.to_string());
        let text = asked.and_then(|mut answer| answer.body_mut().read_to_string()).unwrap_or_else(|e| panic!("{path}: {e}"));
        serde_json::from_str(&text).expect("JSON")
    }

    /// None before the folder was looked through for the first time.
    fn files(&self) -> Vec<Value> {
        match self.ask("api/files?limit=1000") {
            (503, ..) => Vec::new(),
            (_, _, body) => serde_json::from_slice::<Value>(&body).expect("JSON")["files"].as_array().expect("a list").clone(),
        }
    }

    /// The recordings that are analysed, once there are `count`.
    pub fn analysed(&self, count: usize) -> Vec<Value> {
        let until = Instant::now() + patience();
        loop {
            let files = self.files();
            let trouble = files.iter().find(|file| !file["trouble"].is_null());
            assert!(trouble.is_none(), "{trouble:?}");
            let analysed: Vec<Value> = files.into_iter().filter(|file| file["state"] == "analysed").collect();
            if analysed.len() == count {
                return analysed;
            }
            assert!(Instant::now() < until, "of {count} recordings {} are analysed: {analysed:?}", analysed.len());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// As if it had been written to last at `end`: a file that was written to just now counts as growing.
pub fn date(path: &Path, end: SystemTime) {
    File::options().append(true).open(path).and_then(|file| file.set_modified(end)).expect("dated");
}

/// The browser tests over a page; `only` is a regular expression of their names, `variables` are what tests/browser/world.mjs tells of.
pub fn browse(pass: &str, only: Option<&str>, zone: &str, variables: &[(&str, &str)]) {
    let _one = one_browser();
    let folder = install();
    let shots = screenshots(pass);
    let mut command = Command::new("node");
    command.args(["--test", "--test-concurrency=1", "--test-reporter=spec"]);
    command.args(only.map(|names| format!("--test-name-pattern={names}")));
    command.current_dir(&folder).env("SCREENSHOTS", &shots).env("TZ", zone).envs(variables.iter().copied());
    let output = command.output().expect("node runs");
    let said: String = said(&output).split_inclusive('\n').filter(|line| !line.contains("does not match pattern")).collect();
    fs::write(shots.join("said.txt"), &said).expect("written");
    assert!(output.status.success(), "{pass}: the browser tests fail; pictures are in {}\n{said}", shots.display());
    println!("{pass}: {}", said.lines().filter(|line| line.contains("pass ") || line.contains("skipped ")).collect::<String>());
}

/// A script of tests/browser; what it prints.
pub fn script(name: &str, variables: &[(&str, &str)]) -> String {
    let _one = one_browser();
    let folder = install();
    let output = Command::new("node").arg(name).current_dir(folder).envs(variables.iter().copied()).output().expect("node runs");
    assert!(output.status.success(), "{name}: {}", said(&output));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Browsers beside each other only make each other slow.
fn one_browser() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn screenshots(pass: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target").join("screenshots").join(pass);
    fs::create_dir_all(&folder).expect("made");
    folder
}

/// What node, npm and Chromium say is there, and the packages of tests/browser, installed when they are not there yet.
fn install() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    let chromium = std::env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".into());
    for tool in ["node", "npm", &chromium] {
        let is_there = Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
        assert!(is_there, "{tool} is not installed, and the page is tested with it: make setup");
    }
    let wanted = fs::read(folder.join("package-lock.json")).expect("a lock file");
    let stamp = folder.join("node_modules/.installed");
    if fs::read(&stamp).is_ok_and(|has| has == wanted) {
        return folder;
    }
    let output = Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder).output().expect("npm runs");
    assert!(output.status.success(), "npm ci in {}: {}", folder.display(), said(&output));
    fs::write(stamp, wanted).expect("written");
    folder
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
