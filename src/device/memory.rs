//! Gives freed memory back to the machine.
//!
//! A marked door for `unsafe`: `malloc_trim` is glibc's alone and has no wrapper.

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
