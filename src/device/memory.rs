//! The heap's size is decided at start, as every other size is.
//!
//! A marked door for `unsafe`: `mallopt` is glibc's alone and has no wrapper.
//!
//! A file takes about a megabyte while it is open (libFLAC's buffers, headers) and gives it back at its end. Left to itself
//! the heap would find a slightly larger layout every few hours, for months, and each thread would have a heap of its own.
//! So there is one heap for all, and once the machine stands, whatever has a page or more comes from the kernel and goes back
//! whole. glibc looks for free room in its heap first, whatever the size; so every hole there is divided into cells that are
//! smaller than a page. Measured over 24 hours of sound: see the figure "growth" of `make bench`.

use std::fs;

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

/// Gives back what of the program's own file was only needed to start: it is read again from the kernel's cache, page by page,
/// where it is needed after all. To be called when everything runs.
///
/// Only code and constants, which nobody ever writes to: the mappings that may be executed, and the one with the file's beginning.
/// Behind them lie pages that the loader has changed, and those must stay.
#[allow(unsafe_code)]
pub fn forget_start() {
    #[cfg(target_os = "linux")]
    {
        let (Ok(maps), Ok(exe)) = (fs::read_to_string("/proc/self/maps"), fs::read_link("/proc/self/exe")) else { return };
        for (start, end) in maps.lines().filter_map(|line| clean(line, exe.to_str()?)) {
            // SAFETY: the range is a private mapping of a file that was never written to, neither by us (it cannot be) nor by the
            // loader (its relocations are elsewhere); the kernel fills a page that is missing with the same bytes.
            unsafe {
                libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED);
            }
        }
    }
}

/// The range of a line of /proc/self/maps, if it is code or constants of this file.
fn clean(line: &str, file: &str) -> Option<(usize, usize)> {
    let mut words = line.split_ascii_whitespace();
    let (range, access, offset) = (words.next()?, words.next()?, words.next()?);
    let is_constant = access == "r-xp" || (access == "r--p" && offset.bytes().all(|b| b == b'0'));
    let path = line.find('/').map(|at| &line[at..])?;
    let (start, end) = range.split_once('-')?;
    let range = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    (is_constant && path == file && range.0 < range.1).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_writes_is_given_back() {
        let check = |line: &str, expected: Option<(usize, usize)>| assert_eq!(clean(line, "/bin/sound post"), expected, "{line}");
        check("1000-3000 r-xp 00001000 08:01 7   /bin/sound post", Some((0x1000, 0x3000)));
        check("0-1000 r--p 00000000 08:01 7   /bin/sound post", Some((0, 0x1000)));
        check("3000-4000 r--p 00003000 08:01 7   /bin/sound post", None);
        check("3000-4000 rw-p 00003000 08:01 7   /bin/sound post", None);
        check("3000-4000 r-xp 00003000 08:01 7   /lib/libc.so.6", None);
        check("3000-4000 r-xp 00000000 00:00 0   [vdso]", None);
        check("3000-4000 r-xp 00003000 08:01 7   /bin/sound post (deleted)", None);
        check("", None);
    }

    #[test]
    fn the_program_goes_on_afterwards() {
        forget_start();
        assert_eq!(format!("{:.3}", 2.0_f64.sqrt()), "1.414");
    }
}
