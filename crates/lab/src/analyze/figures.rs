//! What is counted of one side of a connection.

use std::time::Duration;

use super::distribution::Distribution;
use super::limits::Limit;

/// What one side sent, and how it fared. Times are those of the place where the capture was made.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Segments that this side sent, and copies of them that the network made.
    pub segments: u64,
    /// Octets of text in them, each time that they were sent.
    pub octets_sent: u64,
    /// Octets of text, each counted once, that the other side acknowledged.
    pub octets_acked: u64,
    /// From the first octet of text to the ACK of the last.
    pub busy: Duration,
    /// Round-trip times from this capture to the other side and back: text or SYN to the ACK that covers it, never of
    /// what was sent twice (Karn).
    pub rtt: Distribution,
    /// Segments sent again because of what ACKs said.
    pub fast: u64,
    /// Segments sent again because of a timeout, those that followed in the slow start after it included.
    pub timeout: u64,
    /// Segments sent again to probe a silent tail.
    pub tail_probes: u64,
    /// Expiries of the retransmission timer.
    pub rtos: u64,
    /// Segments sent again though they had arrived, as an earlier ACK, a D-SACK or a timestamp shows.
    pub spurious: u64,
    /// Copies of its segments that the network made: in none of the figures but `segments`.
    pub copied: u64,
    /// Segments overtaken by later ones.
    pub out_of_order: u64,
    /// Times that a segment came after octets that were never seen before it.
    pub gaps: u64,
    /// ACKs that this side sent and that said nothing new while text was outstanding.
    pub duplicate_acks: u64,
    /// Segments with SACK blocks that this side sent.
    pub sacks: u64,
    /// D-SACK blocks that this side sent.
    pub d_sacks: u64,
    /// ACKs of this side that changed nothing but the window.
    pub window_updates: u64,
    /// Times that this side closed its window.
    pub zero_windows: u64,
    /// How long it was closed, in all.
    pub zero_window_time: Duration,
    /// Segments of this side with which it filled the other's window.
    pub window_full: u64,
    /// Probes of the other's closed window.
    pub window_probes: u64,
    /// Keep-alive probes.
    pub keep_alives: u64,
    /// The largest window that this side offered, in octets, unless its scale is not known.
    pub max_window: u64,
    /// It is as its segments have it, to be shifted by nobody knows how much: a SYN is not in the capture.
    pub window_is_unscaled: bool,
    /// The most octets outstanding at once.
    pub max_in_flight: u64,
    /// The sum over all segments with text of what was outstanding behind them: for the mean.
    pub in_flight_sum: u64,
    /// Segments with text.
    pub text_segments: u64,
    /// Waited for the other side's window.
    pub window_limited: Duration,
    /// Waited for ACKs: the congestion window, or the path.
    pub cwnd_limited: Duration,
    /// Had nothing to send.
    pub application_limited: Duration,
}

impl Figures {
    /// All segments sent again.
    pub const fn retransmits(&self) -> u64 {
        self.fast + self.timeout + self.tail_probes
    }

    /// Octets acknowledged a second, in bits; 0 if nothing took any time.
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    pub fn goodput_bps(&self) -> f64 {
        let seconds = self.busy.as_secs_f64();
        if seconds > 0.0 { self.octets_acked as f64 * 8.0 / seconds } else { 0.0 }
    }

    /// The time that this limit took.
    pub(super) const fn limited(&mut self, limit: Limit) -> &mut Duration {
        match limit {
            Limit::Window => &mut self.window_limited,
            Limit::Congestion => &mut self.cwnd_limited,
            Limit::Application => &mut self.application_limited,
        }
    }

    /// Octets outstanding, on average over the segments with text.
    pub fn mean_in_flight(&self) -> u64 {
        self.in_flight_sum.checked_div(self.text_segments).unwrap_or(0)
    }
}
