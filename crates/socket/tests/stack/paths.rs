//! What outlives a connection: the path's MTU and its round-trip time (RFC 4821 section 5.2, RFC 9040).

use std::time::Duration;

use bytes::Bytes;
use sockeye::{ConnectOptions, ConnectionId, Remember, StackConfig};
use sockeye_wire::tcp::Flags;

use crate::net::{B4, Net, config, describe, socket};

fn with(remember: Remember) -> Net {
    Net::with(StackConfig { remember, ..config(1) }, config(2))
}

fn mss(net: &Net, id: ConnectionId) -> u16 {
    net.a.stack.info(net.now, id).unwrap().snd_mss
}

fn longest(net: &Net) -> usize {
    net.a.sent.iter().map(Bytes::len).max().unwrap()
}

/// A path MTU of 1280, told of and not: 30,000 octets arrive, and nobody has to find it out again.
//= rfc1191#3-2
//= rfc4821#4-1
//= rfc4821#5.2-2
//= rfc4821#8-1
//= rfc8899#3-2
//= rfc4821#5.2-1
//= rfc8201#5.2-1
//= rfc9040#6.1-1
//= rfc9040#6.2-1
#[test]
fn the_next_connection_begins_with_what_fits() {
    for tells in [true, false] {
        let mut net = Net::new();
        net.mtu = Some((1280, tells));
        let listener = net.listen(80);
        let (client, server) = net.connect(listener, 80);
        assert_eq!(net.transfer(client, server, &[7; 30_000]).len(), 30_000);
        let found = mss(&net, client);
        assert!(if tells { found == 1228 } else { (1012..=1228).contains(&found) }, "{found}");
        net.a.stack.close(net.now, client);
        net.b.stack.close(net.now, server);
        net.run_for(Duration::from_secs(1));
        net.a.sent.clear();
        let (client, server) = net.connect(listener, 80);
        assert_eq!(mss(&net, client), found);
        assert_eq!(net.transfer(client, server, &[7; 3_000]).len(), 3_000);
        assert!(longest(&net) <= 1280);
        assert!(net.a.sent.iter().all(|packet| packet[6] == 0x40), "don't fragment");
        assert_eq!(net.a.stack.info(net.now, client).unwrap().retransmissions, 0);
    }
}

//= rfc8201#5.2-2
//= rfc9040#7.1-1
#[test]
fn a_connection_that_is_open_learns_it_before_it_sends() {
    let mut net = Net::new();
    let listener = net.listen(80);
    let (first, server) = net.connect(listener, 80);
    let (second, other) = net.connect(listener, 80);
    net.mtu = Some((1280, true));
    assert_eq!(net.transfer(first, server, &[7; 30_000]).len(), 30_000);
    net.a.sent.clear();
    assert_eq!(net.transfer(second, other, &[7; 30_000]).len(), 30_000);
    assert!(longest(&net) <= 1280 && mss(&net, second) == 1228);
    assert_eq!(net.a.stack.counters().paths_narrowed, 1);
}

#[test]
fn it_can_be_switched_off() {
    let mut net = with(Remember { mtu: false, rtt: false, ..Remember::default() });
    net.mtu = Some((1280, true));
    let listener = net.listen(80);
    let (first, server) = net.connect(listener, 80);
    assert_eq!(net.transfer(first, server, &[7; 30_000]).len(), 30_000);
    let (second, _) = net.connect(listener, 80);
    assert_eq!(mss(&net, second), 1448);
}

/// FIELD D11, of a path and not of a connection: what was found ten minutes ago is put to the test.
//= rfc1191#6.3-1
//= rfc8201#5.3-1
#[test]
fn a_path_that_has_grown_is_found_by_a_later_connection() {
    let mut net = Net::new();
    net.mtu = Some((1280, true));
    let listener = net.listen(80);
    let (first, server) = net.connect(listener, 80);
    assert_eq!(net.transfer(first, server, &[7; 30_000]).len(), 30_000);
    net.mtu = None;
    net.run_for(Duration::from_mins(10));
    let (second, server) = net.connect(listener, 80);
    assert_eq!(mss(&net, second), 1228);
    assert_eq!(net.transfer(second, server, &[7; 100_000]).len(), 100_000);
    assert_eq!((mss(&net, second), net.a.stack.info(net.now, second).unwrap().retransmissions), (1448, 0));
    let (third, _) = net.connect(listener, 80);
    assert_eq!(mss(&net, third), 1448);
}

/// A round trip of 1.2 s: whoever doesn't know of it sends the SYN again after one.
//= rfc9040#6.1-2
//= rfc9040#6.2-2
#[test]
fn the_next_connection_knows_how_long_a_round_trip_takes() {
    for rtt in [true, false] {
        let mut net = with(Remember { rtt, ..Remember::default() });
        net.delay = Duration::from_millis(600);
        let listener = net.listen(80);
        let mut syns = Vec::new();
        for _ in 0..2 {
            net.a.sent.clear();
            let client = net.a.stack.connect(net.now, socket(B4, 80), &ConnectOptions::default()).unwrap();
            net.run_for(Duration::from_secs(5));
            let (server, _) = net.b.stack.accept(listener).unwrap();
            assert_eq!(net.transfer(client, server, &[7; 3000]).len(), 3000);
            net.a.stack.close(net.now, client);
            net.b.stack.close(net.now, server);
            net.run_for(Duration::from_secs(10));
            syns.push(net.a.sent.iter().filter(|packet| describe(packet).2 == Flags::SYN).count());
        }
        assert_eq!(syns, [2, if rtt { 1 } else { 2 }]);
    }
}
