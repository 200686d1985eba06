//! A TAP device: Ethernet frames to and from the kernel of this machine, IP packets to and from the stack.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use sockeye_wire::Instant;
use sockeye_wire::ethernet::MacAddr;

use crate::device::delegate;
use crate::ethernet::{Ethernet, HEADER_LEN};
use crate::tun::{self, Layer, Opened, Queue};
use crate::{Capabilities, Cidr, Counters, Device, Error, Outgoing, Packet, TunConfig};

/// The largest MTU: a frame has at most 65,535 octets, its header among them.
const MAX_MTU: u16 = u16::MAX - 14;

/// What a TAP device is to be like.
///
/// ```no_run
/// # use sockeye_device::{Tap, TapConfig};
/// let tap = Tap::create(&TapConfig {
///     addresses: vec!["10.9.0.1/24".parse()?],
///     own_addresses: vec!["10.9.0.2/24".parse()?],
///     ..TapConfig::default()
/// })?;
/// println!("{} is up, we are {}", tap.name(), tap.hardware_address());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TapConfig {
    /// Its name, up to 15 octets, `%d` in it standing for the first free number; empty for whatever the kernel chooses.
    pub name: String,
    /// The addresses of the kernel's end.
    pub addresses: Vec<Cidr>,
    /// The stack's addresses: the device answers when neighbours ask for them, and looks for neighbours in their
    /// networks.
    pub own_addresses: Vec<Cidr>,
    /// The stack's hardware address, one for a single host. Default: made from the first of its addresses.
    pub hardware_address: Option<MacAddr>,
    /// Who gets what is for none of the networks: the first of either family. Without one, everybody is looked for on
    /// the link.
    pub gateways: Vec<IpAddr>,
    /// Octets of the largest IP packet: 68 to 65,521, with IPv6 at least 1280. Default 1500.
    pub mtu: u16,
    /// Packets that the kernel queues for us before it drops. Default 10,000.
    pub tx_queue_len: u32,
    /// As for a TUN device: [`TunConfig::offload`].
    pub offload: bool,
}

impl Default for TapConfig {
    fn default() -> Self {
        let TunConfig { name, addresses, mtu, tx_queue_len, offload } = TunConfig::default();
        let (own_addresses, gateways) = (Vec::new(), Vec::new());
        Self { name, addresses, own_addresses, hardware_address: None, gateways, mtu, tx_queue_len, offload }
    }
}

impl TapConfig {
    fn check(&self) -> Result<(), Error> {
        let with_v6 = self.own_addresses.iter().any(|address| address.address().is_ipv6());
        if self.mtu > MAX_MTU || (with_v6 && self.mtu < tun::MIN_MTU_V6) {
            return Err(Error::MtuOutOfRange(self.mtu.into()));
        }
        Ok(())
    }

    /// What of it concerns the kernel's end.
    fn link(&self) -> TunConfig {
        let Self { name, addresses, mtu, tx_queue_len, offload, .. } = self.clone();
        TunConfig { name, addresses, mtu, tx_queue_len, offload }
    }
}

/// A locally administered address that two hosts of a network don't share: the last octets of the IP address in it.
fn derived(own: Option<&Cidr>) -> MacAddr {
    let [a, b, c, d] = match own.map(|own| own.address()) {
        Some(IpAddr::V4(v4)) => v4.octets(),
        Some(IpAddr::V6(v6)) => {
            let [.., a, b, c, d] = v6.octets();
            [a, b, c, d]
        }
        None => [0, 0, 0, 1],
    };
    MacAddr([0x02, 0x00, a, b, c, d])
}

/// A TAP device, one frame or super-segment a system call. It is gone when this is dropped.
#[derive(Debug)]
pub struct Tap {
    name: String,
    link: Ethernet<Queue>,
}

impl Tap {
    /// Makes the device, gives it its addresses and sets it up, in the namespace of the calling thread.
    ///
    /// # Errors
    /// Those of [`Tun::create`](crate::Tun::create), and [`Error::HardwareAddress`].
    pub fn create(config: &TapConfig) -> Result<Self, Error> {
        config.check()?;
        let Opened { first, name, offloads, .. } = tun::create(&config.link(), Layer::Ethernet, 1)?;
        let queue = Queue::new(first, offloads, config.mtu, HEADER_LEN);
        let address = config.hardware_address.unwrap_or_else(|| derived(config.own_addresses.first()));
        let link = Ethernet::new(queue, address, &config.own_addresses, &config.gateways)?;
        Ok(Self { name, link })
    }

    /// The name that the kernel gave it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The stack's hardware address.
    pub const fn hardware_address(&self) -> MacAddr {
        self.link.hardware_address()
    }
}

impl Device for Tap {
    delegate!(self => self.link);
}
