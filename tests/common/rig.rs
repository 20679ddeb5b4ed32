//! A private server of capture devices for one test: see tests/rig/rig.sh.

use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Runs until it is dropped. Its process is a child of ours and is ended by its id.
pub struct Rig {
    folder: tempfile::TempDir,
    devices: Vec<String>,
    server: Option<Child>,
}

impl Rig {
    /// Devices as "NAME:RATE:CHANNELS[:FORMAT]", FORMAT being s16le, s24le or s32le.
    pub fn new(devices: &[&str]) -> Rig {
        let folder = tempfile::tempdir().expect("a folder for the rig");
        let mut rig = Rig { folder, devices: devices.iter().map(|d| (*d).to_owned()).collect(), server: None };
        rig.start();
        rig
    }

    /// Starts the server, anew after [`Rig::kill`], and waits until its devices are there.
    pub fn start(&mut self) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rig/rig.sh");
        let mut command = Command::new(script);
        command.arg("run").arg(self.folder.path()).args(&self.devices).stdin(Stdio::null());
        let mut server = command.spawn().expect("rig.sh runs");
        let socket = self.folder.path().join("pulse.sock");
        let begun = Instant::now();
        while !fs::metadata(&socket).is_ok_and(|m| m.file_type().is_socket()) {
            let ended = server.try_wait().expect("a child");
            let late = begun.elapsed() > Duration::from_secs(20);
            assert!(ended.is_none() && !late, "the rig did not start ({ended:?}): {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        self.server = Some(server);
    }

    /// Ends the server as a crash would: to its clients the devices are gone.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().expect("killed");
            server.wait().expect("ended");
            let _ = fs::remove_file(self.folder.path().join("pulse.sock"));
        }
    }

    /// STOP freezes the devices, CONT sets them going again.
    pub fn signal(&self, signal: Signal) {
        let server = self.server.as_ref().expect("the rig runs");
        let pid = Pid::from_child(server);
        kill_process(pid, signal).expect("the server lives");
    }

    /// What a program needs in its environment before it first uses alsa-lib.
    pub fn environment(&self) -> [(&'static str, PathBuf); 3] {
        let path = self.folder.path();
        [
            ("ALSA_CONFIG_PATH", path.join("asound.conf")),
            ("PULSE_COOKIE", path.join("cookie")),
            ("PULSE_RUNTIME_PATH", path.join("run/pulse")),
        ]
    }

    /// Where programs find the devices that know nothing of ALSA.
    pub fn server(&self) -> String {
        format!("unix:{}", self.folder.path().join("pulse.sock").display())
    }

    /// The environment of a program whose local output is a device of the rig, in real time; all that it plays is also written into
    /// `file`, in 16 bits, left and right in turn, at the rate that the program asked for.
    pub fn output(&self, device: &str, file: &Path) -> [(&'static str, PathBuf); 3] {
        let [(_, usual), cookie, runtime] = self.environment();
        let path = self.folder.path().join(format!("{device}.output.conf"));
        let (usual, played) = (usual.display(), file.display());
        let slave = format!("{{ type file file \"{played}\" format \"raw\" slave.pcm \"{device}_out\" }}");
        fs::write(&path, format!("<{usual}>\npcm.!default {{ type plug slave.pcm {slave} }}\n")).expect("written");
        [("ALSA_CONFIG_PATH", path), cookie, runtime]
    }

    /// Plays raw interleaved samples into a device, without waiting for the end. `format` as aplay names it.
    pub fn play(&self, device: &str, format: &str, rate: u32, channels: u8, samples: &[u8]) -> Child {
        let file = self.folder.path().join(format!("{device}.raw"));
        fs::write(&file, samples).expect("written");
        let mut command = Command::new("aplay");
        // A deep buffer: the player must not be what loses samples.
        command.args(["-q", "-D", &format!("{device}_out"), "-t", "raw", "--buffer-time=2000000"]);
        command.args(["-f", format, "-r", &rate.to_string(), "-c", &channels.to_string()]).arg(file);
        command.envs(self.environment()).stdin(Stdio::null()).spawn().expect("aplay runs (alsa-utils)")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.kill();
    }
}
