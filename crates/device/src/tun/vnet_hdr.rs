//! The header before each frame of an offloading device: what is left to do for it.
//!
//! It is `struct virtio_net_hdr` of Linux's `linux/virtio_net.h` in the machine's own byte order, as TUN, TAP and packet
//! sockets use it; virtio 1.3 section 5.1.6 has its meaning. It is read from a kernel, which may pass on what a guest or
//! another process has written into it: it is checked against its frame, and nothing it says is trusted beyond that.

use std::fmt;

/// Octets of the header.
pub const LEN: usize = 10;

const NEEDS_CSUM: u8 = 1;
const DATA_VALID: u8 = 2;
const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;
const GSO_UDP: u8 = 5;
const GSO_ECN: u8 = 0x80;

/// Where TCP's checksum stands in its header (RFC 9293 section 3.1).
pub(super) const TCP_CHECKSUM: u16 = 16;
/// Where TCP's flags stand, and the bit of CWR among them (RFC 9293 section 3.1).
const TCP_FLAGS: usize = 13;
const CWR: u8 = 0x80;

/// What is left to do for a frame. The default: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VnetHeader {
    /// The transport checksum.
    pub checksum: Checksum,
    /// How the frame is to be cut, if it is a super-segment.
    pub cut: Option<Cut>,
    /// Octets of all headers, of which each segment gets a copy: a hint, 0 for none given.
    pub header_len: u16,
}

/// What is known of a frame's transport checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksum {
    /// It is there; nobody has looked whether it is right.
    #[default]
    Unknown,
    /// It is right.
    Verified,
    /// In its place stands the sum of the pseudo-header, to which that of all octets from `start` on is to be added. The
    /// packet has not been on a wire yet, so it can't have been damaged there.
    Partial {
        /// Where in the frame the summed part starts.
        start: u16,
        /// Where, from there on, the checksum stands.
        offset: u16,
    },
}

/// How a super-segment is to be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// What it is made of.
    pub kind: Kind,
    /// The first segment carries CWR, which those that follow must not (RFC 3168 section 6.1.2).
    pub cwr: bool,
    /// Octets of payload in each piece but the last, which may have fewer: never 0.
    pub size: u16,
}

/// What a super-segment is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// TCP segments over IPv4.
    TcpV4,
    /// TCP segments over IPv6.
    TcpV6,
    /// UDP datagrams over either.
    Udp,
}

/// Why a frame is dropped: its header contradicts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lie {
    /// The frame ends within the header.
    Short,
    /// The checksum would lie behind the frame's end, at this place.
    ChecksumOutside(usize),
    /// A kind of super-segment that was never agreed on.
    Kind(u8),
    /// Pieces of this many octets: none, or more than the frame has.
    Size(u16),
}

impl fmt::Display for Lie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => write!(f, "the frame ends within its offload header"),
            Self::ChecksumOutside(at) => write!(f, "the offload header puts the checksum behind the end, at {at}"),
            Self::Kind(kind) => write!(f, "the offload header tells of segments of unknown kind {kind:#x}"),
            Self::Size(size) => write!(f, "the offload header tells of segments of {size} octets"),
        }
    }
}

impl VnetHeader {
    /// Reads the header at the start of `frame`, and gives what follows it.
    ///
    /// # Errors
    /// [`Lie`], if the header can't be that of this frame.
    pub fn parse(frame: &[u8]) -> Result<(Self, &[u8]), Lie> {
        let Some((&[flags, kind, l0, l1, z0, z1, s0, s1, o0, o1], frame)) = frame.split_first_chunk() else {
            return Err(Lie::Short);
        };
        let word = |a, b| u16::from_ne_bytes([a, b]);
        let checksum = match (flags & NEEDS_CSUM != 0, flags & DATA_VALID != 0) {
            (true, _) => partial(word(s0, s1), word(o0, o1), frame)?,
            (false, true) => Checksum::Verified,
            (false, false) => Checksum::Unknown,
        };
        let cut = Cut::parse(kind, word(z0, z1), frame)?;
        Ok((Self { checksum, cut, header_len: word(l0, l1) }, frame))
    }

    /// The header as it stands before a frame.
    pub fn to_bytes(self) -> [u8; LEN] {
        let (flags, start, offset) = match self.checksum {
            Checksum::Unknown => (0, 0, 0),
            Checksum::Verified => (DATA_VALID, 0, 0),
            Checksum::Partial { start, offset } => (NEEDS_CSUM, start, offset),
        };
        let (kind, size) = self.cut.map_or((GSO_NONE, 0), Cut::to_field);
        let ([l0, l1], [z0, z1]) = (self.header_len.to_ne_bytes(), size.to_ne_bytes());
        let ([s0, s1], [o0, o1]) = (start.to_ne_bytes(), offset.to_ne_bytes());
        [flags, kind, l0, l1, z0, z1, s0, s1, o0, o1]
    }

    /// The header for a packet of the stack's: `head` are its headers from IP on, before which a link header of
    /// `link_len` octets is to stand. TCP's checksum is left to the device, and so is cutting, into segments of
    /// `segment_size` octets if that isn't 0. What isn't TCP is complete, and never cut.
    pub fn for_packet(link_len: usize, head: &[u8], segment_size: u16) -> Self {
        let Some((ip_len, kind)) = tcp_within(head) else {
            return Self::default();
        };
        let flags = head.get(ip_len + TCP_FLAGS).copied().unwrap_or_default();
        let cut = (segment_size > 0).then_some(Cut { kind, cwr: flags & CWR != 0, size: segment_size });
        Self {
            checksum: Checksum::Partial { start: short(link_len + ip_len), offset: TCP_CHECKSUM },
            cut,
            header_len: short(link_len + head.len()),
        }
    }
}

impl Cut {
    fn parse(kind: u8, size: u16, frame: &[u8]) -> Result<Option<Self>, Lie> {
        let cwr = kind & GSO_ECN != 0;
        let kind = match kind & !GSO_ECN {
            GSO_NONE => return Ok(None),
            GSO_TCPV4 => Kind::TcpV4,
            GSO_TCPV6 => Kind::TcpV6,
            GSO_UDP => Kind::Udp,
            other => return Err(Lie::Kind(other)),
        };
        if size == 0 || usize::from(size) > frame.len() {
            return Err(Lie::Size(size));
        }
        Ok(Some(Self { kind, cwr, size }))
    }

    fn to_field(self) -> (u8, u16) {
        let kind = match self.kind {
            Kind::TcpV4 => GSO_TCPV4,
            Kind::TcpV6 => GSO_TCPV6,
            Kind::Udp => GSO_UDP,
        };
        (kind | if self.cwr { GSO_ECN } else { 0 }, self.size)
    }
}

fn partial(start: u16, offset: u16, frame: &[u8]) -> Result<Checksum, Lie> {
    let at = usize::from(start) + usize::from(offset);
    if at + 2 > frame.len() {
        return Err(Lie::ChecksumOutside(at));
    }
    Ok(Checksum::Partial { start, offset })
}

/// Where the TCP header starts in the headers of a packet of ours, which has no extension headers, and what segments it
/// is cut into; `None` if it isn't TCP.
fn tcp_within(head: &[u8]) -> Option<(usize, Kind)> {
    const TCP: u8 = 6;
    let first = *head.first()?;
    match first >> 4 {
        4 if *head.get(9)? == TCP => Some((usize::from(first & 0xf) * 4, Kind::TcpV4)),
        6 if *head.get(6)? == TCP => Some((40, Kind::TcpV6)),
        _ => None,
    }
}

/// A length within headers, which have no 65,536 octets.
fn short(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(flags: u8, kind: u8, size: u16, start: u16, offset: u16) -> Vec<u8> {
        let words = [0, size, start, offset].map(u16::to_ne_bytes).concat();
        [&[flags, kind][..], &words, &[0; 60]].concat()
    }

    fn parsed(flags: u8, kind: u8, size: u16, start: u16, offset: u16) -> Result<VnetHeader, Lie> {
        VnetHeader::parse(&frame(flags, kind, size, start, offset)).map(|(header, _)| header)
    }

    #[test]
    fn a_super_segment_is_told_by_its_kind_and_size() {
        let checksum = Checksum::Partial { start: 20, offset: 16 };
        let of = |kind, cwr| Ok(VnetHeader { checksum, cut: Some(Cut { kind, cwr, size: 48 }), header_len: 0 });
        assert_eq!(parsed(NEEDS_CSUM, GSO_TCPV4, 48, 20, 16), of(Kind::TcpV4, false));
        assert_eq!(parsed(NEEDS_CSUM, GSO_TCPV6 | GSO_ECN, 48, 20, 16), of(Kind::TcpV6, true));
        assert_eq!(parsed(NEEDS_CSUM, GSO_UDP, 48, 20, 16), of(Kind::Udp, false));
        assert_eq!(parsed(0, GSO_NONE, 48, 0, 0), Ok(VnetHeader::default()), "without a kind the size means nothing");
        let verified = VnetHeader { checksum: Checksum::Verified, ..VnetHeader::default() };
        assert_eq!(parsed(DATA_VALID, GSO_NONE, 0, 0, 0), Ok(verified));
    }

    #[test]
    fn headers_that_contradict_the_frame_are_refused_by_name() {
        assert_eq!(VnetHeader::parse(&[0; LEN - 1]), Err(Lie::Short));
        assert_eq!(parsed(NEEDS_CSUM, GSO_NONE, 0, 50, 9), Err(Lie::ChecksumOutside(59)));
        assert_eq!(parsed(NEEDS_CSUM, GSO_NONE, 0, u16::MAX, u16::MAX), Err(Lie::ChecksumOutside(131_070)));
        assert!(parsed(NEEDS_CSUM, GSO_NONE, 0, 50, 8).is_ok());
        assert_eq!(parsed(NEEDS_CSUM, GSO_TCPV4, 0, 20, 16), Err(Lie::Size(0)));
        assert_eq!(parsed(NEEDS_CSUM, GSO_TCPV4, 61, 20, 16), Err(Lie::Size(61)));
        assert_eq!(parsed(0, 3, 10, 0, 0), Err(Lie::Kind(3)));
    }

    #[test]
    fn the_checksum_of_a_segment_is_left_to_the_device() {
        let mut head = [0; 60];
        (head[0], head[9]) = (0x45, 6);
        let partial = |start| Checksum::Partial { start, offset: 16 };
        let whole = VnetHeader { checksum: partial(20), cut: None, header_len: 60 };
        assert_eq!(VnetHeader::for_packet(0, &head, 0), whole);
        let cut = |kind, cwr| Some(Cut { kind, cwr, size: 1448 });
        let super_segment = VnetHeader { checksum: partial(34), cut: cut(Kind::TcpV4, false), header_len: 74 };
        assert_eq!(VnetHeader::for_packet(14, &head, 1448), super_segment);
        head[20 + TCP_FLAGS] = CWR;
        assert_eq!(VnetHeader::for_packet(0, &head, 1448).cut, cut(Kind::TcpV4, true));
        (head[0], head[6]) = (0x60, 6);
        let v6 = VnetHeader { checksum: partial(40), cut: cut(Kind::TcpV6, false), header_len: 60 };
        assert_eq!(VnetHeader::for_packet(0, &head, 1448), v6);
    }

    #[test]
    fn what_is_not_tcp_is_complete() {
        let mut head = [0; 40];
        (head[0], head[9]) = (0x45, 17);
        assert_eq!(VnetHeader::for_packet(0, &head, 0), VnetHeader::default());
        assert_eq!(VnetHeader::for_packet(0, &[], 1448), VnetHeader::default());
    }
}
