//! Drain (section 5.3.2): the queue that Startup has made goes away.

use super::{Bbr, State};
use crate::congestion::AckSample;

/// Rounds after which bandwidth was overestimated, and Drain ends anyway.
const MOST_ROUNDS: u64 = 3;

impl Bbr {
    /// `BBREnterDrain`.
    pub(super) const fn enter_drain(&mut self) {
        self.state = State::Drain;
        self.drain_start_round = self.model.round_count;
    }

    /// `BBRCheckDrainDone`.
    //= draft-ietf-ccwg-bbr-05#5.3.2-1
    pub(super) fn check_drain_done(&mut self, sample: &AckSample) {
        if self.state == State::Drain
            && (sample.in_flight <= self.inflight(self.model.bw(), 100)
                || self.model.round_count > self.drain_start_round + MOST_ROUNDS)
        {
            self.start_down(sample.now);
        }
    }
}
