//! What repair must do with a stream recording that was not closed: keep its whole units, and say how long they last.

use std::io::{self, Read};

use super::super::mend::Mend;
use super::super::{Broken, Flaw, ReadAt, Verified};
use crate::message::Container;

/// Its header names nobody: who it is stands in the sidecar that was written when it was opened.
pub fn mend(_container: Container, _file: &dyn ReadAt) -> io::Result<Mend> {
    Ok(Mend::Foreign("this format is not repaired"))
}

/// Reads a finished file through.
pub fn verify(_container: Container, _reader: impl Read) -> Result<Verified, Broken> {
    Err(Broken::at(0, Flaw::Unsupported("this format is not checked")))
}
