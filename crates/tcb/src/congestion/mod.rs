//! Congestion control: samples in, a window out. Knows nothing of the connection.
//!
//! What is lost and what may be sent again is for the recovery to decide; an algorithm only answers how much may be on
//! its way.

mod newreno;

use core::fmt::Debug;
use core::time::Duration;

use sockeye_wire::Instant;

pub use newreno::NewReno;

/// What one ACK of new data tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckSample {
    /// When it was processed.
    pub now: Instant,
    /// Octets acknowledged by it for the first time.
    pub newly_acked: u32,
    /// Octets in flight before it.
    pub in_flight: u32,
    /// The round-trip time that it measured, if it did.
    pub rtt: Option<Duration>,
    /// True if the application, or the peer's window, kept the congestion window from being filled: such an ACK proves
    /// nothing about the path.
    pub app_limited: bool,
}

/// A congestion control algorithm. Units are octets throughout.
pub trait CongestionControl: Debug + Send + Sync {
    /// A short name, such as `newreno`.
    fn name(&self) -> &'static str;

    /// The congestion window: how much may be in flight.
    fn cwnd(&self) -> u32;

    /// The slow start threshold.
    fn ssthresh(&self) -> u32;

    /// New data was acknowledged, and nothing is being repaired, or what is being repaired was lost to a timeout.
    fn on_ack(&mut self, sample: &AckSample);

    /// A loss was found while ACKs still come, the first in this window of data; `flight` octets were outstanding.
    fn on_loss(&mut self, now: Instant, flight: u32);

    /// All that was outstanding at the loss is acknowledged; `flight` octets are outstanding now.
    fn on_recovered(&mut self, now: Instant, flight: u32);

    /// The retransmission timer expired; `flight` octets were outstanding. `again` if it expired for the same data
    /// before.
    fn on_timeout(&mut self, now: Instant, flight: u32, again: bool);

    /// Nothing was sent for longer than the retransmission timeout, and now something will be.
    fn on_idle(&mut self, now: Instant);

    /// Segments now carry `mss` octets of text. Called first of all, and again when the path proves narrower.
    fn set_mss(&mut self, mss: u16);

    /// The handshake needed more than one retransmission of a SYN: begin with one segment (RFC 6928 section 2).
    fn on_lost_handshake(&mut self);
}
