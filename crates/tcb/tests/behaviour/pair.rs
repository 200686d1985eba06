//! Two connections joined by a path in virtual time. A seed replays a run exactly.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sockeye_tcb::{Buffer, CallError, Config, Event, Segment, State, Stop, Tcb, TcpInfo, Transmit};
use sockeye_wire::ip::Ecn;
use sockeye_wire::tcp::Flags;
use sockeye_wire::{Instant, SeqNumber};

/// Which of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that opens actively.
    A,
    /// The one that listens.
    B,
}

impl Side {
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// What the path does with a segment, besides carrying it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Arrives,
    Lost,
    /// Arrives so much later than its time.
    Late(Duration),
    Twice,
    /// Arrives, marked by the path: congestion experienced.
    Marked,
}

/// One end: the connection and what its application saw.
pub struct End {
    pub tcb: Tcb,
    /// Everything read so far.
    pub received: Vec<u8>,
    /// The end of the stream was read.
    pub ended: bool,
    /// True if the application reads whatever comes at once.
    pub reads: bool,
    /// What is still to be handed to the connection, and whether to close after it.
    pub to_send: Bytes,
    pub closes: bool,
    pub events: Vec<Event>,
    /// Verdicts on segments that ended early.
    pub stops: Vec<Stop>,
}

/// A segment as it left, for tests to look at.
#[derive(Clone, Debug)]
pub struct Sent {
    pub at: Instant,
    pub from: Side,
    pub segment: Segment,
}

/// Decides over each segment.
pub type Filter = Box<dyn FnMut(&Sent) -> Fate>;

pub struct Pair {
    pub a: End,
    pub b: End,
    pub now: Instant,
    pub delay: Duration,
    /// Octets of text in one super-segment; 0 for one segment at a time.
    pub limit: u32,
    pub filter: Filter,
    pub log: Vec<Sent>,
    /// `now` as the ends see it is a multiple of this.
    pub tick: Duration,
    wire: BTreeMap<(Instant, u64), (Side, Segment)>,
    order: u64,
}

pub const ISS_A: SeqNumber = SeqNumber::new(1_000_000);
pub const ISS_B: SeqNumber = SeqNumber::new(u32::MAX - 100_000); // so that every longer test wraps

/// Settings that tests start from: what the default is, but with little memory.
pub fn config() -> Config {
    Config {
        receive_buffer: Buffer::Fixed(256 << 10),
        send_buffer: Buffer::Fixed(256 << 10),
        mss: 1000,
        ..Config::default()
    }
}

impl End {
    fn new(tcb: Tcb) -> Self {
        Self {
            tcb,
            received: Vec::new(),
            ended: false,
            reads: true,
            to_send: Bytes::new(),
            closes: false,
            events: Vec::new(),
            stops: Vec::new(),
        }
    }

    /// What the application does whenever it is given the processor.
    fn run_application(&mut self, now: Instant) {
        while self.reads && !self.ended {
            match self.tcb.recv(now, usize::MAX) {
                Ok(text) => self.received.extend_from_slice(&text),
                Err(CallError::EndOfStream) => self.ended = true,
                Err(_) => break,
            }
        }
        while !self.to_send.is_empty() && self.tcb.send(now, &mut self.to_send).is_ok() {}
        if self.closes && self.to_send.is_empty() && self.tcb.state().is_synchronized() {
            self.closes = false;
            let _ = self.tcb.shutdown(now);
        }
        while let Some(event) = self.tcb.poll_event() {
            self.events.push(event);
        }
    }
}

impl Pair {
    /// `a` is about to connect, `b` listens, nothing has been sent.
    pub fn opening(config_a: Config, config_b: Config) -> Self {
        let now = Instant::from_millis(10_000);
        Self::of(
            Tcb::connect(Arc::new(config_a), ISS_A, 7, now),
            Tcb::listen(Arc::new(config_b), ISS_B, u32::MAX - 5, now),
            now,
        )
    }

    /// Two connections, whatever their states.
    pub fn of(a: Tcb, b: Tcb, now: Instant) -> Self {
        Self {
            a: End::new(a),
            b: End::new(b),
            now,
            delay: Duration::from_millis(10),
            limit: 0,
            filter: Box::new(|_| Fate::Arrives),
            log: Vec::new(),
            tick: Duration::from_nanos(1),
            wire: BTreeMap::new(),
            order: 0,
        }
    }

    /// Both ends ESTABLISHED, nothing in flight, events and log empty.
    pub fn established_with(config_a: Config, config_b: Config) -> Self {
        let mut pair = Self::opening(config_a, config_b);
        pair.run_for(Duration::from_secs(1));
        assert_eq!((pair.a.tcb.state(), pair.b.tcb.state()), (State::Established, State::Established));
        pair.a.events.clear();
        pair.b.events.clear();
        pair.log.clear();
        pair
    }

    pub fn established() -> Self {
        Self::established_with(config(), config())
    }

    pub fn end(&mut self, side: Side) -> &mut End {
        match side {
            Side::A => &mut self.a,
            Side::B => &mut self.b,
        }
    }

    /// The application of `side` hands over `text` as fast as it can.
    pub fn send(&mut self, side: Side, text: impl Into<Bytes>) {
        let end = self.end(side);
        let mut all = end.to_send.to_vec();
        all.extend_from_slice(&text.into());
        end.to_send = all.into();
        self.settle();
    }

    /// The application of `side` closes its direction once all is handed over.
    pub fn close(&mut self, side: Side) {
        self.end(side).closes = true;
        self.settle();
    }

    /// `now` as the ends see it.
    pub fn clock(&self) -> Instant {
        let tick = u64::try_from(self.tick.as_nanos()).unwrap();
        Instant::from_nanos(self.now.as_nanos() / tick * tick)
    }

    /// Lets both applications act and both ends send until nothing is left to do at this instant.
    pub fn settle(&mut self) {
        let clock = self.clock();
        for side in [Side::A, Side::B] {
            self.end(side).run_application(clock);
            let limit = self.limit;
            while let Some(transmit) = self.end(side).tcb.poll_transmit(clock, limit) {
                for segment in cut(&transmit, clock) {
                    self.carry(side, &segment);
                }
                self.end(side).run_application(clock);
            }
        }
    }

    /// Puts a segment from `from` on the path.
    pub fn carry(&mut self, from: Side, segment: &Segment) {
        let sent = Sent { at: self.now, from, segment: segment.clone() };
        let fate = (self.filter)(&sent);
        self.log.push(sent);
        let arrival = self.now + self.delay;
        let mut put = |at, segment: Segment| {
            self.order += 1;
            self.wire.insert((at, self.order), (from.other(), segment));
        };
        match fate {
            Fate::Lost => {}
            Fate::Arrives => put(arrival, segment.clone()),
            Fate::Marked => put(arrival, Segment { ecn: Ecn::Ce, ..segment.clone() }),
            Fate::Late(by) => put(arrival + by, segment.clone()),
            Fate::Twice => {
                put(arrival, segment.clone());
                put(arrival, segment.clone());
            }
        }
    }

    /// A segment arrives at `to` this instant, whoever sent it.
    pub fn inject(&mut self, to: Side, segment: Segment) -> Result<(), Stop> {
        let clock = self.clock();
        let end = self.end(to);
        let result = end.tcb.on_segment(clock, segment);
        if let Err(stop) = result {
            end.stops.push(stop);
        }
        self.settle();
        result
    }

    /// When something happens next: a segment arrives or a timer is due.
    fn next_instant(&self) -> Option<Instant> {
        let arrival = self.wire.keys().next().map(|&(at, _)| at);
        [arrival, self.a.tcb.next_timeout(), self.b.tcb.next_timeout()].into_iter().flatten().min()
    }

    /// Goes to the next instant at which something happens, unless that is after `until`, and lets it happen.
    fn step(&mut self, until: Instant) -> bool {
        let Some(next) = self.next_instant().filter(|&next| next <= until) else {
            return false;
        };
        self.now = self.now.max(next);
        // A coarse clock shows a deadline as passed only at its next tick.
        if self.clock() < next {
            self.now = self.clock() + self.tick;
        }
        let clock = self.clock();
        while let Some(entry) = self.wire.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let (to, mut segment) = entry.remove();
            segment.arrived_at = clock;
            let end = self.end(to);
            if let Err(stop) = end.tcb.on_segment(clock, segment) {
                end.stops.push(stop);
            }
        }
        for side in [Side::A, Side::B] {
            self.end(side).tcb.on_timeout(clock);
        }
        self.settle();
        true
    }

    pub fn run_for(&mut self, duration: Duration) {
        let until = self.now + duration;
        self.settle();
        while self.step(until) {}
        self.now = self.now.max(until);
    }

    /// Runs until `done`, at most for `limit`; true if it came to that.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        let until = self.now + limit;
        self.settle();
        while !done(self) {
            if !self.step(until) {
                return false;
            }
        }
        true
    }

    /// Loses the segments of `a` with text whose numbers, from 0 on, are in `which`; each transmission counts.
    pub fn lose(&mut self, which: &'static [usize]) {
        let mut count = 0;
        self.filter = Box::new(move |sent| {
            if sent.from == Side::B || sent.segment.payload.is_empty() {
                return Fate::Arrives;
            }
            count += 1;
            if which.contains(&(count - 1)) { Fate::Lost } else { Fate::Arrives }
        });
    }

    /// What `a` tells about itself.
    pub fn info(&self) -> TcpInfo {
        self.a.tcb.info(self.now)
    }

    /// How often `side` has sent the segment that begins at `seq`, since the log was cleared.
    pub fn times_sent(&self, side: Side, seq: SeqNumber) -> usize {
        self.sent_by(side).iter().filter(|segment| segment.seq == seq && !segment.payload.is_empty()).count()
    }

    /// Segments that `side` has sent since the log was cleared.
    pub fn sent_by(&self, side: Side) -> Vec<Segment> {
        self.log.iter().filter(|sent| sent.from == side).map(|sent| sent.segment.clone()).collect()
    }

    /// An empty segment that `from` might send now: right numbers, ACK set.
    pub fn forge(&self, from: Side) -> Segment {
        let last = self.log.iter().rev().find(|sent| sent.from == from);
        let last = last.expect("a segment was sent before the log was looked at").segment.clone();
        Segment {
            seq: last.end(),
            flags: Flags::ACK,
            payload: Bytes::new(),
            arrived_at: self.clock(),
            segment_size: 0,
            ecn: Ecn::NotEct,
            ..last
        }
    }
}

/// The segments that a device makes of `transmit`.
pub fn cut(transmit: &Transmit, now: Instant) -> Vec<Segment> {
    let text: Vec<u8> = transmit.payload.iter().flatten().copied().collect();
    let text = Bytes::from(text);
    let size = if transmit.segment_size == 0 { usize::MAX } else { usize::from(transmit.segment_size) };
    let header = transmit.header;
    let mut segments = Vec::new();
    let mut at = 0_usize;
    loop {
        let end = at.saturating_add(size).min(text.len());
        let last = end == text.len();
        let flags = Flags { fin: header.flags.fin && last, psh: header.flags.psh && last, ..header.flags };
        segments.push(Segment {
            seq: header.seq + u32::try_from(at).unwrap(),
            ack: header.ack,
            flags,
            window: header.window,
            urgent: header.urgent,
            options: header.options,
            payload: text.slice(at..end),
            more: Vec::new(),
            arrived_at: now,
            segment_size: 0,
            ecn: transmit.ecn,
        });
        if last {
            return segments;
        }
        at = end;
    }
}

/// `length` octets that differ from place to place.
pub fn text(length: usize) -> Vec<u8> {
    (0..length).map(|i| u8::try_from((i * 7 + i / 251) % 256).unwrap()).collect()
}

/// A small generator of random numbers (splitmix64): the same seed gives the same run.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// True with a chance of `per_mille` in a thousand.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.next() % 1000 < per_mille
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}
