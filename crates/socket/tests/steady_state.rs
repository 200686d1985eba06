//! What a bulk transfer allocates and copies, once it is under way.
#![expect(unsafe_code, reason = "a counting allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use bytes::Bytes;
use sockeye::{ConnectOptions, ConnectionId, ListenOptions, Stack, StackConfig};
use sockeye_device::{Outgoing, Packet, Pool};
use sockeye_wire::Instant;

thread_local! {
    /// Allocations of this thread, and so of one test, so far.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is handed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `alloc` above, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Octets that the application hands over at a time.
const BLOCK: usize = 65_536;
const MIB: usize = 1 << 20;

/// Two hosts and the device of each, which copies what crosses into its pool, once.
struct World {
    now: Instant,
    stacks: [Stack; 2],
    pools: [Pool; 2],
    ids: [ConnectionId; 2],
    /// What the application sends, over and over.
    text: Bytes,
    /// Packets that arrived at the second host: where they lie in memory.
    arrived: Vec<std::ops::Range<usize>>,
}

impl World {
    fn new() -> Self {
        let now = Instant::from_millis(1000);
        let mut stacks = [1, 2].map(|last| {
            let mut stack = Stack::new(StackConfig::new([last; 32]), now);
            stack.add_address(format!("10.0.0.{last}/24").parse().unwrap());
            stack
        });
        let server = "10.0.0.2:80".parse().unwrap();
        let listener = stacks[1].listen(server, &ListenOptions::default()).unwrap();
        let client = stacks[0].connect(now, server, &ConnectOptions::default()).unwrap();
        let pools = [Pool::new(2048), Pool::new(2048)];
        let text = Bytes::from(vec![7; BLOCK]);
        let mut world = Self { now, stacks, pools, ids: [client; 2], text, arrived: Vec::with_capacity(4096) };
        world.exchange();
        world.exchange();
        world.ids[1] = world.stacks[1].accept(listener).unwrap().0;
        world
    }

    /// Each host hears what the other has to say.
    fn exchange(&mut self) {
        for from in [0, 1] {
            self.now += Duration::from_micros(20);
            let to = 1 - from;
            while let Some(packet) = self.stacks[from].poll_transmit(self.now, 0) {
                let packet = self.cross(to, &packet);
                self.stacks[to].on_packet(self.now, packet);
            }
        }
        self.stacks.iter_mut().for_each(|stack| stack.on_timeout(self.now));
    }

    fn cross(&mut self, to: usize, packet: &Outgoing) -> Packet {
        let bytes = self.pools[to].copy(packet);
        if to == 1 {
            let range = bytes.as_ptr_range();
            self.arrived.push(range.start as usize..range.end as usize);
        }
        Packet::new(bytes, self.now)
    }

    /// Moves `octets`; every chunk is shown to `read`.
    fn transfer(&mut self, octets: usize, mut read: impl FnMut(&Self, &Bytes)) {
        let (mut to_send, mut to_read) = (octets, octets);
        while to_read > 0 {
            while to_send > 0 {
                let mut chunk = self.text.slice(..BLOCK.min(to_send));
                match self.stacks[0].send(self.now, self.ids[0], &mut chunk) {
                    Ok(taken) => to_send -= taken,
                    Err(_full) => break,
                }
            }
            self.exchange();
            while let Ok(chunk) = self.stacks[1].recv(self.now, self.ids[1], usize::MAX) {
                to_read -= chunk.len();
                read(self, &chunk);
            }
            self.arrived.clear();
            self.stacks.iter_mut().for_each(|stack| while stack.poll_event().is_some() {});
        }
    }
}

/// Whatever is allocated is allocated for a batch, a slab or a window, never for a segment.
#[test]
fn allocations_do_not_grow_with_segments() {
    let mut world = World::new();
    world.transfer(32 * MIB, |_, _| {});
    let before = ALLOCATIONS.get();
    world.transfer(32 * MIB, |_, _| {});
    let each = (ALLOCATIONS.get() - before) / 32;
    println!("{each} allocations a MiB, which is 724 segments");
    assert!(each <= 32, "{each} allocations a MiB");
}

/// What is read lies in the packet that the device handed up: nothing was copied on the way, but for the last segment of a
/// window, which may be so short that it isn't worth a packet's memory.
#[test]
fn what_is_read_is_the_packet_that_arrived() {
    let mut world = World::new();
    let mut copied = 0;
    world.transfer(4 * MIB, |world, chunk| {
        let place = chunk.as_ptr() as usize;
        let packet = world.arrived.iter().find(|range| range.contains(&place));
        if packet.is_none_or(|range| place + chunk.len() > range.end) {
            assert!(chunk.len() < 1024, "{} octets copied", chunk.len());
            copied += chunk.len();
        }
    });
    assert!(copied < 4 * MIB / 100, "{copied} octets copied");
}

/// What is sent lies where the application has put it.
#[test]
fn what_is_sent_is_the_chunk_that_was_handed_over() {
    let mut world = World::new();
    let mut chunk = world.text.clone();
    let range = chunk.as_ptr_range();
    world.stacks[0].send(world.now, world.ids[0], &mut chunk).unwrap();
    let mut octets = 0;
    while let Some(packet) = world.stacks[0].poll_transmit(world.now, 0) {
        for slice in &packet.payload {
            let sent = slice.as_ptr_range();
            assert!(range.start <= sent.start && sent.end <= range.end, "{} octets copied", slice.len());
            octets += slice.len();
        }
    }
    assert!(octets >= 10 * 1448, "the initial window");
}
