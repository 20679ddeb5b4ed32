//! The machines of a lane and the loops that own them. An actor knows devices only by their traits, and no other actor; the
//! splitter is a machine without a loop of its own, hosted by the encoder.

pub mod analyser;
pub mod capture;
pub mod encoder;
pub mod gate;
pub mod health;
pub mod hooks;
pub mod http;
pub mod icecast;
pub mod librarian;
pub mod live;
pub mod monitor;
#[cfg(feature = "mqtt")]
pub mod mqtt;
pub mod notifier;
pub mod preview;
pub mod reducer;
pub mod side;
pub mod splitter;
pub mod store;
pub mod stream;
pub mod uploader;
