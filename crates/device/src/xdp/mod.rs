//! An `AF_XDP` device: TCP taken over from the kernel on an interface (cargo feature `xdp`).
//!
//! A program of six instructions takes the frames of one queue to a socket before the kernel's network stack sees them;
//! what the stack sends goes to the driver past it. The interface's other queues, and all of it once the device is
//! dropped, stay the kernel's. Neither libxdp nor a compiler is needed, but a Linux of 5.9 or later, and the rights
//! `CAP_NET_ADMIN`, `CAP_NET_RAW` and `CAP_BPF` (or root).

mod program;
mod ring;
mod socket;

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use sockeye_wire::Instant;
use sockeye_wire::ethernet::MacAddr;

use crate::device::delegate;
use crate::ethernet::Ethernet;
use crate::netlink::Link;
use crate::{Capabilities, Cidr, Counters, Device, Error, Outgoing, Packet};
use program::{Program, is_taken};
use socket::{MAX_MTU, Socket};

/// Where the frames are taken from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum XdpMode {
    /// From the driver if it can do that, else behind it.
    #[default]
    Best,
    /// From the driver, before the kernel has made anything of them.
    Driver,
    /// Behind the driver: slower, with every driver. Whoever sends must send frames that fit the MTU: at the other end of
    /// a veth pair, segmentation offload is to be off.
    Generic,
}

/// What an `AF_XDP` device is to be like.
///
/// ```no_run
/// # use sockeye_device::{Xdp, XdpConfig};
/// let xdp = Xdp::open(&XdpConfig {
///     interface: "eth1".to_owned(),
///     own_addresses: vec!["192.0.2.7/24".parse()?],
///     gateways: vec!["192.0.2.1".parse()?],
///     ..XdpConfig::default()
/// })?;
/// println!("{} is ours, without copies: {}", xdp.hardware_address(), xdp.is_zero_copy());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct XdpConfig {
    /// The name of the interface, which is up. Its MTU is the device's, and at most 3826.
    pub interface: String,
    /// Its queue, from 0. What it puts into others is the kernel's: have it use one (`ethtool -L`), or steer flows.
    pub queue: u32,
    /// The stack's addresses: the device answers when neighbours ask for them, and looks for neighbours in their
    /// networks.
    pub own_addresses: Vec<Cidr>,
    /// The stack's hardware address. Default: the interface's own.
    pub hardware_address: Option<MacAddr>,
    /// Who gets what is for none of the networks: the first of either family. Without one, everybody is looked for on
    /// the link.
    pub gateways: Vec<IpAddr>,
    /// Where the frames are taken from.
    pub mode: XdpMode,
}

/// A queue of an interface, taken from the kernel; given back when this is dropped.
#[derive(Debug)]
pub struct Xdp {
    link: Ethernet<Socket>,
    zero_copy: bool,
}

impl Xdp {
    /// Takes the queue over, in the namespace of the calling thread.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`], [`Error::XdpMtu`], [`Error::XdpInUse`], [`Error::HardwareAddress`], [`Error::NotPermitted`],
    /// [`Error::Io`]: among others, when the interface has no such queue, or the kernel has no XDP.
    pub fn open(config: &XdpConfig) -> Result<Self, Error> {
        let interface = Link::by_name(&config.interface)?;
        let info = interface.info()?;
        let mtu = u16::try_from(info.mtu).ok().filter(|mtu| usize::from(*mtu) <= MAX_MTU);
        let mtu = mtu.ok_or_else(|| Error::XdpMtu(config.interface.clone(), info.mtu, MAX_MTU))?;
        let own = info.hardware_address.first_chunk().map_or(MacAddr::ZERO, |octets| MacAddr(*octets));
        let address = config.hardware_address.unwrap_or(own);

        let program = Program::attach(interface.index(), config.queue, config.mode);
        let program = program.map_err(|error| match Errno::from_io_error(&error) {
            Some(error) if is_taken(error) => Error::XdpInUse(config.interface.clone()),
            _ => Error::io("attaching an XDP program")(error),
        })?;
        let socket = Socket::bind(interface.index(), config.queue, mtu, program);
        let socket = socket.map_err(Error::io("opening an AF_XDP socket"))?;
        let zero_copy = socket.is_zero_copy();
        let XdpConfig { interface, queue, .. } = config;
        let copies = if zero_copy { "where they lie" } else { "as copies" };
        log::debug!("{interface}: AF_XDP on queue {queue}, MTU {mtu}, {address}; the driver's frames {copies}");
        let link = Ethernet::new(socket, address, &config.own_addresses, &config.gateways)?;
        Ok(Self { link, zero_copy })
    }

    /// The stack's hardware address.
    pub const fn hardware_address(&self) -> MacAddr {
        self.link.hardware_address()
    }

    /// True if the driver reads and writes frames where they are; else the kernel copies each once.
    pub const fn is_zero_copy(&self) -> bool {
        self.zero_copy
    }
}

impl Device for Xdp {
    delegate!(self => self.link);
}
