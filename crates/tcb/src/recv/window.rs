//! What window to offer (RFC 9293 section 3.8.6.2.2, RFC 7323 section 2.3).

use sockeye_wire::SeqNumber;

/// The receive window. Holds: the right edge never moves left (RFC 9293 section 3.8.6).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// RCV.NXT + RCV.WND: the right edge as promised to the peer.
    edge: SeqNumber,
    /// Rcv.Wind.Shift.
    shift: u8,
    /// Octets that may wait to be read.
    buffer: u32,
}

impl Window {
    /// The window that a SYN offered: `offered` octets from `rcv_nxt` on.
    pub(crate) fn new(rcv_nxt: SeqNumber, offered: u16, shift: u8, buffer: u32) -> Self {
        Self { edge: rcv_nxt + u32::from(offered), shift, buffer }
    }

    /// RCV.WND: what the peer may still send.
    pub(crate) const fn offered(&self, rcv_nxt: SeqNumber) -> u32 {
        self.edge.saturating_since(rcv_nxt)
    }

    /// Octets that may wait to be read.
    pub(crate) const fn buffer(&self) -> u32 {
        self.buffer
    }

    /// From now on so many octets may wait to be read.
    pub(crate) const fn set_buffer(&mut self, octets: u32) {
        self.buffer = octets;
    }

    /// By how much the right edge could move now, `unread` octets being in the buffer.
    pub(crate) fn could_grow(&self, rcv_nxt: SeqNumber, unread: u32) -> u32 {
        let space = self.buffer.saturating_sub(unread) >> self.shift << self.shift;
        space.saturating_sub(self.offered(rcv_nxt))
    }

    //= rfc9293#3.8.6.2.2-1
    //= rfc9293#MUST-39
    /// The window field of a segment that leaves now. The right edge moves only by half the buffer or one segment of
    /// the peer, so that the peer isn't lured into small segments.
    pub(crate) fn advertise(&mut self, rcv_nxt: SeqNumber, unread: u32, rcv_mss: u32) -> u16 {
        if self.edge.before(rcv_nxt) {
            self.edge = rcv_nxt;
        }
        let growth = self.could_grow(rcv_nxt, unread);
        if growth > 0 && growth >= rcv_mss.min(self.buffer / 2) {
            self.edge += growth;
        }
        let largest = u32::from(u16::MAX) << self.shift;
        let offered = self.offered(rcv_nxt).min(largest);
        let field = self.whole_steps(offered, unread);
        //= rfc7323#2.3-5
        self.edge = self.edge.max(rcv_nxt + (field << self.shift));
        u16::try_from(field).unwrap_or(u16::MAX)
    }

    /// `offered` in steps of the shift: rounded up, or the peer would see the edge move left, unless that would overdraw
    /// the buffer by more than a step. Then it is rounded down, and the edge stays where it was promised
    /// (RFC 7323 section 2.4).
    fn whole_steps(&self, offered: u32, unread: u32) -> u32 {
        let step = 1 << self.shift;
        let up = offered.div_ceil(step);
        let overdrawn = unread.saturating_add(up << self.shift) > self.buffer.saturating_add(step);
        let field = if overdrawn { offered >> self.shift } else { up };
        field.min(u32::from(u16::MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    //= rfc9293#MUST-39
    //= rfc9293#3.8.6.2.2-1
    #[test]
    fn the_edge_does_not_move_in_small_steps() {
        let start = SeqNumber::new(0);
        let mut window = Window::new(start, 10_000, 0, 10_000);
        let full = start + 10_000;
        assert_eq!(window.advertise(full, 10_000, 1000), 0);
        assert_eq!(window.advertise(full, 9_500, 1000), 0, "500 octets were read");
        assert_eq!(window.advertise(full, 9_000, 1000), 1000, "a whole segment fits");
    }

    proptest! {
        //= rfc9293#SHLD-14
        #[test]
        fn the_edge_never_moves_left_and_never_promises_more_than_a_step_too_much(
            shift in 0_u8..15,
            steps in prop::collection::vec((1_u32..3000, 0_u32..4000), 1..200),
        ) {
            let buffer = 60_000_u32;
            let mut rcv_nxt = SeqNumber::new(u32::MAX - 5000);
            let mut window = Window::new(rcv_nxt, 60_000, shift, buffer);
            let mut unread = 0;
            for (arrives, reads) in steps {
                let arrives = arrives.min(window.offered(rcv_nxt));
                rcv_nxt += arrives;
                unread += arrives;
                unread -= reads.min(unread);
                let before = window.edge;
                window.advertise(rcv_nxt, unread, 1000);
                prop_assert!(window.edge.at_or_after(before));
                prop_assert!(unread + window.offered(rcv_nxt) <= buffer + (1 << shift));
            }
        }
    }
}
