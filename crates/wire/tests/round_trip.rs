//! What is written reads as it was meant, for every builder.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::array::uniform6;
use proptest::collection::vec;
use proptest::prelude::*;
use sockeye_wire::arp::Arp;
use sockeye_wire::ethernet::{EthernetHeader, EthernetView, MacAddr};
use sockeye_wire::icmp::{self, Echo, IcmpError, IcmpMessage, QuotedTransport};
use sockeye_wire::ip::v4::{Ipv4Header, Ipv4View, Plain};
use sockeye_wire::ip::v6::{Ipv6Header, Ipv6View};
use sockeye_wire::tcp::{FastOpenCookie, Flags, Options, TcpHeader, TcpView, UserTimeout};
use sockeye_wire::{SeqNumber, checksum};

fn mac() -> impl Strategy<Value = MacAddr> {
    uniform6(any::<u8>()).prop_map(MacAddr)
}

fn pair() -> impl Strategy<Value = (IpAddr, IpAddr)> {
    prop_oneof![
        any::<(u32, u32)>().prop_map(|(a, b)| (IpAddr::V4(a.into()), IpAddr::V4(b.into()))),
        any::<(u128, u128)>().prop_map(|(a, b)| (IpAddr::V6(a.into()), IpAddr::V6(b.into()))),
    ]
}

/// Errors that both versions can express as they are.
fn icmp_error() -> impl Strategy<Value = IcmpError> {
    prop_oneof![
        Just(IcmpError::HostUnreachable),
        Just(IcmpError::PortUnreachable),
        Just(IcmpError::Prohibited),
        Just(IcmpError::HopLimitExceeded),
        Just(IcmpError::ReassemblyTimeExceeded),
        (1..=65_535_u32).prop_map(IcmpError::PacketTooBig),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn ethernet((destination, source, ethertype) in (mac(), mac(), any::<u16>()), text in vec(any::<u8>(), 0..50)) {
        let header = EthernetHeader { destination, source, ethertype };
        let mut frame = [0; 14];
        prop_assert_eq!(header.emit(&mut frame), Ok(14));
        let frame = [&frame[..], &text].concat();
        let read = EthernetView::parse(&frame).expect("whole");
        prop_assert_eq!((read.destination(), read.source(), read.ethertype()), (destination, source, ethertype));
        prop_assert_eq!(read.payload(), &text[..]);
    }

    #[test]
    fn arp(us in mac(), (ours, theirs) in any::<(u32, u32)>(), them in mac()) {
        let request = Arp::request(us, ours.into(), theirs.into());
        for arp in [request, request.reply(them)] {
            let mut bytes = [0; 28];
            prop_assert_eq!(arp.emit(&mut bytes), Ok(28));
            prop_assert_eq!(Arp::parse(&bytes), Ok(arp));
        }
    }

    #[test]
    fn ipv4(
        (source, destination) in any::<(u32, u32)>(),
        (protocol, ttl, traffic_class, identification, dont_fragment) in any::<(u8, u8, u8, u16, bool)>(),
        text in vec(any::<u8>(), 0..200),
        padding in 0..8_usize,
    ) {
        let (source, destination) = (Ipv4Addr::from(source), Ipv4Addr::from(destination));
        let payload_len = text.len();
        let header =
            Ipv4Header { source, destination, protocol, payload_len, ttl, traffic_class, identification, dont_fragment };
        let mut bytes = [0; 20];
        prop_assert_eq!(header.emit(&mut bytes), Ok(20));
        // Short frames are padded by Ethernet: what lies behind the packet is no part of it.
        let bytes = [&bytes[..], &text, &vec![0xee; padding]].concat();
        let read = Ipv4View::parse(&bytes).expect("whole");
        prop_assert!(read.verify_checksum());
        prop_assert_eq!(read.header(), header);
        prop_assert_eq!((read.payload(), read.fragment(), read.total_len()), (&text[..], None, 20 + payload_len));
        prop_assert_eq!((read.identification(), read.dont_fragment()), (identification, dont_fragment));
        let plain = Plain::of(&bytes).map(|plain| (plain.destination, plain.protocol, plain.payload));
        prop_assert_eq!(plain, (padding == 0).then_some((destination, protocol, &text[..])));
    }

    #[test]
    fn what_is_called_plain_reads_the_same_by_the_whole_view(
        first in prop_oneof![4 => Just(0x45_u8), 1 => any::<u8>()],
        mut bytes in vec(any::<u8>(), 0..80),
        honest in prop::bool::weighted(0.8),
    ) {
        let length = u16::try_from(bytes.len()).unwrap_or(0).to_be_bytes();
        bytes.iter_mut().take(1).for_each(|octet| *octet = first);
        if honest && let Some(field) = bytes.get_mut(2..4) {
            field.copy_from_slice(&length);
        }
        if let Some(plain) = Plain::of(&bytes) {
            let whole = Ipv4View::parse(&bytes).expect("what is plain is right");
            let header = whole.header();
            prop_assert_eq!((plain.destination, plain.protocol), (header.destination, header.protocol));
            prop_assert_eq!(plain.payload, whole.payload());
        }
    }

    #[test]
    fn ipv6(
        (source, destination) in any::<(u128, u128)>(),
        (hop_limit, traffic_class) in any::<(u8, u8)>(),
        text in vec(any::<u8>(), 0..200),
    ) {
        let (source, destination) = (Ipv6Addr::from(source), Ipv6Addr::from(destination));
        let header = Ipv6Header { source, destination, protocol: 6, payload_len: text.len(), hop_limit, traffic_class };
        let mut bytes = [0; 40];
        prop_assert_eq!(header.emit(&mut bytes), Ok(40));
        let bytes = [&bytes[..], &text].concat();
        let read = Ipv6View::parse(&bytes).expect("whole");
        prop_assert_eq!(read.header(), header);
        prop_assert_eq!((read.payload(), read.fragment(), read.flow_label()), (&text[..], None, 0));
    }

    #[test]
    fn echoes((us, them) in pair(), (identifier, sequence) in any::<(u16, u16)>(), data in vec(any::<u8>(), 0..99)) {
        let echo = Echo { identifier, sequence, data: &data };
        let mut bytes = vec![0; 8 + data.len()];
        prop_assert_eq!(icmp::emit_echo_request(them, us, &echo, &mut bytes), Ok(8 + data.len()));
        prop_assert_eq!(icmp::parse(&bytes, them, us), Ok(IcmpMessage::EchoRequest(echo)));
        prop_assert_eq!(icmp::emit_echo_reply(us, them, &echo, &mut bytes), Ok(8 + data.len()));
        prop_assert_eq!(icmp::parse(&bytes, us, them), Ok(IcmpMessage::EchoReply(echo)));
    }

    #[test]
    fn errors_quote_enough_to_find_the_connection(
        (us, them) in pair(),
        error in icmp_error(),
        (source_port, destination_port, seq) in any::<(u16, u16, u32)>(),
    ) {
        let lost = segment_in_ip(us, them, source_port, destination_port, seq);
        let mut bytes = vec![0; 1500];
        let length = icmp::emit_error(them, us, error, &lost, &mut bytes).expect("the buffer is long enough");
        let Ok(IcmpMessage::Error(read, quoted)) = icmp::parse(&bytes[..length], them, us) else {
            panic!("no error");
        };
        prop_assert_eq!(read, error);
        let quoted = QuotedTransport::parse(quoted).expect("eight octets are there");
        prop_assert_eq!((quoted.source, quoted.destination, quoted.protocol), (us, them, 6));
        prop_assert_eq!((quoted.source_port, quoted.destination_port), (source_port, destination_port));
        prop_assert_eq!((quoted.seq.value(), quoted.total_len), (seq, lost.len()));
    }

    #[test]
    fn handshake_options_of_later_rfcs(seconds in 1..=32_767_u32, minutes in 547..=32_767_u32, cookie in vec(any::<u8>(), 8)) {
        for seconds in [seconds, minutes * 60] {
            let options = Options {
                user_timeout: Some(UserTimeout { seconds }),
                fast_open: FastOpenCookie::new(&cookie),
                ..Options::NONE
            };
            let header = TcpHeader { options, ..syn(1, 2, 3) };
            let mut bytes = [0; 60];
            let length = header.emit(&mut bytes).expect("the buffer is long enough");
            let read = TcpView::parse(&bytes[..length]).expect("whole");
            prop_assert_eq!(read.options(), options);
            prop_assert_eq!((read.source_port(), read.destination_port()), (1, 2));
        }
    }

    #[test]
    fn a_changed_word_changes_the_checksum_as_a_whole_new_sum_would(
        mut octets in vec(any::<u8>(), 2..100),
        at in any::<prop::sample::Index>(),
        new in any::<u16>(),
    ) {
        let at = at.index(octets.len() / 2) * 2;
        let before = checksum::checksum(&octets);
        let old = u16::from_be_bytes([octets[at], octets[at + 1]]);
        octets[at..at + 2].copy_from_slice(&new.to_be_bytes());
        let after = checksum::incremental(before, old, new);
        // All zeros and all ones are the same number in one's complement.
        let same = after == checksum::checksum(&octets) || (after == 0xffff && octets.iter().all(|octet| *octet == 0));
        prop_assert!(same, "{before:#x} to {after:#x}, not {:#x}", checksum::checksum(&octets));
    }
}

fn syn(source_port: u16, destination_port: u16, seq: u32) -> TcpHeader {
    TcpHeader {
        source_port,
        destination_port,
        seq: SeqNumber::new(seq),
        ack: SeqNumber::new(0),
        flags: Flags::SYN,
        window: 1000,
        urgent: 0,
        options: Options::NONE,
    }
}

fn segment_in_ip(source: IpAddr, destination: IpAddr, source_port: u16, destination_port: u16, seq: u32) -> Vec<u8> {
    let mut bytes = vec![0; 60];
    let start = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => Ipv4Header {
            source,
            destination,
            protocol: 6,
            payload_len: 20,
            ttl: 64,
            traffic_class: 0,
            identification: 0,
            dont_fragment: true,
        }
        .emit(&mut bytes),
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            Ipv6Header { source, destination, protocol: 6, payload_len: 20, hop_limit: 64, traffic_class: 0 }
                .emit(&mut bytes)
        }
        _ => unreachable!("both addresses are of one version"),
    }
    .expect("the buffer is long enough");
    let length = syn(source_port, destination_port, seq).emit(&mut bytes[start..]).expect("the buffer is long enough");
    bytes.truncate(start + length);
    bytes
}
