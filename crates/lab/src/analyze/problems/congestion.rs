//! How much is sent: RFC 2525 sections 2.1, 2.2, 2.3, 2.6 and 2.8.
//!
//! No congestion window can be seen from outside; but each ACK passes the capture before it lets its receiver send, so what
//! ACKs allow at most can be counted, and what exceeds that is wrong wherever the capture was made.

use sockeye_wire::Instant;

use super::{Finding, Moment, Problem, finding, finding_nearby};
use crate::analyze::side::{Class, Side};
use crate::plot::Sending;

/// Sections 2.1 and 2.3: more than the initial window, and an octet for each that was acknowledged, before any loss.
#[derive(Default)]
pub struct InitialWindow {
    is_over: bool,
}

impl InitialWindow {
    //= rfc2525#2.1-1
    //= rfc2525#2.3-1
    pub fn sent(&mut self, moment: &Moment<'_>, me: &Side, peer: &Side) -> Option<Finding> {
        let from_the_start = me.syn.is_some() && peer.syn.is_some();
        // Behind a loss what is outstanding can't be told from outside: some of it has arrived.
        let is_lossy = me.numbers.duplicates > 0 || me.numbers.sacked_to > 0 || matches!(moment.class, Class::Again(_));
        self.is_over |= is_lossy || !from_the_start && !moment.segment.flags.syn;
        if self.is_over || moment.class != Class::New || moment.segment.text_len == 0 {
            return None;
        }
        let mss = i64::from(me.numbers.mss);
        // RFC 6928 section 2 stops at 14,600 octets; Linux takes ten segments of whatever size.
        let initial = 10 * mss;
        let acked = (me.numbers.una - 1).max(0);
        let sent = me.numbers.max - 1;
        if sent <= initial + 2 * acked + mss {
            return None;
        }
        self.is_over = true;
        let burst = sent - acked;
        let lacks_mss = peer.syn.is_some_and(|options| options.mss.is_none());
        let why = format!(
            "{burst} octets outstanding with {acked} acknowledged; an initial window of {initial} and slow start allow {}{}",
            initial + acked,
            if lacks_mss { "; the other side's SYN has no MSS option" } else { "" }
        );
        let problem = if lacks_mss { Problem::UninitializedCwnd } else { Problem::NoInitialSlowStart };
        finding(problem, moment.at(), why)
    }
}

/// Section 2.2: after a timeout more than one segment, and an octet for each that was acknowledged since.
#[derive(Default)]
pub struct AfterTimeout {
    since: Option<SlowStart>,
}

struct SlowStart {
    una: i64,
    recover: i64,
    sent: i64,
    /// ACKs that moved on, and whether anything was sent again after the first segment.
    advances: u32,
    goes_back: bool,
    /// ACKs that did not move on: each says that a segment has left the network.
    repeats: i64,
}

impl AfterTimeout {
    //= rfc2525#2.2-1
    pub fn sent(&mut self, moment: &Moment<'_>, me: &Side) -> Option<Finding> {
        let length = i64::from(moment.segment.text_len);
        // A lost SYN leaves the initial window as it is, at first (RFC 6928 section 2).
        if moment.expired && !moment.segment.flags.syn {
            let recover = moment.before.max;
            self.since = Some(SlowStart {
                una: me.numbers.una,
                recover,
                sent: length,
                advances: 0,
                goes_back: false,
                repeats: 0,
            });
            return None;
        }
        // A timeout that proved needless is taken back, and the window with it (RFC 4015).
        self.since.take_if(|_| me.numbers.timeout_recover == 0);
        let since = self.since.as_mut().filter(|_| length > 0)?;
        since.sent += length;
        since.goes_back |= matches!(moment.class, Class::Again(_));
        // What SACK blocks name has arrived as well.
        let acked = me.numbers.una.max(me.numbers.sacked_to) - since.una;
        let mss = i64::from(me.numbers.mss);
        if since.sent <= 2 * acked + (3 + since.repeats) * mss {
            return None;
        }
        let why = format!("{} octets sent since the timeout, with {acked} acknowledged", since.sent);
        self.since = None;
        finding(Problem::NoSlowStartAfterTimeout, moment.at(), why)
    }

    pub fn heard(&mut self, moment: &Moment<'_>) {
        let Some(since) = &mut self.since else { return };
        since.advances += u32::from(moment.advance > 0);
        since.repeats += i64::from(moment.is_pure_ack() && moment.advance <= 0);
        let acked_all = moment.ack.is_some_and(|ack| ack >= since.recover);
        // Two ACKs for what was not sent again: F-RTO takes the timeout back (RFC 5682 section 2.1).
        let is_undone = since.advances >= 2 && !since.goes_back && !acked_all;
        let grown = moment.ack.is_some_and(|ack| ack - since.una > 100_000);
        if is_undone || acked_all && grown {
            self.since = None;
        }
    }
}

/// Section 2.8: the ACK that ends fast recovery lets go more than was outstanding when the loss was found.
#[derive(Default)]
pub struct Deflation {
    recovery: Option<Recovery>,
}

struct Recovery {
    in_flight: i64,
    recover: i64,
    spurious: u64,
    /// When the ACK came that ended it, and octets sent since, before the next ACK.
    burst: Option<(Instant, i64)>,
}

impl Deflation {
    //= rfc2525#2.8-1
    pub fn sent(&mut self, moment: &Moment<'_>, me: &Side) -> Option<Finding> {
        if moment.expired {
            self.recovery = None;
        }
        if moment.class == Class::Again(Sending::Fast) && moment.before.recover <= moment.before.una {
            let (in_flight, recover) = (moment.before.in_flight(), moment.before.max);
            self.recovery = Some(Recovery { in_flight, recover, spurious: me.figures.spurious, burst: None });
        }
        let recovery = self.recovery.as_mut()?;
        let (since, burst) = recovery.burst.as_mut().filter(|_| moment.class == Class::New)?;
        *burst += i64::from(moment.segment.text_len);
        let in_flight = me.numbers.in_flight();
        // At once, not paced; and much of the window: a sender that was not limited by it before is no different.
        let is_burst = *burst >= (in_flight / 3).max(3 * i64::from(me.numbers.mss))
            && moment.at().since(*since) <= me.min_rtt.unwrap_or_default() / 16;
        if !is_burst || in_flight <= recovery.in_flight || me.figures.spurious > recovery.spurious {
            return None;
        }
        let why = format!(
            "{in_flight} octets outstanding after the ACK that ended fast recovery, {} when it began",
            recovery.in_flight
        );
        self.recovery = None;
        finding_nearby(Problem::FailureOfWindowDeflation, moment.at(), why)
    }

    pub fn heard(&mut self, moment: &Moment<'_>, me: &Side) {
        let Some(recovery) = &mut self.recovery else { return };
        if recovery.burst.is_some() {
            self.recovery = None;
        } else if moment.advance > 0 && me.numbers.una >= recovery.recover {
            recovery.burst = Some((moment.at(), 0));
        }
    }
}

/// Section 2.6: in congestion avoidance each round trip adds a segment for every eight ACKs, however large the window.
#[derive(Default)]
pub struct Growth {
    /// A loss was repaired by fast recovery: congestion avoidance follows.
    is_avoiding: bool,
    round_end: i64,
    acks: u32,
    most: i64,
    before: Option<i64>,
    /// Rounds in a row that grew by the constant.
    streak: u32,
}

/// Rounds that prove it: other curves meet this one only for some. CUBIC's beyond its plateau, on a path without limits, grows by
/// three windows per time since the last loss, which is within a tenth of the constant for ten round trips.
const ROUNDS: u32 = 12;
/// With fewer ACKs the constant can't be told from one segment a round trip.
const ACKS: u32 = 16;

impl Growth {
    pub fn sent(&mut self, moment: &Moment<'_>, me: &Side) -> Option<Finding> {
        if let Class::Again(why) = moment.class {
            *self = Self { is_avoiding: why == Sending::Fast, ..Self::default() };
        }
        self.most = self.most.max(me.numbers.in_flight());
        None
    }

    //= rfc2525#2.6-1
    pub fn heard(&mut self, moment: &Moment<'_>, me: &Side) -> Option<Finding> {
        if !self.is_avoiding || moment.advance <= 0 || me.numbers.recover > me.numbers.una {
            return None;
        }
        self.acks += 1;
        if me.numbers.una < self.round_end {
            return None;
        }
        let (acks, most) = (std::mem::take(&mut self.acks), std::mem::take(&mut self.most));
        self.round_end = me.numbers.max;
        let before = self.before.replace(most)?;
        let mss = f64::from(me.numbers.mss);
        #[expect(clippy::cast_precision_loss, reason = "a window")]
        let grown = (most - before) as f64 / mss;
        let constant = f64::from(acks) / 8.0;
        let fits = acks >= ACKS && (grown - constant).abs() <= 0.1 * constant + 1.0;
        self.streak = if fits { self.streak + 1 } else { 0 };
        if self.streak < ROUNDS {
            return None;
        }
        let why =
            format!("the window grew by {grown:.1} segments in a round trip of {acks} ACKs, for {ROUNDS} round trips");
        finding_nearby(Problem::ExtraAdditiveConstant, moment.at(), why)
    }
}
