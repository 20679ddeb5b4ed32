//! What the service manager is told: that recording has begun, that it goes on, and that files are being closed; and what the
//! recorder does just now, as text.
//!
//! Datagrams to the socket that NOTIFY_SOCKET names, as in systemd's sd_notify(3); no other manager, no datagram. A manager that
//! hears nothing for the time of WATCHDOG_USEC ends the process and starts it anew.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[derive(Default)]
pub struct ServiceManager {
    socket: Option<UnixDatagram>,
    /// How often it wants a sign of life.
    every: Option<Duration>,
    last: Option<Instant>,
}

impl ServiceManager {
    /// The one that started this process, if it wants to be told.
    pub fn of_environment() -> ServiceManager {
        let var = |name: &str| std::env::var_os(name);
        let Some(socket) = var("NOTIFY_SOCKET").and_then(connected) else { return ServiceManager::default() };
        let every = every(var("WATCHDOG_USEC"), var("WATCHDOG_PID"), std::process::id());
        ServiceManager { socket: Some(socket), every, last: None }
    }

    /// Every actor has started.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// Files are being closed.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// To be called once a second, as long as every actor on the way from the sources to the disk does its work.
    pub fn alive(&mut self, now: Instant) {
        let Some(every) = self.every else { return };
        if self.last.is_none_or(|last| now.saturating_duration_since(last) >= every) {
            self.last = Some(now);
            self.tell("WATCHDOG=1");
        }
    }

    /// Never waits: a manager that does not listen is no reason to stop.
    fn tell(&self, state: &str) {
        if let Some(socket) = &self.socket {
            let _ = socket.send(state.as_bytes());
        }
    }
}

/// A folder in memory that the manager made for this process, and removes after it.
pub struct RuntimeFolder(PathBuf);

impl RuntimeFolder {
    /// `None`: no manager, or one that makes no folder (RuntimeDirectory= in systemd).
    pub fn of_environment() -> Option<RuntimeFolder> {
        std::env::var_os("RUNTIME_DIRECTORY").map(PathBuf::from).filter(|path| path.is_dir()).map(RuntimeFolder)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Whoever reads `status.txt` has the old text or the new one, whole.
    pub fn publish(&self, text: &str) -> io::Result<()> {
        let new = self.0.join("status.txt.new");
        fs::write(&new, text)?;
        fs::rename(new, self.0.join("status.txt"))
    }
}

/// A path, or a name of the kernel's own after `@`.
fn connected(name: OsString) -> Option<UnixDatagram> {
    let address = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        path => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path)),
    };
    let socket = UnixDatagram::unbound().ok()?;
    socket.connect_addr(&address.ok()?).ok()?;
    socket.set_nonblocking(true).ok()?;
    Some(socket)
}

/// Twice as often as the manager wants, if it means this process.
fn every(interval_us: Option<OsString>, pid: Option<OsString>, own: u32) -> Option<Duration> {
    let number = |text: OsString| text.to_str()?.parse::<u64>().ok();
    if pid.is_some_and(|pid| number(pid) != Some(u64::from(own))) {
        return None;
    }
    interval_us.and_then(number).filter(|us| *us > 0).map(|us| Duration::from_micros(us / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manager_says_how_often() {
        let check = |us: Option<&str>, pid: Option<&str>, expected: Option<u64>| {
            let found = every(us.map(OsString::from), pid.map(OsString::from), 7);
            assert_eq!(found, expected.map(Duration::from_millis), "{us:?} {pid:?}");
        };
        check(Some("60000000"), None, Some(30_000));
        check(Some("60000000"), Some("7"), Some(30_000));
        check(Some("60000000"), Some("8"), None);
        check(Some("60000000"), Some("x"), None);
        check(Some("0"), None, None);
        check(Some("-1"), None, None);
        check(None, Some("7"), None);
    }

    #[test]
    fn a_sign_of_life_in_half_of_the_time() {
        let (socket, manager) = UnixDatagram::pair().expect("sockets");
        manager.set_nonblocking(true).expect("set");
        let every = Some(Duration::from_secs(30));
        let (mut service, start) = (ServiceManager { socket: Some(socket), every, last: None }, Instant::now());
        let mut told = Vec::new();
        for second in 0..100 {
            service.alive(start + Duration::from_secs(second));
            let mut text = [0; 32];
            if let Ok(length) = manager.recv(&mut text) {
                assert_eq!(&text[..length], b"WATCHDOG=1");
                told.push(second);
            }
        }
        assert_eq!(told, [0, 30, 60, 90]);
    }

    #[test]
    fn nobody_who_listens_is_no_error() {
        let mut service = ServiceManager::default();
        service.ready();
        service.alive(Instant::now());
        assert!(connected("/nowhere/at/all".into()).is_none() && connected(OsString::new()).is_none());
    }
}
