//! What a stack tells, and when.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sockeye::{Config, StackConfig, StackEvent};
use sockeye_tcb::{CallError, Event};

use crate::net::{Net, config};

/// Its turn to tell is over when what it sends makes room: it has another.
#[test]
fn a_writer_hears_of_the_room_that_sending_has_made() {
    let tcp = Arc::new(Config { unsent_limit: 10_000, ..Config::default() });
    let mut net = Net::with(StackConfig { tcp, ..config(1) }, config(2));
    let listener = net.listen(80);
    let (client, _) = net.connect(listener, 80);
    let stack = &mut net.a.stack;
    let mut text = Bytes::from(vec![7; 12_000]);
    assert_eq!(stack.send(net.now, client, &mut text.clone()), Ok(12_000));
    assert_eq!(stack.send(net.now, client, &mut text), Err(CallError::WouldBlock));
    assert_eq!(stack.poll_event(), None);
    while stack.poll_transmit(net.now, 0).is_some() {}
    assert_eq!(stack.poll_event(), Some(StackEvent::Connection(client, Event::Writable)));
}

/// Whoever watches many connections need not ask each what has become of it.
#[test]
fn what_a_deadline_was_due_for_is_told_held_or_not() {
    let mut net = Net::new();
    let listener = net.listen(80);
    let (client, _) = net.connect(listener, 80);
    let (other, _) = net.connect(listener, 80);
    let stack = &mut net.a.stack;
    for id in [client, other] {
        stack.send(net.now, id, &mut Bytes::from_static(b"text")).unwrap();
    }
    stack.close(net.now, client);
    while stack.poll_transmit(net.now, 0).is_some() {}
    let mut due = Vec::new();
    stack.on_timeout_of(net.now, |id| due.push(id));
    assert_eq!(due, [], "it is too soon");
    net.now += Duration::from_secs(60);
    stack.on_timeout_of(net.now, |id| due.push(id));
    due.sort();
    assert_eq!(due, [client, other]);
}
