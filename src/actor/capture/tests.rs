//! Scripted sources, and what capture puts on the tape.

use super::*;
use crate::device::{Opened, Pace, Read};
use crate::edge::{Receiver, edge};
use crate::message::Depth;
use crate::time::{Rate, SECOND_NS};
use std::collections::VecDeque;

/// A device that does as its script says; frames hold their own number.
struct Script {
    reads: VecDeque<Result<Read, Fault>>,
    opens: VecDeque<Result<(), Fault>>,
    pace: Pace,
    frame: u16,
    stop: Arc<AtomicBool>,
}

impl Source for Script {
    fn open(&mut self) -> Result<Opened, Fault> {
        self.opens.pop_front().unwrap_or(Ok(()))?;
        let format = PcmFormat { rate: Rate::new(1_000).expect("a rate"), channels: 1, depth: Depth::Sixteen };
        self.frame = 0;
        Ok(Opened { format, pace: self.pace, at: Mono(0), text: "a script".into() })
    }

    fn read(&mut self, space: &mut [u8]) -> Result<Read, Fault> {
        let Some(read) = self.reads.pop_front() else {
            self.stop.store(true, Relaxed);
            return Ok(Read::Idle);
        };
        match read? {
            Read::Frames { frames, at } => {
                let frames = frames.min(space.len() as u32 / 2);
                for cell in space.chunks_exact_mut(2).take(frames as usize) {
                    cell.copy_from_slice(&self.frame.to_le_bytes());
                    self.frame += 1;
                }
                Ok(Read::Frames { frames, at })
            }
            Read::Lost { frames, reason } => {
                self.frame += frames as u16;
                Ok(Read::Lost { frames, reason })
            }
            other => Ok(other),
        }
    }
}

fn frames(n: u32) -> Result<Read, Fault> {
    Ok(Read::Frames { frames: n, at: Mono(7) })
}

fn gone() -> Result<Read, Fault> {
    Err(Fault::new(FaultKind::Gone, "gone"))
}

struct Rig {
    capture: Capture,
    tape: Receiver<Tape>,
    notices: async_channel::Receiver<Notice>,
}

/// Blocks of 4 frames, `blocks` of them.
fn rig(blocks: usize, pace: Pace, reads: Vec<Result<Read, Fault>>) -> Rig {
    let stop = Arc::new(AtomicBool::new(false));
    let (tx, tape) = edge(64);
    let (notices_tx, notices) = async_channel::bounded(64);
    let source = Script { reads: reads.into(), opens: VecDeque::new(), pace, frame: 0, stop: stop.clone() };
    let capture = Capture {
        name: "mic".into(),
        source: Box::new(source),
        ear: None,
        pool: Pool::new(blocks, 8),
        tape: tx,
        notices: notices_tx,
        actor: Arc::default(),
        lane: Arc::default(),
        stop,
        retry: Retry::new(3, 0.0),
        new_session: || "s".into(),
        now: || Mono(0),
        hours: None,
        wall: || Wall(0),
        lines: Lines::default(),
        pool_seconds: 0.0,
    };
    Rig { capture, tape, notices }
}

/// The tape in words; blocks stay in use, as behind a disk that stands still.
fn story(rig: Rig) -> Vec<String> {
    rig.capture.run().expect("ends by itself");
    let mut held = Vec::new();
    let mut story = Vec::new();
    while let Ok(tape) = rig.tape.try_recv() {
        story.push(match tape {
            Tape::Start(_) => "start".to_owned(),
            Tape::Stop(cause) => format!("stop {}", cause.name()),
            Tape::Gap(lost) => format!("lost {} at {} {}", lost.frames, lost.at_frame, lost.reason.name()),
            Tape::Block(block) => {
                let first = u16::from_le_bytes([block.bytes()[0], block.bytes()[1]]);
                assert_eq!(u64::from(first), block.first_frame, "a block holds the frames that it names");
                let line = format!("{}+{}", block.first_frame, block.frames);
                held.push(block);
                line
            }
        });
    }
    story
}

#[test]
fn frames_are_packed_into_blocks_and_numbered() {
    let rig = rig(8, Pace::RealTime, vec![frames(3), frames(3), frames(3), Ok(Read::Idle), frames(1)]);
    assert_eq!(story(rig), ["start", "0+4", "4+3", "7+1", "stop shutdown"]);
}

#[test]
fn an_empty_pool_makes_one_gap_with_the_exact_number() {
    // Two blocks, both on the tape: what comes afterwards is read into the spare buffer, 4 frames at most at once.
    let rig = rig(2, Pace::RealTime, vec![frames(4), frames(4), frames(4), frames(3), frames(2)]);
    let lane = rig.capture.lane.clone();
    let notices = rig.notices.clone();
    assert_eq!(story(rig), ["start", "0+4", "4+4", "lost 9 at 8 overload", "stop shutdown"]);
    assert_eq!((lane.frames_captured.load(Relaxed), lane.capture_lost.load(Relaxed)), (17, 9));
    let said: Vec<_> = std::iter::from_fn(|| notices.try_recv().ok()).filter(|n| n.level == log::Level::Error).collect();
    assert_eq!(said.len(), 1, "{said:?}");
}

#[test]
fn after_an_overload_the_next_block_says_where_it_is() {
    let mut rig = rig(1, Pace::RealTime, vec![frames(4), frames(4), frames(2)]);
    // The only block comes home while the third read is on: a reader that takes one message is late by one block.
    let lane = rig.capture.lane.clone();
    struct Late(Box<dyn Source>, Receiver<Tape>, u32);
    impl Source for Late {
        fn open(&mut self) -> Result<Opened, Fault> {
            self.0.open()
        }
        fn read(&mut self, space: &mut [u8]) -> Result<Read, Fault> {
            self.2 += 1;
            let read = self.0.read(space);
            if self.2 == 2 {
                let _ = self.1.try_recv(); // start
                let _ = self.1.try_recv(); // the block, dropped: home
            }
            read
        }
    }
    let source = std::mem::replace(&mut rig.capture.source, Box::new(Nothing));
    rig.capture.source = Box::new(Late(source, rig.tape.clone(), 0));
    assert_eq!(story(rig), ["lost 4 at 4 overload", "8+2", "stop shutdown"]);
    assert_eq!(lane.capture_lost.load(Relaxed), 4);
}

#[test]
fn what_a_source_remarks_is_a_warning() {
    let mut rig = rig(8, Pace::RealTime, vec![frames(2)]);
    struct Talkative(Box<dyn Source>, Option<String>);
    impl Source for Talkative {
        fn open(&mut self) -> Result<Opened, Fault> {
            self.1 = Some("it does not offer 44100 Hz".into());
            self.0.open()
        }
        fn read(&mut self, space: &mut [u8]) -> Result<Read, Fault> {
            self.0.read(space)
        }
        fn remark(&mut self) -> Option<String> {
            self.1.take()
        }
    }
    let source = std::mem::replace(&mut rig.capture.source, Box::new(Nothing));
    rig.capture.source = Box::new(Talkative(source, None));
    let notices = rig.notices.clone();
    story(rig);
    let warnings = std::iter::from_fn(|| notices.try_recv().ok()).filter(|n| n.level == log::Level::Warn);
    assert_eq!(warnings.map(|n| n.text).collect::<Vec<_>>(), ["it does not offer 44100 Hz"]);
}

#[test]
fn a_pool_that_holds_less_than_promised_is_a_warning() {
    // 8 blocks of 4 frames at 1 kHz hold 32 ms.
    for (seconds, expected) in [(0.032, None), (0.033, Some("the pool holds 0.0 s of it, not the 0.033 s of pool_seconds"))] {
        let mut rig = rig(8, Pace::RealTime, vec![frames(2)]);
        rig.capture.pool_seconds = seconds;
        let notices = rig.notices.clone();
        story(rig);
        let warning = std::iter::from_fn(|| notices.try_recv().ok()).find(|n| n.level == log::Level::Warn);
        assert_eq!(warning.is_some(), expected.is_some());
        assert!(warning.is_none_or(|n| n.text.starts_with(expected.unwrap_or_default())));
    }
}

struct Nothing;
impl Source for Nothing {
    fn open(&mut self) -> Result<Opened, Fault> {
        Err(Fault::new(FaultKind::Config, "nothing"))
    }
    fn read(&mut self, _: &mut [u8]) -> Result<Read, Fault> {
        Ok(Read::End)
    }
}

#[test]
fn an_overrun_stands_between_the_blocks() {
    let lost = Ok(Read::Lost { frames: 100, reason: Reason::Xrun });
    let rig = rig(8, Pace::RealTime, vec![frames(2), lost, frames(4)]);
    let lane = rig.capture.lane.clone();
    assert_eq!(story(rig), ["start", "0+2", "lost 100 at 2 xrun", "102+4", "stop shutdown"]);
    assert_eq!(lane.xruns.load(Relaxed), 1);
}

#[test]
fn a_thousand_overruns_are_one_line_a_minute() {
    use std::sync::atomic::AtomicI64;
    static NOW: AtomicI64 = AtomicI64::new(0);
    let reads = (0..1_000).flat_map(|_| [Ok(Read::Lost { frames: 10, reason: Reason::Xrun }), frames(1)]);
    let mut rig = rig(2_000, Pace::RealTime, reads.collect());
    rig.capture.now = || Mono(NOW.fetch_add(SECOND_NS / 10, Relaxed));
    let (tape, rig_tape) = edge(3_000);
    (rig.capture.tape, rig.tape) = (tape, rig_tape);
    let notices = rig.notices.clone();
    assert_eq!(story(rig).iter().filter(|line| line.starts_with("lost 10 ")).count(), 1_000);
    let warnings = std::iter::from_fn(|| notices.try_recv().ok()).filter(|n| n.level == log::Level::Warn);
    let warnings: Vec<_> = warnings.map(|n| n.text).collect();
    assert_eq!(warnings[0], "10 frames lost (xrun)");
    assert_eq!(warnings[1], "6000 frames lost in 600 gaps within a minute, the last by xrun");
    assert_eq!(warnings.len(), 2, "a thousand in a hundred seconds");
}

#[test]
fn an_unplugged_device_is_opened_until_it_is_back() {
    let rig = rig(8, Pace::RealTime, vec![frames(2), gone(), frames(1)]);
    assert_eq!(story(rig), ["start", "0+2", "stop unplugged", "start", "0+1", "stop shutdown"]);
}

#[test]
fn a_device_that_never_came_back_is_told_at_the_end() {
    let mut rig = rig(8, Pace::RealTime, vec![frames(2), gone()]);
    let stop = rig.capture.stop.clone();
    struct Away(Box<dyn Source>, u32, Arc<AtomicBool>);
    impl Source for Away {
        fn open(&mut self) -> Result<Opened, Fault> {
            self.1 += 1;
            if self.1 == 1 {
                return self.0.open();
            }
            self.2.store(self.1 > 3, Relaxed);
            Err(Fault::new(FaultKind::Gone, "still away"))
        }
        fn read(&mut self, space: &mut [u8]) -> Result<Read, Fault> {
            self.0.read(space)
        }
    }
    let source = std::mem::replace(&mut rig.capture.source, Box::new(Nothing));
    rig.capture.source = Box::new(Away(source, 0, stop));
    assert_eq!(story(rig), ["start", "0+2", "stop unplugged", "stop shutdown"]);
}

#[test]
fn a_device_that_stands_still_is_an_alarm_until_it_has_run_for_a_while() {
    let stalled = Err(Fault::new(FaultKind::Stalled, "no samples"));
    let late = Ok(Read::Frames { frames: 1, at: Mono(CALM_NS) });
    let rig = rig(8, Pace::RealTime, vec![frames(2), stalled, frames(1), late]);
    let (lane, notices) = (rig.capture.lane.clone(), rig.notices.clone());
    assert_eq!(story(rig), ["start", "0+2", "stop stalled", "start", "0+2", "stop shutdown"]);
    let said: Vec<_> = std::iter::from_fn(|| notices.try_recv().ok()).filter(|n| n.text.contains("alarm")).collect();
    assert_eq!(said.iter().map(|n| n.level).collect::<Vec<_>>(), [log::Level::Error, log::Level::Info], "{said:?}");
    assert!(!lane.alarm.is_raised());
}

#[test]
fn an_on_demand_source_ends_without_loss() {
    let rig = rig(2, Pace::OnDemand, vec![frames(4), frames(4), Ok(Read::End)]);
    let reader = rig.tape.clone();
    let taken = thread::spawn(move || {
        let mut frames = 0;
        while let Ok(tape) = reader.recv_until(None) {
            match tape {
                Tape::Block(block) => frames += block.frames,
                Tape::Stop(cause) => return (frames, cause),
                Tape::Start(_) | Tape::Gap(_) => {}
            }
        }
        (0, Cause::Fault)
    });
    rig.capture.run().expect("ends");
    assert_eq!(taken.join().expect("joined"), (8, Cause::End));
}

#[test]
fn a_source_that_can_never_work_is_given_up() {
    let mut rig = rig(2, Pace::RealTime, vec![]);
    rig.capture.source = Box::new(Nothing);
    assert_eq!(rig.capture.run().expect_err("given up").kind, FaultKind::Config);
}
