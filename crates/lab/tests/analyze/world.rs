//! Two connections joined by a path in virtual time, each behind a network card that captures. Between a connection and its
//! card a test may change what passes: that makes its TCP a wrong one, for whoever looks from outside.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sockeye_device::pcapng::{Way, Writer};
use sockeye_lab::analyze::{ConnectionReport, Filter, Problem, Report, analyze};
use sockeye_tcb::{CallError, Config, Segment, Tcb, Transmit};
use sockeye_wire::ip::Ecn;
use sockeye_wire::ip::v4::Ipv4Header;
use sockeye_wire::tcp::{TcpHeader, fill_checksum};
use sockeye_wire::{Instant, SeqNumber};

/// Which of the two ends: A connects to B.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    A,
    B,
}
use End::{A, B};

impl End {
    pub fn other(self) -> Self {
        if self == A { B } else { A }
    }

    fn address(self) -> Ipv4Addr {
        if self == A { Ipv4Addr::new(10, 0, 0, 1) } else { Ipv4Addr::new(10, 0, 0, 2) }
    }

    fn port(self) -> u16 {
        if self == A { 40_000 } else { 80 }
    }
}

/// What a connection sends, on its way to the card: what the card gets instead, each so much later.
pub type Tamper = Box<dyn FnMut(Instant, Segment) -> Vec<(Duration, Segment)>>;
/// What a card received, on its way to the connection: what that hears instead.
pub type Hear = Box<dyn FnMut(Instant, Segment) -> Option<Segment>>;
/// What the path does to a segment of this end: how much later it arrives than it should, once for each copy.
pub type Fate = Box<dyn FnMut(Instant, End, &Segment) -> Vec<Duration>>;

pub struct Host {
    pub tcb: Tcb,
    pub reads: bool,
    pub received: usize,
    pub ended: bool,
    pub to_send: Bytes,
    /// Shuts down once all is handed over.
    pub closes: bool,
    pub tamper: Option<Tamper>,
    pub hear: Option<Hear>,
    /// What its card saw.
    captured: Vec<(Instant, Way, Vec<u8>)>,
}

enum Doing {
    Leaves(End, Segment),
    Arrives(End, Segment),
}

pub struct World {
    pub now: Instant,
    pub a: Host,
    pub b: Host,
    pub delay: Duration,
    pub fate: Fate,
    wire: BTreeMap<(Instant, u64), Doing>,
    order: u64,
}

pub fn config() -> Config {
    Config { mss: 1000, ..Config::default() }
}

impl Host {
    fn new(tcb: Tcb) -> Self {
        Self {
            tcb,
            reads: true,
            received: 0,
            ended: false,
            to_send: Bytes::new(),
            closes: false,
            tamper: None,
            hear: None,
            captured: Vec::new(),
        }
    }

    fn run_application(&mut self, now: Instant) {
        while self.reads && !self.ended {
            match self.tcb.recv(now, usize::MAX) {
                Ok(text) => self.received += text.len(),
                Err(CallError::EndOfStream) => self.ended = true,
                Err(_) => break,
            }
        }
        while !self.to_send.is_empty() && self.tcb.send(now, &mut self.to_send).is_ok() {}
        if self.closes && self.to_send.is_empty() && self.tcb.state().is_synchronized() {
            self.closes = false;
            let _ = self.tcb.shutdown(now);
        }
        while self.tcb.poll_event().is_some() {}
    }
}

impl World {
    /// A is about to connect, B listens; 20 ms there and back; the numbers wrap early.
    pub fn new(config_a: Config, config_b: Config) -> Self {
        let now = Instant::from_millis(1_000);
        Self {
            now,
            a: Host::new(Tcb::connect(Arc::new(config_a), SeqNumber::new(u32::MAX - 50_000), 7, now)),
            b: Host::new(Tcb::listen(Arc::new(config_b), SeqNumber::new(5_000), 900, now)),
            delay: Duration::from_millis(10),
            fate: Box::new(|_, _, _| vec![Duration::ZERO]),
            wire: BTreeMap::new(),
            order: 0,
        }
    }

    pub fn host(&mut self, end: End) -> &mut Host {
        if end == A { &mut self.a } else { &mut self.b }
    }

    pub fn send(&mut self, end: End, length: usize) {
        self.host(end).to_send = text(length);
        self.settle();
    }

    pub fn close(&mut self, end: End) {
        self.host(end).closes = true;
        self.settle();
    }

    /// Lets both applications act and both ends send until nothing is left to do at this instant.
    pub fn settle(&mut self) {
        let now = self.now;
        for end in [A, B] {
            let host = self.host(end);
            host.run_application(now);
            while let Some(transmit) = self.transmit(end) {
                // Sending takes time; else RACK couldn't tell what was sent first.
                self.now += Duration::from_micros(1);
                let now = self.now;
                let header = transmit.header;
                let payload: Vec<u8> = transmit.payload.iter().flatten().copied().collect();
                let segment = Segment {
                    seq: header.seq,
                    ack: header.ack,
                    flags: header.flags,
                    window: header.window,
                    urgent: header.urgent,
                    options: header.options,
                    payload: payload.into(),
                    more: Vec::new(),
                    arrived_at: now,
                    segment_size: 0,
                    ecn: Ecn::NotEct,
                };
                self.leaves_tcp(end, segment);
                self.host(end).run_application(now);
            }
        }
    }

    fn transmit(&mut self, end: End) -> Option<Transmit> {
        let now = self.now;
        self.host(end).tcb.poll_transmit(now, 0)
    }

    fn leaves_tcp(&mut self, end: End, segment: Segment) {
        let now = self.now;
        let changed = match &mut self.host(end).tamper {
            Some(tamper) => tamper(now, segment),
            None => vec![(Duration::ZERO, segment)],
        };
        for (later, segment) in changed {
            if later.is_zero() {
                self.leaves_card(end, &segment);
            } else {
                self.put(now + later, Doing::Leaves(end, segment));
            }
        }
    }

    fn leaves_card(&mut self, end: End, segment: &Segment) {
        let now = self.now;
        self.host(end).captured.push((now, Way::Out, packet(end, segment)));
        for late in (self.fate)(now, end, segment) {
            self.put(now + self.delay + late, Doing::Arrives(end.other(), segment.clone()));
        }
    }

    fn put(&mut self, at: Instant, doing: Doing) {
        self.order += 1;
        self.wire.insert((at, self.order), doing);
    }

    fn happens(&mut self, doing: Doing) {
        let now = self.now;
        match doing {
            Doing::Leaves(end, segment) => self.leaves_card(end, &segment),
            Doing::Arrives(end, segment) => {
                let host = self.host(end);
                host.captured.push((now, Way::In, packet(end.other(), &segment)));
                let heard = match &mut host.hear {
                    Some(hear) => hear(now, segment),
                    None => Some(segment),
                };
                if let Some(segment) = heard {
                    let _ = host.tcb.on_segment(now, Segment { arrived_at: now, ..segment });
                }
            }
        }
        self.settle();
    }

    pub fn run_for(&mut self, duration: Duration) {
        let until = self.now + duration;
        self.settle();
        loop {
            let arrival = self.wire.keys().next().map(|(at, _)| *at);
            let timers = [self.a.tcb.next_timeout(), self.b.tcb.next_timeout()];
            let next = timers.into_iter().chain([arrival]).flatten().min();
            let Some(next) = next.filter(|next| *next <= until) else { break };
            self.now = self.now.max(next);
            while let Some(entry) = self.wire.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let doing = entry.remove();
                self.happens(doing);
            }
            let now = self.now;
            [A, B].into_iter().for_each(|end| self.host(end).tcb.on_timeout(now));
            self.settle();
        }
        self.now = self.now.max(until);
    }

    /// Has the card of `at` see a segment of `from` that no connection sent.
    pub fn record(&mut self, at: End, when: Instant, from: End, segment: &Segment) {
        let way = if at == from { Way::Out } else { Way::In };
        self.host(at).captured.push((when, way, packet(from, segment)));
    }

    /// What the card of this end captured, packet by packet.
    pub fn captured(&self, end: End) -> Vec<(Instant, Vec<u8>)> {
        let captured = if end == A { &self.a.captured } else { &self.b.captured };
        captured.iter().map(|(at, _, packet)| (*at, packet.clone())).collect()
    }

    /// The capture of this end began only after so many packets.
    pub fn forget_captured(&mut self, end: End, packets: usize) {
        self.host(end).captured.drain(..packets);
    }

    /// What the card of this end captured, as a pcapng file.
    pub fn capture(&self, end: End) -> Vec<u8> {
        let mut file = Vec::new();
        let mut writer = Writer::new(&mut file, Duration::from_secs(1_700_000_000)).unwrap();
        let captured = if end == A { &self.a.captured } else { &self.b.captured };
        captured.iter().for_each(|(at, way, packet)| writer.write(*at, *way, packet).unwrap());
        drop(writer);
        file
    }

    pub fn report(&self, end: End) -> Report {
        analyze(&self.capture(end)[..], &Filter::default()).unwrap()
    }
}

/// The problems in a report, and for each failure what was seen.
pub fn problems(report: &Report) -> Vec<Problem> {
    let findings = report.connections.iter().flat_map(ConnectionReport::findings);
    findings
        .map(|(by, finding)| {
            println!("{by}: {} at {:?}: {}", finding.problem.name(), finding.at, finding.why);
            finding.problem
        })
        .collect()
}

/// An IPv4 packet from `end` with this segment.
pub fn packet(end: End, segment: &Segment) -> Vec<u8> {
    let header = TcpHeader {
        source_port: end.port(),
        destination_port: end.other().port(),
        seq: segment.seq,
        ack: segment.ack,
        flags: segment.flags,
        window: segment.window,
        urgent: segment.urgent,
        options: segment.options,
    };
    let (source, destination) = (end.address(), end.other().address());
    let mut tcp = [0; 60];
    let length = header.emit(&mut tcp).unwrap();
    let tcp = &mut tcp[..length];
    fill_checksum(IpAddr::V4(source), IpAddr::V4(destination), tcp, [&segment.payload[..]].into_iter());
    let ip = Ipv4Header {
        source,
        destination,
        protocol: 6,
        payload_len: length + segment.payload.len(),
        ttl: 64,
        traffic_class: 0,
        identification: 0,
        dont_fragment: true,
    };
    let mut bytes = vec![0; 20];
    ip.emit(&mut bytes).unwrap();
    bytes.extend_from_slice(tcp);
    bytes.extend_from_slice(&segment.payload);
    bytes
}

/// `length` octets that differ from place to place.
pub fn text(length: usize) -> Bytes {
    (0..length).map(|i| u8::try_from((i * 7 + i / 251) % 256).unwrap()).collect::<Vec<_>>().into()
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
}
