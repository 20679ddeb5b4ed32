//! The door to libopus: packets in, interleaved samples of 24 bits at 48 kHz out; and interleaved samples in, packets out.
//!
//! One of the few files with `unsafe`. The proof, once for all of it:
//! * The pointers come from `opus_multistream_decoder_create` and `opus_encoder_create`, are checked, never leave [`OpusDecoder`]
//!   and [`OpusEncoder`], and are destroyed once, in `Drop`. libopus calls nothing back and keeps no pointer that it is given.
//! * The decoder is given the packet with its length, and a buffer with room for 120 ms of all channels, the longest packet there
//!   is; it is told of that room and writes no more. The encoder is given as many samples as it is told of, and the room for its
//!   packet with its length.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::ptr::NonNull;

use super::Flaw;
use super::opus::{Layout, MAX_FRAMES, PACKET_FRAMES, RATE_HZ};

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

/// Sound of one or two channels at 48 kHz to packets of [`PACKET_FRAMES`], at a bit rate that varies around the one asked for.
pub struct OpusEncoder {
    raw: NonNull<opusic_sys::OpusEncoder>,
    channels: usize,
}

// SAFETY: libopus keeps no thread-local state; one owner at a time uses the encoder.
unsafe impl Send for OpusEncoder {}

impl OpusEncoder {
    /// `channels`: 1 or 2. `complexity`: 0 (least work) to 10. libopus bends the bit rate to what it can do.
    pub fn new(channels: u8, bits_per_second: u32, complexity: u8) -> Result<OpusEncoder, Flaw> {
        let mut error = 0;
        // SAFETY: takes numbers, judges them, and says no by NULL.
        let raw = unsafe {
            opusic_sys::opus_encoder_create(
                RATE_HZ as i32,
                c_int::from(channels),
                opusic_sys::OPUS_APPLICATION_AUDIO,
                &raw mut error,
            )
        };
        let raw = NonNull::new(raw).ok_or(Flaw::Unsupported("libopus encodes one or two channels"))?;
        let encoder = OpusEncoder { raw, channels: channels.into() };
        let bits = c_int::try_from(bits_per_second).unwrap_or(c_int::MAX);
        // SAFETY: the encoder is alive; both requests take one integer.
        unsafe {
            opusic_sys::opus_encoder_ctl(raw.as_ptr(), opusic_sys::OPUS_SET_BITRATE_REQUEST, bits);
            opusic_sys::opus_encoder_ctl(raw.as_ptr(), opusic_sys::OPUS_SET_COMPLEXITY_REQUEST, c_int::from(complexity));
        }
        Ok(encoder)
    }

    /// Frames at 48 kHz by which what is decoded comes late.
    pub fn lookahead(&self) -> u16 {
        let mut frames: c_int = 0;
        // SAFETY: the encoder is alive; this request takes a pointer to an integer, which it writes.
        unsafe {
            opusic_sys::opus_encoder_ctl(self.raw.as_ptr(), opusic_sys::OPUS_GET_LOOKAHEAD_REQUEST, &raw mut frames);
        }
        u16::try_from(frames).unwrap_or(0)
    }

    /// The packet of exactly [`PACKET_FRAMES`], -1 to 1, at the front of `packet`; its bytes. `None`: a wrong number of samples.
    pub fn encode(&mut self, sound: &[f32], packet: &mut [u8]) -> Option<usize> {
        if sound.len() != PACKET_FRAMES * self.channels {
            return None;
        }
        let room = i32::try_from(packet.len()).unwrap_or(i32::MAX);
        // SAFETY: see the head of the file; `sound` has been measured, `room` is that of `packet` or less.
        let bytes = unsafe {
            opusic_sys::opus_encode_float(self.raw.as_ptr(), sound.as_ptr(), PACKET_FRAMES as c_int, packet.as_mut_ptr(), room)
        };
        usize::try_from(bytes).ok()
    }
}

impl Drop for OpusEncoder {
    fn drop(&mut self) {
        // SAFETY: made in `new`, destroyed here only.
        unsafe { opusic_sys::opus_encoder_destroy(self.raw.as_ptr()) }
    }
}
