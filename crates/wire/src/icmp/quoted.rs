//! The packet that an ICMP error quotes: ours, if the error is for us.

use core::net::IpAddr;

use crate::{ParseError, SeqNumber};

/// What the first octets of a packet tell of it. IPv4 routers may quote no more than the IP header and eight octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotedTransport {
    /// Who sent the packet.
    pub source: IpAddr,
    /// To whom.
    pub destination: IpAddr,
    /// The protocol above IP.
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
    /// Reads the start of a packet that carries TCP or UDP.
    ///
    /// # Errors
    /// [`ParseError::Truncated`], [`ParseError::Version`], [`ParseError::HeaderLength`]; extension headers of IPv6 are
    /// not followed, since none of our packets has one.
    pub fn parse(quoted: &[u8]) -> Result<Self, ParseError> {
        match quoted.first().ok_or(ParseError::Truncated(1))? >> 4 {
            4 => Self::v4(quoted),
            6 => Self::v6(quoted),
            version => Err(ParseError::Version(version)),
        }
    }

    fn v4(quoted: &[u8]) -> Result<Self, ParseError> {
        let fixed = quoted.first_chunk::<20>().ok_or(ParseError::Truncated(20_usize.saturating_sub(quoted.len())))?;
        let &[first, _, l0, l1, _, _, _, _, _, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3] = fixed;
        let header_len = usize::from(first & 15) * 4;
        if header_len < fixed.len() {
            return Err(ParseError::HeaderLength(header_len));
        }
        let total_len = usize::from(u16::from_be_bytes([l0, l1]));
        let transport = quoted.get(header_len..).unwrap_or_default();
        Self::transport([s0, s1, s2, s3].into(), [d0, d1, d2, d3].into(), protocol, total_len, transport)
    }

    fn v6(quoted: &[u8]) -> Result<Self, ParseError> {
        let Some((fixed, transport)) = quoted.split_first_chunk::<40>() else {
            return Err(ParseError::Truncated(40_usize.saturating_sub(quoted.len())));
        };
        let (&[_, _, _, _, l0, l1, protocol, _], addresses) =
            fixed.split_first_chunk::<8>().ok_or(ParseError::Truncated(8))?;
        let (source, rest) = addresses.split_first_chunk::<16>().ok_or(ParseError::Truncated(32))?;
        let destination = rest.first_chunk::<16>().ok_or(ParseError::Truncated(16))?;
        let total_len = 40 + usize::from(u16::from_be_bytes([l0, l1]));
        Self::transport((*source).into(), (*destination).into(), protocol, total_len, transport)
    }

    fn transport(
        source: IpAddr,
        destination: IpAddr,
        protocol: u8,
        total_len: usize,
        transport: &[u8],
    ) -> Result<Self, ParseError> {
        let &[s0, s1, d0, d1, q0, q1, q2, q3] =
            transport.first_chunk::<8>().ok_or(ParseError::Truncated(8_usize.saturating_sub(transport.len())))?;
        Ok(Self {
            source,
            destination,
            protocol,
            total_len,
            source_port: u16::from_be_bytes([s0, s1]),
            destination_port: u16::from_be_bytes([d0, d1]),
            seq: SeqNumber::new(u32::from_be_bytes([q0, q1, q2, q3])),
        })
    }
}
