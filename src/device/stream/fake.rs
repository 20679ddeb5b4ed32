//! A station from a script, for tests of whoever listens.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::{Connected, Heard, Station};
use crate::device::{Fault, FaultKind};

/// One thing after another. A connection begins with `Connect`.
#[derive(Clone, Debug)]
pub enum Act {
    /// The next `connect` succeeds with this content type.
    Connect(&'static str),
    /// The next `connect` fails.
    Refuse(Fault),
    Bytes(Vec<u8>),
    Title(&'static str),
    Fail(Fault),
    End,
}

/// Plays its script; when it is over, every connection fails.
#[derive(Debug, Default)]
pub struct FakeStation {
    script: VecDeque<Act>,
    connected: bool,
    /// How long a source without sound is to be borne.
    pub stall: Duration,
}

impl FakeStation {
    pub fn new(script: impl IntoIterator<Item = Act>) -> FakeStation {
        FakeStation { script: script.into_iter().collect(), connected: false, stall: super::STALL }
    }
}

fn over() -> Fault {
    Fault::new(FaultKind::Gone, "the script is over")
}

impl Station for FakeStation {
    /// Passes over what is left of the connection before.
    fn connect(&mut self) -> Result<Connected, Fault> {
        self.connected = false;
        loop {
            match self.script.pop_front() {
                Some(Act::Connect(content_type)) => {
                    self.connected = true;
                    let text = format!("fake station: {content_type}");
                    return Ok(Connected { content_type: Some(content_type.to_owned()), text, stall: self.stall });
                }
                Some(Act::Refuse(fault)) => return Err(fault),
                Some(_) => {}
                None => return Err(over()),
            }
        }
    }

    fn read(&mut self, space: &mut [u8]) -> Result<Heard, Fault> {
        if !self.connected || matches!(self.script.front(), Some(Act::Connect(_) | Act::Refuse(_))) {
            return Ok(Heard::End);
        }
        match self.script.pop_front() {
            Some(Act::Bytes(mut bytes)) => {
                let n = bytes.len().min(space.len());
                space[..n].copy_from_slice(&bytes[..n]);
                if n < bytes.len() {
                    self.script.push_front(Act::Bytes(bytes.split_off(n)));
                }
                Ok(Heard::Bytes(n))
            }
            Some(Act::Title(title)) => Ok(Heard::Title(Arc::from(title))),
            Some(Act::Fail(fault)) => {
                self.connected = false;
                Err(fault)
            }
            Some(Act::End | Act::Connect(_) | Act::Refuse(_)) | None => {
                self.connected = false;
                Ok(Heard::End)
            }
        }
    }

    fn hang_up(&mut self) {
        self.connected = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plays_its_script() {
        let gone = Fault::new(FaultKind::Stalled, "quiet");
        let script = [Act::Connect("audio/mpeg"), Act::Bytes(b"abc".into()), Act::Title("t"), Act::Fail(gone.clone())];
        let mut station = FakeStation::new(script.into_iter().chain([Act::Bytes(b"x".into()), Act::Connect("a"), Act::End]));
        let mut space = [0; 2];
        assert_eq!(station.connect().map(|c| c.content_type), Ok(Some("audio/mpeg".to_owned())));
        assert_eq!(station.read(&mut space), Ok(Heard::Bytes(2)));
        assert_eq!(station.read(&mut space), Ok(Heard::Bytes(1)));
        assert_eq!((station.read(&mut space), space[0]), (Ok(Heard::Title("t".into())), b'c'));
        assert_eq!(station.read(&mut space), Err(gone));
        assert!(station.connect().is_ok());
        assert_eq!(station.read(&mut space), Ok(Heard::End));
        assert_eq!(station.connect().map_err(|f| f.kind), Err(FaultKind::Gone));
    }
}
