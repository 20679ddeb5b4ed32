//! The answer to `soundpost devices`: what could be recorded here and how to name it. Looking and writing are kept apart.

use std::path::Path;

use crate::device::alsa::choose::{captures, names};
use crate::device::alsa::door::{Door, Hint, Offer, Trouble};
use crate::device::alsa::libasound::Libasound;
use crate::device::cards;
use crate::message::live;

/// All that captures on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    pub devices: Vec<Device>,
    /// Names from alsa-lib's configuration (asound.conf), such as a shared dsnoop device.
    pub names: Vec<Hint>,
}

/// A capture device of a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// What to write as `device =`; survives a reboot. See `device::cards`.
    pub id: String,
    /// "hw:1,0"
    pub pcm: String,
    pub card: String,
    pub long_name: String,
    pub offer: Result<Offer, Trouble>,
}

/// The sound cards of this machine.
pub fn devices() -> Listing {
    look(Path::new("/"), &mut Libasound)
}

/// All that captures, without opening any of it: what records is not disturbed.
pub fn captures_of_all() -> Vec<live::Device> {
    let root = Path::new("/");
    let cards = cards::cards(root);
    let of_card = |(card, capture): (&cards::Card, &cards::Capture)| live::Device {
        device: card.stable_id(capture.device),
        name: format!("{}, {}", card.long_name, capture.name),
        is_used: cards::is_open(root, card.index, capture.device),
    };
    let of_name =
        |hint: &Hint| live::Device { device: hint.name.clone(), name: hint.description.replace('\n', ", "), is_used: false };
    let hints = Libasound.hints();
    captures(&cards).map(of_card).chain(names(&hints).map(of_name)).collect()
}

pub(super) fn look(root: &Path, door: &mut impl Door) -> Listing {
    let cards = cards::cards(root);
    let devices = captures(&cards).map(|(card, capture)| {
        let pcm = card.pcm(capture.device);
        Device {
            id: card.stable_id(capture.device),
            card: card.id.clone(),
            long_name: format!("{}, {}", card.long_name, capture.name),
            offer: door.probe(&pcm),
            pcm,
        }
    });
    let devices = devices.collect();
    Listing { devices, names: names(&door.hints()).cloned().collect() }
}

/// For people: a device in three lines, a name in one.
pub fn text(listing: &Listing) -> String {
    if listing.devices.is_empty() && listing.names.is_empty() {
        return "No capture devices found. Is the microphone plugged in, and may this user open it (group audio)?\n".to_owned();
    }
    let mut text = String::new();
    if listing.devices.is_empty() {
        text.push_str("No sound card that captures was found.\n");
    } else {
        text.push_str("Sound cards (device = the first word; it survives reboots):\n");
    }
    for device in &listing.devices {
        text.push_str(&format!("  {}\n      {}, {}: {}\n", device.id, device.pcm, device.card, device.long_name));
        text.push_str(&format!("      {}\n", offered(&device.offer)));
    }
    if !listing.names.is_empty() {
        text.push_str("Names from the ALSA configuration (device = the name):\n");
    }
    for name in &listing.names {
        let description = name.description.replace('\n', ", ");
        text.push_str(format!("  {}  {description}", name.name).trim_end());
        text.push('\n');
    }
    text
}

fn offered(offer: &Result<Offer, Trouble>) -> String {
    match offer {
        Ok(offer) => {
            let samples: Vec<&str> = offer.samples.iter().map(|sample| sample.name()).collect();
            let rates: Vec<String> = offer.rates.iter().map(u32::to_string).collect();
            let (low, high) = offer.channels;
            let channels = if low == high { low.to_string() } else { format!("{low} to {high}") };
            let or_none = |list: String| if list.is_empty() { "none that fit".to_owned() } else { list };
            format!("channels {channels}; formats {}; rates {}", or_none(samples.join(" ")), or_none(rates.join(" ")))
        }
        Err(Trouble::Busy | Trouble::Again) => "in use by another program".to_owned(),
        Err(Trouble::Denied) => "this user may not open it (group audio)".to_owned(),
        Err(trouble) => format!("could not be asked ({trouble:?})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::pcm::Sample;

    fn device(offer: Result<Offer, Trouble>) -> Device {
        let (id, pcm, card, long_name) = ("usb-1-1.2:16d0:06f3:A1", "hw:1,0", "UltraMic", "Dodotronic UltraMic, USB Audio");
        Device { id: id.to_owned(), pcm: pcm.to_owned(), card: card.to_owned(), long_name: long_name.to_owned(), offer }
    }

    #[test]
    fn what_people_read() {
        let offer = Offer { samples: vec![Sample::S16, Sample::S24Packed], channels: (1, 2), rates: vec![48_000, 384_000] };
        let devices = vec![device(Ok(offer)), device(Err(Trouble::Busy)), device(Ok(Offer::default()))];
        let names = vec![
            Hint { name: "shared_mic".to_owned(), description: "The microphone\nfor all".to_owned() },
            Hint { name: "bare".to_owned(), description: String::new() },
        ];
        let expected = "\
Sound cards (device = the first word; it survives reboots):
  usb-1-1.2:16d0:06f3:A1
      hw:1,0, UltraMic: Dodotronic UltraMic, USB Audio
      channels 1 to 2; formats S16_LE S24_3LE; rates 48000 384000
  usb-1-1.2:16d0:06f3:A1
      hw:1,0, UltraMic: Dodotronic UltraMic, USB Audio
      in use by another program
  usb-1-1.2:16d0:06f3:A1
      hw:1,0, UltraMic: Dodotronic UltraMic, USB Audio
      channels 0; formats none that fit; rates none that fit
Names from the ALSA configuration (device = the name):
  shared_mic  The microphone, for all
  bare
";
        assert_eq!(text(&Listing { devices, names }), expected);
    }

    #[test]
    fn an_empty_machine_says_so() {
        assert!(text(&Listing::default()).starts_with("No capture devices found."));
        let names = vec![Hint { name: "bare".to_owned(), description: String::new() }];
        assert!(text(&Listing { devices: Vec::new(), names }).starts_with("No sound card that captures was found.\nNames"));
    }
}
