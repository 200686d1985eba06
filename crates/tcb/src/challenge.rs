//! A limit on ACKs that a stranger could provoke (RFC 5961 section 7).

use core::time::Duration;

use sockeye_wire::Instant;

/// At most [`Self::LIMIT`] challenges in any [`Self::PERIOD`], counted for one connection alone: a counter that several
/// shared would tell a stranger about the others (CVE-2016-5696).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Challenge {
    /// In milliseconds, so that half-open entries stay small; it may wrap, which at worst lets one period through.
    period_start: u32,
    sent: u8,
}

impl Challenge {
    /// RFC 5961 section 7 suggests 10 in 5 s.
    pub(crate) const LIMIT: u8 = 10;
    pub(crate) const PERIOD: Duration = Duration::from_secs(5);

    //= rfc5961#7-1
    //= rfc5961#7-2
    /// Asks for permission to answer; counts it if given.
    pub(crate) fn allow(&mut self, now: Instant) -> bool {
        #[expect(clippy::cast_possible_truncation, reason = "meant to wrap")]
        let millis = now.as_millis() as u32;
        if self.sent == 0 || u128::from(millis.wrapping_sub(self.period_start)) >= Self::PERIOD.as_millis() {
            self.period_start = millis;
            self.sent = 0;
        }
        if self.sent == Self::LIMIT {
            return false;
        }
        self.sent += 1;
        true
    }
}
