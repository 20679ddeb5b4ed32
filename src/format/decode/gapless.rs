//! What an MP3 says of itself in its first frame, which holds no sound: how long it is, and how many of its samples an encoder
//! had to add at both ends (Xing's and LAME's "Info" tag). Players drop these, and so is done here.

use super::super::mp3::Header;

/// Samples that every decoder of layer III yields before the first that was encoded.
const DECODER_DELAY: u64 = 528 + 1;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gapless {
    /// Coded frames behind this one.
    pub coded_frames: Option<u64>,
    /// Frames to drop at the start, and at the end.
    pub start: u64,
    pub end: u64,
}

impl Gapless {
    /// Of a frame that [`Header::is_information`].
    pub fn parse(header: &Header, frame: &[u8]) -> Option<Gapless> {
        let tag = frame.get(header.information_at(frame)..)?;
        if !tag.starts_with(b"Xing") && !tag.starts_with(b"Info") {
            return None;
        }
        let word = |at: usize| tag.get(at..at + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
        let flags = word(4)?;
        let coded_frames = if flags & 1 != 0 { word(8).map(u64::from) } else { None };
        // Frames, bytes, table of contents, quality: each is there if its flag says so.
        let lame_at =
            8 + [4, 4, 100, 4].iter().enumerate().map(|(bit, n)| if flags >> bit & 1 == 1 { *n } else { 0 }).sum::<usize>();
        let encoder = tag.get(lame_at..lame_at + 4)?;
        let known = [b"LAME", b"Lavf", b"Lavc"].iter().any(|name| encoder == *name);
        let Some(&[a, b, c]) = tag.get(lame_at + 21..lame_at + 24).and_then(|b| b.first_chunk()).filter(|_| known) else {
            return Some(Gapless { coded_frames, start: 0, end: 0 });
        };
        let delay = u64::from(a) << 4 | u64::from(b >> 4);
        let padding = u64::from(b & 15) << 8 | u64::from(c);
        Some(Gapless { coded_frames, start: delay + DECODER_DELAY, end: padding.saturating_sub(DECODER_DELAY) })
    }

    /// Frames that are left of so many coded ones.
    pub fn length(&self, coded: u64) -> u64 {
        coded.saturating_sub(self.start).saturating_sub(self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As LAME writes it: all four fields, then 576 samples before and 1 000 behind.
    fn frame(name: &[u8; 4], encoder: &[u8; 4]) -> Vec<u8> {
        let mut frame = vec![0; 417];
        frame[..4].copy_from_slice(&[0xFF, 0xFB, 0x90, 0]);
        frame[36..40].copy_from_slice(name);
        frame[43] = 15;
        frame[44..48].copy_from_slice(&77_u32.to_be_bytes());
        frame[156..160].copy_from_slice(encoder);
        frame[177..180].copy_from_slice(&[0x24, 0x03, 0xE8]);
        frame
    }

    fn check(name: &[u8; 4], encoder: &[u8; 4], want: Option<(Option<u64>, u64, u64)>) {
        let frame = frame(name, encoder);
        let header = Header::parse(&frame).expect("a header");
        assert_eq!(Gapless::parse(&header, &frame).map(|g| (g.coded_frames, g.start, g.end)), want);
    }

    #[test]
    fn what_encoders_added() {
        check(b"Info", b"LAME", Some((Some(77), 576 + 529, 1_000 - 529)));
        check(b"Xing", b"Lavf", Some((Some(77), 576 + 529, 1_000 - 529)));
        check(b"Xing", b"\0\0\0\0", Some((Some(77), 0, 0)));
        check(b"Nono", b"LAME", None);
        assert_eq!(Gapless { coded_frames: None, start: 1_105, end: 471 }.length(1_152), 0);
    }
}
