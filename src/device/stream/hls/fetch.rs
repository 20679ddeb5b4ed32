//! Segments and their headers, as bytes over HTTP.

use std::time::Duration;

use super::super::address::Address;
use super::super::agent::{Body, Client};
use super::PATIENCE;
use crate::device::Fault;
use crate::format::hls::{ByteRange, Media};

/// Read from a segment at once. Of MP4 it may become eight times as much.
pub const PIECE_BYTES: usize = 2 << 10;
/// An EXT-X-MAP is a few hundred bytes.
const MAP_BYTES: usize = 256 << 10;

/// A segment that is being fetched.
pub struct Open {
    pub body: Body,
    pub number: u64,
    /// Bytes of the answer that stand before what is wanted.
    pub skip: u64,
    /// Bytes of the byte range that are still to come.
    pub left: Option<u64>,
    pub taken: u64,
}

impl Open {
    /// Fewer bytes than there is space for: the segment is whole.
    pub fn fill(&mut self, space: &mut [u8]) -> Result<usize, Fault> {
        let mut have = 0;
        let mut dust = [0; 1_024];
        while self.skip > 0 {
            let most = usize::try_from(self.skip).map_or(dust.len(), |skip| skip.min(dust.len()));
            match self.body.read(&mut dust[..most])? {
                0 => return Ok(0),
                n => self.skip -= n as u64, // no more than was asked for
            }
        }
        while have < space.len() {
            let room = space.len() - have;
            let most = self.left.map_or(room, |left| usize::try_from(left).map_or(room, |left| left.min(room)));
            let n = if most == 0 { 0 } else { self.body.read(&mut space[have..have + most])? };
            if n == 0 {
                break;
            }
            have += n;
            self.left = self.left.map(|left| left.saturating_sub(n as u64));
        }
        Ok(have)
    }
}

/// A segment that takes longer than this never comes in time.
pub fn patience(media: &Media) -> Duration {
    PATIENCE.max(Duration::from_millis(u64::from(media.target_ms) * 3))
}

/// The answer, and how many bytes of it stand before the range: servers may give all.
pub fn open(client: &Client, address: &Address, range: Option<ByteRange>) -> Result<(Body, u64), Fault> {
    let asked = range.map(|range| (range.from, range.from.saturating_add(range.bytes.max(1) - 1)));
    let body = client.open(&address.url, address.auth.as_ref(), asked)?;
    let is_part = body.header("content-range").is_some();
    Ok((body, range.filter(|_| !is_part).map_or(0, |range| range.from)))
}

pub fn map_bytes(client: &Client, address: &Address, range: Option<ByteRange>) -> Result<Vec<u8>, Fault> {
    let (body, skip) = open(client, address, range)?;
    let left = Some(range.map_or(MAP_BYTES as u64, |range| range.bytes.min(MAP_BYTES as u64)));
    let mut open = Open { body, number: 0, skip, left, taken: 0 };
    let mut bytes = Vec::new();
    loop {
        let mut space = [0; PIECE_BYTES];
        let n = open.fill(&mut space)?;
        bytes.extend_from_slice(space.get(..n).unwrap_or_default());
        if n < PIECE_BYTES {
            return Ok(bytes);
        }
    }
}
