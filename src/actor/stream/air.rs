//! A station's sound for whoever listens to it here: its own bytes, made into a stream that begins when the first one comes.

use std::sync::Arc;

use crate::format::stream::{Framer, Unit, Writer, container};
use crate::message::live::OnAir;
use crate::message::{Format, Identity};

pub struct Air {
    on: Arc<OnAir>,
    /// While somebody listens, from the first unit on that one can begin with.
    writer: Option<Writer>,
    identity: Option<Identity>,
    bytes: Vec<u8>,
    format: Option<Format>,
}

impl Air {
    pub fn new(on: Arc<OnAir>) -> Air {
        Air { on, writer: None, identity: None, bytes: Vec::new(), format: None }
    }

    /// Who and when the newest file is: a stream may say the same.
    pub fn opened(&mut self, identity: &Identity) {
        self.identity = Some(identity.clone());
    }

    pub fn title(&self, title: &str) {
        self.on.mount.set_title(title);
    }

    /// The connection is over: whoever listens hears the next one as another stream.
    pub fn lost(&mut self) {
        if self.writer.take().is_some() {
            self.on.mount.rest();
        }
        self.on.set_sound(None);
        self.format = None;
    }

    /// The unit that the framer has just found.
    pub fn unit(&mut self, framer: &Framer, unit: &Unit, bytes: &[u8], format: Format) {
        if self.format != Some(format) {
            self.format = Some(format);
            self.on.set_sound(format.codec().map(|codec| (container(codec), format)));
        }
        if self.on.mount.listeners() == 0 {
            if self.writer.take().is_some() {
                self.on.mount.rest();
            }
            return;
        }
        let Some(identity) = &self.identity else { return };
        if unit.new_link {
            self.writer = None; // another stream begins
        }
        let may_begin = unit.entry || matches!(framer, Framer::Mp3(_));
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None if !may_begin => return,
            slot => {
                self.bytes.clear();
                let writer = Writer::begin(framer, unit, identity, &mut |bytes| self.bytes.extend_from_slice(bytes));
                self.on.mount.begin(&self.bytes);
                slot.insert(writer)
            }
        };
        self.bytes.clear();
        writer.unit(framer, unit, bytes, &mut |bytes| self.bytes.extend_from_slice(bytes));
        if may_begin {
            self.on.mount.push(&self.bytes);
        } else {
            self.on.mount.append(&self.bytes);
        }
    }
}
