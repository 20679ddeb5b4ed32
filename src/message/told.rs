//! What people who are far away are told of an alarm.

use crate::time::{Mono, Wall};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// It began.
    Begun,
    /// It has held for another day.
    Holds,
    Over,
}

impl Word {
    pub const fn name(self) -> &'static str {
        match self {
            Word::Begun => "alarm",
            Word::Holds => "reminder",
            Word::Over => "over",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub word: Word,
    /// One line.
    pub text: String,
    /// When the alarm began.
    pub since: Wall,
    /// When this was said.
    pub at: Mono,
}
