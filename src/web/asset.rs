//! The files of the page, in the binary. A new file of `webui/` is a line of `ASSETS`.

use std::sync::OnceLock;

use super::gzip::gzip;

/// A file of the page.
pub struct Asset {
    /// Path below `/`.
    pub name: &'static str,
    pub media: &'static str,
    pub bytes: &'static [u8],
    once: OnceLock<Prepared>,
}

/// What is computed when it is first asked for.
struct Prepared {
    etag: String,
    /// Only when it is smaller.
    gzip: Option<Vec<u8>>,
}

const HTML: &str = "text/html; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! assets {
    ($($name:literal $media:expr;)*) => {
        static ASSETS: [Asset; [$($name),*].len()] = [$(Asset {
            name: $name,
            media: $media,
            bytes: include_bytes!(concat!("../../webui/", $name)),
            once: OnceLock::new(),
        }),*];
    };
}

assets! {
    "index.html" HTML;
    "activity.js" JS;
    "api.js" JS;
    "app.js" JS;
    "calendar.js" JS;
    "chips.js" JS;
    "clipbar.js" JS;
    "clipview.js" JS;
    "cut.js" JS;
    "day.js" JS;
    "daypicture.js" JS;
    "days.js" JS;
    "detect.js" JS;
    "dialog.js" JS;
    "dom.js" JS;
    "events.js" JS;
    "filters.js" JS;
    "format.js" JS;
    "gestures.js" JS;
    "icons.svg" SVG;
    "keys.js" JS;
    "library.js" JS;
    "live.js" JS;
    "login.js" JS;
    "logo.svg" SVG;
    "marks.js" JS;
    "menu.js" JS;
    "palette.js" JS;
    "pictures.js" JS;
    "player.js" JS;
    "profile.js" JS;
    "row.js" JS;
    "rowmenu.js" JS;
    "selection.js" JS;
    "sound.js" JS;
    "spectrogram.js" JS;
    "status.js" JS;
    "store.js" JS;
    "style.css" CSS;
    "transport.js" JS;
    "waveform.js" JS;
    "zoom.js" JS;
}

pub fn find(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

pub fn is_there(name: &str) -> bool {
    find(name).is_some()
}

impl Asset {
    fn prepared(&self) -> &Prepared {
        self.once.get_or_init(|| Prepared { etag: etag(self.bytes), gzip: gzip(self.bytes) })
    }

    /// Changes with the bytes.
    pub fn etag(&self) -> &str {
        &self.prepared().etag
    }

    /// `None` when that would be no smaller.
    pub fn gzip(&self) -> Option<&[u8]> {
        self.prepared().gzip.as_deref()
    }
}

fn etag(bytes: &[u8]) -> String {
    // FNV-1a, 64 bits: a tag, no protection.
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h: u64, &b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    super::conditional::etag(&format!("{hash:016x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_asset_has_a_name_of_its_own_and_bytes() {
        for (n, asset) in ASSETS.iter().enumerate() {
            assert!(!asset.bytes.is_empty() && !asset.name.starts_with('/'), "{}", asset.name);
            assert!(ASSETS[..n].iter().all(|other| other.name != asset.name), "{} twice", asset.name);
            assert!(asset.media.contains('/') && asset.etag().len() == 18, "{} {}", asset.media, asset.etag());
        }
        assert!(is_there("index.html") && !is_there("") && !is_there("Cargo.toml"));
    }

    #[test]
    fn the_page_is_small() {
        let bytes: usize = ASSETS.iter().map(|asset| asset.bytes.len()).sum();
        assert!(bytes < 200_000, "{bytes} bytes");
    }
}
