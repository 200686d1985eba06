//! Which packets are for us at all (RFC 9293 section 3.9.2.3, RFC 1122 section 3.2).

use std::time::Duration;

use sockeye::ListenOptions;
use sockeye_wire::icmp::{self, IcmpError, IcmpMessage};
use sockeye_wire::ip::{IpView, protocol};
use sockeye_wire::tcp::{Flags, Options};

use crate::net::{A4, A6, B4, B6, Net, describe, ip, packet, socket, tcp};

//= rfc9293#MUST-57
//= rfc1122#3.2.1.3-6
//= rfc1122#3.2.2.9-1
//= rfc1122#3.3.6-1
#[test]
fn a_syn_to_many_is_ignored_silently() {
    let mut net = Net::new();
    net.listen(80);
    for (from, to) in [(A4, "10.0.0.255"), (A4, "255.255.255.255"), (A4, "224.0.0.1"), (A6, "ff02::1")] {
        assert!(net.inject(tcp(socket(from, 5), socket(to, 80), 1, 0, Flags::SYN, Options::NONE)).is_empty());
    }
    assert_eq!(net.b.stack.counters().ended("broadcast"), 4);
    assert_eq!(net.b.stack.usage().half_open, 0);
}

//= rfc9293#MUST-63
#[test]
fn a_syn_from_an_address_that_no_host_has_is_ignored() {
    let mut net = Net::new();
    net.listen(80);
    for (from, to) in [
        ("255.255.255.255", B4),
        ("224.0.0.1", B4),
        ("0.0.0.0", B4),
        ("127.0.0.1", B4),
        ("10.0.0.255", B4),
        (B4, B4),
        ("ff02::1", B6),
        ("::", B6),
        ("::1", B6),
    ] {
        assert!(net.inject(tcp(socket(from, 5), socket(to, 80), 1, 0, Flags::SYN, Options::NONE)).is_empty(), "{from}");
    }
    assert_eq!(net.b.stack.counters().ended("invalid_source"), 9);
    assert_eq!(net.b.stack.usage().half_open, 0);
}

#[test]
fn addresses_that_were_good_are_looked_at_again_when_one_becomes_ours() {
    let mut net = Net::new();
    net.listen(80);
    let syn = || tcp(socket("10.0.0.77", 5), socket(B4, 80), 1, 0, Flags::SYN, Options::NONE);
    assert_eq!(net.inject(syn()).len(), 1);
    net.b.stack.add_address("10.0.0.77/24".parse().unwrap());
    assert!(net.inject(syn()).is_empty());
    assert_eq!(net.b.stack.counters().ended("invalid_source"), 1);
}

//= rfc1122#3.2.1.3-4
#[test]
fn what_is_for_others_is_dropped_and_counted() {
    let mut net = Net::new();
    assert!(net.inject(tcp(socket(A4, 5), socket("10.0.0.9", 80), 1, 0, Flags::SYN, Options::NONE)).is_empty());
    assert_eq!(net.b.stack.counters().ended("not_ours"), 1);
}

//= rfc1122#3.2.1.7-2
#[test]
fn a_packet_that_used_up_its_hops_on_the_way_to_us_is_taken() {
    for ttl in [0, 1] {
        let mut net = Net::new();
        net.listen(80);
        let mut syn = tcp(socket(A4, 5), socket(B4, 80), 1, 0, Flags::SYN, Options::NONE);
        syn[8] = ttl;
        syn[10..12].fill(0);
        let sum = sockeye_wire::checksum::checksum(&syn[..20]);
        syn[10..12].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(describe(&net.inject(syn)[0]).2, Flags::SYN_ACK, "TTL {ttl}");
    }
}

//= rfc4443#2.4-4
//= rfc1122#3.2.2-5
//= rfc1122#3.3.8-1
//= rfc1122#3.4-3
#[test]
fn what_nobody_takes_is_refused_unless_that_is_forbidden() {
    let mut net = Net::new();
    let datagram = [0, 5, 0, 9, 0, 8, 0, 0];
    let refusal = net.inject(packet(ip(A4), ip(B4), protocol::UDP, &datagram));
    let refusal = IpView::parse(&refusal[0]).unwrap();
    let error = icmp::parse(refusal.payload(), ip(B4), ip(A4)).unwrap();
    assert!(matches!(error, IcmpMessage::Error(IcmpError::PortUnreachable, quoted) if quoted[20..] == datagram));
    // Neither what was for many, nor an error, nor what comes from no single host.
    assert!(net.inject(packet(ip(A4), ip("10.0.0.255"), protocol::UDP, &datagram)).is_empty());
    assert!(net.inject(packet(ip("224.0.0.1"), ip(B4), protocol::UDP, &datagram)).is_empty());
    assert!(net.inject(packet(ip(A4), ip(B4), protocol::ICMP, refusal.payload())).is_empty());
}

/// FIELD D29: a damaged segment.
//= rfc9293#MUST-3
#[test]
fn a_segment_with_a_wrong_checksum_is_dropped_without_a_word() {
    let mut net = Net::new();
    net.listen(80);
    let mut syn = tcp(socket(A4, 5), socket(B4, 80), 1, 0, Flags::SYN, Options::NONE);
    let last = syn.len() - 1;
    syn[last] ^= 1;
    assert!(net.inject(syn).is_empty());
    assert_eq!(net.b.stack.counters().ended("transport_checksum"), 1);
}

//= rfc9293#MUST-50
#[test]
fn ip_options_that_nobody_understands_are_ignored() {
    let mut net = Net::new();
    net.listen(80);
    let plain = tcp(socket(A4, 5), socket(B4, 80), 1, 0, Flags::SYN, Options::NONE);
    // Four octets of an unknown option between header and segment.
    let mut with_option = [&plain[..20], &[0x9e, 4, 0, 0], &plain[20..]].concat();
    with_option[0] = 0x46;
    let total = u16::try_from(with_option.len()).unwrap();
    with_option[2..4].copy_from_slice(&total.to_be_bytes());
    with_option[10..12].fill(0);
    let sum = sockeye_wire::checksum::checksum(&with_option[..24]);
    with_option[10..12].copy_from_slice(&sum.to_be_bytes());
    let answers = net.inject(with_option);
    assert_eq!(describe(&answers[0]).2, Flags::SYN_ACK);
}

/// A fragment of an IPv4 packet from A to B.
fn piece(number: u8, offset: u16, more: bool, payload: &[u8]) -> Vec<u8> {
    let mut piece = packet(ip(A4), ip(B4), number, payload);
    let field = (offset / 8) | if more { 0x2000 } else { 0 };
    piece[6..8].copy_from_slice(&field.to_be_bytes());
    piece[10..12].fill(0);
    let sum = sockeye_wire::checksum::checksum(&piece[..20]);
    piece[10..12].copy_from_slice(&sum.to_be_bytes());
    piece
}

//= rfc1122#3.3.2-1
#[test]
fn a_segment_in_fragments_is_put_together() {
    let mut net = Net::new();
    net.listen(80);
    let syn = tcp(socket(A4, 5), socket(B4, 80), 1, 0, Flags::SYN, Options { mss: Some(1000), ..Options::NONE });
    assert!(net.inject(piece(protocol::TCP, 16, false, &syn[36..])).is_empty());
    let answers = net.inject(piece(protocol::TCP, 0, true, &syn[20..36]));
    assert_eq!(describe(&answers[0]).2, Flags::SYN_ACK);
    assert_eq!(net.b.stack.usage().fragment_octets, 0);
}

#[test]
fn headers_behind_an_ipv6_fragment_header_are_walked_once_all_is_there() {
    let mut net = Net::new();
    net.b.stack.listen(socket(B6, 80), &ListenOptions::default()).unwrap();
    let syn = tcp(socket(A6, 5), socket(B6, 80), 1, 0, Flags::SYN, Options { mss: Some(1000), ..Options::NONE });
    // Destination options that pad, and the segment.
    let whole = [&[protocol::TCP, 0, 1, 4, 0, 0, 0, 0], &syn[40..]].concat();
    let (fragment, destination_options) = (44, 60);
    let piece = |offset: u16, more: u16, payload: &[u8]| {
        let [high, low] = (offset | more).to_be_bytes();
        let header = [destination_options, 0, high, low, 0, 0, 0, 9];
        packet(ip(A6), ip(B6), fragment, &[&header, payload].concat())
    };
    assert!(net.inject(piece(0, 1, &whole[..16])).is_empty());
    let answers = net.inject(piece(16, 0, &whole[16..]));
    assert_eq!(describe(&answers[0]).2, Flags::SYN_ACK);
}

/// The error in a packet, and what it quotes.
fn error(packet: &[u8]) -> (IcmpError, Vec<u8>) {
    let view = IpView::parse(packet).unwrap();
    match icmp::parse(view.payload(), view.source(), view.destination()).unwrap() {
        IcmpMessage::Error(error, quoted) => (error, quoted.to_vec()),
        other => panic!("{other:?}"),
    }
}

//= rfc1122#3.3.2-4
//= rfc1122#3.3.2-5
#[test]
fn fragments_wait_for_a_minute_and_the_sender_of_the_first_is_told() {
    let mut net = Net::new();
    let first = piece(protocol::UDP, 0, true, &[7; 16]);
    let mut waits = |pieces: &[Vec<u8>], time: Duration| {
        pieces.iter().for_each(|piece| assert!(net.inject(piece.clone()).is_empty()));
        net.b.sent.clear();
        net.run_for(time);
        (net.b.stack.usage().fragment_octets > 0, net.b.sent.clone())
    };
    let almost = Duration::from_millis(59_900);
    assert_eq!(waits(std::slice::from_ref(&first), almost), (true, vec![]));
    let (waits_on, sent) = waits(&[], Duration::from_millis(200));
    assert!(!waits_on);
    assert_eq!(sent.len(), 1);
    assert_eq!(error(&sent[0]), (IcmpError::ReassemblyTimeExceeded, first));
    let silent = Duration::from_secs(61);
    assert_eq!(waits(&[piece(protocol::UDP, 16, false, &[7; 16])], silent), (false, vec![]), "the first never came");
    assert_eq!(waits(&[piece(protocol::ICMP, 0, true, &[7; 16])], silent), (false, vec![]), "it may be an error");
    assert_eq!(net.b.stack.counters().ended("fragment_timeout"), 3);
}

/// An error about a datagram that came in pieces quotes the first, where the ports are, whichever came last.
#[test]
fn a_refused_datagram_in_fragments_is_quoted_from_its_start() {
    let mut net = Net::new();
    let first = piece(protocol::UDP, 0, true, &[0, 5, 0, 9, 0, 24, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    assert!(net.inject(piece(protocol::UDP, 16, false, &[9; 8])).is_empty());
    let answers = net.inject(first.clone());
    assert_eq!(error(&answers[0]), (IcmpError::PortUnreachable, first.clone()));
    assert!(net.inject(first.clone()).is_empty());
    let answers = net.inject(piece(protocol::UDP, 16, false, &[9; 8]));
    assert_eq!(error(&answers[0]), (IcmpError::PortUnreachable, first));
}

//= rfc1122#3.2.2.6-1
//= rfc1122#3.2.2.6-4
//= rfc1122#3.2.2.6-5
#[test]
fn an_echo_request_is_answered_with_all_its_data() {
    let mut net = Net::new();
    for (from, to) in [(A4, B4), (A6, B6)] {
        let (kind, number) = if from == A4 { (8, protocol::ICMP) } else { (128, protocol::ICMPV6) };
        let mut request = vec![kind, 0, 0, 0, 1, 2, 3, 4];
        request.extend_from_slice(b"hello there");
        let mut sum = sockeye_wire::checksum::Sum::default();
        if from == A6 {
            sum.add_pseudo_header(ip(from), ip(to), number, u32::try_from(request.len()).unwrap());
        }
        sum.add(&request);
        request[2..4].copy_from_slice(&sum.checksum().to_be_bytes());
        let answers = net.inject(packet(ip(from), ip(to), number, &request));
        let view = IpView::parse(&answers[0]).unwrap();
        assert_eq!((view.source(), view.destination()), (ip(to), ip(from)));
        assert!(view.payload().ends_with(b"\x01\x02\x03\x04hello there"));
    }
}

//= rfc4443#2.4-3
#[test]
fn an_error_over_ipv6_quotes_as_much_as_fits_into_1280_octets() {
    let mut net = Net::new();
    let datagram = packet(ip(A6), ip(B6), protocol::UDP, &[0; 2000]);
    let answers = net.inject(datagram.clone());
    assert_eq!(answers[0].len(), 1280);
    assert_eq!(error(&answers[0]), (IcmpError::PortUnreachable, datagram[..1232].to_vec()));
}

//= rfc4443#2.4-2
#[test]
fn an_informational_message_of_a_type_that_nobody_knows_is_discarded_silently() {
    let mut net = Net::new();
    let mut message = [200, 0, 0, 0, 1, 2, 3, 4];
    let sum = sockeye_wire::checksum::with_pseudo_header(ip(A6), ip(B6), protocol::ICMPV6, &message).checksum();
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    assert!(net.inject(packet(ip(A6), ip(B6), protocol::ICMPV6, &message)).is_empty());
    assert_eq!(net.b.stack.counters().ended("icmp_type"), 1);
}
