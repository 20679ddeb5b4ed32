//! Shelves as text to what goes, in order: `name source day facts`, a line for each recording.

use std::convert::Infallible;

use super::*;

/// High, for these.
const HIGH: Centibel = Centibel(2_400);
const TODAY: i64 = 20_000; // days since 1970

struct Listed(Vec<Candidate>);

impl Shelf for Listed {
    type Error = Infallible;

    fn sources(&mut self) -> Result<Vec<String>, Infallible> {
        let mut sources: Vec<String> = self.0.iter().map(|one| one.source.clone()).collect();
        sources.sort();
        sources.dedup();
        Ok(sources)
    }

    fn oldest(&mut self, source: &str, is_uploaded: bool, from: Wall) -> Result<Option<Candidate>, Infallible> {
        let is_it = |one: &&Candidate| one.source == source && one.rank.is_uploaded() == is_uploaded && one.start >= from;
        Ok(self.0.iter().filter(is_it).min_by_key(|one| one.start).cloned())
    }

    fn first(&mut self) -> Result<Option<Candidate>, Infallible> {
        Ok(self.0.iter().min_by_key(|one| (one.rank, one.start)).cloned())
    }
}

/// `day` counts back from today. Words: `up`, `plain` (analysed, nothing found), `new` (not analysed), a score in dB, `seen`.
fn candidate(line: &str) -> Candidate {
    let mut words = line.split_whitespace();
    let mut word = || words.next().expect("a word");
    let (name, source, day) = (word().to_owned(), word().to_owned(), word().parse::<i64>().expect("days"));
    let mut facts = Evidence { is_uploaded: false, sections: Some(1), best: Some(Centibel(1_500)), is_reviewed: false };
    for word in words {
        match word {
            "up" => facts.is_uploaded = true,
            "plain" => (facts.sections, facts.best) = (Some(0), None),
            "new" => (facts.sections, facts.best) = (None, None),
            "seen" => facts.is_reviewed = true,
            db => facts.best = Some(Centibel(db.parse::<i16>().expect("dB") * 100)),
        }
    }
    let start = Wall((TODAY - day) * 86_400 * SECOND_NS);
    Candidate { name, source, start, bytes: 100, rank: facts.rank(HIGH) }
}

fn rules(others: Age) -> Rules {
    let bats = Age { days: Some(10.0), only_uploaded: true };
    Rules {
        min_free_hours: 2.0,
        min_free_bytes: 500,
        makes_room: true,
        high_score: HIGH,
        sources: vec![Source { name: "bats".into(), age: bats, expected_bytes_per_hour: 1_000.0 }],
        others,
    }
}

/// All that goes, in order, when so many recordings' room is missing.
fn goes(rules: &Rules, missing: usize, is_clock_right: bool, lines: &[&str]) -> String {
    let mut shelf = Listed(lines.iter().map(|line| candidate(line)).collect());
    let now = is_clock_right.then_some(Wall(TODAY * 86_400 * SECOND_NS));
    let (mut gone, mut made) = (Vec::new(), 0);
    loop {
        let Ok(next) = rules.next(now, made < missing, &mut shelf);
        match next {
            Next::Delete(it, reason) => {
                shelf.0.retain(|one| one.name != it.name);
                made += 1;
                gone.push(match reason {
                    Reason::Age { .. } => format!("{} (age)", it.name),
                    Reason::Room(_) | Reason::Reduced { .. } => it.name,
                });
            }
            Next::Nothing => return gone.join(" "),
            Next::Stuck => return format!("{} stuck", gone.join(" ")),
        }
    }
}

#[test]
fn the_order_is_that_of_the_evidence() {
    let shelf = [
        "a mic 9 30",       // only here, high, nobody has looked
        "b mic 8 30 seen",  // only here
        "c mic 7 plain",    // only here, nothing in it
        "d mic 6 30 up",    // elsewhere, high
        "e mic 5 up",       // elsewhere
        "f mic 4 plain up", // elsewhere, nothing in it
        "g mic 3 new up",   // elsewhere, not analysed
        "h mic 2 new",      // only here, not analysed
        "i mic 1 plain up", //
    ];
    let kept = rules(Age::default());
    for (missing, want) in [
        (0, ""),
        (1, "f"),
        (3, "f i e"),
        (5, "f i e g d"),
        (8, "f i e g d c b h"),
        (9, "f i e g d c b h a"),
        (10, "f i e g d c b h a stuck"),
    ] {
        assert_eq!(goes(&kept, missing, true, &shelf), want);
    }
    let stops = Rules { makes_room: false, ..kept };
    assert_eq!(goes(&stops, 1, true, &shelf), " stuck");
}

#[test]
fn age_deletes_what_is_elsewhere_first_and_by_source() {
    let days = |days, only_uploaded| rules(Age { days: Some(days), only_uploaded });
    let shelf = ["a mic 40", "b mic 35 up", "c mic 31 30 up", "d mic 29 up", "e mic 1", "f bats 12", "g bats 11 up"];
    // While d is there, a stays.
    assert_eq!(goes(&days(30.0, false), 0, true, &shelf), "g (age) b (age) c (age)");
    assert_eq!(goes(&days(28.0, false), 0, true, &shelf), "g (age) b (age) c (age) d (age) a (age)");
    assert_eq!(goes(&days(28.0, true), 0, true, &shelf), "g (age) b (age) c (age) d (age)");
    assert_eq!(goes(&days(0.5, true), 6, true, &shelf), "g (age) b (age) c (age) d (age) a f");
    // Nobody knows what day it is.
    assert_eq!(goes(&days(0.5, false), 0, false, &shelf), "");
    // A recording of a clock that was never set has no age, and goes for room like others.
    assert_eq!(goes(&days(30.0, false), 0, true, &["a mic 19999"]), "");
    assert_eq!(goes(&days(30.0, false), 1, true, &["a mic 19999", "b mic 9"]), "a");
    // Without days nothing has an age.
    assert_eq!(goes(&rules(Age::default()), 0, true, &["a mic 15000 up"]), "");
}

#[test]
fn the_floor_is_the_larger_of_both_and_never_more_than_half() {
    let kept = rules(Age::default());
    for (per_hour, total, want) in [
        (0.0, 1 << 40, 500),
        (1_000.0, 1 << 40, 2_000),
        (1_000.0, 3_000, 1_500),
        (f64::INFINITY, u64::MAX, 1_000_000_000_000_000_000),
    ] {
        assert_eq!(kept.floor_bytes(per_hour, total), want, "{per_hour} in {total}");
    }
}

#[test]
fn reasons_are_sentences() {
    assert_eq!(Reason::Age { days: 30.0 }.to_string(), "older than 30 days");
    assert_eq!(Reason::Room(Rank(0)).to_string(), "for room: uploaded, and nothing stands out in it");
    let all: std::collections::BTreeSet<_> = (0..Rank::COUNT).map(|rank| Rank(rank).words()).collect();
    assert_eq!(all.len(), usize::from(Rank::COUNT));
}
