//! ARP between Ethernet and IPv4 (RFC 826).

use core::net::Ipv4Addr;

use pnet_packet::arp::ArpPacket;

use crate::ParseError;
use crate::error::{BufferTooSmall, room};
use crate::ethernet::{MacAddr, ethertype};

/// Octets of a packet.
pub const LEN: usize = 28;
const ETHERNET: u16 = 1;
const REQUEST: u16 = 1;
const REPLY: u16 = 2;

/// What an [`Arp`] packet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Who has the target's IPv4 address?
    Request,
    /// The sender has the sender's one.
    Reply,
}

/// A packet, read or to be written.
///
/// ```
/// # use sockeye_wire::{arp::{self, Arp, Operation}, ethernet::MacAddr};
/// let ours = MacAddr([2, 0, 0, 0, 0, 1]);
/// let question = Arp::request(ours, "10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
/// let mut buffer = [0; arp::LEN];
/// question.emit(&mut buffer).unwrap();
/// let answer = Arp::parse(&buffer).unwrap().reply(MacAddr([2, 0, 0, 0, 0, 2]));
/// assert_eq!((answer.operation, answer.target_hardware), (Operation::Reply, ours));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// Question or answer.
    pub operation: Operation,
    /// Who sends it, on the link.
    pub sender_hardware: MacAddr,
    /// Who sends it: 0.0.0.0 from a host that only asks whether its address is free (RFC 5227).
    pub sender_protocol: Ipv4Addr,
    /// To whom, on the link; anything in a request.
    pub target_hardware: MacAddr,
    /// To whom, or whose address is asked for.
    pub target_protocol: Ipv4Addr,
}

impl Arp {
    /// The question who has `target`.
    pub const fn request(sender_hardware: MacAddr, sender: Ipv4Addr, target: Ipv4Addr) -> Self {
        Self {
            operation: Operation::Request,
            sender_hardware,
            sender_protocol: sender,
            target_hardware: MacAddr::ZERO,
            target_protocol: target,
        }
    }

    /// The answer to this question: `hardware` has what is asked for.
    #[must_use]
    pub const fn reply(&self, hardware: MacAddr) -> Self {
        Self {
            operation: Operation::Reply,
            sender_hardware: hardware,
            sender_protocol: self.target_protocol,
            target_hardware: self.sender_hardware,
            target_protocol: self.sender_protocol,
        }
    }

    /// Reads the packet at the start of `bytes`; what follows is padding of the frame.
    ///
    /// # Errors
    /// [`ParseError::ArpTruncated`], [`ParseError::ArpAddressType`], [`ParseError::ArpAddressLength`],
    /// [`ParseError::ArpOperation`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let packet = ArpPacket::new(bytes).ok_or(ParseError::ArpTruncated(LEN.saturating_sub(bytes.len())))?;
        let (hardware, protocol) = (packet.get_hardware_type().0, packet.get_protocol_type().0);
        if (hardware, protocol) != (ETHERNET, ethertype::IPV4) {
            return Err(ParseError::ArpAddressType { hardware, protocol });
        }
        let (hardware, protocol) = (packet.get_hw_addr_len(), packet.get_proto_addr_len());
        if (hardware, protocol) != (6, 4) {
            return Err(ParseError::ArpAddressLength { hardware, protocol });
        }
        let operation = match packet.get_operation().0 {
            REQUEST => Operation::Request,
            REPLY => Operation::Reply,
            other => return Err(ParseError::ArpOperation(other)),
        };
        Ok(Self {
            operation,
            sender_hardware: MacAddr(packet.get_sender_hw_addr().octets()),
            sender_protocol: packet.get_sender_proto_addr().octets().into(),
            target_hardware: MacAddr(packet.get_target_hw_addr().octets()),
            target_protocol: packet.get_target_proto_addr().octets().into(),
        })
    }

    /// Writes the packet and says that it takes 28 octets.
    ///
    /// # Errors
    /// [`BufferTooSmall`].
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let (kind, addresses) = room(buffer, LEN)?.split_at_mut(8);
        let operation = match self.operation {
            Operation::Request => REQUEST,
            Operation::Reply => REPLY,
        };
        for (to, word) in kind.as_chunks_mut::<2>().0.iter_mut().zip([ETHERNET, ethertype::IPV4, 0x0604, operation]) {
            *to = word.to_be_bytes();
        }
        let ends = [(self.sender_hardware, self.sender_protocol), (self.target_hardware, self.target_protocol)];
        for (to, (hardware, protocol)) in addresses.as_chunks_mut::<10>().0.iter_mut().zip(ends) {
            let (to_hardware, to_protocol) = to.split_at_mut(6);
            to_hardware.copy_from_slice(&hardware.0);
            to_protocol.copy_from_slice(&protocol.octets());
        }
        Ok(LEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet() -> [u8; LEN] {
        let mut bytes = [0; LEN];
        Arp::request(MacAddr([2, 0, 0, 0, 0, 1]), [10, 0, 0, 1].into(), [10, 0, 0, 2].into()).emit(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn other_links_addresses_and_operations_are_refused_by_name() {
        let with = |at: usize, value: u8| {
            let mut bytes = packet();
            bytes[at] = value;
            Arp::parse(&bytes).unwrap_err()
        };
        assert_eq!(with(1, 6), ParseError::ArpAddressType { hardware: 6, protocol: 0x0800 });
        assert_eq!(with(4, 8), ParseError::ArpAddressLength { hardware: 8, protocol: 4 });
        assert_eq!(with(7, 3), ParseError::ArpOperation(3));
        assert_eq!(Arp::parse(&packet()[..27]), Err(ParseError::ArpTruncated(1)));
    }
}
