//! TS.Recent: which timestamp to echo, and protection against wrapped sequence numbers (RFC 7323 sections 4.3 and 5).
//!
//! A timestamp older than TS.Recent is that of an old duplicate, but for one case, which section 5.3 owns to: what was
//! sent again has filled a hole, and of what was sent before it some comes late. On a path that reorders each such
//! segment would be refused, sent again, and so make the next ones late. Any timestamp of this window or the one before
//! protects as well (section 5.2): after a hole was filled, that one is compared with.

use alloc::boxed::Box;
use core::time::Duration;

use sockeye_wire::tcp::Timestamps;
use sockeye_wire::{Instant, SeqNumber};

/// TS.Recent is void after so long a silence (RFC 7323 section 5.5).
//= rfc7323#5.5-1
const OUTDATED: Duration = Duration::from_hours(576);

/// The peer's timestamps.
#[derive(Clone, Debug)]
pub(crate) struct PeerTimestamps {
    //= rfc7323#4.3-1
    recent: u32,
    recent_at: Instant,
    last_ack_sent: SeqNumber,
    /// Allocated when a hole is filled; given back once a window has come without one.
    before: Option<Box<Before>>,
}

/// TS.Recent as it was.
#[derive(Clone, Copy, Debug)]
struct Before {
    /// When the window before this one began: what is older is refused.
    oldest: u32,
    /// When this window began.
    begun: u32,
    /// Where it ends.
    end: SeqNumber,
    /// A hole was filled in it.
    holes: bool,
}

impl PeerTimestamps {
    pub(crate) const fn new(recent: u32, now: Instant, rcv_nxt: SeqNumber) -> Self {
        Self { recent, recent_at: now, last_ack_sent: rcv_nxt, before: None }
    }

    /// TS.Recent: what to echo.
    pub(crate) const fn recent(&self) -> u32 {
        self.recent
    }

    //= rfc7323#5.3-R1
    /// True if a segment with this TSval is an old duplicate.
    pub(crate) fn is_old(&self, now: Instant, value: u32) -> bool {
        let oldest = self.before.as_ref().map_or(self.recent, |before| before.oldest);
        Timestamps::is_older(value, oldest) && now.since(self.recent_at) < OUTDATED
    }

    //= rfc7323#4.3-2
    //= rfc7323#5.3-R3
    /// A segment passed the checks: its TSval becomes TS.Recent if it spans the last ACK that we sent. `edge` is where the
    /// receive window ends; `hole` if text waits for what comes before it.
    pub(crate) fn update(&mut self, now: Instant, value: u32, seq: SeqNumber, edge: SeqNumber, hole: bool) {
        let spans = seq.at_or_before(self.last_ack_sent);
        let newer = !Timestamps::is_older(value, self.recent) || now.since(self.recent_at) >= OUTDATED;
        //= rfc7323#4.3-6
        //= rfc7323#5.2-2
        if spans && newer {
            if hole || self.before.is_some() {
                self.remember(seq, edge, hole);
            }
            self.recent = value;
            self.recent_at = now;
        }
    }

    /// TS.Recent is about to change with the segment at `seq`.
    fn remember(&mut self, seq: SeqNumber, edge: SeqNumber, hole: bool) {
        let Some(before) = &mut self.before else {
            self.before = Some(Box::new(Before { oldest: self.recent, begun: self.recent, end: edge, holes: hole }));
            return;
        };
        before.holes |= hole;
        if seq.at_or_after(before.end) {
            let next = Before { oldest: before.begun, begun: self.recent, end: edge, holes: hole };
            self.before = before.holes.then(|| Box::new(next));
        }
    }

    /// An ACK of `rcv_nxt` leaves.
    pub(crate) const fn on_ack_sent(&mut self, rcv_nxt: SeqNumber) {
        self.last_ack_sent = rcv_nxt;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::negotiated::timestamp;

    fn seq(value: u32) -> SeqNumber {
        SeqNumber::new(value)
    }

    //= rfc7323#4.3-1
    //= rfc7323#4.3-2
    //= rfc7323#4.3-4
    #[test]
    fn the_earliest_unacknowledged_segment_is_echoed() {
        let mut timestamps = PeerTimestamps::new(10, Instant::ZERO, seq(100));
        timestamps.update(Instant::ZERO, 11, seq(100), seq(1100), false);
        timestamps.update(Instant::ZERO, 12, seq(200), seq(1100), false); // no ACK was sent in between
        assert_eq!(timestamps.recent(), 11);
        timestamps.on_ack_sent(seq(300));
        timestamps.update(Instant::ZERO, 13, seq(300), seq(1300), false);
        assert_eq!(timestamps.recent(), 13);
    }

    //= rfc7323#5.4-1
    //= rfc7323#5.4-3
    //= rfc7323#5.4-4
    #[test]
    fn our_clock_ticks_each_millisecond_and_wraps_after_49_days() {
        let at = |millis| timestamp(Instant::from_millis(millis), 7);
        assert_eq!((at(0), at(1), at(1000)), (7, 8, 1007));
        assert_eq!(at(1 << 32), at(0), "much more than the 255 s of an MSL");
    }

    //= rfc7323#5.2-1
    //= rfc7323#5.3-R1
    #[test]
    fn timestamps_compare_around_the_wrap() {
        let timestamps = PeerTimestamps::new(5, Instant::ZERO, seq(0));
        assert!(timestamps.is_old(Instant::ZERO, u32::MAX));
        assert!(!timestamps.is_old(Instant::ZERO, 6));
    }

    //= rfc7323#5.5-1
    #[test]
    fn after_24_days_of_silence_any_timestamp_counts() {
        let mut timestamps = PeerTimestamps::new(500, Instant::ZERO, seq(0));
        let later = Instant::ZERO + OUTDATED;
        assert!(!timestamps.is_old(later, 400));
        timestamps.update(later, 400, seq(0), seq(1000), false);
        assert_eq!(timestamps.recent(), 400);
    }

    //= rfc7323#5.2-2
    //= rfc7323#5.3-R1
    #[test]
    fn what_comes_late_after_a_hole_was_filled_is_no_old_duplicate_for_two_windows() {
        let mut timestamps = PeerTimestamps::new(10, Instant::ZERO, seq(100));
        let mut fill = |value, at, hole| {
            timestamps.on_ack_sent(seq(at));
            timestamps.update(Instant::ZERO, value, seq(at), seq(at + 1000), hole);
            [9, 10, 29, 30, 39].map(|value| timestamps.is_old(Instant::ZERO, value))
        };
        assert_eq!(fill(20, 100, true), [true, false, false, false, false], "sent before what filled the hole");
        assert_eq!(fill(30, 200, false), [true, false, false, false, false]);
        assert_eq!(fill(40, 1100, false), [true, false, false, false, false], "in the next window");
        assert_eq!(fill(50, 2100, false), [true; 5], "the letter holds again");
        fill(49, 2100, true);
        assert_eq!(timestamps.recent(), 50, "it never goes back");
    }
}
