//! The header of a fragment: where its samples stand and how long each is (ISO/IEC 14496-12, 8.8).

use super::boxes::{be32, be64, child, children, full};
use super::init::Track;
use crate::format::Flaw;

/// Access units of one fragment: five minutes of AAC at 48 kHz.
const MAX_SAMPLES: usize = 16_384;
const MAX_RUNS: usize = 1_024;

/// The samples of the track in the fragment at hand, in their order, and how far they were passed.
#[derive(Default)]
pub struct Table {
    runs: Vec<Run>,
    sizes: Vec<u32>,
    run: usize,
    /// Its first byte was passed.
    in_run: bool,
    sample: usize,
    /// Bytes of the sample that were passed.
    passed: u32,
}

/// Samples that stand one behind the other: `sizes` up to `end`, from where the last run ended.
struct Run {
    offset: u64,
    end: usize,
}

/// What comes next in the bytes.
pub struct Unit {
    /// Bytes that belong to something else.
    pub skip: u64,
    /// Of the sample behind them.
    pub left: u32,
    pub starts: bool,
}

/// What `tfhd` says for all runs of a track.
struct Defaults {
    track: u32,
    base: u64,
    sample_bytes: u32,
}

impl Table {
    pub fn clear(&mut self) {
        self.runs.clear();
        self.sizes.clear();
        (self.run, self.in_run, self.sample, self.passed) = (0, false, 0, 0);
    }

    pub fn read(&mut self, moof: &[u8], moof_at: u64, track: &Track) -> Result<(), Flaw> {
        self.clear();
        // Without any base the data of a track begins where that of the track before it ends.
        let mut end = moof_at;
        for (_, traf) in children(moof).filter(|(name, _)| name == b"traf") {
            let defaults = child(traf, b"tfhd").and_then(|tfhd| Defaults::parse(tfhd, moof_at, end, track));
            let defaults = defaults.ok_or(CUT)?;
            end = defaults.base;
            for (_, trun) in children(traf).filter(|(name, _)| name == b"trun") {
                end = self.run(trun, &defaults, end, defaults.track == track.id)?;
            }
        }
        Ok(())
    }

    /// Where the run ends; its samples are kept when it is ours.
    fn run(&mut self, trun: &[u8], defaults: &Defaults, after: u64, ours: bool) -> Result<u64, Flaw> {
        let (flags, fields) = full(trun).ok_or(CUT)?;
        let count = be32(fields, 0).ok_or(CUT)? as usize;
        let mut at = 4;
        let mut offset = after;
        if flags & 0x1 != 0 {
            let relative = be32(fields, at).ok_or(CUT)? as i32;
            offset = defaults.base.saturating_add_signed(relative.into());
            at += 4;
        }
        at += if flags & 0x4 != 0 { 4 } else { 0 };
        let width = [0x100, 0x200, 0x400, 0x800].iter().filter(|&bit| flags & bit != 0).count() * 4;
        let size_at = if flags & 0x100 != 0 { 4 } else { 0 };
        if count > MAX_SAMPLES || ours && (self.sizes.len() + count > MAX_SAMPLES || self.runs.len() == MAX_RUNS) {
            return Err(Flaw::Unsupported("an MP4 fragment with more than 16,384 samples"));
        }
        let mut end = offset;
        for n in 0..count {
            let bytes = match flags & 0x200 {
                0 => defaults.sample_bytes,
                _ => be32(fields, at + n * width + size_at).ok_or(CUT)?,
            };
            end = end.saturating_add(bytes.into());
            if ours {
                self.sizes.push(bytes);
            }
        }
        if ours {
            self.runs.push(Run { offset, end: self.sizes.len() });
        }
        Ok(end)
    }

    /// The sample that stands at `position` or behind it; `None` when there is none any more.
    pub fn unit(&mut self, position: u64) -> Result<Option<Unit>, Flaw> {
        loop {
            let Some(run) = self.runs.get(self.run) else { return Ok(None) };
            if self.sample == run.end {
                (self.run, self.in_run) = (self.run + 1, false);
                continue;
            }
            let Some(&bytes) = self.sizes.get(self.sample) else { return Ok(None) };
            let skip = match self.in_run {
                true => 0,
                false => {
                    run.offset.checked_sub(position).ok_or(Flaw::IllFormed("an MP4 fragment points to bytes before itself"))?
                }
            };
            if bytes > 0 {
                return Ok(Some(Unit { skip, left: bytes - self.passed, starts: self.passed == 0 }));
            }
            self.sample += 1;
        }
    }

    /// Bytes of the sample that [`Table::unit`] named.
    pub fn pass(&mut self, bytes: u32) {
        self.in_run = true;
        self.passed += bytes;
        if self.sizes.get(self.sample).is_some_and(|&whole| self.passed >= whole) {
            (self.sample, self.passed) = (self.sample + 1, 0);
        }
    }
}

impl Defaults {
    /// `tfhd`, 8.8.7.
    fn parse(tfhd: &[u8], moof_at: u64, after: u64, track: &Track) -> Option<Defaults> {
        let (flags, fields) = full(tfhd)?;
        let mut at = 4;
        let mut base = if flags & 0x2_0000 != 0 { moof_at } else { after };
        if flags & 0x1 != 0 {
            base = be64(fields, at)?;
            at += 8;
        }
        at += [0x2, 0x8].iter().filter(|&bit| flags & bit != 0).count() * 4;
        let sample_bytes = if flags & 0x10 != 0 { be32(fields, at)? } else { track.default_sample_bytes };
        Some(Defaults { track: be32(fields, 0)?, base, sample_bytes })
    }
}

const CUT: Flaw = Flaw::IllFormed("the header of an MP4 fragment is cut short");
