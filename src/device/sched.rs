//! Real-time scheduling of the calling thread.
//!
//! A marked door for `unsafe`: `sched_setscheduler` has no safe wrapper that names only the calling thread.
#![allow(unsafe_code)]

use std::io;

/// SCHED_FIFO at `priority` (1 to 99) for the calling thread; needs CAP_SYS_NICE or an rtprio limit.
pub fn set_realtime(priority: i32) -> io::Result<()> {
    // SAFETY: `sched_param` is plain integers, for which zero is a value; 0 means the calling thread; the kernel copies the struct.
    let status = unsafe {
        let mut param: libc::sched_param = std::mem::zeroed();
        param.sched_priority = priority;
        libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &param)
    };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_impossible_priority_is_an_error_and_changes_nothing() {
        let error = set_realtime(1_000).expect_err("no such priority");
        assert!(matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EPERM)), "{error}");
    }
}
