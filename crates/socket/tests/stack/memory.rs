//! The memory that connections share.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sockeye::{Buffer, Config, ConnectOptions, ConnectionId, ListenerId, StackConfig, Usage};
use sockeye_tcb::CallError;

use crate::net::{B4, Net, config, socket};

/// Octets that the second host may hold.
const LIMIT: usize = 600_000;

fn net() -> Net {
    let tcp = Arc::new(Config { send_buffer: Buffer::Fixed(1 << 20), ..Config::default() });
    Net::with(StackConfig { tcp, ..config(1) }, StackConfig { memory_limit: LIMIT, ..config(2) })
}

/// `clients` connections, over each of which the first host sends far more than the second reads, which is nothing.
fn filled(net: &mut Net, listener: ListenerId, clients: usize) -> Vec<(ConnectionId, ConnectionId)> {
    let pairs: Vec<_> = (0..clients).map(|_| net.connect(listener, 80)).collect();
    for (client, _) in &pairs {
        net.a.stack.send(net.now, *client, &mut Bytes::from(vec![7; 900_000])).unwrap();
    }
    net.run_for(Duration::from_secs(2));
    pairs
}

#[test]
fn what_connections_hold_is_counted_and_given_back() {
    let mut net = net();
    let listener = net.listen(80);
    let pairs = filled(&mut net, listener, 2);
    let queued: usize = pairs.iter().map(|(_, server)| net.b.stack.recv_queued(*server)).sum();
    assert!(queued > 200_000);
    assert_eq!(net.b.stack.usage().text_octets, queued);
    for (client, server) in pairs {
        net.a.stack.abort(net.now, client);
        net.a.stack.close(net.now, client);
        net.b.stack.close(net.now, server);
    }
    net.run_for(Duration::from_secs(1));
    assert_eq!((net.a.stack.usage(), net.b.stack.usage()), (Usage::default(), Usage::default()));
}

#[test]
fn when_memory_is_used_up_nobody_new_connects_until_some_is_free() {
    let mut net = net();
    let listener = net.listen(80);
    let pairs = filled(&mut net, listener, 6);
    assert!(net.b.stack.usage().text_octets >= LIMIT, "{:?}", net.b.stack.usage());
    let late = net.a.stack.connect(net.now, socket(B4, 80), &ConnectOptions::default()).unwrap();
    net.run_for(Duration::from_millis(500));
    assert!(net.b.stack.accept(listener).is_none());
    assert_eq!(net.b.stack.counters().ended("memory_limit"), 1);
    // The others go on within what they were promised, and get all of it through.
    let mut received = vec![0; pairs.len()];
    for _ in 0..2_000 {
        for ((_, server), received) in pairs.iter().zip(&mut received) {
            while let Ok(text) = net.b.stack.recv(net.now, *server, usize::MAX) {
                *received += text.len();
            }
        }
        net.run_for(Duration::from_millis(10));
    }
    assert_eq!(received, vec![900_000; pairs.len()]);
    assert!(net.b.stack.accept(listener).is_some(), "its SYN came again");
    assert_eq!(net.a.stack.recv(net.now, late, 1), Err(CallError::WouldBlock));
}

#[test]
fn while_memory_is_short_windows_offer_no_more_than_at_first() {
    let mut net = net();
    let listener = net.listen(80);
    let (fast, reader) = net.connect(listener, 80);
    let text = vec![7; 4 << 20];
    assert_eq!(net.transfer(fast, reader, &text).len(), text.len());
    let grown = net.b.stack.info(net.now, reader).unwrap();
    assert!(grown.receive_buffer > 256 << 10, "{grown:?}");
    let silent = filled(&mut net, listener, 5);
    assert_eq!(net.transfer(fast, reader, &text).len(), text.len(), "it is served nevertheless");
    let pressed = net.b.stack.info(net.now, reader).unwrap();
    assert_eq!(pressed.receive_buffer, 128 << 10);
    assert!(pressed.rcv_wnd <= 128 << 10, "{pressed:?}");
    for (_, server) in silent {
        net.b.stack.abort(net.now, server);
        net.b.stack.close(net.now, server);
    }
    assert_eq!(net.transfer(fast, reader, &text).len(), text.len());
    assert!(net.b.stack.info(net.now, reader).unwrap().receive_buffer >= grown.receive_buffer);
}
