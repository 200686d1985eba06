//! Slow start and congestion avoidance (RFC 5681), with the windows that NewReno (RFC 6582) asks for.

use sockeye_wire::Instant;

use super::hystart::HyStart;
use super::validation::Validation;
use super::{AckSample, CongestionControl, Details, LostSegment, MAX_WINDOW, initial_window, mul_div, resized, scaled};

/// RFC 5681 with the initial window of RFC 6928, byte counting (RFC 3465), HyStart++ (RFC 9406), a window that is
/// validated by use (RFC 7661), and in congestion avoidance a milder answer to marks (RFC 8511).
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
    hystart: HyStart,
    validation: Validation,
    /// Window and threshold before the last reduction, to be given back if there was no loss.
    before: Option<(u32, u32)>,
}

impl NewReno {
    /// An algorithm that begins with `initial` segments, 10 by RFC 6928.
    pub fn new(initial: u8) -> Self {
        Self {
            cwnd: 0,
            //= rfc5681#3.1-6
            ssthresh: u32::MAX,
            mss: 0,
            initial,
            acked: 0,
            after_timeout: false,
            hystart: HyStart::new(),
            validation: Validation::default(),
            before: None,
        }
    }

    //= rfc5681#3.1-17
    //= rfc5681#3.2-7
    //= rfc5681#4.3-1
    /// Equation 4: half of what was outstanding, at least two segments.
    fn half(&self, flight: u32) -> u32 {
        (flight / 2).max(2 * self.mss)
    }

    //= rfc5681#3.1-7
    fn reduce_to(&mut self, threshold: u32) {
        self.before = Some((self.cwnd, self.ssthresh));
        self.ssthresh = threshold;
        // The three segments that left the network count as gone in the recovery's own account of what is in flight,
        // so the window isn't inflated by them, nor by those that leave later.
        self.cwnd = threshold;
        self.acked = 0;
    }

    /// A mark was answered: `window`, but at least as much as keeps the connection going; never more than before. It is
    /// certain: should a loss before it prove to be none, nothing is given back.
    pub(super) fn reduce_to_at_least(&mut self, window: u32) {
        let cwnd = self.cwnd;
        self.reduce_to(window.max(2 * self.mss));
        self.cwnd = self.cwnd.min(cwnd);
        self.before = None;
    }

    //= rfc7661#4.4.3-1
    /// The window has gone unused for long: it becomes no larger than this, nor than it was.
    fn age(&mut self) {
        self.remember();
        self.cwnd = self.cwnd.min((self.cwnd / 2).max(initial_window(self.initial, self.mss)));
    }

    /// What the path took last isn't forgotten: slow start leads back to it.
    fn remember(&mut self) {
        if self.ssthresh != u32::MAX {
            self.ssthresh = self.ssthresh.max(mul_div(self.cwnd, 3, 4));
        }
    }

    fn grow(&mut self, sample: &AckSample) {
        let newly_acked = sample.newly_acked;
        //= rfc9293#MUST-19
        //= rfc5681#3.1-1
        //= rfc5681#3.1-8
        if self.cwnd < self.ssthresh {
            //= rfc5681#3.1-9
            //= rfc3465#2.2-1
            //= rfc3465#3.2-1
            //= rfc3465#2.3-4
            // One segment an ACK after a timeout, when one ACK may tell of much that arrived before it.
            let growth = match self.ssthresh {
                _ if self.after_timeout => newly_acked.min(self.mss),
                u32::MAX => self.hystart.growth(sample.slow_start(self.mss)),
                _ => sample.slow_start(self.mss),
            };
            self.cwnd = self.cwnd.saturating_add(growth.min(self.ssthresh - self.cwnd)).min(MAX_WINDOW);
            return;
        }
        self.after_timeout = false;
        //= rfc5681#3.1-13
        //= rfc5681#3.1-14
        self.acked = self.acked.saturating_add(newly_acked);
        if self.acked >= self.cwnd {
            self.acked -= self.cwnd;
            self.cwnd = self.cwnd.saturating_add(self.mss).min(MAX_WINDOW);
        }
    }
}

impl CongestionControl for NewReno {
    fn name(&self) -> &'static str {
        "newreno"
    }

    //= rfc7323#2.3-9
    fn cwnd(&self) -> u32 {
        self.cwnd
    }

    fn ssthresh(&self) -> u32 {
        self.ssthresh
    }

    fn on_ack(&mut self, sample: &AckSample) {
        self.validation.on_ack(sample, self.cwnd);
        if self.validation.has_aged(sample.now) {
            self.age();
        }
        if self.ssthresh == u32::MAX && self.hystart.is_over(sample, self.mss) {
            self.ssthresh = self.cwnd;
        }
        // A window that was not filled proves nothing about the path.
        //= rfc7661#4.4-3
        //= rfc7661#4.4-4
        //= rfc3168#6.1.2-3
        if !sample.app_limited && !sample.recovering && sample.marked == 0 {
            self.grow(sample);
        }
    }

    fn on_segment_lost(&mut self, lost: &LostSegment) {
        self.validation.on_lost(lost.octets);
    }

    fn on_loss(&mut self, _now: Instant, flight: u32) {
        // What was measured before the window last shrank says nothing of this one (RFC 7661 section 4.3).
        let used = self.validation.on_loss(flight).min(self.cwnd.max(flight));
        self.reduce_to(self.half(used));
    }

    //= rfc8511#3-1
    //= rfc8511#3.1-1
    //= rfc8511#4-1
    fn on_ecn(&mut self, _now: Instant, flight: u32) {
        let tenths = if self.cwnd > self.ssthresh { 8 } else { 5 };
        let reduced = mul_div(self.validation.on_loss(flight).min(self.cwnd), tenths, 10);
        self.reduce_to(reduced.max(2 * self.mss));
        //= rfc3168#6.1.2-1
        self.cwnd = reduced.max(self.mss);
    }

    // What the recovery has left open doesn't leave as a burst: it is paced.
    //= rfc6582#3.2-4
    fn on_recovered(&mut self, _now: Instant, _flight: u32) {
        //= rfc7661#4.4.1-3
        let threshold = self.ssthresh.saturating_sub(self.validation.on_recovered()).max(2 * self.mss);
        self.ssthresh = threshold;
        self.cwnd = self.cwnd.min(threshold);
    }

    fn on_timeout(&mut self, _now: Instant, flight: u32, again: bool) {
        //= rfc5681#3.1-18
        if !again {
            self.reduce_to(self.half(flight));
        }
        //= rfc5681#3.1-19
        //= rfc6928#2-6
        self.cwnd = self.mss;
        self.after_timeout = true;
        self.validation.forget();
    }

    fn undo(&mut self, _now: Instant) {
        if let Some((cwnd, ssthresh)) = self.before.take() {
            self.cwnd = self.cwnd.max(cwnd);
            self.ssthresh = self.ssthresh.max(ssthresh);
            self.after_timeout = false;
            self.validation.on_undone();
        }
    }

    //= rfc5681#4.1-1
    //= rfc5681#4.1-2
    //= rfc6928#2-5
    fn on_idle(&mut self, _now: Instant) {
        self.remember();
        self.cwnd = self.cwnd.min(initial_window(self.initial, self.mss));
        self.acked = 0;
    }

    fn set_mss(&mut self, mss: u16) {
        let before = core::mem::replace(&mut self.mss, u32::from(mss));
        self.cwnd = resized(self.initial, self.cwnd, before, self.mss);
        //= rfc4821#4-9
        let taken = self.before.as_mut().map(|(cwnd, ssthresh)| [cwnd, ssthresh]);
        for window in [&mut self.ssthresh, &mut self.acked].into_iter().chain(taken.into_iter().flatten()) {
            *window = scaled(*window, before, self.mss);
        }
    }

    fn take_over(&mut self, other: &dyn CongestionControl) {
        self.cwnd = other.cwnd();
        self.ssthresh = other.ssthresh();
    }

    fn recall(&mut self, ssthresh: u32) {
        self.ssthresh = ssthresh.max(2 * self.mss);
    }

    fn on_lost_handshake(&mut self) {
        self.cwnd = self.mss;
    }

    fn details(&self) -> Details {
        let phase = match self.cwnd < self.ssthresh {
            true if self.hystart.is_conservative() => "conservative slow start",
            true => "slow start",
            false => "congestion avoidance",
        };
        Details { phase, ..Details::default() }
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

    //= rfc4821#4-8
    //= rfc4821#4-9
    //= rfc8899#3-12
    #[test]
    fn longer_segments_are_no_more_octets_and_shorter_ones_no_more_segments() {
        let mut reno = reno();
        reno.set_mss(1400);
        assert_eq!(reno.cwnd(), 10_000);
        reno.set_mss(700);
        assert_eq!(reno.cwnd(), 5_000);
    }

    //= rfc4821#4-9
    #[test]
    fn shorter_segments_raise_no_window_that_is_remembered() {
        let mut reno = reno();
        reno.on_loss(NOW, 10_000);
        reno.set_mss(500);
        assert_eq!((reno.cwnd(), reno.ssthresh()), (2500, 2500), "no slow start to what were twice as many");
        reno.undo(NOW);
        assert_eq!((reno.cwnd(), reno.ssthresh()), (5000, u32::MAX));
    }

    //= rfc9040#6.1-3
    #[test]
    fn a_remembered_threshold_ends_slow_start_there() {
        let mut reno = reno();
        reno.recall(11_000);
        reno.on_ack(&ack(10_000));
        assert_eq!((reno.ssthresh(), reno.cwnd()), (11_000, 11_000));
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
    //= rfc3465#2.2-1
    //= rfc9406#4.3-2
    //= rfc9406#6-1
    #[test]
    fn slow_start_grows_by_what_was_acknowledged_up_to_the_threshold() {
        let mut reno = reno();
        reno.on_ack(&ack(1000));
        reno.on_ack(&ack(500));
        assert_eq!(reno.cwnd(), 11_500);
        reno.on_ack(&ack(60_000));
        assert_eq!(reno.cwnd(), 71_500);
        reno.on_loss(NOW, 70_000);
        reno.on_idle(NOW);
        assert_eq!((reno.cwnd(), reno.ssthresh()), (10_000, 35_000));
        reno.on_ack(&ack(60_000));
        assert_eq!(reno.cwnd(), 35_000);
    }

    //= rfc8511#3-1
    //= rfc8511#3.1-1
    //= rfc8511#4-1
    //= rfc3168#6.1.2-1
    #[test]
    fn a_mark_takes_a_fifth_of_the_window_half_in_slow_start_and_leaves_at_least_one_segment() {
        for (ssthresh, left) in [(u32::MAX, 5000), (10_000, 5000), (9000, 8000)] {
            let mut reno = NewReno { ssthresh, ..reno() };
            reno.on_ecn(NOW, 10_000);
            assert_eq!((reno.cwnd(), reno.ssthresh()), (left, left), "{ssthresh}");
        }
        let mut reno = reno();
        (0..20).for_each(|_| reno.on_ecn(NOW, reno.cwnd()));
        assert_eq!((reno.cwnd(), reno.ssthresh()), (1000, 2000));
    }

    /// What was delivered in a round trip may be more than the window that a timeout has left.
    //= rfc3168#6.1.2-1
    #[test]
    fn a_mark_never_raises_the_window() {
        let mut reno = NewReno { cwnd: 1000, ..reno() };
        reno.validation = Validation::unused_since(NOW, 9000);
        reno.on_ecn(NOW, 1000);
        assert_eq!((reno.cwnd(), reno.ssthresh()), (1000, 2000));
        reno.reduce_to_at_least(1000);
        assert_eq!((reno.cwnd(), reno.ssthresh()), (1000, 2000));
    }

    //= rfc3168#6.1.2-3
    #[test]
    fn an_ack_that_tells_of_marks_does_not_grow_the_window() {
        let mut reno = reno();
        reno.on_ack(&AckSample { marked: 1000, ..ack(1000) });
        assert_eq!(reno.cwnd(), 10_000);
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

    //= rfc5681#3.1-7
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

    //= rfc9406#4.3-2
    #[test]
    fn without_pacing_slow_start_grows_by_eight_segments_an_ack() {
        let mut reno = reno();
        reno.on_ack(&AckSample { unpaced: true, ..ack(64_000) });
        assert_eq!(reno.cwnd(), 18_000);
        reno.ssthresh = 100_000;
        reno.on_ack(&AckSample { unpaced: true, ..ack(64_000) });
        assert_eq!(reno.cwnd(), 26_000);
    }

    //= rfc3465#2.3-4
    //= rfc3465#3.2-1
    //= rfc5681#3.1-9
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
        reno.undo(NOW);
        assert_eq!((reno.cwnd(), reno.ssthresh()), (10_000, u32::MAX));
    }

    //= rfc7661#4.4.3-1
    #[test]
    fn a_window_that_goes_unused_for_long_becomes_no_larger() {
        for (before, after) in [(100_000, 50_000), (12_000, 10_000), (10_000, 10_000), (6_000, 6_000)] {
            let mut reno = NewReno { cwnd: before, ..reno() };
            reno.age();
            assert_eq!(reno.cwnd(), after);
        }
    }

    //= rfc7661#4.4-3
    //= rfc7661#4.4-4
    #[test]
    fn an_unfilled_window_does_not_grow() {
        let mut reno = reno();
        reno.on_ack(&AckSample { app_limited: true, ..ack(1000) });
        assert_eq!(reno.cwnd(), 10_000);
    }
}
