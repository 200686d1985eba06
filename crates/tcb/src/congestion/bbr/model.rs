//! What BBR knows of the path (section 5.5): bandwidth, round-trip time, and how much the path holds without losing any,
//! over a long time and a short one.

use core::time::Duration;

use sockeye_wire::Instant;

use super::filter::{MaxOfRounds, MaxOfTwoCycles};
use super::{BETA, INFINITE, LOSS_THRESHOLD};
use crate::congestion::rounds::Rounds;
use crate::congestion::{AckSample, LostSegment, RateSample, mul_div};

/// `BBR.MinRTTFilterLen`.
//= draft-ietf-ccwg-bbr-05#5.5.7-1
const MIN_RTT_FILTER_LEN: Duration = Duration::from_secs(10);
/// `BBR.ProbeRTTInterval`.
//= draft-ietf-ccwg-bbr-05#5.3.4-2
const PROBE_RTT_INTERVAL: Duration = Duration::from_secs(5);
/// `BBR.ExtraAckedFilterLen`, in rounds.
const EXTRA_ACKED_FILTER_LEN: u64 = 10;

/// The model of the path. Bandwidths in octets a second, volumes in octets; [`INFINITE`] volumes and bandwidths of
/// `u64::MAX` bound nothing.
#[derive(Clone, Debug)]
pub(super) struct Model {
    rounds: Rounds,
    pub(super) round_count: u64,
    pub(super) round_start: bool,
    pub(super) delivered: u64,

    max_bw: MaxOfTwoCycles,
    pub(super) bw_shortterm: u64,
    pub(super) inflight_shortterm: u32,
    pub(super) inflight_longterm: u32,

    pub(super) min_rtt: Option<Duration>,
    min_rtt_stamp: Instant,
    probe_rtt_min_delay: Duration,
    pub(super) probe_rtt_min_stamp: Instant,
    pub(super) probe_rtt_expired: bool,

    extra_acked: MaxOfRounds,
    extra_acked_interval_start: Instant,
    extra_acked_delivered: u64,

    /// The most of one round trip: rate, and volume delivered.
    bw_latest: u64,
    pub(super) inflight_latest: u32,
    loss_round_delivered: u64,
    pub(super) loss_round_start: bool,
    pub(super) loss_in_round: bool,
}

impl Model {
    pub(super) fn new() -> Self {
        Self {
            rounds: Rounds::default(),
            round_count: 0,
            round_start: false,
            delivered: 0,
            max_bw: MaxOfTwoCycles::default(),
            bw_shortterm: u64::MAX,
            inflight_shortterm: INFINITE,
            inflight_longterm: INFINITE,
            min_rtt: None,
            min_rtt_stamp: Instant::ZERO,
            probe_rtt_min_delay: Duration::MAX,
            probe_rtt_min_stamp: Instant::ZERO,
            probe_rtt_expired: false,
            extra_acked: MaxOfRounds::default(),
            extra_acked_interval_start: Instant::ZERO,
            extra_acked_delivered: 0,
            bw_latest: 0,
            inflight_latest: 0,
            loss_round_delivered: 0,
            loss_round_start: false,
            loss_in_round: false,
        }
    }

    pub(super) fn max_bw(&self) -> u64 {
        self.max_bw.get()
    }

    /// `BBRBoundBWForModel`.
    pub(super) fn bw(&self) -> u64 {
        self.max_bw().min(self.bw_shortterm)
    }

    pub(super) const fn extra_acked(&self) -> u32 {
        self.extra_acked.get()
    }

    /// `BBRUpdateLatestDeliverySignals`.
    pub(super) fn update_latest_delivery_signals(&mut self, sample: &AckSample, rate: &RateSample) {
        self.delivered = sample.delivered;
        self.bw_latest = self.bw_latest.max(rate.rate());
        self.inflight_latest = self.inflight_latest.max(rate.delivered);
        self.loss_round_start = sample.prior_delivered >= self.loss_round_delivered;
        if self.loss_round_start {
            self.loss_round_delivered = sample.delivered;
        }
    }

    /// `BBRAdvanceLatestDeliverySignals`.
    pub(super) fn advance_latest_delivery_signals(&mut self, rate: &RateSample) {
        if self.loss_round_start {
            self.bw_latest = rate.rate();
            self.inflight_latest = rate.delivered;
        }
    }

    /// `BBRUpdateRound`, `BBRUpdateMaxBw`.
    //= draft-ietf-ccwg-bbr-05#5.5.5-1
    pub(super) fn update_max_bw(&mut self, sample: &AckSample, rate: &RateSample) {
        self.round_start = self.rounds.begins(sample);
        self.round_count += u64::from(self.round_start);
        if rate.rate() >= self.max_bw() || !rate.app_limited {
            self.max_bw.update(rate.rate());
        }
    }

    /// `BBRAdvanceMaxBwFilter`.
    pub(super) const fn advance_max_bw_filter(&mut self) {
        self.max_bw.advance();
    }

    /// `BBRStartRound`.
    pub(super) const fn start_round(&mut self) {
        self.rounds.restart(self.delivered);
    }

    /// `BBRUpdateACKAggregation`.
    //= draft-ietf-ccwg-bbr-05#5.5.9-1
    pub(super) fn update_ack_aggregation(&mut self, sample: &AckSample, cwnd: u32, full_bw_reached: bool) {
        let interval = sample.now.since(self.extra_acked_interval_start);
        let mut expected = volume(self.bw(), interval);
        if self.extra_acked_delivered <= expected {
            self.restart_aggregation(sample.now);
            expected = 0;
        }
        self.extra_acked_delivered += u64::from(sample.newly_acked);
        let extra = u32::try_from(self.extra_acked_delivered - expected).unwrap_or(u32::MAX).min(cwnd);
        let window = if full_bw_reached { EXTRA_ACKED_FILTER_LEN } else { 1 };
        self.extra_acked.update(self.round_count, window, extra);
    }

    pub(super) const fn restart_aggregation(&mut self, now: Instant) {
        self.extra_acked_delivered = 0;
        self.extra_acked_interval_start = now;
    }

    /// `BBRUpdateMinRTT`. The draft takes only a shorter round trip for a new proof that the queue is empty, though it means
    /// flows that drain it by themselves to be spared the probe (section 5.3.4.2): here one that [is as
    /// short](Self::is_as_short) puts it off, too. The least is kept as it is.
    //= draft-ietf-ccwg-bbr-05#5.3.4-3
    pub(super) fn update_min_rtt(&mut self, sample: &AckSample, quantum: u32) {
        self.probe_rtt_expired = sample.now > self.probe_rtt_min_stamp + PROBE_RTT_INTERVAL;
        if let Some(rtt) = sample.rtt
            && (rtt < self.probe_rtt_min_delay || self.probe_rtt_expired)
        {
            // The very first sample isn't late.
            self.probe_rtt_expired &= self.probe_rtt_min_delay != Duration::MAX;
            self.probe_rtt_min_delay = rtt;
            self.probe_rtt_min_stamp = sample.now;
        } else if sample.rtt.is_some_and(|rtt| self.is_as_short(rtt, quantum)) {
            self.probe_rtt_min_stamp = sample.now;
        }
        if self.probe_rtt_min_delay == Duration::MAX {
            self.probe_rtt_expired = false;
            return;
        }
        let expired = sample.now > self.min_rtt_stamp + MIN_RTT_FILTER_LEN;
        if expired || self.min_rtt.is_none_or(|min_rtt| self.probe_rtt_min_delay < min_rtt) {
            self.min_rtt = Some(self.probe_rtt_min_delay);
            self.min_rtt_stamp = self.probe_rtt_min_stamp;
        }
    }

    /// True if `rtt` is no longer than the least but for the burst that the segment left in, of `quantum` octets at most.
    fn is_as_short(&self, rtt: Duration, quantum: u32) -> bool {
        let longer = rtt.saturating_sub(self.probe_rtt_min_delay).as_nanos();
        u64::try_from(longer).unwrap_or(u64::MAX).saturating_mul(self.max_bw()) <= u64::from(quantum) * 1_000_000_000
    }

    /// What the path holds at the rate `bw`, `gain` hundredths of it; `None` before the first round trip.
    pub(super) fn bdp(&self, bw: u64, gain: u32) -> Option<u32> {
        let octets = volume(bw, self.min_rtt?).saturating_mul(gain.into()) / 100;
        Some(u32::try_from(octets).unwrap_or(u32::MAX))
    }

    /// `BBRNoteLoss`: true if it is the first in this round trip.
    pub(super) const fn note_loss(&mut self) -> bool {
        let first = !self.loss_in_round;
        if first {
            self.loss_round_delivered = self.delivered;
        }
        self.loss_in_round = true;
        first
    }

    /// `BBRResetCongestionSignals`.
    pub(super) const fn reset_congestion_signals(&mut self) {
        self.loss_in_round = false;
        self.bw_latest = 0;
        self.inflight_latest = 0;
    }

    /// `BBRResetShortTermModel`.
    pub(super) const fn reset_short_term(&mut self) {
        self.bw_shortterm = u64::MAX;
        self.inflight_shortterm = INFINITE;
    }

    /// `BBRAdaptLowerBoundsFromCongestion`: at the end of a round trip with losses in which bandwidth wasn't probed for.
    //= draft-ietf-ccwg-bbr-05#5.5.10-4
    pub(super) fn adapt_short_term(&mut self, cwnd: u32) {
        if self.bw_shortterm == u64::MAX {
            self.bw_shortterm = self.max_bw();
        }
        if self.inflight_shortterm == INFINITE {
            self.inflight_shortterm = cwnd;
        }
        self.bw_shortterm = self.bw_latest.max(self.bw_shortterm * u64::from(BETA) / 100);
        self.inflight_shortterm = self.inflight_latest.max(mul_div(self.inflight_shortterm, BETA, 100));
    }
}

/// `IsInflightTooHigh`: more than two in a hundred of what was in flight were lost.
pub(super) fn is_too_high(lost: u32, tx_in_flight: u32) -> bool {
    u64::from(lost) * 100 > u64::from(tx_in_flight) * u64::from(LOSS_THRESHOLD)
}

/// `BBRInflightAtLoss`: at what volume in flight losses crossed the threshold, somewhere within the lost segments.
//= draft-ietf-ccwg-bbr-05#5.5.10-2
pub(super) fn inflight_at_loss(lost: &LostSegment) -> u32 {
    let inflight_before = lost.tx_in_flight.saturating_sub(lost.octets);
    let lost_before = lost.lost_since_sent.saturating_sub(lost.octets);
    let allowed = mul_div(inflight_before, LOSS_THRESHOLD, 100);
    let prefix = mul_div(allowed.saturating_sub(lost_before), 100, 100 - LOSS_THRESHOLD);
    inflight_before.saturating_add(prefix)
}

/// Octets that pass at `rate` octets a second in `time`.
pub(super) fn volume(rate: u64, time: Duration) -> u64 {
    u64::try_from(u128::from(rate) * time.as_nanos() / 1_000_000_000).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 98 of 100 segments before the lost ones, none lost so far: 2 % of 98,000 are 1960, and 1960 / 0.98 more make the
    /// losses 2 % of all: 98,000 + 2000.
    //= draft-ietf-ccwg-bbr-05#5.5.10-2
    #[test]
    fn losses_cross_the_threshold_within_what_was_lost() {
        let lost = LostSegment { octets: 2000, tx_in_flight: 100_000, lost_since_sent: 2000, ..LostSegment::default() };
        assert_eq!(inflight_at_loss(&lost), 100_000);
        let lost = LostSegment { lost_since_sent: 3500, ..lost };
        assert_eq!(inflight_at_loss(&lost), 98_469, "1500 were lost before: 460 / 0.98 are left");
    }

    #[test]
    fn two_in_a_hundred_are_tolerated() {
        assert!(!is_too_high(2000, 100_000) && is_too_high(2001, 100_000));
    }

    //= draft-ietf-ccwg-bbr-05#5.3.4-2
    //= draft-ietf-ccwg-bbr-05#5.3.4-3
    //= draft-ietf-ccwg-bbr-05#5.5.7-1
    #[test]
    fn the_least_round_trip_is_kept_for_ten_seconds_and_a_probe_is_due_after_five() {
        let mut model = Model::new();
        model.max_bw.update(1_000_000);
        let mut ack = |seconds: u64, millis| {
            let now = Instant::from_millis(100_000 + seconds * 1000);
            let sample = AckSample { now, rtt: Some(Duration::from_millis(millis)), ..AckSample::default() };
            model.update_min_rtt(&sample, 2000);
            (model.min_rtt.unwrap().as_millis(), model.probe_rtt_expired)
        };
        assert_eq!(ack(0, 50), (50, false));
        assert_eq!(ack(1, 40), (40, false));
        assert_eq!(ack(5, 60), (40, false));
        assert_eq!(ack(7, 60), (40, true), "to be probed; the old one is remembered meanwhile");
        assert_eq!(ack(11, 62), (40, false), "a burst takes 2 ms at this rate: the queue is empty");
        assert_eq!(ack(12, 70), (60, false));
        assert_eq!(ack(16, 63), (60, false), "five seconds later it still counts");
        assert_eq!(ack(17, 63), (60, true));
    }

    //= draft-ietf-ccwg-bbr-05#5.5.10-4
    #[test]
    fn a_round_trip_with_losses_lowers_the_short_term_bounds_by_three_tenths_at_most() {
        let mut model = Model::new();
        let rate = RateSample { delivered: 100_000, interval: Duration::from_secs(1), ..RateSample::default() };
        model.update_max_bw(&AckSample::default(), &rate);
        model.adapt_short_term(50_000);
        assert_eq!((model.bw(), model.inflight_shortterm), (70_000, 35_000));
        model.update_latest_delivery_signals(&AckSample::default(), &RateSample { delivered: 65_000, ..rate });
        model.adapt_short_term(50_000);
        assert_eq!((model.bw(), model.inflight_shortterm), (65_000, 65_000), "as much as was delivered");
        model.reset_short_term();
        assert_eq!(model.bw(), 100_000);
    }
}
