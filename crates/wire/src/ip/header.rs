//! A header to write, of either version.

use core::net::IpAddr;

use super::v4::Ipv4Header;
use super::v6::Ipv6Header;
use crate::error::BufferTooSmall;

/// The header of a packet of the version that its addresses have, without options or extension headers.
///
/// ```
/// # use sockeye_wire::ip::{IpHeader, IpView, protocol};
/// let header = IpHeader {
///     source: "fd00::1".parse().unwrap(),
///     destination: "fd00::2".parse().unwrap(),
///     protocol: protocol::UDP,
///     payload_len: 0,
///     hop_limit: 64,
///     traffic_class: 0,
///     dont_fragment: true,
/// };
/// let mut packet = [0; 40];
/// assert_eq!(header.emit(&mut packet), Ok(40));
/// assert_eq!(IpView::parse(&packet).unwrap().source(), header.source);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpHeader {
    /// Who sends it.
    pub source: IpAddr,
    /// Whom to.
    pub destination: IpAddr,
    /// What follows: see [`protocol`](super::protocol).
    pub protocol: u8,
    /// Octets that follow the header; what doesn't fit the field is written as the largest.
    pub payload_len: usize,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// Diffserv code point and ECN bits, as one octet.
    pub traffic_class: u8,
    /// In IPv4 no router may cut the packet; in IPv6 none ever may.
    pub dont_fragment: bool,
}

impl IpHeader {
    /// Writes the header and says how many octets it takes; none if the addresses are of two families, as no packet's are.
    /// The identification of IPv4 is 0, which is right where nobody cuts the packet (RFC 6864).
    ///
    /// # Errors
    /// [`BufferTooSmall`].
    #[inline]
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let Self { source, destination, protocol, payload_len, hop_limit, traffic_class, dont_fragment } = *self;
        match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => Ipv4Header {
                source,
                destination,
                protocol,
                payload_len,
                ttl: hop_limit,
                traffic_class,
                identification: 0,
                dont_fragment,
            }
            .emit(buffer),
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                Ipv6Header { source, destination, protocol, payload_len, hop_limit, traffic_class }.emit(buffer)
            }
            _ => Ok(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ip::{IpView, protocol};

    fn header(source: &str, destination: &str) -> IpHeader {
        IpHeader {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            protocol: protocol::TCP,
            payload_len: 4,
            hop_limit: 9,
            traffic_class: 0xb9,
            dont_fragment: true,
        }
    }

    #[test]
    fn the_addresses_say_which_version_it_is() {
        for (header, length) in [(header("10.0.0.1", "10.0.0.2"), 20), (header("fd00::1", "fd00::2"), 40)] {
            let mut packet = [7; 64];
            assert_eq!(header.emit(&mut packet), Ok(length));
            let view = IpView::parse(&packet[..length + 4]).unwrap();
            assert_eq!((view.source(), view.destination()), (header.source, header.destination));
            assert_eq!((view.protocol(), view.payload()), (protocol::TCP, &[7; 4][..]));
            assert_eq!((view.hop_limit(), view.traffic_class()), (9, 0xb9));
            assert_eq!(header.emit(&mut packet[..length - 1]), Err(BufferTooSmall(1)));
        }
    }

    #[test]
    fn two_families_make_no_packet() {
        assert_eq!(header("10.0.0.1", "fd00::2").emit(&mut [0; 64]), Ok(0));
    }
}
