//! BBR version 3, by draft-ietf-ccwg-bbr-05 (March 2026): the sections named here are that draft's, and functions say which
//! of its pseudocode they are.
//!
//! A model of the path ([`model`]) is kept up to date by each ACK: how fast it delivers, how long a round trip takes at
//! least, how much it holds. A state machine ([`startup`], [`drain`], [`probe_bw`], [`probe_rtt`]) sends faster and slower
//! in turn to learn it, and rate and window follow from both. All in integers; gains in hundredths.
//!
//! Where the draft leaves a choice: marks of the network (RFC 3168) are answered as losses above the threshold are;
//! chance is made of time and progress, so that a run repeats exactly.

mod control;
mod drain;
mod filter;
mod model;
mod probe_bw;
mod probe_rtt;
mod startup;

use sockeye_wire::Instant;

use super::{AckSample, CongestionControl, Details, LostSegment, RateSample, initial_window, resized, scaled};
use model::Model;
use probe_bw::Cycle;
use probe_rtt::ProbeRtt;
use startup::FullPipe;

/// A volume that bounds nothing.
const INFINITE: u32 = u32::MAX;
/// `BBR.Beta`, in hundredths.
const BETA: u32 = 70;
/// `BBR.LossThresh`, in hundredths.
const LOSS_THRESHOLD: u32 = 2;
/// The states of section 5.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Startup,
    Drain,
    Down,
    Cruise,
    Refill,
    Up,
    ProbeRtt,
}

impl State {
    /// `BBR.pacing_gain` and `BBR.cwnd_gain` (section 5.6.1), in hundredths.
    //= draft-ietf-ccwg-bbr-05#5.3.1-1
    const fn gains(self) -> (u32, u32) {
        match self {
            Self::Startup => (277, 200),
            Self::Drain => (50, 200),
            Self::Down => (90, 200),
            Self::Cruise | Self::Refill => (100, 200),
            Self::Up => (125, 225),
            Self::ProbeRtt => (100, 50),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Drain => "drain",
            Self::Down => "probe bw: down",
            Self::Cruise => "probe bw: cruise",
            Self::Refill => "probe bw: refill",
            Self::Up => "probe bw: up",
            Self::ProbeRtt => "probe rtt",
        }
    }

    const fn is_probe_bw(self) -> bool {
        matches!(self, Self::Down | Self::Cruise | Self::Refill | Self::Up)
    }

    /// `BBRIsProbingBW`.
    const fn is_probing(self) -> bool {
        matches!(self, Self::Startup | Self::Refill | Self::Up)
    }
}

/// What a loss that was none gives back (section 5.5.11).
#[derive(Clone, Copy, Debug)]
struct Before {
    state: State,
    bw_shortterm: u64,
    inflight_shortterm: u32,
    inflight_longterm: u32,
}

/// `BBRv3`.
///
/// ```
/// # use sockeye_tcb::congestion::{Bbr, CongestionControl};
/// let mut bbr = Bbr::new(10);
/// bbr.set_mss(1460);
/// assert_eq!((bbr.cwnd(), bbr.details().phase), (14_600, "startup"));
/// ```
//= draft-ietf-ccwg-bbr-05#2-1
#[derive(Clone, Debug)]
pub struct Bbr {
    state: State,
    model: Model,
    full_pipe: FullPipe,
    cycle: Cycle,
    probe_rtt: ProbeRtt,
    drain_start_round: u64,
    losses_in_round: u8,
    idle_restart: bool,
    /// Rates of what was sent before so much was delivered are the application's, or those of `ProbeRTT` or of a timeout's
    /// repair.
    app_limited_until: u64,
    before: Option<Before>,
    cwnd: u32,
    prior_cwnd: u32,
    /// The round in which what left last filled the window.
    filled_round: Option<u64>,
    /// Losses are being repaired; a timeout has found them.
    in_recovery: bool,
    timed_out: bool,
    /// 0 before the first round trip.
    pacing_rate: u64,
    initial: u8,
    initial_window: u32,
    mss: u32,
}

impl Bbr {
    /// An algorithm that begins with `initial` segments, 10 by RFC 6928.
    pub fn new(initial: u8) -> Self {
        Self {
            state: State::Startup,
            model: Model::new(),
            full_pipe: FullPipe::default(),
            cycle: Cycle::default(),
            probe_rtt: ProbeRtt::default(),
            drain_start_round: 0,
            losses_in_round: 0,
            idle_restart: false,
            app_limited_until: 0,
            before: None,
            cwnd: 0,
            prior_cwnd: 0,
            filled_round: None,
            in_recovery: false,
            timed_out: false,
            pacing_rate: 0,
            initial,
            initial_window: 0,
            mss: 0,
        }
    }

    /// `BBRUpdateModelAndState` (section 5.2.3).
    fn update_model_and_state(&mut self, sample: &AckSample, rate: &RateSample) {
        self.model.update_latest_delivery_signals(sample, rate);
        self.model.update_max_bw(sample, rate);
        if self.model.loss_round_start {
            if self.model.loss_in_round && !self.state.is_probing() {
                self.model.adapt_short_term(self.cwnd);
            }
            self.model.loss_in_round = false;
        }
        self.model.update_ack_aggregation(sample, self.cwnd, self.full_pipe.reached);
        self.check_full_pipe(rate);
        self.check_startup_done(sample, rate);
        self.check_drain_done(sample);
        self.update_cycle(sample, rate);
        self.model.update_min_rtt(sample, self.quantum());
        self.check_probe_rtt(sample);
        self.model.advance_latest_delivery_signals(rate);
    }

    /// `C.is_cwnd_limited`: at some time in the last round the window, not pacing or the application, held back what could have
    /// left.
    fn is_cwnd_limited(&self) -> bool {
        self.filled_round.is_some_and(|round| self.model.round_count <= round + 1)
    }

    /// What is sent from now on until all that is in flight is delivered says nothing of the path.
    fn mark_limited(&mut self, sample: &AckSample) {
        self.app_limited_until = sample.delivered + u64::from(sample.in_flight);
    }

    /// `BBRSaveStateUponLoss`. While a timeout is repaired, what was there before it stays saved: of what comes then, another
    /// timeout included, nothing was there before.
    //= draft-ietf-ccwg-bbr-05#5.5.11-1
    const fn save_state(&mut self) {
        if self.timed_out {
            return;
        }
        self.before = Some(Before {
            state: self.state,
            bw_shortterm: self.model.bw_shortterm,
            inflight_shortterm: self.model.inflight_shortterm,
            inflight_longterm: self.model.inflight_longterm,
        });
    }

    /// `BBRHandleSpuriousLossDetection` (section 5.5.11.2).
    //= draft-ietf-ccwg-bbr-05#5.5.11-1
    fn give_back(&mut self, before: &Before) {
        self.model.loss_in_round = false;
        self.full_pipe.reset(0);
        self.model.bw_shortterm = self.model.bw_shortterm.max(before.bw_shortterm);
        self.model.inflight_shortterm = self.model.inflight_shortterm.max(before.inflight_shortterm);
        self.model.inflight_longterm = self.model.inflight_longterm.max(before.inflight_longterm);
        if self.state != State::ProbeRtt && self.state != before.state {
            match before.state {
                State::Startup => self.enter_startup(),
                State::Up => self.start_up(0),
                State::Drain | State::Down | State::Cruise | State::Refill | State::ProbeRtt => {}
            }
        }
    }
}

impl CongestionControl for Bbr {
    fn name(&self) -> &'static str {
        "bbr"
    }

    fn cwnd(&self) -> u32 {
        self.cwnd
    }

    fn ssthresh(&self) -> u32 {
        u32::MAX
    }

    fn pacing_rate(&self) -> Option<u64> {
        (self.pacing_rate > 0).then_some(self.pacing_rate)
    }

    fn send_quantum(&self) -> Option<u32> {
        Some(self.quantum())
    }

    fn uses_prr(&self) -> bool {
        false
    }

    /// As in Linux (`bbr_sndbuf_expand`): the window doesn't shrink while a loss is repaired, so what has arrived behind the loss
    /// is buffered beside a whole window in flight.
    fn windows_buffered(&self) -> u32 {
        3
    }

    //= draft-ietf-ccwg-bbr-05#5.2.3-1
    fn on_ack(&mut self, sample: &AckSample) {
        self.init_pacing_rate(sample);
        if self.timed_out && self.cwnd < self.prior_cwnd {
            self.mark_limited(sample);
        }
        if let Some(mut rate) = sample.rate {
            rate.app_limited |= sample.prior_delivered < self.app_limited_until;
            self.update_model_and_state(sample, &rate);
        } else {
            self.model.update_min_rtt(sample, self.quantum());
        }
        self.set_pacing_rate(self.state.gains().0);
        self.set_cwnd(sample);
    }

    fn on_segment_lost(&mut self, lost: &LostSegment) {
        self.handle_lost(lost);
    }

    /// `BBROnEnterFastRecovery`.
    fn on_loss(&mut self, _now: Instant, _flight: u32) {
        self.save_cwnd();
        self.in_recovery = true;
    }

    /// A mark is certain: what it takes is not given back should a loss beside it prove to be none.
    fn on_ecn(&mut self, now: Instant, flight: u32) {
        self.model.note_loss();
        self.before = None;
        if self.cycle.samples {
            self.inflight_too_high(now, flight, false);
        }
    }

    fn on_recovered(&mut self, _now: Instant, _flight: u32) {
        self.leave_recovery();
    }

    /// `BBROnEnterRTO`. As in Linux (`bbr_set_state`) the short-term bound, if there comes one, falls from the window that was
    /// there before.
    //= draft-ietf-ccwg-bbr-05#5.6.4-2
    fn on_timeout(&mut self, _now: Instant, _flight: u32, _again: bool) {
        self.save_cwnd();
        self.save_state();
        self.full_pipe.reset(0);
        if !self.state.is_probing() && self.model.inflight_shortterm == INFINITE {
            self.model.inflight_shortterm = self.prior_cwnd;
        }
        self.cwnd = self.mss;
        self.in_recovery = true;
        self.timed_out = true;
    }

    fn on_timeout_recovered(&mut self, _now: Instant) {
        // The window of before belongs to a timeout: where the path has narrowed none was taken.
        if self.timed_out {
            self.leave_recovery();
        }
    }

    //= draft-ietf-ccwg-bbr-05#5.6.4-2
    fn undo(&mut self, _now: Instant) {
        match self.before.take() {
            Some(before) => self.give_back(&before),
            None if self.in_recovery => {} // what a mark took stays taken
            None => return,
        }
        self.leave_recovery();
    }

    /// `BBRHandleRestartFromIdle` (section 5.4.1).
    //= draft-ietf-ccwg-bbr-05#5.4.1-1
    fn on_sent(&mut self, now: Instant, in_flight: u32, octets: u32, app_limited: bool) {
        if in_flight.saturating_add(octets).saturating_add(self.mss) > self.cwnd {
            self.filled_round = Some(self.model.round_count);
        }
        if in_flight > 0 || !app_limited {
            return;
        }
        self.idle_restart = true;
        self.model.restart_aggregation(now);
        if self.state.is_probe_bw() {
            self.set_pacing_rate(100);
        } else if self.state == State::ProbeRtt {
            self.check_probe_rtt_done(now);
        }
    }

    fn on_idle(&mut self, _now: Instant) {} // the model stays: what was learnt leaves paced (section 5.4.2)

    fn set_mss(&mut self, mss: u16) {
        let before = core::mem::replace(&mut self.mss, u32::from(mss));
        self.initial_window = initial_window(self.initial, self.mss);
        self.cwnd = resized(self.initial, self.cwnd, before, self.mss);
        self.prior_cwnd = scaled(self.prior_cwnd, before, self.mss).max(self.mss);
    }

    fn take_over(&mut self, other: &dyn CongestionControl) {
        self.cwnd = other.cwnd();
    }

    fn on_lost_handshake(&mut self) {
        self.cwnd = self.mss;
    }

    fn details(&self) -> Details {
        let (pacing_gain, cwnd_gain) = self.state.gains();
        Details {
            phase: self.state.name(),
            bandwidth: self.model.bw(),
            min_rtt: self.model.min_rtt.unwrap_or_default(),
            pacing_gain: u16::try_from(pacing_gain).unwrap_or(u16::MAX),
            cwnd_gain: u16::try_from(cwnd_gain).unwrap_or(u16::MAX),
            bandwidth_shortterm: Some(self.model.bw_shortterm).filter(|bw| *bw < u64::MAX),
            inflight_shortterm: Some(self.model.inflight_shortterm).filter(|octets| *octets < INFINITE),
            inflight_longterm: Some(self.model.inflight_longterm).filter(|octets| *octets < INFINITE),
            ..Details::default()
        }
    }
}

#[cfg(test)]
mod tests;
