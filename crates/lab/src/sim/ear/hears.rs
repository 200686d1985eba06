//! What arrives at a host: its acknowledgments, its window, and what is to be acknowledged to it.

use sockeye_wire::tcp::{Options, SackBlock, TcpView};
use sockeye_wire::{Instant, SeqNumber};

use super::{Ear, octets, offer};
use crate::sim::invariants::Limits;

/// What an ACK does.
#[derive(Clone, Copy)]
struct Progress {
    /// It acknowledges more than any before.
    advances: bool,
    /// So it does, counting only segments that a TCP must take.
    surely_advances: bool,
    /// It closes the window.
    is_closed: bool,
}

impl Ear {
    /// A valid segment arrives, merged from several of `segment_size` octets unless that is 0.
    pub(in crate::sim) fn hears(&mut self, now: Instant, segment: &TcpView<'_>, segment_size: u16, limits: &Limits) {
        let flags = segment.flags();
        if flags.rst {
            // Whether it counts is for the host to judge; nothing is expected of it afterwards.
            self.owed = None;
            self.silence.answers(now);
            self.over = true;
            return;
        }
        let options = segment.options();
        let text = octets(segment.payload().len());
        let length = text + u32::from(flags.syn) + u32::from(flags.fin);
        if flags.syn {
            let offer = offer(segment);
            if self.theirs.is_none() {
                self.arrived_to = segment.seq() + length;
            }
            self.theirs = Some(offer);
            self.agree();
        }
        if self.theirs.is_none() {
            return;
        }
        if length > 0 || self.acked.is_some_and(|acked| segment.seq() + 1 == acked) {
            self.silence.is_asked(now);
        }
        if length > 0 {
            self.asked.hears(now, text.div_ceil(u32::from(segment_size).clamp(1, text.max(1))).max(1));
        }
        self.hears_ack(now, segment, &options, limits);
        let timestamp = options.timestamps.map(|timestamps| timestamps.value);
        if self.acked.is_none_or(|acked| segment.seq().at_or_before(acked)) {
            self.stamps.may_be_echoed(timestamp);
        }
        self.expects_ack(now, segment, text, timestamp);
        self.arrived_to = self.arrived_to.max(segment.seq() + length);
        if flags.fin {
            self.their_end = Some(segment.seq() + length);
        }
        self.stamps.arrives(timestamp);
    }

    fn hears_ack(&mut self, now: Instant, segment: &TcpView<'_>, options: &Options, limits: &Limits) {
        let flags = segment.flags();
        if !flags.ack || self.ours.is_none() {
            return;
        }
        let ack = segment.ack();
        // The octet of a window probe counts as sent once it is acknowledged, or more follows it.
        if self.probed.is_some_and(|probed| ack == probed) {
            self.snd_nxt = self.snd_nxt.max(ack);
        }
        let is_stale = self.stamps.is_stale(options.timestamps.map(|timestamps| timestamps.value));
        let is_current = self.acked.is_none_or(|acked| segment.seq().at_or_after(acked))
            && self.our_edge.is_none_or(|edge| segment.seq().at_or_before(edge));
        let is_empty = segment.payload().is_empty() && !flags.syn && !flags.fin;
        let counts = is_current && !is_stale;
        if counts {
            self.silence.ends(now, limits);
        }
        let same_window = !self.renamed && self.window.is_some_and(|(_, window)| window == segment.window());
        // What repeats an ACK in a segment that need not count may be what moves SND.UNA.
        let is_known = ack == self.snd_una && ack == self.surely_acked;
        let repeats = is_known && is_empty && same_window && self.outstanding() > 0;
        self.dup_acks = if same_window { self.dup_acks } else { 0 } + u32::from(repeats && counts);
        if ack.at_or_after(self.snd_una) {
            let is_old = self.window.is_some_and(|(seq, _)| segment.seq().before(seq));
            if is_old {
                // It names no window, and yet it is the last ACK that came: the next may be its duplicate or not.
                self.renamed |= !same_window;
            } else {
                self.window = counts.then(|| (segment.seq(), segment.window()));
                self.renamed = false;
            }
        }
        let advances = ack.after(self.snd_una) && ack.at_or_before(self.snd_nxt);
        if advances {
            self.snd_una = ack;
            self.dup_acks = 0;
            self.repeats.news = true;
        }
        let surely_advances = counts && ack.after(self.surely_acked) && ack.at_or_before(self.snd_nxt);
        let is_closed = counts && segment.window() == 0 && ack.at_or_after(self.surely_acked);
        self.hears_progress(now, ack, Progress { advances, surely_advances, is_closed }, limits);
        if surely_advances {
            self.surely_acked = ack;
            self.repeats.news = true;
            let once = self.sent.acked(ack);
            self.measurable += u64::from(once);
        } else if advances {
            self.measurable += 1;
        }
        self.measurable += u64::from((advances || surely_advances) && options.timestamps.is_some());
        for block in &options.sack {
            if self.is_credible(block) && self.sent.sacked(block.left, block.right, counts) {
                self.repeats.news = true;
                self.measurable += u64::from(self.sent.left_once(block.left, block.right));
            }
        }
        self.hears_window(segment, advances);
    }
    /// How long the peer has been silent ends, or begins anew.
    fn hears_progress(&mut self, now: Instant, ack: SeqNumber, progress: Progress, limits: &Limits) {
        let Progress { advances, surely_advances, is_closed } = progress;
        let more = is_closed || self.snd_nxt.after(ack);
        if is_closed || (surely_advances && advances) {
            self.silence.moves(now, more, limits);
        } else if surely_advances {
            self.silence.has_moved(now, more, limits);
        } else if advances {
            self.silence.may_move(now);
        }
    }

    /// The window that comes with an ACK, which `advances` SND.UNA or not.
    fn hears_window(&mut self, segment: &TcpView<'_>, advances: bool) {
        let ack = segment.ack();
        // An ACK of what was never sent, or of long ago, isn't of this connection.
        if ack.after(self.snd_nxt) || ack.before(self.surely_acked - (1 << 30)) {
            return;
        }
        let shift = if segment.flags().syn { 0 } else { self.their_shift() };
        let edge = ack + (u32::from(segment.window()) << shift);
        self.repeats.news |= self.edge.is_none_or(|known| edge.after(known));
        self.edge = Some(self.edge.map_or(edge, |known| known.max(edge)));
        if ack.at_or_after(self.snd_una) {
            self.least_edge = Some(self.least_edge.filter(|_| !advances).map_or(edge, |known| known.min(edge)));
        }
    }

    /// A block of what is outstanding, the right way round (RFC 2018 section 5).
    fn is_credible(&self, block: &SackBlock) -> bool {
        let sent = self.sent_to().since(self.surely_acked);
        let (left, right) = (block.left.since(self.surely_acked), block.right.since(self.surely_acked));
        self.has_sack() && left < right && right <= sent
    }

    /// Notes what the next ACK must cover, if that is beyond doubt: in order, in the window, not older than what came
    /// before.
    fn expects_ack(&mut self, now: Instant, segment: &TcpView<'_>, text: u32, timestamp: Option<u32>) {
        let Some(acked) = self.acked.filter(|_| !self.over && !segment.flags().syn && segment.flags().ack) else {
            return;
        };
        let stale = self.stamps.is_stale(timestamp);
        let untimed = timestamp.is_none() && self.agreed.is_some_and(|agreed| agreed.timestamps);
        let (start, end) = (segment.seq(), (segment.seq() + text).min(self.our_edge.unwrap_or(acked)));
        let fits = start.at_or_before(acked) && end.after(acked) && start.at_or_after(acked - (1 << 20));
        // An ACK of ours that is wild makes the segment suspect.
        let sane = segment.ack().at_or_before(self.snd_nxt) && segment.ack().at_or_after(self.snd_una - 1000);
        if text > 0 && fits && sane && !stale && !untimed {
            let (since, seq) = self.owed.unwrap_or((now, end));
            self.owed = Some((since, seq.max(end)));
            // A duplicate of what waits for an ACK lies before the window: its timestamp doesn't count (RFC 7323 section 5.3).
            if end.after(self.arrived_to) {
                self.stamps.is_to_be_echoed(timestamp);
            }
        }
    }
}
