//! A connection to an MQTT 3.1.1 broker that only publishes.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::{Fault, FaultKind};
use crate::format::mqtt;

/// For each step of connecting, and for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How soon a stop is noticed.
const SLICE: Duration = Duration::from_millis(250);

/// Where and as whom; nothing of it but the host is ever shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Broker {
    pub host: String,
    pub port: u16,
    /// Name and password.
    pub account: Option<(String, String)>,
}

impl Broker {
    fn fault(&self, kind: FaultKind, what: impl std::fmt::Display) -> Fault {
        Fault::new(kind, format!("mqtt://{}:{}: {what}", self.host, self.port))
    }
}

pub struct Session {
    stream: TcpStream,
    broker: Broker,
}

impl Session {
    /// `will`: what the broker publishes, retained, when this connection is gone without a word.
    pub fn connect(
        broker: &Broker,
        id: &str,
        keep_alive: Duration,
        will: (&str, &str),
        stop: &AtomicBool,
    ) -> Result<Session, Fault> {
        let retry = |e: std::io::Error| broker.fault(FaultKind::Retry, e);
        let mut last = broker.fault(FaultKind::Retry, "the name is not known");
        for address in (broker.host.as_str(), broker.port).to_socket_addrs().map_err(retry)?.take(4) {
            match TcpStream::connect_timeout(&address, PATIENCE) {
                Ok(stream) => {
                    stream
                        .set_read_timeout(Some(SLICE))
                        .and_then(|()| stream.set_write_timeout(Some(PATIENCE)))
                        .map_err(retry)?;
                    let mut session = Session { stream, broker: broker.clone() };
                    return session.enter(id, keep_alive, will, stop).map(|()| session);
                }
                Err(e) => last = retry(e),
            }
        }
        Err(last)
    }

    fn enter(&mut self, id: &str, keep_alive: Duration, will: (&str, &str), stop: &AtomicBool) -> Result<(), Fault> {
        let seconds = u16::try_from(keep_alive.as_secs()).unwrap_or(u16::MAX);
        let account = self.broker.account.as_ref().map(|(name, password)| (name.as_str(), password.as_str()));
        let packet = mqtt::connect(id, seconds, will, account);
        self.send(&packet.ok_or_else(|| self.broker.fault(FaultKind::Config, "name, password or topic are too long"))?)?;
        let mut answer = [0; 4];
        self.receive(&mut answer, stop)?;
        match mqtt::connack(answer) {
            Some(0) => Ok(()),
            Some(4 | 5) => {
                Err(self.broker.fault(FaultKind::Refused, "refuses name and password: correct them in the configuration"))
            }
            Some(code) => Err(self.broker.fault(FaultKind::Retry, format_args!("refuses the connection (code {code})"))),
            None => Err(self.broker.fault(FaultKind::Retry, "what answers is no MQTT broker")),
        }
    }

    /// Retained, at most once: it is told anew all the time.
    pub fn publish(&mut self, topic: &str, text: &str) -> Result<(), Fault> {
        let packet = mqtt::publish(topic, text);
        self.send(&packet.ok_or_else(|| self.broker.fault(FaultKind::Config, "a message is too long"))?)
    }

    /// Whether the broker still answers.
    pub fn ping(&mut self, stop: &AtomicBool) -> Result<(), Fault> {
        self.send(&mqtt::PINGREQ)?;
        self.receive(&mut [0; mqtt::PINGRESP_BYTES], stop)
    }

    /// With a word: there is no last will then.
    pub fn leave(mut self) {
        let _ = self.send(&mqtt::DISCONNECT);
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.stream.write_all(bytes).map_err(|e| self.broker.fault(FaultKind::Retry, e))
    }

    fn receive(&mut self, space: &mut [u8], stop: &AtomicBool) -> Result<(), Fault> {
        let (until, mut have) = (Instant::now() + PATIENCE, 0);
        while have < space.len() {
            match self.stream.read(&mut space[have..]) {
                Ok(0) => return Err(self.broker.fault(FaultKind::Retry, "closed the connection")),
                Ok(length) => have += length,
                Err(e) if [ErrorKind::WouldBlock, ErrorKind::TimedOut, ErrorKind::Interrupted].contains(&e.kind()) => {
                    if stop.load(Relaxed) || Instant::now() >= until {
                        return Err(self.broker.fault(FaultKind::Retry, "does not answer"));
                    }
                }
                Err(e) => return Err(self.broker.fault(FaultKind::Retry, e)),
            }
        }
        Ok(())
    }
}
