//! The door to libopus: packets in, interleaved samples of 24 bits at 48 kHz out.
//!
//! One of the few files with `unsafe`. The proof, once for all of it:
//! * The decoder pointer comes from `opus_multistream_decoder_create`, is checked, never leaves [`OpusDecoder`], and is destroyed
//!   once, in `Drop`. libopus calls nothing back and keeps no pointer that it is given.
//! * It is given the packet with its length, and a buffer with room for 120 ms of all channels, the longest packet there is;
//!   it is told of that room and writes no more.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::ptr::NonNull;

use super::Flaw;
use super::opus::{Layout, MAX_FRAMES, RATE_HZ};

pub struct OpusDecoder {
    raw: NonNull<opusic_sys::OpusMSDecoder>,
    channels: usize,
    /// [`MAX_FRAMES`] × channels.
    room: Box<[i32]>,
}

// SAFETY: libopus keeps no thread-local state; one owner at a time uses the decoder.
unsafe impl Send for OpusDecoder {}

impl OpusDecoder {
    pub fn new(layout: &Layout) -> Result<OpusDecoder, Flaw> {
        let channels = layout.mapping.len();
        let (streams, coupled) = (c_int::from(layout.streams), c_int::from(layout.coupled));
        let mut error = 0;
        // SAFETY: `mapping` has a value for each channel; libopus judges all of them and says no by NULL.
        let raw = unsafe {
            opusic_sys::opus_multistream_decoder_create(
                RATE_HZ as i32,
                channels as c_int, // 1 to 8
                streams,
                coupled,
                layout.mapping.as_ptr(),
                &raw mut error,
            )
        };
        let raw = NonNull::new(raw).ok_or(Flaw::IllFormed("libopus refuses its channel mapping"))?;
        let room = vec![0; MAX_FRAMES as usize * channels].into_boxed_slice();
        let decoder = OpusDecoder { raw, channels, room };
        if layout.gain != 0 {
            // SAFETY: the decoder is alive; this request takes one integer.
            unsafe {
                opusic_sys::opus_multistream_decoder_ctl(
                    raw.as_ptr(),
                    opusic_sys::OPUS_SET_GAIN_REQUEST,
                    c_int::from(layout.gain),
                );
            }
        }
        Ok(decoder)
    }

    /// Forgets what came before.
    pub fn reset(&mut self) {
        // SAFETY: the decoder is alive; this request takes nothing.
        unsafe {
            opusic_sys::opus_multistream_decoder_ctl(self.raw.as_ptr(), opusic_sys::OPUS_RESET_STATE);
        }
    }

    /// Appends the packet's samples; `false` when it cannot be decoded.
    pub fn decode(&mut self, packet: &[u8], out: &mut Vec<i32>) -> bool {
        let Ok(bytes) = i32::try_from(packet.len()) else { return false };
        if packet.is_empty() {
            return false; // would mean a lost packet, which libopus makes up
        }
        // SAFETY: see the head of the file; `room` holds MAX_FRAMES of every channel.
        let frames = unsafe {
            opusic_sys::opus_multistream_decode24(
                self.raw.as_ptr(),
                packet.as_ptr(),
                bytes,
                self.room.as_mut_ptr(),
                MAX_FRAMES as c_int,
                0,
            )
        };
        let Ok(frames) = usize::try_from(frames) else { return false };
        let Some(sound) = self.room.get(..frames * self.channels) else { return false };
        out.extend(sound.iter().map(|s| (*s).clamp(-(1 << 23), (1 << 23) - 1)));
        true
    }
}

impl Drop for OpusDecoder {
    fn drop(&mut self) {
        // SAFETY: made in `new`, destroyed here only.
        unsafe { opusic_sys::opus_multistream_decoder_destroy(self.raw.as_ptr()) }
    }
}
