//! SACK blocks (RFC 2018 section 3): at most four fit into the option space.

use crate::SeqNumber;

/// One run of octets that the receiver holds: from `left` up to, not including, `right`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SackBlock {
    /// The first octet of the run.
    pub left: SeqNumber,
    /// The octet that follows its last one.
    pub right: SeqNumber,
}

/// Up to four [`SackBlock`]s in the order in which they stand in the option.
///
/// ```
/// # use sockeye_wire::{SeqNumber, tcp::{SackBlock, SackBlocks}};
/// let mut blocks = SackBlocks::NONE;
/// assert!(blocks.push(SackBlock { left: SeqNumber::new(1), right: SeqNumber::new(9) }));
/// assert_eq!(blocks.len(), 1);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct SackBlocks {
    blocks: [SackBlock; Self::MAX],
    count: u8,
}

impl SackBlocks {
    /// What 40 octets of options hold: 2 + 4 * 8.
    pub const MAX: usize = 4;
    /// None at all: the option is absent.
    pub const NONE: Self =
        Self { blocks: [SackBlock { left: SeqNumber::new(0), right: SeqNumber::new(0) }; Self::MAX], count: 0 };

    /// Appends a block; false, and nothing done, if there are four already.
    pub fn push(&mut self, block: SackBlock) -> bool {
        let Some(slot) = self.blocks.get_mut(usize::from(self.count)) else {
            return false;
        };
        *slot = block;
        self.count += 1;
        true
    }

    /// Keeps the first `count` blocks.
    pub fn truncate(&mut self, count: usize) {
        self.count = self.count.min(u8::try_from(count).unwrap_or(u8::MAX));
    }

    /// How many blocks there are.
    pub const fn len(&self) -> usize {
        self.count as usize
    }

    /// True if there is no block.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The blocks, first to last.
    pub fn as_slice(&self) -> &[SackBlock] {
        self.blocks.get(..usize::from(self.count)).unwrap_or_default()
    }

    /// The blocks, first to last.
    pub fn iter(&self) -> core::slice::Iter<'_, SackBlock> {
        self.as_slice().iter()
    }
}

impl<'a> IntoIterator for &'a SackBlocks {
    type Item = &'a SackBlock;
    type IntoIter = core::slice::Iter<'a, SackBlock>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl PartialEq for SackBlocks {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for SackBlocks {}
