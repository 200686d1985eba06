//! Second step of SEGMENT ARRIVES: the RST bit (RFC 9293 section 3.10.7.4, hardened by RFC 5961 section 3.2).

use sockeye_wire::Instant;

use crate::tcb::Tcb;
use crate::{ClosedBecause, Segment, State, Stop};

impl Tcb {
    //= rfc9293#3.5.3-1
    //= rfc9293#SHLD-2
    //= rfc9293#MUST-66
    pub(super) fn check_reset(&mut self, now: Instant, segment: &Segment) -> Result<(), Stop> {
        if !segment.flags.rst {
            return Ok(());
        }
        //= rfc5961#3.2-3
        //= rfc9293#3.10.7.4-5
        if segment.seq == self.recv.rcv_nxt() {
            self.on_reset();
            return Err(Stop::Reset);
        }
        // In the window, yet not exact: a blind attacker's guess. Only the true peer can answer what this provokes.
        //= rfc5961#3.2-4
        //= rfc5961#3.2-5
        //= rfc9293#3.10.7.4-6
        //= rfc9293#3.10.7.4-25
        self.challenge(now);
        Err(Stop::InexactReset)
    }

    //= rfc9293#3.5.3-2
    //= rfc9293#3.10.7.4-8
    fn on_reset(&mut self) {
        // Both have closed and all text was acknowledged: what is lost is the last ACK.
        let because = match self.state {
            State::Closing | State::LastAck if self.send.queued() == 0 => ClosedBecause::Finished,
            _ => ClosedBecause::ResetByPeer,
        };
        self.delete(because);
    }
}
