//! CLOSED STATE: a segment for which there is no connection (RFC 9293 section 3.10.7.1).

use sockeye_wire::SeqNumber;
use sockeye_wire::tcp::Flags;

use crate::{Header, Segment};

//= rfc9293#3.5.2-1
//= rfc9293#3.10.7.1-1
/// The RST that answers `segment` where nobody is there; `None` if it is a RST itself, which is discarded.
pub fn reply(segment: &Segment) -> Option<Header> {
    if segment.flags.rst {
        return None;
    }
    Some(if segment.flags.ack {
        reset(segment.ack)
    } else {
        Header { ack: segment.end(), flags: Flags::RST_ACK, seq: SeqNumber::new(0), ..Header::default() }
    })
}

/// `<SEQ=seq><CTL=RST>`.
pub(crate) fn reset(seq: SeqNumber) -> Header {
    Header { seq, flags: Flags::RST, ..Header::default() }
}
