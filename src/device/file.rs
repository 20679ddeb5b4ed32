//! A recording replayed as a source: for tests, demonstrations and benchmarks, through the same lane as a sound card.
//!
//! WAV and FLAC by their headers, or raw PCM of a stated shape. `pace = real` behaves as a sound card does,
//! `fast` waits for its reader. Faults can be scripted, so that every failure of a real device can be had at a given second.

use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _};
use std::path::PathBuf;

use super::pacer::Pacer;
use super::{Fault, FaultKind, Opened, Pace, Read, Source};
use crate::device::clock::{Clock, RealClock};
use crate::format::pcm_reader::PcmReader;
use crate::message::{Depth, PcmFormat, Reason};
use crate::time::{Mono, Rate, SECOND_NS};

/// Read ahead in a head; less than most blocks, so that samples go straight into theirs.
const HEAD_BYTES: usize = 4 << 10;

#[derive(Clone, Debug)]
pub struct Settings {
    pub path: PathBuf,
    pub pace: Pace,
    /// How often the recording is played; `None` is for ever.
    pub times: Option<u32>,
    /// Shape of a file without a header; `None` reads a WAV or a FLAC by its own.
    pub raw: Option<PcmFormat>,
    /// In the order of their seconds.
    pub faults: Vec<ScriptedFault>,
}

/// Something that goes wrong once the source has played this long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScriptedFault {
    pub at_seconds: f64,
    pub kind: FaultScript,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FaultScript {
    /// Nothing comes for so long; then it goes on where it was.
    Stall {
        seconds: f64,
    },
    /// So many frames are overrun.
    Xrun {
        frames: u64,
    },
    /// Gone, and back after so long.
    Unplug {
        seconds: f64,
    },
    End,
}

enum Samples {
    Headed(PcmReader<BufReader<File>>),
    Raw(File),
}

pub struct FileSource {
    settings: Settings,
    samples: Option<Samples>,
    format: PcmFormat,
    pacer: Pacer,
    /// Frames played in all runs, overrun ones too: what the script counts by.
    played: u64,
    rounds: u32,
    next_fault: usize,
    /// The device stands still or is away until then.
    until: Mono,
    gone: bool,
}

impl FileSource {
    pub fn new(settings: Settings) -> FileSource {
        // Until the file is opened any shape will do.
        let format = settings.raw.unwrap_or(PcmFormat { rate: Rate::MIN, channels: 1, depth: Depth::Sixteen });
        let pacer = Pacer::start(settings.pace, format.rate);
        FileSource { settings, samples: None, format, pacer, played: 0, rounds: 0, next_fault: 0, until: Mono(0), gone: false }
    }

    /// Opens the file, from its start.
    fn rewind(&mut self) -> Result<(), Fault> {
        if let Some(Samples::Raw(file)) = &mut self.samples {
            // Nothing is allocated for another round.
            return file.rewind().map_err(|e| self.broken(&e));
        }
        let path = self.settings.path.clone();
        let problem = |what: String| Fault::new(FaultKind::Config, format!("{}: {what}", path.display()));
        let open = || match File::open(&path) {
            Ok(file) if file.metadata().is_ok_and(|m| m.is_dir()) => Err(problem("is a folder, not a recording".into())),
            Ok(file) => Ok(file),
            Err(e) => Err(problem(e.to_string())),
        };
        if let Some(format) = self.settings.raw {
            self.format = format;
            self.samples = Some(Samples::Raw(open()?));
            return Ok(());
        }
        let reader = PcmReader::open(BufReader::with_capacity(HEAD_BYTES, open()?)).map_err(|e| problem(e.to_string()))?;
        self.format = reader.format();
        self.samples = Some(Samples::Headed(reader));
        Ok(())
    }

    /// The fault that is due before the frame `self.played`, once.
    fn due_fault(&mut self) -> Option<FaultScript> {
        let fault = self.settings.faults.get(self.next_fault)?;
        let at = (fault.at_seconds * f64::from(self.format.rate.hz())) as u64;
        if self.played < at {
            return None;
        }
        self.next_fault += 1;
        Some(fault.kind)
    }

    /// Frames until the next fault: a read never passes it.
    fn frames_to_fault(&self) -> u64 {
        self.settings.faults.get(self.next_fault).map_or(u64::MAX, |fault| {
            let at = (fault.at_seconds * f64::from(self.format.rate.hz())) as u64;
            at.saturating_sub(self.played).max(1)
        })
    }

    fn strike(&mut self, fault: FaultScript) -> Result<Read, Fault> {
        let now = RealClock.mono();
        match fault {
            FaultScript::Stall { seconds } => {
                self.until = now.plus_ns((seconds * SECOND_NS as f64) as i64);
                Ok(self.stand_still(now))
            }
            FaultScript::Xrun { frames } => {
                self.pacer.skip(frames);
                self.skip(frames)?;
                self.played += frames;
                Ok(Read::Lost { frames, reason: Reason::Xrun })
            }
            FaultScript::Unplug { seconds } => {
                self.until = now.plus_ns((seconds * SECOND_NS as f64) as i64);
                self.gone = true;
                Err(Fault::new(FaultKind::Gone, format!("{}: unplugged (scripted)", self.settings.path.display())))
            }
            FaultScript::End => Ok(Read::End),
        }
    }

    /// Passes over so many frames of the file, or to its end.
    fn skip(&mut self, frames: u64) -> Result<(), Fault> {
        let mut left = frames.saturating_mul(self.format.frame_bytes() as u64);
        let mut passed = [0; 24 * 256];
        let whole = passed.len() / self.format.frame_bytes() * self.format.frame_bytes();
        while left > 0 {
            let want = left.min(whole as u64) as usize;
            if self.fill(&mut passed[..want])? < want {
                break;
            }
            left -= want as u64;
        }
        Ok(())
    }

    fn stand_still(&mut self, now: Mono) -> Read {
        let left = self.until.since(now).clamp(0, SECOND_NS / 4);
        std::thread::sleep(std::time::Duration::from_nanos(left as u64));
        Read::Idle
    }

    /// Fills `space` from the file, round after round; fewer bytes only at the end of the last.
    fn fill(&mut self, space: &mut [u8]) -> Result<usize, Fault> {
        let frame_bytes = self.format.frame_bytes();
        let (mut have, mut empty_rounds) = (0, 0);
        while have < space.len() {
            let got = match &mut self.samples {
                None => 0,
                Some(Samples::Raw(file)) => read_whole(file, &mut space[have..], frame_bytes).map_err(|e| self.broken(&e))?,
                Some(Samples::Headed(reader)) => match reader.read_frames(&mut space[have..]) {
                    Ok(frames) => frames * frame_bytes,
                    Err(e) => return Err(self.broken(&e)),
                },
            };
            have += got;
            empty_rounds = if got == 0 { empty_rounds + 1 } else { 0 };
            if got == 0 {
                self.rounds += 1;
                if empty_rounds > 1 || self.settings.times.is_some_and(|times| self.rounds >= times) {
                    break; // also when the file holds nothing at all
                }
                let format = self.format;
                self.rewind()?;
                if self.format != format {
                    return Err(Fault::new(FaultKind::Config, format!("{}: its shape changed", self.settings.path.display())));
                }
            }
        }
        Ok(have)
    }

    fn broken(&self, what: &dyn std::fmt::Display) -> Fault {
        Fault::new(FaultKind::Config, format!("{}: {what}, after {} frames", self.settings.path.display(), self.played))
    }
}

impl Source for FileSource {
    fn open(&mut self) -> Result<Opened, Fault> {
        let path = self.settings.path.clone();
        if self.gone && RealClock.mono() < self.until {
            return Err(Fault::new(FaultKind::Gone, format!("{}: not there (scripted)", path.display())));
        }
        self.gone = false;
        if self.samples.is_none() {
            self.rewind()?;
        }
        self.pacer = Pacer::start(self.settings.pace, self.format.rate);
        let PcmFormat { rate, channels, depth } = self.format;
        let pace = if self.settings.pace == Pace::RealTime { "in real time" } else { "as fast as it can be read" };
        let text = format!("{}, {} bit, {rate}, {channels} channels, {pace}", path.display(), depth.bits());
        Ok(Opened { format: self.format, pace: self.settings.pace, at: self.pacer.started_at(), text })
    }

    fn read(&mut self, space: &mut [u8]) -> Result<Read, Fault> {
        let now = RealClock.mono();
        if now < self.until {
            return Ok(self.stand_still(now));
        }
        if let Some(fault) = self.due_fault() {
            return self.strike(fault);
        }
        let frame_bytes = self.format.frame_bytes();
        let room = ((space.len() / frame_bytes) as u64).min(self.frames_to_fault());
        let (frames, at) = self.pacer.next(room);
        if frames == 0 {
            return Ok(Read::Idle);
        }
        let bytes = self.fill(&mut space[..frames as usize * frame_bytes])?;
        let frames = bytes / frame_bytes;
        self.played += frames as u64;
        Ok(if frames == 0 { Read::End } else { Read::Frames { frames: frames as u32, at } })
    }

    fn hurry(&mut self, is_wanted: bool) {
        self.pacer.hurry(is_wanted);
    }
}

/// Reads whole frames until `space` is full or the file ends; a torn last frame is left out.
fn read_whole(file: &mut File, space: &mut [u8], frame_bytes: usize) -> std::io::Result<usize> {
    let room = space.len() - space.len() % frame_bytes;
    let mut have = 0;
    while have < room {
        match file.read(&mut space[have..room]) {
            Ok(0) => break,
            Ok(n) => have += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(have - have % frame_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(frames: u16, times: Option<u32>, faults: Vec<ScriptedFault>) -> (tempfile::TempDir, FileSource) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("count.raw");
        std::fs::write(&path, (0..frames).flat_map(u16::to_le_bytes).collect::<Vec<u8>>()).expect("written");
        let raw = PcmFormat { rate: Rate::new(1_000).expect("a rate"), channels: 1, depth: Depth::Sixteen };
        let mut source = FileSource::new(Settings { path, pace: Pace::OnDemand, times, raw: Some(raw), faults });
        source.open().expect("opens");
        (folder, source)
    }

    /// Everything the source says, in words.
    fn story(source: &mut FileSource) -> Vec<String> {
        let mut story = Vec::new();
        let mut space = [0; 2 * 700];
        loop {
            let read = source.read(&mut space);
            let first = u16::from_le_bytes([space[0], space[1]]);
            story.push(match &read {
                Ok(Read::Frames { frames, .. }) => format!("{frames} from {first}"),
                Ok(Read::Lost { frames, .. }) => format!("lost {frames}"),
                Ok(Read::Idle) => continue,
                Ok(Read::End) => "end".to_owned(),
                Err(fault) => format!("{:?}", fault.kind),
            });
            if !matches!(read, Ok(Read::Frames { .. } | Read::Lost { .. })) {
                return story;
            }
        }
    }

    #[test]
    fn a_recording_is_played_as_often_as_told() {
        assert_eq!(story(&mut source(1_000, Some(1), vec![]).1), ["700 from 0", "300 from 700", "end"]);
        assert_eq!(story(&mut source(600, Some(2), vec![]).1), ["700 from 0", "500 from 100", "end"]);
        assert_eq!(story(&mut source(0, None, vec![]).1), ["end"]);
    }

    #[test]
    fn faults_strike_at_their_frame() {
        let script = |at_seconds, kind| ScriptedFault { at_seconds, kind };
        let faults = vec![script(0.5, FaultScript::Xrun { frames: 10 }), script(0.9, FaultScript::Unplug { seconds: 0.0 })];
        let (_folder, mut source) = source(2_000, Some(1), faults);
        assert_eq!(story(&mut source), ["500 from 0", "lost 10", "390 from 510", "Gone"]);
        source.open().expect("back at once");
        assert_eq!(story(&mut source)[0], "700 from 900");
    }

    #[test]
    fn what_is_no_recording_is_one_line() {
        let open = |path: &str| {
            let settings = Settings { path: path.into(), pace: Pace::OnDemand, times: None, raw: None, faults: vec![] };
            FileSource::new(settings).open().expect_err("no recording").what
        };
        assert_eq!(open("/nowhere/x.wav"), "/nowhere/x.wav: No such file or directory (os error 2)");
        assert_eq!(open("/"), "/: is a folder, not a recording");
        let wrong = tempfile::Builder::new().suffix(".wav").tempfile().expect("a file");
        std::fs::write(wrong.path(), b"this is no sound").expect("written");
        assert!(open(wrong.path().to_str().expect("a plain path")).starts_with(wrong.path().to_str().expect("a plain path")));
    }
}
