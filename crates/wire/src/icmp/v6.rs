//! Types and codes of ICMP for IPv6 (RFC 4443).

use super::IcmpError;

/// Request and reply.
pub(super) const ECHO: (u8, u8) = (128, 129);
const UNREACHABLE: u8 = 1;
const PACKET_TOO_BIG: u8 = 2;
const TIME_EXCEEDED: u8 = 3;
pub(super) const PARAMETER_PROBLEM: u8 = 4;
/// A parameter problem: a next header that nobody knows.
const UNKNOWN_NEXT_HEADER: u8 = 1;

/// What type, code and the second word of the header say; `None` for what is no error that we know.
pub(super) const fn error(kind: u8, code: u8, word: u32) -> Option<IcmpError> {
    Some(match (kind, code) {
        // No route; one that rejects.
        (UNREACHABLE, 0 | 6) => IcmpError::NetworkUnreachable,
        (UNREACHABLE, 3) => IcmpError::HostUnreachable,
        (UNREACHABLE, 4) => IcmpError::PortUnreachable,
        (UNREACHABLE, _) => IcmpError::Prohibited,
        (PACKET_TOO_BIG, _) => IcmpError::PacketTooBig(word),
        (TIME_EXCEEDED, 0) => IcmpError::HopLimitExceeded,
        (TIME_EXCEEDED, _) => IcmpError::ReassemblyTimeExceeded,
        (PARAMETER_PROBLEM, UNKNOWN_NEXT_HEADER) => IcmpError::ProtocolUnreachable,
        (PARAMETER_PROBLEM, _) => IcmpError::ParameterProblem(word),
        _ => return None,
    })
}

/// Type, code and second word of the header that says it; `named_at` is where the packet names its upper protocol.
pub(super) fn header(error: IcmpError, named_at: u32) -> (u8, u8, u32) {
    match error {
        IcmpError::NetworkUnreachable => (UNREACHABLE, 0, 0),
        IcmpError::Prohibited => (UNREACHABLE, 1, 0),
        IcmpError::HostUnreachable => (UNREACHABLE, 3, 0),
        IcmpError::PortUnreachable => (UNREACHABLE, 4, 0),
        IcmpError::PacketTooBig(mtu) => (PACKET_TOO_BIG, 0, mtu),
        IcmpError::HopLimitExceeded => (TIME_EXCEEDED, 0, 0),
        IcmpError::ReassemblyTimeExceeded => (TIME_EXCEEDED, 1, 0),
        IcmpError::ProtocolUnreachable => (PARAMETER_PROBLEM, UNKNOWN_NEXT_HEADER, named_at),
        IcmpError::ParameterProblem(pointer) => (PARAMETER_PROBLEM, 0, pointer),
    }
}
