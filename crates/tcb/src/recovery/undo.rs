//! Was the recovery needless? Then what it took is given back: detection by timestamps (RFC 3522) and by reported
//! duplicates (RFC 3708); F-RTO is the third ([`super::frto`]).

use sockeye_wire::tcp::SackBlock;
use sockeye_wire::{Instant, SeqNumber};

use super::on_ack::{Account, Delivered};
use super::outstanding::Mark;
use super::repeats::Ranges;
use super::{Arrival, Echo, Flight, Phase, Recovery, Reduction, frto, scoreboard, seq_of};
use crate::Rtt;
use crate::congestion::CongestionControl;

/// What began a recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// A loss found while ACKs came.
    Loss,
    /// The retransmission timer.
    Timeout,
}

/// What is known of the present or last recovery. Outlives what is outstanding: the last duplicate is reported when all is
/// acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Undo {
    /// What began it, as long as it can be undone.
    cause: Option<Cause>,
    /// What it has sent again and wasn't reported as duplicate.
    unreported: Ranges,
    /// That can't be told.
    is_unclear: bool,
    /// When the first segment was sent again (`RetransmitTS`).
    resent_at: Option<Instant>,
    /// That was the oldest one outstanding, and no ACK has come since that advances: the next one that does answers either
    /// the original or what was sent again. Behind another hole, which a late original may fill, it would prove nothing.
    awaits_answer: bool,
}

impl Undo {
    /// There is nothing to undo.
    pub(super) const NONE: Self =
        Self { cause: None, unreported: Ranges::NONE, is_unclear: false, resent_at: None, awaits_answer: false };

    //= rfc3522#3.2-1
    //= rfc3522#3.2-3
    pub(super) fn begin(&mut self, cause: Cause) {
        *self = Self { cause: Some(cause), ..Self::NONE };
    }

    /// Another recovery begins behind the present one, when all before `una` is acknowledged: what is outstanding and was
    /// sent again already, if `has_resent`, is its own.
    pub(super) fn begin_behind(&mut self, now: Instant, una: SeqNumber, has_resent: bool) {
        let before = core::mem::replace(self, Self { cause: Some(Cause::Loss), ..Self::NONE });
        if has_resent {
            self.resent_at = Some(now);
            self.is_unclear = before.is_unclear || before.cause.is_none();
            self.unreported = before.unreported;
            self.unreported.forget_before(una);
        }
    }

    /// It was needed, or is undone.
    pub(super) fn end(&mut self) {
        *self = Self::NONE;
    }

    /// `octets` from `start` on were sent again, `often` if not for the first time; `oldest` if the oldest outstanding is
    /// among them.
    //= rfc3522#3.2-2
    //= rfc3708#3-4
    pub(super) fn on_resent(&mut self, now: Instant, start: SeqNumber, octets: u32, often: bool, oldest: bool) {
        if self.cause.is_none() || octets == 0 {
            return;
        }
        if self.resent_at.is_none() {
            self.resent_at = Some(now);
            self.awaits_answer = oldest;
        }
        self.is_unclear |= often || !self.unreported.insert(start, start + octets);
    }

    /// The next ACK of something new may tell by its timestamp.
    pub(super) const fn awaits_answer(&self) -> bool {
        self.awaits_answer
    }

    /// What lies in `block` was reported as duplicate. Only what this recovery has sent again counts, and that once.
    //= rfc3708#3-3
    //= rfc3708#3-5
    pub(super) fn on_duplicate(&mut self, block: SackBlock) {
        self.is_unclear |= !self.unreported.remove(block.left, block.right);
    }

    /// The duplicate may be the answer to a whole window of lost ACKs: whoever lost them was congested.
    //= rfc3708#3-2
    pub(super) const fn cannot_be_told_by_duplicates(&mut self) {
        self.is_unclear = true;
    }

    /// What to undo, if all that was sent again was reported as duplicate.
    //= rfc3708#3-6
    //= rfc3708#3-7
    pub(super) fn by_duplicates(&self) -> Option<Cause> {
        self.cause.filter(|_| self.resent_at.is_some() && !self.is_unclear && self.unreported.is_empty())
    }

    /// What to undo, if the first ACK of something new answers an original: its timestamp is older than the first
    /// retransmission. `everything` if it acknowledges all that is outstanding; `dsacks` if duplicates were ever reported.
    //= rfc3522#3.2-4
    //= rfc3522#3.2-5
    //= rfc3522#3.2-6
    pub(super) fn by_timestamp(
        &mut self,
        echo: Option<Echo>,
        dsack: bool,
        everything: bool,
        dsacks: bool,
    ) -> Option<Cause> {
        let (resent_at, echo) = (self.resent_at?, echo?);
        if !core::mem::take(&mut self.awaits_answer) || !echo.is_before(resent_at) || dsack {
            return None;
        }
        self.cause.filter(|_| dsacks || !everything)
    }
}

/// What the blocks of an ACK report to have arrived twice.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reported {
    /// Something is reported, by whomever it was duplicated.
    pub(super) any: bool,
    /// It may tell that what we sent again was needless.
    believed: bool,
    /// It is the tail loss probe.
    pub(super) probe: bool,
}

impl Recovery {
    /// Takes in a report of a duplicate. More of them than we ever sent again are the network's doing, or a lie, and undo
    /// nothing any more (Linux compares the same two sums); one of what was never sent again tells so by itself. The
    /// reordering window widens all the same: it asks only for a D-SACK (RFC 8985 section 6.2), and a path that duplicates may
    /// reorder, too.
    //= rfc2883#5-3
    //= rfc3708#3-1
    //= rfc3708#3-5
    //= rfc3708#3-8
    pub(super) fn note_duplicate(&mut self, arrival: &Arrival<'_>) -> Reported {
        let Some(block) = scoreboard::duplicate(arrival.ack, arrival.blocks) else {
            return Reported::default();
        };
        let octets = block.right.since(block.left);
        let history = self.history.get_or_insert_default();
        history.counts.duplicates += u64::from(octets.div_ceil(arrival.mss.max(1)));
        history.repeats.reported += u64::from(octets);
        if history.repeats.are_exceeded() {
            return Reported { any: true, ..Reported::default() };
        }
        history.repeats.note(block);
        let probe = history.tlp.is_reported_by(block.right);
        if !probe {
            history.undo.on_duplicate(block);
        }
        //= rfc3708#3-2
        if let Some(flight) = &self.flight
            && flight.outstanding.tally(Mark::Sacked).octets == 0
            && block.left == seq_of(flight.una)
        {
            history.undo.cannot_be_told_by_duplicates();
        }
        Reported { any: true, believed: !history.repeats.by_network, probe }
    }

    /// Everything is acknowledged, and yet a report may show that the last recovery was needless. Once a round trip was
    /// measured behind it, the timeout isn't doubled any more, and there is no estimate of before to mend.
    //= rfc4015#3.1-1
    //= rfc3708#3-6
    pub(super) fn undo_idle(
        &mut self,
        arrival: &Arrival<'_>,
        reported: Reported,
        rtt: &mut Rtt,
        congestion: &mut dyn CongestionControl,
    ) {
        let Some(history) = &mut self.history else {
            return;
        };
        history.tlp.on_ack(arrival, reported.probe);
        if !reported.any || reported.probe || is_forbidden(arrival) {
            return;
        }
        history.reordering.on_dsack(arrival.ack, arrival.ack);
        if let Some(cause) = history.undo.by_duplicates().filter(|_| reported.believed) {
            history.note_undone(cause);
            congestion.undo(arrival.now);
            self.reduction = Some(Reduction::Undone);
            if cause == Cause::Timeout && rtt.backoff() > 0 {
                rtt.on_spurious_timeout(arrival.granularity);
            }
        }
    }

    /// Whether the ACK shows that the present recovery was needless.
    //= rfc4015#2-1
    pub(super) fn is_needless(
        &mut self,
        flight: &mut Flight,
        arrival: &Arrival<'_>,
        account: &Account,
        delivered: &Delivered,
        reported: Reported,
    ) -> Option<Cause> {
        let advanced = flight.una > account.una;
        let late_timeout = flight.frto.on_ack(&frto::Step {
            una: flight.una,
            advanced,
            duplicate: arrival.duplicate,
            original: delivered.original,
            beyond: delivered.beyond,
            recover: flight.recover,
            sack: arrival.sack,
            has_new: arrival.has_new,
        });
        let history = self.history.as_mut()?;
        if is_forbidden(arrival) {
            return None;
        }
        let everything = flight.outstanding.is_empty();
        let dsacks = history.repeats.reported > 0;
        let by_timestamp =
            if advanced { history.undo.by_timestamp(arrival.echo, reported.any, everything, dsacks) } else { None };
        let by_duplicates = if reported.believed { history.undo.by_duplicates() } else { None };
        by_timestamp.or(by_duplicates).or(late_timeout.then_some(Cause::Timeout))
    }

    /// The recovery was needless: what it took is given back, in steps, so that no burst follows.
    //= rfc4015#3.1-1
    //= rfc4015#3.1-3
    //= rfc4015#3.1-5
    //= rfc4015#3.1-6
    //= rfc4015#3.1-7
    //= rfc5682#4-1
    pub(super) fn give_back(
        &mut self,
        flight: &mut Flight,
        arrival: &Arrival<'_>,
        cause: Cause,
        delivered: &Delivered,
        rtt: &mut Rtt,
        congestion: &mut dyn CongestionControl,
    ) {
        congestion.undo(arrival.now);
        self.reduction = Some(Reduction::Undone);
        flight.outstanding.withdraw_losses();
        flight.phase = Phase::Open;
        // One that proves needless was none: another is the first again, and takes the window down.
        flight.timeouts = 0;
        flight.frto = frto::Frto::Off;
        flight.front_is_urgent = false;
        //= rfc5682#2.1-11
        //= rfc5682#3.1-10
        //= rfc4015#4-1
        //= rfc4015#4-2
        flight.recover = flight.una - 1;
        let initial = 10 * arrival.mss;
        flight.ramp = Some(flight.in_flight(arrival.mss).saturating_add(delivered.acked.min(initial)));
        self.history().note_undone(cause);
        if cause == Cause::Timeout {
            rtt.on_spurious_timeout(arrival.granularity);
        }
    }
}

/// True if the ACK tells of congestion itself: nothing is given back on its word.
//= rfc4015#3.4-1
pub(super) const fn is_forbidden(arrival: &Arrival<'_>) -> bool {
    arrival.ece
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    const OLD: Option<Echo> = Some(Echo { value: 99, offset: 0 });
    const NEW: Option<Echo> = Some(Echo { value: 100, offset: 0 });

    fn seq(value: u32) -> SeqNumber {
        SeqNumber::new(value)
    }

    fn block(left: u32, right: u32) -> SackBlock {
        SackBlock { left: seq(left), right: seq(right) }
    }

    fn begun(oldest: bool) -> Undo {
        let mut undo = Undo::NONE;
        undo.begin(Cause::Loss);
        undo.on_resent(at(100), seq(1000), 1000, false, oldest);
        undo.on_resent(at(120), seq(3000), 1000, false, false);
        undo
    }

    //= rfc3522#3.2-2
    //= rfc3522#3.2-3
    //= rfc3522#3.2-4
    //= rfc3522#3.2-6
    #[test]
    fn only_the_first_ack_after_the_first_retransmission_tells_by_its_timestamp() {
        assert_eq!(begun(true).by_timestamp(OLD, false, false, false), Some(Cause::Loss));
        assert_eq!(begun(true).by_timestamp(NEW, false, false, false), None);
        let mut undo = begun(true);
        assert_eq!(undo.by_timestamp(NEW, false, false, false), None);
        assert_eq!(undo.by_timestamp(OLD, false, false, false), None, "that was the second");
    }

    /// What fills the hole at the front may be late itself, and its timestamp old, while what was sent again was lost.
    #[test]
    fn a_retransmission_behind_another_hole_is_not_judged_by_a_timestamp() {
        assert_eq!(begun(false).by_timestamp(OLD, false, false, false), None);
    }

    //= rfc3522#3.2-5
    #[test]
    fn an_ack_of_everything_proves_something_only_if_duplicates_are_reported_at_all() {
        assert_eq!(begun(true).by_timestamp(OLD, false, true, false), None);
        assert_eq!(begun(true).by_timestamp(OLD, false, true, true), Some(Cause::Loss));
        assert_eq!(begun(true).by_timestamp(OLD, true, false, true), None, "a duplicate: its ACK was lost");
    }

    //= rfc3708#3-3
    //= rfc3708#3-4
    //= rfc3708#3-6
    //= rfc3708#3-7
    #[test]
    fn as_many_duplicates_as_retransmissions_prove_that_none_was_needed() {
        let mut undo = begun(true);
        undo.on_duplicate(block(1000, 2000));
        assert_eq!(undo.by_duplicates(), None);
        undo.on_duplicate(block(3000, 4000));
        assert_eq!(undo.by_duplicates(), Some(Cause::Loss));
        undo.on_resent(at(130), seq(3000), 1000, true, false);
        undo.on_duplicate(block(3000, 4000));
        assert_eq!(undo.by_duplicates(), None, "one of them was sent three times");
    }

    //= rfc3708#3-5
    #[test]
    fn only_what_this_recovery_sent_again_counts_and_that_once() {
        let mut undo = begun(true);
        for other in [block(0, 1000), block(1000, 2000), block(1000, 2000), block(2000, 3000), block(4000, 9000)] {
            undo.on_duplicate(other);
            assert_eq!(undo.by_duplicates(), None, "{other:?}");
        }
        undo.on_duplicate(block(2500, 3500));
        assert_eq!(undo.by_duplicates(), None, "half of the second");
        undo.on_duplicate(block(3500, 4000));
        assert_eq!(undo.by_duplicates(), Some(Cause::Loss));
        undo.begin(Cause::Loss);
        undo.on_resent(at(200), seq(5000), 1000, false, true);
        undo.on_duplicate(block(3000, 4000));
        assert_eq!(undo.by_duplicates(), None, "that was the recovery before");
    }

    #[test]
    fn a_recovery_behind_another_takes_over_what_was_sent_again_and_is_outstanding() {
        let mut undo = begun(true);
        undo.begin_behind(at(200), seq(2000), true);
        undo.on_duplicate(block(1000, 2000));
        assert_eq!(undo.by_duplicates(), None);
        undo.on_duplicate(block(3000, 4000));
        assert_eq!(undo.by_duplicates(), Some(Cause::Loss));
        undo.end();
        undo.begin_behind(at(200), seq(2000), true);
        assert_eq!(undo.by_duplicates(), None, "nobody has put down what was sent again");
    }
}
