use super::*;
use crate::format::metadata::Station;
use crate::format::metadata::tests::sample_identity;
use crate::message::Depth;

/// A WAV of ours: noise that fades, so that coded frames differ in length.
fn wav(hz: u32, channels: u8, depth: Depth, frames: usize) -> Vec<u8> {
    let identity = sample_identity(hz, channels, depth);
    let station = Station { name: Some("hut".into()), latitude: Some(47.5), longitude: Some(-122.25) };
    let mut out = wav::header(&identity, &station);
    let (head, bytes) = (out.len() as u32, depth.bytes());
    let mut x = 88_172_645_463_325_252_u64;
    for n in 0..frames * usize::from(channels) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        let sample = (x as i16 as i32) >> (n / 5_000 % 12);
        out.extend_from_slice(&sample.to_le_bytes()[..bytes]);
    }
    let data = out.len() - head as usize;
    if data % 2 == 1 {
        out.push(0);
    }
    let whole = u64::from(head) + data as u64;
    for (at, patch) in wav::size_patches(head, whole, bytes * usize::from(channels)) {
        out[at as usize..at as usize + 4].copy_from_slice(&patch);
    }
    out
}

/// All of it in pieces of this length, from the start.
fn all(repacked: &Repacked, piece: usize) -> Vec<u8> {
    let (mut out, mut space) = (Vec::new(), vec![0; piece]);
    loop {
        match repacked.read_at(out.len() as u64, &mut space).expect("read") {
            0 => return out,
            count => out.extend_from_slice(&space[..count]),
        }
    }
}

fn check(hz: u32, channels: u8, depth: Depth, frames: usize) {
    let wav = wav(hz, channels, depth, frames);
    let repacked = Repacked::new(&wav, || true).expect("a FLAC");
    let whole = all(&repacked, 10_007);
    assert_eq!(whole.len() as u64, repacked.len().expect("known"));
    let verified = flac::verify(&*whole).expect("whole");
    assert_eq!((verified.frames, verified.md5), (frames as u64, crate::format::Md5::Match));
    let head = flac::parse(&whole).expect("a head");
    assert_eq!(head.identity.as_ref(), wav::parse(&wav).expect("a WAV").identity.as_ref());
    // Wherever somebody begins to read, the same bytes are there.
    let mut at = 1_u64;
    let mut space = [0; 3_000];
    for _ in 0..200 {
        at = (at * 48_271 + 11) % whole.len() as u64;
        let count = fill_at(&repacked, at, &mut space).expect("read");
        assert!(whole[at as usize..].starts_with(&space[..count]) && count > 0, "at {at}");
    }
    assert_eq!(all(&Repacked::new(&wav, || true).expect("a FLAC"), 65_536), whole, "the same each time");
}

#[test]
fn what_is_read_anywhere_is_one_flac() {
    check(48_000, 1, Depth::Sixteen, 700_000);
    check(48_000, 2, Depth::Sixteen, 300_001);
    check(96_000, 3, Depth::TwentyFour, 150_001);
    check(44_100, 1, Depth::TwentyFour, 1);
    check(8_000, 8, Depth::Sixteen, 4_096);
    check(250_000, 1, Depth::Sixteen, 16 * 4_096);
}

#[test]
fn what_would_not_come_back_stays() {
    let good = wav(48_000, 1, Depth::Sixteen, 1_000);
    let fmt = good.windows(4).position(|four| four == b"fmt ").expect("a chunk") + 8;
    let spoilt = |at: usize, bytes: &[u8]| {
        let mut bad = good.clone();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        bad
    };
    let longer = [&good[..], b"rest"].concat();
    for (what, bytes) in [
        ("floats", spoilt(fmt, &[3, 0])),
        ("cut off", good[..good.len() - 100].to_vec()),
        ("longer than it says", longer),
        ("open sizes", spoilt(4, &[0; 4])),
        ("another form", spoilt(0, b"RF64")),
        ("nothing", Vec::new()),
        ("a FLAC", b"fLaC".to_vec()),
    ] {
        let done = Repacked::new(&bytes, || true).map(|_| ());
        assert!(matches!(done, Err(No::Stays(_))), "{what}: {done:?}");
    }
    assert!(matches!(Repacked::new(&good, || false), Err(No::Halted)));
}

#[test]
fn strange_chunks_are_kept() {
    let mut bytes = wav(48_000, 1, Depth::Sixteen, 1_000);
    bytes.extend_from_slice(b"LIST\x05\0\0\0INFOx\0");
    let whole = bytes.len() as u32 - 8;
    bytes[4..8].copy_from_slice(&whole.to_le_bytes());
    let repacked = Repacked::new(&bytes, || true).expect("a FLAC");
    let flac = all(&repacked, 4_096);
    assert!(flac.windows(18).any(|part| part == b"riffLIST\x05\0\0\0INFOx\0"));
    assert!(flac.windows(8).any(|part| part == b"riffbext") && flac.windows(8).any(|part| part == b"riffguan"));
    assert!(flac::verify(&*flac).is_ok());
}
