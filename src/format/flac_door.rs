//! The door to libFLAC's decoder: a file in, interleaved samples out, one coded frame after the other.
//!
//! One of the few files with `unsafe`. The proof, once for all of it:
//! * The decoder pointer comes from `FLAC__stream_decoder_new`, is checked, never leaves [`FlacDecoder`], and is deleted once, in
//!   `Drop`.
//! * libFLAC calls back only from inside `process_single`, on the calling thread, with the `State` pointer given at `init`. The
//!   state is boxed, so it does not move; no Rust reference to it is alive during those calls; it is freed after the decoder.
//! * The callbacks touch nothing but the state and the slices that libFLAC describes. Should reading the file panic, the
//!   program ends there, since a panic does not pass a C function.
//!
//! libFLAC sees STREAMINFO alone, as we parsed it, and then coded frames: damaged comments or a huge picture never reach it. It
//! checks every CRC, finds its way after damage by itself, and its MD5 is off: whoever wants that asks `flac::verify`.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::io;
use std::ops::Range;
use std::ptr::NonNull;
use std::slice;

use libflac_sys as flac;

use super::flac::StreamInfo;
use super::samples::Samples;
use super::{Flaw, ReadAt};

pub struct FlacDecoder {
    raw: NonNull<flac::FLAC__StreamDecoder>,
    state: *mut State,
}

// SAFETY: libFLAC's decoder keeps no thread-local state; one owner at a time uses it, and the file is `Send`.
unsafe impl Send for FlacDecoder {}

/// What the callbacks read from and write to.
struct State {
    ahead: Ahead,
    /// `fLaC` and STREAMINFO as the only block, and how much of it was given.
    head: [u8; 8 + StreamInfo::BYTES],
    given: usize,
    info: StreamInfo,
    /// The last coded frame, if one came: position of its first sample, samples interleaved. The list keeps its length, which is
    /// the next one's, too.
    came: bool,
    first: u64,
    samples: Samples,
    failed: Option<io::Error>,
}

const LAST_STREAMINFO: [u8; 8] = [b'f', b'L', b'a', b'C', 0x80, 0, 0, StreamInfo::BYTES as u8];

impl FlacDecoder {
    /// A decoder for coded frames of this shape that begin at `audio_at`. 32 bits a sample are cut to 24.
    pub fn new(file: Box<dyn ReadAt + Send>, info: &StreamInfo, audio_at: u64) -> Result<FlacDecoder, &'static str> {
        let mut head = [0; 8 + StreamInfo::BYTES];
        head[..8].copy_from_slice(&LAST_STREAMINFO);
        head[8..].copy_from_slice(&info.bytes());
        let (ahead, info, samples) = (Ahead::new(file, audio_at), *info, Samples::default());
        let state = State { ahead, head, given: 0, info, came: false, first: 0, samples, failed: None };
        // SAFETY: see the head of the file. Seeking callbacks may be left out; the three that must be there are.
        unsafe {
            let raw = NonNull::new(flac::FLAC__stream_decoder_new()).ok_or("libFLAC is out of memory")?;
            let this = FlacDecoder { raw, state: Box::into_raw(Box::new(state)) };
            let d = raw.as_ptr();
            flac::FLAC__stream_decoder_set_md5_checking(d, 0);
            let status = flac::FLAC__stream_decoder_init_stream(
                d,
                Some(on_read),
                None,
                None,
                None,
                None,
                Some(on_frame),
                None,
                Some(on_error),
                this.state.cast::<c_void>(),
            );
            if status == flac::FLAC__STREAM_DECODER_INIT_STATUS_OK { Ok(this) } else { Err("libFLAC does not start") }
        }
    }

    pub fn file(&self) -> &dyn ReadAt {
        // SAFETY: no callback runs now, and `&self` keeps everybody from calling one while the reference lives.
        unsafe { &*(*self.state).ahead.file }
    }

    /// What is decoded next begins with the first coded frame at this byte or behind it.
    pub fn jump(&mut self, at: u64) {
        // SAFETY: no callback runs now; flushing drops what was read ahead and calls nothing back.
        unsafe {
            (*self.state).ahead.jump(at);
            // What it has not seen of the head it still must see.
            if (*self.state).given == (*self.state).head.len() {
                flac::FLAC__stream_decoder_flush(self.raw.as_ptr());
            }
        }
    }

    /// Puts the next coded frame into `samples` and says the position of its first; `None` at the end. Damaged ones are left
    /// out, which positions show.
    pub fn next(&mut self, samples: &mut Samples) -> Result<Option<u64>, Flaw> {
        loop {
            // SAFETY: the decoder runs; no reference to the state is alive during the call. Afterwards no callback runs.
            let (fine, ended, state) = unsafe {
                let fine = flac::FLAC__stream_decoder_process_single(self.raw.as_ptr()) != 0;
                let ended = flac::FLAC__stream_decoder_get_state(self.raw.as_ptr());
                (fine, ended, &mut *self.state)
            };
            if let Some(e) = state.failed.take() {
                return Err(Flaw::Io(e));
            }
            if std::mem::take(&mut state.came) {
                std::mem::swap(samples, &mut state.samples);
                return Ok(Some(state.first));
            }
            if ended == flac::FLAC__STREAM_DECODER_END_OF_STREAM {
                samples.clear();
                return Ok(None);
            }
            if !fine {
                return Err(Flaw::IllFormed("libFLAC cannot go on"));
            }
        }
    }
}

impl Drop for FlacDecoder {
    fn drop(&mut self) {
        // SAFETY: both were made in `new` and are freed here only, the decoder first, which calls nothing back.
        unsafe {
            flac::FLAC__stream_decoder_delete(self.raw.as_ptr());
            drop(Box::from_raw(self.state));
        }
    }
}

unsafe extern "C" fn on_read(
    _: *const flac::FLAC__StreamDecoder,
    buffer: *mut u8,
    bytes: *mut usize,
    client: *mut c_void,
) -> flac::FLAC__StreamDecoderReadStatus {
    // SAFETY: `client` is the state given at init; `bytes` is valid for the time of the call.
    let (state, room) = unsafe { (&mut *client.cast::<State>(), *bytes) };
    let read = state.read(room);
    let some = *read.as_ref().unwrap_or(&&[][..]);
    // SAFETY: `buffer` has room for `*bytes`, which are not fewer than these, and is not part of the state.
    unsafe {
        std::ptr::copy_nonoverlapping(some.as_ptr(), buffer, some.len());
        *bytes = some.len();
    }
    match read {
        Ok([]) => flac::FLAC__STREAM_DECODER_READ_STATUS_END_OF_STREAM,
        Ok(_) => flac::FLAC__STREAM_DECODER_READ_STATUS_CONTINUE,
        Err(e) => {
            state.failed = Some(e);
            flac::FLAC__STREAM_DECODER_READ_STATUS_ABORT
        }
    }
}

impl State {
    /// The next bytes, at most so many; none is the end.
    fn read(&mut self, most: usize) -> io::Result<&[u8]> {
        let given = self.given;
        if given < self.head.len() {
            self.given += most.min(self.head.len() - given);
            return Ok(&self.head[given..self.given]);
        }
        self.ahead.read(most)
    }
}

/// A file that is read in large pieces, each from one page's start to another's and to memory of the same alignment: anything
/// else is copied several times slower by some processors.
struct Ahead {
    file: Box<dyn ReadAt + Send>,
    /// Where in the file what is given next stands.
    at: u64,
    bytes: Vec<u8>,
    /// Of the bytes: where the first page begins, and what was read and not yet given.
    page: usize,
    left: Range<usize>,
}

impl Ahead {
    const PAGE: usize = 4 << 10;
    const BYTES: usize = 32 << 10;

    fn new(file: Box<dyn ReadAt + Send>, at: u64) -> Ahead {
        let bytes = vec![0; Ahead::BYTES + Ahead::PAGE];
        let page = bytes.as_ptr().align_offset(Ahead::PAGE).min(Ahead::PAGE);
        Ahead { file, at, bytes, page, left: 0..0 }
    }

    fn jump(&mut self, at: u64) {
        (self.at, self.left) = (at, 0..0);
    }

    fn read(&mut self, most: usize) -> io::Result<&[u8]> {
        if self.left.is_empty() {
            let start = self.page + (self.at % Ahead::BYTES as u64) as usize;
            let have = super::fill_at(&*self.file, self.at, &mut self.bytes[start..self.page + Ahead::BYTES])?;
            self.left = start..start + have;
        }
        let now = self.left.start..self.left.start + most.min(self.left.len());
        self.left.start = now.end;
        self.at += now.len() as u64;
        Ok(&self.bytes[now])
    }
}

unsafe extern "C" fn on_frame(
    _: *const flac::FLAC__StreamDecoder,
    frame: *const flac::FLAC__Frame,
    buffer: *const *const i32,
    client: *mut c_void,
) -> flac::FLAC__StreamDecoderWriteStatus {
    // SAFETY: `client` is the state given at init; `frame` is valid for the time of the call; libFLAC always converts its
    // number to that of a sample before it calls.
    let (state, header, first) = unsafe {
        let header = &(*frame).header;
        (&mut *client.cast::<State>(), header, header.number.sample_number)
    };
    // After damage libFLAC first writes silence of its own making: what comes last in a call is the coded frame.
    state.came = false;
    let channels = usize::from(state.info.channels);
    let fits = (header.channels as usize, header.bits_per_sample) == (channels, u32::from(state.info.bits));
    if !fits || header.blocksize == 0 || header.blocksize > 65_535 {
        return flac::FLAC__STREAM_DECODER_WRITE_STATUS_CONTINUE; // of another stream
    }
    let mut planes: heapless::Vec<&[i32], 8> = heapless::Vec::new();
    for channel in 0..channels {
        // SAFETY: `buffer` points to a plane for each of the frame's channels, each of `blocksize` samples.
        let plane = unsafe { slice::from_raw_parts(*buffer.add(channel), header.blocksize as usize) };
        let _has_room = planes.push(plane); // 1 to 8
    }
    match state.info.bits {
        16 => state.samples.pack(&planes),
        bits => state.samples.interleave(&planes, bits.saturating_sub(24)),
    }
    (state.came, state.first) = (true, first);
    flac::FLAC__STREAM_DECODER_WRITE_STATUS_CONTINUE
}

/// Damage is told by the positions of the coded frames around it.
unsafe extern "C" fn on_error(_: *const flac::FLAC__StreamDecoder, _: flac::FLAC__StreamDecoderErrorStatus, _: *mut c_void) {}
