//! IPv6 (RFC 8200).

use core::net::Ipv6Addr;

use pnet_packet::ipv6::Ipv6Packet;

use super::Fragment;
use super::extension::{self, Chain};
use crate::ParseError;
use crate::error::{BufferTooSmall, room};

/// Octets of the fixed header.
pub const HEADER_LEN: usize = 40;
/// Where the fixed header names what follows it.
const NEXT_HEADER: usize = 6;

/// An IPv6 packet whose lengths are consistent, its chain of extension headers walked.
#[derive(Debug)]
pub struct Ipv6View<'a> {
    packet: Ipv6Packet<'a>,
    bytes: &'a [u8],
    chain: Chain,
}

impl<'a> Ipv6View<'a> {
    /// A view of the packet at the start of `bytes`.
    ///
    /// # Errors
    /// [`ParseError::Truncated`], [`ParseError::Version`], [`ParseError::TotalLength`],
    /// [`ParseError::ExtensionHeader`], [`ParseError::TooManyExtensionHeaders`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let packet = Ipv6Packet::new(bytes).ok_or(ParseError::Truncated(HEADER_LEN.saturating_sub(bytes.len())))?;
        if packet.get_version() != 6 {
            return Err(ParseError::Version(packet.get_version()));
        }
        let total = HEADER_LEN + usize::from(packet.get_payload_length());
        let bytes = bytes.get(..total).ok_or(ParseError::TotalLength(total))?;
        let chain = extension::walk(bytes, packet.get_next_header().0, HEADER_LEN, NEXT_HEADER)?;
        Ok(Self { packet, bytes, chain })
    }

    /// Who sent it.
    pub fn source(&self) -> Ipv6Addr {
        self.packet.get_source().octets().into()
    }

    /// To whom.
    pub fn destination(&self) -> Ipv6Addr {
        self.packet.get_destination().octets().into()
    }

    /// The number of the protocol behind the extension headers.
    pub const fn protocol(&self) -> u8 {
        self.chain.protocol
    }

    /// Hop limit.
    pub fn hop_limit(&self) -> u8 {
        self.packet.get_hop_limit()
    }

    /// Diffserv code point and ECN bits, as one octet.
    pub fn traffic_class(&self) -> u8 {
        self.packet.get_traffic_class()
    }

    /// The piece of a datagram that it is; `None` if it is whole. A lone piece that is everything (RFC 6946) counts as
    /// whole.
    pub fn fragment(&self) -> Option<Fragment> {
        self.chain.fragment.filter(|fragment| fragment.more || fragment.offset > 0)
    }

    /// Octets of the fixed header and all extension headers.
    pub const fn header_len(&self) -> usize {
        self.chain.header_len
    }

    /// Octets of the whole packet.
    pub const fn total_len(&self) -> usize {
        self.bytes.len()
    }

    /// What it carries: extension headers are skipped, padding is cut off.
    pub fn payload(&self) -> &'a [u8] {
        self.bytes.get(self.chain.header_len..).unwrap_or_default()
    }
}

/// A header to write, without extension headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6Header {
    /// Who sends.
    pub source: Ipv6Addr,
    /// To whom.
    pub destination: Ipv6Addr,
    /// The number of the protocol that follows.
    pub protocol: u8,
    /// Octets that follow: up to 65,535.
    pub payload_len: usize,
    /// Hop limit.
    pub hop_limit: u8,
    /// Diffserv code point and ECN bits, as one octet.
    pub traffic_class: u8,
}

impl Ipv6Header {
    /// Writes the header and says that it takes 40 octets.
    ///
    /// # Errors
    /// [`BufferTooSmall`].
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let header = room(buffer, HEADER_LEN)?;
        let first = 0x6000_0000 | u32::from(self.traffic_class) << 20;
        let length = u16::try_from(self.payload_len).unwrap_or(u16::MAX);
        let (fixed, addresses) = header.split_at_mut(8);
        let [f0, f1, f2, f3] = first.to_be_bytes();
        let [l0, l1] = length.to_be_bytes();
        fixed.copy_from_slice(&[f0, f1, f2, f3, l0, l1, self.protocol, self.hop_limit]);
        let (source, destination) = addresses.split_at_mut(16);
        source.copy_from_slice(&self.source.octets());
        destination.copy_from_slice(&self.destination.octets());
        Ok(HEADER_LEN)
    }
}
