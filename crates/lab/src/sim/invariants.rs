//! What must hold after every event, whatever the path, the peer and the applications do.
//!
//! Each has a name. Rules about packets are judged where they leave a host and where they arrive at it (`ear`), so that a
//! TCP is judged by what it does, not by what it believes; rules about the connection are judged below, by what it tells.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use sockeye::{State, TcpInfo};
use sockeye_wire::Instant;

use super::ear::Ear;

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
    /// The right edge of the window that is offered never moves left, by a step of its scale at most.
    EdgeNeverLeft,
    /// A segment fits into the peer's MSS, its options subtracted.
    FitsMss,
    /// Timestamps are on all segments or on none, SACK blocks only where they are permitted and only of what has arrived.
    OptionsAsAgreed,
    /// Text that arrives in order and in the window is acknowledged by the next ACK.
    TakesWhatItPromised,
    /// An ACK leaves within the delay that was set.
    AcksInTime,
    /// What is in flight is never below zero nor above what is outstanding; the congestion window is at least a segment.
    FlightAddsUp,
    /// New text leaves only if the congestion window has, or a moment ago had, room for it.
    WithinCongestionWindow,
    /// A timer is armed whenever something is outstanding or waits for the peer.
    TimerArmed,
    /// Each retransmission timeout without news waits longer than the last one.
    BacksOff,
    /// What waits to be read never exceeds the receive buffer.
    BufferLimit,
    /// While nothing waits to be read the window is open.
    WindowReopens,
    /// Packets that bring nothing new don't follow each other without end.
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

/// A rule that was broken, and with what numbers.
pub(super) type Broken = (Invariant, String);

/// What was set for a connection, as far as the rules need it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) receive_buffer: u32,
    pub(super) delayed_ack: Duration,
    pub(super) max_rto: Duration,
    /// The tick of the host's clock.
    pub(super) tick: Duration,
    /// Octets of the largest packet.
    pub(super) mtu: u16,
}

/// Judges one connection by what it tells of itself after an event.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Judge {
    timeouts: u64,
    acked: u64,
    timed_out_at: Option<Instant>,
    waited: Option<Duration>,
}

impl Judge {
    /// `deadline` is when something is due for the connection, `ear` what was heard of it on the wire.
    pub(super) fn after_event(
        &mut self,
        now: Instant,
        info: &TcpInfo,
        deadline: Option<Instant>,
        ear: &Ear,
        limits: &Limits,
    ) -> Result<(), Broken> {
        timer_armed(info, deadline, ear)?;
        flight_adds_up(info, ear)?;
        buffer_limit(info, ear, limits)?;
        window_reopens(info, limits)?;
        ear.acks_in_time(now, limits).map_err(|detail| (Invariant::AcksInTime, detail))?;
        self.backs_off(now, info, limits)
    }

    fn backs_off(&mut self, now: Instant, info: &TcpInfo, limits: &Limits) -> Result<(), Broken> {
        if info.bytes_acked != self.acked || info.snd_wnd == 0 {
            *self = Self { timeouts: info.timeouts, acked: info.bytes_acked, timed_out_at: None, waited: None };
        }
        if info.timeouts == self.timeouts {
            return Ok(());
        }
        self.timeouts = info.timeouts;
        let Some(last) = self.timed_out_at.replace(now) else {
            return Ok(());
        };
        let waits = now.since(last);
        let Some(waited) = self.waited.replace(waits) else {
            return Ok(());
        };
        // Twice, less what a coarse clock rounds.
        let least = (waited * 2).min(limits.max_rto).saturating_sub(limits.tick * 3 + waited / 4);
        if waits < least {
            return Err((Invariant::BacksOff, format!("waited {waited:?}, then only {waits:?}")));
        }
        Ok(())
    }
}

/// True where our SYN, text or FIN wait for the peer.
fn owes_something(info: &TcpInfo, ear: &Ear) -> bool {
    match info.state {
        State::SynSent | State::SynReceived | State::TimeWait => true,
        State::Established | State::CloseWait | State::FinWait1 | State::Closing | State::LastAck => {
            ear.outstanding() > 0 || info.send_queued > 0
        }
        State::Closed | State::Listen | State::FinWait2 => false,
    }
}

fn timer_armed(info: &TcpInfo, deadline: Option<Instant>, ear: &Ear) -> Result<(), Broken> {
    if deadline.is_none() && owes_something(info, ear) {
        let TcpInfo { state, send_queued, snd_wnd, .. } = info;
        let detail = format!("{state}, {} outstanding, {send_queued} queued, window {snd_wnd}", ear.outstanding());
        return Err((Invariant::TimerArmed, detail));
    }
    Ok(())
}

fn flight_adds_up(info: &TcpInfo, ear: &Ear) -> Result<(), Broken> {
    if !info.state.is_synchronized() {
        return Ok(());
    }
    // What is sent again counts again until one of the two is known to be gone (pipe of RFC 6675).
    let outstanding = ear.outstanding_at_most();
    if info.in_flight > outstanding.saturating_mul(2).saturating_add(1) {
        return Err((Invariant::FlightAddsUp, format!("{} in flight, {outstanding} outstanding", info.in_flight)));
    }
    if info.cwnd < u32::from(info.snd_mss) || info.cwnd > 1 << 31 {
        return Err((Invariant::FlightAddsUp, format!("cwnd {} with segments of {}", info.cwnd, info.snd_mss)));
    }
    Ok(())
}

fn buffer_limit(info: &TcpInfo, ear: &Ear, limits: &Limits) -> Result<(), Broken> {
    let most = limits.receive_buffer.saturating_add(ear.window_step());
    if info.recv_queued > most {
        return Err((Invariant::BufferLimit, format!("{} of {} wait to be read", info.recv_queued, most)));
    }
    Ok(())
}

fn window_reopens(info: &TcpInfo, limits: &Limits) -> Result<(), Broken> {
    if info.state.receives_text() && info.recv_queued == 0 && info.rcv_wnd == 0 && limits.receive_buffer > 0 {
        return Err((Invariant::WindowReopens, "nothing waits to be read, yet the window is closed".into()));
    }
    Ok(())
}
