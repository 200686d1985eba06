//! Settings that change while the connection lives.

use alloc::sync::Arc;

use sockeye_wire::Instant;

use crate::Config;
use crate::congestion::Algorithm;
use crate::tcb::Tcb;
use crate::timeouts::Timer;

impl Tcb {
    /// Changes the settings. Those that the SYN carried stay as they were agreed: the window scale too, so that a receive
    /// buffer beyond what it can say offers no more. What a smaller receive buffer doesn't hold any more stays promised.
    //= rfc9293#MUST-17
    //= rfc9293#MUST-21
    //= rfc9293#MUST-24
    pub fn configure(&mut self, now: Instant, change: impl FnOnce(&mut Config)) {
        let Config { keep_alive, congestion, receive_buffer, send_buffer, .. } = *self.config;
        change(Arc::make_mut(&mut self.config));
        if self.config.congestion != congestion {
            self.change_congestion_control();
        }
        if self.config.keep_alive != keep_alive {
            self.unanswered_probes = 0;
            self.arm_keep_alive(now);
        }
        if self.config.receive_buffer != receive_buffer {
            let setting = self.config.receive_buffer;
            self.recv.resize(setting.initial(), setting.limit());
            self.recv.press(self.memory_pressure.then(|| setting.initial()));
        }
        if self.config.send_buffer != send_buffer {
            self.resize_send_buffer();
        }
        if !self.config.cork {
            self.deadlines.stop(Timer::Cork);
        }
        if self.deadlines.is_set(Timer::Retransmit) && self.state.is_synchronized() {
            self.arm_retransmit();
        }
    }

    /// Goes on under another congestion control, from the window that there is (`TCP_CONGESTION` of Linux). The same as
    /// [`Self::configure`] with another [`Config::congestion`].
    pub fn set_congestion_control(&mut self, now: Instant, algorithm: Algorithm) {
        self.configure(now, |config| config.congestion = algorithm);
    }

    fn change_congestion_control(&mut self) {
        let mut next = self.config.congestion.make(self.config.initial_window);
        // Before the SYNs have told the segment size there is no window either.
        if self.send.mss() > 0 {
            next.set_mss(self.send.mss());
            next.take_over(self.congestion.as_ref());
        }
        self.congestion = next;
    }
}
