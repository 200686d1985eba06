//! A packet socket of Linux (packet(7), `linux/if_packet.h`): an interface's frames, each behind an offload header.

use std::ffi::{c_int, c_ushort};
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with, sockopt};

const SOL_PACKET: c_int = 263;
const PACKET_ADD_MEMBERSHIP: c_int = 1;
const PACKET_STATISTICS: c_int = 6;
const PACKET_VNET_HDR: c_int = 15;
const PACKET_IGNORE_OUTGOING: c_int = 23;
const PACKET_MR_PROMISC: c_ushort = 1;
/// Frames of every kind, in the byte order of the wire.
const ALL_KINDS: u16 = 0x0003_u16.to_be();

/// What the kernel charges a waiting frame for, beyond its octets: its own records of it, rounded up.
const PER_FRAME: usize = 1024;

/// `struct packet_mreq`.
#[repr(C)]
struct Membership {
    interface: c_int,
    kind: c_ushort,
    length: c_ushort,
    address: [u8; 8],
}

/// `struct tpacket_stats`.
#[repr(C)]
#[derive(Default)]
struct Statistics {
    frames: u32,
    drops: u32,
}

/// A socket on the interface of this number that hears everything, and never blocks. About `queue` frames with packets of
/// `mtu` octets may wait.
pub(super) fn open(interface: u32, queue: u32, mtu: u16) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    // Of no kind yet: it hears nothing before all is set.
    let fd = socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)?;
    let number = c_int::try_from(interface).map_err(|_| io::ErrorKind::InvalidInput)?;
    set(&fd, PACKET_VNET_HDR, &1)?;
    set(&fd, PACKET_IGNORE_OUTGOING, &1)?;
    let all = Membership { interface: number, kind: PACKET_MR_PROMISC, length: 0, address: [0; 8] };
    set(&fd, PACKET_ADD_MEMBERSHIP, &all)?;
    let room = (queue as usize).saturating_mul(usize::from(mtu) + PER_FRAME).min(c_int::MAX as usize / 2);
    sockopt::set_socket_recv_buffer_size_force(&fd, room)?;
    bind(&fd, number)?;
    Ok(fd)
}

/// True if the socket's interface is gone for good.
#[expect(unsafe_code, reason = "no crate reads this address")]
pub(super) fn is_orphan(fd: BorrowedFd<'_>) -> io::Result<bool> {
    // SAFETY: the kernel's structure is plain numbers, of which zeros are good ones.
    let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
    let mut length = length_of(&address);
    // SAFETY: the kernel writes at most `length` octets to `address`, which has as many.
    let failed = unsafe { libc::getsockname(fd.as_raw_fd(), (&raw mut address).cast(), &raw mut length) } != 0;
    // The kernel writes -1 when the interface is unregistered (`packet_notifier`).
    if failed { Err(io::Error::last_os_error()) } else { Ok(address.sll_ifindex <= 0) }
}

/// How many frames found no room since this was asked last.
#[expect(unsafe_code, reason = "no crate has this option")]
pub(super) fn take_overruns(fd: BorrowedFd<'_>) -> io::Result<usize> {
    let mut statistics = Statistics::default();
    let mut length = length_of(&statistics);
    let to = (&raw mut statistics).cast();
    // SAFETY: the kernel writes at most `length` octets to `statistics`, which has as many and is plain numbers.
    let failed = unsafe { libc::getsockopt(fd.as_raw_fd(), SOL_PACKET, PACKET_STATISTICS, to, &raw mut length) } != 0;
    if failed { Err(io::Error::last_os_error()) } else { Ok(statistics.drops as usize) }
}

/// Hears the interface's frames from now on.
#[expect(unsafe_code, reason = "no crate has this kind of address")]
fn bind(fd: &OwnedFd, interface: c_int) -> io::Result<()> {
    // SAFETY: the kernel's structure is plain numbers, of which zeros are good ones.
    let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
    address.sll_family = AddressFamily::PACKET.as_raw();
    address.sll_protocol = ALL_KINDS;
    address.sll_ifindex = interface;
    // SAFETY: `address` is of the length that is told.
    let failed = unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), length_of(&address)) } != 0;
    if failed { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Sets an option of packet sockets.
#[expect(unsafe_code, reason = "no crate has these options")]
fn set<T>(fd: &OwnedFd, option: c_int, value: &T) -> io::Result<()> {
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: the kernel reads `value`, which is of the length that is told.
    let failed = unsafe { libc::setsockopt(fd, SOL_PACKET, option, (&raw const *value).cast(), length_of(value)) } != 0;
    if failed { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn length_of<T>(_: &T) -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).unwrap_or(0)
}
