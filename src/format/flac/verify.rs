//! Decodes a whole file and compares it with what its header promises.

use std::io::Read;

use md5::{Digest, Md5 as Hash};

use super::super::{Broken, Flaw, Md5, Verified};
use super::decode::{Decoded, Decoder};

/// Memory is one coded frame. A file whose samples are not those of its MD5 is readable all the same, so that is an answer
/// and not an error.
pub fn verify(reader: impl Read) -> Result<Verified, Broken> {
    let mut decoder = Decoder::new(reader).map_err(|flaw| Broken::at(0, flaw))?;
    let info = *decoder.info();
    let sample_bytes = usize::from(info.bits).div_ceil(8);
    let (mut frames, mut hash, mut packed) = (0, Hash::new(), Vec::new());
    loop {
        match decoder.next_coded_frame() {
            Ok(Some(block)) => {
                pack(&block, usize::from(info.channels), sample_bytes, &mut packed);
                hash.update(&packed);
                frames += block.frames as u64;
            }
            Ok(None) => break,
            Err(flaw) => return Err(Broken::at(frames, flaw)),
        }
    }
    if info.frames != 0 && info.frames != frames {
        return Err(Broken::at(frames, Flaw::IllFormed("its length is not the one in its header")));
    }
    let md5 = match info.md5 {
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] => Md5::Absent,
        told if told[..] == hash.finalize()[..] => Md5::Match,
        _ => Md5::Mismatch,
    };
    Ok(Verified { frames, md5 })
}

/// RFC 9639 section 8.2: interleaved, signed, little endian, in as many whole bytes as the bits need.
fn pack(block: &Decoded<'_>, channels: usize, sample_bytes: usize, out: &mut Vec<u8>) {
    out.clear();
    out.resize(block.frames * channels * sample_bytes, 0);
    for (number, samples) in block.channels().enumerate() {
        let places = out.chunks_exact_mut(sample_bytes).skip(number).step_by(channels);
        for (place, sample) in places.zip(samples) {
            place.copy_from_slice(&sample.to_le_bytes()[..sample_bytes]);
        }
    }
}
