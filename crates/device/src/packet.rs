//! What a device hands up and what it is handed: IP packets, shared rather than copied.

use bytes::Bytes;
use smallvec::SmallVec;
use sockeye_wire::Instant;

/// Payload in order, as pieces shared with whoever keeps them for retransmission.
pub type Slices = SmallVec<[Bytes; 2]>;

/// An Ethernet header as it stands on the wire.
pub type LinkHeader = [u8; 14];

/// A received IP packet, from its version nibble on; up to 64 KiB where the device merges segments.
#[derive(Clone, Debug)]
pub struct Packet {
    /// The packet, a reference-counted slice of the buffer that it was read into.
    pub bytes: Bytes,
    /// What of the packet follows `bytes`, which then has at least all headers, in pieces that are shared with its
    /// sender. Only [`crate::Device::receive_shared`] gives such; else it is empty, and `bytes` is all.
    pub text: Vec<Bytes>,
    /// When its batch was read.
    pub arrived_at: Instant,
    /// True if the device vouches for the transport checksum, so that nobody need sum the payload. In a TCP segment that
    /// has not been on a wire, the field itself may then hold the sum of the pseudo-header only.
    pub checksum_verified: bool,
    /// Octets of payload in each segment that was merged into this packet (the last may be shorter); 0 if it is one
    /// segment as sent.
    pub segment_size: u16,
    /// What the packet came behind, where a frame is to be passed on as it is: only an [`crate::Interface`] tells. Then
    /// the packet may be something else than IP.
    pub link_header: Option<LinkHeader>,
}

impl Packet {
    /// A packet as it came from a wire: checksums not looked at, nothing merged.
    pub const fn new(bytes: Bytes, arrived_at: Instant) -> Self {
        let text = Vec::new();
        Self { bytes, text, arrived_at, checksum_verified: false, segment_size: 0, link_header: None }
    }

    /// Octets of [`Self::text`].
    pub fn text_len(&self) -> usize {
        self.text.iter().map(Bytes::len).sum()
    }

    /// The packet in one piece.
    #[must_use]
    pub fn joined(mut self) -> Self {
        if !self.text.is_empty() {
            self.bytes = join(&self.bytes, &self.text);
            self.text.clear();
        }
        self
    }

    /// True if [`Self::bytes`] are what would stand on a wire: nothing is to be cut or joined, no checksum to be completed.
    pub const fn is_as_on_a_wire(&self) -> bool {
        self.segment_size == 0 && !self.checksum_verified && self.text.is_empty()
    }
}

/// A packet to send: headers in place, payload as shared slices.
#[derive(Clone, Debug)]
pub struct Outgoing {
    head: [u8; Self::HEAD],
    head_length: u8,
    /// What follows the headers.
    pub payload: Slices,
    /// Octets of payload for each segment that this packet is to be cut into; 0 if it goes out as it is. Only a device
    /// whose [`crate::Capabilities::segmentation`] is above 0 gets one that isn't 0.
    pub segment_size: u16,
    /// What the packet goes behind: an [`crate::Interface`] wants one, other devices make their own.
    pub link_header: Option<LinkHeader>,
}

impl Outgoing {
    /// Room for the headers: IPv6 (40) and TCP with all its options (60), and some to spare for ICMP errors.
    pub const HEAD: usize = 128;

    /// A packet whose headers `write` puts at the start of a zeroed buffer of [`Self::HEAD`] octets, returning how many
    /// it wrote.
    pub fn build(payload: Slices, write: impl FnOnce(&mut [u8; Self::HEAD]) -> usize) -> Self {
        let mut head = [0; Self::HEAD];
        let length = write(&mut head).min(Self::HEAD);
        let head_length = u8::try_from(length).unwrap_or(u8::MAX);
        Self { head, head_length, payload, segment_size: 0, link_header: None }
    }

    /// A packet with the same headers, as it goes out alone, and another payload.
    pub(crate) fn with_head_for(&self, payload: Slices) -> Self {
        let Self { head, head_length, link_header, .. } = *self;
        Self { head, head_length, payload, segment_size: 0, link_header }
    }

    /// The headers.
    pub fn head(&self) -> &[u8] {
        self.head.get(..usize::from(self.head_length)).unwrap_or_default()
    }

    /// The headers, to be edited in place, and what follows them.
    pub fn parts_mut(&mut self) -> (&mut [u8], &[Bytes]) {
        let head = self.head.get_mut(..usize::from(self.head_length)).unwrap_or_default();
        (head, &self.payload)
    }

    /// Octets in all.
    pub fn len(&self) -> usize {
        self.head().len() + self.payload.iter().map(Bytes::len).sum::<usize>()
    }

    /// True if there is not one octet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The packet in one piece.
    pub fn to_bytes(&self) -> Bytes {
        join(self.head(), &self.payload)
    }
}

fn join(front: &[u8], rest: &[Bytes]) -> Bytes {
    let mut whole = Vec::with_capacity(front.len() + rest.iter().map(Bytes::len).sum::<usize>());
    whole.extend_from_slice(front);
    rest.iter().for_each(|piece| whole.extend_from_slice(piece));
    whole.into()
}
