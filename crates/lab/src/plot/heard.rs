//! What an ACK adds to a time-sequence graph: the same rules for a capture and for a simulation.

use std::ops::Range;

use sockeye_wire::SeqNumber;

use super::What;

/// True if the first of these SACK blocks tells of octets that came twice: it lies below the ACK, or within the second block
/// (RFC 2883 section 4).
pub(crate) fn first_is_d_sack<T: PartialOrd>(blocks: &[Range<T>], ack: &T) -> bool {
    match blocks {
        [first, rest @ ..] => {
            let inside = |other: &Range<T>| other.start <= first.start && first.end <= other.end;
            first.end <= *ack || rest.first().is_some_and(inside)
        }
        [] => false,
    }
}

/// What blocks of an ACK draw.
pub(crate) fn sacked(blocks: &[Range<u64>], ack: u64) -> impl Iterator<Item = What> {
    let d_sack = first_is_d_sack(blocks, &ack);
    blocks.iter().cloned().enumerate().map(move |(number, octets)| {
        if number == 0 && d_sack { What::SackedTwice(octets) } else { What::Sacked(octets) }
    })
}

/// Which ACKs move the lines: one that was overtaken on the way says what held before.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lines {
    /// The highest ACK so far, and in which segment of its sender it came.
    last: Option<(u64, SeqNumber)>,
}

impl Lines {
    /// An ACK comes in a segment that begins at `seq`. Of those that acknowledge the same the last by its sender's numbers
    /// tells the window (RFC 9293 section 3.10.7.4: SND.WL1, SND.WL2), so that the line falls only where the window shrinks.
    pub(crate) fn heard(&mut self, seq: SeqNumber, ack: u64, window: u64) -> Option<What> {
        let is_old = |(highest, last): (u64, SeqNumber)| ack < highest || ack == highest && seq.before(last);
        if self.last.is_some_and(is_old) {
            return None;
        }
        self.last = Some((ack, seq));
        Some(What::Acked { ack, window })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_block_below_the_ack_or_within_the_second_is_a_d_sack() {
        assert!(first_is_d_sack(&[0..5, 20..25], &5) && !first_is_d_sack(&[0..5, 20..25], &4));
        assert!(first_is_d_sack(&[12..14, 10..20], &5) && first_is_d_sack(&[10..20, 10..20], &5));
        assert!(!first_is_d_sack(&[10..21, 10..20], &5) && !first_is_d_sack(&[30..40, 10..20, 25..50], &5));
        assert!(!first_is_d_sack::<u64>(&[], &5));
        let drawn: Vec<_> = sacked(&[12..14, 10..20], 5).collect();
        assert_eq!(drawn, [What::SackedTwice(12..14), What::Sacked(10..20)]);
    }

    #[test]
    fn lines_fall_only_where_the_window_shrinks() {
        let seq = SeqNumber::new(u32::MAX);
        let mut lines = Lines::default();
        let mut heard = |seq, ack, window| match lines.heard(seq, ack, window) {
            Some(What::Acked { ack, window }) => Some((ack, window)),
            _ => None,
        };
        assert_eq!(heard(seq, 2_000, 1_000), Some((2_000, 1_000)));
        assert_eq!(heard(seq, 1_000, 5_000), None, "overtaken");
        assert_eq!(heard(seq, 2_000, 500), Some((2_000, 500)), "it shrinks");
        assert_eq!(heard(seq + 10, 2_000, 9_000), Some((2_000, 9_000)));
        assert_eq!(heard(seq, 2_000, 500), None, "sent before the last one");
        assert_eq!(heard(seq, 3_000, 500), Some((3_000, 500)), "a higher ACK counts, whatever it comes in");
    }
}
