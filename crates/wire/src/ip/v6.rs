//! IPv6 (RFC 8200).

use core::net::Ipv6Addr;

use pnet_packet::ipv6::Ipv6Packet;

use super::extension::Chain;
use super::{Ecn, Fragment};
use crate::ParseError;
use crate::error::{BufferTooSmall, room};

/// Octets of the fixed header.
pub const HEADER_LEN: usize = 40;
/// Where the fixed header names what follows it.
pub(crate) const NEXT_HEADER: usize = 6;

/// An IPv6 packet whose lengths are consistent, its chain of extension headers walked.
#[derive(Clone, Copy, Debug)]
pub struct Ipv6View<'a> {
    header: Ipv6Header,
    flow_label: u32,
    chain: Chain,
    packet: &'a [u8],
}

impl<'a> Ipv6View<'a> {
    /// A view of the packet at the start of `bytes`.
    ///
    /// # Errors
    /// [`ParseError::Ipv6Truncated`], [`ParseError::IpVersion`], [`ParseError::Ipv6Cut`], and those of
    /// [`super::extension`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        Self::parse_front(bytes, 0)
    }

    /// As [`Self::parse`], of a packet whose last `behind` octets stand elsewhere: [`Self::packet`] is what is here of it.
    ///
    /// # Errors
    /// Those of [`Self::parse`], as if the packet ended here; [`ParseError::Ipv6PayloadLength`] if its payload isn't as long
    /// as that.
    pub fn parse_front(bytes: &'a [u8], behind: usize) -> Result<Self, ParseError> {
        let missing = ParseError::Ipv6Truncated(HEADER_LEN.saturating_sub(bytes.len()));
        let fields = Ipv6Packet::new(bytes).ok_or(missing)?;
        if fields.get_version() != 6 {
            return Err(ParseError::IpVersion(fields.get_version()));
        }
        let payload_len = usize::from(fields.get_payload_length());
        let total_len = HEADER_LEN + payload_len;
        let front = total_len.checked_sub(behind).filter(|front| *front >= HEADER_LEN);
        let front = front.ok_or(ParseError::Ipv6PayloadLength(payload_len))?;
        let packet = bytes.get(..front).ok_or(ParseError::Ipv6Cut(front.saturating_sub(bytes.len())))?;
        let chain = Chain::walk(packet, fields.get_next_header().0, NEXT_HEADER, HEADER_LEN)?;
        let header = Ipv6Header {
            source: fields.get_source().octets().into(),
            destination: fields.get_destination().octets().into(),
            protocol: chain.protocol,
            payload_len: total_len - chain.header_len,
            hop_limit: fields.get_hop_limit(),
            traffic_class: fields.get_traffic_class(),
        };
        Ok(Self { header, flow_label: fields.get_flow_label(), chain, packet })
    }

    /// Who sent it.
    pub const fn source(&self) -> Ipv6Addr {
        self.header.source
    }

    /// To whom.
    pub const fn destination(&self) -> Ipv6Addr {
        self.header.destination
    }

    /// The number of the protocol behind the extension headers; of a [`Self::fragment`], of what follows its fragment
    /// header, which may be an extension header that was cut ([`super::extension::skip`] walks on once all is there).
    pub const fn protocol(&self) -> u8 {
        self.header.protocol
    }

    /// Where in the packet the field stands that names [`Self::protocol`]: what an ICMPv6 parameter problem points at
    /// if nobody here speaks it.
    pub const fn protocol_named_at(&self) -> usize {
        self.chain.named_at
    }

    /// Hop limit.
    pub const fn hop_limit(&self) -> u8 {
        self.header.hop_limit
    }

    /// Diffserv code point and ECN bits, as one octet.
    pub const fn traffic_class(&self) -> u8 {
        self.header.traffic_class
    }

    /// The Diffserv code point (RFC 2474): 0 to 63.
    pub const fn dscp(&self) -> u8 {
        self.header.traffic_class >> 2
    }

    /// What routers said, or may say, of congestion.
    pub const fn ecn(&self) -> Ecn {
        Ecn::of(self.header.traffic_class)
    }

    /// The flow label: 20 bits (RFC 6437).
    pub const fn flow_label(&self) -> u32 {
        self.flow_label
    }

    /// The piece of a datagram that it is; `None` if it is whole. A lone piece that is everything (RFC 6946) counts as
    /// whole.
    pub const fn fragment(&self) -> Option<Fragment> {
        self.chain.fragment
    }

    /// The header as one would write it, without extension headers.
    pub const fn header(&self) -> Ipv6Header {
        self.header
    }

    /// Octets of the fixed header and all extension headers.
    pub const fn header_len(&self) -> usize {
        self.chain.header_len
    }

    /// Octets of [`Self::packet`].
    pub const fn total_len(&self) -> usize {
        self.packet.len()
    }

    /// The whole packet, or what is here of it, without what a link padded.
    pub const fn packet(&self) -> &'a [u8] {
        self.packet
    }

    /// What it carries: extension headers are skipped, padding is cut off.
    pub fn payload(&self) -> &'a [u8] {
        self.packet.get(self.chain.header_len..).unwrap_or_default()
    }
}

/// Where an IPv6 packet, or what of it is there, names its upper protocol; if the chain can't be walked, where the fixed
/// header names what follows.
pub(crate) fn upper_named_at(packet: &[u8]) -> u32 {
    let first = packet.get(NEXT_HEADER).copied().unwrap_or(super::protocol::NONE);
    let chain = Chain::walk(packet, first, NEXT_HEADER, HEADER_LEN);
    let named_at = chain.map_or(NEXT_HEADER, |chain| chain.named_at);
    u32::try_from(named_at).unwrap_or(u32::MAX)
}

/// A header to write, without extension headers; its flow label is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6Header {
    /// Who sends.
    pub source: Ipv6Addr,
    /// To whom.
    pub destination: Ipv6Addr,
    /// The number of the protocol that follows.
    pub protocol: u8,
    /// Octets that follow: up to 65,535. A super-segment that the device cuts may be longer than the field says; the
    /// device writes it anew.
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
