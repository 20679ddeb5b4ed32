use super::*;
use crate::device::alsa::script;
use crate::device::cards::tests::machine;
use crate::signal::pcm::Sample;

fn source(device: &str, root: &std::path::Path, card: &script::Card) -> AlsaSource<script::Card> {
    let rate = Rate::new(48_000).expect("a rate");
    let depth = BitDepth::Sixteen;
    let settings = Settings { device: device.to_owned(), rate, channels: 1, depth, period_ms: 100, buffer_ms: 500 };
    AlsaSource::with(settings, root.to_owned(), card.clone())
}

/// What opening `device` comes to, on a machine with an UltraMic as hw:1,0 where `names` open.
#[track_caller]
fn check(device: &str, names: &[&'static str], refusal: Option<Refusal>, expected: &str) {
    let root = machine(&[(1, "UltraMic", "1-1.2", "16d0:06f3", "A1B2")]);
    let card = script::Card::new();
    (card.life().names, card.life().refusal) = (names.to_vec(), refusal);
    card.life().hints = vec![Hint { name: "garden".to_owned(), description: "Hydrophone".to_owned() }];
    let mut source = source(device, root.path(), &card);
    let text = match source.open() {
        Ok(opened) => {
            let remark = source.remark().map_or(String::new(), |remark| format!(", {remark}"));
            opened.text.replace(" S16_LE 48000 Hz 1 channel, period 100 ms, buffer 500 ms", "") + &remark
        }
        Err(fault) => format!("{:?} {}", fault.kind, fault.what),
    };
    assert_eq!(text, expected);
}

#[test]
fn devices_are_found_in_order() {
    let all = &["default", "hw:1,0", "hw:0,0", "garden", "ultramic"];
    check("default", all, None, "default");
    check("hw:1,0", all, None, "hw:1,0");
    check("usb-1-1.2:16d0:06f3:A1B2", all, None, "hw:1,0");
    check("ultramic", all, None, "ultramic"); // a PCM of exactly this name
    check("UltraMic", all, None, "hw:1,0");
    check("hydro", all, None, "garden");
    check("PCH", all, None, "hw:0,0, hw:0,0: 'pch' also matches hw:0,2: write the name in full");
}

#[test]
fn refusals_are_one_line_each() {
    let found = "found PCH (HDA Intel PCH), UltraMic (UltraMic 384K), garden; run 'soundpost devices'";
    for away in ["Zoom", "usb-1-1.9:16d0:06f4:Z", "hw:7,0", "default", "mic\0rophone"] {
        check(away, &[], None, &format!("Gone no capture device matches '{away}': {found}"));
    }
    let refused = |refusal, expected: &str| check("hw:1,0", &["hw:1,0"], Some(refusal), expected);
    refused(
        Refusal::Closed(Trouble::Busy),
        "Retry hw:1,0: in use by another program; stop it, or share the card with a dsnoop device in asound.conf",
    );
    refused(Refusal::Closed(Trouble::Denied), "Retry hw:1,0: not allowed to open it; add this user to the group audio");
    refused(Refusal::Closed(Trouble::Gone), "Gone hw:1,0: the device is gone");
    refused(Refusal::Closed(Trouble::Other(12)), "Retry hw:1,0: does not open (Other(12))");
    refused(Refusal::Setup("snd_pcm_hw_params", Trouble::Other(22)), "Retry hw:1,0: snd_pcm_hw_params failed (Other(22))");
    refused(
        Refusal::Unfit(Offer { samples: vec![Sample::S32], channels: (18, 18), rates: vec![] }),
        "Retry hw:1,0: offers S32_LE in 18 to 18 channels, which cannot be recorded; try it as plughw:",
    );
    refused(
        Refusal::Unfit(Offer::default()),
        "Retry hw:1,0: offers no signed 16, 24 or 32 bits in 0 to 0 channels, which cannot be recorded; try it as plughw:",
    );
}

#[test]
fn what_a_source_learns_is_remarked_once() {
    let card = script::Card::new();
    (card.life().sample, card.life().channels, card.life().noise) = (Sample::S32, 2, true);
    let mut source = source("default", std::path::Path::new("/nonexistent"), &card);
    source.settings.depth = BitDepth::TwentyFour;
    let mut said = Vec::new();
    for second in 0..30 {
        if second % 10 == 0 {
            source.open().expect("opens");
        }
        if second == 5 {
            card.lose(24_000);
        }
        let end = card.life().now_ns + crate::time::SECOND_NS;
        while card.life().now_ns < end {
            source.read(&mut [0; 8_192]).expect("reads");
        }
        said.extend(source.remark());
    }
    let expected = [
        "default: it does not offer 1 channel, 2 is the nearest",
        "default: its samples use all 32 bits; the top 24 are recorded",
        "default: lost samples once without saying so, which the clock gave away; try another USB port, cable or hub",
    ];
    assert_eq!(said, expected);
}

#[test]
fn a_card_that_repeats_itself_is_opened_anew() {
    let card = script::Card::new();
    let mut source = source("default", std::path::Path::new("/nonexistent"), &card);
    for (stuck, expected) in [
        (Some(5), "Retry default: the device repeats itself for 10 s; opening it anew"),
        (Some(-1), "Retry default: the device repeats itself for 60 s; opening it anew"),
        (Some(0), "nothing"),
        (None, "nothing"),
        (Some(5), "Retry default: the device repeats itself for 10 s; opening it anew"),
    ] {
        source.open().expect("opens");
        (card.life().noise, card.life().stuck) = (true, stuck);
        let end = card.life().now_ns + 70 * crate::time::SECOND_NS;
        let mut space = [0; 8_192];
        let read = std::iter::from_fn(|| if card.life().now_ns < end { Some(source.read(&mut space)) } else { None });
        let fault = read.map(Result::err).find_map(|fault| fault);
        assert_eq!(fault.map_or("nothing".to_owned(), |fault| format!("{:?} {}", fault.kind, fault.what)), expected);
    }
}

#[test]
fn reading_allocates_nothing() {
    for sample in Sample::ALL {
        let card = script::Card::new();
        (card.life().sample, card.life().noise) = (sample, true);
        let mut source = source("default", std::path::Path::new("/nonexistent"), &card);
        source.settings.depth = BitDepth::TwentyFour;
        source.open().expect("opens");
        while source.remark().is_some() {}
        let (mut space, mut frames, mut lost) = ([0; 8_192], 0_u64, 0_u64);
        let before = allocations::count();
        for n in 0..5_000 {
            match source.read(&mut space).expect("reads") {
                Read::Frames { frames: some, .. } => frames += u64::from(some),
                Read::Lost { frames, .. } => lost += frames,
                Read::Idle | Read::End => {}
            }
            if n % 1_000 == 500 {
                card.advance(700); // an overrun
            }
        }
        assert_eq!(allocations::count() - before, 0, "{sample:?}: {frames} frames read");
        assert!(frames > 1_000_000 && lost > 100_000, "{frames} frames, {lost} lost");
    }
    let before = allocations::count();
    drop(vec![0; 100]);
    assert!(allocations::count() > before, "the counter counts");
}

#[test]
fn settling_is_what_opening_would_come_to() {
    let card = script::Card::new();
    let mut source = source("default", std::path::Path::new("/nonexistent"), &card);
    (card.life().sample, card.life().channels) = (Sample::S32, 2);
    source.settings.depth = BitDepth::Auto;
    let settled = source.settle();
    assert_eq!(settled, source.open().map(|opened| opened.format));
    assert_eq!(settled.map(|format| (format.channels, format.depth)), Ok((2, crate::message::Depth::TwentyFour)));
    card.life().names.clear();
    assert!(source.settle().is_err());
}

#[test]
fn channels_out_of_range_are_a_matter_of_configuration() {
    for channels in [0, 9] {
        let mut source = source("default", std::path::Path::new("/nonexistent"), &script::Card::new());
        source.settings.channels = channels;
        assert_eq!(source.open().map_err(|fault| fault.kind), Err(FaultKind::Config));
    }
}

#[test]
fn a_card_that_went_away_is_opened_again_elsewhere() {
    let root = machine(&[(1, "UltraMic", "1-1.2", "16d0:06f3", "A1B2")]);
    let card = script::Card::new();
    card.life().names = vec!["hw:1,0"];
    let mut source = source("usb-1-1.2:16d0:06f3:A1B2", root.path(), &card);
    assert_eq!(source.read(&mut [0; 64]).map_err(|fault| fault.what), Err("usb-1-1.2:16d0:06f3:A1B2: not open".to_owned()));
    let opened = source.open().expect("opens");
    assert_eq!(
        opened.format,
        PcmFormat { rate: Rate::new(48_000).expect("a rate"), channels: 1, depth: crate::message::Depth::Sixteen }
    );
    assert!(matches!(source.read(&mut [0; 64]), Ok(Read::Frames { .. })));
    card.life().broken = Some(Trouble::Gone);
    card.life().names.clear();
    assert!(matches!(source.read(&mut [0; 4]), Ok(Read::Frames { .. }) | Err(_)));
    let fault = std::iter::from_fn(|| Some(source.read(&mut [0; 64]))).find_map(Result::err);
    assert_eq!(fault.map(|fault| fault.kind), Some(FaultKind::Gone));
    assert_eq!(source.open().map_err(|fault| fault.kind), Err(FaultKind::Gone));
    // Back as another card on another port.
    let root = machine(&[(3, "UltraMic", "1-1.4", "16d0:06f3", "A1B2")]);
    (source.root, card.life().names) = (root.path().to_owned(), vec!["hw:3,0"]);
    assert!(source.open().is_ok_and(|opened| opened.text.starts_with("hw:3,0 ")));
    assert!(matches!(source.read(&mut [0; 64]), Ok(Read::Frames { .. })));
}
