//! UDP (RFC 768).

use core::net::IpAddr;

use pnet_packet::udp::UdpPacket;

use crate::ParseError;
use crate::checksum::with_pseudo_header;
use crate::error::{BufferTooSmall, room};
use crate::ip::protocol;

/// Octets of the header.
pub const HEADER_LEN: usize = 8;

/// A UDP datagram, its length field checked.
#[derive(Clone, Copy, Debug)]
pub struct UdpView<'a> {
    source_port: u16,
    destination_port: u16,
    checksum: u16,
    datagram: &'a [u8],
}

impl<'a> UdpView<'a> {
    /// A view of the datagram at the start of `bytes`. Its checksum is for [`Self::verify_checksum`].
    ///
    /// # Errors
    /// [`ParseError::UdpTruncated`]; [`ParseError::UdpLength`] if the length field is below 8 or beyond `bytes`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let missing = ParseError::UdpTruncated(HEADER_LEN.saturating_sub(bytes.len()));
        let fields = UdpPacket::new(bytes).ok_or(missing)?;
        let length = fields.get_length();
        let datagram = bytes.get(..usize::from(length)).filter(|datagram| datagram.len() >= HEADER_LEN);
        Ok(Self {
            source_port: fields.get_source(),
            destination_port: fields.get_destination(),
            checksum: fields.get_checksum(),
            datagram: datagram.ok_or(ParseError::UdpLength(length))?,
        })
    }

    /// The port it comes from; 0 if none was given.
    pub const fn source_port(&self) -> u16 {
        self.source_port
    }

    /// The port it goes to.
    pub const fn destination_port(&self) -> u16 {
        self.destination_port
    }

    /// What it carries.
    pub fn payload(&self) -> &'a [u8] {
        self.datagram.get(HEADER_LEN..).unwrap_or_default()
    }

    /// Header and payload, without what followed.
    pub const fn datagram(&self) -> &'a [u8] {
        self.datagram
    }

    /// True if the checksum verifies, or is absent, which IPv4 alone allows (RFC 8200 section 8.1).
    pub fn verify_checksum(&self, source: IpAddr, destination: IpAddr) -> bool {
        if self.checksum == 0 {
            return source.is_ipv4();
        }
        with_pseudo_header(source, destination, protocol::UDP, self.datagram).is_valid()
    }
}

/// Writes a datagram from `source` to `destination` into `buffer` and says how many octets it takes. Up to 65,527 octets
/// of payload fit into one.
///
/// # Errors
/// [`BufferTooSmall`].
///
/// ```
/// # use sockeye_wire::udp::{self, UdpView};
/// let (from, to) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
/// let mut buffer = [0; 64];
/// let length = udp::emit((from, 5353), (to, 53), b"who?", &mut buffer).unwrap();
/// let view = UdpView::parse(&buffer[..length]).unwrap();
/// assert!(view.verify_checksum(from, to));
/// assert_eq!(view.payload(), b"who?");
/// ```
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
    // A sum of zero is sent as all ones: zero says that there is none.
    let checksum = match with_pseudo_header(source.0, destination.0, protocol::UDP, datagram).checksum() {
        0 => 0xffff,
        checksum => checksum,
    };
    if let Some(field) = datagram.get_mut(6..8) {
        field.copy_from_slice(&checksum.to_be_bytes());
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: [IpAddr; 2] =
        [IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 1)), IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 2))];
    const V6: [IpAddr; 2] =
        [IpAddr::V6(core::net::Ipv6Addr::LOCALHOST), IpAddr::V6(core::net::Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2))];

    #[test]
    fn a_length_field_that_lies_is_refused_and_padding_cut() {
        let with_length =
            |length: u8| UdpView::parse(&[0, 1, 0, 2, 0, length, 0, 0, 9, 9]).map(|view| view.payload().len());
        assert_eq!(with_length(7), Err(ParseError::UdpLength(7)));
        assert_eq!(with_length(11), Err(ParseError::UdpLength(11)));
        assert_eq!((with_length(8), with_length(9)), (Ok(0), Ok(1)));
        assert_eq!(UdpView::parse(&[0; 7]).unwrap_err(), ParseError::UdpTruncated(1));
    }

    #[test]
    fn a_datagram_without_checksum_is_legal_in_ipv4_alone() {
        let bytes = [0, 1, 0, 2, 0, 8, 0, 0];
        let view = UdpView::parse(&bytes).unwrap();
        assert!(view.verify_checksum(V4[0], V4[1]));
        assert!(!view.verify_checksum(V6[0], V6[1]));
    }

    #[test]
    fn a_checksum_of_zero_is_sent_as_all_ones() {
        let mut buffer = [0; 10];
        for word in 0..=u16::MAX {
            emit((V4[0], 1), (V4[1], 2), &word.to_be_bytes(), &mut buffer).unwrap();
            assert_ne!(buffer[6..8], [0, 0]);
            assert!(UdpView::parse(&buffer).unwrap().verify_checksum(V4[0], V4[1]), "{word}");
        }
    }
}
