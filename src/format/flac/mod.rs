//! FLAC streams as bytes (RFC 9639): headers built and parsed, coded frames found and checked, unfinished files mended.
//! Encoding belongs to `encode`; decoding goes through claxon, behind `decode` and nowhere else.
//!
//! ```text
//! fLaC | STREAMINFO | VORBIS_COMMENT | PADDING while it grows, SEEKTABLE when closed | coded frame | coded frame ...
//! ```
//! Both headers have the same length, so closing a file changes bytes but moves none.

mod decode;
mod frame;
mod header;
mod mend;
mod parse;
mod scan;
mod seek;
mod table;
mod verify;

pub use decode::{Decoded, Decoder};
pub(crate) use decode::{ENDS_IN_FRAME, decode_one};
pub use frame::{FrameHeader, Parse};
pub use header::{Final, FlacHeader, finish, header, header_of};
pub(crate) use header::{VORBIS_COMMENT, block_header, seek_block, vorbis_comment};
pub use mend::mend;
pub use parse::{Head, StreamInfo, parse, parse_stream_info};
pub(crate) use scan::find_sync;
pub use scan::{CodedFrame, Step, Stream, next_frame};
pub use seek::{Place, Walk, first_frame, last_coded_frame, locate, total_frames};
pub use table::{MAX_POINTS, POINT_BYTES, SeekTable, points_for};
pub use verify::verify;
