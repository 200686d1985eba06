//! ICMP for IPv4 (RFC 792) and for IPv6 (RFC 4443): what an end system sends and has to understand.
//!
//! One vocabulary serves both versions; which one is meant, the addresses say. Neighbour discovery, which IPv6 carries in
//! ICMP too, is a module of its own.

mod build;
mod quoted;
mod v4;
mod v6;

use core::net::IpAddr;

use crate::ParseError;
use crate::checksum::{checksum, with_pseudo_header};
use crate::ip::protocol;

pub use build::{emit_echo_reply, emit_echo_request, emit_error, emit_parameter_problem, quotable};
pub use quoted::QuotedTransport;

/// Octets of the header: type, code, checksum, and four that depend on the type.
pub const HEADER_LEN: usize = 8;

/// A message, whichever version of IP carried it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IcmpMessage<'a> {
    /// Somebody wants to hear an echo.
    EchoRequest(Echo<'a>),
    /// The echo.
    EchoReply(Echo<'a>),
    /// A packet of ours didn't arrive: why, and its first octets, from the IP header on, for [`QuotedTransport`].
    Error(IcmpError, &'a [u8]),
    /// RFC 6633: to be ignored.
    SourceQuench,
}

/// An echo, or the request for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo<'a> {
    /// Who asked, among the processes of a host.
    pub identifier: u16,
    /// Which of its requests.
    pub sequence: u16,
    /// To be returned as it is.
    pub data: &'a [u8],
}

/// Why a packet didn't arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IcmpError {
    /// No route to the network; IPv6: no route.
    NetworkUnreachable,
    /// No way to the host; IPv6: address unreachable.
    HostUnreachable,
    /// The host doesn't speak the protocol.
    ProtocolUnreachable,
    /// Nobody is at the port.
    PortUnreachable,
    /// Somebody forbids it, or the source route failed.
    Prohibited,
    /// The packet is too long for a link: the link's MTU in octets; 0 from routers before RFC 1191, which IPv4 alone
    /// has. In IPv4 a number above 65,535 is sent as 65,535.
    PacketTooBig(u32),
    /// The hop limit was used up.
    HopLimitExceeded,
    /// A fragment was missing for too long.
    ReassemblyTimeExceeded,
    /// A field of the header, at so many octets from its start, couldn't be understood. IPv4 tells up to 255.
    ParameterProblem(u32),
}

/// Reads the message in `bytes`, checksum included: for IPv6 that covers the two addresses as well.
///
/// # Errors
/// [`ParseError::IcmpTruncated`], [`ParseError::IcmpChecksum`], [`ParseError::IcmpType`] for types that an end system
/// without further duties ignores.
pub fn parse(bytes: &[u8], source: IpAddr, destination: IpAddr) -> Result<IcmpMessage<'_>, ParseError> {
    let Some((&[kind, code, _, _, a, b, c, d], rest)) = bytes.split_first_chunk::<HEADER_LEN>() else {
        return Err(ParseError::IcmpTruncated(HEADER_LEN.saturating_sub(bytes.len())));
    };
    let valid = if source.is_ipv4() {
        checksum(bytes) == 0
    } else {
        with_pseudo_header(source, destination, protocol::ICMPV6, bytes).is_valid()
    };
    if !valid {
        return Err(ParseError::IcmpChecksum);
    }
    let echo = Echo { identifier: u16::from_be_bytes([a, b]), sequence: u16::from_be_bytes([c, d]), data: rest };
    let (request, reply) = if source.is_ipv4() { v4::ECHO } else { v6::ECHO };
    if kind == request {
        return Ok(IcmpMessage::EchoRequest(echo));
    }
    if kind == reply {
        return Ok(IcmpMessage::EchoReply(echo));
    }
    if source.is_ipv4() && kind == v4::SOURCE_QUENCH {
        return Ok(IcmpMessage::SourceQuench);
    }
    //= rfc4443#2.4-2
    let word = u32::from_be_bytes([a, b, c, d]);
    let error = if source.is_ipv4() { v4::error(kind, code, word) } else { v6::error(kind, code, word) };
    error.map(|error| IcmpMessage::Error(error, rest)).ok_or(ParseError::IcmpType(kind))
}

#[cfg(test)]
mod tests;
