//! A TCP segment as bytes, checked once (RFC 9293 section 3.1).

use core::net::IpAddr;

use pnet_packet::tcp::TcpPacket;

use super::{Flags, Options};
use crate::checksum::Sum;
use crate::ip::protocol;
use crate::{ParseError, SeqNumber};

/// Octets of a header without options.
pub const HEADER_LEN: usize = 20;

/// A segment whose data offset is consistent: after [`Self::parse`] no accessor can fail.
#[derive(Debug)]
pub struct TcpView<'a> {
    header: TcpPacket<'a>,
    segment: &'a [u8],
    header_len: usize,
}

impl<'a> TcpView<'a> {
    //= rfc9293#3.1-1
    /// A view of `segment`, all of it. Its checksum is for [`Self::verify_checksum`].
    ///
    /// # Errors
    /// [`ParseError::Truncated`]; [`ParseError::HeaderLength`] if the data offset is below 5 words or beyond the end.
    pub fn parse(segment: &'a [u8]) -> Result<Self, ParseError> {
        let header = TcpPacket::new(segment).ok_or(ParseError::Truncated(HEADER_LEN.saturating_sub(segment.len())))?;
        let header_len = usize::from(header.get_data_offset()) * 4;
        if header_len < HEADER_LEN || header_len > segment.len() {
            return Err(ParseError::HeaderLength(header_len));
        }
        Ok(Self { header, segment, header_len })
    }

    /// The port it comes from.
    pub fn source_port(&self) -> u16 {
        self.header.get_source()
    }

    /// The port it goes to.
    pub fn destination_port(&self) -> u16 {
        self.header.get_destination()
    }

    /// SEG.SEQ.
    pub fn seq(&self) -> SeqNumber {
        SeqNumber::new(self.header.get_sequence())
    }

    /// SEG.ACK; significant only with [`Flags::ack`].
    pub fn ack(&self) -> SeqNumber {
        SeqNumber::new(self.header.get_acknowledgement())
    }

    /// The control bits.
    pub fn flags(&self) -> Flags {
        Flags::from_bits(self.header.get_flags())
    }

    //= rfc9293#MUST-1
    /// SEG.WND, not scaled.
    pub fn window(&self) -> u16 {
        self.header.get_window()
    }

    /// SEG.UP; significant only with [`Flags::urg`].
    pub fn urgent(&self) -> u16 {
        self.header.get_urgent_ptr()
    }

    //= rfc9293#MUST-5
    /// The options as meaning.
    pub fn options(&self) -> Options {
        Options::parse(self.option_bytes())
    }

    /// The options as bytes, padding included.
    pub fn option_bytes(&self) -> &'a [u8] {
        self.segment.get(HEADER_LEN..self.header_len).unwrap_or_default()
    }

    /// The text.
    pub fn payload(&self) -> &'a [u8] {
        self.segment.get(self.header_len..).unwrap_or_default()
    }

    /// Octets of the header, options included: 20 to 60.
    pub const fn header_len(&self) -> usize {
        self.header_len
    }

    //= rfc9293#MUST-3
    /// True if the checksum over pseudo-header, header and text verifies.
    pub fn verify_checksum(&self, source: IpAddr, destination: IpAddr) -> bool {
        let mut sum = Sum::default();
        let length = u32::try_from(self.segment.len()).unwrap_or(u32::MAX);
        sum.add_pseudo_header(source, destination, protocol::TCP, length);
        sum.add(self.segment);
        sum.is_valid()
    }
}
