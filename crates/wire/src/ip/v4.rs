//! IPv4 (RFC 791).

use core::net::Ipv4Addr;

use pnet_packet::Packet as _;
use pnet_packet::ipv4::Ipv4Packet;

use super::Fragment;
use crate::ParseError;
use crate::checksum::{Sum, checksum};
use crate::error::{BufferTooSmall, room};

/// Octets of a header without options.
pub const HEADER_LEN: usize = 20;
const DONT_FRAGMENT: u8 = 0b010;
const MORE_FRAGMENTS: u8 = 0b001;

/// An IPv4 packet whose lengths are consistent. Options are skipped (RFC 9293 MUST-50).
#[derive(Debug)]
pub struct Ipv4View<'a> {
    packet: Ipv4Packet<'a>,
    /// Up to the total length: what a link padded is cut off.
    bytes: &'a [u8],
    header_len: usize,
}

impl<'a> Ipv4View<'a> {
    /// A view of the packet at the start of `bytes`. Its header checksum is for [`Self::verify_checksum`].
    ///
    /// # Errors
    /// [`ParseError::Truncated`], [`ParseError::Version`], [`ParseError::HeaderLength`], [`ParseError::TotalLength`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let packet = Ipv4Packet::new(bytes).ok_or(ParseError::Truncated(HEADER_LEN.saturating_sub(bytes.len())))?;
        if packet.get_version() != 4 {
            return Err(ParseError::Version(packet.get_version()));
        }
        let header_len = usize::from(packet.get_header_length()) * 4;
        let total = usize::from(packet.get_total_length());
        if header_len < HEADER_LEN || header_len > total {
            return Err(ParseError::HeaderLength(header_len));
        }
        let bytes = bytes.get(..total).ok_or(ParseError::TotalLength(total))?;
        Ok(Self { packet, bytes, header_len })
    }

    /// Who sent it.
    pub fn source(&self) -> Ipv4Addr {
        self.packet.get_source().octets().into()
    }

    /// To whom.
    pub fn destination(&self) -> Ipv4Addr {
        self.packet.get_destination().octets().into()
    }

    /// The number of the protocol that it carries.
    pub fn protocol(&self) -> u8 {
        self.packet.get_next_level_protocol().0
    }

    /// Time to live, in hops.
    pub fn ttl(&self) -> u8 {
        self.packet.get_ttl()
    }

    /// The Diffserv code point (RFC 2474): 0 to 63.
    pub fn dscp(&self) -> u8 {
        self.packet.get_dscp()
    }

    /// The two ECN bits (RFC 3168).
    pub fn ecn(&self) -> u8 {
        self.packet.get_ecn()
    }

    /// The identification.
    pub fn identification(&self) -> u16 {
        self.packet.get_identification()
    }

    /// True if nobody may cut it.
    pub fn dont_fragment(&self) -> bool {
        self.packet.get_flags() & DONT_FRAGMENT != 0
    }

    /// The piece of a datagram that it is; `None` if it is whole.
    pub fn fragment(&self) -> Option<Fragment> {
        let more = self.packet.get_flags() & MORE_FRAGMENTS != 0;
        let offset = u32::from(self.packet.get_fragment_offset()) * 8;
        (more || offset > 0).then(|| Fragment { identification: u32::from(self.identification()), offset, more })
    }

    /// Octets of the header, options included: 20 to 60.
    pub const fn header_len(&self) -> usize {
        self.header_len
    }

    /// Octets of the whole packet.
    pub const fn total_len(&self) -> usize {
        self.bytes.len()
    }

    //= rfc9293#MUST-50
    /// What it carries: options are skipped, padding is cut off.
    pub fn payload(&self) -> &'a [u8] {
        self.bytes.get(self.header_len..).unwrap_or_default()
    }

    /// True if the header checksum verifies.
    pub fn verify_checksum(&self) -> bool {
        let mut sum = Sum::default();
        sum.add(self.packet.packet().get(..self.header_len).unwrap_or_default());
        sum.is_valid()
    }
}

/// A header to write, without options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Header {
    /// Who sends.
    pub source: Ipv4Addr,
    /// To whom.
    pub destination: Ipv4Addr,
    /// The number of the protocol that follows.
    pub protocol: u8,
    /// Octets that follow: up to 65,515. A super-segment that the device cuts may be longer than the field says; the
    /// device writes it anew.
    pub payload_len: usize,
    /// Time to live, in hops.
    pub ttl: u8,
    /// Diffserv code point and ECN bits, as one octet.
    pub traffic_class: u8,
    /// The identification: 0 where nobody may cut the packet (RFC 6864).
    pub identification: u16,
    /// Nobody may cut the packet.
    pub dont_fragment: bool,
}

impl Ipv4Header {
    /// Writes the header, checksum included, and says that it takes 20 octets.
    ///
    /// # Errors
    /// [`BufferTooSmall`].
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let header = room(buffer, HEADER_LEN)?;
        let total = u16::try_from(HEADER_LEN + self.payload_len).unwrap_or(u16::MAX);
        let [total_high, total_low] = total.to_be_bytes();
        let [id_high, id_low] = self.identification.to_be_bytes();
        let flags = if self.dont_fragment { DONT_FRAGMENT << 5 } else { 0 };
        let [s0, s1, s2, s3] = self.source.octets();
        let [d0, d1, d2, d3] = self.destination.octets();
        header.copy_from_slice(&[
            0x45,
            self.traffic_class,
            total_high,
            total_low,
            id_high,
            id_low,
            flags,
            0,
            self.ttl,
            self.protocol,
            0,
            0,
            s0,
            s1,
            s2,
            s3,
            d0,
            d1,
            d2,
            d3,
        ]);
        let checksum = checksum(header).to_be_bytes();
        if let Some(field) = header.get_mut(10..12) {
            field.copy_from_slice(&checksum);
        }
        Ok(HEADER_LEN)
    }
}
