//! What must hold after every event, whatever the path, the peer and the applications do.
//!
//! Each has a name. Rules about packets are judged where they leave a host and where they arrive at it (`ear`), so that a
//! TCP is judged by what it does, not by what it believes; rules about the connection are judged by what it tells (`judge`).

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// A rule, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Invariant {
    /// Octets are delivered once, in order, and are those that were sent.
    Intact,
    /// Nothing is sent in a state that forbids it: no text before the handshake or behind the FIN, nothing after a RST.
    InState,
    /// `SND.UNA <= SND.NXT`, and an ACK names only what has arrived.
    AcksWhatArrived,
    /// The acknowledgment number never moves back.
    AckNeverBack,
    /// Nothing is sent beyond the window that the peer has offered, but for the one octet of a probe.
    WithinWindow,
    /// The right edge of the window that is offered never moves left; by less than a step of its scale at most.
    EdgeNeverLeft,
    /// A segment fits into the peer's MSS, its options subtracted.
    FitsMss,
    /// Timestamps are on all segments or on none, SACK blocks only where they are permitted and only of what has arrived.
    OptionsAsAgreed,
    /// Text that arrives in order and in the window is acknowledged by the next ACK.
    TakesWhatItPromised,
    /// An ACK leaves within the delay that was set.
    AcksInTime,
    /// The timestamp that is echoed is that of the last segment that came in order.
    EchoesAsHeard,
    /// What is in flight, selectively acknowledged and held lost are together what is outstanding; the congestion window is
    /// at least a segment.
    FlightAddsUp,
    /// No more counts as selectively acknowledged than credible SACK blocks have named.
    SacksAsHeard,
    /// New text leaves only if the congestion window has room for it, but for probes and what a recovery lets out.
    WithinCongestionWindow,
    /// Text that both windows have room for leaves, paced at most.
    LeavesInTime,
    /// The congestion window grows by no more than was delivered.
    GrowsAsAcked,
    /// A loss takes the congestion window down.
    SlowsOnLoss,
    /// Three segments that overtook a hole make it lost.
    LossFound,
    /// Nothing is sent again before its loss can be known.
    NotTooSoon,
    /// No round trip is measured that is shorter than the path's.
    TimesTrue,
    /// The tail of a flight is probed before the retransmission timeout.
    TailProbed,
    /// A timer is armed whenever something is outstanding or waits for the peer.
    TimerArmed,
    /// Each retransmission timeout without news waits longer than the last one.
    BacksOff,
    /// What waits to be read never exceeds the receive buffer.
    BufferLimit,
    /// While nothing waits to be read the window is open.
    WindowReopens,
    /// Packets that bring nothing new don't follow each other without end: each was asked for, or a timer has expired.
    NoLiveLock,
    /// Every flow ends, cleanly or with an error that the scenario explains.
    EndsExplained,
    /// At the end all tables are empty.
    TablesEmpty,
    /// At the end nobody holds a packet, nor a piece of what was sent.
    MemoryReturned,
    /// The code doesn't panic.
    NoPanic,
}

impl Invariant {
    /// All of them, in their order.
    pub const ALL: [Self; 30] = [
        Self::Intact,
        Self::InState,
        Self::AcksWhatArrived,
        Self::AckNeverBack,
        Self::WithinWindow,
        Self::EdgeNeverLeft,
        Self::FitsMss,
        Self::OptionsAsAgreed,
        Self::TakesWhatItPromised,
        Self::AcksInTime,
        Self::EchoesAsHeard,
        Self::FlightAddsUp,
        Self::SacksAsHeard,
        Self::WithinCongestionWindow,
        Self::LeavesInTime,
        Self::GrowsAsAcked,
        Self::SlowsOnLoss,
        Self::LossFound,
        Self::NotTooSoon,
        Self::TimesTrue,
        Self::TailProbed,
        Self::TimerArmed,
        Self::BacksOff,
        Self::BufferLimit,
        Self::WindowReopens,
        Self::NoLiveLock,
        Self::EndsExplained,
        Self::TablesEmpty,
        Self::MemoryReturned,
        Self::NoPanic,
    ];
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// When, in nanoseconds of virtual time.
    pub at_ns: u64,
    /// On which host; empty if on none in particular.
    pub host: String,
    /// Which flow, counted from 0; `None` if none in particular.
    pub flow: Option<usize>,
    /// With what numbers.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { invariant, at_ns, host, flow, detail } = self;
        write!(f, "{invariant} at {:.6} s", Duration::from_nanos(*at_ns).as_secs_f64())?;
        if !host.is_empty() {
            write!(f, " on {host}")?;
        }
        if let Some(flow) = flow {
            write!(f, ", flow {flow}")?;
        }
        write!(f, ": {detail}")
    }
}

/// A rule that was broken, and with what numbers: one word for the rules to hand on, nearly all of which hold.
pub(super) type Broken = Box<(Invariant, String)>;

/// What is told of a broken rule is put into words out of line: of rules that hold, nobody is to read past it.
#[cold]
#[inline(never)]
pub(super) fn broken(invariant: Invariant, detail: impl FnOnce() -> String) -> Result<(), Broken> {
    Err(Box::new((invariant, detail())))
}

/// What was set for a connection, as far as the rules need it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) receive_buffer: u32,
    /// An ACK may be owed for so long: for the delay that was set, and what clocks round.
    pub(super) ack_within: Duration,
    pub(super) min_rto: Duration,
    pub(super) max_rto: Duration,
    /// So many timeouts in a row may leave the RTO as it is: those of a thin stream.
    pub(super) linear_timeouts: u8,
    pub(super) granularity: Duration,
    /// From one keep-alive probe to the next.
    pub(super) keep_alive: Option<Duration>,
    /// How many in a row must go unanswered before the connection is given up.
    pub(super) keep_alive_probes: Option<u32>,
    /// How long the peer may leave the SYN, or anything after it, unacknowledged.
    pub(super) handshake_timeout: Duration,
    pub(super) user_timeout: Option<Duration>,
    /// The tick of the host's clock.
    pub(super) tick: Duration,
    /// Octets of the largest packet.
    pub(super) mtu: u16,
    /// No round trip on the path takes less.
    pub(super) least_rtt: Duration,
    /// Nothing is sent again sooner: a round trip, but where a packet may prove too long an error has it sent again at once, and
    /// a peer that acknowledges what has not arrived makes round trips look shorter.
    pub(super) least_again: Duration,
    /// The peer tells what is true, of segments that arrive as they were sent: each is answered once.
    pub(super) trusted: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_listed() {
        assert_eq!(Invariant::ALL.len(), Invariant::NoPanic as usize + 1, "the last one is the last");
        assert!(Invariant::ALL.iter().enumerate().all(|(place, invariant)| *invariant as usize == place));
    }
}
