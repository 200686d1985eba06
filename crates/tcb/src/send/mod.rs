//! The send side: SND.UNA, SND.NXT, the peer's window, text until it is acknowledged (RFC 9293 section 3.3.1).

mod autotune;
pub(crate) mod decide;
pub(crate) mod pacing;
mod path_probe;
mod poll;
mod template;

use bytes::Bytes;
use sockeye_wire::SeqNumber;

use crate::chunks::ChunkQueue;
use crate::negotiated::Negotiated;
use crate::transmit::Slices;

/// What was and will be sent. Holds: `snd_una <= snd_nxt`; `queue` starts at `snd_una` (after the SYN, before the FIN).
#[derive(Debug)]
pub(crate) struct SendSide {
    pub(crate) iss: SeqNumber,
    snd_una: SeqNumber,
    snd_nxt: SeqNumber,
    //= rfc9293#REC-1
    snd_wnd: u32,
    /// MAX.SND.WND of RFC 5961: the largest window that the peer ever offered.
    max_snd_wnd: u32,
    snd_wl1: SeqNumber,
    snd_wl2: SeqNumber,
    /// SND.UP: the octet that follows the urgent text, while that isn't acknowledged.
    snd_up: Option<SeqNumber>,
    queue: ChunkQueue,
    /// Octets that may wait here while the stack isn't short of memory.
    buffer: u32,
    fin: Fin,
    /// The octet at `snd_nxt` was sent to probe a closed window: the peer may have taken it.
    probed: bool,
    /// Octets of text in one segment, options subtracted: Eff.snd.MSS.
    mss: u16,
}

/// Where our FIN is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fin {
    /// The application has not closed.
    NotYet,
    /// It has: the FIN follows the last octet.
    Queued,
    /// `snd_nxt` is beyond it.
    Sent,
}

impl SendSide {
    /// The state once our SYN with sequence number `iss` is on its way.
    pub(crate) fn new(iss: SeqNumber, buffer: u32) -> Self {
        Self {
            iss,
            snd_una: iss,
            snd_nxt: iss + 1,
            snd_wnd: 0,
            max_snd_wnd: 0,
            snd_wl1: SeqNumber::default(),
            snd_wl2: SeqNumber::default(),
            snd_up: None,
            queue: ChunkQueue::default(),
            buffer,
            fin: Fin::NotYet,
            probed: false,
            mss: 0,
        }
    }

    /// The handshake tells the segment size and the first window, which a SYN offers unscaled.
    pub(crate) fn on_syn(&mut self, irs: SeqNumber, window: u16, agreed: Negotiated, path_mss: u16) {
        self.mss = agreed.effective_mss(path_mss);
        self.snd_wnd = u32::from(window);
        self.max_snd_wnd = self.snd_wnd;
        self.snd_wl1 = irs;
        self.snd_wl2 = self.iss;
    }

    pub(crate) const fn snd_una(&self) -> SeqNumber {
        self.snd_una
    }

    pub(crate) const fn snd_nxt(&self) -> SeqNumber {
        self.snd_nxt
    }

    pub(crate) const fn snd_wnd(&self) -> u32 {
        self.snd_wnd
    }

    /// Eff.snd.MSS.
    pub(crate) const fn mss(&self) -> u16 {
        self.mss
    }

    pub(crate) const fn set_mss(&mut self, mss: u16) {
        self.mss = mss;
    }

    /// The highest sequence number that an ACK may name: the peer may have taken a probe's octet.
    pub(crate) fn snd_max(&self) -> SeqNumber {
        self.snd_nxt + u32::from(self.probed)
    }

    /// The oldest ACK that a true peer could still send (RFC 5961 section 5).
    pub(crate) fn oldest_ack(&self) -> SeqNumber {
        self.snd_una - self.max_snd_wnd
    }

    /// Octets of text queued: unacknowledged or unsent.
    pub(crate) fn queued(&self) -> u32 {
        self.queue.len()
    }

    /// Octets of text that were acknowledged.
    pub(crate) const fn acked(&self) -> u64 {
        self.queue.start()
    }

    /// The sequence number of the first octet in the queue.
    fn text_start(&self) -> SeqNumber {
        if self.snd_una == self.iss { self.iss + 1 } else { self.snd_una }
    }

    /// The sequence number that follows the last octet in the queue: that of the FIN, if there is one.
    pub(crate) fn text_end(&self) -> SeqNumber {
        self.text_start() + self.queue.len()
    }

    /// Octets of text not sent yet.
    pub(crate) fn unsent(&self) -> u32 {
        if self.fin == Fin::Sent { 0 } else { self.text_end().saturating_since(self.snd_nxt) }
    }

    /// True if the FIN is queued and not sent.
    pub(crate) fn fin_is_next(&self) -> bool {
        self.fin == Fin::Queued
    }

    /// True if there is anything to send that was not sent: text or FIN.
    pub(crate) fn has_unsent(&self) -> bool {
        self.unsent() > 0 || self.fin_is_next()
    }

    /// True if our FIN was sent and acknowledged.
    pub(crate) fn fin_is_acked(&self) -> bool {
        self.fin == Fin::Sent && self.snd_una == self.snd_nxt
    }

    /// Usable window: SND.UNA + SND.WND - SND.NXT, or 0 where that is negative because the peer has shrunk it.
    //= rfc9293#3.8.6-1
    //= rfc9293#MUST-34
    //= rfc7323#2.4-4
    pub(crate) fn usable(&self) -> u32 {
        (self.snd_una + self.snd_wnd).saturating_since(self.snd_nxt)
    }

    /// The largest window that the peer ever offered.
    pub(crate) const fn max_window(&self) -> u32 {
        self.max_snd_wnd
    }

    /// Queues text; says how many octets were copied for that.
    pub(crate) fn push(&mut self, text: Bytes) -> u32 {
        self.queue.push(text)
    }

    /// The text queued so far is urgent up to its end.
    pub(crate) fn mark_urgent(&mut self) {
        self.snd_up = Some(self.text_end());
    }

    /// True if urgent text waits to be sent or acknowledged.
    pub(crate) const fn is_urgent(&self) -> bool {
        self.snd_up.is_some()
    }

    /// The urgent pointer of a segment at `seq`: the offset of the octet that follows the urgent text.
    //= rfc9293#MUST-62
    pub(crate) fn urgent_pointer(&self, seq: SeqNumber) -> Option<u16> {
        let up = self.snd_up.filter(|up| up.after(seq))?;
        //= rfc7323#A-2
        Some(u16::try_from(up.since(seq)).unwrap_or(u16::MAX))
    }

    pub(crate) fn close(&mut self) {
        if self.fin == Fin::NotYet {
            self.fin = Fin::Queued;
        }
    }

    /// The text in `[seq, seq + octets)` of sequence space, and whether the FIN is in it as well.
    fn text_at(&mut self, seq: SeqNumber, octets: u32) -> (Slices, bool) {
        let fin = self.fin == Fin::Sent && (seq + octets).after(self.text_end());
        let from = self.queue.start() + u64::from(seq.saturating_since(self.text_start()));
        (self.queue.slices(from, octets - u32::from(fin)), fin)
    }

    /// `octets` of text, and the FIN if `fin`, leave for the first time.
    fn advance(&mut self, octets: u32, fin: bool) {
        self.probed = false;
        self.snd_nxt += octets + u32::from(fin);
        if fin {
            self.fin = Fin::Sent;
        }
    }

    /// Everything before `ack`, which is after SND.UNA and at most [`Self::snd_max`], has arrived.
    pub(crate) fn on_ack(&mut self, ack: SeqNumber) {
        let text = ack.min(self.text_end()).saturating_since(self.text_start());
        self.queue.drop_until(self.queue.start() + u64::from(text));
        self.snd_una = ack;
        if ack.after(self.snd_nxt) {
            self.snd_nxt = ack;
            self.probed = false;
        }
        self.snd_up = self.snd_up.filter(|up| up.after(ack));
    }

    //= rfc9293#3.10.7.4-14
    /// The send window, if the segment is not older than the last one that told it. True if the window changed.
    ///
    /// This is wider than the RFC's rule (SND.WL1 < SEG.SEQ, or SND.WL1 = SEG.SEQ and SND.WL2 =< SEG.ACK): one that
    /// acknowledges more is newer whatever its sequence number, which is old in a keep-alive probe and in what is sent again.
    /// Were its window ignored, SND.UNA would take the right edge along to where nobody has offered it. Linux's
    /// `tcp_may_update_window` has the same.
    pub(crate) fn update_window(&mut self, seq: SeqNumber, ack: SeqNumber, window: u32) -> bool {
        let newer =
            self.snd_wl2.before(ack) || self.snd_wl1.before(seq) || (self.snd_wl1 == seq && self.snd_wl2 == ack);
        if !newer || ack.before(self.snd_una) {
            return false;
        }
        let changed = self.snd_wnd != window;
        self.snd_wnd = window;
        self.max_snd_wnd = self.max_snd_wnd.max(window);
        self.snd_wl1 = self.snd_wl1.max(seq);
        self.snd_wl2 = ack;
        changed
    }

    /// Drops all text.
    pub(crate) fn clear(&mut self) {
        self.queue.clear();
    }
}
