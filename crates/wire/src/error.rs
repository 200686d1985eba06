//! Why bytes are not what a parser looks for, and why a builder can't write.

use core::fmt;

/// Writes down each reason once: its documentation, its variant with the numbers, its name, its sentence.
macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident $(($number:ident: $type:ty))? $({$($field:ident: $field_type:ty),+})?
        = $name:literal, $sentence:literal;)+) => {
        /// Why bytes are not a packet of the kind asked for: one reason a variant, with the numbers that tell more.
        ///
        /// Each has a stable [name](Self::name), under which whoever drops the packet counts it.
        ///
        /// ```
        /// use sockeye_wire::{ParseError, tcp::TcpView};
        ///
        /// let error = TcpView::parse(&[0; 13]).unwrap_err();
        /// assert_eq!(error, ParseError::TcpTruncated(7));
        /// assert_eq!(error.name(), "tcp_truncated");
        /// assert_eq!(error.to_string(), "TCP: 7 octets of the header are missing");
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ParseError {
            $($(#[$doc])* $variant $(($type))? $({
                $(#[doc = concat!("The ", stringify!($field), " of which the variant speaks.")] $field: $field_type),+
            })?,)+
        }

        impl ParseError {
            /// The names of all reasons, in the order of the variants.
            pub const NAMES: &[&str] = &[$($name),+];

            /// A stable name in snake case, beginning with the protocol.
            pub const fn name(self) -> &'static str {
                match self {
                    $(reasons!(@ignore $variant $(($number))? $({$($field),+})?) => $name,)+
                }
            }
        }

        impl fmt::Display for ParseError {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match *self {
                    $(Self::$variant $(($number))? $({$($field),+})? => write!(f, $sentence),)+
                }
            }
        }
    };
    (@ignore $variant:ident) => { Self::$variant };
    (@ignore $variant:ident ($number:ident)) => { Self::$variant(_) };
    (@ignore $variant:ident {$($field:ident),+}) => { Self::$variant { .. } };
}

reasons! {
    /// Ethernet: so many octets of the header are missing.
    EthernetTruncated(missing: usize) = "ethernet_truncated", "Ethernet: {missing} octets of the header are missing";
    /// ARP: so many octets are missing.
    ArpTruncated(missing: usize) = "arp_truncated", "ARP: {missing} octets are missing";
    /// ARP: not between Ethernet and IPv4: this hardware type, this protocol type.
    ArpAddressType { hardware: u16, protocol: u16 }
        = "arp_address_type", "ARP: hardware type {hardware}, protocol type {protocol:#06x}";
    /// ARP: addresses of these lengths, in octets, instead of 6 and 4.
    ArpAddressLength { hardware: u8, protocol: u8 }
        = "arp_address_length", "ARP: addresses of {hardware} and {protocol} octets";
    /// ARP: neither request nor reply.
    ArpOperation(operation: u16) = "arp_operation", "ARP: operation {operation}";
    /// IP: not one octet.
    IpEmpty = "ip_empty", "IP: the packet is empty";
    /// IP: the version is neither 4 nor 6, or not the one asked for.
    IpVersion(version: u8) = "ip_version", "IP: version {version}";
    /// IPv4: so many octets of the header are missing.
    Ipv4Truncated(missing: usize) = "ipv4_truncated", "IPv4: {missing} octets of the header are missing";
    /// IPv4: the header length field says so many octets, fewer than 20.
    Ipv4HeaderLength(length: usize) = "ipv4_header_length", "IPv4: a header of {length} octets";
    /// IPv4: the total length field says so many octets, fewer than the header has.
    Ipv4TotalLength(length: usize) = "ipv4_total_length", "IPv4: a packet of {length} octets, fewer than its header";
    /// IPv4: the total length field says so many octets more than have arrived.
    Ipv4Cut(missing: usize) = "ipv4_cut", "IPv4: {missing} octets of the packet are missing";
    /// IPv6: so many octets of the fixed header are missing.
    Ipv6Truncated(missing: usize) = "ipv6_truncated", "IPv6: {missing} octets of the header are missing";
    /// IPv6: the payload length field says so many octets, fewer than stand apart from the packet's front.
    Ipv6PayloadLength(length: usize) = "ipv6_payload_length", "IPv6: a payload of {length} octets, fewer than there are";
    /// IPv6: the payload length field says so many octets more than have arrived.
    Ipv6Cut(missing: usize) = "ipv6_cut", "IPv6: {missing} octets of the packet are missing";
    /// IPv6: an extension header is longer than the packet by so many octets.
    Ipv6ExtensionTruncated(missing: usize)
        = "ipv6_extension_truncated", "IPv6: {missing} octets of an extension header are missing";
    /// IPv6: an extension header that we don't process, or hop-by-hop options that don't stand first: its number, and
    /// how many octets from the start of the packet the field stands that names it.
    Ipv6ExtensionHeader { kind: u8, offset: usize }
        = "ipv6_extension_header", "IPv6: extension header {kind}, named at octet {offset}";
    /// IPv6: more extension headers than any honest packet has.
    Ipv6ExtensionCount = "ipv6_extension_count", "IPv6: too many extension headers";
    /// IPv6: a routing header of this type that wants to be forwarded; its type field stands so many octets from the
    /// start of the packet.
    Ipv6Routing { kind: u8, offset: usize } = "ipv6_routing", "IPv6: routing header of type {kind} at octet {offset}";
    /// IPv6: an option that may not be skipped by who doesn't know it, so many octets from the start of the packet.
    Ipv6Option { kind: u8, offset: usize } = "ipv6_option", "IPv6: unknown option {kind:#04x} at octet {offset}";
    /// IPv6: an option that ends behind its header; it starts so many octets from the start of the packet.
    Ipv6OptionLength(offset: usize) = "ipv6_option_length", "IPv6: the option at octet {offset} is too long";
    /// TCP: so many octets of the header are missing.
    TcpTruncated(missing: usize) = "tcp_truncated", "TCP: {missing} octets of the header are missing";
    /// TCP: the data offset, in 32-bit words, is below the five that every header has, or beyond the segment.
    TcpDataOffset(words: u8) = "tcp_data_offset", "TCP: a data offset of {words} words";
    /// UDP: so many octets of the header are missing.
    UdpTruncated(missing: usize) = "udp_truncated", "UDP: {missing} octets of the header are missing";
    /// UDP: the length field says so many octets: fewer than 8, or more than have arrived.
    UdpLength(length: u16) = "udp_length", "UDP: a datagram of {length} octets";
    /// ICMP: so many octets of the header are missing.
    IcmpTruncated(missing: usize) = "icmp_truncated", "ICMP: {missing} octets of the header are missing";
    /// ICMP: the checksum doesn't verify.
    IcmpChecksum = "icmp_checksum", "ICMP: the checksum doesn't verify";
    /// ICMP: a type that an end system without further duties ignores.
    IcmpType(kind: u8) = "icmp_type", "ICMP: type {kind}";
    /// The packet that an ICMP error quotes: so many octets are missing of what has to be quoted.
    QuotedTruncated(missing: usize) = "quoted_truncated", "ICMP: {missing} octets of the quoted packet are missing";
    /// The packet that an ICMP error quotes: a fragment other than the first, so nothing tells whose it is.
    QuotedFragment = "quoted_fragment", "ICMP: the quoted packet is a later fragment";
    /// Neighbour discovery: so many octets are missing.
    NdpTruncated(missing: usize) = "ndp_truncated", "NDP: {missing} octets are missing";
    /// Neighbour discovery: another type of message.
    NdpType(kind: u8) = "ndp_type", "NDP: type {kind}";
    /// Neighbour discovery: the code, which must be 0.
    NdpCode(code: u8) = "ndp_code", "NDP: code {code}";
    /// Neighbour discovery: the hop limit is below 255, so a router has passed it on.
    NdpHopLimit(hops: u8) = "ndp_hop_limit", "NDP: hop limit {hops}";
    /// Neighbour discovery: an option of length 0, or one that ends behind the message.
    NdpOptionLength(units: u8) = "ndp_option_length", "NDP: an option of {units} times 8 octets";
    /// Neighbour discovery: source, destination, target, flags and options that don't belong together.
    NdpAddresses = "ndp_addresses", "NDP: the addresses don't fit the message";
}

impl ParseError {
    /// For an IPv6 header that its recipient must complain about: code and pointer of the ICMPv6 parameter problem
    /// (RFC 4443 section 3.4, RFC 8200 section 4). `None` for what is dropped silently.
    ///
    /// An option of kind `11xx_xxxx` asks for silence where the packet went to a multicast address: that is for the
    /// caller to look at.
    pub fn parameter_problem(self) -> Option<(u8, u32)> {
        let (code, offset) = match self {
            Self::Ipv6Routing { offset, .. } | Self::Ipv6OptionLength(offset) => (0, offset),
            Self::Ipv6ExtensionHeader { offset, .. } => (1, offset),
            Self::Ipv6Option { kind, offset } if kind & 0x80 != 0 => (2, offset),
            _ => return None,
        };
        Some((code, u32::try_from(offset).ok()?))
    }
}

impl core::error::Error for ParseError {}

/// A builder was given a buffer that lacks so many octets. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferTooSmall(pub usize);

impl fmt::Display for BufferTooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the buffer is {} octets too small", self.0)
    }
}

impl core::error::Error for BufferTooSmall {}

/// The first `length` octets of `buffer`.
pub(crate) fn room(buffer: &mut [u8], length: usize) -> Result<&mut [u8], BufferTooSmall> {
    let have = buffer.len();
    buffer.get_mut(..length).ok_or(BufferTooSmall(length.saturating_sub(have)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_in_snake_case() {
        for (at, name) in ParseError::NAMES.iter().enumerate() {
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'), "{name}");
            assert!(!ParseError::NAMES[..at].contains(name), "{name} twice");
        }
    }

    #[test]
    fn only_who_must_complain_complains() {
        assert_eq!(ParseError::Ipv6Option { kind: 0x40, offset: 42 }.parameter_problem(), None);
        assert_eq!(ParseError::Ipv6Option { kind: 0xc2, offset: 42 }.parameter_problem(), Some((2, 42)));
        assert_eq!(ParseError::Ipv6ExtensionHeader { kind: 135, offset: 6 }.parameter_problem(), Some((1, 6)));
        assert_eq!(ParseError::Ipv6Routing { kind: 0, offset: 42 }.parameter_problem(), Some((0, 42)));
        assert_eq!(ParseError::TcpTruncated(1).parameter_problem(), None);
    }
}
