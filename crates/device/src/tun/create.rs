//! Making a TUN or TAP device: name, addresses, MTU, queue, up.

use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::path::Path;

use rustix::io::Errno;
use tun_tap::{Iface, Mode};

use crate::netlink::{Link, LinkSettings, addresses};
use crate::{Cidr, Error};

/// The kernel's limit on names, without the zero that ends them. tun-tap would cut what is longer.
const MAX_NAME: usize = 15;
/// What a kernel with IPv6 must be able to send in one piece (RFC 8200 section 5).
pub(crate) const MIN_MTU_V6: u16 = 1280;
/// What every IPv4 link must carry (RFC 791).
const MIN_MTU_V4: u16 = 68;
const DEVICE: &str = "/dev/net/tun";

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
    /// Its name, up to 15 octets, `%d` in it standing for the first free number; empty for whatever the kernel chooses.
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

/// Makes a device in the namespace of the calling thread and sets it up; its descriptor, which doesn't block, and name.
pub(crate) fn create(config: &TunConfig, mode: Mode) -> Result<(OwnedFd, String), Error> {
    check(config)?;
    let iface = open(&config.name, mode)?;
    iface.set_non_blocking().map_err(Error::io("making the device non-blocking"))?;
    let name = iface.name().to_owned();
    configure(Link::by_name(&name)?, config)?;
    #[expect(unsafe_code, reason = "tun-tap gives its descriptor away as a number only")]
    // SAFETY: `into_raw_fd` gives up the descriptor, which is open and nobody else's.
    let fd = unsafe { OwnedFd::from_raw_fd(iface.into_raw_fd()) };
    Ok((fd, name))
}

fn check(config: &TunConfig) -> Result<(), Error> {
    let TunConfig { name, mtu, addresses, .. } = config;
    if name.len() > MAX_NAME {
        return Err(Error::NameTooLong(name.clone()));
    }
    if name == "." || name == ".." || name.contains(|c: char| c == '/' || c == ':' || c == '\0' || c.is_whitespace()) {
        return Err(Error::NameInvalid(name.clone()));
    }
    let with_v6 = addresses.iter().any(|address| address.address().is_ipv6());
    if *mtu < if with_v6 { MIN_MTU_V6 } else { MIN_MTU_V4 } {
        return Err(Error::MtuOutOfRange((*mtu).into()));
    }
    Ok(())
}

fn open(name: &str, mode: Mode) -> Result<Iface, Error> {
    if !Path::new(DEVICE).exists() {
        return Err(Error::NoTunDevice);
    }
    Iface::without_packet_info(name, mode).map_err(|error| match Errno::from_io_error(&error) {
        Some(Errno::NODEV | Errno::NXIO) => Error::NoTunDevice,
        Some(Errno::ACCESS) => Error::TunNotAccessible,
        Some(Errno::BUSY) => Error::NameInUse(name.to_owned()),
        // The name is that of a device of another kind, or not a name.
        Some(Errno::INVAL) if Link::by_name(name).is_ok() => Error::NameInUse(name.to_owned()),
        Some(Errno::INVAL) => Error::NameInvalid(name.to_owned()),
        _ => Error::io("making a TUN or TAP device")(error),
    })
}

//= rfc1122#3.3.3-5
/// Sets MTU, queue, addresses, and the link up.
fn configure(link: Link, config: &TunConfig) -> Result<(), Error> {
    let TunConfig { addresses: wanted, mtu, tx_queue_len, .. } = config;
    let there = addresses()?;
    if let Some(taken) = wanted.iter().find(|wanted| is_taken(**wanted, link, &there)) {
        return Err(Error::AddressTaken(*taken));
    }
    let up = Some(true);
    link.set(LinkSettings { mtu: Some((*mtu).into()), tx_queue_len: Some(*tx_queue_len), up })?;
    // A device that was there before, made to persist, may have some of them.
    let missing = wanted.iter().filter(|wanted| !there.contains(&(link, **wanted)));
    missing.copied().try_for_each(|address| link.add_address(address))
}

/// The kernel would let two links have one address, and answer for either on any of them.
fn is_taken(wanted: Cidr, link: Link, there: &[(Link, Cidr)]) -> bool {
    there.iter().any(|(other, address)| *other != link && address.address() == wanted.address())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(config: &TunConfig) -> Option<String> {
        check(config).err().map(|error| error.to_string())
    }

    #[test]
    fn a_name_that_would_be_cut_is_refused_before_the_kernel_sees_it() {
        let named = |name: &str| refusal(&TunConfig { name: name.to_owned(), ..TunConfig::default() });
        assert_eq!(named("fifteen-octets."), None);
        assert!(named("sixteen-octets..").is_some_and(|why| why.contains("too long")));
        assert!(named("a/b").is_some_and(|why| why.contains("can't be a device name")));
    }

    //= rfc1122#3.3.3-5
    #[test]
    fn the_least_mtu_depends_on_the_addresses() {
        let with = |mtu, addresses: &[&str]| {
            let addresses = addresses.iter().filter_map(|address| address.parse().ok()).collect();
            refusal(&TunConfig { addresses, mtu, ..TunConfig::default() })
        };
        assert_eq!(with(68, &["10.0.0.1/24"]), None);
        assert!(with(67, &["10.0.0.1/24"]).is_some_and(|why| why.contains("67 is out of range")));
        assert_eq!(with(1280, &["fd00::1/64"]), None);
        assert!(with(1279, &["10.0.0.1/24", "fd00::1/64"]).is_some_and(|why| why.contains("1279")));
    }

    #[test]
    fn an_address_is_taken_if_another_link_has_it_whatever_its_prefix() {
        let of = |text: &str| text.parse::<Cidr>().ok();
        let there: Vec<_> = of("10.0.0.1/24").map(|address| (Link::numbered(3), address)).into_iter().collect();
        let taken = |link, text| of(text).is_some_and(|wanted| is_taken(wanted, Link::numbered(link), &there));
        assert!(taken(4, "10.0.0.1/16"));
        assert!(!taken(3, "10.0.0.1/24"));
        assert!(!taken(4, "10.0.0.2/24"));
    }
}
