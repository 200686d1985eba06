//! ICMP for IPv4 (RFC 792) and for IPv6 (RFC 4443): what an end system sends and has to understand.

mod build;
mod quoted;

use core::net::IpAddr;

use crate::ParseError;
use crate::checksum::{Sum, checksum};
use crate::ip::protocol;

pub use build::{emit_echo_reply, emit_error};
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
    /// A packet of ours didn't arrive: why, and its first octets, from the IP header on.
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
    /// The packet is too long for a link: the link's MTU in octets; 0 from routers before RFC 1191.
    PacketTooBig(u32),
    /// The hop limit was used up.
    HopLimitExceeded,
    /// A fragment was missing for too long.
    ReassemblyTimeExceeded,
    /// A field of the header, at so many octets from its start, couldn't be understood.
    ParameterProblem(u32),
}

/// Reads the message in `bytes`. For IPv6 the checksum covers the two addresses as well.
///
/// # Errors
/// [`ParseError::Truncated`], [`ParseError::Checksum`], [`ParseError::MessageType`] for types that an end system without
/// further duties ignores.
pub fn parse(bytes: &[u8], source: IpAddr, destination: IpAddr) -> Result<IcmpMessage<'_>, ParseError> {
    let Some((&[kind, code, _, _, a, b, c, d], rest)) = bytes.split_first_chunk::<HEADER_LEN>() else {
        return Err(ParseError::Truncated(HEADER_LEN.saturating_sub(bytes.len())));
    };
    let word = u32::from_be_bytes([a, b, c, d]);
    let echo = Echo { identifier: u16::from_be_bytes([a, b]), sequence: u16::from_be_bytes([c, d]), data: rest };
    if source.is_ipv4() {
        if checksum(bytes) != 0 {
            return Err(ParseError::Checksum);
        }
        return v4(kind, code, word, echo);
    }
    let mut sum = Sum::default();
    sum.add_pseudo_header(source, destination, protocol::ICMPV6, u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    sum.add(bytes);
    if !sum.is_valid() {
        return Err(ParseError::Checksum);
    }
    v6(kind, code, word, echo)
}

fn v4(kind: u8, code: u8, word: u32, echo: Echo<'_>) -> Result<IcmpMessage<'_>, ParseError> {
    let error = match (kind, code) {
        (0, _) => return Ok(IcmpMessage::EchoReply(echo)),
        (8, _) => return Ok(IcmpMessage::EchoRequest(echo)),
        (4, _) => return Ok(IcmpMessage::SourceQuench),
        (3, 0 | 6 | 11) => IcmpError::NetworkUnreachable,
        (3, 1 | 7 | 8 | 12) => IcmpError::HostUnreachable,
        (3, 2) => IcmpError::ProtocolUnreachable,
        (3, 3) => IcmpError::PortUnreachable,
        (3, 4) => IcmpError::PacketTooBig(word & 0xffff),
        (3, _) => IcmpError::Prohibited,
        (11, 0) => IcmpError::HopLimitExceeded,
        (11, _) => IcmpError::ReassemblyTimeExceeded,
        (12, _) => IcmpError::ParameterProblem(word >> 24),
        _ => return Err(ParseError::MessageType(kind)),
    };
    Ok(IcmpMessage::Error(error, echo.data))
}

fn v6(kind: u8, code: u8, word: u32, echo: Echo<'_>) -> Result<IcmpMessage<'_>, ParseError> {
    let error = match (kind, code) {
        (128, _) => return Ok(IcmpMessage::EchoRequest(echo)),
        (129, _) => return Ok(IcmpMessage::EchoReply(echo)),
        (1, 0 | 6) => IcmpError::NetworkUnreachable,
        (1, 3) => IcmpError::HostUnreachable,
        (1, 4) => IcmpError::PortUnreachable,
        (1, _) => IcmpError::Prohibited,
        (2, _) => IcmpError::PacketTooBig(word),
        (3, 0) => IcmpError::HopLimitExceeded,
        (3, _) => IcmpError::ReassemblyTimeExceeded,
        // A next header that the host doesn't know: it doesn't speak the protocol.
        (4, 1) => IcmpError::ProtocolUnreachable,
        (4, _) => IcmpError::ParameterProblem(word),
        _ => return Err(ParseError::MessageType(kind)),
    };
    Ok(IcmpMessage::Error(error, echo.data))
}
