//! What BBR does with its model (section 5.6): pacing rate, send quantum, congestion window.

use core::time::Duration;

use super::model::volume;
use super::{Bbr, INFINITE, State};
use crate::congestion::{AckSample, MAX_WINDOW};

/// `BBR.PacingMarginPercent`.
const PACING_MARGIN: u64 = 1;
/// `BBR.MinPipeCwnd`, in segments.
const MIN_PIPE_CWND: u32 = 4;
/// The longest of what is sent at once, in octets (section 5.6.3).
//= draft-ietf-ccwg-bbr-05#5.6.3-2
const MAX_QUANTUM: u64 = 65_536;

impl Bbr {
    /// `BBRInitPacingRate`, with the first round trip.
    //= draft-ietf-ccwg-bbr-05#5.6.2-1
    pub(super) fn init_pacing_rate(&mut self, sample: &AckSample) {
        if let Some(srtt) = sample.srtt.or(sample.rtt).filter(|_| self.pacing_rate == 0) {
            let nanos = u64::try_from(srtt.as_nanos()).unwrap_or(u64::MAX).max(1);
            let (gain, _) = State::Startup.gains();
            let octets = u128::from(self.initial_window) * u128::from(gain) / 100;
            self.pacing_rate = u64::try_from(octets * 1_000_000_000 / u128::from(nanos)).unwrap_or(u64::MAX);
        }
    }

    /// `BBRSetPacingRateWithGain` (section 5.6.2).
    //= draft-ietf-ccwg-bbr-05#5.6.2-2
    pub(super) fn set_pacing_rate(&mut self, gain: u32) {
        let rate = self.model.bw().saturating_mul(gain.into()) / 100 * (100 - PACING_MARGIN) / 100;
        if rate > 0 && (self.full_pipe.reached || rate > self.pacing_rate) {
            self.pacing_rate = rate;
        }
    }

    /// `C.send_quantum` (section 5.6.3).
    //= draft-ietf-ccwg-bbr-05#5.6.3-1
    pub(super) fn quantum(&self) -> u32 {
        let octets = volume(self.pacing_rate, Duration::from_millis(1)).min(MAX_QUANTUM);
        u32::try_from(octets).unwrap_or(u32::MAX).max(2 * self.mss)
    }

    pub(super) const fn min_pipe_cwnd(&self) -> u32 {
        MIN_PIPE_CWND * self.mss
    }

    /// `BBRBDPMultiple`.
    pub(super) fn bdp(&self, bw: u64, gain: u32) -> u32 {
        self.model.bdp(bw, gain).unwrap_or(self.initial_window)
    }

    /// `BBRInflight`.
    pub(super) fn inflight(&self, bw: u64, gain: u32) -> u32 {
        self.with_budget(self.bdp(bw, gain))
    }

    /// `BBRQuantizationBudget`.
    //= draft-ietf-ccwg-bbr-05#5.6.4-1
    fn with_budget(&self, inflight: u32) -> u32 {
        let budget = inflight.max(3 * self.quantum()).max(self.min_pipe_cwnd());
        if self.state == State::Up { budget.saturating_add(2 * self.mss) } else { budget }
    }

    /// `BBRSetCwnd` (section 5.6.4.6).
    //= draft-ietf-ccwg-bbr-05#5.6.4-4
    pub(super) fn set_cwnd(&mut self, sample: &AckSample) {
        let (_, gain) = self.state.gains();
        let inflight = self.bdp(self.model.bw(), gain).saturating_add(self.model.extra_acked());
        let most = self.with_budget(inflight);
        let grown = self.cwnd.saturating_add(sample.newly_acked).min(MAX_WINDOW);
        if self.full_pipe.reached {
            self.cwnd = grown.min(most);
        } else if self.cwnd < most || sample.delivered < u64::from(self.initial_window) {
            self.cwnd = grown;
        }
        self.bound_cwnd();
    }

    /// `BBRBoundCwndForProbeRTT`, `BBRBoundCwndForModel` (section 5.6.4.7).
    //= draft-ietf-ccwg-bbr-05#5.6.4-5
    pub(super) fn bound_cwnd(&mut self) {
        self.cwnd = self.cwnd.max(self.min_pipe_cwnd());
        let long_term = match self.state {
            State::Startup | State::Drain => INFINITE,
            State::Down | State::Refill | State::Up => self.model.inflight_longterm,
            State::Cruise => self.inflight_with_headroom(),
            State::ProbeRtt => self.inflight_with_headroom().min(self.probe_rtt_cwnd()),
        };
        self.cwnd = self.cwnd.min(long_term.min(self.model.inflight_shortterm).max(self.min_pipe_cwnd()));
    }

    /// `BBRSaveCwnd`.
    pub(super) fn save_cwnd(&mut self) {
        let undisturbed = !self.in_recovery && self.state != State::ProbeRtt;
        self.prior_cwnd = if undisturbed { self.cwnd } else { self.prior_cwnd.max(self.cwnd) };
    }

    /// All is repaired, or nothing was to be.
    pub(super) fn leave_recovery(&mut self) {
        self.in_recovery = false;
        self.timed_out = false;
        self.restore_cwnd();
        self.bound_cwnd();
    }

    /// `BBRRestoreCwnd`.
    //= draft-ietf-ccwg-bbr-05#5.6.4-2
    pub(super) fn restore_cwnd(&mut self) {
        self.cwnd = self.cwnd.max(self.prior_cwnd);
    }
}
