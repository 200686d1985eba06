//! When to acknowledge (RFC 9293 section 3.8.6.3, RFC 5681 section 4.2).

/// How many ACKs a new connection sends at once, so that the peer's slow start isn't held back, as Linux does.
const QUICK: u8 = 16;
/// The most ACKs that one merged super-segment out of order counts for: what fast retransmit waits for.
const DUPLICATES_AT_ONCE: u32 = 3;

/// What acknowledgment is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owed {
    /// None.
    Nothing,
    /// One, within the delay.
    Later,
    /// One, now.
    Now,
}

/// Decides when an ACK is due. Counts octets, not packets: what arrives merged counts as the segments in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AckPolicy {
    owed: Owed,
    /// ACKs, each of its own, for segments out of order.
    duplicates: u8,
    quick: u8,
    /// The largest segment seen of the peer: RMSS as it is in fact.
    rcv_mss: u32,
    /// Octets in order since the last ACK.
    unacked: u32,
}

impl AckPolicy {
    pub(crate) const fn new() -> Self {
        Self { owed: Owed::Nothing, duplicates: 0, quick: QUICK, rcv_mss: 0, unacked: 0 }
    }

    /// The largest segment seen of the peer, in octets of text.
    pub(crate) const fn rcv_mss(&self) -> u32 {
        self.rcv_mss
    }

    pub(crate) const fn owed(&self) -> Owed {
        self.owed
    }

    //= rfc9293#SHLD-18
    //= rfc9293#SHLD-19
    //= rfc5681#4.2-3
    /// Text arrived in order: an ACK is due at the latest with every second full segment.
    pub(crate) fn on_text(&mut self, octets: u32, segment_size: u32) {
        self.rcv_mss = self.rcv_mss.max(segment_size);
        self.unacked = self.unacked.saturating_add(octets);
        if self.quick > 0 || self.unacked >= self.rcv_mss.saturating_mul(2) {
            self.quick = self.quick.saturating_sub(1);
            self.owed = Owed::Now;
        } else if self.owed == Owed::Nothing {
            self.owed = Owed::Later;
        }
    }

    //= rfc5681#3.2-1
    //= rfc9293#MAY-13
    /// Text arrived out of order: each such segment gets its own ACK, since the peer may count them.
    pub(crate) fn on_disorder(&mut self, octets: u32, segment_size: u32) {
        let segments = octets.div_ceil(segment_size.max(1)).clamp(1, DUPLICATES_AT_ONCE);
        self.duplicates = self.duplicates.saturating_add(u8::try_from(segments).unwrap_or(1));
    }

    /// True if text in order has arrived that no ACK has told of.
    pub(crate) const fn has_unacknowledged(&self) -> bool {
        self.unacked > 0
    }

    /// An ACK is due at once.
    pub(crate) const fn now(&mut self) {
        self.owed = Owed::Now;
    }

    /// Takes one ACK owed for a segment out of order.
    pub(crate) const fn take_duplicate(&mut self) -> bool {
        let any = self.duplicates > 0;
        self.duplicates = self.duplicates.saturating_sub(1);
        any
    }

    /// A segment with the current ACK field leaves.
    pub(crate) const fn on_sent(&mut self) {
        self.owed = Owed::Nothing;
        self.unacked = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled() -> AckPolicy {
        let mut policy = AckPolicy::new();
        for _ in 0..QUICK {
            policy.on_text(1000, 1000);
            assert_eq!(policy.owed(), Owed::Now);
            policy.on_sent();
        }
        policy
    }

    //= rfc9293#SHLD-19
    //= rfc5681#4.2-3
    #[test]
    fn every_second_full_segment_is_acknowledged_at_once() {
        let mut policy = settled();
        policy.on_text(1000, 1000);
        assert_eq!(policy.owed(), Owed::Later);
        policy.on_text(1000, 1000);
        assert_eq!(policy.owed(), Owed::Now);
    }

    //= rfc5681#3.2-1
    #[test]
    fn each_segment_out_of_order_gets_its_own_ack() {
        let mut policy = settled();
        policy.on_disorder(1000, 1000);
        policy.on_disorder(1000, 1000);
        assert!(policy.take_duplicate() && policy.take_duplicate() && !policy.take_duplicate());
    }
}
