//! Offload headers that lie: a kernel's that passes on what it shouldn't, our own, a neighbour's on the machine.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair, sockopt};
use sockeye_device::{Counter, Device, Tun, vnet_hdr};

use super::bench::{Bench, DEVICE, FAMILIES, OURS_V4, expect, filter, tun_config};
use super::kernel_peers::bulk_each_way;
use super::strain::{expect_counted, wait_until};
use crate::shell::Outcome;

/// Octets each way.
const SOME: u64 = 32 << 20;
/// One header of so many lies.
const NTH: usize = 40;
/// A longer frame there is not.
const LONGEST: usize = vnet_hdr::LEN + 40 + 65_535;

/// `struct virtio_net_hdr`: where its fields stand.
const FLAGS: usize = 0;
const KIND: usize = 1;
const SIZE: usize = 4;
const START: usize = 6;
const OFFSET: usize = 8;
const NEEDS_CSUM: u8 = 1;
const GSO_TCPV4: u8 = 1;

/// What a frame's header says that can't be: it is refused by who reads it.
#[derive(Clone, Copy)]
enum Lie {
    /// Segments of no octets.
    SizeZero,
    /// A checksum that starts behind the end.
    StartBeyond,
    /// A checksum that stands behind the end.
    OffsetBeyond,
    /// Segments of no known kind.
    Kind,
    /// The frame ends within its header.
    Short,
}

const LIES: [Lie; 5] = [Lie::SizeZero, Lie::StartBeyond, Lie::OffsetBeyond, Lie::Kind, Lie::Short];

impl Lie {
    /// The frame, whose header is no longer true; how long it is then.
    fn tell(self, frame: &mut [u8], length: usize) -> usize {
        match self {
            Self::SizeZero => {
                frame[KIND] = GSO_TCPV4;
                set(frame, SIZE, 0);
            }
            Self::StartBeyond => {
                frame[FLAGS] = NEEDS_CSUM;
                set(frame, START, u16::MAX);
            }
            Self::OffsetBeyond => {
                frame[FLAGS] = NEEDS_CSUM;
                set(frame, OFFSET, u16::MAX);
            }
            Self::Kind => frame[KIND] = 99,
            Self::Short => return vnet_hdr::LEN - 1,
        }
        length
    }
}

fn set(frame: &mut [u8], at: usize, value: u16) {
    frame[at..at + 2].copy_from_slice(&value.to_ne_bytes());
}

/// What both directions have come to.
#[derive(Default)]
struct Tally {
    /// Lies told to us, and to the kernel.
    told_us: AtomicU64,
    told_kernel: AtomicU64,
    /// Frames that the kernel refused with EINVAL.
    refused: AtomicU64,
}

/// Of what passes in both directions one header in [`NTH`] lies: no transfer suffers but by the loss, ours are dropped and
/// counted, the kernel's refused.
/// Case: see the table.
pub fn offload_headers_that_lie(bench: &Bench) -> Outcome {
    let tun = Tun::create(&tun_config(true)?)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (outer, inner) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    for end in [&outer, &inner] {
        sockopt::set_socket_send_buffer_size_force(end, 4 << 20)?;
    }
    let behind = Arc::new(Tun::from_queue(inner, DEVICE.to_owned(), true, tun.capabilities().mtu));
    let (tally, stop) = (Tally::default(), AtomicBool::new(false));
    let host = bench.host_on(Arc::clone(&behind))?;
    let kernel = tun.as_fd().ok_or("a TUN device has a descriptor")?;
    thread::scope(|scope| {
        let inwards = scope.spawn(|| pass_on(kernel, outer.as_fd(), &stop, &tally.told_us, &AtomicU64::new(0)));
        let outwards = scope.spawn(|| pass_on(outer.as_fd(), kernel, &stop, &tally.told_kernel, &tally.refused));
        let outcome = FAMILIES.into_iter().try_for_each(|family| bulk_each_way(&host, SOME, family));
        stop.store(true, Ordering::Relaxed);
        for relay in [inwards, outwards] {
            relay.join().map_err(|_| "a relay has panicked")??;
        }
        outcome
    })?;
    let Tally { told_us, told_kernel, refused } = tally;
    let [us, kernel, refused] = [told_us, told_kernel, refused].map(AtomicU64::into_inner);
    eprintln!("{us} lies told to us, {kernel} to the kernel");
    expect("lies were told to both", us > 0 && kernel > 0, true)?;
    let malformed = || behind.counters().get(Counter::Malformed);
    wait_until(|| malformed() == us);
    expect("frames that we dropped and counted", malformed(), us)?;
    expect("frames that the kernel refused", refused, kernel)
}

/// Hands frames on until told to stop, the header of one in [`NTH`] changed. What the other side has no room for is lost.
fn pass_on(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    stop: &AtomicBool,
    told: &AtomicU64,
    refused: &AtomicU64,
) -> io::Result<()> {
    let mut frame = vec![0; LONGEST];
    let mut lies = (1..).map(|count: usize| count.is_multiple_of(NTH).then(|| LIES[count / NTH % LIES.len()]));
    while !stop.load(Ordering::Relaxed) {
        let length = match rustix::io::read(from, &mut frame) {
            Ok(length) => length,
            Err(Errno::AGAIN) => {
                let tenth = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
                poll(&mut [PollFd::from_borrowed_fd(from, PollFlags::IN)], Some(&tenth))?;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let lie = lies.next().flatten();
        let length = lie.map_or(length, |lie| lie.tell(&mut frame, length));
        let written = rustix::io::write(to, &frame[..length]);
        match written {
            Err(Errno::AGAIN) => continue,
            Err(Errno::INVAL) => refused.fetch_add(1, Ordering::Relaxed),
            Err(error) => return Err(error.into()),
            Ok(_) => 0,
        };
        told.fetch_add(u64::from(lie.is_some()), Ordering::Relaxed);
    }
    Ok(())
}

/// Frames for `sys.argv[2]` into the interface `sys.argv[1]`, from a process that may, which says of each what isn't so. Prints
/// how many the kernel took: of those that can't be; of those with a checksum in the text, or none at all; of others.
const NEIGHBOUR: &str = r"
import errno, socket, struct, sys
interface, ours, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
NEEDS_CSUM, TCPV4 = 1, 1
def checksum(data):
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
def packet(length):
    ip = struct.pack('!BBHHHBBH4s4s', 0x45, 0, length, 0, 0x4000, 64, 6, 0, bytes([10, 9, 0, 77]), socket.inet_aton(ours))
    ip = ip[:10] + struct.pack('!H', checksum(ip)) + ip[12:]
    return ip + struct.pack('!HHIIBBHHH', 1, 9, 7919, 1, 5 << 4, 16, 1000, 0, 0) + b'x' * (length - 40)
impossible = [(NEEDS_CSUM, TCPV4, 0, 20, 16), (NEEDS_CSUM, 0, 0, 0xffff, 16), (NEEDS_CSUM, 0, 0, 20, 0xffff), (0, 99, 10, 0, 0)]
wrong = [(NEEDS_CSUM, 0, 0, 40, 20), (0, 0, 0, 0, 0)]
odd = [(NEEDS_CSUM, TCPV4, 1, 20, 16), (NEEDS_CSUM, TCPV4, 1400, 20, 16), (NEEDS_CSUM, TCPV4, 0xffff, 20, 16), (NEEDS_CSUM, 0, 0, 0, 0)]
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
out.setsockopt(263, 15, 1)
out.bind((interface, 0x0800))
def taken(header):
    flags, kind, size, start, offset = header
    frame = struct.pack('=BBHHHH', flags, kind, 40, size, start, offset) + packet(1500)
    try: return out.send(frame) > 0
    except OSError as error:
        if error.errno == errno.EINVAL: return False
        raise
print(*[sum(taken(header) for header in kind * rounds) for kind in (impossible, wrong, odd)])
";

/// A neighbour on the machine, who may send what it likes into our device, says of its frames what isn't so, while others'
/// octets arrive: the kernel refuses what can't be; of the rest what has become wrong is dropped and counted.
/// Case: see the table.
pub fn a_neighbour_whose_offload_headers_lie(bench: &Bench) -> Outcome {
    const ROUNDS: u64 = 100;
    let host = bench.host()?;
    let neighbour = thread::spawn(|| {
        let mut python = Command::new("python3");
        python.args(["-c", NEIGHBOUR, DEVICE, &OURS_V4.to_string(), &ROUNDS.to_string()]);
        filter(&mut python, Vec::new()).map_err(|error| error.to_string())
    });
    FAMILIES.into_iter().try_for_each(|family| bulk_each_way(&host, SOME, family))?;
    let taken = String::from_utf8(neighbour.join().map_err(|_| "the neighbour has panicked")??)?;
    eprintln!("frames that the kernel took: {}", taken.trim());
    // Of the others some kernels refuse some.
    let wrong = 2 * ROUNDS;
    let judged: Vec<&str> = taken.split_whitespace().take(2).collect();
    expect("those that can't be, and those with a wrong checksum", judged, vec!["0", &wrong.to_string()])?;
    expect_counted(&host, "transport_checksum", wrong)
}
