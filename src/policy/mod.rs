//! Pure: what should happen next? Every function takes the time as an argument; nothing here waits, opens or sends.

pub mod drift;
pub mod health;
pub mod hls;
pub mod hook;
pub mod joint;
pub mod lead;
pub mod limit;
pub mod mark;
pub mod name;
pub mod offset;
pub mod outbox;
pub mod reconnect;
pub mod retention;
pub mod retry;
pub mod schedule;
pub mod split;
pub mod sun;
pub mod tell;
pub mod tier;
pub mod trigger;
pub mod vital;

use std::fmt;

/// A setting that cannot be obeyed. The text is one sentence for the user: what is wrong and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid(pub String);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Invalid {}
