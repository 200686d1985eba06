//! What is held costs what it holds, whatever buffers it came in: counted by the allocator.
#![expect(unsafe_code, reason = "a counting allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use bytes::Bytes;
use sockeye::{ConnectOptions, ConnectionId, Host, ListenOptions, Stack, StackConfig, TcpListener, TcpStream};
use sockeye_device::{Packet, memory};
use sockeye_wire::Instant;

/// Octets allocated and not freed.
static HELD: AtomicUsize = AtomicUsize::new(0);
/// One test at a time: they count all that the process allocates.
static ALONE: Mutex<()> = Mutex::new(());

struct Counting;

// SAFETY: every call is handed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the pointer came from `alloc` above, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn held() -> usize {
    HELD.load(Ordering::Relaxed)
}

fn stack(last: u8) -> Stack {
    let mut stack = Stack::new(StackConfig::new([last; 32]), Instant::from_millis(1));
    stack.add_address(format!("10.0.0.{last}/8").parse().unwrap());
    stack
}

/// Carries packets both ways until there are none, those for `b` each in a buffer of 64 KiB.
fn drain(now: Instant, a: &mut Stack, b: &mut Stack) {
    loop {
        let mut idle = true;
        while let Some(packet) = a.poll_transmit(now, 0) {
            idle = false;
            let mut buffer = packet.to_bytes().to_vec();
            let length = buffer.len();
            buffer.resize(64 << 10, 0);
            b.on_packet(now, Packet::new(Bytes::from(buffer).slice(..length), now));
        }
        while let Some(packet) = b.poll_transmit(now, 0) {
            idle = false;
            a.on_packet(now, Packet::new(packet.to_bytes(), now));
        }
        if idle {
            break;
        }
    }
    while a.poll_event().is_some() {}
    while b.poll_event().is_some() {}
}

fn connected(now: Instant, a: &mut Stack, b: &mut Stack) -> (ConnectionId, ConnectionId) {
    let server = "10.0.0.2:80".parse().unwrap();
    let listener = b.listen(server, &ListenOptions::default()).unwrap();
    let client = a.connect(now, server, &ConnectOptions::default()).unwrap();
    drain(now, a, b);
    let (accepted, _) = b.accept(listener).unwrap();
    a.configure(now, client, |config| config.nodelay = true);
    (client, accepted)
}

/// FIELD D46: many tiny segments, each in a large buffer, read by nobody.
#[test]
fn tiny_segments_in_large_buffers_cost_what_they_hold() {
    const SEGMENTS: usize = 100_000;
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let now = Instant::from_millis(1);
    let (mut a, mut b) = (stack(1), stack(2));
    let (client, server) = connected(now, &mut a, &mut b);
    let before = held();
    for _ in 0..SEGMENTS {
        a.send(now, client, &mut Bytes::from_static(b"x")).unwrap();
        drain(now, &mut a, &mut b);
    }
    let grown = held() - before;
    let queued = b.info(now, server).unwrap().recv_queued;
    assert_eq!(queued as usize, SEGMENTS, "the window shrinks by what is held, not by the buffers");
    assert!(grown < SEGMENTS * 2, "{grown} octets for {SEGMENTS} segments of one octet");
}

/// A thousand connections that nobody reads, each with some text in buffers shared with others' traffic: they hold their
/// own text, not the device's buffers, and keep nobody from being served.
#[test]
fn a_thousand_readers_that_never_read_leave_the_buffers_to_others() {
    const SILENT: usize = 1000;
    const TEXT: usize = 4 << 10;
    const HONEST: usize = 300 << 10;
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (first, second) = memory::pair_offloading(1500, memory::QUEUE);
    let here = Host::new(first, &[("10.0.0.1".parse().unwrap(), 24)]).unwrap();
    let there = Host::new(second, &[("10.0.0.2".parse().unwrap(), 24)]).unwrap();
    let listener = TcpListener::bind(&there, "10.0.0.2:9").unwrap();
    let connect = || {
        let client = TcpStream::connect(&here, "10.0.0.2:9").unwrap();
        (client, listener.accept().unwrap().0)
    };
    let (honest, honest_server) = connect();
    let reader = thread::spawn(move || {
        let mut block = vec![0; HONEST];
        let mut blocks = 0;
        while (&honest_server).read_exact(&mut block).is_ok() {
            (&honest_server).write_all(b".").unwrap();
            blocks += 1;
        }
        blocks
    });
    let block = vec![7; HONEST];
    let mut silent = Vec::with_capacity(SILENT);
    let before = held();
    for _ in 0..SILENT {
        let (client, server) = connect();
        (&client).write_all(&[1; TEXT]).unwrap();
        silent.push((client, server));
        (&honest).write_all(&block).unwrap();
        (&honest).read_exact(&mut [0]).unwrap();
    }
    let grown = held() - before;
    // Both ends of the connections, their text, and as many slabs as the pools remember.
    let bound = SILENT * (TEXT * 2 + 8 * 1024) + (40 << 20);
    assert!(grown < bound, "{grown} octets held for {SILENT} x {TEXT} that nobody reads; {bound} allowed");
    drop(honest);
    assert_eq!(reader.join().unwrap(), SILENT, "the honest transfer went on throughout");
}
