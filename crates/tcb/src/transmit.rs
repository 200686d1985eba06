//! What goes out: a header to fill in and the text as shared slices.

use bytes::Bytes;
use smallvec::SmallVec;
use sockeye_wire::SeqNumber;
use sockeye_wire::ip::Ecn;
use sockeye_wire::tcp::{Flags, Options};

/// Text in order, as pieces shared with the queue that keeps them until they are acknowledged.
pub type Slices = SmallVec<[Bytes; 2]>;

/// A TCP header but for what a `Tcb` doesn't know: ports and checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Header {
    /// The sequence number.
    pub seq: SeqNumber,
    /// The acknowledgment number; 0 without [`Flags::ack`].
    pub ack: SeqNumber,
    /// The control bits.
    pub flags: Flags,
    /// The window field, already scaled.
    pub window: u16,
    /// The urgent pointer; 0 without [`Flags::urg`].
    pub urgent: u16,
    /// The options.
    pub options: Options,
}

/// A segment to send, or several in one.
#[derive(Clone, Debug)]
pub struct Transmit {
    /// The header. If the text is to be cut, it is that of the first segment; FIN and PSH belong to the last.
    pub header: Header,
    /// The text.
    pub payload: Slices,
    /// Octets of text in each segment that this one is to be cut into, if there is more text than that; else 0.
    pub segment_size: u16,
    /// What the IP header is to say of congestion.
    pub ecn: Ecn,
}

impl Transmit {
    /// Octets of text.
    pub fn payload_len(&self) -> usize {
        self.payload.iter().map(Bytes::len).sum()
    }
}

impl From<Header> for Transmit {
    /// A segment without text.
    fn from(header: Header) -> Self {
        Self { header, payload: Slices::new(), segment_size: 0, ecn: Ecn::NotEct }
    }
}
