//! The retransmission timer (RFC 9293 section 3.8.1, RFC 6298 section 5).

use sockeye_wire::Instant;

use super::Timer;
use crate::recovery::Watch;
use crate::segment_arrives::half_open::Timeout;
use crate::tcb::Tcb;
use crate::{ClosedBecause, SoftError, State};

/// Timeouts without back-off of a thin stream, as Linux (`TCP_THIN_LINEAR_RETRIES`).
const THIN_LINEAR_RETRIES: u8 = 6;

impl Tcb {
    /// What the recovery waits for may be something else now: the timer is set once nothing more happens at this instant.
    pub(crate) const fn arm_retransmit(&mut self) {
        self.pending.timer = true;
    }

    /// Sets the timer to what the recovery waits for next, or stops it if nothing is outstanding.
    //= rfc6298#5-2
    //= rfc8985#8-1
    pub(crate) fn set_retransmit(&mut self) {
        if !core::mem::take(&mut self.pending.timer) || !self.state.is_synchronized() {
            return; // the handshake has its own
        }
        match self.recovery.watch(&self.rtt, self.config.granularity, self.agreed.sack) {
            Some(at) => self.deadlines.set(Timer::Retransmit, self.before_giving_up(at)),
            None => self.deadlines.stop(Timer::Retransmit),
        }
    }

    pub(super) fn on_retransmit_timer(&mut self, now: Instant) {
        match self.state {
            State::SynSent => self.resend_syn(now),
            State::SynReceived => self.resend_syn_ack(now),
            _ => self.on_recovery_timer(now),
        }
    }

    fn on_recovery_timer(&mut self, now: Instant) {
        if self.recovery.is_idle() || self.gives_up(now) {
            return;
        }
        match self.recovery.watched() {
            Some(Watch::Reordering) => {
                self.recovery.on_reordering_timer(now, &self.rtt, self.congestion.as_mut());
            }
            Some(Watch::Probe) => self.recovery.on_probe_timer(now),
            Some(Watch::Timeout) | None => self.resend_text(now),
        }
        self.tell_of_reduction();
        self.learn_of_path(now);
        self.arm_retransmit();
    }

    //= rfc9293#3.10.8-2
    //= rfc6298#5.6-1
    fn resend_text(&mut self, now: Instant) {
        //= rfc6298#5-1
        if let Some(sent_at) = self.recovery.oldest_sent_at()
            && now < sent_at + self.rtt.rto()
        {
            self.recovery.restart_timer(sent_at);
            return;
        }
        //= rfc9293#MUST-35
        //= rfc9293#SHLD-17
        if self.send.snd_wnd() == 0 {
            self.recovery.probe_front();
        } else {
            self.recovery.on_timeout(now, self.agreed.sack, &self.rtt, self.congestion.as_mut());
            self.reach_r1();
        }
        if !self.is_thin() {
            self.rtt.back_off();
        }
        self.recovery.restart_timer(now);
    }

    /// So few segments are in flight that the timer alone finds their loss, and the application has asked that it not back
    /// off at once: it doesn't congest the path anyhow. Probes of a closed window, which may go on for hours, do back off.
    //= rfc9293#SHLD-30
    fn is_thin(&self) -> bool {
        let starting = self.congestion.ssthresh() == u32::MAX;
        let thin = self.config.thin_linear_timeouts && self.recovery.is_thin() && !starting;
        thin && self.send.snd_wnd() != 0 && self.recovery.timeouts() <= THIN_LINEAR_RETRIES
    }

    /// R1: the application learns that the path may be bad.
    //= rfc9293#MUST-20
    //= rfc9293#SHLD-9
    //= rfc9293#3.9.1.8-1
    fn reach_r1(&mut self) {
        if self.recovery.timeouts() == self.config.r1 {
            self.tell_soft_error(SoftError::ExcessiveRetransmission);
        }
    }

    /// Tells the application, unless it doesn't want to know.
    pub(crate) fn tell_soft_error(&mut self, error: SoftError) {
        if self.config.report_soft_errors {
            self.notices.soft_error = Some(error);
        }
    }

    //= rfc9293#MUST-22
    //= rfc9293#MUST-23
    fn resend_syn(&mut self, now: Instant) {
        if now >= self.times.opened_at + self.config.handshake_timeout {
            self.delete(ClosedBecause::HandshakeTimedOut);
            return;
        }
        self.unanswered_probes = self.unanswered_probes.saturating_add(1);
        if self.unanswered_probes == self.config.r1 {
            self.tell_soft_error(SoftError::ExcessiveRetransmission);
        }
        self.ecn.fall_back();
        self.rtt.back_off();
        self.pending.syn = true;
        self.arm_syn(now);
    }

    /// Starts the timer for our SYN.
    pub(crate) fn arm_syn(&mut self, now: Instant) {
        let give_up = self.times.opened_at + self.config.handshake_timeout;
        self.deadlines.set(Timer::Retransmit, (now + self.rtt.rto()).min(give_up));
    }

    fn resend_syn_ack(&mut self, now: Instant) {
        let Some(half_open) = &mut self.half_open else {
            return;
        };
        match half_open.on_timeout(now, &self.config) {
            Timeout::Resend(_) => {
                self.pending.syn = true;
                self.deadlines.set(Timer::Retransmit, half_open.deadline());
            }
            Timeout::GiveUp => self.delete(ClosedBecause::HandshakeTimedOut),
        }
    }
}
