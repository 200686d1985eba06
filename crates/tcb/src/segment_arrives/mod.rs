//! SEGMENT ARRIVES (RFC 9293 section 3.10.7): the steps in their order, a file each.

pub mod closed;
pub mod half_open;
pub mod listen;
pub mod time_wait;

mod ack;
mod fin;
mod predict;
mod reset;
mod sequence;
mod syn;
mod syn_received;
mod syn_sent;
mod text;
mod urgent;

use sockeye_wire::Instant;

use crate::tcb::Tcb;
use crate::{Segment, State, Stop};

impl Tcb {
    /// A segment arrives.
    ///
    /// # Errors
    /// At which step its way ended, and why. The segment was answered or ignored as the RFC asks: there is nothing to do
    /// about it but count.
    pub fn on_segment(&mut self, now: Instant, mut segment: Segment) -> Result<(), Stop> {
        self.counts.segments_in = self.counts.segments_in.wrapping_add(segment.count());
        if let Some(taken) = self.take_predicted(now, &mut segment) {
            return taken;
        }
        self.in_state(now, segment)
    }

    fn in_state(&mut self, now: Instant, mut segment: Segment) -> Result<(), Stop> {
        match self.state {
            State::Closed => self.in_closed(&segment),
            State::Listen => self.in_listen(now, &segment),
            State::SynSent => self.in_syn_sent(now, segment),
            State::SynReceived => self.in_syn_received(now, segment),
            State::TimeWait => self.in_time_wait(now, &segment),
            State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck => self.in_other_states(now, &mut segment),
        }
    }

    /// Section 3.10.7.4. The third step, security, has no standing in today's Internet.
    fn in_other_states(&mut self, now: Instant, segment: &mut Segment) -> Result<(), Stop> {
        self.check_sequence(now, segment)?;
        self.check_reset(now, segment)?;
        self.check_syn(now, segment)?;
        self.note_arrival(now, segment);
        self.check_ack(now, segment)?;
        self.after_ack(now, segment)
    }

    /// Section 3.10.7.4 from the sixth step on.
    fn after_ack(&mut self, now: Instant, segment: &mut Segment) -> Result<(), Stop> {
        self.check_urgent(segment);
        self.take_text(now, segment)?;
        self.check_fin(now);
        Ok(())
    }

    /// Section 3.10.7.1.
    fn in_closed(&mut self, segment: &Segment) -> Result<(), Stop> {
        self.pending.reply = closed::reply(segment).map(Into::into);
        Err(Stop::NoConnection)
    }

    /// Section 3.10.7.2.
    fn in_listen(&mut self, now: Instant, segment: &Segment) -> Result<(), Stop> {
        match listen::arrives(segment, &self.config, self.send.iss, self.timestamp_offset, now) {
            listen::Verdict::Open(half_open) => {
                self.enter_syn_received(half_open);
                Ok(())
            }
            listen::Verdict::Drop(stop, reply) => {
                self.pending.reply = reply.map(Into::into);
                Err(stop)
            }
        }
    }

    /// TIME-WAIT. A SYN that may reopen the pair of sockets is for the owner of both to act on: see
    /// [`time_wait::Verdict::Reopen`].
    fn in_time_wait(&mut self, now: Instant, segment: &Segment) -> Result<(), Stop> {
        let Some(time_wait) = &mut self.time_wait else {
            return Err(Stop::NoConnection);
        };
        match time_wait.on_segment(now, segment) {
            time_wait::Verdict::Drop(stop, reply) => {
                self.pending.reply = reply.map(Into::into);
                Err(stop)
            }
            time_wait::Verdict::Restarted(reply) => {
                self.deadlines.set(crate::timeouts::Timer::Linger, time_wait.until());
                self.pending.reply = Some(reply.into());
                Ok(())
            }
            time_wait::Verdict::Reopen => Err(Stop::SynOnConnection),
        }
    }
}
