//! Types and codes of ICMP for IPv4 (RFC 792, RFC 1122 section 3.2.2, RFC 1191).

use super::IcmpError;

/// Request and reply.
pub(super) const ECHO: (u8, u8) = (8, 0);
pub(super) const SOURCE_QUENCH: u8 = 4;
const UNREACHABLE: u8 = 3;
const TIME_EXCEEDED: u8 = 11;
const PARAMETER_PROBLEM: u8 = 12;

/// What type, code and the second word of the header say; `None` for what is no error that we know.
pub(super) const fn error(kind: u8, code: u8, word: u32) -> Option<IcmpError> {
    Some(match (kind, code) {
        // Unreachable, unknown, unreachable for this type of service.
        (UNREACHABLE, 0 | 6 | 11) => IcmpError::NetworkUnreachable,
        // The same three of the host; 8 says that the source is cut off.
        (UNREACHABLE, 1 | 7 | 8 | 12) => IcmpError::HostUnreachable,
        (UNREACHABLE, 2) => IcmpError::ProtocolUnreachable,
        (UNREACHABLE, 3) => IcmpError::PortUnreachable,
        (UNREACHABLE, 4) => IcmpError::PacketTooBig(word & 0xffff),
        (UNREACHABLE, _) => IcmpError::Prohibited,
        (TIME_EXCEEDED, 0) => IcmpError::HopLimitExceeded,
        (TIME_EXCEEDED, _) => IcmpError::ReassemblyTimeExceeded,
        (PARAMETER_PROBLEM, _) => IcmpError::ParameterProblem(word >> 24),
        _ => return None,
    })
}

/// Type, code and second word of the header that says it.
pub(super) fn header(error: IcmpError) -> (u8, u8, u32) {
    match error {
        IcmpError::NetworkUnreachable => (UNREACHABLE, 0, 0),
        IcmpError::HostUnreachable => (UNREACHABLE, 1, 0),
        IcmpError::ProtocolUnreachable => (UNREACHABLE, 2, 0),
        IcmpError::PortUnreachable => (UNREACHABLE, 3, 0),
        IcmpError::PacketTooBig(mtu) => (UNREACHABLE, 4, mtu.min(0xffff)),
        IcmpError::Prohibited => (UNREACHABLE, 13, 0),
        IcmpError::HopLimitExceeded => (TIME_EXCEEDED, 0, 0),
        IcmpError::ReassemblyTimeExceeded => (TIME_EXCEEDED, 1, 0),
        IcmpError::ParameterProblem(pointer) => (PARAMETER_PROBLEM, 0, pointer.min(0xff) << 24),
    }
}
