//! Pure: what do these samples mean? Fixed buffers, nothing allocated after `new`; no clocks, no files, no logs.

pub mod pcm;
pub mod stuck;
