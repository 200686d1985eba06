//! The packet that an ICMP error quotes: ours, if the error is for us.

use core::net::IpAddr;

use pnet_packet::ipv4::Ipv4Packet;
use pnet_packet::ipv6::Ipv6Packet;

use crate::ip::extension::Chain;
use crate::ip::{v4, v6};
use crate::{ParseError, SeqNumber};

/// What the first octets of a packet tell of it. IPv4 routers may quote no more than the IP header and eight octets.
///
/// Nothing here is proved: the checksums can't be verified, and an attacker can quote what was never sent. What isn't in
/// flight isn't believed (RFC 5927).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotedTransport {
    /// Who sent the packet.
    pub source: IpAddr,
    /// To whom.
    pub destination: IpAddr,
    /// The protocol above IP; the fields below mean something if it is TCP, the ports also if it is UDP.
    pub protocol: u8,
    /// Octets of the whole packet as its header said: what RFC 1191's plateau table starts from.
    pub total_len: usize,
    /// The port it came from.
    pub source_port: u16,
    /// The port it went to.
    pub destination_port: u16,
    /// TCP: its sequence number.
    pub seq: SeqNumber,
}

impl QuotedTransport {
    //= rfc1122#3.2.2-3
    /// Reads the start of a packet: eight octets from behind its IP header and extension headers are needed.
    ///
    /// # Errors
    /// [`ParseError::QuotedTruncated`], [`ParseError::QuotedFragment`], [`ParseError::IpVersion`],
    /// [`ParseError::Ipv4HeaderLength`], and those of [`crate::ip::extension`].
    pub fn parse(quoted: &[u8]) -> Result<Self, ParseError> {
        match quoted.first().ok_or(ParseError::QuotedTruncated(1))? >> 4 {
            4 => Self::v4(quoted),
            6 => Self::v6(quoted),
            version => Err(ParseError::IpVersion(version)),
        }
    }

    fn v4(quoted: &[u8]) -> Result<Self, ParseError> {
        let fields = Ipv4Packet::new(quoted).ok_or(missing(quoted, v4::HEADER_LEN))?;
        let header_len = usize::from(fields.get_header_length()) * 4;
        if header_len < v4::HEADER_LEN {
            return Err(ParseError::Ipv4HeaderLength(header_len));
        }
        if fields.get_fragment_offset() > 0 {
            return Err(ParseError::QuotedFragment);
        }
        let (source_port, destination_port, seq) = transport(quoted, header_len)?;
        Ok(Self {
            source: IpAddr::V4(fields.get_source().octets().into()),
            destination: IpAddr::V4(fields.get_destination().octets().into()),
            protocol: fields.get_next_level_protocol().0,
            total_len: usize::from(fields.get_total_length()),
            source_port,
            destination_port,
            seq,
        })
    }

    fn v6(quoted: &[u8]) -> Result<Self, ParseError> {
        let fields = Ipv6Packet::new(quoted).ok_or(missing(quoted, v6::HEADER_LEN))?;
        let chain = Chain::walk(quoted, fields.get_next_header().0, v6::NEXT_HEADER, v6::HEADER_LEN)?;
        if chain.fragment.is_some_and(|fragment| fragment.offset > 0) {
            return Err(ParseError::QuotedFragment);
        }
        let (source_port, destination_port, seq) = transport(quoted, chain.header_len)?;
        Ok(Self {
            source: IpAddr::V6(fields.get_source().octets().into()),
            destination: IpAddr::V6(fields.get_destination().octets().into()),
            protocol: chain.protocol,
            total_len: v6::HEADER_LEN + usize::from(fields.get_payload_length()),
            source_port,
            destination_port,
            seq,
        })
    }
}

fn missing(quoted: &[u8], needed: usize) -> ParseError {
    ParseError::QuotedTruncated(needed.saturating_sub(quoted.len()))
}

/// The ports and the sequence number in the eight octets behind the header.
fn transport(quoted: &[u8], header_len: usize) -> Result<(u16, u16, SeqNumber), ParseError> {
    let octets = quoted.get(header_len..).and_then(<[u8]>::first_chunk::<8>);
    let &[s0, s1, d0, d1, q0, q1, q2, q3] = octets.ok_or(missing(quoted, header_len + 8))?;
    let seq = SeqNumber::new(u32::from_be_bytes([q0, q1, q2, q3]));
    Ok((u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]), seq))
}
