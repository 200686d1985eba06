//! ICMP messages to write.

use core::net::IpAddr;

use super::{Echo, HEADER_LEN, IcmpError};
use crate::checksum::{Sum, checksum};
use crate::error::{BufferTooSmall, room};
use crate::ip::protocol;

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
    let kind = if source.is_ipv4() { 0 } else { 129 };
    let ([a, b], [c, d]) = (request.identifier.to_be_bytes(), request.sequence.to_be_bytes());
    emit(source, destination, [kind, 0, 0, 0, a, b, c, d], request.data, buffer)
}

/// Writes an error about the packet that starts with `quoted` and says how many octets it takes. The caller quotes as
/// much as RFC 1122 section 3.2.2 and RFC 4443 section 2.4 want.
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
    let (kind, code, word) = if source.is_ipv4() { v4(error) } else { v6(error) };
    let [a, b, c, d] = word.to_be_bytes();
    emit(source, destination, [kind, code, 0, 0, a, b, c, d], quoted, buffer)
}

const fn v4(error: IcmpError) -> (u8, u8, u32) {
    match error {
        IcmpError::NetworkUnreachable => (3, 0, 0),
        IcmpError::HostUnreachable => (3, 1, 0),
        IcmpError::ProtocolUnreachable => (3, 2, 0),
        IcmpError::PortUnreachable => (3, 3, 0),
        IcmpError::PacketTooBig(mtu) => (3, 4, mtu & 0xffff),
        IcmpError::Prohibited => (3, 13, 0),
        IcmpError::HopLimitExceeded => (11, 0, 0),
        IcmpError::ReassemblyTimeExceeded => (11, 1, 0),
        IcmpError::ParameterProblem(pointer) => (12, 0, pointer << 24),
    }
}

const fn v6(error: IcmpError) -> (u8, u8, u32) {
    match error {
        IcmpError::NetworkUnreachable => (1, 0, 0),
        IcmpError::Prohibited => (1, 1, 0),
        IcmpError::HostUnreachable => (1, 3, 0),
        IcmpError::PortUnreachable => (1, 4, 0),
        IcmpError::PacketTooBig(mtu) => (2, 0, mtu),
        IcmpError::HopLimitExceeded => (3, 0, 0),
        IcmpError::ReassemblyTimeExceeded => (3, 1, 0),
        // The field that names an unknown protocol is the next header of the fixed header.
        IcmpError::ProtocolUnreachable => (4, 1, 6),
        IcmpError::ParameterProblem(pointer) => (4, 0, pointer),
    }
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
        let mut sum = Sum::default();
        sum.add_pseudo_header(source, destination, protocol::ICMPV6, u32::try_from(length).unwrap_or(u32::MAX));
        sum.add(message);
        sum.checksum()
    };
    if let Some(field) = message.get_mut(2..4) {
        field.copy_from_slice(&checksum.to_be_bytes());
    }
    Ok(length)
}
