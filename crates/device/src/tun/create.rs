//! Making a TUN device: name, addresses, MTU, queue, up.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

use tun_tap::{Iface, Mode};

use super::Tun;
use crate::netlink::{Link, LinkSettings};
use crate::pool::Pool;
use crate::{Cidr, Error};

/// The kernel's limit on names, without the zero that ends them.
const MAX_NAME: usize = 15;

/// What a TUN device is to be like.
///
/// ```no_run
/// # use sockeye_device::{Tun, TunConfig};
/// let tun = Tun::create(&TunConfig { addresses: vec!["10.9.0.1/24".parse()?], ..TunConfig::default() })?;
/// println!("{} is up", tun.name());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TunConfig {
    /// Its name, up to 15 octets; empty for whatever the kernel chooses.
    pub name: String,
    /// The addresses of the kernel's end. Those of the stack at this end are in the same networks, and its own affair.
    pub addresses: Vec<Cidr>,
    /// Octets of the largest packet: 68 to 65,535, with IPv6 at least 1280. Default 1500.
    pub mtu: u16,
    /// Packets that the kernel queues for us before it drops. Default 10,000: with the kernel's own 500, a window of
    /// 3,700 packets overflows it at every burst.
    pub tx_queue_len: u32,
}

impl Default for TunConfig {
    fn default() -> Self {
        Self { name: String::new(), addresses: Vec::new(), mtu: 1500, tx_queue_len: 10_000 }
    }
}

impl Tun {
    /// Makes the device, gives it its addresses and sets it up, in the namespace of the calling thread.
    ///
    /// # Errors
    /// [`Error::NoTunDevice`], [`Error::NotPermitted`], [`Error::NameTooLong`], [`Error::NameInvalid`],
    /// [`Error::NameInUse`], [`Error::AddressTaken`], [`Error::MtuOutOfRange`], [`Error::Io`].
    pub fn create(config: &TunConfig) -> Result<Self, Error> {
        check(config)?;
        let iface = open(&config.name, Mode::Tun)?;
        iface.set_non_blocking().map_err(Error::io("making the TUN device non-blocking"))?;
        let link = Link::by_name(iface.name())?;
        link.set(LinkSettings {
            mtu: Some(config.mtu.into()),
            tx_queue_len: Some(config.tx_queue_len),
            up: Some(true),
        })?;
        for &address in &config.addresses {
            link.add_address(address)?;
        }
        let fd = duplicate(&iface)?;
        Ok(Self { iface, fd, mtu: config.mtu, pool: Mutex::new(Pool::new(usize::from(config.mtu))), refused: AtomicU64::new(0) })
    }
}

fn check(config: &TunConfig) -> Result<(), Error> {
    let TunConfig { name, mtu, .. } = config;
    if name.len() > MAX_NAME {
        return Err(Error::NameTooLong(name.clone()));
    }
    if name == "." || name == ".." || name.contains(|c: char| c == '/' || c == ':' || c == '\0' || c.is_whitespace()) {
        return Err(Error::NameInvalid(name.clone()));
    }
    let least = if config.addresses.iter().any(|address| address.address().is_ipv6()) { 1280 } else { 68 };
    if *mtu < least {
        return Err(Error::MtuOutOfRange((*mtu).into()));
    }
    Ok(())
}

fn open(name: &str, mode: Mode) -> Result<Iface, Error> {
    if !Path::new("/dev/net/tun").exists() {
        return Err(Error::NoTunDevice);
    }
    Iface::without_packet_info(name, mode).map_err(|error| match error.raw_os_error() {
        Some(code) if code == rustix::io::Errno::BUSY.raw_os_error() => Error::NameInUse(name.to_owned()),
        // The name is that of a device of another kind.
        Some(code) if code == rustix::io::Errno::INVAL.raw_os_error() => Error::NameInUse(name.to_owned()),
        Some(code) if code == rustix::io::Errno::NODEV.raw_os_error() => Error::NoTunDevice,
        _ => Error::io("opening a TUN device")(error),
    })
}

/// tun-tap shows its descriptor as a number only.
#[expect(unsafe_code, reason = "a raw descriptor is borrowed")]
fn duplicate(iface: &Iface) -> Result<OwnedFd, Error> {
    // SAFETY: `iface` owns the descriptor and lives longer than the borrow.
    let fd = unsafe { BorrowedFd::borrow_raw(iface.as_raw_fd()) };
    fd.try_clone_to_owned().map_err(|error: io::Error| Error::Io("duplicating a descriptor", error))
}
