//! What those have in common who work through recordings when nothing more urgent wants the machine: the uploader and the backlog.
//! They go on until they are told to stop, rest in between, and ask the librarian.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use async_channel::Sender;

use crate::message::library::{Answer, Ask, Trouble, Wish};
use crate::status::{ActorStatus, State};

/// Between two looks whether there is something to do.
const REST: Duration = Duration::from_secs(2);
/// Looks whether it is to end come at least so often.
pub const NAP: Duration = Duration::from_millis(250);

/// `life` is the one that the thread was started for.
pub fn goes_on(actor: &ActorStatus, stop: &AtomicBool, life: u32) -> bool {
    !stop.load(Relaxed) && actor.lives(life)
}

/// There is nothing to do, or nothing that could be done now.
pub fn rest(actor: &ActorStatus, goes_on: impl Fn() -> bool) {
    actor.enter(State::Idle);
    for _ in 0..REST.as_millis() / NAP.as_millis() {
        if !goes_on() {
            return;
        }
        thread::sleep(NAP);
    }
}

/// Waits for the answer, in which the librarian takes its time; then the actor is at this again.
pub fn ask(actor: &ActorStatus, asks: &Sender<Ask>, wish: Wish, then: State) -> Result<Answer, Trouble> {
    actor.enter(State::Idle);
    let (reply, answer) = async_channel::bounded(1);
    asks.send_blocking(Ask { wish, reply: Some(reply) }).map_err(|_| Trouble::Busy(1))?;
    let answer = answer.recv_blocking().unwrap_or(Err(Trouble::Busy(1)));
    actor.enter(then);
    answer
}
