//! Windowed maxima.

/// The most of this `ProbeBW` cycle and of the one before (`MaxBwFilterLen`, section 5.5.6).
//= draft-ietf-ccwg-bbr-05#5.5.5-1
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MaxOfTwoCycles {
    now: u64,
    before: u64,
}

impl MaxOfTwoCycles {
    pub(super) fn get(&self) -> u64 {
        self.now.max(self.before)
    }

    pub(super) fn update(&mut self, value: u64) {
        self.now = self.now.max(value);
    }

    /// The next cycle begins. One without any sample doesn't make the filter forget.
    pub(super) const fn advance(&mut self) {
        if self.now > 0 {
            self.before = self.now;
            self.now = 0;
        }
    }
}

/// The most of the last rounds, by Kathleen Nichols' algorithm: the best value, and the best of those that came after it,
/// twice.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MaxOfRounds([(u64, u32); 3]);

impl MaxOfRounds {
    pub(super) const fn get(&self) -> u32 {
        self.0[0].1
    }

    /// `value` in `round`; what is older than `window` rounds is forgotten.
    pub(super) fn update(&mut self, round: u64, window: u64, value: u32) {
        let new = (round, value);
        if value >= self.0[0].1 || round - self.0[2].0 > window {
            self.0 = [new; 3];
            return;
        }
        if value >= self.0[1].1 {
            self.0[1] = new;
            self.0[2] = new;
        } else if value >= self.0[2].1 {
            self.0[2] = new;
        }
        while round - self.0[0].0 > window {
            self.0 = [self.0[1], self.0[2], new];
        }
        let age = round - self.0[0].0;
        if self.0[1].0 == self.0[0].0 && age > window / 4 {
            // A quarter of the window has passed without a second best: this is it.
            self.0[1] = new;
            self.0[2] = new;
        } else if self.0[2].0 == self.0[1].0 && age > window / 2 {
            self.0[2] = new;
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    //= draft-ietf-ccwg-bbr-05#5.5.5-1
    #[test]
    fn a_cycle_and_the_one_before_it_count() {
        let mut filter = MaxOfTwoCycles::default();
        filter.update(100);
        filter.update(70);
        filter.advance();
        filter.update(50);
        assert_eq!(filter.get(), 100);
        filter.advance();
        filter.update(60);
        assert_eq!(filter.get(), 60);
        filter.advance();
        filter.advance();
        assert_eq!(filter.get(), 60, "an idle cycle");
    }

    //= draft-ietf-ccwg-bbr-05#5.5.9-1
    #[test]
    fn the_maximum_of_the_window_is_never_missed_by_more_than_its_age() {
        let (mut filter, mut values) = (MaxOfRounds::default(), Vec::new());
        let mut state = 1_u32;
        for round in 0..2000_u64 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            values.push(state >> 20);
            filter.update(round, 10, state >> 20);
            let recent = values.iter().rev().take(3).max().copied();
            let window = values.iter().rev().take(11).max().copied();
            assert!(Some(filter.get()) <= window && Some(filter.get()) >= recent, "round {round}");
        }
    }
}
