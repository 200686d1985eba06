//! Settings that change while the connection lives.

use alloc::sync::Arc;

use sockeye_wire::Instant;

use crate::Config;
use crate::tcb::Tcb;
use crate::timeouts::Timer;

impl Tcb {
    /// Changes the settings. Those that the SYN carried, and the buffers, stay as they were agreed.
    //= rfc9293#MUST-17
    //= rfc9293#MUST-21
    //= rfc9293#MUST-24
    pub fn configure(&mut self, now: Instant, change: impl FnOnce(&mut Config)) {
        let keep_alive = self.config.keep_alive;
        change(Arc::make_mut(&mut self.config));
        if self.config.keep_alive != keep_alive {
            self.unanswered_probes = 0;
            self.arm_keep_alive(now);
        }
        if !self.config.cork {
            self.deadlines.stop(Timer::Cork);
        }
        if self.deadlines.is_set(Timer::Retransmit) && self.state.is_synchronized() {
            self.arm_retransmit(now);
        }
    }
}
