//! Whether a finished WAV keeps the rules: there is no checksum in it, so structure and lengths are all there is to check.

use super::super::{Broken, Flaw, Md5, ReadAt, Verified};
use super::parse::{Parsed, parse};

pub fn verify(file: &dyn ReadAt) -> Result<Verified, Broken> {
    let parsed = parse(file).map_err(|flaw| Broken::at(0, flaw))?;
    match complaint(&parsed) {
        Some(why) => Err(Broken::at(parsed.frames(), Flaw::IllFormed(why))),
        None => Ok(Verified { frames: parsed.frames(), md5: Md5::Absent }),
    }
}

fn complaint(parsed: &Parsed) -> Option<&'static str> {
    let Some(claim) = parsed.claim else {
        return Some("its length was never written; `soundpost repair` can do that");
    };
    let end = parsed.data_at.saturating_add(claim);
    if end > parsed.file_bytes {
        return Some("it is shorter than its header says");
    }
    if claim % parsed.frame_bytes() != 0 {
        return Some("its last frame is not whole");
    }
    // The size of an RF64 is elsewhere. A missing pad byte at the very end hurts nobody: many writers forget it.
    let riff_end = u64::from(parsed.riff_says) + 8;
    if !parsed.rf64 && (riff_end < end || riff_end.abs_diff(parsed.file_bytes) > 1) {
        return Some("its RIFF size is not the length of the file");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::super::metadata::Station;
    use super::super::super::metadata::tests::sample_identity;
    use super::super::{header, pad_bytes, size_patches};
    use super::*;
    use crate::message::Depth;

    /// A closed file of 24-bit mono frames, spoilt in one way.
    fn check(frames: u64, spoil: impl Fn(&mut Vec<u8>), want: Result<u64, &str>) {
        let mut file = header(&sample_identity(48_000, 1, Depth::TwentyFour), &Station::default());
        let header_bytes = file.len() as u32;
        file.resize(file.len() + frames as usize * 3, 1);
        for (at, size) in size_patches(header_bytes, file.len() as u64, 3) {
            file[at as usize..][..4].copy_from_slice(&size);
        }
        file.resize(file.len() + pad_bytes(frames as u32 * 3) as usize, 0);
        spoil(&mut file);
        let got = verify(&file).map(|v| v.frames).map_err(|e| e.what.to_string());
        assert_eq!(got, want.map_err(|why| format!("damaged: {why}")));
    }

    #[test]
    fn lengths_must_agree() {
        check(100, |_| {}, Ok(100));
        check(101, |_| {}, Ok(101));
        check(100, |f| f.truncate(f.len() - 3), Err("it is shorter than its header says"));
        check(100, |f| f.extend_from_slice(&[0; 9]), Err("its RIFF size is not the length of the file"));
        check(100, |f| f[4] ^= 0x10, Err("its RIFF size is not the length of the file"));
        let data_size = |f: &Vec<u8>| f.windows(4).position(|w| w == b"data").map_or(0, |at| at + 4);
        check(
            100,
            |f| {
                let at = data_size(f);
                f[at] -= 1
            },
            Err("its last frame is not whole"),
        );
        check(
            100,
            |f| {
                let at = data_size(f);
                f[at..at + 4].fill(0)
            },
            Err("its length was never written; `soundpost repair` can do that"),
        );
    }
}
