//! The files of the page, in the binary, compressed by `build.rs`. A new file of `webui/` is a line of `ASSETS`.

use super::gzip::gunzip;

/// A file of the page.
pub struct Asset {
    /// Path below `/`.
    pub name: &'static str,
    pub media: &'static str,
    /// What nearly everybody takes.
    pub gzip: &'static [u8],
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
            gzip: include_bytes!(concat!(env!("OUT_DIR"), "/webui/", $name, ".gz")),
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
    "clock.js" JS;
    "cut.js" JS;
    "day.js" JS;
    "daypicture.js" JS;
    "days.js" JS;
    "detect.js" JS;
    "dialog.js" JS;
    "dom.js" JS;
    "events.js" JS;
    "filters.js" JS;
    "form.js" JS;
    "format.js" JS;
    "gestures.js" JS;
    "icons.svg" SVG;
    "ini.js" JS;
    "keys.js" JS;
    "labels.js" JS;
    "library.js" JS;
    "live.js" JS;
    "liveview.js" JS;
    "listen.js" JS;
    "bars.js" JS;
    "tuner.js" JS;
    "waterfall.js" JS;
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
    "schedule.js" JS;
    "selection.js" JS;
    "settings.js" JS;
    "sound.js" JS;
    "spectrogram.js" JS;
    "status.js" JS;
    "storage.js" JS;
    "store.js" JS;
    "style.css" CSS;
    "transport.js" JS;
    "waveform.js" JS;
    "zoom.js" JS;
}

/// The description of the API.
pub static OPENAPI: Asset = Asset {
    name: "api/openapi.json",
    media: "application/json",
    gzip: include_bytes!(concat!(env!("OUT_DIR"), "/webui/openapi.json.gz")),
};

pub fn find(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

pub fn is_there(name: &str) -> bool {
    find(name).is_some()
}

impl Asset {
    /// Changes with the bytes.
    pub fn etag(&self) -> String {
        // FNV-1a, 64 bits: a tag, no protection.
        let step = |h: u64, &b: &u8| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3);
        super::conditional::etag(&format!("{:016x}", self.gzip.iter().fold(0xcbf2_9ce4_8422_2325, step)))
    }

    /// For those who take only what it was.
    pub fn plain(&self) -> Vec<u8> {
        gunzip(self.gzip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_asset_has_a_name_of_its_own_and_bytes() {
        for (n, asset) in ASSETS.iter().enumerate() {
            assert!(!asset.plain().is_empty() && !asset.name.starts_with('/'), "{}", asset.name);
            assert!(ASSETS[..n].iter().all(|other| other.name != asset.name), "{} twice", asset.name);
            assert!(asset.media.contains('/') && asset.etag().len() == 18, "{} {}", asset.media, asset.etag());
        }
        assert!(is_there("index.html") && !is_there("") && !is_there("Cargo.toml"));
    }

    #[test]
    fn the_page_is_small() {
        let bytes: usize = ASSETS.iter().map(|asset| asset.plain().len()).sum();
        assert!(bytes < 200_000, "{bytes} bytes");
    }
}
