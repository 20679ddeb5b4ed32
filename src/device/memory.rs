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
use std::ops::Range;
use std::sync::OnceLock;

/// Memory of this size and more has its own pages, from [`settle`] on.
const OWN_PAGES_BYTES: usize = 4 << 10;

/// Room that the heap of small pieces keeps from the start: what files need in passing goes up and down by less over a day.
const CELLS: usize = 40;
/// With glibc's header just below a page.
const CELL_BYTES: usize = OWN_PAGES_BYTES - 64;
/// What stays of a cell, so that its neighbours never become one hole.
const WALL_BYTES: usize = 24;

/// Code and constants of the program and of the libraries that it was started with. What is loaded later may be unloaded, and
/// something else come to lie in its place; these stay as long as the process.
static STARTED_WITH: OnceLock<Vec<Range<usize>>> = OnceLock::new();

/// One heap for all threads: they allocate at starts and ends of files only, so they do not wait for each other. To be called
/// before the first thread, and before anything is loaded.
#[allow(unsafe_code)]
pub fn one_heap() {
    let read = |name| fs::read_to_string(name).unwrap_or_default();
    STARTED_WITH.get_or_init(|| clean(&read("/proc/self/smaps"), &read("/proc/self/maps")));
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

/// Gives back what of the program's file, and of its libraries', was only needed to start: it is read again from the kernel's
/// cache, page by page, where it is needed after all. To be called when everything runs; nothing happens without [`one_heap`].
#[allow(unsafe_code)]
pub fn forget_start() {
    for range in STARTED_WITH.get().map_or(&[][..], Vec::as_slice) {
        // SAFETY: a private mapping of a file, which stays where it was when the process began, cannot be written to, and had no
        // page of its own after the loader was done; the kernel fills a page that is missing with the same bytes.
        unsafe {
            libc::madvise(range.start as *mut libc::c_void, range.len(), libc::MADV_DONTNEED);
        }
    }
}

/// The ranges that /proc/self/smaps shows to be of files, not to be written to, and without a page that differs from its file.
/// /proc/self/maps must show the same: qemu-user before 8.1 shows its own addresses in the one and the program's in the other,
/// and what lies at its addresses in the program is something else.
fn clean(smaps: &str, maps: &str) -> Vec<Range<usize>> {
    let shown = |mapping: &[&str]| maps.lines().any(|line| line.split_ascii_whitespace().eq(mapping.iter().copied()));
    let mut found = Vec::new();
    // Of the mapping whose fields are read: its range, and how many of the two fields have said that it has no such page.
    let mut mapping = None;
    for line in smaps.lines() {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        match (&words[..], &mut mapping) {
            ([range, "r-xp" | "r--p", _, _, _, path, ..], _) if path.starts_with('/') && shown(&words) => {
                mapping = parsed(range).map(|range| (range, 0))
            }
            ([range, access, ..], _) if access.len() == 4 && range.contains('-') => mapping = None,
            (["Anonymous:" | "Swap:", "0", "kB"], Some((range, fields))) => {
                *fields += 1;
                found.extend((*fields == 2).then(|| range.clone()));
            }
            _ => {}
        }
    }
    found
}

fn parsed(range: &str) -> Option<Range<usize>> {
    let (start, end) = range.split_once('-')?;
    let range = usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?;
    (!range.is_empty()).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_as_in_its_file_is_given_back() {
        let check = |head: &str, anonymous: &str, swap: &str, expected: Option<Range<usize>>| {
            let fields = format!("Size: 8 kB\nRss: 8 kB\nAnonymous: {anonymous} kB\nSwap: {swap} kB\nVmFlags: rd mr\n");
            // What follows is never taken for it.
            let smaps = format!("{head}\n{fields}7000-8000 rw-p 00000000 00:00 0 [heap]\nAnonymous: 0 kB\nSwap: 0 kB\n");
            let maps = format!("{head}\n7000-8000 rw-p 00000000 00:00 0    [heap]\n");
            assert_eq!(clean(&smaps, &maps), Vec::from_iter(expected), "{smaps}");
            let moved = format!("1{head}\n7000-8000 rw-p 00000000 00:00 0    [heap]\n");
            assert_eq!(clean(&smaps, &moved), [], "an emulator's own addresses");
        };
        check("1000-3000 r-xp 00001000 08:01 7   /bin/sound post", "0", "0", Some(0x1000..0x3000));
        check("0-1000 r--p 00000000 08:01 7   /lib/libc.so.6", "0", "0", Some(0..0x1000));
        check("3000-4000 r--p 00003000 08:01 7   /lib/libc.so.6", "4", "0", None);
        check("3000-4000 r--p 00003000 08:01 7   /lib/libc.so.6", "0", "4", None);
        check("3000-4000 rw-p 00003000 08:01 7   /lib/libc.so.6", "0", "0", None);
        check("3000-4000 rw-s 00003000 08:01 7   /memfd:sound", "0", "0", None);
        check("3000-4000 r-xp 00000000 00:00 0   [vdso]", "0", "0", None);
        check("3000-4000 r--p 00000000 00:00 0", "0", "0", None);
        check("z-4000 r-xp 00003000 08:01 7   /bin/soundpost", "0", "0", None);
        assert_eq!(clean("Anonymous: 0 kB\nSwap: 0 kB\n", ""), []);
        let code = "1000-3000 r-xp 00001000 08:01 7 /bin/a";
        assert_eq!(clean(&format!("{code}\nAnonymous: 0 kB\n"), code), [], "a kernel that does not tell of swap");
    }

    #[test]
    fn the_program_goes_on_afterwards() {
        one_heap();
        // Under an emulator, which shows its own addresses or access, there may be nothing to give back.
        let [smaps, maps] = ["/proc/self/smaps", "/proc/self/maps"].map(|name| fs::read_to_string(name).expect("proc"));
        let code = |text: &str| text.lines().find(|line| line.contains(" r-xp ")).map(str::to_owned).expect("code");
        assert!(code(&smaps) != code(&maps) || !STARTED_WITH.get().expect("set").is_empty());
        forget_start();
        assert_eq!(format!("{:.3}", 2.0_f64.sqrt()), "1.414");
    }
}
