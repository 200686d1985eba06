//! HyStart++ (RFC 9406): slow start that ends when round trips grow longer, before anything is lost.
//!
//! In three things it is earlier than the RFC, which compares the least round trips of whole rounds. Those are the ones that a
//! round begins with, and tell what the queue was a round before: too late by up to one doubling, and where path and queue
//! hold two BDPs, by up to two and a half. But a paced round leaves within half a round trip, at twice the rate of its window:
//! from half a BDP on its end waits in the queue that it makes itself, and that shows within the round. So:
//!
//! - what counts are `N_RTT_SAMPLE` samples in a row that are later than the least of the last round or of this one, not the
//!   first ones of a round only;
//! - a sample that comes with a delayed ACK counts for two: a receiver that sends half as many ACKs would else be heard when
//!   twice as much is under way;
//! - in the round that follows, which is what is sent from then on, either a sample is shorter again, and slow start
//!   goes on, or none is, and it is over. Until then the window stands still, for where a window doubles the queue may be all
//!   but full when this begins. The RFC's five rounds, which grow by a quarter, are for those with too few samples.
//!
//! The constants of these, [`DELAYED`], [`WATCHED`] and the standstill, are our own, reasoned as above and not taken from an RFC, a
//! draft or Linux. In all else, and in its constants, it is the RFC's.

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
/// What a sample counts for that comes with an ACK of two segments or more, since it tells of both.
const DELAYED: u8 = 2;
/// Whole rounds of conservative slow start in which the window stands still, since they may end it.
const WATCHED: u8 = 1;
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
    /// Samples in a row that were late, and the least of them: what conservative slow start compares later ones with.
    late: u8,
    late_min: u32,
    conservative: Option<Conservative>,
}

/// Conservative slow start: it may turn out that the round trips grew for another reason.
#[derive(Clone, Copy, Debug)]
struct Conservative {
    /// Rounds that ended since.
    rounds: u8,
    /// What the division of the growth has left over.
    rest: u8,
}

impl HyStart {
    pub(super) fn new() -> Self {
        Self {
            rounds: Rounds::default(),
            last_min: INFINITY,
            current_min: INFINITY,
            samples: 0,
            late: 0,
            late_min: INFINITY,
            conservative: None,
        }
    }

    /// True while it looks whether round trips really grow.
    pub(super) const fn is_conservative(&self) -> bool {
        self.conservative.is_some()
    }

    /// Looks at an ACK while segments carry `mss` octets; true if slow start is over.
    pub(super) fn is_over(&mut self, sample: &AckSample, mss: u32) -> bool {
        //= rfc9406#4.2-1
        if self.rounds.begins(sample) && self.next_round() {
            return true;
        }
        if let Some(rtt) = sample.rtt {
            self.on_rtt(micros(rtt), if sample.newly_acked > mss { DELAYED } else { 1 }, sample.delivered);
        }
        false
    }

    /// A round ends and the next begins; true if slow start is over.
    fn next_round(&mut self) -> bool {
        let sampled = self.samples >= N_RTT_SAMPLE;
        //= rfc9406#4.2-2
        self.last_min = core::mem::replace(&mut self.current_min, INFINITY);
        self.samples = 0;
        self.late = 0;
        //= rfc9406#4.2-7
        //= rfc9406#4.2-10
        self.conservative.as_mut().is_some_and(|conservative| {
            conservative.rounds += 1;
            // The first part of a round is what was on its way at the entry. After that slow start would have come back if
            // a sample had been shorter.
            (sampled && conservative.rounds > WATCHED) || conservative.rounds >= CSS_ROUNDS
        })
    }

    fn on_rtt(&mut self, rtt: u32, count: u8, delivered: u64) {
        let least = self.last_min.min(self.current_min);
        //= rfc9406#4.2-4
        self.current_min = self.current_min.min(rtt);
        self.samples = self.samples.saturating_add(count);
        match self.conservative {
            //= rfc9406#4.2-9
            //= rfc9406#4.3-5
            Some(Conservative { rounds: 1.., .. })
                if self.samples >= N_RTT_SAMPLE && self.current_min < self.late_min =>
            {
                self.conservative = None;
                self.late = 0;
            }
            //= rfc9406#4.2-5
            None if least < INFINITY && rtt >= least + threshold(least) => self.on_late(rtt, count, delivered),
            None => self.late = 0,
            Some(_) => {}
        }
    }

    /// A sample is late. With enough of them in a row it becomes conservative, and the next round begins with what is sent
    /// from now on: what it finds is the queue that is there already.
    fn on_late(&mut self, rtt: u32, count: u8, delivered: u64) {
        self.late_min = if self.late == 0 { rtt } else { self.late_min.min(rtt) };
        self.late += count;
        //= rfc9406#4.2-6
        //= rfc9406#4.3-5
        if self.late >= N_RTT_SAMPLE {
            self.conservative = Some(Conservative { rounds: 0, rest: 0 });
            self.current_min = INFINITY;
            self.samples = 0;
            self.rounds.restart(delivered);
        }
    }

    /// Octets that the window grows by when `newly_acked` are acknowledged, L having been heeded.
    //= rfc9406#4.2-3
    //= rfc9406#4.3-2
    //= rfc9406#6-1
    pub(super) fn growth(&mut self, newly_acked: u32) -> u32 {
        let Some(conservative) = &mut self.conservative else {
            return newly_acked;
        };
        if conservative.rounds <= WATCHED {
            return 0;
        }
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
        /// `delivered` when what is acknowledged now was sent.
        sent_at: u64,
        /// Segments that an ACK is of.
        segments: u32,
    }

    impl Feed {
        fn new() -> Self {
            Self { hystart: HyStart::new(), delivered: 0, sent_at: 0, segments: 1 }
        }

        /// A round of equal round trips, one for each ACK; true if slow start ended.
        fn round(&mut self, rtt_millis: u64, acks: u32) -> bool {
            self.sent_at = self.delivered;
            (0..acks).any(|_| self.acks([rtt_millis]))
        }

        /// More of the present round.
        fn acks<const N: usize>(&mut self, rtts_millis: [u64; N]) -> bool {
            rtts_millis.into_iter().any(|millis| {
                let newly_acked = 1000 * self.segments;
                self.delivered += u64::from(newly_acked);
                let sample = AckSample {
                    newly_acked,
                    rtt: Some(Duration::from_millis(millis)),
                    delivered: self.delivered,
                    prior_delivered: self.sent_at,
                    ..AckSample::default()
                };
                self.hystart.is_over(&sample, 1000)
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
    #[test]
    fn longer_round_trips_make_it_conservative_and_a_whole_one_of_them_ends_it() {
        let mut feed = Feed::new();
        assert!(!feed.round(80, 10) && !feed.round(80, 10) && !feed.round(89, 10));
        assert!(!feed.hystart.is_conservative(), "9 ms are less than an eighth of 80");
        assert!(!feed.round(101, 10));
        assert!(feed.hystart.is_conservative());
        assert_eq!(feed.hystart.growth(1001), 0);
        assert!(!feed.round(101, 10));
        assert!(feed.round(101, 10), "the round after the one in which it began has ended");
    }

    //= rfc9406#4.2-7
    //= rfc9406#4.2-8
    //= rfc9406#4.2-10
    //= rfc9406#4.3-3
    #[test]
    fn with_few_samples_five_rounds_end_it() {
        let mut feed = Feed::new();
        assert!(!feed.round(80, 10) && !feed.round(100, 10));
        assert!(feed.hystart.is_conservative());
        assert!(!feed.round(100, 7) && !feed.round(100, 7));
        assert_eq!((0..4).map(|_| feed.hystart.growth(1001)).sum::<u32>(), 1001, "a quarter, and the rest is kept");
        assert!(!feed.round(100, 7) && !feed.round(100, 7));
        assert!(feed.round(100, 7), "the round in which it began counts");
    }

    #[test]
    fn eight_late_samples_in_a_row_count_wherever_in_the_round_they_are() {
        let mut feed = Feed::new();
        assert!(!feed.round(80, 10));
        assert!(!feed.acks([80; 20]) && !feed.acks([95; 7]) && !feed.acks([85]) && !feed.acks([95; 7]));
        assert!(!feed.hystart.is_conservative(), "seven are not enough");
        assert!(!feed.acks([95]));
        assert!(feed.hystart.is_conservative());
    }

    #[test]
    fn an_ack_of_two_segments_counts_for_two() {
        let mut feed = Feed::new();
        assert!(!feed.round(80, 10));
        feed.sent_at = feed.delivered;
        feed.segments = 2;
        assert!(!feed.acks([80]) && !feed.acks([95; 3]));
        assert!(!feed.hystart.is_conservative());
        assert!(!feed.acks([95]));
        assert!(feed.hystart.is_conservative());
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
    //= draft-ietf-ccwg-bbr-05#5.5.1-1
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
