//! A TCP segment as bytes, checked once (RFC 9293 section 3.1).

use core::net::IpAddr;

use pnet_packet::tcp::TcpPacket;

use super::{Flags, OptionIter, Options, Timestamps};
use crate::checksum::with_pseudo_header;
use crate::ip::protocol;
use crate::{ParseError, SeqNumber};

/// Octets of a header without options.
pub const HEADER_LEN: usize = 20;

/// A segment whose data offset is consistent: after [`Self::parse`] no accessor can fail.
#[derive(Clone, Copy, Debug)]
pub struct TcpView<'a> {
    source_port: u16,
    destination_port: u16,
    seq: SeqNumber,
    ack: SeqNumber,
    flags: Flags,
    window: u16,
    checksum: u16,
    urgent: u16,
    header_len: usize,
    segment: &'a [u8],
}

impl<'a> TcpView<'a> {
    //= rfc9293#3.1-1
    /// A view of `segment`, all of it. Its checksum is for [`Self::verify_checksum`].
    ///
    /// # Errors
    /// [`ParseError::TcpTruncated`]; [`ParseError::TcpDataOffset`] if the data offset is below 5 words or beyond the end.
    #[expect(clippy::inline_always, reason = "of most fields one is asked for: half the instructions")]
    #[inline(always)]
    pub fn parse(segment: &'a [u8]) -> Result<Self, ParseError> {
        let missing = ParseError::TcpTruncated(HEADER_LEN.saturating_sub(segment.len()));
        let fields = TcpPacket::new(segment).ok_or(missing)?;
        let header_len = usize::from(fields.get_data_offset()) * 4;
        if header_len < HEADER_LEN || header_len > segment.len() {
            return Err(ParseError::TcpDataOffset(fields.get_data_offset()));
        }
        Ok(Self {
            source_port: fields.get_source(),
            destination_port: fields.get_destination(),
            seq: SeqNumber::new(fields.get_sequence()),
            ack: SeqNumber::new(fields.get_acknowledgement()),
            flags: Flags::from_bits(fields.get_flags()),
            window: fields.get_window(),
            checksum: fields.get_checksum(),
            urgent: fields.get_urgent_ptr(),
            header_len,
            segment,
        })
    }

    /// The port it comes from.
    pub const fn source_port(&self) -> u16 {
        self.source_port
    }

    /// The port it goes to.
    pub const fn destination_port(&self) -> u16 {
        self.destination_port
    }

    /// SEG.SEQ.
    pub const fn seq(&self) -> SeqNumber {
        self.seq
    }

    /// SEG.ACK; significant only with [`Flags::ack`].
    pub const fn ack(&self) -> SeqNumber {
        self.ack
    }

    /// The control bits.
    pub const fn flags(&self) -> Flags {
        self.flags
    }

    //= rfc9293#MUST-1
    //= rfc1122#4.2.2.3-1
    /// SEG.WND, not scaled.
    pub const fn window(&self) -> u16 {
        self.window
    }

    /// The checksum field.
    pub const fn checksum(&self) -> u16 {
        self.checksum
    }

    //= rfc9293#3.1-5
    /// SEG.UP; 0 unless [`Flags::urg`] makes it significant.
    pub const fn urgent(&self) -> u16 {
        if self.flags.urg { self.urgent } else { 0 }
    }

    //= rfc9293#MUST-5
    //= rfc1122#4.2.2.5-1
    /// The options as meaning. Those that belong to the handshake count in a segment with SYN only: maximum segment
    /// size, window scale, SACK permitted and Fast Open are absent from any other.
    #[inline]
    pub fn options(&self) -> Options {
        match Timestamps::alone(self.option_bytes()) {
            Some(timestamps) => Options { timestamps: Some(timestamps), ..Options::NONE },
            None => self.other_options(),
        }
    }

    /// The same where there may be others than timestamps.
    fn other_options(&self) -> Options {
        let options = Options::parse(self.option_bytes());
        //= rfc7323#2.2-6
        //= rfc7413#4.1.1-3
        if self.flags.syn { options } else { options.without_handshake() }
    }

    /// The options one by one, whatever the segment.
    pub fn option_iter(&self) -> OptionIter<'a> {
        OptionIter::new(self.option_bytes())
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
    //= rfc1122#4.2.2.7-2
    /// True if the checksum over pseudo-header, header and text verifies.
    pub fn verify_checksum(&self, source: IpAddr, destination: IpAddr) -> bool {
        with_pseudo_header(source, destination, protocol::TCP, self.segment).is_valid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::{TcpHeader, fill_checksum};

    const SOURCE: IpAddr = IpAddr::V6(core::net::Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1));
    const DESTINATION: IpAddr = IpAddr::V6(core::net::Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2));

    /// A segment with seven octets of text.
    fn segment(flags: Flags, options: Options) -> ([u8; 67], usize) {
        let mut buffer = [7; 67];
        let header = TcpHeader {
            source_port: 1234,
            destination_port: 80,
            seq: SeqNumber::new(u32::MAX),
            ack: SeqNumber::new(5),
            flags,
            window: 0xfffe,
            urgent: 3,
            options,
        };
        let length = header.emit(&mut buffer).unwrap();
        (buffer, length + 7)
    }

    //= rfc9293#MUST-1
    //= rfc1122#4.2.2.3-1
    #[test]
    fn a_window_above_32767_is_what_it_says() {
        let (bytes, length) = segment(Flags::ACK, Options::NONE);
        assert_eq!(u32::from(TcpView::parse(&bytes[..length]).unwrap().window()), 65_534);
    }

    //= rfc9293#3.1-1
    #[test]
    fn a_data_offset_outside_the_segment_is_refused() {
        let (mut bytes, length) = segment(Flags::ACK, Options::NONE);
        for (offset, refused) in [(4, true), (0, true), (5, false), (6, false), (7, true), (15, true)] {
            bytes[12] = offset << 4;
            let error = refused.then_some(ParseError::TcpDataOffset(offset));
            assert_eq!(TcpView::parse(&bytes[..length]).err(), error, "{offset}");
        }
        assert_eq!(TcpView::parse(&bytes[..19]).err(), Some(ParseError::TcpTruncated(1)));
    }

    //= rfc9293#3.1-2
    #[test]
    fn reserved_bits_are_ignored() {
        let (mut bytes, length) = segment(Flags::SYN_ACK, Options::NONE);
        assert_eq!(bytes[12] & 0x0f, 0, "and sent as zero");
        bytes[12] |= 0x0f;
        let view = TcpView::parse(&bytes[..length]).unwrap();
        assert_eq!((view.flags(), view.header_len(), view.payload()), (Flags::SYN_ACK, 20, &[7; 7][..]));
    }

    //= rfc9293#MUST-3
    //= rfc9293#3.1-4
    //= rfc1122#4.2.2.7-2
    #[test]
    fn every_flipped_bit_spoils_the_checksum() {
        let (mut bytes, length) = segment(Flags::ACK, Options::NONE);
        let (header, text) = bytes[..length].split_at_mut(20);
        fill_checksum(SOURCE, DESTINATION, header, [&*text].into_iter());
        assert!(TcpView::parse(&bytes[..length]).unwrap().verify_checksum(SOURCE, DESTINATION));
        for bit in 0..length * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            let still_valid =
                TcpView::parse(&bytes[..length]).is_ok_and(|view| view.verify_checksum(SOURCE, DESTINATION));
            assert!(!still_valid, "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        let elsewhere = IpAddr::V6(core::net::Ipv6Addr::LOCALHOST);
        assert!(!TcpView::parse(&bytes[..length]).unwrap().verify_checksum(SOURCE, elsewhere));
    }

    //= rfc9293#3.1-5
    #[test]
    fn the_urgent_pointer_counts_with_urg_only() {
        for (flags, pointer) in [(Flags::ACK, 0), (Flags { urg: true, ..Flags::ACK }, 3)] {
            let (bytes, length) = segment(flags, Options::NONE);
            assert_eq!(TcpView::parse(&bytes[..length]).unwrap().urgent(), pointer);
        }
    }

    //= rfc9293#MUST-5
    //= rfc1122#4.2.2.5-1
    //= rfc7323#2.2-6
    //= rfc7413#4.1.1-3
    #[test]
    fn options_of_the_handshake_count_in_a_syn_only_and_others_everywhere() {
        // MSS 1460, window scale 7, SACK permitted, a Fast Open request, NOP, user timeout of 5 s
        let options = [2, 4, 5, 0xb4, 3, 3, 7, 4, 2, 34, 2, 1, 28, 4, 0, 5];
        let mut bytes = [0; 36];
        bytes[20..].copy_from_slice(&options);
        bytes[12] = 9 << 4;
        let read = |bits: u8, bytes: &mut [u8; 36]| {
            bytes[13] = bits;
            TcpView::parse(bytes).unwrap().options()
        };
        let user_timeout = Some(crate::tcp::UserTimeout { seconds: 5 });
        assert_eq!(read(0x10, &mut bytes), Options { user_timeout, ..Options::NONE });
        let syn = read(0x02, &mut bytes);
        assert_eq!((syn.mss, syn.window_scale, syn.sack_permitted), (Some(1460), Some(7), true));
        assert_eq!((syn.fast_open, syn.user_timeout), (Some(crate::tcp::FastOpenCookie::REQUEST), user_timeout));
    }
}
