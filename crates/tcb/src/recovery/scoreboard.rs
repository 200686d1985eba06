//! What SACK blocks say, and which of them to believe (RFC 2018, RFC 2883).
//!
//! They are anybody's word until checked: a block counts if it lies between SND.UNA and SND.NXT, the right way round. Of
//! what it covers only whole segments count ([`super::outstanding`]), so that no pattern of blocks costs more than the
//! segments in flight are worth (CVE-2019-11477).

use smallvec::SmallVec;
use sockeye_wire::SeqNumber;
use sockeye_wire::tcp::SackBlock;

/// The duplicate that the blocks of an ACK of `ack` report, if they do.
//= rfc2883#5-1
//= rfc2883#5-2
pub(super) fn duplicate(ack: SeqNumber, blocks: &[SackBlock]) -> Option<SackBlock> {
    let (first, others) = blocks.split_first()?;
    let below = first.right.at_or_before(ack);
    let inside = others.first().is_some_and(|second| {
        second.left.at_or_before(first.left) && first.right.at_or_before(second.right) && first != second
    });
    (first.left.before(first.right) && (below || inside)).then_some(*first)
}

//= rfc2018#3-3
/// The blocks that tell of what is sent and not acknowledged, as octets after `una`, in order.
pub(super) fn credible(una: SeqNumber, nxt: SeqNumber, blocks: &[SackBlock]) -> SmallVec<[(u32, u32); 4]> {
    let sent = nxt.since(una);
    let mut credible: SmallVec<[(u32, u32); 4]> = blocks
        .iter()
        .map(|block| (block.left.since(una), block.right.since(una)))
        .filter(|&(left, right)| left < right && right <= sent)
        .collect();
    credible.sort_unstable();
    credible
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(left: u32, right: u32) -> SackBlock {
        SackBlock { left: SeqNumber::new(left), right: SeqNumber::new(right) }
    }

    const ACK: SeqNumber = SeqNumber::new(u32::MAX - 500);

    //= rfc2883#5-1
    //= rfc2883#5-2
    #[test]
    fn a_first_block_below_the_ack_or_inside_the_second_is_a_duplicate() {
        let old = block(u32::MAX - 2000, u32::MAX - 1000);
        assert_eq!(duplicate(ACK, &[old, block(500, 900)]), Some(old));
        let inner = block(600, 700);
        assert_eq!(duplicate(ACK, &[inner, block(500, 900)]), Some(inner));
        assert_eq!(duplicate(ACK, &[block(500, 900), inner]), None);
        assert_eq!(duplicate(ACK, &[block(500, 900)]), None);
        assert_eq!(duplicate(ACK, &[block(u32::MAX - 1000, u32::MAX - 2000)]), None, "the wrong way round");
    }

    #[test]
    fn blocks_of_what_was_never_sent_or_is_acknowledged_are_not_believed() {
        let nxt = ACK + 5000;
        let good = block(500, 1500);
        let bad = [
            block(1500, 500),
            block(u32::MAX - 2000, u32::MAX - 1000),
            block(u32::MAX - 2000, 700),
            block(4000, 6000),
            block(700, 700),
        ];
        for bad in bad {
            assert_eq!(credible(ACK, nxt, &[bad, good]).as_slice(), [(1001, 2001)], "{bad:?}");
        }
        assert_eq!(credible(ACK, nxt, &[block(3000, 3500), good]).as_slice(), [(1001, 2001), (3501, 4001)]);
    }
}
