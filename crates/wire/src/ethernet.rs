//! Ethernet II frames (RFC 894, RFC 2464).

use core::fmt;
use core::net::IpAddr;

use pnet_packet::ethernet::EthernetPacket;

use crate::ParseError;
use crate::error::{BufferTooSmall, room};

/// Octets of the header.
pub const HEADER_LEN: usize = 14;

/// What frames carry: values of the type field.
pub mod ethertype {
    /// IPv4.
    pub const IPV4: u16 = 0x0800;
    /// ARP.
    pub const ARP: u16 = 0x0806;
    /// IPv6.
    pub const IPV6: u16 = 0x86dd;
}

/// The address of an interface on an Ethernet.
///
/// ```
/// # use sockeye_wire::ethernet::MacAddr;
/// let address = MacAddr([0x33, 0x33, 0, 0, 0, 1]);
/// assert!(address.is_multicast());
/// assert_eq!(address.to_string(), "33:33:00:00:00:01");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// Everybody on the link.
    pub const BROADCAST: Self = Self([0xff; 6]);
    /// Nobody: what an ARP request has for the address that it asks for.
    pub const ZERO: Self = Self([0; 6]);

    /// Where frames for a multicast group go, or for the limited broadcast address (RFC 1112 section 6.4, RFC 2464
    /// section 7); `None` for an address of one host, which ARP or neighbour discovery has to find.
    pub fn of_group(group: IpAddr) -> Option<Self> {
        match group {
            IpAddr::V4(group) if group.is_broadcast() => Some(Self::BROADCAST),
            IpAddr::V4(group) if group.is_multicast() => {
                let [_, b, c, d] = group.octets();
                Some(Self([0x01, 0x00, 0x5e, b & 0x7f, c, d]))
            }
            IpAddr::V6(group) if group.is_multicast() => {
                let [.., a, b, c, d] = group.octets();
                Some(Self([0x33, 0x33, a, b, c, d]))
            }
            _ => None,
        }
    }

    /// True for an address of many, the broadcast address among them.
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 != 0
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A frame whose header is whole.
#[derive(Clone, Copy, Debug)]
pub struct EthernetView<'a> {
    header: EthernetHeader,
    payload: &'a [u8],
}

impl<'a> EthernetView<'a> {
    /// A view of `frame`, which has no check sequence at its end: devices keep that to themselves.
    ///
    /// # Errors
    /// [`ParseError::EthernetTruncated`].
    pub fn parse(frame: &'a [u8]) -> Result<Self, ParseError> {
        let missing = ParseError::EthernetTruncated(HEADER_LEN.saturating_sub(frame.len()));
        let packet = EthernetPacket::new(frame).ok_or(missing)?;
        let header = EthernetHeader {
            destination: MacAddr(packet.get_destination().octets()),
            source: MacAddr(packet.get_source().octets()),
            ethertype: packet.get_ethertype().0,
        };
        Ok(Self { header, payload: frame.get(HEADER_LEN..).unwrap_or_default() })
    }

    /// To whom.
    pub const fn destination(&self) -> MacAddr {
        self.header.destination
    }

    /// Who sent it.
    pub const fn source(&self) -> MacAddr {
        self.header.source
    }

    /// What it carries: one of [`ethertype`], or another; up to 1,500 it is a length instead (IEEE 802.3).
    pub const fn ethertype(&self) -> u16 {
        self.header.ethertype
    }

    /// The header, as one would write it.
    pub const fn header(&self) -> EthernetHeader {
        self.header
    }

    /// What it carries, with the padding that short frames have.
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// A header to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EthernetHeader {
    /// To whom.
    pub destination: MacAddr,
    /// Who sends.
    pub source: MacAddr,
    /// What follows: one of [`ethertype`].
    pub ethertype: u16,
}

impl EthernetHeader {
    /// Writes the header and says that it takes 14 octets.
    ///
    /// # Errors
    /// [`BufferTooSmall`].
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let (addresses, ethertype) = room(buffer, HEADER_LEN)?.split_at_mut(12);
        let (destination, source) = addresses.split_at_mut(6);
        destination.copy_from_slice(&self.destination.0);
        source.copy_from_slice(&self.source.0);
        ethertype.copy_from_slice(&self.ethertype.to_be_bytes());
        Ok(HEADER_LEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_its_own_address_and_a_host_none() {
        let of = |address: &str| MacAddr::of_group(address.parse().unwrap());
        assert_eq!(of("224.129.2.3"), Some(MacAddr([1, 0, 0x5e, 1, 2, 3])), "the 24th bit is lost");
        assert_eq!(of("255.255.255.255"), Some(MacAddr::BROADCAST));
        assert_eq!(of("ff02::1:ff00:7"), Some(MacAddr([0x33, 0x33, 0xff, 0, 0, 7])));
        assert_eq!((of("10.0.0.1"), of("fe80::1")), (None, None));
        assert!(of("224.0.0.1").is_some_and(MacAddr::is_multicast) && MacAddr::BROADCAST.is_multicast());
        assert!(!MacAddr([2, 0, 0, 0, 0, 7]).is_multicast());
    }

    #[test]
    fn a_short_frame_says_how_short_it_is() {
        assert_eq!(EthernetView::parse(&[0; 13]).unwrap_err(), ParseError::EthernetTruncated(1));
        assert!(EthernetView::parse(&[0; 14]).unwrap().payload().is_empty());
    }
}
