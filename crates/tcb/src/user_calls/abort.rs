//! ABORT (RFC 9293 section 3.10.5).

use sockeye_wire::Instant;

use crate::tcb::Tcb;
use crate::{ClosedBecause, State};

impl Tcb {
    /// Ends the connection at once: all text is dropped, the peer gets a RST where it would otherwise wait.
    //= rfc9293#3.10.5-1
    //= rfc9293#3.10.5-2
    pub fn abort(&mut self, _now: Instant) {
        self.pending.reset = matches!(
            self.state,
            State::SynReceived | State::Established | State::FinWait1 | State::FinWait2 | State::CloseWait
        );
        self.pending.reply = None;
        self.delete(ClosedBecause::Aborted);
    }
}
