//! The heap's size is decided at start, as every other size is.
//!
//! A marked door for `unsafe`: `mallopt` is glibc's alone and has no wrapper.
//!
//! A file takes about a megabyte while it is open (libFLAC's buffers, headers) and gives it back at its end. Left to itself
//! the heap would find a slightly larger layout every few hours, for months, and each thread would have a heap of its own.
//! So there is one heap for all, and once the machine stands, whatever has a page or more comes from the kernel and goes back
//! whole. glibc looks for free room in its heap first, whatever the size; so every hole there is divided into cells that are
//! smaller than a page. Measured over 24 hours of sound: see the figure "growth" of `make bench`.

/// Memory of this size and more has its own pages, from [`settle`] on.
const OWN_PAGES_BYTES: usize = 4 << 10;

/// Room that the heap of small pieces keeps from the start: what files need in passing goes up and down by less over a day.
const CELLS: usize = 40;
/// With glibc's header just below a page.
const CELL_BYTES: usize = OWN_PAGES_BYTES - 64;
/// What stays of a cell, so that its neighbours never become one hole.
const WALL_BYTES: usize = 24;

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
        libc::mallopt(libc::M_MMAP_THRESHOLD, OWN_PAGES_BYTES as libc::c_int);
        libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
        libc::mallopt(libc::M_TOP_PAD, 0);
    }
    // Not zero: zeroed pages would be mapped only when first written to. All of them before the first is given back, so that
    // they lie side by side, and old holes are filled first.
    let mut cells: Vec<Vec<u8>> = (0..CELLS).map(|_| vec![0xA5; CELL_BYTES]).collect();
    for cell in &mut cells {
        cell.truncate(WALL_BYTES);
        cell.shrink_to_fit();
    }
    // The walls stand as long as the process runs.
    std::mem::forget(std::hint::black_box(cells));
}
