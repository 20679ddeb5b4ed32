//! Ten thousand seeded schedules of the lane's queues and pools: nothing is lost, nothing is doubled, nobody waits for ever.
//!
//! The threads are real; the seed decides the sizes, where each thread yields or sleeps, and when the end comes. A schedule
//! that deadlocks is found by the clock of the test, which says its seed.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use soundpost::edge::{Receiver, Refused, Sender, edge};
use soundpost::pool::{Block, Pool};

const SCHEDULES: u64 = 10_000;
const BLOCKS: u32 = 40;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Lets others run, sometimes for long.
    fn pause(&mut self) {
        match self.next() % 64 {
            0 => thread::sleep(Duration::from_micros(self.next() % 50)),
            1..=15 => thread::yield_now(),
            _ => {}
        }
    }
}

/// Takes blocks from its pool and never waits: what finds no block or no room is counted, as capture does.
fn real_time(pool: &Pool, out: &Sender<Block>, mut random: Random) -> u32 {
    let mut lost = 0;
    for number in 0..BLOCKS {
        random.pause();
        let Some(mut block) = pool.try_take() else {
            lost += 1;
            continue;
        };
        block.append(&number.to_le_bytes());
        if let Err(Refused::Full(_) | Refused::Closed(_)) = out.try_send(block) {
            lost += 1;
        }
    }
    lost
}

/// Copies into blocks of its own pool and waits for them, as the encoder does.
fn waiting(input: &Receiver<Block>, pool: &Pool, out: &Sender<Block>, mut random: Random) {
    while let Ok(block) = input.recv_until(None) {
        random.pause();
        let mut copy = pool.take_until(None).expect("the pool lives here");
        copy.append(block.bytes());
        drop(block);
        if out.send(copy).is_err() {
            return;
        }
    }
}

/// One lane from start to end; (numbers that arrived, blocks counted as lost).
fn lane(seed: u64) -> (Vec<u32>, u32) {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let pcm = Pool::new(1 + (random.next() % 4) as usize, 4);
    let encoded = Pool::new(1 + (random.next() % 3) as usize, 4);
    let (tape_in, tape) = edge(1 + (random.next() % 5) as usize);
    let (store_in, store) = edge(1 + (random.next() % 3) as usize);
    let mut fork = || Random(random.next() | 1);
    let (first, second, mut third) = (fork(), fork(), fork());
    thread::scope(|scope| {
        let capture = scope.spawn(move || real_time(&pcm, &tape_in, first));
        scope.spawn(move || waiting(&tape, &encoded, &store_in, second));
        let mut arrived = Vec::new();
        while let Ok(block) = store.recv_until(None) {
            third.pause();
            arrived.extend(block.bytes().try_into().map(u32::from_le_bytes));
        }
        (arrived, capture.join().expect("capture ends"))
    })
}

#[test]
fn no_schedule_loses_doubles_or_stops() {
    let (done, finished) = mpsc::channel();
    thread::spawn(move || {
        for seed in 0..SCHEDULES {
            let (arrived, lost) = lane(seed);
            let ordered = arrived.windows(2).all(|w| w[0] < w[1]);
            if done.send((seed, ordered, arrived.len() as u32 + lost)).is_err() {
                return;
            }
        }
    });
    for seed in 0..SCHEDULES {
        let found = finished.recv_timeout(Duration::from_secs(30));
        assert_eq!(found, Ok((seed, true, BLOCKS)), "schedule {seed}: deadlock, or not every block accounted for");
    }
}
