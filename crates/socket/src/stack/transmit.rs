//! The way out: whose turn it is, and the headers.

use std::net::IpAddr;

use sockeye_device::{Outgoing, Slices};
use sockeye_tcb::{Header, Transmit};
use sockeye_wire::Instant;
use sockeye_wire::ip::{IpHeader, protocol, v4, v6};
use sockeye_wire::tcp::{TcpHeader, fill_partial_checksum};

use super::counters::Drop;
use super::demux::{Kept, Pair};
use super::{HeldBy, Stack};
use crate::checksum;

/// Replies that may wait: beyond that a flood of strays costs no memory, only their answers. What strangers are told has
/// half of it, the rest is for handshakes.
const MAX_REPLIES: usize = 1024;

/// How a packet's IP header is to be.
#[derive(Clone, Copy)]
struct Envelope {
    hop_limit: u8,
    traffic_class: u8,
    checksum_offload: bool,
}

impl Stack {
    /// The next packet to put on the wire; to be asked until `None`. `limit` is the octets of text that one packet may
    /// carry if the device cuts it into segments; 0 if it doesn't.
    ///
    /// Replies come first, then each connection that has something to send, one packet of each in turn.
    pub fn poll_transmit(&mut self, now: Instant, limit: u32) -> Option<Outgoing> {
        if !self.replies.is_empty() {
            return self.next_reply();
        }
        while let Some(&key) = self.touched.to_send.front() {
            let Some(connection) = self.connections.get_mut(key) else {
                self.touched.to_send.pop_front();
                continue;
            };
            //= rfc8201#5.2-2
            //= rfc9040#7.1-1
            if connection.narrowed != self.paths.narrowed() {
                connection.narrowed = self.paths.narrowed();
                let path = self.paths.get(now, connection.sockets.remote()).and_then(|path| path.mss);
                path.into_iter().for_each(|mss| connection.tcb.learn_path(mss));
            }
            connection.tcb.set_memory_pressure(self.memory.is_short());
            let transmit = connection.tcb.poll_transmit(now, limit);
            self.touched.hear(key, connection); // what has left has made room for a writer
            if let Some(transmit) = transmit {
                let envelope = Envelope {
                    hop_limit: connection.hop_limit,
                    traffic_class: connection.traffic_class,
                    checksum_offload: self.config.checksum_offload,
                };
                if self.touched.to_send.len() > 1 {
                    self.touched.to_send.rotate_left(1);
                }
                self.counters.packets_out += 1;
                return Some(packet(&connection.sockets, transmit, envelope));
            }
            // It has nothing more to send: its timer is set, what it holds and has copied is counted, what it has learnt of the path is
            // remembered, and it is forgotten if it has ended.
            self.touched.to_send.pop_front();
            connection.is_to_send = false;
            let before = std::mem::replace(&mut connection.octets, connection.tcb.memory());
            self.memory.recount(before, connection.octets);
            self.counters.copied.on_the_way += u64::from(connection.tcb.take_copied());
            self.wheel.set(connection.timer, connection.tcb.next_timeout());
            let path = connection.tcb.path_mss();
            if std::mem::replace(&mut connection.path, path) != path {
                self.paths.learn_mss(now, connection.sockets.remote(), path);
            }
            if connection.held_by == HeldBy::Nobody {
                self.retire(now, key);
            }
        }
        None
    }

    #[cold]
    fn next_reply(&mut self) -> Option<Outgoing> {
        self.counters.packets_out += 1;
        self.replies.pop_front()
    }

    /// Queues a segment that belongs to no connection.
    pub(super) fn reply(&mut self, pair: &Pair, header: &Header) {
        let packet = self.segment_alone(pair, header);
        self.queue_reply(packet);
    }

    fn segment_alone(&self, pair: &Pair, header: &Header) -> Outgoing {
        let envelope = Envelope {
            hop_limit: self.config.hop_limit,
            traffic_class: 0,
            checksum_offload: self.config.checksum_offload,
        };
        packet(&Kept::new(pair), Transmit::from(*header), envelope)
    }

    fn queue_reply(&mut self, packet: Outgoing) {
        if self.replies.len() >= MAX_REPLIES {
            self.counters.count(Drop::ReplyLimit);
            return;
        }
        self.replies.push_back(packet);
    }

    /// Queues what a stranger is told, unless it would take the place of what handshakes need.
    pub(super) fn queue_for_stranger(&mut self, packet: Outgoing) {
        if self.replies.len() >= MAX_REPLIES / 2 {
            self.counters.count(Drop::ReplyLimit);
        } else {
            self.queue_reply(packet);
        }
    }

    /// A RST for a segment that belongs to nobody, if not too many were sent of late.
    pub(super) fn reset_stray(&mut self, now: Instant, pair: &Pair, header: &Header) {
        if !self.resets.take(now) {
            self.counters.count(Drop::ResetLimit);
            return;
        }
        self.counters.resets_for_strays += 1;
        let packet = self.segment_alone(pair, header);
        self.queue_for_stranger(packet);
    }

    /// A packet of our own that isn't TCP: `payload` behind an IP header.
    pub(super) fn plain_packet(&self, source: IpAddr, destination: IpAddr, protocol: u8, payload: Vec<u8>) -> Outgoing {
        let envelope = Envelope { hop_limit: self.config.hop_limit, traffic_class: 0, checksum_offload: false };
        let length = payload.len();
        let slices = Slices::from_iter([payload.into()]);
        Outgoing::build(slices, |head| ip_header(source, destination, protocol, length, envelope, head))
    }
}

fn packet(sockets: &Kept, transmit: Transmit, envelope: Envelope) -> Outgoing {
    let Transmit { header, payload, segment_size, ecn } = transmit;
    let envelope = Envelope { traffic_class: envelope.traffic_class | ecn.bits(), ..envelope };
    let Kept { local: source, remote: destination, local_port, remote_port } = *sockets;
    let tcp = TcpHeader {
        source_port: local_port,
        destination_port: remote_port,
        seq: header.seq,
        ack: header.ack,
        flags: header.flags,
        window: header.window,
        urgent: header.urgent,
        options: header.options,
    };
    let text_len: usize = payload.iter().map(bytes::Bytes::len).sum();
    let mut packet = Outgoing::build(payload, |head| {
        let ip_len = if source.is_ipv4() { v4::HEADER_LEN } else { v6::HEADER_LEN };
        let rest = head.get_mut(ip_len..).unwrap_or_default();
        // The headers fit: 40 octets of IPv6 and 60 of TCP into 128.
        let tcp_len = tcp.emit(rest).unwrap_or(0);
        ip_header(source, destination, protocol::TCP, tcp_len + text_len, envelope, head) + tcp_len
    });
    packet.segment_size = segment_size;
    let (head, payload) = packet.parts_mut();
    let header = head.get_mut(if source.is_ipv4() { v4::HEADER_LEN } else { v6::HEADER_LEN }..).unwrap_or_default();
    if envelope.checksum_offload {
        let octets = header.len() + text_len;
        fill_partial_checksum(source, destination, header, octets);
    } else {
        checksum::fill(source, destination, header, payload, text_len);
    }
    packet
}

/// Writes the IP header and says how long it is. No router may fragment what we send, nor do we.
//= rfc1191#3-2
//= rfc4821#4-1
//= rfc4821#8-1
//= rfc8899#3-2
//= rfc9293#MUST-45
//= rfc9293#MUST-49
//= rfc9293#SHLD-22
//= rfc9293#3.7.2-1
//= rfc7323#5.7-1
fn ip_header(
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    payload_len: usize,
    envelope: Envelope,
    head: &mut [u8],
) -> usize {
    let Envelope { hop_limit, traffic_class, .. } = envelope;
    // A pair of sockets is of one family: connections are made so.
    IpHeader { source, destination, protocol, payload_len, hop_limit, traffic_class, dont_fragment: true }
        .emit(head)
        .unwrap_or(0)
}
