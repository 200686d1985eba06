//! TS.Recent: which timestamp to echo, and protection against wrapped sequence numbers (RFC 7323 sections 4.3 and 5).

use core::time::Duration;

use sockeye_wire::{Instant, SeqNumber};

use crate::negotiated::older;

/// TS.Recent is void after so long a silence (RFC 7323 section 5.5).
//= rfc7323#5.5-1
const OUTDATED: Duration = Duration::from_hours(576);

/// The peer's timestamps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerTimestamps {
    //= rfc7323#4.3-1
    recent: u32,
    recent_at: Instant,
    last_ack_sent: SeqNumber,
}

impl PeerTimestamps {
    pub(crate) const fn new(recent: u32, now: Instant, rcv_nxt: SeqNumber) -> Self {
        Self { recent, recent_at: now, last_ack_sent: rcv_nxt }
    }

    /// TS.Recent: what to echo.
    pub(crate) const fn recent(&self) -> u32 {
        self.recent
    }

    //= rfc7323#5.3-R1
    /// True if a segment with this TSval is an old duplicate.
    pub(crate) fn is_old(&self, now: Instant, value: u32) -> bool {
        older(value, self.recent) && now.since(self.recent_at) < OUTDATED
    }

    //= rfc7323#4.3-2
    //= rfc7323#5.3-R3
    /// A segment passed the checks: its TSval becomes TS.Recent if it spans the last ACK that we sent.
    pub(crate) fn update(&mut self, now: Instant, value: u32, seq: SeqNumber) {
        let spans = seq.at_or_before(self.last_ack_sent);
        let newer = !older(value, self.recent) || now.since(self.recent_at) >= OUTDATED;
        //= rfc7323#5.2-2
        if spans && newer {
            self.recent = value;
            self.recent_at = now;
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

    fn seq(value: u32) -> SeqNumber {
        SeqNumber::new(value)
    }

    //= rfc7323#4.3-2
    //= rfc7323#4.3-4
    #[test]
    fn the_earliest_unacknowledged_segment_is_echoed() {
        let mut timestamps = PeerTimestamps::new(10, Instant::ZERO, seq(100));
        timestamps.update(Instant::ZERO, 11, seq(100));
        timestamps.update(Instant::ZERO, 12, seq(200)); // no ACK was sent in between
        assert_eq!(timestamps.recent(), 11);
        timestamps.on_ack_sent(seq(300));
        timestamps.update(Instant::ZERO, 13, seq(300));
        assert_eq!(timestamps.recent(), 13);
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
        timestamps.update(later, 400, seq(0));
        assert_eq!(timestamps.recent(), 400);
    }
}
