//! Explicit congestion notification (RFC 3168): what a connection remembers of it, as receiver and as sender.
//!
//! As receiver it echoes marks: by RFC 3168 in each ACK until the sender says that it has slowed down, or, where the
//! congestion control counts marks, exactly those that arrived (RFC 8257). As sender it tells the congestion control of
//! the first echo in a window of data, and the peer that it has. Room is left for `AccECN`: what counts is in one place.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use sockeye_wire::ip::Ecn as CodePoint;
use sockeye_wire::{Instant, SeqNumber};

use crate::congestion::EcnUse;
use crate::recovery::Reduction;
use crate::tcb::Tcb;
use crate::{Config, EcnPolicy, Segment, Transmit};

/// How many changes from marked to unmarked text and back wait to be acknowledged; of more, the latest are told together.
const MAX_CHANGES: usize = 64;

/// Marks received and echoed.
#[derive(Debug, Default)]
pub(crate) struct Ecn {
    /// Our SYN asks for it.
    pub(crate) asks: bool,
    /// A SYN of ours that didn't ask has left after one that did.
    fell_back: bool,
    /// What ACKs echo now: the latch of RFC 3168, or DCTCP.CE of RFC 8257.
    echo: bool,
    /// The next new text tells that the window was reduced.
    owes_cwr: bool,
    /// Allocated with the first mark.
    history: Option<Box<History>>,
}

/// What is to be remembered once there are marks.
#[derive(Debug, Default)]
struct History {
    /// SND.NXT when the window was last reduced, for a mark or a loss.
    reduced_at: Option<SeqNumber>,
    /// ACKs of what came before the mark changed, each with what it is to echo.
    changes: VecDeque<(SeqNumber, bool)>,
    /// Segments with text that arrived marked.
    marked_in: u64,
    /// ACKs that echoed a mark.
    echoes: u64,
    /// Octets that such ACKs delivered.
    marked_delivered: u64,
}

/// What a segment says of congestion, beside echoes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    pub(crate) ecn: CodePoint,
    /// The window was reduced.
    pub(crate) cwr: bool,
}

impl Mark {
    /// What is sent again, and what isn't text, says nothing.
    pub(crate) const NONE: Self = Self { ecn: CodePoint::NotEct, cwr: false };
}

impl Ecn {
    /// For a connection with these settings.
    pub(crate) fn new(config: &Config) -> Self {
        Self { asks: asks(config), ..Self::default() }
    }

    fn history(&mut self) -> &mut History {
        self.history.get_or_insert_default()
    }

    /// Segments that arrived marked, ACKs that echoed a mark, and the octets that these delivered.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        let history = self.history.as_ref();
        history.map_or((0, 0, 0), |history| (history.marked_in, history.echoes, history.marked_delivered))
    }

    /// An ACK that echoed a mark delivered so many octets.
    pub(crate) fn on_marked_delivered(&mut self, octets: u64) {
        self.history().marked_delivered += octets;
    }

    /// True while something is unacknowledged that was sent before the window was last reduced.
    pub(crate) fn has_reduced_beyond(&self, snd_una: SeqNumber, snd_nxt: SeqNumber) -> bool {
        let reduced_at = self.history.as_ref().and_then(|history| history.reduced_at);
        reduced_at.is_some_and(|at| at != snd_una && !is_of_next_window(snd_una, at, snd_nxt))
    }

    /// Our SYN went unanswered: the next one doesn't ask, since some middleboxes drop those that do.
    //= rfc3168#6.1.1.1-2
    pub(crate) const fn fall_back(&mut self) {
        self.fell_back |= self.asks;
        self.asks = false;
    }

    /// What a SYN-ACK with these flags agrees to: to echo marks, and to send text that may be marked.
    //= rfc3168#6.1.1-1
    //= rfc3168#6.1.1-4
    //= rfc3168#6.1.1-7
    //= rfc3168#6.1.1-9
    //= rfc3168#6.1.1-12
    pub(crate) const fn agreed_by(&self, flags: sockeye_wire::tcp::Flags) -> (bool, bool) {
        let accepted = flags.ece && !flags.cwr;
        (accepted && (self.asks || self.fell_back), accepted && self.asks)
    }
}

/// True if an ACK of `ack` tells of what was sent after the window was reduced, when SND.NXT was `reduced_at`; that may be
/// half the sequence space ago, and more.
const fn is_of_next_window(ack: SeqNumber, reduced_at: SeqNumber, snd_nxt: SeqNumber) -> bool {
    reduced_at.since(ack) > snd_nxt.since(ack)
}

/// True if SYNs under this `config` ask for ECN.
pub(crate) fn asks(config: &Config) -> bool {
    match config.ecn {
        EcnPolicy::Off => false,
        EcnPolicy::Accept => config.congestion.counts_marks(),
        EcnPolicy::Request => true,
    }
}

impl Tcb {
    /// Text arrived that is in the window: notes its mark.
    //= rfc3168#6.1.5-2
    //= rfc8257#3.6-2
    pub(crate) fn take_mark(&mut self, segment: &Segment) {
        if !self.agreed.ecn || segment.text_len() == 0 {
            return;
        }
        let marked = segment.ecn == CodePoint::Ce;
        let size = if segment.segment_size == 0 { segment.text_len() } else { u32::from(segment.segment_size) };
        if marked {
            self.ecn.history().marked_in += u64::from(segment.text_len().div_ceil(size.max(1)));
        }
        if self.congestion.ecn() == EcnUse::Counting {
            self.count_mark(marked);
        } else {
            //= rfc3168#6.1.3-1
            //= rfc3168#6.1.3-2
            //= rfc8257#3.2-4
            self.ecn.echo = (self.ecn.echo && !segment.flags.cwr) || marked;
        }
    }

    /// The state machine of RFC 8257 section 3.2: what came before the change is acknowledged at once.
    //= rfc8257#3.2-1
    //= rfc8257#3.2-2
    //= rfc8257#3.2-3
    fn count_mark(&mut self, marked: bool) {
        if marked == self.ecn.echo {
            return;
        }
        if self.recv.ack.has_unacknowledged() {
            let (ack, echo) = (self.recv.rcv_nxt(), self.ecn.echo);
            let changes = &mut self.ecn.history().changes;
            if changes.len() < MAX_CHANGES {
                changes.push_back((ack, echo));
            }
        }
        self.ecn.echo = marked;
        self.recv.ack.now();
    }

    /// The ACK of what came before a change of marks.
    pub(crate) fn change_told(&mut self, now: Instant) -> Option<Transmit> {
        let (ack, echo) = self.ecn.history.as_mut()?.changes.pop_front()?;
        let mut transmit = self.ack_segment(now);
        // The right edge stays where it is, further from this place: less than a step is cut off, and none added
        // (RFC 7323 section 2.4).
        let offered = self.recv.rcv_wnd() + self.recv.rcv_nxt().saturating_since(ack);
        transmit.header.window = u16::try_from(offered >> self.agreed.rcv_shift).unwrap_or(u16::MAX);
        transmit.header.ack = ack;
        transmit.header.flags.ece = echo;
        // It doesn't acknowledge what came later, which so is owed still.
        self.recv.ack.now();
        Some(transmit)
    }

    /// What ECE says in a header that leaves now.
    pub(crate) const fn echoes_mark(&self) -> bool {
        self.agreed.ecn && self.ecn.echo
    }

    /// An acceptable ACK arrived, SND.UNA not moved yet; true if it tells of marks.
    //= rfc3168#6.1.2-1
    //= rfc3168#6.1.2-7
    pub(crate) fn take_echo(&mut self, now: Instant, segment: &Segment) -> bool {
        // Who sends nothing that could be marked hears of no marks (RFC 3168 section 6.1.1).
        if !self.agreed.ect || !segment.flags.ece {
            return false;
        }
        let history = self.ecn.history();
        history.echoes += 1;
        let snd_nxt = self.send.snd_nxt();
        let in_new_window = history.reduced_at.is_none_or(|at| is_of_next_window(segment.ack, at, snd_nxt));
        if in_new_window && !self.recovery.is_recovering() {
            self.answer_mark(now);
        }
        true
    }

    /// A loss may have reduced the window, or proved to be none: the peer hears of that, too, and marks of the same window
    /// of data are answered with it, but by who keeps an account of marks and losses alike.
    //= rfc3168#6.1.2-2
    //= rfc3168#6.1.2-7
    #[inline]
    pub(crate) fn tell_of_reduction(&mut self) {
        if let Some(reduction) = self.recovery.take_reduction()
            && self.agreed.ect
        {
            let made = reduction == Reduction::Made;
            self.ecn.owes_cwr |= made;
            if self.congestion.uses_prr() {
                self.ecn.history().reduced_at = Some(self.send.snd_nxt()).filter(|_| made);
            }
        }
    }

    //= rfc3168#5-3
    //= rfc8257#3.3-8
    fn answer_mark(&mut self, now: Instant) {
        let mss = u32::from(self.send.mss());
        let cwnd = self.congestion.cwnd();
        let was_least = cwnd <= mss;
        if self.congestion.ecn() == EcnUse::Classic {
            // Who keeps an account of its own hears of marks and losses alike, and of what is in flight.
            //= rfc8511#3-1
            if self.congestion.uses_prr() {
                self.congestion.on_ecn(now, self.recovery.flight_size(cwnd));
                self.recovery.on_mark_answered();
            } else {
                self.congestion.on_ecn(now, self.recovery.in_flight(mss).min(cwnd));
            }
        }
        self.ecn.history().reduced_at = Some(self.send.snd_nxt());
        //= rfc3168#6.1.2-2
        self.ecn.owes_cwr = true;
        // A window can't shrink below a segment: the rate does, to one segment an RTO.
        //= rfc3168#6.1.2-4
        //= rfc9438#4.6-6
        if was_least {
            self.recovery.restart_timer(now);
            self.arm_retransmit();
            self.pacer.wait_until(now + self.rtt.rto());
        }
    }

    /// New text leaves: it may be marked, and the first after a reduction says so.
    //= rfc3168#5-2
    //= rfc3168#6.1.2-5
    //= rfc3168#6.1.2-6
    //= rfc3168#6.1.1-6
    //= rfc3168#5.2-1
    //= rfc3168#5.2-2
    //= rfc3168#6.1.1-10
    //= rfc3168#6.1.4-1
    //= rfc3168#6.1.5-1
    //= rfc3168#6.1.6-1
    pub(crate) const fn mark_of_new_text(&mut self) -> Mark {
        if self.agreed.ect {
            let cwr = core::mem::replace(&mut self.ecn.owes_cwr, false);
            Mark { ecn: CodePoint::Ect0, cwr }
        } else {
            Mark::NONE
        }
    }

    /// True if the next segment of new text carries CWR, and so must be one segment: a device that cuts would repeat it.
    pub(crate) const fn owes_cwr(&self) -> bool {
        self.agreed.ect && self.ecn.owes_cwr
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    //= rfc3168#6.1.2-7
    #[test]
    fn a_mark_after_two_gibibytes_without_one_is_answered() {
        let at = |offset: u32| SeqNumber::new(u32::MAX - 5) + offset;
        for (ack, is) in [(0, false), (1000, false), (1001, true), (5000, true), (3 << 30, true)] {
            assert_eq!(is_of_next_window(at(ack), at(1000), at(ack) + 9000), is, "{ack}");
        }
    }

    #[test]
    fn a_reduction_two_gibibytes_ago_is_not_told_as_one_of_this_window() {
        let at = |offset: u32| SeqNumber::new(u32::MAX - 5) + offset;
        let history = History { reduced_at: Some(at(1000)), ..History::default() };
        let ecn = Ecn { history: Some(Box::new(history)), ..Ecn::default() };
        for (una, is) in [(0, true), (999, true), (1000, false), (5000, false), (3 << 30, false)] {
            assert_eq!(ecn.has_reduced_beyond(at(una), at(una) + 9000), is, "{una}");
        }
    }
}
