//! `sockeye-tcb` needs an allocator and nothing else: two connections exchange a text and close.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::sync::Arc;
use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ffi::{c_char, c_int};
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use sockeye_no_std as _;
use sockeye_tcb::{Config, Segment, State, Tcb, Transmit};
use sockeye_wire::{Instant, SeqNumber};

/// All the memory there is.
const OCTETS: usize = 1 << 20;

/// Hands out memory front to back and takes none back: the program is short.
struct Once {
    memory: UnsafeCell<[u8; OCTETS]>,
    used: AtomicUsize,
}

// SAFETY: each octet is handed out once, whoever asks.
unsafe impl Sync for Once {}

// SAFETY: what it returns lies within `memory`, is aligned as asked, and overlaps nothing returned before.
unsafe impl GlobalAlloc for Once {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // With room for the worst alignment, each piece is aligned within what it takes.
        let size = layout.size() + layout.align();
        let start = self.used.fetch_add(size, Ordering::Relaxed);
        if start + size > OCTETS {
            return ptr::null_mut();
        }
        let memory = self.memory.get().cast::<u8>().wrapping_add(start);
        memory.wrapping_add(memory.align_offset(layout.align()))
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static MEMORY: Once = Once { memory: UnsafeCell::new([0; OCTETS]), used: AtomicUsize::new(0) };

// SAFETY: the C library's start-up calls it once; nobody else defines it.
#[unsafe(no_mangle)]
extern "C" fn main(_: c_int, _: *const *const c_char) -> c_int {
    c_int::from(!exchanged())
}

/// True if the text arrived and both ends are closed.
fn exchanged() -> bool {
    let mut now = Instant::from_millis(0);
    let config = Arc::new(Config::default());
    let mut client = Tcb::connect(config.clone(), SeqNumber::new(1), 0, now);
    let mut server = Tcb::listen(config, SeqNumber::new(u32::MAX), 0, now);
    let mut text = Bytes::from_static(b"no standard library");
    let mut heard = 0;
    if client.send(now, &mut text).is_err() {
        return false;
    }
    loop {
        while let Ok(text) = server.recv(now, usize::MAX) {
            heard += text.len();
        }
        if (client.state() == State::Established && client.shutdown(now).is_err())
            || (server.state() == State::CloseWait && server.shutdown(now).is_err())
        {
            return false;
        }
        if deliver(now, &mut client, &mut server) | deliver(now, &mut server, &mut client) {
            continue;
        }
        let Some(next) = [client.next_timeout(), server.next_timeout()].into_iter().flatten().min() else { break };
        now = next;
        client.on_timeout(now);
        server.on_timeout(now);
    }
    heard == 19 && client.state() == State::Closed && server.state() == State::Closed
}

/// Hands over everything that one has to send; true if there was anything.
fn deliver(now: Instant, from: &mut Tcb, to: &mut Tcb) -> bool {
    let mut any = false;
    while let Some(Transmit { header, payload, ecn, .. }) = from.poll_transmit(now, 0) {
        let segment = Segment {
            seq: header.seq,
            ack: header.ack,
            flags: header.flags,
            window: header.window,
            urgent: header.urgent,
            options: header.options,
            payload: payload.concat().into(),
            more: alloc::vec::Vec::new(),
            arrived_at: now,
            segment_size: 0,
            ecn,
        };
        // A segment that ends early was answered as the RFC asks.
        let _ = to.on_segment(now, segment);
        any = true;
    }
    any
}
