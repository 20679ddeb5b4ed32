//! alsa-sys 0.6 under the number of 0.3: see `Cargo.toml`.

pub use alsa_sys_06::*;
