//! Round trips, counted by what was delivered.

use super::AckSample;

/// Tells when a round trip begins: when a segment is acknowledged that was sent after the last one began.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rounds {
    /// `delivered` when the present round trip began.
    begun_at: u64,
}

impl Rounds {
    /// True if `sample` begins a round trip. To be asked once for each ACK.
    //= draft-ietf-ccwg-bbr-05#5.5.1-1
    pub(super) const fn begins(&mut self, sample: &AckSample) -> bool {
        let begins = sample.prior_delivered >= self.begun_at;
        if begins {
            self.begun_at = sample.delivered;
        }
        begins
    }

    /// A round trip begins now, `delivered` octets having been delivered.
    pub(super) const fn restart(&mut self, delivered: u64) {
        self.begun_at = delivered;
    }
}
