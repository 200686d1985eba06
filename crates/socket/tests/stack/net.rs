//! Two stacks joined by a path in virtual time, and packets made by hand.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use sockeye::{ConnectOptions, ConnectionId, ListenOptions, ListenerId, Stack, StackConfig, StackEvent};
use sockeye_device::{Outgoing, Packet};
use sockeye_wire::icmp::{IcmpError, emit_error};
use sockeye_wire::ip::{IpHeader, IpView, protocol};
use sockeye_wire::tcp::{Flags, Options, TcpHeader, TcpView, fill_checksum};
use sockeye_wire::{Instant, SeqNumber};

pub const A4: &str = "10.0.0.1";
pub const B4: &str = "10.0.0.2";
pub const A6: &str = "fd00::1";
pub const B6: &str = "fd00::2";

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub fn socket(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip(address), port)
}

/// A stack with two addresses, and what it told.
pub struct Side {
    pub stack: Stack,
    pub events: Vec<StackEvent>,
    /// Packets that it sent, kept for tests to look at.
    pub sent: Vec<Bytes>,
}

impl Side {
    fn new(config: StackConfig, v4: &str, v6: &str, now: Instant) -> Self {
        let mut stack = Stack::new(config, now);
        stack.add_address(format!("{v4}/24").parse().unwrap());
        stack.add_address(format!("{v6}/64").parse().unwrap());
        Self { stack, events: Vec::new(), sent: Vec::new() }
    }
}

pub struct Net {
    pub a: Side,
    pub b: Side,
    pub now: Instant,
    pub delay: Duration,
    /// Loses the packets for which it says so; they are counted from 0 on.
    pub loses: Box<dyn FnMut(usize) -> bool>,
    /// The longest packet that the path takes, and whether a router tells of longer ones.
    pub mtu: Option<(u16, bool)>,
    count: usize,
    wire: VecDeque<(Instant, bool, Bytes)>,
}

pub fn config(seed: u8) -> StackConfig {
    StackConfig::new([seed; 32])
}

impl Net {
    pub fn new() -> Self {
        Self::with(config(1), config(2))
    }

    pub fn with(a: StackConfig, b: StackConfig) -> Self {
        let now = Instant::from_millis(1000);
        Self {
            a: Side::new(a, A4, A6, now),
            b: Side::new(b, B4, B6, now),
            now,
            delay: Duration::from_millis(5),
            loses: Box::new(|_| false),
            mtu: None,
            count: 0,
            wire: VecDeque::new(),
        }
    }

    /// Lets both sides send and tell until nothing is left to do at this instant.
    pub fn settle(&mut self) {
        for to_b in [true, false] {
            let side = if to_b { &mut self.a } else { &mut self.b };
            while let Some(packet) = side.stack.poll_transmit(self.now, 0) {
                let bytes = packet.to_bytes();
                side.sent.push(bytes.clone());
                self.count += 1;
                let too_long = self.mtu.filter(|&(mtu, _)| bytes.len() > usize::from(mtu));
                match too_long {
                    Some((mtu, true)) => {
                        let error = error(IcmpError::PacketTooBig(mtu.into()), &bytes);
                        self.wire.push_back((self.now + self.delay, !to_b, error.into()));
                    }
                    Some((_, false)) => {}
                    None if (self.loses)(self.count - 1) => {}
                    None => self.wire.push_back((self.now + self.delay, to_b, bytes)),
                }
            }
            while let Some(event) = side.stack.poll_event() {
                side.events.push(event);
            }
        }
    }

    pub fn run_for(&mut self, time: Duration) {
        let until = self.now + time;
        self.settle();
        loop {
            let arrival = self.wire.front().map(|(at, ..)| *at);
            let timers = [self.a.stack.next_timeout(), self.b.stack.next_timeout()];
            let next = [arrival].into_iter().chain(timers).flatten().min().filter(|next| *next <= until);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            while self.wire.front().is_some_and(|(at, ..)| *at <= self.now) {
                let Some((_, to_b, bytes)) = self.wire.pop_front() else { break };
                let side = if to_b { &mut self.b } else { &mut self.a };
                side.stack.on_packet(self.now, Packet::new(bytes, self.now));
            }
            self.a.stack.on_timeout(self.now);
            self.b.stack.on_timeout(self.now);
            self.settle();
        }
        self.now = self.now.max(until);
    }

    /// A packet arrives at `b`; what it answers at once.
    pub fn inject(&mut self, packet: impl Into<Bytes>) -> Vec<Bytes> {
        self.b.stack.on_packet(self.now, Packet::new(packet.into(), self.now));
        let mut answers = Vec::new();
        while let Some(packet) = self.b.stack.poll_transmit(self.now, 0) {
            answers.push(packet.to_bytes());
        }
        answers
    }

    pub fn listen(&mut self, port: u16) -> ListenerId {
        self.b.stack.listen(socket("0.0.0.0", port), &ListenOptions::default()).unwrap()
    }

    /// A connection from `a` to a listener of `b` on `port`, accepted.
    pub fn connect(&mut self, listener: ListenerId, port: u16) -> (ConnectionId, ConnectionId) {
        let client = self.a.stack.connect(self.now, socket(B4, port), &ConnectOptions::default()).unwrap();
        self.run_for(Duration::from_millis(50));
        let (server, _) = self.b.stack.accept(listener).expect("the connection has come");
        (client, server)
    }

    /// Sends `text` from `a` over `client` and reads it from `b`.
    pub fn transfer(&mut self, client: ConnectionId, server: ConnectionId, text: &[u8]) -> Vec<u8> {
        let mut rest = Bytes::copy_from_slice(text);
        let mut received = Vec::new();
        for _ in 0..20_000 {
            while !rest.is_empty() && self.a.stack.send(self.now, client, &mut rest).is_ok() {}
            self.run_for(Duration::from_millis(10));
            while let Ok(bytes) = self.b.stack.recv(self.now, server, usize::MAX) {
                received.extend_from_slice(&bytes);
            }
            if received.len() >= text.len() {
                break;
            }
        }
        received
    }
}

/// An error about `quoted`, from a router.
pub fn error(error: IcmpError, quoted: &[u8]) -> Vec<u8> {
    let about = IpView::parse(quoted).unwrap().source();
    let (router, number, length) = match about {
        IpAddr::V4(_) => ("10.0.0.254", protocol::ICMP, 28),
        IpAddr::V6(_) => ("fd00::fe", protocol::ICMPV6, 48),
    };
    let mut message = vec![0; 8 + length];
    let length = emit_error(ip(router), about, error, &quoted[..length], &mut message).unwrap();
    packet(ip(router), about, number, &message[..length])
}

/// What a packet is in short: source, destination, flags.
pub fn describe(packet: &Bytes) -> (SocketAddr, SocketAddr, Flags) {
    let view = IpView::parse(packet).unwrap();
    let tcp = TcpView::parse(view.payload()).unwrap();
    assert!(tcp.verify_checksum(view.source(), view.destination()), "every checksum is right");
    (
        SocketAddr::new(view.source(), tcp.source_port()),
        SocketAddr::new(view.destination(), tcp.destination_port()),
        tcp.flags(),
    )
}

/// A TCP packet by hand.
pub fn tcp(from: SocketAddr, to: SocketAddr, seq: u32, ack: u32, flags: Flags, options: Options) -> Vec<u8> {
    let header = TcpHeader {
        source_port: from.port(),
        destination_port: to.port(),
        seq: SeqNumber::new(seq),
        ack: SeqNumber::new(ack),
        flags,
        window: 65_535,
        urgent: 0,
        options,
    };
    let mut segment = [0; 60];
    let length = header.emit(&mut segment).unwrap();
    fill_checksum(from.ip(), to.ip(), &mut segment[..length], std::iter::empty());
    packet(from.ip(), to.ip(), protocol::TCP, &segment[..length])
}

/// An IP packet by hand.
pub fn packet(source: IpAddr, destination: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut head = [0; Outgoing::HEAD];
    let payload_len = payload.len();
    let header =
        IpHeader { source, destination, protocol, payload_len, hop_limit: 64, traffic_class: 0, dont_fragment: true };
    let length = header.emit(&mut head);
    [&head[..length.unwrap()], payload].concat()
}
