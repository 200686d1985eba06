//! The persist timer: probes of a closed window (RFC 9293 section 3.8.6.1), and the override of silly window avoidance
//! (section 3.8.6.2.1).

use core::time::Duration;

use sockeye_wire::Instant;

use super::Timer;
use crate::tcb::Tcb;

/// How long text that would make a silly window waits at most: 0.1 to 1 s by RFC 9293 section 3.8.6.2.1.
const OVERRIDE: Duration = Duration::from_millis(200);

impl Tcb {
    /// The peer's window keeps text or FIN from leaving and nothing is outstanding that would bring news of it.
    //= rfc9293#MUST-36
    //= rfc9293#SHLD-29
    //= rfc9293#SHLD-30
    pub(crate) fn arm_persist(&mut self, now: Instant) {
        if self.deadlines.is_set(Timer::Persist) || !self.recovery.is_idle() || self.pending.window_probe {
            return;
        }
        let wait = if self.send.usable() == 0 {
            (self.rtt.rto() * (1 << u32::from(self.persist_backoff.min(10)))).min(self.config.max_rto)
        } else {
            OVERRIDE
        };
        let deadline = self.before_giving_up(now + wait);
        self.deadlines.set(Timer::Persist, deadline);
    }

    pub(super) fn on_persist_timer(&mut self, now: Instant) {
        if !self.send.has_unsent() || self.gives_up(now) {
            return;
        }
        if self.send.usable() == 0 {
            self.persist_backoff = self.persist_backoff.saturating_add(1);
            self.pending.window_probe = true;
        } else {
            self.pending.overdue = true;
        }
    }
}
