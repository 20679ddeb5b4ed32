//! The reader against a scripted card in virtual time.

use super::*;
use crate::device::alsa::negotiate::Settled;
use crate::device::alsa::negotiate::{BitDepth, recorded};
use crate::device::alsa::script::Card;
use crate::signal::pcm::Sample;

fn start(card: &Card) -> (Reader<Card>, Arc<Gauges>) {
    let gauges = Arc::new(Gauges::default());
    let life = card.life();
    let settled = Settled { sample: life.sample, rate: life.rate, channels: life.channels };
    let shape = Shape { settled, period_frames: life.period, buffer_frames: life.buffer, stamped: true };
    drop(life);
    let depth = recorded(BitDepth::Auto, settled.sample);
    let reader = Reader::start(card.clone(), "mic".to_owned(), shape, depth, gauges.clone()).expect("starts");
    (reader, gauges)
}

/// Reads until `seconds` of virtual time have passed or a fault comes. Every frame must carry its number, every loss must
/// be exact to `tolerance` frames, and every frame's instant to 1 ms. What happened besides frames, in order.
fn run(card: &Card, reader: &mut Reader<Card>, seconds: i64, tolerance: u64) -> Vec<String> {
    let end = card.life().now_ns + seconds * SECOND_NS;
    let first = reader.last;
    let rate = card.life().rate;
    let mut expected = rate.frames_in(first.0);
    let mut space = [0; 8_192];
    let mut events = Vec::new();
    while card.life().now_ns < end {
        match reader.read(&mut space) {
            Ok(Read::Frames { frames, at }) => {
                for sample in space.chunks_exact(2).take(frames as usize) {
                    let number = u16::from_le_bytes([sample[0], sample[1]]);
                    let error = number.wrapping_sub(expected as u16) as i16;
                    assert!(u64::from(error.unsigned_abs()) <= tolerance, "frame {number}, expected {expected}");
                    // From here on the truth counts.
                    expected = (expected as i64 + i64::from(error)) as u64 + 1;
                }
                let error_ns = at.since(Mono(rate.ns_of(expected)));
                assert!(error_ns.abs() <= 1_000_000, "{error_ns} ns off");
            }
            Ok(Read::Lost { frames, reason }) => {
                events.push(format!("{} {frames}", reason.name()));
                expected += frames;
            }
            Ok(Read::Idle) => events.push("idle".to_owned()),
            Ok(Read::End) => events.push("end".to_owned()),
            Err(fault) => {
                events.push(format!("{:?} {}", fault.kind, fault.what));
                return events;
            }
        }
    }
    events
}

#[track_caller]
fn check(card: &Card, seconds: i64, expected: &[&str]) {
    let (mut reader, _) = start(card);
    assert_eq!(run(card, &mut reader, seconds, 0), expected);
}

#[test]
fn steady_capture_is_contiguous_and_wakes_once_a_period() {
    let card = Card::new();
    let (mut reader, gauges) = start(&card);
    assert_eq!(run(&card, &mut reader, 1, 0), [""; 0]);
    card.life().waits = 0;
    assert_eq!(run(&card, &mut reader, 60, 0), [""; 0]);
    assert!((595..=605).contains(&card.life().waits), "{} wake-ups in a minute", card.life().waits);
    gauges.eager.store(true, Relaxed);
    card.life().waits = 0;
    assert_eq!(run(&card, &mut reader, 10, 0), [""; 0]);
    assert!((490..=510).contains(&card.life().waits), "{} wake-ups in ten seconds", card.life().waits);
}

#[test]
fn the_first_frames_come_within_20_ms() {
    let card = Card::new();
    let (mut reader, _) = start(&card);
    let read = reader.read(&mut [0; 8_192]);
    let at = reader.started().plus_ns(20_000_000);
    assert_eq!((read, card.life().now_ns), (Ok(Read::Frames { frames: 960, at }), at.0));
}

#[test]
fn an_overrun_costs_what_the_clock_says() {
    let card = Card::new();
    let (mut reader, gauges) = start(&card);
    assert_eq!(run(&card, &mut reader, 2, 0), [""; 0]);
    let read_until = card.life().rate.frames_in(reader.last.0);
    card.advance(700); // more than the buffer of 500 ms
    let restart = card.life().captured();
    assert_eq!(run(&card, &mut reader, 5, 0), [format!("xrun {}", restart - read_until)]);
    assert_eq!(gauges.xruns.load(Relaxed), 1);
    card.advance(450); // less than the buffer
    assert_eq!(run(&card, &mut reader, 5, 0), [""; 0]);
}

#[test]
fn a_sleeping_machine_resumes_or_starts_anew() {
    for (answers, what) in
        [(vec![], "resumes"), (vec![Trouble::Again; 5], "resumes later"), (vec![Trouble::Other(38)], "cannot resume")]
    {
        let card = Card::new();
        let (mut reader, _) = start(&card);
        assert_eq!(run(&card, &mut reader, 2, 0), [""; 0]);
        card.advance(1_000);
        (card.life().suspended, card.life().resume) = (true, answers);
        let events = run(&card, &mut reader, 3, 0);
        assert!(events.len() == 1 && events[0].starts_with("xrun 4"), "{what}: {events:?}");
    }
}

#[test]
fn standing_still_is_a_fault_after_two_seconds() {
    let card = Card::new();
    card.life().stops_at_ns = 101 * SECOND_NS;
    check(&card, 60, &["idle", "idle", "idle", "idle", "Stalled mic: no samples for 2.0 s; opening it anew"]);
    // dsnoop after an unplug: frames are shown, but reading them answers EAGAIN for ever.
    let card = Card::new();
    let (mut reader, _) = start(&card);
    (card.life().unreadable, card.life().buffer) = (Some(Trouble::Again), u64::MAX);
    let events = run(&card, &mut reader, 60, 0);
    assert!(events.last().is_some_and(|e| e.starts_with("Stalled mic: no samples for 2.0 s")), "{events:?}");
    assert!(card.life().rests < 1_000, "it must not spin");
    // Four periods, where those are longer.
    let card = Card::new();
    (card.life().period, card.life().buffer, card.life().stops_at_ns) = (48_000, 480_000, 102 * SECOND_NS);
    let (mut reader, _) = start(&card);
    let events = run(&card, &mut reader, 60, 0);
    assert_eq!(events.last().map(String::as_str), Some("Stalled mic: no samples for 4.0 s; opening it anew"));
}

#[test]
fn failures_say_what_to_do() {
    let gone = "Gone mic: the device is gone; recording goes on when it is back";
    for (trouble, expected) in [
        (Trouble::Gone, gone),
        (Trouble::Absent, gone),
        (Trouble::Other(75), "Retry mic: reading failed (errno 75); opening it anew"),
        (Trouble::Denied, "Retry mic: reading failed (Denied); opening it anew"),
    ] {
        let card = Card::new();
        let (mut reader, _) = start(&card);
        card.life().broken = Some(trouble);
        assert_eq!(run(&card, &mut reader, 2, 0), [expected]);
    }
}

#[test]
fn three_restarts_without_a_frame_are_enough() {
    let card = Card::new();
    let (mut reader, _) = start(&card);
    card.life().prepare = vec![Trouble::Other(5); 2];
    card.advance(1_000);
    let events = run(&card, &mut reader, 3, 0);
    assert!(events.len() == 1 && events[0].starts_with("xrun "), "the third succeeds: {events:?}");
    card.life().prepare = vec![Trouble::Other(5); 3];
    card.advance(1_000);
    assert_eq!(run(&card, &mut reader, 3, 0), ["Gone mic: does not start again after an overrun; opening it anew"]);
    // Overruns that follow one another although every restart works.
    let card = Card::new();
    let (mut reader, _) = start(&card);
    card.life().unreadable = Some(Trouble::Overrun);
    let events = run(&card, &mut reader, 3, 0);
    let expected = ["xrun 960", "xrun 960", "xrun 960", "Gone mic: does not start again after an overrun; opening it anew"];
    assert_eq!(events, expected);
}

#[test]
fn a_silent_loss_is_reported_once() {
    let card = Card::new();
    let (mut reader, gauges) = start(&card);
    assert_eq!(run(&card, &mut reader, 20, 0), [""; 0]);
    card.lose(24_000);
    // The frames between the loss and its discovery carry numbers that nobody expects: the run is judged by its sum.
    let mut space = [0; 8_192];
    let mut lost = 0;
    let end = card.life().now_ns + 20 * SECOND_NS;
    while card.life().now_ns < end {
        if let Ok(Read::Lost { frames, .. }) = reader.read(&mut space) {
            lost += frames;
        }
    }
    assert!((23_950..=24_050).contains(&lost), "{lost}");
    assert_eq!((gauges.silent_losses.load(Relaxed), gauges.xruns.load(Relaxed)), (1, 0));
}

#[test]
fn useless_stamps_do_no_harm() {
    for stamp in [None, Some(Mono(0)), Some(Mono(7)), Some(Mono(i64::MAX)), Some(Mono(1_700_000_000 * SECOND_NS))] {
        let card = Card::new();
        card.life().stamp = Some(stamp);
        check(&card, 10, &[]);
    }
}

#[test]
fn every_layout_arrives_with_its_top_bits() {
    for (sample, channels) in [(Sample::S24Packed, 1), (Sample::S24, 2), (Sample::S32, 8)] {
        let card = Card::new();
        (card.life().sample, card.life().channels) = (sample, channels);
        let (mut reader, gauges) = start(&card);
        let mut expected = card.life().captured() as u32;
        let mut space = [0xEE; 9_000]; // a whole number of frames of none of them
        for _ in 0..200 {
            let Ok(Read::Frames { frames, .. }) = reader.read(&mut space) else { panic!("{sample:?}: no frames") };
            for frame in space.chunks_exact(3 * usize::from(channels)).take(frames as usize) {
                let number = &expected.to_le_bytes()[..3];
                assert!(frame.chunks_exact(3).all(|s| s == number), "{sample:?} {frame:?} {expected}");
                expected += 1;
            }
        }
        assert!(!gauges.low_byte_used.load(Relaxed));
    }
}

#[test]
fn a_space_without_room_is_not_an_error() {
    let card = Card::new();
    let (mut reader, _) = start(&card);
    assert_eq!(reader.read(&mut []), Ok(Read::Idle));
    assert_eq!(reader.read(&mut [0]), Ok(Read::Idle));
    assert!(matches!(reader.read(&mut [0; 2]), Ok(Read::Frames { frames: 1, .. })));
}
