//! The header of the file: which track has the sound, and how it is coded (ISO/IEC 14496-12, 8; 14496-14, 5.6).

use super::Coding;
use super::asc::Adts;
use super::boxes::{be16, be32, child, children, descend, full};
use crate::format::Flaw;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Track {
    pub id: u32,
    pub coding: Coding,
    /// For fragments that do not say it.
    pub default_sample_bytes: u32,
}

/// Fixed fields of an AudioSampleEntry (12.2.3).
const ENTRY_BYTES: usize = 28;

impl Track {
    /// The first track whose sound can be kept; else why the first sound cannot.
    pub fn parse(moov: &[u8]) -> Result<Track, Flaw> {
        let mut refused = Flaw::Unsupported("the MP4 has no sound");
        for (_, trak) in children(moov).filter(|(name, _)| name == b"trak") {
            let (Some(id), Some(stsd)) = (track_id(trak), descend(trak, &[b"mdia", b"minf", b"stbl", b"stsd"])) else { continue };
            match coding(stsd) {
                Some(Ok(coding)) => return Ok(Track { id, coding, default_sample_bytes: default_sample_bytes(moov, id) }),
                Some(Err(flaw)) => refused = flaw,
                None => {}
            }
        }
        Err(refused)
    }
}

fn track_id(trak: &[u8]) -> Option<u32> {
    let (version, fields) = full(child(trak, b"tkhd")?)?;
    be32(fields, if version >> 24 == 1 { 16 } else { 8 })
}

/// `trex`, 8.8.3.
fn default_sample_bytes(moov: &[u8], id: u32) -> u32 {
    let Some(mvex) = child(moov, b"mvex") else { return 0 };
    let of_track = |body| full(body).map(|(_, fields)| fields).filter(|fields| be32(fields, 0) == Some(id));
    let fields = children(mvex).filter(|(name, _)| name == b"trex").find_map(|(_, body)| of_track(body));
    fields.and_then(|fields| be32(fields, 12)).unwrap_or(0)
}

/// Of the first sample entry; `None` when it is no sound.
fn coding(stsd: &[u8]) -> Option<Result<Coding, Flaw>> {
    let (name, entry) = children(full(stsd)?.1.get(4..)?).next()?;
    match name {
        b"mp4a" => Some(mp4a(entry)),
        b".mp3" => Some(Ok(Coding::MpegAudio)),
        b"enca" => Some(Err(Flaw::Unsupported("the sound is encrypted"))),
        b"Opus" => Some(Err(Flaw::Unsupported("Opus in MP4"))),
        b"fLaC" => Some(Err(Flaw::Unsupported("FLAC in MP4"))),
        b"alac" => Some(Err(Flaw::Unsupported("ALAC"))),
        b"ac-3" | b"ec-3" | b"ac-4" => Some(Err(Flaw::Unsupported("AC-3 sound"))),
        _ => None,
    }
}

fn mp4a(entry: &[u8]) -> Result<Coding, Flaw> {
    // QuickTime's version 1 has four more numbers.
    let fixed = if be16(entry, 8) == Some(1) { ENTRY_BYTES + 16 } else { ENTRY_BYTES };
    let esds = entry.get(fixed..).and_then(|boxes| child(boxes, b"esds")).and_then(full);
    let (kind, config) =
        esds.and_then(|(_, body)| decoder(body)).ok_or(Flaw::IllFormed("the MP4 does not say how its sound is coded"))?;
    match kind {
        // 14496-1, table 5: MPEG-4, and MPEG-2's AAC.
        0x40 | 0x66..=0x68 => Adts::parse(config).map(Coding::Aac),
        0x69 | 0x6B => Ok(Coding::MpegAudio),
        _ => Err(Flaw::Unsupported("sound in MP4 that is neither AAC nor MPEG audio")),
    }
}

/// Object type and DecoderSpecificInfo, which may be empty (ISO/IEC 14496-1, 7.2.6).
fn decoder(descriptors: &[u8]) -> Option<(u8, &[u8])> {
    let (body, _) = descriptor(descriptors, 0x03)?;
    let flags = *body.get(2)?;
    let mut at = 3 + if flags & 0x80 != 0 { 2 } else { 0 };
    if flags & 0x40 != 0 {
        at += 1 + usize::from(*body.get(at)?);
    }
    at += if flags & 0x20 != 0 { 2 } else { 0 };
    let (config, _) = descriptor(body.get(at..)?, 0x04)?;
    let specific = config.get(13..).and_then(|rest| descriptor(rest, 0x05)).map_or(&[][..], |(specific, _)| specific);
    Some((*config.first()?, specific))
}

/// Seven bits of length a byte, four bytes at most.
fn descriptor(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, mut rest) = bytes.split_first()?;
    let mut length = 0;
    for _ in 0..4 {
        let (&byte, after) = rest.split_first()?;
        length = length << 7 | usize::from(byte & 0x7F);
        rest = after;
        if byte & 0x80 == 0 {
            break;
        }
    }
    (found == tag).then_some(())?;
    Some(rest.split_at(length.min(rest.len())))
}
