//! A limit on ACKs that a stranger could provoke (RFC 5961 section 7).

use core::time::Duration;

use sockeye_wire::Instant;

/// At most [`Self::LIMIT`] challenges in any [`Self::PERIOD`], counted for one connection alone: a counter that several
/// shared would tell a stranger about the others (CVE-2016-5696).
///
/// In four octets, since entries of TIME-WAIT and half-open connections are many and small: the lowest four bits count,
/// the others tell when the period began, in sixteenths of a second. That wraps after half a year, which at worst lets
/// one period through.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Challenge(u32);

impl Challenge {
    /// RFC 5961 section 7 suggests 10 in 5 s.
    const LIMIT: u32 = 10;
    const PERIOD: Duration = Duration::from_secs(5);
    const COUNT: u32 = 15;

    //= rfc5961#7-1
    //= rfc5961#7-2
    /// Asks for permission to answer; counts it if given.
    pub(crate) fn allow(&mut self, now: Instant) -> bool {
        #[expect(clippy::cast_possible_truncation, reason = "meant to wrap")]
        let ticks = (now.as_nanos() / 62_500_000) as u32 & (u32::MAX >> 4);
        let (began, sent) = (self.0 >> 4, self.0 & Self::COUNT);
        let elapsed = ticks.wrapping_sub(began) & (u32::MAX >> 4);
        if sent == 0 || u64::from(elapsed) >= Self::PERIOD.as_secs() * 16 {
            self.0 = ticks << 4 | 1;
            return true;
        }
        let allowed = sent < Self::LIMIT;
        self.0 += u32::from(allowed);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    //= rfc5961#7-1
    //= rfc5961#7-2
    #[test]
    fn ten_challenges_in_five_seconds_and_no_more() {
        let mut challenge = Challenge::default();
        for start in [0, 5_000, 1_000_000] {
            let allowed = (0..4_999).filter(|i| challenge.allow(Instant::from_millis(start + i))).count();
            assert_eq!(allowed, 10);
        }
    }
}
