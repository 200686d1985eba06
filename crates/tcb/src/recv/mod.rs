//! The receive side: RCV.NXT, the window offered, text in and out of order (RFC 9293 section 3.3.1).

mod ack_policy;
mod autotune;
mod reassembly;
mod sack_blocks;
mod timestamps;
mod window;

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::Bytes;
use sockeye_wire::tcp::SackBlock;
use sockeye_wire::{Instant, SeqNumber};

use crate::chunks::ChunkQueue;
use crate::negotiated::Negotiated;
use crate::transmit::Slices;
pub(crate) use ack_policy::{AckPolicy, Owed, PRESUMED_ANSWER};
use autotune::Autotune;
pub(crate) use autotune::Returned;
use reassembly::Reassembly;
pub(crate) use reassembly::TooManyHoles;
pub(crate) use timestamps::PeerTimestamps;
use window::Window;

/// One hole may be kept for so many octets of buffer, and a few in any: what a hostile peer makes of a window costs no more
/// than the window, and every second segment of a wide one may be missing.
const OCTETS_A_HOLE: u32 = 1024;
const MIN_HOLES: u32 = 64;

/// What was received. Holds: `queue` ends at `rcv_nxt`, or one octet before once the FIN was taken; `reassembly` holds
/// only text beyond `rcv_nxt`.
#[derive(Debug)]
pub(crate) struct RecvSide {
    rcv_nxt: SeqNumber,
    window: Window,
    /// Octets that may wait to be read while the stack isn't short of memory.
    buffer: u32,
    /// Allocated once so much was received that the buffer may have to grow.
    autotune: Option<Box<Autotune>>,
    queue: ChunkQueue,
    reassembly: Option<Box<Reassembly>>,
    /// Where a FIN stands that came out of order.
    pub(crate) fin_at: Option<SeqNumber>,
    /// RCV.UP: the octet that follows the urgent text, while that isn't read.
    rcv_up: Option<SeqNumber>,
    pub(crate) timestamps: PeerTimestamps,
    pub(crate) ack: AckPolicy,
    sack: bool,
    /// What to report as received twice.
    duplicate: Option<SackBlock>,
    /// True once the peer's FIN was taken: RCV.NXT is beyond it.
    fin_taken: bool,
    /// The application has read since the window was last told.
    was_read: bool,
}

/// What became of text that was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// RCV.NXT advanced.
    pub(crate) advanced: bool,
    /// Octets that were copied.
    pub(crate) copied: u32,
}

impl RecvSide {
    /// The state after the peer's SYN. `offered` is the window that our own SYN or SYN-ACK named.
    pub(crate) fn new(
        irs: SeqNumber,
        agreed: Negotiated,
        offered: u16,
        buffer: u32,
        ts_recent: u32,
        now: Instant,
    ) -> Self {
        let rcv_nxt = irs + 1;
        Self {
            rcv_nxt,
            window: Window::new(rcv_nxt, offered, agreed.rcv_shift, buffer),
            buffer,
            autotune: None,
            queue: ChunkQueue::default(),
            reassembly: None,
            fin_at: None,
            rcv_up: None,
            timestamps: PeerTimestamps::new(ts_recent, now, rcv_nxt),
            ack: AckPolicy::new(),
            sack: agreed.sack,
            duplicate: None,
            fin_taken: false,
            was_read: false,
        }
    }

    /// RCV.NXT.
    pub(crate) const fn rcv_nxt(&self) -> SeqNumber {
        self.rcv_nxt
    }

    /// RCV.WND as promised: no promise is taken back.
    pub(crate) const fn rcv_wnd(&self) -> u32 {
        self.window.offered(self.rcv_nxt)
    }

    /// Octets that wait to be read.
    pub(crate) fn queued(&self) -> u32 {
        self.queue.len()
    }

    /// Octets that wait to be read, or for what is missing before them.
    pub(crate) fn held(&self) -> u32 {
        self.queue.len() + self.reassembly.as_ref().map_or(0, |reassembly| reassembly.octets())
    }

    /// Octets of text received in order since the SYN.
    pub(crate) const fn received(&self) -> u64 {
        self.queue.end()
    }

    /// True once all text was received and the FIN taken, unless some of it was dropped before it was read.
    pub(crate) const fn is_finished(&self) -> bool {
        self.fin_taken
    }

    /// True if something was received that the application has not taken.
    pub(crate) fn has_unread(&self) -> bool {
        !self.queue.is_empty() || self.reassembly.is_some()
    }

    /// The window field of a segment that leaves now.
    pub(crate) fn advertise(&mut self) -> u16 {
        self.was_read = false;
        self.window.advertise(self.rcv_nxt, self.queue.len(), self.ack.rcv_mss())
    }

    /// True if the application has read so much that the peer should hear of the window. Rarely more than one update
    /// for two segments; sooner if the peer is nearly stopped. Not while an answer is presumed to bring it, unless the peer is stopped until
    /// then.
    pub(crate) fn owes_window_update(&self) -> bool {
        let (buffer, mss) = (self.window.buffer(), self.ack.rcv_mss());
        if !self.was_read || (self.rcv_wnd() >= mss && self.ack.waits_for_presumed_answer()) {
            return false;
        }
        let growth = self.window.could_grow(self.rcv_nxt, self.queue.len());
        let enough = if self.rcv_wnd() < 2 * mss { mss } else { (buffer / 4).max(2 * mss) };
        growth > 0 && growth >= enough.min(buffer / 2)
    }

    /// An acceptable segment at `seq` brings this TSval.
    pub(crate) fn take_timestamp(&mut self, now: Instant, value: u32, seq: SeqNumber) {
        let edge = self.rcv_nxt + self.rcv_wnd();
        self.timestamps.update(now, value, seq, edge, self.reassembly.is_some());
    }

    /// Keeps in-window `text`, `octets` in pieces, that starts at `seq`, which is not before RCV.NXT. `segment_size` is that
    /// of the segments in it, `pushed` if the last has PSH.
    pub(crate) fn take_text(
        &mut self,
        seq: SeqNumber,
        first: Bytes,
        more: Vec<Bytes>,
        octets: u32,
        segment_size: u32,
        pushed: bool,
    ) -> Result<Taken, TooManyHoles> {
        if seq != self.rcv_nxt {
            self.ack.on_disorder(octets, segment_size);
            let copied = self.keep_for_later(seq, core::iter::once(first).chain(more))?;
            return Ok(Taken { advanced: false, copied });
        }
        self.report_overlap(octets);
        self.rcv_nxt += octets;
        let mut copied = self.queue.push(first);
        // One by one as they are: an iterator over both is 40 instructions where there are no more.
        if !more.is_empty() {
            more.into_iter().for_each(|piece| copied += self.queue.push(piece));
        }
        self.ack.on_text(octets, segment_size, pushed);
        copied += self.join_what_waited();
        Ok(Taken { advanced: true, copied })
    }

    //= rfc9293#SHLD-31
    //= rfc2883#4.2-1
    fn keep_for_later(&mut self, seq: SeqNumber, text: impl Iterator<Item = Bytes>) -> Result<u32, TooManyHoles> {
        let mut place = self.place_of(seq);
        let holes = (self.window.buffer() / OCTETS_A_HOLE).max(MIN_HOLES);
        let reassembly = self.reassembly.get_or_insert_default();
        let (mut duplicate, mut copied) = (None, 0);
        for piece in text.filter(|piece| !piece.is_empty()) {
            let end = place + piece.len() as u64;
            let inserted = reassembly.insert(place, piece, holes as usize)?;
            copied += inserted.copied;
            duplicate = match (duplicate, inserted.duplicate) {
                // The first run goes on into this piece.
                (Some((from, to)), Some((next, end))) if to == next => Some((from, end)),
                (first, next) => first.or(next),
            };
            place = end;
        }
        if let Some((from, to)) = duplicate {
            self.report_duplicate(self.seq_at(from), self.seq_at(to));
        }
        Ok(copied)
    }

    /// Of the `octets` in order that have come some may have waited here already: they are reported, unless a duplicate
    /// before them is.
    //= rfc2883#4.2-1
    fn report_overlap(&mut self, octets: u32) {
        let Some(reassembly) = self.reassembly.as_ref().filter(|_| self.duplicate.is_none()) else {
            return;
        };
        let end = self.queue.end() + u64::from(octets);
        if let Some((from, to)) = reassembly.first().filter(|&(from, _)| from < end) {
            self.report_duplicate(self.seq_at(from), self.seq_at(to.min(end)));
        }
    }

    /// Moves text that had waited for RCV.NXT into the queue, and says how much of it was copied. Its timestamps were looked at
    /// when it came.
    //= rfc7323#5.3-3
    fn join_what_waited(&mut self) -> u32 {
        let Some(reassembly) = &mut self.reassembly else {
            return 0;
        };
        let mut copied = 0;
        //= rfc5681#3.2-2
        //= rfc5681#4.2-7
        self.ack.on_repair();
        if let Some(range) = reassembly.take_from(self.queue.end()) {
            self.rcv_nxt += range.len();
            copied = self.queue.append(range);
        }
        if reassembly.is_empty() {
            self.reassembly = None;
        }
        copied
    }

    /// Text was received twice, from `left` up to `right`: the next ACK reports it (RFC 2883), and leaves at once.
    pub(crate) const fn report_duplicate(&mut self, left: SeqNumber, right: SeqNumber) {
        self.duplicate = Some(SackBlock { left, right });
        self.ack.on_repair();
    }

    //= rfc9293#3.10.7.4-21
    /// Takes the peer's FIN if all text before it is here: an ACK is owed.
    pub(crate) fn take_fin(&mut self) -> bool {
        let due = self.fin_at == Some(self.rcv_nxt) && !self.fin_taken;
        if due {
            self.fin_taken = true;
            self.rcv_nxt += 1;
        }
        due
    }

    /// The next octets to read, at most `max`.
    pub(crate) fn read(&mut self, max: usize) -> Option<Bytes> {
        let text = self.queue.pop(max)?;
        self.was_read = true;
        if self.urgent_left() == Some(0) {
            self.rcv_up = None;
        }
        Some(text)
    }

    /// The next octets to read, at most `max`, which stay.
    pub(crate) fn peek(&mut self, max: usize) -> Slices {
        self.queue.slices(self.queue.start(), u32::try_from(max).unwrap_or(u32::MAX))
    }

    /// Drops all text. Who has not read it all never gets to the end of the stream.
    pub(crate) fn clear(&mut self) {
        self.fin_taken &= self.queue.is_empty();
        self.queue.clear();
        self.reassembly = None;
    }

    //= rfc9293#3.10.7.4-17
    /// RCV.UP = max(RCV.UP, SEG.UP). True if the application is to be told.
    pub(crate) fn urgent_until(&mut self, up: SeqNumber) -> bool {
        let read_to = self.rcv_nxt - self.queue.len();
        let advances = self.rcv_up.map_or(up.after(read_to), |pending| up.after(pending));
        if advances {
            self.rcv_up = Some(up);
        }
        advances
    }

    //= rfc9293#MUST-33
    /// Octets to read until the end of urgent text, received or not; `None` if none is pending.
    pub(crate) fn urgent_left(&self) -> Option<u32> {
        let read_to = self.rcv_nxt - u32::from(self.fin_taken) - self.queue.len();
        self.rcv_up.map(|up| up.saturating_since(read_to))
    }

    /// Where the octet with this sequence number, at or after RCV.NXT minus the window, stands in the stream.
    fn place_of(&self, seq: SeqNumber) -> u64 {
        if seq.before(self.rcv_nxt) {
            self.queue.end().saturating_sub(u64::from(self.rcv_nxt.since(seq)))
        } else {
            self.queue.end() + u64::from(seq.since(self.rcv_nxt))
        }
    }

    /// The sequence number of the octet at this place, which is beyond what arrived in order.
    fn seq_at(&self, place: u64) -> SeqNumber {
        self.rcv_nxt + u32::try_from(place.saturating_sub(self.queue.end())).unwrap_or(u32::MAX)
    }
}
