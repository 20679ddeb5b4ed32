use std::convert::Infallible;

use super::*;

fn mount(ring: usize, burst: usize, lag: usize) -> Arc<Mount> {
    Arc::new(Mount::new(Manner { ring, burst, lag, chains: true, is_warm: false }))
}

/// What it hears until there is nothing for the moment, in pieces of at most `most`; "!" where it is over.
fn hear(listener: &mut Listener, most: usize) -> String {
    let mut all = String::new();
    loop {
        match listener.look() {
            Outlook::Nothing => return all,
            Outlook::Over => return all + "!",
            Outlook::Bytes => {}
        }
        let take = |bytes: &[u8]| {
            let taken = bytes.len().min(most);
            all.push_str(std::str::from_utf8(&bytes[..taken]).expect("text"));
            Ok::<_, Infallible>(taken)
        };
        listener.take(take).expect("taken");
    }
}

fn take(listener: &mut Listener, count: usize) -> String {
    let mut some = String::new();
    while some.len() < count && listener.look() == Outlook::Bytes {
        let left = count - some.len();
        let take = |bytes: &[u8]| {
            let taken = bytes.len().min(left);
            some.push_str(std::str::from_utf8(&bytes[..taken]).expect("text"));
            Ok::<_, Infallible>(taken)
        };
        listener.take(take).expect("taken");
    }
    some
}

#[test]
fn who_joins_hears_the_header_and_then_from_the_start_of_a_unit() {
    let mount = mount(32, 7, 32);
    let mut first = mount.listen(Client::default());
    mount.begin(b"H:");
    mount.push(b"aaa ");
    assert_eq!(hear(&mut first, 2), "H:aaa ");
    for unit in ["bbb ", "cc ", "dd "] {
        mount.push(unit.as_bytes());
    }
    let mut second = mount.listen(Client::default());
    assert_eq!((hear(&mut first, 100).as_str(), hear(&mut second, 1).as_str()), ("bbb cc dd ", "H:cc dd "));
    mount.push(b"e ");
    assert_eq!((hear(&mut first, 1), hear(&mut second, 100)), ("e ".into(), "e ".into()));
    assert_eq!((mount.listeners(), first.jumps()), (2, 0));
}

#[test]
fn what_wraps_is_heard_as_it_was() {
    let mount = mount(10, 0, 10);
    let mut listener = mount.listen(Client::default());
    mount.begin(b"");
    for (n, most) in (0..50).zip([1, 2, 3, 100].into_iter().cycle()) {
        let unit = format!("{n:03},{n:03};");
        mount.push(unit.as_bytes());
        assert_eq!(hear(&mut listener, most), unit);
    }
}

#[test]
fn who_is_late_jumps_from_the_end_of_a_unit_to_the_start_of_another() {
    let mount = mount(24, 6, 12);
    let mut late = mount.listen(Client::default());
    mount.begin(b"");
    mount.push(b"(aaa)");
    assert_eq!(take(&mut late, 2), "(a");
    for unit in ["(bbb)", "(ccc)", "(ddd)"] {
        mount.push(unit.as_bytes());
    }
    assert_eq!((hear(&mut late, 2).as_str(), late.jumps()), ("aa)(ddd)", 1));
}

#[test]
fn who_stands_in_a_unit_that_is_gone_is_cut_off() {
    let mount = mount(12, 6, 6);
    let (mut late, mut on_time) = (mount.listen(Client::default()), mount.listen(Client::default()));
    mount.begin(b"");
    mount.push(b"(aaa)");
    assert_eq!(take(&mut late, 2), "(a");
    for unit in ["(bbb)", "(ccc)", "(ddd)"] {
        mount.push(unit.as_bytes());
    }
    assert_eq!(hear(&mut late, 9), "!");
    assert_eq!((hear(&mut on_time, 9).as_str(), on_time.jumps()), ("(ddd)", 1), "at the start of a unit one can always jump");
}

#[test]
fn who_stands_between_two_units_jumps_however_late_it_is() {
    let mount = mount(12, 6, 6);
    let mut late = mount.listen(Client::default());
    mount.begin(b"");
    mount.push(b"(aaa)");
    assert_eq!(hear(&mut late, 9), "(aaa)");
    for unit in ["(bbb)", "(ccc)", "(ddd)", "(eee)"] {
        mount.push(unit.as_bytes());
    }
    assert_eq!((hear(&mut late, 9).as_str(), late.jumps()), ("(eee)", 1));
}

#[test]
fn of_events_only_the_newest_is_of_interest() {
    let mount = mount(64, 0, 0);
    let mut listener = mount.listen(Client::default());
    mount.begin(b"");
    mount.push(b"one ");
    assert_eq!(take(&mut listener, 1), "o");
    for unit in ["two ", "three ", "four "] {
        mount.push(unit.as_bytes());
    }
    assert_eq!(hear(&mut listener, 3), "ne four ");
}

#[test]
fn another_stream_begins_with_its_header_after_the_end_of_the_first() {
    let mount = mount(64, 64, 64);
    let mut listener = mount.listen(Client::default());
    mount.begin(b"H1:");
    mount.push(b"aa ");
    mount.push(b"bb ");
    assert_eq!(take(&mut listener, 4), "H1:a");
    mount.begin(b"H2:");
    mount.push(b"cc ");
    mount.begin(b"H3:");
    mount.push(b"dd ");
    assert_eq!(hear(&mut listener, 2), "a bb H2:cc H3:dd ");
    mount.begin(b"H2:");
    mount.push(b"cc ");
    assert_eq!(hear(&mut listener, 2), "H2:cc ");
    assert_eq!(hear(&mut mount.listen(Client::default()), 9), "H2:cc ", "nobody joins in what is past");
    mount.end();
    assert_eq!(hear(&mut listener, 9), "!");
    mount.begin(b"H3:");
    assert_eq!(hear(&mut listener, 9), "H3:");
}

#[test]
fn a_stream_that_cannot_go_on_as_another_ends_with_it() {
    let mount = Arc::new(Mount::new(Manner { ring: 64, burst: 64, lag: 64, chains: false, is_warm: false }));
    let (mut early, mut fresh) = (mount.listen(Client::default()), mount.listen(Client::default()));
    mount.begin(b"H1:");
    mount.push(b"aa ");
    assert_eq!(hear(&mut early, 9), "H1:aa ");
    mount.begin(b"H2:");
    mount.push(b"bb ");
    assert_eq!((hear(&mut early, 9).as_str(), hear(&mut fresh, 9).as_str()), ("!", "H2:bb "));
}

#[test]
fn for_nobody_nothing_is_kept() {
    let mount = mount(64, 64, 64);
    mount.begin(b"H:");
    mount.push(b"unheard ");
    let mut listener = mount.listen(Client::default());
    assert_eq!(hear(&mut listener, 9), "H:");
    mount.push(b"heard ");
    assert_eq!(hear(&mut listener, 9), "heard ");
    drop(listener);
    mount.push(b"unheard ");
    assert!(mount.ring().bytes.is_empty() && mount.listeners() == 0);
    assert_eq!(hear(&mut mount.listen(Client::default()), 9), "H:");
}

#[test]
fn who_comes_after_the_end_of_one_stream_waits_for_the_next() {
    let mount = Arc::new(Mount::new(Manner { ring: 64, burst: 0, lag: 64, chains: false, is_warm: false }));
    let mut first = mount.listen(Client::default());
    mount.begin(b"H1:");
    mount.push(b"aa ");
    assert_eq!(hear(&mut first, 9), "H1:aa ");
    drop(first);
    mount.rest();
    assert!(mount.ring().bytes.is_empty(), "nothing is kept for nobody");
    mount.rest();
    let mut second = mount.listen(Client::default());
    assert_eq!(hear(&mut second, 9), "");
    mount.begin(b"H2:");
    mount.push(b"bb ");
    assert_eq!(hear(&mut second, 9), "H2:bb ");
}

#[test]
fn what_is_larger_than_the_ring_is_heard_by_nobody() {
    let mount = mount(4, 4, 4);
    let mut listener = mount.listen(Client::default());
    mount.begin(b"");
    for unit in ["12345", "", "1234"] {
        mount.push(unit.as_bytes());
    }
    assert_eq!(hear(&mut listener, 9), "1234");
}

#[test]
fn on_a_warm_mount_there_is_something_for_the_first_one() {
    let mount = Arc::new(Mount::new(Manner { ring: 64, burst: 7, lag: 64, chains: true, is_warm: true }));
    mount.begin(b"H:");
    for unit in ["aaa ", "bbb ", "ccc "] {
        mount.push(unit.as_bytes());
    }
    mount.append(b"c ");
    assert_eq!(hear(&mut mount.listen(Client::default()), 9), "H:ccc c ", "nobody begins in the middle of a unit");
}

#[test]
fn who_comes_before_a_source_says_anything_waits_for_it() {
    let mount = Arc::new(Mount::new(Manner { ring: 64, burst: 64, lag: 64, chains: true, is_warm: true }));
    for stream in ["H1:", "H2:"] {
        mount.open();
        let mut early = mount.listen(Client::default());
        assert_eq!((hear(&mut early, 9).as_str(), mount.is_running()), ("", false));
        mount.begin(stream.as_bytes());
        mount.push(b"a ");
        assert_eq!((hear(&mut early, 9), mount.is_running()), (format!("{stream}a "), true));
        mount.end();
        assert_eq!((hear(&mut early, 9).as_str(), mount.is_running()), ("!", false));
    }
}

#[test]
fn who_is_sent_away_leaves() {
    let mount = mount(64, 0, 64);
    let client = Client { peer: "10.0.0.7".into(), agent: "mpv".into(), since: Mono(5) };
    let (mut one, mut two) = (mount.listen(client.clone()), mount.listen(Client::default()));
    mount.begin(b"H:");
    let seats = mount.seats();
    assert_eq!((seats.len(), &seats[0].client), (2, &client));
    assert!(mount.cut(seats[0].id) && !mount.cut(u64::MAX));
    assert_eq!((hear(&mut one, 9).as_str(), hear(&mut two, 9).as_str()), ("!", "H:"));
    drop(one);
    assert_eq!((mount.seats().len(), mount.listeners(), mount.peak()), (1, 1, 2));
}

#[test]
fn who_must_jump_again_and_again_is_cut_off() {
    let mount = mount(12, 6, 6);
    let mut late = mount.listen(Client::default());
    mount.begin(b"");
    let mut heard = 0;
    for _ in 0..100 {
        for unit in ["(aaa)", "(bbb)", "(ccc)"] {
            mount.push(unit.as_bytes());
        }
        heard += take(&mut late, 5).len();
    }
    assert_eq!((late.look(), late.jumps(), heard), (Outlook::Over, 16, 16 * 5));
}

#[test]
fn an_heir_is_heard_while_there_is_nothing() {
    let manner = Manner { ring: 64, burst: 64, lag: 64, chains: true, is_warm: true };
    let [home, heir] = [(); 2].map(|()| Arc::new(Mount::new(manner)));
    heir.begin(b"h:");
    heir.push(b"x ");
    home.set_heir(Some(heir.clone()));
    home.begin(b"H:");
    let mut listener = home.listen(Client::default());
    home.push(b"a ");
    assert_eq!(hear(&mut listener, 9), "H:a ");
    home.end();
    assert_eq!(hear(&mut listener, 9), "h:x ");
    assert_eq!((home.listeners(), heir.listeners()), (0, 1));
    home.begin(b"H:");
    home.push(b"b ");
    heir.push(b"y ");
    assert_eq!(hear(&mut listener, 9), "H:b ");
    assert_eq!((home.listeners(), heir.listeners()), (1, 0));
    home.end();
    heir.end();
    assert_eq!(hear(&mut listener, 9), "!");
}

/// Whatever is pushed and however it is taken, one hears whole units in their order, but for the last.
#[test]
fn any_history() {
    let mut seed = 7_u64;
    let mut below = |most: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % most
    };
    for _ in 0..300 {
        let (ring, lag) = (20 + below(200) as usize, below(100) as usize);
        let mount = mount(ring, below(100) as usize, lag.min(ring));
        let mut listener = mount.listen(Client::default());
        mount.begin(b"");
        let (mut heard, mut next) = (String::new(), 0);
        for _ in 0..200 {
            for _ in 0..below(4) {
                mount.push(format!("{next}{},", "-".repeat(below(9) as usize)).as_bytes());
                next += 1;
            }
            if listener.look() == Outlook::Over {
                break;
            }
            heard += &take(&mut listener, below(40) as usize);
        }
        let units: Vec<&str> = heard.split_inclusive(',').filter(|unit| unit.ends_with(',')).collect();
        let numbers: Vec<u32> =
            units.iter().map(|unit| unit.trim_end_matches(['-', ',']).parse().expect("a whole unit")).collect();
        assert!(numbers.windows(2).all(|two| two[0] < two[1]), "{numbers:?}");
        assert!(listener.jumps() > 0 || numbers.windows(2).all(|two| two[0] + 1 == two[1]), "{numbers:?}");
    }
}

#[test]
fn the_ring_grows_for_the_slow_and_for_nobody_else() {
    let mount = mount(256 << 10, 4 << 10, 256 << 10);
    let length = || mount.ring().bytes.len() >> 10;
    let unit = |n: usize| format!("{n:05} ").repeat(200);
    let (mut quick, mut slow) = (mount.listen(Client::default()), None);
    mount.begin(b"");
    let mut said: String = (498..501).map(unit).collect();
    for n in 0..1_000 {
        mount.push(unit(n).as_bytes());
        assert_eq!(hear(&mut quick, 500), unit(n));
        if n == 500 {
            assert_eq!(length(), 64, "nobody is late");
            slow = Some(mount.listen(Client::default()));
        } else if (501..600).contains(&n) {
            said += &unit(n);
        }
        if n == 599 {
            assert_eq!(length(), 128, "one is");
            assert_eq!(slow.as_mut().map(|slow| hear(slow, 777)), Some(said.clone()));
        }
    }
    // It has heard nothing for 400 units.
    assert_eq!(length(), 256);
    assert_eq!(
        (quick.jumps(), slow.as_mut().map(|slow| hear(slow, 777).len() > 1_200), slow.map(|slow| slow.jumps())),
        (0, Some(true), Some(1))
    );
}
