//! What one connection learns of its path is no other's: FIELD D18.

use std::time::Duration;

use bytes::Bytes;
use sockeye::{ConnectionId, TcpInfo};
use sockeye_device::Packet;

use crate::net::Net;

/// Few enough for all to fit into the buffers of a peer that reads nothing.
const ROUNDS: usize = 4;

/// `a` sends 20,000 octets over `client`, of which the first segment is held back.
fn send_without_first(net: &mut Net, client: ConnectionId) -> Bytes {
    net.a.stack.send(net.now, client, &mut Bytes::from(vec![7; 20_000])).unwrap();
    let first = net.a.stack.poll_transmit(net.now, 0).unwrap().to_bytes();
    net.run_for(Duration::from_millis(11));
    first
}

/// Two connections of one stack, on both of which a segment is lost now and then. On the first of them it may come `late`
/// instead, after it was sent again: the peer reports a duplicate. What the two tell in the end.
fn two_connections(late: bool) -> [TcpInfo; 2] {
    let mut net = Net::new();
    let listener = net.listen(80);
    let (first, _) = net.connect(listener, 80);
    let (second, _) = net.connect(listener, 80);
    for _ in 0..ROUNDS {
        let held = send_without_first(&mut net, first);
        if late {
            for answer in net.inject(held) {
                net.a.stack.on_packet(net.now, Packet::new(answer, net.now));
            }
        }
        // The report arrives while there is something in flight.
        net.a.stack.send(net.now, first, &mut Bytes::from(vec![8; 5_000])).unwrap();
        net.run_for(Duration::from_millis(200));
        // This one was lost indeed.
        send_without_first(&mut net, second);
        net.run_for(Duration::from_millis(200));
    }
    [first, second].map(|id| net.a.stack.info(net.now, id).unwrap())
}

//= rfc8985#6.2-7
#[test]
fn duplicates_reported_on_one_connection_change_nothing_on_another() {
    let ([quiet, alone], [misled, beside]) = (two_connections(false), two_connections(true));
    assert_eq!((quiet.duplicates_reported, quiet.undone), (0, 0));
    assert!(misled.duplicates_reported > 0 && misled.undone > 0, "{misled:?}");
    assert!(misled.reordering_window > quiet.reordering_window, "{misled:?}");
    assert!(beside.fast_recoveries == 4 && beside.undone == 0, "{beside:?}");
    assert_eq!(beside, alone);
}
