//! What a stack tells, and when.

use std::sync::Arc;

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
