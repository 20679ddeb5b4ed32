//! A line to a server that breaks, dawdles, lies and answers for it, each connection as the next line of a script says.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than a client waits.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug)]
pub enum Fault {
    None,
    /// Broken after so many bytes to the server.
    CutAfter(usize),
    /// The request arrives whole, and nothing of the answer comes back once so many bytes have been sent.
    CutAnswer(usize),
    /// A byte that goes to the server is another, so far behind the request's head.
    Flip(usize),
    /// Answered so by somebody in between, after so many bytes.
    Answer(u16, usize),
    /// Nothing moves any more after so many bytes.
    Stall(usize),
    /// So many bytes every 10 ms.
    Slow(usize),
}

pub struct Line {
    pub port: u16,
    script: Arc<Mutex<VecDeque<Fault>>>,
    pub connections: Arc<AtomicUsize>,
    end: Arc<AtomicBool>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.end.store(true, Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Line {
    pub fn to(server: u16, script: impl IntoIterator<Item = Fault>) -> Line {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let script: Arc<Mutex<VecDeque<Fault>>> = Arc::new(Mutex::new(script.into_iter().collect()));
        let (end, connections) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (ours, done, count) = (script.clone(), end.clone(), connections.clone());
        thread::spawn(move || {
            for client in listener.incoming() {
                if done.load(Relaxed) {
                    return;
                }
                let Ok(client) = client else { continue };
                count.fetch_add(1, Relaxed);
                let (fault, ours) = (ours.lock().expect("no panic").pop_front().unwrap_or(Fault::None), ours.clone());
                thread::spawn(move || {
                    if let Ok(server) = TcpStream::connect(("127.0.0.1", server)) {
                        // What had no occasion to happen is for another connection.
                        if !carry(client, server, fault) {
                            ours.lock().expect("no panic").push_front(fault);
                        }
                    }
                });
            }
        });
        Line { port, script, connections, end }
    }

    /// Faults that have not happened yet.
    pub fn left(&self) -> usize {
        self.script.lock().expect("no panic").len()
    }

    pub fn add(&self, faults: impl IntoIterator<Item = Fault>) {
        self.script.lock().expect("no panic").extend(faults);
    }
}

/// Whether the fault has happened.
fn carry(client: TcpStream, server: TcpStream, fault: Fault) -> bool {
    let (mut from_server, mut to_client) = (server.try_clone().expect("a socket"), client.try_clone().expect("a socket"));
    let is_mute = Arc::new(AtomicBool::new(false));
    let mute = is_mute.clone();
    let back = thread::spawn(move || {
        let mut space = [0; 16 << 10];
        while let Ok(count @ 1..) = from_server.read(&mut space) {
            if mute.load(Relaxed) {
                break;
            }
            if to_client.write_all(&space[..count]).is_err() {
                break;
            }
        }
        let _ = to_client.shutdown(Shutdown::Both);
    });
    let has_happened = forth(&client, &server, fault, &is_mute);
    let _ = server.shutdown(Shutdown::Both);
    let _ = client.shutdown(Shutdown::Both);
    let _ = back.join();
    has_happened
}

fn forth(mut client: &TcpStream, mut server: &TcpStream, fault: Fault, is_mute: &AtomicBool) -> bool {
    let (mut sent, mut head, mut body, mut is_flipped) = (0, Vec::new(), None, false);
    let piece = if let Fault::Slow(bytes) = fault { bytes } else { 4 << 10 };
    let mut space = vec![0; piece];
    while let Ok(count @ 1..) = client.read(&mut space) {
        let bytes = &mut space[..count];
        if body.is_none() {
            head.extend_from_slice(bytes);
            let end = head.windows(4).position(|four| four == b"\r\n\r\n");
            body = end.map(|end| end + 4);
        }
        match fault {
            Fault::CutAfter(most) if sent + count > most => {
                let _ = server.write_all(&bytes[..most.saturating_sub(sent).min(count)]);
                return true;
            }
            Fault::Answer(status, after) if sent + count > after => {
                let text = format!("HTTP/1.1 {status} No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                let _ = client.write_all(text.as_bytes());
                // Read on for a moment, else the answer is lost with what was not read.
                let _ = client.set_read_timeout(Some(Duration::from_millis(200)));
                while matches!(client.read(&mut space), Ok(1..)) {}
                return true;
            }
            Fault::Stall(after) if sent + count > after => {
                // Until the client has had enough.
                // Until the client has had enough. What it wanted to send is in the way of its goodbye, so there is an end to this.
                let since = Instant::now();
                while !gone(client) && since.elapsed() < PATIENCE {
                    thread::sleep(Duration::from_millis(20));
                }
                return true;
            }
            Fault::CutAnswer(after) if sent + count > after => is_mute.store(true, Relaxed),
            Fault::Flip(at) if !is_flipped => {
                if let Some(place) = body.map(|body| body + at).filter(|place| (sent..sent + count).contains(place)) {
                    bytes[place - sent] ^= 1;
                    is_flipped = true;
                }
            }
            Fault::Slow(_) => thread::sleep(Duration::from_millis(10)),
            _ => {}
        }
        sent += count;
        if server.write_all(bytes).is_err() {
            break;
        }
    }
    if is_mute.load(Relaxed) {
        thread::sleep(Duration::from_millis(50));
    }
    is_flipped || is_mute.load(Relaxed) || matches!(fault, Fault::None | Fault::Slow(_))
}

/// The other side has closed: what waits here will not grow.
fn gone(client: &TcpStream) -> bool {
    let mut fds = [rustix::event::PollFd::new(client, rustix::event::PollFlags::RDHUP)];
    rustix::event::poll(&mut fds, Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|count| count > 0)
}
