//! A station that a browser test commands: a new connection of its recorder is a new recording.
//!
//! | asked | does |
//! |---|---|
//! | GET /live.mp3 | sound as fast as it sounds, from the beginning |
//! | GET /split | ends the connection; the recorder comes again at once |
//! | GET /grow/SECONDS | so much more sound than time has passed |

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::tool;
use crate::web::{Visit, Web};

/// 64 kbit/s.
const BYTES_PER_SECOND: usize = 8_000;
const PIECE: usize = BYTES_PER_SECOND / 10;

#[derive(Default)]
struct Orders {
    connection: AtomicU64,
    more_seconds: AtomicU64,
}

/// `folder` is where its sound is made.
pub fn start(folder: &Path) -> Web {
    let path = folder.join("station.mp3");
    let name = path.to_str().expect("a plain path");
    let noise = "anoisesrc=color=pink:amplitude=0.1:sample_rate=44100:duration=300:seed=1";
    tool("ffmpeg", &["-v", "error", "-f", "lavfi", "-i", noise, "-ac", "1", "-b:a", "64k", "-write_xing", "0", name]);
    let (sound, orders) = (std::fs::read(&path).expect("made by ffmpeg"), Arc::new(Orders::default()));
    Web::serve(move |mut visit| match visit.path().to_owned().as_str() {
        "/live.mp3" => play(&mut visit, &sound, &orders),
        order => {
            match order.strip_prefix("/grow/") {
                Some(seconds) => orders.more_seconds.fetch_add(seconds.parse().map_err(io::Error::other)?, SeqCst),
                None => orders.connection.fetch_add(1, SeqCst),
            };
            visit.send("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        }
    })
}

fn play(visit: &mut Visit, sound: &[u8], orders: &Orders) -> io::Result<()> {
    visit.send("HTTP/1.0 200 OK\r\nContent-Type: audio/mpeg\r\nConnection: close\r\n\r\n")?;
    let (began, connection) = (Instant::now(), orders.connection.load(SeqCst));
    orders.more_seconds.store(0, SeqCst);
    let mut sent = 0;
    for piece in sound.chunks(PIECE).cycle() {
        while sent > began.elapsed().as_millis() as usize * BYTES_PER_SECOND / 1_000 + more(orders) {
            if orders.connection.load(SeqCst) != connection {
                return visit.socket.flush();
            }
            thread::sleep(Duration::from_millis(10)); // as fast as it sounds
        }
        visit.send(piece)?;
        sent += piece.len();
    }
    Ok(())
}

fn more(orders: &Orders) -> usize {
    orders.more_seconds.load(SeqCst) as usize * BYTES_PER_SECOND
}
