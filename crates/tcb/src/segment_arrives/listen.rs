//! LISTEN STATE (RFC 9293 section 3.10.7.2).
//!
//! Pure: the stack's listeners call it for every segment that belongs to no connection, a `Tcb` in LISTEN as well.

use sockeye_wire::{Instant, SeqNumber};

use super::closed::reset;
use super::half_open::{HalfOpen, Origin};
use crate::{Config, Header, Segment, Stop};

/// What becomes of a segment that arrives in LISTEN.
#[derive(Debug)]
pub enum Verdict {
    /// A SYN: here is the half-open connection. Its [`HalfOpen::syn_ack`] is to be sent.
    Open(HalfOpen),
    /// Nothing: the reason, and the RST to send, if any.
    Drop(Stop, Option<Header>),
}

/// A segment arrives in LISTEN. `iss` and `timestamp_offset` are used only if it is a SYN; both are to be
/// unpredictable (RFC 6528, RFC 7323 section 5.4).
///
/// Text that comes with the SYN is not kept: the SYN-ACK doesn't acknowledge it, so that the peer sends it again once
/// there is a connection to keep it.
pub fn arrives(segment: &Segment, config: &Config, iss: SeqNumber, timestamp_offset: u32, now: Instant) -> Verdict {
    //= rfc9293#3.10.7.2-1
    if segment.flags.rst {
        return Verdict::Drop(Stop::ResetInListen, None);
    }
    //= rfc9293#3.5.2-2
    if segment.flags.ack {
        return Verdict::Drop(Stop::AckInListen, Some(reset(segment.ack)));
    }
    //= rfc9293#3.10.7.2-4
    if !segment.flags.syn {
        return Verdict::Drop(Stop::NotASyn, None);
    }
    //= rfc9293#3.10.7.2-2
    Verdict::Open(HalfOpen::from_syn(Origin::Passive, config, iss, timestamp_offset, segment, now))
}
