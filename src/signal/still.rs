//! Does a channel deliver one and the same value? A dead microphone, a muted input, a broken cable: zeros, or a constant.
//!
//! Fed by the analyser with every block that it hears. A channel with any sound in it differs from its last value within a few
//! samples, so a look at a block costs nothing; only a channel that is still is read through.

use crate::status::CHANNELS;

/// Of one source.
#[derive(Clone, Copy, Debug)]
pub struct Still {
    channels: [Channel; CHANNELS],
    /// Bytes of a sample, and samples of a frame.
    shape: (usize, usize),
}

#[derive(Clone, Copy, Debug, Default)]
struct Channel {
    value: [u8; 4],
    frames: u64,
}

impl Still {
    pub fn new() -> Still {
        Still { channels: [Channel::default(); CHANNELS], shape: (0, 0) }
    }

    /// Interleaved samples of `width` bytes (1 to 4), little endian. What was seen in another shape does not count.
    pub fn push(&mut self, pcm: &[u8], width: usize, channels: usize) {
        if self.shape != (width, channels) {
            *self = Still { shape: (width, channels), ..Still::new() };
        }
        let frame = width * channels;
        if frame == 0 || width > 4 {
            return;
        }
        let frames = pcm.len() / frame;
        for (place, channel) in self.channels.iter_mut().enumerate().take(channels) {
            let at = |frame_no: usize| &pcm[frame_no * frame + place * width..][..width]; // frame_no < frames
            let held = channel.value;
            let held = &held[..width]; // at most 4
            match (0..frames).rev().position(|n| at(n) != held) {
                None => channel.frames = channel.frames.saturating_add(frames as u64),
                // So many of the newest are as the last one was held; the value is now that of the newest.
                Some(_) => {
                    let newest = at(frames - 1); // there is one that differs
                    channel.value[..width].copy_from_slice(newest);
                    channel.frames = (0..frames).rev().take_while(|n| at(*n) == newest).count() as u64;
                }
            }
        }
    }

    /// Of each channel: frames that its value has not changed for, and whether that value is zero.
    pub fn look(&self) -> impl Iterator<Item = (u64, bool)> + '_ {
        self.channels.iter().take(self.shape.1).map(|channel| (channel.frames, channel.value == [0; 4]))
    }
}

impl Default for Still {
    fn default() -> Still {
        Still::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pieces of frames of two channels of 16 bits; what is known after each.
    #[track_caller]
    fn check(pieces: &[&[[i16; 2]]], expected: &[[(u64, bool); 2]]) {
        let mut still = Still::new();
        for (piece, expected) in pieces.iter().zip(expected) {
            let bytes: Vec<u8> = piece.iter().flatten().flat_map(|x| x.to_le_bytes()).collect();
            still.push(&bytes, 2, 2);
            assert_eq!(still.look().collect::<Vec<_>>(), expected, "after {piece:?}");
        }
    }

    #[test]
    fn each_channel_by_itself() {
        check(&[&[[0, 7]; 100], &[[0, 7]; 50]], &[[(100, true), (100, false)], [(150, true), (150, false)]]);
        check(&[&[[0, 7]; 100], &[[0, 7], [0, 8]]], &[[(100, true), (100, false)], [(102, true), (1, false)]]);
        check(&[&[[3, 1], [4, 1], [4, 0]], &[[4, 0]]], &[[(2, false), (1, true)], [(3, false), (2, true)]]);
        check(&[&[[256, 0]], &[]], &[[(1, false), (1, true)], [(1, false), (1, true)]]);
    }

    #[test]
    fn another_shape_begins_anew() {
        let mut still = Still::new();
        still.push(&[0; 60], 2, 1);
        assert_eq!(still.look().collect::<Vec<_>>(), [(30, true)]);
        still.push(&[0; 60], 3, 2);
        assert_eq!(still.look().collect::<Vec<_>>(), [(10, true), (10, true)]);
        still.push(&[0, 0, 0, 1, 0, 0], 3, 2);
        assert_eq!(still.look().collect::<Vec<_>>(), [(11, true), (1, false)]);
    }

    #[test]
    fn no_shape_is_too_odd() {
        for (width, channels) in [(0, 0), (0, 2), (2, 0), (9, 2), (4, 200), (1, 1)] {
            let mut still = Still::new();
            still.push(&[1; 1_000], width, channels);
            still.push(&[], width, channels);
            assert!(still.look().count() <= CHANNELS);
        }
    }
}
