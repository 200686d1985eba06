//! Header prediction: what nearly every segment is, taken before the steps of section 3.10.7.4 are gone through one by one
//! (Van Jacobson, 1990; RFC 7323 section 5.6, in the order H1, H2, H3).
//!
//! In ESTABLISHED, the next segment in order, with no flag but ACK and PSH: either text, and nothing acknowledged; or an ACK
//! of something new, and no text. For these the steps come to what stands here: a property test gives the same segments to
//! both and compares all that the connections then know.

use sockeye_wire::Instant;
use sockeye_wire::tcp::Flags;

use crate::tcb::Tcb;
use crate::{Segment, State, Stop};

impl Tcb {
    /// Takes a segment that is as predicted; `None`, and nothing has happened, if it isn't.
    pub(super) fn take_predicted(&mut self, now: Instant, segment: &mut Segment) -> Option<Result<(), Stop>> {
        if !self.continues_as_before(now, segment) {
            return None;
        }
        if segment.text_len() == 0 {
            let acks_more = segment.ack.after(self.send.snd_una()) && segment.ack.at_or_before(self.send.snd_nxt());
            return acks_more.then(|| {
                self.take_new_ack(now, segment);
                Ok(())
            });
        }
        let only_text = segment.ack == self.send.snd_una()
            && segment.text_len() <= self.recv.rcv_wnd()
            && self.recovery.has_nothing_to_learn();
        only_text.then(|| self.take_next_text(now, segment))
    }

    //= rfc7323#5.6-1
    /// The next in order, an ACK that carries no option but a timestamp that isn't old.
    fn continues_as_before(&self, now: Instant, segment: &Segment) -> bool {
        let plain = segment.flags == Flags { psh: segment.flags.psh, ..Flags::ACK };
        let timely = match (self.agreed.timestamps, segment.options.timestamps) {
            (true, Some(timestamps)) => !self.recv.timestamps.is_old(now, timestamps.value),
            (true, None) => false,
            (false, _) => true,
        };
        self.state == State::Established
            && plain
            && segment.seq == self.recv.rcv_nxt()
            && timely
            && segment.options.sack.is_empty()
            && !self.agreed.ecn
            && self.recv.fin_at.is_none()
            && !self.orphaned
    }

    /// What any segment tells.
    fn note_predicted(&mut self, now: Instant, segment: &Segment) {
        self.note_timestamp(now, segment);
        self.note_arrival(now, segment);
        let window = u32::from(segment.window) << self.agreed.snd_shift;
        self.send.update_window(segment.seq, segment.ack, window);
        self.watch_closed_window(now);
    }

    /// SND.UNA < SEG.ACK =< SND.NXT, and no text.
    fn take_new_ack(&mut self, now: Instant, segment: &Segment) {
        self.note_predicted(now, segment);
        self.send.on_ack(segment.ack);
        self.inform_recovery(now, segment, false, false);
        self.on_new_ack(now);
        self.arm_retransmit();
        self.tell_writer();
    }

    /// Text that fits into the window, and nothing is acknowledged.
    fn take_next_text(&mut self, now: Instant, segment: &mut Segment) -> Result<(), Stop> {
        self.note_predicted(now, segment);
        self.tell_writer();
        self.keep_text(now, segment)
    }
}

#[cfg(test)]
mod tests;
