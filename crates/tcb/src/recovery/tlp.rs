//! Tail loss probes (RFC 8985 section 7): silence after the last segments of a flight is broken by one more segment, whose
//! ACK tells of those that were lost, long before the retransmission timer.

use core::time::Duration;

use sockeye_wire::SeqNumber;

use super::{Arrival, Flight, Mark, Phase};
use crate::Rtt;

/// How long a receiver may delay its ACK, in nanoseconds (`TLP.max_ack_delay`; Linux's `TCP_RTO_MIN` in the same place).
const MAX_ACK_DELAY: u64 = 200_000_000;

/// The last probe. Outlives what is outstanding: whether it repaired a loss is only known by a later ACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tlp {
    /// `TLP.end_seq`: SND.NXT when the probe was sent, until it is accounted for.
    pub(super) end: Option<SeqNumber>,
    /// `TLP.is_retrans`.
    pub(super) is_retransmission: bool,
    /// No round-trip time was measured since.
    pub(super) needs_rtt: bool,
}

impl Tlp {
    //= rfc8985#7.1-1
    pub(super) const NONE: Self = Self { end: None, is_retransmission: false, needs_rtt: false };

    /// A probe left.
    //= rfc8985#7.3-7
    pub(super) const fn on_sent(&mut self, snd_nxt: SeqNumber, is_retransmission: bool) {
        *self = Self { end: Some(snd_nxt), is_retransmission, needs_rtt: true };
    }

    /// True if a probe may be sent.
    //= rfc8985#7.3-1
    pub(super) const fn is_free(&self) -> bool {
        self.end.is_none() && !self.needs_rtt
    }

    /// True if the block reports that the probe arrived twice: it and the original.
    pub(super) fn is_reported_by(&self, right: SeqNumber) -> bool {
        self.is_retransmission && self.end == Some(right)
    }

    /// Takes an ACK into account; true if the probe repaired a loss, which congestion control has yet to hear of.
    //= rfc8985#7.4.2-1
    //= rfc8985#7.4.2-2
    //= rfc8985#7.4.2-3
    pub(super) fn on_ack(&mut self, arrival: &Arrival<'_>, reported: bool) -> bool {
        let Some(end) = self.end.filter(|end| arrival.ack.at_or_after(*end)) else {
            return false;
        };
        let plain_duplicate = arrival.duplicate && arrival.blocks.is_empty();
        let repaired = self.is_retransmission && !reported && arrival.ack.after(end);
        if !self.is_retransmission || reported || repaired || plain_duplicate {
            self.end = None;
        }
        repaired
    }
}

impl Flight {
    /// True if silence now would be broken by a probe: nothing better watches.
    //= rfc8985#4-4
    //= rfc8985#7.2-1
    pub(super) fn wants_probe(&self) -> bool {
        self.phase == Phase::Open && self.outstanding.tally(Mark::Sacked).octets == 0 && self.left_network == 0
    }

    /// PTO, in nanoseconds.
    //= rfc8985#7.2-2
    //= rfc8985#7.2-3
    //= rfc8985#7.2-4
    //= rfc8985#7.2-6
    pub(super) fn probe_timeout(&self, rtt: &Rtt, granularity: Duration) -> u64 {
        let srtt = rtt.srtt_nanos();
        if srtt == 0 {
            return 1_000_000_000;
        }
        let delay = if self.outstanding.segments() == 1 { MAX_ACK_DELAY } else { 0 };
        let granularity = u64::try_from(granularity.as_nanos()).unwrap_or(u64::MAX);
        // Two ticks more, as Linux (`TCP_TIMEOUT_MIN`): on a coarse clock two round trips may be no tick at all.
        srtt.saturating_add(granularity).saturating_mul(2).saturating_add(delay)
    }
}
