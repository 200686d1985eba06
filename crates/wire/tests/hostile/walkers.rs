//! One function per parser: it reads whatever bytes it is given, looks at all that can be looked at, and where the bytes
//! were accepted and can be written again, holds that what is written reads the same. The property tests call them with
//! random bytes, the fuzz targets with bytes that look for trouble.

use std::fmt::Debug;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sockeye_wire::arp::Arp;
use sockeye_wire::ethernet::EthernetView;
use sockeye_wire::icmp::{IcmpMessage, QuotedTransport};
use sockeye_wire::ip::v4::Ipv4View;
use sockeye_wire::ip::v6::Ipv6View;
use sockeye_wire::ip::{IpView, extension};
use sockeye_wire::ndp::{NdpMessage, NdpOptions};
use sockeye_wire::tcp::{OptionIter, Options, TcpHeader, TcpView};
use sockeye_wire::udp::UdpView;
use sockeye_wire::{ParseError, icmp, ndp};

/// A parser's walker: true if the parser took the bytes.
pub type Walker = fn(&[u8]) -> bool;

/// All of them, each with the name of its fuzz target.
pub const ALL: [(&str, Walker); 11] = [
    ("arp", arp),
    ("ethernet", ethernet),
    ("extension", ipv6_extension),
    ("icmp", icmp_message),
    ("ipv4", ipv4),
    ("ipv6", ipv6),
    ("ndp", ndp_message),
    ("quoted", quoted),
    ("tcp", tcp),
    ("tcp_options", tcp_options),
    ("udp", udp),
];

const OURS_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 2));
const THEIRS_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 1));
const OURS_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 9, 0, 0, 0, 0, 0, 2);
const THEIRS_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 9, 0, 0, 0, 0, 0, 1);

/// Has every field read, through what the type prints of itself.
fn look(thing: impl Debug) {
    black_box(format!("{thing:?}"));
}

/// A refusal says why in words.
fn refused(error: ParseError) -> bool {
    assert!(!error.to_string().is_empty() && !error.name().is_empty());
    look((error, error.parameter_problem()));
    false
}

/// Ethernet II.
pub fn ethernet(bytes: &[u8]) -> bool {
    let frame = match EthernetView::parse(bytes) {
        Ok(frame) => frame,
        Err(error) => return refused(error),
    };
    look((frame.source(), frame.destination(), frame.ethertype(), frame.payload()));
    let mut again = [0; 14];
    assert_eq!(frame.header().emit(&mut again), Ok(14));
    assert_eq!(bytes.get(..14), Some(&again[..]));
    true
}

/// ARP.
pub fn arp(bytes: &[u8]) -> bool {
    match Arp::parse(bytes) {
        Ok(arp) => {
            let mut again = [0; 28];
            assert_eq!(arp.emit(&mut again), Ok(28));
            assert_eq!(Arp::parse(&again), Ok(arp));
            look(arp.reply(arp.sender_hardware));
            true
        }
        Err(error) => refused(error),
    }
}

/// IPv4, and what of either version's view shows it.
pub fn ipv4(bytes: &[u8]) -> bool {
    let packet = match Ipv4View::parse(bytes) {
        Ok(packet) => packet,
        Err(error) => return refused(error),
    };
    look((packet.dscp(), packet.identification(), packet.dont_fragment(), packet.option_bytes()));
    look((packet.has_source_route(), packet.verify_checksum()));
    assert_eq!(packet.header_len() + packet.payload().len(), packet.total_len());
    let header = packet.header();
    let mut again = vec![0; 20 + header.payload_len];
    assert_eq!(header.emit(&mut again), Ok(20));
    let read = Ipv4View::parse(&again).expect("what we write, we read");
    assert!(read.verify_checksum());
    assert_eq!(read.header(), header);
    either(bytes)
}

/// IPv6, and what of either version's view shows it.
pub fn ipv6(bytes: &[u8]) -> bool {
    let packet = match Ipv6View::parse(bytes) {
        Ok(packet) => packet,
        Err(error) => return refused(error),
    };
    look((packet.dscp(), packet.flow_label(), packet.hop_limit(), packet.fragment()));
    assert_eq!(packet.header_len() + packet.payload().len(), packet.total_len());
    assert!(packet.protocol_named_at() < packet.header_len());
    let mut again = [0; 40];
    assert_eq!(packet.header().emit(&mut again), Ok(40));
    either(bytes)
}

fn either(bytes: &[u8]) -> bool {
    let packet = IpView::parse(bytes).expect("its own version's view takes it");
    look((packet.source(), packet.destination(), packet.protocol(), packet.fragment()));
    look((packet.hop_limit(), packet.traffic_class(), packet.ecn()));
    assert_eq!(packet.packet().len(), packet.total_len());
    assert_eq!(packet.payload().len(), packet.total_len() - packet.header_len());
    true
}

/// The extension headers of an IPv6 datagram put together from fragments; the first octet names the first of them.
pub fn ipv6_extension(bytes: &[u8]) -> bool {
    let Some((&protocol, payload)) = bytes.split_first() else {
        return false;
    };
    match extension::skip(protocol, payload) {
        Ok((upper, message)) => {
            look((upper, message));
            true
        }
        Err(error) => refused(error),
    }
}

/// ICMP of either version, the quoted packet of an error included.
pub fn icmp_message(bytes: &[u8]) -> bool {
    let over = |source, destination| {
        match icmp::parse(bytes, source, destination) {
            Ok(IcmpMessage::Error(error, text)) => {
                look(error);
                quoted(text);
            }
            Ok(IcmpMessage::EchoRequest(request)) => {
                let mut again = vec![0; bytes.len()];
                assert_eq!(icmp::emit_echo_request(source, destination, &request, &mut again), Ok(bytes.len()));
                let read = icmp::parse(&again, source, destination);
                assert_eq!(read, Ok(IcmpMessage::EchoRequest(request)));
            }
            Ok(message) => look(message),
            Err(error) => return refused(error),
        }
        true
    };
    // Both are to be tried: no short circuit.
    over(THEIRS_V4, OURS_V4) | over(THEIRS_V6.into(), OURS_V6.into())
}

/// The packet that an ICMP error quotes.
pub fn quoted(bytes: &[u8]) -> bool {
    match QuotedTransport::parse(bytes) {
        Ok(transport) => {
            look(transport);
            true
        }
        Err(error) => refused(error),
    }
}

/// Neighbour discovery.
pub fn ndp_message(bytes: &[u8]) -> bool {
    look(ndp::is_ndp(bytes));
    match NdpOptions::parse(bytes) {
        Ok(options) => look((options.source_link(), options.target_link(), options.iter().collect::<Vec<_>>())),
        Err(error) => _ = refused(error),
    }
    match NdpMessage::parse(bytes, THEIRS_V6, OURS_V6, ndp::HOP_LIMIT) {
        Ok(message) => {
            look(message);
            let mut again = vec![0; bytes.len() + 64];
            let length = message.emit(THEIRS_V6, OURS_V6, &mut again).expect("it came in fewer octets");
            assert_eq!(NdpMessage::parse(&again[..length], THEIRS_V6, OURS_V6, ndp::HOP_LIMIT), Ok(message));
            true
        }
        Err(error) => refused(error),
    }
}

/// UDP.
pub fn udp(bytes: &[u8]) -> bool {
    match UdpView::parse(bytes) {
        Ok(datagram) => {
            look((datagram.source_port(), datagram.destination_port(), datagram.payload(), datagram.datagram()));
            look((
                datagram.verify_checksum(THEIRS_V4, OURS_V4),
                datagram.verify_checksum(THEIRS_V6.into(), OURS_V6.into()),
            ));
            true
        }
        Err(error) => refused(error),
    }
}

/// TCP, options included.
pub fn tcp(bytes: &[u8]) -> bool {
    let segment = match TcpView::parse(bytes) {
        Ok(segment) => segment,
        Err(error) => return refused(error),
    };
    look((segment.checksum(), segment.option_iter().collect::<Vec<_>>()));
    look((segment.verify_checksum(THEIRS_V4, OURS_V4), segment.verify_checksum(THEIRS_V6.into(), OURS_V6.into())));
    assert_eq!(segment.header_len() + segment.payload().len(), bytes.len());
    let header = TcpHeader {
        source_port: segment.source_port(),
        destination_port: segment.destination_port(),
        seq: segment.seq(),
        ack: segment.ack(),
        flags: segment.flags(),
        window: segment.window(),
        urgent: segment.urgent(),
        options: segment.options(),
    };
    let mut again = [0; 60];
    let length = header.emit(&mut again).expect("no header is longer than 60 octets");
    let read = TcpView::parse(&again[..length]).expect("what we write, we read");
    assert_eq!((read.seq(), read.ack(), read.flags()), (header.seq, header.ack, header.flags));
    tcp_options(segment.option_bytes())
}

/// TCP options, and that a set of them that we write reads as it was written.
pub fn tcp_options(bytes: &[u8]) -> bool {
    let count = OptionIter::new(bytes).inspect(|option| look(option)).count();
    assert!(count <= bytes.len(), "every option takes an octet at least");
    look(Options::parse(bytes));
    true
}
