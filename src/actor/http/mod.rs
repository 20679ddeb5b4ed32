//! Answers requests that the gate let in: tiny_http on a private Unix socket, and a few threads that decide what is answered.
//!
//! No worker ever waits for a browser: short answers fit the socket's buffers, long ones go over the
//! [`Desk`]. When tiny_http's own threads stop answering, a new server takes its place.

pub mod ask;
mod body;
pub mod clerk;
mod clock;
mod files;
pub mod library;
mod login;
mod relay;
mod respond;

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tiny_http::Server;

use crate::device::clock::Clock;
use crate::device::{Fault, FaultKind};
use crate::message::handover::{Address, Desk};
use crate::message::live::{Preview, Stages};
use crate::message::relay::Relay;
use crate::web::answer::{Refusal, Status};
use crate::web::auth::{Doorman, Words};
use ask::{Answer, Ask};
use library::Library;

/// Requests that are decided at once; each takes milliseconds.
pub const WORKERS: usize = 4;
/// Deciding needs little: the library's calls are the deepest.
const STACK_BYTES: usize = 512 << 10;
/// How often the server is asked whether it is well …
const LOOK: Duration = Duration::from_secs(30);
/// … and how long it may take to say so.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the watch sleeps before it looks whether it should end.
const NAP: Duration = Duration::from_millis(500);
/// A worker that nobody wakes looks by itself so seldom.
const IDLE: Duration = Duration::from_secs(30);

/// What answering needs besides the request.
pub struct Office {
    pub library: Arc<dyn Library>,
    pub desk: Arc<Desk>,
    /// Of the sources that can be listened to, and of stations, of which their own bytes can be heard.
    pub stages: Arc<Stages>,
    /// Of devices that nobody records.
    pub preview: Option<Arc<Preview>>,
    /// Mounts that sources elsewhere feed.
    pub relay: Arc<Relay>,
    /// The passwords of the relay, as they are guessed.
    pub words: Arc<Mutex<Words>>,
    pub doorman: Mutex<Doorman>,
    /// The version of the configuration's password that the doorman knows.
    pub door: AtomicU32,
    pub clock: Arc<dyn Clock>,
}

/// Runs until `stop`. `folder` is private: who can open its sockets passes by the gate.
pub fn run(office: &Office, address: &Address, folder: &Path, stop: &AtomicBool) -> Result<(), Fault> {
    let fault = |what: String| Fault::new(FaultKind::Retry, what);
    for generation in 1_u64.. {
        let path = folder.join(format!("http-{generation}"));
        let server = Server::http_unix(&path).map_err(|e| fault(format!("no socket {}: {e}", path.display())))?;
        address.set(path.clone());
        let over = AtomicBool::new(false);
        let is_over = || stop.load(Relaxed) || over.load(Relaxed);
        let spawned = thread::scope(|scope| {
            let spawned = (0..WORKERS).try_for_each(|n| {
                let builder = thread::Builder::new().name(format!("http {n}")).stack_size(STACK_BYTES);
                builder.spawn_scoped(scope, || work(office, &server, &is_over)).map(drop)
            });
            if spawned.is_ok() {
                watch(office, &path, stop);
            }
            over.store(true, Relaxed);
            (0..WORKERS).for_each(|_| server.unblock());
            spawned
        });
        // While its socket is still there: it knocks at its own door to end its accepting thread.
        drop(server);
        spawned.map_err(|e| fault(format!("no thread: {e}")))?;
        if stop.load(Relaxed) {
            break;
        }
        log::warn!("the HTTP server does not answer: it is built anew");
    }
    Ok(())
}

/// Returns when the server at `path` is not well, or at `stop`; keeps the desk tidy meanwhile.
fn watch(office: &Office, path: &Path, stop: &AtomicBool) {
    let mut looked = Instant::now();
    while !stop.load(Relaxed) {
        thread::sleep(NAP);
        office.desk.tidy(office.clock.mono());
        if looked.elapsed() >= LOOK {
            if let Err(e) = is_well(path) {
                log::debug!("the HTTP server is silent: {e}");
                return;
            }
            looked = Instant::now();
        }
    }
}

fn is_well(path: &Path) -> io::Result<()> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n")?;
    let mut first = [0; 7];
    stream.read_exact(&mut first)?;
    if &first == b"answer " { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}

fn work(office: &Office, server: &Server, is_over: &dyn Fn() -> bool) {
    while !is_over() {
        match server.recv_timeout(IDLE) {
            Ok(None) => {}
            Ok(Some(request)) => serve(office, request),
            // The accepting thread is gone; the watch sees that, too.
            Err(e) => {
                log::debug!("the HTTP server fails: {e}");
                thread::sleep(NAP);
            }
        }
    }
}

fn serve(office: &Office, mut request: tiny_http::Request) {
    let ask = match Ask::read(&mut request) {
        Ok(ask) => ask,
        Err(e) => return log::debug!("a request broke off: {e}"),
    };
    let answer = catch_unwind(AssertUnwindSafe(|| respond::answer(office, &ask))).unwrap_or_else(|_| {
        log::error!("answering {} failed", ask.target);
        Answer::from(Refusal::new(Status::Failed, "The answer could not be made: this is a defect of soundpost."))
    });
    if let Err(e) = ask::send(request, answer, ask.head_only(), &office.desk, office.clock.mono()) {
        log::debug!("an answer was not taken: {e}");
    }
}
