//! What is sent and not acknowledged: runs of whole segments, found by place, by time of sending, and by being lost.
//!
//! A place is a sequence number that doesn't wrap: its low 32 bits are the number on the wire. Whatever is asked costs
//! the logarithm of the number of runs, and a run is split only between segments: runs never outnumber segments. The first
//! run stands apart, and so do those that were last sent, so that nothing is searched where ACKs come in order. What is
//! selectively acknowledged and adjoins becomes one run, so a block that reports the same again passes over it in one step.

mod run;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use smallvec::SmallVec;
use sockeye_wire::Instant;

use super::stamps::Stamps;
use crate::congestion::delivery_rate::Snapshot;
pub(super) use run::{Mark, Run, Tally};

/// Runs and where they begin. Mostly there are none, and then an empty one is cheap to hand on.
pub(super) type Pieces = Vec<(u64, Run)>;

/// What is to be sent again: `octets` from `start` on, in segments of `size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resent {
    pub(super) start: u64,
    pub(super) octets: u32,
    pub(super) size: u32,
}

/// All runs. Holds: no gap between runs; `front` is the first, then come `runs`, of which `by_time` has those in flight and
/// `lost` those held lost, then `fresh`; the tallies count what all runs say.
#[derive(Debug, Default)]
pub(super) struct Outstanding {
    front: Option<(u64, Run)>,
    runs: BTreeMap<u64, Run>,
    by_time: BTreeSet<(Instant, u64)>,
    lost: BTreeSet<u64>,
    /// What was sent since anything was last missing, all in flight, by place and time alike: while nothing is, runs pass
    /// through here to the front, and not through three search trees.
    fresh: VecDeque<(u64, Run)>,
    tallies: [Tally; 3],
    stamps: Stamps,
    /// How often a run was looked up, put or taken.
    #[cfg(test)]
    visits: core::cell::Cell<u32>,
}

impl Outstanding {
    pub(super) const fn is_empty(&self) -> bool {
        self.front.is_none()
    }

    pub(super) const fn tally(&self, mark: Mark) -> Tally {
        self.tallies[mark as usize]
    }

    /// Octets sent and not acknowledged: FlightSize.
    pub(super) fn octets(&self) -> u32 {
        self.tallies.iter().map(|tally| tally.octets).sum()
    }

    /// Segments sent and not acknowledged.
    pub(super) fn segments(&self) -> u32 {
        self.tallies.iter().map(|tally| tally.segments).sum()
    }

    /// The oldest run.
    pub(super) fn front(&self) -> Option<&Run> {
        self.front.as_ref().map(|(_, run)| run)
    }

    /// The end of the first segment.
    pub(super) fn first_end(&self) -> Option<u64> {
        self.front.as_ref().map(|(start, run)| start + u64::from(run.size.min(run.len)))
    }

    /// The first run that is held lost, and where it begins.
    pub(super) fn first_lost(&self) -> Option<(u64, &Run)> {
        let start = self.first_lost_start()?;
        self.at(start).map(|run| (start, run))
    }

    fn first_lost_start(&self) -> Option<u64> {
        let front = self.front.as_ref().filter(|(_, run)| run.mark == Mark::Lost).map(|&(start, _)| start);
        front.or_else(|| self.lost.first().copied())
    }

    /// All runs, in order.
    fn all(&self) -> impl DoubleEndedIterator<Item = (u64, &Run)> {
        let front = self.front.iter().map(|(start, run)| (*start, run));
        let fresh = self.fresh.iter().map(|(start, run)| (*start, run));
        front.chain(self.runs.iter().map(|(&start, run)| (start, run))).chain(fresh)
    }

    /// The run that begins at `start`.
    fn at(&self, start: u64) -> Option<&Run> {
        match &self.front {
            Some((first, run)) if *first == start => Some(run),
            _ => self.runs.get(&start).or_else(|| self.fresh_over(start).map(|(_, run)| run)),
        }
    }

    /// The fresh run in which `place` lies.
    fn fresh_over(&self, place: u64) -> Option<(u64, &Run)> {
        let before = self.fresh.partition_point(|(start, _)| *start <= place).checked_sub(1)?;
        self.fresh.get(before).map(|(start, run)| (*start, run))
    }

    /// Something is missing, or may be: from now on each run is searched for, by place and by time.
    fn file_fresh(&mut self) {
        while let Some((start, run)) = self.fresh.pop_front() {
            self.file(start, run);
        }
    }

    /// Puts a run behind all others that is in flight and left last.
    fn append(&mut self, start: u64, run: Run) {
        self.tallies[run.mark as usize].add(&run);
        if self.front.is_none() {
            self.front = Some((start, run));
        } else {
            self.fresh.push_back((start, run));
        }
    }

    fn put(&mut self, start: u64, run: Run) {
        #[cfg(test)]
        self.visits.update(|visits| visits + 1);
        self.tallies[run.mark as usize].add(&run);
        let first = self.front.as_ref().map(|&(first, _)| first);
        let next = first.or_else(|| self.runs.first_key_value().map(|(&next, _)| next));
        if next.is_some_and(|next| next < start) {
            self.file(start, run);
        } else if let Some((second, run)) = self.front.replace((start, run)) {
            self.file(second, run);
        }
    }

    fn take(&mut self, start: u64) -> Option<Run> {
        #[cfg(test)]
        self.visits.update(|visits| visits + 1);
        let run = match self.front {
            Some((first, run)) if first == start => {
                self.front = None;
                run
            }
            _ => self.unfile(start)?,
        };
        self.tallies[run.mark as usize].subtract(&run);
        Some(run)
    }

    /// Puts a run that isn't the first where it is found.
    fn file(&mut self, start: u64, run: Run) {
        match run.mark {
            Mark::InFlight => _ = self.by_time.insert((run.sent_at, start)),
            Mark::Lost => _ = self.lost.insert(start),
            Mark::Sacked => {}
        }
        self.runs.insert(start, run);
    }

    fn unfile(&mut self, start: u64) -> Option<Run> {
        let run = self.runs.remove(&start)?;
        match run.mark {
            Mark::InFlight => _ = self.by_time.remove(&(run.sent_at, start)),
            Mark::Lost => _ = self.lost.remove(&start),
            Mark::Sacked => {}
        }
        Some(run)
    }

    /// Octets in the segment in which `place` lies; `None` if nothing is outstanding there, or if it has arrived.
    pub(super) fn segment_at(&self, place: u64) -> Option<u32> {
        let (_, run) = self.run_over(place)?;
        (run.mark != Mark::Sacked).then(|| run.size.min(run.len))
    }

    /// The last segment is a probe of the path's MTU, and in flight.
    pub(super) fn ends_with_probe(&self) -> bool {
        self.all().next_back().is_some_and(|(_, run)| run.probe && run.mark == Mark::InFlight)
    }

    /// Holds the probe of the path's MTU lost, if there is one in flight; its octets.
    pub(super) fn mark_probe_lost(&mut self) -> u32 {
        let probe = self.all().find(|(_, run)| run.probe && run.mark == Mark::InFlight);
        let Some((start, &Run { len, .. })) = probe else {
            return 0;
        };
        self.mark_lost(start);
        len
    }

    /// The run in which `place` lies.
    fn run_over(&self, place: u64) -> Option<(u64, Run)> {
        #[cfg(test)]
        self.visits.update(|visits| visits + 1);
        let (start, run) = match &self.front {
            Some((start, run)) if (*start..start + u64::from(run.len)).contains(&place) => (*start, run),
            _ => {
                self.fresh_over(place).or_else(|| self.runs.range(..=place).next_back().map(|(&at, run)| (at, run)))?
            }
        };
        (place < start + u64::from(run.len)).then_some((start, *run))
    }

    /// `len` octets from `start` on, in segments of at most `size`, left for the first time, or some of them `again`.
    pub(super) fn on_sent(&mut self, now: Instant, start: u64, len: u32, size: u32, snapshot: Snapshot, again: bool) {
        let run = Run {
            len,
            size,
            segments: len.div_ceil(size),
            sent_at: self.stamps.first(now),
            resent: again,
            probe: false,
            mark: Mark::InFlight,
            snapshot,
        };
        let last = match (self.fresh.back_mut(), self.runs.last_entry()) {
            (Some((_, last)), _) => Some(last),
            (None, Some(last)) => Some(last.into_mut()),
            (None, None) => self.front.as_mut().map(|(_, run)| run),
        };
        match last {
            // Whole segments that leave at one instant are one run, known by what it was when the last of them left.
            Some(last) if last.continues_in(&run) => {
                (last.len, last.segments, last.snapshot) = (last.len + len, last.segments + run.segments, snapshot);
                self.tallies[Mark::InFlight as usize].add(&run);
            }
            _ => self.append(start, run),
        }
        debug_assert!(self.holds());
    }

    /// A probe of the path's MTU, `len` octets from `start` on, left.
    pub(super) fn on_probe_sent(&mut self, now: Instant, start: u64, len: u32, snapshot: Snapshot) {
        let run = Run {
            len,
            size: len,
            segments: 1,
            sent_at: self.stamps.first(now),
            resent: false,
            probe: true,
            mark: Mark::InFlight,
            snapshot,
        };
        self.append(start, run);
        debug_assert!(self.holds());
    }

    /// Everything before `ack` has arrived: takes out the first run of it, until there is none.
    #[inline]
    pub(super) fn take_acked(&mut self, ack: u64) -> Option<(u64, Run)> {
        if self.front.as_ref().is_none_or(|(start, _)| *start >= ack) {
            return None;
        }
        self.take_acked_front(ack)
    }

    fn take_acked_front(&mut self, ack: u64) -> Option<(u64, Run)> {
        let (front, run) = self.front.as_mut()?;
        let start = *front;
        let covered = u32::try_from(ack - start).map_or(run.len, |octets| octets.min(run.len));
        let acked = run.part(covered);
        if covered < run.len && run.mark != Mark::Sacked && covered.is_multiple_of(run.size) {
            // Some of its segments, as nearly always.
            *front += u64::from(covered);
            run.len -= covered;
            run.segments -= acked.segments;
            self.tallies[acked.mark as usize].subtract(&acked);
        } else {
            self.take_front(start, covered);
        }
        debug_assert!(self.holds());
        Some((start, acked))
    }

    /// Takes out the first run, which begins at `start`; what is behind its first `covered` octets is put back.
    fn take_front(&mut self, start: u64, covered: u32) {
        if let Some(run) = self.take(start) {
            let mut place = start + u64::from(covered);
            if covered < run.len {
                for rest in run.without(covered).into_iter().flatten() {
                    self.put(place, rest);
                    place += u64::from(rest.len);
                }
            }
            self.promote();
        }
    }

    /// The first run, if it isn't in front yet, gets there.
    fn promote(&mut self) {
        if self.front.is_none() {
            self.front = match self.runs.first_key_value() {
                Some((&start, _)) => self.unfile(start).map(|run| (start, run)),
                None => self.fresh.pop_front(),
            };
        }
    }

    /// Marks as sacked the segments that lie whole within `left..right`: those of them that weren't yet, in order.
    //= rfc2018#5-2
    pub(super) fn sack(&mut self, left: u64, right: u64) -> Pieces {
        self.file_fresh();
        let mut pieces = Pieces::new();
        let mut place = left;
        while place < right
            && let Some((start, run)) = self.run_over(place)
        {
            let end = start + u64::from(run.len);
            if run.mark != Mark::Sacked {
                let size = u64::from(run.size);
                let from = (start + (place - start).next_multiple_of(size)).min(end);
                let to = if right >= end { end } else { start + (right - start) / size * size };
                if from < to
                    && let Some(piece) = self.cut_out(start, from, to)
                {
                    self.put_sacked(from, piece);
                    pieces.push((from, piece));
                }
            }
            place = end;
        }
        debug_assert!(self.holds());
        pieces
    }

    /// Takes `from..to`, both on boundaries of segments, out of the run at `start`; puts back what stands before and
    /// after.
    fn cut_out(&mut self, start: u64, from: u64, to: u64) -> Option<Run> {
        let run = self.take(start)?;
        let len = |a: u64, b: u64| u32::try_from(b - a).unwrap_or(u32::MAX);
        if start < from {
            self.put(start, run.part(len(start, from)));
        }
        let end = start + u64::from(run.len);
        if to < end {
            self.put(to, run.part(len(to, end)));
        }
        Some(run.part(len(from, to)))
    }

    /// Puts a run as sacked, one with those before and after it that are.
    fn put_sacked(&mut self, start: u64, run: Run) {
        let mut run = Run { mark: Mark::Sacked, probe: false, ..run };
        let mut first = start;
        let end = start + u64::from(run.len);
        if self.runs.get(&end).is_some_and(|next| next.mark == Mark::Sacked)
            && let Some(next) = self.take(end)
        {
            run.len += next.len;
            run.segments += next.segments;
        }
        if let Some((before, last)) = start.checked_sub(1).and_then(|place| self.run_over(place))
            && last.mark == Mark::Sacked
        {
            self.take(before);
            run = Run { len: last.len + run.len, segments: last.segments + run.segments, ..run };
            first = before;
        }
        self.put(first, run);
    }

    /// When the run in flight that was sent first left, and where it begins.
    pub(super) fn earliest_key(&self) -> Option<(Instant, u64)> {
        let fresh = self.fresh.front().map(|(start, run)| (run.sent_at, *start));
        self.front_key().into_iter().chain(self.by_time.first().copied()).chain(fresh).min()
    }

    /// The same of the first run, if it is in flight.
    pub(super) fn front_key(&self) -> Option<(Instant, u64)> {
        self.front.as_ref().filter(|(_, run)| run.mark == Mark::InFlight).map(|(start, run)| (run.sent_at, *start))
    }

    /// The run in flight that was sent first.
    pub(super) fn earliest_sent(&self) -> Option<(u64, Run)> {
        let (_, start) = self.earliest_key()?;
        self.at(start).map(|run| (start, *run))
    }

    /// When the last of those in flight that were sent before `sent_at`, or then and before the place `end`, left.
    pub(super) fn latest_sent_before(&self, sent_at: Instant, end: u64) -> Option<Instant> {
        let front = self.front_key().filter(|&key| key < (sent_at, end));
        let fresh = self.fresh.partition_point(|(start, run)| (run.sent_at, *start) < (sent_at, end)).checked_sub(1);
        front
            .into_iter()
            .chain(fresh.and_then(|at| self.fresh.get(at)).map(|(start, run)| (run.sent_at, *start)))
            .chain(self.by_time.range(..(sent_at, end)).next_back().copied())
            .max()
            .map(|(sent_at, _)| sent_at)
    }

    /// Holds the run at `start` lost.
    pub(super) fn mark_lost(&mut self, start: u64) {
        self.file_fresh();
        if let Some(run) = self.take(start) {
            self.put(start, Run { mark: Mark::Lost, ..run });
        }
        debug_assert!(self.holds());
    }

    /// Holds the first segment lost; it, if it was in flight.
    pub(super) fn mark_first_lost(&mut self) -> Option<(u64, Run)> {
        let (start, _) = self.front.filter(|(_, run)| run.mark == Mark::InFlight)?;
        let end = self.first_end()?;
        self.file_fresh();
        let first = self.cut_out(start, start, end)?;
        self.put(start, Run { mark: Mark::Lost, ..first });
        debug_assert!(self.holds());
        Some((start, first))
    }

    /// Holds lost what is in flight in segments of more than `size`.
    pub(super) fn mark_longer_lost(&mut self, size: u32) {
        let is_longer = |run: &Run| run.mark == Mark::InFlight && run.size.min(run.len) > size;
        let longer: Vec<u64> = self.all().filter(|(_, run)| is_longer(run)).map(|(start, _)| start).collect();
        longer.into_iter().for_each(|start| self.mark_lost(start));
    }

    /// Holds everything lost that was in flight, and sent at `until` at the latest.
    pub(super) fn mark_lost_until(&mut self, until: Instant) -> Pieces {
        let mut pieces = Pieces::new();
        while let Some((start, run)) = self.earliest_sent()
            && run.sent_at <= until
        {
            self.mark_lost(start);
            pieces.push((start, run));
        }
        pieces
    }

    /// Everything that is held lost is taken for in flight again.
    pub(super) fn withdraw_losses(&mut self) {
        self.file_fresh();
        while let Some(start) = self.first_lost_start()
            && let Some(run) = self.take(start)
        {
            self.put(start, Run { mark: Mark::InFlight, ..run });
        }
        debug_assert!(self.holds());
    }

    /// The receiver has dropped what it had selectively acknowledged: all that is held lost.
    pub(super) fn forget_sacks(&mut self) {
        self.file_fresh();
        let sacked: SmallVec<[u64; 8]> =
            self.all().filter(|(_, run)| run.mark == Mark::Sacked).map(|(start, _)| start).collect();
        for start in sacked {
            if let Some(run) = self.take(start) {
                self.put(start, Run { mark: Mark::Lost, resent: true, ..run.part(run.len) });
            }
        }
        debug_assert!(self.holds());
    }

    /// Takes the first lost segments, at most `limit` octets in segments of at most `size`, as sent again `now`: what is
    /// to leave. At least one segment if any is lost.
    pub(super) fn resend_lost(
        &mut self,
        now: Instant,
        size: u32,
        limit: u32,
        snapshot: impl FnOnce(u32) -> Snapshot,
    ) -> Option<Resent> {
        self.file_fresh();
        let start = self.first_lost_start()?;
        let mut run = Run { probe: false, ..self.take(start)? };
        // A segment longer than what the path takes today is cut anew.
        run.size = run.size.min(size);
        let mut end = start + u64::from(run.len);
        while run.len < limit
            && self.runs.get(&end).is_some_and(|next| run.continues_in(next))
            && let Some(next) = self.take(end)
        {
            run = Run { len: run.len + next.len, size: run.size, ..next };
            end += u64::from(next.len);
        }
        let octets = if run.len <= limit { run.len } else { (limit / run.size).max(1) * run.size }.min(run.len);
        if octets < run.len {
            self.put(start + u64::from(octets), run.part(run.len - octets));
        }
        let snapshot = snapshot(octets);
        let again = Run { sent_at: self.stamps.again(now), resent: true, mark: Mark::InFlight, snapshot, ..run };
        self.put(start, again.part(octets));
        debug_assert!(self.holds());
        Some(Resent { start, octets, size: run.size })
    }

    /// Takes the last segment as sent again `now`, if it is in flight.
    pub(super) fn resend_last(&mut self, now: Instant, snapshot: Snapshot) -> Option<Resent> {
        self.file_fresh();
        let (start, run) = self.all().next_back()?;
        if run.mark != Mark::InFlight {
            return None;
        }
        let end = start + u64::from(run.len);
        let last = start + u64::from((run.len - 1) / run.size * run.size);
        let segment = self.cut_out(start, last, end)?;
        let sent_at = self.stamps.again(now);
        self.put(last, Run { sent_at, resent: true, probe: false, snapshot, ..segment });
        debug_assert!(self.holds());
        Some(Resent { start: last, octets: segment.len, size: segment.size })
    }

    /// The invariants. A long list isn't counted again at every step.
    fn holds(&self) -> bool {
        const WORTHWHILE: usize = 64;
        if self.runs.len() + self.fresh.len() > WORTHWHILE {
            return true;
        }
        let mut tallies = [Tally::default(); 3];
        let mut next = None;
        for (start, run) in self.all() {
            let known = match run.mark {
                _ if self.front.is_some_and(|(first, _)| first == start) => true,
                Mark::InFlight if self.fresh.front().is_some_and(|(first, _)| *first <= start) => true,
                Mark::InFlight => self.by_time.contains(&(run.sent_at, start)),
                Mark::Lost => self.lost.contains(&start),
                Mark::Sacked => true,
            };
            if !known || next.is_some_and(|next| next != start) || run.len == 0 {
                return false;
            }
            next = Some(start + u64::from(run.len));
            tallies[run.mark as usize].add(run);
        }
        let indexed = self.by_time.len() + self.lost.len();
        let unsacked = self.runs.values().filter(|run| run.mark != Mark::Sacked).count();
        let in_order = self.fresh.iter().is_sorted_by_key(|(start, run)| (run.sent_at, *start));
        let empty = self.runs.is_empty() && self.fresh.is_empty();
        tallies == self.tallies && indexed == unsacked && in_order && (self.front.is_some() || empty)
    }
}

impl Run {
    /// True if `next`, which adjoins, can become a part of this run without moving a boundary between segments.
    fn continues_in(&self, next: &Self) -> bool {
        let same = self.mark == next.mark && self.resent == next.resent;
        let together = self.mark == Mark::Lost || self.sent_at == next.sent_at;
        same && together
            && !self.probe
            && self.len.is_multiple_of(self.size)
            && (next.size == self.size || next.len <= self.size && next.segments == 1)
    }
}

#[cfg(test)]
mod tests;
