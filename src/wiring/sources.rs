//! From a section of the configuration to the device behind it: one row a type.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use crate::config::script::{ScriptedFault, ScriptedKind};
use crate::config::{self, BitDepth, RawBits, RawPcm, Repeat, SourceConfig, SourceKind};
use crate::device::alsa::{self, AlsaSource};
use crate::device::file::{self, FaultScript, FileSource};
use crate::device::tone::{ToneSource, Voice};
use crate::device::{Pace, Source};
use crate::format::pcm_reader::PcmReader;
use crate::message::{Depth, PcmFormat};
use crate::time::Rate;

/// The shape that a source will probably have: what its pool is sized by. Streams have none.
pub fn expected_format(source: &SourceConfig) -> Option<PcmFormat> {
    let depth = asked_depth(source.lane.bit_depth);
    match &source.kind {
        SourceKind::Soundcard { sample_rate: rate, channels, .. }
        | SourceKind::Demo { sample_rate: rate, channels, .. }
        | SourceKind::Tone { sample_rate: rate, channels, .. } => Some(PcmFormat { rate: *rate, channels: *channels, depth }),
        SourceKind::File { path, raw, .. } => Some(raw.map(raw_format).or_else(|| probe(path)).unwrap_or(usual(depth))),
        SourceKind::Stream { .. } => None,
    }
}

/// The device of a source, not opened yet. `None` for streams.
pub fn open(source: &SourceConfig) -> Option<Box<dyn Source>> {
    let depth = asked_depth(source.lane.bit_depth);
    Some(match &source.kind {
        SourceKind::Soundcard { .. } => Box::new(card(source)?),
        SourceKind::File { path, pace, repeat, faults, raw, .. } => Box::new(FileSource::new(file::Settings {
            path: path.clone(),
            pace: of_pace(*pace),
            times: match repeat {
                Repeat::Forever => None,
                Repeat::Times(times) => Some(*times),
            },
            raw: raw.map(raw_format),
            faults: faults.iter().map(of_fault).collect(),
        })),
        SourceKind::Demo { seed, sample_rate, channels, .. } => {
            let format = PcmFormat { rate: *sample_rate, channels: *channels, depth };
            Box::new(ToneSource::new(Voice::Soundscape { seed: *seed }, format, Pace::RealTime))
        }
        SourceKind::Tone { hz, dbfs, sample_rate, channels, pace, .. } => {
            let format = PcmFormat { rate: *sample_rate, channels: *channels, depth };
            Box::new(ToneSource::new(Voice::Sine { hz: *hz, level_dbfs: *dbfs }, format, of_pace(*pace)))
        }
        SourceKind::Stream { .. } => return None,
    })
}

/// A card that is no source, as it is for one who only looks at it: it may have another shape.
pub fn unrecorded(device: &str) -> Box<dyn Source> {
    Box::new(AlsaSource::new(alsa::Settings {
        device: device.to_owned(),
        rate: USUAL_RATE,
        channels: 2,
        depth: alsa::BitDepth::Sixteen,
        period_ms: 20,
        buffer_ms: 500,
    }))
}

/// The sound card of a source that is one.
pub fn card(source: &SourceConfig) -> Option<AlsaSource> {
    let SourceKind::Soundcard { device, sample_rate, channels, .. } = &source.kind else { return None };
    Some(AlsaSource::new(alsa::Settings {
        device: device.clone(),
        rate: *sample_rate,
        channels: *channels,
        depth: match source.lane.bit_depth {
            BitDepth::Fixed(Depth::Sixteen) => alsa::BitDepth::Sixteen,
            BitDepth::Fixed(Depth::TwentyFour) => alsa::BitDepth::TwentyFour,
            BitDepth::Auto => alsa::BitDepth::Auto,
        },
        period_ms: source.lane.period_ms,
        buffer_ms: source.lane.buffer_ms,
    }))
}

/// A source whose samples come whether they are read or not, and whose thread should therefore come first.
pub fn is_real_time(source: &SourceConfig) -> bool {
    matches!(source.kind, SourceKind::Soundcard { .. })
}

/// A source that comes as fast as it is read.
pub fn is_patient(source: &SourceConfig) -> bool {
    matches!(source.kind, SourceKind::File { pace: config::Pace::Fast, .. } | SourceKind::Tone { pace: config::Pace::Fast, .. })
}

/// `auto` is sized as the widest.
fn asked_depth(depth: BitDepth) -> Depth {
    match depth {
        BitDepth::Fixed(depth) => depth,
        BitDepth::Auto => Depth::TwentyFour,
    }
}

fn raw_format(raw: RawPcm) -> PcmFormat {
    let depth = match raw.bits {
        RawBits::Sixteen => Depth::Sixteen,
        RawBits::TwentyFour => Depth::TwentyFour,
    };
    PcmFormat { rate: raw.sample_rate, channels: raw.channels, depth }
}

const USUAL_RATE: Rate = match Rate::new(48_000) {
    Some(rate) => rate,
    None => unreachable!(), // 48,000 is a rate: the compiler has evaluated this
};

fn usual(depth: Depth) -> PcmFormat {
    PcmFormat { rate: USUAL_RATE, channels: 2, depth }
}

fn probe(path: &Path) -> Option<PcmFormat> {
    Some(PcmReader::open(BufReader::new(File::open(path).ok()?)).ok()?.format())
}

fn of_pace(pace: config::Pace) -> Pace {
    match pace {
        config::Pace::Real => Pace::RealTime,
        config::Pace::Fast => Pace::OnDemand,
    }
}

fn of_fault(fault: &ScriptedFault) -> file::ScriptedFault {
    let kind = match fault.kind {
        ScriptedKind::Stall { seconds } => FaultScript::Stall { seconds },
        ScriptedKind::Xrun { frames } => FaultScript::Xrun { frames },
        ScriptedKind::Unplug { seconds } => FaultScript::Unplug { seconds },
        ScriptedKind::End => FaultScript::End,
    };
    file::ScriptedFault { at_seconds: fault.at_seconds, kind }
}
