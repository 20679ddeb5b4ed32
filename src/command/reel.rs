//! A recording that is read from its start to its end, and on as long as it grows.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Exit;
use super::piece::{Failure, extension, unreadable};
use crate::device::disk::RealDisk;
use crate::format::ReadAt;
use crate::format::clip::frame_at;
use crate::format::decode::{self, Decoder, Info};

/// Frames decoded at a time.
const PIECE: usize = 4_096;
/// A recording that is being made gets something every second; one that does not is left over from somewhen.
const PATIENCE: Duration = Duration::from_secs(3);

pub struct Reel {
    path: PathBuf,
    decoder: Decoder,
    /// Frames of the recording: the next one, the one not to be read any more, and how many there are so far.
    at: u64,
    to: u64,
    length: u64,
    /// Of its file, when it was opened.
    bytes: u64,
    /// Since when there has been nothing more in it.
    still: Option<Instant>,
    ints: Vec<i32>,
}

pub enum Next<'a> {
    /// Whole frames, interleaved.
    Sound(&'a [i32]),
    /// There may be more in a moment.
    Later,
    Over,
}

impl Reel {
    /// In seconds, `to` may be infinite.
    pub fn open(path: &Path, from: f64, to: f64) -> Result<Reel, Failure> {
        let (mut decoder, length, bytes) = open(path)?;
        let info = decoder.info();
        let frame = |seconds: f64| if seconds.is_finite() { frame_at(seconds, info.rate_hz) } else { u64::MAX };
        let (at, to) = (frame(from), frame(to));
        if at >= length {
            return Err((Exit::Failed, format!("{}: there is no sound in this range", path.display())));
        }
        if at > 0 {
            decoder.seek(at).map_err(|e| unreadable(path, e))?;
        }
        let ints = vec![0; PIECE * usize::from(info.channels)];
        Ok(Reel { path: path.to_owned(), decoder, at, to, length, bytes, still: None, ints })
    }

    pub fn info(&self) -> Info {
        self.decoder.info()
    }

    /// Second at which the next frame stands.
    pub fn at_s(&self) -> f64 {
        self.second(self.at)
    }

    /// Second at which it ends, as far as is known now.
    pub fn end_s(&self) -> f64 {
        self.second(self.to.min(self.length))
    }

    /// Frames so far that are silence, because what stood there is damaged.
    pub fn skipped(&self) -> u64 {
        self.decoder.skipped()
    }

    pub fn next(&mut self) -> Result<Next<'_>, Failure> {
        let channels = usize::from(self.info().channels);
        loop {
            let want = usize::try_from(self.to.saturating_sub(self.at)).unwrap_or(PIECE).min(PIECE);
            let frames = self.decoder.read(&mut self.ints[..want * channels]).map_err(|e| unreadable(&self.path, e))?;
            self.at += frames as u64;
            if frames > 0 {
                return Ok(Next::Sound(&self.ints[..frames * channels]));
            }
            let is_growing = self.path.extension().is_some_and(|extension| extension == "part");
            if want == 0 || !is_growing {
                return Ok(Next::Over);
            }
            if !self.grow()? {
                let since = *self.still.get_or_insert_with(Instant::now);
                return Ok(if since.elapsed() < PATIENCE { Next::Later } else { Next::Over });
            }
            self.still = None;
        }
    }

    /// Opens it anew if there is more in it than there was, or if it has got its name meanwhile.
    fn grow(&mut self) -> Result<bool, Failure> {
        match std::fs::metadata(&self.path) {
            Ok(file) if file.len() == self.bytes => return Ok(false),
            Ok(_) => {}
            Err(_) => self.path = self.path.with_extension(""),
        }
        let before = self.info();
        let (mut decoder, length, bytes) = open(&self.path)?;
        let after = decoder.info();
        self.bytes = bytes;
        if length <= self.at || (after.rate_hz, after.channels, after.bits) != (before.rate_hz, before.channels, before.bits) {
            return Ok(false);
        }
        decoder.seek(self.at).map_err(|e| unreadable(&self.path, e))?;
        (self.decoder, self.length) = (decoder, length);
        Ok(true)
    }

    fn second(&self, frame: u64) -> f64 {
        frame as f64 / f64::from(self.info().rate_hz)
    }
}

/// A recording, its frames and its bytes.
fn open(path: &Path) -> Result<(Decoder, u64, u64), Failure> {
    let wrong = |e| unreadable(path, e);
    let file = RealDisk.open_to_read(path).map_err(|e| wrong(e.into()))?;
    let bytes = file.len().map_err(|e| wrong(e.into()))?;
    let mut decoder = decode::open(Box::new(file), &extension(path)).map_err(wrong)?;
    let length = decoder.measure().map_err(wrong)?;
    Ok((decoder, length, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::wav::endless_header;
    use crate::time::Rate;

    /// What is read: samples in all, or what there is to do instead.
    fn read(reel: &mut Reel) -> Result<usize, &'static str> {
        match reel.next().expect("readable") {
            Next::Sound(sound) => Ok(sound.len()),
            Next::Later => Err("later"),
            Next::Over => Err("over"),
        }
    }

    #[test]
    fn it_is_read_on_while_it_grows_and_when_it_has_its_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let (part, name) = (folder.path().join("a.wav.part"), folder.path().join("a.wav"));
        let header = endless_header(Rate::new(8_000).expect("a rate"), 1);
        let put = |frames: usize| std::fs::write(&part, [&header[..], &vec![1; 2 * frames]].concat()).expect("written");
        put(5_000);
        let mut reel = Reel::open(&part, 0.125, f64::INFINITY).expect("readable");
        assert_eq!((read(&mut reel), read(&mut reel), reel.at_s()), (Ok(4_000), Err("later"), 0.625));
        put(5_100);
        assert_eq!((read(&mut reel), read(&mut reel), reel.end_s()), (Ok(100), Err("later"), 0.6375));
        put(5_300);
        std::fs::rename(&part, &name).expect("renamed");
        assert_eq!((read(&mut reel), read(&mut reel)), (Ok(200), Err("over")));
        let mut short = Reel::open(&name, 0.0, 0.01).expect("readable");
        assert_eq!((read(&mut short), read(&mut short)), (Ok(80), Err("over")));
        assert!(Reel::open(&name, 0.7, 1.0).is_err());
    }
}
