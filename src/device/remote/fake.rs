//! A target in memory that does as a script says.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Manner, Parcel, Receipt, Remote, Trouble, Way, read_through};
use crate::policy::outbox::{State, numbered};

/// What stands there, by key.
pub type Stock = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

#[derive(Default)]
pub struct FakeRemote {
    pub stock: Stock,
    /// What becomes of the next sendings; all is well when there is nothing more.
    pub script: Arc<Mutex<VecDeque<Trouble>>>,
}

impl Remote for FakeRemote {
    fn send(&mut self, parcel: &Parcel, way: &mut dyn Way) -> Result<Receipt, Trouble> {
        way.stage(State::Sending(1, 1));
        if let Some(trouble) = self.script.lock().unwrap_or_else(PoisonError::into_inner).pop_front() {
            return Err(trouble);
        }
        let mut bytes = Vec::new();
        read_through(parcel.body, (0, parcel.bytes), way, |piece| bytes.extend_from_slice(piece))?;
        let mut stock = self.stock.lock().unwrap_or_else(PoisonError::into_inner);
        let mut keys = (1..).map(|n| numbered(parcel.key, n));
        let free = |key: &String| parcel.manner == Manner::Instead || stock.get(key).is_none_or(|there| *there == bytes);
        let key = keys.find(free).unwrap_or_default();
        stock.insert(key.clone(), bytes);
        Ok(Receipt { key, checksum: "fake".into() })
    }
}

/// A way on which nobody is in a hurry and nothing is asked for.
#[cfg(test)]
#[derive(Default)]
pub struct Calm {
    pub token: Option<String>,
    pub stages: Vec<State>,
}

#[cfg(test)]
impl Way for Calm {
    fn pass(&mut self, _: u64) -> bool {
        true
    }

    fn goes_on(&mut self) -> bool {
        true
    }

    fn stage(&mut self, state: State) {
        self.stages.push(state);
    }

    fn token(&self) -> Option<String> {
        self.token.clone()
    }

    fn keep(&mut self, token: &str) {
        self.token = Some(token.to_owned());
    }
}
