//! A stretch of a recording as the eye wants it: as many columns and bands as the screen has, computed when it is looked at.
//!
//! "SPSG", u16 version 1, u16 bands, u32 columns, f32 highest frequency, then columns × bands of u8, linear in frequency, v for
//! −127.5 + v/2 dBFS.

use crate::format::Flaw;
use crate::format::decode::{self, File};
use crate::message::page::SpectrogramWish;
use crate::signal::fft::Transform;

/// Seconds that are looked at, whatever was asked for.
const MAX_NS: u64 = 60_000_000_000;

/// `None` when the file has no such time.
pub fn draw(file: File, extension: &str, wish: &SpectrogramWish) -> Result<Option<Vec<u8>>, Flaw> {
    let mut decoder = decode::open(file, extension)?;
    let (info, end) = (decoder.info(), decoder.measure()?);
    let frame = |ns: u64| (u128::from(ns) * u128::from(info.rate_hz) / 1_000_000_000) as u64; // below 2^64: ns is
    let from = frame(wish.from_ns);
    let to = frame(wish.to_ns.min(wish.from_ns.saturating_add(MAX_NS))).min(end);
    if from >= to {
        return Ok(None);
    }
    let (columns, bands) = (u64::from(wish.columns.clamp(1, 4_000)), usize::from(wish.bands.clamp(8, 1_024)));
    let length = (bands * 2).next_power_of_two();
    let mut transform = Transform::new(length, f64::from(1_u32 << (info.bits - 1)));
    let channels = usize::from(info.channels);
    let mut samples = vec![0; length * channels];
    let mut picture = head(bands, columns as u32, info.rate_hz as f32 / 2.0);
    for column in 0..columns {
        let middle = from + (to - from) * (2 * column + 1) / (2 * columns);
        decoder.seek(middle.saturating_sub(length as u64 / 2))?;
        let mut have = 0;
        while have < length {
            match decoder.read(&mut samples[have * channels..])? {
                0 => break,
                frames => have += frames,
            }
        }
        samples[have * channels..].fill(0);
        let (room, window) = transform.next(length);
        for ((mono, by), frame) in room.iter_mut().zip(window).zip(samples.chunks_exact(channels)) {
            *mono = frame.iter().map(|s| f64::from(*s)).sum::<f64>() / channels as f64 * by;
        }
        if let Some(power) = transform.push(length) {
            picture.extend((0..bands).map(|band| cell(loudest(power, band, bands))));
        }
    }
    Ok(Some(picture))
}

fn head(bands: usize, columns: u32, top_hz: f32) -> Vec<u8> {
    let mut head = b"SPSG".to_vec();
    head.extend_from_slice(&1_u16.to_le_bytes());
    head.extend_from_slice(&(bands as u16).to_le_bytes());
    head.extend_from_slice(&columns.to_le_bytes());
    head.extend_from_slice(&top_hz.to_le_bytes());
    head
}

/// Of the bins of a band.
fn loudest(power: &[f64], band: usize, bands: usize) -> f64 {
    let bins = power.len() - 1;
    let (from, to) = (band * bins / bands, ((band + 1) * bins / bands).max(band * bins / bands + 1));
    power.get(from..to).unwrap_or_default().iter().copied().fold(0.0, f64::max)
}

fn cell(power: f64) -> u8 {
    let db = 10.0 * power.max(1e-13).log10();
    ((db + 127.5) * 2.0).round().clamp(0.0, 255.0) as u8
}
