//! How the heap is kept small over months.
//!
//! A marked door for `unsafe`: `malloc_trim` and `mallopt` are glibc's alone and have no wrapper.

/// Memory of this size and more comes from the kernel and goes back to it whole.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const OWN_PAGES_BYTES: libc::c_int = 64 << 10;

/// One heap for all threads, and a fixed size from which memory is no part of it. Threads allocate at starts and ends of files
/// only, so they do not wait for each other; a heap for each would hold its own holes. To be called before the first thread.
#[allow(unsafe_code)]
pub fn settle() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: takes two integers; a value that it does not know changes nothing.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_MMAP_THRESHOLD, OWN_PAGES_BYTES);
    }
}

/// Returns the free pages of every heap. An encoder allocates about a megabyte for each file and frees it at its end; without
/// this the holes would add up over months.
#[allow(unsafe_code)]
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: takes no pointers; it locks each heap while it looks for whole pages that are free, and touches nothing else.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    /// Anonymous memory of this process in KiB.
    fn anonymous_kib() -> u64 {
        let status = fs::read_to_string("/proc/self/status").expect("Linux");
        let line = status.lines().find(|l| l.starts_with("RssAnon:")).expect("in status");
        line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
    }

    #[test]
    fn what_was_freed_between_what_is_kept_goes_back() {
        let mut pieces: Vec<Vec<u8>> = (0..2_000).map(|_| vec![1; 16 << 10]).collect();
        let last = pieces.pop(); // keeps the heap's end where it is
        let full = anonymous_kib();
        drop(pieces);
        super::give_back();
        let after = anonymous_kib();
        assert!(after + 16_000 < full, "{full} KiB, then {after} KiB, of which 32 000 were freed");
        drop(last);
    }
}
