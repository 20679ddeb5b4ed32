//! What disciplines the machine's clock, as its own keeper tells.

/// How the time was taken over from somebody who knew it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClockSet {
    /// system: the machine's clock was set; offset: this process may not do that, and counts with an offset of its own until the
    /// machine's clock is synced.
    pub by: &'static str,
    /// So much later it is than was thought.
    pub moved_s: f64,
}

/// Of chronyd, or of gpsd.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClockReference {
    /// chrony or gpsd.
    pub keeper: &'static str,
    /// What it follows: PPS, GPS, the address or the name of a server; the driver of a receiver.
    pub id: String,
    /// 1 where it is a clock itself; of chrony only.
    pub stratum: Option<u32>,
    /// From the true time to the machine's; positive where it is fast.
    pub offset_s: Option<f64>,
    /// It has the time just now.
    pub is_good: bool,
}
