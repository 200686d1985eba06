//! `sockeye-wire` alone writes a segment and reads it, and never asks for memory: the allocator ends the program.
#![no_std]
#![no_main]

use core::alloc::{GlobalAlloc, Layout};
use core::ffi::{c_char, c_int};
use core::net::{IpAddr, Ipv4Addr};

use sockeye_no_std::fail;
use sockeye_wire::SeqNumber;
use sockeye_wire::ip::v4::Ipv4Header;
use sockeye_wire::ip::{IpView, protocol};
use sockeye_wire::tcp::{Flags, Options, TcpHeader, TcpView, fill_checksum};

struct NoMemory;

// SAFETY: it never returns memory.
unsafe impl GlobalAlloc for NoMemory {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        fail()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {
        fail()
    }
}

#[global_allocator]
static MEMORY: NoMemory = NoMemory;

// SAFETY: the C library's start-up calls it once; nobody else defines it.
#[unsafe(no_mangle)]
extern "C" fn main(_: c_int, _: *const *const c_char) -> c_int {
    c_int::from(written_and_read() != Some(1460))
}

/// The MSS that a SYN says, after it has been written into a packet and read again.
fn written_and_read() -> Option<u16> {
    let (source, destination) = (Ipv4Addr::new(10, 9, 0, 1), Ipv4Addr::new(10, 9, 0, 2));
    let header = TcpHeader {
        source_port: 1,
        destination_port: 2,
        seq: SeqNumber::new(u32::MAX),
        ack: SeqNumber::new(0),
        flags: Flags::SYN,
        window: 1000,
        urgent: 0,
        options: Options { mss: Some(1460), window_scale: Some(7), ..Options::NONE },
    };
    let mut packet = [0; 80];
    let payload_len = header.len();
    let (ttl, traffic_class, identification, dont_fragment) = (64, 0, 0, true);
    let protocol = protocol::TCP;
    let ip =
        Ipv4Header { source, destination, protocol, payload_len, ttl, traffic_class, identification, dont_fragment };
    let start = ip.emit(&mut packet).ok()?;
    let segment = packet.get_mut(start..start + payload_len)?;
    header.emit(segment).ok()?;
    fill_checksum(IpAddr::V4(source), IpAddr::V4(destination), segment, core::iter::empty());

    let ip = IpView::parse(&packet).ok()?;
    let tcp = TcpView::parse(ip.payload()).ok()?;
    tcp.options().mss.filter(|_| tcp.verify_checksum(ip.source(), ip.destination()))
}
