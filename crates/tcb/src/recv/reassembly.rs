//! Text that arrived out of order: ranges of the stream with holes between them.

use alloc::collections::BTreeMap;

use bytes::{Buf, Bytes};
use smallvec::SmallVec;

use crate::chunks::ChunkQueue;

/// How many ranges are remembered as lately reported: more than the blocks of one option.
const REPORTED: usize = 8;

/// Ranges by where they start in the stream. Holds: ranges don't touch, each has octets; one insertion costs
/// O(log ranges) and the octets copied, whatever the peer sends.
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    ranges: BTreeMap<u64, ChunkQueue>,
    octets: u32,
    /// Any octet of the ranges that changed last, newest first.
    recent: SmallVec<[u64; REPORTED]>,
}

/// The text was not kept: there are too many holes already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyHoles;

/// What an insertion found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inserted {
    /// The first run of octets that were here already, from and up to, for D-SACK.
    pub(crate) duplicate: Option<(u64, u64)>,
    /// Octets that were copied to keep small pieces together.
    pub(crate) copied: u32,
}

impl Reassembly {
    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Octets held.
    pub(crate) const fn octets(&self) -> u32 {
        self.octets
    }

    /// Keeps `text`, which starts at `start`, but for what is here already.
    pub(crate) fn insert(&mut self, start: u64, text: Bytes, max_ranges: usize) -> Result<Inserted, TooManyHoles> {
        let mut inserted = Inserted::default();
        let (mut at, mut rest) = (start, text);
        while !rest.is_empty() {
            // Skip what the range before or at this place holds.
            if let Some(end) = self.range_end_over(at) {
                let known = end.min(at + rest.len() as u64);
                inserted.duplicate.get_or_insert((at, known));
                rest.advance(usize::try_from(known - at).unwrap_or(usize::MAX).min(rest.len()));
                at = known;
                continue;
            }
            let next = self.ranges.range(at..).next().map_or(u64::MAX, |(&next, _)| next);
            let fits = usize::try_from(next - at).unwrap_or(usize::MAX).min(rest.len());
            let piece = rest.split_to(fits);
            let piece_end = at + fits as u64;
            inserted.copied += self.fill(at, piece, max_ranges)?;
            at = piece_end;
        }
        self.note(start);
        Ok(inserted)
    }

    /// Where the range that holds the octet at `at` ends.
    fn range_end_over(&self, at: u64) -> Option<u64> {
        self.ranges
            .range(..=at)
            .next_back()
            .map(|(&start, range)| start + u64::from(range.len()))
            .filter(|&end| end > at)
    }

    /// Puts `piece` into a place where nothing is, and joins what now touches. Says how many octets were copied.
    fn fill(&mut self, at: u64, piece: Bytes, max_ranges: usize) -> Result<u32, TooManyHoles> {
        let length = u32::try_from(piece.len()).unwrap_or(u32::MAX);
        let end = at + u64::from(length);
        let before =
            self.ranges.range(..at).next_back().filter(|(start, range)| **start + u64::from(range.len()) == at);
        let start = match before.map(|(&start, _)| start) {
            Some(start) => start,
            None if self.ranges.len() >= max_ranges && !self.ranges.contains_key(&end) => return Err(TooManyHoles),
            None => at,
        };
        let after = self.ranges.remove(&end);
        let range = self.ranges.entry(start).or_default();
        let copied = range.push(piece) + after.map_or(0, |after| range.append(after));
        self.octets += length;
        Ok(copied)
    }

    /// Remembers that the range over `at` changed last.
    fn note(&mut self, at: u64) {
        let changed = self.range_over(at);
        let ranges = &self.ranges;
        let start_of = |place: u64| ranges.range(..=place).next_back().map(|(&start, _)| start);
        self.recent.retain(|place| start_of(*place) != changed.map(|(start, _)| start));
        self.recent.truncate(REPORTED - 1);
        self.recent.insert(0, at);
    }

    /// The first range: where it starts and ends.
    pub(crate) fn first(&self) -> Option<(u64, u64)> {
        self.ranges.first_key_value().map(|(&start, range)| (start, start + u64::from(range.len())))
    }

    /// The range that holds the octet at `at`: where it starts and ends.
    pub(crate) fn range_over(&self, at: u64) -> Option<(u64, u64)> {
        let (&start, range) = self.ranges.range(..=at).next_back()?;
        let end = start + u64::from(range.len());
        (end > at).then_some((start, end))
    }

    //= rfc2018#4-8
    /// Ranges, those that changed last first, then the others in order; each once.
    pub(crate) fn reported(&self) -> impl Iterator<Item = (u64, u64)> {
        let recent: SmallVec<[(u64, u64); REPORTED]> =
            self.recent.iter().filter_map(|&at| self.range_over(at)).collect();
        let seen = recent.clone();
        let others = self.ranges.iter().map(|(&start, range)| (start, start + u64::from(range.len())));
        recent.into_iter().chain(others.filter(move |range| !seen.contains(range)))
    }

    /// Takes the range that the octet at `at` belongs to, if it starts there or before, cut so that it starts at `at`;
    /// ranges that end before are dropped.
    pub(crate) fn take_from(&mut self, at: u64) -> Option<ChunkQueue> {
        while let Some(first) = self.ranges.first_entry()
            && *first.key() <= at
        {
            let (start, mut range) = first.remove_entry();
            self.octets -= range.len();
            let skip = at - start;
            if skip < u64::from(range.len()) {
                let origin = range.start();
                range.drop_until(origin + skip);
                return Some(range);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    /// The octet at a place of the stream.
    fn octet(at: u64) -> u8 {
        u8::try_from(at * 31 % 251).unwrap_or(0)
    }

    fn text(start: u64, length: u64) -> Bytes {
        (start..start + length).map(octet).collect()
    }

    proptest! {
        #[test]
        fn agrees_with_a_map_of_single_octets(segments in prop::collection::vec((0_u64..400, 1_u64..60), 1..60)) {
            let mut reassembly = Reassembly::default();
            let mut model = BTreeMap::new();
            for &(start, length) in &segments {
                let known: Vec<u64> = (start..start + length).filter(|at| model.contains_key(at)).collect();
                let inserted = reassembly.insert(start, text(start, length), usize::MAX);
                prop_assert_eq!(inserted.map(|i| i.duplicate.map(|(from, _)| from)), Ok(known.first().copied()));
                (start..start + length).for_each(|at| { model.insert(at, octet(at)); });
                prop_assert_eq!(reassembly.octets() as usize, model.len());
                prop_assert_eq!(reassembly.reported().next().map(|(s, e)| s <= start && start < e), Some(true));
            }
            let mut read = Vec::new();
            let mut at = 0;
            while at < 500 {
                if let Some(mut range) = reassembly.take_from(at) {
                    while let Some(bytes) = range.pop(usize::MAX) {
                        read.extend(bytes.iter().map(|&b| { at += 1; (at - 1, b) }));
                    }
                } else {
                    at += 1;
                }
            }
            prop_assert_eq!(read, model.into_iter().collect::<Vec<_>>());
            prop_assert!(reassembly.is_empty() && reassembly.octets() == 0);
        }
    }

    #[test]
    fn more_holes_than_allowed_are_refused_and_nothing_is_lost() {
        let mut reassembly = Reassembly::default();
        for i in 0..8 {
            assert!(reassembly.insert(i * 10, text(i * 10, 1), 8).is_ok());
        }
        assert_eq!(reassembly.insert(1000, text(1000, 1), 8), Err(TooManyHoles));
        assert!(reassembly.insert(1, text(1, 1), 8).is_ok(), "a range that grows is no new hole");
        assert_eq!(reassembly.octets(), 9);
    }

    //= rfc2018#4-8
    //= rfc2018#4-6
    #[test]
    fn the_range_that_changed_last_is_reported_first() {
        let mut reassembly = Reassembly::default();
        for start in [100, 300, 500, 300 + 5] {
            reassembly.insert(start, text(start, 5), 100).unwrap_or_default();
        }
        assert_eq!(reassembly.reported().collect::<Vec<_>>(), [(300, 310), (500, 505), (100, 105)]);
    }
}
