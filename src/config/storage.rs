//! `[storage]`: how long recordings are kept, and what goes first when the room is needed. What concerns single recordings a source
//! may have otherwise.

use super::keys;
use super::reader::Reader;

/// Of every folder that is recorded to.
#[derive(Clone, Debug, PartialEq)]
pub struct Storage {
    pub when_full: WhenFull,
    /// From this score on a recording that nobody has reviewed goes last.
    pub high_score_db: f64,
    /// What a source has that does not say otherwise; and recordings of sources that are in the configuration no more.
    pub kept: Kept,
}

/// How the recordings of a source are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kept {
    /// Sound of so many hours, of all that is recorded into the folder, still fits in; of several sources the largest holds.
    pub min_free_hours: f64,
    pub min_free_bytes: u64,
    /// `None`: until the room is needed.
    pub retention_days: Option<f64>,
    /// Age deletes nothing that is nowhere else. A full disk does, last.
    pub expire_only_uploaded: bool,
    /// Older ones are kept as their sections and an Opus of the whole; `None`: as they are.
    pub full_days: Option<f64>,
    /// After those, as their sections alone; `None`: never.
    pub opus_days: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// Old recordings give way to new ones.
    Delete,
    /// They do not: the sound waits in memory, and then it is lost.
    Stop,
}

impl Storage {
    pub fn read(reader: &mut Reader) -> Storage {
        Storage {
            when_full: reader.get(&keys::WHEN_FULL),
            high_score_db: reader.get(&keys::HIGH_SCORE),
            kept: Kept::read(reader),
        }
    }
}

impl Kept {
    pub fn read(reader: &mut Reader) -> Kept {
        Kept {
            min_free_hours: reader.get(&keys::MIN_FREE_HOURS),
            min_free_bytes: reader.get(&keys::MIN_FREE_BYTES),
            retention_days: reader.get(&keys::RETENTION_DAYS),
            expire_only_uploaded: reader.get(&keys::EXPIRE_ONLY_UPLOADED),
            full_days: reader.get(&keys::FULL_DAYS),
            opus_days: reader.get(&keys::OPUS_DAYS),
        }
    }

    /// Of a source, whose days may contradict each other.
    pub fn of_source(reader: &mut Reader) -> Kept {
        let kept = Kept::read(reader);
        let (full, opus) = (&keys::FULL_DAYS.about, &keys::OPUS_DAYS.about);
        if kept.opus_days.is_some() && kept.full_days.is_none() {
            reader
                .warn(reader.line_of(opus), "opus_days begins when full_days is over: without full_days nothing is kept in less");
        }
        if kept.full_days.zip(kept.retention_days).is_some_and(|(full, all)| full >= all) {
            let text =
                "recordings are deleted (retention_days) before full_days is over: want less full_days, or more of the other";
            reader.warn(reader.line_of(full), text);
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::config::environment::Environment;

    #[test]
    fn days_that_contradict_each_other_are_told() {
        let told = |storage: &str, source: &str| -> Vec<(u32, String)> {
            let text = format!("[storage]\n{storage}[mic]\ntype = tone\n{source}");
            let parsed = Config::parse(text.as_bytes(), "x.ini", &Environment::default());
            parsed
                .problems
                .into_iter()
                .map(|problem| (problem.line, problem.text.split(' ').next().unwrap_or("").into()))
                .collect()
        };
        let cases = [
            ("full_days = 3\nopus_days = 30\nretention_days = 90\n", "", None),
            ("opus_days = 30\n", "", Some((3, "opus_days"))),
            ("opus_days = 30\n", "full_days = 3\n", None),
            ("full_days = 3\n", "retention_days = 3\n", Some((3, "recordings"))),
            ("", "retention_days = 5\nfull_days = 9\n", Some((5, "recordings"))),
        ];
        for (storage, source, want) in cases {
            let want: Vec<(u32, String)> = want.into_iter().map(|(line, word)| (line, word.to_owned())).collect();
            assert_eq!(told(storage, source), want, "{storage}{source}");
        }
    }
}
