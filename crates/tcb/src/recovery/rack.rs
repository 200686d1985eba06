//! RACK: what was sent before something that has arrived since, and isn't there a reordering window after that, is lost
//! (RFC 8985 section 6).

use core::time::Duration;

use sockeye_wire::Instant;

use super::Echo;
use super::outstanding::{Outstanding, Pieces, Run};

/// Segments selectively acknowledged that mean a loss while no reordering was seen.
//= rfc6675#2-2
pub(super) const DUP_THRESH: u32 = 3;

/// How many recoveries a widened window outlasts (RFC 8985 section 6.2, step 4).
const PERSIST: u8 = 16;

/// What is known of the newest segment that was delivered, while anything is outstanding.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rack {
    /// `RACK.rtt`.
    pub(super) rtt: Duration,
    /// `RACK.xmit_ts` and `RACK.end_seq`: when it was sent, and the place where it ends.
    sent_at: Instant,
    end: u64,
    /// `RACK.fack`: the highest place up to which something was delivered.
    fack: u64,
    /// `RACK.dsack_round`: a round trip is over once this is acknowledged.
    dsack_round: Option<u64>,
}

/// How far the path reorders. Outlives what is outstanding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reordering {
    /// Segments that were never sent again have arrived out of order.
    pub(super) seen: bool,
    /// `RACK.reo_wnd_mult`: quarters of the least round-trip time.
    pub(super) quarters: u8,
    /// `RACK.reo_wnd_persist`: recoveries until one quarter is enough again.
    persist: u8,
}

impl Reordering {
    pub(super) const NONE: Self = Self { seen: false, quarters: 1, persist: 0 };

    /// One quarter more, for a while.
    pub(super) const fn widen(&mut self) {
        self.quarters = self.quarters.saturating_add(1);
        self.persist = PERSIST;
    }

    //= rfc8985#6.2-8
    /// A recovery is over.
    pub(super) fn on_recovered(&mut self) {
        self.persist = self.persist.saturating_sub(1);
        if self.persist == 0 {
            self.quarters = 1;
        }
    }

    /// `RACK.reo_wnd`. `urgent` if a loss is being repaired already, or [`DUP_THRESH`] segments were selectively
    /// acknowledged.
    //= rfc8985#3.3.2-1
    //= rfc8985#3.3.2-2
    //= rfc8985#3.3.2-4
    //= rfc8985#6.2-6
    //= rfc8985#6.2-9
    pub(super) fn window(&self, min_rtt: Option<Duration>, srtt: Option<Duration>, urgent: bool) -> Duration {
        if !self.seen && urgent {
            return Duration::ZERO;
        }
        let window = min_rtt.unwrap_or_default() / 4 * u32::from(self.quarters);
        window.min(srtt.unwrap_or_default())
    }
}

impl Rack {
    /// A segment was delivered that hadn't been before: `run` from the place `start` on. Within one ACK to be told in
    /// order, what is cumulatively acknowledged first.
    pub(super) fn on_delivered(
        &mut self,
        (start, run): (u64, &Run),
        arrived_at: Instant,
        echo: Option<Echo>,
        min_rtt: Option<Duration>,
        reordering: &mut Reordering,
    ) {
        let end = start + u64::from(run.len);
        //= rfc8985#6.2-5
        if end > self.fack {
            self.fack = end;
        } else if !run.resent {
            reordering.seen = true;
        }
        let rtt = arrived_at.since(run.sent_at);
        //= rfc8985#6.2-2
        if run.resent && (echo.is_some_and(|echo| echo.is_before(run.sent_at)) || min_rtt.is_some_and(|min| rtt < min))
        {
            return; // the ACK tells of an earlier transmission
        }
        //= rfc8985#6.2-3
        self.rtt = rtt;
        //= rfc8985#6.2-4
        if (self.sent_at, self.end) < (run.sent_at, end) {
            (self.sent_at, self.end) = (run.sent_at, end);
        }
    }

    //= rfc8985#3.3.2-3
    //= rfc8985#4-3
    //= rfc8985#6.2-7
    /// A duplicate was reported: we had sent something again needlessly, since the window was too narrow. The places are
    /// those of SND.UNA and SND.NXT.
    pub(super) fn on_dsack(&mut self, una: u64, nxt: u64, reordering: &mut Reordering) {
        if self.dsack_round.is_none_or(|round| una >= round) {
            self.dsack_round = Some(nxt);
            reordering.widen();
        }
    }

    /// Finds what is lost, and when to look again for what is overdue and not yet given up: see [`Reordering::window`].
    //= rfc8985#3.3.1-1
    //= rfc8985#6.2-10
    //= rfc8985#6.2-11
    //= rfc8985#6.2-13
    //= rfc8985#6.2-14
    pub(super) fn find_lost(
        &self,
        now: Instant,
        window: Duration,
        outstanding: &mut Outstanding,
    ) -> (Pieces, Option<Instant>) {
        let mut lost = Pieces::new();
        while let Some((start, run)) = outstanding.earliest_sent()
            && (run.sent_at, start) < (self.sent_at, self.end)
            && run.sent_at + self.rtt + window <= now
        {
            outstanding.mark_lost(start);
            lost.push((start, run));
        }
        //= rfc8985#6.2-12
        let latest = outstanding.latest_sent_before(self.sent_at, self.end);
        (lost, latest.map(|sent_at| sent_at + self.rtt + window))
    }

    /// The retransmission timer expired: the first segment is lost, and what is older than a round trip and the window.
    //= rfc8985#6.3-1
    pub(super) fn lost_on_timeout(&self, now: Instant, window: Duration, outstanding: &mut Outstanding) -> Pieces {
        let mut lost: Pieces = outstanding.mark_first_lost().into_iter().collect();
        lost.extend(outstanding.mark_lost_until(now - self.rtt - window));
        lost
    }
}
