//! What a recording is called in `Content-Type`.

use crate::message::Container;

/// `None` for what no browser plays.
pub fn of_name(name: &str) -> Option<&'static str> {
    let (_, extension) = name.rsplit_once('.')?;
    Some(match Container::of_extension(&extension.to_ascii_lowercase())? {
        Container::Wav => "audio/wav",
        Container::Flac => "audio/flac",
        Container::Mp3 => "audio/mpeg",
        Container::Aac => "audio/aac",
        Container::Ogg | Container::Opus => "audio/ogg",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(of_name("x/a.WAV"), Some("audio/wav"));
        assert_eq!(of_name("a.opus"), Some("audio/ogg"));
        assert_eq!(of_name("a.flac.part"), None);
        assert_eq!(of_name("wav"), None);
    }
}
