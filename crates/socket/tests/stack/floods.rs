//! Many, hostile or garbled packets: memory is bounded, honest connections don't notice.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use sockeye::{ConnectOptions, ListenOptions, StackConfig};
use sockeye_device::Packet;
use sockeye_tcb::State;
use sockeye_wire::ip::{IpView, protocol};
use sockeye_wire::tcp::{Flags, Options, TcpView};

use crate::net::{A4, A6, B4, B6, Net, config, describe, ip, packet, socket, tcp};

/// FIELD D27.
#[test]
fn a_syn_flood_leaves_memory_flat_and_a_true_client_gets_through() {
    let mut net = Net::with(config(1), StackConfig { max_half_open: 1000, ..config(2) });
    let listener = net.listen(80);
    for i in 0..100_000_u32 {
        let from = socket(&format!("10.{}.{}.{}", 1 + (i >> 16), (i >> 8) & 255, 1 + i % 250), 1024);
        let _ = net.inject(tcp(from, socket(B4, 80), i, 0, Flags::SYN, Options::NONE));
        assert!(net.b.stack.usage().half_open <= 1000);
    }
    assert!(net.b.stack.usage().timers <= 1000 && net.b.stack.usage().pairs <= 1000);
    let client = net.a.stack.connect(net.now, socket(B4, 80), &ConnectOptions::default()).unwrap();
    net.run_for(Duration::from_secs(1));
    assert_eq!(net.a.stack.state(client), Some(State::Established));
    assert!(net.b.stack.accept(listener).is_some());
}

/// The half-open queue of `net`'s server is full of strangers who never answer; so many more SYNs of theirs.
fn strangers(net: &mut Net, first: u32, count: u32) {
    for number in first..first + count {
        let from = socket(&format!("10.{}.{}.{}", 1 + (number >> 16), (number >> 8) & 255, 1 + number % 250), 1024);
        let _ = net.inject(tcp(from, socket(B4, 80), number, 0, Flags::SYN, Options::NONE));
    }
}

/// FIELD D13: there are no cookies; what overflows gives way, oldest first, and a true client's options are kept.
#[test]
fn window_scale_and_sack_survive_an_overflow_of_the_queue_of_half_open_connections() {
    let mut net = Net::with(config(1), StackConfig { max_half_open: 1000, ..config(2) });
    net.delay = Duration::from_millis(25);
    net.loses = Box::new(|packet| packet % 100 == 99);
    let listener = net.listen(80);
    strangers(&mut net, 0, 5_000);
    assert_eq!(net.b.stack.usage().half_open, 1000);
    let client = net.a.stack.connect(net.now, socket(B4, 80), &ConnectOptions::default()).unwrap();
    net.run_for(Duration::from_millis(30)); // the SYN is there, its answer on the way
    strangers(&mut net, 5_000, 900);
    net.run_for(Duration::from_millis(100));
    let (server, _) = net.b.stack.accept(listener).expect("the client got through");
    for (side, id) in [(&net.a, client), (&net.b, server)] {
        let info = side.stack.info(net.now, id).unwrap();
        assert!(info.sack && info.timestamps && info.window_shifts.is_some_and(|(ours, peers)| ours > 0 && peers > 0));
    }
    let text: Vec<u8> = (0..1_000_000_u32).map(|at| at.to_le_bytes()[0] ^ at.to_le_bytes()[2]).collect();
    assert!(net.transfer(client, server, &text) == text);
    let info = net.a.stack.info(net.now, client).unwrap();
    assert!(info.retransmissions > 5 && info.snd_wnd > 0xffff, "{info:?}");
    assert_eq!(info.timeouts, 0, "SACK tells what is missing: {info:?}");
}

/// FIELD D14: what ends a handshake by RST begins no connection, also while the queue overflows.
//= rfc9293#3.10.7.4-7
#[test]
fn a_handshake_that_ends_with_a_reset_is_no_connection() {
    let mut net = Net::with(config(1), StackConfig { max_half_open: 1000, ..config(2) });
    let listener = net.listen(80);
    strangers(&mut net, 0, 5_000);
    let (from, to) = (socket(A4, 999), socket(B4, 80));
    let answers = net.inject(tcp(from, to, 100, 0, Flags::SYN, Options::NONE));
    let iss = TcpView::parse(IpView::parse(&answers[0]).unwrap().payload()).unwrap().seq();
    let rst_ack = Flags { rst: true, ..Flags::ACK };
    assert!(net.inject(tcp(from, to, 101, (iss + 1).value(), rst_ack, Options::NONE)).is_empty());
    let usage = net.b.stack.usage();
    assert_eq!((usage.half_open, usage.connections), (999, 0));
    let answers = net.inject(tcp(from, to, 101, (iss + 1).value(), Flags::ACK, Options::NONE));
    assert!(describe(&answers[0]).2.rst, "nothing is left of it");
    assert!(net.b.stack.accept(listener).is_none() && net.b.events.is_empty());
}

/// Requests that are answered within a second, of so many each 10 ms for five seconds to a server that takes one of them
/// meanwhile. Whoever waits longer gives up.
fn answered(each: usize) -> usize {
    const BACKLOG: usize = 32;
    let mut net = Net::new();
    let options = ListenOptions { backlog: BACKLOG, tcp: None };
    let listener = net.b.stack.listen(socket(B4, 80), &options).unwrap();
    let (mut waiting, mut answered) = (Vec::new(), 0);
    for _ in 0..500 {
        for _ in 0..each {
            let client = net.a.stack.connect(net.now, socket(B4, 80), &ConnectOptions::default()).unwrap();
            waiting.push((net.now, client));
        }
        if let Some((server, _)) = net.b.stack.accept(listener) {
            net.b.stack.send(net.now, server, &mut Bytes::from_static(&[7; 1000])).unwrap();
            net.b.stack.close(net.now, server);
        }
        net.run_for(Duration::from_millis(10));
        let Net { a, b, now, .. } = &mut net;
        waiting.retain(|&(since, client)| {
            let is_answered = a.stack.recv(*now, client, 1000).is_ok_and(|text| text.len() == 1000);
            let gives_up = now.since(since) >= Duration::from_secs(1);
            answered += usize::from(is_answered);
            if gives_up && !is_answered {
                a.stack.abort(*now, client);
            }
            if is_answered || gives_up {
                a.stack.close(*now, client);
            }
            !(is_answered || gives_up)
        });
        // What the server tells of itself is as long as what it has, which doesn't grow with who wants more.
        let shown = b.stack.connections(*now).count();
        assert!(shown == b.stack.usage().connections && shown <= BACKLOG + 8, "{shown}");
        assert!(b.stack.usage().half_open <= BACKLOG);
    }
    answered
}

/// FIELD D40, in virtual time: what costs time is the application.
#[test]
fn three_times_as_many_clients_as_are_served_leave_the_goodput_whole() {
    let (peak, overload) = (answered(1), answered(3));
    assert!(peak >= 490, "{peak} of 500");
    assert!(overload * 10 >= peak * 8, "{overload}, {peak} without the others");
}

/// What strangers provoke is limited, and leaves room for what handshakes need, even if nothing can be sent meanwhile.
//= rfc4443#2.4-5
#[test]
fn a_flood_of_strays_gets_few_answers_and_a_true_client_its_own() {
    let mut net = Net::new();
    net.listen(80);
    let mut take_in = |packet: Vec<u8>| net.b.stack.on_packet(net.now, Packet::new(packet.into(), net.now));
    for i in 0..20_000_u32 {
        let from = socket(A4, u16::try_from(1024 + i % 50_000).unwrap());
        take_in(tcp(from, socket(B4, 81), i, 0, Flags::SYN, Options::NONE));
        take_in(packet(from.ip(), ip(B4), protocol::UDP, &[0, 5, 0, 9, 0, 8, 0, 0]));
    }
    take_in(tcp(socket(A4, 5), socket(B4, 80), 1, 0, Flags::SYN, Options::NONE));
    let (mut resets, mut syn_acks, mut errors) = (0, 0, 0);
    while let Some(packet) = net.b.stack.poll_transmit(net.now, 0) {
        let packet = packet.to_bytes();
        if IpView::parse(&packet).unwrap().protocol() == protocol::ICMP {
            errors += 1;
        } else if describe(&packet).2.rst {
            resets += 1;
        } else {
            syn_acks += 1;
        }
    }
    assert!((430..=500).contains(&resets), "{resets} at 10,000 a second");
    assert!((1..=50).contains(&errors), "{errors} at 1000 a second");
    assert_eq!(syn_acks, 1);
    let counters = net.b.stack.counters();
    assert_eq!(counters.resets_for_strays + counters.ended("reset_limit"), 20_000);
    assert!(counters.ended("error_limit") >= 20_000 - 50);
}

#[test]
fn a_listener_that_is_flooded_makes_room_among_its_own() {
    let mut net = Net::new();
    net.listen(80);
    net.b.stack.listen(socket(B4, 81), &ListenOptions { backlog: 4, tcp: None }).unwrap();
    let ask = |net: &mut Net, port, from| {
        let _ = net.inject(tcp(socket(A4, from), socket(B4, port), 1, 0, Flags::SYN, Options::NONE));
    };
    (1..=10).for_each(|from| ask(&mut net, 80, from));
    (1..=100).for_each(|from| ask(&mut net, 81, from));
    assert_eq!(net.b.stack.usage().half_open, 10 + 4);
    // A SYN again is answered by the half-open connection that is there: the youngest four are.
    (97..=100).for_each(|from| ask(&mut net, 81, from));
    (1..=10).for_each(|from| ask(&mut net, 80, from));
    assert_eq!(net.b.stack.counters().ended("duplicate_syn"), 14);
}

/// FIELD D52: one listener whose owner sleeps doesn't stop another's connection.
#[test]
fn a_full_backlog_is_nobody_elses_business() {
    let mut net = Net::new();
    let sleepy = net.b.stack.listen(socket(B4, 81), &ListenOptions { backlog: 4, tcp: None }).unwrap();
    let listener = net.listen(80);
    let (client, server) = net.connect(listener, 80);
    for _ in 0..200 {
        net.a.stack.connect(net.now, socket(B4, 81), &ConnectOptions::default()).unwrap();
    }
    net.run_for(Duration::from_millis(500));
    assert_eq!(net.transfer(client, server, &[3; 100_000]).len(), 100_000);
    let mut accepted = 0;
    while net.b.stack.accept(sleepy).is_some() {
        accepted += 1;
    }
    assert_eq!(accepted, 4);
}

/// FIELD D26, D54: a flood on one connection is challenged a few times, all of it is counted, and another connection's
/// challenges don't run out with it (CVE-2016-5696).
//= rfc5961#7-1
#[test]
fn challenges_are_limited_for_each_connection_alone() {
    let mut net = Net::new();
    let listener = net.listen(80);
    let flooded = net.connect(listener, 80).0;
    let other = net.connect(listener, 80).0;
    let forged = |net: &mut Net, client, count: u32, flags: Flags| {
        let from = net.a.stack.local_addr(client).unwrap();
        let last = net.a.sent.iter().rev().find(|packet| describe(packet).0 == from).unwrap().clone();
        let view = IpView::parse(&last).unwrap();
        let next = TcpView::parse(view.payload()).unwrap().seq().value();
        (0..count)
            .map(|i| net.inject(tcp(from, socket(B4, 80), next + 1 + i % 100, 0, flags, Options::NONE)).len())
            .sum::<usize>()
    };
    assert!((1..=10).contains(&forged(&mut net, flooded, 50_000, Flags::RST)));
    assert_eq!(forged(&mut net, flooded, 50_000, Flags::SYN), 0, "one limit for both");
    assert_eq!(net.b.stack.counters().ended("inexact_reset"), 50_000);
    assert_eq!(net.b.stack.counters().ended("syn_on_connection"), 50_000);
    assert_eq!(forged(&mut net, other, 1, Flags::RST), 1);
    assert_eq!(net.b.stack.usage().connections, 2);
}

/// FIELD D44: a health checker that opens and resets, and dials that nobody answers.
#[test]
fn open_and_reset_a_thousand_times_leaves_nothing() {
    let mut net = Net::new();
    let listener = net.listen(80);
    for _ in 0..1000 {
        let client = net.a.stack.connect(net.now, socket(B4, 80), &ConnectOptions::default()).unwrap();
        net.run_for(Duration::from_millis(11));
        net.a.stack.abort(net.now, client);
        net.a.stack.close(net.now, client);
        net.run_for(Duration::from_millis(11));
        if let Some((server, _)) = net.b.stack.accept(listener) {
            net.b.stack.close(net.now, server);
        }
    }
    for _ in 0..1000 {
        net.a.stack.connect(net.now, socket("10.0.0.99", 80), &ConnectOptions::default()).unwrap();
    }
    let (client, server) = net.connect(listener, 80);
    assert_eq!(net.transfer(client, server, b"fine").len(), 4);
    assert_eq!(net.b.stack.usage().connections, 1);
}

#[test]
fn ten_thousand_connections_are_found_and_forgotten() {
    let mut net = Net::new();
    net.delay = Duration::ZERO;
    let listener = net.b.stack.listen(socket(B4, 80), &ListenOptions { backlog: 20_000, tcp: None }).unwrap();
    let mut clients = Vec::new();
    for _ in 0..10_000 {
        clients.push(net.a.stack.connect(net.now, socket(B4, 80), &ConnectOptions::default()).unwrap());
        net.run_for(Duration::from_micros(1));
    }
    let mut servers = Vec::new();
    while let Some((server, _)) = net.b.stack.accept(listener) {
        servers.push(server);
    }
    assert_eq!((servers.len(), net.b.stack.usage().connections), (10_000, 10_000));
    clients.iter().for_each(|id| net.a.stack.close(net.now, *id));
    net.run_for(Duration::from_secs(1));
    assert_eq!(net.a.stack.usage().connections, 10_000, "they wait for the servers to close");
    servers.iter().for_each(|id| net.b.stack.close(net.now, *id));
    net.run_for(Duration::from_mins(2));
    assert_eq!(net.a.stack.usage(), sockeye::Usage::default());
    assert_eq!(net.b.stack.usage(), sockeye::Usage::default());
}

#[test]
fn every_byte_arrives_though_one_packet_in_fifty_is_lost() {
    for seed in 0..20_usize {
        let mut net = Net::new();
        let listener = net.listen(80);
        let (client, server) = net.connect(listener, 80);
        net.loses = Box::new(move |i| (i * 2_654_435_761 + seed * 97) % 50 == 7);
        let text: Vec<u8> = (0..300_000_usize).map(|i| u8::try_from(i * 7 % 251).unwrap()).collect();
        assert!(net.transfer(client, server, &text) == text, "seed {seed}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn garbage_never_panics_and_harms_nobody(
        packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..120), 1..50),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..100),
    ) {
        let mut net = Net::new();
        let listener = net.listen(80);
        let (client, server) = net.connect(listener, 80);
        let mut garbage = packets.clone();
        for payload in &packets {
            for (from, to) in [(A4, B4), (A6, B6)] {
                for number in [1, 6, 17, 58, 43, 44, 0, 60] {
                    garbage.push(packet(from.parse().unwrap(), to.parse().unwrap(), number, payload));
                }
            }
        }
        let honest: Vec<Vec<u8>> = net.a.sent.iter().map(|packet| packet.to_vec()).collect();
        for (at, value) in flips {
            for packet in &honest {
                let mut mutated = packet.clone();
                let at = at.index(mutated.len());
                mutated[at] ^= value;
                garbage.push(mutated);
            }
        }
        for packet in garbage {
            net.b.stack.on_packet(net.now, Packet::new(packet.into(), net.now));
            net.settle();
        }
        prop_assert_eq!(net.transfer(client, server, &[5; 10_000]).len(), 10_000);
    }
}
