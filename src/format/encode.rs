//! The door to libFLAC: PCM bytes in, whole FLAC frames out.
//!
//! One of the few files with `unsafe`. The proof, once for all of it:
//! * The encoder pointer comes from `FLAC__stream_encoder_new`, is checked, never leaves [`FlacEncoder`], and is deleted once, in `Drop`.
//! * libFLAC calls back only from inside `init`, `process` and `finish`, on the calling thread, with the `Sink` pointer given at
//!   `init`. The sink is boxed, so it does not move; no Rust reference to it is alive during those calls; it is freed after the encoder.
//! * The callbacks touch nothing but the sink and the slice that libFLAC describes, and cannot panic: a frame that does not
//!   fit is refused by the status that libFLAC defines for it.
//!
//! libFLAC allocates when a file is opened (and lets its bit writer grow to the largest frame, at most a few times a file).
//! Everything on this side is allocated in [`FlacEncoder::new`].
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::slice;

use libflac_sys as flac;
use wide::i32x4;

use crate::message::{Depth, PcmFormat};

/// Frames of a FLAC block unless the configuration says otherwise; libFLAC's own choice for level 5.
pub const DEFAULT_BLOCK_SIZE: u32 = 4096;

/// Frames that are handed to libFLAC at a time: in planes of 2 KiB, which stay in the first cache until it has copied them.
const CHUNK_FRAMES: usize = 512;

/// What libFLAC knows once the last frame is out: the rest of STREAMINFO (RFC 9639 section 8.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub total_samples: u64,
    pub min_frame_bytes: u32,
    pub max_frame_bytes: u32,
    /// MD5 of the samples.
    pub md5: [u8; 16],
}

/// Frames come out as (bytes, samples), in order. Static text on failure: libFLAC has only a few, and none of them is the user's.
pub type Encoded<'a> = &'a mut dyn FnMut(&[u8], u32);

pub struct FlacEncoder {
    raw: NonNull<flac::FLAC__StreamEncoder>,
    sink: *mut Sink,
    /// One plane of samples a channel, `chunk` each.
    planes: Box<[i32]>,
    format: PcmFormat,
    /// Frames handed over at a time: a FLAC block at most, so that a call yields two coded frames at most.
    chunk: usize,
}

// SAFETY: libFLAC's encoder keeps no thread-local state; one owner at a time uses it.
unsafe impl Send for FlacEncoder {}

/// Where the callbacks put what libFLAC says.
struct Sink {
    bytes: Vec<u8>,
    /// (bytes, samples) of the frames in `bytes`; one call yields two at most.
    frames: heapless::Vec<(usize, u32), 4>,
    summary: Summary,
}

impl FlacEncoder {
    /// A running encoder for one file. `level` is 0 to 8.
    pub fn new(format: PcmFormat, level: u8, block_size: u32) -> Result<FlacEncoder, &'static str> {
        let channels = usize::from(format.channels.max(1));
        let chunk = CHUNK_FRAMES.min(block_size as usize);
        let max_frame = max_frame_bytes(format, block_size);
        let sink = Sink { bytes: Vec::with_capacity(3 * max_frame), frames: heapless::Vec::new(), summary: Summary::default() };
        // SAFETY: see the head of the file; the setters take any value and `init_stream` judges them.
        unsafe {
            let raw = NonNull::new(flac::FLAC__stream_encoder_new()).ok_or("libFLAC is out of memory")?;
            let sink = Box::into_raw(Box::new(sink));
            let this = FlacEncoder { raw, sink, planes: vec![0; channels * chunk].into_boxed_slice(), format, chunk };
            let e = raw.as_ptr();
            flac::FLAC__stream_encoder_set_channels(e, u32::from(format.channels));
            flac::FLAC__stream_encoder_set_bits_per_sample(e, u32::from(format.depth.bits()));
            flac::FLAC__stream_encoder_set_sample_rate(e, format.rate.hz());
            flac::FLAC__stream_encoder_set_compression_level(e, u32::from(level.min(8)));
            flac::FLAC__stream_encoder_set_blocksize(e, block_size);
            // The streamable subset knows neither every rate nor every block size that the format has.
            flac::FLAC__stream_encoder_set_streamable_subset(e, 0);
            let status =
                flac::FLAC__stream_encoder_init_stream(e, Some(on_frame), None, None, Some(on_summary), sink.cast::<c_void>());
            if status != flac::FLAC__STREAM_ENCODER_INIT_STATUS_OK {
                return Err("libFLAC refuses this rate, width, channel count or block size");
            }
            // What it wrote now is its own idea of the metadata; format/flac writes ours.
            (*sink).bytes.clear();
            (*sink).frames.clear();
            Ok(this)
        }
    }

    pub fn format(&self) -> PcmFormat {
        self.format
    }

    /// Encodes whole frames of `pcm` (laid out as [`PcmFormat`] says) and hands each finished FLAC frame to `out`.
    pub fn encode(&mut self, pcm: &[u8], out: Encoded) -> Result<(), &'static str> {
        let chunk_bytes = self.chunk * self.format.frame_bytes();
        for chunk in pcm.chunks(chunk_bytes.max(1)) {
            let frames = chunk.len() / self.format.frame_bytes().max(1);
            deinterleave(chunk, self.format, frames, self.chunk, &mut self.planes);
            let mut planes = [ptr::null::<i32>(); 8];
            for (plane, samples) in planes.iter_mut().zip(self.planes.chunks(self.chunk)) {
                *plane = samples.as_ptr();
            }
            // SAFETY: `planes` has a pointer for each of at most 8 channels, each to `chunk >= frames` samples.
            let fine = unsafe { flac::FLAC__stream_encoder_process(self.raw.as_ptr(), planes.as_ptr(), frames as u32) };
            if fine == 0 {
                return Err("libFLAC failed to encode a block");
            }
            self.drain(out);
        }
        Ok(())
    }

    /// Encodes what is left of the last block and ends the file.
    pub fn finish(mut self, out: Encoded) -> Result<Summary, &'static str> {
        // SAFETY: as above; `finish` may be called once after `init`, and `Drop` only deletes.
        let fine = unsafe { flac::FLAC__stream_encoder_finish(self.raw.as_ptr()) };
        self.drain(out);
        // SAFETY: no callback runs now.
        let summary = unsafe { (*self.sink).summary };
        if fine == 0 { Err("libFLAC failed to end the file") } else { Ok(summary) }
    }

    fn drain(&mut self, out: Encoded) {
        // SAFETY: no callback runs now, and this is the only reference.
        let sink = unsafe { &mut *self.sink };
        let mut rest = sink.bytes.as_slice();
        for &(bytes, samples) in &sink.frames {
            let (frame, tail) = rest.split_at(bytes.min(rest.len()));
            out(frame, samples);
            rest = tail;
        }
        sink.bytes.clear();
        sink.frames.clear();
    }
}

impl Drop for FlacEncoder {
    fn drop(&mut self) {
        // SAFETY: both were made in `new` and are freed here only, the encoder first. Deleting a running encoder writes nothing.
        unsafe {
            flac::FLAC__stream_encoder_delete(self.raw.as_ptr());
            drop(Box::from_raw(self.sink));
        }
    }
}

/// The largest frame that can come: verbatim samples, mid/side's extra bit, and room for headers (RFC 9639 section 9).
pub fn max_frame_bytes(format: PcmFormat, block_size: u32) -> usize {
    let channels = usize::from(format.channels);
    let bits = channels * block_size as usize * (usize::from(format.depth.bits()) + 1);
    bits / 8 + 8 * channels + 64
}

unsafe extern "C" fn on_frame(
    _: *const flac::FLAC__StreamEncoder,
    buffer: *const u8,
    bytes: usize,
    samples: u32,
    _: u32,
    client: *mut c_void,
) -> flac::FLAC__StreamEncoderWriteStatus {
    // SAFETY: `client` is the sink given at init; `buffer` holds `bytes` bytes for the time of the call.
    let (sink, frame) = unsafe { (&mut *client.cast::<Sink>(), slice::from_raw_parts(buffer, bytes)) };
    if samples == 0 {
        return flac::FLAC__STREAM_ENCODER_WRITE_STATUS_OK; // metadata: not used
    }
    let fits = sink.bytes.len() + bytes <= sink.bytes.capacity();
    if !fits || sink.frames.push((bytes, samples)).is_err() {
        return flac::FLAC__STREAM_ENCODER_WRITE_STATUS_FATAL_ERROR;
    }
    sink.bytes.extend_from_slice(frame);
    flac::FLAC__STREAM_ENCODER_WRITE_STATUS_OK
}

unsafe extern "C" fn on_summary(
    _: *const flac::FLAC__StreamEncoder,
    metadata: *const flac::FLAC__StreamMetadata,
    client: *mut c_void,
) {
    // SAFETY: `client` is the sink given at init; libFLAC passes its STREAMINFO, and `type_` says that this arm is set.
    unsafe {
        if (*metadata).type_ == flac::FLAC__METADATA_TYPE_STREAMINFO {
            let info = (*metadata).data.stream_info;
            (*client.cast::<Sink>()).summary = Summary {
                total_samples: info.total_samples,
                min_frame_bytes: info.min_framesize,
                max_frame_bytes: info.max_framesize,
                md5: info.md5sum,
            };
        }
    }
}

/// Interleaved little-endian bytes to one plane a channel. `planes` is channels × `stride`.
fn deinterleave(pcm: &[u8], format: PcmFormat, frames: usize, stride: usize, planes: &mut [i32]) {
    let channels = usize::from(format.channels).max(1);
    match (format.depth, channels) {
        (Depth::Sixteen, 2) => {
            let (left, right) = planes.split_at_mut(stride);
            let whole = frames / 4 * 4;
            let fours = left[..whole].chunks_exact_mut(4).zip(right[..whole].chunks_exact_mut(4));
            for (bytes, (left, right)) in pcm.chunks_exact(16).zip(fours) {
                let (l, r) = split_s16(bytes);
                left.copy_from_slice(l.as_array_ref());
                right.copy_from_slice(r.as_array_ref());
            }
            let last = left[whole..frames].iter_mut().zip(&mut right[whole..frames]);
            for (frame, (l, r)) in pcm[4 * whole..].chunks_exact(4).zip(last) {
                *l = i32::from(i16::from_le_bytes([frame[0], frame[1]]));
                *r = i32::from(i16::from_le_bytes([frame[2], frame[3]]));
            }
        }
        (Depth::Sixteen, _) => {
            for (c, plane) in planes.chunks_mut(stride).enumerate() {
                for (frame, sample) in pcm.chunks_exact(2 * channels).zip(&mut plane[..frames]) {
                    *sample = i32::from(i16::from_le_bytes([frame[2 * c], frame[2 * c + 1]]));
                }
            }
        }
        (Depth::TwentyFour, _) => {
            for (c, plane) in planes.chunks_mut(stride).enumerate() {
                for (frame, sample) in pcm.chunks_exact(3 * channels).zip(&mut plane[..frames]) {
                    // The three bytes become the upper ones, so the shift back carries the sign.
                    *sample = i32::from_le_bytes([0, frame[3 * c], frame[3 * c + 1], frame[3 * c + 2]]) >> 8;
                }
            }
        }
    }
}

/// Four frames of two samples of 16 bits out of 16 bytes: the left ones and the right ones.
fn split_s16(bytes: &[u8]) -> (i32x4, i32x4) {
    let frames: [i32; 4] = bytemuck::pod_read_unaligned(bytes); // a chunk of 16
    let frames = i32x4::new(if cfg!(target_endian = "big") { frames.map(i32::swap_bytes) } else { frames });
    ((frames << 16) >> 16, frames >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Rate;
    use md5::{Digest, Md5};

    /// White noise is the worst case: libFLAC stores it verbatim.
    fn noise(format: PcmFormat, frames: usize, seed: u64) -> Vec<u8> {
        let mut x = seed | 1;
        (0..frames * format.frame_bytes())
            .map(|_| {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                x as u8
            })
            .collect()
    }

    fn check(hz: u32, channels: u8, depth: Depth, frames: usize, level: u8) {
        let format = PcmFormat { rate: Rate::new(hz).expect("a rate"), channels, depth };
        let pcm = noise(format, frames, u64::from(hz) + u64::from(channels));
        let (mut samples, mut sizes) = (0_u64, Vec::new());
        let mut out = |frame: &[u8], n: u32| {
            assert_eq!(&frame[..2], [0xFF, 0xF8], "a frame of fixed block size starts with its sync code");
            samples += u64::from(n);
            sizes.push(frame.len() as u32);
        };
        let mut encoder = FlacEncoder::new(format, level, DEFAULT_BLOCK_SIZE).expect("an encoder");
        for piece in pcm.chunks(format.frame_bytes() * 1000) {
            encoder.encode(piece, &mut out).expect("encoded");
        }
        let summary = encoder.finish(&mut out).expect("finished");
        assert_eq!((samples, summary.total_samples), (frames as u64, frames as u64));
        assert_eq!(summary.md5, <[u8; 16]>::from(Md5::digest(&pcm)), "libFLAC's MD5 is that of the bytes given");
        assert_eq!(sizes.iter().max(), Some(&summary.max_frame_bytes));
        assert!(summary.max_frame_bytes as usize <= max_frame_bytes(format, DEFAULT_BLOCK_SIZE));
    }

    #[test]
    fn every_shape_comes_out_whole() {
        for channels in 1..=8 {
            check(48_000, channels, Depth::Sixteen, 10_001, 5);
            check(96_000, channels, Depth::TwentyFour, 9_000, 5);
        }
        for level in 0..=8 {
            check(384_000, 1, Depth::Sixteen, 20_000, level);
        }
        check(8_000, 1, Depth::Sixteen, 1, 5);
    }

    #[test]
    fn a_shape_that_flac_has_not_is_refused() {
        let format = PcmFormat { rate: Rate::new(48_000).expect("a rate"), channels: 9, depth: Depth::Sixteen };
        assert!(FlacEncoder::new(format, 5, DEFAULT_BLOCK_SIZE).is_err());
    }
}
