//! The retransmission timer (RFC 9293 section 3.8.1, RFC 6298 section 5).

use sockeye_wire::Instant;

use super::Timer;
use crate::segment_arrives::half_open::Timeout;
use crate::tcb::Tcb;
use crate::{ClosedBecause, SoftError, State};

impl Tcb {
    /// Starts the timer anew, or stops it if nothing is outstanding.
    //= rfc6298#5.1-1
    pub(crate) fn arm_retransmit(&mut self, now: Instant) {
        if self.recovery.is_idle() {
            self.deadlines.stop(Timer::Retransmit);
        } else {
            let deadline = self.before_giving_up(now + self.rtt.rto());
            self.deadlines.set(Timer::Retransmit, deadline);
        }
    }

    pub(super) fn on_retransmit_timer(&mut self, now: Instant) {
        match self.state {
            State::SynSent => self.resend_syn(now),
            State::SynReceived => self.resend_syn_ack(now),
            _ => self.resend_text(now),
        }
    }

    //= rfc9293#3.10.8-2
    //= rfc6298#5.6-1
    fn resend_text(&mut self, now: Instant) {
        if self.recovery.is_idle() || self.gives_up(now) {
            return;
        }
        //= rfc6298#5-1
        let earliest = self.recovery.oldest_sent_at().map_or(now, |sent_at| sent_at + self.rtt.rto());
        if now < earliest && self.give_up_at().is_none_or(|at| now < at) {
            self.deadlines.set(Timer::Retransmit, self.before_giving_up(earliest));
            return;
        }
        //= rfc9293#MUST-35
        //= rfc9293#SHLD-17
        if self.send.snd_wnd() == 0 {
            self.recovery.probe_front();
        } else {
            let snd_nxt = self.send.snd_nxt();
            self.recovery.on_timeout(now, snd_nxt, self.congestion.as_mut());
            self.reach_r1();
        }
        self.rtt.back_off();
        self.arm_retransmit(now);
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
