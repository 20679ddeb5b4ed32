//! Who may come in when many knock: caps for one host and in all, and who has to leave for a newcomer.

use core::net::IpAddr;

use crate::time::Mono;

/// A live connection, as far as admission looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guest {
    pub host: Host,
    pub phase: Phase,
    pub since: Mono,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Its request is not whole: it costs nothing to send it away.
    Asking,
    /// It is answered.
    Served,
    /// It listens to events, for hours: it counts among those only.
    Listening,
    /// It hears a mount, for hours.
    Hearing,
    /// It feeds one.
    Feeding,
}

/// An address, or the network of 2^64 addresses that one IPv6 host has for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Host(IpAddr);

impl Host {
    pub fn of(address: IpAddr) -> Host {
        match address.to_canonical() {
            IpAddr::V4(four) => Host(four.into()),
            IpAddr::V6(six) => {
                let [a, b, c, d, ..] = six.segments();
                Host(core::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// Of requests, in all.
    pub requests: usize,
    /// Of requests, of one host.
    pub per_host: usize,
    /// Of those who listen to events.
    pub listeners: usize,
    /// Of those who hear mounts.
    pub hearers: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Welcome,
    /// The guest with this number must go first.
    Instead(usize),
    Full,
}

/// A newcomer of `host`. When there is no room, the oldest that has not yet said what it wants makes some, of the same host when
/// that is full: so sockets that say nothing keep nobody out.
pub fn enter(guests: &[Guest], host: Host, caps: Caps) -> Verdict {
    let requests = || guests.iter().enumerate().filter(|(_, guest)| matches!(guest.phase, Phase::Asking | Phase::Served));
    let oldest = |of: &dyn Fn(&Guest) -> bool| {
        let asking = requests().filter(|(_, guest)| guest.phase == Phase::Asking && of(guest));
        asking.min_by_key(|(_, guest)| guest.since).map_or(Verdict::Full, |(n, _)| Verdict::Instead(n))
    };
    if requests().filter(|(_, guest)| guest.host == host).count() >= caps.per_host {
        oldest(&|guest| guest.host == host)
    } else if requests().count() >= caps.requests {
        oldest(&|_| true)
    } else {
        Verdict::Welcome
    }
}

/// Whether one more may listen to events. One host has a quarter of the places, so that a forgotten script keeps nobody out.
pub fn may_listen(guests: &[Guest], host: Host, caps: Caps) -> bool {
    let listening = || guests.iter().filter(|guest| guest.phase == Phase::Listening);
    let of_host = listening().filter(|guest| guest.host == host).count();
    listening().count() < caps.listeners && of_host < (caps.listeners / 4).max(8)
}

/// Whether one more may hear a mount. One host may have all the places: a house or a school is one host.
pub fn may_hear(guests: &[Guest], caps: Caps) -> bool {
    guests.iter().filter(|guest| guest.phase == Phase::Hearing).count() < caps.hearers
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPS: Caps = Caps { requests: 4, per_host: 2, listeners: 10, hearers: 2 };

    /// Guests as `host phase` in order of their arrival, such as `1a 2s 2l`.
    fn guests(text: &str) -> Vec<Guest> {
        let guest = |(n, word): (usize, &str)| {
            let (host, phase) = word.split_at(1);
            let phase = match phase {
                "a" => Phase::Asking,
                "s" => Phase::Served,
                "h" => Phase::Hearing,
                "f" => Phase::Feeding,
                _ => Phase::Listening,
            };
            Guest { host: host_of(host), phase, since: Mono(n as i64) }
        };
        text.split_whitespace().enumerate().map(guest).collect()
    }

    fn host_of(digit: &str) -> Host {
        Host::of(format!("10.0.0.{digit}").parse().expect("an address"))
    }

    #[test]
    fn newcomers() {
        for (text, host, want) in [
            ("", "1", Verdict::Welcome),
            ("1a", "1", Verdict::Welcome),
            ("1a 1a", "1", Verdict::Instead(0)),
            ("1s 1a", "1", Verdict::Instead(1)),
            ("1s 1s", "1", Verdict::Full),
            ("1s 1s", "2", Verdict::Welcome),
            ("1l 1l 1l 1s", "1", Verdict::Welcome),
            ("1h 1h 1f 1s", "1", Verdict::Welcome),
            ("1s 2a 3s 4a", "5", Verdict::Instead(1)),
            ("1s 2s 3s 4s", "5", Verdict::Full),
            ("1s 1s 2a 3a", "1", Verdict::Full),
        ] {
            assert_eq!(enter(&guests(text), host_of(host), CAPS), want, "{host} comes to {text}");
        }
    }

    #[test]
    fn listeners() {
        let eight = "1l ".repeat(8);
        assert!(may_listen(&guests(""), host_of("1"), CAPS));
        assert!(!may_listen(&guests(&eight), host_of("1"), CAPS));
        assert!(may_listen(&guests(&eight), host_of("2"), CAPS));
        assert!(!may_listen(&guests(&format!("{eight} 2l 3l")), host_of("4"), CAPS));
        assert!(may_hear(&guests("1h 1l 1s 1f"), CAPS) && !may_hear(&guests("1h 1h"), CAPS));
    }

    #[test]
    fn one_ipv6_host_is_one_host() {
        let host = |text: &str| Host::of(text.parse().expect("an address"));
        assert_eq!(host("fd00::1"), host("fd00::2:3"));
        assert_ne!(host("fd00::1"), host("fd00:0:0:1::1"));
        assert_eq!(host("::ffff:10.0.0.1"), host("10.0.0.1"));
    }
}
