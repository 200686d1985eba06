//! Which SACK blocks to report (RFC 2018 section 4, RFC 2883 section 4).

use sockeye_wire::SeqNumber;
use sockeye_wire::tcp::{SackBlock, SackBlocks};

use super::RecvSide;

impl RecvSide {
    /// The blocks of an ACK that leaves now, at most `max`. A duplicate is reported once.
    pub(crate) fn sack_blocks(&mut self, max: usize) -> SackBlocks {
        let mut blocks = SackBlocks::NONE;
        //= rfc2018#4-2
        if !self.sack {
            return blocks;
        }
        //= rfc2883#4-1
        //= rfc2883#4-2
        //= rfc2883#4-3
        //= rfc2883#4-4
        //= rfc2883#4.1.1-1
        let duplicate = self.duplicate.take();
        if let Some(block) = duplicate {
            blocks.push(block);
        }
        let Some(reassembly) = &self.reassembly else {
            return blocks;
        };
        // A FIN that waits behind its text has arrived with it, and else the whole segment would be sent again.
        let end = |seq: SeqNumber| seq + u32::from(self.fin_at == Some(seq));
        let block = |(from, to): (u64, u64)| SackBlock { left: self.seq_at(from), right: end(self.seq_at(to)) };
        //= rfc2883#4-5
        let around = duplicate.and_then(|duplicate| reassembly.range_over(self.place_of(duplicate.left)));
        //= rfc2018#4-4
        //= rfc2018#4-6
        //= rfc2018#4-7
        //= rfc2883#4-6
        let others = reassembly.reported().filter(|range| Some(*range) != around);
        for range in around.into_iter().chain(others).take(max.saturating_sub(blocks.len())) {
            blocks.push(block(range));
        }
        blocks
    }
}
