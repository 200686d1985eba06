//! Loss recovery: decides what is lost and what may be sent. Informs the congestion control, knows nothing of the
//! connection.
//!
//! What is in flight is reckoned, never counted twice: all that is outstanding, less what is held lost, less one
//! segment for each duplicate ACK, since each tells that one segment has left the network. Limited transmit (RFC 3042)
//! and the inflation of the window in fast recovery (RFC 5681 section 3.2) follow from that: both let one segment out
//! for each that left.

mod outstanding;
mod without_sack;

use alloc::boxed::Box;

use sockeye_wire::{Instant, SeqNumber};

use crate::congestion::{AckSample, CongestionControl};
pub(crate) use outstanding::Acked;
use outstanding::Outstanding;

/// Where the recovery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing is known to be lost.
    Open,
    /// Fast recovery: a loss is being repaired while ACKs come.
    Recovery,
    /// The retransmission timer expired: all is sent again, in slow start.
    Loss,
}

/// The recovery of one connection. Holds: in [`Phase::Open`] nothing is held lost.
#[derive(Debug)]
pub(crate) struct Recovery {
    /// Allocated while something is outstanding.
    outstanding: Option<Box<Outstanding>>,
    phase: Phase,
    /// `recover` of RFC 6582: SND.NXT when the present or last loss was found.
    recover: SeqNumber,
    dup_acks: u32,
    /// Segments that left the network, as far as duplicate ACKs tell, and are not acknowledged yet.
    left_network: u32,
    /// FlightSize when there was last nothing more to send: what a batch of ACKs then takes away all at once must not
    /// make the flight in which a loss occurred look smaller.
    settled_flight: u32,
    /// The segment at the front is to be sent again whatever the window says.
    front_is_urgent: bool,
    /// How often the timer expired since something new was acknowledged.
    timeouts: u8,
    /// Segments sent again, timeouts, and recoveries without one, ever.
    pub(crate) retransmissions: u64,
    pub(crate) all_timeouts: u64,
    pub(crate) fast_recoveries: u64,
}

impl Recovery {
    //= rfc6582#3.2-1
    pub(crate) const fn new(iss: SeqNumber) -> Self {
        Self {
            outstanding: None,
            phase: Phase::Open,
            recover: iss,
            dup_acks: 0,
            left_network: 0,
            settled_flight: 0,
            front_is_urgent: false,
            timeouts: 0,
            retransmissions: 0,
            all_timeouts: 0,
            fast_recoveries: 0,
        }
    }

    /// True if nothing is unacknowledged.
    pub(crate) fn is_idle(&self) -> bool {
        self.outstanding.is_none()
    }

    /// FlightSize: octets of sequence space sent and not acknowledged.
    fn flight(&self) -> u32 {
        self.outstanding.as_ref().map_or(0, |outstanding| outstanding.octets())
    }

    /// FlightSize as equation 4 of RFC 5681 wants it: without what limited transmit has sent beyond the window.
    //= rfc3042#2-2
    //= rfc5681#3.2-13
    fn flight_at_loss(&self, cwnd: u32) -> u32 {
        self.settled_flight.max(self.flight()).min(cwnd)
    }

    /// There is nothing more to send at this instant.
    pub(crate) fn settle(&mut self) {
        self.settled_flight = self.flight();
    }

    /// Octets in flight, as far as anybody can tell: see the module's page.
    pub(crate) fn in_flight(&self, mss: u32) -> u32 {
        let lost = self.outstanding.as_ref().map_or(0, |outstanding| outstanding.lost());
        (self.flight() - lost).saturating_sub(self.left_network.saturating_mul(mss))
    }

    /// How often the timer expired since something new was acknowledged.
    pub(crate) const fn timeouts(&self) -> u8 {
        self.timeouts
    }

    /// When the oldest outstanding segment was last sent.
    pub(crate) fn oldest_sent_at(&self) -> Option<Instant> {
        self.outstanding.as_ref()?.oldest_sent_at()
    }

    /// `octets` of sequence space left from `start` on, in segments of `size`, for the first time.
    pub(crate) fn on_sent(&mut self, now: Instant, start: SeqNumber, octets: u32, size: u32) {
        self.outstanding.get_or_insert_default().on_sent(now, start, octets, size);
    }

    /// An ACK of new data arrived: everything before `ack` is there. `app_limited` as in [`AckSample`].
    pub(crate) fn on_ack(
        &mut self,
        now: Instant,
        ack: SeqNumber,
        mss: u32,
        app_limited: bool,
        congestion: &mut dyn CongestionControl,
    ) -> Acked {
        let in_flight = self.in_flight(mss);
        let acked = self.outstanding.as_mut().map_or_else(Acked::default, |outstanding| outstanding.on_ack(ack));
        self.outstanding = self.outstanding.take().filter(|outstanding| !outstanding.is_empty());
        self.timeouts = 0;
        let rtt = acked.sent_once_at.map(|sent_at| now.since(sent_at));
        let newly_acked = acked.octets;
        let sample =
            AckSample { now, newly_acked, prior_in_flight: in_flight, rtt, app_limited, ..AckSample::default() };
        match self.phase {
            Phase::Open => congestion.on_ack(&sample),
            Phase::Loss => {
                congestion.on_ack(&sample);
                if ack.at_or_after(self.recover) {
                    self.phase = Phase::Open;
                }
            }
            Phase::Recovery => self.on_ack_in_recovery(now, ack, acked, congestion),
        }
        if self.phase != Phase::Recovery {
            self.left_network = 0;
        }
        self.dup_acks = 0;
        acked
    }

    //= rfc6298#5.4-1
    /// The retransmission timer expired: everything is held lost, and `snd_nxt` ends what was sent before.
    pub(crate) fn on_timeout(&mut self, now: Instant, snd_nxt: SeqNumber, congestion: &mut dyn CongestionControl) {
        let flight = self.flight_at_loss(congestion.cwnd());
        let Some(outstanding) = &mut self.outstanding else {
            return;
        };
        outstanding.mark_all_lost();
        congestion.on_timeout(now, flight, self.timeouts > 0);
        self.timeouts = self.timeouts.saturating_add(1);
        self.all_timeouts += 1;
        self.phase = Phase::Loss;
        //= rfc6582#3.2-8
        self.recover = snd_nxt;
        self.dup_acks = 0;
        self.left_network = 0;
        self.front_is_urgent = true;
    }

    /// The timer expired while the peer's window is closed: the segment at the front goes again as a probe, and the
    /// network isn't blamed.
    pub(crate) fn probe_front(&mut self) {
        if let Some(outstanding) = &mut self.outstanding {
            outstanding.mark_front_lost();
            self.front_is_urgent = true;
        }
        self.all_timeouts += 1;
    }

    /// The path proved too narrow for what is outstanding: all of it is to be sent again in smaller segments, and the
    /// network isn't blamed (RFC 1191 section 6.5).
    pub(crate) fn on_narrow_path(&mut self, snd_nxt: SeqNumber) {
        if let Some(outstanding) = &mut self.outstanding {
            outstanding.mark_all_lost();
            self.left_network = 0;
            self.front_is_urgent = true;
            self.recover = snd_nxt;
            if self.phase == Phase::Open {
                self.phase = Phase::Loss;
            }
        }
    }

    /// Takes what is to be sent again now, in segments of `mss` and at most `limit` octets: place and length. `room` is
    /// what the congestion window still takes.
    pub(crate) fn resend(&mut self, now: Instant, mss: u32, limit: u32, room: u32) -> Option<(SeqNumber, u32)> {
        let outstanding = self.outstanding.as_mut().filter(|outstanding| outstanding.has_lost())?;
        let limit = if self.front_is_urgent { mss } else { limit.min(room) };
        if limit < mss {
            return None;
        }
        self.front_is_urgent = false;
        let (seq, octets) = outstanding.resend_lost(now, mss, limit)?;
        self.retransmissions += u64::from(octets.div_ceil(mss));
        Some((seq, octets))
    }

    /// True if something is to be sent again.
    pub(crate) fn has_lost(&self) -> bool {
        self.outstanding.as_ref().is_some_and(|outstanding| outstanding.has_lost())
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.outstanding = None;
    }
}
