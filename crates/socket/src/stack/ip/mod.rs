//! The IP layer of the host.

pub(super) mod address;
pub(super) mod datagram;
pub(super) mod fragment;
pub(super) mod path;

/// Octets that an ICMP error quotes at most over IPv4, so that it has 576 (RFC 1812 section 4.3.2.3).
pub(super) const QUOTED_V4: usize = 548;
//= rfc4443#2.4-3
/// Over IPv6, so that it has 1280.
pub(super) const QUOTED_V6: usize = 1232;
