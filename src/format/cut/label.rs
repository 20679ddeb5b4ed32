//! Who and when a cut is, for one that becomes a recording of its own: the facts that the recorder wrote into the header of what it
//! was cut from, told anew. What others wrote stays as it is.

use super::super::flac::VORBIS_COMMENT;
use super::super::metadata::{Station, facts};
use super::super::wav::bext;
use super::{Cut, Plan};
use crate::message::Identity;

impl Cut {
    /// GUANO and bext of a WAV, comments of a FLAC. Other formats name nobody.
    pub fn label(&mut self, identity: &Identity) {
        let head = match &mut self.plan {
            Plan::Ranges { head, .. } => head,
            Plan::Flac(plan) => &mut plan.header,
            Plan::Ogg(_) => return,
        };
        let told = if head.starts_with(b"RIFF") { wav(head, identity) } else { flac(head, identity) };
        if let Some(told) = told {
            self.bytes = self.bytes - head.len() as u64 + told.len() as u64; // it counts them
            *head = told;
        }
    }
}

/// `None` if it is not as ours are.
fn wav(head: &[u8], identity: &Identity) -> Option<Vec<u8>> {
    let mut out = head.get(..12)?.to_vec();
    let mut at = 12;
    loop {
        let (name, size) = (head.get(at..at + 4)?, u32::from_le_bytes(head.get(at + 4..at + 8)?.try_into().ok()?));
        if name == b"data" {
            break;
        }
        let end = (at + 8).checked_add(size as usize).filter(|_| size % 2 == 0)?;
        let body = head.get(at + 8..end)?;
        let body = match name {
            b"bext" => bext(identity),
            b"guan" => guano(body, identity)?,
            _ => body.to_vec(),
        };
        out.extend_from_slice(name);
        out.extend_from_slice(&(body.len() as u32).to_le_bytes()); // a few kB
        out.extend_from_slice(&body);
        at = end;
    }
    out.extend_from_slice(head.get(at..)?);
    let riff = u32::from_le_bytes(head.get(4..8)?.try_into().ok()?);
    let riff = (riff as usize).checked_add(out.len())?.checked_sub(head.len())?;
    out.get_mut(4..8)?.copy_from_slice(&u32::try_from(riff).ok()?.to_le_bytes());
    Some(out)
}

fn guano(body: &[u8], identity: &Identity) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?;
    let facts = facts(identity, &Station::default());
    let line = |line: &str| {
        let fact = line.split_once(':').and_then(|(key, _)| facts.iter().find(|fact| fact.guano == key.trim()));
        fact.map_or_else(|| line.to_owned(), |fact| format!("{}: {}", fact.guano, fact.value)) + "\n"
    };
    let mut body = text.lines().filter(|line| !line.is_empty()).map(line).collect::<String>().into_bytes();
    if body.len() % 2 == 1 {
        body.push(b'\n');
    }
    Some(body)
}

fn flac(head: &[u8], identity: &Identity) -> Option<Vec<u8>> {
    let mut out = head.get(..4).filter(|magic| *magic == b"fLaC")?.to_vec();
    let mut at = 4;
    while let Some(&[kind, a, b, c]) = head.get(at..at + 4) {
        let body = head.get(at + 4..at + 4 + u32::from_be_bytes([0, a, b, c]) as usize)?;
        at += 4 + body.len();
        let body = if kind & 0x7F == VORBIS_COMMENT { comments(body, identity)? } else { body.to_vec() };
        out.push(kind);
        out.extend_from_slice(&u32::try_from(body.len()).ok()?.to_be_bytes()[1..]);
        out.extend_from_slice(&body);
    }
    Some(out)
}

/// Vendor, number, comments: each text with its length before it.
fn comments(body: &[u8], identity: &Identity) -> Option<Vec<u8>> {
    let facts = facts(identity, &Station::default());
    let number = |at: usize| Some(u32::from_le_bytes(body.get(at..at + 4)?.try_into().ok()?) as usize);
    let mut at = 4 + number(0)?;
    let count = number(at)?;
    let mut out = body.get(..at + 4)?.to_vec();
    at += 4;
    for _ in 0..count {
        let end = (at + 4).checked_add(number(at)?)?;
        let old = body.get(at + 4..end)?;
        let is_of = |key: &str| old.get(..key.len()) == Some(key.as_bytes()) && old.get(key.len()) == Some(&b'=');
        let told = facts.iter().find(|fact| is_of(fact.vorbis)).map(|fact| format!("{}={}", fact.vorbis, fact.value));
        let new = told.as_deref().map_or(old, str::as_bytes);
        out.extend_from_slice(&u32::try_from(new.len()).ok()?.to_le_bytes());
        out.extend_from_slice(new);
        at = end;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::super::super::metadata::tests::sample_identity;
    use super::super::super::{flac as flacs, wav as wavs};
    use super::*;
    use crate::message::{ClockState, Depth};
    use crate::time::Wall;

    #[test]
    fn a_header_says_who_it_is_now() {
        let station = Station { name: Some("hut: a".into()), latitude: Some(1.5), longitude: Some(-2.0) };
        for (channels, depth) in [(1, Depth::Sixteen), (2, Depth::TwentyFour)] {
            let old = sample_identity(48_000, channels, depth);
            let (session, start) = ("mark-1".into(), old.start.plus_ns(1_500_000_000));
            let new = Identity { session, start, first_frame: 7, clock: ClockState::Unsynced, ..old.clone() };
            let new = Identity { start: Wall::from_micros(new.start.micros()), ..new };

            let mut file = wavs::header(&old, &station);
            let sizes = wavs::size_patches(
                file.len() as u32,
                file.len() as u64 + 600,
                new.format.bits() as usize / 8 * channels as usize,
            );
            sizes.iter().for_each(|(at, size)| file[*at as usize..*at as usize + 4].copy_from_slice(size));
            let told = wav(&file, &new).expect("ours");
            let whole = [&told[..], &[0; 600]].concat();
            let parsed = wavs::parse(&whole).expect("a WAV");
            assert_eq!(
                (parsed.identity.as_ref(), parsed.riff_says as usize, parsed.data_says),
                (Some(&new), whole.len() - 8, 600)
            );
            assert!(String::from_utf8_lossy(&told).contains("Soundpost|Site: hut: a\n") && told.len() % 2 == 0);

            let told = flac(&flacs::header(&old, &station, 3, 4_096).bytes, &new).expect("ours");
            let parsed = flacs::parse(&told).expect("a FLAC");
            assert_eq!((parsed.identity.as_ref(), parsed.audio_at as usize), (Some(&new), told.len()));
            assert!(String::from_utf8_lossy(&told).contains("SITE=hut: a"));
        }
    }

    #[test]
    fn what_is_not_ours_stays() {
        let identity = sample_identity(48_000, 1, Depth::Sixteen);
        let check = |head: &[u8], want: Option<&[u8]>| {
            let told = if head.starts_with(b"RIFF") { wav(head, &identity) } else { flac(head, &identity) };
            assert_eq!(told.as_deref(), want, "{head:?}");
        };
        let plain = b"RIFF\x24\0\0\0WAVEfmt \x02\0\0\0abdata\0\0\0\0";
        check(plain, Some(plain));
        check(b"RIFF\x24\0\0\0WAVEfmt \x03\0\0\0abcdata\0\0\0\0", None);
        check(b"RIFF\x24\0\0\0WAVE", None);
        check(b"ID3", None);
        check(b"", None);
        check(b"fLaC\x84\0\0\x02ab", None);
        let strange = b"fLaC\x84\0\0\x0F\0\0\0\0\x01\0\0\0\x03\0\0\0A=b";
        check(strange, Some(strange));
    }
}
