//! Headers of what leaves: acknowledgment, window, options.

use sockeye_wire::tcp::{Flags, Options, SackBlocks, Timestamps};
use sockeye_wire::{Instant, SeqNumber};

use crate::negotiated::timestamp;
use crate::tcb::Tcb;
use crate::timeouts::Timer;
use crate::{Header, Transmit};

/// SACK blocks that fit beside timestamps, and without.
//= rfc2018#3-2
const BLOCKS_BESIDE_TIMESTAMPS: usize = 3;

impl Tcb {
    /// An empty `<SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>`, with what SACK has to say.
    pub(crate) fn ack_segment(&mut self, now: Instant) -> Transmit {
        let seq = self.send.snd_nxt();
        self.ack_segment_at(now, seq)
    }

    /// An empty segment at `seq` that acknowledges RCV.NXT.
    pub(crate) fn ack_segment_at(&mut self, now: Instant, seq: SeqNumber) -> Transmit {
        let max = if self.agreed.timestamps { BLOCKS_BESIDE_TIMESTAMPS } else { SackBlocks::MAX };
        let sack = self.recv.sack_blocks(max);
        let mut header = self.header(now, seq, Flags::ACK);
        header.options.sack = sack;
        Transmit::from(header)
    }

    /// A header at `seq` that acknowledges RCV.NXT and leaves now: whatever ACK was owed is paid by it.
    //= rfc9293#3.1-6
    pub(crate) fn header(&mut self, now: Instant, seq: SeqNumber, flags: Flags) -> Header {
        let window = self.recv.advertise();
        let rcv_nxt = self.recv.rcv_nxt();
        self.recv.ack.on_sent();
        self.recv.timestamps.on_ack_sent(rcv_nxt);
        self.deadlines.stop(Timer::DelayedAck);
        self.counts.on_leaving();
        let urgent = self.send.urgent_pointer(seq);
        Header {
            seq,
            ack: rcv_nxt,
            flags: Flags { urg: urgent.is_some(), ece: self.echoes_mark() && !flags.rst, ..flags },
            window,
            urgent: urgent.unwrap_or(0),
            options: Options { timestamps: self.timestamps(now), ..Options::NONE },
        }
    }

    /// The timestamps option of a segment that leaves now, if the two sides use it.
    //= rfc7323#3.2-4
    //= rfc7323#3.2-6
    //= rfc7323#4.3-3
    pub(crate) fn timestamps(&self, now: Instant) -> Option<Timestamps> {
        self.agreed
            .timestamps
            .then(|| Timestamps { value: timestamp(now, self.timestamp_offset), echo: self.recv.timestamps.recent() })
    }
}
