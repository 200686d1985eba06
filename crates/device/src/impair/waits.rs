//! How long packets waited in a queue: a histogram, so that a long run takes no more memory than a short one.

use std::time::Duration;

/// Each doubling of the time has so many steps: a time is known to 1 part in 128.
const STEPS: u64 = 128;

/// Counts of waiting times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    counts: Vec<u64>,
    total: u64,
    longest: Duration,
}

impl Waits {
    pub(super) fn record(&mut self, waited: Duration) {
        let at = Self::step(u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX));
        if at >= self.counts.len() {
            self.counts.resize(at + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(at) {
            *count += 1;
        }
        self.total += 1;
        self.longest = self.longest.max(waited);
    }

    /// Packets counted.
    pub const fn len(&self) -> u64 {
        self.total
    }

    /// True if no packet has been counted.
    pub const fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// The longest.
    pub const fn max(&self) -> Duration {
        self.longest
    }

    /// The time that this many of 1,000 packets didn't exceed: 500 is the median, 990 what is called p99. Too long by
    /// less than 1 %. Zero if there are none.
    pub fn per_mille(&self, rank: u32) -> Duration {
        let wanted = (u128::from(self.total) * u128::from(rank.min(1_000))).div_ceil(1_000).max(1);
        let mut seen = 0;
        for (at, count) in (0_u64..).zip(&self.counts) {
            seen += u128::from(*count);
            if seen >= wanted {
                return Duration::from_nanos(Self::end_of(at)).min(self.longest);
            }
        }
        self.longest
    }

    /// The step that a time falls in.
    fn step(nanos: u64) -> usize {
        let doublings = u64::from((nanos / STEPS).checked_ilog2().map_or(0, |log| log + 1));
        let within = if doublings == 0 { nanos } else { (nanos >> (doublings - 1)) - STEPS };
        usize::try_from(doublings * STEPS + within).unwrap_or(usize::MAX)
    }

    /// The last nanosecond of a step.
    const fn end_of(step: u64) -> u64 {
        let (doublings, within) = (step / STEPS, step % STEPS);
        if doublings == 0 { within } else { ((STEPS + within + 1) << (doublings - 1)).wrapping_sub(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rank_is_known_to_one_per_cent() {
        let mut waits = Waits::default();
        assert_eq!((waits.per_mille(500), waits.is_empty()), (Duration::ZERO, true));
        for millis in 1..=1_000 {
            waits.record(Duration::from_millis(millis));
        }
        for rank in [1, 10, 500, 990, 999] {
            let exact = u128::from(rank) * 1_000_000;
            let told = waits.per_mille(rank).as_nanos();
            assert!(told >= exact && told <= exact * 101 / 100, "{rank}: {told}");
        }
        assert_eq!((waits.per_mille(1_000), waits.max(), waits.len()), (waits.max(), Duration::from_secs(1), 1_000));
    }

    #[test]
    fn steps_join_without_gap() {
        for step in 0..5_000 {
            let end = Waits::end_of(step);
            let step = usize::try_from(step).expect("small");
            assert_eq!((Waits::step(end), Waits::step(end + 1)), (step, step + 1));
        }
        assert!(Waits::step(u64::MAX) < 8_000);
    }
}
