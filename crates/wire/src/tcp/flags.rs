//! The control bits (RFC 9293 section 3.1, RFC 3168 section 6.1).

/// The eight control bits. The four reserved bits are not kept: they are ignored on receipt and sent as zero.
///
/// ```
/// # use sockeye_wire::tcp::Flags;
/// let syn_ack = Flags { ack: true, ..Flags::SYN };
/// assert_eq!(Flags::from_bits(0x12), syn_ack);
/// assert_eq!(syn_ack.bits(), 0x12);
/// ```
//= rfc9293#3.1-2
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Flags {
    /// No more data from the sender.
    pub fin: bool,
    /// Synchronise sequence numbers.
    pub syn: bool,
    /// Reset the connection.
    pub rst: bool,
    /// Push.
    pub psh: bool,
    /// The acknowledgment field is significant.
    pub ack: bool,
    /// The urgent pointer field is significant.
    pub urg: bool,
    /// ECN echo.
    pub ece: bool,
    /// Congestion window reduced.
    pub cwr: bool,
}

impl Flags {
    /// No bit set.
    pub const NONE: Self = Self::from_bits(0);
    /// SYN alone.
    pub const SYN: Self = Self::from_bits(0x02);
    /// SYN and ACK.
    pub const SYN_ACK: Self = Self::from_bits(0x12);
    /// RST alone.
    pub const RST: Self = Self::from_bits(0x04);
    /// RST and ACK.
    pub const RST_ACK: Self = Self::from_bits(0x14);
    /// ACK alone.
    pub const ACK: Self = Self::from_bits(0x10);
    /// FIN and ACK.
    pub const FIN_ACK: Self = Self::from_bits(0x11);

    /// The flags in octet 13 of the header.
    pub const fn from_bits(bits: u8) -> Self {
        Self {
            fin: bits & 0x01 != 0,
            syn: bits & 0x02 != 0,
            rst: bits & 0x04 != 0,
            psh: bits & 0x08 != 0,
            ack: bits & 0x10 != 0,
            urg: bits & 0x20 != 0,
            ece: bits & 0x40 != 0,
            cwr: bits & 0x80 != 0,
        }
    }

    /// Octet 13 of the header.
    pub const fn bits(self) -> u8 {
        self.fin as u8
            | (self.syn as u8) << 1
            | (self.rst as u8) << 2
            | (self.psh as u8) << 3
            | (self.ack as u8) << 4
            | (self.urg as u8) << 5
            | (self.ece as u8) << 6
            | (self.cwr as u8) << 7
    }
}
