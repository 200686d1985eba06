//! What one side has sent and the other has not acknowledged, segment by segment.

use std::collections::BTreeMap;
use std::ops::Range;

use rangemap::RangeSet;
use sockeye_wire::Instant;

/// Segments outstanding that are remembered; a sender whose ACKs were not captured would fill the memory otherwise.
const REMEMBERED: usize = 1 << 16;

/// Octets that were sent together.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    pub start: i64,
    pub end: i64,
    pub first_at: Instant,
    pub last_at: Instant,
    pub times: u32,
}

/// A record for each segment, and what was never seen between them. What a segment costs is the logarithm of how many there
/// are: one that covers many others, which a hostile sender can make, joins them, so that the next one finds one in their stead.
#[derive(Debug, Default)]
pub struct Outstanding {
    /// By where they begin; they don't overlap.
    segments: BTreeMap<i64, Sent>,
    /// Octets before the last of them that were not seen, or are not remembered.
    missing: RangeSet<i64>,
}

impl Outstanding {
    /// The record of the octet at `place`.
    pub fn record(&self, place: i64) -> Option<&Sent> {
        let (_, sent) = self.segments.range(..=place).next_back()?;
        (place < sent.end).then_some(sent)
    }

    /// The first record that begins at `place` or behind it.
    pub fn from(&self, place: i64) -> Option<&Sent> {
        self.segments.range(place..).next().map(|(_, sent)| sent)
    }

    /// True if none of these octets, which are not acknowledged, is missing.
    pub fn was_seen(&self, range: &Range<i64>) -> bool {
        !self.missing.overlaps(range)
    }

    /// One past the last octet that was seen without a gap from `from` on.
    pub fn seen_to(&self, from: i64) -> i64 {
        let gap = self.missing.overlapping(&(from..i64::MAX)).next().map(|gap| gap.start);
        let end = self.segments.last_key_value().map(|(_, sent)| sent.end);
        gap.or(end).unwrap_or(from).max(from)
    }

    /// These octets, before others that leave, were not captured.
    pub fn skips(&mut self, range: Range<i64>) {
        self.missing.insert(range);
    }

    /// New octets leave.
    pub fn leaves(&mut self, at: Instant, range: Range<i64>) {
        self.remember(Sent { start: range.start, end: range.end, first_at: at, last_at: at, times: 1 });
    }

    /// Octets leave that begin before `max`, where new ones do; those from `una` on are not acknowledged.
    pub fn leaves_again(&mut self, at: Instant, range: &Range<i64>, una: i64, max: i64) {
        let first = self.record(range.start).map_or(range.start, |sent| sent.start);
        let covered = range.start.max(una)..range.end.min(max);
        match self.take(first..range.end) {
            Some(mut joined) => {
                while let Some(next) = self.take(joined.end..range.end) {
                    (joined.end, joined.times) = (next.end, joined.times.max(next.times));
                }
                (joined.start, joined.end) = (joined.start.min(covered.start), joined.end.max(covered.end));
                (joined.last_at, joined.times) = (at, joined.times.saturating_add(1));
                self.remember(joined);
            }
            // Perhaps sent before: no round-trip time is taken from it.
            None if range.start >= una => {
                let Range { start, end } = covered;
                self.remember(Sent { start, end, first_at: at, last_at: at, times: 2 });
            }
            None => {}
        }
        if range.end > max {
            self.leaves(at, max..range.end);
        }
    }

    /// Everything before `ack` has arrived. When the last of it had left, if that answers nothing else: neither what was sent
    /// again nor what was `sacked` before.
    pub fn acked(&mut self, ack: i64, sacked: &RangeSet<i64>) -> Option<Instant> {
        let (mut sample, mut ambiguous) = (None, false);
        while let Some(sent) = self.take(i64::MIN..ack) {
            ambiguous |= sent.times > 1 || sacked.overlaps(&(sent.start..sent.end));
            sample = Some(sent.first_at);
            if sent.end > ack {
                self.segments.insert(ack, Sent { start: ack, ..sent });
                break;
            }
        }
        if self.segments.is_empty() {
            self.missing.clear();
        } else if !self.missing.is_empty() {
            self.missing.remove(i64::MIN..ack);
        }
        sample.filter(|_| !ambiguous)
    }

    /// Takes out the first record that begins within `range`.
    fn take(&mut self, range: Range<i64>) -> Option<Sent> {
        let (&start, _) = self.segments.range(range.start..range.end.max(range.start)).next()?;
        self.segments.remove(&start)
    }

    /// Records of segments, and of gaps between them.
    pub fn records(&self) -> usize {
        self.segments.len() + self.missing.len()
    }

    /// Keeps no more records of segments than so many, those that lie highest: what lies below them is missing.
    pub fn keep(&mut self, most: usize) {
        let surplus = self.segments.len().saturating_sub(most);
        let (Some((&first, _)), Some((&kept, _))) =
            (self.segments.first_key_value(), self.segments.iter().nth(surplus).or(self.segments.last_key_value()))
        else {
            return;
        };
        if surplus > 0 {
            self.segments = self.segments.split_off(&kept);
            self.missing.insert(first..kept);
        }
    }

    /// Adds a record, in the stead of the first where there is no room.
    fn remember(&mut self, sent: Sent) {
        if sent.start >= sent.end {
            return;
        }
        if !self.missing.is_empty() {
            self.missing.remove(sent.start..sent.end);
        }
        self.segments.insert(sent.start, sent);
        if self.segments.len() > REMEMBERED
            && let Some((_, oldest)) = self.segments.pop_first()
        {
            // With what lies between it and the next, of which nothing is remembered either.
            let next = self.segments.first_key_value().map_or(oldest.end, |(&start, _)| start);
            self.missing.insert(oldest.start..next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: i64 = 1 << 16;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn octets_with_gaps_below_a_jump_are_not_remembered_without_end() {
        let (mut outstanding, max) = (Outstanding::default(), 1 << 30);
        let again = |outstanding: &mut Outstanding, range| outstanding.leaves_again(at(0), &range, 0, max);
        for start in (0..2 * MOST).map(|number| number * 10) {
            again(&mut outstanding, start..start + 1);
        }
        assert_eq!((outstanding.segments.len(), outstanding.missing.len()), (REMEMBERED, 1));
        assert_eq!(outstanding.record(0).map(|sent| sent.start), None, "the first make room");
        let last = 20 * MOST - 10;
        assert_eq!(outstanding.record(last).map(|sent| sent.start), Some(last));
        again(&mut outstanding, 5..6);
        assert_eq!(outstanding.segments.len(), REMEMBERED);
        assert!(outstanding.record(5).is_none(), "below all that there is: it would be the first to go");
        again(&mut outstanding, max - 1..max + 1);
        assert_eq!(outstanding.segments.len(), REMEMBERED);
        assert_eq!(outstanding.seen_to(max), max + 1);
    }

    #[test]
    fn what_covers_many_segments_joins_them() {
        let mut outstanding = Outstanding::default();
        (0..MOST).for_each(|start| outstanding.leaves(at(1), start..start + 1));
        outstanding.leaves_again(at(5), &(3..MOST - 3), 0, MOST);
        assert_eq!(outstanding.segments.len(), 7);
        let joined = outstanding.record(9).map(|sent| (sent.start, sent.end, sent.last_at, sent.times));
        assert_eq!(joined, Some((3, MOST - 3, at(5), 2)));
        assert_eq!(outstanding.acked(2, &RangeSet::new()), Some(at(1)));
        assert_eq!(outstanding.acked(4, &RangeSet::new()), None, "it answers what was sent again");
        assert_eq!(outstanding.record(4).map(|sent| sent.start), Some(4));
    }

    #[test]
    fn only_the_newest_are_kept_if_so_told() {
        let mut outstanding = Outstanding::default();
        for number in 0..10 {
            outstanding.leaves(at(1), number * 20..number * 20 + 10);
        }
        (1..10).for_each(|number| outstanding.skips(number * 20 - 10..number * 20));
        assert_eq!(outstanding.records(), 19);
        outstanding.keep(10);
        assert_eq!(outstanding.records(), 19);
        outstanding.keep(2);
        assert_eq!(outstanding.records(), 2 + 2, "the last gap, and all that lies before");
        assert!(!outstanding.was_seen(&(0..5)) && outstanding.was_seen(&(160..170)));
        assert_eq!((outstanding.record(145).is_none(), outstanding.record(165).is_some()), (true, true));
        outstanding.keep(0);
        assert_eq!(outstanding.records(), 2, "one is always kept");
    }

    #[test]
    fn gaps_are_known_until_they_are_filled() {
        let mut outstanding = Outstanding::default();
        outstanding.leaves(at(1), 0..10);
        outstanding.skips(10..20);
        outstanding.leaves(at(2), 20..30);
        assert!(outstanding.was_seen(&(5..10)) && !outstanding.was_seen(&(5..11)));
        assert_eq!([0, 10, 20].map(|from| outstanding.seen_to(from)), [10, 10, 30]);
        outstanding.leaves_again(at(3), &(10..15), 0, 30);
        assert_eq!(outstanding.seen_to(0), 15);
        outstanding.leaves_again(at(4), &(5..25), 0, 30);
        assert!(outstanding.was_seen(&(0..30)));
        assert_eq!([0, 30, 99].map(|from| outstanding.seen_to(from)), [30, 30, 99]);
    }
}
