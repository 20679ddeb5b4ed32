//! Pure: what do these samples mean? Fixed buffers, nothing allocated after `new`; no clocks, no files, no logs.
//!
//! What is told of a recording's sound is composed in [`analysis`]; which parts of it stand out, in [`section`].

pub mod analysis;
pub mod bands;
pub mod cells;
pub mod fft;
pub mod floor;
pub mod indices;
pub mod jitter;
pub mod lanes;
pub mod level;
pub mod meter;
pub mod pcm;
pub mod section;
pub mod spectra;
pub mod spectrum;
pub mod still;
pub mod stuck;
pub mod waterfall;

pub use analysis::{Analyzer, Scope, Shape};
pub use floor::floors;
pub use section::sections;
