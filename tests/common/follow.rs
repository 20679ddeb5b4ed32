//! What never ends, over HTTP: the events, bars and sound of a recorder.
#![allow(dead_code)]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// A page's port is written in a configuration, so it must be found before.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port()
}

/// A connection on which the answer's head has been read: that, and the body.
pub fn follow(port: u16, path: &str) -> (String, BufReader<TcpStream>) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the page");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("asked");
    let mut body = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(body.read_line(&mut head).expect("a head") > 0, "{head}");
    }
    (head, body)
}

/// The data of the next event of that name; one without a name is "".
pub fn event(body: &mut impl BufRead, wanted: &str) -> Value {
    next_event(body, wanted).expect("the events end")
}

/// `None`: there are no more.
pub fn next_event(body: &mut impl BufRead, wanted: &str) -> Option<Value> {
    let (mut name, mut line) = (String::new(), String::new());
    loop {
        line.clear();
        if body.read_line(&mut line).expect("an event") == 0 {
            return None;
        }
        if let Some(text) = line.strip_prefix("event: ") {
            name = text.trim().to_owned();
        } else if let Some(data) = line.strip_prefix("data: ").filter(|_| name == wanted) {
            return Some(serde_json::from_str(data).expect("JSON"));
        } else if line == "\n" {
            name.clear();
        }
    }
}
