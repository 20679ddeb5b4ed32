//! Checks every page of a finished file: checksum, number, headers, and that every link has its last page.

use std::io::Read;

use super::super::super::{Broken, Flaw, Md5, Verified};
use super::super::{Skipped, Step};
use super::scan::Scan;

/// Nothing is decoded: the pages' checksums vouch for their bytes. Memory is a fixed window.
pub fn verify(reader: impl Read) -> Result<Verified, Broken> {
    let mut scan = Scan::new(reader);
    let (mut frames, mut sound) = (0_u64, false);
    let mut ended = true;
    while let Some(found) = scan.next().map_err(|e| Broken::at(frames, e))? {
        let broken = |why| Err(Broken::at(frames, Flaw::IllFormed(why)));
        match found.step {
            Step::Skip { what: Skipped::Garbage, .. } if found.at == 0 => return broken("it does not begin like an Ogg file"),
            Step::Skip { what: Skipped::Garbage, .. } => return broken("a page is damaged or out of place"),
            Step::Headers { .. } if !ended => return broken("a stream in it has no last page"),
            Step::Skip { what: Skipped::Tag, .. } | Step::Headers { .. } | Step::More => {}
            Step::Unit(unit) => {
                let last = scan.framer.sound().unwrap_or_default();
                if last.hole {
                    return broken("a page is missing");
                }
                frames += u64::from(unit.frames);
                (sound, ended) = (true, last.eos);
            }
        }
    }
    match (sound, ended) {
        (false, _) => Err(Broken::at(0, Flaw::IllFormed("there is no sound in it that is known here"))),
        (true, false) => Err(Broken::at(frames, Flaw::IllFormed("its last page is missing"))),
        (true, true) => Ok(Verified { frames, md5: Md5::Absent }),
    }
}
