//! IP, either version.

pub mod extension;
pub mod v4;
pub mod v6;

use core::net::IpAddr;

use crate::ParseError;
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

/// An IP packet of either version, checked.
#[derive(Debug)]
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
    /// What the two versions' parsers return; [`ParseError::Version`] for any other.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        match bytes.first().ok_or(ParseError::Truncated(1))? >> 4 {
            4 => Ipv4View::parse(bytes).map(Self::V4),
            6 => Ipv6View::parse(bytes).map(Self::V6),
            version => Err(ParseError::Version(version)),
        }
    }

    /// Who sent it.
    pub fn source(&self) -> IpAddr {
        match self {
            Self::V4(view) => view.source().into(),
            Self::V6(view) => view.source().into(),
        }
    }

    /// To whom.
    pub fn destination(&self) -> IpAddr {
        match self {
            Self::V4(view) => view.destination().into(),
            Self::V6(view) => view.destination().into(),
        }
    }

    /// The number of the protocol that it carries, extension headers skipped.
    pub fn protocol(&self) -> u8 {
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
    pub fn hop_limit(&self) -> u8 {
        match self {
            Self::V4(view) => view.ttl(),
            Self::V6(view) => view.hop_limit(),
        }
    }

    /// Octets from the start of the packet to its payload.
    pub fn header_len(&self) -> usize {
        match self {
            Self::V4(view) => view.header_len(),
            Self::V6(view) => view.header_len(),
        }
    }
}
