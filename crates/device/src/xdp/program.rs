//! The program that takes an interface's frames to a socket: a few instructions, loaded and attached by bpf(2) (Linux
//! `linux/bpf.h`). It is gone, and the kernel has its frames back, when the descriptors are closed.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::Errno;

use super::XdpMode;

const MAP_CREATE: libc::c_int = 0;
const MAP_UPDATE_ELEM: libc::c_int = 2;
const PROG_LOAD: libc::c_int = 5;
const LINK_CREATE: libc::c_int = 28;

const MAP_TYPE_XSKMAP: u32 = 17;
const PROG_TYPE_XDP: u32 = 6;
const ATTACH_TYPE_XDP: u32 = 37;

/// Attach to the stack's generic hook, behind the driver; to the driver's own (`XDP_FLAGS_*`).
const GENERIC: u32 = 1 << 1;
const DRIVER: u32 = 1 << 2;

/// The helper `bpf_redirect_map`, and what it answers for a queue without socket: the frame is the kernel's.
const REDIRECT_MAP: i32 = 51;
const XDP_PASS: i32 = 2;
/// Where `struct xdp_md` has the number of the queue.
const RX_QUEUE_INDEX: i16 = 16;

/// An attached program, with the map of its sockets.
#[derive(Debug)]
pub(super) struct Program {
    map: OwnedFd,
    _link: OwnedFd,
}

impl Program {
    /// Attaches a program to the interface of this number, with room for the sockets of its queues up to `queue`.
    pub(super) fn attach(interface: u32, queue: u32, mode: XdpMode) -> io::Result<Self> {
        let entries = queue.checked_add(1).ok_or(io::ErrorKind::InvalidInput)?;
        let map = bpf(MAP_CREATE, &mut MapCreate { kind: MAP_TYPE_XSKMAP, key: 4, value: 4, entries, flags: 0 })?;
        let program = load(map.as_raw_fd())?;
        let link = |flags| {
            let program = u32::try_from(program.as_raw_fd()).unwrap_or(u32::MAX);
            let link = bpf(LINK_CREATE, &mut LinkCreate { program, interface, kind: ATTACH_TYPE_XDP, flags })?;
            log::debug!("taking frames {}", if flags == DRIVER { "from the driver" } else { "behind the driver" });
            Ok(link)
        };
        let link = match mode {
            XdpMode::Generic => link(GENERIC),
            XdpMode::Driver => link(DRIVER),
            XdpMode::Best => link(DRIVER).or_else(|why: io::Error| {
                if Errno::from_io_error(&why).is_some_and(is_taken) {
                    return Err(why);
                }
                log::info!("the driver takes no XDP program ({why}): taking frames behind it, which is slower");
                link(GENERIC)
            }),
        };
        Ok(Self { map, _link: link? })
    }

    /// Gives the frames of `queue` to `socket` from now on.
    pub(super) fn give(&self, queue: u32, socket: BorrowedFd<'_>) -> io::Result<()> {
        let socket = socket.as_raw_fd();
        let map = u32::try_from(self.map.as_raw_fd()).unwrap_or(u32::MAX);
        let (key, value) = (&raw const queue as u64, &raw const socket as u64);
        call(MAP_UPDATE_ELEM, &mut MapUpdate { map, unused: 0, key, value, flags: 0 }).map(drop)
    }
}

/// True if the interface has a program: attached to the same hook, or to the other.
pub(super) const fn is_taken(error: Errno) -> bool {
    matches!(error, Errno::BUSY | Errno::EXIST)
}

/// One instruction.
#[repr(C)]
struct Instruction {
    code: u8,
    registers: u8,
    offset: i16,
    immediate: i32,
}

impl Instruction {
    const fn new(code: u8, destination: u8, source: u8, offset: i16, immediate: i32) -> Self {
        // Two bit fields of four bits, the first in the low ones where the machine is little-endian.
        let registers =
            if cfg!(target_endian = "little") { source << 4 | destination } else { destination << 4 | source };
        Self { code, registers, offset, immediate }
    }
}

/// `return bpf_redirect_map(&map, context->rx_queue_index, XDP_PASS);`
fn redirect(map: RawFd) -> [Instruction; 6] {
    const LOAD_WORD: u8 = 0x61;
    const LOAD_IMMEDIATE_64: u8 = 0x18;
    const IS_MAP: u8 = 1;
    const MOVE: u8 = 0xb7;
    const CALL: u8 = 0x85;
    const EXIT: u8 = 0x95;
    [
        Instruction::new(LOAD_WORD, 2, 1, RX_QUEUE_INDEX, 0),
        Instruction::new(LOAD_IMMEDIATE_64, 1, IS_MAP, 0, map),
        Instruction::new(0, 0, 0, 0, 0), // its upper half
        Instruction::new(MOVE, 3, 0, 0, XDP_PASS),
        Instruction::new(CALL, 0, 0, 0, REDIRECT_MAP),
        Instruction::new(EXIT, 0, 0, 0, 0),
    ]
}

fn load(map: RawFd) -> io::Result<OwnedFd> {
    let instructions = redirect(map);
    let mut attributes = ProgramLoad {
        kind: PROG_TYPE_XDP,
        count: u32::try_from(instructions.len()).unwrap_or_default(),
        instructions: instructions.as_ptr() as u64,
        license: c"Dual MIT/GPL".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel_version: 0,
        flags: 0,
        name: *b"sockeye\0\0\0\0\0\0\0\0\0",
        interface: 0,
        attach_type: ATTACH_TYPE_XDP,
    };
    bpf(PROG_LOAD, &mut attributes)
}

/// The parts of `union bpf_attr` that are used here.
#[repr(C)]
struct MapCreate {
    kind: u32,
    key: u32,
    value: u32,
    entries: u32,
    flags: u32,
}

#[repr(C)]
struct MapUpdate {
    map: u32,
    unused: u32,
    key: u64,
    value: u64,
    flags: u64,
}

#[repr(C)]
struct ProgramLoad {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    attach_type: u32,
}

#[repr(C)]
struct LinkCreate {
    program: u32,
    interface: u32,
    kind: u32,
    flags: u32,
}

/// A call that gives a descriptor.
fn bpf<T>(command: libc::c_int, attributes: &mut T) -> io::Result<OwnedFd> {
    let fd = call(command, attributes)?;
    #[expect(unsafe_code, reason = "the call gives its descriptor as a number")]
    // SAFETY: the kernel has just made the descriptor, which is open and nobody else's.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    Ok(fd)
}

fn call<T>(command: libc::c_int, attributes: &mut T) -> io::Result<RawFd> {
    #[expect(unsafe_code, reason = "no crate has this call without C")]
    // SAFETY: the kernel reads `attributes` as far as their length says, and what they point to, which lives until the call
    // is over; it writes nothing there in these commands.
    let answer = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut *attributes, size_of::<T>()) };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    RawFd::try_from(answer).map_err(io::Error::other)
}
