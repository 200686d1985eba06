//! Proportional rate reduction (RFC 6937 as RFC 9937 has revised it): how much may leave on each ACK while a loss is
//! repaired, so that the flight shrinks to `ssthresh` in one round trip, without silence and without a burst.

/// One recovery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Prr {
    /// `RecoverFS`: the flight when the loss was found.
    recover_fs: u64,
    /// `prr_delivered` and `prr_out`: octets delivered and sent since.
    delivered: u64,
    out: u64,
    /// `SndLimit`: octets that may leave until the next ACK.
    limit: u32,
}

/// What an ACK in a recovery tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// `DeliveredData`.
    pub(super) delivered: u32,
    /// Octets in flight after it.
    pub(super) in_flight: u32,
    pub(super) ssthresh: u32,
    pub(super) mss: u32,
    /// It acknowledged something and showed no further loss: going on as in slow start is safe (RFC 9937).
    pub(super) safe: bool,
}

impl Prr {
    /// A loss was found in a flight of `flight` octets, those included that the first ACK of the recovery delivers.
    //= rfc6937#3-1
    //= rfc9937#6.1-1
    //= rfc9937#6.1-2
    pub(super) fn new(flight: u32) -> Self {
        Self { recover_fs: u64::from(flight.max(1)), ..Self::default() }
    }

    /// Octets that may leave now.
    pub(super) const fn limit(&self) -> u32 {
        self.limit
    }

    //= rfc5681#4.3-2
    //= rfc6937#3-2
    //= rfc6937#3.1-1
    //= rfc6937#3.1-2
    //= rfc6937#4-1
    //= rfc6937#4-2
    pub(super) fn on_ack(&mut self, step: Step) {
        let Step { delivered, in_flight, ssthresh, mss, safe } = step;
        self.delivered += u64::from(delivered);
        let banked = self.delivered.saturating_sub(self.out);
        let limit = if in_flight > ssthresh {
            //= rfc6937#3-4
            let share = u128::from(self.delivered) * u128::from(ssthresh);
            let share = share.div_ceil(u128::from(self.recover_fs));
            u64::try_from(share).unwrap_or(u64::MAX).saturating_sub(self.out)
        } else {
            //= rfc6937#3-5
            //= rfc6937#3-6
            //= rfc9937#6.2-4
            let limit = banked.max(u64::from(delivered)) + if safe { u64::from(mss) } else { 0 };
            //= rfc6937#3-7
            limit.min(u64::from(ssthresh - in_flight))
        };
        self.limit = u32::try_from(limit).unwrap_or(u32::MAX);
    }

    /// `octets` leave, for the first time or again.
    //= rfc6937#3-8
    pub(super) fn on_sent(&mut self, octets: u32) {
        self.out += u64::from(octets);
        self.limit = self.limit.saturating_sub(octets);
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    const MSS: u32 = 1000;

    /// Segments that leave on each of `acks` ACKs, which tell of one segment delivered each, when `lost` of a flight were
    /// found lost.
    fn run(acks: u32, flight: u32, ssthresh: u32, lost: u32, safe: bool) -> Vec<u32> {
        let mut prr = Prr::new(flight * MSS);
        let mut in_flight = (flight - lost) * MSS;
        (0..acks)
            .map(|_| {
                in_flight -= MSS;
                prr.on_ack(Step { delivered: MSS, in_flight, ssthresh: ssthresh * MSS, mss: MSS, safe });
                let segments = prr.limit() / MSS;
                prr.on_sent(segments * MSS);
                in_flight += segments * MSS;
                segments
            })
            .collect()
    }

    //= rfc6937#3.1-1
    //= rfc6937#3-1
    //= rfc6937#3-2
    //= rfc6937#3-4
    //= rfc6937#3-8
    //= rfc6937#4-1
    #[test]
    fn one_loss_in_twenty_halves_the_flight_evenly_over_the_round_trip() {
        let sent = run(20, 20, 10, 0, false);
        assert_eq!(sent.iter().sum::<u32>(), 10);
        assert!(sent.iter().all(|&segments| segments <= 1), "no burst: {sent:?}");
        assert_eq!(sent[..10].iter().sum::<u32>(), 5, "evenly: {sent:?}");
    }

    //= rfc6937#3.1-2
    //= rfc6937#3-5
    //= rfc6937#3-6
    //= rfc6937#3-7
    //= rfc9937#6.2-4
    //= rfc9937#6.2-5
    #[test]
    fn fifteen_losses_in_twenty_are_repaired_by_one_for_one_or_in_slow_start() {
        assert_eq!(run(5, 20, 10, 15, false), [1, 1, 1, 1, 1]);
        assert_eq!(run(5, 20, 10, 15, true), [2, 2, 2, 2, 2]);
    }

    //= rfc6937#4-2
    #[test]
    fn what_could_not_be_sent_is_caught_up_with() {
        let mut prr = Prr::new(20 * MSS);
        let step = Step { delivered: MSS, in_flight: 5 * MSS, ssthresh: 10 * MSS, mss: MSS, safe: false };
        prr.on_ack(step);
        prr.on_ack(step);
        prr.on_ack(step);
        assert_eq!(prr.limit(), 3 * MSS);
    }
}
