//! RACK: what was sent before something that has arrived since, and isn't there a reordering window after that, is lost
//! (RFC 8985 section 6).

use core::time::Duration;

use sockeye_wire::{Instant, SeqNumber};

use super::Echo;
use super::outstanding::{Outstanding, Pieces, Run};
use crate::Rtt;

/// Segments selectively acknowledged that mean a loss while no reordering was seen.
//= rfc6675#2-2
pub(super) const DUP_THRESH: u32 = 3;

/// How many recoveries a widened window outlasts (RFC 8985 section 6.2, step 4).
const PERSIST: u8 = 16;

/// What is known of the newest segment that was delivered, while anything is outstanding.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rack {
    /// `RACK.rtt`.
    pub(super) rtt: Duration,
    /// `RACK.xmit_ts` and `RACK.end_seq`: when it was sent, and the place where it ends.
    sent_at: Instant,
    end: u64,
    /// `RACK.fack`: the highest place up to which something was delivered.
    fack: u64,
}

/// How far the path reorders. Outlives what is outstanding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reordering {
    /// By how many segments at most those were overtaken that were never sent again; 0 while none was.
    pub(super) distance: u32,
    /// `RACK.reo_wnd_mult`: quarters of the least round-trip time.
    pub(super) quarters: u8,
    /// `RACK.reo_wnd_persist`: recoveries until one quarter is enough again.
    persist: u8,
    /// `RACK.dsack_round`: a round trip is over once this is acknowledged.
    dsack_round: Option<SeqNumber>,
}

impl Reordering {
    pub(super) const NONE: Self = Self { distance: 0, quarters: 1, persist: 0, dsack_round: None };

    /// The path reorders.
    pub(super) const fn is_seen(&self) -> bool {
        self.distance > 0
    }

    /// A segment of `size` octets that was never sent again has arrived, after one that ends `behind` octets beyond its start.
    fn note(&mut self, behind: u64, size: u32) {
        let segments = behind.div_ceil(u64::from(size.max(1)));
        self.distance = self.distance.max(u32::try_from(segments).unwrap_or(u32::MAX));
    }

    //= rfc8985#3.3.2-3
    //= rfc8985#4-3
    //= rfc8985#6.2-7
    /// A duplicate was reported: we had sent something again needlessly, since the window was too narrow. Once a round trip, in which
    /// what was outstanding is acknowledged, it becomes one quarter more, for a while. If nothing is, that is whatever is sent next.
    pub(super) fn on_dsack(&mut self, una: SeqNumber, nxt: SeqNumber) {
        let end = if una == nxt { nxt + 1 } else { nxt };
        let same_round = self.dsack_round.is_some_and(|round| (1..=end.since(una)).contains(&round.since(una)));
        if !same_round {
            self.dsack_round = Some(end);
            self.quarters = self.quarters.saturating_add(1);
            self.persist = PERSIST;
        }
    }

    //= rfc8985#6.2-8
    /// A recovery is over.
    pub(super) fn on_recovered(&mut self) {
        self.persist = self.persist.saturating_sub(1);
        if self.persist == 0 {
            self.quarters = 1;
        }
    }

    /// `RACK.reo_wnd`. `urgent` if a loss is being repaired already, or [`DUP_THRESH`] segments were selectively
    /// acknowledged.
    //= rfc8985#3.3.2-1
    //= rfc8985#3.3.2-2
    //= rfc8985#3.3.2-4
    //= rfc8985#6.2-6
    //= rfc8985#6.2-9
    pub(super) fn window(&self, min_rtt: Option<Duration>, rtt: &Rtt, urgent: bool) -> Duration {
        if !self.is_seen() && urgent {
            return Duration::ZERO;
        }
        // A round trip that is no tick of a coarse clock takes some time nevertheless.
        let least = min_rtt.map_or(Duration::ZERO, |least| if least.is_zero() { rtt.granularity() } else { least });
        (least / 4 * u32::from(self.quarters)).min(rtt.srtt().unwrap_or_default().max(least))
    }
}

impl Rack {
    /// A segment was delivered that hadn't been before: `run` from the place `start` on. Within one ACK to be told in
    /// order, what is cumulatively acknowledged first.
    pub(super) fn on_delivered(
        &mut self,
        (start, run): (u64, &Run),
        arrived_at: Instant,
        echo: Option<Echo>,
        min_rtt: Option<Duration>,
        reordering: &mut Reordering,
    ) {
        let end = start + u64::from(run.len);
        //= rfc8985#6.2-5
        if end > self.fack {
            self.fack = end;
        } else if !run.resent {
            reordering.note(self.fack - start, run.size);
        }
        let rtt = arrived_at.since(run.sent_at);
        //= rfc8985#6.2-2
        // Nor does anything come back within one tick of a coarse clock, or tell anything while no round trip is known.
        let too_soon = rtt.is_zero() || min_rtt.map_or(echo.is_none(), |min| rtt < min);
        if run.resent && (too_soon || echo.is_some_and(|echo| echo.is_before(run.sent_at))) {
            return; // the ACK tells of an earlier transmission
        }
        //= rfc8985#6.2-3
        self.rtt = rtt;
        //= rfc8985#6.2-4
        if (self.sent_at, self.end) < (run.sent_at, end) {
            (self.sent_at, self.end) = (run.sent_at, end);
        }
    }

    /// The same of the newest of what an ACK tells of, in order and all sent once, before [`Self::is_behind`] what is outstanding;
    /// `rtt` in nanoseconds.
    pub(super) fn on_delivered_in_order(&mut self, (start, run): (u64, &Run), rtt: u64) {
        let end = start + u64::from(run.len);
        self.fack = end;
        //= rfc8985#6.2-3
        //= rfc8985#6.2-4
        self.rtt = Duration::from_nanos(rtt);
        (self.sent_at, self.end) = (run.sent_at, end);
    }

    /// True if all that was delivered was sent before the first of what is outstanding, and stands before it. Where nothing was sent
    /// again, that is the first to have left, and nothing is overtaken by an ACK in order.
    pub(super) fn is_behind(&self, outstanding: &Outstanding) -> bool {
        outstanding
            .front_key()
            .is_some_and(|(sent_at, start)| self.fack <= start && (self.sent_at, self.end) <= (sent_at, start))
    }

    /// True if anything is in flight that was sent before something that has arrived: else nothing is lost, which is so for
    /// nearly every ACK.
    pub(super) fn has_overtaken(&self, outstanding: &Outstanding) -> bool {
        outstanding.earliest_key().is_some_and(|key| key < (self.sent_at, self.end))
    }

    /// Finds what is lost, and when to look again for what is overdue and not yet given up: see [`Reordering::window`].
    //= rfc8985#3.3.1-1
    //= rfc8985#6.2-10
    //= rfc8985#6.2-11
    //= rfc8985#6.2-13
    //= rfc8985#6.2-14
    //= rfc8985#9.1-1
    pub(super) fn find_lost(
        &self,
        now: Instant,
        window: Duration,
        outstanding: &mut Outstanding,
    ) -> (Pieces, Option<Instant>) {
        let mut lost = Pieces::new();
        while let Some((start, run)) = outstanding.earliest_sent()
            && (run.sent_at, start) < (self.sent_at, self.end)
            && run.sent_at + self.rtt + window <= now
        {
            outstanding.mark_lost(start);
            lost.push((start, run));
        }
        //= rfc8985#6.2-12
        let latest = outstanding.latest_sent_before(self.sent_at, self.end);
        (lost, latest.map(|sent_at| sent_at + self.rtt + window))
    }
}

/// The retransmission timer expired: the first segment is lost, and what is older than `window`, which is a round trip and
/// the reordering window.
//= rfc8985#6.3-1
pub(super) fn lost_on_timeout(now: Instant, window: Duration, outstanding: &mut Outstanding) -> Pieces {
    let mut lost: Pieces = outstanding.mark_first_lost().into_iter().collect();
    lost.extend(outstanding.mark_lost_until(now - window));
    lost
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use crate::congestion::delivery_rate::Snapshot;
    use crate::recovery::outstanding::Mark;

    const RTT: Duration = Duration::from_millis(100);
    const START: u64 = 1 << 32;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    /// The second of two segments that left at one instant, in which the first was already sent again, is no news of that;
    /// a third that left at that instant after it is.
    #[test]
    fn within_a_tick_nothing_overtakes_what_was_sent_again_later() {
        let mut outstanding = Outstanding::default();
        outstanding.on_sent(at(8), START, 2000, 1000, Snapshot::default(), false);
        outstanding.mark_first_lost();
        outstanding.resend_lost(at(8), 1000, 1000, |_| Snapshot::default());
        outstanding.on_sent(at(8), START + 2000, 1000, 1000, Snapshot::default(), false);
        let (mut rack, mut reordering) = (Rack::default(), Reordering::NONE);
        for (place, overtaken) in [(1000, false), (2000, true)] {
            for (start, run) in outstanding.sack(START + place, START + place + 1000) {
                rack.on_delivered((start, &run), at(8), None, Some(RTT), &mut reordering);
            }
            assert_eq!(rack.has_overtaken(&outstanding), overtaken, "{place}");
        }
    }

    /// Ten segments, one in ten milliseconds.
    fn flight() -> Outstanding {
        let mut outstanding = Outstanding::default();
        for i in 0..10 {
            outstanding.on_sent(at(10 * i), START + 1000 * i, 1000, 1000, Snapshot::default(), false);
        }
        outstanding
    }

    /// The `index`th segment is selectively acknowledged after `after`.
    fn deliver(
        rack: &mut Rack,
        outstanding: &mut Outstanding,
        index: u64,
        after: Duration,
        reordering: &mut Reordering,
    ) {
        for (start, run) in outstanding.sack(START + 1000 * index, START + 1000 * (index + 1)) {
            rack.on_delivered((start, &run), run.sent_at + after, None, Some(RTT), reordering);
        }
    }

    //= rfc8985#6.2-8
    #[test]
    fn after_sixteen_recoveries_without_duplicates_the_window_is_one_quarter_again() {
        let mut reordering = Reordering { distance: 1, ..Reordering::NONE };
        let mut rtt = Rtt::new(&Config::default());
        rtt.on_sample(RTT);
        let quarters = |reordering: &Reordering| reordering.window(Some(RTT), &rtt, true) / 25;
        let seq = |offset: u32| SeqNumber::new(u32::MAX - 1500) + offset;
        reordering.on_dsack(seq(0), seq(1000));
        reordering.on_dsack(seq(500), seq(2000)); // in the same round trip
        reordering.on_dsack(seq(1000), seq(3000));
        assert_eq!(quarters(&reordering), 3 * Duration::from_millis(1));
        (0..15).for_each(|_| reordering.on_recovered());
        assert_eq!(quarters(&reordering), 3 * Duration::from_millis(1));
        reordering.on_recovered();
        assert_eq!(quarters(&reordering), Duration::from_millis(1));
    }

    /// Several at once, of one round trip: until something that was sent later is acknowledged.
    //= rfc8985#6.2-7
    #[test]
    fn duplicates_reported_when_nothing_is_outstanding_count_once_too() {
        let mut reordering = Reordering::NONE;
        let seq = |offset: u32| SeqNumber::new(7) + offset;
        (0..5).for_each(|_| reordering.on_dsack(seq(0), seq(0)));
        reordering.on_dsack(seq(0), seq(3000)); // something is outstanding again
        assert_eq!(reordering.quarters, 2);
        reordering.on_dsack(seq(1000), seq(3000));
        assert_eq!(reordering.quarters, 3);
        reordering.on_dsack(seq(3 << 30), seq(3 << 30));
        assert_eq!(reordering.quarters, 4, "however much was sent since");
    }

    #[test]
    fn a_round_trip_of_no_tick_has_a_window_of_its_own() {
        let mut rtt = Rtt::new(&Config { granularity: Duration::from_millis(10), ..Config::default() });
        rtt.on_sample(Duration::ZERO);
        let window = Reordering::NONE.window(Some(Duration::ZERO), &rtt, false);
        assert_eq!(window, Duration::from_micros(2500));
    }

    //= rfc8985#6.2-2
    #[test]
    fn an_ack_too_early_for_the_retransmission_tells_of_the_original() {
        let mut outstanding = flight();
        outstanding.mark_first_lost();
        outstanding.resend_lost(at(200), 1000, 1000, |_| Snapshot::default());
        let mut rack = Rack::default();
        let (start, run) = outstanding.take_acked(START + 1000).unwrap();
        let mut reordering = Reordering::NONE;
        rack.on_delivered((start, &run), at(210), None, Some(RTT), &mut reordering);
        assert_eq!(rack.rtt, Duration::ZERO, "sooner than any round trip");
        let echo = Some(Echo { value: 150, offset: 0 });
        rack.on_delivered((start, &run), at(310), echo, Some(RTT), &mut reordering);
        assert_eq!(rack.rtt, Duration::ZERO, "the echo is older than it");
        let echo = Some(Echo { value: 200, offset: 0 });
        rack.on_delivered((start, &run), at(310), echo, Some(RTT), &mut reordering);
        assert_eq!(rack.rtt, Duration::from_millis(110));
        assert!(!reordering.is_seen());
    }

    //= rfc8985#6.2-10
    //= rfc8985#6.2-12
    //= rfc8985#6.2-13
    #[test]
    fn what_was_sent_before_is_lost_a_round_trip_and_a_window_after_it_was_sent() {
        let (mut outstanding, mut rack, mut reordering) = (flight(), Rack::default(), Reordering::NONE);
        deliver(&mut rack, &mut outstanding, 5, RTT, &mut reordering);
        let (lost, again) = rack.find_lost(at(150), Duration::from_millis(25), &mut outstanding);
        assert_eq!(lost.iter().map(|(start, _)| start - START).collect::<alloc::vec::Vec<_>>(), [0, 1000, 2000]);
        assert_eq!(again, Some(at(40 + 100 + 25)), "the last of those sent before it");
        assert_eq!(outstanding.tally(Mark::InFlight).segments, 6, "what was sent after it isn't judged");
    }

    //= rfc8985#6.3-1
    #[test]
    fn a_timeout_holds_the_first_lost_and_what_is_old_enough() {
        let mut outstanding = flight();
        let lost = lost_on_timeout(at(130), RTT, &mut outstanding);
        assert_eq!(lost.iter().map(|(start, _)| start - START).collect::<alloc::vec::Vec<_>>(), [0, 1000, 2000, 3000]);
        let mut young = flight();
        assert_eq!(lost_on_timeout(at(50), RTT, &mut young).len(), 1);
    }
}
