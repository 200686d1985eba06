//! Keep-alive (RFC 9293 section 3.8.4).

use sockeye_wire::Instant;

use super::Timer;
use crate::tcb::Tcb;
use crate::{ClosedBecause, KeepAlive};

impl Tcb {
    //= rfc9293#MUST-24
    //= rfc9293#MAY-5
    /// Starts the timer if the application wants it.
    pub(crate) fn arm_keep_alive(&mut self, now: Instant) {
        match self.config.keep_alive {
            Some(keep_alive) if self.state.is_synchronized() => {
                self.deadlines.set(Timer::KeepAlive, (self.times.heard_at + keep_alive.idle).max(now));
            }
            _ => self.deadlines.stop(Timer::KeepAlive),
        }
    }

    pub(super) fn on_keep_alive_timer(&mut self, now: Instant) {
        let Some(KeepAlive { idle, interval, count }) = self.config.keep_alive else {
            return;
        };
        //= rfc9293#MUST-26
        let idle_since = self.times.heard_at.max(self.times.sent_at);
        if self.unanswered_probes == 0 && now < idle_since + idle {
            self.deadlines.set(Timer::KeepAlive, idle_since + idle);
            return;
        }
        self.deadlines.set(Timer::KeepAlive, now + interval);
        if !self.recovery.is_idle() || self.send.has_unsent() {
            return; // the retransmission and the persist timer watch the peer already
        }
        //= rfc9293#MUST-29
        if self.unanswered_probes >= count.max(2) {
            // Should the peer live after all, and only have been out of reach, it learns that nobody waits for it any more.
            // (The RFCs leave it open; Linux and BSD do the same.)
            self.pending.reset = true;
            self.delete(ClosedBecause::KeepAliveTimedOut);
            return;
        }
        self.unanswered_probes += 1;
        self.pending.keep_alive = true;
    }
}
