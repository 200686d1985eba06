//! UDP (RFC 768).

use core::net::IpAddr;

use pnet_packet::Packet as _;
use pnet_packet::udp::UdpPacket;

use crate::ParseError;
use crate::checksum::Sum;
use crate::error::{BufferTooSmall, room};
use crate::ip::protocol;

/// Octets of the header.
pub const HEADER_LEN: usize = 8;

/// A UDP datagram, its length field checked.
#[derive(Debug)]
pub struct UdpView<'a> {
    header: UdpPacket<'a>,
    datagram: &'a [u8],
}

impl<'a> UdpView<'a> {
    /// A view of the datagram at the start of `bytes`.
    ///
    /// # Errors
    /// [`ParseError::Truncated`], or [`ParseError::TotalLength`] if the length field is below 8 or beyond `bytes`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let header = UdpPacket::new(bytes).ok_or(ParseError::Truncated(HEADER_LEN.saturating_sub(bytes.len())))?;
        let length = usize::from(header.get_length());
        let datagram = bytes.get(..length).filter(|datagram| datagram.len() >= HEADER_LEN);
        let datagram = datagram.ok_or(ParseError::TotalLength(length))?;
        Ok(Self { header, datagram })
    }

    /// The port it comes from; 0 if none was given.
    pub fn source_port(&self) -> u16 {
        self.header.get_source()
    }

    /// The port it goes to.
    pub fn destination_port(&self) -> u16 {
        self.header.get_destination()
    }

    /// What it carries.
    pub fn payload(&self) -> &'a [u8] {
        self.datagram.get(HEADER_LEN..).unwrap_or_default()
    }

    /// True if the checksum verifies, or is absent, which IPv4 alone allows.
    pub fn verify_checksum(&self, source: IpAddr, destination: IpAddr) -> bool {
        if self.header.get_checksum() == 0 {
            return source.is_ipv4();
        }
        let mut sum = Sum::default();
        let length = u32::try_from(self.datagram.len()).unwrap_or(u32::MAX);
        sum.add_pseudo_header(source, destination, protocol::UDP, length);
        sum.add(self.datagram);
        sum.is_valid()
    }

    /// All octets that were given to [`Self::parse`], the header first.
    pub fn packet(&self) -> &[u8] {
        self.header.packet()
    }
}

/// Writes a datagram into `buffer` and says how many octets it takes.
///
/// # Errors
/// [`BufferTooSmall`].
pub fn emit(
    source: (IpAddr, u16),
    destination: (IpAddr, u16),
    payload: &[u8],
    buffer: &mut [u8],
) -> Result<usize, BufferTooSmall> {
    let length = HEADER_LEN + payload.len();
    let datagram = room(buffer, length)?;
    let field = u16::try_from(length).unwrap_or(u16::MAX);
    let (header, text) = datagram.split_at_mut(HEADER_LEN);
    text.copy_from_slice(payload);
    for (to, word) in header.as_chunks_mut::<2>().0.iter_mut().zip([source.1, destination.1, field, 0]) {
        *to = word.to_be_bytes();
    }
    let mut sum = Sum::default();
    sum.add_pseudo_header(source.0, destination.0, protocol::UDP, u32::from(field));
    sum.add(datagram);
    // A sum of zero is sent as all ones: zero says that there is none.
    let checksum = match sum.checksum() {
        0 => 0xffff,
        checksum => checksum,
    };
    if let Some(field) = datagram.get_mut(6..8) {
        field.copy_from_slice(&checksum.to_be_bytes());
    }
    Ok(length)
}
