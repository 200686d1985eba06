//! The problems of RFC 2525, each cited where it is seen; what shows in the same segments is seen by the same function.
//!
//! A [`Watch`] stands beside each side of a connection and judges that side's TCP: what it sends ([`Watch::sent`]) in the
//! light of what it has heard ([`Watch::heard`]). Where a problem shows only close to one end, the finding says so, and
//! counts only if the capture was made there. What a modern TCP may do (RFC 6928, 9438, 8985, 5682) is no problem.

mod closing;
mod congestion;
mod receiving;
mod sending;
mod timers;

use std::ops::Range;

use sockeye_wire::Instant;

use super::packet::Segment;
use super::side::{Class, Numbers, Side};

/// A problem of RFC 2525.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are the RFC's; `name` has them in full")]
pub enum Problem {
    NoInitialSlowStart,
    NoSlowStartAfterTimeout,
    UninitializedCwnd,
    InconsistentRetransmission,
    FailureToRetainAboveSequenceData,
    ExtraAdditiveConstant,
    InitialRtoTooLow,
    FailureOfWindowDeflation,
    ShortKeepAliveTimeout,
    FailureToBackOff,
    InsufficientKeepAliveInterval,
    WindowProbeDeadlock,
    StretchAck,
    RetransmissionSendsMultiplePackets,
    FinNotPrompt,
    NoRstAfterHalfDuplexClose,
    NoRstOnCloseWithDataPending,
    OptionsMissingFromMss,
}

impl Problem {
    /// All of them, in the RFC's order.
    pub const ALL: [Self; 18] = [
        Self::NoInitialSlowStart,
        Self::NoSlowStartAfterTimeout,
        Self::UninitializedCwnd,
        Self::InconsistentRetransmission,
        Self::FailureToRetainAboveSequenceData,
        Self::ExtraAdditiveConstant,
        Self::InitialRtoTooLow,
        Self::FailureOfWindowDeflation,
        Self::ShortKeepAliveTimeout,
        Self::FailureToBackOff,
        Self::InsufficientKeepAliveInterval,
        Self::WindowProbeDeadlock,
        Self::StretchAck,
        Self::RetransmissionSendsMultiplePackets,
        Self::FinNotPrompt,
        Self::NoRstAfterHalfDuplexClose,
        Self::NoRstOnCloseWithDataPending,
        Self::OptionsMissingFromMss,
    ];

    /// What the RFC calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoInitialSlowStart => "No initial slow start",
            Self::NoSlowStartAfterTimeout => "No slow start after retransmission timeout",
            Self::UninitializedCwnd => "Uninitialized CWND",
            Self::InconsistentRetransmission => "Inconsistent retransmission",
            Self::FailureToRetainAboveSequenceData => "Failure to retain above-sequence data",
            Self::ExtraAdditiveConstant => "Extra additive constant in congestion avoidance",
            Self::InitialRtoTooLow => "Initial RTO too low",
            Self::FailureOfWindowDeflation => "Failure of window deflation after loss recovery",
            Self::ShortKeepAliveTimeout => "Excessively short keepalive connection timeout",
            Self::FailureToBackOff => "Failure to back off retransmission timeout",
            Self::InsufficientKeepAliveInterval => "Insufficient interval between keepalives",
            Self::WindowProbeDeadlock => "Window probe deadlock",
            Self::StretchAck => "Stretch ACK violation",
            Self::RetransmissionSendsMultiplePackets => "Retransmission sends multiple packets",
            Self::FinNotPrompt => "Failure to send FIN notification promptly",
            Self::NoRstAfterHalfDuplexClose => "Failure to send a RST after Half Duplex Close",
            Self::NoRstOnCloseWithDataPending => "Failure to RST on close with data pending",
            Self::OptionsMissingFromMss => "Options missing from TCP MSS calculation",
        }
    }

    /// The section of RFC 2525 that describes it.
    pub fn section(self) -> String {
        let place = Self::ALL.iter().position(|problem| *problem == self).unwrap_or_default();
        format!("2.{}", place + 1)
    }
}

/// A problem that one side showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which.
    pub problem: Problem,
    /// When it first showed.
    pub at: Instant,
    /// What was seen.
    pub why: String,
    /// True if it can be told only from a capture made close to the side at fault.
    pub only_near: bool,
}

/// A segment in its surroundings.
pub(super) struct Moment<'a> {
    pub segment: &'a Segment<'a>,
    /// What it takes in its sender's stream.
    pub range: &'a Range<i64>,
    pub class: Class,
    /// Where its sender was before it.
    pub before: Numbers,
    /// It was an expiry of the retransmission timer.
    pub expired: bool,
    /// The octets of the other side that it acknowledges, and how many of them newly.
    pub ack: Option<i64>,
    pub advance: i64,
    /// The window that its sender offered before it.
    pub offered_before: Option<u64>,
    /// The right edge that its sender had promised before it.
    pub edge_before: i64,
    /// The handshake took so long, there and back; `None` if unknown or ambiguous.
    pub handshake: Option<std::time::Duration>,
}

impl Moment<'_> {
    fn at(&self) -> Instant {
        self.segment.at
    }

    fn is_pure_ack(&self) -> bool {
        let flags = self.segment.flags;
        self.range.is_empty() && flags.ack && !flags.rst
    }
}

/// Judges one side.
#[derive(Default)]
pub(super) struct Watch {
    initial_window: congestion::InitialWindow,
    after_timeout: congestion::AfterTimeout,
    deflation: congestion::Deflation,
    growth: congestion::Growth,
    first_rto: timers::FirstRto,
    back_off: timers::BackOff,
    keep_alive: timers::KeepAlive,
    retention: receiving::Retention,
    beyond_edge: receiving::BeyondEdge,
    ack_policy: receiving::AckPolicy,
    contents: sending::Contents,
    after_retransmission: sending::AfterRetransmission,
    prompt_fin: sending::PromptFin,
    segment_size: sending::SegmentSize,
    close: closing::Close,
    findings: Vec<Finding>,
}

impl Watch {
    /// The side that is judged sent this.
    pub fn sent(&mut self, moment: &Moment<'_>, me: &Side, peer: &Side) {
        let found = [
            self.initial_window.sent(moment, me, peer),
            self.after_timeout.sent(moment, me),
            self.deflation.sent(moment, me),
            self.growth.sent(moment, me),
            self.first_rto.sent(moment, me),
            self.back_off.sent(moment),
            self.keep_alive.sent(moment),
            self.retention.sent(moment),
            self.beyond_edge.sent(moment),
            self.ack_policy.sent(moment),
            self.contents.sent(moment),
            self.after_retransmission.sent(moment, me),
            self.prompt_fin.sent(moment),
            self.segment_size.sent(moment, me, peer),
            self.close.sent(moment, me),
        ];
        self.note(found);
    }

    /// The side that is judged was sent this.
    pub fn heard(&mut self, moment: &Moment<'_>, me: &Side, peer: &Side) {
        self.after_timeout.heard(moment);
        self.deflation.heard(moment, me);
        self.first_rto.heard();
        self.back_off.heard();
        self.keep_alive.heard(moment);
        self.ack_policy.heard(moment, peer);
        self.contents.heard(me);
        self.after_retransmission.heard();
        self.prompt_fin.heard(moment, me);
        self.close.heard(moment);
        let found = [self.growth.heard(moment, me), self.retention.heard(moment, peer)];
        self.note(found);
    }

    fn note<const N: usize>(&mut self, found: [Option<Finding>; N]) {
        for finding in found.into_iter().flatten() {
            if self.findings.iter().all(|known| known.problem != finding.problem) {
                self.findings.push(finding);
            }
        }
    }

    /// Octets of memory that text takes.
    pub fn text_kept(&self) -> usize {
        self.contents.kept()
    }

    /// Gives back the memory that text takes: the connection is over, or others need it.
    pub fn forget_text(&mut self) {
        self.contents = sending::Contents::default();
    }

    /// What was found, in the RFC's order, if the capture was made close to this side or not, and went on until then.
    pub fn findings(&self, near: bool, until: Instant) -> Vec<Finding> {
        let at_end = [
            self.keep_alive.verdict(until),
            self.retention.verdict(),
            self.ack_policy.verdict(),
            self.segment_size.verdict(),
            self.close.verdict(),
        ];
        let all = self.findings.iter().cloned().chain(at_end.into_iter().flatten());
        let mut findings: Vec<_> = all.filter(|finding| near || !finding.only_near).collect();
        findings.sort_by_key(|finding| finding.problem);
        findings
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it ends functions that find something or nothing")]
fn finding(problem: Problem, at: Instant, why: String) -> Option<Finding> {
    Some(Finding { problem, at, why, only_near: false })
}

/// One that only a capture close to the side at fault proves.
#[expect(clippy::unnecessary_wraps, reason = "it ends functions that find something or nothing")]
fn finding_nearby(problem: Problem, at: Instant, why: String) -> Option<Finding> {
    Some(Finding { problem, at, why, only_near: true })
}
