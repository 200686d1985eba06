//! How many answers strangers can provoke: ICMP errors and RSTs leave at a rate that is limited (RFC 4443 section 2.4,
//! RFC 1812 section 4.3.2.8), so that they neither fill the line nor crowd out what handshakes need.

use sockeye_wire::Instant;

use super::demux::KeyedHash;

/// A token bucket. It holds a twentieth of a second's tokens, as Linux has it for ICMP (`icmp_msgs_burst`).
///
/// Whoever counts the answers to packets of their own could learn how many others were sent, and from that which
/// connections exist (CVE-2016-5696): what the bucket holds therefore differs from second to second, by up to an eighth, as
/// a secret has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    /// Tokens a second.
    rate: u64,
    secret: KeyedHash,
    /// In billionths, so that none is lost to rounding.
    held: u64,
    filled_at: Instant,
}

const TOKEN: u64 = 1_000_000_000;

impl Bucket {
    /// Full, with `rate` tokens a second; 0 for none, ever.
    pub(super) fn new(rate: u32, secret: KeyedHash, now: Instant) -> Self {
        Self { rate: rate.into(), secret, held: u64::MAX, filled_at: now }
    }

    //= rfc4443#2.4-5
    /// Takes a token, if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let elapsed = u64::try_from(now.since(self.filled_at).as_nanos()).unwrap_or(u64::MAX);
        self.filled_at = now;
        self.held = self.held.saturating_add(elapsed.saturating_mul(self.rate)).min(self.most(now));
        let allowed = self.held >= TOKEN;
        self.held -= if allowed { TOKEN } else { 0 };
        allowed
    }

    fn most(&self, now: Instant) -> u64 {
        let burst = (self.rate / 20).max(self.rate.min(1));
        let secret = self.secret.of_number(now.as_nanos() / 1_000_000_000) % (burst / 8 + 1);
        (burst - secret) * TOKEN
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn bucket(rate: u32) -> Bucket {
        Bucket::new(rate, KeyedHash::new([7; 16]), Instant::ZERO)
    }

    fn taken(bucket: &mut Bucket, now: Instant) -> usize {
        (0..100_000).take_while(|_| bucket.take(now)).count()
    }

    //= rfc4443#2.4-5
    #[test]
    fn a_burst_and_then_the_rate() {
        let mut bucket = bucket(1000);
        let first = taken(&mut bucket, Instant::from_millis(10));
        assert!((44..=50).contains(&first), "{first}");
        assert_eq!(taken(&mut bucket, Instant::from_millis(20)), 10);
        let all: usize = (1..=1000).map(|i| taken(&mut bucket, Instant::from_millis(20 + 10 * i))).sum();
        assert_eq!(all, 10_000, "ten seconds");
    }

    #[test]
    fn how_many_it_holds_is_hard_to_tell() {
        let mut bucket = bucket(1000);
        let bursts: std::collections::BTreeSet<usize> =
            (0..50).map(|second| taken(&mut bucket, Instant::ZERO + Duration::from_secs(second))).collect();
        assert_eq!(bursts.into_iter().collect::<Vec<_>>(), (44..=50).collect::<Vec<_>>());
    }

    //= rfc4443#2.4-6
    #[test]
    fn none_and_few_are_possible() {
        assert_eq!(taken(&mut bucket(0), Instant::from_millis(5000)), 0);
        let mut one = bucket(1);
        assert_eq!((taken(&mut one, Instant::from_millis(1)), taken(&mut one, Instant::from_millis(500))), (1, 0));
        assert_eq!(taken(&mut one, Instant::from_millis(1001)), 1);
    }
}
