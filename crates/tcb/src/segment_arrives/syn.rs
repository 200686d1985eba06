//! Fourth step of SEGMENT ARRIVES: the SYN bit (RFC 9293 section 3.10.7.4, hardened by RFC 5961 section 4.2).

use sockeye_wire::Instant;

use crate::tcb::Tcb;
use crate::{Segment, Stop};

impl Tcb {
    //= rfc5961#4.2-2
    //= rfc5961#4.2-3
    //= rfc9293#3.10.7.4-9
    //= rfc9293#3.10.7.4-25
    /// A SYN on a connection is an old duplicate, an attack, or a peer that has restarted. The challenge tells which:
    /// only a peer that has restarted answers it with a RST.
    pub(super) fn check_syn(&mut self, now: Instant, segment: &Segment) -> Result<(), Stop> {
        if !segment.flags.syn {
            return Ok(());
        }
        self.challenge(now);
        Err(Stop::SynOnConnection)
    }

    /// The segment passed the first four steps, so the peer is there.
    pub(super) fn note_arrival(&mut self, now: Instant, segment: &Segment) {
        self.times.heard_at = segment.arrived_at.min(now);
        self.unanswered_probes = 0;
    }
}
