//! First step of SEGMENT ARRIVES: the sequence number (RFC 9293 section 3.10.7.4), and before it the timestamp
//! (RFC 7323 section 5.3).
//!
//! Holds afterwards: what is left of the segment lies in the receive window, its text starts at or after RCV.NXT.

use sockeye_wire::{Instant, SeqNumber};

use crate::tcb::Tcb;
use crate::{Segment, Stop};

impl Tcb {
    pub(super) fn check_sequence(&mut self, now: Instant, segment: &mut Segment) -> Result<(), Stop> {
        self.check_timestamp(now, segment)?;
        if !self.is_acceptable(segment) {
            return Err(self.refuse(now, segment));
        }
        //= rfc7323#5.2-6
        if !segment.flags.rst {
            self.note_timestamp(now, segment);
        }
        if !segment.flags.rst && !segment.flags.syn {
            self.trim_to_window(segment);
        }
        Ok(())
    }

    /// PAWS. A segment without the option that was agreed on passes, as with Linux: some middleboxes strip it.
    //= rfc7323#5.3-1
    //= rfc7323#5.3-2
    //= rfc7323#5.2-5
    //= rfc7323#3.2-10
    //= rfc7323#3.2-11
    fn check_timestamp(&mut self, now: Instant, segment: &Segment) -> Result<(), Stop> {
        if !self.agreed.timestamps || segment.flags.rst {
            return Ok(());
        }
        let Some(timestamps) = segment.options.timestamps else {
            return Ok(());
        };
        if !self.recv.timestamps.is_old(now, timestamps.value) {
            return Ok(());
        }
        //= rfc2883#4.3-1
        self.answer_duplicate(now, segment);
        Err(Stop::Paws)
    }

    /// The segment's timestamp, if there is one, may become TS.Recent.
    pub(super) fn note_timestamp(&mut self, now: Instant, segment: &Segment) {
        if let Some(timestamps) = segment.options.timestamps
            && self.agreed.timestamps
        {
            self.recv.take_timestamp(now, timestamps.value, segment.seq);
        }
    }

    //= rfc9293#3.4-2
    //= rfc7323#2.4-2
    fn is_acceptable(&self, segment: &Segment) -> bool {
        let (rcv_nxt, rcv_wnd) = (self.recv.rcv_nxt(), self.recv.rcv_wnd());
        let starts_inside = segment.seq.is_within(rcv_nxt, rcv_wnd);
        match (segment.is_empty(), rcv_wnd) {
            (true, 0) => segment.seq == rcv_nxt,
            (true, _) => starts_inside,
            (false, 0) => false,
            (false, _) => starts_inside || (segment.end() - 1).is_within(rcv_nxt, rcv_wnd),
        }
    }

    /// The segment isn't acceptable: an ACK tells the peer where we are.
    //= rfc9293#3.10.7.4-1
    //= rfc9293#3.5.2-3
    fn refuse(&mut self, now: Instant, segment: &Segment) -> Stop {
        if segment.flags.rst {
            //= rfc9293#3.10.7.4-4
            //= rfc5961#3.2-2
            //= rfc5961#3.2-6
            return Stop::ResetOutsideWindow;
        }
        //= rfc5961#4.2-2
        if segment.flags.syn {
            self.challenge(now);
            return Stop::SynOnConnection;
        }
        // A probe of our closed window is exact, hence no forgery: its mark counts.
        //= rfc3168#6.1.6-2
        if self.recv.rcv_wnd() == 0 && segment.seq == self.recv.rcv_nxt() && segment.text_len() == 1 {
            self.take_mark(segment);
        }
        self.answer_duplicate(now, segment);
        // What lies just outside, such as a probe of our closed window or the second half of FINs that crossed, may
        // bring an ACK that we need: two ends that both refuse would never agree again (RFC 9293 appendix A.2).
        //= rfc9293#A.2-1
        //= rfc9293#3.10.7.4-3
        if segment.flags.ack && self.is_near(segment) {
            self.note_arrival(now, segment);
            // Its own verdict is told already.
            let _ = self.check_ack(now, segment);
            self.check_urgent(segment);
        }
        Stop::OutsideWindow
    }

    /// A segment with text or FIN that isn't new gets an ACK, always, since it cost its sender as much; an empty one
    /// only now and then, or two ends that both think the other is wrong would go on for ever.
    //= rfc9293#3.8.6.1-2
    fn answer_duplicate(&mut self, now: Instant, segment: &Segment) {
        if segment.is_empty() {
            self.challenge(now);
            return;
        }
        let (start, end) = (segment.text_start(), segment.text_start() + segment.text_len());
        if end.at_or_before(self.recv.rcv_nxt()) && start.before(end) {
            self.recv.report_duplicate(start, end);
        }
        self.recv.ack.now();
    }

    /// True if the segment touches the window's edges: not a stranger's guess, but one that the peer may well have sent
    /// before our last ACK reached it.
    fn is_near(&self, segment: &Segment) -> bool {
        let (rcv_nxt, rcv_wnd) = (self.recv.rcv_nxt(), self.recv.rcv_wnd());
        let slack = self.recv.buffer();
        segment.seq.at_or_before(rcv_nxt + rcv_wnd) && segment.end().at_or_after(rcv_nxt - slack)
    }

    //= rfc9293#3.10.7.4-2
    pub(super) fn trim_to_window(&mut self, segment: &mut Segment) {
        let (rcv_nxt, rcv_wnd) = (self.recv.rcv_nxt(), self.recv.rcv_wnd());
        let old = rcv_nxt.saturating_since(segment.seq).min(segment.text_len());
        if old > 0 {
            //= rfc2883#4.2-1
            self.recv.report_duplicate(segment.seq, segment.seq + old);
        }
        let start: SeqNumber = segment.seq + old;
        let room = (rcv_nxt + rcv_wnd).saturating_since(start);
        segment.flags.fin &= segment.text_len() - old < room;
        segment.trim(old, room);
        segment.seq = start;
    }

    /// Sends `<SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>`, unless too many were provoked of late (RFC 5961 section 7).
    pub(super) fn challenge(&mut self, now: Instant) {
        if self.challenge.allow(now) {
            self.recv.ack.now();
        }
    }
}
