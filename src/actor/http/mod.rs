//! Answers requests that the gate let in: tiny_http on a private Unix socket, and a few threads that decide what is answered.
//!
//! No worker ever waits for a browser: short answers fit the socket's buffers, long ones go over the
//! [`Desk`]. When tiny_http's own threads stop answering, a new server takes its place: the first worker looks after that.

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

/// Requests that are decided at once; each takes milliseconds. One of them looks after the server as well.
pub const WORKERS: usize = 2;
/// Of tiny_http itself: it accepts with one and reads requests with four, or with more where more come at once.
pub const SERVER_THREADS: usize = 5;
/// Deciding needs little: the library's calls are the deepest.
const STACK_BYTES: usize = 512 << 10;
/// How often the server is asked whether it is well …
const LOOK: Duration = Duration::from_secs(30);
/// … and how long it may take to say so.
const PATIENCE: Duration = Duration::from_secs(10);
/// How soon an end is noticed, and how often the desk is tidied.
const NAP: Duration = Duration::from_millis(500);
/// While its own question waits for an answer.
const STEP: Duration = Duration::from_millis(20);
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
            let spawned = (1..WORKERS).try_for_each(|n| {
                let builder = thread::Builder::new().name(format!("http {n}")).stack_size(STACK_BYTES);
                builder.spawn_scoped(scope, || work(office, &server, &is_over)).map(drop)
            });
            if spawned.is_ok() {
                lead(office, &server, &path, stop);
            }
            over.store(true, Relaxed);
            (1..WORKERS).for_each(|_| server.unblock());
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

/// Works as the others do, keeps the desk tidy, and returns when the server at `path` is not well, or at `stop`.
fn lead(office: &Office, server: &Server, path: &Path, stop: &AtomicBool) {
    let (mut looked, mut knock, mut tidied) = (Instant::now(), None, Instant::now());
    while !stop.load(Relaxed) {
        work_once(office, server, if knock.is_some() { STEP } else { NAP });
        if tidied.elapsed() >= NAP {
            office.desk.tidy(office.clock.mono());
            tidied = Instant::now();
        }
        if knock.is_none() && looked.elapsed() >= LOOK {
            looked = Instant::now();
            knock = Some(Knock::at(path));
        }
        let Some(heard) = knock.as_mut().and_then(Knock::heard) else { continue };
        if let Err(e) = heard {
            return log::debug!("the HTTP server is silent: {e}");
        }
        knock = None;
    }
}

/// A question at the server's own door. Who asks works on meanwhile: it may be the one to answer.
struct Knock {
    door: io::Result<UnixStream>,
    since: Instant,
}

impl Knock {
    fn at(path: &Path) -> Knock {
        let knocked = || {
            let mut stream = UnixStream::connect(path)?;
            stream.set_nonblocking(true)?;
            stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n")?;
            Ok(stream)
        };
        Knock { door: knocked(), since: Instant::now() }
    }

    /// Once there is an answer, or time is up.
    fn heard(&mut self) -> Option<io::Result<()>> {
        let mut first = [0; 7];
        let read = match &mut self.door {
            Ok(stream) => stream.read(&mut first),
            Err(e) => Err(e.kind().into()),
        };
        match read {
            Ok(bytes @ 1..) if b"answer ".starts_with(&first[..bytes.min(7)]) => Some(Ok(())),
            Ok(_) => Some(Err(io::ErrorKind::InvalidData.into())),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock && self.since.elapsed() < PATIENCE => None,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Some(Err(io::ErrorKind::TimedOut.into())),
            Err(e) => Some(Err(e)),
        }
    }
}

fn work(office: &Office, server: &Server, is_over: &dyn Fn() -> bool) {
    while !is_over() {
        work_once(office, server, IDLE);
    }
}

fn work_once(office: &Office, server: &Server, wait: Duration) {
    match server.recv_timeout(wait) {
        Ok(None) => {}
        Ok(Some(request)) => serve(office, request),
        // The accepting thread is gone; the knock hears that, too.
        Err(e) => {
            log::debug!("the HTTP server fails: {e}");
            thread::sleep(NAP);
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
