//! What the tests of uploads share: real servers, a line to them that fails by a script, and a patient sender.
#![allow(dead_code)] // each test binary uses its own part

pub mod line;
#[allow(clippy::duplicate_mod)] // some of them have `common` too
#[path = "../common/venv.rs"]
mod venv;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fs, thread};

use soundpost::device::clock::{Clock, RealClock};
use soundpost::device::remote::{Access, Manner, Parcel, Receipt, Remote, S3, Trouble, Way};
use soundpost::device::stream::{Agent, Client, Limits, Options};
use soundpost::policy::outbox::State;

pub use venv::venv;

/// A server of another's making; ended when dropped.
pub struct Server {
    child: Child,
    pub port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn moto() -> PathBuf {
    venv("moto", "moto[server]==5.1.18")
}

/// An S3 server that checks signatures and checksums, with one bucket: `field`.
pub struct S3Server {
    server: Server,
    pub access_key: String,
    pub secret_key: String,
    pub region: String,
}

impl S3Server {
    pub fn start() -> S3Server {
        S3Server::with(&[])
    }

    /// One that keeps nothing but MD5.
    pub fn without_sums() -> S3Server {
        S3Server::with(&["without-sums"])
    }

    fn with(options: &[&str]) -> S3Server {
        let mut child = Command::new(moto().join("python"))
            .args(["tests/reference/s3_server.py", "field"])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let told: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let text = |key: &str| told[key].as_str().expect("text").to_owned();
        let (access_key, secret_key, region) = (text("access_key"), text("secret_key"), text("region"));
        let port = told["port"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
        S3Server { server: Server { child, port }, access_key, secret_key, region }
    }

    pub fn port(&self) -> u16 {
        self.server.port
    }

    pub fn access(&self, port: u16, part_bytes: u64) -> Access {
        Access {
            endpoint: format!("http://127.0.0.1:{port}"),
            bucket: "field".into(),
            region: self.region.clone(),
            access_key: self.access_key.clone(),
            secret_key: self.secret_key.clone(),
            is_path_style: true,
            part_bytes,
        }
    }

    pub fn remote(&self, port: u16, part_bytes: u64) -> S3 {
        S3::new(self.access(port, part_bytes), client(), || RealClock.look().wall)
    }

    /// SHA-256 by key, as boto3 reads what is there.
    pub fn listing(&self) -> BTreeMap<String, String> {
        self.boto("import hashlib\nfor page in s3.get_paginator('list_objects_v2').paginate(Bucket='field'):\n    for o in page.get('Contents', []):\n        print(o['Key'] + '\\t' + hashlib.sha256(s3.get_object(Bucket='field', Key=o['Key'])['Body'].read()).hexdigest())")
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(key, sum)| (key.to_owned(), sum.to_owned()))
            .collect()
    }

    /// Uploads that were begun and neither finished nor given up.
    pub fn unfinished(&self) -> usize {
        self.boto("print(len(s3.list_multipart_uploads(Bucket='field').get('Uploads', [])))").trim().parse().expect("a number")
    }

    /// What Python prints that has a client `s3`.
    pub fn boto(&self, program: &str) -> String {
        let head = format!(
            "import boto3\nfrom botocore.config import Config\ns3 = boto3.client('s3', config=Config(response_checksum_validation='when_required'), endpoint_url='http://127.0.0.1:{}', aws_access_key_id='{}', aws_secret_access_key='{}', region_name='{}')\n",
            self.port(),
            self.access_key,
            self.secret_key,
            self.region
        );
        let done = Command::new(moto().join("python")).args(["-c", &format!("{head}{program}")]).output().expect("python");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).expect("UTF-8")
    }
}

/// rclone serves this folder by WebDAV, to user `u` with password `p`.
pub fn rclone(folder: &Path) -> Server {
    let mut child = Command::new("rclone")
        .args(["serve", "webdav", "--addr", "127.0.0.1:0", "--user", "u", "--pass", "p", "--config", "/dev/null"])
        .arg(folder)
        .stderr(Stdio::piped())
        .spawn()
        .expect("rclone (apt install rclone)");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let port = lines.find_map(|line| {
        let line = line.expect("text");
        line.split_once("http://127.0.0.1:").and_then(|(_, rest)| rest.trim_end_matches('/').parse().ok())
    });
    // Nobody must wait for room in the pipe.
    thread::spawn(move || lines.for_each(drop));
    Server { child, port: port.expect("its address") }
}

/// WebDAV with Nextcloud's chunks, of user `ann` with password `pw`.
pub fn cloud(folder: &Path) -> Server {
    let mut child = Command::new("python3")
        .arg("tests/reference/cloud.py")
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("python3");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    Server { child, port: line.trim().parse().expect("a port") }
}

/// nginx takes what is PUT into this folder.
pub fn nginx(folder: &Path) -> Server {
    let home = folder.with_extension("nginx");
    fs::create_dir_all(&home).expect("a folder");
    fs::create_dir_all(folder).expect("a folder");
    let conf = home.join("nginx.conf");
    loop {
        let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("one").port();
        let (home, root) = (home.display(), folder.display());
        let text = format!(
            "daemon off; master_process off; user root; pid {home}/pid; error_log {home}/error.log; events {{}}
             http {{ access_log off; client_body_temp_path {home}/body; proxy_temp_path {home}/p; fastcgi_temp_path {home}/f;
             uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
             server {{ listen 127.0.0.1:{port}; root {root}; client_max_body_size 0; location / {{ dav_methods PUT DELETE;
             create_full_put_path on; }} }} }}"
        );
        fs::write(&conf, text).expect("written");
        let mut child = Command::new("nginx")
            .args(["-e", "stderr", "-c"])
            .arg(&conf)
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx (apt install nginx-light)");
        let until = Instant::now() + Duration::from_secs(20);
        while Instant::now() < until && child.try_wait().expect("known").is_none() {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Server { child, port };
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _ = child.kill();
        let _ = child.wait();
        assert!(
            Instant::now() < until,
            "nginx does not start: {}",
            fs::read_to_string(home.to_string() + "/error.log").unwrap_or_default()
        );
    }
}

pub fn client() -> Client {
    let limits = Limits {
        first_byte: Duration::from_secs(5),
        read: Duration::from_secs(3),
        write: Duration::from_secs(3),
        ..Limits::default()
    };
    let options = Options { ca_file: None, clock: Arc::new(RealClock), limits };
    Agent::sending(options, 32 << 10).expect("an agent").client(Arc::default())
}

/// One who remembers tokens as the catalogue does.
#[derive(Default)]
pub struct Sender {
    pub token: Option<String>,
    /// Stages in order, without repetition.
    pub stages: Vec<State>,
    pub passed: u64,
    /// An end is wanted after so many bytes.
    pub halt_after: Option<u64>,
}

impl Way for Sender {
    fn pass(&mut self, bytes: u64) -> bool {
        self.passed += bytes;
        self.goes_on()
    }

    fn goes_on(&mut self) -> bool {
        self.halt_after.is_none_or(|most| self.passed < most)
    }

    fn stage(&mut self, state: State) {
        if self.stages.last() != Some(&state) {
            self.stages.push(state);
        }
    }

    fn token(&self) -> Option<String> {
        self.token.clone()
    }

    fn keep(&mut self, token: &str) {
        self.token = Some(token.to_owned());
    }
}

pub fn send(remote: &mut dyn Remote, key: &str, body: &[u8], manner: Manner, way: &mut Sender) -> Result<Receipt, Trouble> {
    remote.send(&Parcel { key, bytes: body.len() as u64, media: "audio/flac", body: &body, manner }, way)
}

/// Again and again until it is there; how often it was not, and why.
pub fn insist(remote: &mut dyn Remote, key: &str, body: &[u8]) -> (Receipt, Vec<String>) {
    let (mut way, mut troubles) = (Sender::default(), Vec::new());
    loop {
        match send(remote, key, body, Manner::Beside, &mut way) {
            Ok(receipt) => return (receipt, troubles),
            Err(Trouble::Target(fault)) => troubles.push(fault.what),
            Err(other) => panic!("{key}: {other:?}"),
        }
        assert!(troubles.len() < 60, "{key}: {troubles:#?}");
        // As the uploader does: a server keeps what was cut off locked until it has noticed.
        thread::sleep(Duration::from_millis(10 * troubles.len() as u64));
    }
}

/// SHA-256 by path of all files below a folder. One that gets its name just now is looked for again by whoever waits.
pub fn files(folder: &Path) -> BTreeMap<String, String> {
    let (mut found, mut open) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let mut bytes = Vec::new();
            if fs::File::open(&path).and_then(|mut file| file.read_to_end(&mut bytes)).is_ok() {
                found.insert(path.strip_prefix(folder).expect("below").display().to_string(), sha256(&bytes));
            }
        }
    }
    found
}

pub fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    soundpost::format::base64::hex(&Sha256::digest(bytes))
}
