//! Whether this libasound hands out time stamps in the width that this program was built for.
//!
//! On 32-bit ARM the same libasound.so.2 writes a `timespec` of 8 bytes (Debian 12) or 16 (Debian 13), and the program was built
//! for one of them. The wrong pairing overwrites the stack or yields nonsense, so the width is measured before the first
//! stamp is asked for. This is the one place in this folder that calls libasound without the `alsa` crate.

use std::sync::OnceLock;

/// Measured once: alsa-lib does not change while the program runs.
pub fn trustworthy() -> bool {
    static VERDICT: OnceLock<bool> = OnceLock::new();
    *VERDICT.get_or_init(|| written_bytes() == Some(size_of::<alsa_sys::timespec>()))
}

const POISON: u8 = 0xA5;

/// As large as two of the widest timespec, and aligned for any.
#[repr(C, align(16))]
struct Space([u8; 32]);

/// Bytes that libasound writes for one time stamp; `None` when it cannot be asked.
#[allow(unsafe_code)]
fn written_bytes() -> Option<usize> {
    let mut space = Space([POISON; 32]);
    let mut status = std::ptr::null_mut();
    // Proof: `malloc` stores into `status` a zeroed status that libasound itself sized, or fails and is believed. The getter
    // copies one timespec out of it, 16 bytes in its widest form, into 32 bytes that are ours and aligned to 16. The status is
    // freed once and not used after. No pointer outlives the block.
    unsafe {
        if alsa_sys::snd_pcm_status_malloc(&mut status) < 0 || status.is_null() {
            return None;
        }
        alsa_sys::snd_pcm_status_get_htstamp(status, space.0.as_mut_ptr().cast());
        alsa_sys::snd_pcm_status_free(status);
    }
    width(&space.0)
}

/// A zeroed stamp leaves zeros; what is still poisoned was not written.
fn width(space: &[u8]) -> Option<usize> {
    space.iter().rposition(|byte| *byte != POISON).map(|last| last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths() {
        let written = |n: usize| {
            let mut space = [POISON; 32];
            space[..n].fill(0);
            width(&space)
        };
        assert_eq!([0, 8, 12, 16].map(written), [None, Some(8), Some(12), Some(16)]);
    }

    #[test]
    fn this_machine_is_known() {
        // With 64 bits there is one width; with 32 either, and only one of them is believed.
        let wide = written_bytes() == Some(16);
        assert!(wide || (cfg!(target_pointer_width = "32") && written_bytes() == Some(8)), "{:?}", written_bytes());
        assert_eq!(trustworthy(), wide == (size_of::<alsa_sys::timespec>() == 16));
    }
}
