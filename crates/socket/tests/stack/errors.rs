//! ICMP errors about our segments (RFC 9293 section 3.9.2.2, RFC 5927).

use sockeye::{ConnectOptions, StackEvent};
use sockeye_tcb::{Event, SoftError, State, Unreachable};
use sockeye_wire::icmp::IcmpError;
use sockeye_wire::ip::protocol;

use crate::net::{A4, A6, B4, B6, Net, error, ip, packet, socket};

fn arrives(net: &mut Net, packet: Vec<u8>) {
    net.a.stack.on_packet(net.now, sockeye_device::Packet::new(packet.into(), net.now));
    net.settle();
}

//= rfc9293#MUST-54
//= rfc9293#MUST-56
//= rfc5927#4.1-1
#[test]
fn an_error_reaches_the_connection_that_it_quotes_and_a_forged_one_none() {
    let mut net = Net::new();
    let client = net.a.stack.connect(net.now, socket(B4, 80), &ConnectOptions::default()).unwrap();
    net.settle();
    let syn = net.a.sent[0].to_vec();
    arrives(&mut net, error(IcmpError::HostUnreachable, &syn));
    let told = StackEvent::Connection(client, Event::SoftError(SoftError::Unreachable(Unreachable::Host)));
    assert_eq!(net.a.events, [told]);
    let mut forged = syn;
    forged[24] ^= 0x40; // another sequence number
    arrives(&mut net, error(IcmpError::PortUnreachable, &forged));
    assert_eq!(net.a.stack.counters().ended("stray_icmp"), 1);
    assert_eq!(net.a.stack.state(client), Some(State::SynSent));
}

//= rfc1122#3.2.2.1-2
//= rfc1122#3.2.2.4-1
//= rfc1122#3.2.2.5-2
#[test]
fn what_routers_and_hosts_complain_of_is_told() {
    for (complaint, told) in [
        (IcmpError::NetworkUnreachable, Unreachable::Network),
        (IcmpError::HopLimitExceeded, Unreachable::TimeExceeded),
        (IcmpError::ReassemblyTimeExceeded, Unreachable::TimeExceeded),
        (IcmpError::ParameterProblem(9), Unreachable::ParameterProblem),
    ] {
        let mut net = Net::new();
        let client = net.a.stack.connect(net.now, socket(B4, 80), &ConnectOptions::default()).unwrap();
        net.settle();
        let syn = net.a.sent[0].to_vec();
        arrives(&mut net, error(complaint, &syn));
        assert_eq!(net.a.events, [StackEvent::Connection(client, Event::SoftError(SoftError::Unreachable(told)))]);
        assert_eq!(net.a.stack.state(client), Some(State::SynSent));
    }
}

//= rfc1122#3.2.2.1-4
#[test]
fn a_port_unreachable_refuses_a_connection_as_a_reset_does() {
    let mut net = Net::new();
    let client = net.a.stack.connect(net.now, socket(B4, 80), &ConnectOptions::default()).unwrap();
    net.settle();
    let syn = net.a.sent[0].to_vec();
    arrives(&mut net, error(IcmpError::PortUnreachable, &syn));
    let is_over = |event: &StackEvent| matches!(event, StackEvent::Connection(id, Event::Closed(_)) if *id == client);
    assert!(net.a.events.iter().any(is_over), "{:?}", net.a.events);
}

//= rfc9293#MUST-55
//= rfc6633#3-1
#[test]
fn source_quench_is_discarded_silently() {
    let mut net = Net::new();
    net.a.stack.connect(net.now, socket(B4, 80), &ConnectOptions::default()).unwrap();
    net.settle();
    let mut quench = vec![4, 0, 0, 0, 0, 0, 0, 0];
    quench.extend_from_slice(&net.a.sent[0][..28]);
    let sum = sockeye_wire::checksum::checksum(&quench);
    quench[2..4].copy_from_slice(&sum.to_be_bytes());
    arrives(&mut net, packet(ip("10.0.0.254"), ip(A4), protocol::ICMP, &quench));
    assert!(net.a.events.is_empty());
    assert_eq!(net.a.stack.counters().ended("ignored_icmp"), 1);
}

/// FIELD D10: a router that doesn't say what fits, one that lies.
//= rfc1191#3-1
//= rfc1191#3-7
//= rfc1191#3-8
//= rfc1191#3-9
//= rfc1191#7.1-1
#[test]
fn a_packet_too_big_lowers_the_segments_and_never_below_the_floor() {
    for (mtu, expected) in [(1280, 1240), (0, 1452), (68, 512), (1, 1460), (9000, 1460)] {
        let mut net = Net::new();
        let listener = net.listen(80);
        let (client, server) = net.connect(listener, 80);
        net.a.sent.clear();
        let mut text = bytes::Bytes::from(vec![7; 20_000]);
        net.a.stack.send(net.now, client, &mut text).unwrap();
        net.settle();
        let first = net.a.sent[0].to_vec();
        arrives(&mut net, error(IcmpError::PacketTooBig(mtu), &first));
        let mss = net.a.stack.info(net.now, client).unwrap().snd_mss;
        assert_eq!(mss, expected - 12, "mtu {mtu}, less the timestamps");
        net.run_for(std::time::Duration::from_secs(5));
        assert_eq!(net.b.stack.recv_queued(server), 20_000);
    }
}

//= rfc8201#4-2
//= rfc8201#4-3
//= rfc8201#4-4
//= rfc8201#4-8
#[test]
fn over_ipv6_a_packet_too_big_below_1280_is_discarded() {
    for (mtu, expected, counter) in [(1400, 1340, None), (1279, 1440, Some("too_big_below_least")), (0, 1440, None)] {
        let mut net = Net::new();
        net.b.stack.listen(socket("::", 80), &sockeye::ListenOptions::default()).unwrap();
        let client = net.a.stack.connect(net.now, socket(B6, 80), &ConnectOptions::default()).unwrap();
        net.run_for(std::time::Duration::from_millis(50));
        net.a.sent.clear();
        let mut text = bytes::Bytes::from(vec![7; 20_000]);
        net.a.stack.send(net.now, client, &mut text).unwrap();
        net.settle();
        let first = net.a.sent[0].to_vec();
        assert_eq!(sockeye_wire::ip::IpView::parse(&first).unwrap().source(), ip(A6));
        arrives(&mut net, error(IcmpError::PacketTooBig(mtu), &first));
        assert_eq!(net.a.stack.info(net.now, client).unwrap().snd_mss, expected - 12, "mtu {mtu}");
        counter.into_iter().for_each(|counter| assert_eq!(net.a.stack.counters().ended(counter), 1));
    }
}

/// FIELD D10: what longer segments disprove, and what was never in flight.
//= rfc5927#4.1-1
//= rfc5927#7.2-1
//= rfc8899#3-7
//= rfc8899#3-8
//= rfc8899#3-9
//= rfc8899#4.6.1-2
//= rfc8899#4.6.1-3
//= rfc8899#8-2
#[test]
fn claims_that_the_connection_disproves_are_counted_and_change_nothing() {
    let mut net = Net::new();
    let listener = net.listen(80);
    let (client, server) = net.connect(listener, 80);
    assert_eq!(net.transfer(client, server, &[7; 20_000]).len(), 20_000);
    net.a.sent.clear();
    let mut text = bytes::Bytes::from(vec![7; 20_000]);
    net.a.stack.send(net.now, client, &mut text).unwrap();
    net.settle();
    let first = net.a.sent[0].to_vec();
    arrives(&mut net, error(IcmpError::PacketTooBig(600), &first));
    arrives(&mut net, error(IcmpError::PacketTooBig(9000), &first));
    let mut forged = first;
    forged[24] ^= 0x40; // another sequence number
    arrives(&mut net, error(IcmpError::PacketTooBig(600), &forged));
    net.run_for(std::time::Duration::from_secs(1));
    let ended = |name| net.a.stack.counters().ended(name);
    assert_eq!((ended("too_big_doubted"), ended("too_big_nothing_new"), ended("stray_icmp")), (1, 1, 1));
    let info = net.a.stack.info(net.now, client).unwrap();
    assert_eq!((info.snd_mss, info.retransmissions), (1448, 0));
    assert_eq!(net.a.stack.counters().paths_narrowed, 0);
}
