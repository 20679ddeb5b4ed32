//! The tables that say where the sound is: PAT and PMT (ISO/IEC 13818-1, 2.4.4).

use super::Coding;

pub const PAT_PID: u16 = 0;
/// 2.4.4.4: a section of these tables has at most 1,021 bytes behind its length.
const MAX_BYTES: usize = 1_024;
const CRC_BYTES: usize = 4;

/// A section in the making: it may begin anywhere in a packet and go on in the next.
#[derive(Default)]
pub struct Section {
    bytes: heapless::Vec<u8, MAX_BYTES>,
    collecting: bool,
}

impl Section {
    /// The payload of one packet. `false` when what was collected is damaged, and dropped.
    pub fn push(&mut self, start: bool, payload: &[u8]) -> bool {
        let payload = match (start, payload.split_first()) {
            // The pointer field; the end of an earlier section before it can only be one that was not finished in time.
            (true, Some((&pointer, rest))) => {
                self.bytes.clear();
                self.collecting = true;
                rest.get(usize::from(pointer)..).unwrap_or_default()
            }
            _ => payload,
        };
        if !self.collecting {
            return true;
        }
        let room = MAX_BYTES - self.bytes.len();
        let _ = self.bytes.extend_from_slice(payload.get(..room).unwrap_or(payload));
        let Some(whole) = self.whole_bytes() else { return true };
        if whole > MAX_BYTES {
            self.collecting = false;
            return false;
        }
        if self.bytes.len() < whole {
            return true;
        }
        self.bytes.truncate(whole);
        self.collecting = false;
        let good = crc32(&self.bytes) == 0;
        if !good {
            self.bytes.clear();
        }
        good
    }

    /// The section that the last packet completed.
    pub fn take(&self) -> Option<&[u8]> {
        (!self.collecting && self.whole_bytes() == Some(self.bytes.len())).then_some(self.bytes.as_slice())
    }

    fn whole_bytes(&self) -> Option<usize> {
        let head = self.bytes.first_chunk::<3>()?;
        Some(3 + (usize::from(head[1] & 0x0F) << 8 | usize::from(head[2])))
    }
}

/// The entries between the fixed part of a table and its checksum; `None` for another table or one that is not in force yet.
fn entries(section: &[u8], table: u8) -> Option<&[u8]> {
    let &[id, _, _, _, _, version, ..] = section else { return None };
    let end = section.len().checked_sub(CRC_BYTES)?;
    (id == table && version & 1 == 1).then(|| section.get(8..end)).flatten()
}

/// Of the first programme of a PAT (2.4.4.3).
pub fn pmt_pid(section: &[u8]) -> Option<u16> {
    let program = |four: &[u8]| match *four {
        [0, 0, ..] => None, // the network's own table
        [_, _, high, low] => Some(pid(high, low)),
        _ => None,
    };
    entries(section, 0x00)?.chunks_exact(4).find_map(program)
}

/// What a PMT offers (2.4.4.8).
pub struct Program {
    /// The first few streams that can be kept.
    offers: heapless::Vec<(u16, Coding), 8>,
    pub metadata_pid: Option<u16>,
    /// Sound that cannot be kept, and why.
    pub other: Option<&'static str>,
}

impl Program {
    pub fn parse(section: &[u8]) -> Option<Program> {
        let body = entries(section, 0x02)?;
        let descriptors = length(*body.get(2)?, *body.get(3)?);
        let mut rest = body.get(4 + descriptors..)?;
        let mut program = Program { offers: heapless::Vec::new(), metadata_pid: None, other: None };
        while let Some((&[kind, high, low, length_high, length_low], after)) = rest.split_first_chunk::<5>() {
            program.add(kind, pid(high, low));
            rest = after.get(length(length_high, length_low)..).unwrap_or_default();
        }
        Some(program)
    }

    /// Table 2-34; 0x81 and 0x87 are ATSC's.
    fn add(&mut self, kind: u8, pid: u16) {
        match kind {
            0x03 | 0x04 => drop(self.offers.push((pid, Coding::MpegAudio))),
            0x0F => drop(self.offers.push((pid, Coding::Adts))),
            0x11 | 0x1C => self.other = Some("AAC in LATM or without ADTS headers"),
            0x81 | 0x87 => self.other = Some("AC-3 sound"),
            0xCF => self.other = Some("the sound is encrypted"),
            0x15 => self.metadata_pid = self.metadata_pid.or(Some(pid)),
            _ => {}
        }
    }

    /// What was taken before when it is still there, else the first.
    pub fn audio(&self, before: Option<(u16, Coding)>) -> Option<(u16, Coding)> {
        let still = self.offers.iter().find(|&&offer| Some(offer) == before);
        still.or(self.offers.first()).copied()
    }
}

fn pid(high: u8, low: u8) -> u16 {
    u16::from(high & 0x1F) << 8 | u16::from(low)
}

fn length(high: u8, low: u8) -> usize {
    usize::from(high & 0x0F) << 8 | usize::from(low)
}

/// Annex A: x^32 + … + 1, most significant bit first, from all ones; over a section and its checksum it gives zero.
/// Bit by bit: a station has a few hundred such bytes a second.
pub fn crc32(bytes: &[u8]) -> u32 {
    let bit = |crc: u32, _| if crc & 0x8000_0000 != 0 { crc << 1 ^ 0x04C1_1DB7 } else { crc << 1 };
    bytes.iter().fold(u32::MAX, |crc, &byte| (0..8).fold(crc ^ u32::from(byte) << 24, bit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_check_value() {
        assert_eq!(crc32(b"123456789"), 0x0376_E6E7); // CRC-32/MPEG-2
    }
}
