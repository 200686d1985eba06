//! Sixth step of SEGMENT ARRIVES: the URG bit (RFC 9293 sections 3.10.7.4 and 3.8.5).

use crate::tcb::Tcb;
use crate::{Segment, State};

impl Tcb {
    //= rfc9293#MUST-30
    //= rfc9293#MUST-31
    //= rfc9293#MUST-66
    //= rfc9293#3.1-5
    //= rfc9293#3.10.7.4-17
    pub(super) fn check_urgent(&mut self, segment: &Segment) {
        let counts = matches!(self.state, State::Established | State::FinWait1 | State::FinWait2);
        if segment.flags.urg && counts && self.recv.urgent_until(segment.seq + u32::from(segment.urgent)) {
            self.notices.urgent = true;
        }
    }
}
