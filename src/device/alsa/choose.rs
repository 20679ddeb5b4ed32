//! Which PCM the word `device` of the configuration means. Pure; called by `mod.rs`.
//!
//! In this order: `default`, `hw:`/`plughw:`, a stable id, the exact name of a PCM, a part of a name (upper or lower case).
//! Exact names cannot be listed (a PCM of asound.conf need not advertise itself): whether one exists is found by opening it.

use crate::device::alsa::door::Hint;
use crate::device::cards::{self, Card};

/// Where to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// This PCM and no other.
    Pcm(String),
    /// A stable id whose card is not there.
    Away,
    /// A PCM of this name if there is one, else whatever has it in its name.
    Name,
}

pub fn choose(wanted: &str, cards: &[Card]) -> Choice {
    if wanted == "default" || wanted.starts_with("hw:") || wanted.starts_with("plughw:") {
        return Choice::Pcm(wanted.to_owned());
    }
    match cards::find(cards, wanted) {
        Some((card, device)) => Choice::Pcm(card.pcm(device)),
        None if cards::is_stable_id(wanted) => Choice::Away,
        None => Choice::Name,
    }
}

/// The first PCM with `wanted` in its name, cards before advertised names, and a warning when there are several.
pub fn by_part(wanted: &str, cards: &[Card], hints: &[Hint]) -> Option<(String, Option<String>)> {
    let wanted = wanted.to_lowercase();
    if wanted.is_empty() {
        return None;
    }
    let matches = |text: &str| text.to_lowercase().contains(&wanted);
    let mut found: Vec<String> = Vec::new();
    for (card, capture) in captures(cards) {
        if [&card.id, &card.name, &card.long_name, &capture.name].into_iter().any(|text| matches(text)) {
            found.push(card.pcm(capture.device));
        }
    }
    for hint in names(hints) {
        if matches(&hint.name) || matches(&hint.description) {
            found.push(hint.name.clone());
        }
    }
    let note = || format!("'{wanted}' also matches {}: write the name in full", found[1..].join(", "));
    let note = if found.len() > 1 { Some(note()) } else { None };
    found.first().map(|first| (first.clone(), note))
}

/// "no capture device matches 'UltraMic': found PCH (HDA Intel PCH); run 'soundpost devices'"
pub fn nothing_matches(wanted: &str, cards: &[Card], hints: &[Hint]) -> String {
    let cards = captures(cards).map(|(card, _)| format!("{} ({})", card.id, card.name));
    let mut found: Vec<String> = cards.chain(names(hints).map(|hint| hint.name.clone())).collect();
    found.dedup();
    let found = if found.is_empty() { "none at all".to_owned() } else { found.join(", ") };
    format!("no capture device matches '{wanted}': found {found}; run 'soundpost devices'")
}

/// Advertised names that are neither other words for a card's devices nor plugins that advertise themselves wherever alsa-plugins
/// is installed.
pub fn names(hints: &[Hint]) -> impl Iterator<Item = &Hint> {
    const PLUGINS: [&str; 9] = ["null", "lavrate", "samplerate", "speexrate", "speex", "upmix", "vdownmix", "oss", "a52"];
    hints.iter().filter(|hint| !hint.name.contains("CARD=") && !PLUGINS.contains(&hint.name.as_str()))
}

pub fn captures(cards: &[Card]) -> impl Iterator<Item = (&Card, &cards::Capture)> {
    cards.iter().flat_map(|card| card.captures.iter().map(move |capture| (card, capture)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cards::tests::machine;

    fn hints() -> Vec<Hint> {
        let hint = |name: &str, description: &str| Hint { name: name.to_owned(), description: description.to_owned() };
        vec![
            hint("null", "Discard all samples"),
            hint("sysdefault:CARD=UltraMic", "UltraMic 384K, USB Audio"),
            hint("shared_mic", "The ultramic, for several programs"),
            hint("garden", "Hydrophone in the pond"),
        ]
    }

    #[track_caller]
    fn check(wanted: &str, expected: &str) {
        let root = machine(&[(1, "UltraMic", "1-1.2", "16d0:06f3", "A1B2"), (2, "Device", "1-1.3", "0d8c:0014", "")]);
        let cards = cards::cards(root.path());
        let text = match choose(wanted, &cards) {
            Choice::Pcm(pcm) => pcm,
            Choice::Away => "away".to_owned(),
            Choice::Name => match by_part(wanted, &cards, &hints()) {
                Some((pcm, None)) => format!("by part {pcm}"),
                Some((pcm, Some(note))) => format!("by part {pcm}; {note}"),
                None => nothing_matches(wanted, &cards, &hints()),
            },
        };
        assert_eq!(text, expected);
    }

    #[test]
    fn the_order_of_matching() {
        check("default", "default");
        check("hw:7,3", "hw:7,3");
        check("plughw:CARD=UltraMic", "plughw:CARD=UltraMic");
        check("usb-1-1.2:16d0:06f3:A1B2", "hw:1,0");
        check("usb-1-1.3:0d8c:0014", "hw:2,0");
        check("usb-1-1.9:0d8c:0014", "away");
        check("card:PCH,2", "hw:0,2");
        check("card:Gone", "away");
        check("Hydrophone", "by part garden");
        check("ULTRAMIC", "by part hw:1,0; 'ultramic' also matches shared_mic: write the name in full");
        check("pch", "by part hw:0,0; 'pch' also matches hw:0,2: write the name in full");
        check("Maker device", "by part hw:2,0");
    }

    #[test]
    fn nothing_matching_names_what_is_there() {
        let all = "found PCH (HDA Intel PCH), UltraMic (UltraMic 384K), Device (Device 384K), shared_mic, garden; run 'soundpost devices'";
        check("Zoom", &format!("no capture device matches 'Zoom': {all}"));
        check("", &format!("no capture device matches '': {all}"));
        assert_eq!(nothing_matches("x", &[], &[]), "no capture device matches 'x': found none at all; run 'soundpost devices'");
    }
}
