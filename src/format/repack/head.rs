//! Everything of a WAV that is no sample, and where it stands in the FLAC.
//!
//! Every chunk, bext and GUANO too, goes into an APPLICATION block of its own with the id `riff`, as the `flac` program does with
//! `--keep-foreign-metadata`: the first holds the twelve bytes that a WAV begins with, that of `data` no more than the chunk's own
//! eight. What we recorded says who and when in Vorbis comments besides, so that players and [`flac::parse`] read it.

use super::super::flac::{self, Final, SeekTable, StreamInfo, block_header, seek_block, vorbis_comment};
use super::super::metadata::Station;
use super::super::wav::Parsed;
use super::super::{ReadAt, fill_at};
use super::No;
use crate::format::encode::DEFAULT_BLOCK_SIZE;
use crate::message::{Identity, PcmFormat};

const STREAMINFO: u8 = 0;
const APPLICATION: u8 = 2;
/// Registered for the chunks of a WAV.
const RIFF: &[u8; 4] = b"riff";
/// Chunks beside the samples, all together: ours are a kB or two.
const MAX_BYTES: u64 = 256 << 10;
const MAX_CHUNKS: usize = 64;

pub struct Head {
    /// In their order.
    chunks: Vec<Vec<u8>>,
    identity: Option<Identity>,
    station: Station,
}

const ODD: No = No::Stays("there is something in it that FLAC has no place for");

impl Head {
    /// The chunks must fill the file exactly, or it would not come back as it is.
    pub fn read(wav: &dyn ReadAt, parsed: &Parsed) -> Result<Head, No> {
        let whole = u64::from(parsed.riff_says) + 8;
        if parsed.rf64 || whole != parsed.file_bytes || parsed.claim != Some(parsed.data_bytes) {
            return Err(No::Stays("its sizes are not those of the file"));
        }
        let (mut chunks, mut station) = (vec![take(wav, 0, 12)?], Station::default());
        let (mut at, mut held) = (12, 0);
        while at < whole {
            let mut head = [0; 8];
            if chunks.len() > MAX_CHUNKS || whole - at < 8 || fill_at(wav, at, &mut head)? < 8 {
                return Err(ODD);
            }
            let [a, b, c, d, size @ ..] = head;
            let size = u64::from(u32::from_le_bytes(size));
            let end = at + 8 + size + size % 2;
            if end > whole {
                return Err(ODD);
            }
            if at + 8 == parsed.data_at {
                // The byte that makes it even is not kept, and comes back as zero.
                if size % 2 == 1 && take(wav, end - 1, 1)? != [0] {
                    return Err(ODD);
                }
                chunks.push(head.to_vec());
            } else {
                held += end - at;
                if held > MAX_BYTES || [a, b, c, d] == *b"data" {
                    return Err(ODD);
                }
                let chunk = take(wav, at, (end - at) as usize)?; // MAX_BYTES at most
                if [a, b, c, d] == *b"guan" {
                    station = station_in(chunk.get(8..).unwrap_or_default());
                }
                chunks.push(chunk);
            }
            at = end;
        }
        Ok(Head { chunks, identity: parsed.identity.clone(), station })
    }

    pub fn write(&self, format: PcmFormat, ends: &Final, points: usize, table: &SeekTable) -> Vec<u8> {
        let block = DEFAULT_BLOCK_SIZE as u16;
        let info = StreamInfo {
            min_block: block,
            max_block: block,
            min_frame_bytes: 0,
            max_frame_bytes: 0,
            rate_hz: format.rate.hz(),
            channels: format.channels,
            bits: format.depth.bits(),
            frames: 0,
            md5: [0; 16],
        };
        let mut out = b"fLaC".to_vec();
        block_header(&mut out, STREAMINFO, StreamInfo::BYTES);
        out.extend_from_slice(&info.finished(ends).bytes());
        let comments = vorbis_comment(self.identity.as_ref(), &self.station);
        block_header(&mut out, flac::VORBIS_COMMENT, comments.len());
        out.extend_from_slice(&comments);
        for chunk in &self.chunks {
            block_header(&mut out, APPLICATION, RIFF.len() + chunk.len());
            out.extend_from_slice(RIFF);
            out.extend_from_slice(chunk);
        }
        out.extend_from_slice(&seek_block(points, table));
        out
    }
}

fn take(wav: &dyn ReadAt, at: u64, bytes: usize) -> Result<Vec<u8>, No> {
    let mut out = vec![0; bytes];
    if fill_at(wav, at, &mut out)? < bytes { Err(ODD) } else { Ok(out) }
}

/// Where the recorder stood, as its GUANO lines say.
fn station_in(guan: &[u8]) -> Station {
    let text = String::from_utf8_lossy(guan);
    let value = |key: &str| text.lines().find_map(|line| Some(line.strip_prefix(key)?.strip_prefix(':')?.trim()));
    let position = value("Loc Position").and_then(|text| text.split_once(' '));
    Station {
        name: value("Soundpost|Site").map(str::to_owned),
        latitude: position.and_then(|(latitude, _)| latitude.parse().ok()),
        longitude: position.and_then(|(_, longitude)| longitude.parse().ok()),
    }
}
