//! Who the sound cards are: identities that outlive a reboot and a re-plug, read from /proc/asound and /sys.
//!
//! Card numbers move with the order in which the kernel meets the hardware, so a card is known here by what it is:
//!
//! ```text
//! usb-1-1.2:16d0:06f3:A1B2C3    USB: port, vendor, product, serial number if it has one
//! card:PCH                      anything else: the kernel's card id
//! usb-1-1.2:16d0:06f3,1         a second capture device of a card: its number after a comma
//! ```
//! A USB card is found on its port; one with a serial number on any other port too, unless its twin sits on the named one.
//!
//! Opening devices does not belong here. Called by `alsa`; every function takes the folder that stands for `/`.

use std::fs;
use std::path::Path;

/// A sound card as the kernel shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    pub index: u32,
    /// The kernel's short id, unique at any moment: "PCH", "UltraMic".
    pub id: String,
    pub name: String,
    pub long_name: String,
    pub usb: Option<Usb>,
    pub captures: Vec<Capture>,
}

/// What a USB card says of itself and where it is plugged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usb {
    /// Bus and port as sysfs names them: "1-1.2".
    pub port: String,
    /// "16d0:06f3".
    pub product: String,
    pub serial: Option<String>,
}

/// A device of a card that captures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    pub device: u32,
    pub name: String,
}

impl Card {
    /// The text that finds this device again.
    pub fn stable_id(&self, device: u32) -> String {
        let mut id = match &self.usb {
            Some(usb) => match &usb.serial {
                Some(serial) => format!("usb-{}:{}:{serial}", usb.port, usb.product),
                None => format!("usb-{}:{}", usb.port, usb.product),
            },
            None => format!("card:{}", self.id),
        };
        if device != 0 {
            id.push_str(&format!(",{device}"));
        }
        id
    }

    /// The name that alsa-lib opens it by, right until cards come or go.
    pub fn pcm(&self, device: u32) -> String {
        format!("hw:{},{device}", self.index)
    }
}

/// Whether a text is meant as a stable id, present or not.
pub fn is_stable_id(text: &str) -> bool {
    text.starts_with("card:") || text.strip_prefix("usb-").is_some_and(|rest| rest.split(':').count() >= 3)
}

/// The card and device that a stable id means.
pub fn find<'a>(cards: &'a [Card], id: &str) -> Option<(&'a Card, u32)> {
    let all = || cards.iter().flat_map(|card| card.captures.iter().map(move |capture| (card, capture.device)));
    let exact = all().find(|(card, device)| card.stable_id(*device) == id);
    exact.or_else(|| all().find(|(card, device)| same_serial(card, *device, id)))
}

/// Same vendor, product, serial number and device number, on whatever port.
fn same_serial(card: &Card, device: u32, id: &str) -> bool {
    let has_serial = card.usb.as_ref().is_some_and(|usb| usb.serial.is_some());
    let own = card.stable_id(device);
    let portless = |text: &str| text.split_once(':').map(|(_, rest)| rest.to_owned());
    has_serial && id.starts_with("usb-") && portless(&own) == portless(id)
}

/// All cards below `root`, by number. A machine without sound has none.
pub fn cards(root: &Path) -> Vec<Card> {
    let asound = root.join("proc/asound");
    let mut cards = parse_cards(&read(&asound.join("cards")));
    let captures = parse_pcm(&read(&asound.join("pcm")));
    for card in &mut cards {
        card.captures = captures.iter().filter(|(index, _)| *index == card.index).map(|(_, c)| c.clone()).collect();
        card.usb = usb(root, card.index);
    }
    cards.sort_by_key(|card| card.index);
    cards
}

/// Whether somebody captures from a device just now: its first line is `closed` otherwise.
pub fn is_open(root: &Path, index: u32, device: u32) -> bool {
    let folder = root.join(format!("proc/asound/card{index}/pcm{device}c"));
    let status = |sub: &Path| read(&sub.join("status"));
    let subs = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| status(&entry.path()));
    let told: Vec<String> = subs.filter(|text| !text.is_empty()).collect();
    !told.is_empty() && told.iter().all(|text| !text.starts_with("closed"))
}

/// Two lines a card:
/// ```text
///  1 [UltraMic       ]: USB-Audio - UltraMic 384K
///                       Dodotronic UltraMic 384K at usb-3f980000.usb-1.2, high speed
/// ```
fn parse_cards(text: &str) -> Vec<Card> {
    let mut cards: Vec<Card> = Vec::new();
    for line in text.lines() {
        if let Some(card) = parse_card(line) {
            cards.push(card);
        } else if let Some(card) = cards.last_mut().filter(|card| card.long_name.is_empty()) {
            card.long_name = line.trim().to_owned();
        }
    }
    cards
}

fn parse_card(line: &str) -> Option<Card> {
    let (index, rest) = line.split_once('[')?;
    let (id, rest) = rest.split_once("]:")?;
    let name = rest.split_once(" - ").map_or(rest, |(_driver, name)| name);
    Some(Card {
        index: index.trim().parse().ok()?,
        id: id.trim().to_owned(),
        name: name.trim().to_owned(),
        long_name: String::new(),
        usb: None,
        captures: Vec::new(),
    })
}

/// A line a device, "01-00: USB Audio : USB Audio : playback 1 : capture 1"; those that capture.
fn parse_pcm(text: &str) -> Vec<(u32, Capture)> {
    text.lines().filter_map(parse_capture).collect()
}

fn parse_capture(line: &str) -> Option<(u32, Capture)> {
    let mut fields = line.split(": ").map(str::trim);
    let (card, device) = fields.next()?.split_once('-')?;
    let name = fields.next()?.to_owned();
    fields.find(|field| field.starts_with("capture "))?;
    Some((card.parse().ok()?, Capture { device: device.parse().ok()?, name }))
}

/// A USB card's `device` leads to its interface, whose parent is the device with vendor, product and serial number.
fn usb(root: &Path, index: u32) -> Option<Usb> {
    let interface = fs::canonicalize(root.join(format!("sys/class/sound/card{index}/device"))).ok()?;
    let device = interface.parent()?;
    let vendor = token(&read(&device.join("idVendor")))?;
    let product = token(&read(&device.join("idProduct")))?;
    let port = device.file_name()?.to_str()?.to_owned();
    Some(Usb { port, product: format!("{vendor}:{product}"), serial: token(&read(&device.join("serial"))) })
}

/// A text that can stand in an id and in an INI file: what has a meaning in one of them becomes `_`.
fn token(text: &str) -> Option<String> {
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' };
    let text = text.trim();
    if text.is_empty() { None } else { Some(text.chars().map(safe).collect()) }
}

fn read(path: &Path) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A machine with an on-board card and USB cards: (number, id, port, product, serial).
    pub fn machine(usb: &[(u32, &str, &str, &str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, text).expect("written");
        };
        let mut cards =
            " 0 [PCH            ]: HDA-Intel - HDA Intel PCH\n                      HDA Intel PCH at 0xf7e10000 irq 34\n"
                .to_owned();
        let mut pcm = "00-00: ALC892 Analog : ALC892 Analog : playback 1 : capture 1\n00-02: ALC892 Alt : ALC892 Alt : capture 1\n00-03: HDMI 0 : HDMI 0 : playback 1\n".to_owned();
        for (index, id, port, product, serial) in usb {
            cards.push_str(&format!("{index:2} [{id:15}]: USB-Audio - {id} 384K\n                      Maker {id} 384K at usb-3f980000.usb-1.2, high speed\n"));
            pcm.push_str(&format!("{index:02}-00: USB Audio : USB Audio : capture 1\n"));
            let device = format!("sys/devices/platform/usb1/{port}");
            let (vendor, product) = product.split_once(':').expect("two numbers");
            put(&format!("{device}/idVendor"), &format!("{vendor}\n"));
            put(&format!("{device}/idProduct"), &format!("{product}\n"));
            if !serial.is_empty() {
                put(&format!("{device}/serial"), &format!("{serial}\n"));
            }
            put(&format!("{device}/{port}:1.0/sound/card{index}/number"), &format!("{index}\n"));
            let class = root.path().join(format!("sys/class/sound/card{index}"));
            fs::create_dir_all(&class).expect("made");
            symlink(format!("../../../devices/platform/usb1/{port}/{port}:1.0"), class.join("device")).expect("linked");
        }
        put("proc/asound/cards", &cards);
        put("proc/asound/pcm", &pcm);
        root
    }

    const MIC: (u32, &str, &str, &str, &str) = (1, "UltraMic", "1-1.2", "16d0:06f3", "A1B2");

    #[test]
    fn identities() {
        let root = machine(&[MIC, (2, "Device", "1-1.3", "0d8c:0014", ""), (3, "Odd", "2-1", "1:2", "no 1;#,x")]);
        let cards = cards(root.path());
        let ids: Vec<String> = cards
            .iter()
            .flat_map(|card| card.captures.iter().map(|c| format!("{} {}", card.pcm(c.device), card.stable_id(c.device))))
            .collect();
        let expected = [
            "hw:0,0 card:PCH",
            "hw:0,2 card:PCH,2",
            "hw:1,0 usb-1-1.2:16d0:06f3:A1B2",
            "hw:2,0 usb-1-1.3:0d8c:0014",
            "hw:3,0 usb-2-1:1:2:no_1___x",
        ];
        assert_eq!(ids, expected);
        assert!(expected.iter().all(|line| is_stable_id(line.split_once(' ').expect("two words").1)));
        assert_eq!(
            (cards[1].name.as_str(), cards[1].long_name.starts_with("Maker UltraMic 384K at usb")),
            ("UltraMic 384K", true)
        );
        assert!(!is_stable_id("usb-mic") && !is_stable_id("UltraMic"));
    }

    #[track_caller]
    fn check(usb: &[(u32, &str, &str, &str, &str)], id: &str, expected: Option<&str>) {
        let root = machine(usb);
        let cards = cards(root.path());
        assert_eq!(find(&cards, id).map(|(card, device)| card.pcm(device)).as_deref(), expected, "{id}");
    }

    #[test]
    fn a_card_is_found_again() {
        let (id, bare) = ("usb-1-1.2:16d0:06f3:A1B2", "usb-1-1.3:0d8c:0014");
        check(&[MIC], id, Some("hw:1,0"));
        check(&[(4, "UltraMic_1", "1-1.2", "16d0:06f3", "A1B2")], id, Some("hw:4,0")); // another number after a reboot
        check(&[(1, "UltraMic", "2-3", "16d0:06f3", "A1B2")], id, Some("hw:1,0")); // on another port, by its serial number
        check(&[(1, "UltraMic", "1-1.2", "16d0:06f3", "FFFF")], id, None); // another of its kind in its place
        check(&[(1, "Device", "1-1.4", "0d8c:0014", "")], bare, None); // no serial number: the port is all there is
        check(&[(1, "Device", "1-1.4", "0d8c:0014", ""), (2, "Device_1", "1-1.3", "0d8c:0014", "")], bare, Some("hw:2,0"));
        // Twins that share a serial number are told apart by their ports.
        check(&[(1, "A", "1-1.4", "16d0:06f3", "A1B2"), (2, "B", "1-1.2", "16d0:06f3", "A1B2")], id, Some("hw:2,0"));
        check(&[MIC], "card:PCH", Some("hw:0,0"));
        check(&[MIC], "card:PCH,2", Some("hw:0,2"));
        check(&[MIC], "card:PCH,3", None); // plays only
        check(&[MIC], "usb-1-1.2:16d0:06f3:A1B2,1", None);
    }

    #[test]
    fn strange_trees_have_no_cards() {
        for text in ["", "--- no soundcards ---\n", "x [y]: z\n", " 99999999999 [A ]: B - C\n", "[]:"] {
            assert!(parse_cards(text).is_empty(), "{text:?}");
        }
        for text in ["", "00: capture 1", "zz-00: a : b : capture 1", "00-00", "-: : : capture 1"] {
            assert!(parse_pcm(text).is_empty(), "{text:?}");
        }
        assert!(cards(Path::new("/nonexistent")).is_empty());
    }
}
