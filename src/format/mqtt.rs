//! Packets of MQTT 3.1.1 for a client that only publishes
//! (<https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html>, chapters 2 and 3).

/// 3.12 and 3.14.
pub const PINGREQ: [u8; 2] = [0xC0, 0];
pub const DISCONNECT: [u8; 2] = [0xE0, 0];
/// Of a PINGRESP, 3.13.
pub const PINGRESP_BYTES: usize = 2;
/// Four bytes of seven bits, 2.2.3.
const MOST_BYTES: usize = (1 << 28) - 1;

const CLEAN: u8 = 1 << 1;
const WILL: u8 = 1 << 2;
/// The will is delivered at least once, and stays.
const WILL_QOS_1: u8 = 1 << 3;
const WILL_RETAIN: u8 = 1 << 5;
const PASSWORD: u8 = 1 << 6;
const USERNAME: u8 = 1 << 7;

/// 3.1, with a clean session. `will`: topic and text. `None`: a text has more than 65,535 bytes.
pub fn connect(id: &str, keep_alive_s: u16, will: (&str, &str), account: Option<(&str, &str)>) -> Option<Vec<u8>> {
    let flags = CLEAN | WILL | WILL_QOS_1 | WILL_RETAIN | if account.is_some() { USERNAME | PASSWORD } else { 0 };
    let mut body = b"\0\x04MQTT\x04".to_vec();
    body.push(flags);
    body.extend(keep_alive_s.to_be_bytes());
    let account = account.map(|(name, password)| [name, password]);
    for text in [id, will.0, will.1].into_iter().chain(account.into_iter().flatten()) {
        text_into(&mut body, text)?;
    }
    packet(0x10, &body)
}

/// 3.3, at most once, retained.
pub fn publish(topic: &str, text: &str) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    text_into(&mut body, topic)?;
    body.extend_from_slice(text.as_bytes());
    packet(0x31, &body)
}

/// The code of a CONNACK, 3.2: 0 is welcome, 4 and 5 are a wrong account. `None`: it is none.
pub fn connack(bytes: [u8; 4]) -> Option<u8> {
    matches!(bytes, [0x20, 2, 0 | 1, _]).then_some(bytes[3])
}

fn text_into(body: &mut Vec<u8>, text: &str) -> Option<()> {
    body.extend(u16::try_from(text.len()).ok()?.to_be_bytes());
    body.extend_from_slice(text.as_bytes());
    Some(())
}

fn packet(kind: u8, body: &[u8]) -> Option<Vec<u8>> {
    let mut packet = vec![kind];
    let mut left = Some(body.len()).filter(|len| *len <= MOST_BYTES)?;
    loop {
        let (seven, more) = ((left & 0x7F) as u8, left >> 7);
        packet.push(if more > 0 { seven | 0x80 } else { seven });
        left = more;
        if left == 0 {
            break;
        }
    }
    packet.extend_from_slice(body);
    Some(packet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_seven_bits_a_byte_the_lowest_first() {
        let head = |len: usize| publish("a/b", &"x".repeat(len - 5)).expect("short")[..5].to_vec();
        assert_eq!(head(15), [0x31, 15, 0, 3, b'a']);
        assert_eq!(head(127), [0x31, 127, 0, 3, b'a']);
        // The examples of table 2.4.
        assert_eq!(head(128), [0x31, 0x80, 0x01, 0, 3]);
        assert_eq!(head(16_383), [0x31, 0xFF, 0x7F, 0, 3]);
        assert_eq!(head(16_384), [0x31, 0x80, 0x80, 0x01, 0]);
    }

    #[test]
    fn a_client_introduces_itself() {
        let expected = b"\x10\x1d\0\x04MQTT\x04\xee\0\x3c\0\x01i\0\x01t\0\x03off\0\x02me\0\x02pw";
        assert_eq!(connect("i", 60, ("t", "off"), Some(("me", "pw"))).as_deref(), Some(&expected[..]));
        assert_eq!(connect("i", 60, ("t", "off"), None).expect("short")[9], 0x2e);
        assert_eq!(connect(&"i".repeat(70_000), 60, ("t", "off"), None), None);
    }

    #[test]
    fn a_broker_answers() {
        assert_eq!((connack([0x20, 2, 0, 0]), connack([0x20, 2, 1, 5])), (Some(0), Some(5)));
        assert_eq!((connack(*b"HTTP"), connack([0x20, 2, 2, 0])), (None, None));
    }
}
