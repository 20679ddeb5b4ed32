//! Asks chronyd and gpsd what the clock follows, while somebody looks at the status: at most once a minute, on a thread of its own
//! that ends when it knows. Nothing waits for it, and a machine without either costs one look.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::format::clock_reference;
use crate::message::clock::ClockReference;

const EVERY: Duration = Duration::from_secs(60);
/// gpsd tells each second.
const PATIENCE: Duration = Duration::from_millis(2_500);
const PORT: u16 = 2_947;
const STACK: usize = 128 << 10;
const MAX_BYTES: usize = 64 << 10;

#[derive(Clone, Default)]
pub struct Reference(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    asked: Option<Instant>,
    found: Option<ClockReference>,
}

impl Reference {
    /// As it was last known; asks anew when that is a minute ago.
    pub fn look(&self) -> Option<ClockReference> {
        let mut known = self.lock();
        if known.asked.is_none_or(|at| at.elapsed() >= EVERY) {
            known.asked = Some(Instant::now());
            let this = self.clone();
            let asks = move || {
                let found = chrony().or_else(gpsd);
                this.lock().found = found;
            };
            // Without a thread it stays as it was.
            let _ = thread::Builder::new().name("reference".into()).stack_size(STACK).spawn(asks);
        }
        known.found.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `chronyc` gives up by itself when nobody answers.
fn chrony() -> Option<ClockReference> {
    let asked = Command::new("chronyc").args(["-n", "-c", "tracking"]).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let out = asked.ok().filter(|out| out.status.success() && out.stdout.len() <= MAX_BYTES)?;
    clock_reference::chrony(std::str::from_utf8(&out.stdout).ok()?).filter(|found| found.is_good)
}

fn gpsd() -> Option<ClockReference> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(Duration::from_millis(500))).ok()?;
    stream.write_all(b"?WATCH={\"enable\":true,\"json\":true,\"pps\":true};\n").ok()?;
    let until = Instant::now() + PATIENCE;
    let (mut told, mut piece) = (Vec::new(), [0; 4_096]);
    while Instant::now() < until && told.len() < MAX_BYTES {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(n) => told.extend_from_slice(piece.get(..n).unwrap_or_default()),
            Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    clock_reference::gpsd(&String::from_utf8_lossy(&told))
}
