//! An address and the length of its network's prefix.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// An address with the prefix length of its network: `10.9.0.2/24`, `fd09::2/64`.
///
/// ```
/// # use sockeye_device::Cidr;
/// let ours: Cidr = "10.9.0.2/24".parse()?;
/// assert_eq!(ours.first_other_host(), Some("10.9.0.1/24".parse()?));
/// assert!(ours.contains("10.9.0.77".parse().unwrap()));
/// assert!("10.9.0.2/33".parse::<Cidr>().is_err());
/// # Ok::<(), sockeye_device::CidrError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cidr {
    address: IpAddr,
    prefix_len: u8,
}

/// Why a text is no [`Cidr`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CidrError(String);

impl fmt::Display for CidrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not an address with a prefix length, such as 10.9.0.2/24 or fd09::2/64", self.0)
    }
}

impl std::error::Error for CidrError {}

impl Cidr {
    /// `address/prefix_len`; `None` if the prefix is longer than the address.
    pub fn new(address: IpAddr, prefix_len: u8) -> Option<Self> {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        (prefix_len <= bits).then_some(Self { address, prefix_len })
    }

    /// The address.
    pub const fn address(self) -> IpAddr {
        self.address
    }

    /// Bits of the address that name the network.
    pub const fn prefix_len(self) -> u8 {
        self.prefix_len
    }

    /// True if `other` is in the same network.
    pub fn contains(self, other: IpAddr) -> bool {
        match (self.address, other) {
            (IpAddr::V4(ours), IpAddr::V4(other)) => {
                let host_bits = 32 - u32::from(self.prefix_len);
                (ours.to_bits() ^ other.to_bits()).checked_shr(host_bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(ours), IpAddr::V6(other)) => {
                let host_bits = 128 - u32::from(self.prefix_len);
                (ours.to_bits() ^ other.to_bits()).checked_shr(host_bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }

    /// The address that means all hosts of the network; `None` in IPv6, and where a prefix of 31 or 32 bits leaves none
    /// for it (RFC 3021).
    pub fn broadcast(self) -> Option<IpAddr> {
        match self.address {
            IpAddr::V4(ours) if self.prefix_len <= 30 => {
                let hosts = u32::MAX.checked_shr(self.prefix_len.into()).unwrap_or(0);
                Some(IpAddr::V4((ours.to_bits() | hosts).into()))
            }
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        }
    }

    /// The first address of the network that a host may have and that isn't this one; `None` if there is none.
    pub fn first_other_host(self) -> Option<Self> {
        (1..=2).map(|host| self.host(host)).find(|other| *other != self && self.contains(other.address))
    }

    /// The address in the same network whose host part is `host`.
    fn host(self, host: u8) -> Self {
        let address = match self.address {
            IpAddr::V4(ours) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix_len)).unwrap_or(0);
                IpAddr::V4((ours.to_bits() & mask | u32::from(host)).into())
            }
            IpAddr::V6(ours) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix_len)).unwrap_or(0);
                IpAddr::V6((ours.to_bits() & mask | u128::from(host)).into())
            }
        };
        Self { address, ..self }
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let parts =
            text.split_once('/').and_then(|(address, prefix)| Some((address.parse().ok()?, prefix.parse().ok()?)));
        parts.and_then(|(address, prefix)| Self::new(address, prefix)).ok_or_else(|| CidrError(text.to_owned()))
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_holds_what_shares_its_prefix_and_no_other_family() {
        let contains = |network, address: &str| cidr(network).contains(address.parse().unwrap());
        assert!(contains("10.9.0.2/24", "10.9.0.255") && !contains("10.9.0.2/24", "10.9.1.0"));
        assert!(contains("0.0.0.0/0", "203.0.113.9") && !contains("0.0.0.0/0", "::1"));
        assert!(contains("10.9.0.2/32", "10.9.0.2") && !contains("10.9.0.2/32", "10.9.0.3"));
        assert!(contains("fd00::1/64", "fd00::ffff:0:0:1") && !contains("fd00::1/64", "fd00:0:0:1::1"));
        assert!(contains("::/0", "2001:db8::1") && !contains("::1/128", "::2"));
    }

    #[test]
    fn the_other_host_is_the_first_that_is_not_ours() {
        let other = |text| cidr(text).first_other_host().map(|other| other.to_string());
        assert_eq!(other("10.9.0.2/24").as_deref(), Some("10.9.0.1/24"));
        assert_eq!(other("10.9.0.1/24").as_deref(), Some("10.9.0.2/24"));
        assert_eq!(other("fd09::77/64").as_deref(), Some("fd09::1/64"));
        assert_eq!(other("10.9.0.1/32"), None);
    }

    #[test]
    fn the_broadcast_address_ends_the_network() {
        let broadcast = |text| cidr(text).broadcast().map(|all| all.to_string());
        assert_eq!(broadcast("10.9.0.2/24").as_deref(), Some("10.9.0.255"));
        assert_eq!(broadcast("10.9.0.2/30").as_deref(), Some("10.9.0.3"));
        assert_eq!(broadcast("10.9.0.2/0").as_deref(), Some("255.255.255.255"));
        assert_eq!(broadcast("10.9.0.2/31").or(broadcast("fd09::1/64")), None);
    }

    #[test]
    fn what_is_no_cidr_is_refused_in_words() {
        for text in ["", "10.9.0.1", "10.9.0.1/33", "fd00::/129", "10.9.0/24", "10.9.0.1/", "10.9.0.1/-1"] {
            let error = text.parse::<Cidr>().expect_err(text);
            assert!(error.to_string().contains("10.9.0.2/24"), "{error}");
        }
    }
}
