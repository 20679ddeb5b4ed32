use super::*;

fn mp4_box(name: &str, body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 8).to_be_bytes(), name.as_bytes(), body].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|w| w.to_be_bytes()).collect()
}

fn trak(id: u32, entry: Vec<u8>) -> Vec<u8> {
    let stsd = mp4_box("stsd", &[words(&[0, 1]), entry].concat());
    let mdia = mp4_box("mdia", &mp4_box("minf", &mp4_box("stbl", &stsd)));
    mp4_box("trak", &[mp4_box("tkhd", &words(&[7, 0, 0, id, 0])), mdia].concat())
}

/// LC, 44.1 kHz, two channels.
fn aac() -> Vec<u8> {
    let config = [&[0x04, 17, 0x40, 0x15][..], &[0; 11], &[0x05, 2, 0x12, 0x10]].concat();
    let esds = [&[0, 0, 0, 0, 0x03, 22, 0, 1, 0][..], &config].concat();
    mp4_box("mp4a", &[vec![0; 28], mp4_box("esds", &esds)].concat())
}

fn moov(entry: Vec<u8>) -> Vec<u8> {
    let trex = mp4_box("mvex", &mp4_box("trex", &words(&[0, 2, 1, 1024, 3, 0])));
    mp4_box("moov", &[trak(1, mp4_box("avc1", &[0; 78])), trak(2, entry), trex].concat())
}

/// A fragment whose offsets count from itself: for each run its track, its first byte in the data, and its sizes.
fn fragment(runs: &[(u32, u32, &[u32])], data: &[u8]) -> Vec<u8> {
    let build = |head: u32| {
        let traf = |&(track, at, sizes): &(u32, u32, &[u32])| {
            let trun = [&words(&[0x201, sizes.len() as u32, head + at])[..], &words(sizes)].concat();
            mp4_box("traf", &[mp4_box("tfhd", &words(&[0x2_0000, track])), mp4_box("trun", &trun)].concat())
        };
        mp4_box("moof", &runs.iter().map(traf).collect::<Vec<_>>().concat())
    };
    let head = build(0).len() as u32 + 8;
    [build(head), mp4_box("mdat", data)].concat()
}

/// Access units as text, each behind `|` for its header; the same for pieces of every size.
#[track_caller]
fn check(boxes: &[Vec<u8>], want: &str) {
    for piece in [1, 7, 188, 4096] {
        let (mut demuxer, mut found, mut end) = (Demuxer::default(), String::new(), Ok(()));
        for bytes in boxes.concat().chunks(piece) {
            let mut sink = |bytes: &[u8]| match bytes {
                [0xFF, 0xF1, ..] => found.push('|'),
                _ => found += &String::from_utf8_lossy(bytes),
            };
            end = end.and_then(|()| demuxer.push(bytes, &mut sink));
        }
        found += &end.err().map_or(String::new(), |flaw| format!(" {flaw}"));
        assert_eq!(found, want, "in pieces of {piece}");
    }
}

#[test]
fn access_units() {
    let one = || fragment(&[(2, 0, &[3, 3, 5])], b"onetwothree");
    check(&[moov(aac()), one()], "|one|two|three");
    check(&[moov(aac()), mp4_box("styp", b"x"), one(), mp4_box("free", &[0; 300]), one()], "|one|two|three|one|two|three");
    check(&[moov(aac()), fragment(&[(1, 0, &[7]), (2, 7, &[3]), (1, 10, &[1]), (2, 11, &[3])], b"pictureoneXtwo")], "|one|two");
    check(&[moov(aac()), fragment(&[(2, 0, &[0, 3, 0])], b"one"), one()], "|one|one|two|three");
    check(&[moov(aac()), fragment(&[(2, 2, &[3, 9])], b"..onecut")], "|one|cut");
}

#[test]
fn sizes_that_are_said_once() {
    // No flags at all: data begins with the fragment's data offset, sizes are those of trex.
    let moof = |at: u32| {
        let trun = mp4_box("trun", &words(&[0x1, 2, at]));
        mp4_box("moof", &mp4_box("traf", &[mp4_box("tfhd", &words(&[0, 2])), trun].concat()))
    };
    let at = moof(0).len() as u32 + 8;
    let with_start = |boxes: Vec<u8>| [moov(aac()), boxes].concat();
    let mut demuxer = Demuxer::default();
    let mut out = Vec::new();
    let header = with_start(Vec::new());
    demuxer.push(&header, &mut |_| ()).expect("a header");
    demuxer.begin(5_000); // as after a byte range
    demuxer.push(&[moof(at), mp4_box("mdat", b"onetwo")].concat(), &mut |b| out.extend_from_slice(b)).expect("a fragment");
    assert_eq!(out.len(), 2 * 10);
    assert_eq!(demuxer.coding(), Some(Coding::Aac(Adts { profile: 1, rate: 4, channels: 2 })));
}

#[test]
fn what_cannot_be_kept_is_said() {
    let entry = |name: &str| moov(mp4_box(name, &[0; 28]));
    check(&[entry("enca")], " not supported: the sound is encrypted");
    check(&[entry("Opus")], " not supported: Opus in MP4");
    check(&[entry("text")], " not supported: the MP4 has no sound");
    check(&[entry("mp4a")], " damaged: the MP4 does not say how its sound is coded");
    check(&[fragment(&[(2, 0, &[3])], b"one")], " damaged: a fragment of MP4 before its header");
    check(&[[&words(&[400_000])[..], b"moov"].concat()], " not supported: an MP4 header of more than 256 KiB");
    check(&[words(&[7, 0])], " damaged: an MP4 box is shorter than its header");
    let many = mp4_box("trun", &words(&[0, u32::MAX]));
    let moof = mp4_box("moof", &mp4_box("traf", &[mp4_box("tfhd", &words(&[0, 2])), many].concat()));
    check(&[moov(aac()), moof], " not supported: an MP4 fragment with more than 16,384 samples");
    let back = mp4_box("trun", &words(&[0x201, 1, 0, 3]));
    let moof = mp4_box("moof", &mp4_box("traf", &[mp4_box("tfhd", &words(&[0x2_0000, 2])), back].concat()));
    check(&[moov(aac()), moof, mp4_box("mdat", b"one")], " damaged: an MP4 fragment points to bytes before itself");
}
