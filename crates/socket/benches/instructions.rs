//! Instructions on the paths that every octet takes, counted by valgrind: the same in every run, whatever the machine does.
//!
//! Two stacks in virtual time, joined by nothing but a function call; the packet that crosses is copied into a pool once,
//! as a device's read would, and checksums are made and verified in software unless the name says otherwise. Each function
//! moves [`SEGMENTS`] segments. `cargo xtask bench instructions` runs it and holds the counts against a budget.

#![expect(missing_docs, reason = "the macros of gungraun define items that they don't document")]

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use gungraun::{LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main};
use sockeye::{Buffer, ConnectOptions, ConnectionId, ListenOptions, Stack, StackConfig, StackEvent};
use sockeye_device::{Outgoing, Packet, Pool};
use sockeye_wire::Instant;

/// Segments that each function moves.
const SEGMENTS: usize = 1000;
/// Octets of text in a segment: MTU 1500, timestamps.
const TEXT: usize = 1448;
/// How long a packet takes from one end to the other.
const DELAY: Duration = Duration::from_micros(20);
/// Octets that the application hands over or takes at a time.
const BLOCK: usize = 65_536;

/// Two stacks with one connection, its windows open.
struct Ends {
    now: Instant,
    /// Sends.
    a: Stack,
    a_id: ConnectionId,
    /// Receives.
    b: Stack,
    b_id: ConnectionId,
    /// What `a` and `b` read packets into.
    pools: [Pool; 2],
    limit: u32,
    /// The device vouches for checksums, and finishes them.
    offload: bool,
    block: Vec<u8>,
    room: Vec<u8>,
}

impl Ends {
    fn new(offload: bool) -> Self {
        let now = Instant::from_millis(1000);
        let mut tcp = sockeye::Config { nodelay: true, ..sockeye::Config::default() };
        tcp.receive_buffer = Buffer::Fixed(16 << 20);
        tcp.send_buffer = Buffer::Fixed(16 << 20);
        let config =
            |seed| StackConfig { tcp: tcp.clone().into(), checksum_offload: offload, ..StackConfig::new([seed; 32]) };
        let (mut a, mut b) = (Stack::new(config(1), now), Stack::new(config(2), now));
        a.add_address("10.0.0.1/24".parse().unwrap());
        b.add_address("10.0.0.2/24".parse().unwrap());
        b.listen("10.0.0.2:80".parse().unwrap(), &ListenOptions::default()).unwrap();
        let a_id = a.connect(now, "10.0.0.2:80".parse().unwrap(), &ConnectOptions::default()).unwrap();
        let pools = [Pool::new(70_000), Pool::new(70_000)];
        let limit = if offload { 65_535 } else { 0 };
        let (block, room) = (vec![7; BLOCK], vec![0; 4 * BLOCK]);
        let mut ends = Self { now, a, a_id, b, b_id: a_id, pools, limit, offload, block, room };
        let listener = loop {
            ends.exchange();
            if let Some(StackEvent::Incoming(listener)) = ends.b.poll_event() {
                break listener;
            }
        };
        ends.b_id = ends.b.accept(listener).unwrap().0;
        // Until the windows are far larger than what is measured, and the estimates steady.
        for _ in 0..40 {
            ends.transfer(SEGMENTS * TEXT);
        }
        ends
    }

    /// Moves all that both have to send, each to the other.
    fn exchange(&mut self) {
        self.now += DELAY;
        while let Some(packet) = self.a.poll_transmit(self.now, self.limit) {
            let packet = self.cross(1, &packet);
            self.b.on_packet(self.now, packet);
        }
        self.now += DELAY;
        while let Some(packet) = self.b.poll_transmit(self.now, self.limit) {
            let packet = self.cross(0, &packet);
            self.a.on_packet(self.now, packet);
        }
        self.a.on_timeout(self.now);
        self.b.on_timeout(self.now);
    }

    /// What the receiving device makes of a packet.
    fn cross(&mut self, pool: usize, packet: &Outgoing) -> Packet {
        let segment_size = packet.segment_size;
        let bytes = self.pools[pool].copy(packet);
        Packet { checksum_verified: self.offload, segment_size, ..Packet::new(bytes, self.now) }
    }

    /// Moves `octets` from one application to the other, a copy at either end.
    fn transfer(&mut self, octets: usize) {
        let (mut to_send, mut to_read) = (octets, octets);
        while to_read > 0 {
            while to_send > 0 {
                let mut chunk = Bytes::copy_from_slice(&self.block[..BLOCK.min(to_send)]);
                let length = chunk.len();
                let sent = self.a.send(self.now, self.a_id, &mut chunk);
                to_send -= length - chunk.len();
                if sent.is_err() || !chunk.is_empty() {
                    break;
                }
            }
            self.exchange();
            to_read -= self.read();
        }
    }

    /// The receiving application copies out what there is.
    fn read(&mut self) -> usize {
        let mut octets = 0;
        while let Ok(chunk) = self.b.recv(self.now, self.b_id, usize::MAX) {
            self.room[..chunk.len()].copy_from_slice(&chunk);
            octets += chunk.len();
        }
        while let Some(event) = self.b.poll_event().or_else(|| self.a.poll_event()) {
            black_box(event);
        }
        octets
    }

    /// The packets that `octets` of text make, as `b`'s device would give them. None has arrived yet.
    fn packets_for_b(&mut self, octets: usize) -> VecDeque<Packet> {
        let mut chunk = Bytes::from(vec![7; octets]);
        self.a.send(self.now, self.a_id, &mut chunk).unwrap();
        assert!(chunk.is_empty(), "the send buffer takes it");
        let mut packets = VecDeque::new();
        while let Some(packet) = self.a.poll_transmit(self.now, self.limit) {
            packets.push_back(self.cross(1, &packet));
        }
        self.now += DELAY;
        packets
    }
}

fn ends() -> Ends {
    Ends::new(false)
}

fn offloading_ends() -> Ends {
    Ends::new(true)
}

fn with_segments_for_b() -> (Ends, VecDeque<Packet>) {
    let mut ends = ends();
    let packets = ends.packets_for_b(SEGMENTS * TEXT);
    assert_eq!(packets.len(), SEGMENTS, "the windows let them all go");
    (ends, packets)
}

fn with_acks_for_a() -> (Ends, VecDeque<Packet>) {
    let mut ends = ends();
    let mut acks = VecDeque::new();
    for packet in ends.packets_for_b(SEGMENTS * TEXT) {
        ends.b.on_packet(ends.now, packet);
        ends.read();
        while let Some(ack) = ends.b.poll_transmit(ends.now, 0) {
            acks.push_back(ends.cross(0, &ack));
        }
    }
    assert_eq!(acks.len(), SEGMENTS / 2, "one for every second segment");
    (ends, acks)
}

// 1,448 octets from one application to the other: a copy, a segment, two checksums, half an ACK, a copy.
#[library_benchmark]
#[bench::whole(ends())]
fn segment_from_end_to_end(mut ends: Ends) -> Ends {
    ends.transfer(SEGMENTS * TEXT);
    ends
}

// The receiving half of it: checksum, TCP, half an ACK, a copy.
#[library_benchmark]
#[bench::receive(with_segments_for_b())]
fn segment_received((mut ends, packets): (Ends, VecDeque<Packet>)) -> Ends {
    for packet in packets {
        ends.b.on_packet(ends.now, packet);
        ends.read();
        while let Some(ack) = ends.b.poll_transmit(ends.now, 0) {
            black_box(ack);
        }
    }
    ends
}

// An ACK that frees two segments and lets nothing new go.
#[library_benchmark]
#[bench::ack(with_acks_for_a())]
fn pure_ack_received((mut ends, acks): (Ends, VecDeque<Packet>)) -> Ends {
    for ack in acks {
        ends.a.on_packet(ends.now, ack);
        assert!(ends.a.poll_transmit(ends.now, 0).is_none());
        while let Some(event) = ends.a.poll_event() {
            black_box(event);
        }
    }
    ends
}

// A super-segment of 64 KiB from one application to the other, the checksums left to devices; for each of the thousand
// 64 of its octets.
#[library_benchmark]
#[bench::offload(offloading_ends())]
fn super_segments_from_end_to_end(mut ends: Ends) -> Ends {
    ends.transfer(SEGMENTS * BLOCK / 10);
    ends
}

library_benchmark_group!(
    name = paths;
    benchmarks = segment_from_end_to_end, segment_received, pure_ack_received, super_segments_from_end_to_end
);

// For copies from 2 KiB on the C library takes an instruction of the processor that copies all octets; valgrind would count
// it once for each of them. It is told to keep to vectors.
main!(
    config = LibraryBenchmarkConfig::default().env("GLIBC_TUNABLES", "glibc.cpu.x86_rep_movsb_threshold=1073741824"),
    library_benchmark_groups = paths
);
