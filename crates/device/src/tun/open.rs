//! Opening the queues of a TUN or TAP device: a plain one by tun-tap, one that offloads or has several queues by the calls of
//! Linux's `linux/if_tun.h`, doing without those that an old kernel lacks.

use std::ffi::c_int;
use std::fmt;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};

use log::Level;
use rustix::fs::{Mode as Permissions, OFlags, open};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::ioctl::{Getter, IntegerSetter, Opcode, Setter, Updater, ioctl, opcode};
use tun_tap::{Iface, Mode};

use super::vnet_hdr;

/// The call that makes a device, or takes it.
pub(super) const ATTACH: &str = "TUNSETIFF";
pub(super) const DEVICE: &str = "/dev/net/tun";

const SET_INTERFACE: Opcode = opcode::write::<c_int>(b'T', 202);
const GET_FEATURES: Opcode = opcode::read::<u32>(b'T', 207);
const SET_OFFLOAD: Opcode = opcode::write::<u32>(b'T', 208);
const SET_HEADER_LEN: Opcode = opcode::write::<c_int>(b'T', 216);

const IFF_TUN: u16 = 0x0001;
const IFF_TAP: u16 = 0x0002;
const IFF_MULTI_QUEUE: u16 = 0x0100;
const IFF_NO_PI: u16 = 0x1000;
const IFF_VNET_HDR: u16 = 0x4000;

/// The kernel may leave checksums to us.
const CHECKSUM: usize = 0x01;
/// It may leave cutting to us: of TCP over IPv4, over IPv6, and where the first segment carries CWR.
const TSO4: usize = 0x02;
const TSO6: usize = 0x04;
const TSO_ECN: usize = 0x08;

/// What to ask for, the best first: a kernel refuses a set that has anything in it that it doesn't know.
const WISHES: [(usize, &str); 4] = [
    (CHECKSUM | TSO4 | TSO6 | TSO_ECN, "checksums and segmentation"),
    (CHECKSUM | TSO4 | TSO6, "checksums and segmentation, but not with CWR"),
    (CHECKSUM, "checksums"),
    (0, "nothing"),
];

/// What a device carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    /// IP packets: TUN.
    Ip,
    /// Ethernet frames: TAP.
    Ethernet,
}

/// The queues of one device.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The descriptor of the first, which doesn't block.
    pub(crate) first: OwnedFd,
    /// Those of the others.
    pub(crate) more: Vec<OwnedFd>,
    /// The device's name.
    pub(crate) name: String,
    /// Each frame has a [`vnet_hdr`] before it.
    pub(crate) offloads: bool,
}

/// A call that the kernel has refused, and why.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    pub(super) call: &'static str,
    pub(super) error: Errno,
}

impl Refused {
    /// For `map_err`.
    pub(super) fn by(call: &'static str) -> impl FnOnce(Errno) -> Self {
        move |error| Self { call, error }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call, self.error)
    }
}

/// Makes a device with so many queues, or opens one that was made to persist.
pub(super) fn open_queues(asked: &str, layer: Layer, offload: bool, count: usize) -> Result<Opened, Refused> {
    let first = open_device()?;
    let known = features(&first).map_err(Refused::by("TUNGETFEATURES"))?;
    let offloads = offload && wanted(known, IFF_VNET_HDR, "offload: packets go one by one, summed here");
    let many = count > 1 && wanted(known, IFF_MULTI_QUEUE, "several queues: there is one");
    if !offloads && !many {
        drop(first);
        return open_plain(asked, layer).map_err(Refused::by(ATTACH));
    }
    let mut flags = IFF_NO_PI | if layer == Layer::Ip { IFF_TUN } else { IFF_TAP };
    flags |= if offloads { IFF_VNET_HDR } else { 0 } | if many { IFF_MULTI_QUEUE } else { 0 };

    let name = attach(&first, asked, flags).map_err(Refused::by(ATTACH))?;
    if offloads && let Err(refused) = negotiate(&first, &name) {
        log::info!("{name}: no offload, packets go one by one, summed here: {refused}");
        drop(first);
        return open_queues(asked, layer, false, count);
    }
    let another = |_| {
        let queue = open_device()?;
        attach(&queue, &name, flags).map_err(Refused::by(ATTACH))?;
        Ok(queue)
    };
    let more = (1..if many { count } else { 1 }).map(another).collect::<Result<_, _>>()?;
    Ok(Opened { first, more, name, offloads })
}

/// A device with one queue and nothing before a packet.
fn open_plain(name: &str, layer: Layer) -> Result<Opened, Errno> {
    let errno = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    let mode = if layer == Layer::Ip { Mode::Tun } else { Mode::Tap };
    let iface = Iface::without_packet_info(name, mode).map_err(errno)?;
    iface.set_non_blocking().map_err(errno)?;
    let name = iface.name().to_owned();
    #[expect(unsafe_code, reason = "tun-tap gives its descriptor away as a number only")]
    // SAFETY: `into_raw_fd` gives up the descriptor, which is open and nobody else's.
    let first = unsafe { OwnedFd::from_raw_fd(iface.into_raw_fd()) };
    fcntl_setfd(&first, FdFlags::CLOEXEC)?;
    Ok(Opened { first, more: Vec::new(), name, offloads: false })
}

fn open_device() -> Result<OwnedFd, Refused> {
    open(DEVICE, OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Permissions::empty())
        .map_err(Refused::by("opening /dev/net/tun"))
}

/// True if the kernel knows the flag; says what is done without if not.
fn wanted(known: u32, flag: u16, what: &str) -> bool {
    let knows = known & u32::from(flag) != 0;
    if !knows {
        log::info!("this kernel's TUN devices know no {what}");
    }
    knows
}

/// Agrees on the header before each frame, and on what the kernel may leave to us.
fn negotiate(queue: &OwnedFd, name: &str) -> Result<(), Refused> {
    // It has this length unless somebody has made the device before and left another.
    set_header_len(queue, vnet_hdr::LEN).map_err(Refused::by("TUNSETVNETHDRSZ"))?;
    let mut refusal = Errno::INVAL;
    for (at, (wish, what)) in WISHES.into_iter().enumerate() {
        match set_offload(queue, wish) {
            Ok(()) => {
                let level = if at == 0 { Level::Debug } else { Level::Info };
                log::log!(level, "{name}: of what arrives, this kernel leaves to us: {what}");
                return Ok(());
            }
            Err(error) => refusal = error,
        }
    }
    Err(Refused { call: "TUNSETOFFLOAD", error: refusal })
}

/// `struct ifreq` as far as TUNSETIFF looks at it.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; 16],
    flags: u16,
    rest: [u8; 22],
}

const _: () = assert!(size_of::<InterfaceRequest>() == 40, "as long as struct ifreq on 64-bit machines, or longer");

/// Makes the device or, if it has `IFF_MULTI_QUEUE` and is there, adds a queue to it; gives its name.
fn attach(queue: &OwnedFd, name: &str, flags: u16) -> Result<String, Errno> {
    let mut request = InterfaceRequest { name: [0; 16], flags, rest: [0; 22] };
    // The last octet stays zero: names are checked to be shorter.
    request.name.iter_mut().zip(name.bytes().take(15)).for_each(|(to, from)| *to = from);
    #[expect(unsafe_code, reason = "no crate has this call for a descriptor of ours")]
    // SAFETY: TUNSETIFF reads and writes a `struct ifreq`; `InterfaceRequest` is as long and begins with its fields.
    unsafe {
        ioctl(queue, Updater::<SET_INTERFACE, _>::new(&mut request))?;
    }
    Ok(request.name.iter().take_while(|octet| **octet != 0).map(|octet| char::from(*octet)).collect())
}

/// The flags of TUNSETIFF that the kernel knows.
fn features(queue: &OwnedFd) -> Result<u32, Errno> {
    #[expect(unsafe_code, reason = "no crate has this call")]
    // SAFETY: TUNGETFEATURES writes an unsigned int.
    unsafe {
        ioctl(queue, Getter::<GET_FEATURES, u32>::new())
    }
}

fn set_header_len(queue: &OwnedFd, octets: usize) -> Result<(), Errno> {
    let octets = c_int::try_from(octets).unwrap_or(c_int::MAX);
    #[expect(unsafe_code, reason = "no crate has this call")]
    // SAFETY: TUNSETVNETHDRSZ reads an int.
    unsafe {
        ioctl(queue, Setter::<SET_HEADER_LEN, c_int>::new(octets))
    }
}

fn set_offload(queue: &OwnedFd, what: usize) -> Result<(), Errno> {
    #[expect(unsafe_code, reason = "no crate has this call")]
    // SAFETY: TUNSETOFFLOAD takes its argument as a number.
    unsafe {
        ioctl(queue, IntegerSetter::<SET_OFFLOAD>::new_usize(what))
    }
}
