//! Capture's side of a live tap: copies what was just read for whoever looks or listens, and never costs the recording anything.

use std::sync::atomic::Ordering::Relaxed;

use crate::edge::Sender;
use crate::message::live::Heard;
use crate::message::{Lane, PcmFormat};
use crate::pool::Pool;
use crate::status::LaneStatus;
use crate::time::Mono;

/// What outlives a capture.
#[derive(Clone)]
pub struct Ear {
    pub lane: Lane,
    /// A block holds at least one read.
    pub pool: Pool,
    pub inbox: Sender<Heard>,
}

impl Ear {
    /// Whole frames and the stamp of their end. What finds no block or no room is lost to the listeners, and counted.
    pub fn hear(&self, format: PcmFormat, pcm: &[u8], stamp: (u64, Mono), status: &LaneStatus) {
        let (mut rest, mut end) = (pcm, stamp.0 - (pcm.len() / format.frame_bytes()) as u64);
        while !rest.is_empty() {
            let Some(mut sound) = self.pool.try_take() else { break };
            let room = sound.capacity() / format.frame_bytes() * format.frame_bytes();
            let (now, later) = rest.split_at(room.min(rest.len()));
            if now.is_empty() {
                break;
            }
            sound.append(now);
            sound.first_frame = end;
            sound.frames = (now.len() / format.frame_bytes()) as u32; // of a block
            end += u64::from(sound.frames);
            sound.stamp = stamp;
            if self.inbox.try_send(Heard { lane: self.lane, format, sound }).is_err() {
                break;
            }
            rest = later;
        }
        status.unheard.fetch_add((rest.len() / format.frame_bytes()) as u64, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::edge;
    use crate::message::Depth;
    use crate::time::Rate;

    const FORMAT: PcmFormat = PcmFormat { rate: Rate::MIN, channels: 1, depth: Depth::TwentyFour };

    #[test]
    fn whole_frames_go_out_in_blocks_and_what_does_not_fit_is_counted() {
        let (inbox, out) = edge(8);
        let ear = Ear { lane: 3, pool: Pool::new(2, 8), inbox };
        let status = LaneStatus::default();
        ear.hear(FORMAT, b"aaabbbcccddd", (104, Mono(5)), &status);
        let heard: Vec<Heard> = std::iter::from_fn(|| out.try_recv().ok()).collect();
        let seen: Vec<_> = heard.iter().map(|h| (h.lane, h.sound.first_frame, h.sound.bytes())).collect();
        assert_eq!(seen, [(3, 100, &b"aaabbb"[..]), (3, 102, b"cccddd")]);
        assert_eq!(status.unheard.load(Relaxed), 0);
        ear.hear(FORMAT, b"eee", (105, Mono(6)), &status);
        assert_eq!((status.unheard.load(Relaxed), out.try_recv().is_err()), (1, true), "both blocks are with the listener");
        drop(heard);
        ear.hear(FORMAT, b"fff", (106, Mono(7)), &status);
        assert_eq!(out.try_recv().map(|h| h.sound.first_frame).ok(), Some(105));
    }
}
