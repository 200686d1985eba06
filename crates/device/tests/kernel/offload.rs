//! Super-segments and checksums left undone. The kernel forwards between two devices of ours: what one writes, the other
//! reads, cut or whole as the second wants it.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use sockeye_device::netlink::{Link, LinkSettings};
use sockeye_device::netns::set_sysctl;
use sockeye_device::{Device, Outgoing, Packet, Slices, Tun, TunConfig};
use sockeye_wire::ip::{IpView, protocol, v4::Ipv4Header, v6::Ipv6Header};
use sockeye_wire::tcp::{Flags, Options, TcpHeader, TcpView, fill_checksum, fill_partial_checksum};
use sockeye_wire::udp::UdpView;
use sockeye_wire::{Instant, SeqNumber};

use crate::host::{cidr, config, datagram, in_namespace, send, socket, tun, wait, wait_for, wait_until_gone};

/// Who sends and who is sent to, in both families.
const FLOWS: [(&str, &str); 2] = [("10.1.0.2:7000", "10.2.0.2:9000"), ("[fd01::2]:7000", "[fd02::2]:9000")];
/// The first sequence number.
const FIRST: u32 = 0xffff_f000;

fn at(text: &str) -> SocketAddr {
    text.parse().expect("the test writes it right")
}

/// Two devices between which the kernel forwards, the second with or without offload; `None` where nobody may have any.
fn forwarded(second_offloads: bool) -> Option<(Tun, Tun)> {
    for name in ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"] {
        set_sysctl(name, "1").expect("parameters of a new namespace can be set");
    }
    let of = |number: u8, offload| {
        let addresses = vec![cidr(&format!("10.{number}.0.1/24")), cidr(&format!("fd0{number}::1/64"))];
        tun(&TunConfig { addresses, offload, ..TunConfig::default() })
    };
    Some((of(1, true)?, of(2, second_offloads)?))
}

fn text(length: usize) -> Bytes {
    (0..length).map(|at| at.to_le_bytes()[0] ^ at.to_le_bytes()[1]).collect()
}

/// A segment, or a super-segment to be cut into ones of `segment_size` octets, whose text lies in two pieces and whose
/// checksum is the sum of the pseudo-header only.
fn segment(from: SocketAddr, to: SocketAddr, text: &Bytes, segment_size: u16) -> Outgoing {
    let (left, right) = (text.slice(..text.len() / 3), text.slice(text.len() / 3..));
    let tcp = TcpHeader {
        source_port: from.port(),
        destination_port: to.port(),
        seq: SeqNumber::new(FIRST),
        ack: SeqNumber::new(1),
        flags: Flags { psh: true, fin: true, ..Flags::ACK },
        window: 1000,
        urgent: 0,
        options: Options::NONE,
    };
    let payload_len = tcp.len() + text.len();
    let mut packet = Outgoing::build(Slices::from_iter([left, right]), |head| {
        let start = ip_header(from.ip(), to.ip(), payload_len, head);
        let end = start + tcp.emit(&mut head[start..]).expect("there is room");
        fill_partial_checksum(from.ip(), to.ip(), &mut head[start..end], payload_len);
        end
    });
    packet.segment_size = segment_size;
    packet
}

fn ip_header(source: IpAddr, destination: IpAddr, payload_len: usize, head: &mut [u8]) -> usize {
    let (ttl, protocol, traffic_class) = (64, protocol::TCP, 0);
    let (identification, dont_fragment) = (0, true);
    let written = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let from_to = Ipv4Header {
                source,
                destination,
                protocol,
                payload_len,
                ttl,
                traffic_class,
                identification,
                dont_fragment,
            };
            from_to.emit(head)
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            Ipv6Header { source, destination, protocol, payload_len, hop_limit: ttl, traffic_class }.emit(head)
        }
        _ => panic!("of two families"),
    };
    written.expect("there is room")
}

/// What of the flow arrives until the segment with FIN, which is the last.
fn arrived(device: &Tun, to: SocketAddr) -> Vec<Packet> {
    let mut packets = Vec::new();
    let last = wait_for(device, |packet| {
        let view = IpView::parse(&packet.bytes).ok().filter(|view| view.protocol() == protocol::TCP)?;
        let tcp = TcpView::parse(view.payload()).ok().filter(|tcp| tcp.destination_port() == to.port())?;
        packets.push(packet.clone());
        tcp.flags().fin.then_some(())
    });
    assert!(last.is_some(), "{} packets, and none with FIN within five seconds", packets.len());
    packets
}

/// The text of the packets, whose sequence numbers follow each other, and the length of each.
fn joined(packets: &[Packet]) -> (Vec<u8>, Vec<usize>) {
    let mut text = Vec::new();
    let mut lengths = Vec::new();
    for packet in packets {
        let view = IpView::parse(&packet.bytes).expect("a whole packet");
        let tcp = TcpView::parse(view.payload()).expect("a whole segment");
        assert_eq!(tcp.seq(), SeqNumber::new(FIRST) + u32::try_from(text.len()).expect("less than 64 KiB"));
        text.extend_from_slice(tcp.payload());
        lengths.push(tcp.payload().len());
    }
    (text, lengths)
}

fn checksums_are_right(packet: &Packet) -> bool {
    let view = IpView::parse(&packet.bytes).expect("a whole packet");
    let header = match &view {
        IpView::V4(v4) => v4.verify_checksum(),
        IpView::V6(_) => true,
    };
    header && TcpView::parse(view.payload()).is_ok_and(|tcp| tcp.verify_checksum(view.source(), view.destination()))
}

/// FIELD D38: header checksums are right in all that we write, and in what the kernel makes of it.
#[test]
fn a_super_segment_is_cut_where_the_next_link_wants_it_cut() {
    in_namespace("offload::a_super_segment_is_cut_where_the_next_link_wants_it_cut", || {
        let Some((here, there)) = forwarded(false) else { return };
        for (from, to) in FLOWS.map(|(from, to)| (at(from), at(to))) {
            for (length, size) in [(1441, 1440), (2880, 1440), (7777, 777), (63, 1), (64_999, 1439), (65_475, 1440)] {
                let whole = text(length);
                send(&here, segment(from, to, &whole, size));
                let packets = arrived(&there, to);
                let (text, lengths) = joined(&packets);
                assert_eq!(text, whole, "{length} octets in segments of {size} to {to}");
                let (last, others) = lengths.split_last().expect("at least one");
                assert!(others.iter().all(|length| *length == size.into()) && *last <= size.into(), "{lengths:?}");
                assert!(packets.iter().all(checksums_are_right), "{length} octets in segments of {size} to {to}");
            }
        }
    });
}

#[test]
fn a_super_segment_stays_one_where_both_ends_take_it() {
    in_namespace("offload::a_super_segment_stays_one_where_both_ends_take_it", || {
        let Some((here, there)) = forwarded(true) else { return };
        for (from, to) in FLOWS.map(|(from, to)| (at(from), at(to))) {
            for (length, size) in [(1441, 1440), (7777, 777), (65_475, 1440)] {
                let whole = text(length);
                send(&here, segment(from, to, &whole, size));
                let packets = arrived(&there, to);
                assert_eq!(joined(&packets), (whole.to_vec(), vec![length]));
                assert_eq!((packets[0].segment_size, packets[0].checksum_verified), (size, true), "to {to}");
            }
        }
    });
}

#[test]
fn a_single_segment_is_summed_by_the_kernel() {
    in_namespace("offload::a_single_segment_is_summed_by_the_kernel", || {
        let Some((here, there)) = forwarded(false) else { return };
        for (from, to) in FLOWS.map(|(from, to)| (at(from), at(to))) {
            for length in [0, 1, 1439] {
                let whole = text(length);
                send(&here, segment(from, to, &whole, 0));
                let packets = arrived(&there, to);
                assert_eq!(joined(&packets).0, whole);
                assert!(packets.iter().all(checksums_are_right), "{length} octets to {to}");
            }
        }
    });
}

/// What was damaged on a wire is not vouched for, so that the stack looks, and drops it.
#[test]
fn a_wrong_checksum_is_not_vouched_for() {
    in_namespace("offload::a_wrong_checksum_is_not_vouched_for", || {
        // The first device is plain here: what it writes counts as having come over a wire.
        let Some((there, _plain)) = forwarded(false) else { return };
        let Some(here) = tun(&TunConfig { addresses: vec![cidr("10.3.0.1/24")], offload: false, ..config() }) else {
            return;
        };
        let (from, to) = (at("10.3.0.2:7000"), at("10.1.0.2:9000"));
        for damage in [0, 0x55] {
            let mut packet = segment(from, to, &text(1000), 0);
            let octets = packet.payload.concat();
            let (head, _) = packet.parts_mut();
            fill_checksum(from.ip(), to.ip(), &mut head[20..], [&octets[..]].into_iter());
            head[36] ^= damage;
            send(&here, packet);
            let packets = arrived(&there, to);
            assert!(!packets[0].checksum_verified, "nobody has looked at it");
            assert_eq!(checksums_are_right(&packets[0]), damage == 0);
        }
    });
}

/// FIELD D38: the kernel leaves the checksum of its own packets undone; what isn't TCP is completed before anybody sees it, and
/// verified as any other: where the kernel's header lied about the place of the checksum, that shows.
#[test]
fn what_the_kernel_leaves_undone_is_completed() {
    in_namespace("offload::what_the_kernel_leaves_undone_is_completed", || {
        let Some(tun) = tun(&config()) else { return };
        for (kernel, ours) in [("10.9.0.1:7000", "10.9.0.2:9000"), ("[fd09::1]:7000", "[fd09::2]:9000")] {
            for length in [0, 1, 999, 1452] {
                socket(kernel).send_to(&text(length), ours).expect("it is routed");
                let verified = wait_for(&tun, |packet| {
                    let view = IpView::parse(&packet.bytes).ok().filter(|view| view.protocol() == protocol::UDP)?;
                    let udp = UdpView::parse(view.payload()).ok().filter(|udp| udp.destination_port() == 9000)?;
                    Some((packet.checksum_verified, udp.verify_checksum(view.source(), view.destination())))
                });
                assert_eq!(verified, Some((false, true)), "{length} octets to {ours}");
            }
        }
    });
}

#[test]
fn a_device_without_offload_says_so_and_takes_nothing_to_be_cut() {
    in_namespace("offload::a_device_without_offload_says_so_and_takes_nothing_to_be_cut", || {
        let Some((offloading, plain)) = forwarded(false) else { return };
        let (with, without) = (offloading.capabilities(), plain.capabilities());
        assert_eq!((with.checksum, with.segmentation), (true, 65_535));
        assert_eq!((without.checksum, without.segmentation), (false, 0));
        let (from, to) = (at("10.2.0.2:7000"), at("10.1.0.2:9000"));
        let mut batch = [segment(from, to, &text(5000), 1000)].into();
        assert_eq!(plain.transmit(&mut batch).ok(), Some(0));
        assert!(batch.is_empty(), "lost and counted");
        assert_eq!(plain.counters().to_string(), "too_long=1");
        // Segments that are too long even when cut are refused by the other as well.
        let mut batch = [segment(to, from, &text(5000), 1461)].into();
        assert_eq!(offloading.transmit(&mut batch).ok(), Some(0));
        assert_eq!(offloading.counters().to_string(), "too_long=1");
    });
}

/// Both queues of one device carry packets, and a flow comes in on the queue that it went out on.
#[test]
fn a_flow_arrives_on_the_queue_that_it_was_written_to() {
    in_namespace("offload::a_flow_arrives_on_the_queue_that_it_was_written_to", || {
        if tun(&TunConfig::default()).is_none() {
            return;
        }
        let queues = Tun::create_queues(&config(), 2).expect("one could be made");
        let [first, second] = &queues[..] else { panic!("{} queues", queues.len()) };
        assert_eq!(first.name(), second.name());
        for (queue, other, port) in [(first, second, 7001), (second, first, 7002), (first, second, 7003)] {
            let (ours, kernel) = (at("10.9.0.2:9000"), SocketAddr::new(at("10.9.0.1:0").ip(), port));
            let socket = socket(&kernel.to_string());
            send(queue, datagram(ours, kernel, b"from us"));
            socket.recv(&mut [0; 10]).expect("it arrives");
            drain(other);
            for _ in 0..20 {
                socket.send_to(b"from the kernel", ours).expect("it is routed");
            }
            let mut count = 0;
            let all = wait_for(queue, |packet| {
                count += u32::from(packet.bytes.ends_with(b"from the kernel"));
                (count == 20).then_some(())
            });
            assert!(all.is_some(), "{count} of 20 on the queue of port {port}");
        }
        // The device stays as long as one queue does.
        let name = first.name().to_owned();
        let link = Link::by_name(&name).expect("it is there");
        let mut queues = queues;
        drop(queues.remove(0));
        link.set(LinkSettings { mtu: Some(1400), ..LinkSettings::default() }).expect("it is still there");
        drop(queues);
        wait_until_gone(link);
    });
}

fn drain(device: &Tun) {
    while wait(device, std::time::Duration::ZERO) {
        device.receive(Instant::ZERO, &mut Vec::new(), 64).expect("the device is there");
    }
}
