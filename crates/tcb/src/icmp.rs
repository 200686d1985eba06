//! What ICMP errors do to a connection (RFC 9293 section 3.9.2.2, hardened by RFC 5927).

use sockeye_wire::{Instant, SeqNumber};

use crate::negotiated::MIN_MSS;
use crate::tcb::Tcb;
use crate::{ClosedBecause, SoftError, State, Stop, Unreachable};

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
    /// and options would fit. Never makes segments longer, nor shorter than a floor.
    ///
    /// # Errors
    /// [`Stop::AckOfUnsent`] as above.
    pub fn on_packet_too_big(&mut self, _now: Instant, seq: SeqNumber, mss: u16) -> Result<(), Stop> {
        self.check_quoted(seq)?;
        let mss = mss.max(MIN_MSS);
        if mss >= self.path_mss {
            return Ok(());
        }
        self.path_mss = mss;
        if !self.state.is_synchronized() {
            return Ok(());
        }
        self.send.set_mss(self.agreed.effective_mss(mss));
        self.congestion.set_mss(self.send.mss());
        self.recovery.on_narrow_path();
        self.arm_retransmit();
        Ok(())
    }

    //= rfc5927#4.1-1
    fn check_quoted(&self, seq: SeqNumber) -> Result<(), Stop> {
        let in_flight = seq.at_or_after(self.send.snd_una()) && seq.before(self.send.snd_max());
        if in_flight { Ok(()) } else { Err(Stop::AckOfUnsent) }
    }
}
