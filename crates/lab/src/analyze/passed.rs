//! The last segments of a side that passed, to tell a copy that the network made from what was sent again.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use sockeye_wire::Instant;

use super::packet::Segment;

/// Segments that are remembered: a copy is seldom far behind.
const REMEMBERED: usize = 16;

/// Headers, as numbers that differ where they do, and when they passed.
#[derive(Debug, Default)]
pub struct Passed(VecDeque<(u64, Instant)>);

impl Passed {
    /// A segment passes.
    pub fn note(&mut self, segment: &Segment<'_>) {
        if self.0.len() >= REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back((digest(segment), segment.at));
    }

    /// True if `segment` is one that passed before, and not sent again. Who sends again numbers the packet anew (RFC 6864) and
    /// stamps it with the present time (RFC 7323 section 3.2). One of the two proves it only within the `round_trip` from the
    /// capture to the sender, which any answer of its takes: clocks may be coarse, and a sender may number all packets alike.
    /// So at the sender itself neither does alone; and where there is neither, nothing.
    pub fn has_copy_of(&self, segment: &Segment<'_>, round_trip: Duration) -> bool {
        let proofs = u8::from(segment.id != 0) + u8::from(segment.options.timestamps.is_some());
        let wanted = digest(segment);
        let mut same = self.0.iter().filter(|(known, _)| proofs > 0 && *known == wanted);
        same.any(|(_, at)| proofs > 1 || segment.at.since(*at) < round_trip)
    }

    /// Forgets them, and gives back their memory.
    pub fn forget(&mut self) {
        self.0 = VecDeque::new();
    }
}

/// What a copy has in common with its original, and a retransmission mostly hasn't.
fn digest(segment: &Segment<'_>) -> u64 {
    let timestamps = segment.options.timestamps.map(|timestamps| (timestamps.value, timestamps.echo));
    let mut hasher = DefaultHasher::new();
    let numbers = (segment.seq, segment.text_len, segment.ack, segment.window, segment.flags);
    (numbers, timestamps, segment.id).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use sockeye_wire::tcp::{Options, Timestamps};

    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(20);

    fn segment(millis: u64, id: u16, value: Option<u32>) -> Segment<'static> {
        let timestamps = value.map(|value| Timestamps { value, echo: 1 });
        let options = Options { timestamps, ..Options::NONE };
        Segment { at: Instant::from_millis(millis), id, options, ..Segment::example(1, 1_000, 500, None) }
    }

    #[test]
    fn a_copy_has_the_number_and_the_time_of_its_original() {
        for (original, later, is_copy) in [
            (segment(0, 7, Some(3)), segment(90, 7, Some(3)), true),
            (segment(0, 7, Some(3)), segment(90, 8, Some(3)), false),
            (segment(0, 7, Some(3)), segment(90, 7, Some(4)), false),
            // A clock that ticks seldom, or a sender that numbers none: only what comes too soon is one.
            (segment(0, 0, Some(3)), segment(19, 0, Some(3)), true),
            (segment(0, 0, Some(3)), segment(20, 0, Some(3)), false),
            (segment(0, 7, None), segment(19, 7, None), true),
            (segment(0, 7, None), segment(20, 7, None), false),
            (segment(0, 0, None), segment(1, 0, None), false),
        ] {
            let mut passed = Passed::default();
            passed.note(&original);
            assert_eq!(passed.has_copy_of(&later, ROUND_TRIP), is_copy, "{original:?}, then {later:?}");
        }
    }

    #[test]
    fn no_more_than_the_last_are_remembered() {
        let mut passed = Passed::default();
        (0..17).for_each(|id| passed.note(&segment(0, id + 1, Some(3))));
        assert!(!passed.has_copy_of(&segment(0, 1, Some(3)), ROUND_TRIP));
        assert!(passed.has_copy_of(&segment(0, 2, Some(3)), ROUND_TRIP));
        passed.forget();
        assert!(!passed.has_copy_of(&segment(0, 2, Some(3)), ROUND_TRIP));
    }
}
