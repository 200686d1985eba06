//! IP, either version.

mod ecn;
pub mod extension;
mod header;
pub mod v4;
pub mod v6;

use core::net::IpAddr;

use crate::ParseError;
pub use ecn::Ecn;
pub use header::IpHeader;
use v4::Ipv4View;
use v6::Ipv6View;

/// Numbers of the protocols above IP.
pub mod protocol {
    /// ICMP for IPv4.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
    /// IPv6: nothing follows, and if something does it is to be ignored.
    pub const NONE: u8 = 59;
}

/// One piece of a datagram that was cut on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Which datagram it belongs to; 16 bits in IPv4.
    pub identification: u32,
    /// Where it stands in the datagram's payload, in octets: a multiple of 8.
    pub offset: u32,
    /// Others follow.
    pub more: bool,
}

impl Fragment {
    /// True if it is everything: nothing before, nothing behind (RFC 6946 calls that atomic).
    pub const fn is_whole(self) -> bool {
        self.offset == 0 && !self.more
    }
}

/// An IP packet of either version, checked.
#[derive(Clone, Copy, Debug)]
pub enum IpView<'a> {
    /// IPv4.
    V4(Ipv4View<'a>),
    /// IPv6.
    V6(Ipv6View<'a>),
}

impl<'a> IpView<'a> {
    /// A view of the packet at the start of `bytes`, by its version.
    ///
    /// # Errors
    /// What the two versions' parsers return; [`ParseError::IpEmpty`], [`ParseError::IpVersion`].
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        Self::parse_front(bytes, 0)
    }

    /// As [`Self::parse`], of a packet whose last `behind` octets stand elsewhere: [`Self::packet`] is what is here of it.
    ///
    /// # Errors
    /// Those of [`Self::parse`].
    #[inline]
    pub fn parse_front(bytes: &'a [u8], behind: usize) -> Result<Self, ParseError> {
        match bytes.first().ok_or(ParseError::IpEmpty)? >> 4 {
            4 => Ipv4View::parse_front(bytes, behind).map(Self::V4),
            6 => Ipv6View::parse_front(bytes, behind).map(Self::V6),
            version => Err(ParseError::IpVersion(version)),
        }
    }

    /// Who sent it.
    pub const fn source(&self) -> IpAddr {
        match self {
            Self::V4(view) => IpAddr::V4(view.source()),
            Self::V6(view) => IpAddr::V6(view.source()),
        }
    }

    /// To whom.
    pub const fn destination(&self) -> IpAddr {
        match self {
            Self::V4(view) => IpAddr::V4(view.destination()),
            Self::V6(view) => IpAddr::V6(view.destination()),
        }
    }

    /// The number of the protocol that it carries, extension headers skipped.
    pub const fn protocol(&self) -> u8 {
        match self {
            Self::V4(view) => view.protocol(),
            Self::V6(view) => view.protocol(),
        }
    }

    /// What it carries, options and extension headers skipped, padding cut off.
    pub fn payload(&self) -> &'a [u8] {
        match self {
            Self::V4(view) => view.payload(),
            Self::V6(view) => view.payload(),
        }
    }

    /// The piece of a datagram that it is; `None` if it is whole.
    pub fn fragment(&self) -> Option<Fragment> {
        match self {
            Self::V4(view) => view.fragment(),
            Self::V6(view) => view.fragment(),
        }
    }

    /// TTL or hop limit.
    pub const fn hop_limit(&self) -> u8 {
        match self {
            Self::V4(view) => view.ttl(),
            Self::V6(view) => view.hop_limit(),
        }
    }

    /// Diffserv code point and ECN bits, as one octet.
    pub const fn traffic_class(&self) -> u8 {
        match self {
            Self::V4(view) => view.traffic_class(),
            Self::V6(view) => view.traffic_class(),
        }
    }

    /// What routers said, or may say, of congestion.
    pub const fn ecn(&self) -> Ecn {
        Ecn::of(self.traffic_class())
    }

    /// Octets from the start of the packet to its payload.
    pub const fn header_len(&self) -> usize {
        match self {
            Self::V4(view) => view.header_len(),
            Self::V6(view) => view.header_len(),
        }
    }

    /// The whole packet, or what is here of it, without what a link padded.
    pub const fn packet(&self) -> &'a [u8] {
        match self {
            Self::V4(view) => view.packet(),
            Self::V6(view) => view.packet(),
        }
    }

    /// Octets of [`Self::packet`].
    pub const fn total_len(&self) -> usize {
        self.packet().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_ipv6_too_the_front_is_seen_of_a_packet_whose_end_stands_elsewhere() {
        let (source, destination) = (core::net::Ipv6Addr::LOCALHOST, core::net::Ipv6Addr::LOCALHOST);
        let (protocol, payload_len, hop_limit, traffic_class) = (protocol::TCP, 4, 64, 0);
        let mut bytes = [7; 41];
        v6::Ipv6Header { source, destination, protocol, payload_len, hop_limit, traffic_class }
            .emit(&mut bytes)
            .unwrap();
        assert_eq!(IpView::parse_front(&bytes, 3).unwrap().payload(), [7]);
        assert_eq!(IpView::parse_front(&bytes, 2).unwrap_err(), ParseError::Ipv6Cut(1));
        assert_eq!(IpView::parse_front(&bytes, 4).unwrap().payload(), []);
        for behind in [5, 44, 45, 50] {
            assert_eq!(IpView::parse_front(&bytes, behind).unwrap_err(), ParseError::Ipv6PayloadLength(4));
        }
    }

    #[test]
    fn other_versions_are_refused() {
        assert_eq!(IpView::parse(&[]).unwrap_err(), ParseError::IpEmpty);
        assert_eq!(IpView::parse(&[0x50; 40]).unwrap_err(), ParseError::IpVersion(5));
    }
}
