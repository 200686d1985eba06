//! A policer: what comes faster than agreed is dropped, not queued (a token bucket).

use sockeye_wire::Instant;

use super::Rate;

/// The agreement: `police rate 10mbit burst 30kb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Police {
    /// On average.
    pub rate: Rate,
    /// Octets that may come at once.
    pub burst: u64,
}

/// A bucket, full at first. It is kept as the time until which what has passed is paid for (the virtual scheduling
/// algorithm of ITU-T I.371): no tokens have to be added as time goes on.
#[derive(Clone, Debug)]
pub(super) struct Policer {
    agreed: Police,
    paid_until: Instant,
}

impl Policer {
    pub(super) fn new(agreed: Police) -> Self {
        Self { agreed, paid_until: Instant::ZERO }
    }

    /// True if a packet of so many octets may pass.
    pub(super) fn lets_pass(&mut self, now: Instant, octets: u64) -> bool {
        let Police { rate, burst } = self.agreed;
        let paid_until = self.paid_until.max(now) + rate.time_for(octets);
        let conforms = rate.as_bits() > 0 && paid_until.since(now) <= rate.time_for(burst);
        if conforms {
            self.paid_until = paid_until;
        }
        conforms
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_passes_then_the_rate() {
        let mut policer = Policer::new(Police { rate: Rate::mbit(8), burst: 10_000 });
        let start = Instant::from_millis(50);
        let at_once = (0..100).filter(|_| policer.lets_pass(start, 1_000)).count();
        assert_eq!(at_once, 10, "the bucket holds 10,000 octets");
        // 8 Mbit/s are 1,000 octets a millisecond; offered are four times as many.
        let passed = (1..=400).filter(|quarter| policer.lets_pass(start + Duration::from_micros(quarter * 250), 1_000));
        assert_eq!(passed.count(), 100);
        assert!(!policer.lets_pass(start + Duration::from_secs(9), 10_001), "more than the bucket holds never passes");
    }
}
