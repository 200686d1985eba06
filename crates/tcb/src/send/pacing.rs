//! Pacing: when the next text may leave.
//!
//! Text leaves in bursts of about a millisecond's worth, so that a window isn't dumped into the bottleneck's queue at
//! once. What is asked for is time: each burst moves [`Pacer::due`] on by as long as it takes at the pacing rate. Holds:
//! over any time, what leaves is at most the rate, or [`least_rate`] if that is more, times that time, one burst, what a late
//! clock kept from leaving, and what was sent again, which isn't held back.

use core::time::Duration;

use sockeye_wire::Instant;

use crate::tcb::Tcb;
use crate::timeouts::Timer;

/// What one burst lasts, in nanoseconds, as in Linux's TSO autosizing (`sk_pacing_shift` of 10). There is no limit in octets, unless the
/// algorithm has one: where a round trip is shorter than this, timers would be too coarse, and dearer than what they spread.
const BURST: u64 = 1_000_000;
/// What one burst has beyond that where the round trip is short, and the nanoseconds each of which halve it (Linux,
/// `tcp_tso_autosize`): a near peer has no queue that a super-segment could fill, and small ones cost as much to send.
const NEAR_BURST: u64 = 65_536;
const HALVED_EACH: u64 = 512 * 1000;
/// The longest that a deadline may be missed without loss of rate: the tick of the coarsest clocks, those of 100 Hz (Linux's `fq` has a
/// timer of high resolution instead, and forgives half of the gap to the next packet).
const LATE: Duration = Duration::from_millis(10);
/// The longest that a burst holds back the next, in nanoseconds: a rate so low tells that the path, or the peer, stood still, and may
/// be another by now. The bound is our own: Linux's `sch_fq` clamps at a second, but in front of a path that does take seconds for two
/// segments, such as 4 kbit/s, that would not be pacing any more.
const LONGEST: u64 = 5_000_000_000;

/// The departure times of one connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pacer {
    /// When all that has left is paid for.
    due: Instant,
    /// Something has waited for `due` and nothing else since: a clock that says so late must not cost rate.
    held: bool,
}

impl Pacer {
    /// Octets that may leave now at `rate` octets a second, in bursts of [`burst`] and segments of `mss`: whole ones; none
    /// before [`Self::hold`]'s time.
    pub(crate) fn allowance(&self, now: Instant, rate: u64, burst: u64, mss: u32) -> u32 {
        let octets = if now >= self.due {
            burst.saturating_add(octets_in(now.nanos_since(self.paid_from(now)), rate))
        } else if self.held {
            0 // wakes for whole bursts, not for each segment that an ACK would let go
        } else {
            burst.saturating_sub(octets_in(self.due.nanos_since(now), rate))
        };
        u32::try_from(octets).unwrap_or(u32::MAX) / mss * mss
    }

    /// The same where nothing is paced: nothing before [`Self::wait_until`]'s time, and then anything.
    fn unpaced(&self, now: Instant) -> u32 {
        if now < self.due { 0 } else { u32::MAX }
    }

    /// Something is held back: when it may leave.
    pub(crate) const fn hold(&mut self) -> Instant {
        self.held = true;
        self.due
    }

    /// Nothing leaves before `at`.
    pub(crate) fn wait_until(&mut self, at: Instant) {
        self.due = self.due.max(at);
        self.held = true;
    }

    /// Nothing waits for the pacer any more: time that passes from now on earns nothing.
    pub(crate) const fn release(&mut self) {
        self.held = false;
    }

    /// `octets` leave.
    pub(crate) fn on_sent(&mut self, now: Instant, octets: u64, rate: u64) {
        let nanos = octets.saturating_mul(1_000_000_000) / rate.max(1);
        // What is sent again leaves unpaced, and is paid for all the same.
        let latest = now.plus_nanos(LONGEST).max(self.due);
        self.due = self.paid_from(now).plus_nanos(nanos).min(latest);
        self.held &= self.due <= now;
    }

    /// From when on the next burst is to be paid for.
    fn paid_from(&self, now: Instant) -> Instant {
        self.due.max(if self.held { now - LATE } else { now })
    }
}

/// Octets of one burst at `rate`, over a path that takes `min_rtt` nanoseconds; `u64::MAX` if that isn't known.
fn burst(rate: u64, mss: u32, min_rtt: u64) -> u64 {
    let halvings = min_rtt / HALVED_EACH;
    let more = u32::try_from(halvings).ok().and_then(|halvings| NEAR_BURST.checked_shr(halvings)).unwrap_or(0);
    let more = more.min(octets_in(LONGEST, rate));
    octets_in(BURST, rate).saturating_add(more).max(2 * u64::from(mss))
}

/// The least rate that is kept to: the shortest burst lasts no longer than [`LONGEST`].
fn least_rate(mss: u32) -> u64 {
    (2 * u64::from(mss)).saturating_mul(1_000_000_000).div_ceil(LONGEST)
}

/// What is saturated is more than a window. In 128 bits a division would take a hundred instructions.
fn octets_in(nanos: u64, rate: u64) -> u64 {
    rate.saturating_mul(nanos) / 1_000_000_000
}

impl Tcb {
    /// Octets that may leave now at the pacing rate.
    //= rfc7661#4.4.2-1
    pub(super) fn paced(&self, now: Instant) -> u32 {
        let mss = u32::from(self.send.mss());
        let Some(rate) = self.pacing_rate() else {
            return self.pacer.unpaced(now);
        };
        let quantum = self.congestion.send_quantum().map(u64::from);
        let burst = quantum.unwrap_or_else(|| burst(rate, mss, self.recovery.least_rtt()));
        self.pacer.allowance(now, rate, burst, mss)
    }

    /// The pacing rate, in octets a second. `None` while no round trip was measured; nor are the first segments paced,
    /// as many as the initial window has (Linux, `tcp_update_skb_after_send`): a short answer doesn't wait.
    pub(crate) fn pacing_rate(&self) -> Option<u64> {
        let unpaced = u64::from(self.config.initial_window) * u64::from(self.send.mss());
        if self.counts.bytes_sent < unpaced {
            return None;
        }
        let rate = self.congestion.pacing_rate().or_else(|| {
            if !self.config.pacing {
                return None;
            }
            let srtt = self.rtt.srtt_nanos();
            if srtt == 0 {
                return None;
            }
            let cwnd = u64::from(self.congestion.cwnd());
            // Linux, `tcp_update_pacing_rate`: twice the window in a round trip in the first half of slow start, so that
            // it may double; else a fifth more, so that ACKs, not this, hold the sender.
            let percent = if cwnd < u64::from(self.congestion.ssthresh() / 2) { 200 } else { 120 };
            // A window is at most 2^30 octets, so this is below 2^61.
            Some(cwnd * percent / 100 * 1_000_000_000 / srtt)
        });
        rate.map(|rate| rate.max(least_rate(self.send.mss().into())))
    }

    pub(super) fn wait_for_pacer(&mut self) {
        let due = self.pacer.hold();
        self.deadlines.set(Timer::Pacing, due);
        // Half a window in flight proves slow start as much as a full one does (Linux, `tcp_is_cwnd_limited`).
        let in_flight = self.recovery.in_flight(u32::from(self.send.mss()));
        if self.congestion.cwnd() < self.congestion.ssthresh() && in_flight >= self.congestion.cwnd() / 2 {
            self.recovery.on_window_filled();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u32 = 1000;

    fn at(micros: u64) -> Instant {
        Instant::from_nanos(1_000_000_000 + micros * 1000)
    }

    /// Sends what may leave; the octets.
    fn send(pacer: &mut Pacer, now: Instant, rate: u64) -> u64 {
        let octets = u64::from(pacer.allowance(now, rate, burst(rate, MSS, u64::MAX), MSS));
        if octets > 0 {
            pacer.on_sent(now, octets, rate);
        }
        octets
    }

    #[test]
    fn a_burst_is_a_millisecond_and_at_least_two_segments() {
        assert_eq!(burst(10_000_000, MSS, u64::MAX), 10_000);
        assert_eq!(burst(125_000, MSS, u64::MAX), 2000);
        assert_eq!(burst(1_250_000_000, MSS, u64::MAX), 1_250_000);
    }

    #[test]
    fn a_burst_to_a_near_peer_has_room_for_a_super_segment() {
        let over = |micros: u64| burst(10_000_000, MSS, micros * 1000);
        assert_eq!([over(50), over(600), over(1100)], [75_536, 42_768, 26_384]);
        assert_eq!([over(20_000), over(10_000_000)], [10_000, 10_000]);
    }

    #[test]
    fn bursts_follow_each_other_at_the_rate() {
        let mut pacer = Pacer::default();
        assert_eq!(send(&mut pacer, at(0), 10_000_000), 10_000);
        assert_eq!(send(&mut pacer, at(0), 10_000_000), 0);
        assert_eq!(pacer.hold(), at(1000));
        assert_eq!(send(&mut pacer, at(999), 10_000_000), 0);
        assert_eq!(send(&mut pacer, at(1000), 10_000_000), 10_000);
    }

    #[test]
    fn what_a_burst_has_left_may_leave_while_nothing_waits() {
        let mut pacer = Pacer::default();
        pacer.on_sent(at(0), 4000, 10_000_000);
        assert_eq!(pacer.allowance(at(0), 10_000_000, 10_000, MSS), 6000);
        assert_eq!(pacer.allowance(at(250), 10_000_000, 10_000, MSS), 8000, "2500 octets of time have passed");
    }

    #[test]
    fn a_path_that_stood_still_is_tried_again_soon() {
        let least = least_rate(MSS);
        for min_rtt in [0, 1_000_000, u64::MAX] {
            let (mut pacer, burst) = (Pacer::default(), burst(least, MSS, min_rtt));
            while pacer.allowance(at(0), least, burst, MSS) > 0 {
                pacer.on_sent(at(0), MSS.into(), least);
            }
            assert!(pacer.hold() <= at(5_000_000), "{:?} after a burst of {burst}", pacer.hold());
            pacer.on_sent(at(0), 2 * u64::from(MSS), least);
            assert!(pacer.hold() <= at(5_000_000), "{:?} after a retransmission", pacer.hold());
        }
    }

    #[test]
    fn silence_earns_no_credit() {
        let mut pacer = Pacer::default();
        send(&mut pacer, at(0), 10_000_000);
        assert_eq!(send(&mut pacer, at(5_000_000), 10_000_000), 10_000);
        pacer.hold();
        pacer.release();
        assert_eq!(send(&mut pacer, at(9_000_000), 10_000_000), 10_000);
    }

    #[test]
    fn clocks_of_1_4_and_10_milliseconds_reach_the_rate_and_do_not_exceed_it() {
        for tick in [1000, 4000, 10_000] {
            for rate in [125_000, 1_250_000, 12_500_000, 125_000_000] {
                let (mut pacer, mut sent) = (Pacer::default(), 0);
                for now in (0..=1_000_000).step_by(tick) {
                    loop {
                        let octets = send(&mut pacer, at(now), rate);
                        sent += octets;
                        if octets == 0 {
                            break;
                        }
                    }
                    pacer.hold();
                }
                let least = rate - rate / 20;
                let most = rate + burst(rate, MSS, u64::MAX) + u64::from(MSS);
                assert!((least..=most).contains(&sent), "tick {tick} us, rate {rate}: {sent}");
            }
        }
    }
}
