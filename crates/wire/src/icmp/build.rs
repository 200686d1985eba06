//! ICMP messages to write.

use core::net::IpAddr;

use super::{Echo, HEADER_LEN, IcmpError, v4, v6};
use crate::checksum::{checksum, with_pseudo_header};
use crate::error::{BufferTooSmall, room};
use crate::ip::{self, protocol};

/// Octets of an IPv4 packet with an error (RFC 1812 section 4.3.2.3), less its two headers.
const QUOTED_V4: usize = 576 - 20 - HEADER_LEN;
/// Octets of an IPv6 packet with an error (RFC 4443 section 2.4), less its two headers.
const QUOTED_V6: usize = 1280 - 40 - HEADER_LEN;

//= rfc1122#3.2.2-2
/// As much of `packet` as an error about it quotes, so that the error gets through everywhere: at most 548 octets of an
/// IPv4 packet, 1,232 of an IPv6 one.
pub fn quotable(packet: &[u8]) -> &[u8] {
    let most = if packet.first().is_some_and(|first| first >> 4 == 6) { QUOTED_V6 } else { QUOTED_V4 };
    packet.get(..most).unwrap_or(packet)
}

/// Writes the request for an echo and says how many octets it takes.
///
/// # Errors
/// [`BufferTooSmall`].
pub fn emit_echo_request(
    source: IpAddr,
    destination: IpAddr,
    request: &Echo<'_>,
    buffer: &mut [u8],
) -> Result<usize, BufferTooSmall> {
    let kind = if source.is_ipv4() { v4::ECHO.0 } else { v6::ECHO.0 };
    emit_echo(kind, source, destination, request, buffer)
}

//= rfc1122#3.2.2.6-5
/// Writes the echo that answers `request` and says how many octets it takes.
///
/// # Errors
/// [`BufferTooSmall`].
pub fn emit_echo_reply(
    source: IpAddr,
    destination: IpAddr,
    request: &Echo<'_>,
    buffer: &mut [u8],
) -> Result<usize, BufferTooSmall> {
    let kind = if source.is_ipv4() { v4::ECHO.1 } else { v6::ECHO.1 };
    emit_echo(kind, source, destination, request, buffer)
}

fn emit_echo(
    kind: u8,
    source: IpAddr,
    destination: IpAddr,
    echo: &Echo<'_>,
    buffer: &mut [u8],
) -> Result<usize, BufferTooSmall> {
    let ([a, b], [c, d]) = (echo.identifier.to_be_bytes(), echo.sequence.to_be_bytes());
    emit(source, destination, [kind, 0, 0, 0, a, b, c, d], echo.data, buffer)
}

/// Writes an error about the packet that starts with `quoted` (see [`quotable`]) and says how many octets it takes.
///
/// # Errors
/// [`BufferTooSmall`].
pub fn emit_error(
    source: IpAddr,
    destination: IpAddr,
    error: IcmpError,
    quoted: &[u8],
    buffer: &mut [u8],
) -> Result<usize, BufferTooSmall> {
    let (kind, code, word) =
        if source.is_ipv4() { v4::header(error) } else { v6::header(error, ip::v6::upper_named_at(quoted)) };
    let [a, b, c, d] = word.to_be_bytes();
    emit(source, destination, [kind, code, 0, 0, a, b, c, d], quoted, buffer)
}

/// Writes the ICMPv6 complaint about a header: code and pointer are those of
/// [`crate::ParseError::parameter_problem`].
///
/// # Errors
/// [`BufferTooSmall`].
pub fn emit_parameter_problem(
    source: core::net::Ipv6Addr,
    destination: core::net::Ipv6Addr,
    (code, pointer): (u8, u32),
    quoted: &[u8],
    buffer: &mut [u8],
) -> Result<usize, BufferTooSmall> {
    let [a, b, c, d] = pointer.to_be_bytes();
    emit(source.into(), destination.into(), [v6::PARAMETER_PROBLEM, code, 0, 0, a, b, c, d], quoted, buffer)
}

fn emit(
    source: IpAddr,
    destination: IpAddr,
    header: [u8; HEADER_LEN],
    data: &[u8],
    buffer: &mut [u8],
) -> Result<usize, BufferTooSmall> {
    let length = HEADER_LEN + data.len();
    let message = room(buffer, length)?;
    let (head, rest) = message.split_at_mut(HEADER_LEN);
    head.copy_from_slice(&header);
    rest.copy_from_slice(data);
    let checksum = if source.is_ipv4() {
        checksum(message)
    } else {
        with_pseudo_header(source, destination, protocol::ICMPV6, message).checksum()
    };
    if let Some(field) = message.get_mut(2..4) {
        field.copy_from_slice(&checksum.to_be_bytes());
    }
    Ok(length)
}
