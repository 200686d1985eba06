//! SYN-SENT STATE (RFC 9293 section 3.10.7.3): its own four steps.

use sockeye_wire::{Instant, SeqNumber};

use super::closed::reset;
use super::half_open::{HalfOpen, Origin};
use crate::negotiated::Negotiated;
use crate::state::Cause;
use crate::tcb::Tcb;
use crate::timeouts::Timer;
use crate::{ClosedBecause, Segment, Stop};

impl Tcb {
    pub(super) fn in_syn_sent(&mut self, now: Instant, segment: Segment) -> Result<(), Stop> {
        self.check_ack_of_syn(&segment)?;
        self.check_reset_of_syn(&segment)?;
        self.check_peers_syn(now, segment)
    }

    /// First: an ACK of anything but our SYN.
    //= rfc9293#3.10.7.3-1
    //= rfc9293#3.10.7.3-7
    //= rfc9293#3.5.2-2
    //= rfc9293#3.5.1-1
    fn check_ack_of_syn(&mut self, segment: &Segment) -> Result<(), Stop> {
        if !segment.flags.ack || self.acknowledges_syn(segment.ack) {
            return Ok(());
        }
        if !segment.flags.rst {
            self.pending.reply = Some(reset(segment.ack).into());
        }
        Err(Stop::AckOutsideHandshake)
    }

    fn acknowledges_syn(&self, ack: SeqNumber) -> bool {
        ack.after(self.send.snd_una()) && ack.at_or_before(self.send.snd_nxt())
    }

    /// Second: a RST counts only if it acknowledges our SYN.
    //= rfc9293#3.10.7.3-2
    //= rfc9293#3.10.7.3-3
    //= rfc5961#3.2-7
    fn check_reset_of_syn(&mut self, segment: &Segment) -> Result<(), Stop> {
        if !segment.flags.rst {
            return Ok(());
        }
        if !segment.flags.ack {
            return Err(Stop::ResetWithoutAck);
        }
        self.delete(ClosedBecause::Refused);
        Err(Stop::Reset)
    }

    /// Fourth: the peer's SYN, with an ACK of ours or crossing it.
    fn check_peers_syn(&mut self, now: Instant, segment: Segment) -> Result<(), Stop> {
        if !segment.flags.syn {
            return Err(Stop::NothingForSynSent);
        }
        if segment.flags.ack {
            return self.open_by_syn_ack(now, segment);
        }
        //= rfc9293#MUST-10
        //= rfc9293#3.10.7.3-5
        let (iss, offset) = (self.send.iss, self.timestamp_offset);
        let mut half_open = HalfOpen::from_syn(Origin::Active, &self.config, iss, offset, &segment, now);
        // Text may be marked only if all SYNs of ours have asked.
        //= rfc3168#6.1.1-4
        let asked = self.ecn.asks && half_open.negotiated.ecn;
        half_open.negotiated.ecn = asked;
        half_open.negotiated.ect = asked;
        half_open.opened_at = self.times.opened_at;
        half_open.retransmissions = self.unanswered_probes;
        self.enter_syn_received(half_open);
        Ok(())
    }

    //= rfc9293#3.10.7.3-4
    fn open_by_syn_ack(&mut self, now: Instant, mut segment: Segment) -> Result<(), Stop> {
        let (ecn, ect) = self.ecn.agreed_by(segment.flags);
        let agreed = Negotiated { ecn, ect, ..Negotiated::from_syn(&self.config, &segment.options) };
        let ts_recent = segment.options.timestamps.map_or(0, |timestamps| timestamps.value);
        let resent = self.unanswered_probes;
        self.unanswered_probes = 0;
        self.agree(agreed, segment.seq, segment.window, ts_recent, now);
        self.syn_was_resent(resent);
        if resent == 0 {
            let rtt = segment.arrived_at.since(self.times.opened_at);
            self.rtt.on_sample(rtt);
            self.recovery.on_handshake(now, rtt);
        }
        self.send.on_ack(segment.ack);
        self.note_established(now);
        self.times.heard_at = now;
        self.times.waiting_since = now;
        self.deadlines.stop(Timer::Retransmit);
        self.go(Cause::PeerSynAck);
        self.notices.established = true;
        self.notices.writable = core::mem::take(&mut self.writer_waits);
        self.arm_keep_alive(now);
        self.recv.ack.now();
        // Text or FIN that came with it is processed from the sixth step on.
        segment.flags.syn = false;
        segment.seq += 1;
        self.trim_to_window(&mut segment);
        self.after_ack(now, &mut segment)
    }
}
