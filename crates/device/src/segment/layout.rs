//! Where the headers of a TCP segment are, and the few fields that differ from segment to segment.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use sockeye_wire::checksum::checksum;
use sockeye_wire::ip::{protocol, v4, v6};
use sockeye_wire::tcp;

/// Where fields of an IPv4 header are.
pub(super) const TOTAL_LENGTH: usize = 2;
pub(super) const IDENTIFICATION: usize = 4;
pub(super) const HEADER_CHECKSUM: usize = 10;
/// Where the length field of an IPv6 header is.
const PAYLOAD_LENGTH: usize = 4;
/// Octets of both ports, at the start of a TCP header.
const PORTS: usize = 4;
/// Octets 12 and 13 of a TCP header are the data offset and the flags.
const DATA_OFFSET: usize = 12;
pub(super) const FLAGS: usize = 13;
/// FIN and PSH: on the last segment only.
pub(super) const LAST_ONLY: u8 = 0x01 | 0x08;
/// CWR: on the first segment only.
pub(super) const FIRST_ONLY: u8 = 0x80;

/// The lengths of the two headers of a segment, checked against its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) version: Version,
    /// Octets of the TCP header.
    pub(super) tcp_len: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V4,
    V6,
}

impl Layout {
    /// Of a packet that starts with `head`, which holds both headers whole. `None` if it isn't TCP, or has options in
    /// its IP header, or is a fragment. The lengths in the IP header aren't looked at: of a super-segment they may not
    /// say the truth.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        let version = match head.first()? {
            0x45 => Version::V4,
            first if first >> 4 == 6 => Version::V6,
            _ => return None,
        };
        let (next, fragment) = match version {
            // More fragments, or an offset.
            Version::V4 => (*head.get(9)?, u16::from_be_bytes([*head.get(6)?, *head.get(7)?]) & 0x3fff != 0),
            Version::V6 => (*head.get(6)?, false),
        };
        let start = version.header_len();
        let tcp_len = usize::from(head.get(start + DATA_OFFSET)? >> 4) * 4;
        let fits = tcp_len >= tcp::HEADER_LEN && start + tcp_len <= head.len();
        (next == protocol::TCP && !fragment && fits).then_some(Self { version, tcp_len })
    }

    /// Octets of both headers.
    pub(super) const fn head_len(self) -> usize {
        self.version.header_len() + self.tcp_len
    }

    /// The TCP header.
    pub(super) fn tcp(self, head: &[u8]) -> &[u8] {
        head.get(self.version.header_len()..self.head_len()).unwrap_or_default()
    }

    /// The TCP header, to be edited.
    pub(super) fn tcp_mut(self, head: &mut [u8]) -> &mut [u8] {
        head.get_mut(self.version.header_len()..self.head_len()).unwrap_or_default()
    }

    /// The addresses, source first.
    pub(super) fn addresses(self, head: &[u8]) -> [IpAddr; 2] {
        fn at<const N: usize>(head: &[u8], at: usize) -> [u8; N] {
            head.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; N])
        }
        let start = self.version.addresses_at();
        match self.version {
            Version::V4 => [start, start + 4].map(|start| Ipv4Addr::from(at::<4>(head, start)).into()),
            Version::V6 => [start, start + 16].map(|start| Ipv6Addr::from(at::<16>(head, start)).into()),
        }
    }

    /// Writes the length of the packet into the IP header, for a text of so many octets; one that doesn't fit the field
    /// is written as the largest.
    pub(super) fn put_length(self, head: &mut [u8], text: usize) {
        match self.version {
            Version::V4 => put_word(head, TOTAL_LENGTH, self.head_len() + text),
            Version::V6 => put_word(head, PAYLOAD_LENGTH, self.tcp_len + text),
        }
    }

    /// Octets of text that the IP header announces.
    pub(super) fn announced_text(self, head: &[u8]) -> Option<usize> {
        match self.version {
            Version::V4 => usize::from(word(head, TOTAL_LENGTH)).checked_sub(self.head_len()),
            Version::V6 => usize::from(word(head, PAYLOAD_LENGTH)).checked_sub(self.tcp_len),
        }
    }

    /// IPv4: puts the header checksum right.
    pub(super) fn put_header_checksum(self, head: &mut [u8]) {
        if self.version == Version::V4 {
            put_word(head, HEADER_CHECKSUM, 0);
            let sum = checksum(head.get(..v4::HEADER_LEN).unwrap_or_default());
            put_word(head, HEADER_CHECKSUM, usize::from(sum));
        }
    }

    /// IPv4: true if its identification means something, as somebody may cut the packet (RFC 6864).
    pub(super) fn is_identified(self, head: &[u8]) -> bool {
        self.version == Version::V4 && head.get(6).is_some_and(|flags| flags & 0x40 == 0)
    }
}

impl Version {
    pub(super) const fn header_len(self) -> usize {
        match self {
            Self::V4 => v4::HEADER_LEN,
            Self::V6 => v6::HEADER_LEN,
        }
    }

    /// Where the source address is; the destination follows it, and ends the header.
    const fn addresses_at(self) -> usize {
        match self {
            Self::V4 => 12,
            Self::V6 => 8,
        }
    }

    /// Where addresses and ports are, which stand one behind the other.
    pub(super) const fn ends(self) -> Range<usize> {
        self.addresses_at()..self.header_len() + PORTS
    }
}

/// The 16-bit word at a place; 0 if there is none.
pub(super) fn word(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |word| u16::from_be_bytes(*word))
}

/// Writes a 16-bit word, or 65,535 for what is larger.
pub(super) fn put_word(bytes: &mut [u8], at: usize, value: usize) {
    if let Some(field) = bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *field = u16::try_from(value).unwrap_or(u16::MAX).to_be_bytes();
    }
}

/// The sequence number in a TCP header.
pub(super) fn seq(tcp: &[u8]) -> u32 {
    tcp.get(4..).and_then(<[u8]>::first_chunk).map_or(0, |octets| u32::from_be_bytes(*octets))
}

/// Writes the sequence number.
pub(super) fn put_seq(tcp: &mut [u8], seq: u32) {
    if let Some(field) = tcp.get_mut(4..).and_then(<[u8]>::first_chunk_mut) {
        *field = seq.to_be_bytes();
    }
}

/// Writes the octet of flags.
pub(super) fn put_flags(tcp: &mut [u8], flags: u8) {
    tcp.get_mut(FLAGS).into_iter().for_each(|octet| *octet = flags);
}
