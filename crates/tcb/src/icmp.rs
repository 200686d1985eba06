//! What ICMP errors do to a connection (RFC 9293 section 3.9.2.2, hardened by RFC 5927).

use sockeye_wire::{Instant, SeqNumber};

use crate::tcb::Tcb;
use crate::{ClosedBecause, SoftError, State, Stop, TooBig, Unreachable};

impl Tcb {
    /// An ICMP error says that a segment of ours with sequence number `seq` didn't arrive because of `what`.
    ///
    /// # Errors
    /// [`Stop::AckOfUnsent`] if nothing with `seq` is in flight: a forgery, or too late to matter.
    //= rfc9293#MUST-54
    //= rfc9293#MUST-56
    //= rfc9293#SHLD-25
    //= rfc9293#SHLD-26
    pub fn on_unreachable(&mut self, _now: Instant, seq: SeqNumber, what: Unreachable) -> Result<(), Stop> {
        self.check_quoted(seq)?;
        let hard = matches!(what, Unreachable::Protocol | Unreachable::Port);
        //= rfc5927#5.2-1
        // RFC 5927 section 5.2: once synchronised even a hard error is taken as soft, since anybody may forge it.
        if hard && matches!(self.state, State::SynSent) {
            self.delete(ClosedBecause::Unreachable(what));
        } else {
            self.tell_soft_error(SoftError::Unreachable(what));
        }
        Ok(())
    }

    /// An ICMP error says that a segment of ours with sequence number `seq` was too long, and that `mss` octets of text
    /// and options would fit. Never makes segments longer, nor shorter than [`crate::Config::min_path_mss`]; where longer
    /// ones have arrived it is believed only if no more do.
    ///
    /// # Errors
    /// [`Stop::AckOfUnsent`] as above.
    //= rfc8201#4-1
    //= rfc8899#3-7
    //= rfc8899#4.6.1-2
    //= rfc8899#4.6.1-3
    //= rfc8899#8-2
    pub fn on_packet_too_big(&mut self, now: Instant, seq: SeqNumber, mss: u16) -> Result<TooBig, Stop> {
        self.check_quoted(seq)?;
        // A SYN is shorter than every floor; what was acknowledged selectively has arrived.
        let Some(text) = self.recovery.segment_at(seq) else {
            return Ok(TooBig::NothingNew);
        };
        let outcome = self.path.on_too_big(now, self.with_options(text), mss, &self.config);
        match outcome {
            TooBig::Believed => self.narrow(),
            TooBig::Probe => self.recovery.on_path_probe_refuted(),
            TooBig::Doubted | TooBig::NothingNew => {}
        }
        self.arm_retransmit();
        Ok(outcome)
    }

    //= rfc5927#4.1-1
    fn check_quoted(&self, seq: SeqNumber) -> Result<(), Stop> {
        let in_flight = seq.at_or_after(self.send.snd_una()) && seq.before(self.send.snd_max());
        if in_flight { Ok(()) } else { Err(Stop::AckOfUnsent) }
    }
}
