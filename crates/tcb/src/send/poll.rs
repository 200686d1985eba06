//! What to put on the wire now: small questions in order.

use sockeye_wire::tcp::Flags;
use sockeye_wire::{Instant, SeqNumber};

use super::decide::{Decision, Hold, Situation, decide};
use super::path_probe::Probing;
use crate::counts::Doing;
use crate::ecn::Mark;
use crate::recovery::Again;
use crate::recv::Owed;
use crate::segment_arrives::half_open;
use crate::tcb::Tcb;
use crate::timeouts::Timer;
use crate::{Header, LossPhase, State, Transmit};

/// How long a cork holds text back, as Linux.
const CORKED: core::time::Duration = core::time::Duration::from_millis(200);

/// An ACK that comes within this, in nanoseconds, is worth waiting for.
const NEAR: u64 = 1_000_000;

/// What of the text, and of the FIN behind it, is to leave for the first time.
enum New {
    Nothing,
    /// So many octets, in a segment that probes the path's MTU.
    PathProbe(u32),
    /// So many octets.
    Text(u32),
    /// The FIN alone.
    Fin,
}

impl Tcb {
    /// What to put on the wire now; to be asked until `None`. `limit` is the octets of text that one [`Transmit`] may
    /// carry if the device cuts it into segments; 0 if it doesn't.
    // A segment is 200 octets: it is made, and counted, where it is returned, not handed on from one question to the next.
    pub fn poll_transmit(&mut self, now: Instant, limit: u32) -> Option<Transmit> {
        if self.pending.reply.is_some() {
            return self.reply_owed();
        }
        match self.state {
            State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck => self.next_of_connection(now, limit),
            State::Closed | State::Listen | State::TimeWait | State::SynSent | State::SynReceived => {
                self.next_of_few(now)
            }
        }
    }

    #[cold]
    fn reply_owed(&mut self) -> Option<Transmit> {
        let reply = self.pending.reply.take()?;
        self.counts.on_leaving();
        Some(Transmit::from(*reply))
    }

    /// Text is about to leave for which the path is to have time.
    fn pace(&mut self, now: Instant, octets: u32) {
        if let Some(rate) = self.pacing_rate() {
            self.pacer.on_sent(now, octets.into(), rate);
        }
    }

    /// Nothing more leaves at this instant.
    fn settle(&mut self, now: Instant) {
        self.set_retransmit();
        let (mss, unsent) = (u32::from(self.send.mss()), self.send.unsent());
        let has_room = self.recovery.room(mss, self.agreed.sack, self.congestion.as_ref()) >= mss;
        let window_is_full = unsent > 0 && has_room && self.send.usable() < unsent.min(mss);
        self.recovery.settle(mss, unsent < mss && has_room, window_is_full);
        let doing = if window_is_full {
            Doing::WaitingForWindow
        } else if unsent < mss && has_room && self.writer_waits {
            Doing::WaitingForBuffer
        } else if unsent > 0 || !self.recovery.is_idle() {
            Doing::Sending
        } else {
            Doing::Nothing
        };
        self.counts.spent.turn_to(now, doing);
    }

    /// In the states in which few segments leave.
    #[cold]
    fn next_of_few(&mut self, now: Instant) -> Option<Transmit> {
        let transmit = match self.state {
            State::Closed => self.reset_owed(now),
            State::TimeWait => self.time_wait_ack(now),
            State::SynSent | State::SynReceived => self.syn_owed(now),
            _ => None,
        };
        if transmit.is_none() {
            self.settle(now);
        }
        transmit
    }

    #[inline]
    fn next_of_connection(&mut self, now: Instant, limit: u32) -> Option<Transmit> {
        // The urgent pointer counts from the segment that it is in, and a device repeats that of a super-segment: none is
        // made as long as there is one (nor by Linux, `tcp_urg_mode`).
        //= rfc9293#MUST-62
        let limit = if self.send.is_urgent() { 0 } else { limit };
        if let told @ Some(_) = self.change_told(now) {
            return told;
        }
        // One ACK for each segment that came out of order: the peer may count them.
        //= rfc5681#4.2-8
        if self.recv.ack.take_duplicate() {
            return Some(self.ack_segment(now));
        }
        if self.recovery.lost() > 0
            && let again @ Some(_) = self.retransmission(now, limit)
        {
            return again;
        }
        if self.recovery.take_probe()
            && let probe @ Some(_) = self.tail_probe(now)
        {
            return probe;
        }
        if core::mem::take(&mut self.pending.window_probe)
            && let probe @ Some(_) = self.window_probe(now)
        {
            return probe;
        }
        match self.new_text(now, limit) {
            New::Nothing => {}
            New::PathProbe(octets) => return Some(self.send_path_probe(now, octets)),
            New::Text(octets) => return Some(self.send_new(now, octets)),
            New::Fin => return Some(self.send_fin(now)),
        }
        if core::mem::take(&mut self.pending.keep_alive) {
            return Some(self.keep_alive_probe(now));
        }
        if self.owes_ack() {
            return Some(self.ack_segment(now));
        }
        self.settle(now);
        None
    }

    //= rfc9293#3.10.5-1
    fn reset_owed(&mut self, now: Instant) -> Option<Transmit> {
        if !core::mem::take(&mut self.pending.reset) {
            return None;
        }
        let seq = self.send.snd_nxt();
        let header = self.header(now, seq, Flags::RST_ACK);
        Some(Transmit::from(Header { window: 0, ..header }))
    }

    //= rfc9293#3.10.1-1
    fn syn_owed(&mut self, now: Instant) -> Option<Transmit> {
        if !core::mem::take(&mut self.pending.syn) {
            return None;
        }
        let header = match &self.half_open {
            Some(half_open) => half_open.syn_ack(now),
            None => half_open::syn(&self.config, self.send.iss, self.timestamp_offset, self.ecn.asks, now),
        };
        self.counts.on_leaving();
        Some(Transmit::from(header))
    }

    #[cold]
    fn retransmission(&mut self, now: Instant, limit: u32) -> Option<Transmit> {
        self.doubt_path(now);
        let mss = u32::from(self.send.mss());
        let paced = self.paced(now);
        let room = self.recovery.room(mss, self.agreed.sack, self.congestion.as_ref());
        let window = self.send.snd_wnd();
        let Some(again) = self.recovery.resend(now, mss, limit.max(mss), room.min(paced), window) else {
            if paced < mss && room >= mss {
                self.wait_for_pacer();
            }
            return None;
        };
        // Behind a window that is closed its loss tells nothing of the path; of what is lost among ACKs the recovery keeps count.
        //= rfc4821#7.7-1
        if again.seq == self.send.snd_una() && window > 0 && self.recovery.timeouts() > 0 {
            self.path.on_resent();
        }
        Some(self.send_again(now, again))
    }

    fn send_again(&mut self, now: Instant, again: Again) -> Transmit {
        self.tell_sent(now, again.octets);
        self.times.sent_at = now;
        self.arm_retransmit();
        let transmit = self.text_segment(now, again.seq, again.octets, again.size, Mark::NONE);
        self.recovery.count_resent(transmit.payload_len());
        transmit
    }

    /// A segment more, whatever congestion control says, since the tail of the flight may be lost: a new one if there is
    /// one, else the last.
    //= rfc8985#7.3-3
    //= rfc8985#7.3-4
    #[cold]
    fn tail_probe(&mut self, now: Instant) -> Option<Transmit> {
        let mss = u32::from(self.send.mss());
        let offered = self.send.unsent().min(mss);
        if offered > 0 && offered <= self.send.usable() {
            let transmit = self.send_new(now, offered);
            self.recovery.on_probe_sent(now, self.send.snd_nxt());
            self.arm_retransmit();
            return Some(transmit);
        }
        let again = self.recovery.resend_probe(now, mss)?;
        Some(self.send_again(now, again))
    }

    /// One octet, new if there is one: the answer tells the window (RFC 9293 section 3.8.6.1).
    //= rfc9293#3.8.6.1-1
    #[cold]
    fn window_probe(&mut self, now: Instant) -> Option<Transmit> {
        if self.send.unsent() == 0 {
            return self.fin_stands_alone().then(|| self.send_fin(now));
        }
        self.send.probed = true;
        let seq = self.send.snd_nxt();
        Some(self.text_segment(now, seq, 1, 1, Mark::NONE))
    }

    /// What new text is to leave, if any.
    //= rfc9293#MUST-60
    fn new_text(&mut self, now: Instant, limit: u32) -> New {
        if !self.send.has_unsent() {
            self.pacer.release();
            return New::Nothing;
        }
        let probing = self.probing(now);
        if let Probing::Now(octets) = probing {
            return New::PathProbe(octets);
        }
        if self.recovery.is_idle() {
            self.restart_after_idleness(now);
            self.age_path(now);
        }
        if probing == Probing::Soon {
            self.held_back(now, Hold::Congestion);
            return New::Nothing;
        }
        match decide(&self.situation(now, limit)) {
            Decision::Send(octets) => New::Text(octets.min(limit.max(u32::from(self.send.mss())))),
            Decision::Hold(Hold::Nothing) if self.send.usable() > 0 || self.send.snd_wnd() > 0 => {
                if self.fin_stands_alone() { New::Fin } else { New::Nothing }
            }
            Decision::Hold(hold) => {
                self.held_back(now, hold);
                New::Nothing
            }
        }
    }

    /// True if something new would leave at once if congestion control let it. Nagle is overridden.
    //= rfc5682#2.1-8
    //= rfc5682#2.1-9
    #[cold]
    pub(crate) fn has_new(&self, now: Instant) -> bool {
        let situation = self.situation(now, 0);
        let alone = Situation { congestion: u32::MAX, paced: u32::MAX, nodelay: true, ..situation };
        matches!(decide(&alone), Decision::Send(_))
    }

    fn situation(&self, now: Instant, limit: u32) -> Situation {
        let mss = u32::from(self.send.mss());
        let (unsent, usable) = (self.send.unsent(), self.send.usable());
        let congestion = self.recovery.room(mss, self.agreed.sack, self.congestion.as_ref());
        Situation {
            unsent,
            usable,
            congestion,
            // What doesn't fit into the congestion window waits for that first.
            paced: if congestion < mss.min(unsent).min(usable) { 0 } else { self.paced(now) },
            mss,
            max_window: self.send.max_window(),
            idle: self.recovery.is_idle(),
            //= rfc5682#2.1-8
            nodelay: self.config.nodelay || self.recovery.awaits_new(),
            corked: self.config.cork || self.pending.more_follows,
            closing: self.send.fin_is_next(),
            overdue: self.pending.overdue,
            limit: limit / mss * mss,
            in_flight: self.recovery.in_flight(mss),
            ack_is_near: (1..=NEAR).contains(&self.rtt.srtt_nanos()),
            may_gather: self.recovery.least_rtt() <= NEAR && self.recovery.phase() == LossPhase::Open,
        }
    }

    fn held_back(&mut self, now: Instant, hold: Hold) {
        if hold != Hold::Pacing {
            self.pacer.release();
        }
        match hold {
            Hold::Congestion => self.recovery.on_window_filled(),
            Hold::Pacing => self.wait_for_pacer(),
            Hold::Window | Hold::Nothing => self.arm_persist(now),
            Hold::Cork if !self.deadlines.is_set(Timer::Cork) => self.deadlines.set(Timer::Cork, now + CORKED),
            Hold::Cork | Hold::Nagle | Hold::Batch => {}
        }
    }

    //= rfc5681#4.1-2
    fn restart_after_idleness(&mut self, now: Instant) {
        self.times.waiting_since = self.times.waiting_since.max(self.times.heard_at);
        if self.config.restart_after_idle && now.since(self.times.sent_at) > self.rtt.rto() {
            self.congestion.on_idle(now);
        }
    }

    /// New text leaves: whole segments, or one that is smaller.
    fn send_new(&mut self, now: Instant, octets: u32) -> Transmit {
        let seq = self.send.snd_nxt();
        let mss = u32::from(self.send.mss());
        let octets = if octets > mss && !self.owes_cwr() { octets / mss * mss } else { octets.min(mss) };
        let with_fin = octets == self.send.unsent() && self.send.fin_is_next() && octets < self.send.usable();
        self.note_sent(now, octets, with_fin);
        self.pending.overdue = false;
        self.deadlines.stop(Timer::Cork);
        if self.config.unsent_limit != u32::MAX {
            self.tell_writer(); // what waits to be sent has become less
        }
        let mark = self.mark_of_new_text();
        self.text_segment(now, seq, octets + u32::from(with_fin), mss, mark)
    }

    /// A FIN is to leave, and no text with it.
    fn fin_stands_alone(&self) -> bool {
        self.send.fin_is_next() && self.send.unsent() == 0
    }

    #[cold]
    fn send_fin(&mut self, now: Instant) -> Transmit {
        let seq = self.send.snd_nxt();
        self.note_sent(now, 0, true);
        self.text_segment(now, seq, 1, 1, Mark::NONE)
    }

    /// Books `octets` of new text, and the FIN, as sent.
    fn note_sent(&mut self, now: Instant, octets: u32, fin: bool) {
        let seq = self.begin_to_send(now, octets);
        let probed = core::mem::take(&mut self.send.probed);
        self.send.advance(octets, fin);
        // A FIN belongs to the segment whose text it follows.
        let mss = u32::from(self.send.mss());
        let size = if octets <= mss { octets + u32::from(fin) } else { mss };
        self.recovery.on_sent(now, seq, octets + u32::from(fin), size, mss, probed);
        self.arm_retransmit();
    }

    /// Books `octets` of new text in one segment as sent: a probe of the path's MTU.
    pub(super) fn note_path_probe(&mut self, now: Instant, octets: u32) {
        let seq = self.begin_to_send(now, octets);
        self.send.advance(octets, false);
        self.recovery.on_path_probe_sent(now, seq, octets, u32::from(self.send.mss()));
        self.arm_retransmit();
    }

    /// `octets` of new text are about to leave: from where on.
    fn begin_to_send(&mut self, now: Instant, octets: u32) -> SeqNumber {
        if self.recovery.is_idle() {
            self.times.waiting_since = now;
        }
        self.tell_sent(now, octets);
        self.times.sent_at = now;
        if octets > 0 && self.counts.data_segments_in > 0 && self.counts.since_text(now) < self.config.delayed_ack {
            self.recv.ack.on_answer();
        }
        self.deadlines.stop(Timer::Persist);
        self.send.snd_nxt()
    }

    /// Congestion control hears that `octets` leave.
    fn tell_sent(&mut self, now: Instant, octets: u32) {
        let in_flight = self.recovery.in_flight(u32::from(self.send.mss()));
        self.congestion.on_sent(now, in_flight, octets, self.recovery.is_app_limited());
    }

    /// The segment, or several of `size` in one, with what stands in `octets` of sequence space from `seq` on.
    #[inline]
    pub(super) fn text_segment(
        &mut self,
        now: Instant,
        seq: SeqNumber,
        octets: u32,
        size: u32,
        mark: Mark,
    ) -> Transmit {
        let (payload, fin) = self.send.text_at(seq, octets);
        let text = octets - u32::from(fin);
        //= rfc9293#MUST-61
        //= rfc9293#SHLD-27
        let psh = text > 0 && (seq + text) == self.send.text_end();
        if text > 0 {
            self.pace(now, text);
            self.counts.on_text_leaving(text, size);
        }
        let header = self.header(now, seq, Flags { psh, fin, cwr: mark.cwr, ..Flags::ACK });
        let segment_size = if text > size { u16::try_from(size).unwrap_or(u16::MAX) } else { 0 };
        Transmit { header, payload, segment_size, ecn: mark.ecn }
    }

    //= rfc9293#SHLD-12
    #[cold]
    fn keep_alive_probe(&mut self, now: Instant) -> Transmit {
        let seq = self.send.snd_nxt() - 1;
        self.ack_segment_at(now, seq)
    }

    //= rfc9293#MUST-58
    //= rfc9293#MUST-59
    fn owes_ack(&self) -> bool {
        self.recv.ack.owed() == Owed::Now || (self.state.receives_text() && self.recv.owes_window_update())
    }

    /// The window that it names is the one that TIME-WAIT repeats from then on: no edge moves left.
    //= rfc9293#SHLD-14
    fn time_wait_ack(&mut self, now: Instant) -> Option<Transmit> {
        if !self.owes_ack() {
            return None;
        }
        let ack = self.ack_segment(now);
        if let Some(time_wait) = &mut self.time_wait {
            time_wait.window = ack.header.window;
        }
        Some(ack)
    }
}
