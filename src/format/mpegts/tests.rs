use super::section::crc32;
use super::*;

/// A packet with this payload; what is missing is made up by an adaptation field.
fn packet(pid: u16, start: bool, counter: u8, payload: &[u8]) -> Vec<u8> {
    let head = [SYNC, u8::from(start) << 6 | (pid >> 8) as u8, pid as u8];
    let room = PACKET - 4 - payload.len();
    let field = match room {
        0 => vec![0x10 | counter],
        1 => vec![0x30 | counter, 0],
        _ => [&[0x30 | counter, room as u8 - 1, 0][..], &vec![0xFF; room - 2]].concat(),
    };
    [&head[..], &field, payload].concat()
}

fn section(table: u8, version: u8, body: &[u8]) -> Vec<u8> {
    let length = 5 + body.len() + 4;
    let head = [table, 0xB0 | (length >> 8) as u8, length as u8, 0, 1, 0xC1 | version << 1, 0, 0];
    let bytes = [&head[..], body].concat();
    [&[0][..], &bytes, &crc32(&bytes).to_be_bytes()].concat()
}

fn pat() -> Vec<u8> {
    packet(0, true, 0, &section(0, 0, &[0, 0, 0xE0, 0x10, 0, 1, 0xF0, 0x00]))
}

/// A PMT at PID 0x1000 with these stream types at these PIDs.
fn pmt(version: u8, streams: &[(u8, u16)]) -> Vec<u8> {
    let mut body = vec![0xE1, 0x00, 0xF0, 0x00];
    streams.iter().for_each(|&(kind, pid)| body.extend_from_slice(&[kind, 0xE0 | (pid >> 8) as u8, pid as u8, 0xF0, 0x00]));
    packet(0x1000, true, 0, &section(2, version, &body))
}

/// With five bytes of a time stamp, as usual.
fn pes(payload: &str, length: usize) -> Vec<u8> {
    [&[0, 0, 1, 0xC0, 0, length as u8, 0x80, 0x80, 5, 1, 2, 3, 4, 5][..], payload.as_bytes()].concat()
}

/// What comes out, what it is, and what was counted; the same for pieces of every size.
#[track_caller]
fn check(packets: &[Vec<u8>], want: &str) {
    for piece in [1, 7, 187, 188, 4096] {
        let mut demuxer = Demuxer::default();
        let (mut out, mut end) = (Vec::new(), Ok(()));
        for bytes in packets.concat().chunks(piece) {
            end = end.and_then(|()| demuxer.push(bytes, &mut |bytes| out.extend_from_slice(bytes)));
        }
        let Counts { skipped_bytes, gaps, damaged } = demuxer.counts();
        let mut found = format!("{} {:?}", String::from_utf8_lossy(&out), demuxer.coding());
        [(skipped_bytes, "skipped"), (gaps, "gaps"), (damaged, "damaged")].iter().filter(|(n, _)| *n > 0).for_each(
            |(n, what)| {
                found += &format!(" {n} {what}");
            },
        );
        found += &demuxer.take_title().map_or(String::new(), |title| format!(" '{title}'"));
        found += &end.err().map_or(String::new(), |flaw| format!(" {flaw}"));
        assert_eq!(found, want, "in pieces of {piece}");
    }
}

const AAC: u16 = 0x101;

fn sound(counter: u8, start: bool, text: &str) -> Vec<u8> {
    packet(AAC, start, counter, &if start { pes(text, 0) } else { text.as_bytes().to_vec() })
}

#[test]
fn sound_is_found() {
    let tables = || [pat(), pmt(0, &[(0x1B, 0x100), (0x0F, AAC)])];
    let [a, b] = tables();
    check(
        &[a.clone(), b.clone(), sound(0, true, "one"), sound(1, false, "two"), sound(2, true, "three")],
        "onetwothree Some(Adts)",
    );
    check(&[a.clone(), pmt(0, &[(0x03, AAC)]), sound(0, true, "one")], "one Some(MpegAudio)");
    check(&[sound(9, true, "early"), a.clone(), b.clone(), sound(0, false, "middle"), sound(1, true, "one")], "one Some(Adts)");
    check(&[a, b, packet(0x100, true, 0, &pes("picture", 0)), packet(AAC, true, 0, &pes("one+stuffing", 11))], "one Some(Adts)");
}

#[test]
fn garbage_and_gaps() {
    let [a, b] = [pat(), pmt(0, &[(0x0F, AAC)])];
    let garbage = vec![1_u8; 77];
    check(&[garbage.clone(), a.clone(), b.clone(), sound(0, true, "one")], "one Some(Adts) 77 skipped");
    check(&[a.clone(), b.clone(), sound(0, true, "one"), sound(0, true, "one"), sound(1, false, "two")], "onetwo Some(Adts)");
    check(
        &[a.clone(), b.clone(), sound(14, true, "one"), sound(15, false, "two"), sound(0, false, "three")],
        "onetwothree Some(Adts)",
    );
    check(&[a.clone(), b.clone(), sound(3, true, "one"), sound(5, false, "two")], "onetwo Some(Adts) 1 gaps");
    let mut marked = sound(1, false, "two");
    marked[1] |= 0x80;
    check(&[a.clone(), b.clone(), sound(0, true, "one"), marked], "one Some(Adts) 1 damaged");
    let mut spoilt = b.clone();
    spoilt[PACKET - 6] ^= 1;
    check(&[a, spoilt, sound(0, true, "one")], " None 1 damaged");
}

#[test]
fn tables_that_change_are_followed() {
    let old = [pat(), pmt(0, &[(0x0F, AAC)]), sound(0, true, "one")];
    let new = [pmt(1, &[(0x0F, 0x102)]), sound(1, true, "gone"), packet(0x102, true, 7, &pes("two", 0))];
    check(&[old.concat(), new.concat()], "onetwo Some(Adts)");
    let same = [pmt(1, &[(0x0F, 0x102), (0x0F, AAC)]), sound(1, false, "two")];
    check(&[old.concat(), same.concat()], "onetwo Some(Adts)");
}

#[test]
fn what_cannot_be_kept_is_said() {
    let latm = "AAC in LATM or without ADTS headers";
    check(&[pat(), pmt(0, &[(0x11, AAC)])], &format!(" None not supported: {latm}"));
    check(&[pat(), pmt(0, &[(0x1B, AAC)])], " None not supported: the transport stream has no sound in AAC or MPEG audio");
    let mut scrambled = sound(0, true, "x");
    scrambled[3] |= 0x80;
    check(&[pat(), pmt(0, &[(0x0F, AAC)]), scrambled], " Some(Adts) not supported: the transport stream is encrypted");
}

#[test]
fn titles() {
    let tag = b"ID3\x04\0\0\0\0\0\x0FTIT2\0\0\0\x05\0\0\x03Song";
    let head = [0, 0, 1, 0xBD, 0, 0, 0x80, 0, 0];
    let tables = [pat(), pmt(0, &[(0x0F, AAC), (0x15, 0x102)])].concat();
    check(&[tables.clone(), packet(0x102, true, 0, &[&head[..], tag].concat())], " Some(Adts) 'Song'");
    let (front, back) = tag.split_at(20);
    let two = [packet(0x102, true, 0, &[&head[..], front].concat()), packet(0x102, false, 1, back)];
    check(&[tables, two.concat()], " Some(Adts) 'Song'");
}
