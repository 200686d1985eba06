//! A TCP header to write (RFC 9293 section 3.1).

use core::net::IpAddr;

use super::view::HEADER_LEN;
use super::{Flags, Options};
use crate::SeqNumber;
use crate::checksum::Sum;
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
    /// The urgent pointer.
    pub urgent: u16,
    /// The options. Those that the 40 octets of option space don't hold are left out, SACK blocks first.
    pub options: Options,
}

impl TcpHeader {
    /// Octets that the header takes: 20 to 60.
    pub fn len(&self) -> usize {
        HEADER_LEN + self.options.len()
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
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let length = self.len();
        let header = room(buffer, length)?;
        let (fixed, options) = header.split_at_mut(HEADER_LEN);
        let [s0, s1] = self.source_port.to_be_bytes();
        let [d0, d1] = self.destination_port.to_be_bytes();
        let [q0, q1, q2, q3] = self.seq.value().to_be_bytes();
        let [a0, a1, a2, a3] = self.ack.value().to_be_bytes();
        let [w0, w1] = self.window.to_be_bytes();
        let [u0, u1] = self.urgent.to_be_bytes();
        let offset = u8::try_from(length / 4).unwrap_or(15) << 4;
        fixed.copy_from_slice(&[
            s0,
            s1,
            d0,
            d1,
            q0,
            q1,
            q2,
            q3,
            a0,
            a1,
            a2,
            a3,
            offset,
            self.flags.bits(),
            w0,
            w1,
            0,
            0,
            u0,
            u1,
        ]);
        self.options.emit(options);
        Ok(length)
    }
}

//= rfc9293#MUST-2
/// Fills in the checksum of the segment whose `header` is followed by the pieces of `text`.
pub fn fill_checksum<'a>(
    source: IpAddr,
    destination: IpAddr,
    header: &mut [u8],
    text: impl Iterator<Item = &'a [u8]> + Clone,
) {
    let octets = header.len() + text.clone().map(<[u8]>::len).sum::<usize>();
    let mut sum = Sum::default();
    sum.add_pseudo_header(source, destination, protocol::TCP, u32::try_from(octets).unwrap_or(u32::MAX));
    put_checksum(header, 0);
    sum.add(header);
    text.for_each(|piece| sum.add(piece));
    put_checksum(header, sum.checksum());
}

/// Leaves in the checksum's place the sum of the pseudo-header, as a device wants it that adds the rest. `octets` is the
/// length of header and text together.
pub fn fill_partial_checksum(source: IpAddr, destination: IpAddr, header: &mut [u8], octets: usize) {
    let mut sum = Sum::default();
    sum.add_pseudo_header(source, destination, protocol::TCP, u32::try_from(octets).unwrap_or(u32::MAX));
    put_checksum(header, sum.partial());
}

fn put_checksum(header: &mut [u8], checksum: u16) {
    if let Some(field) = header.get_mut(CHECKSUM_OFFSET..CHECKSUM_OFFSET + 2) {
        field.copy_from_slice(&checksum.to_be_bytes());
    }
}
