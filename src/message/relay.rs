//! Mounts that sources elsewhere feed, for listeners elsewhere: what an Icecast is. One ring a mount, a cursor a listener; nothing
//! is decoded, nothing is kept when the source and the last listener are gone.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::mount::{Manner, Mount};
use crate::time::{Mono, Wall};

/// As Icecast has them: half a megabyte for the slow, 64 KiB at once for whoever comes.
pub const MANNER: Manner = Manner { ring: 512 << 10, burst: 64 << 10, lag: 384 << 10, chains: true, is_warm: true };

#[derive(Clone, Default)]
pub struct Settings {
    /// `None`: nobody may feed anything.
    pub source_password: Option<String>,
    /// `None`: nobody may look after it.
    pub admin_password: Option<String>,
    /// `None`: anybody may listen.
    pub listen_password: Option<String>,
    pub most_sources: usize,
    pub listeners_per_mount: usize,
    /// Paths that may be fed; `*` stands for any letters.
    pub patterns: Vec<String>,
    /// The path that listeners go on with while theirs has no source.
    pub fallback: Option<String>,
    /// A source that is silent for so long is gone.
    pub patience: Duration,
}

/// What a source says of itself and is known of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Media type.
    pub media: String,
    pub name: String,
    pub description: String,
    pub genre: String,
    pub url: String,
    /// kbit/s, as it says.
    pub bitrate: String,
    pub audio_info: String,
    pub is_public: bool,
    /// Its address and what it calls itself.
    pub peer: String,
    pub agent: String,
    pub began: Wall,
    pub since: Mono,
}

pub struct Relay {
    pub settings: Settings,
    pub began: Wall,
    mounts: Mutex<Vec<Arc<Relayed>>>,
    /// Sources and listeners since the start.
    pub sources: AtomicU64,
    pub listeners: AtomicU64,
}

/// A mount of the relay.
pub struct Relayed {
    /// With its slash in front.
    pub path: Arc<str>,
    pub mount: Arc<Mount>,
    /// `None`: it has no source just now.
    about: Mutex<Option<Arc<About>>>,
    pub bytes_read: AtomicU64,
    is_cut: AtomicBool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Another source feeds this mount.
    InUse,
    /// As many sources as there may be.
    Full,
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Relayed {
    pub fn about(&self) -> Option<Arc<About>> {
        lock(&self.about).clone()
    }

    /// Its source is sent away.
    pub fn cut(&self) {
        self.is_cut.store(true, Relaxed);
    }

    pub fn is_cut(&self) -> bool {
        self.is_cut.load(Relaxed)
    }
}

impl Relay {
    pub fn new(settings: Settings, began: Wall) -> Relay {
        Relay { settings, began, mounts: Mutex::default(), sources: AtomicU64::new(0), listeners: AtomicU64::new(0) }
    }

    /// Those that have a source, by their paths.
    pub fn fed(&self) -> Vec<Arc<Relayed>> {
        let mut fed: Vec<_> = lock(&self.mounts).iter().filter(|relayed| relayed.about().is_some()).cloned().collect();
        fed.sort_by(|a, b| a.path.cmp(&b.path));
        fed
    }

    /// The mount that listeners of this path hear: fed, or waiting for its source while there is another to hear.
    pub fn find(&self, path: &str) -> Option<Arc<Relayed>> {
        let mut mounts = lock(&self.mounts);
        self.tidy(&mut mounts);
        if let Some(found) = mounts.iter().find(|relayed| &*relayed.path == path && relayed.about().is_some()) {
            return Some(found.clone());
        }
        let fallback = self.settings.fallback.as_deref()?;
        let is_heard = mounts.iter().any(|relayed| &*relayed.path == fallback && relayed.about().is_some());
        let may_be_fed = self.settings.patterns.iter().any(|pattern| matches(pattern, path));
        (is_heard && may_be_fed).then(|| self.enter(&mut mounts, path))
    }

    /// From now on until the [`Feed`] is dropped, somebody feeds this path.
    pub fn feed(self: &Arc<Relay>, path: &str, about: About) -> Result<Feed, Refused> {
        let mut mounts = lock(&self.mounts);
        self.tidy(&mut mounts);
        if mounts.iter().any(|relayed| &*relayed.path == path && relayed.about().is_some()) {
            return Err(Refused::InUse);
        }
        if mounts.iter().filter(|relayed| relayed.about().is_some()).count() >= self.settings.most_sources {
            return Err(Refused::Full);
        }
        let relayed = self.enter(&mut mounts, path);
        relayed.is_cut.store(false, Relaxed);
        relayed.mount.set_title("");
        relayed.mount.open();
        let about = Arc::new(about);
        *lock(&relayed.about) = Some(about.clone());
        self.sources.fetch_add(1, Relaxed);
        Ok(Feed { relay: self.clone(), relayed, about })
    }

    /// The entry of a path, new or old; whoever should know where to go on is told.
    fn enter(&self, mounts: &mut Vec<Arc<Relayed>>, path: &str) -> Arc<Relayed> {
        let found = mounts.iter().find(|relayed| &*relayed.path == path).cloned();
        let entry = found.unwrap_or_else(|| {
            let mount = Arc::new(Mount::new(MANNER));
            mount.end(); // until its source begins
            let (about, bytes_read, is_cut) = (Mutex::default(), AtomicU64::new(0), AtomicBool::new(false));
            let relayed = Arc::new(Relayed { path: path.into(), mount, about, bytes_read, is_cut });
            mounts.push(relayed.clone());
            relayed
        });
        let heir = self.settings.fallback.as_deref().and_then(|path| mounts.iter().find(|relayed| &*relayed.path == path));
        if let Some(heir) = heir {
            for relayed in mounts.iter().filter(|relayed| !Arc::ptr_eq(relayed, heir)) {
                relayed.mount.set_heir(Some(heir.mount.clone()));
            }
        }
        entry
    }

    /// Without those that nobody feeds and nobody waits for.
    fn tidy(&self, mounts: &mut Vec<Arc<Relayed>>) {
        mounts.retain(|relayed| relayed.about().is_some() || Arc::strong_count(&relayed.mount) > 1);
    }
}

/// Somebody feeds a mount. Dropped, its listeners hear the end, or go on with the fallback.
pub struct Feed {
    relay: Arc<Relay>,
    pub relayed: Arc<Relayed>,
    about: Arc<About>,
}

impl Drop for Feed {
    fn drop(&mut self) {
        let mut about = lock(&self.relayed.about);
        if about.as_ref().is_some_and(|about| Arc::ptr_eq(about, &self.about)) {
            *about = None;
        }
        drop(about);
        self.relayed.mount.end();
        self.relay.tidy(&mut lock(&self.relay.mounts));
    }
}

/// Whether a path is of a pattern, in which `*` stands for any letters.
pub fn matches(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((front, rest)) => path
            .strip_prefix(front)
            .is_some_and(|tail| (0..=tail.len()).filter(|&at| tail.is_char_boundary(at)).any(|at| matches(rest, &tail[at..]))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relay(fallback: Option<&str>) -> Arc<Relay> {
        let settings = Settings {
            most_sources: 2,
            patterns: vec!["/mic-*.opus".into(), "/fill.opus".into()],
            fallback: fallback.map(str::to_owned),
            ..Settings::default()
        };
        Arc::new(Relay::new(settings, Wall(0)))
    }

    #[test]
    fn patterns() {
        for (pattern, path, want) in [
            ("/mic-*.opus", "/mic-ultramic.opus", true),
            ("/mic-*.opus", "/mic-.opus", true),
            ("/mic-*.opus", "/mic-a.mp3", false),
            ("/mic-*.opus", "/a/mic-a.opus", false),
            ("/*", "/a/b", true),
            ("/a", "/a", true),
            ("/a", "/ab", false),
            ("*a*b", "/xayb", true),
            ("*a*b", "/xbya", false),
        ] {
            assert_eq!(matches(pattern, path), want, "{path} of {pattern}");
        }
    }

    #[test]
    fn a_mount_has_one_source_and_there_are_only_so_many() {
        let relay = relay(None);
        let first = relay.feed("/a", About::default()).expect("fed");
        assert_eq!(relay.feed("/a", About::default()).err(), Some(Refused::InUse));
        let second = relay.feed("/b", About::default()).expect("fed");
        assert_eq!(relay.feed("/c", About::default()).err(), Some(Refused::Full));
        assert_eq!(relay.fed().iter().map(|relayed| relayed.path.to_string()).collect::<Vec<_>>(), ["/a", "/b"]);
        assert!(relay.find("/a").is_some() && relay.find("/c").is_none());
        drop((first, second));
        assert!(relay.fed().is_empty() && relay.find("/a").is_none() && lock(&relay.mounts).is_empty());
    }

    #[test]
    fn the_fallback_is_heard_while_the_source_is_away() {
        let relay = relay(Some("/fill.opus"));
        assert!(relay.find("/mic-1.opus").is_none(), "there is nothing to fall back to");
        let _fill = relay.feed("/fill.opus", About::default()).expect("fed");
        assert!(relay.find("/other.opus").is_none(), "nobody may ever feed it");
        let waiting = relay.find("/mic-1.opus").expect("the fallback");
        let listener = waiting.mount.listen(Default::default());
        let fed = relay.feed("/mic-1.opus", About::default()).expect("fed");
        assert!(Arc::ptr_eq(&fed.relayed.mount, &waiting.mount), "who waits for it hears it");
        drop((listener, waiting));
    }
}
