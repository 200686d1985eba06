//! What we write, `etherparse` and `pnet_packet` read as we meant it; what they write, we read as they meant it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TcpOptionElement, TransportSlice};
use pnet_packet::tcp::TcpPacket;
use pnet_packet::udp::UdpPacket;
use pnet_packet::{ipv4, tcp as pnet_tcp, udp as pnet_udp};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use sockeye_wire::ip::v4::Ipv4Header;
use sockeye_wire::ip::v6::Ipv6Header;
use sockeye_wire::ip::{IpView, protocol};
use sockeye_wire::tcp::{Flags, Options, SackBlock, SackBlocks, TcpHeader, TcpView, Timestamps, fill_checksum};
use sockeye_wire::udp::{self, UdpView};
use sockeye_wire::{SeqNumber, checksum};

/// Both ends of a packet, of either version.
fn addresses() -> impl Strategy<Value = (IpAddr, IpAddr)> {
    let v4 = any::<(u32, u32)>().prop_map(|(a, b)| (IpAddr::V4(a.into()), IpAddr::V4(b.into())));
    let v6 = any::<(u128, u128)>().prop_map(|(a, b)| (IpAddr::V6(a.into()), IpAddr::V6(b.into())));
    prop_oneof![v4, v6]
}

/// Options that fit into one header, those of a handshake or those that follow it.
fn options() -> impl Strategy<Value = Options> {
    let timestamps = || prop::option::of(any::<(u32, u32)>().prop_map(|(value, echo)| Timestamps { value, echo }));
    let handshake = (prop::option::of(any::<u16>()), prop::option::of(0..=14_u8), any::<bool>(), timestamps())
        .prop_map(|(mss, window_scale, sack_permitted, timestamps)| Options {
            mss,
            window_scale,
            sack_permitted,
            timestamps,
            ..Options::NONE
        });
    let later = (timestamps(), vec(any::<(u32, u32)>(), 0..=3)).prop_map(|(timestamps, runs)| {
        let mut sack = SackBlocks::NONE;
        for (left, right) in runs {
            sack.push(SackBlock { left: SeqNumber::new(left), right: SeqNumber::new(right) });
        }
        Options { timestamps, sack, ..Options::NONE }
    });
    prop_oneof![handshake, later]
}

fn header() -> impl Strategy<Value = TcpHeader> {
    (any::<(u16, u16, u32, u32, u8)>(), any::<(u16, u16)>(), options()).prop_map(
        |((source_port, destination_port, seq, ack, flags), (window, urgent), options)| {
            let mut flags = Flags::from_bits(flags);
            // The options say which kind of segment it is.
            flags.syn = options.mss.is_some() || options.window_scale.is_some() || options.sack_permitted;
            let urgent = if flags.urg { urgent } else { 0 };
            let (seq, ack) = (SeqNumber::new(seq), SeqNumber::new(ack));
            TcpHeader { source_port, destination_port, seq, ack, flags, window, urgent, options }
        },
    )
}

/// The segment in an IP packet, all checksums filled in.
fn packet(source: IpAddr, destination: IpAddr, header: &TcpHeader, text: &[u8]) -> Vec<u8> {
    let mut tcp = vec![0; header.len()];
    header.emit(&mut tcp).expect("the buffer is as long as the header");
    fill_checksum(source, destination, &mut tcp, std::iter::once(text));
    tcp.extend(text);
    let mut ip = vec![0; if source.is_ipv4() { 20 } else { 40 }];
    emit_ip(source, destination, tcp.len(), &mut ip);
    ip.extend(tcp);
    ip
}

fn emit_ip(source: IpAddr, destination: IpAddr, payload_len: usize, buffer: &mut [u8]) {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => Ipv4Header {
            source,
            destination,
            protocol: protocol::TCP,
            payload_len,
            ttl: 61,
            traffic_class: 2,
            identification: 7,
            dont_fragment: true,
        }
        .emit(buffer),
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let (hop_limit, traffic_class) = (61, 2);
            Ipv6Header { source, destination, protocol: protocol::TCP, payload_len, hop_limit, traffic_class }
                .emit(buffer)
        }
        _ => unreachable!("both addresses are of one version"),
    }
    .expect("the buffer is as long as the header");
}

/// Our options as `etherparse` names them. It reports three blocks behind the first one at most, as they stand.
fn elements(options: &Options) -> Vec<TcpOptionElement> {
    let mut elements = Vec::new();
    elements.extend(options.mss.map(TcpOptionElement::MaximumSegmentSize));
    elements.extend(options.window_scale.map(TcpOptionElement::WindowScale));
    elements.extend(options.sack_permitted.then_some(TcpOptionElement::SelectiveAcknowledgementPermitted));
    elements.extend(options.timestamps.map(|t| TcpOptionElement::Timestamp(t.value, t.echo)));
    let mut blocks = options.sack.iter().map(|block| (block.left.value(), block.right.value()));
    if let Some(first) = blocks.next() {
        elements.push(TcpOptionElement::SelectiveAcknowledgement(first, std::array::from_fn(|_| blocks.next())));
    }
    elements
}

/// The same, whatever their order.
fn sorted(mut elements: Vec<TcpOptionElement>) -> Vec<String> {
    elements.retain(|element| *element != TcpOptionElement::Noop);
    let mut names: Vec<_> = elements.iter().map(|element| format!("{element:?}")).collect();
    names.sort();
    names
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn etherparse_reads_the_segments_that_we_write(
        (source, destination) in addresses(),
        header in header(),
        text in vec(any::<u8>(), 0..64),
    ) {
        let packet = packet(source, destination, &header, &text);
        let sliced = SlicedPacket::from_ip(&packet).expect("etherparse takes it");
        let Some(TransportSlice::Tcp(tcp)) = &sliced.transport else { panic!("no TCP: {sliced:?}") };
        prop_assert_eq!((tcp.source_port(), tcp.destination_port()), (header.source_port, header.destination_port));
        prop_assert_eq!((tcp.sequence_number(), tcp.acknowledgment_number()), (header.seq.value(), header.ack.value()));
        prop_assert_eq!((tcp.window_size(), tcp.urgent_pointer()), (header.window, header.urgent));
        let Flags { fin, syn, rst, psh, ack, urg, ece, cwr } = header.flags;
        prop_assert_eq!((tcp.fin(), tcp.syn(), tcp.rst(), tcp.psh()), (fin, syn, rst, psh));
        prop_assert_eq!((tcp.ack(), tcp.urg(), tcp.ece(), tcp.cwr()), (ack, urg, ece, cwr));
        prop_assert_eq!(tcp.payload(), &text[..]);
        let read = tcp.options_iterator().collect::<Result<Vec<_>, _>>().expect("etherparse takes the options");
        prop_assert_eq!(sorted(read), sorted(elements(&header.options)));
        let expected = match &sliced.net {
            Some(NetSlice::Ipv4(ip)) => {
                prop_assert_eq!(ip.header().header_checksum(), ip.header().to_header().calc_header_checksum());
                prop_assert_eq!((ip.header().ttl(), ip.header().ecn().value()), (61, 2));
                tcp.to_header().calc_checksum_ipv4_raw(ip.header().source(), ip.header().destination(), &text)
            }
            Some(NetSlice::Ipv6(ip)) => {
                prop_assert_eq!((ip.header().hop_limit(), ip.header().traffic_class()), (61, 2));
                tcp.to_header().calc_checksum_ipv6_raw(ip.header().source(), ip.header().destination(), &text)
            }
            other => panic!("no IP: {other:?}"),
        };
        prop_assert_eq!(tcp.checksum(), expected.expect("the text is short"));
    }

    #[test]
    fn pnet_agrees_on_the_checksums_of_segments_and_datagrams(
        (source, destination) in addresses(),
        header in header(),
        text in vec(any::<u8>(), 0..1500),
    ) {
        let segment = packet(source, destination, &header, &text).split_off(if source.is_ipv4() { 20 } else { 40 });
        let tcp = TcpPacket::new(&segment).expect("it is long enough");
        let mut datagram = vec![0; 8 + text.len()];
        udp::emit((source, 53), (destination, 5353), &text, &mut datagram).expect("the buffer is long enough");
        let udp = UdpPacket::new(&datagram).expect("it is long enough");
        let (tcp_sum, udp_sum) = match (source, destination) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                (pnet_tcp::ipv4_checksum(&tcp, &from.octets().into(), &to.octets().into()), pnet_udp::ipv4_checksum(&udp, &from.octets().into(), &to.octets().into()))
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                (pnet_tcp::ipv6_checksum(&tcp, &from.octets().into(), &to.octets().into()), pnet_udp::ipv6_checksum(&udp, &from.octets().into(), &to.octets().into()))
            }
            _ => unreachable!("both addresses are of one version"),
        };
        prop_assert_eq!(tcp.get_checksum(), tcp_sum);
        // A sum of zero is sent as all ones.
        prop_assert_eq!(udp.get_checksum(), if udp_sum == 0 { 0xffff } else { udp_sum });
        prop_assert!(TcpView::parse(&segment).expect("whole").verify_checksum(source, destination));
        prop_assert!(UdpView::parse(&datagram).expect("whole").verify_checksum(source, destination));
    }

    #[test]
    fn pnet_agrees_on_the_checksum_of_any_octets(octets in vec(any::<u8>(), 1..3000)) {
        prop_assert_eq!(checksum::checksum(&octets), pnet_packet::util::checksum(&octets, usize::MAX));
    }

    #[test]
    fn pnet_agrees_on_the_checksum_of_a_header((source, destination) in any::<(u32, u32)>(), payload_len in 0..60_000_usize) {
        let mut bytes = vec![0; 20 + payload_len];
        emit_ip(IpAddr::V4(source.into()), IpAddr::V4(destination.into()), payload_len, &mut bytes);
        let pnet = ipv4::Ipv4Packet::new(&bytes).expect("it is long enough");
        prop_assert_eq!(pnet.get_checksum(), ipv4::checksum(&pnet));
    }

    #[test]
    fn we_read_the_segments_that_etherparse_writes(
        (source, destination) in any::<([u8; 4], [u8; 4])>(),
        (seq, ack, window) in any::<(u32, u32, u16)>(),
        timestamps in any::<(u32, u32)>(),
        first in any::<(u32, u32)>(),
        mss in any::<u16>(),
        text in vec(any::<u8>(), 0..100),
        urgent in select(vec![None, Some(3), Some(u16::MAX)]),
    ) {
        let options = [
            TcpOptionElement::MaximumSegmentSize(mss),
            TcpOptionElement::Noop,
            TcpOptionElement::Timestamp(timestamps.0, timestamps.1),
            TcpOptionElement::SelectiveAcknowledgement(first, [None; 3]),
        ];
        let builder = PacketBuilder::ipv4(source, destination, 9).tcp(80, 4000, seq, window).syn().ack(ack);
        let builder = match urgent { Some(pointer) => builder.urg(pointer), None => builder };
        let builder = builder.options(&options).expect("they fit");
        let mut bytes = Vec::new();
        builder.write(&mut bytes, &text).expect("a vector takes it");

        let ip = IpView::parse(&bytes).expect("we take it");
        prop_assert_eq!(ip.source(), IpAddr::V4(Ipv4Addr::from(source)));
        prop_assert_eq!((ip.hop_limit(), ip.protocol()), (9, protocol::TCP));
        let tcp = TcpView::parse(ip.payload()).expect("we take it");
        prop_assert!(tcp.verify_checksum(ip.source(), ip.destination()));
        prop_assert_eq!((tcp.seq().value(), tcp.ack().value(), tcp.window()), (seq, ack, window));
        prop_assert_eq!(tcp.flags(), Flags { urg: urgent.is_some(), ..Flags::SYN_ACK });
        prop_assert_eq!(tcp.payload(), &text[..]);
        let read = tcp.options();
        prop_assert_eq!(read.mss, Some(mss));
        prop_assert_eq!(read.timestamps.map(|t| (t.value, t.echo)), Some(timestamps));
        let blocks: Vec<_> = read.sack.iter().map(|block| (block.left.value(), block.right.value())).collect();
        prop_assert_eq!(blocks, [first]);
    }

    #[test]
    fn we_read_the_datagrams_that_etherparse_writes(
        (source, destination) in any::<([u8; 16], [u8; 16])>(),
        text in vec(any::<u8>(), 0..100),
    ) {
        let mut bytes = Vec::new();
        PacketBuilder::ipv6(source, destination, 3).udp(1, 2).write(&mut bytes, &text).expect("a vector takes it");
        let ip = IpView::parse(&bytes).expect("we take it");
        prop_assert_eq!(ip.destination(), IpAddr::V6(Ipv6Addr::from(destination)));
        let udp = UdpView::parse(ip.payload()).expect("we take it");
        prop_assert!(udp.verify_checksum(ip.source(), ip.destination()));
        prop_assert_eq!((udp.source_port(), udp.destination_port(), udp.payload()), (1, 2, &text[..]));
    }
}
