//! What was sent again, as far as reports of duplicates are to be compared with it (RFC 3708).

use alloc::vec::Vec;

use sockeye_wire::SeqNumber;
use sockeye_wire::tcp::SackBlock;

/// How many ranges one recovery remembers, 2 KiB of them. Where it sends more pieces again that don't adjoin, reports of
/// duplicates don't tell whether it was needless.
const MAX_RANGES: usize = 256;

/// Ranges of sequence numbers, each from its first to before its last, that don't overlap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ranges(Vec<(SeqNumber, SeqNumber)>);

impl Ranges {
    pub(super) const NONE: Self = Self(Vec::new());

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a range; false if there is no room for it.
    pub(super) fn insert(&mut self, left: SeqNumber, right: SeqNumber) -> bool {
        let has_room = self.0.len() < MAX_RANGES;
        match self.0.last_mut() {
            Some((_, end)) if *end == left => *end = right,
            _ if has_room => self.0.push((left, right)),
            _ => return false,
        }
        true
    }

    /// Takes out what lies in `left..right`; false if that leaves two pieces of one range, and no room for the second.
    pub(super) fn remove(&mut self, left: SeqNumber, right: SeqNumber) -> bool {
        let mut cut_off = None;
        self.0.retain_mut(|(start, end)| {
            if right.at_or_before(*start) || end.at_or_before(left) {
                return true;
            }
            let (before, after) = (start.before(left), right.before(*end));
            match (before, after) {
                (true, true) => cut_off = Some((right, core::mem::replace(end, left))),
                (true, false) => *end = left,
                (false, true) => *start = right,
                (false, false) => {}
            }
            before || after
        });
        match cut_off {
            Some(_) if self.0.len() == MAX_RANGES => return false,
            Some(rest) => self.0.push(rest),
            None => {}
        }
        true
    }

    /// Forgets what lies before `una`.
    pub(super) fn forget_before(&mut self, una: SeqNumber) {
        self.0.retain_mut(|(start, end)| {
            if start.before(una) {
                *start = una;
            }
            start.before(*end)
        });
    }
}

/// What was sent more than once over the life of the connection, beside what the peer reported to have received twice.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    /// Octets of sequence space sent again, for whatever reason.
    sent: u64,
    /// What follows the last of them.
    until: Option<SeqNumber>,
    /// Octets of sequence space reported as duplicates.
    pub(super) reported: u64,
    /// The network was seen to duplicate: reports don't tell what was needless any more.
    pub(super) by_network: bool,
}

impl Repeats {
    /// What ends before `until` was sent again, `octets` of it.
    pub(super) fn on_sent(&mut self, until: SeqNumber, octets: u32) {
        self.sent += u64::from(octets);
        if self.until.is_none_or(|last| last.before(until)) {
            self.until = Some(until);
        }
    }

    /// More was reported than was ever sent again. From then on no report is believed.
    pub(super) fn are_exceeded(&mut self) -> bool {
        let exceeded = self.reported > self.sent;
        self.by_network |= exceeded;
        exceeded
    }

    /// The peer reports `block`. If nothing that far was ever sent again the network has duplicated it.
    //= rfc3708#3-8
    pub(super) fn note(&mut self, block: SackBlock) {
        self.by_network |= self.until.is_none_or(|until| until.at_or_before(block.left));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seq(value: u32) -> SeqNumber {
        SeqNumber::new(value)
    }

    fn of(ranges: &[(u32, u32)]) -> Ranges {
        Ranges(ranges.iter().map(|&(left, right)| (seq(left), seq(right))).collect())
    }

    #[test]
    fn what_adjoins_is_one_range_and_what_is_taken_out_may_leave_two() {
        let mut ranges = Ranges::NONE;
        for (left, right) in [(u32::MAX - 99, 100), (100, 300), (500, 600)] {
            assert!(ranges.insert(seq(left), seq(right)));
        }
        assert_eq!(ranges, of(&[(u32::MAX - 99, 300), (500, 600)]));
        assert!(ranges.remove(seq(0), seq(50)));
        assert_eq!(ranges, of(&[(u32::MAX - 99, 0), (500, 600), (50, 300)]));
        assert!(ranges.remove(seq(300), seq(500)));
        assert!(ranges.remove(seq(200), seq(550)));
        assert_eq!(ranges, of(&[(u32::MAX - 99, 0), (550, 600), (50, 200)]));
        ranges.forget_before(seq(100));
        assert_eq!(ranges, of(&[(550, 600), (100, 200)]));
        assert!(ranges.remove(seq(0), seq(1000)));
        assert!(ranges.is_empty());
    }

    /// However a peer's reports cut them.
    #[test]
    fn there_are_never_more_ranges_than_are_remembered() {
        let mut ranges = Ranges::NONE;
        let mut starts = (0..MAX_RANGES).map(|i| 1000 * u32::try_from(i).unwrap());
        assert!(starts.clone().all(|start| ranges.insert(seq(start), seq(start + 500))));
        assert!(!ranges.insert(seq(5_000_000), seq(5_000_500)));
        assert!(!ranges.remove(seq(100), seq(200)), "one range becomes two");
        assert_eq!(ranges.0.len(), MAX_RANGES);
        assert!(ranges.insert(starts.next_back().map(|start| seq(start + 500)).unwrap(), seq(5_000_000)), "it adjoins");
    }

    fn block(left: u32, right: u32) -> SackBlock {
        SackBlock { left: seq(left), right: seq(right) }
    }

    //= rfc3708#3-8
    #[test]
    fn a_duplicate_behind_all_that_was_sent_again_is_the_networks() {
        let mut repeats = Repeats::default();
        repeats.on_sent(seq(5000), 1000);
        repeats.on_sent(seq(2000), 1000);
        for (reported, by_network) in [(block(4000, 5000), false), (block(0, 1000), false), (block(5000, 6000), true)] {
            repeats.note(reported);
            assert_eq!(repeats.by_network, by_network, "{reported:?}");
        }
    }

    /// By octets, since a segment of former days may be as long as several of today's.
    #[test]
    fn no_more_is_believed_than_was_sent_again() {
        let mut repeats = Repeats::default();
        repeats.on_sent(seq(5000), 3000);
        repeats.reported = 3000;
        assert!(!repeats.are_exceeded());
        repeats.reported = 3001;
        assert!(repeats.are_exceeded() && repeats.by_network);
    }
}
