//! `ProbeRTT` (section 5.3.4): so little in flight for a moment that the queue is empty and the round trip is what it is.

use core::time::Duration;

use sockeye_wire::Instant;

use super::probe_bw::AckPhase;
use super::{Bbr, State};
use crate::congestion::AckSample;

/// `BBR.ProbeRTTDuration`.
const DURATION: Duration = Duration::from_millis(200);
/// `BBR.ProbeRTTCwndGain`, in hundredths.
const CWND_GAIN: u32 = 50;

/// Where the probe stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ProbeRtt {
    /// When it may end, once little enough is in flight.
    done_at: Option<Instant>,
    round_done: bool,
}

impl Bbr {
    /// `BBRCheckProbeRTT`.
    //= draft-ietf-ccwg-bbr-05#5.3.4-1
    pub(super) fn check_probe_rtt(&mut self, sample: &AckSample) {
        if self.state != State::ProbeRtt && self.model.probe_rtt_expired && !self.idle_restart {
            self.save_cwnd();
            self.state = State::ProbeRtt;
            self.probe_rtt = ProbeRtt::default();
            self.cycle.ack_phase = AckPhase::ProbeStopping;
            self.model.start_round();
        }
        if self.state == State::ProbeRtt {
            self.handle_probe_rtt(sample);
        }
        self.idle_restart = false;
    }

    /// `BBRHandleProbeRTT`.
    //= draft-ietf-ccwg-bbr-05#5.3.4-5
    fn handle_probe_rtt(&mut self, sample: &AckSample) {
        self.mark_limited(sample);
        match self.probe_rtt.done_at {
            None if sample.in_flight <= self.probe_rtt_cwnd() => {
                self.probe_rtt = ProbeRtt { done_at: Some(sample.now + DURATION), round_done: false };
                self.model.start_round();
            }
            None => {}
            Some(_) => {
                self.probe_rtt.round_done |= self.model.round_start;
                if self.probe_rtt.round_done {
                    self.check_probe_rtt_done(sample.now);
                }
            }
        }
    }

    /// `BBRCheckProbeRTTDone`, `BBRExitProbeRTT`.
    //= draft-ietf-ccwg-bbr-05#5.3.4-6
    pub(super) fn check_probe_rtt_done(&mut self, now: Instant) {
        if self.probe_rtt.done_at.is_none_or(|done_at| now <= done_at) {
            return;
        }
        self.model.probe_rtt_min_stamp = now;
        self.restore_cwnd();
        self.model.reset_short_term();
        if self.full_pipe.reached {
            self.start_down(now);
            self.start_cruise();
        } else {
            self.enter_startup();
        }
    }

    /// `BBRProbeRTTCwnd`.
    //= draft-ietf-ccwg-bbr-05#5.6.4-3
    pub(super) fn probe_rtt_cwnd(&self) -> u32 {
        self.bdp(self.model.bw(), CWND_GAIN).max(self.min_pipe_cwnd())
    }
}
