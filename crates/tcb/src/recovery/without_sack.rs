//! Fast retransmit and fast recovery for peers of whom nothing but duplicate ACKs is known (RFC 5681 section 3.2,
//! RFC 6582, RFC 3042).

use super::on_ack::Delivered;
use super::{Arrival, Flight, Phase, rack};

impl Flight {
    /// A duplicate ACK tells that one segment has left the network, and it wasn't the one at SND.UNA.
    pub(super) fn count_duplicates(&mut self, arrival: &Arrival<'_>) {
        if !arrival.duplicate {
            return;
        }
        self.dup_acks = self.dup_acks.saturating_add(1);
        if self.phase == Phase::Loss {
            return; // what left the network then was sent before the timeout, and is held lost already
        }
        //= rfc3042#2-1
        //= rfc5681#3.2-4
        //= rfc5681#3.2-9
        //= rfc5681#3.2-10
        // Whoever forges duplicate ACKs gets no more out than that: the peer's window bounds what is outstanding.
        self.left_network = (self.left_network + 1).min(self.outstanding.segments());
    }

    /// True if the ACK was the third duplicate, and not of what a timeout had sent again.
    //= rfc5681#3.2-3
    //= rfc6582#3.2-2
    //= rfc6582#3.2-3
    //= rfc6582#4-1
    pub(super) const fn third_duplicate(&self) -> bool {
        self.dup_acks == rack::DUP_THRESH && self.una > self.recover
    }

    /// All is acknowledged that was outstanding when the loss was found; before this ACK it was as far as `una`. An ACK of so few
    /// segments leaves hardly enough that was sent again needlessly to be answered by three duplicates: these tell of a new
    /// loss, and where nobody measures a round trip the timer that would find it else has backed off for long.
    //= rfc6582#4.1-1
    pub(super) const fn trust_duplicates(&mut self, una: u64, mss: u32, cwnd: u32) {
        if self.una == self.recover && cwnd > mss && self.una - una <= 4 * mss as u64 {
            self.recover -= 1;
        }
    }

    /// An ACK of a part of what was outstanding when the loss was found: the next hole is lost too.
    //= rfc6582#3.2-5
    //= rfc6582#3.2-6
    pub(super) fn on_partial_ack(&mut self, delivered: &Delivered) {
        // Of the segments that it covers the first was the one sent again, the others had left the network before.
        self.left_network = self.left_network.saturating_sub(delivered.acked_segments.saturating_sub(1));
        // What is left of a segment that was itself sent again is on its way: a peer that acknowledges it in pieces would
        // else have the rest of it again for each.
        if self.outstanding.front().is_some_and(|front| !front.resent) {
            self.outstanding.mark_first_lost();
            self.front_is_urgent = true;
        }
    }
}
