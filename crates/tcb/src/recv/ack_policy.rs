//! When to acknowledge (RFC 9293 section 3.8.6.3, RFC 5681 section 4.2).

use core::time::Duration;

/// How many segments in a row get an ACK each, where the peer waits for it: in its slow start, after a loss, after a pause
/// (`TCP_MAX_QUICKACKS` of Linux).
const QUICK: u8 = 16;
/// The most ACKs that one merged super-segment out of order counts for: what fast retransmit waits for.
const DUPLICATES_AT_ONCE: u32 = 3;
/// A segment that is smaller than those before, and not the end of what the peer's application wrote, may be what the path
/// takes now: from this size on (`TCP_MIN_MSS` of Linux), and whether or not it has PSH from the default MSS on.
const LEAST_MSS: u16 = 88;
const DEFAULT_MSS: u16 = 536;
/// How long an ACK waits for an answer that nothing but the peer's nearness speaks for: many times what a service takes that
/// answers from memory, and too short to be felt. A packet less for a request, and one less for a close.
pub(crate) const PRESUMED_ANSWER: Duration = Duration::from_millis(1);

/// What acknowledgment is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owed {
    /// None.
    Nothing,
    /// One, within the delay.
    Later,
    /// One, now.
    Now,
}

/// Whether an ACK waits to ride on what the application answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answers {
    /// It doesn't: none came last time, or something is missing.
    None,
    /// It does, for [`PRESUMED_ANSWER`]: the peer is near, and nothing has yet shown what the application does.
    Presumed,
    /// It does, for the whole delay: what came before was answered in time.
    Seen,
}

/// Decides when an ACK is due. Counts octets, not packets: what arrives merged counts as the segments in it, and gets one
/// ACK together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AckPolicy {
    owed: Owed,
    /// ACKs, each of its own, for segments out of order.
    duplicates: u8,
    /// Segments to come that get an ACK each.
    quick: u8,
    /// The application answers what it reads: an ACK that waits rides on the answer.
    answers: Answers,
    /// The size of the peer's full segments: RMSS as it is in fact.
    rcv_mss: u16,
    /// The size of the last segment, if it was smaller than that but may have been full.
    smaller: u16,
    /// Octets in order since the last ACK.
    unacked: u32,
}

impl AckPolicy {
    pub(crate) const fn new() -> Self {
        Self {
            owed: Owed::Nothing,
            duplicates: 0,
            quick: QUICK,
            answers: Answers::None,
            rcv_mss: 0,
            smaller: 0,
            unacked: 0,
        }
    }

    /// The size of the peer's full segments, in octets of text.
    pub(crate) fn rcv_mss(&self) -> u32 {
        self.rcv_mss.into()
    }

    pub(crate) const fn owed(&self) -> Owed {
        self.owed
    }

    //= rfc9293#SHLD-18
    //= rfc9293#SHLD-19
    //= rfc5681#4.2-3
    /// Text arrived in order: an ACK is due at the latest with every second full segment. `pushed` if it has PSH.
    pub(crate) fn on_text(&mut self, octets: u32, segment_size: u32, pushed: bool) {
        self.measure(segment_size, pushed);
        self.unacked = self.unacked.saturating_add(octets);
        let bulk = self.unacked >= self.rcv_mss().saturating_mul(2);
        if bulk && self.answers == Answers::Presumed {
            self.answers = Answers::None;
        }
        if bulk || (self.quick > 0 && self.answers == Answers::None) {
            self.quick = self.quick.saturating_sub(1);
            self.owed = Owed::Now;
        } else if self.owed == Owed::Nothing {
            self.owed = Owed::Later;
        }
    }

    /// The largest segment is taken for a full one, until two in a row show that the peer has come to send smaller ones
    /// (as `tcp_measure_rcv_mss` of Linux): else a narrower path would have twice as many segments wait for one ACK.
    fn measure(&mut self, segment_size: u32, pushed: bool) {
        let size = u16::try_from(segment_size).unwrap_or(u16::MAX);
        if size >= self.rcv_mss {
            self.rcv_mss = size;
            self.smaller = 0;
            return;
        }
        let least = if pushed { DEFAULT_MSS } else { LEAST_MSS };
        let may_be_full = if size >= least { size } else { 0 };
        if may_be_full > 0 && may_be_full == self.smaller {
            self.rcv_mss = size;
        }
        self.smaller = may_be_full;
    }

    //= rfc5681#3.2-1
    //= rfc9293#MAY-13
    /// Text arrived out of order: each such segment gets its own ACK, since the peer may count them.
    pub(crate) fn on_disorder(&mut self, octets: u32, segment_size: u32) {
        let segments = octets.div_ceil(segment_size.max(1)).clamp(1, DUPLICATES_AT_ONCE);
        self.duplicates = self.duplicates.saturating_add(u8::try_from(segments).unwrap_or(1));
        self.hurry();
    }

    /// The peer repairs a loss, or thinks so: an ACK is due at once, and with each of the next segments, since its window
    /// is small now and grows with what it hears (`tcp_enter_quickack_mode` of Linux).
    pub(crate) const fn on_repair(&mut self) {
        self.hurry();
        self.owed = Owed::Now;
    }

    const fn hurry(&mut self) {
        self.quick = QUICK;
        self.answers = Answers::None;
    }

    /// The peer has been silent for longer than a retransmission timeout: it starts again with a small window, and each
    /// ACK makes it wider (`tcp_event_data_recv` of Linux).
    pub(crate) const fn on_pause(&mut self) {
        self.quick = QUICK;
    }

    /// Text leaves so soon after text came that it could have carried the ACK: so may the next (`tcp_event_data_sent` of
    /// Linux).
    pub(crate) const fn on_answer(&mut self) {
        self.answers = Answers::Seen;
    }

    /// The first text of a near peer is about to come: a request, if it is short.
    pub(crate) fn presume_answer(&mut self) {
        if self.answers == Answers::None {
            self.answers = Answers::Presumed;
        }
    }

    /// The FIN of a near peer came: the application is likely to close as well, and its FIN carries the ACK.
    pub(crate) fn on_fin_of_near_peer(&mut self) {
        self.answers = Answers::Presumed;
        if self.owed == Owed::Nothing {
            self.owed = Owed::Later;
        }
    }

    /// True while an ACK waits for an answer that nothing but the peer's nearness speaks for: a moment.
    pub(crate) fn waits_for_presumed_answer(&self) -> bool {
        self.answers == Answers::Presumed && self.owed == Owed::Later
    }

    /// How long an ACK that is owed later may wait: at most `delay`.
    pub(crate) fn patience(&self, delay: Duration) -> Duration {
        if self.answers == Answers::Presumed { delay.min(PRESUMED_ANSWER) } else { delay }
    }

    /// An ACK has waited for as long as it may, and no answer came that it could ride on.
    pub(crate) const fn on_overdue(&mut self) {
        self.answers = Answers::None;
        self.owed = Owed::Now;
    }

    /// True if text in order has arrived that no ACK has told of.
    pub(crate) const fn has_unacknowledged(&self) -> bool {
        self.unacked > 0
    }

    /// An ACK is due at once.
    pub(crate) const fn now(&mut self) {
        self.owed = Owed::Now;
    }

    /// Takes one ACK owed for a segment out of order.
    pub(crate) const fn take_duplicate(&mut self) -> bool {
        let any = self.duplicates > 0;
        self.duplicates = self.duplicates.saturating_sub(1);
        any
    }

    /// A segment with the current ACK field leaves.
    pub(crate) const fn on_sent(&mut self) {
        self.owed = Owed::Nothing;
        self.unacked = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u32 = 1000;

    /// One full segment in order; what is owed then.
    fn full(policy: &mut AckPolicy) -> Owed {
        policy.on_text(MSS, MSS, false);
        policy.owed()
    }

    fn settled() -> AckPolicy {
        let mut policy = AckPolicy::new();
        settle(&mut policy);
        policy
    }

    /// So many segments get an ACK each, and no more.
    fn settle(policy: &mut AckPolicy) {
        for _ in 0..QUICK {
            assert_eq!(full(policy), Owed::Now);
            policy.on_sent();
        }
        assert_eq!(full(policy), Owed::Later);
        policy.on_sent();
    }

    //= rfc9293#SHLD-19
    //= rfc5681#4.2-3
    #[test]
    fn every_second_full_segment_is_acknowledged_at_once() {
        let mut policy = settled();
        assert_eq!(full(&mut policy), Owed::Later);
        assert_eq!(full(&mut policy), Owed::Now);
    }

    //= rfc5681#3.2-1
    #[test]
    fn each_segment_out_of_order_gets_its_own_ack() {
        let mut policy = settled();
        policy.on_disorder(MSS, MSS);
        policy.on_disorder(MSS, MSS);
        assert!(policy.take_duplicate() && policy.take_duplicate() && !policy.take_duplicate());
    }

    #[test]
    fn after_disorder_a_repair_and_a_pause_each_segment_gets_its_ack_for_a_while() {
        let mut policy = settled();
        policy.on_disorder(MSS, MSS);
        settle(&mut policy);
        policy.on_repair();
        assert_eq!(policy.owed(), Owed::Now);
        policy.on_sent();
        settle(&mut policy);
        policy.on_pause();
        assert_eq!(policy.owed(), Owed::Nothing);
        settle(&mut policy);
    }

    #[test]
    fn an_ack_waits_for_the_answer_where_answers_come() {
        let mut policy = AckPolicy::new();
        policy.on_answer();
        policy.on_text(10, 10, true);
        policy.on_text(MSS, MSS, true);
        policy.on_sent();
        policy.on_text(10, 10, true);
        assert_eq!(policy.owed(), Owed::Later);
        // No answer comes this time: the next isn't waited for.
        policy.on_overdue();
        assert_eq!(policy.owed(), Owed::Now);
        policy.on_sent();
        policy.on_text(10, 10, true);
        assert_eq!(policy.owed(), Owed::Now);
        // Nor is it while something is missing.
        policy.on_sent();
        policy.on_answer();
        policy.on_disorder(10, 10);
        policy.on_text(10, 10, true);
        assert_eq!(policy.owed(), Owed::Now);
    }

    #[test]
    fn an_answer_is_presumed_until_it_is_overdue_or_more_than_a_request_comes() {
        let delay = Duration::from_millis(40);
        let mut policy = AckPolicy::new();
        policy.presume_answer();
        assert_eq!(full(&mut policy), Owed::Later);
        assert!(policy.waits_for_presumed_answer() && policy.patience(delay) == PRESUMED_ANSWER);
        assert_eq!(policy.patience(Duration::ZERO), Duration::ZERO, "no longer than is allowed");
        assert_eq!(full(&mut policy), Owed::Now, "two full segments");
        policy.on_sent();
        assert_eq!((full(&mut policy), policy.patience(delay)), (Owed::Now, delay));
        policy.on_sent();
        policy.presume_answer();
        policy.on_overdue();
        policy.on_sent();
        assert_eq!(full(&mut policy), Owed::Now);
        policy.on_sent();
        // What was seen isn't presumed.
        policy.on_answer();
        policy.presume_answer();
        assert_eq!((full(&mut policy), policy.patience(delay)), (Owed::Later, delay));
        assert!(!policy.waits_for_presumed_answer());
        // But a FIN waits a moment only, also where answers were seen; and what is due at once stays so.
        policy.on_fin_of_near_peer();
        assert!(policy.waits_for_presumed_answer());
        policy.now();
        policy.on_fin_of_near_peer();
        assert_eq!(policy.owed(), Owed::Now);
    }

    #[test]
    fn a_merged_super_segment_gets_one_ack() {
        let mut policy = settled();
        policy.on_text(40 * MSS, MSS, false);
        assert_eq!(policy.owed(), Owed::Now);
        policy.on_sent();
        assert_eq!(policy.owed(), Owed::Nothing);
    }

    #[test]
    fn what_is_a_full_segment_falls_with_what_the_peer_sends() {
        let mut policy = settled();
        let mut after = |size, pushed| {
            policy.on_text(size, size, pushed);
            policy.rcv_mss()
        };
        assert_eq!([after(700, true), after(600, true), after(700, true)], [MSS; 3], "no two in a row");
        assert_eq!(after(700, true), 700);
        assert_eq!([after(300, true), after(300, true)], [700; 2], "the rest of what was written, each time");
        assert_eq!([after(300, false), after(300, false)], [700, 300]);
        assert_eq!([after(50, false), after(50, false)], [300; 2], "no path is so narrow");
        assert_eq!(after(MSS, false), MSS);
    }
}
