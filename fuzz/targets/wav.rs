//! Any bytes as a WAV: parsed, checked, mended, replayed. What mend keeps must be mended.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use soundpost::format::mend::{Mend, mend};
use soundpost::format::pcm_reader::PcmReader;
use soundpost::format::wav;
use soundpost::message::Container;

fuzz_target!(|data: &[u8]| {
    let _ = wav::parse(&data);
    let _ = wav::verify(&data);
    if let Ok(Mend::Keep(kept)) = mend(Container::Wav, &data) {
        let mut file = data.to_vec();
        file.truncate(kept.keep_bytes as usize);
        for (at, bytes) in &kept.patches {
            let end = *at as usize + bytes.len();
            if file.len() < end {
                file.resize(end, 0);
            }
            file[*at as usize..end].copy_from_slice(bytes);
        }
        assert!(wav::verify(&file).is_ok(), "mended, and still broken");
    }
    if let Ok(mut reader) = PcmReader::open(Cursor::new(data)) {
        let mut out = [0; 4096];
        while reader.read_frames(&mut out).is_ok_and(|frames| frames > 0) {}
    }
});
