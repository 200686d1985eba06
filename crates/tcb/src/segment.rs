//! What comes in: a TCP segment whose checksum and lengths have been checked.

use alloc::vec::Vec;

use bytes::{Buf, Bytes};
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
    /// The text, or its first piece.
    pub payload: Bytes,
    /// The pieces of text that follow it, if it came in such.
    pub more: Vec<Bytes>,
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
        let more: usize = self.more.iter().map(Bytes::len).sum();
        u32::try_from(self.payload.len() + more).unwrap_or(u32::MAX)
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

    /// Cuts `octets` off the front of the text, and makes it no longer than `max`.
    pub(crate) fn trim(&mut self, octets: u32, max: u32) {
        let (mut skip, mut room) = (octets as usize, max as usize);
        for piece in core::iter::once(&mut self.payload).chain(&mut self.more) {
            let skipped = skip.min(piece.len());
            piece.advance(skipped);
            piece.truncate(room);
            (skip, room) = (skip - skipped, room - piece.len());
        }
    }

    /// The sequence number of the first octet of text.
    pub(crate) fn text_start(&self) -> SeqNumber {
        self.seq + u32::from(self.flags.syn)
    }
}
