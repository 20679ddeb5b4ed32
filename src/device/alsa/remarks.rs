//! What a card does that its user should know and cannot see in the files: one line each, and none again and again.
//! Pure; called by `mod.rs`.

use std::sync::atomic::Ordering::Relaxed;

use crate::device::alsa::Gauges;

#[derive(Debug)]
pub struct Remarks {
    /// Said at the last opening; a device that comes and goes says it once.
    at_opening: Option<String>,
    waiting: Option<String>,
    low_byte_said: bool,
    /// Silent losses are said when there are so many: the first, then each time that they have doubled.
    losses_to_say: u32,
}

impl Default for Remarks {
    fn default() -> Remarks {
        Remarks { at_opening: None, waiting: None, low_byte_said: false, losses_to_say: 1 }
    }
}

impl Remarks {
    /// The device was opened, and this is not as the configuration wants it.
    pub fn opened(&mut self, pcm: &str, differs: Option<String>) {
        let text = differs.map(|what| format!("{pcm}: {what}"));
        if text != self.at_opening {
            self.waiting = text.clone();
            self.at_opening = text;
        }
    }

    /// The next thing to say. Allocates only when there is one.
    pub fn next(&mut self, device: &str, gauges: &Gauges) -> Option<String> {
        if let Some(text) = self.waiting.take() {
            return Some(text);
        }
        if !self.low_byte_said && gauges.low_byte_used.load(Relaxed) {
            self.low_byte_said = true;
            return Some(format!("{device}: its samples use all 32 bits; the top 24 are recorded"));
        }
        let losses = gauges.silent_losses.load(Relaxed);
        if losses < self.losses_to_say {
            return None;
        }
        self.losses_to_say = losses.saturating_mul(2);
        let times = if losses == 1 { "once".to_owned() } else { format!("{losses} times") };
        Some(format!(
            "{device}: lost samples {times} without saying so, which the clock gave away; try another USB port, cable or hub"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_is_said_once_and_losses_when_they_have_doubled() {
        let (mut remarks, gauges) = (Remarks::default(), Gauges::default());
        let mut said = Vec::new();
        let rate = || Some("it does not offer 44100 Hz".to_owned());
        for (differs, losses, low) in
            [(rate(), 0, false), (rate(), 1, true), (None, 3, true), (rate(), 3, true), (rate(), 7, true)]
        {
            remarks.opened("hw:1,0", differs);
            gauges.silent_losses.store(losses, Relaxed);
            gauges.low_byte_used.store(low, Relaxed);
            said.push(std::iter::from_fn(|| remarks.next("mic", &gauges)).collect::<Vec<_>>());
        }
        let lost = |times| {
            format!("mic: lost samples {times} without saying so, which the clock gave away; try another USB port, cable or hub")
        };
        let rate = "hw:1,0: it does not offer 44100 Hz".to_owned();
        let low = "mic: its samples use all 32 bits; the top 24 are recorded".to_owned();
        let expected = [vec![rate.clone()], vec![low, lost("once")], vec![lost("3 times")], vec![rate], vec![lost("7 times")]];
        assert_eq!(said, expected);
    }
}
