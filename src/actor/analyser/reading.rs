//! A finished recording of any kind, decoded once from start to end, in pieces and in bounded memory.
//!
//! For what was not heard while it was recorded: streams, files that others made, files of which the tap lost something. Who
//! drives it decides how fast: the analyser's thread between two messages, a command with every core there is.

use crate::format::Flaw;
use crate::format::decode::{self, Decoder, File};
use crate::format::samples::Piece;
use crate::message::analysis::Analysis;
use crate::signal::{Analyzer, Scope, Shape};

/// Frames of a piece, at most: tens of milliseconds of a small processor.
const PIECE_FRAMES: usize = 16 << 10;

/// Frames that a profile makes room for before they are there; what a header claims beyond that is believed when it comes.
const BELIEVED_FRAMES: u64 = 384_000 * 3_600;

pub struct Reading {
    decoder: Decoder,
    analyzer: Analyzer,
}

impl Reading {
    /// `extension` without the dot.
    pub fn open(file: File, extension: &str, scope: Scope) -> Result<Reading, Flaw> {
        let decoder = decode::open(file, extension)?;
        let info = decoder.info();
        let shape = Shape { rate_hz: info.rate_hz, channels: info.channels, bits: info.bits };
        let expected = info.frames.unwrap_or(0).min(BELIEVED_FRAMES);
        Ok(Reading { decoder, analyzer: Analyzer::with_capacity(shape, scope, expected) })
    }

    pub fn info(&self) -> decode::Info {
        self.decoder.info()
    }

    /// Of the recording, as far as it was read.
    pub fn frames(&self) -> u64 {
        self.analyzer.frames()
    }

    /// Frames that could not be decoded and count as silence.
    pub fn skipped(&self) -> u64 {
        self.decoder.skipped()
    }

    /// Another piece. False at the end.
    pub fn step(&mut self) -> Result<bool, Flaw> {
        let piece = self.decoder.next(PIECE_FRAMES)?;
        match piece {
            Piece::Ints(samples) => self.analyzer.push(samples),
            Piece::Packed(bytes) => self.analyzer.push_bytes(bytes),
        }
        Ok(!piece.is_empty())
    }

    /// Of what was read.
    pub fn finish(self) -> Analysis {
        self.analyzer.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(frames: u32) -> Vec<u8> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let spec =
            hound::WavSpec { channels: 2, sample_rate: 8_000, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
        let mut writer = hound::WavWriter::new(&mut bytes, spec).expect("a writer");
        for n in 0..frames * 2 {
            writer.write_sample((n.wrapping_mul(2_654_435_761) >> 18) as i16).expect("written");
        }
        writer.finalize().expect("finished");
        bytes.into_inner()
    }

    #[test]
    fn a_file_is_what_it_is_while_it_is_recorded() {
        let bytes = wav(70_000);
        let mut heard = Analyzer::new(Shape { rate_hz: 8_000, channels: 2, bits: 16 }, Scope::ALL);
        heard.push_bytes(&bytes[bytes.len() - 70_000 * 4..]);
        let mut reading = Reading::open(Box::new(bytes), "wav", Scope::ALL).expect("a recording");
        let mut pieces = 0;
        while reading.step().expect("whole") {
            pieces += 1;
        }
        assert!(pieces >= 4 && reading.skipped() == 0, "{pieces}");
        assert_eq!(reading.finish(), heard.finish());
    }

    #[test]
    fn what_is_no_recording_is_told() {
        assert!(matches!(Reading::open(Box::new(b"hello".to_vec()), "txt", Scope::ALL), Err(Flaw::Unsupported(_))));
    }
}
