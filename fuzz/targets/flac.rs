//! Any bytes as a FLAC: parsed, checked, mended, replayed. What mend keeps must decode.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use soundpost::format::flac;
use soundpost::format::mend::{Mend, mend};
use soundpost::format::pcm_reader::PcmReader;
use soundpost::message::Container;

fuzz_target!(|data: &[u8]| {
    let _ = flac::parse(&data);
    let _ = flac::verify(data);
    if let Ok(Mend::Keep(kept)) = mend(Container::Flac, &data) {
        assert!(kept.keep_bytes <= data.len() as u64 && kept.sure_frames <= kept.frames);
    }
    if let Ok(mut reader) = PcmReader::open(Cursor::new(data)) {
        let mut out = [0; 4096];
        while reader.read_frames(&mut out).is_ok_and(|frames| frames > 0) {}
    }
});
