//! What the IP layer hands to those above it.

use std::net::IpAddr;

use bytes::{Buf, Bytes};
use sockeye_device::sum;
use sockeye_wire::Instant;
use sockeye_wire::ip::Ecn;

/// What the IP layer found: who, to whom, and what it carries.
pub(crate) struct Datagram {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: u8,
    /// The packet from its IP header on, what a link padded cut off; of one in fragments the start of the first.
    pub(crate) packet: Bytes,
    /// Where what it carries begins.
    pub(crate) header_len: usize,
    /// What the fragments carry together, if it came in such.
    pub(crate) joined: Option<Bytes>,
    /// What follows the packet, of a TCP segment only.
    pub(crate) text: Vec<Bytes>,
    pub(crate) arrived_at: Instant,
    pub(crate) checksum_verified: bool,
    pub(crate) segment_size: u16,
    pub(crate) ecn: Ecn,
}

impl Datagram {
    pub(crate) fn payload(&self) -> &[u8] {
        match &self.joined {
            Some(joined) => joined,
            None => self.packet.get(self.header_len..).unwrap_or_default(),
        }
    }

    /// True if the TCP segment that it carries has the right checksum.
    pub(crate) fn verifies(&self) -> bool {
        sum::verifies(self.source, self.destination, self.payload(), &self.text)
    }

    /// The payload from `from` on, the first piece and those that follow it. The first is the packet itself, cut, so that
    /// nobody counts references to it.
    pub(crate) fn into_payload_from(self, from: usize) -> (Bytes, Vec<Bytes>) {
        let (mut bytes, from) = match self.joined {
            Some(joined) => (joined, from),
            None => (self.packet, self.header_len + from),
        };
        bytes.advance(from.min(bytes.len()));
        (bytes, self.text)
    }
}
