//! Finds format, data and identity in any RIFF or RF64 file by walking its chunks.
//! Sizes in the file are claims: none of them is believed further than the file goes, nothing is allocated by them.

use super::super::metadata;
use super::super::{Flaw, ReadAt, fill_at};
use super::fmt::{Fmt, SampleKind, le32};
use crate::message::{Depth, Identity, PcmFormat};
use crate::time::Rate;

/// What a WAV says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    pub kind: SampleKind,
    pub channels: u16,
    pub rate_hz: u32,
    /// Bits of a sample that carry sound.
    pub bits: u16,
    /// Bytes that one sample takes.
    pub container_bytes: u16,
    /// WAVEFORMATEXTENSIBLE puts fewer bits than its container holds at the top, plain formats at the bottom.
    pub extensible: bool,
    pub rf64: bool,
    /// Sizes as the header says them, for repair and verify.
    pub riff_says: u32,
    pub data_says: u32,
    /// The size of the data as the header says it; `None` while it is open (0 or 0xFFFFFFFF).
    pub claim: Option<u64>,
    pub data_at: u64,
    /// Bytes of samples that are really there, whole frames only: the claim, or all to the end when the claim is open or
    /// goes beyond the end.
    pub data_bytes: u64,
    pub file_bytes: u64,
    /// There is a `guan` chunk of ours, whether an identity could be read from it or not.
    pub ours: bool,
    pub identity: Option<Identity>,
}

impl Parsed {
    pub fn frame_bytes(&self) -> u64 {
        u64::from(self.channels) * u64::from(self.container_bytes)
    }

    pub fn frames(&self) -> u64 {
        self.data_bytes / self.frame_bytes().max(1)
    }

    /// The format of blocks made of it: up to 16 bits stay 16, everything else becomes 24.
    pub fn pcm_format(&self) -> Option<PcmFormat> {
        let channels = u8::try_from(self.channels).ok().filter(|c| (1..=8).contains(c))?;
        let depth = if self.kind == SampleKind::Int && self.bits <= 16 { Depth::Sixteen } else { Depth::TwentyFour };
        Some(PcmFormat { rate: Rate::new(self.rate_hz)?, channels, depth })
    }

    /// The samples' bytes are exactly those of blocks: nothing needs to be converted.
    pub fn is_plain(&self) -> bool {
        self.kind == SampleKind::Int && matches!((self.bits, self.container_bytes), (16, 2) | (24, 3))
    }
}

/// The file ended inside its header.
pub(super) const ENDS_IN_HEADER: &str = "it ends before its samples begin";
/// A claim of the header leads out of the file.
pub(super) const CHUNK_TOO_LONG: &str = "a chunk before the samples is longer than the file";

/// Chunks walked before giving up, and bytes of a `guan` chunk that are read.
const MAX_CHUNKS: usize = 1_024;
const MAX_GUAN_BYTES: usize = 64 << 10;
/// A chunk of ours before the samples is never longer: what claims more was not torn but spoilt.
const MAX_OWN_CHUNK: u64 = 64 << 10;

pub fn parse(file: &dyn ReadAt) -> Result<Parsed, Flaw> {
    let file_bytes = file.len()?;
    let mut head = [0; 12];
    let have = fill_at(file, 0, &mut head)?;
    let rf64 = match head[..have.min(4)] {
        [b'R', b'F', b'6', b'4'] | [b'B', b'W', b'6', b'4'] => true,
        _ if b"RIFF".starts_with(&head[..have.min(4)]) => false,
        _ => return Err(Flaw::IllFormed("it does not begin like a WAV file")),
    };
    if have < 12 {
        return Err(Flaw::IllFormed(ENDS_IN_HEADER));
    }
    if &head[8..] != b"WAVE" {
        return Err(Flaw::IllFormed("it is a RIFF file but not a WAV"));
    }
    let mut walk = Walk { file, file_bytes, rf64, ds64: None, fmt: None, guan: None };
    let (data_at, data_says) = walk.find_data()?;
    walk.finish(le32(&head[4..]), data_at, data_says)
}

struct Walk<'a> {
    file: &'a dyn ReadAt,
    file_bytes: u64,
    rf64: bool,
    /// The data's size of an RF64 (EBU Tech 3306).
    ds64: Option<u64>,
    fmt: Option<Fmt>,
    guan: Option<Vec<u8>>,
}

impl Walk<'_> {
    /// Position and claimed size of the data.
    fn find_data(&mut self) -> Result<(u64, u32), Flaw> {
        let mut at = 12;
        for _ in 0..MAX_CHUNKS {
            let mut head = [0; 8];
            if fill_at(self.file, at, &mut head)? < 8 {
                return Err(Flaw::IllFormed(ENDS_IN_HEADER));
            }
            let (name, size) = ([head[0], head[1], head[2], head[3]], le32(&head[4..]));
            if &name == b"data" {
                return Ok((at + 8, size));
            }
            let end = at + 8 + u64::from(size);
            if end > self.file_bytes {
                let torn = u64::from(size) <= MAX_OWN_CHUNK && [b"bext", b"guan", b"fmt "].contains(&&name);
                return Err(Flaw::IllFormed(if torn { ENDS_IN_HEADER } else { CHUNK_TOO_LONG }));
            }
            self.chunk(&name, at + 8, size)?;
            at = self.next_chunk(end, size)?;
        }
        Err(Flaw::IllFormed("it has too many chunks before its samples"))
    }

    /// Chunks are padded to even length, but some writers forget it: then a chunk's name stands right at the odd end.
    fn next_chunk(&self, end: u64, size: u32) -> Result<u64, Flaw> {
        if size % 2 == 0 {
            return Ok(end);
        }
        let mut two = [0; 5];
        let have = fill_at(self.file, end, &mut two)?;
        let is_name = |b: &[u8]| b.iter().all(|b| b.is_ascii_alphanumeric() || *b == b' ');
        let unpadded = have == 5 && two[0] != 0 && is_name(&two[..4]) && !is_name(&two[1..]);
        Ok(if unpadded { end } else { end + 1 })
    }

    fn chunk(&mut self, name: &[u8; 4], at: u64, size: u32) -> Result<(), Flaw> {
        match name {
            b"ds64" if self.rf64 => {
                let mut body = [0; 16];
                if fill_at(self.file, at, &mut body)? == 16 && size >= 16 {
                    self.ds64 = Some(u64::from(le32(&body[8..])) | u64::from(le32(&body[12..])) << 32);
                }
            }
            b"fmt " => {
                let mut body = [0; 40];
                let want = body.len().min(size as usize);
                let have = fill_at(self.file, at, &mut body[..want])?;
                self.fmt = Some(Fmt::parse(&body[..have])?);
            }
            b"guan" => {
                let mut body = vec![0; MAX_GUAN_BYTES.min(size as usize)];
                let have = fill_at(self.file, at, &mut body)?;
                body.truncate(have);
                self.guan = Some(body);
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(self, riff_says: u32, data_at: u64, data_says: u32) -> Result<Parsed, Flaw> {
        let fmt = self.fmt.ok_or(Flaw::IllFormed("it has samples but no format"))?;
        let there = self.file_bytes.saturating_sub(data_at);
        let claim = match (data_says, self.ds64) {
            (u32::MAX, Some(size)) if self.rf64 => Some(size),
            (0 | u32::MAX, _) => None,
            (size, _) => Some(u64::from(size)),
        };
        let mut parsed = Parsed {
            kind: fmt.kind,
            channels: fmt.channels,
            rate_hz: fmt.rate_hz,
            bits: fmt.bits,
            container_bytes: fmt.container_bytes,
            extensible: fmt.extensible,
            rf64: self.rf64,
            riff_says,
            data_says,
            claim,
            data_at,
            data_bytes: 0,
            file_bytes: self.file_bytes,
            ours: false,
            identity: None,
        };
        parsed.data_bytes = claim.unwrap_or(there).min(there) / parsed.frame_bytes() * parsed.frame_bytes(); // neither factor is 0: see fmt
        let text = String::from_utf8_lossy(self.guan.as_deref().unwrap_or(&[])).into_owned();
        parsed.ours = text.lines().any(|line| line.starts_with("Soundpost|"));
        parsed.identity = parsed.pcm_format().and_then(|format| metadata::identity(format, |(name, _)| guano(&text, name)));
        Ok(parsed)
    }
}

/// The value of a GUANO line. The name itself may hold no colon, the value may.
fn guano<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().filter_map(|line| line.split_once(':')).find(|(n, _)| n.trim() == name).map(|(_, v)| v.trim())
}

#[cfg(test)]
mod tests {
    use super::super::super::metadata::Station;
    use super::super::super::metadata::tests::sample_identity;
    use super::super::header;
    use super::*;

    /// Chunks after "WAVE": (name, size claimed, body).
    fn riff(magic: &[u8], chunks: &[(&[u8; 4], u32, &[u8])]) -> Vec<u8> {
        let mut out = [magic, &[0; 4], b"WAVE"].concat();
        for (name, size, body) in chunks {
            out.extend_from_slice(*name);
            out.extend_from_slice(&size.to_le_bytes());
            out.extend_from_slice(body);
        }
        out
    }

    const FMT: [u8; 16] = [1, 0, 2, 0, 0x80, 0xBB, 0, 0, 0, 0xEE, 2, 0, 4, 0, 16, 0];
    const FMT_CHUNK: (&[u8; 4], u32, &[u8]) = (b"fmt ", 16, &FMT);

    fn check(file: Vec<u8>, want: Result<(u64, u64), &str>) {
        let got = parse(&file).map(|p| (p.data_at, p.data_bytes)).map_err(|e| e.to_string());
        assert_eq!(got, want.map_err(|why| format!("damaged: {why}")), "{file:?}");
    }

    #[test]
    fn claims_go_as_far_as_the_file() {
        check(riff(b"RIFF", &[FMT_CHUNK, (b"data", 8, &[0; 8])]), Ok((44, 8)));
        check(riff(b"RIFF", &[FMT_CHUNK, (b"data", 4, &[0; 8])]), Ok((44, 4)));
        check(riff(b"RIFF", &[FMT_CHUNK, (b"data", 0, &[0; 11])]), Ok((44, 8)));
        check(riff(b"RIFF", &[FMT_CHUNK, (b"data", u32::MAX, &[0; 11])]), Ok((44, 8)));
        check(riff(b"RIFF", &[FMT_CHUNK, (b"data", 4_000, &[0; 8])]), Ok((44, 8)));
        check(riff(b"RIFF", &[FMT_CHUNK, (b"data", 0, &[])]), Ok((44, 0)));
        let ds64 = [[0; 8], 8_u64.to_le_bytes(), [0; 8]].concat();
        check(riff(b"RF64", &[(b"ds64", 24, &ds64), FMT_CHUNK, (b"data", u32::MAX, &[0; 16])]), Ok((76, 8)));
    }

    #[test]
    fn odd_chunks_with_and_without_their_pad_byte() {
        check(riff(b"RIFF", &[(b"LIST", 3, b"abc\0"), FMT_CHUNK, (b"data", 8, &[0; 8])]), Ok((56, 8)));
        check(riff(b"RIFF", &[(b"LIST", 3, b"abc"), FMT_CHUNK, (b"data", 8, &[0; 8])]), Ok((55, 8)));
        check(riff(b"RIFF", &[FMT_CHUNK, (b"LIST", 1, b"a"), (b"data", 8, &[0; 8])]), Ok((53, 8)));
    }

    #[test]
    fn what_is_no_wav() {
        check(Vec::new(), Err(ENDS_IN_HEADER));
        check(b"RIFF\0\0\0\0WAV".to_vec(), Err(ENDS_IN_HEADER));
        check(b"fLaC\0\0\0\0\0\0\0\0".to_vec(), Err("it does not begin like a WAV file"));
        check(riff(b"RIFF", &[(b"data", 8, &[0; 8])]), Err("it has samples but no format"));
        check(riff(b"RIFF", &[(b"fmt ", 14, &FMT[..14]), (b"data", 8, &[0; 8])]), Err("its format chunk is too short"));
        check(riff(b"RIFF", &[(b"junk", u32::MAX, &[0; 8])]), Err(CHUNK_TOO_LONG));
        check(riff(b"RIFF", &[(b"bext", 602, &[0; 8])]), Err(ENDS_IN_HEADER));
        check(riff(b"RIFF", &[(b"fmt ", 16, &[0; 16]), (b"data", 8, &[0; 8])]), Err("its format chunk contradicts itself"));
    }

    #[test]
    fn our_own_header_comes_back_whole() {
        for channels in 1..=8 {
            for depth in [Depth::Sixteen, Depth::TwentyFour] {
                let identity = sample_identity(96_000, channels, depth);
                let file = header(&identity, &Station { name: Some("a: b".into()), ..Station::default() });
                let parsed = parse(&file).expect("our own");
                assert_eq!((parsed.identity.as_ref(), parsed.ours, parsed.is_plain()), (Some(&identity), true, true));
                assert_eq!((parsed.data_at, parsed.frames()), (file.len() as u64, 0));
            }
        }
    }
}
