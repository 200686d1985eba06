//! `ProbeBW` (section 5.3.3): sends slower, as fast, and faster than the path delivers, in turn.

use core::time::Duration;

use sockeye_wire::Instant;

use super::{BETA, Bbr, INFINITE, State, model};
use crate::congestion::{AckSample, LostSegment, RateSample, mul_div};

/// `BBR.Headroom`: what is left free of what the path holds, in hundredths.
const HEADROOM: u32 = 15;
/// `T_reno_bound`: rounds between probes at most, so that Reno and CUBIC can live beside.
const MOST_ROUNDS: u64 = 63;
/// `T_bbr`: time between probes, at least, and what chance adds to it.
const WAIT: Duration = Duration::from_secs(2);
const WAIT_MORE: u64 = 1_000_000_000;

/// What the ACKs that arrive now tell of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum AckPhase {
    /// Nothing in particular.
    #[default]
    Init,
    /// What was sent while the pipe is refilled.
    Refilling,
    /// Not yet of what probes.
    ProbeStarting,
    /// What probes for bandwidth.
    ProbeFeedback,
    /// Still of that, though it is over.
    ProbeStopping,
}

/// Where the cycle stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cycle {
    pub(super) ack_phase: AckPhase,
    stamp: Instant,
    wait: Duration,
    /// `rounds_since_bw_probe`.
    rounds: u64,
    up_rounds: u32,
    /// `probe_up_cnt`: octets acknowledged that raise `inflight_longterm` by a segment.
    up_count: u32,
    up_acks: u32,
    /// `bw_probe_samples`: ACKs may tell of what was sent to probe, and losses were not answered yet.
    pub(super) samples: bool,
}

impl Bbr {
    /// `BBRStartProbeBW_DOWN`.
    pub(super) fn start_down(&mut self, now: Instant) {
        self.model.reset_congestion_signals();
        self.cycle.up_count = INFINITE;
        self.pick_probe_wait(now);
        self.cycle.stamp = now;
        self.cycle.ack_phase = AckPhase::ProbeStopping;
        self.model.start_round();
        self.state = State::Down;
    }

    /// `BBRPickProbeWait`. What chance there is comes of the time and the octets delivered: flows on one path differ in
    /// both, and a run repeats exactly.
    //= draft-ietf-ccwg-bbr-05#5.3.3-6
    fn pick_probe_wait(&mut self, now: Instant) {
        // The finalizer of splitmix64 (Steele, Lea, Flood 2014).
        let mut mixed = now.as_nanos() ^ self.model.delivered.rotate_left(32);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        self.cycle.rounds = mixed & 1;
        self.cycle.wait = WAIT + Duration::from_nanos((mixed >> 1) % WAIT_MORE);
    }

    /// `BBRStartProbeBW_CRUISE`.
    //= draft-ietf-ccwg-bbr-05#5.3.3-2
    pub(super) const fn start_cruise(&mut self) {
        self.state = State::Cruise;
    }

    /// `BBRStartProbeBW_REFILL`.
    //= draft-ietf-ccwg-bbr-05#5.3.3-3
    const fn start_refill(&mut self) {
        self.model.reset_short_term();
        self.cycle.up_rounds = 0;
        self.cycle.up_acks = 0;
        self.cycle.ack_phase = AckPhase::Refilling;
        self.model.start_round();
        self.state = State::Refill;
    }

    /// `BBRStartProbeBW_UP`.
    pub(super) fn start_up(&mut self, rate: u64) {
        self.cycle.ack_phase = AckPhase::ProbeStarting;
        self.model.start_round();
        self.full_pipe.reset(rate);
        self.state = State::Up;
        self.raise_slope();
    }

    /// `BBRUpdateProbeBWCyclePhase`.
    pub(super) fn update_cycle(&mut self, sample: &AckSample, rate: &RateSample) {
        self.cycle.rounds += u64::from(self.model.round_start);
        if !self.full_pipe.reached {
            return;
        }
        self.adapt_long_term(sample, rate);
        let over = self.state == State::Up && self.is_time_to_go_down(rate);
        match self.state {
            State::Down | State::Cruise if self.is_time_to_probe(sample.now) => self.start_refill(),
            State::Down if self.is_time_to_cruise(sample) => self.start_cruise(),
            State::Refill if self.model.round_start => {
                self.cycle.samples = true;
                self.start_up(rate.rate());
            }
            State::Up if over => self.start_down(sample.now),
            _ => {} // it goes on
        }
    }

    /// `BBRIsTimeToProbeBW`, `BBRIsRenoCoexistenceProbeTime`.
    //= draft-ietf-ccwg-bbr-05#5.3.3-6
    fn is_time_to_probe(&self, now: Instant) -> bool {
        let segments = u64::from(self.target_inflight() / self.mss.max(1));
        now > self.cycle.stamp + self.cycle.wait || self.cycle.rounds >= segments.min(MOST_ROUNDS)
    }

    /// `BBRIsTimeToCruise`.
    //= draft-ietf-ccwg-bbr-05#5.3.3-1
    fn is_time_to_cruise(&self, sample: &AckSample) -> bool {
        sample.in_flight <= self.inflight_with_headroom() && sample.in_flight <= self.inflight(self.model.max_bw(), 100)
    }

    /// `BBRIsTimeToGoDown`.
    //= draft-ietf-ccwg-bbr-05#5.3.3-4
    fn is_time_to_go_down(&mut self, rate: &RateSample) -> bool {
        if self.is_cwnd_limited() && self.cwnd >= self.model.inflight_longterm {
            self.full_pipe.reset(rate.rate()); // the bound, not the path, limits the rate
            return false;
        }
        self.full_pipe.now
    }

    /// `BBRTargetInflight`.
    fn target_inflight(&self) -> u32 {
        self.bdp(self.model.bw(), 100).min(self.cwnd)
    }

    /// `BBRInflightWithHeadroom`.
    pub(super) fn inflight_with_headroom(&self) -> u32 {
        let bound = self.model.inflight_longterm;
        if bound == INFINITE {
            return INFINITE;
        }
        let headroom = mul_div(bound, HEADROOM, 100).max(self.mss);
        bound.saturating_sub(headroom).max(self.min_pipe_cwnd())
    }

    /// `BBRRaiseInflightLongtermSlope`: the bound grows by 1, 2, 4 … segments a round trip.
    //= draft-ietf-ccwg-bbr-05#5.3.3-5
    fn raise_slope(&mut self) {
        let growth = self.mss.checked_shl(self.cycle.up_rounds).filter(|growth| *growth > 0).unwrap_or(u32::MAX);
        self.cycle.up_rounds = (self.cycle.up_rounds + 1).min(30);
        // A window's worth of acknowledged octets, in as many parts as there are segments to grow by.
        self.cycle.up_count = (self.cwnd / (growth / self.mss.max(1)).max(1)).max(1);
    }

    /// `BBRProbeInflightLongtermUpward`.
    //= draft-ietf-ccwg-bbr-05#5.3.3-5
    fn probe_upward(&mut self, sample: &AckSample) {
        if !self.is_cwnd_limited() || self.cwnd < self.model.inflight_longterm {
            return; // what isn't used isn't raised
        }
        self.cycle.up_acks = self.cycle.up_acks.saturating_add(sample.newly_acked);
        let segments = self.cycle.up_acks / self.cycle.up_count;
        self.cycle.up_acks %= self.cycle.up_count;
        let bound = self.model.inflight_longterm;
        self.model.inflight_longterm = bound.saturating_add(segments.saturating_mul(self.mss));
        if self.model.round_start {
            self.raise_slope();
        }
    }

    /// `BBRAdaptLongTermModel`.
    //= draft-ietf-ccwg-bbr-05#5.3.3-7
    pub(super) fn adapt_long_term(&mut self, sample: &AckSample, rate: &RateSample) {
        if self.model.round_start {
            match self.cycle.ack_phase {
                AckPhase::ProbeStarting => self.cycle.ack_phase = AckPhase::ProbeFeedback,
                AckPhase::ProbeStopping => {
                    self.cycle.samples = false;
                    self.cycle.ack_phase = AckPhase::Init;
                    if self.state.is_probe_bw() && !rate.app_limited {
                        self.model.advance_max_bw_filter();
                    }
                }
                AckPhase::Init | AckPhase::Refilling | AckPhase::ProbeFeedback => {}
            }
        }
        if model::is_too_high(rate.lost, rate.tx_in_flight) || self.model.inflight_longterm == INFINITE {
            return;
        }
        self.model.inflight_longterm = self.model.inflight_longterm.max(rate.tx_in_flight);
        if self.state == State::Up {
            self.probe_upward(sample);
        }
    }

    /// `BBRHandleLostPacket`.
    //= draft-ietf-ccwg-bbr-05#5.5.10-1
    pub(super) fn handle_lost(&mut self, lost: &LostSegment) {
        if self.model.note_loss() || self.before.is_none() {
            self.save_state();
        }
        if self.cycle.samples && model::is_too_high(lost.lost_since_sent, lost.tx_in_flight) {
            let app_limited = lost.app_limited || lost.prior_delivered < self.app_limited_until;
            self.inflight_too_high(lost.now, model::inflight_at_loss(lost), app_limited);
        }
    }

    /// `BBRHandleInflightTooHigh`: `inflight` was more than the path holds.
    //= draft-ietf-ccwg-bbr-05#5.5.10-1
    pub(super) fn inflight_too_high(&mut self, now: Instant, inflight: u32, app_limited: bool) {
        self.cycle.samples = false; // once a probe
        if !app_limited {
            self.model.inflight_longterm = inflight.max(mul_div(self.target_inflight(), BETA, 100));
        }
        if self.state == State::Up {
            self.start_down(now);
        }
    }
}
