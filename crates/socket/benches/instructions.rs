//! Instructions on the paths that every octet takes, counted by valgrind: the same in every run, whatever the machine does.
//!
//! Two stacks in virtual time, joined by nothing but a function call; the packet that crosses is copied into a pool once,
//! as a device's read would, and checksums are made and verified in software unless the name says otherwise. What is bundled
//! goes as on a device without offload: super-segments through the stacks, cut before the device and merged behind it. Each
//! function moves [`SEGMENTS`] segments. `cargo xtask bench instructions` runs it and holds the counts against a budget.

#![expect(missing_docs, reason = "the macros of gungraun define items that they don't document")]

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use gungraun::{LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main};
use sockeye::{Buffer, ConnectOptions, ConnectionId, ListenOptions, Stack, StackConfig, StackEvent};
use sockeye_device::segment::{self, Merge};
use sockeye_device::{Capabilities, Outgoing, Packet, Pool};
use sockeye_wire::Instant;

/// Segments that each function moves.
const SEGMENTS: usize = 1000;
/// Octets of text in a segment: MTU 1500, timestamps.
const TEXT: usize = 1448;
/// How long a packet takes from one end to the other.
const DELAY: Duration = Duration::from_micros(20);
/// Octets that the application hands over or takes at a time.
const BLOCK: usize = 65_536;

/// Segments that a device gives at a time: those of a super-segment.
const BATCH: usize = 45;

/// How segments cross.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Crossing {
    /// One by one.
    Single,
    /// The stacks make and take super-segments, what is between them doesn't.
    Bundled,
    /// Super-segments cross whole, checksums are left to the devices.
    Offloaded,
}

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
    crossing: Crossing,
    merge: Merge,
    /// What has crossed and is to be taken in.
    arrived: Vec<Packet>,
    block: Vec<u8>,
    room: Vec<u8>,
}

impl Ends {
    fn new(crossing: Crossing) -> Self {
        let now = Instant::from_millis(1000);
        let mut tcp = sockeye::Config { nodelay: true, ..sockeye::Config::default() };
        tcp.receive_buffer = Buffer::Fixed(16 << 20);
        tcp.send_buffer = Buffer::Fixed(16 << 20);
        let checksum_offload = crossing != Crossing::Single;
        let config = |seed| StackConfig { tcp: tcp.clone().into(), checksum_offload, ..StackConfig::new([seed; 32]) };
        let (mut a, mut b) = (Stack::new(config(1), now), Stack::new(config(2), now));
        a.add_address("10.0.0.1/24".parse().unwrap());
        b.add_address("10.0.0.2/24".parse().unwrap());
        b.listen("10.0.0.2:80".parse().unwrap(), &ListenOptions::default()).unwrap();
        let a_id = a.connect(now, "10.0.0.2:80".parse().unwrap(), &ConnectOptions::default()).unwrap();
        let pools = [Pool::new(70_000), Pool::new(70_000)];
        let segmentation = if crossing == Crossing::Single { 0 } else { Capabilities::LARGEST };
        let limit = Capabilities { mtu: 1500, checksum: checksum_offload, segmentation }.most_text();
        let (merge, arrived, block, room) = (Merge::default(), Vec::new(), vec![7; BLOCK], vec![0; 4 * BLOCK]);
        let mut ends = Self { now, a, a_id, b, b_id: a_id, pools, limit, crossing, merge, arrived, block, room };
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
            self.cross(1, packet);
            self.arrived.drain(..).for_each(|packet| self.b.on_packet(self.now, packet));
        }
        self.now += DELAY;
        while let Some(packet) = self.b.poll_transmit(self.now, self.limit) {
            self.cross(0, packet);
            self.arrived.drain(..).for_each(|packet| self.a.on_packet(self.now, packet));
        }
        self.a.on_timeout(self.now);
        self.b.on_timeout(self.now);
    }

    /// A packet goes to the other side, where it has arrived then.
    fn cross(&mut self, to: usize, mut packet: Outgoing) {
        if self.crossing != Crossing::Bundled {
            let packet = self.receive(to, &packet);
            self.arrived.push(packet);
            return;
        }
        if packet.segment_size == 0 {
            packet.segment_size = u16::MAX; // one segment, whose checksum is to be completed
        }
        for segment in segment::cut(packet) {
            let packet = self.receive(to, &segment);
            self.merge.push(packet, &mut self.arrived);
        }
        self.merge.flush(&mut self.arrived);
    }

    /// What the receiving device makes of a packet.
    fn receive(&mut self, to: usize, packet: &Outgoing) -> Packet {
        let segment_size = packet.segment_size;
        let checksum_verified = self.crossing == Crossing::Offloaded;
        Packet { checksum_verified, segment_size, ..Packet::new(self.pools[to].copy(packet), self.now) }
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
            for segment in segment::cut(packet) {
                packets.push_back(self.receive(1, &segment));
            }
        }
        self.now += DELAY;
        packets
    }
}

fn ends() -> Ends {
    Ends::new(Crossing::Single)
}

fn bundling_ends() -> Ends {
    Ends::new(Crossing::Bundled)
}

fn offloading_ends() -> Ends {
    Ends::new(Crossing::Offloaded)
}

fn with_segments_for_b(mut ends: Ends) -> (Ends, VecDeque<Packet>) {
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
            acks.push_back(ends.receive(0, &ack));
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
#[bench::receive(with_segments_for_b(ends()))]
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

// As from end to end, but bundled.
#[library_benchmark]
#[bench::whole(bundling_ends())]
fn bundled_from_end_to_end(mut ends: Ends) -> Ends {
    ends.transfer(SEGMENTS * TEXT);
    ends
}

// The receiving half of that.
#[library_benchmark]
#[bench::receive(with_segments_for_b(bundling_ends()))]
fn bundled_received((mut ends, mut packets): (Ends, VecDeque<Packet>)) -> Ends {
    while !packets.is_empty() {
        for packet in packets.drain(..BATCH.min(packets.len())) {
            ends.merge.push(packet, &mut ends.arrived);
        }
        ends.merge.flush(&mut ends.arrived);
        ends.arrived.drain(..).for_each(|packet| ends.b.on_packet(ends.now, packet));
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
    benchmarks = segment_from_end_to_end, segment_received, bundled_from_end_to_end, bundled_received,
        pure_ack_received, super_segments_from_end_to_end
);

// For copies from 2 KiB on the C library takes an instruction of the processor that copies all octets; valgrind would count
// it once for each of them. It is told to keep to vectors.
main!(
    config = LibraryBenchmarkConfig::default().env("GLIBC_TUNABLES", "glibc.cpu.x86_rep_movsb_threshold=1073741824"),
    library_benchmark_groups = paths
);
