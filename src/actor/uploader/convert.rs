//! What is sent of a recording: the file as it is, or the FLAC that it would be.

use crate::device::disk::RealFile;
use crate::device::remote::Trouble;
use crate::format::ReadAt;
use crate::format::repack::{self, No, Repacked};

/// A recording on its way out.
pub struct Sent<'a> {
    file: &'a RealFile,
    /// With its name.
    repacked: Option<(Repacked<'a>, String)>,
}

impl<'a> Sent<'a> {
    pub fn as_it_is(file: &'a RealFile) -> Sent<'a> {
        Sent { file, repacked: None }
    }

    /// As FLAC, where the recording of this name is a WAV that would come back as it is. Takes a while for a long one, during which
    /// `goes_on` is asked.
    pub fn as_flac(file: &'a RealFile, name: &str, goes_on: impl FnMut() -> bool) -> Result<Sent<'a>, Trouble> {
        let Some(flac) = repack::flac_name(name) else { return Ok(Sent::as_it_is(file)) };
        match Repacked::new(file, goes_on) {
            Ok(repacked) => Ok(Sent { file, repacked: Some((repacked, flac)) }),
            Err(No::Stays(why)) => {
                log::info!(target: "uploader", "{name}: sent as it is, not as FLAC: {why}");
                Ok(Sent::as_it_is(file))
            }
            Err(No::Halted) => Err(Trouble::Halted),
            Err(No::Io(e)) => Err(Trouble::File(format!("cannot be read: {e}"))),
        }
    }

    pub fn is_converted(&self) -> bool {
        self.repacked.is_some()
    }

    /// What the recording of this name is called there.
    pub fn name<'n>(&'n self, name: &'n str) -> &'n str {
        self.repacked.as_ref().map_or(name, |(_, flac)| flac)
    }

    pub fn body(&self) -> &dyn ReadAt {
        match &self.repacked {
            Some((repacked, _)) => repacked,
            None => self.file,
        }
    }
}
