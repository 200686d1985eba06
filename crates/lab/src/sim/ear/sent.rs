//! What one end has sent and what it was told of that: when each octet last left, and which are selectively acknowledged.

use std::collections::BTreeMap;

use sockeye_wire::{Instant, SeqNumber};

/// Octets that left together.
#[derive(Clone, Copy, Debug)]
struct Piece {
    end: u64,
    at: Instant,
    again: bool,
}

/// What left before, of something that leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Before {
    /// How many octets.
    pub(super) octets: u32,
    /// When the last of them left.
    pub(super) at: Instant,
    /// When the last of them left that had left more than once.
    pub(super) again_at: Option<Instant>,
}

/// Kept from SND.UNA on, at places that don't wrap; the first piece may begin before. A segment costs the logarithm of those
/// outstanding.
#[derive(Clone, Debug, Default)]
pub(super) struct Sent {
    una: SeqNumber,
    /// The place of `una`.
    una_at: u64,
    pieces: BTreeMap<u64, Piece>,
    /// Where selectively acknowledged octets begin and end, and how many there are.
    sacked: BTreeMap<u64, u64>,
    sacked_octets: u64,
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

    /// `start..end` leaves; what of it left before.
    pub(super) fn leaves(&mut self, now: Instant, start: SeqNumber, end: SeqNumber) -> Option<Before> {
        let (start, end) = (self.place(start), self.place(end));
        if start == end {
            return None;
        }
        // Most is new, and follows all that left before.
        match self.pieces.last_entry() {
            Some(last) if last.get().end > start => {}
            Some(mut last) if last.get().end == start && last.get().at == now && !last.get().again => {
                last.get_mut().end = end;
                return None;
            }
            _ => {
                self.pieces.insert(start, Piece { end, at: now, again: false });
                return None;
            }
        }
        let mut before: Option<Before> = None;
        while let Some((&at, &piece)) = self.pieces.range(..end).next_back().filter(|(_, piece)| piece.end > start) {
            self.pieces.remove(&at);
            if at < start {
                self.pieces.insert(at, Piece { end: start, ..piece });
            }
            if piece.end > end {
                self.pieces.insert(end, piece);
            }
            let octets = u32::try_from(piece.end.min(end) - at.max(start)).unwrap_or(u32::MAX);
            let again_at = Some(piece.at).filter(|_| piece.again);
            let known = before.get_or_insert(Before { octets: 0, at: piece.at, again_at });
            known.octets += octets;
            known.at = known.at.max(piece.at);
            known.again_at = known.again_at.max(again_at);
        }
        let mut place = start;
        if let Some(before) = before {
            place = end.min(start + u64::from(before.octets));
            self.pieces.insert(start, Piece { end: place, at: now, again: true });
        }
        if place < end {
            self.pieces.insert(place, Piece { end, at: now, again: false });
        }
        before
    }

    /// Whatever is outstanding may be sent again at any time.
    pub(super) fn forget_times(&mut self) {
        self.pieces.clear();
    }

    /// Everything before `una` has arrived.
    pub(super) fn acked(&mut self, una: SeqNumber) {
        self.una_at = self.place(una);
        self.una = una;
        let place = self.una_at;
        while let Some(first) = self.pieces.first_entry().filter(|first| first.get().end <= place) {
            first.remove();
        }
        while let Some(first) = self.sacked.first_entry().filter(|first| *first.key() < place) {
            let (start, end) = first.remove_entry();
            self.sacked_octets -= end.min(place) - start;
            if end > place {
                self.sacked.insert(place, end);
            }
        }
    }

    /// `left..right`, all of it sent, is said to have arrived; true if that is news.
    pub(super) fn sacked(&mut self, left: SeqNumber, right: SeqNumber) -> bool {
        let (mut left, mut right) = (self.place(left), self.place(right));
        let before = self.sacked_octets;
        while let Some((&start, &end)) = self.sacked.range(..=right).next_back().filter(|(_, end)| **end >= left) {
            self.sacked.remove(&start);
            self.sacked_octets -= end - start;
            (left, right) = (left.min(start), right.max(end));
        }
        if left < right {
            self.sacked.insert(left, right);
            self.sacked_octets += right - left;
        }
        self.sacked_octets > before
    }

    /// Octets beyond SND.UNA that are said to have arrived.
    pub(super) const fn sacked_octets(&self) -> u64 {
        self.sacked_octets
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
        assert_eq!(sent.leaves(at(1), ISS, ISS + 1_000), None);
        assert_eq!(sent.leaves(at(2), ISS + 1_000, ISS + 3_000), None);
        assert_eq!(sent.leaves(at(5), ISS + 500, ISS + 1_500), Some(before(1_000, 2, None)));
        assert_eq!(sent.leaves(at(6), ISS, ISS + 500), Some(before(500, 1, None)));
        assert_eq!(sent.leaves(at(7), ISS + 1_400, ISS + 3_500), Some(before(1_600, 5, Some(5))));
        sent.acked(ISS + 3_200);
        assert_eq!(sent.leaves(at(8), ISS, ISS + 3_300), Some(before(100, 7, None)));
    }

    #[test]
    fn blocks_that_overlap_count_once() {
        let mut sent = Sent::from(ISS);
        sent.leaves(at(1), ISS, ISS + 9_000);
        assert!(sent.sacked(ISS + 1_000, ISS + 2_000));
        assert!(sent.sacked(ISS + 3_000, ISS + 4_000));
        assert!(!sent.sacked(ISS + 3_100, ISS + 3_900));
        assert!(sent.sacked(ISS + 1_500, ISS + 3_000));
        assert_eq!(sent.sacked_octets(), 3_000);
        sent.acked(ISS + 2_500);
        assert_eq!(sent.sacked_octets(), 1_500);
    }
}
