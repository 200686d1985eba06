//! How a receiver keeps and acknowledges: RFC 2525 sections 2.5, 2.12 and 2.13.

use std::time::Duration;

use sockeye_wire::Instant;

use super::{Finding, Moment, Problem, finding, finding_nearby};
use crate::analyze::side::{Class, Side};

/// Section 2.5: a gap is filled, yet the ACK stops short of what came above it before.
#[derive(Default)]
pub struct Retention {
    /// A gap was filled: up to where, and how far the stream is whole since.
    filled: Option<(i64, i64)>,
    /// The ACK stopped here, though the stream is whole up to there.
    short: Option<(i64, i64)>,
    forgotten: u32,
    first_at: Instant,
    /// At least once it kept what it had.
    kept: bool,
}

impl Retention {
    /// The judged side was sent a segment by `peer`.
    //= rfc2525#2.5-1
    pub fn heard(&mut self, moment: &Moment<'_>, peer: &Side) -> Option<Finding> {
        let range = moment.range;
        if range.is_empty() {
            return None;
        }
        let again = matches!(moment.class, Class::Again(_));
        if let Some((from, to)) = self.short.filter(|_| again)
            && peer.numbers.una == from
            && (from..to).contains(&range.start)
        {
            self.first_at = if self.forgotten == 0 { moment.at() } else { self.first_at };
            self.forgotten += 1;
            self.short = None;
        }
        // What came above the gap is sent again: that an ACK covers it says nothing any more.
        self.filled = self.filled.filter(|(end, whole)| !(again && (*end..*whole).contains(&range.start)));
        if range.start == peer.numbers.una {
            let whole = peer.outstanding.seen_to(range.end);
            if whole > range.end {
                self.filled = Some((range.end, whole));
            }
        }
        None
    }

    pub fn sent(&mut self, moment: &Moment<'_>) -> Option<Finding> {
        self.kept |= !moment.segment.options.sack.is_empty();
        let ack = moment.ack?;
        let (end, whole) = self.filled.take_if(|(end, _)| ack >= *end)?;
        if ack >= whole {
            self.kept = true;
        } else if ack <= end {
            self.short = Some((ack, whole));
        }
        None
    }

    pub fn verdict(&self) -> Option<Finding> {
        if self.forgotten == 0 || self.kept {
            return None;
        }
        let why = format!("{} times an ACK left out what had come above a gap, and it was sent again", self.forgotten);
        finding_nearby(Problem::FailureToRetainAboveSequenceData, self.first_at, why)
    }
}

/// Section 2.12: text was taken beyond the promised window, and since then no ACK is believed.
#[derive(Default)]
pub struct BeyondEdge {
    is_beyond: bool,
    again: u32,
}

impl BeyondEdge {
    //= rfc2525#2.12-1
    pub fn sent(&mut self, moment: &Moment<'_>) -> Option<Finding> {
        let window_is_closed = moment.segment.window == 0;
        self.is_beyond |=
            window_is_closed && moment.edge_before > 0 && moment.ack.is_some_and(|ack| ack > moment.edge_before);
        self.is_beyond &= window_is_closed;
        let already_acked = matches!(moment.class, Class::Again(_)) && moment.range.end <= moment.before.una;
        self.again = if self.is_beyond { self.again + u32::from(already_acked) } else { 0 };
        if self.again < 2 {
            return None;
        }
        let why = "text sent again and again after it was acknowledged, by a side that took an octet beyond its window";
        finding(Problem::WindowProbeDeadlock, moment.at(), why.to_owned())
    }
}

/// Section 2.13: ACKs that cover more than two full segments, or come later than half a second.
#[derive(Default)]
pub struct AckPolicy {
    largest: u32,
    /// Full segments, and the first text, that no ACK has covered yet.
    full: u32,
    waiting_since: Option<Instant>,
    acks: u32,
    stretched: u32,
    late: u32,
    first_at: Instant,
    /// What was captured is merged: how many segments came can't be told.
    is_merged: bool,
}

impl AckPolicy {
    pub fn heard(&mut self, moment: &Moment<'_>, peer: &Side) {
        let length = moment.segment.text_len;
        if length == 0 || moment.class != Class::New {
            return;
        }
        self.is_merged |= length > peer.numbers.mss;
        self.largest = self.largest.max(length);
        self.full += u32::from(length == self.largest);
        self.waiting_since.get_or_insert(moment.at());
    }

    //= rfc2525#2.13-1
    pub fn sent(&mut self, moment: &Moment<'_>) -> Option<Finding> {
        if moment.advance <= 0 {
            return None;
        }
        let waited = self.waiting_since.take().map_or(Duration::ZERO, |since| moment.at().since(since));
        let is_stretched = std::mem::take(&mut self.full) > 2;
        let is_late = waited > Duration::from_millis(550);
        if self.stretched + self.late == 0 && (is_stretched || is_late) {
            self.first_at = moment.at();
        }
        self.acks += 1;
        self.stretched += u32::from(is_stretched);
        self.late += u32::from(is_late);
        None
    }

    pub fn verdict(&self) -> Option<Finding> {
        let Self { acks, stretched, late, .. } = *self;
        if self.is_merged || acks < 6 || 2 * (stretched + late) <= acks {
            return None;
        }
        let why =
            format!("of {acks} ACKs {stretched} cover more than two full segments, {late} came after half a second");
        finding_nearby(Problem::StretchAck, self.first_at, why)
    }
}
