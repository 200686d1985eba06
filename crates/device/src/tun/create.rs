//! Making a TUN or TAP device: name, addresses, MTU, queue, up.

use std::net::IpAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::open::{ATTACH, DEVICE, Layer, Opened, Refused, open_queues};
use crate::netlink::{Link, LinkSettings, addresses, is_local};
use crate::{Cidr, Error};

/// The kernel's limit on names, without the zero that ends them.
const MAX_NAME: usize = 15;
/// What a kernel with IPv6 must be able to send in one piece (RFC 8200 section 5).
pub(crate) const MIN_MTU_V6: u16 = 1280;
/// What every IPv4 link must carry (RFC 791).
const MIN_MTU_V4: u16 = 68;

/// How long the kernel may take, at most, to know an address as its own.
const LOCAL_WITHIN: Duration = Duration::from_secs(2);

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
    /// Super-segments of up to 64 KiB both ways, cut only where a wire wants it, and checksums only where one is crossed:
    /// many times faster. Default true; what the kernel can't do is done without, with a line in the log.
    pub offload: bool,
}

impl Default for TunConfig {
    fn default() -> Self {
        Self { name: String::new(), addresses: Vec::new(), mtu: 1500, tx_queue_len: 10_000, offload: true }
    }
}

/// Makes a device with so many queues in the namespace of the calling thread and sets it up.
pub(crate) fn create(config: &TunConfig, layer: Layer, queues: usize) -> Result<Opened, Error> {
    check(config)?;
    if !Path::new(DEVICE).exists() {
        return Err(Error::NoTunDevice);
    }
    let opened =
        open_queues(&config.name, layer, config.offload, queues).map_err(|error| refused(&config.name, error))?;
    configure(Link::by_name(&opened.name)?, config)?;
    let kind = if layer == Layer::Ip { "TUN" } else { "TAP" };
    let offload = if opened.offloads { "with offload" } else { "plain" };
    let (name, count) = (&opened.name, 1 + opened.more.len());
    log::debug!("{name}: {kind}, {offload}, MTU {}, txqueuelen {}, queues: {count}", config.mtu, config.tx_queue_len);
    Ok(opened)
}

fn check(config: &TunConfig) -> Result<(), Error> {
    let TunConfig { name, mtu, addresses, .. } = config;
    if name.len() > MAX_NAME {
        return Err(Error::NameTooLong(name.clone()));
    }
    if !is_name(name) {
        return Err(Error::NameInvalid(name.clone()));
    }
    let with_v6 = addresses.iter().any(|address| address.address().is_ipv6());
    if *mtu < if with_v6 { MIN_MTU_V6 } else { MIN_MTU_V4 } {
        return Err(Error::MtuOutOfRange((*mtu).into()));
    }
    Ok(())
}

/// Whether the kernel takes the name, which has no sign for a number in it but one `%d`.
fn is_name(name: &str) -> bool {
    let is_odd = |c: char| c == '/' || c == ':' || c == '\0' || c.is_whitespace();
    name != "." && name != ".." && !name.contains(is_odd) && !name.replacen("%d", "", 1).contains('%')
}

/// What the kernel meant by refusing.
fn refused(name: &str, Refused { call, error }: Refused) -> Error {
    match error {
        Errno::NODEV | Errno::NXIO => Error::NoTunDevice,
        Errno::ACCESS => Error::TunNotAccessible,
        Errno::BUSY => Error::NameInUse(name.to_owned()),
        // The name is that of a device of another kind.
        Errno::INVAL if call == ATTACH && Link::by_name(name).is_ok() => Error::NameInUse(name.to_owned()),
        Errno::PERM => Error::NotPermitted("making a TUN or TAP device"),
        _ => Error::Io(call, error.into()),
    }
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
    link.set(LinkSettings {
        mtu: Some((*mtu).into()),
        tx_queue_len: Some(*tx_queue_len),
        up,
        ..LinkSettings::default()
    })?;
    // A device that was there before, made to persist, may have some of them.
    let missing = wanted.iter().filter(|wanted| !there.contains(&(link, **wanted)));
    missing.copied().try_for_each(|address| link.add_address(address))?;
    wanted.iter().for_each(|address| wait_until_local(address.address()));
    Ok(())
}

/// Linux makes an IPv6 address its own a moment after it was given, in a work queue: what arrived before would be lost.
fn wait_until_local(address: IpAddr) {
    let end = Instant::now() + LOCAL_WITHIN;
    while address.is_ipv6() && !is_local(address).unwrap_or(true) && Instant::now() < end {
        thread::sleep(Duration::from_millis(1));
    }
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

    #[test]
    fn a_call_that_was_refused_is_named_not_the_name_of_the_device() {
        for call in ["TUNGETFEATURES", ATTACH] {
            let why = refused("sockeye-absent", Refused { call, error: Errno::INVAL }).to_string();
            assert!(why.starts_with(&format!("{call} failed: Invalid argument")), "{why}");
        }
        for (name, is_one) in [("tun%d", true), ("a%s", false), ("%d%d", false), ("100%", false), ("a b", false)] {
            assert_eq!(is_name(name), is_one, "{name}");
        }
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
