//! HyStart++ (RFC 9406): slow start that ends when round trips grow longer, before anything is lost.

use core::time::Duration;

use super::AckSample;
use super::rounds::Rounds;

/// Round-trip times in microseconds: `MIN_RTT_THRESH`, `MAX_RTT_THRESH`.
//= rfc9406#4.3-1
const MIN_THRESHOLD: u32 = 4_000;
const MAX_THRESHOLD: u32 = 16_000;
const MIN_RTT_DIVISOR: u32 = 8;
const N_RTT_SAMPLE: u8 = 8;
//= rfc9406#4.3-3
const CSS_GROWTH_DIVISOR: u32 = 4;
const CSS_ROUNDS: u8 = 5;
/// No round-trip time yet.
const INFINITY: u32 = u32::MAX;

/// The two phases of the initial slow start. It leaves the window to its owner.
#[derive(Clone, Copy, Debug)]
pub(super) struct HyStart {
    rounds: Rounds,
    /// The least round-trip times of the last round and of this one, in microseconds.
    last_min: u32,
    current_min: u32,
    /// RTT samples in this round, as far as they matter.
    samples: u8,
    conservative: Option<Conservative>,
}

/// Conservative slow start: it may turn out that the round trips grew for another reason.
#[derive(Clone, Copy, Debug)]
struct Conservative {
    /// The least round-trip time at its beginning, in microseconds.
    baseline: u32,
    /// Rounds that ended since.
    rounds: u8,
    /// What the division of the growth has left over.
    rest: u8,
}

impl HyStart {
    pub(super) fn new() -> Self {
        Self { rounds: Rounds::default(), last_min: INFINITY, current_min: INFINITY, samples: 0, conservative: None }
    }

    /// True while it looks whether round trips really grow.
    pub(super) const fn is_conservative(&self) -> bool {
        self.conservative.is_some()
    }

    /// Looks at an ACK; true if slow start is over.
    pub(super) fn is_over(&mut self, sample: &AckSample) -> bool {
        //= rfc9406#4.2-1
        if self.rounds.begins(sample) {
            //= rfc9406#4.2-2
            self.last_min = core::mem::replace(&mut self.current_min, INFINITY);
            self.samples = 0;
            //= rfc9406#4.2-7
            //= rfc9406#4.2-10
            if let Some(conservative) = &mut self.conservative {
                conservative.rounds += 1;
                if conservative.rounds >= CSS_ROUNDS {
                    return true;
                }
            }
        }
        //= rfc9406#4.2-4
        if let Some(rtt) = sample.rtt {
            self.current_min = self.current_min.min(micros(rtt));
            self.samples = self.samples.saturating_add(1);
        }
        //= rfc9406#4.3-5
        if self.samples >= N_RTT_SAMPLE {
            self.change_phase();
        }
        false
    }

    fn change_phase(&mut self) {
        match self.conservative {
            //= rfc9406#4.2-9
            Some(Conservative { baseline, .. }) if self.current_min < baseline => self.conservative = None,
            //= rfc9406#4.2-5
            //= rfc9406#4.2-6
            None if self.last_min < INFINITY && self.current_min >= self.last_min + threshold(self.last_min) => {
                self.conservative = Some(Conservative { baseline: self.current_min, rounds: 0, rest: 0 });
            }
            Some(_) | None => {}
        }
    }

    /// Octets that the window grows by when `newly_acked` are acknowledged. L is infinite: the sender is paced.
    //= rfc9406#4.2-3
    //= rfc9406#4.3-2
    //= rfc9406#6-1
    pub(super) fn growth(&mut self, newly_acked: u32) -> u32 {
        let Some(conservative) = &mut self.conservative else {
            return newly_acked;
        };
        //= rfc9406#4.2-8
        let octets = newly_acked.saturating_add(conservative.rest.into());
        conservative.rest = (octets % CSS_GROWTH_DIVISOR) as u8;
        octets / CSS_GROWTH_DIVISOR
    }
}

/// How much longer than `last` the round trips must be.
fn threshold(last: u32) -> u32 {
    (last / MIN_RTT_DIVISOR).clamp(MIN_THRESHOLD, MAX_THRESHOLD)
}

/// At most an hour, so that sums don't overflow.
fn micros(rtt: Duration) -> u32 {
    u32::try_from(rtt.as_micros()).unwrap_or(u32::MAX).min(3_600_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds rounds of ten ACKs of 1000 octets each, all of one RTT.
    struct Feed {
        hystart: HyStart,
        delivered: u64,
    }

    impl Feed {
        fn new() -> Self {
            Self { hystart: HyStart::new(), delivered: 0 }
        }

        /// True if slow start ended within the round.
        fn round(&mut self, rtt_millis: u64, acks: u32) -> bool {
            let prior_delivered = self.delivered;
            (0..acks).any(|_| {
                self.delivered += 1000;
                let sample = AckSample {
                    newly_acked: 1000,
                    rtt: Some(Duration::from_millis(rtt_millis)),
                    delivered: self.delivered,
                    prior_delivered,
                    ..AckSample::default()
                };
                self.hystart.is_over(&sample)
            })
        }
    }

    //= rfc9406#4.2-5
    //= rfc9406#4.3-1
    #[test]
    fn the_threshold_is_an_eighth_within_4_and_16_milliseconds() {
        assert_eq!(threshold(8_000), 4_000);
        assert_eq!(threshold(80_000), 10_000);
        assert_eq!(threshold(400_000), 16_000);
    }

    //= rfc9406#4.2-3
    //= rfc9406#4.2-6
    //= rfc9406#4.2-7
    //= rfc9406#4.2-8
    //= rfc9406#4.2-10
    //= rfc9406#4.3-3
    #[test]
    fn longer_round_trips_make_it_conservative_and_five_rounds_later_end_it() {
        let mut feed = Feed::new();
        assert!(!feed.round(80, 10) && !feed.round(80, 10) && !feed.round(89, 10));
        assert!(!feed.hystart.is_conservative(), "9 ms are less than an eighth of 80");
        assert!(!feed.round(101, 10));
        assert!(feed.hystart.is_conservative());
        assert_eq!((0..4).map(|_| feed.hystart.growth(1001)).sum::<u32>(), 1001, "a quarter, and the rest is kept");
        assert!((0..4).all(|_| !feed.round(101, 10)));
        assert!(feed.round(101, 10), "the round in which it began counts");
    }

    //= rfc9406#4.2-9
    #[test]
    fn round_trips_that_shrink_again_bring_slow_start_back() {
        let mut feed = Feed::new();
        assert!(!feed.round(80, 10) && !feed.round(80, 10) && !feed.round(100, 10));
        assert!(feed.hystart.is_conservative());
        assert!(!feed.round(85, 10));
        assert!(!feed.hystart.is_conservative());
        assert_eq!(feed.hystart.growth(1000), 1000);
    }

    //= rfc9406#4.2-2
    //= rfc9406#4.2-4
    //= rfc9406#4.3-5
    #[test]
    fn seven_samples_prove_nothing() {
        let mut feed = Feed::new();
        for rtt in [80, 80, 100, 130, 170] {
            assert!(!feed.round(rtt, 7));
            assert!(!feed.hystart.is_conservative());
        }
    }

    //= rfc9406#4.2-1
    #[test]
    fn a_round_ends_when_what_was_sent_after_its_beginning_is_acknowledged() {
        let mut rounds = Rounds::default();
        let sample = |prior_delivered, delivered| AckSample { delivered, prior_delivered, ..AckSample::default() };
        assert!(rounds.begins(&sample(0, 1000)));
        assert!(!rounds.begins(&sample(0, 2000)));
        assert!(!rounds.begins(&sample(999, 3000)));
        assert!(rounds.begins(&sample(1000, 4000)));
        assert!(!rounds.begins(&sample(2000, 5000)));
    }
}
