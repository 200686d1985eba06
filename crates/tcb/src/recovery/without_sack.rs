//! Fast retransmit and fast recovery for peers of whom nothing but duplicate ACKs is known (RFC 5681 section 3.2,
//! RFC 6582, RFC 3042).

use sockeye_wire::{Instant, SeqNumber};

use super::{Acked, Phase, Recovery};
use crate::congestion::CongestionControl;

/// Duplicate ACKs that are taken for a loss.
//= rfc5681#3.2-3
const DUP_THRESH: u32 = 3;

impl Recovery {
    /// A duplicate ACK arrived: one segment has left the network, and it wasn't the one at `snd_una`.
    pub(crate) fn on_duplicate_ack(
        &mut self,
        now: Instant,
        snd_una: SeqNumber,
        snd_nxt: SeqNumber,
        mss: u32,
        congestion: &mut dyn CongestionControl,
    ) {
        self.dup_acks = self.dup_acks.saturating_add(1);
        if self.phase == Phase::Loss {
            return; // what left the network then was sent before the timeout, and is held lost already
        }
        //= rfc3042#2-1
        //= rfc5681#3.2-4
        //= rfc5681#3.2-9
        //= rfc5681#3.2-10
        self.left_network = (self.left_network + 1).min(self.flight().div_ceil(mss.max(1)));
        //= rfc6582#3.2-2
        //= rfc6582#3.2-3
        if self.phase == Phase::Open && self.dup_acks == DUP_THRESH && snd_una.after(self.recover) {
            self.enter(now, snd_nxt, congestion);
        }
    }

    fn enter(&mut self, now: Instant, snd_nxt: SeqNumber, congestion: &mut dyn CongestionControl) {
        congestion.on_loss(now, self.flight_at_loss(congestion.cwnd()));
        self.phase = Phase::Recovery;
        self.recover = snd_nxt;
        self.fast_recoveries += 1;
        //= rfc5681#3.2-8
        self.resend_front();
    }

    fn resend_front(&mut self) {
        if let Some(outstanding) = &mut self.outstanding {
            outstanding.mark_front_lost();
            self.front_is_urgent = true;
        }
    }

    /// An ACK of new data in fast recovery.
    pub(super) fn on_ack_in_recovery(
        &mut self,
        now: Instant,
        ack: SeqNumber,
        acked: Acked,
        congestion: &mut dyn CongestionControl,
    ) {
        if ack.at_or_after(self.recover) {
            self.phase = Phase::Open;
            //= rfc5681#3.2-12
            congestion.on_recovered(now, self.flight());
            return;
        }
        // A partial ACK: of the segments that it covers the first was the one sent again, the others had left the
        // network before.
        //= rfc6582#3.2-6
        self.left_network = self.left_network.saturating_sub(acked.segments.saturating_sub(1));
        //= rfc6582#3.2-5
        self.resend_front();
    }
}
