//! What lines look like, and that nothing makes them fail.

use std::net::{IpAddr, Ipv4Addr};

use sockeye_wire::SeqNumber;
use sockeye_wire::ip::{protocol, v4};
use sockeye_wire::tcp::{Flags, Options, SackBlock, TcpHeader, fill_checksum};

use super::*;

const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);

/// A packet from port 4000 of the client to port 80 of the server, or back.
fn packet(forth: bool, flags: Flags, (seq, ack): (u32, u32), options: Options, text: &[u8]) -> Vec<u8> {
    let ((source, source_port), (destination, destination_port)) =
        if forth { ((CLIENT, 4000), (SERVER, 80)) } else { ((SERVER, 80), (CLIENT, 4000)) };
    let header = TcpHeader {
        source_port,
        destination_port,
        seq: SeqNumber::new(seq),
        ack: SeqNumber::new(ack),
        flags,
        window: 500,
        urgent: 0,
        options,
    };
    let mut segment = vec![0; header.len()];
    header.emit(&mut segment).expect("there is room");
    fill_checksum(IpAddr::V4(source), IpAddr::V4(destination), &mut segment, [text].into_iter());
    segment.extend_from_slice(text);
    let ip = v4::Ipv4Header {
        source,
        destination,
        protocol: protocol::TCP,
        payload_len: segment.len(),
        ttl: 64,
        traffic_class: 0,
        identification: 1,
        dont_fragment: true,
    };
    let mut whole = vec![0; v4::HEADER_LEN];
    ip.emit(&mut whole).expect("there is room");
    whole.extend_from_slice(&segment);
    whole
}

fn lines(detail: Detail, packets: &[Vec<u8>]) -> Vec<String> {
    let mut describer = Describer::new(detail);
    packets.iter().map(|packet| describer.line(LinkType::Ip, packet).to_string()).collect()
}

#[test]
fn numbers_are_counted_from_the_syn_of_each_direction() {
    let mut sack = Options::NONE;
    sack.sack.push(SackBlock { left: SeqNumber::new(11), right: SeqNumber::new(16) });
    let packets = [
        packet(true, Flags::SYN, (u32::MAX - 1, 0), Options { mss: Some(1460), ..Options::NONE }, b""),
        packet(false, Flags::SYN_ACK, (7, u32::MAX), Options { sack_permitted: true, ..Options::NONE }, b""),
        packet(true, Flags { psh: true, ..Flags::ACK }, (u32::MAX, 8), Options::NONE, b"hello"),
        packet(false, Flags::ACK, (8, 4), sack, b""),
        packet(true, Flags::FIN_ACK, (4, 8), Options::NONE, b""),
        packet(true, Flags::RST, (5, 0), Options::NONE, b""),
    ];
    let expected = [
        "IP 10.9.0.1.4000 > 10.9.0.2.80: Flags [S], seq 4294967294, win 500, options [mss 1460], length 0",
        "IP 10.9.0.2.80 > 10.9.0.1.4000: Flags [S.], seq 7, ack 1, win 500, options [sackOK], length 0",
        "IP 10.9.0.1.4000 > 10.9.0.2.80: Flags [P.], seq 1:6, ack 1, win 500, length 5",
        "IP 10.9.0.2.80 > 10.9.0.1.4000: Flags [.], ack 6, win 500, options [sack 1 {13:18}], length 0",
        "IP 10.9.0.1.4000 > 10.9.0.2.80: Flags [F.], seq 6, ack 1, win 500, length 0",
        "IP 10.9.0.1.4000 > 10.9.0.2.80: Flags [R], seq 7, win 500, length 0",
    ];
    assert_eq!(lines(Detail::default(), &packets), expected);
    let absolute = lines(Detail { absolute: true, ..Detail::default() }, &packets);
    assert_eq!(
        absolute[3],
        "IP 10.9.0.2.80 > 10.9.0.1.4000: Flags [.], ack 4, win 500, options [sack 1 {11:16}], length 0"
    );
}

#[test]
fn a_connection_seen_from_its_middle_begins_there() {
    let packets = [
        packet(true, Flags::ACK, (1000, 2000), Options::NONE, b"abc"),
        packet(false, Flags::ACK, (2000, 1003), Options::NONE, b""),
    ];
    let seen = lines(Detail::default(), &packets);
    assert_eq!(seen[0], "IP 10.9.0.1.4000 > 10.9.0.2.80: Flags [.], seq 1:4, ack 1, win 500, length 3");
    assert_eq!(seen[1], "IP 10.9.0.2.80 > 10.9.0.1.4000: Flags [.], ack 4, win 500, length 0");
}

#[test]
fn who_asks_for_more_hears_of_bad_checksums() {
    let mut bad = packet(true, Flags::ACK, (1, 1), Options::NONE, b"abc");
    if let Some(last) = bad.last_mut() {
        *last ^= 1;
    }
    let verbose = lines(Detail { verbose: true, ..Detail::default() }, &[bad]);
    assert_eq!(
        verbose[0],
        "IP (ttl 64, length 43) 10.9.0.1.4000 > 10.9.0.2.80: Flags [.], seq 1:4, ack 1, win 500, length 3, bad checksum"
    );
}

#[test]
fn hosts_and_ports_are_told_for_filters() {
    let line = Describer::default().line(LinkType::Ip, &packet(true, Flags::SYN, (1, 0), Options::NONE, b""));
    assert!(line.has_host(CLIENT.into()) && line.has_host(SERVER.into()) && !line.has_host([10, 9, 0, 3].into()));
    assert!(line.has_port(80) && line.has_port(4000) && !line.has_port(81));
}

#[test]
fn no_octets_make_it_fail() {
    let whole = packet(true, Flags::ACK, (1, 1), Options { mss: Some(1), ..Options::NONE }, b"abc");
    let mut describer = Describer::new(Detail { verbose: true, absolute: false });
    for link in [LinkType::Ip, LinkType::Ethernet, LinkType::Loopback, LinkType::Cooked, LinkType::Cooked2] {
        for length in 0..whole.len() {
            let mut octets = whole[..length].to_vec();
            assert!(!describer.line(link, &octets).to_string().is_empty());
            octets.reverse();
            assert!(!describer.line(link, &octets).to_string().is_empty());
        }
    }
}
