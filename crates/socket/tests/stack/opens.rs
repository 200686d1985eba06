//! Listeners and connections: who gets what (RFC 9293 sections 3.9.1 and 3.10.1).

use std::time::Duration;

use sockeye::{ConnectOptions, ListenOptions, ListenerId, StackError, StackEvent};
use sockeye_tcb::{Event, State};
use sockeye_wire::SeqNumber;
use sockeye_wire::ip::IpView;
use sockeye_wire::tcp::{Flags, Options, TcpView, Timestamps};

use crate::net::{A4, A6, B4, B6, Net, config, describe, socket, tcp};

//= rfc9293#MUST-44
//= rfc9293#MUST-45
#[test]
fn a_connection_keeps_the_addresses_that_it_was_opened_with() {
    for (ours, theirs) in [(A4, B4), (A6, B6)] {
        let mut net = Net::new();
        let any = if ours == A4 { "0.0.0.0" } else { "::" };
        let listener = net.b.stack.listen(socket(any, 80), &ListenOptions::default()).unwrap();
        let client = net.a.stack.connect(net.now, socket(theirs, 80), &ConnectOptions::default()).unwrap();
        net.run_for(Duration::from_millis(50));
        let (server, peer) = net.b.stack.accept(listener).unwrap();
        assert_eq!(peer, net.a.stack.local_addr(client).unwrap());
        assert_eq!(net.transfer(client, server, &[7; 50_000]).len(), 50_000);
        let all_alike = net.a.sent.iter().all(|packet| {
            let (from, to, _) = describe(packet);
            from == peer && to == socket(theirs, 80)
        });
        assert!(all_alike && peer.ip() == ours.parse::<std::net::IpAddr>().unwrap());
    }
}

//= rfc9293#MUST-43
#[test]
fn a_local_address_may_be_given_to_both_opens() {
    let mut net = Net::new();
    let listener = net.b.stack.listen(socket(B4, 80), &ListenOptions::default()).unwrap();
    assert_eq!(net.b.stack.listener_addr(listener), Some(socket(B4, 80)));
    let options = ConnectOptions { local: Some(socket(A4, 4321)), ..ConnectOptions::default() };
    net.a.stack.connect(net.now, socket(B4, 80), &options).unwrap();
    net.run_for(Duration::from_millis(50));
    assert_eq!(net.b.stack.accept(listener).unwrap().1, socket(A4, 4321));
    let stranger = ConnectOptions { local: Some(socket("10.9.9.9", 4321)), ..ConnectOptions::default() };
    let refused = net.a.stack.connect(net.now, socket(B4, 80), &stranger);
    assert_eq!(refused, Err(StackError::NotOurs(socket("10.9.9.9", 4321))));
    assert!(net.b.stack.listen(socket("10.9.9.9", 80), &ListenOptions::default()).is_err());
}

//= rfc9293#MUST-41
//= rfc9293#3.10.1-2
#[test]
fn a_second_listener_or_the_same_connection_again_fails_and_changes_nothing() {
    let mut net = Net::new();
    let listener = net.listen(80);
    let (client, server) = net.connect(listener, 80);
    let again = net.b.stack.listen(socket("0.0.0.0", 80), &ListenOptions::default());
    assert_eq!(again, Err(StackError::InUse(socket("0.0.0.0", 80))));
    let local = net.a.stack.local_addr(client);
    let same = net.a.stack.connect(net.now, socket(B4, 80), &ConnectOptions { local, ..ConnectOptions::default() });
    assert_eq!(same, Err(StackError::InUse(local.unwrap())));
    assert_eq!(net.transfer(client, server, b"still here"), b"still here");
}

//= rfc9293#MUST-42
#[test]
fn one_may_listen_on_a_port_from_which_a_connection_is_being_opened() {
    let mut net = Net::new();
    let options = ConnectOptions { local: Some(socket(A4, 80)), ..ConnectOptions::default() };
    let opening = net.a.stack.connect(net.now, socket("10.0.0.77", 80), &options).unwrap();
    assert_eq!(net.a.stack.state(opening), Some(State::SynSent));
    assert!(net.a.stack.listen(socket(A4, 80), &ListenOptions::default()).is_ok());
}

//= rfc9293#MUST-46
//= rfc9293#3.10.1-1
#[test]
fn nobody_connects_to_an_address_of_many_or_of_none() {
    let mut net = Net::new();
    for (address, port) in
        [("255.255.255.255", 80), ("224.0.0.1", 80), ("10.0.0.255", 80), ("0.0.0.0", 80), ("ff02::1", 80), (B4, 0)]
    {
        let remote = socket(address, port);
        let refused = net.a.stack.connect(net.now, remote, &ConnectOptions::default());
        assert_eq!(refused, Err(StackError::InvalidRemote(remote)));
    }
    net.settle();
    assert!(net.a.sent.is_empty());
}

//= rfc9293#MUST-48
//= rfc9293#MUST-49
//= rfc9293#SHLD-21
//= rfc9293#SHLD-22
#[test]
fn hop_limit_and_diffserv_are_what_was_asked_for() {
    let mut net = Net::new();
    let listener = net.listen(80);
    let (client, server) = net.connect(listener, 80);
    net.a.stack.set_hop_limit(client, 7);
    net.a.stack.set_dscp(client, 46);
    net.a.sent.clear();
    net.transfer(client, server, b"precious");
    for packet in &net.a.sent {
        let IpView::V4(view) = IpView::parse(packet).unwrap() else { panic!("IPv4") };
        assert_eq!((view.ttl(), view.dscp(), view.dont_fragment()), (7, 46, true));
    }
    assert_eq!(net.a.stack.hop_limit(client), Some(7));
}

//= rfc9293#MUST-67
//= rfc9293#MUST-14
//= rfc6691#2-1
#[test]
fn the_mss_that_is_told_is_the_mtu_less_fixed_headers() {
    for (mtu, v4, v6) in [(1500, 1460, 1440), (9000, 8960, 8940), (1280, 1240, 1220)] {
        let mut net = Net::with(sockeye::StackConfig { mtu, ..config(1) }, config(2));
        for (remote, mss) in [(B4, v4), (B6, v6)] {
            net.a.sent.clear();
            net.a.stack.connect(net.now, socket(remote, 80), &ConnectOptions::default()).unwrap();
            net.settle();
            let view = IpView::parse(&net.a.sent[0]).unwrap();
            assert_eq!(TcpView::parse(view.payload()).unwrap().options().mss, Some(mss));
        }
    }
}

/// FIELD D25: a client needs no `accept` to be connected.
#[test]
fn the_handshake_does_not_wait_for_accept() {
    let mut net = Net::new();
    let listener = net.listen(80);
    let client = net.a.stack.connect(net.now, socket(B4, 80), &ConnectOptions::default()).unwrap();
    net.run_for(Duration::from_millis(20));
    assert_eq!(net.a.stack.state(client), Some(State::Established));
    assert_eq!(net.b.events, [StackEvent::Incoming(listener)]);
    assert!(net.b.stack.accept(listener).is_some());
    assert!(net.b.stack.accept(listener).is_none());
}

/// FIELD D15, D28.
//= rfc9293#MUST-6
//= rfc9293#MUST-5
#[test]
fn an_odd_syn_three_times_is_one_connection() {
    let mut net = Net::new();
    let listener = net.listen(80);
    let (from, to) = (socket(A4, 999), socket(B4, 80));
    let flags = Flags { ece: true, cwr: true, ..Flags::SYN };
    for _ in 0..3 {
        let answers = net.inject(tcp(from, to, 100, 0, flags, Options { mss: Some(1000), ..Options::NONE }));
        assert_eq!(describe(&answers[0]).2, Flags { ece: true, ..Flags::SYN_ACK }, "it agrees to ECN");
    }
    assert_eq!(net.b.stack.usage().half_open, 1);
    let syn_ack = net.inject(tcp(from, to, 100, 0, flags, Options::NONE));
    let view = IpView::parse(&syn_ack[0]).unwrap();
    let iss = TcpView::parse(view.payload()).unwrap().seq();
    net.inject(tcp(from, to, 101, (iss + 1).value(), Flags::ACK, Options::NONE));
    assert!(net.b.stack.accept(listener).is_some());
    assert_eq!(net.b.stack.usage().half_open, 0);
    assert!(net.b.stack.accept(listener).is_none());
}

/// FIELD D16: a middlebox that takes the timestamps off the last segment of the handshake.
//= rfc7323#3.2-10
#[test]
fn a_handshake_whose_last_ack_lost_its_timestamps_is_complete() {
    let mut net = Net::new();
    let listener = net.listen(80);
    let (from, to) = (socket(A4, 999), socket(B4, 80));
    let timestamps = Some(Timestamps { value: 5, echo: 0 });
    let syn_ack = net.inject(tcp(from, to, 100, 0, Flags::SYN, Options { timestamps, ..Options::NONE }));
    let view = IpView::parse(&syn_ack[0]).unwrap();
    let syn_ack = TcpView::parse(view.payload()).unwrap();
    assert_eq!(syn_ack.options().timestamps.map(|timestamps| timestamps.echo), Some(5));
    net.inject(tcp(from, to, 101, (syn_ack.seq() + 1).value(), Flags::ACK, Options::NONE));
    assert!(net.b.stack.accept(listener).is_some());
    assert_eq!((net.b.stack.usage().half_open, net.b.stack.usage().connections), (0, 1));
}

/// FIELD D9: when nothing more can be opened, the call says so, and what is open goes on.
//= rfc9293#3.10.1-2
#[test]
fn when_every_port_is_taken_opening_fails_cleanly() {
    let mut net = Net::new();
    let listener = net.listen(80);
    let (client, server) = net.connect(listener, 80);
    let nobody = socket("10.0.0.77", 80);
    let mut opened = Vec::new();
    let refused = loop {
        match net.a.stack.connect(net.now, nobody, &ConnectOptions::default()) {
            Ok(id) => opened.push(id),
            Err(error) => break error,
        }
    };
    assert_eq!((refused, opened.len()), (StackError::NoPort, 65_536 - 1024));
    assert_eq!(net.transfer(client, server, &[7; 10_000]).len(), 10_000);
    net.a.stack.close(net.now, opened[0]);
    net.settle();
    assert!(net.a.stack.connect(net.now, nobody, &ConnectOptions::default()).is_ok(), "one port is free again");
}

/// FIELD D42.
//= rfc9293#3.5.2-1
#[test]
fn a_segment_for_nobody_gets_a_reset_and_a_reset_gets_nothing() {
    let mut net = Net::new();
    for flags in [Flags::SYN, Flags::ACK, Flags::FIN_ACK] {
        let answers = net.inject(tcp(socket(A4, 5), socket(B4, 81), 7, 9, flags, Options::NONE));
        assert_eq!(answers.len(), 1);
        assert!(describe(&answers[0]).2.rst);
    }
    assert!(net.inject(tcp(socket(A4, 5), socket(B4, 81), 7, 9, Flags::RST, Options::NONE)).is_empty());
    assert_eq!(net.b.stack.counters().ended("no_connection"), 4);
}

/// FIELD D32: the same pair of sockets again and again, from the side that closes first.
//= rfc9293#MAY-2
//= rfc6191#2-1
#[test]
fn a_new_connection_takes_the_place_of_one_in_time_wait() {
    let mut net = Net::new();
    let listener = net.listen(80);
    let options = ConnectOptions { local: Some(socket(A4, 5000)), ..ConnectOptions::default() };
    for round in 0..10_000 {
        let client = net.a.stack.connect(net.now, socket(B4, 80), &options).unwrap();
        net.run_for(Duration::from_millis(30));
        let (server, _) = net.b.stack.accept(listener).unwrap_or_else(|| panic!("round {round}"));
        net.b.stack.close(net.now, server); // the server closes first, and so has TIME-WAIT
        net.run_for(Duration::from_millis(30));
        net.a.stack.close(net.now, client);
        net.run_for(Duration::from_millis(30));
        assert_eq!(net.b.stack.usage().time_wait, 1);
    }
    net.run_for(Duration::from_mins(2));
    assert_eq!(net.b.stack.usage(), sockeye::Usage::default(), "nothing is left");
    assert_eq!(net.a.stack.usage(), sockeye::Usage::default());
}

/// A peer's segment from `port`, and the sequence number of the answer.
fn says(net: &mut Net, port: u16, seq: u32, ack: u32, flags: Flags) -> Option<SeqNumber> {
    let answers = net.inject(tcp(socket(A4, port), socket(B4, 80), seq, ack, flags, Options::NONE));
    answers.first().map(|answer| TcpView::parse(IpView::parse(answer).unwrap().payload()).unwrap().seq())
}

/// A connection from `port` that we close first, all at one instant: our initial sequence number.
fn enters_time_wait(net: &mut Net, listener: ListenerId, port: u16) -> SeqNumber {
    let first = says(net, port, 1, 0, Flags::SYN).unwrap();
    says(net, port, 2, first.value() + 1, Flags::ACK);
    let (server, _) = net.b.stack.accept(listener).unwrap();
    net.b.stack.close(net.now, server);
    says(net, port, 2, first.value() + 1, Flags::ACK);
    says(net, port, 2, first.value() + 2, Flags::FIN_ACK);
    first
}

//= rfc9293#MAY-2
#[test]
fn what_takes_the_place_of_one_in_time_wait_begins_beyond_its_sequence_numbers() {
    let mut net = Net::new();
    let listener = net.listen(80);
    // The clock of initial sequence numbers stands still, while SYN and FIN use two.
    let first = enters_time_wait(&mut net, listener, 5000);
    assert_eq!(net.b.stack.usage().time_wait, 1);
    let second = says(&mut net, 5000, 100, 0, Flags::SYN).unwrap();
    assert!(second.after(first + 2), "{second} is not beyond {first}");
}

/// The peer's RST tells that it never asked for a new connection.
//= rfc9293#MAY-2
#[test]
fn a_syn_that_proves_to_be_an_old_duplicate_returns_to_time_wait() {
    let mut net = Net::new();
    let listener = net.listen(80);
    let first = enters_time_wait(&mut net, listener, 5000);
    net.run_for(Duration::from_secs(30));
    says(&mut net, 5000, 100, 0, Flags::SYN).unwrap();
    let usage = net.b.stack.usage();
    assert_eq!((usage.half_open, usage.time_wait), (1, 0));
    let rst = tcp(socket(A4, 5000), socket(B4, 80), 101, 0, Flags::RST, Options::NONE);
    net.inject(rst);
    let usage = net.b.stack.usage();
    assert_eq!((usage.half_open, usage.time_wait, usage.pairs), (0, 1, 1));
    let again = says(&mut net, 5000, 2, first.value() + 2, Flags::FIN_ACK);
    assert_eq!(again, Some(first + 2), "the FIN of the old connection is still answered");
    net.run_for(Duration::from_secs(61));
    assert_eq!(net.b.stack.usage(), sockeye::Usage::default());
}

//= rfc9293#3.10.7.4-16
#[test]
fn time_wait_begins_anew_with_the_length_that_the_connection_was_given() {
    let mut net = Net::new();
    let short = sockeye_tcb::Config { time_wait: Duration::from_secs(10), ..Default::default() };
    let options = ListenOptions { tcp: Some(std::sync::Arc::new(short)), ..Default::default() };
    let listener = net.b.stack.listen(socket("0.0.0.0", 80), &options).unwrap();
    let first = enters_time_wait(&mut net, listener, 5000);
    net.run_for(Duration::from_secs(5));
    says(&mut net, 5000, 2, first.value() + 2, Flags::FIN_ACK).unwrap();
    net.run_for(Duration::from_secs(9));
    assert_eq!(net.b.stack.usage().time_wait, 1);
    net.run_for(Duration::from_secs(2));
    assert_eq!(net.b.stack.usage().time_wait, 0);
}

//= rfc9293#3.10.7.4-16
#[test]
fn a_fin_that_comes_again_keeps_its_own_connection_in_time_wait_and_no_other() {
    let mut net = Net::new();
    let listener = net.listen(80);
    let first = [5000, 5001, 5002].map(|port| enters_time_wait(&mut net, listener, port));
    net.run_for(Duration::from_secs(30));
    says(&mut net, 5001, 2, first[1].value() + 2, Flags::FIN_ACK).unwrap();
    assert_eq!(net.b.stack.usage().time_wait, 3);
    net.run_for(Duration::from_secs(31));
    assert_eq!(net.b.stack.usage().time_wait, 1);
    net.run_for(Duration::from_secs(30));
    assert_eq!(net.b.stack.usage(), sockeye::Usage::default());
}

/// FIELD D43.
#[test]
fn a_listener_that_is_closed_resets_those_that_nobody_accepted() {
    let mut net = Net::new();
    let listener = net.listen(80);
    let client = net.a.stack.connect(net.now, socket(B4, 80), &ConnectOptions::default()).unwrap();
    net.run_for(Duration::from_millis(20));
    net.b.stack.close_listener(net.now, listener);
    net.run_for(Duration::from_millis(20));
    let closed =
        net.a.events.iter().any(|event| matches!(event, StackEvent::Connection(id, Event::Closed(_)) if *id == client));
    assert!(closed);
    assert_eq!(net.b.stack.usage(), sockeye::Usage::default());
}

//= rfc6056#3.3-1
//= rfc6056#3.2-1
//= rfc6056#3.2-3
#[test]
fn ports_are_hard_to_guess_and_never_taken_twice() {
    let mut net = Net::new();
    let ports: Vec<u16> = (0..500)
        .map(|_| {
            let id = net.a.stack.connect(net.now, socket(B4, 80), &ConnectOptions::default()).unwrap();
            net.a.stack.local_addr(id).unwrap().port()
        })
        .collect();
    let distinct: std::collections::HashSet<_> = ports.iter().collect();
    assert_eq!(distinct.len(), 500);
    assert!(ports.iter().all(|port| *port >= 1024));
    let mut other = Net::with(config(9), config(2));
    let id = other.a.stack.connect(other.now, socket(B4, 80), &ConnectOptions::default()).unwrap();
    assert_ne!(other.a.stack.local_addr(id).unwrap().port(), ports[0], "another seed, another port");
}
