//! What an idle connection costs, counted by the allocator with all tables included.
#![expect(unsafe_code, reason = "a counting allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use sockeye::{ConnectOptions, ConnectionId, ListenOptions, Stack, StackConfig};
use sockeye_device::Packet;
use sockeye_wire::Instant;

/// Octets allocated and not freed.
static HELD: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: every call is handed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the pointer came from `alloc` above, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Carries packets between the two until neither has any.
fn drain(now: Instant, a: &mut Stack, b: &mut Stack) {
    let mut wire: VecDeque<(bool, Bytes)> = VecDeque::new();
    loop {
        while let Some(packet) = a.poll_transmit(now, 0) {
            wire.push_back((true, packet.to_bytes()));
        }
        while let Some(packet) = b.poll_transmit(now, 0) {
            wire.push_back((false, packet.to_bytes()));
        }
        let Some((to_b, packet)) = wire.pop_front() else { break };
        let to = if to_b { &mut *b } else { &mut *a };
        to.on_packet(now, Packet::new(packet, now));
    }
    while a.poll_event().is_some() {}
    while b.poll_event().is_some() {}
}

fn stack(last: u8) -> Stack {
    let mut stack = Stack::new(StackConfig::new([last; 32]), Instant::from_millis(1));
    stack.add_address(format!("10.0.0.{last}/8").parse().unwrap());
    stack
}

#[test]
fn an_idle_connection_costs_less_than_a_kibibyte() {
    const CONNECTIONS: usize = 20_000;
    let mut now = Instant::from_millis(1);
    let (mut a, mut b) = (stack(1), stack(2));
    let server = "10.0.0.2:80".parse().unwrap();
    let listener = b.listen(server, &ListenOptions::default()).unwrap();
    let mut ids: Vec<(ConnectionId, ConnectionId)> = Vec::with_capacity(CONNECTIONS);
    let before = HELD.load(Ordering::Relaxed);
    for _ in 0..CONNECTIONS {
        let client = a.connect(now, server, &ConnectOptions::default()).unwrap();
        drain(now, &mut a, &mut b);
        let (accepted, _) = b.accept(listener).unwrap();
        // One octet each way, so that it is idle and not merely new.
        for (from, id) in [(true, client), (false, accepted)] {
            let sender = if from { &mut a } else { &mut b };
            sender.send(now, id, &mut Bytes::from_static(b"x")).unwrap();
            drain(now, &mut a, &mut b);
        }
        assert_eq!(b.recv(now, accepted, 10).unwrap().len() + a.recv(now, client, 10).unwrap().len(), 2);
        drain(now, &mut a, &mut b);
        ids.push((client, accepted));
        // The ACK that waited for an answer leaves.
        now += std::time::Duration::from_millis(1);
        a.on_timeout(now);
        b.on_timeout(now);
        drain(now, &mut a, &mut b);
    }
    let each = (HELD.load(Ordering::Relaxed) - before) / CONNECTIONS / 2;
    println!("{each} octets a connection, {CONNECTIONS} at each end");
    assert!(each < 1024, "{each} octets a connection");
    let later = now + std::time::Duration::from_mins(10);
    for (client, accepted) in ids {
        a.close(later, client);
        b.close(later, accepted);
        drain(later, &mut a, &mut b);
    }
    let end = later + std::time::Duration::from_mins(10);
    a.on_timeout(end);
    b.on_timeout(end);
    assert_eq!((a.usage(), b.usage()), Default::default());
}
