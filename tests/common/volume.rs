//! A small file system of its own for one test: it can be full, or read-only, without root and without harm to the machine.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Until somebody notices that a full file system is full.
const PATIENCE: Duration = Duration::from_secs(30);

/// A tmpfs in a mount namespace that a process of ours holds open. When it is dropped, the kernel takes the file system away.
pub struct Volume {
    holder: Child,
    /// Seen through the holder: a path that every process of this user can use.
    pub path: PathBuf,
    mount_point: tempfile::TempDir,
    /// Whether users are mapped in it.
    is_mapped: bool,
}

impl Volume {
    pub fn new(kib: u32) -> Volume {
        let mount_point = tempfile::tempdir().expect("a folder");
        // As root of a name space of its own any user may mount; where that is switched off, root may all the same.
        let Some((how, holder)) = ["-rm", "-m"].iter().find_map(|how| Some((*how, hold(how, &mount_point, kib)?))) else {
            panic!(
                "unshare (util-linux) cannot mount a tmpfs: this test needs user namespaces (sysctl user.max_user_namespaces) or root"
            )
        };
        let inside = mount_point.path().strip_prefix("/").expect("absolute");
        let path = PathBuf::from(format!("/proc/{}/root", holder.id())).join(inside);
        Volume { holder, path, mount_point, is_mapped: how == "-rm" }
    }

    /// Where it is for programs that are started by [`Volume::command`]. SQLite resolves links itself, and cannot go by `path`.
    pub fn inside(&self) -> PathBuf {
        self.mount_point.path().to_path_buf()
    }

    /// A program in whose eyes the file system stands at [`Volume::inside`].
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(self.is_mapped.then_some(["--user", "--preserve-credentials"]).into_iter().flatten());
        command.arg("--mount").arg(format!("--target={}", self.holder.id())).arg(program);
        command
    }

    /// Takes all the room there is. Removing the file that comes back gives it back.
    pub fn fill(&self) -> PathBuf {
        self.fill_until(|| true)
    }

    /// Takes all the room there is, and what somebody makes meanwhile, until it is so.
    pub fn fill_until(&self, mut is_so: impl FnMut() -> bool) -> PathBuf {
        let path = self.path.join("filler");
        let mut file = File::create(&path).expect("created");
        let (piece, end) = (vec![0x5A; 4_096], Instant::now() + PATIENCE);
        loop {
            while file.write_all(&piece).is_ok() {}
            if is_so() {
                return path;
            }
            assert!(Instant::now() < end, "full for {PATIENCE:?}, and nobody minds");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Nobody can write to it any more.
    pub fn make_read_only(&mut self) {
        let stdin = self.holder.stdin.as_mut().expect("piped");
        let point = self.mount_point.path().display().to_string();
        writeln!(stdin, "mount -o remount,ro {point} && touch {point}/x 2>/dev/null || echo read-only")
            .expect("the holder listens");
        self.wait_for("read-only");
        assert!(File::create(self.path.join("x")).is_err(), "{point} can still be written to");
    }

    fn wait_for(&mut self, word: &str) {
        let mut line = String::new();
        let out = self.holder.stdout.as_mut().expect("piped");
        BufReader::new(out).read_line(&mut line).expect("the holder answers");
        assert_eq!(line.trim(), word, "what the holder said");
    }
}

/// A shell in a new name space that mounts, says so, and then does what it is told until its stdin is closed.
fn hold(how: &str, point: &tempfile::TempDir, kib: u32) -> Option<Child> {
    let mount = format!("mount -t tmpfs -o size={kib}k,mode=777 tmpfs {0} && echo mounted && exec sh", point.path().display());
    let mut command = Command::new("unshare");
    command.args([how, "sh", "-c", &mount]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut holder = command.spawn().expect("unshare is part of every Debian");
    let mut line = String::new();
    let _ = BufReader::new(holder.stdout.as_mut().expect("piped")).read_line(&mut line);
    if line.trim() == "mounted" {
        return Some(holder);
    }
    let _ = (holder.kill(), holder.wait());
    None
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = (self.holder.kill(), self.holder.wait());
        let _ = fs::remove_dir(self.mount_point.path());
    }
}
