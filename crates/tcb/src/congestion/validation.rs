//! Whether the window was used of late (RFC 7661): a window that nobody fills says nothing of the path today.

use core::time::Duration;

use sockeye_wire::Instant;

use super::AckSample;
use super::rounds::Rounds;

/// The non-validated period: a window that isn't used is kept so long.
//= rfc7661#4.4-2
const NON_VALIDATED_PERIOD: Duration = Duration::from_mins(5);

/// Measures what the path delivers in a round trip: `pipeACK`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Validation {
    rounds: Rounds,
    /// `delivered` when the present round trip began.
    round_from: u64,
    /// The largest samples of this half of the sampling period and of the one before; `None` without any.
    recent: Option<u32>,
    before: Option<u32>,
    half_began: Instant,
    /// Since when the window is not validated.
    since: Option<Instant>,
    /// Octets lost since the last recovery.
    lost: u32,
    /// The window wasn't validated when the present recovery began, which has taken it down to what is.
    was_unused: bool,
}

impl Validation {
    /// `pipeACK`; `None` while it is undefined.
    fn pipe_ack(&self) -> Option<u32> {
        self.recent.max(self.before)
    }

    //= rfc7661#4.2-1
    //= rfc7661#4.2-2
    //= rfc7661#4.2-3
    //= rfc7661#4.2-5
    /// An ACK came while the window was `cwnd`.
    pub(super) fn on_ack(&mut self, sample: &AckSample, cwnd: u32) {
        if self.rounds.begins(sample) {
            let delivered = sample.delivered - self.round_from.min(sample.delivered);
            if self.round_from > 0 && !sample.recovering {
                self.take(sample, u32::try_from(delivered).unwrap_or(u32::MAX));
            }
            self.round_from = sample.delivered;
        }
        //= rfc7661#4.4-1
        //= rfc7661#4.4-6
        let is_valid = self.pipe_ack().is_none_or(|pipe_ack| pipe_ack >= cwnd / 2);
        self.since = if is_valid { None } else { Some(self.since.unwrap_or(sample.now)) };
    }

    //= rfc7661#4.2-4
    fn take(&mut self, sample: &AckSample, delivered: u32) {
        let period = (sample.srtt.unwrap_or_default() * 3).max(Duration::from_secs(1));
        let age = sample.now.since(self.half_began);
        if age >= period / 2 {
            self.before = self.recent.take().filter(|_| age < period);
            self.half_began = sample.now;
        }
        self.recent = self.recent.max(Some(delivered));
    }

    /// A loss was found: what to halve instead of `flight`, the octets in flight.
    //= rfc7661#4.4-5
    //= rfc7661#4.4.1-1
    pub(super) fn on_loss(&mut self, flight: u32) -> u32 {
        self.was_unused = self.since.is_some();
        if self.was_unused { self.pipe_ack().map_or(flight, |pipe_ack| pipe_ack.max(flight)) } else { flight }
    }

    /// `octets` were lost.
    pub(super) const fn on_lost(&mut self, octets: u32) {
        self.lost = self.lost.saturating_add(octets);
    }

    /// A recovery is over: how much less than half of what was in flight the window is to be.
    //= rfc7661#4.4.1-2
    //= rfc7661#4.4.1-4
    pub(super) fn on_recovered(&mut self) -> u32 {
        let excess = if self.was_unused { self.lost / 2 } else { 0 };
        self.forget();
        excess
    }

    /// What was held lost was not.
    pub(super) const fn on_undone(&mut self) {
        self.lost = 0;
    }

    /// What was measured is void.
    pub(super) fn forget(&mut self) {
        *self = Self { rounds: self.rounds, ..Self::default() };
    }

    /// True once the window has gone unused for too long, and then not again for as long.
    pub(super) fn has_aged(&mut self, now: Instant) -> bool {
        let aged = self.since.is_some_and(|since| now.since(since) > NON_VALIDATED_PERIOD);
        if aged {
            self.since = Some(now);
        }
        aged
    }
}

#[cfg(test)]
impl Validation {
    /// Not validated since `since`, when a round trip delivered `pipe_ack`.
    pub(super) fn unused_since(since: Instant, pipe_ack: u32) -> Self {
        Self { recent: Some(pipe_ack), since: Some(since), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A round trip of 100 ms that delivers `octets` ends at `now`, in milliseconds.
    fn round(validation: &mut Validation, now: u64, delivered: &mut u64, octets: u64) {
        let prior_delivered = *delivered;
        *delivered += octets;
        let sample = AckSample {
            now: Instant::from_millis(now),
            srtt: Some(Duration::from_millis(100)),
            delivered: *delivered,
            prior_delivered,
            ..AckSample::default()
        };
        validation.on_ack(&sample, 100_000);
    }

    //= rfc7661#4.2-1
    //= rfc7661#4.2-4
    //= rfc7661#4.4-1
    //= rfc7661#4.4-6
    //= rfc7661#4.2-3
    //= rfc7661#4.2-5
    #[test]
    fn the_window_is_valid_while_half_of_it_was_used_within_a_second() {
        let (mut validation, mut delivered) = (Validation::default(), 0);
        round(&mut validation, 0, &mut delivered, 1000);
        assert_eq!(validation.pipe_ack(), None);
        round(&mut validation, 100, &mut delivered, 60_000);
        assert_eq!((validation.pipe_ack(), validation.since), (Some(60_000), None));
        round(&mut validation, 700, &mut delivered, 20_000);
        assert_eq!(validation.pipe_ack(), Some(60_000));
        round(&mut validation, 1300, &mut delivered, 20_000);
        assert_eq!(validation.pipe_ack(), Some(20_000));
        assert_eq!(validation.since, Some(Instant::from_millis(1300)));
    }

    //= rfc7661#4.4.1-1
    //= rfc7661#4.4.1-2
    //= rfc7661#4.4.1-4
    //= rfc7661#4.4-5
    #[test]
    fn a_loss_while_it_is_not_valid_goes_by_what_was_used() {
        let (mut validation, mut delivered) = (Validation::default(), 0);
        round(&mut validation, 0, &mut delivered, 1000);
        round(&mut validation, 100, &mut delivered, 20_000);
        assert_eq!((validation.on_loss(5000), validation.on_loss(30_000)), (20_000, 30_000));
        validation.on_lost(3000);
        // The window that the loss has left is in use, which was not.
        validation.on_ack(&AckSample::default(), 10_000);
        assert_eq!((validation.since, validation.on_recovered()), (None, 1500));
        assert_eq!(validation.pipe_ack(), None);
    }

    //= rfc7661#4.4-2
    //= rfc7661#4.4.3-1
    #[test]
    fn after_five_minutes_it_is_too_old() {
        let (mut validation, mut delivered) = (Validation::default(), 0);
        round(&mut validation, 0, &mut delivered, 1000);
        round(&mut validation, 100, &mut delivered, 20_000);
        assert!(!validation.has_aged(Instant::from_millis(300_100)));
        assert!(validation.has_aged(Instant::from_millis(300_101)));
        assert!(!validation.has_aged(Instant::from_millis(300_102)));
    }
}
