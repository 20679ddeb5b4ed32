//! WAV as soundpost writes it: RIFF with `bext`, `guan`, `fmt ` and last `data`, so that the file grows at its end and two
//! sizes are all that ever changes. Reading takes what others write too: see `parse`.
//!
//! ```text
//! RIFF size WAVE | bext 602 + coding history | guan text | fmt | data size | frames ... | pad byte if odd
//! ```

mod fmt;
mod header;
mod mend;
mod parse;
mod samples;
mod verify;

pub use fmt::SampleKind;
pub(crate) use header::bext;
pub use header::{MAX_BYTES, data_bytes_at, endless_format, endless_header, header, pad_bytes, size_patches};
pub use mend::mend;
pub use parse::{Parsed, parse};
pub use samples::Samples;
pub use verify::verify;
