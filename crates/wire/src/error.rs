//! Why bytes are not what a parser looks for.

use core::fmt;

/// Why bytes are not a packet of the kind asked for. Each reason has a stable [name](Self::name), under which whoever
/// drops the packet counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParseError {
    /// The buffer ends so many octets before the header does.
    Truncated(usize),
    /// The version nibble is neither 4 nor 6, or not the one asked for.
    Version(u8),
    /// The header length field, in octets, is below what every header has, or beyond the packet.
    HeaderLength(usize),
    /// The total or payload length field, in octets, is below the header's or beyond the buffer.
    TotalLength(usize),
    /// The checksum doesn't verify.
    Checksum,
    /// Hardware or protocol type, or an address length, is none that we know.
    AddressType,
    /// An IPv6 extension header that nobody knows, at so many octets from the start of the packet.
    ExtensionHeader {
        /// The header's number.
        kind: u8,
        /// Where the field stands that names it.
        offset: usize,
    },
    /// More IPv6 extension headers than any honest packet has.
    TooManyExtensionHeaders,
    /// An option's length field, in octets, is zero or leads past the end.
    OptionLength(u8),
    /// A message type that the parser doesn't know.
    MessageType(u8),
}

impl ParseError {
    /// A stable name in snake case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Truncated(_) => "truncated",
            Self::Version(_) => "version",
            Self::HeaderLength(_) => "header_length",
            Self::TotalLength(_) => "total_length",
            Self::Checksum => "checksum",
            Self::AddressType => "address_type",
            Self::ExtensionHeader { .. } => "extension_header",
            Self::TooManyExtensionHeaders => "too_many_extension_headers",
            Self::OptionLength(_) => "option_length",
            Self::MessageType(_) => "message_type",
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated(missing) => write!(f, "{missing} octets are missing"),
            Self::Version(version) => write!(f, "IP version {version}"),
            Self::HeaderLength(length) => write!(f, "a header of {length} octets"),
            Self::TotalLength(length) => write!(f, "a length field of {length} octets"),
            Self::Checksum => f.write_str("the checksum doesn't verify"),
            Self::AddressType => f.write_str("an unknown type of address"),
            Self::ExtensionHeader { kind, offset } => write!(f, "unknown extension header {kind} at octet {offset}"),
            Self::TooManyExtensionHeaders => f.write_str("too many extension headers"),
            Self::OptionLength(length) => write!(f, "an option of {length} octets"),
            Self::MessageType(kind) => write!(f, "unknown message type {kind}"),
        }
    }
}

impl core::error::Error for ParseError {}

/// A builder was given a buffer that lacks so many octets.
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
