//! The door to the network: every connection comes in here, and only whole, small, well-formed requests go on to the workers.
//!
//! One thread with one executor. A connection is a task with two small buffers: head (at most 8 KiB within 3 s) and body (at
//! most 64 KiB within 5 s) are read here, written anew for the workers, and their answer is carried to the browser, which may be
//! as slow as it likes as long as it takes something every ten seconds. One request a connection. What the workers are built on
//! (tiny_http) breaks under heads without end, bodies that never come, pipelines and early resets; none of these pass. Sources
//! that feed a mount are taken here, too: their streams are no requests. Who hears a mount is handed over to its `Audience`, and has
//! no task any more.

mod audience;
mod carry;
mod relay;
mod source;
mod visit;

use std::cell::RefCell;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_channel::{Receiver, Sender};
use smol::lock::Semaphore;
use smol::{Async, LocalExecutor, Task, Timer};

use self::audience::{Audience, Hearer};
use self::visit::End;
use crate::device::clock::Clock;
use crate::device::{Fault, FaultKind};
use crate::message::handover::{Address, Desk, Hub};
use crate::message::mount::Mount;
use crate::message::relay::Relay;
use crate::web::admission::{Caps, Guest, Host, Phase, Verdict, enter, may_hear, may_listen};
use crate::web::answer::{Refusal, Status};
use crate::web::auth::Words;
use crate::web::host::Names;

/// Before the next try when no connection can be accepted: there may be no file descriptor for a while.
const BACK_OFF: Duration = Duration::from_millis(100);
/// Threads that read files at the same time, for all connections together.
const READERS: usize = 4;
/// Requests that the workers hear of at the same time, as many as there are workers: tiny_http makes a thread for each.
const RELAYS: usize = 4;

pub struct Settings {
    pub caps: Caps,
    pub names: Names,
}

/// What the gate has in common with others.
pub struct Shared {
    pub desk: Arc<Desk>,
    pub hub: Arc<Hub>,
    pub address: Arc<Address>,
    pub clock: Arc<dyn Clock>,
    pub mounts: Arc<Relay>,
    pub words: Arc<Mutex<Words>>,
}

/// What every connection shares.
pub struct Gate {
    pub settings: Settings,
    pub desk: Arc<Desk>,
    pub hub: Arc<Hub>,
    pub address: Arc<Address>,
    pub clock: Arc<dyn Clock>,
    /// Mounts that sources elsewhere feed, and the passwords for that.
    pub mounts: Arc<Relay>,
    pub words: Arc<Mutex<Words>>,
    readers: Semaphore,
    relays: Semaphore,
    guests: RefCell<Guests>,
    /// Of those who hear mounts.
    audiences: RefCell<Vec<Rc<Audience>>>,
    /// Rings when one of them has no task yet; once is enough.
    begun: (Sender<()>, Receiver<()>),
}

/// All connections, in two lists of the same order: who decides about the next one looks at the first as it is.
#[derive(Default)]
struct Guests {
    guests: Vec<Guest>,
    seats: Vec<Seat>,
}

struct Seat {
    number: u64,
    /// Dropped, it ends the connection; who hears a mount has none.
    task: Option<Task<()>>,
}

impl Guests {
    fn find(&self, number: u64) -> Option<usize> {
        self.seats.iter().position(|seat| seat.number == number)
    }

    fn push(&mut self, guest: Guest, seat: Seat) {
        self.guests.push(guest);
        self.seats.push(seat);
    }

    fn remove(&mut self, at: usize) -> Seat {
        self.guests.swap_remove(at);
        self.seats.swap_remove(at)
    }
}

impl Gate {
    pub fn new(settings: Settings, shared: Shared) -> Gate {
        let Shared { desk, hub, address, clock, mounts, words } = shared;
        Gate {
            settings,
            mounts,
            words,
            desk,
            hub,
            address,
            clock,
            readers: Semaphore::new(READERS),
            relays: Semaphore::new(RELAYS),
            guests: RefCell::default(),
            audiences: RefCell::default(),
            begun: async_channel::bounded(1),
        }
    }

    fn enters(&self, number: u64, phase: Phase) {
        let mut guests = self.guests.borrow_mut();
        if let Some(at) = guests.find(number) {
            guests.guests[at].phase = phase;
        }
    }

    /// From now on it is one of those who listen, if there is room for one more.
    fn may_listen(&self, number: u64, host: Host) -> bool {
        let may = may_listen(&self.guests.borrow().guests, host, self.settings.caps);
        if may {
            self.enters(number, Phase::Listening);
        }
        may
    }

    /// From now on it is one of those who hear a mount, if there is room for one more.
    fn may_hear(&self, number: u64) -> bool {
        let may = may_hear(&self.guests.borrow().guests, self.settings.caps);
        if may {
            self.enters(number, Phase::Hearing);
        }
        may
    }

    fn leaves(&self, number: u64) {
        let mut guests = self.guests.borrow_mut();
        if let Some(at) = guests.find(number) {
            if let Some(task) = guests.remove(at).task {
                task.detach(); // it is this very task, and about to end
            }
        }
    }

    /// From now on its connection is its audience's.
    fn hears(&self, number: u64, hearer: Hearer) {
        // The task is this very one; a handle that stays would keep its memory.
        let mut guests = self.guests.borrow_mut();
        let task = guests.find(number).and_then(|at| guests.seats[at].task.take());
        drop(guests);
        task.into_iter().for_each(Task::detach);
        Audience::enter(self, hearer);
    }

    /// Those who hear this mount, from the first of them to the last.
    fn audience(&self, mount: &Arc<Mount>) -> Rc<Audience> {
        let mut audiences = self.audiences.borrow_mut();
        if let Some(found) = audiences.iter().find(|audience| audience.hears(mount)) {
            return found.clone();
        }
        let audience = Rc::new(Audience::of(mount.clone()));
        audiences.push(audience.clone());
        let _ = self.begun.0.try_send(()); // where it is full, it rings anyway
        audience
    }

    /// Lets a newcomer in, or sends it away with one sentence.
    fn admit<'a>(&'a self, executor: &LocalExecutor<'a>, number: u64, stream: Async<TcpStream>, peer: SocketAddr) {
        let host = Host::of(peer.ip());
        let verdict = enter(&self.guests.borrow().guests, host, self.settings.caps);
        match verdict {
            Verdict::Full => return turn_away(&stream),
            Verdict::Instead(n) => {
                let seat = self.guests.borrow_mut().remove(n);
                drop(seat); // what its task holds goes without the list in hand
            }
            Verdict::Welcome => {}
        }
        let guest = Guest { host, phase: Phase::Asking, since: self.clock.mono() };
        let task = executor.spawn(async move {
            match visit::visit(self, number, stream, peer.ip()).await {
                Ok(End::Hears(hearer)) => return self.hears(number, hearer),
                Ok(End::Leaves) => {}
                Err(e) => log::debug!("{peer}: {e}"),
            }
            self.leaves(number);
        });
        self.guests.borrow_mut().push(guest, Seat { number, task: Some(task) });
    }
}

/// As much as fits at once: nobody waits for one who is not let in.
fn turn_away(stream: &Async<TcpStream>) {
    let refusal = Refusal::new(Status::Unavailable, "Too many connections: try again in a moment.").with("Retry-After", "2");
    let mut socket: &TcpStream = stream.get_ref();
    let _ = socket.write(&refusal.bytes(false));
    let _ = socket.shutdown(std::net::Shutdown::Write);
}

/// Runs until `stop` is closed.
pub fn run(gate: &Gate, listener: TcpListener, stop: &Receiver<()>) -> Result<(), Fault> {
    let listener = Async::new(listener).map_err(|e| Fault::new(FaultKind::Retry, format!("the page's port: {e}")))?;
    let executor = LocalExecutor::new();
    let stopped = async {
        let _ = stop.recv().await;
    };
    let doors = smol::future::or(accept(gate, &executor, &listener), attend(gate, &executor));
    // The poller has a thread of its own, which looks in every few milliseconds while `smol::block_on` polls beside it.
    smol::future::block_on(executor.run(smol::future::or(stopped, doors)));
    // The connections end with the executor; their tasks must not be waited for.
    drop(gate.guests.take());
    Ok(())
}

/// A task for each audience.
async fn attend<'a>(gate: &'a Gate, executor: &LocalExecutor<'a>) {
    while gate.begun.1.recv().await.is_ok() {
        let begun: Vec<_> = gate.audiences.borrow().iter().filter(|audience| audience.begin()).cloned().collect();
        for audience in begun {
            let task = executor.spawn(async move {
                audience.attend(gate).await;
                gate.audiences.borrow_mut().retain(|other| !Rc::ptr_eq(other, &audience));
            });
            task.detach();
        }
    }
}

async fn accept<'a>(gate: &'a Gate, executor: &LocalExecutor<'a>, listener: &Async<TcpListener>) {
    let mut is_told = false;
    for number in 1.. {
        match next(listener).await {
            Ok((stream, peer)) => {
                gate.admit(executor, number, stream, peer);
                // Where many come at once, each is heard before others push it out.
                smol::future::yield_now().await;
            }
            Err(e) => {
                // Whatever it is (no descriptors, a peer that is gone already), the port stays open.
                if !std::mem::replace(&mut is_told, true) {
                    log::warn!("a connection to the page could not be accepted: {e}");
                }
                Timer::after(BACK_OFF).await;
            }
        }
    }
}

/// The next connection. Not by `Async::accept`, which asks the kernel anew whenever anything else on this thread moves.
async fn next(listener: &Async<TcpListener>) -> io::Result<(Async<TcpStream>, SocketAddr)> {
    loop {
        match listener.get_ref().accept() {
            Ok((stream, peer)) => return Ok((Async::new(stream)?, peer)),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => listener.readable().await?,
            Err(e) => return Err(e),
        }
    }
}

/// What `work` makes of it, unless that takes longer than `limit`.
async fn within<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    // The timer begins when the work has to wait for the first time.
    smol::future::or(work, async {
        Timer::after(limit).await;
        Err(io::ErrorKind::TimedOut.into())
    })
    .await
}
