//! SYN-RECEIVED inside a `Tcb`: the rules are those of [`super::half_open`].

use alloc::boxed::Box;

use sockeye_wire::Instant;

use super::half_open::{HalfOpen, Origin, Verdict};
use crate::state::Cause;
use crate::tcb::Tcb;
use crate::timeouts::Timer;
use crate::{ClosedBecause, Segment, State, Stop};

impl Tcb {
    /// From LISTEN or SYN-SENT: our SYN-ACK is to leave.
    pub(super) fn enter_syn_received(&mut self, half_open: HalfOpen) {
        self.go(Cause::PeerSyn);
        self.deadlines.set(Timer::Retransmit, half_open.deadline());
        self.half_open = Some(Box::new(half_open));
        self.pending.syn = true;
    }

    pub(super) fn in_syn_received(&mut self, now: Instant, mut segment: Segment) -> Result<(), Stop> {
        let Some(half_open) = &mut self.half_open else {
            return Err(Stop::NoConnection);
        };
        match half_open.on_segment(now, &segment) {
            Verdict::Drop(stop, reply) => {
                self.pending.reply = reply.map(Into::into);
                Err(stop)
            }
            Verdict::Gone(stop) => {
                self.leave_syn_received(stop);
                Err(stop)
            }
            Verdict::Established => {
                let half_open = **half_open;
                self.half_open = None;
                self.establish(&half_open, now);
                // SYN-ACKs have crossed: the SYN is known, what follows it is new.
                if segment.flags.syn {
                    segment.flags.syn = false;
                    segment.seq += 1;
                }
                if self.closes_soon() {
                    self.go(Cause::UserClose);
                }
                self.in_other_states(now, &mut segment)
            }
        }
    }

    //= rfc9293#3.10.7.4-7
    fn leave_syn_received(&mut self, stop: Stop) {
        let origin = self.half_open.take().map_or(Origin::Active, |half_open| half_open.origin);
        if origin == Origin::Passive && !self.closes_soon() {
            self.state = State::Listen;
            self.deadlines.stop(Timer::Retransmit);
        } else {
            let because = if stop == Stop::Reset { ClosedBecause::Refused } else { ClosedBecause::ResetByPeer };
            self.delete(because);
        }
    }

    /// True if the application closed before the handshake was over: the FIN follows at once.
    //= rfc9293#3.10.4-2
    fn closes_soon(&self) -> bool {
        self.send.fin_is_next()
    }
}
