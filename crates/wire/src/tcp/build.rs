//! A TCP header to write (RFC 9293 section 3.1).

use core::net::IpAddr;

use super::view::HEADER_LEN;
use super::{Flags, Options, Timestamps};
use crate::SeqNumber;
use crate::checksum::{Sum, pieces_with_pseudo_header};
use crate::error::{BufferTooSmall, room};
use crate::ip::protocol;

/// Where the checksum stands in the header, in octets.
pub const CHECKSUM_OFFSET: usize = 16;

/// A header to write.
///
/// ```
/// use sockeye_wire::SeqNumber;
/// use sockeye_wire::tcp::{Flags, Options, TcpHeader, TcpView};
///
/// let header = TcpHeader {
///     source_port: 1234,
///     destination_port: 80,
///     seq: SeqNumber::new(7),
///     ack: SeqNumber::new(0),
///     flags: Flags::SYN,
///     window: 65_535,
///     urgent: 0,
///     options: Options { mss: Some(1460), ..Options::NONE },
/// };
/// let mut buffer = [0; 60];
/// let length = header.emit(&mut buffer)?;
/// let view = TcpView::parse(&buffer[..length]).unwrap();
/// assert_eq!((view.seq(), view.options().mss), (SeqNumber::new(7), Some(1460)));
/// # Ok::<(), sockeye_wire::BufferTooSmall>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpHeader {
    /// The port it comes from.
    pub source_port: u16,
    /// The port it goes to.
    pub destination_port: u16,
    /// The sequence number.
    pub seq: SeqNumber,
    /// The acknowledgment number.
    pub ack: SeqNumber,
    /// The control bits.
    pub flags: Flags,
    /// The window field.
    pub window: u16,
    /// The urgent pointer: from `seq` to the octet behind the urgent data. Sent as 0 unless [`Flags::urg`] is set.
    pub urgent: u16,
    /// The options. Those of the handshake (see [`Options`]) are left out of a segment without SYN; so are those that
    /// the 40 octets of option space don't hold: first SACK blocks from the last on, then the user timeout, then the
    /// Fast Open cookie.
    pub options: Options,
}

impl TcpHeader {
    /// Octets that the header takes: 20 to 60.
    pub fn len(&self) -> usize {
        HEADER_LEN + self.options.encode(self.flags.syn).1
    }

    /// Never: a header has at least 20 octets.
    pub const fn is_empty(&self) -> bool {
        false
    }

    //= rfc9293#3.1-2
    /// Writes the header, its checksum zero, and says how many octets it takes.
    ///
    /// # Errors
    /// [`BufferTooSmall`].
    #[inline]
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        match self.options.timestamps_alone() {
            // As in nearly every segment: of known length, and in place at once.
            Some(timestamps) if !self.flags.syn => {
                let length = HEADER_LEN + Timestamps::LEN;
                let (fixed, space) = room(buffer, length)?.split_at_mut(HEADER_LEN);
                self.emit_fixed(fixed, length);
                space.copy_from_slice(&timestamps.encode_alone());
                Ok(length)
            }
            _ => self.emit_any(buffer),
        }
    }

    fn emit_any(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let (options, options_len) = self.options.encode(self.flags.syn);
        let length = HEADER_LEN + options_len;
        let (fixed, space) = room(buffer, length)?.split_at_mut(HEADER_LEN);
        self.emit_fixed(fixed, length);
        space.copy_from_slice(options.get(..options_len).unwrap_or_default());
        Ok(length)
    }

    /// Writes the first 20 octets of a header of `length`.
    #[inline]
    fn emit_fixed(&self, fixed: &mut [u8], length: usize) {
        let offset = u8::try_from(length / 4).unwrap_or(15) << 4;
        let urgent = if self.flags.urg { self.urgent } else { 0 };
        let words = [
            pair(self.source_port, self.destination_port),
            self.seq.value().to_be_bytes(),
            self.ack.value().to_be_bytes(),
            pair(u16::from_be_bytes([offset, self.flags.bits()]), self.window),
            pair(0, urgent),
        ];
        fixed.copy_from_slice(words.as_flattened());
    }
}

/// Two fields of 16 bits.
fn pair(first: u16, second: u16) -> [u8; 4] {
    (u32::from(first) << 16 | u32::from(second)).to_be_bytes()
}

//= rfc9293#MUST-2
//= rfc1122#4.2.2.7-1
/// Fills in the checksum of the segment whose `header` is followed by the pieces of `text`, of whatever lengths.
pub fn fill_checksum<'a>(source: IpAddr, destination: IpAddr, header: &mut [u8], text: impl Iterator<Item = &'a [u8]>) {
    put_checksum(header, 0);
    let sum = pieces_with_pseudo_header(source, destination, protocol::TCP, header, text);
    put_checksum(header, sum.checksum());
}

/// Starts the sum of a segment with its pseudo-header. `octets` is the length of header and text together.
#[inline]
pub fn sum_pseudo_header(source: IpAddr, destination: IpAddr, octets: usize) -> Sum {
    let mut sum = Sum::default();
    sum.add_pseudo_header(source, destination, protocol::TCP, u32::try_from(octets).unwrap_or(u32::MAX));
    sum
}

/// Leaves in the checksum's place the sum of the pseudo-header, as a device wants it that adds the rest. `octets` is the
/// length of header and text together.
pub fn fill_partial_checksum(source: IpAddr, destination: IpAddr, header: &mut [u8], octets: usize) {
    put_checksum(header, sum_pseudo_header(source, destination, octets).partial());
}

fn put_checksum(header: &mut [u8], checksum: u16) {
    if let Some(field) = header.get_mut(CHECKSUM_OFFSET..CHECKSUM_OFFSET + 2) {
        field.copy_from_slice(&checksum.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::{FastOpenCookie, TcpView, Timestamps};

    const ENDS: [IpAddr; 2] =
        [IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 1)), IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 2))];

    fn header(flags: Flags) -> TcpHeader {
        TcpHeader {
            source_port: 1,
            destination_port: 2,
            seq: SeqNumber::new(3),
            ack: SeqNumber::new(4),
            flags,
            window: 5,
            urgent: 6,
            options: Options {
                mss: Some(1460),
                window_scale: Some(7),
                sack_permitted: true,
                timestamps: Some(Timestamps { value: 8, echo: 9 }),
                fast_open: Some(FastOpenCookie::REQUEST),
                ..Options::NONE
            },
        }
    }

    //= rfc9293#MUST-65
    //= rfc2018#2-2
    #[test]
    fn options_of_the_handshake_are_never_sent_without_syn() {
        let mut buffer = [0; 60];
        let length = header(Flags::ACK).emit(&mut buffer).unwrap();
        assert_eq!(buffer[20..length], [1, 1, 8, 10, 0, 0, 0, 8, 0, 0, 0, 9]);
        let length = header(Flags::SYN_ACK).emit(&mut buffer).unwrap();
        let options = TcpView::parse(&buffer[..length]).unwrap().options();
        assert_eq!(options, header(Flags::SYN_ACK).options);
    }

    #[test]
    fn a_buffer_that_is_too_small_is_left_alone() {
        let header = header(Flags::SYN);
        let mut buffer = [0xee; 60];
        assert_eq!(header.emit(&mut buffer[..header.len() - 3]), Err(BufferTooSmall(3)));
        assert_eq!(buffer, [0xee; 60]);
    }

    //= rfc9293#MUST-2
    //= rfc9293#3.1-3
    //= rfc1122#4.2.2.7-1
    #[test]
    fn text_in_pieces_of_odd_length_has_the_checksum_of_the_whole() {
        let text: [u8; 33] = core::array::from_fn(|i| u8::try_from(i * 7).unwrap());
        let mut bytes = [0; 93];
        let header_len = header(Flags::ACK).emit(&mut bytes).unwrap();
        for cuts in [[0, 0], [1, 2], [5, 6], [7, 20], [33, 33]] {
            let pieces = [&text[..cuts[0]], &text[cuts[0]..cuts[1]], &text[cuts[1]..]];
            fill_checksum(ENDS[0], ENDS[1], &mut bytes[..header_len], pieces.into_iter());
            bytes[header_len..header_len + text.len()].copy_from_slice(&text);
            let view = TcpView::parse(&bytes[..header_len + text.len()]).unwrap();
            assert!(view.verify_checksum(ENDS[0], ENDS[1]), "{cuts:?}");
        }
    }

    #[test]
    fn a_device_that_adds_header_and_text_to_the_partial_sum_has_the_checksum() {
        let mut whole = [0; 20];
        let header = TcpHeader { options: Options::NONE, ..header(Flags::ACK) };
        header.emit(&mut whole).unwrap();
        let mut partial = whole;
        fill_checksum(ENDS[0], ENDS[1], &mut whole, [&b"text"[..]].into_iter());
        fill_partial_checksum(ENDS[0], ENDS[1], &mut partial, 24);
        let mut device = Sum::default();
        device.add(&partial);
        device.add(b"text");
        assert_eq!(device.checksum().to_be_bytes(), whole[16..18]);
    }
}
