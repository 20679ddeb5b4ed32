//! Bookmarks: moments that somebody marked in a recording. They stand in its sidecar once that is written; those of recordings that
//! are not finished in a list of their own beside the sidecars, so that they outlive a fall.

use serde_json::{Map, Value};

use super::sidecar::Sidecar;

/// Key of the sidecar.
pub const KEY: &str = "bookmarks";

/// In the folder of the sidecars.
pub const LIST: &str = ".bookmarks.json";

/// By the path of the recording below its folder.
pub type Lists = Map<String, Value>;

/// A list that cannot be read is none.
pub fn read(bytes: &[u8]) -> Lists {
    serde_json::from_slice(bytes).unwrap_or_default()
}

/// One that is there already is not added.
pub fn push(lists: &mut Lists, key: &str, bookmark: Value) {
    match lists.get_mut(key) {
        Some(Value::Array(list)) if list.contains(&bookmark) => {}
        Some(Value::Array(list)) => list.push(bookmark),
        _ => _ = lists.insert(key.to_owned(), vec![bookmark].into()),
    }
}

pub fn of<'a>(lists: &'a Lists, name: &str) -> &'a [Value] {
    lists.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Those of this recording, into its sidecar.
pub fn add(sidecar: &mut Sidecar, lists: &Lists, name: &str) {
    for bookmark in of(lists, name) {
        push(&mut sidecar.other, KEY, bookmark.clone());
    }
}
