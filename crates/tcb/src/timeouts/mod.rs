//! TIMEOUTS (RFC 9293 section 3.10.8): each due timer to its function.

mod deadlines;
mod keep_alive;
mod persist;
mod retransmit;

use sockeye_wire::Instant;

use crate::state::Cause;
use crate::tcb::Tcb;
use crate::{ClosedBecause, State};
pub(crate) use deadlines::{Deadlines, Timer};

impl Tcb {
    /// The clock says `now`: acts on every timer that is due. To be called when [`Self::next_timeout`] has come; at any
    /// other time it does nothing.
    pub fn on_timeout(&mut self, now: Instant) {
        self.set_retransmit();
        while let Some(timer) = self.deadlines.take_due(now) {
            match timer {
                Timer::Retransmit => self.on_retransmit_timer(now),
                Timer::Persist => self.on_persist_timer(now),
                Timer::DelayedAck => self.recv.ack.on_overdue(),
                Timer::KeepAlive => self.on_keep_alive_timer(now),
                Timer::Cork => self.pending.overdue = true,
                Timer::Pacing => {} // what waits is asked for after this call, as after every other
                Timer::Linger => self.on_linger_timer(),
            }
        }
    }

    //= rfc9293#3.10.8-3
    fn on_linger_timer(&mut self) {
        if self.state == State::TimeWait {
            self.go(Cause::TwoMslOver);
            self.delete(ClosedBecause::Finished);
        } else {
            self.delete(ClosedBecause::OrphanTimedOut);
        }
    }

    //= rfc9293#MUST-20
    //= rfc9293#3.8.3-1
    //= rfc9293#3.10.8-1
    /// R2: gives the connection up if the peer has owed us an acknowledgment for longer than the user timeout.
    fn gives_up(&mut self, now: Instant) -> bool {
        let over = self.give_up_at().is_some_and(|at| now >= at);
        if over {
            self.delete(ClosedBecause::UserTimeout);
        }
        over
    }

    fn give_up_at(&self) -> Option<Instant> {
        self.config.user_timeout.map(|timeout| self.times.waiting_since + timeout)
    }

    /// `deadline`, or when the connection is to be given up, if that is earlier.
    fn before_giving_up(&self, deadline: Instant) -> Instant {
        self.give_up_at().map_or(deadline, |at| deadline.min(at))
    }
}
