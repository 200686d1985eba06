//! One timer, and what it watches for: a segment that may only be out of order, a tail that may be lost, or silence
//! (RFC 8985 section 8, RFC 6298 section 5, RFC 7765).

use alloc::boxed::Box;
use core::time::Duration;

use sockeye_wire::{Instant, SeqNumber};

use super::frto::Frto;
use super::outstanding::Mark;
use super::undo::Cause;
use super::{Again, Flight, Phase, ProbeFate, Recovery, Reduction, rack};
use crate::Rtt;
use crate::congestion::CongestionControl;

/// What the timer watches for.
//= rfc8985#5.4-1
//= rfc8985#8-1
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watch {
    /// RTO: nothing was heard for long.
    Timeout,
    /// PTO: the tail may be lost.
    Probe,
    /// What was overtaken is now overdue.
    Reordering,
}

/// Since when, and until when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timers {
    /// The RTO counts from here.
    from: Instant,
    /// The PTO counts from here; `None` once it has come, until something new is sent or acknowledged.
    probe_from: Option<Instant>,
    /// A probe is to leave.
    probe_is_due: bool,
    /// When RACK looks again.
    pub(super) overdue_at: Option<Instant>,
    watch: Watch,
}

impl Timers {
    //= rfc6298#5.1-1
    pub(super) const fn new(now: Instant) -> Self {
        Self { from: now, probe_from: None, probe_is_due: false, overdue_at: None, watch: Watch::Timeout }
    }

    /// Something new leaves.
    //= rfc8985#7.2-1
    pub(super) const fn on_sent(&mut self, now: Instant) {
        self.probe_from = Some(now);
    }
}

/// Outstanding and unsent segments below which the timer counts from the oldest transmission (`rrthresh`).
//= rfc7765#4-5
const FEW: u32 = 4;

impl Recovery {
    /// When the timer is due, and what it then means; `None` if nothing is outstanding.
    //= rfc8985#6.2-12
    //= rfc8985#7.2-5
    //= rfc8985#7.3-1
    pub(crate) fn watch(&mut self, rtt: &Rtt, granularity: Duration, sack: bool) -> Option<Instant> {
        let free = self.history.as_ref().is_none_or(|history| history.tlp.is_free());
        let flight = self.flight.as_mut()?;
        let timeout_at = flight.timers.from.plus_nanos(rtt.rto_nanos());
        let probe_from = flight.timers.probe_from.filter(|_| sack && free && flight.wants_probe());
        let (watch, at) = match (flight.timers.overdue_at, probe_from) {
            (Some(at), _) => (Watch::Reordering, at),
            (None, Some(from)) => {
                (Watch::Probe, timeout_at.min(from.plus_nanos(flight.probe_timeout(rtt, granularity))))
            }
            (None, None) => (Watch::Timeout, timeout_at),
        };
        flight.timers.watch = watch;
        Some(at)
    }

    /// What the timer that has just come means.
    pub(crate) fn watched(&self) -> Option<Watch> {
        self.flight.as_ref().map(|flight| flight.timers.watch)
    }

    /// The RTO counts from now on.
    pub(crate) fn restart_timer(&mut self, now: Instant) {
        if let Some(flight) = &mut self.flight {
            flight.timers.from = now;
        }
    }

    /// Something new was acknowledged: the RTO counts from now on, or if there is little to come, from when the oldest
    /// segment was sent, so that a lost tail needs one RTO and not a round trip more. `rto` in nanoseconds.
    //= rfc6298#5.3-1
    //= rfc7765#4-1
    //= rfc7765#4-2
    //= rfc7765#4-3
    //= rfc7765#4-4
    //= rfc7765#4-6
    //= rfc7765#4-7
    pub(crate) fn on_acked(&mut self, now: Instant, rto: u64, unsent: u32, mss: u32) {
        if let Some(history) = &mut self.history {
            history.on_news(now);
        }
        let Some(flight) = &mut self.flight else {
            return;
        };
        let segments = flight.outstanding.segments().saturating_add(unsent.div_ceil(mss));
        let oldest = flight.outstanding.front().map(|run| run.sent_at);
        let oldest = oldest.filter(|&sent_at| segments < FEW && sent_at.plus_nanos(rto) > now);
        flight.timers.from = oldest.unwrap_or(now);
        flight.timers.probe_from = Some(now);
    }

    /// When the oldest outstanding segment was last sent.
    pub(crate) fn oldest_sent_at(&self) -> Option<Instant> {
        self.outstanding()?.front().map(|run| run.sent_at)
    }

    /// So few segments are in flight that no loss among them shows but by a timer.
    pub(crate) fn is_thin(&self) -> bool {
        self.outstanding().is_some_and(|outstanding| outstanding.segments() < FEW)
    }

    /// What was overtaken is overdue.
    //= rfc8985#6.2-12
    pub(crate) fn on_reordering_timer(&mut self, now: Instant, rtt: &Rtt, congestion: &mut dyn CongestionControl) {
        let Some(mut flight) = self.flight.take() else {
            return;
        };
        let found = self.find_overdue(&mut flight, now, now, rtt, congestion);
        self.may_enter(&mut flight, now, found, 0, congestion);
        self.flight = Some(flight);
    }

    /// The tail may be lost: a probe is to leave.
    //= rfc8985#7.3-2
    //= rfc8985#7.3-6
    pub(crate) fn on_probe_timer(&mut self, now: Instant) {
        if let Some(flight) = &mut self.flight {
            flight.timers.probe_from = None;
            flight.timers.probe_is_due = true;
            flight.timers.from = now;
        }
    }

    /// True, once, if a probe is to leave, and still of use.
    pub(crate) fn take_probe(&mut self) -> bool {
        self.flight
            .as_mut()
            .is_some_and(|flight| core::mem::take(&mut flight.timers.probe_is_due) && flight.wants_probe())
    }

    /// A probe of new data left; `snd_nxt` follows it.
    //= rfc8985#7.3-3
    //= rfc8985#7.3-7
    pub(crate) fn on_probe_sent(&mut self, now: Instant, snd_nxt: SeqNumber) {
        self.note_probe(now, snd_nxt, false);
    }

    /// Takes the last segment to be sent again as a probe.
    //= rfc8985#7.3-4
    //= rfc8985#7.3-5
    pub(crate) fn resend_probe(&mut self, now: Instant, mss: u32) -> Option<Again> {
        if self.give_up_last_path_probe() {
            return self.resend(now, mss, mss, u32::MAX, u32::MAX);
        }
        let flight = self.flight.as_mut()?;
        let snapshot = flight.sampler.snapshot(flight.in_flight(mss));
        let resent = flight.outstanding.resend_last(now, snapshot)?;
        let snd_nxt = super::seq_of(flight.nxt);
        let again = self.on_resent(resent, false);
        self.note_probe(now, snd_nxt, true);
        Some(again)
    }

    fn note_probe(&mut self, now: Instant, snd_nxt: SeqNumber, is_retransmission: bool) {
        let history = self.history();
        history.counts.probes += 1;
        history.tlp.on_sent(snd_nxt, is_retransmission);
        if let Some(flight) = &mut self.flight {
            flight.timers.probe_from = None;
            flight.timers.from = now;
        }
    }

    /// The retransmission timer expired.
    //= rfc6298#5.4-1
    //= rfc6675#5.1-3
    pub(crate) fn on_timeout(&mut self, now: Instant, sack: bool, rtt: &Rtt, congestion: &mut dyn CongestionControl) {
        let Some(mut flight) = self.flight.take() else {
            return;
        };
        let octets = flight.flight_at_loss(congestion.cwnd());
        let again = flight.timeouts > 0;
        let reneged = self.check_reneging(&mut flight);
        let until = flight.outstanding.first_end().unwrap_or(flight.una);
        self.lose_on_timeout(&mut flight, now, sack, rtt, congestion);
        congestion.on_timeout(now, octets, again);
        self.reduction = Some(Reduction::Made);
        //= rfc5682#2.1-1
        //= rfc5682#2.1-2
        //= rfc5682#2.1-4
        //= rfc5682#3.1-1
        //= rfc5682#3.1-2
        //= rfc5682#3.1-3
        //= rfc5682#3.1-4
        //= rfc5682#4-2
        let fit = match flight.phase {
            Phase::Open => true,
            Phase::Recovery => !sack,
            Phase::Loss => again,
        };
        flight.frto = if fit && !reneged { Frto::Resent { until } } else { Frto::Off };
        let history = self.history();
        history.count_timeout(now);
        history.tlp.end = None;
        //= rfc4015#3.1-2
        match flight.phase {
            Phase::Open => history.undo.begin(Cause::Timeout),
            Phase::Recovery => history.undo.end(),
            Phase::Loss => {}
        }
        flight.lose(now);
        self.flight = Some(flight);
    }

    fn lose_on_timeout(
        &mut self,
        flight: &mut Flight,
        now: Instant,
        sack: bool,
        rtt: &Rtt,
        congestion: &mut dyn CongestionControl,
    ) {
        let lost = if sack {
            let window = self.reordering_window(flight, rtt);
            // The recent round-trip time; that of an earlier flight if none was measured in this one.
            let recent = Some(flight.rack.rtt).filter(|rtt| !rtt.is_zero()).or(rtt.srtt()).unwrap_or_default();
            rack::lost_on_timeout(now, recent + window, &mut flight.outstanding)
        } else {
            flight.outstanding.mark_lost_until(Instant::FAR_FUTURE)
        };
        if lost.iter().any(|(_, run)| run.probe) {
            self.news.probe = Some(ProbeFate::TimedOut);
        }
        self.tell_losses(flight, now, &lost, congestion);
    }

    /// What the peer said to have, it doesn't: else it would have acknowledged the first segment.
    //= rfc2018#3-4
    //= rfc2018#5-3
    //= rfc2018#5-4
    //= rfc6675#5.1-1
    fn check_reneging(&mut self, flight: &mut Flight) -> bool {
        let reneged = flight.outstanding.front().is_some_and(|run| run.mark == Mark::Sacked);
        if reneged {
            flight.outstanding.forget_sacks();
            self.history().counts.renegings += 1;
        }
        reneged
    }

    /// The timer expired while the peer's window is closed: the segment at the front goes again as a probe, and the
    /// network isn't blamed.
    pub(crate) fn probe_front(&mut self) {
        let Some(mut flight) = self.flight.take() else {
            return;
        };
        self.check_reneging(&mut flight);
        flight.outstanding.mark_first_lost();
        flight.front_is_urgent = true;
        self.flight = Some(flight);
        self.history().counts.timeouts += 1;
    }

    /// The path proved too narrow for segments of more than `mss` octets: those outstanding are to be sent again in smaller
    /// ones, in slow start from one segment on, and the network isn't blamed.
    //= rfc1191#6.4-1
    //= rfc1191#6.4-3
    //= rfc8201#5.4-3
    pub(crate) fn on_narrow_path(&mut self, mss: u32) {
        if let Some(flight) = &mut self.flight {
            flight.overtaken = 0;
            flight.outstanding.mark_longer_lost(mss);
            if flight.outstanding.tally(Mark::Lost).octets == 0 {
                return; // all that is outstanding fits
            }
            flight.left_network = 0;
            flight.front_is_urgent = true;
            flight.recover = flight.nxt;
            flight.timers.overdue_at = None;
            flight.ramp = Some(flight.in_flight(mss).saturating_add(mss));
            if flight.phase == Phase::Open {
                flight.phase = Phase::Loss;
            }
        }
    }
}

impl Flight {
    /// Fast recovery, if there was one, is over: what is lost is sent again in slow start.
    //= rfc5682#2.1-5
    //= rfc6582#3.2-8
    //= rfc6675#5.1-5
    fn lose(self: &mut Box<Self>, now: Instant) {
        self.timeouts = self.timeouts.saturating_add(1);
        self.phase = Phase::Loss;
        self.recover = self.nxt;
        self.dup_acks = 0;
        self.left_network = 0;
        self.front_is_urgent = true;
        self.ramp = None;
        self.timers = Timers { overdue_at: None, from: now, ..self.timers };
    }
}
