//! CLOSE (RFC 9293 section 3.10.4).

use sockeye_wire::Instant;

use super::CallError;
use crate::state::Cause;
use crate::tcb::Tcb;
use crate::timeouts::Timer;
use crate::{ClosedBecause, State};

impl Tcb {
    /// Closes our direction: the FIN follows all that was handed over. Reading goes on.
    ///
    /// # Errors
    /// [`CallError::Closing`] if it was called before; [`CallError::NotConnected`] in CLOSED without a connection ever;
    /// [`CallError::Closed`] once the connection is gone.
    //= rfc9293#3.6-1
    //= rfc9293#3.6-2
    //= rfc9293#3.10.4-1
    //= rfc9293#3.10.4-2
    //= rfc9293#3.10.4-3
    //= rfc9293#3.10.4-4
    pub fn shutdown(&mut self, _now: Instant) -> Result<(), CallError> {
        match self.state {
            State::Closed => Err(self.closed_because.map_or(CallError::NotConnected, CallError::Closed)),
            State::Listen | State::SynSent => {
                self.delete(ClosedBecause::ClosedBeforeOpen);
                Ok(())
            }
            State::SynReceived if !self.send.fin_is_next() => {
                self.send.close();
                Ok(())
            }
            State::Established | State::CloseWait => {
                self.send.close();
                self.go(Cause::UserClose);
                Ok(())
            }
            State::SynReceived
            | State::FinWait1
            | State::FinWait2
            | State::Closing
            | State::LastAck
            | State::TimeWait => Err(CallError::Closing),
        }
    }

    /// Lets go of both directions, as closing a socket does. What was handed over is still delivered; if there is text
    /// that nobody has read, or if more arrives, the peer gets a RST instead of silence.
    //= rfc9293#MAY-1
    //= rfc9293#SHLD-3
    pub fn close(&mut self, now: Instant) {
        if core::mem::replace(&mut self.orphaned, true) {
            return;
        }
        if self.recv.has_unread() && self.state.is_synchronized() && self.state != State::TimeWait {
            self.abort(now);
            return;
        }
        self.recv.clear();
        // That our direction is closed already, or the connection gone, is as good.
        let _ = self.shutdown(now);
        if self.state == State::FinWait2 {
            self.deadlines.set(Timer::Linger, now + self.config.orphan_timeout);
        }
    }
}
