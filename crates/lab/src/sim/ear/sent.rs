//! What one end has sent and what it was told of that: when each octet last left, and which are selectively acknowledged.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use sockeye_wire::{Instant, SeqNumber};

/// Octets that left together.
#[derive(Clone, Copy, Debug)]
struct Piece {
    start: u64,
    end: u64,
    at: Instant,
    left: Left,
}

/// How often, and as what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Once,
    /// Once, in a segment that probed the path's MTU.
    AsProbe,
    /// Such a probe, or a segment with a part of one, for the first time in segments that are known to fit. That begins no
    /// recovery (RFC 4821 section 7.6.2), so duplicate ACKs may have it sent once more at any time.
    Cut,
    Again,
}

impl Left {
    fn is_once(self) -> bool {
        matches!(self, Self::Once | Self::AsProbe)
    }
}

/// What left before, of something that leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Before {
    /// How many octets.
    pub(super) octets: u32,
    /// When the last of them left.
    pub(super) at: Instant,
    /// When the last of them left that had left more than once, a cut probe's not counted.
    pub(super) again_at: Option<Instant>,
}

/// Kept from SND.UNA on, at places that don't wrap. What leaves for the first time costs little, what leaves again the logarithm
/// of what is outstanding; only where it splits what left together, or joins it, others are moved.
#[derive(Clone, Debug, Default)]
pub(super) struct Sent {
    una: SeqNumber,
    /// The place of `una`.
    una_at: u64,
    /// In order; the first may begin before `una_at`.
    pieces: VecDeque<Piece>,
    /// What any segment has named as arrived, and what was named in segments that count beyond doubt.
    sacked: Blocks,
    surely_sacked: Blocks,
}

/// Octets that are selectively acknowledged: where they begin and end, and how many there are.
#[derive(Clone, Debug, Default)]
struct Blocks {
    ends: BTreeMap<u64, u64>,
    octets: u64,
}

impl Blocks {
    /// True if some of them are new.
    fn insert(&mut self, mut left: u64, mut right: u64) -> bool {
        let before = self.octets;
        while let Some((&start, &end)) = self.ends.range(..=right).next_back().filter(|(_, end)| **end >= left) {
            self.ends.remove(&start);
            self.octets -= end - start;
            (left, right) = (left.min(start), right.max(end));
        }
        if left < right {
            self.ends.insert(left, right);
            self.octets += right - left;
        }
        self.octets > before
    }

    /// Forgets what lies before `una`.
    fn acked(&mut self, una: u64) {
        while let Some(first) = self.ends.first_entry().filter(|first| *first.key() < una) {
            let (start, end) = first.remove_entry();
            self.octets -= end.min(una) - start;
            if end > una {
                self.ends.insert(una, end);
            }
        }
    }
}

impl Sent {
    /// Nothing is sent yet; `iss` is the first number that will be.
    pub(super) fn from(iss: SeqNumber) -> Self {
        Self { una: iss, ..Self::default() }
    }

    /// The place of a number; that of SND.UNA for those before it.
    fn place(&self, seq: SeqNumber) -> u64 {
        self.una_at + u64::from(seq.saturating_since(self.una))
    }

    /// `start..end` leaves, to see if the path takes so much in one segment if it `probes`; what of it left before.
    pub(super) fn leaves(&mut self, now: Instant, start: SeqNumber, end: SeqNumber, probes: bool) -> Option<Before> {
        let (start, end) = (self.place(start), self.place(end));
        let left = if probes { Left::AsProbe } else { Left::Once };
        if start == end {
            return None;
        }
        match self.pieces.back_mut() {
            Some(last) if last.end > start => return self.leaves_again(now, start, end),
            Some(last) if last.end == start && last.at == now && (last.left, left) == (Left::Once, Left::Once) => {
                last.end = end;
            }
            _ => self.pieces.push_back(Piece { start, end, at: now, left }),
        }
        None
    }

    /// The same of what doesn't follow all that left before.
    fn leaves_again(&mut self, now: Instant, start: u64, end: u64) -> Option<Before> {
        let first = self.pieces.partition_point(|piece| piece.end <= start);
        let behind = self.pieces.partition_point(|piece| piece.start < end);
        let (mut before, mut left) = (None::<Before>, Left::Again);
        for piece in self.pieces.range(first..behind) {
            let again_at = Some(piece.at).filter(|_| piece.left == Left::Again);
            if piece.left == Left::AsProbe {
                left = Left::Cut;
            }
            let known = before.get_or_insert(Before { octets: 0, at: piece.at, again_at });
            known.octets += u32::try_from(piece.end.min(end) - piece.start.max(start)).unwrap_or(u32::MAX);
            known.at = known.at.max(piece.at);
            known.again_at = known.again_at.max(again_at);
        }
        let again_to = end.min(start + before.map_or(0, |before| u64::from(before.octets)));
        let outside = |at: usize| self.pieces.get(at).filter(|_| first < behind).copied();
        let new = [
            outside(first).map(|piece| Piece { end: start, ..piece }),
            Some(Piece { start, end: again_to, at: now, left }),
            Some(Piece { start: again_to, end, at: now, left: Left::Once }),
            outside(behind.wrapping_sub(1)).map(|piece| Piece { start: end, ..piece }),
        ];
        self.replace(first..behind, new.into_iter().flatten().filter(|piece| piece.start < piece.end));
        before
    }

    fn replace(&mut self, old: Range<usize>, new: impl Iterator<Item = Piece>) {
        let Range { mut start, end } = old;
        for piece in new {
            if start < end {
                self.pieces[start] = piece;
            } else {
                self.pieces.insert(start, piece);
            }
            start += 1;
        }
        self.pieces.drain(start..end.max(start));
    }

    /// Whatever is outstanding may be sent again at any time.
    pub(super) fn forget_times(&mut self) {
        self.pieces.clear();
    }

    /// Everything before `una` has arrived; true if some of it left once only, as far as is known.
    pub(super) fn acked(&mut self, una: SeqNumber) -> bool {
        let (before, place) = (self.una_at, self.place(una));
        (self.una_at, self.una) = (place, una);
        let mut again = 0;
        while let Some(first) = self.pieces.front().copied().filter(|first| first.start < place) {
            if !first.left.is_once() {
                again += first.end.min(place) - first.start.max(before);
            }
            if first.end > place {
                break;
            }
            self.pieces.pop_front();
        }
        self.sacked.acked(place);
        self.surely_sacked.acked(place);
        place - before > again
    }

    /// True if some of `left..right` left once only, as far as is known.
    pub(super) fn left_once(&self, left: SeqNumber, right: SeqNumber) -> bool {
        let (left, right) = (self.place(left), self.place(right));
        let first = self.pieces.partition_point(|piece| piece.end <= left);
        let mut inside = self.pieces.range(first..).take_while(|piece| piece.start < right).peekable();
        inside.peek().is_none() || inside.any(|piece| piece.left.is_once())
    }

    /// `left..right`, all of it sent, is said to have arrived, in a segment that counts beyond doubt if `surely`; true if
    /// that may be news: of what only a segment has told that need not count, the next may be the first to tell.
    pub(super) fn sacked(&mut self, left: SeqNumber, right: SeqNumber, surely: bool) -> bool {
        let (left, right) = (self.place(left), self.place(right));
        let is_sure = surely && self.surely_sacked.insert(left, right);
        self.sacked.insert(left, right) || is_sure
    }

    /// True if what follows SND.UNA is said to have arrived.
    pub(super) fn is_first_sacked(&self) -> bool {
        self.sacked.ends.first_key_value().is_some_and(|(&start, _)| start <= self.una_at)
    }

    /// Octets beyond SND.UNA that are said to have arrived.
    pub(super) const fn sacked_octets(&self) -> u64 {
        self.sacked.octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISS: SeqNumber = SeqNumber::new(u32::MAX - 1_000);

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn before(octets: u32, millis: u64, again: Option<u64>) -> Before {
        Before { octets, at: at(millis), again_at: again.map(at) }
    }

    #[test]
    fn each_octet_has_the_time_at_which_it_last_left() {
        let mut sent = Sent::from(ISS);
        assert_eq!(sent.leaves(at(1), ISS, ISS + 1_000, false), None);
        assert_eq!(sent.leaves(at(2), ISS + 1_000, ISS + 3_000, false), None);
        assert_eq!(sent.leaves(at(5), ISS + 500, ISS + 1_500, false), Some(before(1_000, 2, None)));
        assert_eq!(sent.leaves(at(6), ISS, ISS + 500, false), Some(before(500, 1, None)));
        assert_eq!(sent.leaves(at(7), ISS + 1_400, ISS + 3_500, false), Some(before(1_600, 5, Some(5))));
        assert!(sent.left_once(ISS + 3_000, ISS + 3_500) && !sent.left_once(ISS + 500, ISS + 3_000));
        assert!(!sent.acked(ISS + 3_000) && sent.acked(ISS + 3_200));
        assert_eq!(sent.leaves(at(8), ISS, ISS + 3_300, false), Some(before(100, 7, None)));
    }

    #[test]
    fn of_a_probe_that_was_cut_only_the_third_time_counts_as_again() {
        let mut sent = Sent::from(ISS);
        sent.leaves(at(1), ISS, ISS + 1_000, false);
        sent.leaves(at(1), ISS + 1_000, ISS + 2_200, true);
        sent.leaves(at(1), ISS + 2_200, ISS + 3_200, false);
        assert!(sent.left_once(ISS + 1_000, ISS + 2_200));
        // Cut in two, of which the second takes some of what follows along.
        assert_eq!(sent.leaves(at(5), ISS + 1_000, ISS + 2_000, false), Some(before(1_000, 1, None)));
        assert_eq!(sent.leaves(at(5), ISS + 2_000, ISS + 3_000, false), Some(before(1_000, 1, None)));
        assert!(!sent.left_once(ISS + 1_000, ISS + 3_000));
        assert_eq!(sent.leaves(at(6), ISS + 2_000, ISS + 3_000, false), Some(before(1_000, 5, None)));
        assert_eq!(sent.leaves(at(7), ISS + 2_000, ISS + 3_000, false), Some(before(1_000, 6, Some(6))));
        // What was no probe counts the second time.
        assert_eq!(sent.leaves(at(5), ISS, ISS + 1_000, false), Some(before(1_000, 1, None)));
        assert_eq!(sent.leaves(at(6), ISS, ISS + 1_000, false), Some(before(1_000, 5, Some(5))));
    }

    #[test]
    fn blocks_that_overlap_count_once() {
        let mut sent = Sent::from(ISS);
        sent.leaves(at(1), ISS, ISS + 9_000, false);
        assert!(sent.sacked(ISS + 1_000, ISS + 2_000, true));
        assert!(sent.sacked(ISS + 3_000, ISS + 4_000, true));
        assert!(!sent.sacked(ISS + 3_100, ISS + 3_900, true));
        assert!(sent.sacked(ISS + 1_500, ISS + 3_000, true));
        assert_eq!(sent.sacked_octets(), 3_000);
        assert!(!sent.is_first_sacked());
        sent.acked(ISS + 2_500);
        assert_eq!((sent.sacked_octets(), sent.is_first_sacked()), (1_500, true));
    }
    #[test]
    fn what_was_heard_in_doubt_is_news_once_more() {
        let mut sent = Sent::from(ISS);
        sent.leaves(at(1), ISS, ISS + 9_000, false);
        assert!(sent.sacked(ISS + 1_000, ISS + 2_000, false));
        assert!(!sent.sacked(ISS + 1_000, ISS + 2_000, false));
        assert!(sent.sacked(ISS + 1_000, ISS + 2_000, true));
        assert!(!sent.sacked(ISS + 1_000, ISS + 2_000, true));
        assert_eq!(sent.sacked_octets(), 1_000);
    }
}
