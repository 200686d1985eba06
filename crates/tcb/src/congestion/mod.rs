//! Congestion control: samples in, a window and a rate out. Knows nothing of the connection.
//!
//! What is lost and what may be sent again is for the recovery to decide; an algorithm only answers how much may be on
//! its way, and how fast it may leave. Units are octets, octets a second, and our own [`Instant`].

mod algorithm;
mod bbr;
mod cubic;
mod dctcp;
pub(crate) mod delivery_rate;
mod hystart;
mod newreno;
mod rounds;
#[cfg(test)]
mod toy;
mod validation;

use core::fmt::Debug;
use core::time::Duration;

use sockeye_wire::Instant;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use bbr::Bbr;
pub use cubic::Cubic;
pub use dctcp::Dctcp;
pub use newreno::NewReno;

/// The most that a window can be: the peer's is never larger (RFC 7323 section 2.3).
const MAX_WINDOW: u32 = 1 << 30;

/// What one ACK tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AckSample {
    /// When it was processed.
    pub now: Instant,
    /// Octets delivered, as far as this ACK is the first to tell: acknowledged by it, cumulatively or selectively.
    pub newly_acked: u32,
    /// Segments leave as soon as the window lets them: [`Config::pacing`](crate::Config::pacing) is false, and there is no
    /// [`pacing_rate`](CongestionControl::pacing_rate).
    pub unpaced: bool,
    /// Octets that it made the recovery hold lost.
    pub newly_lost: u32,
    /// Octets in flight before it.
    pub prior_in_flight: u32,
    /// Octets in flight after it.
    pub in_flight: u32,
    /// The round-trip time that it measured, if it did.
    pub rtt: Option<Duration>,
    /// The least round-trip time of the last five to ten seconds, once there is one.
    pub min_rtt: Option<Duration>,
    /// The smoothed round-trip time, once there is one.
    pub srtt: Option<Duration>,
    /// True if the application, or the peer's window, kept the congestion window from being filled: such an ACK proves
    /// nothing about the path.
    pub app_limited: bool,
    /// A loss is being repaired while ACKs come: the window is the recovery's (PRR, RFC 6937) until it is over.
    pub recovering: bool,
    /// Octets of `newly_acked` of which the peer says that the network marked them (RFC 3168).
    pub marked: u32,
    /// Octets delivered over the life of the connection, this ACK included.
    pub delivered: u64,
    /// `delivered` as it was when the newest segment that this ACK tells of was sent. A round trip begins when it reaches
    /// the `delivered` of the ACK that began the last one.
    pub prior_delivered: u64,
    /// The rate at which the path delivered, if this ACK measured it.
    pub rate: Option<RateSample>,
}

/// L of RFC 9406: segments that slow start grows by for one ACK, at most, if it isn't paced.
//= rfc9406#4.3-2
const L: u32 = 8;

/// Octets that slow start may grow by for an ACK of `newly_acked`, segments having `mss` octets. Paced it has no limit: an ACK
/// that tells of many segments lets none of them out at once.
//= rfc9406#4.3-2
pub(crate) fn slow_start(newly_acked: u32, mss: u32, unpaced: bool) -> u32 {
    if unpaced { newly_acked.min(L * mss) } else { newly_acked }
}

impl AckSample {
    /// Octets that slow start may grow by.
    fn slow_start(&self, mss: u32) -> u32 {
        slow_start(self.newly_acked, mss, self.unpaced)
    }
}

/// A rate at which the path delivered (draft-ietf-ccwg-bbr section 4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateSample {
    /// Octets delivered over the interval.
    pub delivered: u32,
    /// Octets lost over the interval.
    pub lost: u32,
    /// Octets of `delivered` that the network marked.
    pub marked: u32,
    /// The longer of the time that sending and that acknowledging them took.
    pub interval: Duration,
    /// Octets in flight when the newest segment that the ACK tells of was sent, that segment included.
    pub tx_in_flight: u32,
    /// True if the application, or during a repair the peer's window, kept the path from being filled: the rate is a lower bound.
    pub app_limited: bool,
}

impl RateSample {
    /// Octets a second.
    pub fn rate(&self) -> u64 {
        let nanos = u64::try_from(self.interval.as_nanos()).unwrap_or(u64::MAX).max(1);
        u64::from(self.delivered) * 1_000_000_000 / nanos
    }
}

/// A segment, or several sent together, that the recovery has just found lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LostSegment {
    /// When it was found lost.
    pub now: Instant,
    /// Its octets.
    pub octets: u32,
    /// Octets in flight when it was sent, itself included.
    pub tx_in_flight: u32,
    /// Octets lost since it was sent, itself included.
    pub lost_since_sent: u32,
    /// `delivered` of [`AckSample`] when it was sent.
    pub prior_delivered: u64,
    /// The application, or during a repair the peer's window, kept the path from being filled then.
    pub app_limited: bool,
}

/// What an algorithm tells about itself, for `TcpInfo`, plots and tables. Zero or empty where it has no such thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// The phase that it is in, such as `slow start` or `probe bw: up`.
    pub phase: &'static str,
    /// Its estimate of the path's bandwidth, in octets a second.
    pub bandwidth: u64,
    /// Its estimate of the path's round-trip propagation time.
    pub min_rtt: Duration,
    /// Its gain for pacing, in hundredths.
    pub pacing_gain: u16,
    /// Its gain for the window, in hundredths.
    pub cwnd_gain: u16,
    /// What losses of late bound the bandwidth to, in octets a second (`BBR.bw_shortterm`); `None` while nothing does, as for
    /// the next two.
    pub bandwidth_shortterm: Option<u64>,
    /// What they bound the octets in flight to (`BBR.inflight_shortterm`).
    pub inflight_shortterm: Option<u32>,
    /// Octets in flight beyond which losses were too many when it last probed (`BBR.inflight_longterm`).
    pub inflight_longterm: Option<u32>,
    /// The estimate of the marked fraction (alpha of RFC 8257), in 1/1024.
    pub marked_fraction: u16,
}

/// How an algorithm uses Explicit Congestion Notification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EcnUse {
    /// A mark is answered as a loss is, once a window: [`CongestionControl::on_ecn`] (RFC 3168).
    #[default]
    Classic,
    /// Marks are counted: the receiver echoes each change, the sender hears of the marked octets in
    /// [`AckSample::marked`] (RFC 8257).
    Counting,
}

/// A congestion control algorithm.
///
/// The calls that follow from one ACK come in this order, each if there is a reason:
///
/// 1. [`Self::on_ecn`], before anybody has looked at what the ACK acknowledges;
/// 2. [`Self::on_segment_lost`], then [`Self::on_loss`] if that begins a recovery;
/// 3. [`Self::on_ack`];
/// 4. [`Self::on_loss`] and [`Self::on_recovered`], where a probe of the tail has repaired a loss;
/// 5. [`Self::undo`];
/// 6. [`Self::on_recovered`] or [`Self::on_timeout_recovered`], and [`Self::on_loss`] if another recovery follows at once.
pub trait CongestionControl: Debug + Send + Sync {
    /// A short name, such as `newreno`.
    fn name(&self) -> &'static str;

    /// The congestion window: octets that may be in flight.
    fn cwnd(&self) -> u32;

    /// The slow start threshold, in octets; `u32::MAX` while there is none.
    fn ssthresh(&self) -> u32;

    /// The rate at which segments may leave, in octets a second; `None` leaves it to the connection, which takes twice
    /// the window in a smoothed round-trip time in slow start and 1.2 times outside it, as Linux.
    fn pacing_rate(&self) -> Option<u64> {
        None
    }

    /// The most octets that leave at once, if the algorithm has a say in that; by default a millisecond's worth at the pacing
    /// rate, and more to a near peer.
    fn send_quantum(&self) -> Option<u32> {
        None
    }

    /// True if the window shrinks by proportional rate reduction (RFC 6937) while a loss is repaired; false if the
    /// algorithm's own window holds then too.
    fn uses_prr(&self) -> bool {
        true
    }

    /// How many of its windows the send buffer is to hold, where that grows by itself. By default two, as in Linux
    /// (`tcp_sndbuf_expand`): one that is in flight, and one that the application writes meanwhile.
    fn windows_buffered(&self) -> u32 {
        2
    }

    /// What it does with marks of the network.
    fn ecn(&self) -> EcnUse {
        EcnUse::Classic
    }

    /// An ACK that delivered something new. While [`AckSample::recovering`], an algorithm that
    /// [uses PRR](Self::uses_prr) doesn't grow.
    fn on_ack(&mut self, sample: &AckSample);

    /// The recovery holds a segment lost; told for each, also while a loss is being repaired.
    fn on_segment_lost(&mut self, _lost: &LostSegment) {}

    /// A loss was found while ACKs still come, the first in this window of data; `flight` octets were outstanding.
    fn on_loss(&mut self, now: Instant, flight: u32);

    /// The peer tells of a mark, the first in this window of data; `flight` octets were outstanding, or in flight for one that
    /// doesn't [use PRR](Self::uses_prr). By default a loss (RFC 3168 section 6.1.2).
    fn on_ecn(&mut self, now: Instant, flight: u32) {
        self.on_loss(now, flight);
    }

    /// All that was outstanding at the loss is acknowledged; `flight` octets are outstanding now.
    fn on_recovered(&mut self, now: Instant, flight: u32);

    /// The retransmission timer expired; `flight` octets were outstanding. `again` if it expired for the same data
    /// before.
    fn on_timeout(&mut self, now: Instant, flight: u32, again: bool);

    /// All that was outstanding at the timeout is acknowledged; or at a time when the path proved narrower, which no
    /// [`Self::on_timeout`] told of. By default nothing: the window has grown again meanwhile.
    fn on_timeout_recovered(&mut self, _now: Instant) {}

    /// The last [`Self::on_loss`] or [`Self::on_timeout`] answered a loss that was none: what it took is given back
    /// (RFC 4015). The sender sees to it that no burst follows.
    fn undo(&mut self, now: Instant);

    /// Something leaves: `in_flight` octets were in flight before it; `app_limited` if the application hadn't filled the
    /// path.
    fn on_sent(&mut self, _now: Instant, _in_flight: u32, _octets: u32, _app_limited: bool) {}

    /// Nothing was sent for longer than the retransmission timeout, and now something will be.
    fn on_idle(&mut self, now: Instant);

    /// Segments now carry `mss` octets of text. Called first of all, and again when the path proves narrower or wider.
    fn set_mss(&mut self, mss: u16);

    /// The connection ran under `other` so far, which knows what the path takes: go on from there. Called after
    /// [`Self::set_mss`]. By default the new one begins anew.
    fn take_over(&mut self, _other: &dyn CongestionControl) {}

    /// An earlier connection to the same host had this slow start threshold, in octets (RFC 9040). By default nothing follows
    /// from it.
    fn recall(&mut self, _ssthresh: u32) {}

    /// The handshake needed more than one retransmission of a SYN: begin with one segment (RFC 6928 section 2).
    fn on_lost_handshake(&mut self);

    /// What it has to tell about itself.
    fn details(&self) -> Details {
        Details::default()
    }
}

//= rfc6928#2-2
//= rfc5681#3.1-3
/// IW: `min(10 * MSS, max(2 * MSS, 14600))`, 10 being what was asked for. The handshake doesn't enlarge it, since nothing of
/// that is told to congestion control.
fn initial_window(segments: u8, mss: u32) -> u32 {
    let segments = u32::from(segments);
    (segments * mss).min((2 * mss).max(segments * 1460))
}

/// The window, now that segments have `mss` octets instead of `before`: the initial one if there was none.
fn resized(initial: u8, cwnd: u32, before: u32, mss: u32) -> u32 {
    // The loss window of RFC 5681 is one full-sized segment: kept to the octets that it had, as RFC 4821 section 4 asks, it
    // would let nothing out after a timeout on a path that then proves wider.
    if cwnd == 0 { initial_window(initial, mss) } else { scaled(cwnd, before, mss).max(mss) }
}

//= rfc4821#4-9
//= rfc5681#3.1-5
/// A window, or what is to become of one, now that segments have `mss` octets instead of `before`. Shorter segments aren't more
/// of them, longer ones aren't more octets; `u32::MAX` is no window.
fn scaled(window: u32, before: u32, mss: u32) -> u32 {
    if mss < before && window < u32::MAX { mul_div(window, mss, before) } else { window }
}

/// `value * numerator / denominator`, without overflow on the way.
fn mul_div(value: u32, numerator: u32, denominator: u32) -> u32 {
    u32::try_from(u64::from(value) * u64::from(numerator) / u64::from(denominator.max(1))).unwrap_or(u32::MAX)
}
