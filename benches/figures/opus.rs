//! Opus for those who listen, beside opusenc: the same sound, bit rate and complexity.

use rustix::time::{ClockId, clock_gettime};
use soundpost::format::broadcast::Broadcast;
use soundpost::message::live::Quality;

use crate::common::{Place, tool};
use crate::process::{cpu_seconds, median};
use crate::sound;

const SECONDS: u32 = 600;
const KILOBITS: u32 = 64;
const ROUNDS: usize = 5;
/// What a capture hands over at once.
const PIECE: usize = 960;

pub fn broadcast_beside_opusenc() {
    let place = Place::new();
    let (stereo, what) = sound::stereo(place.folder.path(), SECONDS);
    let (mono, out) = (place.path("mono.wav"), place.path("peer.opus"));
    let [wav, peer] = [&mono, &out].map(|path| path.to_str().expect("a plain path"));
    tool("sox", &[stereo.to_str().expect("a plain path"), wav, "remix", "1"]);
    let samples: Vec<i32> =
        hound::WavReader::open(&mono).expect("a WAV").into_samples::<i32>().map(|s| s.expect("a sample")).collect();
    println!("{} min of 48 kHz mono at {KILOBITS} kbit/s: {what}", SECONDS / 60);
    for complexity in [10, 5] {
        let (kilobits, effort) = (KILOBITS.to_string(), complexity.to_string());
        let arguments = ["--quiet", "--bitrate", &kilobits, "--comp", &effort, wav, peer];
        let (mut ours, mut theirs, mut bytes) = (Vec::new(), Vec::new(), 0);
        for _ in 0..ROUNDS {
            let seconds;
            (seconds, bytes) = encoded(&samples, complexity);
            ours.push(seconds);
            theirs.push(cpu_seconds("opusenc", &arguments));
        }
        let (ours, theirs) = (median(ours), median(theirs));
        let peer_bytes = out.metadata().expect("there").len();
        println!(
            "complexity {complexity}: soundpost {ours:.2} s of CPU, {bytes} bytes; opusenc {theirs:.2} s, {peer_bytes} bytes"
        );
        println!("complexity {complexity}: ratio {:.2} (bar: at most 1.05)", ours / theirs);
    }
}

/// Seconds of CPU, and the bytes of its pages.
fn encoded(samples: &[i32], complexity: u8) -> (f64, usize) {
    let cpu_seconds = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
    };
    let begun = cpu_seconds();
    let quality = Quality { bits_per_second: KILOBITS * 1_000, complexity };
    let mut broadcast = Broadcast::new(sound::RATE, 1, quality, 1).expect("an encoder");
    let mut bytes = 0;
    for piece in samples.chunks(PIECE) {
        broadcast.push(piece, 16, |head, body| bytes += head.len() + body.len());
    }
    (cpu_seconds() - begun, bytes)
}
