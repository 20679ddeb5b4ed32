//! The heap's size is decided at start, as every other size is.
//!
//! A marked door for `unsafe`: `mallopt` is glibc's alone and has no wrapper.
//!
//! A file takes about a megabyte while it is open (libFLAC's buffers, headers) and gives it back at its end. Left to itself
//! the heap would find a slightly larger layout every few hours, for months, and each thread would have a heap of its own.
//! So there is one heap for all, and once the machine stands, whatever has a page or more comes from the kernel and goes back
//! whole. Measured over 24 hours of sound: see the figure "growth" of `make bench`.

/// Memory of this size and more has its own pages, from [`settle`] on.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const OWN_PAGES_BYTES: libc::c_int = 4 << 10;

/// Measured: what the heap of small pieces went up and down by over a day. It keeps this room from the start.
const SLACK_BYTES: usize = 96 << 10;
const SLACK_PIECE: usize = 2 << 10;

/// One heap for all threads: they allocate at starts and ends of files only, so they do not wait for each other. To be called
/// before the first thread.
#[allow(unsafe_code)]
pub fn one_heap() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: takes two integers; a value that it does not know changes nothing.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// To be called when the pools are made: their blocks stay for ever and are better packed in the heap.
#[allow(unsafe_code)]
pub fn settle() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: as above.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, OWN_PAGES_BYTES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
    }
    // What files need in passing, in pieces smaller than a page, finds its room here.
    // Not zero: zeroed pages would be mapped only when first written to.
    let room: Vec<Vec<u8>> = (0..SLACK_BYTES / SLACK_PIECE).map(|_| vec![0xA5; SLACK_PIECE]).collect();
    drop(std::hint::black_box(room));
}
