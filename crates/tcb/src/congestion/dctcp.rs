//! DCTCP (RFC 8257): the window shrinks by the fraction of octets that the network marked.
//!
//! For data centres, where switches mark early and both ends run it: against others it takes more than its share.

use sockeye_wire::Instant;

use super::rounds::Rounds;
use super::{AckSample, CongestionControl, Details, EcnUse, LostSegment, NewReno, mul_div};

/// `SCF` and `SHF` of section 4.2: alpha is kept in 1/65536, and its gain g is 1/16.
//= rfc8257#4.2-1
const SCALE: u32 = 65_536;
const GAIN_SHIFT: u32 = 4;

/// DCTCP. Losses it answers as [`NewReno`] does, and is that where the peer or the network knows no ECN.
///
/// ```
/// # use sockeye_tcb::congestion::{CongestionControl, Dctcp, EcnUse};
/// assert_eq!(Dctcp::new(10).ecn(), EcnUse::Counting);
/// ```
#[derive(Clone, Debug)]
pub struct Dctcp {
    reno: NewReno,
    /// The observation window: a round trip.
    rounds: Rounds,
    /// `DCTCP.BytesAcked` and `DCTCP.BytesMarked`.
    acked: u64,
    marked: u64,
    /// `DCTCP.Alpha`, in 1/65536.
    alpha: u32,
    /// Octets delivered when the window was last reduced; `None` from then until the next ACK.
    reduced_at: Option<u64>,
}

impl Dctcp {
    /// An algorithm that begins with `initial` segments, 10 by RFC 6928.
    pub fn new(initial: u8) -> Self {
        let reno = NewReno::new(initial);
        //= rfc8257#3.3-1
        Self { reno, rounds: Rounds::default(), acked: 0, marked: 0, alpha: SCALE, reduced_at: Some(0) }
    }

    /// The observation window ends.
    //= rfc8257#3.3-2
    //= rfc8257#3.3-5
    //= rfc8257#3.3-6
    //= rfc8257#4.2-2
    //= rfc8257#4.2-3
    fn observe(&mut self) {
        let level = u64::from(SCALE) * self.marked / self.acked.max(1);
        let level = u32::try_from(level).unwrap_or(SCALE).min(SCALE);
        let decay = self.alpha >> GAIN_SHIFT;
        let kept = if decay == 0 { 0 } else { self.alpha - decay };
        self.alpha = (kept + (level >> GAIN_SHIFT)).min(SCALE);
        (self.acked, self.marked) = (0, 0);
    }
}

impl CongestionControl for Dctcp {
    fn name(&self) -> &'static str {
        "dctcp"
    }

    fn cwnd(&self) -> u32 {
        self.reno.cwnd()
    }

    fn ssthresh(&self) -> u32 {
        self.reno.ssthresh()
    }

    fn ecn(&self) -> EcnUse {
        EcnUse::Counting
    }

    //= rfc8257#3.3-3
    //= rfc8257#3.3-4
    //= rfc8257#3.4-1
    fn on_ack(&mut self, sample: &AckSample) {
        if self.rounds.begins(sample) && self.acked > 0 {
            self.observe();
        }
        self.acked += u64::from(sample.newly_acked);
        self.marked += u64::from(sample.marked);
        // Marks of what left before a reduction are answered with it, wherever in the observation window that was.
        //= rfc8257#3.3-7
        let reduced_at = *self.reduced_at.get_or_insert(sample.delivered);
        if sample.marked > 0 && sample.prior_delivered >= reduced_at && !sample.recovering {
            let part = mul_div(self.reno.cwnd(), self.alpha, 2 * SCALE);
            self.reno.reduce_to_at_least(self.reno.cwnd() - part);
            self.reduced_at = Some(sample.delivered);
        }
        self.reno.on_ack(sample);
    }

    fn on_segment_lost(&mut self, lost: &LostSegment) {
        self.reno.on_segment_lost(lost);
    }

    //= rfc8257#3.5-1
    //= rfc8257#3.5-2
    fn on_loss(&mut self, now: Instant, flight: u32) {
        self.reno.on_loss(now, flight);
        self.reduced_at = None;
    }

    fn on_recovered(&mut self, now: Instant, flight: u32) {
        self.reno.on_recovered(now, flight);
    }

    //= rfc8257#3.5-3
    fn on_timeout(&mut self, now: Instant, flight: u32, again: bool) {
        self.reno.on_timeout(now, flight, again);
        self.reduced_at = None;
    }

    fn undo(&mut self, now: Instant) {
        self.reno.undo(now);
    }

    fn on_idle(&mut self, now: Instant) {
        self.reno.on_idle(now);
    }

    fn set_mss(&mut self, mss: u16) {
        self.reno.set_mss(mss);
    }

    fn take_over(&mut self, other: &dyn CongestionControl) {
        self.reno.take_over(other);
    }

    fn recall(&mut self, ssthresh: u32) {
        self.reno.recall(ssthresh);
    }

    fn on_lost_handshake(&mut self) {
        self.reno.on_lost_handshake();
    }

    fn details(&self) -> Details {
        let marked_fraction = u16::try_from(self.alpha / (SCALE / 1024)).unwrap_or(1024);
        Details { marked_fraction, ..self.reno.details() }
    }
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;
    use alloc::vec::Vec;
    use core::time::Duration;

    use super::*;
    use crate::congestion::toy::Toy;

    /// DCTCP with a window of `segments` of 1000 octets, and a way to feed it round trips.
    struct Feed {
        dctcp: Dctcp,
        delivered: u64,
    }

    impl Feed {
        fn new(segments: u32) -> Self {
            let mut dctcp = Dctcp::new(10);
            dctcp.set_mss(1000);
            dctcp.reno.on_loss(Instant::ZERO, segments * 2000);
            Self { dctcp, delivered: 0 }
        }

        /// A round trip of ten ACKs of which the first `marked` tell of marks.
        fn round(&mut self, marked: u32) {
            let prior_delivered = self.delivered;
            for ack in 0..10 {
                self.delivered += 1000;
                let marked = if ack < marked { 1000 } else { 0 };
                let delivered = self.delivered;
                self.dctcp.on_ack(&AckSample {
                    newly_acked: 1000,
                    marked,
                    delivered,
                    prior_delivered,
                    ..AckSample::default()
                });
            }
        }
    }

    //= rfc8257#3.3-1
    //= rfc8257#3.3-7
    #[test]
    fn the_first_mark_halves_the_window_once_in_a_round_trip() {
        let mut feed = Feed::new(100);
        assert_eq!(feed.dctcp.cwnd(), 100_000);
        feed.round(10);
        assert_eq!(feed.dctcp.cwnd(), 50_000);
        feed.round(10); // alpha is still one: all was marked
        assert_eq!(feed.dctcp.cwnd(), 25_000);
    }

    //= rfc8257#3.3-2
    //= rfc8257#3.3-5
    //= rfc8257#3.3-6
    //= rfc8257#3.3-3
    //= rfc8257#3.3-4
    //= rfc8257#4.2-1
    #[test]
    fn alpha_follows_the_marked_fraction_with_a_gain_of_a_sixteenth() {
        let mut feed = Feed::new(1000);
        (0..3).for_each(|_| feed.round(0)); // a window ends with the first ACK of the next
        assert_eq!(feed.dctcp.alpha, 65_536 * 15 / 16 * 15 / 16);
        (0..200).for_each(|_| feed.round(5));
        let half = SCALE / 2;
        assert!(feed.dctcp.alpha.abs_diff(half) < SCALE / 50, "{}", feed.dctcp.alpha);
    }

    /// Ten segments are in flight at any time. Marks from the ninth to the eighteenth tell of one window, though an observation
    /// window begins with the eleventh; the nineteenth left after the first of them was answered.
    //= rfc8257#3.3-7
    #[test]
    fn one_window_of_marks_is_answered_once_wherever_it_begins() {
        let mut feed = Feed::new(100);
        let mut cuts = Vec::new();
        for segment in 1..=40_u64 {
            let before = feed.dctcp.cwnd();
            feed.dctcp.on_ack(&AckSample {
                newly_acked: 1000,
                marked: if (9..=19).contains(&segment) { 1000 } else { 0 },
                delivered: 1000 * segment,
                prior_delivered: 1000 * segment.saturating_sub(10),
                ..AckSample::default()
            });
            if feed.dctcp.cwnd() < before {
                cuts.push(segment);
            }
        }
        assert_eq!(cuts, [9, 19]);
    }

    //= rfc8257#4.2-2
    //= rfc8257#4.2-3
    #[test]
    fn alpha_reaches_zero_and_never_exceeds_one() {
        let mut feed = Feed::new(100);
        (0..300).for_each(|_| feed.round(0));
        assert_eq!(feed.dctcp.alpha, 0);
        (0..300).for_each(|_| {
            feed.round(10);
            assert!(feed.dctcp.alpha <= SCALE);
        });
        assert!(feed.dctcp.alpha > SCALE * 15 / 16);
    }

    //= rfc8257#3.5-1
    //= rfc8257#3.5-2
    //= rfc8257#3.5-3
    #[test]
    fn losses_are_answered_as_by_reno() {
        let (mut dctcp, mut reno) = (Dctcp::new(10), NewReno::new(10));
        let both: [&mut dyn CongestionControl; 2] = [&mut dctcp, &mut reno];
        for algorithm in both {
            algorithm.set_mss(1000);
            algorithm.on_loss(Instant::ZERO, 10_000);
            algorithm.on_recovered(Instant::ZERO, 5000);
            algorithm.on_timeout(Instant::ZERO, 5000, false);
        }
        assert_eq!((dctcp.cwnd(), dctcp.ssthresh()), (reno.cwnd(), reno.ssthresh()));
    }

    #[test]
    fn what_a_mark_has_taken_is_not_given_back_with_a_loss_before_it() {
        let mut feed = Feed::new(100);
        feed.dctcp.on_loss(Instant::ZERO, 100_000);
        feed.dctcp.on_recovered(Instant::ZERO, 50_000);
        (0..2).for_each(|_| feed.round(10));
        let (cwnd, ssthresh) = (feed.dctcp.cwnd(), feed.dctcp.ssthresh());
        assert!(ssthresh < 50_000, "{ssthresh}");
        feed.dctcp.undo(Instant::ZERO);
        assert_eq!((feed.dctcp.cwnd(), feed.dctcp.ssthresh()), (cwnd, ssthresh));
    }

    /// 100 Mbit/s, a round trip of 5 ms, marks from 1 ms of queue on.
    #[test]
    fn a_queue_that_marks_at_a_millisecond_stays_short_and_the_link_busy() {
        let mut toy = Toy::new(Box::new(Dctcp::new(10)), 12_500_000, Duration::from_millis(5), 400);
        toy.mark_above = 12_500;
        toy.run(Duration::from_secs(1));
        assert!(toy.utilization(Duration::from_secs(10)) >= 98);
        let mut waited = toy.waited.clone();
        waited.sort_unstable();
        let p99 = waited[waited.len() * 99 / 100];
        assert!(p99 <= 3 * 12_500 && toy.lost == 0, "{p99} octets, {} lost", toy.lost);
    }
}
