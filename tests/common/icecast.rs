//! A real icecast2 on a free port of 127.0.0.1, fed by ffmpeg; both end with the test.
#![allow(dead_code)]

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

pub const PASSWORD: &str = "of-the-test";
/// For a server or an encoder to start, on a machine that has much else to do.
const START: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);

/// A process of the test that ends with it.
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub struct Icecast {
    pub port: u16,
    feeds: Vec<Process>,
    server: Process,
    folder: tempfile::TempDir,
}

impl Icecast {
    /// Starts it, anew if somebody else took the port in between.
    pub fn start() -> Icecast {
        Icecast::on(free_port)
    }

    /// Another one in its place, with none of its sources.
    pub fn again(self) -> Icecast {
        let port = self.port;
        drop(self);
        Icecast::on(|| port)
    }

    fn on(port: impl Fn() -> u16) -> Icecast {
        let until = Instant::now() + START;
        loop {
            let port = port();
            let folder = tempfile::tempdir().expect("a folder");
            let config = folder.path().join("icecast.xml");
            fs::write(&config, xml(port, folder.path().to_str().expect("UTF-8"))).expect("written");
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("for nobody");
            let mut command = Command::new("icecast2");
            command.arg("-c").arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut server = Process(command.spawn().expect("icecast2 is installed: make setup"));
            while server.0.try_wait().expect("a child").is_none() {
                // By its own words: somebody else may have taken the port in between.
                if get(port, "/status-json.xsl").contains(folder.path().to_str().expect("UTF-8")) {
                    return Icecast { port, feeds: Vec::new(), server, folder };
                }
                assert!(Instant::now() < until, "icecast2 does not answer");
                thread::sleep(POLL);
            }
            let log = fs::read_to_string(folder.path().join("error.log")).unwrap_or_default();
            assert!(Instant::now() < until, "icecast2 ends at once: {log}");
            thread::sleep(POLL);
        }
    }

    pub fn pid(&self) -> u32 {
        self.server.0.id()
    }

    pub fn url(&self, mount: &str) -> String {
        format!("http://127.0.0.1:{}/{mount}", self.port)
    }

    /// ffmpeg sends what `input` names to a mount, in real time; `coding` are its words for codec, container and content type.
    pub fn feed(&mut self, mount: &str, input: &[&str], coding: &[&str]) {
        let target = format!("icecast://source:{PASSWORD}@127.0.0.1:{}/{mount}", self.port);
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-re"]).args(input).args(coding).arg(target).stdin(Stdio::null());
        self.feeds.push(Process(command.spawn().expect("ffmpeg is installed: make setup")));
    }

    /// Until every one of these mounts has a source.
    pub fn wait_for(&mut self, mounts: &[&str]) {
        let until = Instant::now() + START;
        loop {
            let page = get(self.port, "/status-json.xsl");
            if mounts.iter().all(|mount| page.contains(&format!("/{mount}\""))) {
                return;
            }
            assert!(self.server.0.try_wait().expect("a child").is_none(), "icecast2 has ended");
            assert!(Instant::now() < until, "not every source of {mounts:?} came: {page}");
            thread::sleep(POLL);
        }
    }
}

/// Free at this moment.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

fn get(port: u16, path: &str) -> String {
    let mut answer = Vec::new();
    if let Ok(mut socket) = TcpStream::connect(("127.0.0.1", port)) {
        let _ = write!(socket, "GET {path} HTTP/1.0\r\n\r\n");
        let _ = socket.read_to_end(&mut answer);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// It does not run as root; where the test does, it becomes nobody.
fn xml(port: u16, folder: &str) -> String {
    let nobody = "<changeowner><user>nobody</user><group>nogroup</group></changeowner>";
    let owner = if rustix::process::getuid().is_root() { nobody } else { "" };
    format!(
        "<icecast>
  <limits><clients>2000</clients><sources>20</sources><queue-size>524288</queue-size><burst-size>65535</burst-size></limits>
  <authentication>
    <source-password>{PASSWORD}</source-password>
    <admin-user>admin</admin-user><admin-password>{PASSWORD}</admin-password>
  </authentication>
  <hostname>127.0.0.1</hostname><location>{folder}</location>
  <listen-socket><port>{port}</port><bind-address>127.0.0.1</bind-address></listen-socket>
  <paths>
    <logdir>{folder}</logdir><webroot>/usr/share/icecast2/web</webroot><adminroot>/usr/share/icecast2/admin</adminroot>
  </paths>
  <logging><accesslog>access.log</accesslog><errorlog>error.log</errorlog><loglevel>3</loglevel></logging>
  <security><chroot>0</chroot>{owner}</security>
</icecast>
"
    )
}
