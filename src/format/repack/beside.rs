//! The sidecar of a recording that was repacked: the same, but for the file's name and a word of what became of it.

use serde_json::json;

use super::super::sidecar::Sidecar;

/// Key of the sidecar that goes along.
const CONVERTED: &str = "converted";

/// `recording.wav` as it is called once it is a FLAC; `None` if it is not called like a WAV.
pub fn flac_name(name: &str) -> Option<String> {
    let (stem, ending) = name.rsplit_once('.')?;
    (ending.eq_ignore_ascii_case("wav") && !stem.is_empty() && !stem.ends_with('/')).then(|| format!("{stem}.flac"))
}

/// Of a WAV of so many bytes. `None`: it is another program's, or broken, and goes as it is.
pub fn sidecar(bytes: &[u8], wav_bytes: u64) -> Option<Vec<u8>> {
    let mut sidecar = Sidecar::read(bytes).ok()?;
    let file = flac_name(&sidecar.file)?;
    let from = std::mem::replace(&mut sidecar.file, file);
    sidecar.other.insert(CONVERTED.to_owned(), json!({"from": from, "bytes": wav_bytes}));
    Some(sidecar.write())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::metadata::tests::sample_identity;
    use crate::message::{Cause, ClockState, Closing, Depth};

    #[test]
    fn names() {
        for (name, want) in [
            ("a/b.wav", Some("a/b.flac")),
            ("b.c.WAV", Some("b.c.flac")),
            ("b.flac", None),
            ("wav", None),
            ("a.wav/b", None),
            ("a/.wav", None),
        ] {
            assert_eq!(flac_name(name).as_deref(), want, "{name}");
        }
    }

    #[test]
    fn it_says_what_became_of_the_file() {
        let closing = Closing::new(Cause::Split, 480_000, ClockState::Synced);
        let mut before =
            Sidecar::new("mic/a.wav".into(), &sample_identity(48_000, 1, Depth::Sixteen), &closing, "soundpost test");
        before.other.insert("note".into(), "owl".into());
        let after = Sidecar::read(&sidecar(&before.write(), 99).expect("ours")).expect("a sidecar");
        assert_eq!(after.other["converted"], json!({"from": "mic/a.wav", "bytes": 99}));
        let mut other = after.other.clone();
        other.remove("converted");
        assert_eq!(Sidecar { file: "mic/a.wav".into(), other, ..after.clone() }, before);
        assert_eq!(after.file, "mic/a.flac");
        assert_eq!((sidecar(b"{}", 1), sidecar(b"{torn", 1)), (None, None));
    }
}
