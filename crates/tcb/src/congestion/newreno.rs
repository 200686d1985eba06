//! Slow start and congestion avoidance (RFC 5681), with the windows that NewReno (RFC 6582) asks for.

use sockeye_wire::Instant;

use super::{AckSample, CongestionControl};

/// RFC 5681 with the initial window of RFC 6928.
///
/// ```
/// # use sockeye_tcb::congestion::{CongestionControl, NewReno};
/// let mut reno = NewReno::new(10);
/// reno.set_mss(1460);
/// assert_eq!(reno.cwnd(), 14_600);
/// ```
#[derive(Clone, Debug)]
pub struct NewReno {
    cwnd: u32,
    ssthresh: u32,
    mss: u32,
    /// Segments in the initial window.
    initial: u8,
    /// Octets acknowledged since the window last grew in congestion avoidance.
    acked: u32,
    /// Slow start repairs what a timeout lost.
    after_timeout: bool,
    /// Window and threshold before the last reduction, to be given back if there was no loss.
    before: Option<(u32, u32)>,
}

impl NewReno {
    /// An algorithm that begins with `initial` segments, 10 by RFC 6928.
    pub const fn new(initial: u8) -> Self {
        //= rfc5681#3.1-6
        Self { cwnd: 0, ssthresh: u32::MAX, mss: 0, initial, acked: 0, after_timeout: false, before: None }
    }

    //= rfc6928#2-2
    /// IW: `min(10 * MSS, max(2 * MSS, 14600))`, 10 being what was asked for.
    fn initial_window(&self) -> u32 {
        let segments = u32::from(self.initial);
        (segments * self.mss).min((2 * self.mss).max(segments * 1460))
    }

    //= rfc5681#3.1-17
    //= rfc5681#3.2-7
    //= rfc5681#4.3-1
    /// Equation 4: half of what was outstanding, at least two segments.
    fn half(&self, flight: u32) -> u32 {
        (flight / 2).max(2 * self.mss)
    }
}

impl CongestionControl for NewReno {
    fn name(&self) -> &'static str {
        "newreno"
    }

    fn cwnd(&self) -> u32 {
        self.cwnd
    }

    fn ssthresh(&self) -> u32 {
        self.ssthresh
    }

    fn on_ack(&mut self, sample: &AckSample) {
        if sample.app_limited || sample.recovering {
            return; // a window that was not filled proves nothing about the path (RFC 7661 section 4)
        }
        //= rfc9293#MUST-19
        //= rfc5681#3.1-1
        //= rfc5681#3.1-8
        if self.cwnd < self.ssthresh {
            //= rfc5681#3.1-9
            //= rfc3465#2.2-1
            //= rfc3465#2.3-2
            //= rfc3465#2.3-4
            // Two segments an ACK, so that delayed ACKs don't halve the rate; one after a timeout, when one ACK may tell
            // of much that arrived before it (RFC 3465 section 2.3).
            let limit = if self.after_timeout { self.mss } else { 2 * self.mss };
            self.cwnd = self.cwnd.saturating_add(sample.newly_acked.min(limit));
            return;
        }
        self.after_timeout = false;
        //= rfc5681#3.1-13
        //= rfc5681#3.1-14
        self.acked = self.acked.saturating_add(sample.newly_acked);
        if self.acked >= self.cwnd {
            self.acked -= self.cwnd;
            self.cwnd = self.cwnd.saturating_add(self.mss);
        }
    }

    fn on_loss(&mut self, _now: Instant, flight: u32) {
        self.before = Some((self.cwnd, self.ssthresh));
        self.ssthresh = self.half(flight);
        // The three segments that left the network count as gone in the recovery's own account of what is in flight,
        // so the window isn't inflated by them, nor by those that leave later.
        self.cwnd = self.ssthresh;
        self.acked = 0;
    }

    //= rfc6582#3.2-4
    fn on_recovered(&mut self, _now: Instant, flight: u32) {
        self.cwnd = self.ssthresh.min(flight.max(self.mss) + self.mss);
    }

    fn on_timeout(&mut self, _now: Instant, flight: u32, again: bool) {
        //= rfc5681#3.1-18
        if !again {
            self.before = Some((self.cwnd, self.ssthresh));
            self.ssthresh = self.half(flight);
        }
        //= rfc5681#3.1-19
        self.cwnd = self.mss;
        self.acked = 0;
        self.after_timeout = true;
    }

    fn undo(&mut self, _now: Instant) {
        if let Some((cwnd, ssthresh)) = self.before.take() {
            self.cwnd = self.cwnd.max(cwnd);
            self.ssthresh = self.ssthresh.max(ssthresh);
        }
    }

    //= rfc5681#4.1-1
    //= rfc5681#4.1-2
    fn on_idle(&mut self, _now: Instant) {
        self.cwnd = self.cwnd.min(self.initial_window());
        self.acked = 0;
    }

    fn set_mss(&mut self, mss: u16) {
        self.mss = u32::from(mss);
        if self.cwnd == 0 {
            self.cwnd = self.initial_window();
        }
    }

    fn take_over(&mut self, other: &dyn CongestionControl) {
        self.cwnd = other.cwnd();
        self.ssthresh = other.ssthresh();
    }

    fn on_lost_handshake(&mut self) {
        self.cwnd = self.mss;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::ZERO;

    fn reno() -> NewReno {
        let mut reno = NewReno::new(10);
        reno.set_mss(1000);
        reno
    }

    fn ack(newly_acked: u32) -> AckSample {
        AckSample { now: NOW, newly_acked, ..AckSample::default() }
    }

    //= rfc6928#2-2
    #[test]
    fn the_initial_window_is_ten_segments_or_14600_octets() {
        assert_eq!(reno().cwnd(), 10_000);
        let mut large = NewReno::new(10);
        large.set_mss(9000);
        assert_eq!(large.cwnd(), 18_000);
    }

    //= rfc5681#3.1-8
    //= rfc5681#3.1-9
    #[test]
    fn slow_start_grows_by_what_was_acknowledged_and_at_most_two_segments() {
        let mut reno = reno();
        reno.on_ack(&ack(1000));
        reno.on_ack(&ack(500));
        assert_eq!(reno.cwnd(), 11_500);
        reno.on_ack(&ack(60_000));
        assert_eq!(reno.cwnd(), 13_500);
    }

    //= rfc5681#3.1-13
    //= rfc5681#3.1-14
    #[test]
    fn congestion_avoidance_grows_by_one_segment_a_window() {
        let mut reno = reno();
        reno.on_loss(NOW, 20_000);
        assert_eq!((reno.cwnd(), reno.ssthresh()), (10_000, 10_000));
        (0..10).for_each(|_| reno.on_ack(&ack(1000)));
        assert_eq!(reno.cwnd(), 11_000);
    }

    //= rfc5681#3.1-17
    //= rfc5681#3.1-18
    //= rfc5681#3.1-19
    #[test]
    fn a_timeout_leaves_one_segment_and_lowers_the_threshold_once() {
        let mut reno = reno();
        reno.on_timeout(NOW, 30_000, false);
        assert_eq!((reno.cwnd(), reno.ssthresh()), (1000, 15_000));
        reno.on_timeout(NOW, 1000, true);
        assert_eq!((reno.cwnd(), reno.ssthresh()), (1000, 15_000));
    }

    //= rfc5681#4.1-1
    //= rfc5681#4.1-2
    #[test]
    fn after_idleness_the_window_is_at_most_the_initial_one() {
        let mut reno = reno();
        (0..50).for_each(|_| reno.on_ack(&ack(2000)));
        reno.on_idle(NOW);
        assert_eq!(reno.cwnd(), 10_000);
    }

    //= rfc3465#2.3-4
    #[test]
    fn slow_start_after_a_timeout_grows_by_one_segment_an_ack() {
        let mut reno = reno();
        reno.on_timeout(NOW, 30_000, false);
        reno.on_ack(&ack(5000));
        assert_eq!(reno.cwnd(), 2000);
    }

    #[test]
    fn a_reduction_without_a_loss_is_undone_once() {
        let mut reno = reno();
        reno.on_timeout(NOW, 10_000, false);
        reno.undo(NOW);
        assert_eq!((reno.cwnd(), reno.ssthresh()), (10_000, u32::MAX));
        reno.on_loss(NOW, 10_000);
        reno.on_recovered(NOW, 0);
        assert_eq!(reno.cwnd(), 2000);
    }

    #[test]
    fn an_unfilled_window_does_not_grow() {
        let mut reno = reno();
        reno.on_ack(&AckSample { app_limited: true, ..ack(1000) });
        assert_eq!(reno.cwnd(), 10_000);
    }
}
