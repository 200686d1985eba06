//! Fifth step of SEGMENT ARRIVES: the ACK field (RFC 9293 section 3.10.7.4).
//!
//! Moves `snd_una`, the send window, and those states that wait for an ACK of ours. What the ACK says about loss is for
//! [`crate::recovery`] to decide. Holds afterwards: `snd_una <= snd_nxt`, and the send queue starts at `snd_una`.

use sockeye_wire::Instant;

use crate::recovery::{Arrival, Echo};
use crate::state::Cause;
use crate::tcb::Tcb;
use crate::timeouts::Timer;
use crate::{ClosedBecause, Segment, State, Stop};

impl Tcb {
    pub(super) fn check_ack(&mut self, now: Instant, segment: &Segment) -> Result<(), Stop> {
        //= rfc9293#3.10.7.4-11
        if !segment.flags.ack {
            return Err(Stop::NoAck);
        }
        //= rfc9293#MAY-12
        //= rfc9293#3.10.7.4-24
        //= rfc5961#5.2-2
        //= rfc5961#5.2-3
        if segment.ack.before(self.send.oldest_ack()) {
            self.challenge(now);
            return Err(Stop::AckTooOld);
        }
        //= rfc9293#3.10.7.4-13
        if segment.ack.after(self.send.snd_max()) {
            self.challenge(now);
            return Err(Stop::AckOfUnsent);
        }
        self.take_ack(now, segment);
        Ok(())
    }

    /// SND.UNA - MAX.SND.WND =< SEG.ACK =< SND.NXT.
    fn take_ack(&mut self, now: Instant, segment: &Segment) {
        let window = u32::from(segment.window) << self.agreed.snd_shift;
        let duplicate = self.is_duplicate_ack(segment, window);
        let ece = self.take_echo(now, segment);
        //= rfc9293#3.4-3
        let advances = segment.ack.after(self.send.snd_una());
        if advances {
            self.send.on_ack(segment.ack);
        }
        //= rfc7323#2.3-4
        self.send.update_window(segment.seq, segment.ack, window);
        let delivered = ece.then(|| self.recovery.delivered().0);
        self.inform_recovery(now, segment, duplicate, ece);
        if let Some(before) = delivered {
            self.ecn.on_marked_delivered(self.recovery.delivered().0 - before);
        }
        if advances {
            self.on_new_ack(now);
        }
        self.arm_retransmit();
        self.watch_closed_window(now);
        self.tell_writer();
    }

    /// One that says nothing new; whether anything is outstanding is for the recovery to know.
    //= rfc5681#2-2
    fn is_duplicate_ack(&self, segment: &Segment, window: u32) -> bool {
        segment.is_empty() && segment.ack == self.send.snd_una() && window == self.send.snd_wnd()
    }

    /// The recovery decides what the ACK says about loss.
    pub(super) fn inform_recovery(&mut self, now: Instant, segment: &Segment, duplicate: bool, ece: bool) {
        // Whoever only receives goes this way: 90 instructions less a segment.
        if self.recovery.has_nothing_to_learn() && segment.options.sack.is_empty() {
            return;
        }
        //= rfc7323#3.2-5
        let echo = segment.options.timestamps.filter(|_| self.agreed.timestamps && segment.flags.ack);
        let arrival = Arrival {
            now,
            arrived_at: segment.arrived_at,
            ack: segment.ack,
            blocks: if self.agreed.sack { segment.options.sack.as_slice() } else { &[] },
            duplicate,
            echo: echo.map(|timestamps| Echo { value: timestamps.echo, offset: self.timestamp_offset }),
            ece,
            unpaced: !self.config.pacing && self.congestion.pacing_rate().is_none(),
            sack: self.agreed.sack,
            mss: u32::from(self.send.mss()),
            granularity: self.config.granularity,
            has_new: self.recovery.doubts_timeout() && self.has_new(now),
        };
        self.recovery.on_ack(&arrival, &mut self.rtt, self.congestion.as_mut());
        self.tell_of_reduction();
        self.learn_of_path(now);
    }

    /// SND.UNA < SEG.ACK =< SND.NXT.
    pub(super) fn on_new_ack(&mut self, now: Instant) {
        self.path.on_progress();
        self.times.waiting_since = now;
        self.persist_backoff = 0;
        //= rfc6298#5.2-1
        //= rfc6582#3.2-7
        //= rfc6928#9-1
        let (unsent, mss) = (self.send.unsent(), u32::from(self.send.mss()));
        self.recovery.on_acked(now, self.rtt.rto_nanos(), unsent, mss);
        if self.send.fin_is_acked() {
            self.on_fin_acked(now);
        }
    }

    //= rfc9293#3.10.7.4-15
    fn on_fin_acked(&mut self, now: Instant) {
        match self.state {
            State::FinWait1 => {
                self.go(Cause::OurFinAcked);
                if self.orphaned {
                    self.deadlines.set(Timer::Linger, now + self.config.orphan_timeout);
                }
            }
            State::Closing => {
                self.go(Cause::OurFinAcked);
                self.enter_time_wait(now);
            }
            State::LastAck => self.delete(ClosedBecause::Finished),
            State::Closed
            | State::Listen
            | State::SynSent
            | State::SynReceived
            | State::Established
            | State::FinWait2
            | State::CloseWait
            | State::TimeWait => {}
        }
    }

    /// A window that the peer has closed keeps the connection alive for as long as it answers.
    //= rfc9293#MUST-37
    pub(super) fn watch_closed_window(&mut self, now: Instant) {
        if self.send.snd_wnd() == 0 {
            self.times.waiting_since = now;
        } else if self.deadlines.is_set(Timer::Persist) {
            self.deadlines.stop(Timer::Persist);
            self.persist_backoff = 0;
            self.pending.window_probe = false;
        }
    }
}
