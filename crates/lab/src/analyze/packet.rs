//! From a captured packet to a TCP segment. Captures cut packets short and hold what no host would accept; so nothing here
//! needs more than the headers, and what is not TCP has a name.

use std::net::{IpAddr, SocketAddr};

use sockeye_wire::checksum::Sum;
use sockeye_wire::tcp::{Flags, Options, TcpView};
use sockeye_wire::{Instant, SeqNumber};

use crate::capture::{LinkType, Packet};

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// Tags of virtual networks: 802.1Q, 802.1ad and what was used before it.
const TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];
const TCP: u8 = 6;

/// Why a packet takes no part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Skipped {
    /// Its link layer is none that is known.
    LinkType,
    /// It is not IP.
    NotIp,
    /// It is not TCP.
    NotTcp,
    /// A fragment of an IP packet.
    Fragment,
    /// Its headers were not captured whole, or contradict themselves.
    Malformed,
    /// Its TCP checksum is wrong.
    Checksum,
}

/// A TCP segment as it was captured.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// When, since 1970.
    pub at: Instant,
    /// The number of its IPv4 packet (RFC 6864); 0 for many, and with IPv6.
    pub id: u16,
    /// From where.
    pub source: SocketAddr,
    /// To where.
    pub destination: SocketAddr,
    /// SEG.SEQ.
    pub seq: SeqNumber,
    /// SEG.ACK.
    pub ack: SeqNumber,
    /// The control bits.
    pub flags: Flags,
    /// SEG.WND, not scaled.
    pub window: u16,
    /// The options.
    pub options: Options,
    /// Octets of text, captured or not.
    pub text_len: u32,
    /// The text, if it was captured whole.
    pub text: Option<&'a [u8]>,
    /// Octets of IP and TCP options.
    pub options_len: u32,
}

#[cfg(test)]
impl<'a> Segment<'a> {
    /// For tests: so much text that begins at `seq`, from a port to a server, of which the capture has `text`.
    pub fn example(port: u16, seq: u32, text_len: u32, text: Option<&'a [u8]>) -> Self {
        Self {
            at: Instant::ZERO,
            id: 0,
            source: ([10, 0, 0, 1], port).into(),
            destination: ([10, 0, 0, 2], 80).into(),
            seq: SeqNumber::new(seq),
            ack: SeqNumber::new(0),
            flags: Flags::default(),
            window: 100,
            options: Options::default(),
            text_len,
            text,
            options_len: 0,
        }
    }
}

impl Segment<'_> {
    /// SEG.LEN: the text, SYN and FIN.
    pub fn len(&self) -> u32 {
        self.text_len + u32::from(self.flags.syn) + u32::from(self.flags.fin)
    }
}

/// The segment in `packet`.
///
/// # Errors
/// Why there is none.
pub fn segment<'a>(packet: &Packet<'a>) -> Result<Segment<'a>, Skipped> {
    let ip = ip(&behind_link(packet)?)?;
    let tcp = TcpView::parse(ip.captured).map_err(|_| Skipped::Malformed)?;
    let text_len = ip.len.checked_sub(tcp.header_len()).ok_or(Skipped::Malformed)?;
    let text = tcp.payload().get(..text_len);
    if text.is_some() && !is_sound(&ip, &tcp) {
        return Err(Skipped::Checksum);
    }
    Ok(Segment {
        at: packet.at,
        id: ip.id,
        source: SocketAddr::new(ip.source, tcp.source_port()),
        destination: SocketAddr::new(ip.destination, tcp.destination_port()),
        seq: tcp.seq(),
        ack: tcp.ack(),
        flags: tcp.flags(),
        window: tcp.window(),
        options: tcp.options(),
        text_len: u32::try_from(text_len).map_err(|_| Skipped::Malformed)?,
        text,
        options_len: u32::try_from(ip.options_len + tcp.option_bytes().len()).unwrap_or_default(),
    })
}

/// True if the checksum is right, or is what stands in the field until a device completes it: then the packet was captured
/// before it left. That is the sum of the pseudo-header where the device adds the rest, and zero where it makes all of the sum;
/// on the wire zero is rare, and then the right one nearly always.
fn is_sound(ip: &Ip<'_>, tcp: &TcpView<'_>) -> bool {
    let mut sum = Sum::default();
    sum.add_pseudo_header(ip.source, ip.destination, TCP, u32::try_from(ip.len).unwrap_or(u32::MAX));
    let partial = sum.partial();
    sum.add(ip.captured.get(..ip.len).unwrap_or(ip.captured));
    sum.is_valid() || tcp.checksum() == partial || tcp.checksum() == 0
}

/// An IP packet, still in its wrapping.
struct Network<'a> {
    data: &'a [u8],
    /// Octets on the wire, from here on.
    original_len: usize,
}

/// Takes the link layer off.
fn behind_link<'a>(packet: &Packet<'a>) -> Result<Network<'a>, Skipped> {
    // Where the EtherType stands, if there is one, and where the packet begins.
    let (ethertype, mut start) = match packet.link.ok_or(Skipped::LinkType)? {
        LinkType::Ip => (None, 0),
        LinkType::Ethernet => (Some(12), 14),
        LinkType::Loopback => (None, 4), // the address family, of either byte order
        LinkType::Cooked => (Some(14), 16),
        LinkType::Cooked2 => (Some(0), 20),
    };
    if let Some(mut place) = ethertype {
        let mut kind = word(packet.data, place).ok_or(Skipped::Malformed)?;
        while TAGS.contains(&kind) {
            place = start + 2;
            start += 4;
            kind = word(packet.data, place).ok_or(Skipped::Malformed)?;
        }
        if kind != IPV4 && kind != IPV6 {
            return Err(Skipped::NotIp);
        }
    }
    let data = packet.data.get(start..).ok_or(Skipped::Malformed)?;
    Ok(Network { data, original_len: packet.original_len.saturating_sub(start) })
}

fn word(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..)?.first_chunk().map(|octets| u16::from_be_bytes(*octets))
}

/// What matters of an IP packet that carries TCP.
struct Ip<'a> {
    /// Its number; 0 with IPv6.
    id: u16,
    source: IpAddr,
    destination: IpAddr,
    options_len: usize,
    /// What was captured of the TCP segment, perhaps with padding behind it.
    captured: &'a [u8],
    /// Octets of the TCP segment.
    len: usize,
}

fn ip<'a>(network: &Network<'a>) -> Result<Ip<'a>, Skipped> {
    match network.data.first().map(|octet| octet >> 4) {
        Some(4) => ipv4(network),
        Some(6) => ipv6(network),
        Some(_) => Err(Skipped::NotIp),
        None => Err(Skipped::Malformed),
    }
}

fn ipv4<'a>(network: &Network<'a>) -> Result<Ip<'a>, Skipped> {
    let header: &[u8; 20] = network.data.first_chunk().ok_or(Skipped::Malformed)?;
    let &[first, _, l0, l1, i0, i1, f0, f1, _, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3] = header;
    let header_len = usize::from(first & 0x0f) * 4;
    if protocol != TCP {
        return Err(Skipped::NotTcp);
    }
    if u16::from_be_bytes([f0, f1]) & 0x3fff != 0 {
        return Err(Skipped::Fragment);
    }
    // Zero where a device was to cut the packet: then what was captured tells the length.
    let total_len =
        Some(usize::from(u16::from_be_bytes([l0, l1]))).filter(|len| *len > 0).unwrap_or(network.original_len);
    let captured = network.data.get(header_len..).filter(|_| header_len >= 20).ok_or(Skipped::Malformed)?;
    Ok(Ip {
        id: u16::from_be_bytes([i0, i1]),
        source: IpAddr::from([s0, s1, s2, s3]),
        destination: IpAddr::from([d0, d1, d2, d3]),
        options_len: header_len - 20,
        captured,
        len: total_len.checked_sub(header_len).ok_or(Skipped::Malformed)?,
    })
}

fn ipv6<'a>(network: &Network<'a>) -> Result<Ip<'a>, Skipped> {
    let (header, rest) = network.data.split_first_chunk::<40>().ok_or(Skipped::Malformed)?;
    let [_, _, _, _, l0, l1, next, _, addresses @ ..] = header;
    let (source, destination) = addresses.split_first_chunk::<16>().ok_or(Skipped::Malformed)?;
    let destination: [u8; 16] = *destination.first_chunk().ok_or(Skipped::Malformed)?;
    let payload_len = Some(usize::from(u16::from_be_bytes([*l0, *l1])))
        .filter(|len| *len > 0)
        .unwrap_or(network.original_len.saturating_sub(40));
    let (mut protocol, mut captured) = (*next, rest);
    // Hop-by-hop options, routing, destination options: all begin with the next protocol and their length.
    while matches!(protocol, 0 | 43 | 60) {
        let &[next, length] = captured.first_chunk().ok_or(Skipped::Malformed)?;
        captured = captured.get((usize::from(length) + 1) * 8..).ok_or(Skipped::Malformed)?;
        protocol = next;
    }
    match protocol {
        TCP => {}
        44 => return Err(Skipped::Fragment),
        _ => return Err(Skipped::NotTcp),
    }
    let options_len = rest.len() - captured.len();
    Ok(Ip {
        id: 0,
        source: IpAddr::from(*source),
        destination: IpAddr::from(destination),
        options_len,
        captured,
        len: payload_len.checked_sub(options_len).ok_or(Skipped::Malformed)?,
    })
}
