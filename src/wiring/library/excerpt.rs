//! Clips and cuts: of one file by its own time, or of a source by the clock, over all its files.
//!
//! A clip of a source has its length whatever was recorded: what is missing is silence, and told. Cuts of a source are in
//! [`stretch`].

use std::io;

use super::folder::Folder;
use super::{Shelves, extension, flaw, pump::pump, stretch};
use crate::actor::http::library::Piece;
use crate::format::clip::Clip;
use crate::format::{Flaw, cut, decode};
use crate::message::library::{FileRow, GapRow, Trouble};
use crate::message::page::Excerpt;
use crate::time::{SECOND_NS, Wall};
use crate::web::json;

/// The longest clip.
pub const MAX_CLIP_NS: u64 = 600 * SECOND_NS as u64;

/// A stretch of one file that follows another in a clip, and where it begins in the clip's frames.
struct Stretch {
    row: FileRow,
    clip: Clip,
    at: u64,
}

fn frame_of(ns: u64, rate_hz: u32) -> u64 {
    let frame = (u128::from(ns) * u128::from(rate_hz) + u128::from(SECOND_NS as u64) / 2) / u128::from(SECOND_NS as u64);
    u64::try_from(frame).unwrap_or(u64::MAX)
}

pub fn ns_of(frame: u64, rate_hz: u32) -> u64 {
    let ns = u128::from(frame) * u128::from(SECOND_NS as u64) / u128::from(rate_hz.max(1));
    u64::try_from(ns).unwrap_or(u64::MAX)
}

pub fn stem(name: &str) -> &str {
    let last = name.rsplit('/').next().unwrap_or(name);
    last.rsplit_once('.').map_or(last, |(stem, _)| stem)
}

pub fn no_thread(e: io::Error) -> Trouble {
    log::warn!(target: "http", "no thread for a clip: {e}");
    Trouble::Busy(2)
}

impl Shelves {
    pub(super) fn clip_of(&self, what: &Excerpt, source_rate: bool) -> Result<Option<Piece>, Trouble> {
        match what {
            Excerpt::File { name, from_ns, to_ns } => self.clip_of_file(name, *from_ns, *to_ns, source_rate),
            Excerpt::Source { source, from, to } => {
                let to = (*to).min(from.plus_ns(MAX_CLIP_NS as i64));
                let rows = self.read(|reader| reader.between(Some(source), *from, to))?;
                self.folder.clip(rows, source, (*from, to), source_rate)
            }
        }
    }

    fn clip_of_file(&self, name: &str, from_ns: u64, to_ns: u64, source_rate: bool) -> Result<Option<Piece>, Trouble> {
        let row = self.closed(name)?;
        let mut decoder = self.folder.decoder(&row)?;
        let (rate_hz, end) = (decoder.info().rate_hz, decoder.measure().map_err(flaw)?);
        let to_ns = to_ns.min(from_ns.saturating_add(MAX_CLIP_NS));
        let (from, to) = (frame_of(from_ns, rate_hz), frame_of(to_ns, rate_hz).min(end));
        if from >= to {
            return Ok(None);
        }
        let clip = Clip::plan(&mut decoder, from, to, source_rate).map_err(flaw)?;
        let body = pump(clip.bytes(), move |out| {
            if let Err(e) = clip.write(&mut decoder, out) {
                log::debug!(target: "http", "a clip ended: {e}");
            }
        });
        let truth = Excerpt::File { name: name.to_owned(), from_ns: ns_of(clip.from, rate_hz), to_ns: ns_of(clip.to, rate_hz) };
        Ok(Some(Piece {
            truth,
            gaps: Vec::new(),
            name: format!("{}_{}.wav", stem(name), from_ns / SECOND_NS as u64),
            len: clip.bytes(),
            body: Box::new(body.map_err(no_thread)?),
            version: Some(json::version(&row)),
        }))
    }

    pub(super) fn cut_of(&self, what: &Excerpt) -> Result<Option<Piece>, Trouble> {
        let (name, from_ns, to_ns) = match what {
            Excerpt::File { name, from_ns, to_ns } => (name, *from_ns, *to_ns),
            Excerpt::Source { source, from, to } => {
                let rows = self.read(|reader| reader.between(Some(source), *from, *to))?;
                return stretch::piece(self.folder.stretches(rows, *from, *to)?, source);
            }
        };
        let row = self.closed(name)?;
        let file = self.folder.open_file(&row)?;
        let seconds = |ns: u64| ns as f64 / SECOND_NS as f64;
        let plan = match cut::plan(&file, extension(&row.name), seconds(from_ns), seconds(to_ns)) {
            Ok(plan) => plan,
            Err(Flaw::Unsupported(cut::NO_SOUND)) => return Ok(None),
            Err(e) => return Err(flaw(e)),
        };
        let (len, true_ns) = (plan.bytes, |s: f64| (s * SECOND_NS as f64).round() as u64);
        let (from_ns, to_ns) = (true_ns(plan.from_s), true_ns(plan.to_s));
        let body = pump(len, move |out| {
            if let Err(e) = plan.write(&file, out) {
                log::debug!(target: "http", "a cut ended: {e}");
            }
        });
        Ok(Some(Piece {
            truth: Excerpt::File { name: row.name.clone(), from_ns, to_ns },
            gaps: Vec::new(),
            name: format!("{}_cut_{}.{}", stem(&row.name), from_ns / SECOND_NS as u64, extension(&row.name)),
            len,
            body: Box::new(body.map_err(no_thread)?),
            version: Some(json::version(&row)),
        }))
    }
}

impl Folder {
    /// [from, to) of a source, of which these are the recordings there.
    pub fn clip(
        &self,
        rows: Vec<FileRow>,
        source: &str,
        (from, to): (Wall, Wall),
        source_rate: bool,
    ) -> Result<Option<Piece>, Trouble> {
        let (mut stretches, mut shape) = (Vec::new(), None);
        for row in rows {
            let row = self.measured(row);
            for (first, end) in runs(&row, from, to) {
                let mut decoder = self.decoder(&row)?;
                let Ok(clip) = Clip::plan(&mut decoder, first, end, source_rate) else { continue };
                if *shape.get_or_insert((clip.rate_hz, clip.channels)) != (clip.rate_hz, clip.channels) {
                    return Err(Trouble::Unclear("The rate changes in this range: ask for each file by its name.".into()));
                }
                let lost_ns = lost_ns_before(&row, first);
                let begins = row.start.plus_ns((ns_of(first, row.rate_hz) + lost_ns) as i64);
                stretches.push(Stretch { at: frame_of(begins.since(from).max(0) as u64, clip.rate_hz), clip, row: row.clone() });
            }
        }
        let Some((rate_hz, channels)) = shape else { return Ok(None) };
        let total = frame_of(to.since(from).max(0) as u64, rate_hz);
        let gaps = holes(&stretches, source, from, total, rate_hz);
        let (frame_bytes, header) = (u64::from(channels) * 2, wav_header(rate_hz, channels, total));
        let len = header.len() as u64 + total * frame_bytes;
        let mut decoders = Vec::new();
        for stretch in &stretches {
            decoders.push(self.decoder(&stretch.row)?);
        }
        let body = pump(len, move |out| {
            let written = out(&header).and_then(|()| join(&stretches, &mut decoders, total, frame_bytes, out));
            written.unwrap_or_else(|e| log::debug!(target: "http", "a clip ended: {e}"));
        });
        let truth = Excerpt::Source { source: source.to_owned(), from, to };
        let name = format!("{source}_{}.wav", from.micros() / 1_000_000);
        Ok(Some(Piece { truth, gaps, name, len, body: Box::new(body.map_err(no_thread)?), version: None }))
    }
}

/// Time lost in a file before one of its frames.
pub fn lost_ns_before(row: &FileRow, frame: u64) -> u64 {
    let (mut lost, mut lost_frames) = (0_i64, 0_u64);
    for gap in row.gaps.iter() {
        let at = frame_of(gap.start.since(row.start).max(0) as u64, row.rate_hz).saturating_sub(lost_frames);
        if at > frame {
            break;
        }
        lost = lost.saturating_add(gap.end.since(gap.start));
        lost_frames += gap.frames_lost;
    }
    lost.max(0) as u64
}

/// Frames of a file that lie in [from, to), a range for each part between its gaps.
pub fn runs(row: &FileRow, from: Wall, to: Wall) -> Vec<(u64, u64)> {
    let rate = row.rate_hz.max(1);
    let mut parts = Vec::new();
    let (mut begins, mut first) = (row.start, 0_u64);
    let ends = row.gaps.iter().map(|gap| (gap.start, gap.end)).chain([(Wall(i64::MAX), Wall(i64::MAX))]);
    for (gap_start, gap_end) in ends {
        let frames = frame_of(gap_start.since(begins).max(0) as u64, rate).min(row.frames - first.min(row.frames));
        let within = |at: Wall| first + frame_of(at.since(begins).max(0) as u64, rate).min(frames);
        let (a, b) = (within(from), within(to));
        if a < b {
            parts.push((a, b));
        }
        (begins, first) = (gap_end, first + frames);
    }
    parts
}

/// Where a clip of so many frames has no sound.
fn holes(stretches: &[Stretch], source: &str, from: Wall, total: u64, rate_hz: u32) -> Vec<GapRow> {
    let mut gaps = Vec::new();
    let mut at = 0;
    let mut hole = |a: u64, b: u64| {
        // Rounding to a frame is no gap.
        if b > a + 1 {
            let time = |frame: u64| from.plus_ns(ns_of(frame, rate_hz) as i64);
            let (source, reason) = (source.to_owned(), "not recorded".to_owned());
            gaps.push(GapRow { source, start: time(a), end: time(b), frames_lost: b - a, reason });
        }
    };
    for stretch in stretches {
        hole(at, stretch.at);
        at = at.max(stretch.at + stretch.clip.frames);
    }
    hole(at, total);
    gaps
}

/// The stretches one after the other, each at its place; silence between them.
fn join(
    stretches: &[Stretch],
    decoders: &mut [decode::Decoder],
    total: u64,
    frame_bytes: u64,
    out: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut at = 0;
    for (stretch, decoder) in stretches.iter().zip(decoders) {
        silence(stretch.at.saturating_sub(at).min(total - at) * frame_bytes, out)?;
        at = at.max(stretch.at).min(total);
        let mut left = stretch.clip.frames.min(total - at) * frame_bytes;
        at += left / frame_bytes;
        let mut header = stretch.clip.bytes() - stretch.clip.frames * frame_bytes;
        let written = stretch.clip.write(decoder, &mut |bytes| {
            let skip = header.min(bytes.len() as u64);
            header -= skip;
            let sound = &bytes[skip as usize..];
            let now = left.min(sound.len() as u64);
            left -= now;
            out(&sound[..now as usize])
        });
        if let Err(e) = written {
            log::debug!(target: "http", "{}: {e}", stretch.row.name);
            silence(left, out)?;
        }
    }
    silence((total - at) * frame_bytes, out)
}

fn silence(mut bytes: u64, out: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    const NOTHING: [u8; 4_096] = [0; 4_096];
    while bytes > 0 {
        let now = bytes.min(NOTHING.len() as u64);
        out(&NOTHING[..now as usize])?;
        bytes -= now;
    }
    Ok(())
}

/// Of 16-bit samples.
fn wav_header(rate_hz: u32, channels: u8, frames: u64) -> Vec<u8> {
    let frame = u32::from(channels) * 2;
    let data = u32::try_from(frames * u64::from(frame)).unwrap_or(u32::MAX - 36); // ten minutes are less
    let mut header = b"RIFF".to_vec();
    header.extend_from_slice(&(data + 36).to_le_bytes());
    header.extend_from_slice(b"WAVEfmt ");
    header.extend_from_slice(&16_u32.to_le_bytes());
    header.extend_from_slice(&1_u16.to_le_bytes());
    header.extend_from_slice(&u16::from(channels).to_le_bytes());
    header.extend_from_slice(&rate_hz.to_le_bytes());
    header.extend_from_slice(&rate_hz.saturating_mul(frame).to_le_bytes());
    header.extend_from_slice(&(frame as u16).to_le_bytes());
    header.extend_from_slice(&16_u16.to_le_bytes());
    header.extend_from_slice(b"data");
    header.extend_from_slice(&data.to_le_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::library::FileState;

    fn row(gaps: &[(i64, i64)]) -> FileRow {
        let wall = |second: i64| Wall(second * SECOND_NS);
        let gap = |&(a, b): &(i64, i64)| GapRow {
            source: "mic".into(),
            start: wall(a),
            end: wall(b),
            frames_lost: (b - a) as u64 * 100,
            reason: "xrun".into(),
        };
        FileRow {
            uploaded_at: None,
            name: "a.wav".into(),
            source: "mic".into(),
            start: wall(1_000),
            utc_offset_s: 0,
            frames: 6_000,
            rate_hz: 100,
            channels: 1,
            bytes: 0,
            modified: wall(0),
            state: FileState::Closed,
            sections: Vec::new().into(),
            gaps: gaps.iter().map(gap).collect(),
            marks: Default::default(),
            trouble: None,
            details: "{}".into(),
            version: 0,
        }
    }

    #[test]
    fn a_range_of_the_clock_becomes_frames_between_the_gaps() {
        let check = |gaps: &[(i64, i64)], from: i64, to: i64, want: &[(u64, u64)]| {
            assert_eq!(runs(&row(gaps), Wall(from * SECOND_NS), Wall(to * SECOND_NS)), want, "{from}..{to}");
        };
        check(&[], 1_010, 1_020, &[(1_000, 2_000)]);
        check(&[], 990, 1_001, &[(0, 100)]);
        check(&[], 1_059, 2_000, &[(5_900, 6_000)]);
        check(&[], 1_060, 2_000, &[]);
        // Five seconds are missing after the first ten: what follows is later by the clock.
        check(&[(1_010, 1_015)], 1_005, 1_020, &[(500, 1_000), (1_000, 1_500)]);
        check(&[(1_010, 1_015)], 1_011, 1_014, &[]);
        assert_eq!(lost_ns_before(&row(&[(1_010, 1_015)]), 1_000), 5 * SECOND_NS as u64);
        assert_eq!(lost_ns_before(&row(&[(1_010, 1_015)]), 999), 0);
    }
}
