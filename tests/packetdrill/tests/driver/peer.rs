//! The other end: packets by hand, as packetdrill would inject them.

use std::net::SocketAddr;
use std::time::Duration;

use sockeye_wire::SeqNumber;
use sockeye_wire::ip::{IpHeader, IpView, protocol};
use sockeye_wire::tcp::{Flags, Options, TcpHeader, TcpView, fill_checksum};

use crate::interface::Tool;

/// A peer of one connection.
pub struct Peer<'a> {
    tool: &'a Tool,
    ours: SocketAddr,
    stack: SocketAddr,
    pub seq: SeqNumber,
    pub ack: SeqNumber,
}

/// What the stack sent.
pub struct Seen {
    pub at: Duration,
    pub flags: Flags,
    pub options: Options,
    pub len: usize,
    pub from: SocketAddr,
}

impl<'a> Peer<'a> {
    pub fn new(tool: &'a Tool, ours: &str, stack: &str) -> Self {
        let seq = SeqNumber::new(1000);
        Self { tool, ours: ours.parse().unwrap(), stack: stack.parse().unwrap(), seq, ack: SeqNumber::new(0) }
    }

    /// Sends a segment with so many zeros.
    pub fn send(&mut self, flags: Flags, len: usize) {
        let options = if flags.syn { Options { mss: Some(1000), ..Options::NONE } } else { Options::NONE };
        self.send_with(flags, len, options);
    }

    pub fn send_with(&mut self, flags: Flags, len: usize, options: Options) {
        let tcp = TcpHeader {
            source_port: self.ours.port(),
            destination_port: self.stack.port(),
            seq: self.seq,
            ack: if flags.ack { self.ack } else { SeqNumber::new(0) },
            flags,
            window: 60_000,
            urgent: 0,
            options,
        };
        let mut segment = vec![0; tcp.len() + len];
        let header_len = tcp.emit(&mut segment).unwrap();
        let (from, to) = (self.ours.ip(), self.stack.ip());
        let (header, text) = segment.split_at_mut(header_len);
        fill_checksum(from, to, header, [&*text].into_iter());
        let mut packet = vec![0; 40];
        let payload_len = segment.len();
        let ip_len = IpHeader {
            source: from,
            destination: to,
            protocol: protocol::TCP,
            payload_len,
            hop_limit: 255,
            traffic_class: 0,
            dont_fragment: false,
        }
        .emit(&mut packet);
        packet.truncate(ip_len.unwrap());
        packet.extend(segment);
        self.tool.netdev_send(&packet);
        self.seq += u32::try_from(len).unwrap() + u32::from(flags.syn) + u32::from(flags.fin);
    }

    /// Takes the next packet of the stack's, and acknowledges it with what follows.
    pub fn receive(&mut self) -> Seen {
        let (packet, at) = self.tool.netdev_receive().expect("a packet");
        let ip = IpView::parse(&packet).unwrap();
        let tcp = TcpView::parse(ip.payload()).unwrap();
        assert!(tcp.verify_checksum(ip.source(), ip.destination()));
        let len = tcp.payload().len();
        self.stack = SocketAddr::new(ip.source(), tcp.source_port());
        let flags = tcp.flags();
        self.ack = tcp.seq() + u32::try_from(len).unwrap() + u32::from(flags.syn) + u32::from(flags.fin);
        Seen { at, flags, options: tcp.options(), len, from: self.stack }
    }

    /// Connects to a listener of the stack's.
    pub fn connect(&mut self) -> Seen {
        self.send(Flags::SYN, 0);
        let seen = self.receive();
        assert_eq!(seen.flags, Flags::SYN_ACK);
        self.send(Flags::ACK, 0);
        seen
    }
}
