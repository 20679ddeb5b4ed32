//! Boxes inside a box that is at hand (ISO/IEC 14496-12, 4.2), without recursion: paths are fixed.

pub fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|b| u16::from_be_bytes(*b))
}

pub fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_be_bytes(*b))
}

pub fn be64(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|b| u64::from_be_bytes(*b))
}

/// Names and contents; ends where the lengths no longer fit.
pub fn children(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (head, whole) = match be32(rest, 0)? {
            0 => (8, rest.len()),
            1 => (16, usize::try_from(be64(rest, 8)?).ok()?),
            bytes => (8, bytes as usize),
        };
        let (name, body) = (rest.get(4..8)?, rest.get(head..whole)?);
        rest = rest.get(whole..)?;
        Some((name, body))
    })
}

pub fn child<'a>(bytes: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    children(bytes).find(|(found, _)| found == name).map(|(_, body)| body)
}

pub fn descend<'a>(bytes: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    path.iter().try_fold(bytes, |bytes, name| child(bytes, name))
}

/// Version and flags of a full box, and what follows them.
pub fn full(body: &[u8]) -> Option<(u32, &[u8])> {
    Some((be32(body, 0)?, body.get(4..)?))
}
