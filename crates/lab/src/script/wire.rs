//! Packets in the script's words to bytes, and back. Written apart from `sockeye-wire` where the stack's own packets are
//! read: options one by one, with their padding.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use sockeye_wire::checksum::{checksum, with_pseudo_header};
use sockeye_wire::ip::v4::Ipv4View;
use sockeye_wire::ip::{IpHeader, IpView, protocol};
use sockeye_wire::{tcp, udp};

use super::packet::{Ecn, Flags, Icmp, IpInfo, Segment, TcpOption, TcpOptions};

/// What the reference tool gives injected packets.
const HOP_LIMIT: u8 = 255;
/// Magic number of the experimental Fast Open option (RFC 6994).
const FAST_OPEN_MAGIC: [u8; 2] = [0xf9, 0x89];

impl TcpOption {
    /// The option as it stands in a header.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let (kind, data) = match self {
            Self::Nop => return vec![1],
            Self::End => return vec![0],
            Self::Mss(mss) => (2, mss.to_be_bytes().to_vec()),
            Self::WindowScale(shift) => (3, vec![*shift]),
            Self::SackPermitted => (4, Vec::new()),
            Self::Sack(blocks) => (
                5,
                blocks.iter().flat_map(|(left, right)| [left.to_be_bytes(), right.to_be_bytes()].concat()).collect(),
            ),
            Self::Timestamps { value, echo } => (8, [value.to_be_bytes(), echo.to_be_bytes()].concat()),
            Self::FastOpen(cookie) => (34, cookie.clone()),
            Self::FastOpenExperimental(cookie) => (254, [&FAST_OPEN_MAGIC[..], cookie].concat()),
            Self::Md5(digest) => (19, digest.clone()),
            Self::AccEcn { order, counters } => {
                let octets = counters.iter().flat_map(|counter| counter.to_be_bytes().into_iter().skip(1));
                (if *order == 0 { 172 } else { 174 }, octets.collect())
            }
            Self::Other(kind, data) => (*kind, data.clone()),
        };
        let length = u8::try_from(data.len() + 2).unwrap_or(u8::MAX);
        [&[kind, length][..], &data].concat()
    }

    /// The options in the bytes behind a header's fixed part, padding included.
    fn read_all(mut bytes: &[u8]) -> Result<Vec<Self>, String> {
        let mut options = Vec::new();
        while let Some((&kind, rest)) = bytes.split_first() {
            if kind <= 1 {
                options.push(if kind == 1 { Self::Nop } else { Self::End });
                bytes = rest;
                continue;
            }
            let length = usize::from(rest.first().copied().unwrap_or_default());
            let option = bytes.get(..length).filter(|_| length >= 2);
            let option = option.ok_or_else(|| format!("option {kind} has the length {length}"))?;
            options.push(Self::read(kind, option.get(2..).unwrap_or_default()));
            bytes = bytes.get(length..).unwrap_or_default();
        }
        Ok(options)
    }

    fn read(kind: u8, data: &[u8]) -> Self {
        match (kind, data) {
            (2, &[a, b]) => Self::Mss(u16::from_be_bytes([a, b])),
            (3, &[shift]) => Self::WindowScale(shift),
            (4, []) => Self::SackPermitted,
            (5, _) if data.len().is_multiple_of(8) => {
                let blocks = data.as_chunks::<8>().0;
                Self::Sack(blocks.iter().map(|block| (word(block), word(block.get(4..).unwrap_or_default()))).collect())
            }
            (8, _) if data.len() == 8 => {
                Self::Timestamps { value: word(data), echo: word(data.get(4..).unwrap_or_default()) }
            }
            (34, _) => Self::FastOpen(data.to_vec()),
            (254, &[high, low, ref cookie @ ..]) if [high, low] == FAST_OPEN_MAGIC => {
                Self::FastOpenExperimental(cookie.to_vec())
            }
            (19, _) => Self::Md5(data.to_vec()),
            (172 | 174, _) if data.len().is_multiple_of(3) => {
                let counters = data.as_chunks::<3>().0.iter().map(|&[a, b, c]| u32::from_be_bytes([0, a, b, c]));
                Self::AccEcn { order: (kind - 172) / 2, counters: counters.collect() }
            }
            _ => Self::Other(kind, data.to_vec()),
        }
    }
}

fn word(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |octets| u32::from_be_bytes(*octets))
}

/// A TCP packet; the segment's numbers are those of the wire, its text zeros.
pub(super) fn tcp_packet(from: SocketAddr, to: SocketAddr, segment: &Segment) -> Bytes {
    let options: Vec<u8> = match &segment.options {
        TcpOptions::Exactly(options) => options.iter().flat_map(TcpOption::to_bytes).collect(),
        TcpOptions::Any => Vec::new(),
    };
    let words = u16::try_from((20 + options.len()) / 4).unwrap_or(15);
    let mut header = Vec::with_capacity(60);
    header.extend(from.port().to_be_bytes());
    header.extend(to.port().to_be_bytes());
    header.extend(segment.seq.to_be_bytes());
    header.extend(segment.ack.to_be_bytes());
    header.extend((words << 12 | segment.flags.0).to_be_bytes());
    header.extend(segment.window.unwrap_or_default().to_be_bytes());
    header.extend([0; 2]);
    header.extend(segment.urgent.to_be_bytes());
    header.extend(options);
    let text = vec![0; segment.len as usize];
    tcp::fill_checksum(from.ip(), to.ip(), &mut header, [&text[..]].into_iter());
    ip_packet(from.ip(), to.ip(), protocol::TCP, segment.ip, &[header, text].concat())
}

/// An ICMP message that quotes `quoted`, a packet's first octets.
pub(super) fn icmp_packet(from: IpAddr, to: IpAddr, icmp: &Icmp, quoted: &[u8]) -> Bytes {
    let number = if from.is_ipv4() { protocol::ICMP } else { protocol::ICMPV6 };
    // The MTU: 16 bits behind two unused octets in IPv4 (RFC 1191), 32 in IPv6. An identifier stands first.
    let mtu = icmp.mtu.unwrap_or_default();
    let id = icmp.id.map_or(0, |id| u32::from(id) << 16);
    let mut message = vec![icmp.kind, icmp.code, 0, 0];
    message.extend((mtu | id).to_be_bytes());
    message.extend_from_slice(quoted);
    let sum =
        if from.is_ipv4() { checksum(&message) } else { with_pseudo_header(from, to, number, &message).checksum() };
    if let Some(field) = message.get_mut(2..4) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
    ip_packet(from, to, number, IpInfo::default(), &message)
}

/// A UDP datagram with so many zeros.
pub(super) fn udp_packet(from: SocketAddr, to: SocketAddr, len: u16) -> Bytes {
    let mut datagram = vec![0; udp::HEADER_LEN + usize::from(len)];
    let _ = udp::emit((from.ip(), from.port()), (to.ip(), to.port()), &vec![0; usize::from(len)], &mut datagram);
    ip_packet(from.ip(), to.ip(), protocol::UDP, IpInfo::default(), &datagram)
}

/// The first octets of a packet from `from` to `to`: IP header, ports, sequence number (or, of UDP, length); `len` is what
/// its IP header says that it carried behind a header of the least length.
pub(super) fn quotation(from: SocketAddr, to: SocketAddr, protocol: u8, seq: u32, len: u32) -> Bytes {
    let header = if protocol == protocol::TCP { 20 } else { 8 };
    let mut payload = Vec::with_capacity(8);
    payload.extend(from.port().to_be_bytes());
    payload.extend(to.port().to_be_bytes());
    payload.extend(seq.to_be_bytes());
    let octets = header + usize::try_from(len).unwrap_or_default();
    let info = IpInfo { ttl: Some(64), ..IpInfo::default() };
    let mut packet = ip_header(from.ip(), to.ip(), protocol, info, octets);
    packet.extend(payload);
    packet.into()
}

fn ip_packet(from: IpAddr, to: IpAddr, protocol: u8, info: IpInfo, payload: &[u8]) -> Bytes {
    let mut packet = ip_header(from, to, protocol, info, payload.len());
    packet.extend_from_slice(payload);
    packet.into()
}

fn ip_header(from: IpAddr, to: IpAddr, protocol: u8, info: IpInfo, payload_len: usize) -> Vec<u8> {
    let ecn = match info.ecn {
        Some(Ecn::Bits(bits)) => bits,
        Some(Ecn::AnyCapable) | None => 0,
    };
    let traffic_class = info.tos.unwrap_or(ecn);
    let hop_limit = info.ttl.unwrap_or(HOP_LIMIT);
    let mut header = vec![0; 40];
    let written = IpHeader {
        source: from,
        destination: to,
        protocol,
        payload_len,
        hop_limit,
        traffic_class,
        dont_fragment: false,
    }
    .emit(&mut header);
    header.truncate(written.unwrap_or(0));
    if let (IpAddr::V6(_), Some(label), Some(first)) = (from, info.flow_label, header.first_chunk_mut::<4>()) {
        *first = (u32::from_be_bytes(*first) | label & 0xf_ffff).to_be_bytes();
    }
    header
}

/// A packet that the stack sent.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) tos: u8,
    pub(super) ttl: u8,
    pub(super) flow_label: u32,
    pub(super) content: Content,
}

/// What it carries.
#[derive(Debug)]
pub(super) enum Content {
    /// A segment, its numbers those of the wire, and whether its checksum is right.
    Tcp(Segment, bool),
    Icmp {
        kind: u8,
        code: u8,
        len: usize,
    },
    Udp(u16),
}

/// Reads a packet of the stack's.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(packet: &[u8]) -> Result<Live, String> {
    let view = IpView::parse(packet).map_err(|error| format!("a packet that isn't IP: {error}"))?;
    if let IpView::V4(view) = &view {
        check_v4(view)?;
    }
    if view.total_len() != packet.len() {
        return Err(format!("a packet of {} octets says that it has {}", packet.len(), view.total_len()));
    }
    let flow_label = match &view {
        IpView::V4(_) => 0,
        IpView::V6(view) => view.flow_label(),
    };
    let payload = view.payload();
    let (content, ports) = match view.protocol() {
        protocol::TCP => {
            let (segment, ports) = read_segment(payload)?;
            let sum = with_pseudo_header(view.source(), view.destination(), protocol::TCP, payload);
            (Content::Tcp(segment, sum.is_valid()), ports)
        }
        protocol::UDP => {
            let header = payload.first_chunk::<8>().ok_or("a UDP datagram without a header")?;
            let ports = (u16::from_be_bytes([header[0], header[1]]), u16::from_be_bytes([header[2], header[3]]));
            (Content::Udp(u16::try_from(payload.len() - header.len()).unwrap_or(u16::MAX)), ports)
        }
        _ => {
            let &[kind, code] = payload.first_chunk().ok_or("an ICMP message without a header")?;
            (Content::Icmp { kind, code, len: payload.len() }, (0, 0))
        }
    };
    Ok(Live {
        from: (view.source(), ports.0).into(),
        to: (view.destination(), ports.1).into(),
        tos: view.traffic_class(),
        ttl: view.hop_limit(),
        flow_label,
        content,
    })
}

fn check_v4(view: &Ipv4View<'_>) -> Result<(), String> {
    if !view.verify_checksum() {
        return Err("an IPv4 header with a wrong checksum".into());
    }
    if view.header_len() != 20 {
        return Err(format!("an IPv4 header of {} octets", view.header_len()));
    }
    match view.fragment() {
        Some(_) => Err("a fragment".into()),
        None => Ok(()),
    }
}

/// A segment, and its ports.
fn read_segment(bytes: &[u8]) -> Result<(Segment, (u16, u16)), String> {
    let fixed = bytes.first_chunk::<20>().ok_or("a segment without a header")?;
    let half = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
    let whole = |at: usize| u32::from(half(at)) << 16 | u32::from(half(at + 2));
    let bits = half(12);
    let header_len = usize::from(bits >> 12) * 4;
    let options = bytes.get(20..header_len).ok_or_else(|| format!("a data offset of {header_len} octets"))?;
    let text = bytes.get(header_len..).unwrap_or_default();
    if text.iter().any(|octet| *octet != 0) {
        return Err("text that isn't zeros, which is all that was written".into());
    }
    if bits & 0x0e00 != 0 {
        return Err("reserved bits that are set".into());
    }
    let segment = Segment {
        ip: IpInfo::default(),
        ports: None,
        flags: Flags(bits & 0x1ff),
        seq: whole(4),
        len: u32::try_from(text.len()).unwrap_or(u32::MAX),
        ack: whole(8),
        window: Some(half(14)),
        urgent: half(18),
        options: TcpOptions::Exactly(TcpOption::read_all(options)?),
    };
    Ok((segment, (half(0), half(2))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_read_as_it_was_written() {
        for option in [
            TcpOption::Nop,
            TcpOption::End,
            TcpOption::Mss(1460),
            TcpOption::WindowScale(7),
            TcpOption::SackPermitted,
            TcpOption::Sack(vec![(1, 2), (u32::MAX, 4)]),
            TcpOption::Timestamps { value: 5, echo: 6 },
            TcpOption::FastOpen(vec![]),
            TcpOption::FastOpen(vec![1; 8]),
            TcpOption::FastOpenExperimental(vec![]),
            TcpOption::FastOpenExperimental(vec![1; 8]),
            TcpOption::Md5(vec![9; 16]),
            TcpOption::AccEcn { order: 0, counters: vec![1, 0xff_ffff] },
            TcpOption::AccEcn { order: 1, counters: vec![] },
        ] {
            assert_eq!(TcpOption::read_all(&option.to_bytes()), Ok(vec![option]));
        }
    }
}
