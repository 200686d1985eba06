//! What is sent: RFC 2525 sections 2.4, 2.14, 2.15 and 2.18.

use std::collections::VecDeque;
use std::time::Duration;

use sockeye_wire::Instant;

use super::{Finding, Moment, Problem, finding, finding_nearby};
use crate::analyze::side::{Class, Side};

/// Section 2.4: the same sequence numbers with other octets.
#[derive(Default)]
pub struct Contents {
    /// Where `octets` begin.
    start: i64,
    octets: VecDeque<u8>,
}

impl Contents {
    /// Octets that are remembered, of those not acknowledged.
    const REMEMBERED: usize = 1 << 20;

    //= rfc2525#2.4-1
    pub fn sent(&mut self, moment: &Moment<'_>) -> Option<Finding> {
        let text = moment.segment.text.filter(|text| !text.is_empty() && moment.class != Class::KeepAlive)?;
        let start = moment.range.start + i64::from(moment.segment.flags.syn);
        let end = self.end();
        if start > end || self.octets.is_empty() {
            self.octets.clear();
            self.start = start;
        }
        let skipped = usize::try_from(self.start - start).unwrap_or(0);
        let from = usize::try_from(start - self.start).unwrap_or(0);
        let known = self.octets.iter().skip(from);
        let text = text.get(skipped..).unwrap_or_default();
        let differs = known.zip(text).position(|(before, now)| before != now);
        let new = usize::try_from(self.end() - start.max(self.start)).unwrap_or(0);
        self.octets.extend(text.get(new..).unwrap_or_default());
        let excess = self.octets.len().saturating_sub(Self::REMEMBERED);
        self.forget(excess);
        let place = start.max(self.start) + i64::try_from(differs?).unwrap_or(0);
        finding(
            Problem::InconsistentRetransmission,
            moment.at(),
            format!("octet {place} differs from what was sent before"),
        )
    }

    pub fn heard(&mut self, me: &Side) {
        self.forget(usize::try_from(me.numbers.una - self.start).unwrap_or(0));
    }

    /// Octets of memory that it takes.
    pub fn kept(&self) -> usize {
        self.octets.capacity()
    }

    fn end(&self) -> i64 {
        self.start + i64::try_from(self.octets.len()).unwrap_or(0)
    }

    fn forget(&mut self, count: usize) {
        let count = count.min(self.octets.len());
        self.octets.drain(..count);
        self.start += i64::try_from(count).unwrap_or(0);
    }
}

/// Section 2.14: right behind a retransmission a crumb, as large as the options that were not subtracted.
#[derive(Default)]
pub struct AfterRetransmission {
    /// Where the retransmission ended, while nothing else has happened.
    end: Option<i64>,
}

impl AfterRetransmission {
    /// The most that options take.
    const CRUMB: u32 = 40;

    //= rfc2525#2.14-1
    pub fn sent(&mut self, moment: &Moment<'_>, me: &Side) -> Option<Finding> {
        let is_again = matches!(moment.class, Class::Again(_));
        let end = std::mem::replace(&mut self.end, is_again.then_some(moment.range.end));
        let length = moment.segment.text_len;
        let record = me.outstanding.record(moment.range.start)?;
        // A crumb that begins where a segment began, yet ends within it: no repacketisation leaves that.
        let is_crumb = is_again
            && end == Some(moment.range.start)
            && (1..=Self::CRUMB).contains(&length)
            && record.start == moment.range.start
            && record.end > moment.range.end;
        if !is_crumb {
            return None;
        }
        let why = format!("a retransmission was followed by {length} octets of the next segment");
        finding(Problem::RetransmissionSendsMultiplePackets, moment.at(), why)
    }

    pub fn heard(&mut self) {
        self.end = None;
    }
}

/// Section 2.15: the FIN waits for the ACK of the last text.
#[derive(Default)]
pub struct PromptFin {
    text_at: Option<Instant>,
    /// An ACK, and nothing but that, just covered all text.
    acked_at: Option<Instant>,
}

impl PromptFin {
    //= rfc2525#2.15-1
    pub fn sent(&mut self, moment: &Moment<'_>) -> Option<Finding> {
        let acked_at = self.acked_at.take();
        if moment.segment.text_len > 0 {
            self.text_at = Some(moment.at());
        }
        if !moment.segment.flags.fin || moment.segment.text_len > 0 || moment.class != Class::New {
            return None;
        }
        let (acked_at, text_at) = (acked_at?, self.text_at?);
        let (waited, after) = (acked_at.since(text_at), moment.at().since(acked_at));
        if waited < Duration::from_millis(1) || after > (waited / 10).min(Duration::from_millis(2)) {
            return None;
        }
        let why = format!("the FIN left {after:?} after the ACK of the last text, {waited:?} after that text");
        finding_nearby(Problem::FinNotPrompt, moment.at(), why)
    }

    pub fn heard(&mut self, moment: &Moment<'_>, me: &Side) {
        let covers_all = moment.is_pure_ack() && moment.advance > 0 && me.numbers.una == me.numbers.max;
        self.acked_at = covers_all.then(|| moment.at());
    }
}

/// Section 2.18: text and options together exceed the segment that the other side takes.
#[derive(Default)]
pub struct SegmentSize {
    too_large: u32,
    largest: u32,
    first_at: Instant,
    /// Cut by the device later: what was captured says nothing about sizes.
    is_merged: bool,
}

impl SegmentSize {
    //= rfc2525#2.18-1
    pub fn sent(&mut self, moment: &Moment<'_>, me: &Side, peer: &Side) -> Option<Finding> {
        peer.syn?.mss?;
        let (text, options) = (moment.segment.text_len, moment.segment.options_len);
        self.is_merged |= text > me.numbers.mss;
        if text + options > me.numbers.mss && options > 0 && text > 0 {
            self.first_at = if self.too_large == 0 { moment.at() } else { self.first_at };
            self.largest = self.largest.max(text + options);
            self.too_large += 1;
        }
        None
    }

    pub fn verdict(&self) -> Option<Finding> {
        if self.is_merged || self.too_large < 2 {
            return None;
        }
        let why = format!("{} segments with up to {} octets of options and text", self.too_large, self.largest);
        finding(Problem::OptionsMissingFromMss, self.first_at, why)
    }
}
