//! IPv4 (RFC 791).

use core::net::Ipv4Addr;

use pnet_packet::ipv4::Ipv4Packet;

use super::{Ecn, Fragment};
use crate::ParseError;
use crate::checksum::{Sum, checksum};
use crate::error::{BufferTooSmall, room};

/// Octets of a header without options.
pub const HEADER_LEN: usize = 20;
const DONT_FRAGMENT: u8 = 0b010;
const MORE_FRAGMENTS: u8 = 0b001;
const LOOSE_SOURCE_ROUTE: u8 = 131;
const STRICT_SOURCE_ROUTE: u8 = 137;

/// What is asked most often of a packet that is as nearly every one: a header without options, and nothing behind the packet.
#[derive(Clone, Copy, Debug)]
pub struct Plain<'a> {
    /// To whom.
    pub destination: Ipv4Addr,
    /// The number of the protocol that it carries.
    pub protocol: u8,
    /// What it carries: of a fragment, its piece.
    pub payload: &'a [u8],
}

impl<'a> Plain<'a> {
    /// As [`Ipv4View::parse`] would say it; `None` of what isn't plain, which is left to that.
    #[inline]
    pub fn of(packet: &'a [u8]) -> Option<Self> {
        let (header, payload) = packet.split_first_chunk::<HEADER_LEN>()?;
        let [0x45, _, high, low, _, _, _, _, _, protocol, .., a, b, c, d] = *header else {
            return None;
        };
        let is_whole = usize::from(u16::from_be_bytes([high, low])) == packet.len();
        is_whole.then_some(Self { destination: Ipv4Addr::new(a, b, c, d), protocol, payload })
    }
}

/// An IPv4 packet whose lengths are consistent. Options are skipped (RFC 9293 MUST-50).
#[derive(Clone, Copy, Debug)]
pub struct Ipv4View<'a> {
    header: Ipv4Header,
    fragment: Fragment,
    header_len: usize,
    /// Up to the total length: what a link padded is cut off.
    packet: &'a [u8],
}

impl<'a> Ipv4View<'a> {
    //= rfc1122#3.2.1.1-1
    /// A view of the packet at the start of `bytes`. Its header checksum is for [`Self::verify_checksum`].
    ///
    /// # Errors
    /// [`ParseError::Ipv4Truncated`], [`ParseError::IpVersion`], [`ParseError::Ipv4HeaderLength`],
    /// [`ParseError::Ipv4TotalLength`], [`ParseError::Ipv4Cut`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        Self::parse_front(bytes, 0)
    }

    /// As [`Self::parse`], of a packet whose last `behind` octets stand elsewhere: [`Self::packet`] is what is here of it.
    ///
    /// # Errors
    /// Those of [`Self::parse`]; [`ParseError::Ipv4TotalLength`] also if the packet isn't as long as that.
    #[inline]
    pub fn parse_front(bytes: &'a [u8], behind: usize) -> Result<Self, ParseError> {
        let missing = ParseError::Ipv4Truncated(HEADER_LEN.saturating_sub(bytes.len()));
        let fields = Ipv4Packet::new(bytes).ok_or(missing)?;
        if fields.get_version() != 4 {
            return Err(ParseError::IpVersion(fields.get_version()));
        }
        let header_len = usize::from(fields.get_header_length()) * 4;
        if header_len < HEADER_LEN {
            return Err(ParseError::Ipv4HeaderLength(header_len));
        }
        let total_len = usize::from(fields.get_total_length());
        let front = total_len.checked_sub(behind).filter(|front| *front >= header_len);
        let front = front.ok_or(ParseError::Ipv4TotalLength(total_len))?;
        let packet = bytes.get(..front).ok_or(ParseError::Ipv4Cut(front.saturating_sub(bytes.len())))?;
        let header = Ipv4Header {
            source: fields.get_source().octets().into(),
            destination: fields.get_destination().octets().into(),
            protocol: fields.get_next_level_protocol().0,
            payload_len: total_len - header_len,
            ttl: fields.get_ttl(),
            traffic_class: fields.get_dscp() << 2 | fields.get_ecn(),
            identification: fields.get_identification(),
            dont_fragment: fields.get_flags() & DONT_FRAGMENT != 0,
        };
        let fragment = Fragment {
            identification: u32::from(header.identification),
            offset: u32::from(fields.get_fragment_offset()) * 8,
            more: fields.get_flags() & MORE_FRAGMENTS != 0,
        };
        Ok(Self { header, fragment, header_len, packet })
    }

    /// Who sent it.
    pub const fn source(&self) -> Ipv4Addr {
        self.header.source
    }

    /// To whom.
    pub const fn destination(&self) -> Ipv4Addr {
        self.header.destination
    }

    /// The number of the protocol that it carries.
    pub const fn protocol(&self) -> u8 {
        self.header.protocol
    }

    /// Time to live, in hops.
    pub const fn ttl(&self) -> u8 {
        self.header.ttl
    }

    /// Diffserv code point and ECN bits, as one octet.
    pub const fn traffic_class(&self) -> u8 {
        self.header.traffic_class
    }

    /// The Diffserv code point (RFC 2474): 0 to 63.
    pub const fn dscp(&self) -> u8 {
        self.header.traffic_class >> 2
    }

    /// What routers said, or may say, of congestion.
    pub const fn ecn(&self) -> Ecn {
        Ecn::of(self.header.traffic_class)
    }

    /// The identification.
    pub const fn identification(&self) -> u16 {
        self.header.identification
    }

    /// True if nobody may cut it.
    pub const fn dont_fragment(&self) -> bool {
        self.header.dont_fragment
    }

    /// The piece of a datagram that it is; `None` if it is whole.
    pub const fn fragment(&self) -> Option<Fragment> {
        if self.fragment.is_whole() { None } else { Some(self.fragment) }
    }

    /// The header as one would write it, without its options.
    pub const fn header(&self) -> Ipv4Header {
        self.header
    }

    /// Octets of the header, options included: 20 to 60.
    pub const fn header_len(&self) -> usize {
        self.header_len
    }

    /// Octets of [`Self::packet`].
    pub const fn total_len(&self) -> usize {
        self.packet.len()
    }

    /// The whole packet, or what is here of it, without what a link padded.
    pub const fn packet(&self) -> &'a [u8] {
        self.packet
    }

    /// The options as bytes, padding included.
    pub fn option_bytes(&self) -> &'a [u8] {
        self.packet.get(HEADER_LEN..self.header_len).unwrap_or_default()
    }

    //= rfc1122#3.2.1.8-10
    /// True if the sender, or somebody who poses as it, prescribes the way of the packet: a source route option, loose
    /// or strict (RFC 7126 section 4.3 advises to drop those). Options behind one of an illegal length don't count.
    pub fn has_source_route(&self) -> bool {
        let mut rest = self.option_bytes();
        loop {
            match *rest {
                [LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE, ..] => return true,
                [1, ref others @ ..] => rest = others,
                [kind, length, ..] if kind != 0 && length >= 2 => {
                    rest = rest.get(usize::from(length)..).unwrap_or_default();
                }
                _ => return false,
            }
        }
    }

    //= rfc9293#MUST-50
    //= rfc1122#3.2.1.8-3
    /// What it carries: options are skipped, padding is cut off.
    pub fn payload(&self) -> &'a [u8] {
        self.packet.get(self.header_len..).unwrap_or_default()
    }

    //= rfc1122#3.2.1.2-1
    /// True if the header checksum verifies.
    pub fn verify_checksum(&self) -> bool {
        checksum(self.packet.get(..self.header_len).unwrap_or_default()) == 0
    }
}

/// A header to write, without options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Header {
    /// Who sends.
    pub source: Ipv4Addr,
    /// To whom.
    pub destination: Ipv4Addr,
    /// The number of the protocol that follows.
    pub protocol: u8,
    /// Octets that follow: up to 65,515. A super-segment that the device cuts may be longer than the field says; the
    /// device writes it anew.
    pub payload_len: usize,
    /// Time to live, in hops.
    pub ttl: u8,
    /// Diffserv code point and ECN bits, as one octet.
    pub traffic_class: u8,
    /// The identification: 0 where nobody may cut the packet (RFC 6864).
    pub identification: u16,
    /// Nobody may cut the packet.
    pub dont_fragment: bool,
}

impl Ipv4Header {
    /// Writes the header, checksum included, and says that it takes 20 octets.
    ///
    /// # Errors
    /// [`BufferTooSmall`].
    #[inline]
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let header = room(buffer, HEADER_LEN)?;
        let total = u16::try_from(HEADER_LEN + self.payload_len).unwrap_or(u16::MAX);
        let [total_high, total_low] = total.to_be_bytes();
        let [id_high, id_low] = self.identification.to_be_bytes();
        let flags = if self.dont_fragment { DONT_FRAGMENT << 5 } else { 0 };
        let ([a, b, c, d], [e, f, g, h]) = (self.source.octets(), self.destination.octets());
        let (class, ttl, protocol) = (self.traffic_class, self.ttl, self.protocol);
        let mut octets = [
            0x45, class, total_high, total_low, id_high, id_low, flags, 0, ttl, protocol, 0, 0, a, b, c, d, e, f, g, h,
        ];
        // Summed before it is in memory: the processor has nothing to wait for.
        let mut sum = Sum::default();
        sum.add(&octets);
        [octets[10], octets[11]] = sum.checksum().to_be_bytes();
        header.copy_from_slice(&octets);
        Ok(HEADER_LEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet() -> [u8; 28] {
        let mut bytes = [7; 28];
        let header = Ipv4Header {
            source: [10, 0, 0, 1].into(),
            destination: [10, 0, 0, 2].into(),
            protocol: 17,
            payload_len: 4,
            ttl: 64,
            traffic_class: 0,
            identification: 9,
            dont_fragment: false,
        };
        header.emit(&mut bytes).unwrap();
        bytes
    }

    fn refused(at: usize, value: u8) -> ParseError {
        let mut bytes = packet();
        bytes[at] = value;
        Ipv4View::parse(&bytes).unwrap_err()
    }

    //= rfc1122#3.2.1.1-1
    #[test]
    fn lengths_and_version_that_contradict_are_refused_by_name() {
        assert_eq!(refused(0, 0x65), ParseError::IpVersion(6));
        assert_eq!(refused(0, 0x44), ParseError::Ipv4HeaderLength(16));
        assert_eq!(refused(3, 19), ParseError::Ipv4TotalLength(19));
        assert_eq!(refused(3, 29), ParseError::Ipv4Cut(1));
        assert_eq!(Ipv4View::parse(&packet()[..19]).unwrap_err(), ParseError::Ipv4Truncated(1));
    }

    #[test]
    fn what_a_link_padded_is_cut_off() {
        assert_eq!(Ipv4View::parse(&packet()).unwrap().payload(), [7; 4]);
    }

    #[test]
    fn of_a_packet_whose_end_stands_elsewhere_the_front_is_seen() {
        let front = &packet()[..21];
        let view = Ipv4View::parse_front(front, 3).unwrap();
        assert_eq!((view.payload(), view.header().payload_len), (&[7; 1][..], 4));
        assert_eq!(Ipv4View::parse_front(front, 2).unwrap_err(), ParseError::Ipv4Cut(1));
        assert_eq!(Ipv4View::parse_front(front, 5).unwrap_err(), ParseError::Ipv4TotalLength(24));
    }

    //= rfc1122#3.2.1.2-1
    #[test]
    fn every_flipped_bit_of_the_header_spoils_its_checksum() {
        assert!(Ipv4View::parse(&packet()).unwrap().verify_checksum());
        for bit in 0..160 {
            let mut bytes = packet();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Ipv4View::parse(&bytes).is_ok_and(|view| view.verify_checksum()).eq(&false), "bit {bit}");
        }
    }

    //= rfc9293#MUST-50
    //= rfc1122#3.2.1.8-3
    //= rfc1122#3.2.1.8-10
    #[test]
    fn options_are_skipped_whatever_their_length_says_and_source_routes_seen() {
        for (options, routed) in [
            ([1, 1, 1, 1], false),
            ([1, 131, 3, 4], true),
            ([137, 0, 0, 0], true),
            ([0, 131, 3, 4], false),
            ([7, 0, 131, 3], false),
            ([7, 1, 131, 3], false),
            ([7, 2, 131, 3], true),
            ([7, 200, 131, 3], false),
            ([1, 1, 1, 7], false),
        ] {
            let mut bytes = packet();
            (bytes[0], bytes[3]) = (0x46, 28);
            bytes[20..24].copy_from_slice(&options);
            let view = Ipv4View::parse(&bytes).unwrap();
            assert_eq!((view.payload(), view.option_bytes()), (&[7; 4][..], &options[..]));
            assert_eq!(view.has_source_route(), routed, "{options:?}");
        }
    }

    #[test]
    fn fragments_are_recognised() {
        let fragment = |high: u8, low: u8| {
            let mut bytes = packet();
            (bytes[6], bytes[7]) = (high, low);
            Ipv4View::parse(&bytes).unwrap().fragment()
        };
        assert_eq!(fragment(0x40, 0), None, "don't fragment");
        assert_eq!(fragment(0x20, 0), Some(Fragment { identification: 9, offset: 0, more: true }));
        assert_eq!(fragment(0x1f, 0xff), Some(Fragment { identification: 9, offset: 65_528, more: false }));
    }
}
