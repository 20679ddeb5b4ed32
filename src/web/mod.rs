//! Pure: what is asked by these bytes of a browser, and which bytes answer it? No sockets, no files, no clocks, no locks.
//!
//! ```text
//! head of a request ─► head ─► host (is it for us?) ─► route (what is asked?) ─► … ─► answer, json, exports, zip, asset
//! ```
//! The gate and the workers ([`crate::actor`]) compose these; whoever keeps the recordings does not know them.

pub mod admission;
pub mod answer;
pub mod asset;
pub mod auth;
pub mod chunked;
pub mod conditional;
pub mod exports;
pub mod gzip;
pub mod head;
pub mod health;
pub mod host;
pub mod icecast;
pub mod json;
pub mod media;
pub mod metrics;
pub mod range;
pub mod report;
pub mod route;
pub mod settings;
pub mod target;
pub mod zip;
