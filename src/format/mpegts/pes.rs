//! PES packets (ISO/IEC 13818-1, 2.4.3.6): their header is passed over, their payload handed on.

/// Up to the length of the optional fields.
const FIXED_BYTES: usize = 9;

/// Where in a PES packet the next payload begins.
#[derive(Default)]
enum At {
    /// Before the first start, or in something that is no PES packet.
    #[default]
    Outside,
    Header,
    /// Bytes of optional fields that are still to come.
    Fields(usize),
    Payload,
}

#[derive(Default)]
pub struct Pes {
    at: At,
    header: heapless::Vec<u8, FIXED_BYTES>,
    /// Bytes of payload still to come, where the packet says.
    rest: Option<usize>,
}

impl Pes {
    /// The payload of one transport packet; `start` when a PES packet begins in it.
    pub fn push(&mut self, start: bool, mut bytes: &[u8], sink: &mut dyn FnMut(&[u8])) {
        if start {
            *self = Pes { at: At::Header, ..Pes::default() };
        }
        while !bytes.is_empty() {
            match self.at {
                At::Outside => return,
                At::Header => {
                    let (now, after) = bytes.split_at(bytes.len().min(FIXED_BYTES - self.header.len()));
                    let _ = self.header.extend_from_slice(now);
                    bytes = after;
                    self.read_header();
                }
                At::Fields(left) => {
                    let (now, after) = bytes.split_at(bytes.len().min(left));
                    self.at = if now.len() == left { At::Payload } else { At::Fields(left - now.len()) };
                    bytes = after;
                }
                At::Payload => {
                    // What follows a packet that said its length is stuffing.
                    let now = bytes.get(..self.rest.unwrap_or(bytes.len())).unwrap_or(bytes);
                    self.rest = self.rest.map(|rest| rest - now.len());
                    if !now.is_empty() {
                        sink(now);
                    }
                    return;
                }
            }
        }
    }

    fn read_header(&mut self) {
        let &[zero, zero2, one, stream, high, low, flags, _, fields] = self.header.as_slice() else { return };
        let has_fields = flags & 0xC0 == 0x80;
        // Audio, private stream 1, the extended ids, metadata: the kinds that have optional fields.
        let is_known = matches!(stream, 0xC0..=0xDF | 0xBD | 0xFA..=0xFD);
        if [zero, zero2, one] != [0, 0, 1] || !is_known || !has_fields {
            self.at = At::Outside;
            return;
        }
        self.at = At::Fields(usize::from(fields));
        let bytes = usize::from(u16::from_be_bytes([high, low]));
        self.rest = (bytes > 0).then(|| bytes.saturating_sub(3 + usize::from(fields)));
    }
}
