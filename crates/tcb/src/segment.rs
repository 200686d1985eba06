//! What comes in: a TCP segment whose checksum and lengths have been checked.

use bytes::Bytes;
use sockeye_wire::ip::Ecn;
use sockeye_wire::tcp::{Flags, Options};
use sockeye_wire::{Instant, SeqNumber};

/// A received segment. The names are those of RFC 9293 section 3.3.1: `seq` is SEG.SEQ, `ack` is SEG.ACK, and so on.
#[derive(Clone, Debug)]
pub struct Segment {
    /// SEG.SEQ: the sequence number of the first octet, or of the SYN.
    pub seq: SeqNumber,
    /// SEG.ACK; significant only with [`Flags::ack`].
    pub ack: SeqNumber,
    /// The control bits.
    pub flags: Flags,
    /// SEG.WND as it stands in the header, not yet scaled.
    //= rfc9293#MUST-1
    pub window: u16,
    /// SEG.UP; significant only with [`Flags::urg`].
    pub urgent: u16,
    /// The options.
    pub options: Options,
    /// The text.
    pub payload: Bytes,
    /// When the batch that brought it was read: what RTT samples are made of. Never later than `now`.
    pub arrived_at: Instant,
    /// Octets in each segment that the device merged into this one (the last may be shorter); 0 if it is one segment
    /// as sent.
    pub segment_size: u16,
    /// What the IP header says of congestion; of merged segments, all said the same.
    pub ecn: Ecn,
}

impl Segment {
    //= rfc9293#3.4-1
    /// SEG.LEN: octets of text, plus one for SYN, plus one for FIN.
    pub fn len(&self) -> u32 {
        self.text_len() + u32::from(self.flags.syn) + u32::from(self.flags.fin)
    }

    /// True if the segment takes no sequence space.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Octets of text.
    pub(crate) fn text_len(&self) -> u32 {
        u32::try_from(self.payload.len()).unwrap_or(u32::MAX)
    }

    /// How many segments were merged into this one; 1 if none were. What the device says of them is its word: none is longer
    /// than the whole.
    pub(crate) fn count(&self) -> u32 {
        if self.segment_size == 0 { 1 } else { self.text_len().div_ceil(self.segment_size.into()).max(1) }
    }

    /// The sequence number that follows the segment: SEG.SEQ + SEG.LEN.
    pub fn end(&self) -> SeqNumber {
        self.seq + self.len()
    }

    /// The sequence number of the first octet of text.
    pub(crate) fn text_start(&self) -> SeqNumber {
        self.seq + u32::from(self.flags.syn)
    }
}
