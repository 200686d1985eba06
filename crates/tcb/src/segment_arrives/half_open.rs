//! SYN-RECEIVED STATE (RFC 9293 section 3.10.7.4, what of it concerns this state).
//!
//! A half-open connection is a small struct of its own, because a stack under a SYN flood holds very many: it lives in
//! the stack's SYN queue, or inside a `Tcb` that came here by a simultaneous open.

use core::time::Duration;

use sockeye_wire::tcp::{Flags, Options, Timestamps};
use sockeye_wire::{Instant, SeqNumber};

use super::closed::reset;
use crate::challenge::Challenge;
use crate::negotiated::{self, Negotiated, timestamp};
use crate::{Config, EcnPolicy, Header, Segment, Stop};

//= rfc9293#MUST-11
/// Where a half-open connection came from: what a RST or a new SYN does to it differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From LISTEN.
    Passive,
    /// From SYN-SENT: the SYNs crossed.
    Active,
}

/// A connection in SYN-RECEIVED. Holds: `SND.UNA = ISS`, `SND.NXT = ISS + 1`, `RCV.NXT = IRS + 1`.
#[derive(Clone, Copy, Debug)]
pub struct HalfOpen {
    pub(crate) iss: SeqNumber,
    pub(crate) irs: SeqNumber,
    pub(crate) origin: Origin,
    pub(crate) negotiated: Negotiated,
    /// What our MSS option says.
    mss: u16,
    /// The window that our SYN-ACK offers, never scaled.
    pub(crate) rcv_wnd: u16,
    /// The window that the peer's SYN offered, never scaled.
    pub(crate) snd_wnd: u16,
    pub(crate) timestamp_offset: u32,
    pub(crate) ts_recent: u32,
    /// How often the SYN-ACK was sent again by timer.
    pub(crate) retransmissions: u8,
    challenge: Challenge,
    pub(crate) opened_at: Instant,
    deadline: Instant,
}

/// What becomes of a segment that arrives in SYN-RECEIVED.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It acknowledges our SYN: the connection is ESTABLISHED, and the segment is to be given to it.
    Established,
    /// Nothing: the reason, and what to send, if anything.
    Drop(Stop, Option<Header>),
    /// The half-open connection is gone: from [`Origin::Passive`] silently, else the application learns that it was
    /// refused.
    Gone(Stop),
}

/// What to do when [`HalfOpen::deadline`] has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// Send the SYN-ACK again.
    Resend(Header),
    /// Nobody answers: forget it.
    GiveUp,
}

impl HalfOpen {
    const INITIAL_RTO: Duration = Duration::from_secs(1);

    /// The state after `syn`, to which [`Self::syn_ack`] is the answer.
    pub(crate) fn from_syn(
        origin: Origin,
        config: &Config,
        iss: SeqNumber,
        timestamp_offset: u32,
        syn: &Segment,
        now: Instant,
    ) -> Self {
        //= rfc3168#6.1.1-1
        //= rfc3168#6.1.1-2
        let ecn = config.ecn != EcnPolicy::Off && syn.flags.ece && syn.flags.cwr;
        Self {
            iss,
            irs: syn.seq,
            origin,
            negotiated: Negotiated { ecn, ect: ecn, ..Negotiated::from_syn(config, &syn.options) },
            mss: config.announced_mss(),
            rcv_wnd: config.first_window(),
            snd_wnd: syn.window,
            timestamp_offset,
            ts_recent: syn.options.timestamps.map_or(0, |timestamps| timestamps.value),
            retransmissions: 0,
            challenge: Challenge::default(),
            opened_at: now,
            deadline: now + Self::INITIAL_RTO,
        }
    }

    //= rfc9293#3.10.7.2-2
    //= rfc9293#3.10.7.3-5
    /// `<SEQ=ISS><ACK=RCV.NXT><CTL=SYN,ACK>` with the options that the peer offered as well.
    pub fn syn_ack(&self, now: Instant) -> Header {
        let options = Options {
            mss: Some(self.mss),
            window_scale: self.negotiated.scaling.then_some(self.negotiated.rcv_shift),
            //= rfc2018#2-1
            sack_permitted: self.negotiated.sack,
            timestamps: self.timestamps(now),
            ..Options::NONE
        };
        //= rfc7323#2.2-7
        //= rfc3168#6.1.1-3
        let flags = Flags { ece: self.negotiated.ecn, ..Flags::SYN_ACK };
        Header { seq: self.iss, ack: self.irs + 1, flags, window: self.rcv_wnd, urgent: 0, options }
    }

    /// A segment arrives. The order is that of section 3.10.7.4.
    pub fn on_segment(&mut self, now: Instant, segment: &Segment) -> Verdict {
        self.check_sequence(now, segment).unwrap_or_else(|| self.check_rest(now, segment))
    }

    /// First: the sequence number. The peer's SYN again tells that our SYN-ACK was lost, or, if it acknowledges ours,
    /// that two SYN-ACKs have crossed, and its ACK is good (RFC 9293 appendix A.2).
    fn check_sequence(&mut self, now: Instant, segment: &Segment) -> Option<Verdict> {
        if segment.flags.syn && !segment.flags.rst && segment.seq == self.irs {
            //= rfc9293#A.2-1
            if self.origin == Origin::Active && segment.flags.ack && segment.ack == self.iss + 1 {
                return Some(Verdict::Established);
            }
            // The peer has stopped asking, so that it won't mark its text either.
            //= rfc3168#6.1.1-3
            //= rfc3168#6.1.1-5
            if !(segment.flags.ece && segment.flags.cwr) {
                self.negotiated.ecn = false;
                self.negotiated.ect = false;
            }
            return Some(Verdict::Drop(Stop::DuplicateSyn, self.challenge.allow(now).then(|| self.syn_ack(now))));
        }
        let old =
            segment.options.timestamps.is_some_and(|timestamps| Timestamps::is_older(timestamps.value, self.ts_recent));
        if self.negotiated.timestamps && old && !segment.flags.rst {
            return Some(Verdict::Drop(Stop::Paws, self.limited_ack(now)));
        }
        if self.is_acceptable(segment) {
            return None;
        }
        Some(if segment.flags.rst {
            Verdict::Drop(Stop::ResetOutsideWindow, None)
        } else {
            Verdict::Drop(Stop::OutsideWindow, self.limited_ack(now))
        })
    }

    fn is_acceptable(&self, segment: &Segment) -> bool {
        let (rcv_nxt, rcv_wnd) = (self.irs + 1, u32::from(self.rcv_wnd));
        segment.seq.is_within(rcv_nxt, rcv_wnd)
            || (segment.seq == rcv_nxt && segment.is_empty())
            || (!segment.is_empty() && (segment.end() - 1).is_within(rcv_nxt, rcv_wnd))
    }

    /// Second: RST; fourth: SYN; fifth: ACK.
    fn check_rest(&mut self, now: Instant, segment: &Segment) -> Verdict {
        if segment.flags.rst {
            //= rfc9293#3.10.7.4-7
            if segment.seq == self.irs + 1 {
                return Verdict::Gone(Stop::Reset);
            }
            return Verdict::Drop(Stop::InexactReset, self.limited_ack(now));
        }
        if segment.flags.syn {
            //= rfc9293#3.10.7.4-10
            return match self.origin {
                Origin::Passive => Verdict::Gone(Stop::SynReturnsToListen),
                Origin::Active => Verdict::Drop(Stop::SynOnConnection, self.limited_ack(now)),
            };
        }
        //= rfc9293#3.10.7.4-11
        if !segment.flags.ack {
            return Verdict::Drop(Stop::NoAck, None);
        }
        //= rfc9293#3.10.7.4-12
        if segment.ack == self.iss + 1 {
            return Verdict::Established;
        }
        Verdict::Drop(Stop::AckOutsideHandshake, Some(reset(segment.ack)))
    }

    /// `<SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>`, unless too many were provoked of late.
    fn limited_ack(&mut self, now: Instant) -> Option<Header> {
        self.challenge.allow(now).then(|| Header {
            seq: self.iss + 1,
            ack: self.irs + 1,
            flags: Flags::ACK,
            window: self.rcv_wnd >> self.negotiated.rcv_shift,
            urgent: 0,
            options: Options { timestamps: self.timestamps(now), ..Options::NONE },
        })
    }

    fn timestamps(&self, now: Instant) -> Option<Timestamps> {
        self.negotiated
            .timestamps
            .then(|| Timestamps { value: timestamp(now, self.timestamp_offset), echo: self.ts_recent })
    }

    /// When to call [`Self::on_timeout`].
    pub const fn deadline(&self) -> Instant {
        self.deadline
    }

    //= rfc9293#MUST-22
    /// The deadline has come: the SYN-ACK goes out again, at doubled intervals, until `config.handshake_timeout`.
    pub fn on_timeout(&mut self, now: Instant, config: &Config) -> Timeout {
        if now.since(self.opened_at) >= config.handshake_timeout {
            return Timeout::GiveUp;
        }
        self.retransmissions = self.retransmissions.saturating_add(1);
        let rto = Self::INITIAL_RTO * (1 << u32::from(self.retransmissions.min(7)));
        self.deadline = (now + rto.min(config.max_rto)).min(self.opened_at + config.handshake_timeout);
        Timeout::Resend(self.syn_ack(now))
    }

    /// True if the peer offered something that a SYN cookie would have to remember.
    pub const fn has_options(&self) -> bool {
        self.negotiated.scaling || self.negotiated.sack
    }
}

/// Our own SYN, which asks for ECN if `ecn`. Of its options a SYN-ACK repeats only those that the peer's had too.
pub(crate) fn syn(config: &Config, iss: SeqNumber, timestamp_offset: u32, ecn: bool, now: Instant) -> Header {
    let timestamps = Timestamps { value: timestamp(now, timestamp_offset), echo: 0 };
    Header {
        seq: iss,
        ack: SeqNumber::default(),
        //= rfc3168#6.1.1-1
        flags: Flags { ece: ecn, cwr: ecn, ..Flags::SYN },
        window: config.first_window(),
        urgent: 0,
        options: negotiated::syn_options(config, timestamps),
    }
}
