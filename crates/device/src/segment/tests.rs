//! Cutting and merging undo each other, and survive any bytes.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use sockeye_wire::checksum::checksum;
use sockeye_wire::ip::IpView;
use sockeye_wire::ip::v4::Ipv4Header;
use sockeye_wire::ip::v6::Ipv6Header;
use sockeye_wire::tcp::{Flags, Options, TcpHeader, TcpView, Timestamps, fill_checksum};
use sockeye_wire::{Instant, SeqNumber};

use super::*;
use crate::{Outgoing, Packet, Slices};

/// What tells one segment from another.
#[derive(Clone, Copy, Debug)]
struct Shape {
    v6: bool,
    seq: u32,
    ack: u32,
    flags: Flags,
    timestamp: Option<u32>,
    traffic_class: u8,
    identification: u16,
    dont_fragment: bool,
}

impl Shape {
    const PLAIN: Self = Self {
        v6: false,
        seq: 1_000,
        ack: 7,
        flags: Flags::ACK,
        timestamp: Some(9),
        traffic_class: 0,
        identification: 5,
        dont_fragment: false,
    };

    fn build(self, text: Slices) -> Outgoing {
        let tcp = TcpHeader {
            source_port: 80,
            destination_port: 1234,
            seq: SeqNumber::new(self.seq),
            ack: SeqNumber::new(self.ack),
            flags: self.flags,
            window: 500,
            urgent: 0,
            options: Options { timestamps: self.timestamp.map(|value| Timestamps { value, echo: 3 }), ..Options::NONE },
        };
        let length: usize = text.iter().map(Bytes::len).sum();
        let mut packet = Outgoing::build(text, |head| {
            let start = self.emit_ip(tcp.len() + length, head);
            start + tcp.emit(&mut head[start..]).expect("room")
        });
        let (head, text) = packet.parts_mut();
        let start = if self.v6 { 40 } else { 20 };
        let [source, destination] = ends(self.v6);
        fill_checksum(source, destination, &mut head[start..], text.iter().map(|slice| &slice[..]));
        packet
    }

    fn emit_ip(self, payload_len: usize, head: &mut [u8]) -> usize {
        let Self { traffic_class, identification, dont_fragment, .. } = self;
        if self.v6 {
            let (source, destination) = ("fd09::1".parse().expect("v6"), "fd09::2".parse().expect("v6"));
            Ipv6Header { source, destination, protocol: 6, payload_len, hop_limit: 64, traffic_class }.emit(head)
        } else {
            let (source, destination) = ([10, 9, 0, 1].into(), [10, 9, 0, 2].into());
            let header = Ipv4Header {
                source,
                destination,
                protocol: 6,
                payload_len,
                ttl: 64,
                traffic_class,
                identification,
                dont_fragment,
            };
            header.emit(head)
        }
        .expect("room")
    }

    fn packet(self, text: &[u8]) -> Packet {
        received(&self.build(Slices::from_iter([Bytes::copy_from_slice(text)])))
    }
}

fn ends(v6: bool) -> [std::net::IpAddr; 2] {
    let names = if v6 { ["fd09::1", "fd09::2"] } else { ["10.9.0.1", "10.9.0.2"] };
    names.map(|name| name.parse().expect("an address"))
}

fn received(packet: &Outgoing) -> Packet {
    Packet::new(packet.to_bytes(), Instant::ZERO)
}

/// The packet with its text apart, and that in two pieces.
fn in_pieces(mut packet: Packet) -> Packet {
    let head = if packet.bytes[0] >> 4 == 4 { 52 } else { 72 };
    let mut text = packet.bytes.split_off(head);
    let front = text.split_to(text.len() / 3);
    packet.text = [front, text].into_iter().filter(|piece| !piece.is_empty()).collect();
    packet
}

fn merge(packets: impl IntoIterator<Item = Packet>) -> Vec<Packet> {
    let (mut merge, mut out) = (Merge::default(), Vec::new());
    packets.into_iter().for_each(|packet| {
        merge.push(packet, &mut out);
    });
    merge.flush(&mut out);
    out
}

fn octets(packets: impl IntoIterator<Item = Packet>) -> Vec<Bytes> {
    packets.into_iter().map(|packet| packet.bytes).collect()
}

fn text(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at * 7 % 251).unwrap_or(0)).collect()
}

#[test]
fn a_cut_packet_is_what_a_sender_without_offload_had_sent() {
    for v6 in [false, true] {
        let flags = Flags { fin: true, psh: true, cwr: true, ..Flags::ACK };
        let whole = text(3_000);
        let pieces = [&whole[..1_000], &whole[1_000..1_001], &whole[1_001..]].map(Bytes::copy_from_slice);
        let mut packet = Shape { v6, flags, ..Shape::PLAIN }.build(Slices::from_iter(pieces));
        packet.segment_size = 1_400;
        let expected = [
            (0, 1_400, Flags { fin: false, psh: false, ..flags }),
            (1_400, 2_800, Flags::ACK),
            (2_800, 3_000, Flags { cwr: false, ..flags }),
        ];
        let cut: Vec<Bytes> = cut(packet).map(|segment| segment.to_bytes()).collect();
        assert_eq!(cut.len(), 3);
        for ((segment, (start, end, flags)), made) in cut.iter().zip(expected).zip(0..) {
            let seq = Shape::PLAIN.seq + u32::try_from(start).expect("small");
            let shape = Shape { v6, flags, seq, identification: 5 + made, ..Shape::PLAIN };
            assert_eq!(segment, &shape.packet(&whole[start..end]).bytes);
        }
    }
}

#[test]
fn the_longest_super_segment_is_cut_although_its_header_cannot_tell_its_length() {
    let mut packet = Shape { v6: true, ..Shape::PLAIN }.build(Slices::from_iter([Bytes::from(text(200_000))]));
    packet.segment_size = 1_428;
    let segments: Vec<Bytes> = cut(packet).map(|segment| segment.to_bytes()).collect();
    let lengths = segments.iter().map(|segment| {
        let ip = IpView::parse(segment).expect("IPv6");
        let tcp = TcpView::parse(ip.payload()).expect("TCP");
        assert!(tcp.verify_checksum(ip.source(), ip.destination()));
        tcp.payload().len()
    });
    assert_eq!(lengths.sum::<usize>(), 200_000);
}

#[test]
fn what_a_receiver_could_tell_apart_is_not_merged() {
    let next = Shape { seq: Shape::PLAIN.seq + 100, identification: 6, ..Shape::PLAIN };
    let pair = |next: Shape, length| merge([Shape::PLAIN.packet(&text(100)), next.packet(&text(length))]).len();
    assert_eq!((pair(next, 100), pair(next, 60)), (1, 1));
    for differs in [
        Shape { seq: next.seq + 1, ..next },
        Shape { ack: 8, ..next },
        Shape { timestamp: Some(10), ..next },
        Shape { timestamp: None, ..next },
        Shape { traffic_class: 3, ..next },
        Shape { identification: 7, ..next },
        Shape { flags: Flags::FIN_ACK, ..next },
        Shape { flags: Flags { ece: true, ..Flags::ACK }, ..next },
        Shape { flags: Flags { cwr: true, ..Flags::ACK }, ..next },
    ] {
        assert_eq!(pair(differs, 100), 2, "{differs:?}");
    }
    assert_eq!((pair(next, 101), pair(next, 0)), (2, 2), "longer than the first, or no text at all");
    let pushed = Shape { flags: Flags { psh: true, ..Flags::ACK }, ..Shape::PLAIN };
    assert_eq!(merge([pushed.packet(&text(100)), next.packet(&text(100))]).len(), 2, "nothing follows a PSH");
}

#[test]
fn a_damaged_segment_is_not_merged() {
    let next = Shape { seq: Shape::PLAIN.seq + 100, identification: 6, ..Shape::PLAIN };
    let mut damaged = next.packet(&text(100));
    let mut bytes = damaged.bytes.to_vec();
    bytes[120] ^= 1;
    damaged.bytes = bytes.into();
    assert_eq!(merge([Shape::PLAIN.packet(&text(100)), damaged]).len(), 2);
}

#[test]
fn nobody_vouches_for_a_damaged_header() {
    let next = Shape { seq: Shape::PLAIN.seq + 100, identification: 6, ..Shape::PLAIN };
    let vouched_for = |shape: Shape| Packet { checksum_verified: true, ..shape.packet(&text(100)) };
    assert_eq!(merge([Shape::PLAIN, next].map(vouched_for)).len(), 1);
    let mut damaged = vouched_for(next);
    let mut bytes = damaged.bytes.to_vec();
    bytes[10] ^= 1; // the checksum of IPv4's header
    damaged.bytes = bytes.into();
    assert_eq!(merge([vouched_for(Shape::PLAIN), damaged]).len(), 2);
}

#[test]
fn no_octet_of_addresses_and_ports_may_differ() {
    for (v6, places) in [(false, 12..24), (true, 8..44)] {
        let first = Shape { v6, ..Shape::PLAIN };
        let next = Shape { seq: first.seq + 100, identification: 6, ..first };
        for place in places {
            let mut bytes = next.packet(&text(100)).bytes.to_vec();
            bytes[place] ^= 1;
            // Summed anew and vouched for, so that it isn't a checksum that keeps them apart.
            if !v6 {
                bytes[10..12].fill(0);
                let sum = checksum(&bytes[..20]);
                bytes[10..12].copy_from_slice(&sum.to_be_bytes());
            }
            let stranger = Packet { checksum_verified: true, ..Packet::new(bytes.into(), Instant::ZERO) };
            assert_eq!(merge([first.packet(&text(100)), stranger]).len(), 2, "octet {place}");
        }
    }
}

#[test]
fn connections_are_merged_side_by_side_and_keep_their_order() {
    let mut packets = Vec::new();
    for at in 0..10_u16 {
        for v6 in [false, true] {
            let seq = Shape::PLAIN.seq + 100 * u32::from(at);
            packets.push(Shape { v6, seq, identification: 5 + at, ..Shape::PLAIN }.packet(&text(100)));
        }
    }
    let merged = merge(packets);
    assert_eq!(merged.iter().map(|packet| packet.segment_size).collect::<Vec<_>>(), [100, 100]);
    assert!(merged.iter().all(|packet| packet.checksum_verified && IpView::parse(&packet.bytes).is_ok()));
}

prop_compose! {
    /// A segment that follows another one often enough.
    fn step()(
        length in prop_oneof![Just(100_usize), 0..300_usize],
        psh in prop::bool::weighted(0.1),
        other in prop::bool::weighted(0.1),
        class in prop::sample::select(vec![0_u8, 0, 0, 0, 2, 3]),
        gap in prop::sample::select(vec![0_u32, 0, 0, 0, 0, 1]),
        fin in prop::bool::weighted(0.05),
    ) -> (usize, Flags, bool, u8, u32) {
        (length, Flags { psh, fin, ..Flags::ACK }, other, class, gap)
    }
}

proptest! {
    /// Segments of a connection, merged and cut again, are the same segments.
    #[test]
    fn what_was_merged_is_cut_into_the_same_segments(
        v6: bool, dont_fragment: bool, start: u32, steps in vec(step(), 1..60), pieces: bool,
    ) {
        let mut shape = Shape { v6, dont_fragment, seq: start, ..Shape::PLAIN };
        let mut segments = Vec::new();
        for (length, flags, other, traffic_class, gap) in steps {
            shape.seq = shape.seq.wrapping_add(gap);
            shape = Shape { flags, traffic_class, ack: shape.ack + u32::from(other), ..shape };
            segments.push(shape.packet(&text(length)));
            shape.seq = shape.seq.wrapping_add(u32::try_from(length).unwrap_or(0));
            shape.identification = shape.identification.wrapping_add(u16::from(!dont_fragment));
        }
        let merged = merge(segments.iter().cloned().map(|segment| if pieces { in_pieces(segment) } else { segment }));
        let again = octets(merged.into_iter().flat_map(cut_packet));
        prop_assert_eq!(again, octets(segments));
    }

    /// Nothing that arrives makes cutting or merging panic, or lose an octet that it doesn't understand.
    #[test]
    fn any_bytes_pass(packets in vec((vec(any::<u8>(), 0..200), any::<u16>(), any::<bool>(), 0..4_u8), 0..20)) {
        let packets = packets.into_iter().map(|(mut bytes, segment_size, checksum_verified, kind)| {
            // Mostly headers that look like TCP, so that the ways behind the first look are walked too.
            if let ([first, rest @ ..], 1..) = (&mut bytes[..], kind) {
                *first = if kind == 3 { 0x60 } else { 0x45 };
                if let Some(next) = rest.get_mut(if kind == 3 { 5 } else { 8 }) {
                    *next = 6;
                }
            }
            Packet { checksum_verified, segment_size, ..Packet::new(bytes.into(), Instant::ZERO) }
        });
        let packets: Vec<Packet> = packets.collect();
        for packet in &packets {
            prop_assert!(cut_packet(packet.clone()).count() >= 1);
        }
        let (whole, merged) = (packets.clone(), merge(packets));
        prop_assert!(merged.len() <= whole.len());
    }
}
