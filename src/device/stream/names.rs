//! Host names to addresses: at most two look-ups at once over all stations, remembered, and never longer than asked.
//!
//! `getaddrinfo` cannot be stopped, so each look-up has a thread of its own that keeps its turn until it ends; a caller that
//! gives up leaves it behind, and no third is ever begun (hazard: one thread for every attempt while DNS is away).

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::gate::{Gate, Halt, SLICE, Waiting, lock};

const LOOK_UPS: usize = 2;
/// Stations of one server share an answer; DNS itself says minutes.
const FRESH: Duration = Duration::from_secs(60);
/// Who has an address that worked does not wait longer for a new one.
const PATIENCE_WITH_GOOD: Duration = Duration::from_secs(3);
/// Servers that spread their streams over many names must not fill the memory.
const MAX_HOSTS: usize = 256;
const MAX_ADDRESSES: usize = 4;
const STACK_BYTES: usize = 256 << 10;

#[derive(Debug)]
pub struct Names {
    known: Mutex<BTreeMap<String, Known>>,
    turns: Arc<Gate>,
}

#[derive(Debug, Default)]
struct Known {
    addresses: Vec<IpAddr>,
    fresh_until: Option<Instant>,
    /// The one that connected last.
    good: Option<IpAddr>,
    /// The last look-up or connection failed.
    doubtful: bool,
}

impl Known {
    fn in_order(&self) -> Vec<IpAddr> {
        let others = self.addresses.iter().copied().filter(|address| Some(*address) != self.good);
        self.good.into_iter().chain(others).take(MAX_ADDRESSES).collect()
    }
}

pub enum NotFound {
    Halt(Halt),
    /// What the system says of it.
    Unknown(String),
}

impl Names {
    pub fn new() -> Names {
        Names { known: Mutex::default(), turns: Gate::new(LOOK_UPS) }
    }

    /// Addresses in the order to try, the one that worked first; at least one.
    pub fn resolve(&self, host: &str, port: u16, patience: Duration, waiting: &Waiting) -> Result<Vec<SocketAddr>, NotFound> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let (old, fresh, doubtful) = self.with(bare, |known| {
            (known.in_order(), known.fresh_until.is_some_and(|until| Instant::now() < until), known.doubtful)
        });
        let found = if fresh && !old.is_empty() {
            old
        } else {
            let patience = if old.is_empty() { patience } else { patience.min(PATIENCE_WITH_GOOD) };
            match self.look_up(bare, doubtful, patience, waiting) {
                Ok(addresses) => self.with(bare, |known| {
                    known.good = known.good.filter(|good| addresses.contains(good));
                    known.addresses = addresses;
                    known.fresh_until = Some(Instant::now() + FRESH);
                    known.in_order()
                }),
                Err(NotFound::Halt(Halt::Stopped)) => return Err(NotFound::Halt(Halt::Stopped)),
                Err(why) => {
                    self.with(bare, |known| known.doubtful = true);
                    if old.is_empty() {
                        return Err(why);
                    }
                    old
                }
            }
        };
        Ok(found.into_iter().map(|address| SocketAddr::new(address, port)).collect())
    }

    pub fn is_doubtful(&self, host: &str) -> bool {
        self.with(host, |known| known.doubtful)
    }

    pub fn reached(&self, host: &str, address: IpAddr) {
        self.with(host, |known| {
            known.good = Some(address);
            known.doubtful = false;
        });
    }

    /// None of its addresses answered: the next attempt asks anew.
    pub fn not_reached(&self, host: &str) {
        self.with(host, |known| {
            known.fresh_until = None;
            known.doubtful = true;
        });
    }

    fn with<R>(&self, host: &str, f: impl FnOnce(&mut Known) -> R) -> R {
        let mut all = lock(&self.known);
        if !all.contains_key(host) {
            if all.len() >= MAX_HOSTS {
                all.clear(); // one more look-up each
            }
            all.insert(host.to_owned(), Known::default());
        }
        f(all.entry(host.to_owned()).or_default())
    }

    fn look_up(&self, host: &str, doubtful: bool, patience: Duration, waiting: &Waiting) -> Result<Vec<IpAddr>, NotFound> {
        let until = Instant::now() + patience;
        let ticket = self.turns.enter(doubtful, patience, waiting).map_err(NotFound::Halt)?;
        let (answer, answered) = sync_channel(1);
        let name = (host.to_owned(), 0);
        let asking = move || {
            let found: io::Result<Vec<IpAddr>> =
                name.to_socket_addrs().map(|all| all.map(|a| a.ip()).take(MAX_ADDRESSES).collect());
            drop(ticket);
            let _ = answer.send(found);
        };
        let unknown = |e: io::Error| NotFound::Unknown(e.to_string());
        thread::Builder::new().name("names".to_owned()).stack_size(STACK_BYTES).spawn(asking).map_err(unknown)?;
        loop {
            let now = Instant::now();
            waiting.check(now).map_err(NotFound::Halt)?;
            if now >= until {
                return Err(NotFound::Halt(Halt::Quiet(patience)));
            }
            match answered.recv_timeout(SLICE.min(until - now)) {
                Ok(Ok(found)) if !found.is_empty() => return Ok(found),
                Ok(Ok(_)) => return Err(NotFound::Unknown("it has no address".to_owned())),
                Ok(Err(e)) => return Err(unknown(e)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(NotFound::Unknown("the look-up failed".to_owned())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_good_address_outlives_dns() {
        let (names, waiting) = (Names::new(), Waiting::new(Arc::default()));
        let resolve = || names.resolve("does-not-exist.invalid", 80, Duration::from_secs(10), &waiting);
        assert!(matches!(resolve(), Err(NotFound::Unknown(_))));
        assert!(names.is_doubtful("does-not-exist.invalid"));
        names.reached("does-not-exist.invalid", IpAddr::from([127, 0, 0, 9]));
        assert_eq!(resolve().ok(), Some(vec![SocketAddr::from(([127, 0, 0, 9], 80))]));
    }

    #[test]
    fn numbers_are_not_looked_up() {
        let (names, waiting) = (Names::new(), Waiting::new(Arc::default()));
        let literal = |host| names.resolve(host, 1, Duration::ZERO, &waiting).ok().map(|all| all[0].to_string());
        assert_eq!(literal("[::1]").as_deref(), Some("[::1]:1"));
        assert_eq!(literal("10.0.0.1").as_deref(), Some("10.0.0.1:1"));
    }
}
