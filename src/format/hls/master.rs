//! Master playlists: several variants of one programme, of which one is recorded (RFC 8216, 4.3.4).

use super::attributes::get;
use super::{lines, refuse_encryption};
use crate::format::Flaw;

/// Variants and renditions that are looked at; a master playlist has a dozen.
const MAX_ENTRIES: usize = 256;

#[derive(Debug)]
pub struct Master<'a> {
    variants: Vec<Variant<'a>>,
    renditions: Vec<Rendition<'a>>,
}

#[derive(Debug)]
struct Variant<'a> {
    uri: &'a str,
    bandwidth: u64,
    sound: Sound,
    audio_group: Option<&'a str>,
}

/// EXT-X-MEDIA TYPE=AUDIO with a playlist of its own.
#[derive(Debug)]
struct Rendition<'a> {
    group: &'a str,
    uri: &'a str,
    default: bool,
}

/// What a variant's attributes say about the sound in it; the higher the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sound {
    /// Of a kind that is not recorded here: AC-3, Opus in MP4 …
    Other,
    BesidePictures,
    /// Nothing is said.
    Unknown,
    Alone,
}

impl<'a> Master<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Master<'a>, Flaw> {
        let mut master = Master { variants: Vec::new(), renditions: Vec::new() };
        let mut coming = None;
        for line in lines(text) {
            if let Some(attributes) = line.strip_prefix("#EXT-X-STREAM-INF:") {
                coming = Some(attributes);
            } else if let Some(attributes) = line.strip_prefix("#EXT-X-MEDIA:") {
                master.add_rendition(attributes);
            } else if let Some(attributes) = line.strip_prefix("#EXT-X-SESSION-KEY:") {
                refuse_encryption(attributes)?;
            } else if !line.starts_with('#') {
                if let Some(attributes) = coming.take() {
                    master.add_variant(line, attributes);
                }
            }
        }
        Ok(master)
    }

    fn add_variant(&mut self, uri: &'a str, attributes: &'a str) {
        let bandwidth = get(attributes, "BANDWIDTH").and_then(|text| text.parse().ok()).unwrap_or(0);
        let sound = sound(get(attributes, "CODECS"), get(attributes, "RESOLUTION").is_some());
        if self.variants.len() < MAX_ENTRIES {
            self.variants.push(Variant { uri, bandwidth, sound, audio_group: get(attributes, "AUDIO") });
        }
    }

    fn add_rendition(&mut self, attributes: &'a str) {
        let (Some("AUDIO"), Some(uri)) = (get(attributes, "TYPE"), get(attributes, "URI")) else { return };
        let (group, default) = (get(attributes, "GROUP-ID").unwrap_or(""), get(attributes, "DEFAULT") == Some("YES"));
        if self.renditions.len() < MAX_ENTRIES {
            self.renditions.push(Rendition { group, uri, default });
        }
    }

    /// The media playlist to record: sound alone before sound beside pictures, then the highest bandwidth; of equals the first.
    pub fn choose(&self) -> Result<&'a str, Flaw> {
        let mut best: Option<((Sound, u64), &'a str)> = None;
        for variant in &self.variants {
            let rendition = self.rendition(variant.audio_group);
            let alone = rendition.is_some() && variant.sound != Sound::Other;
            let rank = (if alone { Sound::Alone } else { variant.sound }, variant.bandwidth);
            if rank.0 > Sound::Other && best.is_none_or(|(other, _)| rank > other) {
                best = Some((rank, rendition.unwrap_or(variant.uri)));
            }
        }
        let only_renditions = || self.renditions.first().filter(|_| self.variants.is_empty()).map(|r| r.uri);
        let uri = best.map(|(_, uri)| uri).or_else(only_renditions);
        uri.ok_or(Flaw::Unsupported("no variant of the HLS stream has AAC or MP3"))
    }

    fn rendition(&self, group: Option<&str>) -> Option<&'a str> {
        let of_group = || self.renditions.iter().filter(|r| Some(r.group) == group);
        of_group().find(|r| r.default).or_else(|| of_group().next()).map(|r| r.uri)
    }
}

/// From RFC 6381's names of codecs.
fn sound(codecs: Option<&str>, has_resolution: bool) -> Sound {
    let Some(codecs) = codecs.filter(|text| !text.trim().is_empty()) else {
        return if has_resolution { Sound::BesidePictures } else { Sound::Unknown };
    };
    let (mut ours, mut other, mut pictures) = (false, false, has_resolution);
    for codec in codecs.split(',').map(|codec| codec.trim().to_ascii_lowercase()) {
        match codec.as_str() {
            // xHE-AAC does not fit into ADTS.
            "mp4a.40.42" => other = true,
            _ if codec.starts_with("mp4a") || codec == "mp3" => ours = true,
            _ if ["ac-3", "ec-3", "ac-4", "opus", "flac", "alac", "vorbis", "dts"].iter().any(|c| codec.starts_with(c)) => {
                other = true
            }
            _ => pictures = true,
        }
    }
    match (ours, other, pictures) {
        (true, _, false) => Sound::Alone,
        (true, _, true) => Sound::BesidePictures,
        (false, _, _) => Sound::Other,
    }
}

#[cfg(test)]
mod tests {
    use crate::format::hls::{Playlist, parse};

    #[track_caller]
    fn check(lines: &str, want: &str) {
        let text = format!("#EXTM3U\n{}", lines.replace('|', "\n"));
        let Ok(Playlist::Master(master)) = parse(&text) else { panic!("no master: {text}") };
        assert_eq!(master.choose().map_err(|e| e.to_string()), Ok(want), "{text}");
    }

    #[test]
    fn sound_alone_comes_first() {
        check(
            "#EXT-X-STREAM-INF:BANDWIDTH=800000,CODECS=\"avc1.4d401e,mp4a.40.2\",RESOLUTION=640x360|video.m3u8\
             |#EXT-X-STREAM-INF:BANDWIDTH=64000,CODECS=\"mp4a.40.5\"|low.m3u8\
             |#EXT-X-STREAM-INF:BANDWIDTH=128000,CODECS=\"mp4a.40.2\"|high.m3u8",
            "high.m3u8",
        );
        check("#EXT-X-STREAM-INF:BANDWIDTH=48000|a|#EXT-X-STREAM-INF:BANDWIDTH=96000|b|#EXT-X-STREAM-INF:BANDWIDTH=96000|c", "b");
        check(
            "#EXT-X-STREAM-INF:BANDWIDTH=300000,CODECS=\"avc1.4d401e,mp4a.40.2\"|a\
             |#EXT-X-STREAM-INF:BANDWIDTH=900000,CODECS=\"avc1.4d401e,mp4a.40.2\"|b",
            "b",
        );
    }

    #[test]
    fn renditions_of_the_variant() {
        check(
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x\",URI=\"x.m3u8\"|#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",DEFAULT=YES,URI=\"y.m3u8\"\
             |#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"a\",URI=\"s.m3u8\"|#EXT-X-STREAM-INF:BANDWIDTH=9,AUDIO=\"a\",CODECS=\"avc1,mp4a.40.2\"|v",
            "y.m3u8",
        );
        // A rendition without a playlist of its own is in the variant's.
        check(
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\"|#EXT-X-STREAM-INF:BANDWIDTH=9,AUDIO=\"a\",CODECS=\"avc1,mp4a.40.2\"|v",
            "v",
        );
    }

    #[test]
    fn codecs_that_cannot_be_kept() {
        check("#EXT-X-STREAM-INF:BANDWIDTH=900,CODECS=\"ec-3\"|a|#EXT-X-STREAM-INF:BANDWIDTH=100,CODECS=\"mp4a.40.34\"|b", "b");
        let text = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=900,CODECS=\"opus\"\na\n";
        let Ok(Playlist::Master(master)) = parse(text) else { panic!("no master") };
        let flaw = master.choose().expect_err("nothing to choose").to_string();
        assert_eq!(flaw, "not supported: no variant of the HLS stream has AAC or MP3");
    }
}
