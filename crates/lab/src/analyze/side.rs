//! One side of a connection: what it sent, and what the other side said to that.
//!
//! Places in the stream are offsets from the initial sequence number (or from the first number seen), which don't wrap.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use rangemap::RangeSet;
use sockeye_tcb::{Config, Rtt};
use sockeye_wire::tcp::{Options, Timestamps};
use sockeye_wire::{Instant, SeqNumber};

use super::figures::Figures;
use super::limits::{Limits, Paths};
use super::outstanding::{Outstanding, Sent};
use super::packet::Segment;
use super::passed::Passed;
use crate::plot::{Event, Lines, Mark, Sending, What};

/// Ranges that SACK blocks named and that are remembered, between as many holes.
const SACKED: usize = 1 << 12;
/// Retransmissions that are remembered, until they prove to have been needless.
const RESENT: usize = 64;
/// The MSS of a peer that names none (RFC 9293 section 3.7.1).
const DEFAULT_MSS: u32 = 536;

/// What a segment was, as far as the capture can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Neither text, SYN nor FIN.
    Bare,
    /// New octets.
    New,
    /// Sent again.
    Again(Sending),
    /// Late, not sent again.
    OutOfOrder,
    /// Made by the network of one that was sent once.
    Copied,
    /// One octet, or none, before the next: is anybody there?
    KeepAlive,
    /// A probe of a closed window.
    WindowProbe,
}

/// A segment sent again that may prove needless.
#[derive(Clone, Copy, Debug)]
struct Resent {
    start: i64,
    end: i64,
    /// Its timestamp, until an ACK covered it.
    value: Option<u32>,
    /// It was needless.
    convicted: bool,
}

/// Where a side stands.
#[derive(Clone, Copy, Debug)]
pub struct Numbers {
    /// One past the last octet sent.
    pub max: i64,
    /// The first octet not acknowledged.
    pub una: i64,
    /// One past the last octet that the other side is ready to take.
    pub edge: i64,
    /// When that last changed.
    pub edge_at: Instant,
    /// The window that the other side offers.
    pub peer_window: u64,
    /// The largest segment that the other side takes, without options.
    pub mss: u32,
    /// ACKs of the other side that said the same, in a row.
    pub duplicates: u32,
    /// One past the last octet that a SACK block named.
    pub sacked_to: i64,
    /// When one last named octets that none had named before.
    pub sacked_at: Instant,
    /// When the last of these octets had left.
    pub sacked_sent_at: Instant,
    /// When the other side last acknowledged something.
    pub acked_at: Instant,
    /// Octets up to here were sent before the last loss that ACKs told of.
    pub recover: i64,
    /// Octets up to here were sent before the last timeout.
    pub timeout_recover: i64,
}

impl Numbers {
    /// Octets outstanding.
    pub const fn in_flight(&self) -> i64 {
        self.max - self.una
    }
}

/// One side.
pub struct Side {
    pub address: SocketAddr,
    /// What its SYN offered.
    pub syn: Option<Options>,
    /// Both sides' SYNs permit SACK.
    pub sack_permitted: bool,
    /// When its first SYN went out, and how often it did.
    pub syn_at: Option<Instant>,
    pub syns: u32,
    pub fin: Option<i64>,
    pub numbers: Numbers,
    pub figures: Figures,
    pub rtt: Rtt,
    pub min_rtt: Option<Duration>,
    pub events: Vec<Event>,
    pub marks: Vec<Mark>,
    /// Of what it sent, as ACKs tell of it.
    pub lines: Lines,
    /// The offset and sequence number that others are counted from.
    anchor: Option<(i64, SeqNumber)>,
    /// The window that this side offers now, and since when it is closed.
    pub offers: Option<u64>,
    closed_since: Option<Instant>,
    pub outstanding: Outstanding,
    /// What the other side reported beyond what it acknowledged.
    sacked: RangeSet<i64>,
    resent: VecDeque<Resent>,
    passed: Passed,
    first_text_at: Option<Instant>,
    /// The latest time that its timestamps told (RFC 7323 section 3).
    newest_value: Option<u32>,
    pub limits: Limits,
    pub paths: Paths,
}

impl Side {
    pub fn new(address: SocketAddr) -> Self {
        let numbers = Numbers {
            max: 0,
            una: 0,
            edge: 0,
            edge_at: Instant::ZERO,
            peer_window: 0,
            mss: DEFAULT_MSS,
            duplicates: 0,
            sacked_to: 0,
            sacked_at: Instant::ZERO,
            sacked_sent_at: Instant::ZERO,
            acked_at: Instant::ZERO,
            recover: 0,
            timeout_recover: 0,
        };
        Self {
            address,
            syn: None,
            sack_permitted: false,
            syn_at: None,
            syns: 0,
            fin: None,
            numbers,
            figures: Figures::default(),
            rtt: Rtt::new(&Config::default()),
            min_rtt: None,
            events: Vec::new(),
            marks: Vec::new(),
            lines: Lines::default(),
            anchor: None,
            offers: None,
            closed_since: None,
            outstanding: Outstanding::default(),
            sacked: RangeSet::new(),
            resent: VecDeque::new(),
            passed: Passed::default(),
            first_text_at: None,
            newest_value: None,
            limits: Limits::default(),
            paths: Paths::default(),
        }
    }

    /// Counts from here: `seq` is offset 0.
    pub fn begin(&mut self, seq: SeqNumber) {
        self.anchor = Some((0, seq));
        (self.numbers.max, self.numbers.una) = (0, 0);
        self.outstanding = Outstanding::default();
        self.sacked.clear();
    }

    /// The initial sequence number, or the first that was seen.
    pub fn first_seq(&self) -> Option<SeqNumber> {
        let (offset, seq) = self.anchor?;
        Some(seq - low_bits(offset))
    }

    /// The offset of a sequence number: the one nearest to where this side is.
    pub fn offset(&mut self, seq: SeqNumber) -> i64 {
        let (offset, near) = *self.anchor.get_or_insert((0, seq));
        offset + i64::from(seq.since(near).cast_signed())
    }

    /// What this segment of ours is; nothing is changed.
    pub fn classify(&self, segment: &Segment<'_>, range: &Range<i64>) -> Class {
        let numbers = &self.numbers;
        let may_probe = !(segment.flags.syn || segment.flags.fin || segment.flags.rst);
        let text_len = segment.text_len;
        if !range.is_empty() && range.start < numbers.max && self.passed.has_copy_of(segment, self.paths.to_side) {
            return Class::Copied;
        }
        if may_probe && text_len <= 1 && range.start == numbers.max - 1 && numbers.una >= numbers.max && numbers.max > 0
        {
            return if numbers.peer_window == 0 { Class::WindowProbe } else { Class::KeepAlive };
        }
        let at_edge = range.start == numbers.edge || range.start == numbers.una;
        if may_probe && text_len == 1 && numbers.peer_window == 0 && at_edge {
            return Class::WindowProbe;
        }
        if range.is_empty() {
            return Class::Bare;
        }
        if range.start >= numbers.max {
            return Class::New;
        }
        if !self.was_seen(range) && range.start >= numbers.una {
            return self.late(segment, range);
        }
        Class::Again(self.why_again(segment.at, range))
    }

    /// Octets that fill a gap: overtaken on the way, or sent again after a loss before this place.
    fn late(&self, segment: &Segment<'_>, range: &Range<i64>) -> Class {
        // What is sent again leaves after what was captured; what left before by its own clock was overtaken.
        let value = segment.options.timestamps.map(|timestamps| timestamps.value);
        if value.zip(self.newest_value).is_some_and(|(value, newest)| Timestamps::is_older(value, newest)) {
            return Class::OutOfOrder;
        }
        let after = self.outstanding.from(range.end);
        // What was sent again comes at least a round trip behind what overtook it.
        let patience = self.min_rtt.unwrap_or_default().max(self.paths.whole).max(Duration::from_millis(3));
        match after {
            Some(after) if segment.at.since(after.first_at) >= patience => {
                Class::Again(self.why_again(segment.at, range))
            }
            _ => Class::OutOfOrder,
        }
    }

    /// True if all of these octets were seen before.
    fn was_seen(&self, range: &Range<i64>) -> bool {
        range.start < self.numbers.una || self.outstanding.was_seen(range)
    }

    /// True if the first segment that is not acknowledged has waited as long as a retransmission timer does.
    fn timed_out(&self, now: Instant, range: &Range<i64>) -> bool {
        let record = self.outstanding.record(range.start.max(self.numbers.una));
        let patience = self.rtt.rto().mul_f64(0.9).min(Duration::from_millis(900));
        range.start <= self.numbers.una
            && !self.just_overtaken(now, range)
            && record.is_some_and(|record| now.since(record.last_at) >= patience)
            && now.since(self.numbers.acked_at) >= patience / 2
    }

    /// True if SACK has just told that later octets overtook these, or what left after these had left again: whoever judges by
    /// time sends them again within a part of a round trip (RFC 8985 section 6.2), however long they were out when a probe found
    /// that out.
    fn just_overtaken(&self, now: Instant, range: &Range<i64>) -> bool {
        let soon = self.paths.to_side + (self.paths.whole / 2).max(Duration::from_millis(3));
        let overtaken = |record: &Sent| record.times == 1 || record.last_at < self.numbers.sacked_sent_at;
        self.numbers.sacked_to > range.end
            && self.outstanding.record(range.start).is_some_and(overtaken)
            && now.since(self.numbers.sacked_at) <= soon
    }

    /// Why octets were sent again: because of ACKs, of a timeout, or as a probe (RFC 5681, 6298, 8985).
    ///
    /// A probe comes no later than the timeout whose place it takes (RFC 8985 section 7.2), and where one segment is
    /// outstanding often just then: from outside the two are the same, and the first of them is taken for a probe.
    fn why_again(&self, now: Instant, range: &Range<i64>) -> Sending {
        let numbers = &self.numbers;
        let record = self.outstanding.record(range.start.max(numbers.una));
        let waited = record.map_or(Duration::ZERO, |record| now.since(record.last_at));
        let silence = now.since(numbers.acked_at);
        let timed_out = self.timed_out(now, range);
        let told = numbers.duplicates >= 3
            || numbers.sacked_to > range.end
            || numbers.recover > numbers.una
            || (numbers.duplicates > 0 && numbers.in_flight() < 4 * i64::from(numbers.mss));
        let probes = self.sack_permitted
            && range.end == numbers.max
            && numbers.max > 1
            && record.is_some_and(|record| record.times == 1)
            && numbers.timeout_recover <= numbers.una;
        match () {
            () if timed_out && probes && numbers.recover <= numbers.una => Sending::TailProbe,
            () if timed_out && !(probes && waited < self.rtt.rto().mul_f64(0.95)) => Sending::Timeout,
            () if numbers.timeout_recover > numbers.una => Sending::Timeout,
            () if told => Sending::Fast,
            () if probes => Sending::TailProbe,
            // Nothing was heard since: only a timer can be the reason, be it a hasty one.
            () if silence >= waited && numbers.sacked_to <= numbers.una && range.end > numbers.una => Sending::Timeout,
            () => Sending::Fast,
        }
    }

    /// Writes down a segment of ours, classified before. True if it was an expiry of the retransmission timer.
    pub fn sent(&mut self, segment: &Segment<'_>, range: &Range<i64>, class: Class) -> bool {
        if let Some(Timestamps { value, .. }) = segment.options.timestamps
            && self.newest_value.is_none_or(|newest| Timestamps::is_older(newest, value))
        {
            self.newest_value = Some(value);
        }
        self.figures.segments += 1;
        if class == Class::Copied {
            self.figures.copied += 1;
            return false;
        }
        if !range.is_empty() {
            self.passed.note(segment);
        }
        self.figures.octets_sent += u64::from(segment.text_len);
        if segment.flags.fin {
            self.fin = Some(range.end);
        }
        let mut expired = false;
        match class {
            Class::Bare | Class::Copied => return false,
            Class::KeepAlive => {
                self.figures.keep_alives += 1;
                return false;
            }
            // It counts as sent once it is acknowledged: most receivers don't take it.
            Class::WindowProbe => {
                self.figures.window_probes += 1;
                return false;
            }
            Class::New => {}
            Class::OutOfOrder => self.figures.out_of_order += 1,
            Class::Again(why) => expired = self.sent_again(segment, range, why),
        }
        if class == Class::New && range.start > self.numbers.max && self.numbers.max > 0 {
            self.figures.gaps += 1;
            self.outstanding.skips(self.numbers.max..range.start);
        }
        if range.start >= self.numbers.max {
            self.sent_new(segment, range);
        } else {
            self.outstanding.leaves_again(segment.at, range, self.numbers.una, self.numbers.max);
        }
        self.numbers.max = self.numbers.max.max(range.end);
        if self.anchor.is_none_or(|(offset, _)| range.end > offset) {
            self.anchor = Some((range.end, segment.seq + segment.len()));
        }
        if segment.text_len > 0 {
            self.text_sent(segment, range);
        }
        expired
    }

    fn sent_new(&mut self, segment: &Segment<'_>, range: &Range<i64>) {
        // Neither SYN nor FIN waits for a window.
        if segment.text_len > 0 {
            let repairs = self.numbers.recover > self.numbers.una;
            let waited = self.limits.sent(segment.at, range.end, self.numbers.mss, repairs, self.paths);
            if let Some((limit, waited)) = waited {
                *self.figures.limited(limit) += waited;
            }
        }
        self.outstanding.leaves(segment.at, range.clone());
    }

    fn text_sent(&mut self, segment: &Segment<'_>, range: &Range<i64>) {
        let in_flight = self.numbers.in_flight().unsigned_abs();
        self.first_text_at.get_or_insert(segment.at);
        self.figures.text_segments += 1;
        self.figures.max_in_flight = self.figures.max_in_flight.max(in_flight);
        self.figures.in_flight_sum += in_flight;
        if self.numbers.edge > 0 && range.end == self.numbers.edge && self.numbers.peer_window > 0 {
            self.figures.window_full += 1;
        }
    }

    fn sent_again(&mut self, segment: &Segment<'_>, range: &Range<i64>, why: Sending) -> bool {
        let numbers = &mut self.numbers;
        let mut expired = false;
        match why {
            Sending::Fast => {
                self.figures.fast += 1;
                if numbers.recover <= numbers.una {
                    numbers.recover = numbers.max;
                }
            }
            Sending::TailProbe => self.figures.tail_probes += 1,
            _ => {
                self.figures.timeout += 1;
                // Behind an expiry all is sent again, as ACKs come: only what no ACK let go is another expiry.
                expired = self.numbers.timeout_recover <= self.numbers.una || self.timed_out(segment.at, range);
                let numbers = &mut self.numbers;
                if expired {
                    self.figures.rtos += 1;
                    numbers.timeout_recover = numbers.max;
                    numbers.recover = 0;
                }
            }
        }
        if range.end <= self.numbers.una {
            self.figures.spurious += 1;
            self.take_resent(range); // a D-SACK will tell of this one, not of another
        } else {
            let value = segment.options.timestamps.map(|timestamps| timestamps.value);
            self.resent.push_back(Resent { start: range.start, end: range.end, value, convicted: false });
            if self.resent.len() > RESENT {
                self.resent.pop_front();
            }
        }
        expired
    }

    /// The other side acknowledged everything before `ack`. Octets newly acknowledged.
    pub fn acked(&mut self, at: Instant, ack: i64, echo: Option<u32>) -> i64 {
        let advance = ack - self.numbers.una;
        if advance <= 0 {
            return 0;
        }
        let first_at = self.outstanding.acked(ack, &self.sacked);
        self.sacked.remove(i64::MIN..ack);
        if let Some(first_at) = first_at {
            self.measured(at.since(first_at));
        }
        self.judge_resent(ack, echo);
        let text = advance - i64::from(self.numbers.una == 0 && self.syn.is_some()) - i64::from(self.fin == Some(ack));
        self.figures.octets_acked += u64::try_from(text).unwrap_or(0);
        if let Some(first) = self.first_text_at.filter(|_| text > 0) {
            self.figures.busy = at.since(first);
        }
        let numbers = &mut self.numbers;
        (numbers.una, numbers.duplicates, numbers.acked_at) = (ack, 0, at);
        numbers.max = numbers.max.max(ack); // text that the capture missed
        advance
    }

    fn measured(&mut self, sample: Duration) {
        self.figures.rtt.add(sample);
        self.rtt.on_sample(sample);
        self.min_rtt = Some(self.min_rtt.map_or(sample, |least| least.min(sample)));
    }

    /// Eifel detection (RFC 3522): an ACK that echoes a time before the retransmission answers the original. What it
    /// doesn't convict stays, as a D-SACK may still.
    fn judge_resent(&mut self, ack: i64, echo: Option<u32>) {
        let earlier = |value: u32| echo.is_some_and(|echo| Timestamps::is_older(echo, value));
        let before = self.resent.len();
        for resent in self.resent.iter_mut().filter(|resent| resent.end <= ack) {
            resent.convicted = resent.value.take().is_some_and(earlier);
        }
        self.resent.retain(|resent| !resent.convicted);
        self.needless(before - self.resent.len());
    }

    /// So many retransmissions proved needless: what they made of the sender's state is taken back (RFC 4015).
    fn needless(&mut self, count: usize) {
        if count > 0 {
            self.figures.spurious += count as u64;
            (self.numbers.timeout_recover, self.numbers.recover) = (0, 0);
        }
    }

    /// A D-SACK says that these octets came twice (RFC 2883): if they were sent again, that was needless.
    pub fn came_twice(&mut self, octets: &Range<i64>) {
        let found = self.take_resent(octets);
        self.needless(usize::from(found));
    }

    /// Forgets the retransmission of these octets; true if there was one.
    fn take_resent(&mut self, octets: &Range<i64>) -> bool {
        let overlaps = |resent: &Resent| resent.start < octets.end && octets.start < resent.end;
        self.resent.iter().position(overlaps).and_then(|place| self.resent.remove(place)).is_some()
    }

    /// SACK blocks of the other side, as offsets.
    pub fn sacked(&mut self, at: Instant, octets: &Range<i64>) {
        self.numbers.sacked_to = self.numbers.sacked_to.max(octets.end);
        let octets = octets.start.max(self.numbers.una)..octets.end.min(self.numbers.max);
        if octets.is_empty() {
            return;
        }
        let ends = self.sacked.gaps(&octets).flat_map(|gap| [gap.start, gap.end - 1]);
        let sent_at = ends.map(|place| self.outstanding.record(place).map_or(Instant::ZERO, |sent| sent.last_at)).max();
        if let Some(sent_at) = sent_at {
            let numbers = &mut self.numbers;
            let known = if numbers.sacked_at == at { numbers.sacked_sent_at } else { Instant::ZERO };
            (numbers.sacked_at, numbers.sacked_sent_at) = (at, known.max(sent_at));
            self.sacked.insert(octets);
            if self.sacked.len() > SACKED {
                self.sacked.first().cloned().into_iter().for_each(|lowest| self.sacked.remove(lowest));
            }
        }
    }

    /// This side offers `window`, at this time.
    pub fn offer(&mut self, at: Instant, window: u64) {
        self.figures.max_window = self.figures.max_window.max(window);
        match (window, self.closed_since) {
            (0, None) => {
                self.figures.zero_windows += 1;
                self.closed_since = Some(at);
            }
            (1.., Some(since)) => {
                self.figures.zero_window_time += at.since(since);
                self.closed_since = None;
            }
            _ => {}
        }
        self.offers = Some(window);
    }

    /// Records of what is outstanding, of what was reported beyond it, and of what was sent again.
    pub fn records(&self) -> usize {
        self.outstanding.records() + self.sacked.len() + self.resent.len()
    }

    /// Keeps no more than so many of each kind: the newest, which lie highest.
    pub fn keep_records(&mut self, most: usize) {
        self.outstanding.keep(most);
        let surplus: Vec<_> = self.sacked.iter().take(self.sacked.len().saturating_sub(most)).cloned().collect();
        surplus.into_iter().for_each(|lowest| self.sacked.remove(lowest));
        self.resent.drain(..self.resent.len().saturating_sub(most));
        self.resent.shrink_to_fit();
    }

    /// Keeps none.
    pub fn forget_records(&mut self) {
        (self.outstanding, self.sacked) = (Outstanding::default(), RangeSet::new());
        self.resent = VecDeque::new();
        self.passed.forget();
    }

    /// Nothing more will come: closes what is still open, and gives back memory.
    pub fn finish(&mut self, at: Instant) {
        if let Some(since) = self.closed_since.take() {
            self.figures.zero_window_time += at.since(since);
        }
        self.forget_records();
    }

    /// Adds to the picture.
    pub fn draw(&mut self, at: Instant, what: What) {
        self.events.push(Event { at, what });
    }
}

/// The offset modulo 2^32.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "that is what it is for")]
const fn low_bits(offset: i64) -> u32 {
    offset as u32
}

#[cfg(test)]
mod tests;
