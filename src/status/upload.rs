//! How the uploads to one target stand, for whoever looks.

use std::sync::{Arc, Mutex, PoisonError};

use super::Alarm;
use crate::message::page::UploadStatus;

#[derive(Debug)]
pub struct TargetStatus {
    row: Mutex<UploadStatus>,
    /// Somebody should look after it.
    pub alarm: Arc<Alarm>,
}

impl TargetStatus {
    pub fn new(name: &str, kind: &'static str) -> TargetStatus {
        let row = UploadStatus { name: name.to_owned(), kind, state: "waiting", ..UploadStatus::default() };
        TargetStatus { row: Mutex::new(row), alarm: Arc::default() }
    }

    pub fn look(&self) -> UploadStatus {
        self.row.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn change(&self, change: impl FnOnce(&mut UploadStatus)) {
        change(&mut self.row.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
