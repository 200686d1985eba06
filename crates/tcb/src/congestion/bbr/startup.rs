//! Startup (section 5.3.1): the rate doubles each round trip until it brings nothing more.

use super::{Bbr, State, model};
use crate::congestion::{AckSample, RateSample};

/// Rounds without growth after which the pipe is full.
const FULL_ROUNDS: u8 = 3;
/// `BBRStartupFullLossCnt`: ACKs of one round trip that tell of losses.
const FULL_LOSSES: u8 = 6;

/// Whether the pipe is full: the rate at which it delivers doesn't grow any more (section 5.3.1.2).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FullPipe {
    bw: u64,
    count: u8,
    /// It is, as far as this phase has shown.
    pub(super) now: bool,
    /// It was, ever.
    pub(super) reached: bool,
}

impl FullPipe {
    /// `BBRResetFullBW`, with `bw` as the rate to compare with.
    pub(super) const fn reset(&mut self, bw: u64) {
        *self = Self { bw, count: 0, now: false, reached: self.reached };
    }

    /// `BBRCheckFullBWReached`, at the start of a round trip.
    fn check(&mut self, rate: u64) {
        if rate >= self.bw + self.bw / 4 {
            self.reset(rate);
            return;
        }
        self.count += 1;
        self.now = self.count >= FULL_ROUNDS;
        self.reached |= self.now;
    }
}

impl Bbr {
    /// `BBREnterStartup`.
    pub(super) const fn enter_startup(&mut self) {
        self.state = State::Startup;
    }

    /// `BBRCheckFullBWReached`.
    //= draft-ietf-ccwg-bbr-05#5.3.1-2
    pub(super) fn check_full_pipe(&mut self, rate: &RateSample) {
        if !self.full_pipe.now && self.model.round_start && !rate.app_limited {
            self.full_pipe.check(rate.rate());
        }
    }

    /// `BBRCheckStartupDone`.
    pub(super) fn check_startup_done(&mut self, sample: &AckSample, rate: &RateSample) {
        self.check_startup_high_loss(sample, rate);
        if self.state == State::Startup && self.full_pipe.reached {
            self.enter_drain();
        }
    }

    /// `BBRCheckStartupHighLoss`: a second sign that the pipe is full, and more (section 5.3.1.3).
    //= draft-ietf-ccwg-bbr-05#5.3.1-3
    fn check_startup_high_loss(&mut self, sample: &AckSample, rate: &RateSample) {
        if self.full_pipe.reached {
            return;
        }
        if sample.newly_lost > 0 {
            self.losses_in_round = self.losses_in_round.saturating_add(1);
        }
        if !self.model.loss_round_start {
            return;
        }
        let enough = core::mem::take(&mut self.losses_in_round) >= FULL_LOSSES;
        if enough && sample.recovering && model::is_too_high(rate.lost, rate.tx_in_flight) {
            self.full_pipe.reached = true;
            let bdp = self.model.bdp(self.model.max_bw(), 100).unwrap_or(self.initial_window);
            self.model.inflight_longterm = bdp.max(self.model.inflight_latest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    //= draft-ietf-ccwg-bbr-05#5.3.1-2
    #[test]
    fn three_rounds_with_less_than_a_quarter_more_fill_the_pipe() {
        let mut pipe = FullPipe::default();
        for (rate, full) in
            [(100, false), (125, false), (150, false), (156, false), (155, false), (155, false), (156, true)]
        {
            pipe.check(rate);
            assert_eq!(pipe.now, full, "{rate}");
        }
        pipe.reset(0);
        assert!(!pipe.now && pipe.reached);
    }
}
