//! Seventh step of SEGMENT ARRIVES: the segment text (RFC 9293 section 3.10.7.4).

use sockeye_wire::Instant;

use crate::recv::{Owed, PRESUMED_ANSWER, Returned};
use crate::tcb::Tcb;
use crate::timeouts::Timer;
use crate::{ClosedBecause, Segment, Stop};

impl Tcb {
    //= rfc9293#3.10.7.4-18
    //= rfc9293#3.10.7.4-19
    pub(super) fn take_text(&mut self, now: Instant, segment: &mut Segment) -> Result<(), Stop> {
        if segment.flags.fin && self.state.receives_text() {
            self.recv.fin_at = Some(segment.seq + segment.text_len());
        }
        if segment.text_len() == 0 {
            if segment.flags.fin && segment.seq != self.recv.rcv_nxt() {
                self.recv.ack.on_disorder(0, 1);
            }
            return Ok(());
        }
        if !self.state.receives_text() {
            self.recv.ack.now();
            return Err(Stop::AfterFin);
        }
        if self.orphaned {
            return Err(self.refuse_text());
        }
        self.take_mark(segment);
        self.keep_text(now, segment)
    }

    /// The text, which is in the window, is kept, and an ACK becomes due.
    pub(super) fn keep_text(&mut self, now: Instant, segment: &mut Segment) -> Result<(), Stop> {
        let segments = segment.count();
        if self.counts.nanos_since_text(now) > self.rtt.rto_nanos() {
            self.recv.ack.on_pause();
        }
        if self.counts.data_segments_in == 0 && self.peer_is_near() {
            self.recv.ack.presume_answer();
        }
        self.counts.on_text(now, segments);
        // What is said of its segments is the device's word: none is longer than the whole.
        let whole = segment.text_len();
        let size = if segment.segment_size == 0 { whole } else { whole.min(segment.segment_size.into()) };
        let (first, more) = (core::mem::take(&mut segment.payload), core::mem::take(&mut segment.more));
        let taken = self.recv.take_text(segment.seq, first, more, whole, size, segment.flags.psh);
        let taken = taken.map_err(|_too_many| Stop::TooManyHoles)?;
        self.copied = self.copied.saturating_add(taken.copied);
        self.measure_reading(now, segment);
        if taken.advanced {
            self.notices.readable = true;
            self.schedule_ack(now);
        } else {
            self.counts.out_of_order = self.counts.out_of_order.saturating_add(segments);
        }
        Ok(())
    }

    /// The receive buffer follows what the application reads in a round trip, unless memory is short.
    fn measure_reading(&mut self, now: Instant, segment: &Segment) {
        let limit = if self.memory_pressure { 0 } else { self.config.receive_buffer.limit() };
        let timestamps = segment.options.timestamps.filter(|_| self.agreed.timestamps);
        let returned = timestamps.map(|timestamps| Returned { value: timestamps.echo, offset: self.timestamp_offset });
        // Where a middlebox has taken away what was agreed on, nothing can be told.
        if returned.is_some() == self.agreed.timestamps {
            self.recv.measure(now, returned, limit);
        }
    }

    /// Nobody will ever read this: the peer learns it by a RST.
    //= rfc9293#SHLD-3
    fn refuse_text(&mut self) -> Stop {
        self.pending.reset = true;
        self.delete(ClosedBecause::Aborted);
        Stop::TextAfterClose
    }

    /// Starts the timer for an ACK that may wait.
    //= rfc9293#MUST-40
    //= rfc5681#4.2-4
    pub(super) fn schedule_ack(&mut self, now: Instant) {
        if self.recv.ack.owed() == Owed::Later && !self.deadlines.is_set(Timer::DelayedAck) {
            self.deadlines.set(Timer::DelayedAck, now + self.recv.ack.patience(self.config.delayed_ack));
        }
    }

    /// A packet less is worth more than a moment: the path has shown that a round trip takes no longer than an ACK waits for
    /// an answer that is only presumed.
    pub(super) fn peer_is_near(&self) -> bool {
        self.rtt.srtt().is_some_and(|srtt| srtt <= PRESUMED_ANSWER)
    }
}
