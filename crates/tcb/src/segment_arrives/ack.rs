//! Fifth step of SEGMENT ARRIVES: the ACK field (RFC 9293 section 3.10.7.4).
//!
//! Moves `snd_una`, the send window, and those states that wait for an ACK of ours. What the ACK says about loss is for
//! [`crate::recovery`] to decide. Holds afterwards: `snd_una <= snd_nxt`, and the send queue starts at `snd_una`.

use core::time::Duration;

use sockeye_wire::Instant;

use crate::negotiated::timestamp;
use crate::recovery::Acked;
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
        let is_duplicate = self.is_duplicate_ack(segment, window);
        //= rfc9293#3.4-3
        if segment.ack.after(self.send.snd_una()) {
            self.on_new_ack(now, segment);
        } else if is_duplicate {
            let (snd_una, snd_nxt) = (self.send.snd_una(), self.send.snd_nxt());
            let mss = u32::from(self.send.mss());
            self.recovery.on_duplicate_ack(now, snd_una, snd_nxt, mss, self.congestion.as_mut());
        }
        //= rfc7323#2.3-4
        self.send.update_window(segment.seq, segment.ack, window);
        self.watch_closed_window(now);
        self.tell_writer();
    }

    //= rfc5681#2-2
    fn is_duplicate_ack(&self, segment: &Segment, window: u32) -> bool {
        segment.is_empty()
            && segment.ack == self.send.snd_una()
            && window == self.send.snd_wnd()
            && !self.recovery.is_idle()
    }

    /// SND.UNA < SEG.ACK =< SND.NXT.
    fn on_new_ack(&mut self, now: Instant, segment: &Segment) {
        let mss = u32::from(self.send.mss());
        let app_limited = !core::mem::take(&mut self.filled_window);
        self.send.on_ack(segment.ack);
        let acked = self.recovery.on_ack(now, segment.ack, mss, app_limited, self.congestion.as_mut());
        self.take_rtt_sample(segment, acked);
        self.times.waiting_since = now;
        self.persist_backoff = 0;
        //= rfc6298#5.2-1
        //= rfc6298#5.3-1
        //= rfc6582#3.2-7
        //= rfc6928#9-1
        self.arm_retransmit(now);
        if self.send.fin_is_acked() {
            self.on_fin_acked(now);
        }
    }

    /// Karn's algorithm: what was sent once tells the time itself; of what was sent again only the timestamp does.
    //= rfc9293#MUST-18
    //= rfc6298#3-1
    //= rfc6298#3-2
    //= rfc7323#4.1-2
    fn take_rtt_sample(&mut self, segment: &Segment, acked: Acked) {
        if let Some(sent_at) = acked.sent_once_at {
            self.rtt.on_sample(segment.arrived_at.since(sent_at));
        } else if let Some(echo) = segment.options.timestamps.map(|timestamps| timestamps.echo)
            && self.agreed.timestamps
            && acked.segments > 0
        {
            let ticks = timestamp(segment.arrived_at, self.timestamp_offset).wrapping_sub(echo);
            // A forged echo from the future, or one a minute old, tells nothing.
            if ticks < 60_000 {
                self.rtt.on_sample(Duration::from_millis(u64::from(ticks.max(1))));
            }
        }
        self.rtt.end_back_off();
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
    fn watch_closed_window(&mut self, now: Instant) {
        if self.send.snd_wnd() == 0 {
            self.times.waiting_since = now;
        } else if self.deadlines.is_set(Timer::Persist) {
            self.deadlines.stop(Timer::Persist);
            self.persist_backoff = 0;
            self.pending.window_probe = false;
        }
    }

    /// Wakes a writer once there is room worth a wake-up.
    fn tell_writer(&mut self) {
        let worthwhile = self.config.send_buffer / 4;
        if self.writer_waits && self.send_room() >= worthwhile as usize {
            self.writer_waits = false;
            self.notices.writable = true;
        }
    }
}
