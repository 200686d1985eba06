//! Tests of `icmp`.

use super::*;
use crate::SeqNumber;
use core::net::{Ipv4Addr, Ipv6Addr};

const V4: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2))];
const V6: [IpAddr; 2] =
    [IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1)), IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2))];

const ERRORS: [IcmpError; 9] = [
    IcmpError::NetworkUnreachable,
    IcmpError::HostUnreachable,
    IcmpError::ProtocolUnreachable,
    IcmpError::PortUnreachable,
    IcmpError::Prohibited,
    IcmpError::PacketTooBig(1400),
    IcmpError::HopLimitExceeded,
    IcmpError::ReassemblyTimeExceeded,
    IcmpError::ParameterProblem(9),
];

//= rfc1122#3.2.2.6-5
#[test]
fn an_echo_returns_all_that_was_sent() {
    for [us, them] in [V4, V6] {
        let request = Echo { identifier: 7, sequence: 9, data: b"odd" };
        let (mut there, mut back) = ([0; 11], [0; 11]);
        emit_echo_request(us, them, &request, &mut there).unwrap();
        let Ok(IcmpMessage::EchoRequest(heard)) = parse(&there, us, them) else { panic!("no request") };
        emit_echo_reply(them, us, &heard, &mut back).unwrap();
        assert_eq!(parse(&back, them, us), Ok(IcmpMessage::EchoReply(request)));
    }
}

//= rfc1122#3.2.2-2
#[test]
fn an_error_says_why_and_about_which_packet() {
    for [us, them] in [V4, V6] {
        for error in ERRORS {
            let quoted = [0x45; 28];
            let mut buffer = [0; 36];
            assert_eq!(emit_error(us, them, error, &quoted, &mut buffer), Ok(36));
            assert_eq!(parse(&buffer, us, them), Ok(IcmpMessage::Error(error, &quoted)));
        }
    }
}

#[test]
fn a_checksum_that_does_not_verify_is_refused() {
    let mut buffer = [0; 8];
    emit_error(V6[0], V6[1], IcmpError::PortUnreachable, &[], &mut buffer).unwrap();
    assert_eq!(parse(&buffer, V6[0], V4[1]), Err(ParseError::IcmpChecksum), "meant for another");
    buffer[7] ^= 1;
    assert_eq!(parse(&buffer, V6[0], V6[1]), Err(ParseError::IcmpChecksum));
    assert_eq!(parse(&buffer[..7], V6[0], V6[1]), Err(ParseError::IcmpTruncated(1)));
}

//= rfc1122#3.2.2-1
//= rfc6633#3-1
#[test]
fn what_nobody_needs_is_told_apart() {
    let message = |kind: u8| {
        let mut bytes = [kind, 0, 0, 0, 0, 0, 0, 0];
        let sum = checksum(&bytes).to_be_bytes();
        bytes[2..4].copy_from_slice(&sum);
        bytes
    };
    assert_eq!(parse(&message(4), V4[0], V4[1]), Ok(IcmpMessage::SourceQuench));
    assert_eq!(parse(&message(13), V4[0], V4[1]), Err(ParseError::IcmpType(13)));
}

#[test]
fn a_complaint_about_an_ipv6_protocol_points_at_the_field_that_names_it() {
    let mut packet = [0; 56];
    let header = crate::ip::v6::Ipv6Header {
        source: Ipv6Addr::LOCALHOST,
        destination: Ipv6Addr::LOCALHOST,
        protocol: 60,
        payload_len: 1000,
        hop_limit: 1,
        traffic_class: 0,
    };
    header.emit(&mut packet).unwrap();
    packet[40..48].copy_from_slice(&[132, 0, 1, 4, 0, 0, 0, 0]);
    let mut buffer = [0; 64];
    emit_error(V6[0], V6[1], IcmpError::ProtocolUnreachable, &packet, &mut buffer).unwrap();
    assert_eq!((buffer[0], buffer[1], &buffer[4..8]), (4, 1, &[0, 0, 0, 40][..]));
}

//= rfc1122#3.2.2-2
#[test]
fn a_quoted_packet_is_short_enough_to_get_through() {
    assert_eq!(quotable(&[0x45; 2000]).len() + 28, 576);
    assert_eq!(quotable(&[0x60; 2000]).len() + 48, 1280);
    assert_eq!(quotable(&[0x60; 100]).len(), 100);
}

//= rfc1122#3.2.2-3
#[test]
fn eight_octets_behind_the_ip_header_tell_the_connection() {
    let mut packet = [0; 28];
    let header = crate::ip::v4::Ipv4Header {
        source: Ipv4Addr::new(10, 0, 0, 1),
        destination: Ipv4Addr::new(10, 0, 0, 2),
        protocol: protocol::TCP,
        payload_len: 1480,
        ttl: 64,
        traffic_class: 0,
        identification: 0,
        dont_fragment: true,
    };
    header.emit(&mut packet).unwrap();
    packet[20..].copy_from_slice(&[0x30, 0x39, 0, 80, 0xde, 0xad, 0xbe, 0xef]);
    let quoted = QuotedTransport::parse(&packet).unwrap();
    let expected = QuotedTransport {
        source: V4[0],
        destination: V4[1],
        protocol: protocol::TCP,
        total_len: 1500,
        source_port: 12_345,
        destination_port: 80,
        seq: SeqNumber::new(0xdead_beef),
    };
    assert_eq!(quoted, expected);
    assert_eq!(QuotedTransport::parse(&packet[..25]), Err(ParseError::QuotedTruncated(3)));
    packet[7] = 1;
    assert_eq!(QuotedTransport::parse(&packet), Err(ParseError::QuotedFragment));
}

#[test]
fn extension_headers_of_a_quoted_packet_are_followed() {
    let mut packet = [0; 56];
    (packet[0], packet[5], packet[6]) = (0x60, 16, 60);
    packet[40..48].copy_from_slice(&[6, 0, 1, 4, 0, 0, 0, 0]);
    packet[48..].copy_from_slice(&[0, 1, 0, 2, 0, 0, 0, 3]);
    let quoted = QuotedTransport::parse(&packet).unwrap();
    assert_eq!((quoted.protocol, quoted.total_len), (6, 56));
    assert_eq!((quoted.source_port, quoted.destination_port, quoted.seq.value()), (1, 2, 3));
}
