//! What a bulk transfer between two hosts allocates, once it is under way, whichever of their threads does it. One test, in a
//! process of its own: it counts the process's allocations.
#![expect(unsafe_code, reason = "a counting allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use bytes::Bytes;
use sockeye::{Host, TcpListener, TcpStream};
use sockeye_device::memory::{self, MemoryDevice};

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: every call is handed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
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

const MIB: usize = 1 << 20;
/// Segments of a MiB, MTU 1500.
const SEGMENTS: usize = MIB / 1448;

/// Allocations for each MiB that goes from one host to the other, by `write` and `read` or as chunks.
fn each_mebibyte((first, second): (MemoryDevice, MemoryDevice), chunks: bool) -> usize {
    let host = |device, last| Host::new(device, &[([10, 0, 0, last].into(), 24)]).unwrap();
    let (here, there) = (host(first, 1), host(second, 2));
    let listener = TcpListener::bind(&there, "10.0.0.2:9").unwrap();
    let mut client = TcpStream::connect(&here, "10.0.0.2:9").unwrap();
    let (mut server, _) = listener.accept().unwrap();
    let (text, mut block) = (Bytes::from(vec![7; 64 << 10]), vec![0; 256 << 10]);
    let mut transfer = |octets: usize| {
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..octets / text.len() {
                    if chunks {
                        client.write_chunk(&mut text.clone()).unwrap();
                    } else {
                        client.write_all(&text).unwrap();
                    }
                }
            });
            let mut left = octets;
            while left > 0 {
                left -= if chunks { server.read_chunk(left).unwrap().len() } else { server.read(&mut block).unwrap() };
            }
        });
    };
    transfer(64 * MIB);
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    transfer(64 * MIB);
    (ALLOCATIONS.load(Ordering::Relaxed) - before) / 64
}

/// Whatever is allocated is allocated for a chunk, a batch or a slab, never for a segment.
#[test]
fn allocations_of_hosts_do_not_grow_with_segments() {
    for chunks in [false, true] {
        for (name, cable) in
            [("plain", memory::pair(1500)), ("offloading", memory::pair_offloading(1500, memory::QUEUE))]
        {
            let each = each_mebibyte(cable, chunks);
            println!("{name}, chunks {chunks}: {each} allocations a MiB, which is {SEGMENTS} segments");
            assert!(each <= SEGMENTS / 4, "{name}, chunks {chunks}: {each}");
        }
    }
}
